"""Brings an exported folder into an empty database. Everything is made again from the events and compared with the
signed checkpoint before the one commit that makes the ledger usable. """

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import msgspec

from ledger.edges.address import SQLITE
from ledger.edges.memory import uncollected
from ledger.proofs.auditor import Checkpoint, Key, Seen, Wrong, open_checkpoint, open_note, read_checkpoint, read_key
from ledger.proofs.reading import WrongProof, of_epochs
from ledger.proofs.regrown import Grown, Regrown
from ledger.proofs.signing import KeysGiven, epoch_of
from ledger.proofs.students import OutOfOrder, hashed
from ledger.proofs.tables import KeptPoint, keep_whole
from ledger.proofs.verifying import HowFar, Outside
from ledger.store import EventStore, Identity, StoreUnavailable, StoreUnusable, moved_in, open_store
from ledger.store.epochs import Epoch, keep
from ledger.store.recorder import WholeRow
from ledger.store.whole import Arriving

from . import form
from .lines import read

PAGE = 5_000
MOST_EPOCHS = 10_000
_DAMAGED = "it was changed; export again"


class _Point(msgspec.Struct, forbid_unknown_fields=True):
    size: int
    position: int
    note: str
    keys: tuple[str, str] | None = None


class Export(NamedTuple):
    """A folder whose small files were read and hold. `seen`: whose signatures of its checkpoint were checked;
    `vouched`: whether with keys from elsewhere, and not with the one in the folder; `signed`: whether the manifest is
    signed too."""

    bag: form.Bag
    checkpoint: Checkpoint
    note: str
    seen: Sequence[Seen]
    vouched: bool
    signed: bool
    epochs: Sequence[Epoch]

    @property
    def ledger(self) -> str:
        return self.bag.manifest.ledger


def opened(folder: Path, given: KeysGiven) -> Export:
    """`given`: the keys with which checkpoint and manifest are checked; without any the one that lies in the folder,
    which proves no more than that the folder agrees with itself. Raises WrongProof, OSError."""
    bag = form.Bag(folder)
    where, manifest = bag.data / form.CHECKPOINT, bag.manifest
    try:
        note = bag.small(form.CHECKPOINT).decode()
        given_or_its = given or KeysGiven([read_key(bag.small(form.KEY).decode())])
        known = of_epochs(given_or_its, min(manifest.epoch, MOST_EPOCHS))
        found, seen = open_checkpoint(note, known)
    except (Wrong, UnicodeDecodeError) as error:
        raise WrongProof(f"{where}: {error}") from None
    if (found.size, found.root.hex()) != (manifest.size, manifest.root):
        raise WrongProof(f"{where} is one of {found.size} entries with the root {found.root.hex()}, and size and root "
                         f"in {form.MANIFEST} are others: {_DAMAGED}")
    epochs = form.read_epochs(bag.small(form.EPOCHS), str(bag.data / form.EPOCHS))
    numbers = [one.number for one in epochs]
    if numbers != [*range(2, len(numbers) + 2)] or manifest.epoch != len(numbers) + 1:
        raise WrongProof(f"{bag.data / form.EPOCHS}: its numbers do not rise from 2 to epoch in {form.MANIFEST}: "
                         f"{_DAMAGED}")
    if manifest.epoch != epoch_of(found.origin)[1]:  # the log tells of each that was accepted, and signs what it tells
        raise WrongProof(f"{where} is one of {found.origin}, and epoch in {form.MANIFEST} is {manifest.epoch}: "
                         f"{_DAMAGED}")
    return Export(bag, found, note, seen, bool(given), _is_signed(bag, found, known), epochs)


def _is_signed(bag: form.Bag, checkpoint: Checkpoint, keys: list[Key]) -> bool:
    """Whether the manifest is, by the key that signs from this checkpoint on. Raises WrongProof where it is another
    one's."""
    if not bag.has(form.SIGNED):
        return False
    where = bag.data / form.SIGNED
    try:
        body, seen = open_note(bag.small(form.SIGNED).decode(), [
            one for one in keys if one.name == checkpoint.origin and one.first <= checkpoint.size < one.last])
    except (Wrong, UnicodeDecodeError) as error:
        raise WrongProof(f"{where}: {error}") from None
    if not seen or body != form.signed_text(bag.small(form.MANIFEST)):
        raise WrongProof(f"{where} is not the signature of {form.MANIFEST}: one of the two was changed; export again")
    return True


def take_in(export: Export, url: str, outside: Sequence[Outside], told: HowFar) -> dict[str, Any]:
    """Into the empty database at an address. `outside`: checkpoints that others have kept, which must be among those of
    the ledger. Raises WrongProof for what does not hold, StoreUnusable where the database is not empty or cannot be
    used, StoreUnavailable, OSError: then it is as it was."""
    manifest = export.bag.manifest
    identity = Identity(manifest.ledger, manifest.epoch, manifest.key_check)
    try:
        with moved_in(url, identity, manifest.highest) as arriving, uncollected():
            points = _Arrival(export, arriving, told).run()
            _compare(points, outside, export)
            keep(arriving.tx, export.epochs)
    except (StoreUnusable, StoreUnavailable) as error:
        raise error if error.told is not None else type(error)(f"nothing was imported: {error}") from error
    return {"ledger": manifest.ledger, "events": manifest.events, "students": manifest.students,
            "position": manifest.last, "highest": manifest.highest, "checkpoints": len(points),
            "size": manifest.size, "root": manifest.root, "vouched": export.vouched,
            "signed": export.signed,
            "signed_by": [one.name for one in export.seen],
            "outside": [{"file": one.where, "size": one.checkpoint.size} for one in outside]}


