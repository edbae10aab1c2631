"""How fast IFS06 lists everybody, beside reading the stored rows of fingerprints alone, and whether memory stays flat.

    python -m benchmarks.eservices [--students 25000] [--runs 7]

Both in pages of 1,000, on SQLite, one after the other in turns; medians. Prints a line; asserts nothing: machines
differ.
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from ledger.bootstrap import clock, open_ledger, today
from ledger.eservices.services import PAGE, Asker, Services
from ledger.privacy.fingerprints import Fingerprint, Fingerprints, HowFarKept, KeptOfHer

ROOT = Path(__file__).parents[1]
ROWS = ("SELECT service, place, student, from_on, until_on, since, until, recent_on, listed, value FROM fingerprints "
        "WHERE service = 'ifs06' AND place > :after ORDER BY place LIMIT :page")


def fill(kept: Fingerprints, students: int) -> None:
    for start in range(0, students, 5_000):
        known = {}
        for number in range(start, min(start + 5_000, students)):
            key, value = (hashlib.sha256(f"{what}{number}".encode()).digest() for what in ("key", "hash"))
            place = kept.place(key)
            one = Fingerprint("ifs06", place, today(), date(2199, 1, 1), key, value)
            known[f"S{number}"] = KeptOfHer((one,), (place,))
        before = kept.state()
        kept.replace(before, HowFarKept(before.version + 1, 1, None, "2026-01-01T00:00:00Z", "bench"), known, clock(),
                     today())


def sweep(services: Services) -> int:
    found, cursor = 0, None
    while True:
        body = json.dumps({} if cursor is None else {"cursor": cursor}).encode()
        page = services.answer("ifs06", "student-enrollments-changes", body, Asker("bench", None, "bench"))
        json.dumps(page)
        found, cursor = found + len(page["data"]["enrollments_hash"]), page["meta"]["cursor"]
        if cursor is None:
            return found


def rows(services: Services) -> int:
    found, after = 0, ""
    while page := services.following.kept.read(ROWS, {"after": after, "page": PAGE}):
        found, after = found + len(page), page[-1][1]
    return found


def timed(act: Callable[[Services], int], services: Services, students: int) -> float:
    begun = time.perf_counter()
    if act(services) != students:
        raise SystemExit("not everybody was listed")
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=25_000)
    parser.add_argument("--runs", type=int, default=7)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CAREER_LEDGER_MASTER_KEY"] = f"{folder}/master.key"
        with open_ledger(f"sqlite:///{folder}/ledger.db", True, None, f"sqlite:///{folder}/keys.db") as ledger:
            ledger.new_keys(30)
            services = ledger.eservices(ROOT / "examples" / "reference")
            fill(services.following.kept, asked.students)
            sweep(services)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            times = [(timed(sweep, services, asked.students), timed(rows, services, asked.students))
                     for _ in range(asked.runs)]
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    ours, raw = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"IFS06 over {asked.students} students: {ours:.3f} s, reading the rows {raw:.3f} s, ratio {raw / ours:.2f} "
          f"(bar 0.3), memory grown by {grown} kB")


if __name__ == "__main__":
    main()
