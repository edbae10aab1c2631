"""What the archive does with what arrives: every event is kept in a table as it came, until its day is over and it is
sealed.

A day (UTC) is over when the relay's heartbeat of a later day has come and everything that the heartbeat speaks of is
read. Then every entry received up to that day goes into its package: what is late goes into the next open one. First
the table says which entries belong to the package, then the files are written, then the entries leave the table:
wherever a crash falls, the next start goes on from there and makes the same files.
"""

import fcntl
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from consumers.database import Database, Transaction
from consumers.kit.heartbeats import is_reached, read_heartbeat, read_so_far
from consumers.kit.service import Record, Service
from ledger.edges.files import make_folder, open_file
from ledger.sql.migrations import statements
from ledger.wire.letters import Heartbeat
from ledger.wire.reading import Unreadable, header_text, identify
from ledger.wire.topics import EVENTS, HEARTBEAT

from .checkpoints import newest
from .package import MANIFEST, Damaged, Entry, digest, read_manifest, seal, sealed_days

ONE_DAY = timedelta(days=1)
DAY_MS = 86_400_000
EPOCH = date(1970, 1, 1)
NAMED = ("position", "event_type", "digest", "payload_sha256")
"""The headers without which a message is no witness."""
PAGE = 2000


def digests_in_place_of_hashes(tx: Transaction) -> None:
    """What an earlier release has not sealed yet loses its plain hashes, which would give withheld values away. A
    release before the numbers has noted in `archive_format` that it did so."""
    if tx.has("archive_format"):
        tx.run("DROP TABLE archive_format")
    else:
        tx.run("UPDATE archive_entries SET sha256 = '' WHERE package IS NULL")


STEPS = (statements(
    "entries",
    "CREATE TABLE IF NOT EXISTS archive_entries (package TEXT, day TEXT NOT NULL, position BIGINT NOT NULL, "
    "student TEXT NOT NULL, version BIGINT NOT NULL, type TEXT NOT NULL, sha256 TEXT NOT NULL, "
    "payload_sha256 TEXT NOT NULL, part BIGINT NOT NULL, place BIGINT NOT NULL, stamp BIGINT NOT NULL, "
    "value BYTEA NOT NULL)",
    "CREATE INDEX IF NOT EXISTS archive_entries_order ON archive_entries (package, day, position, student, version)",
    "CREATE TABLE IF NOT EXISTS archive_packages (day TEXT PRIMARY KEY, manifest TEXT, entries BIGINT)"),
    digests_in_place_of_hashes)
"""`package` NULL: not sealed yet; `sha256`: the header `digest`, empty where none was kept. `manifest` NULL: its
entries are fixed, its files may be missing."""


class Archive(Service):
    name = "archive"
    topics = (EVENTS, HEARTBEAT)
    steps = STEPS
    keeps = True

    def __init__(self, folder: Path, checkpoints: Path | None = None) -> None:
        """`checkpoints`: the folder that the ledger gives them to."""
        self._folder, self._checkpoints = folder, checkpoints
        self._heard: Heartbeat | None = None
        self._sealed: date | None = None
        self._sealer = ThreadPoolExecutor(1, "seal")
        self._sealing: Future[date | None] | None = None

    def read(self, record: Record) -> Any:
        """An event of any type, known or not, whose headers name it and whose value is the one that was sent. Raises
        Unreadable."""
        if record.topic == HEARTBEAT:
            return read_heartbeat(record)
        student, version = identify(record.key, record.headers)
        if record.value is None:
            raise Unreadable("value: there is none")
        headers = dict(record.headers)
        position, type_, stored, sent = (header_text(headers, name) for name in NAMED)
        if not (type_ and stored and sent):
            raise Unreadable(f"{next(name for name in NAMED if not headers[name])}: this header is empty")
        if not (position.isascii() and position.isdigit() and len(position) < 19):
            raise Unreadable("position: this header is no number")
        if sha256(record.value).hexdigest() != sent:
            raise Unreadable("payload_sha256: the value was altered on its way")
        return Entry(int(position), student, version, type_, stored, sent, record.partition,
                     record.offset, record.timestamp, record.value)

    def events(self, tx: Transaction, found: Sequence[tuple[Record, Entry]]) -> None:
        today = datetime.now(timezone.utc).date()
        tx.many("INSERT INTO archive_entries (day, position, student, version, type, sha256, payload_sha256, part, "
                "place, stamp, value) VALUES (:day, :position, :student, :version, :type, :digest, :payload_sha256, "
                ":partition, :offset, :timestamp, :value)",
                [{**entry._asdict(), "day": day_of(entry.timestamp, today)} for _, entry in found])

    def messages(self, tx: Transaction, topic: str, found: Sequence[tuple[Record, Heartbeat]]) -> None:
        for _, heartbeat in found:
            if heartbeat.topic == EVENTS:
                self._heard = heartbeat

    def idle(self, database: Database) -> None:
        """Has the days that are over sealed, in a thread: a large day takes minutes, and what arrives meanwhile must
        not wait."""
        if self._sealing is not None and self._sealing.done():
            done, self._sealing = self._sealing, None
            self._sealed = done.result() or self._sealed
        if self._heard is None or self._sealing is not None:
            return
        through = date.fromisoformat(self._heard.at[:10]) - ONE_DAY
        if self._sealed is not None and self._sealed >= through:
            return
        if is_reached(self._heard.offsets, read_so_far(database, self.name, EVENTS)):
            self._sealing = self._sealer.submit(seal_through, database, self._folder, through, self._checkpoints)

    def close(self) -> None:
        """Waits for the day that is being sealed, and those after it that are over."""
        self._sealer.shutdown(cancel_futures=True)


