"""Checkpoints in a topic of their own: whoever may read the cluster holds them, and nobody takes them back."""

from collections.abc import Iterator

from kafka import KafkaConsumer, KafkaProducer
from kafka.errors import KafkaError

from ledger.wire.kafka import CONSUMER, KafkaUnusable, connection, create_topics, end_at_once, producer_settings
from ledger.wire.topics import CHECKPOINTS, WITNESS

from .tails import all_records

SECONDS = 30.0


def send(brokers: str, origin: str, note: str) -> None:
    """Puts a note into the topic, which is made where it is missing. Raises KafkaUnusable, also where the brokers do
    not answer."""
    try:
        made = create_topics(brokers, of=WITNESS)[CHECKPOINTS]
        producer = KafkaProducer(**connection(brokers), **producer_settings() | {"linger_ms": 0})
        try:
            producer.send(made.name, note.encode(), origin.encode()).get(timeout=SECONDS)
        finally:
            end_at_once(producer)  # it would try for ever
    except KafkaError as error:
        raise KafkaUnusable(f"the brokers did not take it ({type(error).__name__})") from None


def held(brokers: str) -> Iterator[tuple[str, str]]:
    """Every note in the topic, and where it stands. Raises KafkaUnusable, KafkaError."""
    made = create_topics(brokers, of=WITNESS)[CHECKPOINTS]
    consumer = KafkaConsumer(**connection(brokers), **CONSUMER)
    try:
        for records in all_records(consumer, made):
            for record in records:
                yield f"{made.name}, offset {record.offset}", (record.value or b"").decode("utf-8", "replace")
    finally:
        consumer.close(autocommit=False)
