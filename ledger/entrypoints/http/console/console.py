"""The pages by their addresses."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from markupsafe import Markup

from ledger.bootstrap import Answer, today
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.edges.text import json_text
from ledger.edges.web import Request, Response, Route
from ledger.entrypoints import facts, picture
from ledger.handling.trusted import SHOWN_ONLY
from ledger.words import Language, sentence, told

from ..api import Api
from ..asked import whole
from ..pages import event_name, spoken
from ..problems import Misasked, understood
from ..who import form, see
from . import acts, assets, findings, reports, search, services, situation
from .pages import page
from .tickets import TicketPages
from .visit import AskedDays, Visit, filled, visit
from .waiting import SlowPages

_Page = Callable[[Visit], Response]
FILES = frozenset({"/findings.csv", "/reports/{report}/rows.csv", "/students/{student}/proof"})
"""What is kept rather than shown."""


class Console:
    """Pages over one ledger, found in the same threads as every other answer."""

    def __init__(self, api: Api, followers: Mapping[str, str] | None = None) -> None:
        """`followers`: the addresses of the databases of services, by their names."""
        self._api, self.ledger, self._followers = api, api.ledger, followers or {}
        self.looks, self.waiting = findings.LooksAtAll(api.ledger), SlowPages()
        self._loop: asyncio.AbstractEventLoop  # of the server, known from the first request on

    @property
    def routes(self) -> dict[str, dict[str, Route]]:
        of_a_student: dict[str, dict[str, _Page]] = {
            "": {"GET": self._student}, "/timeline": {"GET": self._timeline}, "/events/{version}": {"GET": self._event},
            "/what-if": {"GET": self._what_if, "POST": self._what_if}}
        found: dict[str, dict[str, _Page]] = {
            "/": {"GET": self._search, "POST": self._look_up}, "/findings": {"GET": self._findings, "POST": self._look},
            "/findings.csv": {"GET": self._findings_as_csv}, "/subscribers": {"GET": self._subscribers},
            "/reports": {"GET": self._reports}, "/reports/{report}": {"GET": self._report},
            "/reports/{report}/rows.csv": {"GET": self._report_as_csv},
            "/students/{student}/proof": {"GET": self._proof},
            "/students/{student}/record": {"GET": self._record, "POST": self._record},
            **{f"{whose}{path}": methods for path, methods in of_a_student.items()
               for whose in ("/students/{student}", "/my")}}
        pages: dict[str, dict[str, Route]] = {
            **TicketPages(self._api.tickets, self.ledger.secret).routes,
            **{path: {method: self._shown(path, work) for method, work in methods.items()}
               for path, methods in found.items()}}
        return {"/assets/{mark}/{name}": {"GET": assets.given}, "/favicon.ico": {"GET": assets.given},
                **{path: {method: self._patiently(path, method, route) for method, route in methods.items()}
                   for path, methods in pages.items()}}

    def _patiently(self, path: str, method: str, route: Route) -> Route:
        if method != "GET":
            return self.waiting.after(path, route)
        return route if path in FILES else self.waiting.over(path, route)

    def _shown(self, path: str, work: _Page) -> Route:
        async def shown(request: Request) -> Response:
            self._loop = asyncio.get_running_loop()
            return await self._loop.run_in_executor(self._api.threads, partial(_tried, work, path, request))

        return shown

    # Who

    def _search(self, asked: Visit) -> Response:
        return page(asked, "search", **search.found(self._api, asked))

    def _look_up(self, asked: Visit) -> Response:
        return page(asked, "search", **search.looked_up(self._api, asked, form(asked.request.body)))

    # Everybody

    def _findings(self, asked: Visit) -> Response:
        found = findings.shown(self.looks, asked, self._api.rulebooks)
        if found.get("picture"):
            found["picture"] = Markup(found["picture"])  # noqa: S704 - of our own making, with every text escaped
        return page(asked, "findings", **found)

    def _look(self, asked: Visit) -> Response:
        self.looks.begin(findings.LookedAt(asked.on, asked.known_at))
        return see(asked.to("findings"))

    def _findings_as_csv(self, asked: Visit) -> Response:
        return _file("findings.csv", findings.as_csv(self.looks, asked, asked.language), "text/csv; charset=utf-8")

    def _reports(self, asked: Visit) -> Response:
        if asked.given:
            raise Misasked(400, "bad-query", says("http/query"))
        return page(asked, "reports", tab="reports", listed=reports.listed(asked.language),
                    **self._api.everybody.overview(asked.on))

    def _report(self, asked: Visit) -> Response:
        return page(asked, "report", **reports.shown(self._api, asked))

    def _report_as_csv(self, asked: Visit) -> Response:
        name, rows = reports.as_csv(self._api, asked)
        return _file(f"{name}.csv", rows, "text/csv; charset=utf-8")

    def _subscribers(self, asked: Visit) -> Response:
        try:
            published = self.ledger.published()
        except NotFound:
            published = {"topics": [], "last_position": self.ledger.log.last_position()}
        tables = told(self.ledger.projection_status(), asked.language) if self.ledger.has_projections() else None
        aside = [{**one, "where": topic["topic"]} for topic in published["topics"] for one in topic["set_aside"]]
        where = sentence(says("console/tables"), asked.language)
        aside += [{**one, "where": where} for one in (tables or {"set_aside": []})["set_aside"]]
        return page(asked, "subscribers", tab="subscribers", tables=tables, aside=aside,
                    services=list(services.told(self._followers)), **published)

    # One student

    def _student(self, asked: Visit) -> Response:
        student, language = _student(asked), asked.language
        clocks = asked.on, asked.known_at
        found = self.ledger.situation(student, *clocks)
        status, fees, timeline = (told(found[name], language) for name in ("status", "fees", "timeline"))
        events = found["recorded"]
        return page(
            asked, "student", student=student, tab="student", careers=[
                {**one, "about": situation.about(one, language)} for one in status["careers"]],
            tiles=situation.tiles(status, fees, told(found["booking"], language), language), fees=fees,
            blocks=list(situation.blocks(status, fees, language)), unknown=_unknown(status, fees),
            **drawn(timeline, language),
            years=list(situation.years(in_words(events, language))), of={one["id"]: one["version"] for one in events})

    def _timeline(self, asked: Visit) -> Response:
        student = _student(asked)
        timeline = told(self.ledger.timeline(student, asked.on, asked.known_at), asked.language)
        return page(asked, "timeline", student=student, tab="timeline", **drawn(timeline, asked.language))


    def _event(self, asked: Visit) -> Response:
        student, language, clock = _student(asked), asked.language, asked.known_at
        version = max(0, whole(asked.request.parts[-1], 9))
        recorded = self.ledger.event(student, version, clock)
        event, raw = told(recorded, language), json_text(
            {name: value for name, value in recorded.items() if name not in SHOWN_ONLY or name == "position"}, indent=2)
        known = self.ledger.head(student)["version"]
        return page(
            asked, "event", student=student, tab=None, event=event, raw=raw, name=event_name(event["type"], language),
            says=", ".join(facts.said(event["data"], language)),
            data=[(name, facts.value_of(name, value, language)) for name, value in event["data"].items()],
            before=version - 1 if version > 1 else None, following=version + 1 if version < known else None,
            new="recorded" in asked.given, sealed=None if asked.mine else self.ledger.sealed_up_to())

    def _proof(self, asked: Visit) -> Response:
        student = _student(asked)
        return _file(f"{student}.proof", self.ledger.prove(student).text.encode(), "text/plain; charset=utf-8")

    def _what_if(self, asked: Visit) -> Response:
        student, given = _student(asked), {**asked.given, **form(asked.request.body)}
        if given.get("do") == "move":
            asked = asked.moved(given)
        supposed = acts.supposed(self._api, asked, student, given)
        return page(asked, "what-if", student=student, tab="what-if", action=asked.about(student, "what-if"),
                    wrong=supposed.wrong, **acts.compared(self._api, asked, student, supposed.listed),
                    **acts.form_of(self.ledger, asked, student, acts.type_of(given), supposed.kept))

    def _record(self, asked: Visit) -> Response:
        """A check and a record come from the same form."""
        student, given = _student(asked), {**asked.given, **form(asked.request.body)}
        if "voids" in given:  # from the page of an event
            given |= acts.voiding(self.ledger.event(student, max(0, whole(given["voids"], 9))))
        found = acts.entered(self._api, self._enter, asked, student, given)
        if isinstance(found, acts.EventMade):
            return see(asked.about(student, "events", found.version, recorded=1))
        return page(asked, "record", student=student, tab="record", **found,
                    action=asked.about(student, "record"), given=given,
                    **acts.form_of(self.ledger, asked, student, acts.type_of(given), given))

    def _enter(self, form: Submission, version: int) -> Answer:
        """Submissions are gathered in the server's loop; this thread of answers waits for it."""
        return asyncio.run_coroutine_threadsafe(self._api.enter(form, version), self._loop).result()


