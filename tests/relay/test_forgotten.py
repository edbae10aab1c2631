"""Of a person who was forgotten only tombstones leave, on every key of hers, whatever is asked or comes later."""

from datetime import date, datetime, timezone

from ledger.domain.books import LawBooks
from ledger.handling.forgetting import Ordered, forget
from ledger.relay.prepare import EventSource, StateSource, states_of
from ledger.store import EventStore
from ledger.store.mapper import stream_id
from ledger.wire.message import History, header
from tests.projections.populations import BOOKS, a_debtor, append, submission

HERE = History("test", 1)
BY = ("Rector", "Data protection officer")


def clock() -> datetime:
    return datetime.now(timezone.utc)


def forgotten(store: EventStore, student: str) -> None:
    forget(store, BOOKS, clock, None, Ordered(student, BY, "asked", date(2026, 11, 27), anyway=True))


def test_relay_sends_tombstones_and_the_event_and_never_a_state_again(store: EventStore) -> None:
    second = submission("S01", "x4", "programme-changed", "2026-04-02", {"to_career": "S01-C",
                                                                         "academic_year": "2026-27"})
    append(store, *a_debtor("S01"), second, *a_debtor("S02"))
    before = store.last_position()
    states = StateSource(store, BOOKS, 0, 4, HERE)
    assert {(key, value is None) for _, key, value, _ in states.next().messages} == {
        (b"S01/S01-B", False), (b"S02/S02-B", False)}
    forgotten(store, "S01")
    sent = states.next().messages
    assert {(key, value) for _, key, value, _ in sent} == {(b"S01/S01-B", None), (b"S01/S01-C", None)}
    for _, _, _, headers in sent:
        assert (header(headers, "origin"), header(headers, "position")) == ("test", str(before + 1))
    [(_, key, value, headers)] = EventSource(store, before, 4, HERE).next().messages
    assert (key, header(headers, "event_type")) == (b"S01", "person-forgotten")
    assert not any(one.encode() in (value or b"") for one in BY)
    later = submission("S01", "x5", "resumed", "2026-04-03", {"reason": "x"})
    append(store, later)
    other = LawBooks(BOOKS._books, BOOKS.identities | {"2025-26": ("other", "0" * 64)}, BOOKS.own)
    for found in (states.next().messages,  # an event that comes later
                  StateSource(store, other, 0, 4, HERE).next().messages):  # another edition or law: everything again
        assert {value is None for _, key, value, _ in found if key.startswith(b"S01/")} == {True}
    # `publish --from` and `--replay`
    again = [message.value for _, _, message in states_of(store, BOOKS, [stream_id("S01")], HERE, lambda one: None)]
    assert again == [None, None]
