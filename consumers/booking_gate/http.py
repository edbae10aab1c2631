"""The gate over HTTP: POST /v1/booking with a question as JSON; GET /v1/knowledge. Nothing about a person stands in a URL or a log."""

import json
import socket
import threading
import time
from collections.abc import Callable

import uvicorn
from prometheus_client import Histogram
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from consumers.database import DatabaseAway
from ledger.wire.message import encode

from .answers import Gate, Refusal, utc_now

LONGEST = 16_384
"""Bytes of a question."""
_SECONDS = Histogram("booking_gate_answer_seconds", "From the question's bytes to the answer's, without HTTP", ["outcome"],
                     buckets=(.0001, .0002, .0005, .001, .002, .005, .01, .05, .1, 1))


def application(gate: Gate, started: threading.Event) -> Starlette:
    """Before `started` is set, every question is refused."""

    def answered(work: Callable[[], bytes]) -> Response:
        begun = time.perf_counter()
        try:
            if not started.is_set():
                raise Refusal(503, "starting", "the gate is not connected yet: ask again in a moment")
            response = Response(work(), 200, media_type="application/json")
            outcome = "answered"
        except DatabaseAway:
            response = _problem(Refusal(503, "database-away", "the gate's database does not answer: ask again in a moment"))
            outcome = "database-away"
        except Refusal as refusal:
            response = _problem(refusal)
            outcome = refusal.reason
        seconds = time.perf_counter() - begun
        _SECONDS.labels(outcome).observe(seconds)
        response.headers["Server-Timing"] = f"gate;dur={seconds * 1000:.3f}"
        return response

    async def booking(request: Request) -> Response:
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > LONGEST:
                return _problem(Refusal(413, "too-long", f"a question has at most {LONGEST} bytes"))
        return answered(lambda: encode(gate.answer(_decoded(body), utc_now())))

    async def knowledge(_: Request) -> Response:
        def found() -> bytes:
            known, now = gate.knowledge(), utc_now()
            age = gate.must_be_fresh(known, now)
            return encode({"complete_at": known[0] if known else None, "age_seconds": age, "position": known[1] if known else None,
                           "law": gate.books.identity})

        return answered(found)

    return Starlette(routes=[Route("/v1/booking", booking, methods=["POST"]), Route("/v1/knowledge", knowledge, methods=["GET"])])


def _decoded(body: bytes) -> object:
    try:
        return json.loads(body)
    except ValueError:
        raise Refusal(422, "bad-question", "send one JSON object", problems=[{"path": "", "message": "this is no JSON"}]) from None


def _problem(refusal: Refusal) -> Response:
    headers = {"Retry-After": "1"} if refusal.status == 503 else None
    return Response(encode(refusal.as_json()), refusal.status, headers, "application/problem+json")


class Server:
    """Serves from a thread of its own on a socket that is bound already."""

    def __init__(self, app: Starlette, bound: socket.socket) -> None:
        self._server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, lifespan="off"))
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [bound]}, name="http", daemon=True)

    def __enter__(self) -> "Server":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
