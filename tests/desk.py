"""`career-ledger serve` within a test's own process, and who asks it."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.parse import urlencode

from ledger.bootstrap import open_ledger
from ledger.edges.door import Door, bound_to
from ledger.edges.figures import ShownWatch
from ledger.edges.web import Server
from ledger.entrypoints.http.api import LONGEST, Api
from ledger.entrypoints.http.who import Entrance

TOKEN = b"0123456789abcdef0123456789abcdef"


class Said(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks one server, with its token."""

    def __init__(self, port: int) -> None:
        self.port = port

    def __call__(self, path: str, method: str = "GET", body: Any = None, headers: dict[str, str] | None = None,
                 **query: str) -> Said:
        given = {"Authorization": f"Bearer {TOKEN.decode()}"} | (headers or {})
        if body is not None:
            given = {"Content-Type": "application/json"} | given
            body = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, body, given)
            answer = connection.getresponse()
            return Said(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()


@contextmanager
def served(url: str, keys: str | None = None) -> Iterator[Client]:
    place = bound_to("127.0.0.1:0", Door(TOKEN), "--listen")
    with (open_ledger(url, keys=keys) as ledger, Api(ledger, ShownWatch("serve")) as api,
          Server(api.routes, place, LONGEST, Entrance(place))):
        try:
            yield Client(place.port)
        finally:
            api.leave()
