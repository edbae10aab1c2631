"""Verification of an archive, and its comparison with the ledger event by event.

What is wrong is named, each time with the file or the event:

empty              there is no package in the folder: nothing was verified
not-compared       `--ledger` holds no event: nothing was compared
unexpected-file, missing-package, missing-manifest, unreadable-manifest, unreadable-package    the folder is not what
sealing leaves
day-missing        the days do not follow one another
chain              `previous` is not the hash of the manifest before it
checkpoint         what a manifest carries as the ledger's checkpoint is none, or does not continue the one before
head               the last manifest is not the one that was noted elsewhere (`--head`): days at the end may be missing
package, content   the package, or what is in it, is not what its manifest says (`fields`)
entry              a line is no entry, or its value does not fit its hashes or its fields
version-missing    a student's versions have a hole
repeated           an event stands in two entries that differ
not-in-archive, not-in-ledger, differs    against the ledger's digests: an event that one of them has not, or has
otherwise (`fields`)

Entries that an earlier release kept have no keyed digest: of these the rest is compared.
An event that stands twice alike (the archive's database was lost and the topic read again) is counted, and is no fault.
Events of the ledger above the archive's last position are counted as not sealed yet. What is cut off at the end leaves
no trace in the chain: note the head that this command prints elsewhere, or compare with the ledger.
"""

import gzip
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

from .checkpoints import Noted, read
from .package import (
    MANIFEST,
    PACKAGE,
    Damaged,
    Entry,
    Tally,
    check,
    day_in,
    digest,
    file_digest,
    read_line,
    read_manifest,
    sealed_days,
)

LONGEST_LINE = 64 << 20
MOST_WRONG = 1_000
"""Lines of a package that are none, before it is read no further: a small file may expand without end."""
COMPARED = ("position", "type", "digest", "payload_sha256")
_ROWS = 10_000

ArchiveFinding = dict[str, Any]


@dataclass(slots=True)
class Verification:
    """`head`: the sha256 of the last manifest. `checkpoint`: origin, size and root of the ledger's newest one in a
    manifest (its signature is for `career-ledger verify` to check). `repeated`: entries that stand once more alike;
    `not_sealed`: events of the ledger above the archive's last position; `outside`: with what from elsewhere it was
    compared, `head` or `ledger`."""

    findings: list[ArchiveFinding] = field(default_factory=list)
    packages: int = 0
    entries: int = 0
    first_day: str | None = None
    last_day: str | None = None
    head: str | None = None
    checkpoint: dict[str, Any] | None = None
    last_position: int = 0
    repeated: int = 0
    compared: int = 0
    not_sealed: int = 0
    outside: list[str] = field(default_factory=list)

    def add(self, kind: str, **about: Any) -> None:
        self.findings.append({"kind": kind, **about})

    def as_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__slots__}


def verify(folder: Path, head: str | None = None, ledger: Iterable[bytes] | None = None,
           after: int = 0) -> Verification:
    """Reads everything. `ledger`: lines of `career-ledger digests --after AFTER`. Raises OSError where the folder
    cannot be read, and Damaged for a line of the ledger's that is no digest."""
    verdict = Verification(outside=[name for name, given in (("head", head), ("ledger", ledger)) if given is not None])
    _folder(folder, verdict)
    with closing(sqlite3.connect("")) as events:  # a temporary file, not memory
        events.execute("CREATE TABLE archived (student, version, position, type, digest, payload_sha256, place)")
        _chain(folder, verdict, events)
        if head is not None and head != verdict.head:
            verdict.add("head", expected=head, found=verdict.head)
        events.execute("CREATE INDEX by_event ON archived (student, version)")
        [[verdict.last_position]] = events.execute("SELECT COALESCE(MAX(position), 0) FROM archived").fetchall()
        _once(events, verdict)
        _holes(events, verdict)
        if ledger is not None:
            _compare(events, verdict, ledger, after)
    return verdict


def _folder(folder: Path, verdict: Verification) -> None:
    names = {path.name for path in folder.iterdir()}
    if not any(day_in(name) for name in names):
        verdict.add("empty", folder=str(folder),
                    problem="no package is here: name the folder that `run` and `seal` fill")
    for name in sorted(names):
        if name != ".lock" and day_in(name) is None:
            verdict.add("unexpected-file", file=name)
        elif name.endswith(PACKAGE) and name.removesuffix(PACKAGE) + MANIFEST not in names:
            verdict.add("missing-manifest", file=name)


