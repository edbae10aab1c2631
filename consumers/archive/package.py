"""A sealed package: a day's entries as compressed JSON lines, and the manifest that says what must be in it.

DAY.jsonl.gz        one entry a line (`line`), in the order of (day received, position, student, version); the same
entries always give
                    the same bytes
DAY.manifest.json   hashes and counts of the package, and `previous`: the sha256 of the manifest of the day before
(null: the first)

Files come into being by writing beside, fsync, rename, fsync of the folder: a package first, then its manifest. A
package without a manifest is not sealed.
"""

import gzip
import hashlib
import json
import os
import re
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from ledger.edges.files import open_file

FORMAT = "career-ledger-archive.v2"
FORMER = "career-ledger-archive.v1"
"""Its entries have `sha256`, a plain hash of the stored bytes, in the place of `digest`. They are read without it."""
PACKAGE, MANIFEST = ".jsonl.gz", ".manifest.json"
LEVEL = 6


class Damaged(ValueError):
    """A line or a manifest is not of this format. The text names the field."""


class Entry(NamedTuple):
    """A message as it came: `value` its bytes, both digests those of its headers (hex; `digest` is empty where an
    earlier release kept the entry), and its place and time (ms) in Kafka."""

    position: int
    student: str
    version: int
    type: str
    digest: str
    payload_sha256: str
    partition: int
    offset: int
    timestamp: int
    value: bytes


def line(entry: Entry) -> bytes:
    """`value` is the message as text; where it is no UTF-8, `value_base64` holds its bytes."""
    found: dict[str, Any] = entry._asdict()
    value = found.pop("value")
    try:
        found["value"] = value.decode()
    except UnicodeDecodeError:
        found["value_base64"] = b64encode(value).decode()
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def read_line(raw: bytes) -> Entry:
    """Raises Damaged."""
    found = _object(raw)
    if found.pop("sha256", None) is not None:
        found.setdefault("digest", "")
    try:
        if "value_base64" in found:
            found["value"] = b64decode(found.pop("value_base64"), validate=True)
        else:
            found["value"] = found["value"].encode()
        entry = Entry(**found)
    except (KeyError, TypeError, ValueError, AttributeError):
        raise Damaged("an entry has exactly the fields " + ", ".join(Entry._fields)) from None
    for name, kind in Entry.__annotations__.items():
        check(name, getattr(entry, name), kind)
    return entry


def check(name: str, value: Any, kind: type) -> None:
    """That a database can keep a value, and as what it is to be. Raises Damaged."""
    if type(value) is not kind:
        raise Damaged(f"{name}: not of type {kind.__name__}")
    if isinstance(value, int) and not -1 << 63 <= value < 1 << 63:
        raise Damaged(f"{name}: too large a number")
    if isinstance(value, str) and _SURROGATE.search(value):
        raise Damaged(f"{name}: half a surrogate pair, which is no text")


_SURROGATE = re.compile("[\ud800-\udfff]")


def _object(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        raise Damaged("this is no JSON") from None
    if not isinstance(found, dict):
        raise Damaged("this is no JSON object")
    return found


class Tally:
    """Counts and hashes a package's lines."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._bytes = self._entries = 0
        self._positions: tuple[int, int] | None = None
        self._types: Counter[str] = Counter()

    def raw(self, text: bytes) -> None:
        self._hash.update(text)
        self._bytes += len(text)
        self._entries += 1

    def entry(self, entry: Entry) -> None:
        low, high = self._positions or (entry.position, entry.position)
        self._positions = min(low, entry.position), max(high, entry.position)
        self._types[entry.type] += 1

    def content(self) -> dict[str, Any]:
        positions = {"first": self._positions[0], "last": self._positions[1]} if self._positions else None
        return {"sha256": self._hash.hexdigest(), "bytes": self._bytes, "entries": self._entries,
                "positions": positions,
                "types": dict(sorted(self._types.items()))}


def manifest(day: date, previous: str | None, package_sha256: str, package_bytes: int,
             content: dict[str, Any], checkpoint: str | None = None) -> bytes:
    """`checkpoint`: the ledger's newest signed checkpoint, as it was given away."""
    carried = {"checkpoint": checkpoint} if checkpoint is not None else {}
    return json.dumps({
        "format": FORMAT, "day": day.isoformat(), "previous": previous, **carried,
        "package": {"name": f"{day}{PACKAGE}", "sha256": package_sha256, "bytes": package_bytes}, "content": content},
        indent=1, ensure_ascii=False).encode() + b"\n"


def read_manifest(raw: bytes) -> dict[str, Any]:
    """Raises Damaged."""
    found = _object(raw)
    if found.get("format") not in (FORMAT, FORMER):
        raise Damaged(f"format: not {FORMAT}")
    if not isinstance(found.get("checkpoint", ""), str):
        raise Damaged("checkpoint: not of its type")
    for path, kinds in (("day", str), ("previous", (str, type(None))), ("package.name", str), ("package.sha256", str),
                        ("package.bytes", int), ("content", dict), ("content.sha256", str), ("content.entries", int)):
        value: Any = found
        for name in path.split("."):
            value = value.get(name, ...) if isinstance(value, dict) else ...
        if not isinstance(value, kinds):
            raise Damaged(f"{path}: missing, or not of its type")
        if not isinstance(value, dict | None):
            check(path, value, type(value))
    return found


def digest(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()


def file_digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def day_in(name: str) -> date | None:
    """The day in the name of a package or a manifest; None where it is neither."""
    for end in (PACKAGE, MANIFEST):
        if name.endswith(end) and len(name) == 10 + len(end):
            try:
                return date.fromisoformat(name.removesuffix(end))
            except ValueError:
                return None
    return None


def sealed_days(folder: Path) -> list[date]:
    """The days of the manifests in a folder, in order."""
    return sorted(day for path in folder.glob(f"*{MANIFEST}") if (day := day_in(path.name)) is not None)


def seal(folder: Path, day: date, previous: str | None, entries: Iterable[Entry],
         checkpoint: str | None = None) -> tuple[str, int]:
    """Writes a day's package and manifest, which carries the ledger's `checkpoint`; the manifest's sha256 and the
    number of entries. Where a crash left both behind they stay as they are. Raises Damaged where the folder has another
    package of that day."""
    package, described = folder / f"{day}{PACKAGE}", folder / f"{day}{MANIFEST}"
    tally = Tally()
    with _beside(package) as (raw, commit):
        with gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=LEVEL, mtime=0) as packed:
            for entry in entries:
                text = line(entry)
                tally.raw(text)
                tally.entry(entry)
                packed.write(text)
        content = tally.content()
        if described.exists():
            before = described.read_bytes()
            known = read_manifest(before)
            if (known["content"], known["previous"]) != (content, previous) or not package.exists():
                raise Damaged(f"{described.name}: the folder holds another package of that day than the database: "
                              "restore the two from the same moment")
            return digest(before), content["entries"]
        commit()
    made = manifest(day, previous, file_digest(package), package.stat().st_size, content, checkpoint)
    with _beside(described) as (raw, commit):
        raw.write(made)
        commit()
    return digest(made), content["entries"]


@contextmanager
def _beside(path: Path) -> Iterator[tuple[BinaryIO, Any]]:
    """A file that takes its name once `commit` is called, whole and on the disk, or never."""
    part = path.with_name(f".{path.name}.part")

    def commit() -> None:
        raw.flush()
        os.fsync(raw.fileno())
        part.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    with open_file(part) as raw:
        try:
            yield raw, commit
        finally:
            part.unlink(missing_ok=True)
