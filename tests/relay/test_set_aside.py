"""A student of whom an event cannot be read, in the topics."""

from datetime import datetime, timezone

from ledger.domain.submissions import recorded
from ledger.relay import status
from ledger.store import EventStore, open_store
from ledger.store.mapper import Mapper
from ledger.wire.topics import EVENTS, STATE
from tests.projections.populations import a_debtor, append, submission
from tests.store.damage import add_row, mend

from .conftest import Topics, assert_states_are_newest, assert_topic_is_the_log, command, publish_once


def test_publish_sends_the_others_and_what_she_missed_when_she_can_be_read(sqlite_url: str, topics: Topics) -> None:
    paid = {"charge": "2025-26:instalment-1", "amount": "1.00"}
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"), *a_debtor("S02"))
        add_row(sqlite_url, "S02", 4, "instalment-paid.v9", b"{")
        append(store, submission("S01", "late", "instalment-paid", "2026-03-22", paid))
        publish_once(sqlite_url, topics, (5, 5))
        assert sorted(one.key for one in topics.read(EVENTS)) == ["S01"] * 4 + ["S02"] * 3
        assert "S01/S01-B" in {one.key for one in topics.read(STATE)}
        assert [[who["student"] for who in one["set_aside"]]
                for one in status(sqlite_url)["topics"]] == [["S02"], ["S02"]]
        assert "Set aside: student S02" in command(sqlite_url, "publish", "--status")[1]
        _mend(store, sqlite_url)
        publish_once(sqlite_url, topics, (5, 5))
        assert_topic_is_the_log(store, topics)
        assert_states_are_newest(store, topics)
        assert [one["set_aside"] for one in status(sqlite_url)["topics"]] == [[], []]


def _mend(store: EventStore, url: str) -> None:
    """As under a program that knows the event; one more follows it."""
    paid = {"charge": "2025-26:instalment-1", "amount": "1.00"}
    one = submission("S02", "good", "instalment-paid", "2026-03-22", paid)
    good = Mapper().to_stored_event(recorded(one, datetime(2026, 3, 22, 12, tzinfo=timezone.utc), 4, None, ()))
    mend(url, "S02", 4, good.topic, good.state)
    append(store, submission("S02", "more", "instalment-paid", "2026-03-23", paid))
