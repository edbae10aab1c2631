"""The e-services over HTTP: `/ifs01` to `/ifs09`, each with the paths of its file after it.

Whose request it is is found out in a thread that nothing else waits for. One with a voucher that holds is in the access
log, whether it is answered or not; of those without one there is a line for each reason and hour, so that who may not
ask holds up nobody and fills no table. Errors are 400, 401 (the voucher), 415 and 500; their
bodies are problem documents, of which the files say nothing.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial

from ledger.bootstrap import Ledger, clock
from ledger.domain.phrases import Phrase, says
from ledger.edges.figures import ANSWER_SECONDS
from ledger.edges.log import Note
from ledger.edges.program import say
from ledger.edges.tokens import BadToken
from ledger.edges.web import Request, Response, Route, Routes, is_json, json_body
from ledger.eservices.contract import Unasked
from ledger.eservices.services import Asker, Services
from ledger.store import StoreUnavailable, StoreUnusable
from ledger.words import Language
from ledger.words.accepted import preferred

from .problems import Misasked, document
from .vouchers import Admitted, ServiceName, VoucherGate
from .who import Permit, Table

TOKENS = frozenset({"no-signature", "digest", "signed-headers"})
"""What is wrong with the message and not with the voucher: 400."""
NOBODY = Asker("-", None, "-")
NOTED_SECONDS = 3600.0
"""So long is who proves nothing noted no second time for the same reason."""


class EServices:
    """`keeper`: the thread that has the key store."""

    def __init__(self, ledger: Ledger, gate: VoucherGate, services: Services, keeper: Executor) -> None:
        self._ledger, self._gate, self._services, self._keeper = ledger, gate, services, keeper
        self._porter = ThreadPoolExecutor(1, "vouchers")
        self._turned_away: dict[str, tuple[float, int]] = {}
        """By reason: when it was noted last, and how many there were since."""

    @property
    def routes(self) -> Routes:
        found: dict[str, Mapping[str, Route]] = {}
        for service in self._gate.platform.services:
            found[f"/{service}/status"] = {"GET": self._status}
            for operation in self._services.operations(service):
                found[f"/{service}/{operation}"] = {"POST": partial(self._answered, service, operation)}
        return found

    @property
    def table(self) -> Table:
        """Who asks shows a voucher, and no token of ours."""
        return {path: {method: Permit(None, own=True) for method in methods} for path, methods in self.routes.items()}

    async def _status(self, request: Request) -> Response:
        try:
            await asyncio.get_running_loop().run_in_executor(self._porter, self._ledger.log.last_position)
        except (StoreUnavailable, StoreUnusable) as error:
            return _away(error, request)
        return Response(204, b"")

    async def _answered(self, service: ServiceName, operation: str, request: Request) -> Response:
        begun, loop, call = time.perf_counter(), asyncio.get_running_loop(), (service, operation, request)
        try:
            if not is_json(request.headers):
                raise _NotJson
            admitted = await loop.run_in_executor(self._porter, self._gate.admitted, service, request)
        except (BadToken, _NotJson) as error:
            found = await self._unproved(error, call)
        except OSError as error:
            found = _away(error, request)
        else:
            found = await loop.run_in_executor(self._keeper, self._answer, admitted, call)
        ANSWER_SECONDS.labels(f"/{service}/{operation}", str(found.status)).observe(time.perf_counter() - begun)
        return found

    async def _unproved(self, error: Exception, call: "_Call") -> Response:
        """Of nobody that is known."""
        reason, now = str(error), time.monotonic()
        told = says("eservices/json" if isinstance(error, _NotJson) else "eservices/unproved")
        status = 415 if isinstance(error, _NotJson) else 400 if reason in TOKENS else 401
        noted, more = self._turned_away.get(reason, (-NOTED_SECONDS, 0))
        if now - noted < NOTED_SECONDS:
            self._turned_away[reason] = noted, more + 1
            return _problem(status, reason, told, call)
        self._turned_away[reason] = now, 0
        reader = NOBODY._replace(purpose=f"- and {more} like it since") if more else NOBODY
        return await asyncio.get_running_loop().run_in_executor(
            self._keeper, partial(self._refused, status, reason, told, reader, call))

    def _answer(self, admitted: Admitted, call: "_Call") -> Response:
        service, operation, request = call
        try:
            if admitted.once is not None and not self._services.following.kept.use_once(*admitted.once, clock()):
                return self._refused(401, "token-replayed", says("eservices/unproved"), admitted.reader, call)
            answer = self._services.answer(service, operation, request.body, admitted.reader)
        except Unasked as error:
            return self._refused(400, "bad-request", error.told, admitted.reader, call)
        except (StoreUnavailable, StoreUnusable, OSError) as error:
            return _away(error, request)
        return self._signed(json_body(answer), admitted)

    def _signed(self, body: bytes, admitted: Admitted) -> Response:
        found = Response(200, body)
        return found._replace(headers=self._gate.signed(body, found.type, admitted.client))

    def _refused(self, status: int, reason: str, told: Phrase, reader: Asker, call: "_Call") -> Response:
        try:
            self._services.refused(reader._replace(purpose=f"{status} {reason} {reader.purpose}"), *call[:2])
        except (StoreUnavailable, StoreUnusable, OSError) as error:
            return _away(error, call[2])
        return _problem(status, reason, told, call)


_Call = tuple[ServiceName, str, Request]
"""Service and operation, and what is asked."""


class _NotJson(Exception):
    def __str__(self) -> str:
        return "unknown-content-type"


def _problem(status: int, reason: str, told: Phrase, call: _Call) -> Response:
    headers = ((b"www-authenticate", b"Bearer"),) if status == 401 else ()
    return document(_language(call[2]), Misasked(status, reason, told), headers)


def _away(error: Exception, request: Request) -> Response:
    say(Note("serve/unavailable", "{why}", "error", why=error), "career-ledger")
    return document(_language(request), Misasked(500, "unavailable", says("http/unavailable")))


def _language(request: Request) -> Language:
    return preferred(request.headers.get(b"accept-language", b"").decode("latin-1"))
