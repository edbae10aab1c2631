"""A new year's rule book is written, checked and tried before it is law."""

import re
from datetime import date
from pathlib import Path

import pytest

from ledger.domain.books import LawBooks
from ledger.domain.phrases import says
from ledger.rulebooks.check import Finding, check
from ledger.rulebooks.draft import confirmed, draft, moved, words_draft
from ledger.rulebooks.institution import institution, packaged
from ledger.rulebooks.loader import RuleBookError, load_books, packaged_readings, read_book, source_of
from ledger.rulebooks.words import source_in, words_in
from ledger.words import sentence

NEW = "2026-27.yaml"


TODAY = date(2026, 7, 1)


@pytest.fixture(scope="module")
def books() -> LawBooks:
    return load_books()


@pytest.fixture(scope="module")
def source() -> str:
    return source_of("2025-26")[1]


@pytest.fixture(scope="module")
def drafted(source: str) -> str:
    return draft("2025-26.yaml", source, "2025-26", "2026-27", packaged(), sentence)


def looked(text: str, books: LawBooks) -> list[Finding]:
    return check(NEW, text.encode(), packaged_readings(), books, packaged(), words_in("none"), TODAY)


def test_draft_has_the_lines_of_its_source_with_every_day_moved(source: str, drafted: str) -> None:
    plain = re.sub(r"  # 2025-26: .*", "", confirmed(drafted.encode()).decode()).partition("\n\n")[2]
    years = re.compile(r"20\d\d(-\d\d(?![\d-]))?")
    assert years.sub("YEAR", plain) == years.sub("YEAR", source)
    assert plain.count("2026-27") == source.count("2025-26")


def test_draft_says_what_was_and_what_falls_on_a_weekend(drafted: str) -> None:
    assert "    due_on: !confirm 2026-10-03  # 2025-26: 2025-10-03; 3 October 2026 is a Saturday\n" in drafted
    assert "    due_on: !confirm 2027-02-17  # 2025-26: 2026-02-17\n" in drafted


def test_draft_lists_the_headings_to_read_in_the_order_of_the_guide(drafted: str) -> None:
    listed = re.findall(r"^# \[ \] (\d+)\.", drafted, re.MULTILINE)
    assert listed == sorted(listed, key=int)
    assert len(listed) > 25
    assert "(a.a. 2026-2027): CS-1\n" in drafted


def test_no_ledger_takes_a_draft_for_law_until_every_value_is_confirmed(drafted: str) -> None:
    while "!confirm" in drafted.replace("the word !confirm", ""):
        with pytest.raises(RuleBookError, match=r"2026-27.yaml, line \d+: .*remove !confirm"):
            read_book(NEW, drafted.encode())
        drafted = re.sub(r"(?<!the word )!confirm ", "", drafted, count=100)
    assert read_book(NEW, drafted.encode()).academic_year == "2026-27"


@pytest.mark.parametrize("year", load_books().years)
def test_every_packaged_book_can_be_the_next_year_s_draft(year: str) -> None:
    name, text = source_of(year)
    found = draft(name, text, year, "2031-32", packaged(), sentence)
    assert read_book(NEW, confirmed(found.encode())).academic_year == "2031-32"
    assert len(re.findall("!confirm", found)) > text.count("says:")
    assert "\namendments:" not in found
    assert ("The amendments of" in found) is ("\namendments:" in text)


def test_leap_day_moves_to_the_end_of_february() -> None:
    assert moved(date(2020, 2, 29), 1) == date(2021, 2, 28)
    assert moved(date(2020, 2, 29), 4) == date(2024, 2, 29)


def test_words_of_the_new_year_stand_after_those_of_the_old_one() -> None:
    old = '[BLK-3]\n2025-26 = "entro il 30 settembre 2026"\n'
    other = '[BLK-1]\nsays = "2025-26"\n[BLK-2]\nsays = "ogni rata"\n'
    assert words_draft(old + other, "2025-26", "2026-27", {"BLK-2", "BLK-3"}) == (
        old + '2026-27 = "entro il 30 settembre 2027"\n' + other)