def _chain(folder: Path, verdict: Verification, events: sqlite3.Connection) -> None:
    before: date | None = None
    for day in sealed_days(folder):
        name = f"{day}{MANIFEST}"
        raw = (folder / name).read_bytes()
        if before is not None and day != before + timedelta(days=1):
            first, last = before + timedelta(days=1), day - timedelta(days=1)
            verdict.add("day-missing", file=name, days=[first.isoformat(), last.isoformat()])
        try:
            found = read_manifest(raw)
        except Damaged as error:
            verdict.add("unreadable-manifest", file=name, problem=str(error))
        else:
            if found["previous"] != verdict.head:
                verdict.add("chain", file=name, expected=verdict.head, found=found["previous"])
            if found["day"] != day.isoformat():
                verdict.add("content", file=name, fields=["day"])
            _checkpoint(found, name, verdict)
            _package(folder, day, found, verdict, events)
        verdict.packages += 1
        verdict.first_day = verdict.first_day or day.isoformat()
        verdict.last_day, verdict.head, before = day.isoformat(), digest(raw), day


def _checkpoint(described: dict[str, Any], name: str, verdict: Verification) -> None:
    if "checkpoint" not in described:
        return
    try:
        found = read(described["checkpoint"])
    except Damaged as error:
        verdict.add("checkpoint", file=name, problem=str(error))
        return
    before = Noted(**verdict.checkpoint) if verdict.checkpoint else None
    if before is not None and found.log != before.log:
        verdict.add("checkpoint", file=name, problem=f"it is one of {found.origin}, and those before are of "
                    f"{before.origin}: another ledger's")
    elif before is not None and (found.place < before.place or (found.place == before.place and found != before)):
        verdict.add("checkpoint", file=name, problem=f"{found.size} entries of {found.origin} come after {before.size} "
                    f"of {before.origin}: the ledger was restored, or has two histories")
    verdict.checkpoint = found._asdict()


def _package(folder: Path, day: date, described: dict[str, Any], verdict: Verification,
             events: sqlite3.Connection) -> None:
    path = folder / f"{day}{PACKAGE}"
    if not path.exists():
        verdict.add("missing-package", file=path.name)
        return
    is_ = {"name": path.name, "bytes": path.stat().st_size, "sha256": file_digest(path)}
    wrong = [name for name, value in is_.items() if described["package"].get(name) != value]
    if wrong:
        verdict.add("package", file=path.name, fields=wrong)
    tally = Tally()
    try:
        with gzip.open(path) as packed:
            rows = _entries(packed, path.name, tally, verdict)
            while some := list(islice(rows, _ROWS)):
                events.executemany("INSERT INTO archived VALUES (?, ?, ?, ?, ?, ?, ?)", some)
    except (OSError, EOFError, zlib.error) as error:
        verdict.add("unreadable-package", file=path.name, problem=type(error).__name__)
        return
    content = tally.content()
    verdict.entries += content["entries"]
    wrong = [name for name, value in content.items() if described["content"].get(name) != value]
    if wrong:
        verdict.add("content", file=path.name, fields=wrong)


def _entries(packed: Any, name: str, tally: Tally, verdict: Verification) -> Iterator[tuple[Any, ...]]:
    number = wrong = 0
    while raw := packed.readline(LONGEST_LINE):
        number += 1
        tally.raw(raw)
        try:
            entry = read_line(raw)
        except Damaged as error:
            wrong += 1
            verdict.add("entry", file=name, line=number, problem=str(error))
            if wrong == MOST_WRONG:
                verdict.add("entry", file=name, line=number, problem="so many are wrong that the rest is not read")
                return
            continue
        tally.entry(entry)
        for problem in _problems(entry):
            verdict.add("entry", file=name, line=number, student=entry.student, version=entry.version, problem=problem)
        yield (entry.student, entry.version, entry.position, entry.type, entry.digest or None, entry.payload_sha256,
               f"{name}:{number}")


def _problems(entry: Entry) -> Iterator[str]:
    if sha256(entry.value).hexdigest() != entry.payload_sha256:
        yield "payload_sha256 is not the hash of the value"
    try:
        value = json.loads(entry.value)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        yield "the value is no JSON object"
        return
    for name in ("position", "student", "version", "type"):
        if value.get(name) != getattr(entry, name):
            yield f"{name} is another one in the value"


