"""The master key: wraps the keys of a key store, so that a copy of the store without it is noise.

`CAREER_LEDGER_MASTER_KEY` names its file (mode 0600), or holds its text. It has a term: `keys rotate` puts a new one in
its place and destroys it, and with it every older copy of the key store. So it is never kept with such a copy.

The text is one line: form, id, made, until, 64 hexadecimal digits. The id is a keyed digest of the dates, so that half
a file, a changed digit and a changed date are found without anything to unwrap.
"""

import fcntl
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from hmac import digest
from pathlib import Path
from typing import Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.edges.files import durable
from ledger.store.errors import StoreUnusable

from . import box

VARIABLE = "CAREER_LEDGER_MASTER_KEY"
TERM_DAYS = 30
FORM = "career-ledger-master.v1"
_TEXT = re.compile(rf"{re.escape(FORM)} ([0-9a-f]{{16}}) (\d{{4}}-\d\d-\d\d) (\d{{4}}-\d\d-\d\d) ([0-9a-f]{{64}})")
NEXT = ".next"
"""Ends the name of the file in which a new one waits until everything is wrapped under it."""


class Master(Protocol):
    """What a key store asks of a master key: a file here, a PKCS#11 token or a key management service elsewhere. An
    unwrapped key is kept for a while: a slow token is asked once for each."""

    @property
    def id(self) -> str: ...

    @property
    def made(self) -> date: ...

    @property
    def until(self) -> date:
        """The last day of its term."""
        ...

    def wrap(self, key: bytes, about: bytes) -> bytes: ...

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        """Raises box.DoesNotOpen."""
        ...


@dataclass(frozen=True, repr=False)
class TextMaster:
    """Its key shows in no repr."""

    id: str
    made: date
    until: date
    cipher: AESGCM

    def wrap(self, key: bytes, about: bytes) -> bytes:
        return box.sealed(self.cipher, key, about)

    def unwrap(self, wrapped: bytes, about: bytes) -> bytes:
        return box.opened(self.cipher, wrapped, about)


def text_of(key: bytes, made: date, until: date) -> str:
    return f"{FORM} {_id(key, made, until)} {made} {until} {key.hex()}"


def _id(key: bytes, made: date, until: date) -> str:
    return digest(key, f"career-ledger master {made} {until}".encode(), sha256)[:8].hex()


def read(text: str, where: str) -> TextMaster:
    """Raises StoreUnusable, which never repeats any of the text."""
    found = _TEXT.fullmatch(text.strip())
    try:
        if found is not None:
            made, until, key = date.fromisoformat(found[2]), date.fromisoformat(found[3]), bytes.fromhex(found[4])
            if _id(key, made, until) == found[1]:
                return TextMaster(found[1], made, until, AESGCM(key))
    except ValueError:
        pass
    raise StoreUnusable(f"{where} holds no whole master key: it was cut off or changed. Put the right one back from "
                        "where it is kept; `career-ledger keys new` makes the first one")


def path_of() -> Path | None:
    """The file that the variable names; None where the variable holds the key itself. Raises StoreUnusable."""
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        raise StoreUnusable(f"the master key is missing: set {VARIABLE} to the file that holds it, and keep that file "
                            "apart from the key store and its copies")
    if not Path(said).name:
        raise StoreUnusable(f"{VARIABLE} names a folder: name the file of the master key")
    # half a key is no path: an error about a path might repeat it
    return None if said.startswith(FORM) or re.search(r"[0-9A-Fa-f]{24}", Path(said).name) else Path(said)


def load(known: str | None = None) -> TextMaster:
    """The master key. `known`: the id of the one that the key store is wrapped under; while one takes the place of the
    other, the one of the two files that has it. Raises StoreUnusable."""
    path = path_of()
    if path is None:
        found = read(os.environ[VARIABLE], VARIABLE)
    else:
        found = from_file(path)
        waits = path.with_name(path.name + NEXT)
        if known is not None and found.id != known and waits.exists():
            other = from_file(waits)
            found = other if other.id == known else found
    if known is not None and found.id != known:
        raise StoreUnusable(f"the master key in {VARIABLE} is not the one of this key store (it has {found.id}, the "
                            f"store wants {known}): name the right one; after `keys rotate` that is the new one")
    return found


def from_file(path: Path) -> TextMaster:
    where = f"the file that {VARIABLE} names" if not path.name.endswith(NEXT) else f"the file beside it ({NEXT})"
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise StoreUnusable(f"{where} is no file: name one that holds the master key")
            mode = stat.S_IMODE(found.st_mode)
            if mode != 0o600:
                raise StoreUnusable(f"{where} holds the master key and has mode {mode:04o}: chmod 600 it, "
                                    "and rotate if others could read it")
            return read(file.read(4096).decode("ascii", "replace"), where)
    except FileNotFoundError:
        raise StoreUnusable(f"the master key is missing: {where} is not there. Put it back from where it is kept: "
                            "without it nothing that is sealed can be read") from None
    except OSError as error:
        raise StoreUnusable(f"{where} cannot be used for the master key: {error.strerror}") from None


def make(path: Path, today: date, days: int = TERM_DAYS) -> None:
    """A new one, whole or not at all. Raises FileExistsError, OSError."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write(text_of(secrets.token_bytes(box.KEY), today, today + timedelta(days=days)) + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(part, path)
    finally:
        part.unlink(missing_ok=True)
    durable(path.parent)


def waiting(path: Path) -> Path:
    return path.with_name(path.name + NEXT)


def take_place(path: Path) -> None:
    """The one that waits in the place of the old one, which is destroyed: overwritten, as far as a program can."""
    with path.open("r+b") as old:
        length = os.fstat(old.fileno()).st_size
        waiting(path).replace(path)
        durable(path.parent)
        old.write(b"\0" * length)
        old.flush()
        os.fsync(old.fileno())


def give_up(path: Path) -> None:
    waiting(path).unlink(missing_ok=True)
    durable(path.parent)


@contextmanager
def alone(path: Path) -> Iterator[bool]:
    """Whether nobody else is changing the master key in this file; as long as the block lasts nobody will."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield _locked(descriptor, path)
    finally:
        os.close(descriptor)


def _locked(descriptor: int, path: Path) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # it may have been replaced between the two calls: then the lock is on a file that nobody names any more
        return os.path.samestat(os.fstat(descriptor), os.stat(path))  # noqa: PTH116
    except (BlockingIOError, FileNotFoundError):
        return False
