"""Tokens of an identity provider, true and forged, and the sign-in of people with it."""

import asyncio
import json
import socket
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import click
import pytest
from click.testing import CliRunner

from ledger.edges import issuer as issuers
from ledger.edges import web
from ledger.edges.callers import ASKERS, Caller, IssuerAway, NotBelieved
from ledger.edges.door import Door, IssuerAt, bound_to, door_options, issuer_options
from ledger.edges.fetch import Unanswered
from ledger.edges.issuer import Issuer
from ledger.edges.web import Flow, Guard, Routes, Server
from ledger.entrypoints.http.who import TABLE, Entrance
from tests.issuers import AUDIENCE, CLIENT, EC, ED, RSA, STRANGER, Provider, b64, provider

from .test_who import PAGE, SHOWN, TOKEN, Browser


@pytest.fixture
def there() -> Iterator[Provider]:
    with provider() as made:
        yield made


@pytest.fixture(scope="module")
def issued() -> Iterator[Provider]:
    """One that nobody changes, for many."""
    with provider() as made:
        yield made


@pytest.fixture(scope="module")
def asked(issued: Provider) -> Iterator[Browser]:
    with desk(issued) as browser:
        yield browser


def at(there: Provider, **more: Any) -> IssuerAt:
    return IssuerAt(there.url, AUDIENCE, client=CLIENT, secret="s/cret", **more)  # noqa: S106


@contextmanager
def desk(there: Provider, token: bytes | None = None, hosts: tuple[str, ...] = (), **more: Any) -> Iterator[Browser]:
    place = bound_to("127.0.0.1:0", Door(token, hosts=hosts, issuer=at(there, **more)), "--listen")
    entrance = Entrance(place, {**TABLE, **PAGE}, pytest.fail)
    with Server({**SHOWN, **entrance.routes}, place, guard=entrance):
        yield Browser(place.port)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def ask(there: Provider) -> Iterator[Browser]:
    with desk(there) as browser:
        yield browser


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA"),
                                                (ED, "Ed25519")])
def test_token_of_the_issuer_is_taken(there: Provider, ask: Browser, key: Any, algorithm: str) -> None:
    found = ask("/machine", headers=bearer(there.token(key=key, algorithm=algorithm)))
    assert (found.status, found.text.split()[0]) == (200, "system-1")
    both = there.token(key=key, algorithm=algorithm, aud=["x", AUDIENCE], header={"typ": "JWT"},
                       roles="service auditor")
    assert ask("/machine", headers=bearer(both)).status == 200
    assert there.asked == ["keys"]


def unsigned(there: Provider) -> str:
    [_, payload, _] = there.token().split(".")
    return f"{b64(json.dumps({'alg': 'none', 'typ': 'at+jwt', 'kid': 'rsa'}).encode())}.{payload}."


def confused(there: Provider) -> str:
    """Signed by HMAC with the issuer's public key as the secret."""
    import hashlib
    import hmac

    [_, payload, _] = there.token().split(".")
    said = f"{b64(json.dumps({'alg': 'HS256', 'typ': 'at+jwt', 'kid': 'rsa'}).encode())}.{payload}"
    return f"{said}.{b64(hmac.new(RSA.as_pem(private=False), said.encode(), hashlib.sha256).digest())}"


def altered(there: Provider) -> str:
    [head, _, signature] = there.token().split(".")
    [_, payload, _] = there.token(roles=["administrator"]).split(".")
    return f"{head}.{payload}.{signature}"


FORGED = {
    "none": unsigned, "HMAC with the public key": confused, "altered": altered, "no token": lambda _: "x",
    "no header": lambda _: "a.b.c", "empty": lambda _: "", "five parts": lambda there: f"{there.token()}.a.b",
    "not for us": lambda there: there.token(aud="other-api"), "for a sign-in": lambda there: there.token(aud=CLIENT),
    "for nobody": lambda there: there.token(aud=None), "a sign-in's": lambda there: there.token(nonce="x"),
    "a sign-in's hash": lambda there: there.token(at_hash="x"),
    "another issuer's": lambda there: there.token(iss="https://evil.example"),
    "with a slash more": lambda there: there.token(iss=f"{there.url}/"),
    "of no issuer": lambda there: there.token(iss=None),
    "expired": lambda there: there.token(exp=time.time() - 60), "without end": lambda there: there.token(exp=None),
    "with a strange end": lambda there: there.token(exp="tomorrow"),
    "with a true end": lambda there: there.token(exp=True),
    "not good yet": lambda there: there.token(nbf=time.time() + 60),
    "of the future": lambda there: there.token(iat=time.time() + 60),
    "of nobody": lambda there: there.token(sub=None), "of a control character": lambda there: there.token(sub="a\nb"),
    "no typ": lambda there: there.token(header={"typ": None}),
    "another typ": lambda there: there.token(header={"typ": "logout+jwt"}),
    "no kid": lambda there: there.token(header={"kid": None}),
    "unknown kid": lambda there: there.token(header={"kid": "other"}),
    "kid of another key": lambda there: there.token(header={"kid": "ec"}),
    "a stranger's key of the same kid": lambda there: there.token(key=STRANGER),
    "a stranger's key in its header": lambda there: there.token(
        key=STRANGER, header={"jwk": STRANGER.as_dict(private=False)}),
    "a stranger's keys elsewhere": lambda there: there.token(key=STRANGER, header={"jku": "https://evil.example/keys"}),
    "a stranger's certificate elsewhere": lambda there: there.token(key=STRANGER, header={"x5u": "https://evil.example"}),
    "another algorithm": lambda there: there.token(algorithm="RS512"),
    "what it calls critical": lambda there: there.token(header={"crit": ["b64"], "b64": True}) + "x",
}


@pytest.mark.parametrize("forged", FORGED)
def test_token_that_is_not_for_us_is_refused(issued: Provider, asked: Browser, forged: str) -> None:
    found = asked("/machine", headers=bearer(FORGED[forged](issued)))
    assert found.status == 401
    assert found.getheader("WWW-Authenticate").startswith("Bearer")
    assert json.loads(found.text)["reason"] in ("wrong-token", "unauthorised")


@pytest.mark.parametrize(("claims", "status"), [
    ({"roles": ["service"]}, 200), ({"roles": ["auditor"]}, 403), ({"roles": []}, 403), ({"roles": None}, 403),
    ({"roles": ["Service", "root"]}, 403), ({"roles": {"service": True}}, 403), ({"roles": 7}, 403),
    ({"roles": ["student"], "student": "S01"}, 403), ({"roles": ["student", "service"]}, 200)])
def test_token_without_the_role_is_refused(issued: Provider, asked: Browser, claims: dict[str, Any],
                                           status: int) -> None:
    assert asked("/machine", headers=bearer(issued.token(**claims))).status == status


def test_claims_are_named_by_whoever_runs_it(there: Provider) -> None:
    with desk(there, roles="realm_access.roles", student="matricola") as ask:
        nested = there.token(realm_access={"roles": ["service"]}, roles=None)
        assert ask("/machine", headers=bearer(nested)).status == 200
        assert ask("/machine", headers=bearer(there.token())).status == 403
        assert ask("/machine", headers=bearer(there.token(**{"realm_access.roles": ["service"]}))).status == 200


def test_own_token_is_taken_beside_the_issuers(there: Provider) -> None:
    with desk(there, TOKEN) as ask:
        for token, status in ((TOKEN.decode(), 200), (there.token(), 200), ("0" * 32, 401)):
            assert ask("/machine", headers=bearer(token)).status == status


def test_gate_takes_the_issuers_tokens_too(there: Provider) -> None:
    place = bound_to("127.0.0.1:0", Door(TOKEN, issuer=at(there)), "--listen")
    with Server(SHOWN, place, guard=Guard(place.door, roles=ASKERS)):
        ask = Browser(place.port)
        for token, status in ((TOKEN.decode(), 200), (there.token(), 200), (there.token(roles=["registrar"]), 200),
                              (there.token(roles=["auditor"]), 403), (there.token(aud="x"), 401), ("", 401)):
            assert ask("/machine", headers=bearer(token)).status == status


# Keys


class Away:
    """What the issuer answers, counted, and whether it does."""

    def __init__(self, there: Provider) -> None:
        self.there, self.count, self.away, self.now = there, 0, False, 1_000_000.0

    def __call__(self, url: str, *_: Any) -> tuple[int, bytes]:
        if url.endswith("/keys"):
            self.count += 1
        if self.away:
            raise Unanswered(url)
        return 200, (self.there._published if url.endswith("/keys") else self.there._about)(None).body  # type: ignore[arg-type]

    def token(self, **more: Any) -> str:
        return self.there.token(exp=self.now + 100_000, **more)


@pytest.fixture
def away(there: Provider) -> Away:
    return Away(there)


async def follows(issuer: Issuer, there: Provider, away: Away) -> None:
    """The provider signs with another key from now on."""
    there.keys = [EC]
    assert (await issuer.caller(away.token(key=EC, algorithm="ES256"))).subject == "system-1"
    with pytest.raises(NotBelieved):  # it was withdrawn
        await issuer.caller(away.token())
    assert away.count == 2


def test_keys_are_asked_for_again_where_a_new_one_is_named_but_not_at_every_word(there: Provider, away: Away,
                                                                                run: Any) -> None:
    issuer = Issuer(at(there), away, lambda: away.now)
    there.keys = [RSA]

    async def checked() -> None:
        assert await issuer.caller(away.token()) == Caller("system-1", frozenset({"service"}))
        for _ in range(5):
            with pytest.raises(NotBelieved):
                await issuer.caller(away.token(key=EC, algorithm="ES256"))
        assert away.count == 1
        away.now += issuers.FLOOR_SECONDS
        await follows(issuer, there, away)

    run(checked())


def test_keys_that_are_known_are_good_for_a_while_without_the_issuer(there: Provider, away: Away, run: Any) -> None:
    issuer = Issuer(at(there), away, lambda: away.now)

    async def checked() -> None:
        away.away = True
        for _ in range(3):
            with pytest.raises(IssuerAway):
                await issuer.caller(away.token())
        assert away.count == 0  # nor was it asked for more than where its keys are
        away.away, away.now = False, away.now + issuers.FLOOR_SECONDS
        await issuer.caller(away.token())
        away.away, away.now = True, away.now + issuers.KEYS_SECONDS + 1
        await issuer.caller(away.token())
        away.now += issuers.KEPT_SECONDS
        with pytest.raises(IssuerAway):
            await issuer.caller(away.token())

    run(checked())


def test_token_that_was_read_expires(there: Provider, away: Away, run: Any) -> None:
    issuer = Issuer(at(there), away, lambda: away.now)
    token = there.token(exp=away.now + 60)

    async def checked() -> None:
        await issuer.caller(token)
        away.now += 60 + issuers.LEEWAY - 1
        await issuer.caller(token)
        away.now += 1
        with pytest.raises(NotBelieved):
            await issuer.caller(token)

    run(checked())


@pytest.mark.parametrize("change", [{"issuer": "https://evil.example"}, {"jwks_uri": "http://evil.example/keys"},
                                    {"token_endpoint": None}])
def test_issuer_that_describes_another_is_not_believed(there: Provider, away: Away, run: Any,
                                                       change: dict[str, Any]) -> None:
    def fetch(url: str, *given: Any) -> tuple[int, bytes]:
        status, body = away(url, *given)
        return status, json.dumps(json.loads(body) | change).encode()

    with pytest.raises(IssuerAway):
        run(Issuer(at(there), fetch, lambda: away.now).caller(away.token()))


def test_caller_is_told_when_the_issuer_is_away() -> None:
    with provider() as there:
        pass
    with desk(there) as ask:
        found = ask("/machine", headers=bearer(there.token()))
        assert (found.status, json.loads(found.text)["reason"]) == (503, "issuer-away")
        assert ask("/login/start").status == 503


@pytest.fixture
def run() -> Any:
    import asyncio

    return asyncio.run


# Sign-in of people


def gone_there(browser: Browser) -> str:
    found = browser("/login/start?next=/page")
    assert found.status == 303
    return str(found.getheader("Location"))


