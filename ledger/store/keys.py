"""The ledger's key for digests: 32 random bytes that never stand in the database, so that its dump does not hold them.

Whoever has a plain hash of an event, and its other fields, tries the few values that a withheld one can have. So what
leaves as a digest of bytes with withheld values is HMAC-SHA-256 under this key.

`CAREER_LEDGER_DIGEST_KEY` holds the key (64 hexadecimal digits) or names the file with it. Where it is not set, the key
of a SQLite ledger stands in LEDGER.digest-key beside it; for PostgreSQL it must be set. A file that is missing is made
(mode 0600), but only as long as no digest was ever made: the database remembers `check_of` the key, which tells nothing
about it, and by which all processes of a ledger find out whether they hold the same one.
"""

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from .errors import StoreUnusable

VARIABLE = "CAREER_LEDGER_DIGEST_KEY"
_KEY = r"[0-9A-Fa-f]{64}"
_DIGITS = r"[0-9A-Fa-f]{8,}"
_FORM = "64 hexadecimal digits, as `openssl rand -hex 32` prints them"


def digester(key: bytes) -> Callable[[bytes], bytes]:
    """HMAC-SHA-256 (RFC 2104) under a key. Its two beginnings are hashed once: a quarter of the time that
    the library takes for each."""
    from hashlib import sha256

    padded = key.ljust(64, b"\0")
    inner, outer = (sha256(bytes(one ^ pad for one in padded)) for pad in (0x36, 0x5C))

    def digest(content: bytes) -> bytes:
        within, around = inner.copy(), outer.copy()
        within.update(content)
        around.update(within.digest())
        return around.digest()

    return digest


def check_of(key: bytes) -> str:
    """What tells this key from others. A stored event begins with a brace, so this is the digest of none."""
    return digester(key)(b"career-ledger digest key")[:16].hex()


def load(beside: Path | None, known: str | None) -> bytes:
    """The key. `beside`: the file that holds it where nothing else is said; `known`: the `check_of` under which digests
    were made before.

    Raises StoreUnusable, whose text never repeats what the variable holds: it may be half a key."""
    said = os.environ.get(VARIABLE, "").strip()
    if said and (re.fullmatch(_KEY, said) or re.fullmatch(_DIGITS, said)):
        key, where = _read(said, VARIABLE), VARIABLE
    elif said or beside is not None:
        path = Path(said) if said else beside or Path()
        where = f"the file that {VARIABLE} names" if said else str(path)
        key = _from(path, where, known)
    else:
        raise StoreUnusable(f"the ledger's key for digests is missing: set {VARIABLE} to the file that holds it (it is "
                            "made where there is none), the same for every process of this ledger, "
                            "and keep it outside the database and its dumps")
    if known is not None and check_of(key) != known:
        raise StoreUnusable(f"the key in {where} is not the one under which this ledger's digests were made: "
                            "give this process the ledger's key")
    return key


def _from(path: Path, where: str, known: str | None) -> bytes:
    try:
        if not path.exists():
            if known is not None:
                raise StoreUnusable(f"the ledger's key for digests is missing: {where} is not there. "
                                    "Restore it from its own backup: the digests of another key cannot be compared "
                                    "with those that were sent")
            _make(path)
        if not path.is_file():
            raise StoreUnusable(f"{where} is no file: name one that holds the ledger's key for digests")
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise StoreUnusable(f"{where} holds the ledger's key for digests and is open to others (mode {mode:04o}): "
                                "chmod 600 it")
        return _read(path.read_text(encoding="ascii", errors="replace").strip(), where)
    except OSError as error:
        raise StoreUnusable(f"{where} cannot be used for the ledger's key for digests: {error.strerror}") from None


def _read(text: str, where: str) -> bytes:
    if not re.fullmatch(_KEY, text):
        raise StoreUnusable(f"{where} holds no key for digests: write {_FORM}")
    return bytes.fromhex(text)


def _make(path: Path) -> None:
    """Whole or not at all; of several processes that make it at once all read the same one."""
    part = path.with_name(f".{path.name}.{os.urandom(4).hex()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(os.urandom(32).hex() + "\n")
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
