"""Amendments of a year's book: what is known since when, what holds from when, and what a wrong one is told."""

import hashlib
import json
from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ledger import bootstrap
from ledger.domain.books import LawBooks
from ledger.domain.knowledge import known
from ledger.domain.submissions import Event
from ledger.domain.timelines import timelines
from ledger.projections.student import fees, status
from ledger.rulebooks import loader
from ledger.rulebooks.loader import RuleBookError, load_books
from ledger.rulebooks.show import cite, diff, show
from tests.rules.memory import MemoryLedger
from tests.rules.runner import Line

PACKAGED = Path(loader.__file__).parent
BOOK = (PACKAGED / "2025-26.yaml").read_text(encoding="utf-8")
HEAD = """
# what became known later
amendments:
"""
SECOND = """- known_since: 2026-04-01
  holds_from: 2026-04-10
  document: a-decree
  heading: Article 1
  says: The second instalment is due on 30 June 2026.
  documents: {a-decree: An invented decree}
  rules:
    RAT-4:
      due_on: 2026-06-30
"""
PRICE = """- known_since: 2026-05-01
  holds_from: 2026-03-01
  document: guide-2025-26
  heading: A corrected page
  says: A pre-enrolment costs 60 euro.
  rules:
    CHG-1:
      amount: "60.00"
"""
STUDENT: list[dict[str, Any]] = [
    {"type": "enrolled", "career": "B", "on": "2025-09-10", "data": {
        "programme": "L-FIL", "academic_year": "2025-26", "course_type": "bachelor", "access": "open", "year": 1,
        "regime": "full-time"}},
    {"type": "instalment-paid", "career": "B", "on": "2025-09-10", "data": {"charge": "2025-26:enrolment",
                                                                            "amount": "156.00"}},
    {"type": "contribution-assessed", "career": "B", "on": "2026-01-10", "data": {"academic_year": "2025-26",
                                                                                  "contribution": "1000.00"}},
    {"type": "instalment-paid", "career": "B", "on": "2026-02-10", "data": {"charge": "2025-26:instalment-1",
                                                                            "amount": "400.00"}},
]


def books_with(folder: Path, *amendments: str) -> LawBooks:
    (folder / "2025-26.yaml").write_text(BOOK + (HEAD + "".join(amendments) if amendments else ""), encoding="utf-8")
    return load_books(folder)


def at(day: str) -> datetime:
    return datetime.fromisoformat(f"{day}T12:00:00+00:00")


def events_under(books: LawBooks, *lines: dict[str, Any]) -> list[Event]:
    ledger = MemoryLedger(books)
    sent = [Line.model_validate(line).submission("S", number) for number, line in enumerate(lines, 1)]
    told = list(ledger.append_lines([_json(one) for one in sent], "record"))
    assert all(one["outcome"] == "accepted" for one in told), told
    return ledger.streams["S"]


def _json(raw: dict[str, Any]) -> bytes:
    return json.dumps(raw).encode()


def second(events: list[Event], on: str, books: LawBooks) -> dict[str, Any]:
    answer = fees.answer(events, "S", date.fromisoformat(on), books)
    return next(one for one in answer["charges"] if one["charge"] == "2025-26:instalment-2")


# What holds when


def test_law_is_the_same_object_when_no_book_has_an_amendment(tmp_path: Path) -> None:
    books = books_with(tmp_path)
    assert books.on(date(2026, 1, 1)) is books.known_at(at("2020-01-01")) is books
    assert (books.turns, books.stages) == ((), {})


def test_due_date_moves_from_the_day_on_when_an_amendment_holds_before_it_has_passed(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND)
    events = events_under(books, *STUDENT)
    assert second(events, "2026-04-09", books)["due_on"] == "2026-05-15"
    assert second(events, "2026-04-10", books)["due_on"] == "2026-06-30"
    assert second(events, "2026-05-20", books)["state"] == "to-come"
    assert second(events, "2026-05-20", books)["source"]["heading"] == "Article 1"
    assert second(events, "2026-05-20", books.known_at(at("2026-03-31")))["state"] == "overdue"
    assert second(events, "2026-07-01", books)["state"] == "overdue"
    paid = {"type": "instalment-paid", "career": "B", "on": "2026-06-20", "data": {"charge": "2025-26:instalment-2",
                                                                                   "amount": "600.00"}}
    events = events_under(books, *STUDENT, paid)
    for law, late in ((books, None), (books.known_at(at("2026-03-31")), "40.00")):
        found = {one["charge"]: one["amount"] for one in fees.answer(events, "S", date(2026, 6, 20), law)["charges"]}
        assert found.get("2025-26:late-fee/instalment-2") == late


def test_due_date_stays_when_it_had_passed_before_the_amendment_holds(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND.replace("holds_from: 2026-04-10", "holds_from: 2026-05-16"))
    assert second(events_under(books, *STUDENT), "2026-05-20", books)["state"] == "overdue"
    books = books_with(tmp_path, SECOND.replace("holds_from: 2026-04-10", "holds_from: 2026-05-15"))
    assert second(events_under(books, *STUDENT), "2026-05-20", books)["state"] == "to-come"


def test_dates_of_an_agreed_plan_stay_when_the_due_date_moves(tmp_path: Path) -> None:
    plan = {"type": "instalment-plan-agreed", "career": "B", "on": "2026-03-20", "data": {
        "charges": ["2025-26:instalment-2"], "motivated": True, "instalments": [
            {"due_on": "2026-05-15", "amount": "300.00"}, {"due_on": "2026-06-15", "amount": "300.00"}]}}
    books = books_with(tmp_path, SECOND)
    parts = second(events_under(books, *STUDENT, plan), "2026-04-20", books)["parts"]
    assert [part["due_on"] for part in parts] == ["2026-05-15", "2026-06-15"]


def test_term_of_a_renewal_moves_when_an_amendment_holds_before_it_has_passed(tmp_path: Path) -> None:
    text = BOOK[BOOK.index("  CHG-3:"):]
    due = date.fromisoformat(text[text.index("due_on: ") + 8:][:10])
    books = books_with(tmp_path, SECOND.replace("RAT-4", "CHG-3").replace("2026-06-30", "2026-01-31").replace(
        "2026-04-01", "2025-09-15").replace("2026-04-10", "2025-09-15"))
    first = STUDENT[0]
    renewed = [first | {"on": "2024-09-10", "data": first["data"] | {"academic_year": "2024-25"}},
               {"type": "enrolment-renewed", "career": "B", "on": "2025-09-10", "data": {
                   "academic_year": "2025-26", "year": 2, "standing": "regular"}}]
    events = events_under(books, *renewed)
    for law, day, expected in ((books, "2025-09-14", due), (books, "2025-09-15", date(2026, 1, 31)),
                               (books.known_at(at("2025-09-14")), "2025-09-15", due)):
        charges = fees.answer(events, "S", date.fromisoformat(day), law)["charges"]
        assert [one["due_on"] for one in charges if one["charge"] == "2025-26:enrolment"] == [expected.isoformat()]


def test_price_is_that_of_the_day_of_the_act_and_of_what_was_known(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND, PRICE)
    applied = {"type": "preenrolled", "career": "M", "data": {"programme": "LM", "academic_year": "2025-26",
                                                              "course_type": "master", "access": "open"}}
    early, late = (events_under(books, applied | {"on": day}) for day in ("2026-02-28", "2026-03-01"))

    def price(events: list[Event], moment: str) -> str:
        law, seen = books.known_at(at(moment)), known(events, at(moment))
        found: str = fees.answer(seen, "S", date(2026, 6, 1), law)["charges"][0]["amount"]
        return found

    assert [price(early, "2026-06-01"), price(late, "2026-06-01"), price(late, "2026-04-30")] == [
        "52.00", "60.00", "52.00"]


def test_later_amendment_goes_over_an_earlier_one_when_both_hold(tmp_path: Path) -> None:
    again = SECOND.replace("known_since: 2026-04-01", "known_since: 2026-05-02").replace("2026-06-30", "2026-07-15")
    books = books_with(tmp_path, SECOND, PRICE, again)
    events = events_under(books, *STUDENT)
    assert [second(events, "2026-05-01", books.known_at(at(day)))["due_on"] for day in (
        "2026-03-31", "2026-04-01", "2026-05-02")] == ["2026-05-15", "2026-06-30", "2026-07-15"]


def test_value_marked_as_unknown_is_filled_in_later_and_earlier_answers_stay(tmp_path: Path) -> None:
    entry = BOOK[BOOK.index("  RAT-4:\n"):]
    entry = entry[:entry.index("\n  RAT-5:")]
    doubt = entry.replace("    due_on: 2026-05-15", "    unknown: {due_on: not seen}")
    assert doubt != entry
    (tmp_path / "2025-26.yaml").write_text(BOOK.replace(entry, doubt) + HEAD + SECOND.replace(
        "holds_from: 2026-04-10", "holds_from: 2025-10-01"), encoding="utf-8")
    books = load_books(tmp_path)
    events = events_under(books, *STUDENT)
    before = fees.answer(events, "S", date(2026, 5, 20), books.known_at(at("2026-03-01")))
    assert not any(one["charge"] == "2025-26:instalment-2" for one in before["charges"])
    assert second(events, "2026-05-20", books)["due_on"] == "2026-06-30"


def _days(events: list[Event]) -> Iterator[date]:
    day = min(event.effective_on for event in events)
    while day <= date(2026, 10, 10):
        yield day
        day += timedelta(days=1)


def test_intervals_are_the_answers_of_each_day_when_the_law_changes_between(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND, PRICE)
    for moment in ("2026-03-01", "2026-06-01"):
        law = books.known_at(at(moment))
        events = events_under(books, *STUDENT)
        rows = timelines(events, "S", law)
        for day in _days(events):
            held = {row[1]: (row[4], row[6]) for row in rows["charges"]
                    if row[2] <= day and (row[3] is None or day < row[3])}
            answer = fees.answer(events, "S", day, law)["charges"]
            assert {c["charge"]: (c["state"], c["due_on"]) for c in answer} == {
                key: (state, due.isoformat() if due else None) for key, (state, due) in held.items()}, day
            blocked = {row[1] for row in rows["blocks"] if row[4] <= day and (row[5] is None or day < row[5])}
            told = status.answer(events, "S", day, law)["careers"]
            assert {block["kind"] for career in told for block in career["blocks"]} == blocked, day


# What identifies the law


def test_identity_of_the_earlier_law_stays_when_an_amendment_is_added(tmp_path: Path) -> None:
    plain = books_with(tmp_path).identities["2025-26"]
    one = books_with(tmp_path, SECOND)
    two = books_with(tmp_path, SECOND, "# a comment\n\n", PRICE)
    assert [stage.identity for stage in two.stages["2025-26"]] == [
        plain, one.identities["2025-26"], two.identities["2025-26"]]
    assert len({plain, one.identities["2025-26"], two.identities["2025-26"]}) == 3
    file = (tmp_path / "2025-26.yaml").read_bytes() + (PACKAGED / "readings.yaml").read_bytes()
    assert two.identities["2025-26"][1] == hashlib.sha256(file).hexdigest()
    assert two.known_at(at("2026-04-15")).identity == one.identity


def test_act_is_decided_under_the_law_that_was_known_when_it_was_recorded(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND)
    events = events_under(books, *STUDENT, {"type": "exam-booked", "career": "B", "on": "2026-04-01", "data": {
        "course": "A", "held_on": "2026-04-20", "academic_year": "2025-26", "session": "summer",
        "calls_start_on": "2026-04-15", "mode": "oral"}})
    stages = [stage.identity for stage in books.stages["2025-26"]]
    assert [(e.rulebook.id, e.rulebook.sha256) if e.rulebook else None for e in events] == [*[stages[0]] * 4, stages[1]]
    assert {e.rulebook for e in events_under(books.known_at(at("2026-01-01")), *STUDENT)} == {events[0].rulebook}


# What is shown


def test_amendment_counts_for_nothing_until_the_day_has_come_on_which_it_is_known(tmp_path: Path) -> None:
    """A program starts with what is known at that moment, as if the file ended before."""
    later = SECOND.replace("known_since: 2026-04-01", "known_since: 2199-04-01")
    plain, books = books_with(tmp_path), books_with(tmp_path, PRICE.replace("2026-05-01", "2026-02-01"), later)
    started = bootstrap.law(tmp_path)
    priced = books_with(tmp_path, PRICE.replace("2026-05-01", "2026-02-01"))
    assert (started.identities, started.turns) == (priced.identities, priced.turns) != (plain.identities, plain.turns)
    assert started.known_at(None) is started is not books
    events = events_under(books, *STUDENT)
    assert second(events, "2026-05-20", started)["due_on"] == "2026-05-15"
    assert second(events, "2026-05-20", started.known_at(at("2199-03-31")))["due_on"] == "2026-05-15"
    assert second(events, "2026-05-20", started.known_at(at("2199-04-01")))["due_on"] == "2026-06-30"
    assert [one["known_since"] for one in show(started, "2025-26")["amendments"]] == ["2026-02-01"]


