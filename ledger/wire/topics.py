"""The topics of section 8 of the published language and how each is kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field

EVENTS = "career.events.v1"
STATE = "career.state.v1"
HEARTBEAT = "career.heartbeat.v1"
SUBMISSIONS = "career.submissions.v1"
OUTCOMES = "career.outcomes.v1"
DEAD_LETTER = "career.dead-letter.v1"
CHECKPOINTS = "career.checkpoints.v1"
"""Signed notes. Not among `TOPICS`: who publishes need not have it, and `checkpoint --to` makes it."""

_MIB = 1 << 20
FOR_EVER: Mapping[str, str] = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
TOMBSTONES = "delete.retention.ms"
LATEST: Mapping[str, str] = {"cleanup.policy": "compact", TOMBSTONES: str(90 * 86_400_000)}
"""A tombstone stays for ninety days: a service that was away for less learns who was forgotten. The brokers' own
default is a day."""


def _days(days: int) -> dict[str, str]:
    return {"cleanup.policy": "delete", "retention.ms": str(days * 86_400_000)}


@dataclass(frozen=True, slots=True)
class Topic:
    """`key`: what a message is keyed by, so what is kept in order. `longest`: bytes of the longest message that is
    taken."""

    name: str
    key: str
    kept: Mapping[str, str] = field(hash=False)
    longest: int = _MIB
    one_partition: bool = False

    def settings(self, replicas: int) -> dict[str, str]:
        """With three copies two must be in sync before anything is acknowledged."""
        return dict(self.kept) | {"min.insync.replicas": str(2 if replicas >= 3 else 1),
                                  "max.message.bytes": str(self.longest)}


TOPICS: tuple[Topic, ...] = (
    Topic(EVENTS, "student", FOR_EVER, 4 * _MIB),
    Topic(STATE, "student/career", LATEST, 8 * _MIB),
    Topic(HEARTBEAT, "the topic it speaks of", _days(1), one_partition=True),
    Topic(SUBMISSIONS, "student", _days(30), 2 * _MIB),
    Topic(OUTCOMES, "student", _days(30), 4 * _MIB),
    Topic(DEAD_LETTER, "the key of the letter", _days(90), 8 * _MIB),
)
"""Dead letters are as they came, so they may hold what a submitter wrote: not for ever."""


WITNESS: tuple[Topic, ...] = (Topic(CHECKPOINTS, "the log's name", FOR_EVER, one_partition=True),)


def longest_kept_days() -> int:
    """For how long what was submitted stays on some topic that is not kept for ever."""
    return max(int(topic.kept["retention.ms"]) // 86_400_000 for topic in TOPICS
               if topic.name in (SUBMISSIONS, OUTCOMES, DEAD_LETTER))
