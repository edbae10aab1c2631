"""The key that signs checkpoints: never in the database.

`CAREER_LEDGER_SIGNING_KEY` names its file (mode 0600), or holds its text, which is the one that other programs for
transparency logs use: `PRIVATE+KEY+NAME+ID+BASE64`, Ed25519. NAME says which log it is, such as
`ledger.example.edu/careers`. Beside the file stands `FILE.signed`, the newest checkpoint that was signed: no key
signs two histories. Under the note the file says which is the highest position that was given by then.

An epoch that begins with an accepted restore (`ledger.store.epochs`) is another history, and so another log: NAME,
NAME/epoch-2, NAME/epoch-3, all signed by one key.

The key is handed over to another one by a checkpoint whose last entry names both, and which both sign. `FILE.next` is
the new one until that checkpoint is kept; then it takes the place of the old one, which is gone. """

import base64
import os
import re
import secrets
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger.edges.files import durable, write_whole
from ledger.store.errors import StoreUnusable

from .auditor import (
    ENDS,
    HANDOVER,
    LOG_KEY,
    Checkpoint,
    Handover,
    Key,
    Wrong,
    handed_over,
    key_id,
    number,
    read_checkpoint,
    unbase64,
)

VARIABLE = "CAREER_LEDGER_SIGNING_KEY"
FORM = "PRIVATE+KEY+"
SIGNED, NEXT = ".signed", ".next"
LONGEST_NAME = 200
"""Of a file, with room for what stands behind."""
_EPOCH = re.compile(r"(.+)/epoch-([1-9][0-9]{0,8})")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,199}")


def named(name: str, epoch: int) -> str:
    """The log of an epoch of the ledger whose first one has this name."""
    return name if epoch == 1 else f"{name}/epoch-{epoch}"


def epoch_of(origin: str) -> tuple[str, int]:
    """The name of the first epoch, and the number of this one."""
    found = _EPOCH.fullmatch(origin)
    return (found[1], int(found[2])) if found else (origin, 1)


class KeysGiven(NamedTuple):
    """Verifier keys, and hand-overs from one to the next. True where there is a key."""

    keys: Sequence[Key] = ()
    handovers: Sequence[Handover] = ()

    def __bool__(self) -> bool:
        return bool(self.keys)

    def of_epochs(self, epochs: int) -> list[Key]:
        """The same keys, and those that hand-overs lead to, under the names of every epoch up to a number, each with
        the checkpoints that it signs: a key signs all epochs until it is handed over, the next one those that follow.
        Raises Wrong where two hand-overs contradict each other."""
        logs = [one for one in self.keys if one.kind == LOG_KEY]
        known = {_whose(one) for one in logs}
        leading: dict[Handover, None] = {}
        for _ in self.handovers:
            for one in self.handovers:
                if not known.isdisjoint(pair := {_whose(one.old), _whose(one.new)}):
                    known |= pair
                    leading[one] = None
        most = max([epochs, *(epoch_of(one.name)[1] for one in logs)])
        found = handed_over([Key(name, key_id(name, LOG_KEY, public), LOG_KEY, public) for base, public in sorted(known)
                             for name in (named(base, epoch) for epoch in range(1, most + 1))], [*leading])
        begun = {_whose(one.new): epoch_of(one.new.name)[1] for one in leading}
        ended = {_whose(one.old): epoch_of(one.old.name)[1] for one in leading}
        return [*(one for one in self.keys if one.kind != LOG_KEY),
                *(one for one in found if begun.get(_whose(one), 1) <= epoch_of(one.name)[1]
                  <= ended.get(_whose(one), most))]


def _whose(key: Key) -> tuple[str, bytes]:
    """Of a log in all its epochs."""
    return epoch_of(key.name)[0], key.public


def keys_in(heads: str) -> tuple[str, str] | None:
    """The old and the new verifier key where the entry that ends a checkpoint hands the key over."""
    lines = heads.split("\n")
    return (lines[6], lines[7]) if lines[0] == HANDOVER and len(lines) == ENDS[HANDOVER] + 2 else None


class Signed(NamedTuple):
    """What a key has signed last. `position`: the highest that was given by then; None: not said."""

    checkpoint: Checkpoint
    position: int | None

    @property
    def epoch(self) -> int:
        return epoch_of(self.checkpoint.origin)[1]


def signed_in(file: Path) -> Signed | None:
    """None where there is no such file. Raises StoreUnusable."""
    try:
        body, _, rest = file.read_text("utf-8").partition("\n\n")
        told = rest.rpartition("\n\nposition ")
        return Signed(read_checkpoint(body + "\n"), number(told[2].strip()) if told[1] else None)
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError, Wrong) as error:
        raise StoreUnusable(f"{file} does not say what was signed last ({error}): put back its newest copy, or the "
                            "newest checkpoint that anybody holds") from None


def signed_file() -> Path | None:
    """Beside the file that the variable names; None where the key stands in the variable, or is not there at all."""
    said = os.environ.get(VARIABLE, "").strip()
    return None if not said or said.startswith(FORM) else _beside(Path(said))


def _beside(key: Path) -> Path:
    """Raises StoreUnusable."""
    if max(map(len, key.parts), default=0) > LONGEST_NAME:  # said once, so that no other message repeats a key
        raise StoreUnusable(f"{VARIABLE} holds no key, which begins with {FORM}, nor the name of a file")
    if not key.name:
        raise StoreUnusable(f"{VARIABLE} names a folder: name the file of the key that signs")
    return key.with_name(key.name + SIGNED)


