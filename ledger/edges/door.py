"""Who may ask a program over HTTP, and where it listens: on this machine only, unless askers prove themselves with a
token and the way to it is encrypted, here or by a proxy that the operator names.

What answers is `ledger.edges.web`, which needs packages that a question on the command line does without.
"""

import functools
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import click

if TYPE_CHECKING:
    import socket
    import ssl
    from urllib.parse import SplitResult

TOKEN = "CAREER_LEDGER_HTTP_TOKEN"  # noqa: S105 - the variable's name
ISSUER, AUDIENCE, CLIENT = "CAREER_LEDGER_ISSUER", "CAREER_LEDGER_AUDIENCE", "CAREER_LEDGER_CLIENT_ID"
SECRET, PUBLIC = "CAREER_LEDGER_CLIENT_SECRET", "CAREER_LEDGER_PUBLIC_URL"
ROLES_CLAIM, STUDENT_CLAIM = "CAREER_LEDGER_ROLES_CLAIM", "CAREER_LEDGER_STUDENT_CLAIM"
SHORTEST_TOKEN = 32
"""Characters."""

_F = TypeVar("_F", bound=Callable[..., Any])

metrics_option = click.option("--metrics-port", "metrics", metavar="[HOST:]PORT",
                              help="Serves /metrics for Prometheus and /health, on this machine unless HOST says "
                                   "otherwise (0: a free port).")


class IssuerAt(NamedTuple):
    """An identity provider. `audience`: for whom its tokens for us are; `client`, `secret`, `public`: what we are there
    for the sign-in of people (`client` empty: nobody signs in), and the address at which their browsers know us;
    `roles`, `student`: which claims say in what roles somebody is here, and which student she is."""

    url: str
    audience: str
    roles: str = "roles"
    student: str = "student"
    client: str = ""
    secret: str | None = None
    public: str | None = None

    def __repr__(self) -> str:
        return f"IssuerAt({self.url!r})"


@dataclass(frozen=True)
class Door:
    """`token`: what askers must show (None: nothing), unless `issuer` knows them. `tls`: answers are encrypted here;
    `proxied`: by a proxy in front. `hosts`: names by which it is asked, beside those of this machine."""

    token: bytes | None = field(default=None, repr=False)
    tls: "ssl.SSLContext | None" = None
    proxied: bool = False
    hosts: tuple[str, ...] = ()
    issuer: IssuerAt | None = None

    @property
    def secure(self) -> bool:
        """Whoever asks does so over TLS."""
        return self.tls is not None or self.proxied


class Listener(NamedTuple):
    """Where a service listens: the socket, the door before it, and the names by which it may be asked there."""

    bound: "socket.socket"
    door: Door
    hosts: frozenset[str]

    @property
    def port(self) -> int:
        return int(self.bound.getsockname()[1])

    @property
    def is_here_only(self) -> bool:
        """Nobody but this machine asks, and no proxy for others."""
        return not self.door.proxied and is_this_machine(self.bound.getsockname()[0])

    @property
    def address(self) -> str:
        """HOST:PORT."""
        host = self.bound.getsockname()[0]
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def door_options(command: _F) -> _F:
    """--http-token-file, --tls-certificate, --tls-key, --behind-proxy, --http-host, handed over as `door`."""

    @functools.wraps(command)
    def with_door(*args: Any, token_file: Path | None, certificate: Path | None, key: Path | None, proxied: bool,
                  hosts: tuple[str, ...], **rest: Any) -> Any:
        return command(*args, door=Door(_token(token_file), _tls(certificate, key), proxied,
                                        tuple(map(_name, hosts))), **rest)

    file = click.Path(path_type=Path, exists=True, dir_okay=False)
    made: Any = with_door
    for option in reversed((
            click.option("--http-token-file", "token_file", type=file, metavar="FILE",
                         help="Whoever asks over HTTP must send `Authorization: Bearer TOKEN`; "
                              f"the token is in this file (mode 0600), or in {TOKEN}."),
            click.option("--tls-certificate", "certificate", type=file, metavar="FILE",
                         help="Answers over TLS: the chain as PEM."),
            click.option("--tls-key", "key", type=file, metavar="FILE", help="The certificate's private key as PEM."),
            click.option("--behind-proxy", "proxied", is_flag=True, help="A proxy in front encrypts: "
                                                                         "plain HTTP to it is meant so."),
            click.option("--http-host", "hosts", multiple=True, metavar="NAME",
                         help="A name by which it is asked (the Host of a request), beside those of this machine. "
                              "May be repeated."))):
        made = option(made)
    return cast("_F", made)


def _name(host: str) -> str:
    """Raises click.UsageError."""
    if not re.fullmatch(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*\.?|\[[0-9A-Fa-f:.]+\]", host):
        raise click.UsageError(f"--http-host {host}: write the name alone, such as desk.example.org, without https:// "
                               "and without the port")
    return host.lower()


def issuer_options(people: bool) -> Callable[[_F], _F]:
    """--issuer, --audience, --roles-claim; for who lets people sign in also --student-claim, --client-id,
    --client-secret-file and --public-url: handed over as `issuer`."""

    def option(name: str, variable: str, help_: str, metavar: str, **more: Any) -> Any:
        return click.option(name, name.strip("-").replace("-", "_"), envvar=variable, show_envvar=True, help=help_,
                            metavar=metavar, **more)

    made = [option("--issuer", ISSUER, "The identity provider (OpenID Connect) whose tokens are taken.", "URL"),
            option("--audience", AUDIENCE, "For whom its tokens are: the aud of those that are meant for this program.",
                   "TEXT"),
            option("--roles-claim", ROLES_CLAIM, "The claim of a token that says in which roles somebody is here.",
                   "NAME", default="roles", show_default=True)]
    if people:
        file = click.Path(path_type=Path, exists=True, dir_okay=False)
        made += [
            option("--student-claim", STUDENT_CLAIM, "The claim that says which student somebody is.", "NAME",
                   default="student", show_default=True),
            option("--client-id", CLIENT, "What this program is called there: people sign in with it.", "TEXT"),
            click.option("--client-secret-file", "secret_file", type=file, metavar="FILE",
                         help=f"Its secret there, where it has one, in this file (mode 0600) or in {SECRET}."),
            option("--public-url", PUBLIC, "The address at which browsers know this program; they come back from the "
                                           "sign-in to /login/answer below it.", "URL")]

    def with_options(command: _F) -> _F:
        @functools.wraps(command)
        def with_issuer(*args: Any, issuer: str | None, audience: str | None, roles_claim: str,
                        student_claim: str = "student", client_id: str | None = None,
                        secret_file: Path | None = None, public_url: str | None = None, **rest: Any) -> Any:
            for name, value in (("--audience", audience), ("--roles-claim", roles_claim), ("--client-id", client_id),
                                ("--student-claim", student_claim)):
                if value is not None and not re.fullmatch(r"[!-~\u00a1-\uffff]*", value):
                    raise click.UsageError(f"{name} {value!r}: write it as tokens have it, without blanks around it")
            at = None if issuer is None else IssuerAt(
                _issuer(issuer), _audience(audience, client_id), roles_claim, student_claim, client_id or "",
                _client_secret(secret_file) if client_id else None, _public(public_url))
            if at is None and (audience or client_id):
                raise click.UsageError("--audience and --client-id speak of an identity provider: give --issuer")
            return command(*args, issuer=at, **rest)

        found: Any = with_issuer
        for one in reversed(made):
            found = one(found)
        return cast("_F", found)

    return with_options


def _issuer(url: str) -> str:
    parts = _parts(url)
    if parts is None or parts.query or parts.fragment or parts.username or not (
            parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))):
        raise click.UsageError(f"--issuer {url}: write its address with https:// (http:// on this machine only), as "
                               "its tokens name it in iss")
    return url


def _audience(audience: str | None, client: str | None) -> str:
    if not audience:
        raise click.UsageError("--issuer needs --audience: without it tokens that were made for others would be taken")
    if audience == client:
        raise click.UsageError("--audience and --client-id are the same: a token of a sign-in would be taken for one "
                               "of a program; have the issuer name this program's API differently")
    return audience


