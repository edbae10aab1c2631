"""How the members of a consumer group share partitions out."""

from collections import Counter
from typing import Any

from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor


class Cooperative(CooperativeStickyAssignor):  # type: ignore[misc]
    """Members keep what they have during a rebalance, as in kafka-python's assignor, which this one mends.

    A member that was thrown out of the group (frozen, cut off) still claims its old partitions when it comes back.
    Where two members claim one partition, kafka-python 3.0.12 leaves it to nobody, and nobody reads it until the next
    rebalance. Here such a partition counts as free. Whoever really had it may read on until it hears of the new owner:
    offsets move only behind effects that happen once, so that is a redelivery."""

    def assign(self, cluster: Any, members: Any) -> Any:
        claims = Counter((one.topic, number) for member in members for one in _owned(member)
                         for number in one.partitions)
        for member in members:
            for one in _owned(member):
                one.partitions = [number for number in one.partitions if claims[one.topic, number] == 1]
        return super().assign(cluster, members)


def _owned(member: Any) -> Any:
    return getattr(member.metadata, "owned_partitions", None) or ()
