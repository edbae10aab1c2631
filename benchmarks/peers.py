"""The peers on the same PostgreSQL: the plain `eventsourcing` library and emmett. Each gives seconds an append and events a second."""

import json
import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

EMMETT = "@event-driven-io/emmett-postgresql@0.42"
DATA = {"course": "LIN-110", "held_on": "2026-06-22", "outcome": "passed", "grade": 28, "cfu": 6, "session": "summer", "mode": "written",
        "academic_year": "2025-26", "actor": "student", "source": "portal", "effective_on": "2026-06-22",
        "recorded_at": "2026-06-22T10:00:00Z"}


def eventsourcing(url: str, appends: int, log: int) -> dict[str, Any]:
    """An aggregate class with the library's defaults: load 50 events, one more, save; and its notification log, decoded."""
    from eventsourcing.application import Application
    from eventsourcing.domain import Aggregate, event

    class Student(Aggregate):  # type: ignore[misc]
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
    import psycopg

    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT sum(pg_total_relation_size(oid))::float8 FROM pg_class WHERE relkind = 'r' "
                                 "AND relname LIKE '%\\_events'").fetchone()
    app.close()
    return {"append": statistics.median(seconds), "read": read, "bytes": (row[0] if row else 0) / count, "events": count}


def emmett(url: str, folder: Path, appends: int, log: int) -> dict[str, Any] | str:
    """The figures, or why there are none."""
    if not shutil.which("node") or not shutil.which("npm"):
        return "node and npm are not on this machine"
    (folder / "package.json").write_text("{}")
    installed = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", EMMETT], cwd=folder, capture_output=True, text=True)
    if installed.returncode != 0:
        return f"npm could not install {EMMETT}"
    shutil.copy(Path(__file__).with_name("emmett.mjs"), folder)
    done = subprocess.run(["node", "emmett.mjs", url, "20", str(appends), str(log)], cwd=folder, capture_output=True, text=True,
                          env=os.environ, timeout=300)
    if done.returncode != 0:
        return f"emmett failed: {done.stderr.strip().splitlines()[-1] if done.stderr.strip() else 'no message'}"
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures
