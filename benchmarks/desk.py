"""What `career-ledger serve` answers and takes in a second, each figure beside its base of the same run, in turns.

    python infra/postgres run -- python -m benchmarks.desk [--students 300] [--rounds 5]

The server is a process of its own; 64 clients are another one, with sockets and nothing else. `benchmarks.run` prints
the same in its table.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import parts
from ledger.bootstrap import clock, today
from ledger.generate import generate
from ledger.handling.bulk import import_lines
from ledger.store import open_store

ROOT = Path(__file__).parents[1]
CLIENTS = 64
COMMAND = [sys.executable, "-c", "from ledger.entrypoints.cli import main; main()"]
_LENGTH = re.compile(rb"content-length: ([0-9]+)")


class Load(NamedTuple):
    """Seconds in all, and of each answer; how many answers had which status."""

    seconds: float
    each: list[float]
    statuses: dict[int, int]

    @property
    def rate(self) -> float:
        return len(self.each) / self.seconds

    def part(self, share: float) -> float:
        return sorted(self.each)[int(len(self.each) * share)]


class _Caller(asyncio.Protocol):
    """Sends one request after the other, each when the one before is answered."""

    def __init__(self, requests: Iterator[bytes], load: Load, done: Any) -> None:
        self._requests, self._load, self._done = requests, load, done
        self._got, self._wanted, self._begun = bytearray(), 0, 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._next()

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is None:
            self._transport.close()
            return
        self._begun = time.perf_counter()
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._got += data
        if not self._wanted and (end := self._got.find(b"\r\n\r\n")) > 0:
            length = _LENGTH.search(self._got, 0, end)
            self._wanted = end + 4 + int(length[1] if length else 0)
        if not self._wanted or len(self._got) < self._wanted:
            return
        status = int(self._got[9:12])
        if status >= 300 and not self._load.statuses:
            print(bytes(self._got))
        self._got, self._wanted = bytearray(), 0
        self._load.each.append(time.perf_counter() - self._begun)
        self._load.statuses[status] = self._load.statuses.get(status, 0) + 1
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        self._done.set_result(None)


async def _called(port: int, requests: Sequence[bytes], clients: int) -> Load:
    loop, load, todo = asyncio.get_running_loop(), Load(0.0, [], {}), iter(requests)
    ends = [loop.create_future() for _ in range(clients)]
    begun = time.perf_counter()
    await asyncio.gather(*(loop.create_connection(partial(_Caller, todo, load, end), "127.0.0.1", port)
                           for end in ends))
    await asyncio.gather(*ends)
    return load._replace(seconds=time.perf_counter() - begun)


def _clients(work: Any) -> None:
    import uvloop

    while (asked := work.recv()) is not None:
        work.send(uvloop.run(_called(*asked)))


class Clients:
    """A process that asks."""

    def __enter__(self) -> "Clients":
        context = multiprocessing.get_context("spawn")
        self._work, there = context.Pipe()
        self._process = context.Process(target=_clients, args=(there,), daemon=True)
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._work.send(None)
        self._process.join()

    def ask(self, port: int, requests: Sequence[bytes], clients: int = CLIENTS) -> Load:
        self._work.send((port, requests, clients))
        found: Load = self._work.recv()
        return found


class Served(NamedTuple):
    port: int
    token: str
    pid: int

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
        line = process.stdout.readline() if process.stdout is not None else ""
        try:
            yield Served(int(line.rpartition(":")[2].partition("/")[0]), token, process.pid)
        finally:
            process.terminate()


def submissions(students: Sequence[str], count: int, name: str) -> list[bytes]:
    """A payment of each in turn: what needs no history of its own to be allowed."""
    return [json.dumps({"id": f"{name}-{n}", "type": "instalment-paid", "student": (who := students[n % len(students)]),
                        "career": f"{who}-1", "effective_on": today().isoformat(), "source": "bench", "actor": "bench",
                        "data": {"charge": "2025-26:instalment-1", "amount": "1.00"}}).encode() for n in range(count)]


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


def appending(url: str, folder: Path, students: int, rounds: int, many: int = 1, events: int = 1_000) -> dict[str, Any]:
    """Events a second that 64 clients append, `many` in each request, and of one that does INSERT + COMMIT."""
    with open_store(url) as store:
        names = list(store.students())
    names = names or filled(url, students)
    raw = parts.raw_inserter(url)
    found: dict[str, list[float]] = {"raw": [], "ours": [], "cpu": [], "p50": [], "p99": []}
    with served(url, folder) as server, Clients() as clients:
        for turn in range(-1, rounds):  # the first one is for what is made once
            rows = [(parts.uuid4(), 1, "exam-graded.v1", os.urandom(190).hex().encode()) for _ in range(200)]
            took = parts.seconds(lambda rows=rows: [raw(row) for row in rows])
            said = submissions(names, events, f"{many}-{turn + 1}")
            requests = [server.request("/v1/events", b"[" + b",".join(said[n:n + many]) + b"]")
                        for n in range(0, events, many)] if many > 1 else [
                server.request(f"/v1/students/{json.loads(one)['student']}/events", one) for one in said]
            before = cpu(server.pid)
            load = clients.ask(server.port, requests)
            if turn < 0:
                continue
            if set(load.statuses) - {200, 201}:
                raise SystemExit(f"answered otherwise: {load.statuses}")
            found["raw"].append(len(rows) / took)
            found["ours"].append(events / load.seconds)
            found["cpu"].append((cpu(server.pid) - before) / events * 1e6)
            found["p50"].append(load.part(0.5))
            found["p99"].append(load.part(0.99))
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


@contextmanager
def constant(body: bytes) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_constant, args=(body, there), daemon=True)
    process.start()
    try:
        yield here.recv()
    finally:
        process.terminate()


def asking(url: str, folder: Path, rounds: int, questions: int = 2_000) -> dict[str, float]:
    """Of answers that are kept, by one client and by 64, beside a constant route of the same size and the SELECT of
    the student's rows; of the feed beside the log, decoded in this process."""
    import http.client

    with open_store(url) as store:
        names, end = list(store.students())[:50], store.last_position()
    found: dict[str, list[float]] = {}

    def note(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    with served(url, folder) as server, Clients() as clients:
        link = http.client.HTTPConnection("127.0.0.1", server.port)
        link.request("GET", f"/v1/students/{names[0]}/status", headers={"Authorization": f"Bearer {server.token}"})
        size = len(link.getresponse().read())
        select = parts.raw_stream(url, names[0])
        with constant(b"x" * size) as port:
            base = [server.request("/v1/constant")]
            for turn in range(-1, rounds):
                for question in ("status", "fees"):
                    asked = [server.request(f"/v1/students/{name}/{question}") for name in names]
                    many = [asked[n % len(asked)] for n in range(questions)]
                    alone = clients.ask(server.port, [asked[0]] * 300, 1)
                    busy = clients.ask(server.port, many)
                    if turn >= 0:
                        note(f"{question} alone", alone.part(0.5))
                        note(f"{question} rate", busy.rate)
                        note(f"{question} p50", busy.part(0.5))
                        note(f"{question} p99", busy.part(0.99))
                held = clients.ask(port, base * questions)
                took = parts.median_of(select, 300)
                feed = [server.request(f"/v1/events?after={at}&limit=500") for at in range(0, end - 500, 500)]
                read = clients.ask(server.port, feed, 1)
                if turn >= 0:
                    note("constant rate", held.rate)
                    note("constant p50", held.part(0.5))
                    note("constant alone", clients.ask(port, base * 300, 1).part(0.5))
                    note("select", took)
                    note("feed", len(feed) * 500 / read.seconds)
                    note("log", parts.read_log(url))
    return {name: statistics.median(values) for name, values in found.items()}


def lines(admin: str, kind: str, folder: Path, students: int, rounds: int) -> Iterator[tuple[Any, ...]]:
    """Of the table of `benchmarks.run`: work, ours, beside, ratio, bar, whether it is the most, note."""
    bar = kind == "postgresql"
    with parts.database(admin, folder, kind) as url:
        for many in (1, 20):
            one = appending(url, folder, students, rounds, many)
            yield (f"64 clients append over HTTP, {many} in a request", one["ours"], one["raw"],
                   one["ours"] / one["raw"], 3.0 if bar else None, False,
                   f"{one['cpu']:.0f} us of the server's processor an event; beside: INSERT + COMMIT by one client")
        found = asking(url, folder, rounds)
    for question in ("status", "fees"):
        yield (f"{question} over HTTP, 64 clients", found[f"{question} rate"], found["constant rate"],
               found[f"{question} rate"] / found["constant rate"], 0.5, False, "beside: a constant route of that size")
        yield (f"{question} over HTTP, p99 of 64 clients, ms", found[f"{question} p99"] * 1e3,
               found[f"{question} p50"] * 1e3, found[f"{question} p99"] / found[f"{question} p50"], 5.0, True,
               "beside: the median")
        yield (f"{question} over HTTP, one client, ms", found[f"{question} alone"] * 1e3, found["select"] * 1e3,
               found[f"{question} alone"] / found["select"], 3.0, True,
               f"beside: SELECT of the rows; a constant route {found['constant alone'] * 1e3:.2f}")
    yield ("the feed, pages of 500", found["feed"], found["log"], found["feed"] / found["log"], 0.5, False,
           "beside: the log read and decoded")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--students", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    os.environ["CAREER_LEDGER_DIGEST_KEY"] = os.urandom(32).hex()
    admin = os.environ["CAREER_LEDGER_TEST_POSTGRES"]
    with tempfile.TemporaryDirectory(prefix="career-ledger-bench-") as name:
        for kind in ("postgresql", "sqlite"):
            for work, ours, beside, ratio, bar, most, note in lines(admin, kind, Path(name), asked.students,
                                                                    asked.rounds):
                wanted = f"{'<=' if most else '>='} {bar}" if bar is not None else ""
                print(f"{kind:11}{work:52}{ours:12,.2f}{beside:12,.2f}{ratio:7.2f} {wanted:8}{note}", flush=True)


if __name__ == "__main__":
    main()