def _file(name: str, content: bytes, kind: str) -> Response:
    """To be kept under this name."""
    return Response(200, content, kind, ((b"content-disposition", f'attachment; filename="{name}"'.encode()),))


def _student(asked: Visit) -> str:
    """Whose page it is; a student's own is her session's. Raises NotFound."""
    if not asked.mine:
        return asked.request.parts[0]
    if asked.caller.student is None:
        raise NotFound(says("missing/student", student=""))
    return asked.caller.student


def _unknown(status: Answer, fees: Answer) -> list[str]:
    """What cannot be told, once each."""
    found = [*(gap["message"] for career in status["careers"] for gap in career.get("unknown", ())),
             *(gap["message"] for gap in fees.get("unknown", ()))]
    return list(dict.fromkeys(found))


def drawn(timeline: Answer, language: Language) -> dict[str, Any]:
    """The picture, and the items that it shows for the table beside it. `timeline`: in words."""
    for career in timeline["careers"]:
        for item in career["items"]:
            item["when"] = facts.when(item, language)
    # of our own making, with every text escaped
    made = Markup(picture.inline(timeline, language)) if timeline["careers"] else None  # noqa: S704
    return {"timeline": timeline, "picture": made}


def in_words(events: Iterable[Answer], language: Language) -> list[Answer]:
    """Recorded events as a line tells them: `name`, `says`, `late` (recorded on another day than it holds)."""
    return [{**one, "name": event_name(one["type"], language), "says": ", ".join(facts.said(one["data"], language)),
             "late": one["recorded_at"][:10] != one["effective_on"]} for one in events]


def _tried(work: _Page, path: str, request: Request) -> Response:
    at = filled(path, request.parts)
    asked = Visit(request, at, {}, spoken(request.headers), False, AskedDays(), today())
    try:
        asked = visit(request, at)
        return work(asked)
    except Exception as error:
        wrong = understood(error)
        if wrong is None:
            raise
        return refused(asked, wrong)


_DAYS = {"on": says("console/on"), "known_on": says("console/known-on")}


def refused(asked: Visit, wrong: Misasked) -> Response:
    """A page that says what is wrong and what to mend."""
    errors = [{"of": sentence(_DAYS[one["parameter"]], asked.language) if one.get("parameter") in _DAYS else
               one.get("parameter") or one.get("pointer"), "says": sentence(one["detail"], asked.language)}
              for one in wrong.errors]
    told = says("console/address") if wrong.reason == "bad-query" else wrong.message
    return page(asked, "wrong", wrong.status, tab=None, says=sentence(told, asked.language), errors=errors,
                public=False)
