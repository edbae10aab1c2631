"""The e-services over HTTP: `/ifs01` to `/ifs09`, each with the paths of its file after it.

A request is in the access log whether it is answered or not. Errors are 400, 401 (the voucher), 415 and 500; their
bodies are problem documents, of which the files say nothing.
"""

import asyncio
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from datetime import datetime
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


class EServices:
    """`keeper`: the thread that has the key store."""

    def __init__(self, ledger: Ledger, gate: VoucherGate, services: Services, keeper: Executor) -> None:
        self._ledger, self._gate, self._services, self._keeper = ledger, gate, services, keeper

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
            await asyncio.get_running_loop().run_in_executor(self._keeper, self._ledger.log.last_position)
        except (StoreUnavailable, StoreUnusable) as error:
            return _away(error, request)
        return Response(204, b"")

    async def _answered(self, service: ServiceName, operation: str, request: Request) -> Response:
        begun = time.perf_counter()
        found = await asyncio.get_running_loop().run_in_executor(
            self._keeper, partial(self._answer, service, operation, request))
        ANSWER_SECONDS.labels(f"/{service}/{operation}", str(found.status)).observe(time.perf_counter() - begun)
        return found

    def _answer(self, service: ServiceName, operation: str, request: Request) -> Response:
        reader, call = NOBODY, (service, operation, request)
        try:
            if not is_json(request.headers):
                return self._refused(415, "unknown-content-type", says("eservices/json"), reader, call)
            admitted = self._gate.admitted(service, request, self._once)
            reader = admitted.reader
            answer = self._services.answer(service, operation, request.body, reader)
        except BadToken as error:
            status = 400 if str(error) in TOKENS else 401
            return self._refused(status, str(error), says("eservices/unproved"), reader, call)
        except Unasked as error:
            return self._refused(400, "bad-request", error.told, reader, call)
        except (StoreUnavailable, StoreUnusable, OSError) as error:
            return _away(error, request)
        return self._signed(json_body(answer), admitted)

    def _signed(self, body: bytes, admitted: Admitted) -> Response:
        found = Response(200, body)
        return found._replace(headers=self._gate.signed(body, found.type, admitted.client))

    def _once(self, token: str, until: datetime) -> bool:
        return self._services.following.kept.use_once(token, until, clock())

    def _refused(self, status: int, reason: str, told: Phrase, reader: Asker,
                 call: tuple[str, str, Request]) -> Response:
        service, operation, request = call
        self._services.refused(reader._replace(purpose=f"{status} {reason} {reader.purpose}"), service, operation)
        headers = ((b"www-authenticate", b"Bearer"),) if status == 401 else ()
        return document(_language(request), Misasked(status, reason, told), headers)


def _away(error: Exception, request: Request) -> Response:
    say(Note("serve/unavailable", "{why}", "error", why=error), "career-ledger")
    return document(_language(request), Misasked(500, "unavailable", says("http/unavailable")))


def _language(request: Request) -> Language:
    return preferred(request.headers.get(b"accept-language", b"").decode("latin-1"))
