"""A whole university end to end: generate, import while questions are asked, rebuild, verify, audit, every report.

    python infra/postgres run -- python -m benchmarks.university [--students 25000] [--db sqlite]

Prints seconds and megabytes of the largest process of each step, as the command line does them; writes
benchmarks/university.json.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import parts
from benchmarks.run import ROOT, machine
from ledger.generate import generate

COMMAND = [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()"]
NOT_FOUND, UNUSABLE = 3, 6
"""Exit codes: no such student yet, no ledger yet."""
REPORTS = (("report", "blocked"), ("report", "arrears"),
           ("report", "upcoming", "--from", "2026-03-20", "--to", "2026-06-30"),
           ("report", "reservations"), ("report", "refunds"), ("report", "unallocated"),
           ("report", "counts", "--by", "programme,status,year"), ("find", "--status", "enrolled"))


@contextmanager
def asking(url: str, student: str) -> Iterator[list[float]]:
    """Asks for one student's status again and again, from the import's first events to its end: seconds of each
    question. Raises SystemExit where one fails."""
    stop, took = threading.Event(), list[float]()
    failed: list[str] = []

    def ask() -> None:
        while not stop.wait(0.5):
            began = time.perf_counter()
            done = subprocess.run([*COMMAND, "--db", url, "status", student, "--on", "2026-03-20"],
                                  capture_output=True, text=True)
            if done.returncode == 0:
                took.append(time.perf_counter() - began)
            # before the first batch is stored there is nothing to ask
            elif took or done.returncode not in (NOT_FOUND, UNUSABLE):
                failed.append(done.stderr)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield took
    finally:
        stop.set()
        thread.join()
    if failed or not took:
        raise SystemExit(f"{len(failed)} questions failed while the import ran, {len(took)} were answered: "
                         f"{failed[-1:]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=25_000, help="about 40 events each")
    parser.add_argument("--db", choices=["postgresql", "sqlite"], default="postgresql")
    asked = parser.parse_args()
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES")
    if not admin:
        raise SystemExit("bench: no PostgreSQL: run `make bench-university`")
    steps: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name, parts.database(admin, Path(name),
                                                                                            asked.db) as url:
        file = Path(name) / "university.jsonl"
        commands: list[tuple[str, ...]] = [
            ("append", str(file), "--mode", "record"), ("projection", "rebuild"), ("projection", "verify"),
            ("projection", "status"),
            ("audit",),
            *((*words, *(() if "upcoming" in words else ("--on", "2026-03-20"))) for words in REPORTS)]
        events = 0
        student = json.loads(next(iter(generate(1, 1))))["student"]

        def write() -> None:
            nonlocal events
            with file.open("wb") as out:
                for line in generate(asked.students, 1):
                    out.write(line)
                    events += 1

        steps["generate"] = {"seconds": parts.seconds(write), "MB": 0}
        print(f"{events:,} events of {asked.students:,} students, {file.stat().st_size / 1e6:,.0f} MB, {asked.db}")
        for words in commands:
            if words[0] == "append":
                with asking(url, student) as asked_meanwhile:
                    took, megabytes = parts.command("--db", url, *words)
            else:
                took, megabytes = parts.command("--db", url, *words)
            label = " ".join(word for word in words if not word.startswith("/"))
            steps[label] = {"seconds": took, "MB": megabytes}
            print(f"{label:60} {took:9.1f} s {megabytes:8.0f} MB {events / took:12,.0f} events/s", flush=True)
        size = parts.bytes_per_event(url)
    print(f"asked while the import ran: {len(asked_meanwhile)} questions about one student, "
          f"median {statistics.median(asked_meanwhile):.2f} s, slowest {max(asked_meanwhile):.2f} s, "
          "each in a process of its own")
    about = machine(admin)
    print(f"bytes per event: {size}\n{json.dumps(about)}")
    figures = {"machine": about, "students": asked.students, "events": events, "db": asked.db, "steps": steps,
               "bytes per event": size, "seconds of questions during the import": asked_meanwhile}
    (ROOT / "benchmarks" / "university.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
