"""The pages of the ticket desk: `/help` for everybody, `/my/tickets` for a student who signed in, `/tickets` for who
answers.

Who is nobody here has no session: her forms bear a token that fits a cookie of the same page instead.
"""

import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from ledger.bootstrap import Answer, today
from ledger.domain.form import Problem
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.edges.callers import NOBODY, OFFICER
from ledger.edges.web import Request, Response, Route
from ledger.helpdesk.desk import TicketReader
from ledger.helpdesk.form import FIELDS, filled_in, new_id
from ledger.words import sentence

from ..pages import cookies, spoken
from ..problems import Misasked, understood
from ..tickets import LONGEST_ANSWER, OpenedNow, Tickets
from ..who import form, see
from .pages import page
from .visit import AskedDays, Visit, filled, visit

COOKIE = "career-ledger-form"

_PagesOf = Mapping[str, Mapping[str, Callable[[Visit], Awaitable[Response]]]]


class TicketPages:
    """`secret`: the key of forms' tokens."""

    def __init__(self, tickets: Tickets, secret: Callable[[], bytes]) -> None:
        self._tickets, self._secret = tickets, secret
        self._key: bytes | None = None

    @property
    def routes(self) -> dict[str, dict[str, Route]]:
        found: _PagesOf = {
            "/help": {"GET": self._help}, "/help/new": {"GET": self._new, "POST": self._open},
            "/help/sent": {"GET": self._sent}, "/help/state": {"GET": self._ask_state, "POST": self._state},
            "/my/tickets": {"GET": self._mine}, "/my/new-ticket": {"GET": self._new, "POST": self._open},
            "/my/tickets/{number}": {"GET": self._thread},
            "/tickets": {"GET": self._listed}, "/tickets/{number}": {"GET": self._thread, "POST": self._answer}}
        return {path: {method: self._shown(path, work) for method, work in methods.items()}
                for path, methods in found.items()}

    def _shown(self, path: str, work: Callable[[Visit], Awaitable[Response]]) -> Route:
        async def shown(request: Request) -> Response:
            at = filled(path, request.parts)
            asked = Visit(request, at, {}, spoken(request.headers), False, AskedDays(), today())
            try:
                asked = visit(request, at)
                return await work(asked)
            except Exception as error:
                wrong = understood(error)
                if wrong is None:
                    raise
                return self._refused(asked, wrong)

        return shown

    def _refused(self, asked: Visit, wrong: Misasked) -> Response:
        """That the desk is switched off is no fault of the page's."""
        status = 200 if wrong.reason == "desk-off" else wrong.status
        return page(asked, "ticket-wrong", status, **self._frame(asked), says=sentence(wrong.message, asked.language))

    def _frame(self, asked: Visit) -> Answer:
        """What every page of the desk shows. `public`: whoever looks is nobody."""
        public = asked.caller is NOBODY
        return {"public": public, "mine": asked.mine, "tab": "tickets",
                "student": asked.caller.student if asked.mine else None}

    # Who is nobody

    async def _help(self, asked: Visit) -> Response:
        await self._must_mail()
        return page(asked, "help", **self._frame(asked))

    async def _sent(self, asked: Visit) -> Response:
        return page(asked, "ticket-sent", **self._frame(asked))

    async def _ask_state(self, asked: Visit) -> Response:
        await self._tickets.desk()
        return self._with_token(asked, "ticket-state", given={}, unknown=False)

    async def _state(self, asked: Visit) -> Response:
        given = form(asked.request.body)
        if not self._fits(asked, given):
            return self._with_token(asked, "ticket-state", given=given, unknown=False, old=True)._replace(status=403)
        found = await self._tickets.look_up(given.get("email", ""), given.get("number", ""))
        if found is None:
            return self._with_token(asked, "ticket-state", given=given, unknown=True)
        return self._with_token(asked, "ticket", **await self._told(found))

    # Opening

    async def _new(self, asked: Visit) -> Response:
        await self._must_mail()
        return await self._form(asked, {"id": new_id()}, [])

    async def _open(self, asked: Visit) -> Response:
        await self._must_mail()
        given = form(asked.request.body)
        if not self._fits(asked, given):
            return (await self._form(asked, {"id": new_id(), **given}, [], True))._replace(status=403)
        if given.get("do") == "again":  # from a closed ticket
            return await self._form(asked, {**given, "id": new_id(), "message": ""}, [])
        sent: dict[str, Any] = {name: given[name] for name in FIELDS if given.get(name)}
        sent["language"] = asked.language
        student = asked.caller.student if asked.mine else None
        who = asked.caller.subject if asked.mine else "stranger"
        found = await self._tickets.open(sent, student, who)
        if not isinstance(found, OpenedNow):
            return await self._form(asked, given, found)
        return see(asked.to("my", "tickets", found.number) if asked.mine else "/help/sent")

    async def _form(self, asked: Visit, given: Mapping[str, str], wrong: list[Problem], old: bool = False) -> Response:
        """`old`: the page that it was sent from; what was typed is kept."""
        desk = await self._tickets.desk()
        sender = await self._tickets.sender(asked.caller.student if asked.mine else None)
        fixed = filled_in({}, sender, desk.offer)
        values = {**dict.fromkeys(FIELDS, ""), **given}
        values |= {name: value for name, value in fixed.items() if name not in ("career", "degree_programme")}
        return self._with_token(
            asked, "ticket-form", given=values, fixed=fixed, programmes=dict(sender.programmes) if sender else {},
            desk=desk.offer, old=old,
            wrong=[{"path": one.path, "says": sentence(one.message, asked.language)} for one in wrong])

    async def _must_mail(self) -> None:
        """Raises Misasked: a number comes by mail, and so does the answer."""
        await self._tickets.desk()
        if not self._tickets.mails:
            raise Misasked(404, "desk-off", says("desk/no-mails"))

    # Hers, and those who answer

    async def _mine(self, asked: Visit) -> Response:
        desk = await self._tickets.desk()
        rows = await self._tickets.kept(desk.of, asked.caller.student or "",
                                        TicketReader(asked.caller.subject, "tickets"))
        return page(asked, "my-tickets", **self._frame(asked), rows=rows, **self._names(desk.offer))

    async def _listed(self, asked: Visit) -> Response:
        desk = await self._tickets.desk()
        given = {name: value for name, value in asked.given.items() if name in ("service", "state", "cursor")}
        rows, following = await self._tickets.page(given | {"limit": "25"}, asked.caller, "tickets")
        return page(asked, "tickets", **self._frame(asked), rows=rows, following=following,
                    service=given.get("service", ""), state=given.get("state", "open"), **self._names(desk.offer))

    async def _thread(self, asked: Visit) -> Response:
        return await self._ticket(asked, "", "")

    async def _answer(self, asked: Visit) -> Response:
        number, given = asked.request.parts[-1], form(asked.request.body)
        if given.get("do") == "link":
            return await self._link(asked, number, given.get("belongs_to", "").strip())
        answer = given.get("answer", "").replace("\r\n", "\n").strip()
        if not answer or len(answer) > LONGEST_ANSWER:
            return await self._ticket(asked, answer, sentence(says("desk/no-answer", at_most=LONGEST_ANSWER),
                                                              asked.language))
        try:
            await self._tickets.answer(number, answer, asked.caller)
        except Misasked as wrong:
            if wrong.reason != "answered-before":
                raise
            shown = await self._ticket(asked, answer, sentence(wrong.message, asked.language))
            return shown._replace(status=wrong.status)
        return see(asked.to("tickets", number, answered=1))

    async def _link(self, asked: Visit, number: str, student: str) -> Response:
        if not asked.is_officer:
            raise Misasked(403, "forbidden", says("http/forbidden", text=OFFICER))
        try:
            await self._tickets.link(number, student, asked.caller)
        except NotFound as error:
            return await self._ticket(asked, "", "", sentence(error.told, asked.language))
        return see(asked.to("tickets", number))

    async def _ticket(self, asked: Visit, answer: str, wrong: str, unknown: str = "") -> Response:
        found = await self._tickets.thread(asked.request.parts[-1], asked.caller, "tickets")
        return page(asked, "ticket", **self._frame(asked), **await self._told(found), answer=answer, wrong=wrong,
                    unknown=unknown, csrf=asked.caller.csrf, new="answered" in asked.given)

    async def _told(self, found: Answer) -> Answer:
        desk = await self._tickets.desk()
        return {"ticket": found, **self._names(desk.offer)}

    def _names(self, offer: Any) -> Answer:
        """Of services and contexts, by id."""
        return {"services": {one.id: one.name for one in offer.services},
                "contexts": {one.id: one.name for one in offer.contexts}}

    # Forms without a session

    def _with_token(self, asked: Visit, name: str, **values: Any) -> Response:
        if asked.caller is not NOBODY:
            return page(asked, name, **self._frame(asked), csrf=asked.caller.csrf, **_DEFAULTS | values)
        held = cookies(asked.request.headers).get(COOKIE) or secrets.token_urlsafe(24)
        found = page(asked, name, **self._frame(asked), csrf=self._token(held), **_DEFAULTS | values)
        cookie = f"{COOKIE}={held}; Path=/help; HttpOnly; SameSite=Strict".encode()
        return found._replace(headers=(*found.headers, (b"set-cookie", cookie)))

    def _fits(self, asked: Visit, given: Mapping[str, str]) -> bool:
        """Whether a form of nobody's bears the token of her cookie."""
        held = cookies(asked.request.headers).get(COOKIE, "")
        return asked.caller is not NOBODY or (bool(held) and hmac.compare_digest(
            given.get("csrf", "").encode(), self._token(held).encode()))

    def _token(self, held: str) -> str:
        if self._key is None:
            self._key = self._secret()
        return hmac.digest(self._key, f"form\n{held}".encode(), "sha256").hex()


_DEFAULTS: Answer = {"answer": "", "wrong": [], "new": False, "old": False}
