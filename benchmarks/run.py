"""How fast the ledger is, each figure beside the raw limit and the peers measured in the same run on the same database.

    python infra/postgres run -- python -m benchmarks.run [--students 1000] [--runs 3] [--skip-emmett]

PostgreSQL is the server named in CAREER_LEDGER_TEST_POSTGRES (fsync on; `infra/postgres` brings one up). Prints one
table and writes all figures to benchmarks/results.json. Medians over the runs, ours and the limit taking turns. Asserts
no time: machines differ; the last column says whether the bar of the ratio is met.
"""

import argparse
import json
import os
import platform
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import psycopg

from benchmarks import desk, parts, peers
from ledger.generate import generate
from ledger.store import open_store

ROOT = Path(__file__).parents[1]
EVENTS_TO_SEAL = 1_000_000
"""Or 20 times as many as there are."""


@dataclass(frozen=True, slots=True)
class Line:
    """`ratio` of ours to the limit; `bar`: what it must at least (or, with `most`, at most) be."""

    work: str
    ours: str
    limit: str
    ratio: float | None = None
    bar: float | None = None
    most: bool = False
    note: str = ""

    @property
    def met(self) -> str:
        if self.ratio is None or self.bar is None:
            return ""
        return "met" if (self.ratio <= self.bar if self.most else self.ratio >= self.bar) else "MISSED"


def rate(value: float) -> str:
    return f"{value:,.0f}/s"


def ms(value: float) -> str:
    return f"{value * 1000:.2f} ms"


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr, flush=True)


def machine(admin: str) -> dict[str, Any]:
    with psycopg.connect(admin) as connection:
        settings = {name: row[0] for name in ("server_version", "fsync", "synchronous_commit", "shared_buffers")
                    if (row := connection.execute(f"SHOW {name}".encode()).fetchone())}
    model = next((line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
                  if line.startswith("model name")),
                 platform.processor()) if Path("/proc/cpuinfo").exists() else platform.processor()
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version, "postgresql": settings,
            "load before": [round(n, 2) for n in os.getloadavg()]}


