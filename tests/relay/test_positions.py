"""The table of positions, on both stores."""

import pytest

from ledger.relay import Displaced, Positions
from ledger.wire.kafka import KafkaUnusable, Made

MADE = Made("career.events.v1", "id-1", 4)
NOW = "2026-04-20T09:00:00Z"


@pytest.fixture
def positions(store_url, store):
    with Positions(store_url) as found:
        assert found.all() == []
        found.prepare()
        found.prepare()
        yield found


def test_position_moves_only_from_where_it_stands(positions) -> None:
    begun = positions.begin(MADE, "", NOW)
    moved = positions.move(begun, 7, "2026-04-20T08:59:00Z", NOW, 3.5)
    assert (begun.position, moved.position, moved.complete_at, moved.rate) == (0, 7, "2026-04-20T08:59:00Z", 3.5)
    assert positions.begin(MADE, "", NOW) == moved
    with pytest.raises(Displaced, match="another relay"):
        positions.move(begun, 9, None, NOW, 0.0)
    assert positions.all() == [moved]


@pytest.mark.parametrize(("made", "law"), [(MADE._replace(id="id-2"), "1:a"), (MADE, "1:b")])
def test_position_is_zero_again_for_another_topic_and_another_law(positions, made, law) -> None:
    positions.move(positions.begin(MADE, "1:a", NOW), 7, NOW, NOW, 0.0)
    again = positions.begin(made, law, NOW)
    assert (again.position, again.complete_at, again.topic_id, again.law) == (0, None, made.id, law)
    assert len(positions.all()) == 1


def test_position_is_refused_for_a_topic_with_more_partitions(positions) -> None:
    positions.begin(MADE, "", NOW)
    with pytest.raises(KafkaUnusable, match="had 4 partitions and has 5"):
        positions.begin(MADE._replace(partitions=5), "", NOW)


def test_failure_is_kept_until_the_next_one(positions) -> None:
    begun = positions.begin(MADE, "", NOW)
    positions.failed([MADE.name], "no broker", NOW)
    positions.move(begun, 1, None, NOW, 0.0)
    assert [(one.error, one.error_at) for one in positions.all()] == [("no broker", NOW)]
