"""Partitions are shared out so that each has one owner, also after members were thrown out of the group."""

from types import SimpleNamespace
from typing import Any

import pytest
from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription
from kafka.structs import TopicPartition

from ledger.wire.members import Cooperative

CLUSTER = SimpleNamespace(topics=lambda: {"t"}, partitions_for_topic=lambda _: {0, 1, 2, 3})


def assigned(**claims: list[int]) -> dict[str, set[int]]:
    """What each member is given that claims to hold these partitions."""
    members = []
    for name, numbers in claims.items():
        before = Cooperative()
        before.member_assignment = [TopicPartition("t", number) for number in numbers]
        metadata = ConsumerProtocolSubscription.decode(before.metadata({"t"}).encode())
        members.append(SimpleNamespace(member_id=name, metadata=metadata))
    found: dict[str, Any] = Cooperative().assign(CLUSTER, members)
    return {name: {tp.partition for tp in one.partitions()} for name, one in found.items()}


def test_members_keep_what_they_have() -> None:
    assert assigned(a=[0, 3], b=[1, 2]) == {"a": {0, 3}, "b": {1, 2}}


def test_partition_that_moves_is_given_up_before_it_is_given_away() -> None:
    found = assigned(a=[0, 1, 2, 3], b=[])
    assert found["b"] == set()
    assert len(found["a"]) == 2


@pytest.mark.parametrize("claims", [{"a": [0, 1], "b": [1, 2]}, {"a": [1, 2], "b": [0, 1]},
                                    {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}, {"a": [1], "b": [1], "c": [1]}])
def test_partition_that_several_members_claim_goes_to_one_of_them(claims: dict[str, list[int]]) -> None:
    found = assigned(**claims)
    assert sorted(number for numbers in found.values() for number in numbers) == [0, 1, 2, 3]