class Signer(NamedTuple):
    """`signed`: the file beside the key; None where the key stands in the environment."""

    name: str
    key: Ed25519PrivateKey
    signed: Path | None

    def __repr__(self) -> str:
        return f"Signer({self.name})"

    @property
    def verifier(self) -> str:
        """The text of the public key, for those who check."""
        public = self.key.public_key().public_bytes_raw()
        coded = base64.b64encode(bytes([LOG_KEY]) + public).decode()
        return f"{self.name}+{key_id(self.name, LOG_KEY, public).hex()}+{coded}"

    def sign(self, body: str) -> str:
        """The signed note. Ed25519 signs the same text the same way every time."""
        return f"{body}\n{self.line(body)}"

    def line(self, body: str) -> str:
        """The signature alone, as it stands below a note."""
        public = self.key.public_key().public_bytes_raw()
        signature = key_id(self.name, LOG_KEY, public) + self.key.sign(body.encode())
        return f"\u2014 {self.name} {base64.b64encode(signature).decode()}\n"

    def of(self, epoch: int) -> "Signer":
        return self._replace(name=named(self.name, epoch))

    def last(self) -> Signed | None:
        """The newest that was ever signed, as the file beside the key says. Raises StoreUnusable."""
        return signed_in(self.signed) if self.signed is not None else None

    def remember(self, note: str, position: int) -> None:
        if self.signed is not None:
            write_whole(self.signed, f"{note}\nposition {position}\n")


    def successor(self, made: bool = False) -> "Signer | None":
        """The key in FILE.next, to which this one is being handed over; `made` where there is none yet. Raises
        StoreUnusable."""
        if self.signed is None:
            return None
        path = self.signed.with_name(self.signed.name.removesuffix(SIGNED) + NEXT)
        if made and not path.exists():
            _make(path, self.name)
        return _read(_text_in(path, str(path)), str(path), self.signed) if path.exists() else None

    def give_way(self) -> None:
        """The file holds the successor from now on, and nothing the key of before. Raises StoreUnusable."""
        if self.signed is not None:
            path = self.signed.with_name(self.signed.name.removesuffix(SIGNED))
            try:
                path.with_name(path.name + NEXT).replace(path)
                durable(path.parent)
            except OSError as error:
                raise StoreUnusable(f"{path}: {error.strerror}: put {path.name}{NEXT} in its place") from None


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n"


def is_named() -> bool:
    """Whether this process has a key that signs."""
    return bool(os.environ.get(VARIABLE, "").strip())


def load() -> Signer:
    """Raises StoreUnusable, whose text never repeats what the variable holds."""
    said = os.environ.get(VARIABLE, "").strip()
    if not said:
        raise StoreUnusable(f"the key that signs checkpoints is missing: set {VARIABLE} to the file that holds it; "
                            "`career-ledger keys sign NAME` makes one")
    if said.startswith(FORM):
        return _read(said, VARIABLE, None)
    path, where = Path(said), f"the file that {VARIABLE} names"
    beside = _beside(path)
    return _read(_text_in(path, where), where, beside)


def _text_in(path: Path, where: str) -> str:
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or stat.S_IMODE(found.st_mode) != 0o600:
                raise StoreUnusable(f"{where} holds the key that signs checkpoints, and must be a file of mode 0600: "
                                    "chmod 600 it")
            return file.read(4096).decode("ascii", "replace").strip()
    except OSError as error:
        raise StoreUnusable(f"{where} cannot be read ({error.strerror}): `career-ledger keys sign NAME` makes the "
                            "first one") from None


def verifier_of(epoch: int) -> str | None:
    """The verifier key of an epoch's log; None where this process has no key that signs."""
    try:
        return load().of(epoch).verifier
    except StoreUnusable:
        return None


def make(name: str) -> Signer:
    """The key in the file that the variable names, which is made where there is none. Raises StoreUnusable."""
    said = os.environ.get(VARIABLE, "").strip()
    path = Path(said)
    if signed_file() is not None and not path.exists():
        _make(path, name)
    found = load()
    if found.name != name:
        raise StoreUnusable(f"the key that {VARIABLE} names is that of {found.name}: a log keeps its name. "
                            "Give that one, or name another file for another log")
    return found


def _make(path: Path, name: str) -> None:
    seed = secrets.token_bytes(32)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    coded = base64.b64encode(bytes([LOG_KEY]) + seed).decode()
    try:
        write_whole(path, f"{FORM}{name}+{key_id(name, LOG_KEY, public).hex()}+{coded}\n", new=True)
    except FileExistsError:
        pass  # another process was faster
    except OSError as error:
        raise StoreUnusable(f"{path} cannot be made to hold a key that signs: {error.strerror}") from None


def _read(text: str, where: str, signed: Path | None) -> Signer:
    name, _, rest = text.removeprefix(FORM).partition("+")
    given, _, coded = rest.partition("+")
    try:
        both = unbase64(coded)
        if text.startswith(FORM) and NAME.fullmatch(name) and len(both) == 33 and both[0] == LOG_KEY:
            found = Signer(name, Ed25519PrivateKey.from_private_bytes(both[1:]), signed)
            if key_id(name, LOG_KEY, found.key.public_key().public_bytes_raw()).hex() == given:
                return found
    except Wrong:
        pass
    raise StoreUnusable(f"{where} holds no whole key that signs checkpoints: it was cut off or changed. "
                        "Put the right one back")
