"""The ledger's signed checkpoints (docs/audit.md): each day's manifest carries the newest one that had been given away
by then, so that whoever holds the archive holds it too. Signatures are the ledger's to check: `career-ledger verify
--checkpoint` takes the archive's folder."""

import base64
import binascii
import re
from pathlib import Path
from typing import NamedTuple

from .package import Damaged

LONGEST = 1 << 20
_FILE = re.compile(r"(.+?)(?:_epoch-([1-9][0-9]{0,8}))?-([1-9][0-9]{0,18})")
_EPOCH = re.compile(r"(.+)/epoch-([1-9][0-9]{0,8})")
_NUMBER = re.compile(r"[1-9][0-9]{0,18}")


class Noted(NamedTuple):
    """What a checkpoint says: of which log, with how many entries, under which root (base64)."""

    origin: str
    size: int
    root: str

    @property
    def place(self) -> tuple[int, int]:
        """Epoch and size: it only grows."""
        found = _EPOCH.fullmatch(self.origin)
        return int(found[2]) if found else 1, self.size

    @property
    def log(self) -> str:
        """Its name in the first epoch."""
        found = _EPOCH.fullmatch(self.origin)
        return found[1] if found else self.origin


def newest(folder: Path) -> str | None:
    """The newest note that `career-ledger checkpoint --to FOLDER` has put there; None where there is none. Raises
    Damaged, OSError."""
    files = [(int(found[2] or 1), int(found[3]), path) for path in folder.iterdir()
             if (found := _FILE.fullmatch(path.name)) is not None]
    if not files:
        return None
    path = max(files)[2]
    with path.open("rb") as file:
        text = file.read(LONGEST).decode("utf-8", "replace")
    try:
        read(text)
    except Damaged as error:
        raise Damaged(f"{path}: {error}") from None
    return text


def read(note: str) -> Noted:
    """Raises Damaged."""
    origin, size, root = [*note.split("\n", 3), "", "", ""][:3]
    try:
        whole = len(base64.b64decode(root, validate=True)) == 32
    except (binascii.Error, ValueError):
        whole = False
    if not (origin.isprintable() and origin and _NUMBER.fullmatch(size) and whole and "\n\n" in note):
        raise Damaged("checkpoint: no signed checkpoint of a ledger")
    return Noted(origin, int(size), root)
