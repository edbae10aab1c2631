"""Submits each line of FILE and prints its outcome: `python submitter.py HOST:PORT FILE`. Needs
kafka-python[crc32c] only."""
import json
import os
import sys
from pathlib import Path

from kafka import KafkaConsumer, KafkaProducer, TopicPartition

prefix = os.environ.get("CAREER_LEDGER_TOPIC_PREFIX", "")
submissions, outcomes = prefix + "career.submissions.v1", prefix + "career.outcomes.v1"

# Stand at the end of the outcomes before sending, so that none is missed. A service stores its positions instead.
consumer = KafkaConsumer(bootstrap_servers=sys.argv[1], enable_auto_commit=False)
consumer.assign([TopicPartition(outcomes, n) for n in consumer.partitions_for_topic(outcomes)
                 or sys.exit(f"there is no topic {outcomes}")])
consumer.seek_to_end()
for part in consumer.assignment():
    consumer.position(part)

# Never gives up and never reorders: with a finite delivery timeout kafka-python 3.0.12 can wedge after a failure.
producer = KafkaProducer(bootstrap_servers=sys.argv[1], enable_idempotence=True, acks="all",
                         delivery_timeout_ms=2**31 - 1)
lines = [json.loads(line) for line in Path(sys.argv[2]).read_text().splitlines()]
sent = [producer.send(submissions, key=one["student"].encode(), value=json.dumps(one).encode()) for one in lines]
producer.flush()
for one in sent:
    one.get(timeout=0)  # flush does not raise: look at each

waiting = {(one["student"], one["id"]) for one in lines}
while waiting:
    for records in consumer.poll(timeout_ms=500).values():
        for record in records:
            outcome = json.loads(record.value)
            if (record.key.decode(), outcome["id"]) in waiting:
                waiting.discard((record.key.decode(), outcome["id"]))
                sys.stdout.write(f"{record.key.decode()} {json.dumps(outcome)}\n")
