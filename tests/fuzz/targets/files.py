"""Files that services are given: addresses, payment notices, exported positions, archives and digests."""

import gzip
import io
import tempfile
from datetime import UTC, date, datetime
from functools import cache
from hashlib import sha256
from pathlib import Path

from consumers.archive.package import Damaged, Entry, line, manifest, read_line, read_manifest
from consumers.archive.verify import sentence, verify
from consumers.database import Database
from consumers.kit.tables import migrations
from consumers.notifications import directory, payments
from consumers.notifications.service import Notifications
from consumers.treasury.notices import Malformed, accept, read_notice
from consumers.treasury.service import Treasury
from ledger.edges.post import is_address
from ledger.edges.text import json_text
from ledger.wire.topics import EVENTS
from tests.wire.messages import GOLDEN, load

from .target import Target, as_strict_as_postgresql, or_refused, printable

DAY = date(2026, 2, 12)


@cache
def database(service: type[Notifications | Treasury]) -> Database:
    made = Database(f"sqlite:///{tempfile.mkdtemp()}/own.db")
    made.migrate(migrations(service))
    return made


@as_strict_as_postgresql()
def addresses(text: bytes) -> None:
    """As the command opens the file."""
    file = io.TextIOWrapper(io.BytesIO(text), encoding="utf-8-sig")
    found = or_refused(lambda: list(directory.read(file)), (directory.DirectoryInvalid, UnicodeDecodeError))
    for one in found or ():
        if isinstance(one, directory.DirectoryInvalid):
            assert str(one).startswith("line ")
        else:
            assert not one.email or is_address(one.email)
    with database(Notifications).transaction() as tx:
        directory.take(tx, [one for one in found or () if isinstance(one, directory.Contact)])


@as_strict_as_postgresql()
def notice(text: bytes) -> None:
    for one in text.splitlines(keepends=True):
        try:
            found = read_notice(one)
        except Malformed as error:
            printable({"receipt": error.receipt, "problems": error.problems})
            json_text(error.receipt)
            if not error.problems:
                raise AssertionError("no word why") from error
            continue
        with database(Treasury).transaction() as tx:
            printable(accept(tx, found, datetime(2026, 2, 12, tzinfo=UTC), DAY))


@as_strict_as_postgresql()
def exported(text: bytes) -> None:
    with database(Notifications).transaction() as tx:
        or_refused(lambda: payments.take(tx, payments.read(io.BytesIO(text))), payments.PaymentsInvalid, "line ")


@cache
def entries() -> list[Entry]:
    sent = [one for path in sorted(GOLDEN.glob("*.json")) if (one := load(path)).topic == EVENTS]
    return [Entry(n, (one.key or b"").decode(), n, dict(one.headers)["event_type"].decode(), "ab" * 32,
                  sha256(one.value or b"").hexdigest(), 0, n, 1_770_000_000_000, one.value or b"")
            for n, one in enumerate(sent[:4], 1)]


def entry(text: bytes) -> None:
    found = or_refused(lambda: read_line(text), Damaged)
    if found is not None:
        assert read_line(line(found)) == found


def described(text: bytes) -> None:
    or_refused(lambda: read_manifest(text), Damaged)


def content() -> bytes:
    return b"".join(map(line, entries()))


def archive(text: bytes) -> None:
    """A manifest, an empty line, a package's lines, an empty line, the ledger's digests."""
    head, _, rest = text.partition(b"\n\n")
    packed, _, digests = rest.partition(b"\n\n")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / f"{DAY}.manifest.json").write_bytes(head)
        (folder / f"{DAY}.jsonl.gz").write_bytes(gzip.compress(packed, 1) if packed[:1] != b"\0" else packed)
        found = or_refused(lambda: verify(folder, ledger=digests.splitlines()), Damaged, "--ledger, line ")
        if found is not None:
            json_text(found.as_json()).encode()
            for one in found.findings:
                sentence(one)


def an_archive() -> list[bytes]:
    told = {"sha256": "00", "bytes": 9, "entries": 4, "positions": {"first": 1, "last": 4}, "types": {}}
    digests = "\n".join(json_text({"position": e.position, "student": e.student, "version": e.version, "type": e.type,
                                   "digest": e.digest, "payload_sha256": e.payload_sha256}) for e in entries())
    return [manifest(DAY, None, "00", 9, told) + b"\n" + content() + b"\n" + digests.encode()]


TARGETS = (
    Target("directory", addresses, lambda: [
        b"student,email,language\nS01,anna@students.example,it\nS02,,\n",
        b'student,email,language\n"S01","a@b.example",en\r\n',
        b"\xef\xbb\xbfstudent,email,language\nS01,x.y+z@students.example,\n"]),
    Target("payment-notice", notice, lambda: [
        b'{"iuv": "00000000000000000", "amount": "400.00", "paid_on": "2026-02-10", "receipt": "r-1"}\n',
        b'{"iuv": "300186391873265404", "amount": "16.00", "paid_on": "2026-02-10", "receipt": "r-2"}\n'
        b'{"receipt": "r-3", "receipt": "r-4"}']),
    Target("exported-position", exported, lambda: [
        b'{"fullName": "S01", "paymentOption": [{"nav": "300186391873265404", "amount": 40000, '
        b'"paymentOptionMetadata": [{"key": "career", "value": "S01-B"}, '
        b'{"key": "charge", "value": "2025-26:instalment-1"}]}]}\n']),
    Target("archive-entry", entry, lambda: [*map(line, entries()), line(entries()[0]._replace(value=b"\xff"))]),
    Target("archive-manifest", described, lambda: [an_archive()[0].partition(b"\n\n")[0]]),
    Target("archive-folder", archive, an_archive),
)
