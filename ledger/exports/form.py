"""What lies in an exported folder: a bag (BagIt, RFC 8493) whose `data` holds segments of events, the checkpoints, the
newest of these by itself, the key that checks it, and a manifest, which is signed too where the key that signs was
there: the checkpoint says nothing of ledger id and highest position.

A segment has a line for each event, with its stored bytes as they are. Nothing in the folder says when or where it was
made: the same ledger gives the same files. """

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec

from ledger.edges.files import regular_file
from ledger.proofs.reading import WrongProof
from ledger.store.epochs import Epoch

from .zstd import ZstdError, decompressor

FORMAT = "career-ledger/export.v2"
FORMATS = ("career-ledger/export.v1", FORMAT)
"""That are read. The first one has no signed manifest, and no log whose key was handed over."""
BAG = "BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
BAGIT, SUMS, DATA = "bagit.txt", "manifest-sha256.txt", "data"
MANIFEST, CHECKPOINT, KEY, EPOCHS = "manifest.json", "checkpoint", "key.vkey", "epochs.json"
SIGNED = "manifest.signed"
CHECKPOINTS = "checkpoints.jsonl.zst"
SEGMENT = 100_000
"""Events of one file."""
LONGEST_LINE = 16 << 20
LARGEST_MANIFEST = 64 << 20
CHUNK = 1 << 18
UNDECODED = (msgspec.MsgspecError, ValueError, RecursionError)
"""What decoding JSON raises; ValueError where a text is no UTF-8."""

_Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]
_Position = Annotated[int, msgspec.Meta(ge=1, le=(1 << 63) - 1)]
_Digest = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
_Id = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]


