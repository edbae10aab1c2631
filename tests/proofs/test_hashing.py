"""What is read and hashed in several processes is what one reads, in order, up to each position and count asked for."""

from itertools import chain

import pytest

from ledger.proofs import hashing
from ledger.proofs.hashing import BEFORE_ALL, RowCheck, TakenUpTo, read, said_in
from ledger.proofs.students import Hashed, hashed
from ledger.proofs.verifying import verify
from tests.store.damage import alter
from tests.store.examples import events


def joined(parts) -> Hashed:
    found = [part.events for part in parts]
    return Hashed(*(list(chain.from_iterable(column)) for column in zip(*found, strict=True)))


@pytest.fixture
def several(monkeypatch):
    """Three processes, although there is little to do."""
    monkeypatch.setattr(hashing, "WORTH", 2)
    monkeypatch.setattr(hashing, "PART", 7)
    monkeypatch.setattr(hashing, "processors", lambda: 3)


@pytest.fixture
def filled(sealing):
    """Positions with holes, one below the first."""
    for n in range(1, 9):
        sealing.store.append([*events(f"S{n}", 1, 5), *events(f"T{n}", 1, 1)])
    alter(sealing.url, "DELETE FROM stored_events WHERE POSITION BETWEEN 9 AND 29",
          "UPDATE stored_events SET POSITION = -3 WHERE POSITION = 1")
    return sealing


def test_several_processes_read_what_one_reads(filled, several, monkeypatch) -> None:
    rows = filled.store.rows(BEFORE_ALL, 1_000)
    assert (rows[0][0], len(rows)) == (-3, 27)
    expected = Hashed(*map(list, hashed(rows)))
    for after, last in ((BEFORE_ALL, 48), (0, 48), (BEFORE_ALL, 40)):
        part = [place for place, row in enumerate(rows) if after < row[0] <= last]
        found = list(read(filled.url, filled.store, after, last))
        assert len(found) > 2
        assert joined(found) == expected.part(part[0], part[-1] + 1)
    assert list(read(filled.url, filled.store, 48, 48)) == []
    with monkeypatch.context() as patched:
        patched.setattr(hashing, "MOST_PROCESSES", 1)
        assert joined(read(filled.url, filled.store, BEFORE_ALL, 48)) == expected


def test_what_was_read_is_cut_by_position_and_count(filled, monkeypatch) -> None:
    monkeypatch.setattr(hashing, "PAGE", 4)
    up_to = TakenUpTo(read(filled.url, filled.store, BEFORE_ALL, 48))
    taken = [joined(up_to(position, *most)).positions for position, *most in ((3,), (48, 2), (31,), (48,))]
    assert taken == [[-3, 2, 3], [4, 5], [6, 7, 8, 30, 31], list(range(32, 49))]
    assert list(up_to(48)) == []


def test_alteration_is_named_whoever_reads_it(sealing, several) -> None:
    for n in range(1, 5):
        sealing.store.append(events(f"S{n}", 1, 5))
    alter(sealing.url, "UPDATE stored_events SET topic = 'payment-moved.v1' WHERE POSITION = 16")
    sealing.sequencer.seal()
    sealing.store.append(events("S9", 1, 9))
    assert [(one["kind"], one["position"]) for one in verify(sealing.store, sealing.tables, [], [])["findings"]] == [
        ("disagrees", 16)]


@pytest.mark.parametrize(("column", "value"), [(1, "0" * 32), (2, 2), (3, "payment-moved.v1"), (4, b"{}"), (4, b"[]")])
def test_row_that_says_something_else_than_its_bytes_is_seen_after_any_other(sealing, column, value) -> None:
    sealing.store.append([*events("S1", 1, 1), *events("S2", 1, 1)])
    one, other = sealing.store.rows(0, 2)
    check = RowCheck()
    assert check.disagreeing([one, other, one]) is None
    changed = (*other[:column], value, *other[column + 1:])
    assert check.disagreeing([one, changed]) == 2
    assert check.disagreeing([(*one[:1], other[1], *one[2:])]) == 1


@pytest.mark.parametrize(("state", "said"), [
    (b'{"note":",\\"student\\":\\"S2\\"","student":"S1","type":"withdrawn","version":7}', ("S1", "withdrawn", 7)),
    (b'{"student":"S1","type":"withdrawn","version":7}', ("S1", "withdrawn", 7)),
    ('{"a":1,"student":"S\u00e9","type":"withdrawn","version":7}'.encode(), ("S\u00e9", "withdrawn", 7)),
    (b'{"a":1,"version":7,"type":"withdrawn","student":"S1"}', ("S1", "withdrawn", 7)),
    (b'{"a":1,"student":"S1","type":"withdrawn","version":7.0}', None),
    (b'{"a":1,"student":"S1","type":"withdrawn","version":true}', None),
    (b'{"a":1,"student":"S1","type":"withdrawn"}', None)])
def test_student_type_and_version_are_read_however_they_are_spelt(state: bytes, said) -> None:
    assert said_in(state) == said
