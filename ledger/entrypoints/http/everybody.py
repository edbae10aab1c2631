"""Questions about everybody: the reports and `find` of the command line over the stored projections, and what the
records show that the rules forbid, page by page."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import date
from itertools import islice
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ledger.bootstrap import Answer, Ledger, today
from ledger.domain.phrases import Phrase, says
from ledger.domain.values import Day
from ledger.projections.everybody.reports import BLOCKS, GROUPS, CareersPage, Reports
from ledger.store import StoreUnusable

from .asked import AsKnown, read_as
from .paging import Cursor, Cursors, KeptRows, Paged
from .problems import Misasked

MOST_COUNTED = 1_000
"""Careers: to count those of a whole university takes seconds."""
SECONDS = 3.0
"""After so long a page of findings ends with what there is: the rest of the log is for the next one."""
_SHORT = Annotated[str, Field(min_length=1, max_length=200)]


class OnDay(Paged):
    on: Day | None = None


class BlockedOn(OnDay):
    kind: Literal[BLOCKS] | None = None  # type: ignore[valid-type] # the words of a tuple


class Within(Paged):
    first: Annotated[Day, Field(alias="from")]
    last: Annotated[Day, Field(alias="to")]


class CountedBy(OnDay):
    by: Annotated[str, Field(max_length=200, pattern=rf"^({'|'.join(GROUPS)})(,({'|'.join(GROUPS)}))*$")] = \
        "programme,status,year"


class Careers(OnDay):
    career: _SHORT | None = None
    student: _SHORT | None = None
    programme: _SHORT | None = None
    status: _SHORT | None = None
    begins: _SHORT | None = None
    named: _SHORT | None = None


_WANTED = ("career", "student", "programme", "status", "begins", "named")


class AskedFindings(Paged, AsKnown):
    severity: Literal["breach", "derogation", "notice"] | None = None
    rule: _SHORT | None = None


_Ask = Callable[[Reports, Any], Answer]
REPORTS: Mapping[str, tuple[type[Paged], _Ask | None, Phrase]] = {
    "blocked": (BlockedOn, lambda reports, asked: reports.blocked(asked.on, asked.kind), says("api/blocked")),
    "arrears": (OnDay, lambda reports, asked: reports.arrears(asked.on), says("api/arrears")),
    "upcoming": (Within, lambda reports, asked: reports.upcoming(asked.first, asked.last), says("api/upcoming")),
    "reservations": (OnDay, lambda reports, asked: reports.reservations(asked.on), says("api/reservations")),
    "refunds": (OnDay, lambda reports, asked: reports.refunds(asked.on), says("api/refunds")),
    "unallocated": (OnDay, lambda reports, asked: reports.unallocated(asked.on), says("api/unallocated")),
    "unknown": (OnDay, lambda reports, asked: reports.unknown(asked.on), says("api/unknown")),
    "counts": (CountedBy, lambda reports, asked: reports.counts(asked.on, asked.by.split(",")), says("api/counts")),
    "find": (Careers, None, says("api/find")),
}
"""Each question by its name on the command line: what it takes, who answers (None: it is asked page by page), and
what it is in a sentence."""


def path_of(report: str) -> str:
    return "/v1/careers" if report == "find" else f"/v1/reports/{report}"


class Everybody:
    """Used by several threads. To be closed."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._cursors, self._kept = Cursors(ledger.secret), KeptRows()
        self._idle: list[tuple[Reports, ExitStack]] = []

    def close(self) -> None:
        while self._idle:
            self._idle.pop()[1].close()

    def report(self, name: str, query: Mapping[str, str]) -> Answer:
        """The rows of a page, `count` of all, and `next`: the cursor of the next page, null after the last. Raises
        Misasked."""
        return self._careers(query) if name == "find" else self.page(name, query)[0]

    def page(self, name: str, query: Mapping[str, str]) -> tuple[Answer, Answer]:
        """The same beside the whole answer that it is a page of. Raises Misasked."""
        kind, ask, _ = REPORTS[name]
        if ask is None:
            raise ValueError(name)
        cursor = self._cursors.read(name, query) if "cursor" in query else None
        asked = read_as(kind, {**query, **(cursor.filters if cursor else {})})
        if isinstance(asked, OnDay):
            asked.on = asked.on or today()
        if isinstance(asked, Within) and asked.last < asked.first:
            raise Misasked(400, "bad-query", says("http/query"), [
                {"parameter": "to", "detail": says("cli/to-before-from")}])

        def find() -> Answer:
            with self._reports() as reports:
                return ask(reports, asked)

        digest, begin = cursor.at if cursor is not None else ("", 0)
        whole = self._kept.again(digest, find) if cursor is not None else find()
        end = begin + asked.limit
        following = None
        if end < len(whole["rows"]):
            following = self._cursors.write(Cursor(name, cursor.filters if cursor else _filters(asked),
                                                   [digest or self._kept.keep(whole), end]))
        return {**whole, "rows": whole["rows"][begin:end], "count": len(whole["rows"]), "next": following}, whole

    def _careers(self, query: Mapping[str, str]) -> Answer:
        """Those may be everybody's: no page looks at more of them than it has, and each is of its own moment. `count`,
        of the first page's moment, is null where they are more than `MOST_COUNTED`."""
        cursor = self._cursors.read("find", query) if "cursor" in query else None
        asked = read_as(Careers, {**query, **(cursor.filters if cursor else {})})
        on = asked.on = asked.on or today()
        wanted = {name: getattr(asked, name) for name in _WANTED}
        student, career, count = cursor.at if cursor is not None else ("", "", None)
        with self._reports() as reports:
            found = reports.find(on, CareersPage(asked.limit + 1, (student, career)), **wanted)
            rows, more = found["rows"][:asked.limit], len(found["rows"]) > asked.limit
            if cursor is None:
                counted = reports.how_many(on, MOST_COUNTED + 1, **wanted) if more else len(rows)
                count = counted if counted <= MOST_COUNTED else None
        following = self._cursors.write(Cursor("find", cursor.filters if cursor else _filters(asked), [
            rows[-1]["student"], rows[-1]["career"], count])) if more else None
        return {**found, "rows": rows, "count": count, "next": following}

    def blocks_of(self, rows: Iterable[Answer], on: date) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """By student and career: the blocks of a page's students on a day, each as its kind and rule. Raises
        Misasked."""
        with self._reports() as reports:
            return reports.blocks_of({row["student"] for row in rows}, on)

    def overview(self, on: date) -> Answer:
        """How many stand how on a day. Raises Misasked."""
        with self._reports() as reports:
            return reports.overview(on)

    def findings(self, query: Mapping[str, str]) -> Answer:
        """The same of what the records of students show, one after the other, all as of one position. `set_aside`: how
        many on this page could not be read. Raises Misasked."""
        cursor = self._cursors.read("findings", query) if "cursor" in query else None
        asked = read_as(AskedFindings, {**query, **(cursor.filters if cursor else {})})
        asked.on = asked.on or today()
        if asked.known_at is not None and asked.known_position is not None:
            raise Misasked(400, "bad-query", says("http/query"), [{
                "parameter": "known_position",
                "detail": says("cli/not-both", first="known_at", second="known_position")}])
        if asked.known_at is None and asked.known_position is None:
            asked.known_position = self._ledger.log.last_position()
        after, skip = cursor.at if cursor is not None else (0, 0)
        rows: list[Answer] = []
        aside, going_on, until = 0, None, time.monotonic() + SECONDS
        for position, found, failed in self._ledger.findings_in_order(asked.on, asked.known_at, asked.known_position,
                                                                      after):
            aside += len(failed)
            wanted = (one for one in found if asked.severity in (None, one["severity"])
                      and asked.rule in (None, one["rule"]))
            of_hers = list(islice(wanted, skip, None))
            room = asked.limit - len(rows)
            rows += of_hers[:room]
            if len(of_hers) > room:
                going_on = [position - 1, skip + room]
                break
            after, skip = position, 0
            if time.monotonic() > until:
                going_on = [after, 0]
                break
        filters = cursor.filters if cursor else _filters(asked)
        return {"report": "findings", "on": asked.on.isoformat(), "known_position": asked.known_position,
                **({"set_aside": aside} if aside else {}), "rows": rows,
                "next": self._cursors.write(Cursor("findings", filters, going_on)) if going_on else None}

    @contextmanager
    def _reports(self) -> Iterator[Reports]:
        """One that is open, if nobody else has it just now. One that failed is opened anew."""
        try:
            reports, stack = self._idle.pop()
        except IndexError:
            stack = ExitStack()
            reports = stack.enter_context(self._ledger.reports())
        try:
            yield reports
        except StoreUnusable:
            stack.close()
            if not self._ledger.has_projections():
                raise Misasked(503, "no-projections", says("rebuild/nothing-stored")) from None
            raise
        except BaseException:
            stack.close()
            raise
        self._idle.append((reports, stack))


def _filters(asked: BaseModel) -> dict[str, str]:
    """As they stand in a query."""
    given = asked.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(Paged.model_fields))
    return {name: str(value) for name, value in given.items()}