def _once(events: sqlite3.Connection, verdict: Verification) -> None:
    for student, version, times, kinds, places in events.execute(
            "SELECT student, version, COUNT(*), "
            "MAX(COUNT(DISTINCT position || ' ' || type || ' ' || payload_sha256), COUNT(DISTINCT digest)), "
            "GROUP_CONCAT(place, ', ') FROM archived GROUP BY student, version HAVING COUNT(*) > 1 ORDER BY student, "
            "version"):
        if kinds > 1:
            verdict.add("repeated", student=student, version=version, places=places)
        else:
            verdict.repeated += times - 1


def _holes(events: sqlite3.Connection, verdict: Verification) -> None:
    for student, before, version in events.execute(
            "SELECT student, before, version FROM (SELECT student, version, LAG(version, 1, 0) OVER "
            "(PARTITION BY student ORDER BY version) AS before "
            "FROM (SELECT DISTINCT student, version FROM archived)) WHERE version > before + 1 ORDER BY student, "
            "version"):
        verdict.add("version-missing", student=student, versions=[before + 1, version - 1])


def _compare(events: sqlite3.Connection, verdict: Verification, ledger: Iterable[bytes], after: int) -> None:
    events.execute("CREATE TABLE recorded (student, version, position, type, digest, payload_sha256)")
    lines = _digests(ledger)
    while some := list(islice(lines, _ROWS)):
        events.executemany("INSERT INTO recorded VALUES (?, ?, ?, ?, ?, ?)", some)
        verdict.compared += len(some)
    if not verdict.compared:
        verdict.add("not-compared",
                    problem="--ledger holds no event: give it what `career-ledger digests` prints of this ledger")
    events.execute("CREATE INDEX by_version ON recorded (student, version)")
    about = {"after": after, "last": verdict.last_position}
    [[verdict.not_sealed]] = events.execute(
        "SELECT COUNT(*) FROM recorded l WHERE position > :last AND NOT EXISTS "
        "(SELECT 1 FROM archived a WHERE a.student = l.student AND a.version = l.version)", about).fetchall()
    for position, student, version, type_ in events.execute(
            "SELECT position, student, version, type FROM recorded l WHERE position <= :last AND NOT EXISTS "
            "(SELECT 1 FROM archived a WHERE a.student = l.student AND a.version = l.version) ORDER BY position",
            about):
        verdict.add("not-in-archive", position=position, student=student, version=version, type=type_)
    for position, student, version, type_, place in events.execute(
            "SELECT position, student, version, type, place FROM archived a WHERE position > :after AND NOT EXISTS "
            "(SELECT 1 FROM recorded l WHERE a.student = l.student AND a.version = l.version) ORDER BY position",
            about):
        verdict.add("not-in-ledger", position=position, student=student, version=version, type=type_, place=place)
    both = ", ".join(f"a.{name}, l.{name}" for name in COMPARED)
    unlike = " OR ".join(f"a.{name} <> l.{name}" for name in COMPARED)
    for student, version, place, *values in events.execute(
            f"SELECT a.student, a.version, a.place, {both} FROM archived a "  # noqa: S608 - names of our own
            f"JOIN recorded l ON l.student = a.student AND l.version = a.version WHERE {unlike} ORDER BY l.position"):
        pairs = dict(zip(COMPARED, zip(values[::2], values[1::2], strict=True), strict=True))
        verdict.add("differs", student=student, version=version, place=place,
                    fields=[n for n, (a, b) in pairs.items() if a != b])


def _digests(ledger: Iterable[bytes]) -> Iterator[tuple[Any, ...]]:
    for number, raw in enumerate(ledger, 1):
        if not raw.strip():
            continue
        try:
            one = json.loads(raw)
            for name, kind in _DIGEST.items():
                check(name, one[name], kind)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise Damaged(f"--ledger, line {number}: no line of `career-ledger digests`") from None
        yield tuple(one[name] for name in _DIGEST)


_DIGEST = {"student": str, "version": int, "position": int, "type": str, "digest": str, "payload_sha256": str}


def sentence(finding: ArchiveFinding) -> str:
    """One line for people."""
    rest = ", ".join(f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
                     for name, value in finding.items() if name != "kind")
    return f"{finding['kind']}: {rest}"
