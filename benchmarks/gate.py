"""How long the booking gate takes to answer, over HTTP and within; `benchmarks.consumers` runs it."""

import multiprocessing
import random
import threading
import time
from typing import Any

from consumers.database import Database
from ledger.edges.memory import spare_the_collector


def questions(url: str, students: int, asked: int) -> dict[str, float]:
    """Prints and returns milliseconds of an answer, for a client that keeps its connection open: the first time that a
    career is asked about (its state is read and made ready), and again. `gate`: what the gate itself took; the rest is
    HTTP, in Python on both sides."""
    from tests.consumers.gate import NOW, Fed, Portal, a_call
    from tests.consumers.support import state_messages
    from tests.projections.populations import BOOKS, population, streams

    with Database(url) as own:
        fed = Fed(own)
        careers: list[tuple[str, str]] = []
        for student, stream in streams(e.placed(n) for n, e in enumerate(population(students), 1)).items():
            fed.take(state_messages(stream, student, BOOKS))
            careers += [(student, career) for career in sorted({e.career for e in stream if e.career is not None})]
        fed.know(NOW)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(url, there), daemon=True)
    process.start()
    portal = Portal(here.recv())
    portal.ask({})  # what is built at the first question of all
    pick = random.Random(1)
    figures: dict[str, float] = {}
    for name, order in (("first", careers), ("again", [pick.choice(careers) for _ in range(asked)])):
        whole, gate = [], []
        for student, career in order:
            begun = time.perf_counter()
            status, _ = portal.ask({"student": student, "career": career} | a_call())
            whole.append((time.perf_counter() - begun) * 1000)
            gate.append(float(portal.headers["Server-Timing"].partition("dur=")[2]))
            if status != 200:
                raise SystemExit(f"no answer: {status}")
        found = {f"{what} p{percent}": sorted(of)[len(of) * percent // 100]
                 for what, of in (("over HTTP", whole), ("gate", gate)) for percent in (50, 99)}
        print(f"{url.partition(':')[0]:11}question {name}: " + ", ".join(
            f"{what} {one:.2f} ms" for what, one in found.items())
              + f" ({len(order)} questions)", flush=True)
        figures |= {f"{name}, {what}": one for what, one in found.items()}
    process.terminate()
    return figures


def _serve(url: str, tell: Any) -> None:
    from consumers.booking_gate.answers import Gate
    from consumers.booking_gate.http import routes
    from ledger.edges.door import Door, bound_to
    from ledger.edges.web import Server
    from ledger.rulebooks.loader import load_books

    spare_the_collector()
    place, started = bound_to("127.0.0.1:0", Door(), "--listen"), threading.Event()
    started.set()
    with Database(url) as database, Server(routes(Gate(database, load_books(), 1e9), started), place):
        tell.send(place.port)
        threading.Event().wait()
