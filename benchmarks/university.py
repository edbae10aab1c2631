"""A whole university end to end: generate, import, rebuild, audit, every report.

    python infra/postgres.py run -- python -m benchmarks.university [--students 25000] [--db sqlite]

Prints seconds and megabytes of the largest process of each step, as the command line does them; writes benchmarks/university.json.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

from benchmarks import parts
from benchmarks.run import ROOT, machine

REPORTS = (("report", "blocked"), ("report", "arrears"), ("report", "upcoming", "--from", "2026-03-20", "--to", "2026-06-30"),
           ("report", "reservations"), ("report", "refunds"), ("report", "unallocated"),
           ("report", "counts", "--by", "programme,status,year"), ("find", "--status", "enrolled"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=25_000, help="about 40 events each")
    parser.add_argument("--db", choices=["postgresql", "sqlite"], default="postgresql")
    asked = parser.parse_args()
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES")
    if not admin:
        raise SystemExit("bench: no PostgreSQL: run `make bench-university`")
    steps: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name, parts.database(admin, Path(name), asked.db) as url:
        file = Path(name) / "university.jsonl"
        commands: list[tuple[str, ...]] = [
            ("append", str(file), "--mode", "record"), ("projection", "rebuild"), ("projection", "status"), ("audit",),
            *((*words, *(() if "upcoming" in words else ("--on", "2026-03-20"))) for words in REPORTS)]
        events = 0

        def write() -> None:
            nonlocal events
            with file.open("wb") as out:
                for line in parts.generate(asked.students, 1):
                    out.write(line)
                    events += 1

        steps["generate"] = {"seconds": parts.seconds(write), "MB": 0}
        print(f"{events:,} events of {asked.students:,} students, {file.stat().st_size / 1e6:,.0f} MB, {asked.db}")
        for words in commands:
            took, megabytes = parts.command("--db", url, *words)
            label = " ".join(word for word in words if not word.startswith("/"))
            steps[label] = {"seconds": took, "MB": megabytes}
            print(f"{label:60} {took:9.1f} s {megabytes:8.0f} MB {events / took:12,.0f} events/s", flush=True)
        size = parts.bytes_per_event(url)
    about = machine(admin)
    print(f"bytes per event: {size}\n{json.dumps(about)}")
    figures = {"machine": about, "students": asked.students, "events": events, "db": asked.db, "steps": steps, "bytes per event": size}
    (ROOT / "benchmarks" / "university.json").write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
