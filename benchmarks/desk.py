"""What `career-ledger serve` answers and takes in a second, each figure beside its base of the same run, in turns.

    python infra/postgres run -- python -m benchmarks.desk [--students 400] [--rounds 5] [--million]

The server is a process of its own; 64 clients are another one, wrk. INSERT + COMMIT waits for the disk as the server's
transactions do: a PostgreSQL whose files are in memory or that does not sync them is no base, and is refused (have
TMPDIR, where `infra/postgres` keeps them, on a disk). `benchmarks.run` prints the same in its table. With `--million`
only the page of a student is asked, of a ledger of a million events (700 MB).
"""

import argparse
import http.client
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import psycopg

from benchmarks import parts
from benchmarks.load import NUMBER, asked
from ledger.bootstrap import clock, today
from ledger.generate import generate
from ledger.handling.bulk import import_lines
from ledger.store import open_store

ROOT = Path(__file__).parents[1]
CLIENTS = 64
COMMAND = [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()"]
ALONE_SECONDS, BUSY_SECONDS = 1, 2
STUDENTS = 400
"""With what is appended they fit into the memory of the server: what a stream that must be read costs is another
question."""


class Served(NamedTuple):
    """`once`: with which somebody signs in."""

    port: int
    token: str
    pid: int
    once: str

    def page(self, path: str, cookie: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nCookie: {cookie}\r\n\r\n".encode()

    def signed_in(self) -> str:
        """The cookie of a registrar's browser."""
        own = f"127.0.0.1:{self.port}"
        link = http.client.HTTPConnection(own)
        link.request("POST", "/login", urlencode({"token": self.once}), {
            "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin",
            "Origin": f"http://{own}"})
        answer = link.getresponse()
        return (answer.getheader("Set-Cookie") or "").partition(";")[0]

    def request(self, path: str, body: bytes = b"") -> bytes:
        given = f"Content-Type: application/json\r\nIf-Match: *\r\nContent-Length: {len(body)}\r\n" if body else ""
        return (f"{'POST' if body else 'GET'} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.token}"
                f"\r\n{given}\r\n").encode() + body


@contextmanager
def served(url: str, folder: Path) -> Iterator[Served]:
    token = os.urandom(32).hex()
    file = folder / "token"
    file.touch(0o600)
    file.write_text(token)
    with subprocess.Popen([*COMMAND, "--db", url, "serve", "--listen", "127.0.0.1:0", "--http-token-file", str(file)],
                          stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}) as process:
        line, code = [process.stdout.readline() for _ in range(2)] if process.stdout is not None else ("", "")
        once = re.search(r"[A-Za-z0-9_-]{40,}", code)
        try:
            yield Served(int(line.rpartition(":")[2].partition("/")[0]), token, process.pid, once[0] if once else "")
        finally:
            process.terminate()


def submission(student: str, name: str) -> bytes:
    """A payment, which needs no history of its own to be allowed, under a new id each time that it is sent."""
    return json.dumps({"id": f"{name}-{NUMBER}", "type": "instalment-paid", "student": student,
                       "career": f"{student}-1", "effective_on": today().isoformat(), "source": "bench",
                       "actor": "bench", "data": {"charge": "2025-26:instalment-1", "amount": "1.00"}}).encode()


def cpu(pid: int) -> float:
    """Seconds of processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def filled(url: str, students: int) -> list[str]:
    """A ledger with so many students, and their names."""
    with open_store(url) as store:
        for _ in import_lines(store, partial(open_store, url, create=False), parts.BOOKS,
                              list(generate(students, 1)), "record", clock, 1):
            pass
        return list(store.students())


def on_disk(admin: str) -> None:
    """Ends the program where a COMMIT does not wait for a disk."""
    with psycopg.connect(admin) as link:
        found = link.execute("SELECT current_setting('fsync'), current_setting('synchronous_commit'), "
                             "current_setting('data_directory')").fetchone() or ("", "", "")
    mount = max((line.split()[1:3] for line in Path("/proc/mounts").read_text().splitlines()
                 if Path(found[2]).is_relative_to(line.split()[1])), key=lambda one: len(one[0]), default=["", ""])
    if found[:2] != ("on", "on") or mount[1] in ("tmpfs", "ramfs"):
        raise SystemExit(f"a COMMIT waits for no disk here: fsync {found[0]}, synchronous_commit {found[1]}, "
                         f"{found[2]} on {mount[1]}: set TMPDIR to a folder on a disk")


def appending(url: str, folder: Path, students: int, rounds: int, many: int = 1) -> dict[str, Any]:
    """Events a second that 64 clients append, `many` in each request, and of one that does INSERT + COMMIT."""
    names = filled(url, students)
    with open_store(url) as store:
        events = store.last_position()
    raw = parts.raw_inserter(url)
    found: dict[str, list[float]] = {"raw": [], "ours": [], "cpu": [], "p50": [], "p99": []}
    with served(url, folder) as server:
        for turn in range(-1, rounds):  # the first one is for what is made once
            rows = [(uuid4(), 1, "exam-graded.v1", os.urandom(190).hex().encode()) for _ in range(400)]
            took = parts.seconds(partial(list, map(raw, rows)))
            said = {name: submission(name, f"{many}-{turn + 1}") for name in names}
            requests = [server.request("/v1/events", b"[" + b",".join(
                said[names[(n + m) % len(names)]] for m in range(many)) + b"]")
                for n in range(0, len(names), many)] if many > 1 else [
                server.request(f"/v1/students/{name}/events", one) for name, one in said.items()]
            before = cpu(server.pid)
            load = asked(server.port, requests, CLIENTS, ALONE_SECONDS)
            events += load.answers * many
            if turn < 0:
                continue
            found["raw"].append(len(rows) / took)
            found["ours"].append(load.rate * many)
            found["cpu"].append((cpu(server.pid) - before) / load.answers / many * 1e6)
            found["p50"].append(load.p50)
            found["p99"].append(load.p99)
    parts.recorded(url, events)
    return {name: statistics.median(values) for name, values in found.items()}


def _constant(body: bytes, tell: Any) -> None:
    """A route of our own that gives the same bytes always."""
    import threading

    from ledger.edges.door import Door, bound_to
    from ledger.edges.memory import spare_the_collector
    from ledger.edges.web import Response, Server

    spare_the_collector()
    place = bound_to("127.0.0.1:0", Door(), "--listen")
    with Server({"/v1/constant": {"GET": lambda _: Response(200, body)}}, place):
        tell.send(place.port)
        threading.Event().wait()


def _starlette(body: bytes, tell: Any) -> None:
    """The same as a route of Starlette, under uvicorn as our own server sets it up."""
    import socket

    import uvicorn
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route

    from ledger.edges.memory import spare_the_collector

    async def constant(_: Request) -> Response:
        return Response(body, media_type="application/json")

    spare_the_collector()
    bound = socket.create_server(("127.0.0.1", 0))
    tell.send(bound.getsockname()[1])
    uvicorn.Server(uvicorn.Config(Starlette(routes=[Route("/v1/constant", constant)]), log_level="error",
                                  log_config=None, access_log=False, server_header=False, proxy_headers=False,
                                  lifespan="off", ws="none")).run(sockets=[bound])


@contextmanager
def constant(serve: Callable[[bytes, Any], None], body: bytes) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(body, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()


def asking(url: str, folder: Path, rounds: int) -> dict[str, float]:
    """Of answers that are kept, by one client and by 64, beside constant routes of the same size, of Starlette and of
    our own server, and the SELECT of the student's rows; of the feed beside the log, decoded in this process."""
    with open_store(url) as store:
        names, end = list(store.students())[:50], store.last_position()
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    with served(url, folder) as server:
        link = http.client.HTTPConnection("127.0.0.1", server.port)
        link.request("GET", f"/v1/students/{names[0]}/status", headers={"Authorization": f"Bearer {server.token}"})
        body = b"x" * len(link.getresponse().read())
        select = parts.raw_stream(url, names[0])
        feed = [server.request(f"/v1/events?after={at}&limit=500") for at in range(0, end - 500, 500)]
        with constant(_constant, body) as own, constant(_starlette, body) as starlette:
            base = [server.request("/v1/constant")]
            for turn in range(-1, rounds):
                rates = {"starlette": asked(starlette, base, CLIENTS, BUSY_SECONDS).rate,
                         "own": asked(own, base, CLIENTS, BUSY_SECONDS).rate,
                         "own alone": asked(own, base, 1, ALONE_SECONDS).p50}
                for question in ("status", "fees"):
                    requests = [server.request(f"/v1/students/{name}/{question}") for name in names]
                    busy = asked(server.port, requests, CLIENTS, BUSY_SECONDS)
                    rates |= {f"{question} rate": busy.rate, f"{question} p50": busy.p50, f"{question} p99": busy.p99,
                              f"{question} alone": asked(server.port, requests[:1], 1, ALONE_SECONDS).p50}
                rates |= {"select": parts.median_of(select, 2_000), "log": parts.read_log(url),
                          "feed": asked(server.port, feed, 1, BUSY_SECONDS).rate * 500}
                for name, value in rates.items() if turn >= 0 else ():
                    note(name, value)
    return {name: statistics.median(values) for name, values in found.items()}


def page_of_a_student(url: str, folder: Path, rounds: int) -> dict[str, float]:
    """Seconds until a registrar has the page of one of 500 students in turn, so that no answer is there yet: the median
    and the slowest of a hundred, of one who asks and of eight."""
    with open_store(url) as store:
        names = [name for name, _ in zip(store.students(), range(500), strict=False)]
    found: dict[str, list[float]] = {}
    with served(url, folder) as server:
        cookie = server.signed_in()
        link = http.client.HTTPConnection("127.0.0.1", server.port)
        link.request("GET", f"/students/{names[0]}", headers={"Cookie": cookie})
        answer = link.getresponse()
        if answer.status != 200 or names[0].encode() not in answer.read():
            raise SystemExit(f"no page: {answer.status}")
        requests = [server.page(f"/students/{name}", cookie) for name in names]
        for turn in range(-1, rounds):
            for clients in (1, 8):
                load = asked(server.port, requests, clients, BUSY_SECONDS)
                if turn >= 0:
                    found.setdefault(f"{clients} p50", []).append(load.p50)
                    found.setdefault(f"{clients} p99", []).append(load.p99)
    return {name: statistics.median(values) for name, values in found.items()}


def million(admin: str, kind: str, folder: Path, rounds: int) -> Iterator[tuple[Any, ...]]:
    """The same of a small ledger and of one of a million events."""
    with parts.database(admin, folder, kind) as small, parts.database(admin, folder, kind) as large:
        filled(small, STUDENTS)
        with open_store(small) as store:
            times = -(-1_000_000 // store.last_position())
        took = parts.seconds(lambda: parts.multiplied(small, large, times))
        with open_store(large) as store:
            events = store.last_position()
        before, found = page_of_a_student(small, folder, rounds), page_of_a_student(large, folder, rounds)
    for clients in (1, 8):
        yield (f"page of a student at {events:,} events, {clients} at once, ms", found[f"{clients} p50"] * 1e3,
               before[f"{clients} p50"] * 1e3, found[f"{clients} p50"] * 1e3, 30.0 if clients == 1 else None, True,
               f"the ratio is the median in ms; p99 {found[f'{clients} p99'] * 1e3:.1f}; beside: at "
               f"{events // times:,} events; filled in {took:.0f} s")


def lines(admin: str, kind: str, folder: Path, students: int, rounds: int) -> Iterator[tuple[Any, ...]]:
    """Of the table of `benchmarks.run`: work, ours, beside, ratio, bar, whether it is the most, note."""
    if bar := kind == "postgresql":
        on_disk(admin)
    for many in (1, 20):
        with parts.database(admin, folder, kind) as url:
            one = appending(url, folder, students, rounds, many)
        yield (f"64 clients append over HTTP, {many} in a request", one["ours"], one["raw"],
               one["ours"] / one["raw"], 3.0 if bar else None, False,
               f"{one['cpu']:.0f} us of the server's processor an event; beside: INSERT + COMMIT by one client")
    with parts.database(admin, folder, kind) as url:
        filled(url, students)
        found = asking(url, folder, rounds)
    for question in ("status", "fees"):
        yield (f"{question} over HTTP, 64 clients", found[f"{question} rate"], found["starlette"],
               found[f"{question} rate"] / found["starlette"], 0.5, False,
               "beside: a constant route of that size of Starlette, same uvicorn; of our own server: "
               f"{found[f'{question} rate'] / found['own']:.2f} of {found['own']:,.0f}")
        yield (f"{question} over HTTP, p99 of 64 clients, ms", found[f"{question} p99"] * 1e3,
               found[f"{question} p50"] * 1e3, found[f"{question} p99"] / found[f"{question} p50"], 5.0, True,
               "beside: the median")
        yield (f"{question} over HTTP, one client, ms", found[f"{question} alone"] * 1e3, found["select"] * 1e3,
               found[f"{question} alone"] / found["select"], 3.0, True,
               f"beside: SELECT of the rows; a constant route {found['own alone'] * 1e3:.2f}")
    yield ("the feed, pages of 500", found["feed"], found["log"], found["feed"] / found["log"], 0.5, False,
           "beside: the log read and decoded")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=STUDENTS)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--million", action="store_true")
    asked = parser.parse_args()
    admin = os.environ.get("CAREER_LEDGER_TEST_POSTGRES")
    if not admin:
        raise SystemExit("bench: no PostgreSQL: run `python infra/postgres run -- python -m benchmarks.desk`")
    os.environ["CAREER_LEDGER_DIGEST_KEY"] = os.urandom(32).hex()
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name:
        for kind in ("postgresql", "sqlite"):
            for work, ours, beside, ratio, bar, most, note in (
                    million(admin, kind, Path(name), asked.rounds) if asked.million else
                    lines(admin, kind, Path(name), asked.students, asked.rounds)):
                wanted = f"{'<=' if most else '>='} {bar}" if bar is not None else ""
                print(f"{kind:11}{work:52}{ours:12,.2f}{beside:12,.2f}{ratio:7.2f} {wanted:8}{note}", flush=True)


if __name__ == "__main__":
    main()
