"""The stored rows foresee a forfeiture where a book states the years without exams, as the fold of every day does."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from ledger.domain.books import LawBooks
from ledger.domain.events import Event
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.domain.law import forfeiture
from ledger.domain.timelines import timelines
from ledger.projections.everybody import law_of, open_database
from ledger.projections.everybody.rebuild import rebuild
from ledger.projections.everybody.reports import Reports
from ledger.projections.everybody.verify import verify
from ledger.projections.student import status
from ledger.relay.states import states
from ledger.store import open_store
from tests.domain.test_enrolled_students import EVERY_YEAR, PACKAGED, TWO_YEARS, graded, with_rules
from tests.domain.test_switches import BACHELOR, ENROLLED, history

THREE_YEARS = with_rules(DEC_1={"years": 3, "suspended": "do-not-count"})
ONE_YEAR = with_rules(DEC_1={"years": 1, "suspended": "do-not-count"})
PAID: Any = ("instalment-paid", "2023-09-20", "B", {"charge": "2023-24:enrolment", "amount": "156.00"})
OLD: Any = (("enrolled", "2023-09-20", "B", BACHELOR | {"academic_year": "2023-24"}), PAID)
AWAY: Any = ("suspended", "2026-10-02", "B", {})
ONE_DAY = timedelta(days=1)
EARLY = datetime(2025, 1, 1, tzinfo=UTC)


def mixed(first: LawBooks, later: LawBooks, since: str) -> LawBooks:
    """The books of one, and from a year on those of the other."""
    books = {year: book for year in first.years
             if (book := (first if year < since else later).for_single_courses(year)) is not None}
    return LawBooks(books, first.identities, first.own)


LESS_LATER, MORE_LATER = mixed(TWO_YEARS, ONE_YEAR, "2026-27"), mixed(TWO_YEARS, THREE_YEARS, "2027-28")
HISTORIES: dict[str, tuple[LawBooks, tuple[Any, ...], list[str]]] = {
    "no exam, and the last book ends before the years are over": (THREE_YEARS, (*ENROLLED, graded("2027-06-20")), [
        "2030-10-01"]),
    "an exam came in time": (TWO_YEARS, (*ENROLLED, graded("2026-06-20")), ["2028-10-01"]),
    "an exam came too late, and then none": (TWO_YEARS, (*ENROLLED, graded("2027-11-20")), [
        "2027-10-01", "2030-10-01"]),
    "the office decided": (TWO_YEARS, (*ENROLLED, ("forfeited", "2027-10-20", "B", {})), ["2027-10-01"]),
    "suspended, and years of it do not count": (TWO_YEARS, (*ENROLLED, AWAY, ("resumed", "2027-10-01", "B", {})), [
        "2028-10-01"]),
    "suspended, and years of it count": (EVERY_YEAR, (*ENROLLED, AWAY), ["2027-10-01"]),
    "a later book asks for more": (MORE_LATER, ENROLLED, ["2028-10-01"]),
    "a later book asks for less": (LESS_LATER, ENROLLED, ["2026-10-01"]),
    "the years were over before a book said so": (TWO_YEARS, OLD, ["2025-10-01"]),
    "nobody has read the number": (PACKAGED, OLD, []),
}


def events_of(name: str) -> tuple[LawBooks, list[Event], list[str]]:
    books, steps, begins = HISTORIES[name]
    return books, history(books, *steps), begins


@pytest.mark.parametrize("name", HISTORIES)
def test_rows_say_of_each_day_what_the_fold_of_that_day_says(name: str) -> None:
    books, events, begins = events_of(name)
    rows = timelines(events, "S", books)
    spans = [(since, until) for _, since, until, _ in rows["forfeitable"]]
    assert [since.isoformat() for since, _ in spans] == begins
    unknown = [row for row in rows["gaps"] if row[1:3] == ("forfeiture", "DEC-1")]
    [state] = states(events, "S", books)
    sent = [(span["from"], span["until"], span.get("unknown")) for span in state.get("forfeiture", ())]
    assert [(since, until) for since, until, missing in sent if missing is None] == spans
    assert [(since, until, missing["academic_year"]) for since, until, missing in sent if missing is not None] == [
        (*row[3:5], row[6]) for row in unknown]
    day, last = events[0].effective_on, date(2031, 1, 1)
    while day < last:
        career = replay(in_force(events), "S", day, books).careers["B"]
        counted = forfeiture.foreseen(career, day, books)
        assert any(since <= day and (until is None or day < until) for since, until in spans) == (
            counted is not None and counted <= day), day
        gap = forfeiture.not_foreseen(career, day, books)
        assert [row[5:] for row in unknown if row[3] <= day and (row[4] is None or day < row[4])] == (
            [] if gap is None else [("DEC-1", gap.year, gap.missing)]), day
        day += ONE_DAY if (day.month, day.day) in ((9, 30), (10, 1)) else timedelta(
            days=max(1, min(20, (date(day.year + (day.month > 9), 9, 30) - day).days)))


@pytest.mark.parametrize("name", list(HISTORIES)[2:8:2])
def test_report_foresees_the_forfeiture_that_the_status_foresees(name: str, tmp_path: Path) -> None:
    books, events, begins = events_of(name)
    url = f"sqlite:///{tmp_path / 'ledger.db'}"
    with open_store(url) as store:
        store.append([replace(event, recorded_at=EARLY) for event in events])
    rebuild(url, books)
    assert list(verify(url, books)) == []
    with open_database(url) as database:
        reports = Reports(database, law_of(books))
        for begin in map(date.fromisoformat, begins):
            for first, told in ((begin, [begin.isoformat()]), (begin + ONE_DAY, [])):
                found = reports.upcoming(first, first + timedelta(days=300))["rows"]
                assert [row["on"] for row in found if row["what"] == "forfeiture"] == told
        on = events[-1].effective_on
        [career] = status.answer(events, "S", on, books)["careers"]
        later = [begin for begin in begins if begin > on.isoformat()]
        assert [change["on"] for change in career["upcoming"] if change["what"] == "forfeiture"] == later