def _public(url: str | None) -> str | None:
    if url is None:
        return None
    parts = _parts(url)
    if parts is None or parts.scheme not in ("https", "http") or parts.path.strip("/") or parts.query or \
            parts.fragment or parts.username:
        raise click.UsageError(f"--public-url {url}: write https://NAME, with the port where it has one and no path")
    return url.rstrip("/")


def _parts(url: str) -> "SplitResult | None":
    """None for what is no address of a host."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        _ = parts.port  # it is looked at only when it is asked for
    except ValueError:
        return None
    return parts if parts.hostname and re.fullmatch(r"[!-~]+", url) else None


def _client_secret(file: Path | None) -> str | None:
    """Raises click.UsageError."""
    found = _secret(file, SECRET, "--client-secret-file")[0]
    return found or None


def _secret(file: Path | None, variable: str, option: str) -> tuple[str | None, str]:
    """What the file or the variable holds, and which of them. Raises click.UsageError, which never says it."""
    if file is None:
        return os.environ.get(variable) or None, variable
    place = f"{option} {file}"
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise click.UsageError(f"{place}: others than its owner may read it: chmod 600 {file}")
    return file.read_text("utf-8", "replace").strip(), place


def _token(file: Path | None) -> bytes | None:
    """Raises click.UsageError, which never says what the file or the variable holds."""
    text, place = _secret(file, TOKEN, "--http-token-file")
    if text is None:
        return None
    if len(text) < SHORTEST_TOKEN or not re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text):
        raise click.UsageError(f"{place} must hold at least {SHORTEST_TOKEN} characters, letters, digits and . _ ~ + / "
                               "- only: `openssl rand -hex 32` makes such a token")
    return text.encode()


def _tls(certificate: Path | None, key: Path | None) -> "ssl.SSLContext | None":
    """Raises click.UsageError."""
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise click.UsageError("--tls-certificate and --tls-key: give both")
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password="")  # never asks on a terminal
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--tls-certificate, --tls-key: these cannot be used together ({type(error).__name__}): "
                               "write PEM files, the key without a passphrase") from None
    return context


def bound_to(listen: str, door: Door, option: str, people: bool = False) -> Listener:
    """Binds HOST:PORT, or PORT of this machine. Raises click.UsageError for an address that cannot be used, or that is
    open to others than this machine without a token or an issuer, and encryption. `people`: a token is not enough, for
    it does not say who asks."""
    import socket

    host, _, port = listen.rpartition(":")
    host = host.strip("[]").lower() or "127.0.0.1"
    names = {host if ":" not in host else f"[{host}]", *door.hosts}
    if is_this_machine(host):
        names |= {"localhost", "127.0.0.1", "[::1]"}
    else:
        missing = [what for what, there in (
            ("--issuer", door.issuer is not None) if people else
            ("--http-token-file, or --issuer", door.token is not None or door.issuer is not None),
            ("--tls-certificate and --tls-key, or --behind-proxy", door.tls or door.proxied),
            ("--http-host NAME", door.hosts or host not in ("0.0.0.0", "::"))) if not there]  # noqa: S104 - compared
        if missing:
            raise click.UsageError(f"{option} {listen}: others than this machine could ask. Give {'; '.join(missing)}; "
                                   "or listen on 127.0.0.1")
    public = _parts(door.issuer.public) if door.issuer is not None and door.issuer.public is not None else None
    if public is not None and public.netloc.rpartition("@")[2].removesuffix(f":{public.port}").lower() not in names:
        raise click.UsageError(f"--public-url {public.geturl()}: who comes back to it would be refused: add "
                               f"--http-host {public.hostname}")
    try:
        bound = socket.create_server((host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        # answers leave at once: with Nagle's algorithm, which asyncio leaves on here, each takes 40 ms
        bound.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    except (OSError, ValueError, OverflowError) as error:
        why = "the port is no number from 0 to 65535"
        if isinstance(error, OSError):
            why = error.strerror or type(error).__name__
        raise click.UsageError(f"{option} {listen}: {why}; write HOST:PORT of an address of this machine") from None
    return Listener(bound, door, frozenset(names))


def is_this_machine(host: str) -> bool:
    import ipaddress

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
