"""The numbers that a consumer shows."""

from collections.abc import Iterable

from prometheus_client import Counter, Gauge, Histogram

from ledger.edges.metrics import Pulse

_RECORDS = Counter("career_consumer_records", "Messages taken from the topics", ["consumer", "topic"])
_DUPLICATES = Counter("career_consumer_duplicates", "Events that had been handled before", ["consumer"])
_LETTERS = Counter("career_consumer_dead_letters", "Messages sent to the dead letters", ["consumer", "reason"])
_MOVED = Counter("career_consumer_moved", "Batches given up because another member had gone on with the partition",
                 ["consumer"])
_RETRIES = Counter("career_consumer_retries", "Times that the database or Kafka was away", ["consumer"])
_PARKED = Gauge("career_consumer_parked_students", "Students whose events wait for one that is missing or unreadable",
                ["consumer", "reason"])
_LAG = Gauge("career_consumer_lag", "Messages of a partition not yet handled", ["consumer", "topic", "partition"])
_BEHIND = Gauge("career_consumer_behind_seconds",
                "Age of the newest message handled where more wait; 0 where none does", ["consumer"])
_BATCH = Histogram("career_consumer_batch_seconds", "Time for a batch: effects, position, commit", ["consumer"])
_TURN = Gauge("career_consumer_last_turn", "Unix time of the last turn of the loop that went well", ["consumer"])


class Metrics(Pulse):
    """The numbers of one consumer."""

    def __init__(self, consumer: str) -> None:
        super().__init__("consumer", consumer, _TURN)
        self._consumer = consumer
        self._lags: set[tuple[str, int]] = set()
        for family in (_DUPLICATES, _MOVED, _RETRIES, _BEHIND):
            family.labels(consumer)

    def batch(self, topics: Iterable[tuple[str, int]], duplicates: int, letters: Iterable[str], seconds: float) -> None:
        for topic, records in topics:
            _RECORDS.labels(self._consumer, topic).inc(records)
        _DUPLICATES.labels(self._consumer).inc(duplicates)
        for reason in letters:
            _LETTERS.labels(self._consumer, reason).inc()
        _BATCH.labels(self._consumer).observe(seconds)

    def moved(self) -> None:
        _MOVED.labels(self._consumer).inc()

    def retry(self) -> None:
        _RETRIES.labels(self._consumer).inc()

    def parked(self, reason: str, students: int) -> None:
        _PARKED.labels(self._consumer, reason).set(students)

    def lag(self, found: dict[tuple[str, int], int], behind_seconds: float) -> None:
        """Of each partition that this member has now."""
        for topic, partition in self._lags - found.keys():
            _LAG.remove(self._consumer, topic, str(partition))
        self._lags = set(found)
        for (topic, partition), messages in found.items():
            _LAG.labels(self._consumer, topic, str(partition)).set(messages)
        _BEHIND.labels(self._consumer).set(behind_seconds)