def test_words_of_every_year_are_those_of_the_new_one_too_unless_they_name_a_year() -> None:
    everybody = '[PRE-5]\nsays = "entro il 3 ottobre 2025"\n'
    assert words_draft(everybody, "2025-26", "2026-27", {"PRE-5"}) == (
        everybody + '2026-27 = "entro il 3 ottobre 2026"\n')


@pytest.mark.parametrize(("day", "closed"), [
    (date(2026, 8, 26), says("rules/holiday", on=date(2026, 8, 26), text="Sant'Alessandro")),
    (date(2026, 12, 8), says("rules/holiday", on=date(2026, 12, 8), text="Immacolata Concezione")),
    (date(2026, 10, 3), says("rules/saturday", on=date(2026, 10, 3))),
    (date(2026, 10, 4), says("rules/sunday", on=date(2026, 10, 4))), (date(2026, 10, 5), None)])
def test_the_university_is_closed_on_weekends_and_holidays_its_own_included(day: date, closed: object) -> None:
    assert packaged().closed(day) == closed


def test_confirmed_draft_has_nothing_to_mend_and_its_weekends_to_look_at(drafted: str, books: LawBooks) -> None:
    found = looked(confirmed(drafted.encode()).decode(), books)
    assert {one.severity for one in found} == {"look"}
    assert {one.message.id for one in found} == {"rules/saturday", "rules/sunday", "rules/unknown"}


def test_check_names_each_value_that_is_not_confirmed(drafted: str, books: LawBooks) -> None:
    one = drafted.splitlines()[57 - 1:].index("    days: !confirm 30") + 57
    assert Finding("mend", one, "rules.BLK-1.days", says("rules/unconfirmed", text="30")) in looked(drafted, books)


@pytest.mark.parametrize(("old", "new", "severity", "field", "message"), [
    ('amount: "52.00"', 'amount: "79.00"', "look", "rules.CHG-1.amount", "rules/amount"),
    ('amount: "52.00"', 'amount: "78.00"', "", "rules.CHG-1.amount", ""),
    ("due_on: 2027-05-15", "due_on: 2026-05-15", "mend", "rules.RAT-4.due_on", "rules/same-day"),
    ("due_on: 2027-05-15", "due_on: 2062-05-15", "mend", "rules.RAT-4.due_on", "rules/another-year"),
    ("due_on: 2027-05-15", "due_on: 2027-02-16", "mend", "rules.RAT-4.due_on", "rules/before"),
    ("due_on: 2027-05-15", "due_on: 2027-06-02", "look", "rules.RAT-4.due_on", "rules/holiday"),
    ("due_on: 2027-05-15", "due_on: 2027-05-14", "look", "rules.RAT-4.says", "rules/words"),
    ('amount: "52.00"', 'amount: "60.00"', "look", "rules.CHG-1.says", "rules/words-amount"),
    ("last: 2026-05-30, enrol_from", "last: 2026-03-30, enrol_from", "mend", "rules.PRE-2.windows.0.last",
     "book/period"),
    ("  PRE-1:", "  PRE-4:", "mend", "", "book/twice"),
    ("at_most: 2\n", "at_most: 2\n    unknown: {}\n", "", "rules.PRE-1", ""),
    ("    at_most: 2\n", "    unknown: {at_most: not printed yet}\n", "look", "rules.PRE-1.unknown.at_most",
     "rules/unknown"),
    ("guide-2026-27: Guida dello studente 2026-27", "guide-2026-27: Guida dello studente 2025-26", "look",
     "documents.guide-2026-27", "rules/guide"),
    ("\n    heading: \"12. DIPLOMA SUPPLEMENT\"\n    says: The Diploma Supplement is issued", "\n    says: The",
     "mend", "rules.DS-1.heading", "book/missing")])
def test_check_finds_what_is_missing_or_implausible(drafted: str, books: LawBooks, old: str, new: str, severity: str,
                                                    field: str, message: str) -> None:
    text = re.sub("  # 2025-26.*", "", confirmed(drafted.encode()).decode())
    assert old in text
    found = {(one.severity, one.field, one.message.id) for one in looked(text.replace(old, new, 1), books)}
    if severity:
        assert (severity, field, message) in found
    else:
        assert not [one for one in found if one[1] == field]