class Bench:
    def __init__(self, admin: str, folder: Path, students: int, runs: int) -> None:
        self.admin, self.folder, self.runs = admin, folder, runs
        self.lines = list(generate(students, 1))
        self.table: list[Line] = []
        self.figures: dict[str, Any] = {}

    def add(self, kind: str, line: Line) -> None:
        self.table.append(line)
        self.figures.setdefault(kind, {})[line.work] = {"ours": line.ours, "limit": line.limit, "ratio": line.ratio,
                                                        "bar": line.bar, "met": line.met, "note": line.note}

    def fresh(self, kind: str) -> AbstractContextManager[str]:
        return parts.database(self.admin, self.folder, kind)

    def median(self, kind: str, act: Callable[[str], float]) -> float:
        found = []
        for _ in range(self.runs):
            with self.fresh(kind) as url:
                found.append(act(url))
        return statistics.median(found)

    def single(self, kind: str, peers_found: dict[str, Any]) -> None:
        say(f"{kind}: one event at a time")
        found = []
        for _ in range(self.runs):
            with self.fresh(kind) as url:
                found.append(parts.appends(url, 200))
        raw, warm, cold = (statistics.median(f[name] for f in found) for name in ("raw", "warm", "cold"))
        self.figures.setdefault(kind, {})["seconds of one event"] = {"raw": raw, "warm": warm, "cold": cold}
        note = "; ".join(f"{name} {rate(1 / peer['append'])}" for name, peer in peers_found.items()
                         if isinstance(peer, dict))
        self.add(kind, Line("one event, whole write path, warm states", rate(1 / warm), rate(1 / raw), raw / warm,
                            0.5 if kind == "postgresql" else None, note=note))
        self.add(kind, Line("the same without a cache of states", rate(1 / cold), rate(1 / raw), raw / cold))
        one, four = (self.median(kind, partial(parts.writers, number=n, count=200)) for n in (1, 4))
        self.add(kind, Line("4 writers beside 1 writer", rate(four), rate(one), four / one,
                            1.0 if kind == "postgresql" else None))

    def in_bulk(self, kind: str) -> None:
        say(f"{kind}: bulk import, {len(self.lines):,} events")
        bar = kind == "postgresql"
        ready = parts.warm_up()
        with self.fresh(kind) as url:
            parts.bulk(url, self.lines, ready)
            with open_store(url) as store:
                rows = parts.stored_rows(store)
                export = [json.dumps(event.as_json()).encode() + b"\n" for event in store.log(0, 10_000_000)]
        count = len(rows) - len(self.lines)
        exported = export[count:], export[:count]
        raws: list[float] = []
        ours: list[dict[str, float]] = []
        trusted: list[dict[str, float]] = []
        for _ in range(self.runs):
            with self.fresh(kind) as url:
                raws.append(parts.raw_copy(url, rows))
            with self.fresh(kind) as url:
                ours.append(parts.bulk(url, self.lines, ready))
            with self.fresh(kind) as url:
                trusted.append(parts.bulk(url, *exported, trusted=True))
        raw = statistics.median(raws)
        import_, moved = (statistics.median(one["events a second"] for one in found) for found in (ours, trusted))
        start = statistics.median(one["start"] for one in ours)
        self.figures.setdefault(kind, {})["seconds to start the workers"] = start
        note = f"without {start:.1f} s to start the workers; beside: {'binary COPY' if bar else 'executemany'}"
        self.add(kind, Line("bulk import, rules evaluated", rate(import_), rate(raw), import_ / raw,
                            0.3 if bar else None, note=note))
        self.add(kind, Line("import of a trusted export", rate(moved), rate(raw), moved / raw, 0.5 if bar else None))
        if bar:
            with self.fresh(kind) as url:
                self.figures[kind]["bulk import with one worker"] = parts.bulk(url, self.lines,
                                                                               ready, workers=1)["events a second"]
            for size in (1, 10, 100, 1000):
                with self.fresh(kind) as url:
                    self.figures[kind][f"append function, {size} events a transaction"] = parts.group_commit(
                        url, rows, size)

    def sealing(self, kind: str) -> None:
        """With a person sealed for each student and a box in every 25th event, beside the same without a key store, in
        turns. The best of each: what is looked for is smaller than what a busy machine adds to some."""
        say(f"{kind}: bulk import with a key store")
        ready, named = parts.warm_up(), parts.registered(self.lines)
        clear, sealed = [], []
        for _ in range(2 * self.runs):
            with self.fresh(kind) as url:
                clear.append(parts.bulk(url, self.lines, ready)["events a second"])
            with self.fresh(kind) as url, self.fresh(kind) as keys:
                sealed.append(parts.bulk(url, named, ready, keys=keys)["events a second"])
        self.figures.setdefault(kind, {})["bulk import without and with a key store"] = [clear, sealed]
        self.add(kind, Line("bulk import, sealing, a person a student", rate(max(sealed)), rate(max(clear)),
                            max(sealed) / max(clear), 0.95, note="beside: the same without a key store"))
        if kind == "sqlite":
            took = parts.opened(self.folder)
            self.add(kind, Line("opening 5 boxes in 100 events of a student", ms(took), ms(0.001), took / 0.001, 1.0,
                                True))

    def reading(self, kind: str, peers_found: dict[str, Any]) -> None:
        say(f"{kind}: reading, rebuild, questions")
        bar = kind == "postgresql"
        with self.fresh(kind) as url:
            parts.bulk(url, self.lines, [])
            reads = [(parts.raw_log(url), parts.read_log(url)) for _ in range(self.runs)]
            raw, ours = (statistics.median(found) for found in zip(*reads, strict=True))
            note = "; ".join(f"{name} {rate(peer['read'])}" for name, peer in peers_found.items()
                             if isinstance(peer, dict))
            self.add(kind, Line("reading the log, decoded to events", rate(ours), rate(raw),
                                ours / raw, 0.2 if bar else None, note=note))
            with self.fresh(kind) as million:
                parts.multiplied(url, million, max(1, min(20, EVENTS_TO_SEAL // len(self.lines))))
                proofs = parts.proofs(million)
            for work, name, least in (("sealing: leaves, tree, map, checkpoint", "sealed by 1", 0.4),
                                      ("sealing, 2 processes", "sealed by 2", 0.5),
                                      ("verify: everything again from the rows", "verified by 1", None),
                                      ("verify, 2 processes", "verified by 2", 0.4),
                                      ("export: read, made again, spliced, packed", "exported", None),
                                      ("import into SQLite, made again", "imported", None)):
                self.add(kind, Line(work, rate(proofs[name]), rate(proofs["raw"]), proofs[name] / proofs["raw"], least,
                                    note=f"{proofs['events']:,.0f} events; beside: the same rows read, one process"))
            self.add(kind, Line("a student's proof", ms(proofs["proof"]), ms(0.02), proofs["proof"] / 0.02, 1.0, True))
            rebuilds = statistics.median(parts.rebuilt(url) for _ in range(self.runs))
            self.add(kind, Line("rebuild of all projections, 2 cores", rate(rebuilds), rate(raw),
                                rebuilds / raw, 0.1 if bar else None))
            alone, both = (statistics.median(parts.audited(url, workers) for _ in range(self.runs))
                           for workers in (1, 2))
            self.add(kind, Line("audit of everybody, 2 cores", rate(both), rate(alone), both / alone, 1.8,
                                note="beside: the same in one process"))
            one = parts.one_student(url, 100, 60)
            self.figures[kind]["seconds of one student's answers"] = one
            for work, name, limit, most in (("status, fees, blocks from the stream", "computed", "select stream", 4.0),
                                            ("the same with a cache of states", "cached", "select stream", 1.5),
                                            ("a stored answer", "stored", "select stored", 1.5)):
                self.add(kind, Line(work, ms(one[name]), ms(one[limit]), one[name] / one[limit], most if bar else None,
                                    True, f"{one['events']:.0f} events"))
            started = parts.started(url, 11)
            self.figures[kind]["seconds of programs that start"] = started
            self.add(kind, Line("status, from the start of Python to its end", ms(started["status"]),
                                ms(started["click"]), started["status"] / started["click"], 2.5, True,
                                f"beside: Python imports click; Python that does nothing {ms(started['nothing'])}"))
            size = parts.bytes_per_event(url)
            self.figures[kind]["bytes per event"] = size
            note = "; ".join(f"{name} {peer['bytes']:.0f}" for name, peer in peers_found.items()
                             if isinstance(peer, dict))
            self.add(kind, Line("bytes stored per event", f"{size['table and indexes']:.0f}",
                                f"{size['canonical bytes']:.0f}", note=note))
            if bar:
                with open_store(url) as store:
                    self.figures["cost of each projection"] = parts.costs(store.part(0, 20))

    def desk(self, kind: str) -> None:
        say(f"{kind}: over HTTP")
        for work, ours, beside, ratio, bar, most, note in desk.lines(self.admin, kind, self.folder, 500, self.runs):
            self.add(kind, Line(work, f"{ours:,.2f}", f"{beside:,.2f}", ratio, bar, most, note))

    def growth(self, kind: str, students: int) -> None:
        say(f"{kind}: growth from {students} to {10 * students} students")
        found: list[dict[str, float]] = []
        for factor in (1, 10):
            file = self.folder / f"{factor}.jsonl"
            file.write_bytes(b"".join(generate(students * factor, 5)))
            with self.fresh(kind) as url:
                took, import_mb = parts.command("--db", url, "append", str(file), "--mode", "record", "--bulk")
                rebuild, rebuild_mb = parts.command("--db", url, "projection", "rebuild")
                one = parts.one_student(url, 60, 30)
                found.append({"import": took, "import MB": import_mb, "rebuild": rebuild, "rebuild MB": rebuild_mb,
                              "computed": one["computed"], "stored": one["stored"]})
            file.unlink()
        small, large = found
        self.figures.setdefault(kind, {})["growth"] = {"1": small, "10": large}
        for name, bar in (("import", 11.0), ("rebuild", 11.0), ("computed", 1.2), ("stored", 1.2),
                          ("import MB", 1.2), ("rebuild MB", 1.2)):
            shown = (lambda v: f"{v:.0f} MB") if name.endswith("MB") else (lambda v: f"{v:.1f} s") if bar > 2 else ms
            self.add(kind, Line(f"10 times the students: {name}", shown(large[name]), shown(small[name]),
                                large[name] / small[name], bar, True))


def show(table: list[Line]) -> None:
    head = ("work", "ours", "beside", "ratio", "bar", "", "note")
    rows = [head, *((line.work, line.ours, line.limit, f"{line.ratio:.2f}" if line.ratio is not None else "",
                     f"{'<=' if line.most else '>='} {line.bar:g}" if line.bar is not None else "", line.met, line.note)
                    for line in table)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(head))]
    for row in rows:
        print("  ".join(text.ljust(width) if n in (0, 5, 6) else text.rjust(width)
                        for n, (text, width) in enumerate(zip(row, widths, strict=True))).rstrip())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=1500, help="about 40 events each")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--skip-emmett", action="store_true", help="do not install the peer from npm")
    asked = parser.parse_args()
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES")
    if not admin:
        raise SystemExit("bench: no PostgreSQL: run `make bench`, or `python infra/postgres run -- python -m "
                         "benchmarks.run`")
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name:
        folder = Path(name)
        os.environ["CAREER_LEDGER_DIGEST_KEY"] = os.urandom(32).hex()
        os.environ["CAREER_LEDGER_MASTER_KEY"] = str(folder / "master.key")
        bench = Bench(admin, folder, asked.students, asked.runs)
        about = machine(admin)
        say("the peers")
        found: dict[str, Any] = {}
        with parts.database(admin, folder, "postgresql") as url:
            found["eventsourcing"] = peers.eventsourcing(url, 200, 10_000)
        with parts.database(admin, folder, "postgresql") as url:
            found["emmett"] = "left out by --skip-emmett" if asked.skip_emmett else peers.emmett(url,
                                                                                                 folder, 200, 10_000)
        for kind, beside in (("postgresql", found), ("sqlite", {})):
            print_from = len(bench.table)
            bench.single(kind, beside)
            bench.in_bulk(kind)
            bench.sealing(kind)
            bench.reading(kind, beside)
            bench.growth(kind, max(100, asked.students // 5))
            bench.desk(kind)
            print(f"\n{kind}, {len(bench.lines):,} events of {asked.students:,} students")
            show(bench.table[print_from:])
    for peer, what in found.items():
        if isinstance(what, str):
            print(f"{peer}: not measured, {what}")
    for title, values in (("cost of each projection (microseconds of one core; rows)",
                           bench.figures["cost of each projection"]),
                          ("append function",
                           {k: v for k, v in bench.figures["postgresql"].items() if "append function" in k})):
        print(f"\n{title}")
        for what, value in values.items():
            print(f"  {what}: {value:,.2f}")
    results = ROOT / "benchmarks" / "results.json"
    results.write_text(json.dumps({"machine": about, "events": len(bench.lines), "students": asked.students,
                                   "runs": asked.runs, "peers": found, **bench.figures}, indent=1))
    print(f"\n{json.dumps(about)}\nall figures: {results.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
