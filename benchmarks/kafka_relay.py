"""How fast the relay fills an empty topic, beside the raw producer of the same library with the same
settings and the same messages.

    python infra/postgres run -- python infra/kafka run -- python -m benchmarks.kafka_relay [--events 100000] [--runs 3]
    [--db sqlite]

Brokers and PostgreSQL are those of CAREER_LEDGER_TEST_KAFKA and CAREER_LEDGER_TEST_POSTGRES. Raw: the prepared
messages, from memory, one `send` each and a flush at the end of every 100,000; reading them into memory is not counted.
Relay: reads the log, prepares, sends, waits for every acknowledgement, stores the position; counted from its first
chunk to its last, alone (events lane) and as `career-ledger publish` with both lanes and heartbeats. Raw and relay take
turns; medians, with the processor time of the sending process, which says more than the clock on a machine with other
work. `confluent-kafka` (librdkafka) is shown for information where it is installed. Memory: the largest of `publish`
and its two helpers, at each quarter of the way. Writes benchmarks/kafka_relay.json.
"""

import argparse
import gc
import importlib.util
import json
import marshal
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks import parts
from benchmarks.run import ROOT, machine
from ledger.bootstrap import clock
from ledger.generate import generate
from ledger.handling.bulk import import_lines
from ledger.relay import Relay
from ledger.relay.lane import producer_for
from ledger.relay.positions import Positions
from ledger.relay.prepare import EVENTS_CHUNK
from ledger.rulebooks.loader import load_books
from ledger.store import EventStore, SetAside, open_store
from ledger.wire import events
from ledger.wire.kafka import PREFIX, PRODUCER, create_topics, history_of
from ledger.wire.topics import EVENTS, STATE

PARTITIONS = 6
FLUSH = 100_000
BAR = 0.8


def prepared(store: EventStore, folder: Path) -> tuple[Path, int]:
    """A file of all messages, chunk by chunk, and their number."""
    path, count, after = folder / "messages", 0, 0
    history = history_of(*store.identity()[:2])
    with path.open("wb") as out:
        while found := store.records(after, EVENTS_CHUNK):
            after = found[-1][0]
            messages = [events.message(record, digest, history) for _, record, digest in found
                        if not isinstance(record, SetAside)]
            marshal.dump([(m.key, m.value, list(m.headers)) for m in messages], out)
            count += len(found)
    return path, count


def chunks(path: Path) -> Iterator[list[tuple[bytes, bytes, list[tuple[str, bytes]]]]]:
    with path.open("rb") as file:
        while True:
            try:
                yield marshal.load(file)  # noqa: S302 - written by `prepared`
            except EOFError:
                return


def fresh(brokers: str) -> str:
    """A prefix whose topics were just made; the events' topic with it."""
    os.environ[PREFIX] = f"bench{uuid4().hex[:8]}."
    return create_topics(brokers, PARTITIONS)[EVENTS].name


def raw(brokers: str, path: Path) -> tuple[float, float]:
    """Seconds by the clock and of the processor."""
    topic = fresh(brokers)
    producer = producer_for(brokers)
    producer.partitions_for(topic)
    took = busy = 0.0
    waiting = 0
    for chunk in chunks(path):
        began, cpu = time.perf_counter(), time.process_time()
        for key, value, headers in chunk:
            producer.send(topic, value, key, headers)
        waiting += len(chunk)
        if waiting >= FLUSH:
            producer.flush()
            waiting = 0
        took, busy = took + time.perf_counter() - began, busy + time.process_time() - cpu
    began, cpu = time.perf_counter(), time.process_time()
    producer.flush()
    took, busy = took + time.perf_counter() - began, busy + time.process_time() - cpu
    producer.close()
    return took, busy


def events_lane(url: str, brokers: str, total: int) -> tuple[float, float]:
    """Seconds an event, by the clock and of the processor of the process that sends."""
    fresh(brokers)
    relay = Relay(url, load_books(), brokers, PARTITIONS, None)
    with Positions(url) as positions:
        positions.prepare()
        with open_store(url) as store:
            history = history_of(*store.identity()[:2])
        lane = relay._lane(positions, create_topics(brokers, PARTITIONS), history, EVENTS)
    lane.begin.set()
    lane.start()
    first: tuple[float, float, int] | None = None
    while not lane.caught_up.is_set():
        if lane.failure is not None:
            raise lane.failure
        if first is None and lane.sent:
            first = time.perf_counter(), time.process_time(), lane.sent
        time.sleep(0.002)
    if first is None or lane.sent != total or first[2] == total:
        raise SystemExit(f"bench: take more events than {EVENTS_CHUNK}, to have several chunks")
    done = total - first[2]
    found = (time.perf_counter() - first[0]) / done, (time.process_time() - first[1]) / done
    lane.stop.set()
    lane.join()
    return found


def memory(pid: int) -> dict[int, int]:
    """Peak resident kilobytes of a process and of those it started (Linux)."""
    found: dict[int, int] = {}
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found |= memory(int(child))
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            found[pid] = int(line.split()[1])
    return found