def test_check_names_a_rule_that_the_year_before_has(drafted: str, books: LawBooks) -> None:
    text = confirmed(drafted.encode()).decode()
    without = text[:text.index("  DS-1:")] + text[text.index("  ENR:\n"):]
    assert ("rules", says("rules/left-out", academic_year="2025-26", rule="DS-1")) in [
        (one.field, one.message) for one in looked(without, books)]


@pytest.mark.parametrize(("since", "found"), [("2026-07-01", []), ("2026-07-02", ["look"]), ("2031-03-01", ["look"])])
def test_check_names_an_amendment_that_is_known_only_later(books: LawBooks, source: str, since: str,
                                                           found: list[str]) -> None:
    amended = f"""{source.replace("2025-26", "2026-27")}
amendments:
- known_since: {since}
  holds_from: 2026-10-10
  document: guide-2026-27
  heading: A corrected page
  says: A pre-enrolment costs 60 euro.
  rules:
    CHG-1:
      amount: "60.00"
"""
    told = [one for one in looked(amended, books) if one.field == "amendments.0.known_since"]
    assert [(one.severity, one.message) for one in told] == [
        (severity, says("rules/not-yet-known", known_since=date.fromisoformat(since))) for severity in found]


def test_check_names_a_rule_without_italian_words(books: LawBooks, source: str) -> None:
    found = check(NEW, source.replace("2025-26", "2026-27").encode(), packaged_readings(), books, packaged(),
                  words_in("it"), TODAY)
    assert {one.field for one in found if one.message.id == "rules/no-italian"} >= {"rules.RAT-3"}
    assert not [one for one in found if one.message.id == "rules/no-italian" and one.field == "rules.BLK-1"]


def test_check_names_italian_words_that_tell_another_day_or_amount_or_the_year_before(
        drafted: str, books: LawBooks, tmp_path: Path) -> None:
    text = confirmed(drafted.encode()).decode().replace("due_on: 2026-10-03", "due_on: 2026-10-05").replace(
        'at_most: "400.00"', 'at_most: "450.00"', 1)
    source, ids = source_in("it"), books.book_of("2025-26").ids

    def found(words: str) -> set[tuple[str, str]]:
        (tmp_path / "it.toml").write_text(words)
        return {(one.field, one.message.values["parts"][0].id) for one in check(
            NEW, text.encode(), packaged_readings(), books, packaged(), words_in("it", tmp_path), TODAY)
            if one.message.id == "rules/in-italian"}

    assert ("rules.PRE-5", "rules/words-of-the-year") in found(source)
    assert found(words_draft(source, "2025-26", "2026-27", ids)) == {
        ("rules.CHG-3", "rules/words"), ("rules.RAT-3", "rules/words-amount")}


@pytest.mark.parametrize("text", [
    "", "\ufeff", "- 1", "a: [", "rules: &r {BLK-1: *r}", "id: !confirm x",
    "rules: !confirm {a: 1}", "rules: !confirm [[a]]", "a: !confirm\n? [b]\n: c",
    "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 9 if n else ['1'])}]\n" for n in range(12))])
def test_check_of_what_is_no_rule_book_says_so_and_ends(text: str, books: LawBooks) -> None:
    found = looked(text, books)
    assert found
    assert {one.severity for one in found} == {"mend"}


@pytest.mark.parametrize(("text", "wrong"), [
    ("name: {it: Università, en: University}\nholidays:\n  - {day: 13-01, name: X}\n", "line 3: holidays.0.day"),
    ("name: {it: Università}\n", "line 1: name.en: missing"), ("[]\n", "line 1")])
def test_institution_that_is_wrong_is_refused_with_its_line(tmp_path: Path, text: str, wrong: str) -> None:
    (tmp_path / "institution.yaml").write_text(text)
    with pytest.raises(RuleBookError, match=wrong):
        institution(tmp_path)
