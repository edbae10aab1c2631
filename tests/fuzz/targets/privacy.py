"""What is sealed, and what opens it: boxes in stored events, the master key's text, a key store whose rows or pages
were changed."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from sqlite3 import Error, connect
from typing import NamedTuple
from unittest.mock import patch

from ledger.domain.protected import CodeTaken, IsForgotten, taken_out
from ledger.privacy import KeySealer, KeyStore, master, open_keys
from ledger.privacy.key_store import new_keys
from ledger.privacy.reading import findings, status_of
from ledger.store.errors import StoreUnavailable, StoreUnusable, UnreadableEvent
from ledger.store.mapper import STORED_NAMES, Mapper
from tests.privacy.people import person, ticket

from .target import Target, or_refused

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
ORIGIN = "0f" * 16
EVENTS = (person("S01"), ticket("S01", 2), ticket("S02", 1))
REFUSALS = (StoreUnusable, StoreUnavailable, IsForgotten, CodeTaken)


class Made(NamedTuple):
    folder: Path
    master: Path
    states: list[bytes]


def clock() -> datetime:
    return NOW


@contextmanager
def opened(file: Path, key: Path, new: bool = False) -> Iterator[KeyStore]:
    with patch.dict(os.environ, {master.VARIABLE: str(key)}):
        args = f"sqlite:///{file}", ORIGIN, f"sqlite:///{file.parent / 'ledger.db'}", clock
        with closing(new_keys(*args, 30) if new else open_keys(*args)) as keys:
            yield keys


@cache
def made() -> Made:
    folder = Path(tempfile.mkdtemp())
    with opened(folder / "keys.db", folder / "master.key", new=True) as keys:
        sealer = KeySealer(keys, no_streams)
        states = []
        for one in EVENTS:
            stored = Mapper().to_stored_event(sealer.seal(one))
            states.append(stored.topic.encode() + b"\n" + stored.state)
        sealer.note("S01", "test", None, "person", "to see whether it works")
        sealer.keys.forget("S03", "gone")
    with connect(folder / "keys.db") as link:
        link.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        link.execute("PRAGMA journal_mode=DELETE")
    return Made(folder, folder / "master.key", states)


def no_streams(students: object) -> dict[str, list[object]]:
    return {}


@cache
def sealer() -> KeySealer:
    return KeySealer(opened(made().folder / "keys.db", made().master).__enter__(), no_streams)


def sealed_event(text: bytes) -> None:
    """It opens where it stood, or not at all."""
    name, _, held = text.partition(b"\n")
    event = or_refused(lambda: Mapper().to_event(name.decode("latin-1"), held, 7), UnreadableEvent)
    if event is None or event.sealed is None:
        return
    found = or_refused(lambda: sealer().open(event), StoreUnusable, "position 7")
    if found is not None:
        whole = next(one for one in EVENTS if (one.student, one.version) == (found.student, found.version))
        assert found.id == whole.id
        assert STORED_NAMES[whole.type].encode() == name
        assert taken_out(found)[1] == taken_out(whole)[1]


def master_key(text: bytes) -> None:
    said = text.decode("utf-8", "surrogateescape")
    try:
        found = master.read(said, "the place")
    except StoreUnusable as error:
        if any(digits in str(error) for digits in re.findall("[0-9a-f]{12}", said)):
            raise AssertionError("a part of the key is repeated") from error
        return
    assert found.id in said
    assert "cipher" not in repr(found)


def a_master_key() -> list[bytes]:
    return [master.text_of(bytes(range(32)), NOW.date(), NOW.date()).encode()]


@contextmanager
def copy() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(shutil.copy(made().folder / "keys.db", folder))


def used(file: Path) -> None:
    """Everything that is asked of a key store."""
    with opened(file, made().master) as keys:
        own = KeySealer(keys, no_streams)
        for state in made().states:
            name, _, held = state.partition(b"\n")
            event = Mapper().to_event(name.decode(), held, 7)
            with suppress(*REFUSALS):
                own.open(event)
        for one in (partial(own.seal, ticket("S01", 3)), partial(own.seal, ticket("S04", 1)),
                    partial(own.seal, person("S05", code="OTHER")), partial(keys.with_tax_code, "CODE-SOWN"),
                    partial(keys.with_name, "Zoë-Anna"), lambda: list(keys.accesses("S01")),
                    partial(own.note, "S01", "test", None, "person", "again"), lambda: findings(keys, NOW),
                    lambda: status_of(keys, NOW), partial(keys.forget, "S02", "gone")):
            or_refused(one, REFUSALS)


def rows(text: bytes) -> None:
    """`TABLE COLUMN KIND VALUE` a line: what stands in that column from then on."""
    with copy() as file:
        with suppress(Error), closing(connect(file)) as link, link:
            link.execute("DROP TRIGGER access_log_no_update")
            for line in text.splitlines():
                table, column, kind, value, *_ = [*line.decode("latin-1").split(" ", 3), "", "", "", ""]
                if table in ("key_store", "student_keys", "access_log", "forgotten", "tax_codes", "names"):
                    given = value.encode("latin-1") if kind == "bytes" else value
                    with suppress(Error, OverflowError, ValueError):
                        link.execute(f"UPDATE {table} SET {''.join(filter(str.isalpha, column)) or 'x'} = ?",
                                     (int(value[:18]) if kind == "number" else given,))
        or_refused(lambda: used(file), REFUSALS)


def pages(text: bytes) -> None:
    """`OFFSET BYTE` a line; `cut N` leaves so many bytes."""
    with copy() as file:
        held = bytearray(file.read_bytes())
        for line in text.splitlines():
            first, _, second = line.partition(b" ")
            if first == b"cut" and second.isdigit():
                del held[int(second[:8]):]
            elif first.isdigit() and second.isdigit() and held:
                held[int(first[:8]) % len(held)] = int(second[:3]) % 256
        file.write_bytes(held)
        or_refused(lambda: used(file), REFUSALS)


def changes() -> list[bytes]:
    return [b"key_store own bytes x\n", b"key_store master text x\n", b"key_store own text abc\n",
            b"student_keys wrapped bytes \xff\xfe\n", b"student_keys wrapped text abc\n",
            b"student_keys wrapped number 12\n", b"student_keys master text 0\n", b"key_store ledger number 3\n",
            b"access_log purpose bytes 1\n", b"access_log purpose text 1\n", b"access_log sealed_by text 1\n",
            b"key_store to_scrub text x\n", b"key_store looked_through text x\n", b"student_keys number number 2\n"]


TARGETS = (
    Target("sealed-event", sealed_event, lambda: made().states, 120),
    Target("master-key", master_key, a_master_key),
    Target("key-store-rows", rows, changes, 20),
    Target("key-store-pages", pages, lambda: [b"18 1\n100 13\n", b"cut 100\n", b"cut 9000\n", b"4200 255\n8300 7\n",
                                              b"12300 1\n16400 0\n20500 99\n"], 20),
)