def day_of(timestamp: int, today: date) -> str:
    """The UTC day of a Kafka timestamp (ms); a clock that runs ahead does not keep an entry back."""
    return _day(timestamp // DAY_MS, today)


@lru_cache(maxsize=64)
def _day(days: int, today: date) -> str:
    return (EPOCH + timedelta(days=min(max(days, 0), (today - EPOCH).days))).isoformat()


def seal_through(database: Database, folder: Path, through: date, checkpoints: Path | None = None) -> date | None:
    """Seals every day up to and including `through` that is not sealed yet, also those without an event, so that the
    chain has no hole; the last sealed day, None where there is nothing to seal yet. Raises Damaged where folder and
    database disagree."""
    with _alone(folder):
        last, head = _agree(database, folder)
        while (day := _freeze(database, last, through)) is not None:
            given = newest(checkpoints) if checkpoints is not None else None
            head, entries = seal(folder, day, head, _frozen(database, day), given)
            with database.transaction() as tx:
                tx.run("UPDATE archive_packages SET manifest = :manifest, entries = :entries WHERE day = :day",
                       {"day": day.isoformat(), "manifest": head, "entries": entries})
                tx.run("DELETE FROM archive_entries WHERE package = :day", {"day": day.isoformat()})
            last = day
        return last


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process seals at a time."""
    make_folder(folder)
    with open_file(folder / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _agree(database: Database, folder: Path) -> tuple[date | None, str | None]:
    """The last sealed day and its manifest's hash. A folder that is ahead (the database was lost, or is an older copy)
    is followed."""
    rows = database.ask("SELECT day, manifest FROM archive_packages ORDER BY day")
    frozen = {row[0] for row in rows if row[1] is None}
    sealed = [(date.fromisoformat(row[0]), str(row[1])) for row in rows if row[1] is not None]
    last, head = sealed[-1] if sealed else (None, None)
    if last is not None:
        path = folder / f"{last}{MANIFEST}"
        if not path.exists() or digest(path.read_bytes()) != head:
            raise Damaged(f"{path.name}: missing or altered since it was sealed: `verify` the folder and restore it "
                          "from a copy")
    for day in sealed_days(folder):
        if (last is not None and day <= last) or day.isoformat() in frozen:
            continue
        raw = (folder / f"{day}{MANIFEST}").read_bytes()
        found = read_manifest(raw)
        if found["previous"] != head:
            raise Damaged(f"{day}{MANIFEST}: does not follow the last package that the database knows: "
                          "`verify` the folder")
        last, head = day, digest(raw)
        with database.transaction() as tx:
            tx.run("INSERT INTO archive_packages (day, manifest, entries) VALUES (:day, :manifest, "
                   ":entries) ON CONFLICT (day) DO NOTHING",
                   {"day": day.isoformat(), "manifest": head, "entries": found["content"]["entries"]})
    return last, head


def _freeze(database: Database, last: date | None, through: date) -> date | None:
    """The next day to seal, its entries fixed; None where there is none up to `through`."""
    with database.transaction() as tx:
        begun = tx.ask("SELECT day FROM archive_packages WHERE manifest IS NULL")
        if begun:
            return date.fromisoformat(begun[0][0])
        if last is not None:
            day = last + ONE_DAY
        else:
            [[first]] = tx.ask("SELECT MIN(day) FROM archive_entries WHERE package IS NULL")
            if first is None:
                return None
            day = date.fromisoformat(first)
        if day > through:
            return None
        at = {"day": day.isoformat()}
        tx.run("INSERT INTO archive_packages (day) VALUES (:day)", at)
        tx.run("UPDATE archive_entries SET package = :day WHERE package IS NULL AND day <= :day", at)
        return day


def _frozen(database: Database, day: date) -> Iterator[Entry]:
    """A package's entries in order, a page at a time."""
    at: dict[str, Any] = {"package": day.isoformat(), "day": "", "position": 0, "student": "",
                          "version": 0, "limit": PAGE}
    while rows := database.ask(
            "SELECT day, position, student, version, type, sha256, payload_sha256, part, place, stamp, "
            "value FROM archive_entries WHERE package = :package AND (day, position, student, version) > (:day, "
            ":position, :student, :version) ORDER BY day, position, student, version LIMIT :limit", at):
        for _, position, student, version, type_, stored, sent, part, place, stamp, value in rows:
            yield Entry(position, student, version, type_, stored, sent, part, place, stamp, bytes(value))
        at |= dict(zip(("day", "position", "student", "version"), rows[-1], strict=False))
