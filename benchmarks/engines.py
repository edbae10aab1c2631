"""Batches on one process, two, and a Dask cluster of two workers: events a second, processor time, memory.

    python infra/postgres run -- python -m benchmarks.engines [--students 2500] [--runs 3] [--growth 25000]

`make bench` leaves the million events of --growth out (--growth 0).

By the clock on a quiet machine of two cores; the ratio by processor time says the same of a busy one: how much more
work it is to do it in two processes, were there a core for each. Writes benchmarks/engines.json.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import parts
from benchmarks.run import Line, rate, say, show
from ledger.generate import write

ROOT = Path(__file__).parents[1]
WORKERS = 2
TIMED = """import json, os, re, resource, sys, time
from ledger.entrypoints.cli import cli
began = time.perf_counter()
try:
    cli(sys.argv[1:])
finally:
    took = time.perf_counter() - began
    def used(who):
        found = resource.getrusage(who)
        return found.ru_utime + found.ru_stime
    own = int(re.search(r"VmHWM:\\s+([0-9]+)", open("/proc/self/status").read())[1])
    children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(json.dumps([took, used(resource.RUSAGE_SELF) + used(resource.RUSAGE_CHILDREN), max(own, children) / 1024]),
          file=sys.stderr)
"""


class Took(NamedTuple):
    """Seconds by the clock, of processor time of our own processes, and megabytes of the largest of them."""

    seconds: float
    processor: float
    megabytes: float


def timed(*arguments: str) -> Took:
    """One command, from its first line on; a cluster's workers are not in it."""
    done = subprocess.run([sys.executable, "-c", TIMED, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    if done.returncode not in (0, 1):
        raise SystemExit(f"{arguments[2:]} failed: {done.stderr[-500:]}")
    return Took(*json.loads(done.stderr.splitlines()[-1]))


class Cluster:
    """A scheduler and two workers of one thread on this machine, as people start them."""

    def __enter__(self) -> "Cluster":
        self._started = [self._start("scheduler", "--host", "127.0.0.1", "--port", "0")]
        lines = self._started[0].stderr or ()
        self.address = next(found[0] for line in lines if (found := re.search(r"tcp://127\.0\.0\.1:\d+", line)))
        self._started += [self._start("worker", self.address, "--nthreads", "1", "--no-nanny")
                          for _ in range(WORKERS)]
        return self

    def _start(self, program: str, *arguments: str) -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, "-m", f"distributed.cli.dask_{program}", *arguments, "--no-dashboard"],
                                stdout=subprocess.DEVNULL, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)},
                                stderr=subprocess.PIPE if program == "scheduler" else subprocess.DEVNULL)

    def processor(self) -> float:
        """Seconds that its processes have used so far."""
        tick = os.sysconf("SC_CLK_TCK")
        return sum(sum(map(int, Path(f"/proc/{one.pid}/stat").read_text().rpartition(")")[2].split()[11:13])) / tick
                   for one in self._started)

    def __exit__(self, *_: Any) -> None:
        for one in reversed(self._started):
            one.kill()
            one.wait()


def engines(url: str, events: int, runs: int) -> list[Line]:
    table = []
    with Cluster() as cluster:
        for work, words, bar in (("rebuild", ("projection", "rebuild"), 1.8), ("audit", ("audit", "--summary"), 1.8)):
            ways = (("--workers", "1"), ("--workers", str(WORKERS)), ("--cluster", cluster.address))
            found: list[list[Took]] = [[], [], []]
            for turn in range(runs + 1):
                for way, all_of in zip(ways, found, strict=True):
                    before = cluster.processor()
                    took = timed("--db", url, *words, *way)
                    if turn:  # the first warms up caches and the cluster's imports
                        all_of.append(took._replace(processor=took.processor + cluster.processor() - before))
            one, two, far = ((statistics.median(took.seconds for took in all_of),
                              statistics.median(took.processor for took in all_of)) for all_of in found)
            note = (f"beside one; by processor time {WORKERS * one[1] / two[1]:.2f} "
                    f"({one[1]:.1f} and {two[1]:.1f} s)")
            table.append(Line(f"{work}, {WORKERS} processes", rate(events / two[0]), rate(events / one[0]),
                              one[0] / two[0], bar, note=note))
            note = (f"beside {WORKERS} processes; by processor time {two[1] / far[1]:.2f} "
                    f"({far[1]:.1f} s, the cluster's included)")
            table.append(Line(f"{work}, Dask cluster of {WORKERS} workers", rate(events / far[0]),
                              rate(events / two[0]), two[0] / far[0], 0.9 if work == "rebuild" else None, note=note))
    return table


def memory(url: str) -> dict[str, Took]:
    day = ("--on", "2026-10-31")
    return {"rebuild": timed("--db", url, "projection", "rebuild", "--workers", "2"),
            "audit": timed("--db", url, "audit", "--summary", *day, "--workers", "2"),
            "report arrears": timed("--db", url, "report", "arrears", *day, "--json"),
            "report counts": timed("--db", url, "report", "counts", *day, "--json")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=2_500, help="about 40 events each")
    parser.add_argument("--growth", type=int, default=25_000, help="students whose memory is compared with --students")
    parser.add_argument("--runs", type=int, default=3)
    asked = parser.parse_args()
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES")
    if not admin:
        raise SystemExit("bench: no PostgreSQL: run `python infra/postgres run -- python -m benchmarks.engines`")
    figures: dict[str, Any] = {"load before": os.getloadavg()}
    from psycopg.conninfo import conninfo_to_dict

    os.environ["PGPASSWORD"] = str(conninfo_to_dict(admin).get("password", ""))  # for the cluster's workers
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name:
        for kind in ("postgresql", "sqlite"):
            table: list[Line] = []
            used: list[dict[str, Took]] = []
            for students in filter(None, (asked.students, asked.growth)):
                file = Path(name, "population.jsonl")
                events = write(file, students, 1)
                with parts.database(admin, Path(name), kind) as url:
                    say(f"{kind}: {events:,} events")
                    began = time.perf_counter()
                    timed("--db", url, "append", str(file), "--mode", "record", "--bulk")
                    say(f"{kind}: imported in {time.perf_counter() - began:.0f} s")
                    table += engines(url, events, asked.runs if students == asked.students else 1)
                    used.append(memory(url))
                file.unlink()
            for work, small in used[0].items() if asked.growth else ():
                large = used[1][work].megabytes
                table.append(Line(f"memory of {work}, {asked.growth:,} students", f"{large:.0f} MB",
                                  f"{small.megabytes:.0f} MB", large / small.megabytes, 1.2, True,
                                  f"beside {asked.students:,} students"))
            print(f"\n{kind}")
            show(table)
            figures[kind] = [repr(line) for line in table]
    (ROOT / "benchmarks" / "engines.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