def publish(url: str, brokers: str) -> dict[str, Any]:
    """The whole command: seconds from its start until each topic is complete, and memory on the way (MB)."""
    fresh(brokers)
    process = subprocess.Popen([sys.executable, "-c", "from ledger.entrypoints.cli import main; main()",
                                "--db", url, "publish", "--kafka",
                                brokers, "--partitions", str(PARTITIONS), "--once"], stderr=subprocess.DEVNULL)
    peak, began, quarters, complete, first = 0, time.perf_counter(), list[int](), dict[str, float](), (0.0, 0)
    with Positions(url) as positions:
        last = positions.last_position()  # of a log without holes
        while process.poll() is None:
            time.sleep(0.25)
            try:
                peak = max(memory(process.pid).values(), default=0) or peak
            except OSError:
                continue
            topics = {EVENTS if one.topic.endswith(EVENTS) else STATE: one.position for one in positions.all()
                      if one.topic.startswith(os.environ[PREFIX])}
            if not first[1] and topics.get(EVENTS):
                first = time.perf_counter(), topics[EVENTS]
            for name, position in topics.items():
                if position == last:
                    complete.setdefault(name, time.perf_counter() - began)
            if len(topics) == 2 and len(quarters) < 2 * sum(topics.values()) // last:
                quarters.append(peak // 1024)
    if process.returncode != 0:
        raise SystemExit(f"bench: publish ended with {process.returncode}")
    for name in (EVENTS, STATE):
        complete.setdefault(name, time.perf_counter() - began)
    lasted = began + complete[EVENTS] - first[0]
    return {"seconds": complete, "MB": quarters, "events/s from its first chunk": (last - first[1]) / lasted
            if lasted > 0 else None}


def confluent(brokers: str, path: Path) -> float:
    """Seconds by the clock for librdkafka with what corresponds to our settings."""
    from confluent_kafka import Producer

    topic = fresh(brokers)
    producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True,
                         "compression.type": PRODUCER["compression_type"], "linger.ms": 50,
                         "batch.size": PRODUCER["batch_size"], "queue.buffering.max.messages": 2 * FLUSH})
    took = 0.0
    for chunk in chunks(path):
        began = time.perf_counter()
        for key, value, headers in chunk:
            producer.produce(topic, value, key, headers=headers)
        producer.poll(0)
        if len(producer) > FLUSH:
            producer.flush()
        took += time.perf_counter() - began
    began = time.perf_counter()
    producer.flush()
    return took + time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=100_000, help="at least so many; 1000000 for the full figure")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--db", choices=["postgresql", "sqlite"], default="postgresql")
    asked = parser.parse_args()
    brokers, admin = os.environ.get("CAREER_LEDGER_TEST_KAFKA"), os.environ.get("CAREER_LEDGER_TEST_POSTGRES", "")
    if not brokers or (asked.db == "postgresql" and not admin):
        raise SystemExit("bench: no Kafka or no PostgreSQL: run `make bench-kafka`")
    os.environ.setdefault("CAREER_LEDGER_DIGEST_KEY", uuid4().hex * 2)  # PostgreSQL has no place for it
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)  # as `career-ledger publish` does; the raw producer profits alike
    figures: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name, parts.database(admin, Path(name),
                                                                                            asked.db) as url:
        lines = list(generate(asked.events // 38 + 1, 1))
        with open_store(url) as store:
            for outcome in import_lines(store, partial(open_store, url, create=False),
                                              load_books(), lines, "record", clock):
                if outcome["outcome"] != "accepted":
                    raise SystemExit(f"bench: {outcome}")
            del lines
            path, total = prepared(store, Path(name))
        print(f"{total:,} events, {path.stat().st_size / total:,.0f} bytes each as messages, {PARTITIONS} partitions, "
              f"{asked.db}")
        raws, lanes = [], []
        for _ in range(asked.runs):
            took, busy = raw(brokers, path)
            raws.append((took / total, busy / total))
            lanes.append(events_lane(url, brokers, total))
        raw_clock, raw_cpu, lane_clock, lane_cpu = (statistics.median(x) for pairs in (raws, lanes)
                                                    for x in zip(*pairs, strict=True))
        ratio = raw_clock / lane_clock
        print(f"{'raw kafka-python producer':40} {1 / raw_clock:10,.0f}/s   {raw_cpu * 1e6:6.1f} us of processor an "
              "event")
        print(f"{'relay, events lane':40} {1 / lane_clock:10,.0f}/s   {lane_cpu * 1e6:6.1f} us   ratio {ratio:.2f}, "
              f"bar {BAR}: {'met' if ratio >= BAR else 'MISSED'}; by processor time {raw_cpu / lane_cpu:.2f}",
              flush=True)
        whole = publish(url, brokers)
        for topic, took in whole["seconds"].items():
            print(f"{'publish, until ' + topic + ' is complete':50} {total / took:10,.0f} events/s ({took:.1f} s with "
                  "start)")
        print(f"{'publish, the events from the first chunk on':50} "
              f"{whole['events/s from its first chunk'] or 0:10,.0f} events/s")
        print(f"{'publish, peak memory by quarter':40} {' '.join(f'{mb} MB' for mb in whole['MB'])}", flush=True)
        figures |= {"machine": machine(admin) if admin else {}, "events": total, "db": asked.db, "raw/s": 1 / raw_clock,
                    "relay/s": 1 / lane_clock, "ratio": ratio, "ratio by processor": raw_cpu / lane_cpu,
                    "publish": whole}
        if importlib.util.find_spec("confluent_kafka") is not None:
            took = confluent(brokers, path)
            print(f"{'confluent-kafka producer, for information':40} {total / took:10,.0f}/s")
            figures["confluent/s"] = total / took
        else:
            print("confluent-kafka is not installed: pip install confluent-kafka to see it beside")
    (ROOT / "benchmarks" / "kafka_relay.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
