"""Writes a ledger into a folder. What is written is made again from its first event to its newest checkpoint, and
compared with what was signed: no export leaves that could not be brought in. """

import base64
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from ledger.edges.files import durable, make_folder, open_file
from ledger.edges.memory import uncollected
from ledger.proofs.auditor import LOG_KEY, Key, Wrong, open_checkpoint, open_note, read_checkpoint
from ledger.proofs.hashing import RowCheck
from ledger.proofs.proving import handovers
from ledger.proofs.reading import of_epochs
from ledger.proofs.regrown import Grown, Regrown
from ledger.proofs.signing import KeysGiven, Signer, epoch_of, keys_in
from ledger.proofs.students import OutOfOrder, hashed
from ledger.proofs.tables import KeptPoint, NoCheckpoint, ProofTables
from ledger.proofs.verifying import HowFar
from ledger.store import EventStore, StoreUnusable
from ledger.store.epochs import Epoch
from ledger.store.recorder import WholeRow

from . import form
from .lines import NotALine, written
from .zstd import compressor

PAGE = 5_000


class Unsealed(Exception):
    """Nothing of the ledger is signed yet."""


class _File:
    """Compressed, with what the manifest says of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file, self._work = open_file(path), compressor()
        self._packed, self._plain, self._bytes, self._wrote = sha256(), sha256(), 0, 0

    def write(self, data: bytes) -> None:
        self._plain.update(data)
        self._wrote += len(data)
        self._out(self._work.compress(data))

    def close(self) -> None:
        """Of what went wrong."""
        self._file.close()

    def done(self, name: str) -> form.Packed:
        self._out(self._work.flush())
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.rename(self._path.with_name(name))
        return form.Packed(name, self._bytes, self._packed.hexdigest(), self._wrote, self._plain.hexdigest())

    def _out(self, data: bytes) -> None:
        self._packed.update(data)
        self._bytes += len(data)
        self._file.write(data)


class _Segments:
    def __init__(self, folder: Path) -> None:
        self._part = folder / ".segment"
        self._file: _File | None = None
        self._first = self._last = self._events = 0
        self.done: list[form.Segment] = []

    def add(self, rows: Sequence[WholeRow]) -> None:
        while rows:
            if self._file is None:
                self._file, self._first, self._events = _File(self._part), rows[0][0], 0
            some = rows[:form.SEGMENT - self._events]
            self._file.write(written(some))
            self._events, self._last = self._events + len(some), some[-1][0]
            if self._events == form.SEGMENT:
                self.end()
            rows = rows[len(some):]

    def end(self) -> None:
        if self._file is not None:
            packed = self._file.done(form.segment_name(self._first, self._last))
            self._file = None
            self.done.append(form.Segment(**msgspec.structs.asdict(packed), events=self._events, first=self._first,
                                          last=self._last))

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Exporting(NamedTuple):
    """`keys`: with which the newest checkpoint is checked; `signer`: the key that signs, None where it is not there;
    `highest`: the highest position ever given."""

    keys: KeysGiven
    signer: Signer | None
    highest: int


class _Sealed(NamedTuple):
    """What was signed, up to the newest checkpoint."""

    points: Sequence[KeptPoint]
    key: Key
    epochs: Sequence[Epoch]
    highest: int


def export(store: EventStore, tables: ProofTables, folder: Path, sealing: Exporting, told: HowFar) -> dict[str, Any]:
    """Into a folder that is not there, or empty: it appears when it is whole. The answer has the manifest's counts,
    `left_out`: events that came after the newest checkpoint, and `signed`: whether the manifest is.
    Raises Unsealed, StoreUnusable for what was changed or stands in the way, StoreUnavailable, OSError."""
    sealed = _sealed(tables, sealing.keys, sealing.highest)
    with _appearing(folder) as part:
        data = part / form.DATA
        make_folder(data)
        with uncollected():
            manifest = _written(store, sealed, data, told)
        sums = [(one.name, one.sha256) for one in (*manifest.segments, manifest.checkpoints)]
        newest = sealed.points[-1]
        coded = base64.b64encode(bytes([LOG_KEY]) + sealed.key.public).decode()
        verifier, about = f"{sealed.key.name}+{sealed.key.id.hex()}+{coded}", form.manifest_text(manifest)
        signer = sealing.signer.of(epoch_of(sealed.key.name)[1]) if sealing.signer is not None else None
        signed = signer is not None and signer.verifier == verifier
        for name, text in ((form.CHECKPOINT, (newest.note or "").encode()), (form.KEY, f"{verifier}\n".encode()),
                           (form.EPOCHS, form.epochs_text(sealed.epochs)), (form.MANIFEST, about),
                           *([(form.SIGNED, signer.sign(form.signed_text(about)).encode())]
                             if signer is not None and signed else [])):
            _whole(data / name, text)
            sums.append((name, sha256(text).hexdigest()))
        _whole(part / form.SUMS, form.sums_text(sums).encode())
        _whole(part / form.BAGIT, form.BAG.encode())
        durable(data)
        durable(part)
    left = store.touched(manifest.last, PAGE)
    return {"folder": str(folder), "ledger": manifest.ledger, "events": manifest.events, "students": manifest.students,
            "position": manifest.last, "highest": manifest.highest, "size": manifest.size, "root": manifest.root,
            "files": len(sums) + 2, "bytes": sum(one.bytes for one in manifest.segments), "left_out": len(left),
            "signed": signed}


def _sealed(tables: ProofTables, given: KeysGiven, highest: int) -> _Sealed:
    if not tables.exist():
        raise Unsealed
    with tables.reading() as kept:
        try:
            points, epochs = kept.checkpoints(), kept.epochs()
        except NoCheckpoint as error:
            raise StoreUnusable(f"{error}. Nothing was exported") from None
    while points and points[-1].note is None:
        points.pop()
    if not points:
        raise Unsealed
    try:
        known = of_epochs(given, max((one.number for one in epochs), default=1), handovers(tables))
        found, _ = open_checkpoint(points[-1].note or "", known)
    except Wrong as error:
        raise StoreUnusable(f"the newest checkpoint of this ledger: {error}. Give the verifier key of its log with "
                            "--key; nothing was exported") from None
    if epochs and epochs[-1].number > epoch_of(found.origin)[1]:
        raise StoreUnusable("an accepted restore is not in the log yet: run `career-ledger checkpoint`, then export "
                            "again")
    signed = open_note(points[-1].note or "", known)[1]
    key = max((one for one in signed if one.name == found.origin), key=lambda one: one.first)
    return _Sealed(points, key, epochs, highest)


def _written(store: EventStore, sealed: _Sealed, data: Path, told: HowFar) -> form.Manifest:
    log = Regrown(sealed.epochs)
    check, segments, first = RowCheck(), _Segments(data), 0
    last = sealed.points[-1].position
    grown: Grown | None = None
    try:
        for point in sealed.points:
            while log.position < point.position:
                rows = store.rows(log.position, PAGE)
                if rows and rows[-1][0] > point.position:
                    rows = [row for row in rows if row[0] <= point.position]
                if not rows:
                    break
                bad = check.disagreeing(rows)
                if bad is not None:
                    raise _changed(f"the row at position {bad} and the bytes in it disagree")
                segments.add(rows)
                first = first or rows[0][0]
                log.add(hashed(rows))
                told(log.position, last)
            grown = log.end(read_checkpoint(point.body).origin, keys_in(point.heads))
            if (grown.point.body, grown.point.heads) != (point.body, point.heads):
                raise _changed(f"the checkpoint of {point.size} entries is not that of its events")
        segments.end()
    except NotALine as error:
        raise StoreUnusable(f"the event at position {error} has bytes or a name that no program of ours wrote: nothing "
                            "was exported") from None
    except OutOfOrder as error:
        raise _changed(str(error)) from None
    finally:
        segments.close()
    if grown is None:
        raise Unsealed
    root, identity = read_checkpoint(grown.point.body).root.hex(), store.identity()
    return form.Manifest(
        format=form.FORMAT, ledger=identity.origin, epoch=identity.epoch, key_check=identity.key_check,
        events=log.events, students=log.students, first=first, last=last,
        highest=max(sealed.highest, last), size=grown.point.size, root=root, map_root=grown.map_root.hex(),
        checkpoints=_checkpoints(data, sealed.points), segments=segments.done)


def _changed(why: str) -> StoreUnusable:
    return StoreUnusable(f"{why}: the log was changed. Nothing was exported; `career-ledger verify` says more")


def _checkpoints(data: Path, points: Sequence[KeptPoint]) -> form.Packed:
    file = _File(data / ".checkpoints")
    try:
        for one in points:
            keys = keys_in(one.heads)
            file.write(msgspec.json.encode({"size": one.size, "position": one.position, "note": one.note}
                                           | ({"keys": keys} if keys is not None else {})) + b"\n")
        return file.done(form.CHECKPOINTS)
    finally:
        file.close()


def _whole(path: Path, text: bytes) -> None:
    with open_file(path) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _appearing(folder: Path) -> Iterator[Path]:
    """A folder beside it, which takes its place when everything is in it. Killed, it stays beside."""
    folder = folder.resolve()  # `.` has no name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise StoreUnusable(f"{folder} is there already and is not an empty folder: name a new one")
    part = folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.part")
    try:
        make_folder(part)
        yield part
        part.rename(folder)
        durable(folder.absolute().parent)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise StoreUnusable(f"{folder} cannot be written ({error.strerror}): free space, or name another place. "
                            "Nothing was exported") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise
