"""Keeps who paid what: `python subscriber.py HOST:PORT FILE.db`. Needs kafka-python[crc32c] and nothing else."""
import json
import logging
import os
import sqlite3
import sys

from kafka import KafkaConsumer, TopicPartition

topic = os.environ.get("CAREER_LEDGER_TOPIC_PREFIX", "") + "career.events.v1"
db = sqlite3.connect(sys.argv[2])
db.executescript("""CREATE TABLE IF NOT EXISTS positions (part INTEGER PRIMARY KEY, next_offset INTEGER);
    CREATE TABLE IF NOT EXISTS students (student TEXT PRIMARY KEY, version INTEGER);
    CREATE TABLE IF NOT EXISTS aside (student TEXT, version INTEGER, value BLOB, PRIMARY KEY (student, version));
    CREATE TABLE IF NOT EXISTS payments (student TEXT, career TEXT, charge TEXT, amount TEXT, paid_on TEXT);
    CREATE TABLE IF NOT EXISTS epochs (epoch INTEGER)""")


def counts(epoch: int) -> bool:
    """After a restore of the ledger everything comes again as the next epoch, but what was lost: begin anew with it."""
    known = db.execute("SELECT max(epoch) FROM epochs").fetchone()[0]
    if epoch > (known or epoch):
        for statement in ("DELETE FROM students", "DELETE FROM aside", "DELETE FROM payments"):
            db.execute(statement)
    if epoch > (known or 0):
        db.execute("INSERT INTO epochs VALUES (?)", (epoch,))
    return epoch >= (known or epoch)


def take(student: str, version: int, value: bytes) -> None:
    """Each version once and in order: what was seen is dropped, what comes too early waits for what is missing."""
    seen = db.execute("SELECT max(version) FROM students WHERE student = ?", (student,)).fetchone()[0] or 0
    if version > seen + 1:
        logging.warning("gap: version %d of %s after %d: ask for `career-ledger publish --replay %s`",
                        version, student, seen, student)
        db.execute("INSERT OR IGNORE INTO aside VALUES (?, ?, ?)", (student, version, value))
    while version == seen + 1:
        event, seen = json.loads(value), version
        if event["type"] == "instalment-paid":  # your own effect, in the same transaction
            paid = (student, event["career"], event["data"]["charge"], event["data"]["amount"], event["effective_on"])
            db.execute("INSERT INTO payments VALUES (?, ?, ?, ?, ?)", paid)
        db.execute("INSERT OR REPLACE INTO students VALUES (?, ?)", (student, seen))
        waiting = db.execute("SELECT version, value FROM aside WHERE student = ? AND version = ?", (student, seen + 1))
        version, value = waiting.fetchone() or (seen, value)


consumer = KafkaConsumer(bootstrap_servers=sys.argv[1], enable_auto_commit=False, auto_offset_reset="none")
numbers = consumer.partitions_for_topic(topic) or sys.exit(f"there is no topic {topic}: run `career-ledger publish`")
consumer.assign([TopicPartition(topic, number) for number in numbers])
consumer.seek_to_beginning()
for number, next_offset in db.execute("SELECT part, next_offset FROM positions").fetchall():
    consumer.seek(TopicPartition(topic, number), next_offset)
while True:
    for part, records in consumer.poll(timeout_ms=500).items():
        with db:  # effects and position together, or neither
            for record in records:
                headers = dict(record.headers)
                if counts(int(headers["epoch"])):
                    take(record.key.decode(), int(headers["version"]), record.value)
            db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (part.partition, records[-1].offset + 1))