def test_show_tells_amendments_with_source_and_what_the_book_said_before(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND, PRICE)
    shown = show(books, "2025-26")
    assert [(one["known_since"], one["document"], one["rules"]) for one in shown["amendments"]] == [
        ("2026-04-01", "An invented decree", {"RAT-4": {"due_on": "2026-06-30"}}),
        ("2026-05-01", "Guida dello studente 2025-26", {"CHG-1": {"amount": "60.00"}})]
    rule = next(one for one in shown["rules"] if one["rule"] == "RAT-4")
    assert (rule["values"]["due_on"], rule["document"], rule["printed"]["values"]["due_on"]) == (
        "2026-06-30", "An invented decree", "2026-05-15")
    assert [one["since"] for one in shown["known"]] == [None, "2026-04-01", "2026-05-01"]
    earlier = show(books.known_at(at("2026-04-15")), "2025-26")
    assert [one["known_since"] for one in earlier["amendments"]] == ["2026-04-01"]
    assert earlier["sha256"] == shown["known"][1]["sha256"]
    assert cite(books, "CHG-1")["years"][0]["printed"]["values"] == {"amount": "52.00"}


def test_diff_names_the_year_whose_value_was_amended() -> None:
    changed = {one["rule"]: one for one in diff(load_books(), "2019-20", "2025-26")["changed"]}
    assert changed["RIS-6"]["amended"] == {"2019-20": "2020-06-16"}
    assert "amended" not in changed["BLK-3"]


# What a wrong one is told

WRONG = {  # what is wrong: (text, fragment of the line to mend, what the message must say)
    "unknown rule": (SECOND.replace("RAT-4:", "RTA-4:"), "RTA-4:",
        "amendments.0.rules.RTA-4: unknown id; mend it or remove the entry (did you mean RAT-4?)"),
    "unknown field": (SECOND.replace("due_on", "due_date"), "due_date:",
        "amendments.0.rules.RAT-4.due_date: unknown field"),
    "no such day": (SECOND.replace("2026-06-30", "2026-06-31"), "2026-06-31", "amendments.0.rules.RAT-4.due_on"),
    "no source": (SECOND.replace("  heading: Article 1\n", ""), "- known_since",
        "amendments.0.heading: missing; add heading"),
    "no day": (SECOND.replace("  holds_from: 2026-04-10\n", ""), "- known_since", "amendments.0.holds_from: missing"),
    "document without a title": (SECOND.replace("  documents: {a-decree: An invented decree}\n", ""),
                                 "document: a-decree",
                                 "amendments.0.document: a-decree is not among the documents"),
    "nothing changed": (SECOND.replace("    RAT-4:\n      due_on: 2026-06-30\n", "    {}\n"), "  rules:",
        "amendments.0.rules"),
    "period that ends before it begins": (
        SECOND.replace("RAT-4:\n      due_on: 2026-06-30", "CS-1:\n      last: 2019-01-01"),
        "last: 2019", "amendments.0.rules.CS-1.last: 2019-01-01 lies before first"),
    "out of order": (PRICE + SECOND, "known_since: 2026-04-01", "amendments.1.known_since: 2026-04-01 lies before"),
}


@pytest.mark.parametrize("what", WRONG)
def test_wrong_amendment_is_refused_with_its_line(tmp_path: Path, what: str) -> None:
    text, fragment, said = WRONG[what]
    with pytest.raises(RuleBookError) as caught:
        books_with(tmp_path, text)
    message = str(caught.value)
    assert said in message
    lines = (tmp_path / "2025-26.yaml").read_text(encoding="utf-8").splitlines()
    start = lines.index("amendments:")
    line = next(n for n, one in enumerate(lines, 1) if n > start and fragment in one)
    assert f"2025-26.yaml, line {line}: " in message


def test_amendments_that_are_not_the_end_of_the_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "2025-26.yaml").write_text(BOOK + HEAD + SECOND + "acts_until: 2026-09-30\n", encoding="utf-8")
    with pytest.raises(RuleBookError, match="as the last field of the file"):
        load_books(tmp_path)


def test_amendment_is_known_since_the_beginning_of_its_day_in_italy(tmp_path: Path) -> None:
    books = books_with(tmp_path, SECOND)
    midnight = datetime(2026, 3, 31, 22, tzinfo=timezone.utc)
    assert books.known_at(midnight) is books
    assert books.known_at(midnight - timedelta(microseconds=1)) is books.known_at(at("2026-01-01")) is not books
