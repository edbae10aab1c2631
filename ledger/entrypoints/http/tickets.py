"""The ticket desk over HTTP, `/v1/tickets`: what the pages for people (`console/tickets.py`) do too.

Nothing personal stands in an address: a ticket is looked up by POST. What is sealed is read in the thread that has the
key store, what is recorded goes the way of every submission.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from contextvars import copy_context
from functools import partial
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from ledger.bootstrap import Answer, Ledger
from ledger.domain.form import Problem, problems_of
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.domain.values import printable
from ledger.edges.callers import Caller
from ledger.edges.text import visible
from ledger.edges.web import Response
from ledger.handling.submit import read_form
from ledger.helpdesk.desk import AlreadyLinked, HelpDesk, TicketReader
from ledger.helpdesk.form import KnownSender, TicketForm, read
from ledger.privacy.tickets import TriedTooOften, spelt_number

from .asked import decoded, must_agree, read_as
from .paging import Cursor, Cursors, Paged
from .problems import Misasked, field
from .replies import Inquiry, told_as

T = TypeVar("T")
LONGEST_ANSWER = 8_000
"""Characters."""


class AskedTickets(Paged):
    """Of one service, or all; those that wait or those that are answered."""

    service: Annotated[str, Field(max_length=64)] | None = None
    state: Literal["open", "closed"] = "open"


class AskedState(BaseModel):
    """What a ticket is looked up by."""

    model_config = ConfigDict(extra="forbid")
    email: Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(printable)]
    number: Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(printable)]


class TicketAnswer(BaseModel):
    """The answer, which closes the ticket."""

    model_config = ConfigDict(extra="forbid")
    answer: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_ANSWER),
                      AfterValidator(printable)]


class TicketStudent(BaseModel):
    """The student whose ticket it is."""

    model_config = ConfigDict(extra="forbid")
    student: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class OpenedNow(NamedTuple):
    """`again`: the form had come before."""

    number: str
    student: str
    again: bool


M = TypeVar("M", bound=BaseModel)
Entering = Callable[[Submission, int | None], Awaitable[Answer]]


class Tickets:
    """One ticket desk, for programs and for the pages."""

    def __init__(self, ledger: Ledger, keeper: Executor, enter: Entering) -> None:
        """`keeper`: the thread that has the key store; `enter`: stores a submission."""
        self._ledger, self._keeper, self._enter = ledger, keeper, enter
        self._cursors = Cursors(ledger.secret)
        self._desk: HelpDesk | None = None
        self.mails = False
        """Whether somebody sends them: without mails nobody opens a ticket on a page."""

    @property
    def works(self) -> Mapping[str, Mapping[str, Callable[[Inquiry], Awaitable[Response]]]]:
        return {"/v1/tickets": {"GET": self._listed, "POST": self._opened},
                "/v1/ticket-state": {"POST": self._state},
                "/v1/tickets/{number}": {"GET": self._thread},
                "/v1/tickets/{number}/answer": {"POST": self._answered},
                "/v1/tickets/{number}/student": {"POST": self._linked}}

    # What pages do too

    async def kept(self, ask: Callable[..., T], *given: Any) -> T:
        """In the thread that has the key store, as whoever asks."""
        return await asyncio.get_running_loop().run_in_executor(
            self._keeper, partial(copy_context().run, ask, *given))

    async def desk(self) -> HelpDesk:
        """Raises Misasked where it is switched off."""
        if self._desk is None:
            try:
                self._desk = await self.kept(self._ledger.help_desk)
            except NotFound as error:
                raise Misasked(404, "desk-off", error.told) from None
        return self._desk

    async def sender(self, student: str | None) -> KnownSender | None:
        """Raises NotFound."""
        return None if student is None else await self.kept((await self.desk()).sender, student)

    async def open(self, given: Mapping[str, Any], student: str | None, who: str) -> OpenedNow | list[Problem]:
        """Records what a form asks, or says what is wrong with it. `student`: who signed in, or in whose name a program
        asks. Raises Misasked."""
        desk = await self.desk()
        sender = await self.sender(student)
        form = read(given, sender, desk.offer)
        if not isinstance(form, TicketForm):
            return form
        if form.follows is not None:
            form = form.model_copy(update={"follows": spelt_number(form.follows)})
        try:
            claim = await self.kept(desk.claim, form, sender, who)
        except TriedTooOften:
            raise Misasked(429, "too-often", says("desk/opened-too-often")) from None
        found = await self._recorded(desk.submission(claim, form, who), claim.number)
        if found["outcome"] == "invalid":  # its id is taken
            raise Misasked(409, "sent-before", says("desk/sent-before"))
        return OpenedNow(claim.number, claim.student, found["outcome"] == "duplicate")

    async def look_up(self, email: str, number: str) -> Answer | None:
        """Raises Misasked where it was tried too often."""
        try:
            return await self.kept((await self.desk()).look_up, email, number)
        except TriedTooOften:
            raise Misasked(429, "too-often", says("desk/looked-up-too-often")) from None

    async def thread(self, number: str, caller: Caller, purpose: str) -> Answer:
        """Raises NotFound."""
        return await self.kept((await self.desk()).thread, number, TicketReader(caller.subject, purpose),
                               (caller.student or "") if caller.only_student else None)

    async def answer(self, number: str, answer: str, caller: Caller) -> Answer:
        """What became of it. Raises NotFound, Misasked where it was answered before."""
        desk = await self.desk()
        submission = await self.kept(desk.closing, number, answer, caller.subject)
        found = await self._recorded(submission, submission["data"]["number"])
        if found["outcome"] == "invalid":
            raise Misasked(409, "answered-before", says("desk/answered-before"))
        return found

    async def link(self, number: str, student: str, caller: Caller) -> None:
        """In both streams or in neither. Raises NotFound, Misasked where it is linked otherwise."""
        desk = await self.desk()
        try:
            submissions = await self.kept(desk.linking, number, student, caller.subject)
        except AlreadyLinked:
            raise Misasked(409, "linked-before", says("desk/linked-before")) from None
        found = await self.kept(self._ledger.record_together, submissions)
        if any(one["outcome"] not in ("accepted", "duplicate") for one in found):
            raise Misasked(409, "linked-before", says("desk/linked-before"))
        await self.kept(desk.recorded, submissions[0]["data"]["number"], submissions[0]["student"])

    async def _recorded(self, submission: Answer, number: str) -> Answer:
        form = read_form(submission, True)
        if not isinstance(form, Submission):
            raise Misasked(422, "invalid", says("http/invalid"), [field(one) for one in form["problems"]])
        found = await self._enter(form, None)
        if found["outcome"] == "set-aside":
            raise Misasked(503, "set-aside", found["problems"][0]["message"])
        if found["outcome"] == "invalid" and found["problems"][0]["path"] != "id":
            raise Misasked(422, "invalid", says("http/invalid"), [field(one) for one in found["problems"]])
        await self.kept((await self.desk()).recorded, number, form.student)
        return found

    # The API

    async def _opened(self, asked: Inquiry) -> Response:
        given = _object(asked)
        caller = asked.request.caller
        student = given.pop("student", None)
        if caller.only_student:
            if student not in (None, caller.student):
                raise _wrong([Problem("student", says("form/not-yours"))])
            student = caller.student or ""
        elif student is not None:
            student = _read(TicketStudent, {"student": student}).student
        must_agree(asked.request, str(given.get("id")))
        found = await self.open(given, student, caller.subject)
        if not isinstance(found, OpenedNow):
            raise _wrong(found)
        return told_as(asked, {"number": found.number, "student": found.student, "state": "open"},
                       status=200 if found.again else 201)

    async def _state(self, asked: Inquiry) -> Response:
        given = _read(AskedState, _object(asked))
        found = await self.look_up(given.email, given.number)
        if found is None:
            raise Misasked(404, "not-found", says("desk/no-such-pair"))
        return told_as(asked, found)

    async def _thread(self, asked: Inquiry) -> Response:
        return told_as(asked, await self.thread(asked.parts[0], asked.request.caller, purpose_of(asked)))

    async def _listed(self, asked: Inquiry) -> Response:
        caller = asked.request.caller
        if caller.only_student:
            rows = await self.kept((await self.desk()).of, caller.student or "",
                                   TicketReader(caller.subject, purpose_of(asked)))
            return told_as(asked, {"tickets": rows, "next": None})
        rows, following = await self.page(asked.query, caller, purpose_of(asked))
        return told_as(asked, {"tickets": rows, "next": following})

    async def page(self, query: Mapping[str, str], caller: Caller, purpose: str) -> tuple[list[Answer], str | None]:
        """A page of the list, and the cursor of the next one. Raises Misasked."""
        desk = await self.desk()
        cursor = self._cursors.read("tickets", query) if "cursor" in query else None
        asked = read_as(AskedTickets, {**query, **(cursor.filters if cursor else {})})
        at, number = cursor.at if cursor is not None else ("", "")
        rows, following = await self.kept(desk.listed, asked.service, asked.state == "open", (at, number), asked.limit,
                                          TicketReader(caller.subject, purpose))
        filters = {"state": asked.state} | ({"service": asked.service} if asked.service is not None else {})
        return rows, self._cursors.write(Cursor("tickets", filters, following)) if following else None

    async def _answered(self, asked: Inquiry) -> Response:
        given = _read(TicketAnswer, _object(asked))
        found = await self.answer(asked.parts[0], given.answer, asked.request.caller)
        return told_as(asked, {"number": asked.parts[0], "state": "closed"},
                       status=200 if found["outcome"] == "duplicate" else 201)

    async def _linked(self, asked: Inquiry) -> Response:
        given = _read(TicketStudent, _object(asked))
        await self.link(asked.parts[0], given.student, asked.request.caller)
        return told_as(asked, {"number": asked.parts[0], "student": given.student})


def purpose_of(asked: Inquiry) -> str:
    """Why somebody reads: what was said, else the roles."""
    said = asked.request.headers.get(b"access-purpose", b"").decode("utf-8", "replace")
    return visible(said)[:2_000] or ", ".join(sorted(asked.request.caller.roles))


def _object(asked: Inquiry) -> Answer:
    if asked.query:
        raise Misasked(400, "bad-query", says("http/nothing-asked"))
    found = decoded(asked.request.body)
    if not isinstance(found, dict):
        raise Misasked(422, "invalid", says("form/object"))
    return found


def _read(model: type[M], given: Answer) -> M:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise _wrong(problems_of(error)) from None


def _wrong(problems: list[Problem]) -> Misasked:
    return Misasked(422, "invalid", says("desk/invalid"), [field(one.as_json() | {"path": one.path[:40]})
                                                          for one in problems])
