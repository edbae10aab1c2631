"""The peers on the same PostgreSQL: the plain `eventsourcing` library and emmett. Each gives seconds an append and
events a second."""

import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg

EMMETT = "@event-driven-io/emmett-postgresql@0.42"
DATA = {"course": "LIN-110", "held_on": "2026-06-22", "outcome": "passed", "grade": 28, "cfu": 6, "session": "summer",
        "mode": "written", "academic_year": "2025-26", "actor": "student", "source": "portal",
        "effective_on": "2026-06-22", "recorded_at": "2026-06-22T10:00:00Z"}


def eventsourcing(url: str, appends: int, log: int) -> dict[str, Any]:
    """An aggregate class with the library's defaults: load 50 events, one more, save; and its
    notification log, decoded."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Student(Aggregate):
        def __init__(self) -> None:
            self.graded: list[str] = []

        @event("Graded")
        def grade(self, data: dict[str, Any]) -> None:
            self.graded.append(data["course"])

    found = urlsplit(url)
    app: Any = Application(env={"PERSISTENCE_MODULE": "eventsourcing.postgres", "POSTGRES_DBNAME": found.path[1:],
                                "POSTGRES_HOST": found.hostname or "", "POSTGRES_PORT": str(found.port),
                                "POSTGRES_USER": found.username or "", "POSTGRES_PASSWORD": found.password or ""})
    ids = []
    for n in range(max(20, log // 50)):
        student = Student()
        for _ in range(49):
            student.grade(DATA)
        app.save(student)
        if n < 20:
            ids.append(student.id)
    seconds = []
    for n in range(appends):
        began = time.perf_counter()
        student = app.repository.get(ids[n % 20])
        student.grade(DATA)
        app.save(student)
        seconds.append(time.perf_counter() - began)
    began, at, count = time.perf_counter(), 0, 0
    while page := app.recorder.select_notifications(at or None, 1000, inclusive_of_start=False):
        for notification in page:
            app.mapper.to_domain_event(notification)
        at, count = page[-1].id, count + len(page)
    read = count / (time.perf_counter() - began)
    app.close()
    return {"append": statistics.median(seconds), "read": read, "bytes": _size(url, "%\\_events") / count,
            "events": count}


def emmett(url: str, folder: Path, appends: int, log: int) -> dict[str, Any] | str:
    """The figures, or why there are none."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not on this machine"
    (folder / "package.json").write_text("{}")
    install = ["npm", "install", "--silent", "--no-audit", "--no-fund", EMMETT]
    installed = subprocess.run(install, cwd=folder, capture_output=True, text=True)
    if installed.returncode != 0:
        return f"npm could not install {EMMETT}"
    shutil.copy(Path(__file__).with_name("emmett.mjs"), folder)
    done = subprocess.run(["node", "emmett.mjs", url, "20", str(appends), str(log)], cwd=folder, capture_output=True,
                          text=True, env=os.environ, timeout=300)
    if done.returncode != 0:
        return f"emmett failed: {next((line for line in done.stderr.splitlines() if 'Error' in line), 'no message')}"
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures | {"bytes": _size(url, "emt\\_messages%") / figures["events"]}


def _size(url: str, tables: str) -> float:
    """Bytes of the tables with their indexes."""
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::float8 FROM pg_class WHERE "
                                 "relkind = 'r' AND relname LIKE %s", (tables,)).fetchone()
    return float(row[0]) if row else 0.0
