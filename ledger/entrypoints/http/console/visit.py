"""Who looks at a page, in which language, and how things stood when: the two days stand in every address."""

import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import NamedTuple
from urllib.parse import quote, urlencode

from pydantic import BaseModel, ConfigDict, ValidationError

from ledger.bootstrap import today
from ledger.domain.form import problems_of
from ledger.domain.phrases import says
from ledger.domain.values import ONE_DAY, Day, begins
from ledger.edges.callers import OFFICER, Caller
from ledger.edges.web import Request
from ledger.words import LANGUAGES, Language

from ..asked import query
from ..pages import LANGUAGE, spoken
from ..problems import Misasked
from ..who import admits

Given = str | int | None
PAGES: Mapping[str, tuple[str, ...]] = {"search": (), "tickets": ("tickets",), "reports": ("reports",),
                                        "findings": ("findings",),
                                        "subscribers": ("subscribers",)}
TABS: Mapping[str, tuple[str, ...]] = {"student": (), "timeline": ("timeline",), "what-if": ("what-if",),
                                       "record": ("record",), "tickets": ("tickets",)}


class AskedDays(BaseModel):
    """The day that a page is about, and as known at the end of which day (None: as everything is known now)."""

    model_config = ConfigDict(extra="forbid")
    on: Day | None = None
    known_on: Day | None = None


class Visit(NamedTuple):
    """One request for a page. `given`: of its address, without days and language; `chosen`: the language that the
    address asks for, which a cookie then keeps; `path`: of the page, to which its forms come back."""

    request: Request
    path: str
    given: Mapping[str, str]
    language: Language
    chosen: bool
    asked: AskedDays
    now: date

    @property
    def caller(self) -> Caller:
        return self.request.caller

    @property
    def on(self) -> date:
        return self.asked.on or self.now

    @property
    def known_at(self) -> datetime | None:
        """The last moment of the day that is asked about; None for everything."""
        known = self.asked.known_on
        return begins(known + ONE_DAY) - timedelta(microseconds=1) if known and known < self.now else None

    @property
    def mine(self) -> bool:
        """Whether the pages are about the session's own student, whose id stands in no address."""
        return self.caller.only_student

    @property
    def home(self) -> str:
        return self.to("my") if self.mine else self.to()

    @property
    def pages(self) -> list[tuple[str, str]]:
        """Those that this visitor may open, each by its name and address."""
        return [(name, self.to(*steps)) for name, steps in PAGES.items() if self.may("/" + "/".join(steps))]

    def tabs(self, student: str) -> list[tuple[str, str]]:
        """The same of one student."""
        route = "/my" if self.mine else "/students/{student}"
        return [(name, self.about(student, *steps)) for name, steps in TABS.items()
                if self.may("/".join((route, *steps)))]

    def may(self, route: str, method: str = "GET") -> bool:
        return admits(self.caller, route, method)

    @property
    def is_officer(self) -> bool:
        return OFFICER in self.caller.roles

    def to(self, *steps: str | int, **given: Given) -> str:
        """The address of a page, as things stood on the days of this one."""
        days = {name: day.isoformat() for name, day in self.asked if day is not None}
        return address(*steps, **days | given)

    def about(self, student: str, *steps: str | int, **given: Given) -> str:
        """The address of one of a student's pages."""
        return self.to(*(("my",) if self.mine else ("students", student)), *steps, **given)

    def moved(self, given: Mapping[str, str]) -> "Visit":
        """To other days, where they are asked for by a form. Raises Misasked."""
        return self._replace(asked=_days({name: given[name] for name in AskedDays.model_fields if given.get(name)}))

    def in_language(self, language: Language) -> str:
        """This page again."""
        days = {name: day.isoformat() for name, day in self.asked if day is not None}
        return f"{self.path}?{urlencode({**days, **self.given, LANGUAGE: language})}"

    @property
    def again(self) -> str:
        """This page, as it was asked for."""
        query = self.request.query.decode("ascii", "replace")
        return f"{self.path}?{query}" if query else self.path

    @property
    def at_once(self) -> str:
        """This page on today, as everything is known now."""
        return f"{self.path}?{urlencode(self.given)}" if self.given else self.path


def filled(path: str, parts: tuple[str, ...]) -> str:
    """A route as it was asked for."""
    given = iter(parts)
    return re.sub(r"\{[a-z_]+\}", lambda _: quote(next(given), safe=""), path)


def address(*steps: str | int, **given: Given) -> str:
    path = "/" + "/".join(quote(str(step), safe="") for step in steps)
    asked = {name: value for name, value in given.items() if value is not None}
    return f"{path}?{urlencode(asked)}" if asked else path


def visit(request: Request, path: str) -> Visit:
    """Raises Misasked where an address cannot be read."""
    given = {name: value for name, value in query(request.query).items() if value}
    chosen = given.pop(LANGUAGE, None)
    asked = _days({name: given.pop(name) for name in AskedDays.model_fields if name in given})
    return Visit(request, path, given, spoken(request.headers, chosen), chosen in LANGUAGES, asked, today())


def _days(given: Mapping[str, str]) -> AskedDays:
    try:
        return AskedDays.model_validate(given)
    except ValidationError as error:
        raise Misasked(400, "bad-query", says("http/query"), [
            {"parameter": one.path, "detail": says("console/day")} for one in problems_of(error)]) from None
