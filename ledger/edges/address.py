"""Addresses of databases. They may hold a password: what is wrong with one is said without repeating any of it."""

import os
import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import unquote

SQLITE = "sqlite:///"
FORMS = "sqlite:///PATH or postgresql://USER@HOST/NAME"


class WrongAddress(ValueError):
    """No database can be at this address; the text says what to write and repeats nothing of it."""


_HOST = r"(?:\[[0-9A-Za-z:.%]+\]|[A-Za-z0-9._%-]*)(?::[0-9]{0,5})?"
_POSTGRES = (rf"postgres(?:ql)?://(?:[^:@/?]*(?::[^@/?]*)?@)?(?P<hosts>{_HOST}(?:,{_HOST})*)"
             r"(?:/[^/?@]*)?(?:\?(?P<query>[^@?]*))?")
_PARAMETER = r"[a-z_]+=[^=]*"
_NOT_ENCODED = r"%(?![0-9A-Fa-f]{2})|%00"


def sqlite_path(url: str) -> Path | None:
    """The file of a `sqlite:///PATH` address, None for a PostgreSQL server. Raises WrongAddress for anything else."""
    if url.startswith(SQLITE):
        return _file(url.removeprefix(SQLITE))
    if not url.startswith(("postgresql://", "postgres://")):
        raise WrongAddress(f"the address of the database must be {FORMS}")
    if not url.isprintable() or " " in url:
        raise WrongAddress("the address of the database holds a space or a control character: write %20 for a space")
    if re.search(_NOT_ENCODED, url):
        raise WrongAddress("the address of the database holds a % that is no escape: write %25 for it")
    found = re.fullmatch(_POSTGRES, url)
    if found is None or not all(re.fullmatch(_PARAMETER, one) for one in (found["query"] or "").split("&") if one):
        raise WrongAddress("the address of the database must be postgresql://USER@HOST:PORT/NAME, "
                           "or USER:PASSWORD in place of USER; write %40 for @, %2F for /, %3A for : "
                           "and %3F for ? in both")
    for host in found["hosts"].split(","):
        port = re.sub(r".*\]|[^:]*", "", host, count=1).removeprefix(":")
        if port and not 0 < int(port) < 65536:
            raise WrongAddress("the port in the address of the database must be a number from 1 to 65535")
    return None


def _file(path: str) -> Path:
    if not path or "://" in path:
        raise WrongAddress(f"the address of the database must be {FORMS}")
    if ":memory:" in path or "mode=memory" in path:
        raise WrongAddress("a database in memory would be gone when the command ends: name a file, sqlite:///PATH")
    if path.startswith("file:"):
        raise WrongAddress("name the file itself, sqlite:///PATH, and no file: address")
    if "\0" in path:
        raise WrongAddress("the path of the database holds a NUL character: remove it")
    return Path(path)


_IN_ADDRESS = r"(?<=://)([^\s@:/]*:)\S*(?=@)|(?<=://)([^\s@]*:)[^@\n]*(?=@)"
_IN_PARAMETER = (r"""(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token)["']?\s*[=:]\s*)"""
                 r"""("[^"]*"|'[^']*'|[^\s&,;}]+)""")


def hidden(text: str) -> str:
    """A text in which no password of an address or of a setting can be read."""
    if "://" in text:
        text = re.sub(_IN_ADDRESS, lambda found: f"{found[1] or found[2]}***", text)
    return re.sub(_IN_PARAMETER, r"\1***", text)


def without_password(url: str) -> str:
    """The same address for whoever has the password from elsewhere."""
    url = re.sub(r"^(postgres(?:ql)?://[^:@/?]*):[^@/?]*@", r"\1@", url)
    address, mark, query = url.partition("?")
    kept = [one for one in query.split("&") if not re.match(r"(?:ssl)?password=", one)]
    return f"{address}?{'&'.join(kept)}" if mark and any(kept) else address


def forget_argument(url: str) -> None:
    """Takes the password of an address that was given on the command line out of what `ps`
    shows of this process (Linux)."""
    _overwrite(lambda shown: url in shown, *(
        one for part in re.findall(_HELD, url) for one in (*part, unquote(part[0] or part[1])) if one))


def forget_text(text: str) -> None:
    """The same of the whole value of an option."""
    _overwrite(lambda shown: shown.endswith(text), text)


def _overwrite(holds: Callable[[str], bool], *secret: str) -> None:
    if not secret:
        return
    import ctypes

    try:
        begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
        shown = Path("/proc/self/cmdline").read_bytes()
    except (OSError, ValueError):
        return
    if len(shown) != end - begin or ctypes.string_at(begin, len(shown)) != shown:
        return
    arguments = shown.split(b"\0")
    for n, argument in enumerate(arguments):
        for one in map(os.fsencode, secret) if holds(os.fsdecode(argument)) else ():
            arguments[n] = arguments[n].replace(one, b"*" * len(one))
    ctypes.memmove(begin, b"\0".join(arguments), len(shown))


_HELD = r"://[^@:/]*:(.*)@|[?&](?:ssl)?password=([^&]*)"