def sent_back(there: Provider, place: str) -> str:
    """The address, on our side, to which the issuer sends the browser."""
    port = urlsplit(there.url).port
    assert port is not None
    found = Browser(port)(place.removeprefix(there.url))
    assert found.status == 303
    return str(found.getheader("Location"))


def local(address: str) -> str:
    parts = urlsplit(address)
    return f"{parts.path}?{parts.query}"


def test_person_signs_in_with_the_issuers_page(there: Provider, ask: Browser) -> None:
    shown = ask("/login?next=%2Fpage")
    assert "/login/start?next=/page" in shown.text
    assert "one-time" not in shown.text.lower()
    place = gone_there(ask)
    assert parse_qs(urlsplit(place).query)["redirect_uri"] == [f"http://127.0.0.1:{ask.port}/login/answer"]
    found = ask(local(sent_back(there, place)))
    assert (found.status, found.getheader("Location")) == (303, "/page")
    assert ask("/page").text.startswith("p-1 ")


@pytest.mark.parametrize(("change", "status", "words"), [
    ({"claims": {"nonce": "x"}}, 403, "begin again"), ({"claims": {"aud": "other"}}, 403, "begin again"),
    ({"claims": {"aud": [CLIENT, "other"]}}, 403, "begin again"),
    ({"claims": {"aud": [CLIENT, "other"], "azp": CLIENT}}, 303, ""),
    ({"claims": {"azp": "other"}}, 403, "begin again"), ({"claims": {"exp": None}}, 403, "begin again"),
    ({"claims": {"iss": "https://evil.example"}}, 403, "begin again"),
    ({"answer": {"iss": "https://evil.example"}}, 403, "begin again"), ({"answer": {"code": "x"}}, 403, "begin again"),
    ({"answer": {"state": "x"}}, 403, "begun elsewhere"), ({"person": None}, 403, "begin again"),
    ({"claims": {"roles": []}}, 403, "no role"), ({"claims": {"roles": ["student"]}}, 403, "no role")])
def test_sign_in_that_does_not_fit_lets_nobody_in(there: Provider, ask: Browser, change: dict[str, Any], status: int,
                                                  words: str) -> None:
    for name, value in change.items():
        setattr(there, name, value)
    found = ask(local(sent_back(there, gone_there(ask))))
    assert (found.status, words in found.text) == (status, True)
    assert ask("/page").status == (200 if status == 303 else 303)


def test_answer_is_good_once_and_in_the_browser_that_began(there: Provider, ask: Browser) -> None:
    answer = local(sent_back(there, gone_there(ask)))
    assert Browser(ask.port)(answer).status == 403  # another's browser: nobody is signed in as somebody else
    assert ask(answer).status == 303
    assert ask(answer).status == 403


def test_sign_in_goes_to_the_address_by_which_browsers_know_us(there: Provider) -> None:
    with desk(there, hosts=("desk.example",), public="https://desk.example") as ask:
        found = ask("/login/start?next=/page")
        assert found.getheader("Location") == "https://desk.example/login/start?next=%2Fpage"


# Settings


@pytest.mark.parametrize(("options", "words"), [
    (["--issuer", "http://idp.example", "--audience", "a"], "https://"),
    (["--issuer", "https://idp.example"], "--audience"), (["--audience", "a"], "--issuer"),
    (["--issuer", "https://u:p@idp.example", "--audience", "a"], "https://"),
    (["--issuer", "https://idp.example", "--audience", "a", "--client-id", "a"], "the same"),
    (["--issuer", "https://idp.example", "--audience", "a", "--public-url", "https://x/y"], "no path"),
    *((["--issuer", "https://idp.example", "--audience", "a", "--public-url", odd], "--public-url")
      for odd in ("https://[", "https://x:99999", "https://x:y", "https://x\n", "https://\u00e8.example", "https://u:p@x",
                  "x")),
    *((["--issuer", odd, "--audience", "a"], "--issuer")
      for odd in ("https://[", "https://x:99999", "https://x y", "https://\u00e8.example", "https://")),
    (["--issuer", "https://idp.example", "--audience", "a", "--client-id", "c"], "")])