class Packed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A compressed file. `plain_bytes`, `plain_sha256`: of what it expands to."""

    name: str
    bytes: _Count
    sha256: _Digest
    plain_bytes: _Count
    plain_sha256: _Digest


class Segment(Packed, forbid_unknown_fields=True, frozen=True):
    """Of events. `first`, `last`: positions."""

    events: _Position
    first: _Position
    last: _Position


class Manifest(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """`ledger`: which history it is; `key_check`: what tells its key for digests from others, null where it has none
    yet. `highest`: the highest position ever given, also to what is not stored. `size`, `root`: of the tree, as the
    checkpoint has them; `map_root`: of the map of students."""

    format: str
    ledger: _Id
    epoch: _Position
    key_check: _Id | None
    events: _Position
    students: _Position
    first: _Position
    last: _Position
    highest: _Position
    size: _Position
    root: _Digest
    map_root: _Digest
    checkpoints: Packed
    segments: Annotated[list[Segment], msgspec.Meta(min_length=1)]


class _Epoch(msgspec.Struct, forbid_unknown_fields=True):
    """As `Epoch` of the store, in JSON."""

    number: _Position
    accepted_at: str
    position: _Count
    reached: _Count
    lost_size: _Count
    lost_root: _Digest
    authorities: list[str]
    reason: str


def epochs_text(epochs: Sequence[Epoch]) -> bytes:
    return msgspec.json.format(msgspec.json.encode([
        {**one._asdict(), "lost_root": one.lost_root.hex()} for one in epochs]), indent=1) + b"\n"


def read_epochs(data: bytes, where: str) -> list[Epoch]:
    """Raises WrongProof with the field that is wrong."""
    try:
        return [Epoch(**(msgspec.structs.asdict(one) | {"lost_root": bytes.fromhex(one.lost_root)}))
                for one in msgspec.json.decode(data, type=list[_Epoch])]
    except UNDECODED as error:
        raise WrongProof(f"{where}: {error}: it was changed; export again") from None


def segment_name(first: int, last: int) -> str:
    return f"segment-{first}-{last}.jsonl.zst"


def manifest_text(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"


def signed_text(manifest: bytes) -> str:
    """What is signed of a manifest. No checkpoint reads so."""
    return f"{FORMAT}\n{sha256(manifest).hexdigest()}\n"


def read_manifest(data: bytes, where: str) -> Manifest:
    """Raises WrongProof with the field that is wrong."""
    try:
        said = msgspec.json.decode(data)
    except UNDECODED as error:
        raise WrongProof(f"{where} is no JSON ({error}): it was cut off or changed; export again") from None
    if not isinstance(said, dict) or said.get("format") not in FORMATS:
        found = said.get("format") if isinstance(said, dict) else None
        raise WrongProof(f"{where}: format is {str(found)[:80]!r}, and this program reads {', '.join(FORMATS)}: "
                         "take the version of career-ledger that wrote it, or a newer one")
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except UNDECODED as error:
        raise WrongProof(f"{where}: {error}: it was changed; export again") from None
    for why in _contradictions(manifest):
        raise WrongProof(f"{where}: {why}: it was changed; export again")
    return manifest


def _contradictions(manifest: Manifest) -> Iterator[str]:
    if manifest.checkpoints.name != CHECKPOINTS:
        yield f"checkpoints.name is {manifest.checkpoints.name[:80]!r}, not {CHECKPOINTS}"
    before = 0
    for at, one in enumerate(manifest.segments):
        if one.name != segment_name(one.first, one.last):
            yield f"segments[{at}].name is {one.name[:80]!r}, not {segment_name(one.first, one.last)}"
        if not before < one.first <= one.last or one.events > one.last - one.first + 1:
            yield f"segments[{at}].first, last and events do not fit those before"
        before = one.last
    if (manifest.first, manifest.last) != (manifest.segments[0].first, before) or manifest.highest < before:
        yield "first, last and highest are not those of the segments"
    if manifest.events != sum(one.events for one in manifest.segments):
        yield "events is not the number of those in the segments"


class Bag:
    """A folder that somebody brings. Nothing outside it is ever opened, and nothing in it but regular files."""

    def __init__(self, folder: Path) -> None:
        """Raises WrongProof, OSError."""
        self.data = folder / DATA
        if not (folder / BAGIT).exists() or not (self.data / MANIFEST).exists():
            raise WrongProof(f"{folder} is no export: {BAGIT} and {DATA}/{MANIFEST} are missing; name the folder that "
                             "`career-ledger export` made")
        if self._whole(folder / BAGIT).decode("utf-8", "replace") != BAG:
            raise WrongProof(f"{folder / BAGIT} is not that of an export: it was changed")
        self._sums = _sums(self._whole(folder / SUMS), folder / SUMS)
        self.manifest = read_manifest(self.small(MANIFEST), str(self.data / MANIFEST))

    def small(self, name: str) -> bytes:
        """A file whose digest stands in the bag's list. Raises WrongProof, OSError."""
        found = self._whole(self.data / name)
        self._compare(name, sha256(found).hexdigest())
        return found

    def has(self, name: str) -> bool:
        """Whether the bag's list has it, or it lies there."""
        return f"{DATA}/{name}" in self._sums or (self.data / name).exists()

    def lines(self, part: Packed) -> Iterator[list[bytes]]:
        """Of a compressed file, some at a time, without their ends. It is known to be the right one when the last ones
        were taken, and no more of it is expanded than it should hold. Raises WrongProof, OSError."""
        rest = b""
        for chunk in self._expanded(part):
            *whole, rest = (rest + chunk).split(b"\n")
            if len(rest) > LONGEST_LINE:
                raise WrongProof(f"{self.data / part.name}: a line is longer than {LONGEST_LINE} bytes: it was "
                                 "changed; export again")
            if whole:
                yield whole
        if rest:
            raise WrongProof(f"{self.data / part.name}: its last line has no end: it was cut off; export again")

    def _expanded(self, part: Packed) -> Iterator[bytes]:
        path = self.data / part.name
        packed, plain, read, wrote = sha256(), sha256(), 0, 0
        with self._opened(path) as file:
            work = decompressor()
            while chunk := file.read(CHUNK):
                packed.update(chunk)
                read += len(chunk)
                while True:
                    if work.eof:
                        raise WrongProof(f"{path}: something follows its end: it was changed; export again")
                    try:
                        out = work.decompress(chunk, CHUNK)
                    except ZstdError as error:
                        raise WrongProof(f"{path} is damaged ({error}); export again") from None
                    wrote += len(out)
                    if wrote > part.plain_bytes:
                        raise WrongProof(f"{path} expands to more than the {part.plain_bytes} bytes that plain_bytes "
                                         f"in {MANIFEST} says: it was changed; export again")
                    plain.update(out)
                    yield out
                    chunk = b""
                    if work.needs_input or work.eof:
                        break
                if work.eof and work.unused_data:
                    raise WrongProof(f"{path}: something follows its end: it was changed; export again")
            if not work.eof:
                raise WrongProof(f"{path} ends in the middle: it was cut off; copy it again, or export again")
        for field, found, said in (("bytes", read, part.bytes), ("sha256", packed.hexdigest(), part.sha256),
                                   ("plain_bytes", wrote, part.plain_bytes),
                                   ("plain_sha256", plain.hexdigest(), part.plain_sha256)):
            if found != said:
                raise WrongProof(f"{path}: {field} is {found}, and {MANIFEST} says {said}: one of the two was changed; "
                                 "copy it again, or export again")
        self._compare(part.name, packed.hexdigest())

    def _compare(self, name: str, digest: str) -> None:
        said = self._sums.get(f"{DATA}/{name}")
        if said != digest:
            raise WrongProof(f"{self.data / name} has the SHA-256 {digest}, and {SUMS} says "
                             f"{said or 'nothing of it'}: one of the two was changed; copy it again, or export again")

    def _whole(self, path: Path) -> bytes:
        with self._opened(path) as file:
            found = file.read(LARGEST_MANIFEST + 1)
        if len(found) > LARGEST_MANIFEST:
            raise WrongProof(f"{path} is larger than {LARGEST_MANIFEST} bytes: it is none of an export's")
        return found

    @contextmanager
    def _opened(self, path: Path) -> Iterator[BinaryIO]:
        try:
            file = regular_file(path)
        except FileNotFoundError:
            raise WrongProof(f"{path} is missing: copy the whole folder, or export again") from None
        if file is None:
            raise WrongProof(f"{path} is no regular file: copy the folder with what its links name")
        with file:
            yield file


def _sums(data: bytes, where: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
        match = re.fullmatch(r"([0-9a-f]{64})  (\S.*)", line)
        if match is None or match[2] in found:
            raise WrongProof(f"{where}, line {number}: this is no digest and name of a file, or the second one of it")
        found[match[2]] = match[1]
    return found


def sums_text(sums: Sequence[tuple[str, str]]) -> str:
    """Of names below `data`, and digests."""
    return "".join(f"{digest}  {DATA}/{name}\n" for name, digest in sorted(sums))
