"""What a program shows: numbers for Prometheus under `/metrics`, whether it is at work under `/health`."""

import time

from prometheus_client import REGISTRY, Gauge
from prometheus_client.exposition import choose_encoder

from .web import Request, Response, Routes, json_body

ALIVE_SECONDS = 60.0


class Pulse:
    """`kind` is what `name` names, a consumer or a program. At work is what has turned within ALIVE_SECONDS.
    `last_turn`: a gauge with the label `kind`, which takes Unix time."""

    def __init__(self, kind: str, name: str, last_turn: Gauge) -> None:
        self._kind, self._name, self._last_turn = kind, name, last_turn.labels(name)
        self.turned_at = time.monotonic()

    def turn(self, works: bool = True) -> None:
        self.turned_at = time.monotonic()
        self._last_turn.set(time.time())

    @property
    def routes(self) -> Routes:
        return {"/metrics": {"GET": _shown}, "/health": {"GET": self._health}}

    def _health(self, _: Request) -> Response:
        seconds = time.monotonic() - self.turned_at
        well = seconds < ALIVE_SECONDS
        return Response(200 if well else 503, json_body({self._kind: self._name, "at_work": well,
                                                         "last_turn_seconds": round(seconds, 1)}))


def _shown(request: Request) -> Response:
    write, kind = choose_encoder(request.headers.get(b"accept", b"").decode("latin-1"))
    return Response(200, write(REGISTRY), kind)