@dataclass(frozen=True, slots=True)
class Brought:
    """An export as a ledger of whoever asks, in a temporary file, when all of it was checked. Raises WrongProof,
    StoreUnusable, StoreUnavailable."""

    folder: Path
    given: KeysGiven

    def __call__(self) -> AbstractContextManager[EventStore]:
        return _brought(self.folder, self.given)


@contextmanager
def _brought(folder: Path, given: KeysGiven) -> Iterator[EventStore]:
    with TemporaryDirectory(prefix="career-ledger-") as place:
        url = f"{SQLITE}{place}/ledger.db"
        try:
            take_in(opened(folder, given), url, (), lambda *_: None)
        except OSError as error:
            raise StoreUnusable(f"{error.filename}: {error.strerror}") from None
        with open_store(url, create=False) as store:
            yield store


class _Arrival:
    def __init__(self, export: Export, arriving: Arriving, told: HowFar) -> None:
        self._export, self._bag, self._arriving, self._told = export, export.bag, arriving, told
        self._log = Regrown(export.epochs)
        self._points: list[KeptPoint] = []
        self._tiles: list[Any] = []
        self._waiting = self._signed()
        self._next = next(self._waiting, None)
        self._where = str(self._bag.data / form.CHECKPOINTS)

    def run(self) -> list[KeptPoint]:
        """The checkpoints, when everything was made again and is what was signed. Raises WrongProof."""
        try:
            self._end_here()
            for segment in self._bag.manifest.segments:
                self._segment(segment)
        except OutOfOrder as error:
            raise WrongProof(f"{self._bag.data}: {error}: {_DAMAGED}") from None
        manifest, log = self._bag.manifest, self._log
        if self._next is not None or not self._points or self._points[-1].position != log.position:
            raise WrongProof(f"{self._where}: the last checkpoint is not at the last event: {_DAMAGED}")
        if (self._points[-1].note, read_checkpoint(self._points[-1].body)) != \
                (self._export.note, self._export.checkpoint):
            raise WrongProof(f"{self._bag.data / form.CHECKPOINT} is not the checkpoint of these events: {_DAMAGED}")
        if (manifest.students, manifest.map_root) != (log.students, self._map_root.hex()):
            raise WrongProof(f"{self._bag.data / form.MANIFEST}: students or map_root is not that of the events: "
                             f"{_DAMAGED}")
        keep_whole(self._arriving.tx, self._points, [*self._tiles, *log.partial()], log.heads(), log.map_tiles())
        return self._points

    def _segment(self, segment: form.Segment) -> None:
        number, where, events = 1, str(self._bag.data / segment.name), 0
        for lines in self._bag.lines(segment):
            for at in range(0, len(lines), PAGE):
                some = lines[at:at + PAGE]
                rows = read(some, where, number)
                number += len(some)
                events += len(rows)
                self._add(rows, segment, where)
        if (events, self._log.position) != (segment.events, segment.last):
            raise WrongProof(f"{where} holds {events} events up to position {self._log.position}, and {form.MANIFEST} "
                             f"says {segment.events} up to {segment.last}: {_DAMAGED}")

    def _add(self, rows: list[WholeRow], segment: form.Segment, where: str) -> None:
        positions = [row[0] for row in rows]
        before = max(self._log.position, segment.first - 1)
        if positions[0] <= before or positions[-1] > segment.last or sorted(set(positions)) != positions:
            raise WrongProof(f"{where}: its positions do not rise from {segment.first} to {segment.last}: {_DAMAGED}")
        self._arriving.insert(rows)
        while rows:
            if self._next is None:
                raise WrongProof(f"{where}: no checkpoint covers position {rows[0][0]}: {_DAMAGED}")
            cut = bisect_right(positions, self._next.position)
            if cut:
                self._log.add(hashed(rows[:cut]))
                self._told(self._log.position, self._bag.manifest.last)
            rows, positions = rows[cut:], positions[cut:]
            if not self._end_here() and rows:
                raise WrongProof(f"{self._where}: no event stands at position {self._next.position}, where a "
                                 f"checkpoint ends: {_DAMAGED}")

    def _end_here(self) -> bool:
        """Whether checkpoints end at this position: several, where an epoch begins."""
        ends = False
        while self._next is not None and self._next.position == self._log.position:
            self._end(self._next)
            ends = True
        return ends

    def _end(self, signed: _Point) -> None:
        grown: Grown = self._log.end(signed.note.partition("\n")[0], signed.keys)
        if signed.size != grown.point.size or not signed.note.startswith(grown.point.body + "\n"):
            raise WrongProof(f"{self._where}: the checkpoint of {signed.size} entries is not that of the events up to "
                             f"position {signed.position}: one of them was changed; export again, or take another copy")
        self._points.append(grown.point._replace(note=signed.note))
        self._tiles += grown.tiles
        self._map_root = grown.map_root
        self._next = next(self._waiting, None)

    def _signed(self) -> Iterator[_Point]:
        path, read_point = self._bag.data / form.CHECKPOINTS, msgspec.json.Decoder(_Point).decode
        for lines in self._bag.lines(self._bag.manifest.checkpoints):
            for line in lines:
                try:
                    one = read_point(line)
                except form.UNDECODED as error:
                    raise WrongProof(f"{path}: a line is no checkpoint ({error}): {_DAMAGED}") from None
                yield one


def _compare(points: Sequence[KeptPoint], outside: Sequence[Outside], export: Export) -> None:
    """Raises WrongProof where a checkpoint that somebody has kept is none of these."""
    known = {found.size: found for found in (read_checkpoint(one.body) for one in points)}
    for one in outside:
        if known.get(one.checkpoint.size) != one.checkpoint:
            raise WrongProof(f"{one.where} is a checkpoint of {one.checkpoint.size} entries that {export.bag.data} "
                             "does not have: it is another ledger's, of another history, or newer than the export")
