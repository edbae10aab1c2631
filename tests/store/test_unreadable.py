"""One student who cannot be read does not stop the others."""

import json

import pytest

from ledger.store import EventStore, SetAside, StreamSetAside
from ledger.store.mapper import Mapper, stream_id

from .damage import add_row, mend
from .examples import an_event, events

GOOD = Mapper().to_stored_event(an_event("S02", 2))


def changed(**fields: object) -> bytes:
    return json.dumps(json.loads(GOOD.state) | fields, sort_keys=True, separators=(",", ":")).encode()


DAMAGES: dict[str, tuple[str, bytes]] = {
    "no JSON": (GOOD.topic, b"\xff\x00"), "no event": (GOOD.topic, b"[]"),
    "an unknown name": ("exam-imagined.v9", GOOD.state),
    "wrong shape": (GOOD.topic, changed(data={"charge": 7})), "another version": (GOOD.topic, changed(version=7)),
    "another student": (GOOD.topic, changed(student="S01")), "a stranger": (GOOD.topic, changed(student="S77")),
}


@pytest.fixture(params=DAMAGES)
def damaged(request: pytest.FixtureRequest, store: EventStore, store_url: str) -> EventStore:
    """S01 to S03, of whom S02's second event cannot be read."""
    for student in ("S01", "S02", "S03"):
        store.append(events(student, 1, 1))
    add_row(store_url, "S02", 2, *DAMAGES[request.param])
    store.append(events("S01", 2, 2))
    return store


def test_student_who_cannot_be_read_is_said_so_and_the_others_are_read(damaged: EventStore) -> None:
    with pytest.raises(StreamSetAside, match="student S02 is set aside, everybody else is answered: position 4"):
        damaged.stream("S02")
    assert [event.version for event in damaged.stream("S01")] == [1, 2]
    for read in (lambda found: damaged.streams(["S01", "S02", "S03"], found), lambda found: damaged.part(0, 1, found)):
        aside: list[SetAside] = []
        assert {student: len(held) for student, held in read(aside.append).items()} == {"S01": 2, "S03": 1}
        assert [(one.stream, one.student, one.position) for one in aside] == [(stream_id("S02"), "S02", 4)]
        with pytest.raises(StreamSetAside):
            read(None)


def test_student_is_read_again_when_her_event_can_be(damaged: EventStore, store_url: str) -> None:
    mend(store_url, "S02", 2, GOOD.topic, GOOD.state)
    assert [len(held) for _, held in sorted(damaged.part(0, 1).items())] == [2, 2, 1]


def test_students_are_listed_when_the_first_event_of_one_cannot_be_read(store: EventStore, store_url: str) -> None:
    store.append(events("S01", 1, 1))
    add_row(store_url, "S02", 1, "instalment-paid.v1", b"{")
    store.append(events("S03", 1, 1))
    aside: list[SetAside] = []
    assert list(store.students(aside.append)) == ["S01", "S03"]
    assert [(one.stream, one.student) for one in aside] == [(stream_id("S02"), None)]
