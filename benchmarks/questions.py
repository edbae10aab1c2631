"""How long a question takes on the command line, start included, and where the time goes.

    python benchmarks/questions.py [--students 1000] [--runs 30]

Builds a SQLite ledger of so many students (the demo's histories, multiplied) in a temporary folder, then measures the
median of the whole command `career-ledger status` over the runs, and the median of each of its phases over as many
runs. Prints a table; writes the same figures as JSON to benchmarks/questions.json. Asserts nothing: machines differ.
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
COMMAND = [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()"]
QUESTIONS = {
    "status": ["status", "{student}", "--on", "2026-03-20"],
    "status --json": ["status", "{student}", "--on", "2026-03-20", "--json"],
    "fees --json": ["fees", "{student}", "--on", "2026-03-20", "--json"],
    "eligibility --json": ["eligibility", "{student}", "--career", "B", "--course", "LIN-110", "--held-on",
                           "2026-06-22", "--session", "summer", "--academic-year", "2025-26", "--calls-start-on",
                           "2026-06-08", "--on", "2026-05-28", "--json"],
    "history --json": ["history", "{student}", "--on", "2026-06-30", "--json"],
}
PHASES = """
import json, sys, time
from datetime import date
seconds, last = {}, time.perf_counter()
def lap(name):
    global last
    now = time.perf_counter(); seconds[name] = now - last; last = now
import ledger.entrypoints.cli; lap("import the command line")
from ledger import bootstrap; from ledger.projections.student import status; lap("import domain and answers")
from ledger.rulebooks.loader import load_books; books = load_books(); lap("load the rule books")
from ledger.store import open_store; lap("import the store")
store = open_store(sys.argv[1]); lap("open the store")
events = store.stream(sys.argv[2]); lap("read and decode the stream")
answer = status.answer(events, sys.argv[2], date(2026, 3, 20), books); lap("fold, forecast and answer")
from ledger.words import told; text = json.dumps(told(answer)); lap("write JSON")
from ledger.entrypoints.text import Page; Page(open("/dev/null", "w")).status(answer); lap("a page for people, instead")
print(json.dumps(seconds))
"""


def histories(students: int) -> Iterator[tuple[str, list[bytes]]]:
    """(mode, lines): the demo's histories under other pseudonyms until there are enough students."""
    for mode, name in (("record", "imported"), ("enforce", "current")):
        text = (ROOT / "examples" / f"{name}.jsonl").read_text()
        events = [json.loads(line) for line in text.splitlines()]
        demo = sorted({json.loads(line)["student"] for f in ("imported", "current")
                       for line in (ROOT / "examples" / f"{f}.jsonl").read_text().splitlines()})
        for copy in range(-(-students // len(demo))):
            kept = set(demo[:students - copy * len(demo)])
            yield mode, [json.dumps(event | {"student": f"{event['student']}-{copy:04d}"}).encode() for event in events
                         if event["student"] in kept]


def build(url: str, students: int) -> int:
    """Fill a new ledger; returns the number of events."""
    from ledger.bootstrap import open_ledger

    count = 0
    with open_ledger(url) as ledger:
        for mode, lines in histories(students):
            for outcome in ledger.append_lines(lines, "record" if mode == "record" else "enforce", atomic=True):
                if outcome["outcome"] != "accepted":
                    raise SystemExit(f"a demo event was not accepted: {outcome}")
                count += 1
    return count


def clock(command: list[str], runs: int) -> list[float]:
    """Wall-clock seconds of each run, after one that warms the disk's cache."""
    found = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, env=ENVIRONMENT, stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - began)
    return found[1:]


def phases(url: str, student: str, runs: int) -> dict[str, float]:
    """Median seconds of each phase of one question, in processes of their own."""
    bare = statistics.median(clock([sys.executable, "-c", "pass"], runs))
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", PHASES, url, student], env=ENVIRONMENT,
                              capture_output=True, text=True, check=True)
        for name, seconds in json.loads(done.stdout).items():
            found.setdefault(name, []).append(seconds)
    return {"start and stop the interpreter": bare} | {name: statistics.median(values)
                                                       for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=30)
    asked = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as folder:
        url, student = f"sqlite:///{folder}/ledger.db", "S-DEMO-01-0000"
        began = time.perf_counter()
        events = build(url, asked.students)
        built = time.perf_counter() - began
        size = Path(url.removeprefix("sqlite:///")).stat().st_size
        machine = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "system": platform.system(),
                   "machine": platform.machine(), "cores": os.cpu_count(), "students": asked.students, "events": events,
                   "seconds to build": round(built, 2), "bytes per event": round(size / events), "runs": asked.runs}
        print(", ".join(f"{name} {value}" for name, value in machine.items()), flush=True)
        commands = {}
        print(f"\n{'whole command':<34}{'median':>9}{'fastest':>9}{'slowest':>9}   milliseconds")
        for name, words in QUESTIONS.items():
            seconds = clock([*COMMAND, "--db", url, *(word.format(student=student) for word in words)], asked.runs)
            commands[name] = {"median": statistics.median(seconds), "fastest": min(seconds), "slowest": max(seconds)}
            print(f"career-ledger {name:<20}" + "".join(f"{value * 1000:9.0f}" for value in commands[name].values()),
                  flush=True)
        parts = phases(url, student, asked.runs)
        print(f"\n{'where the time of status goes':<34}{'median':>9}   milliseconds")
        for name, value in parts.items():
            print(f"{name:<34}{value * 1000:9.1f}")
    figures = {"machine": machine, "commands": commands, "phases": parts}
    (ROOT / "benchmarks" / "questions.json").write_text(json.dumps(figures, indent=2) + "\n")
    print("\nwritten to benchmarks/questions.json")


if __name__ == "__main__":
    main()
