"""The gate over HTTP: POST /v1/booking with a question as JSON; GET /v1/knowledge, GET /v1/openapi.json. Nothing about
a person stands in a URL or a log."""

import threading
import time
from collections.abc import Callable

from prometheus_client import Histogram

from consumers.database import DatabaseAway, DatabaseUnusable
from consumers.kit.reading import BadJson, read_json
from ledger.domain.form import Problem
from ledger.domain.phrases import says
from ledger.edges.web import PROBLEM, Request, Response, Routes
from ledger.wire.message import encode
from ledger.words import Language
from ledger.words.accepted import preferred

from . import openapi
from .answers import Gate, NoAnswer, utc_now

_SECONDS = Histogram("booking_gate_answer_seconds", "From the question's bytes to the answer's, without HTTP",
                     ["outcome"], buckets=(.0001, .0002, .0005, .001, .002, .005, .01, .05, .1, 1))


def routes(gate: Gate, started: threading.Event) -> Routes:
    """Before `started` is set, every question is refused."""

    def answered(request: Request, work: Callable[[Language], bytes]) -> Response:
        language = preferred(request.headers.get(b"accept-language", b"").decode("latin-1"))
        begun = time.perf_counter()
        try:
            if not started.is_set():
                raise NoAnswer(503, "starting", says("gate/starting"))
            answer, outcome = Response(200, work(language)), "answered"
        except (DatabaseAway, DatabaseUnusable):
            answer = _problem(NoAnswer(503, "database-away", says("gate/database-away")), language)
            outcome = "database-away"
        except NoAnswer as refusal:
            answer, outcome = _problem(refusal, language), refusal.reason
        seconds = time.perf_counter() - begun
        _SECONDS.labels(outcome).observe(seconds)
        return answer._replace(headers=(*answer.headers, (b"content-language", language.encode()),
                                        (b"server-timing", b"gate;dur=%.3f" % (seconds * 1000))))

    def booking(request: Request) -> Response:
        return answered(request, lambda language: encode(gate.answer(_decoded(request.body), utc_now(), language)))

    def knowledge(request: Request) -> Response:
        def found(_: Language) -> bytes:
            known, now = gate.knowledge(), utc_now()
            age = gate.must_be_fresh(known, now)
            return encode({"complete_at": known[0] if known else None, "age_seconds": age,
                           "position": known[1] if known else None, "law": gate.books.identity})

        return answered(request, found)

    def described(_: Request) -> Response:
        return Response(200, encode(openapi.document()))

    return {"/v1/booking": {"POST": booking}, "/v1/knowledge": {"GET": knowledge}, openapi.PATH: {"GET": described}}


def _decoded(body: bytes) -> object:
    try:
        return read_json(body)
    except BadJson as error:
        if error.field is None:
            raise NoAnswer(400, "bad-json", error.told) from None
        raise NoAnswer(422, "bad-question", says("gate/bad-question", text=error.field),
                      problems=[Problem(error.field, error.told)]) from None


def _problem(refusal: NoAnswer, language: Language) -> Response:
    return Response(refusal.status, encode(refusal.as_json(language)), PROBLEM,
                    ((b"retry-after", b"1"),) if refusal.status == 503 else ())
