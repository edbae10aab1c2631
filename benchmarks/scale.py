"""The figures of docs/scale.md: what the table lock allows with group commit, and what
PostgreSQL's own partitions cost.

    python infra/postgres run -- python -m benchmarks.scale [--events 200000]

The partitioned table is a model of stored_events in hash partitions of the stream's id; the
ledger itself does not make it.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg

from benchmarks import parts
from ledger.generate import generate
from ledger.store import open_store
from ledger.store.postgres import COPY, COPY_BEGIN, COPY_END

TABLE = """
CREATE TABLE part_events (originator_id uuid NOT NULL, originator_version bigint NOT NULL, topic text NOT NULL,
    state bytea NOT NULL, notification_id bigserial NOT NULL, PRIMARY KEY (originator_id, originator_version))
    PARTITION BY HASH (originator_id);
CREATE INDEX ON part_events (notification_id);
"""


def partitions(url: str, rows: list[tuple[Any, ...]], count: int) -> dict[str, float]:
    """COPY in (rows a second), one stream, one page of the log, one INSERT under the lock (milliseconds)."""
    with psycopg.connect(url, autocommit=True) as c:
        c.execute("DROP TABLE IF EXISTS part_events")
        c.execute(TABLE.encode())
        for n in range(count):
            c.execute(f"CREATE TABLE part_{n} PARTITION OF part_events "
                      f"FOR VALUES WITH (MODULUS {count}, REMAINDER {n})".encode())
        began = time.perf_counter()
        for n in range(0, len(rows), 10_000):
            with c.transaction(), c.cursor() as cursor:
                cursor.execute("LOCK TABLE part_events IN EXCLUSIVE MODE")
                with cursor.copy(COPY.replace("public.stored_events", "part_events").encode()) as copy:
                    copy.write(COPY_BEGIN + b"".join(map(parts._copied, rows[n:n + 10_000])) + COPY_END)
        copied = len(rows) / (time.perf_counter() - began)
        c.execute("ANALYZE part_events")
        streams = [row[0] for row in rows[::len(rows) // 100]]

        def one_stream(n: int) -> None:
            c.execute("SELECT notification_id, topic, state FROM part_events WHERE originator_id = %s ORDER BY "
                      "originator_version",
                      (streams[n],), prepare=True, binary=True).fetchall()

        def page(n: int) -> None:
            c.execute("SELECT notification_id, topic, state FROM part_events WHERE notification_id > %s "
                      "ORDER BY notification_id LIMIT 1000", (n * len(rows) // 64,), prepare=True,
                      binary=True).fetchall()

        def insert(_: int) -> None:
            with c.transaction():
                c.execute("LOCK TABLE part_events IN EXCLUSIVE MODE")
                c.execute(parts.INSERT.replace("public.stored_events", "part_events").encode(),
                          (uuid4(), 1, "a", b"b"), prepare=True)

        def median(act: Callable[[int], None]) -> float:
            return statistics.median(parts.seconds(partial(act, n)) for n in range(60)) * 1000

        return {"COPY rows/s": copied, "stream ms": median(one_stream), "log page of 1,000 ms": median(page),
                "append ms": median(insert)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=200_000)
    asked = parser.parse_args()
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES")
    if not admin:
        raise SystemExit("bench: run `python infra/postgres run -- python -m benchmarks.scale`")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with parts.database(admin, folder, "postgresql") as url:
            parts.bulk(url, list(generate(1000, 1)), [])
            with open_store(url) as store:
                rows = parts.stored_rows(store)
            many: list[tuple[Any, ...]] = []
            while len(many) < asked.events:
                fresh: dict[Any, Any] = {}
                many += [(fresh.setdefault(row[0], uuid4()), *row[1:]) for row in rows]
            for count in (1, 16, 64):
                found = partitions(url, many[:asked.events], count)
                print(f"{count:3} partitions: " + "; ".join(f"{what} {value:,.2f}" for what, value in found.items()),
                      flush=True)
        for size in (1, 10, 100, 1000):
            with parts.database(admin, folder, "postgresql") as url:
                found_rate = parts.group_commit(url, rows, size)
                print(f"{size:5} events a transaction: {found_rate:,.0f} events/s", flush=True)


if __name__ == "__main__":
    main()