def test_issuer_that_would_not_be_safe_is_refused(options: list[str], words: str) -> None:
    @click.command()
    @issuer_options(people=True)
    def command(issuer: IssuerAt | None) -> None:
        click.echo(repr(issuer))

    found = CliRunner().invoke(command, options, env={"CAREER_LEDGER_CLIENT_SECRET": "hidden-secret"})
    assert (found.exit_code, words in found.output) == (2 if words else 0, True)
    assert "hidden-secret" not in found.output


@pytest.mark.parametrize("host", ["https://desk.example", "desk.example:8443", "", " ", "desk..example",
                                  "\u00e8.example", "a,b", "*"])
def test_name_that_no_request_bears_is_refused(host: str) -> None:
    @click.command()
    @door_options
    def command(door: Door) -> None:
        click.echo(door.hosts)

    found = CliRunner().invoke(command, ["--http-host", "Desk.example", "--http-host", "[::1]", "--http-host", host])
    assert (found.exit_code, "without the port" in found.output) == (2, True)


@pytest.mark.parametrize("option", ["--audience", "--roles-claim", "--student-claim", "--client-id"])
@pytest.mark.parametrize("odd", [" ", "a ", "\ta", "a\n", "a\u00a0"])
def test_word_that_no_token_has_is_refused(option: str, odd: str) -> None:
    @click.command()
    @issuer_options(people=True)
    def command(issuer: IssuerAt | None) -> None:
        click.echo(repr(issuer))

    given = {"--issuer": "https://idp.example", "--audience": "b", option: odd}
    found = CliRunner().invoke(command, [part for pair in given.items() for part in pair])
    assert (found.exit_code, option in found.output) == (2, True)


def test_who_listens_is_let_go_when_the_token_has_expired(there: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "RIGHTS_SECONDS", 0.0)

    async def ticks() -> AsyncGenerator[bytes, None]:
        while True:
            yield b":\n\n"
            await asyncio.sleep(0.05)

    place = bound_to("127.0.0.1:0", Door(issuer=at(there)), "--listen")
    routes: Routes = {"/ticks": {"GET": lambda _: Flow(ticks(), "text/event-stream")}}
    with Server(routes, place, guard=Guard(place.door)), socket.create_connection(("127.0.0.1", place.port), 30) as one:
        token = there.token(exp=time.time() - issuers.LEEWAY + 2)
        one.sendall(f"GET /ticks HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        said = b""
        while part := one.recv(65_536):
            said += part
            if said.endswith(b"0\r\n\r\n"):
                break
    assert said.startswith(b"HTTP/1.1 200")
    assert b":\n\n" in said


def test_address_by_which_browsers_know_us_is_one_by_which_we_are_asked(there: Provider) -> None:
    for public in ("https://desk.example:8443", "http://localhost:1", "http://[::1]:8080"):
        door = Door(hosts=("desk.example",), issuer=at(there, public=public))
        bound_to("127.0.0.1:0", door, "--listen").bound.close()
    with pytest.raises(click.UsageError, match=r"--http-host desk\.example"):
        bound_to("127.0.0.1:0", Door(issuer=at(there, public="https://desk.example")), "--listen")


def test_clock_that_was_ahead_makes_keys_last_no_longer(there: Provider, away: Away, run: Any) -> None:
    issuer = Issuer(at(there), away, lambda: away.now)
    there.keys = [RSA]

    async def checked() -> None:
        away.now += 400 * 86_400.0
        old = away.token()
        await issuer.caller(old)
        away.now -= 400 * 86_400.0
        await follows(issuer, there, away)

    run(checked())


def test_others_than_this_machine_are_asked_who_they_are() -> None:
    """A token alone says that somebody may ask, and not who."""
    with pytest.raises(click.UsageError, match="--issuer"):
        bound_to("0.0.0.0:0", Door(TOKEN, proxied=True, hosts=("desk.example",)), "--listen", people=True)
    place = bound_to("0.0.0.0:0", Door(issuer=IssuerAt("https://idp.example", "a"), proxied=True,
                                       hosts=("desk.example",)), "--listen", people=True)
    place.bound.close()
