"""The rule books say what the guides say. Line numbers are those of the two guides (the sources are
not part of the repository)."""

from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

import pytest

from ledger.domain.books import LawBooks
from ledger.rulebooks.loader import load_books
from ledger.rulebooks.show import show

AS_PRINTED = datetime(2020, 1, 1, tzinfo=timezone.utc)
"""When nothing was known yet that changed what the guide of 2019-20 says."""


@pytest.fixture(scope="module")
def books() -> LawBooks:
    return load_books()


# rule and field, value of 2025-26 (line of its guide), value of 2019-20 (line of its guide); None: the year does not
# know the rule
VALUES: list[tuple[str, Any, Any]] = [
    ("BLK-1.days", 30, None),  # 819
    ("BLK-3.deadline", "2026-09-30", None),  # 820
    ("BLK-3.days", None, 30),  # 558
    ("CHG-1.amount", "52.00", "52.00"),  # 60, 112
    ("CHG-2.amount", "156.00", "156.00"),  # 789, 519
    ("CHG-2.stamp", "16.00", "16.00"),  # 873
    ("CHG-3.due_on", "2025-10-03", "2019-10-07"),  # 810, 519
    ("CHG-9.amount", "95.00", "95.00"),  # 480, 339
    ("CHG-10.amount", "66.00", "66.00"),  # 539, 380
    ("CHG-11.amount", "111.00", "111.00"),  # 600, 423
    ("CHG-12.amount", "111.00", "111.00"),  # 958, 636
    ("CHG-16.amounts", {"italy": "15.00", "eu": "20.00", "other": "40.00"},  # 1132
     {"italy": "10.00", "eu": "10.00", "other": "10.00"}),  # 812
    ("MOR-1.tiers", [{"through": 30, "amount": "20.00"}, {"through": 60, "amount": "40.00"},
                     {"through": 90, "amount": "60.00"}, {"through": None, "amount": "80.00"}],
     [{"through": 30, "amount": "20.00"}, {"through": 60, "amount": "40.00"}, {"through": 90, "amount": "60.00"},
      {"through": None, "amount": "80.00"}]),  # 846-849, 549-552
    ("MOR-5.amount", "95.00", "95.00"),  # 857, 556
    ("RAT-3.due_on", "2026-02-17", "2020-02-17"),  # 811, 521
    ("RAT-3.at_most", "400.00", "400.00"),
    ("RAT-4.due_on", "2026-05-15", "2020-05-15"),  # 813, 523
    ("RAT-5.up_to", "430.00", "430.00"),  # 815, 525
    ("RAT-6.below", "10.00", "10.00"),
    ("RAT-6.remits", "the-total", "any-payment"),  # 815-816, 525
    ("RAT-7.over", "500.00", None),  # 817
    ("RAT-9.share", "0.50", "0.50"),  # 421, 315
    ("ISE-1.until", "2025-12-31", "2019-12-31"),  # 829, 535
    ("ISE-2.until", "2026-09-30", "2020-09-30"),  # 836, 537
    ("ISE-2.amount", "150.00", "150.00"),
    ("ISE-5.issued_from", "2025-01-01", "2019-01-01"),  # 840, 541
    ("PRE-1.at_most", 2, 2),  # 60, 112
    ("PRE-5.until", "2025-10-03", None),  # 793
    ("PRE-5.late_until", "2025-11-28", None),  # 799
    ("PRE-6.windows", [{"first": "2025-04-01", "last": "2025-09-30"}, {"first": "2025-10-01", "last": "2025-10-31"},
                       {"first": "2025-11-03", "last": "2025-11-28"}],
     [{"first": "2019-04-01", "last": "2019-05-31"}, {"first": "2019-07-01", "last": "2019-09-06"}]),  # 177, 92-102
    ("PRE-7.open_until", "2025-09-30", "2019-07-24"),  # 187, 652
    ("PRE-7.restricted_until", "2025-01-15", "2019-07-24"),  # 237, 652
    ("PRE-7.first_degrees_until", None, "2019-07-24"),  # 652
    ("RIS-2.exams", 3, 3),  # 82, 135
    ("RIS-2.cfu", 24, 24),
    ("RIS-3.cfu", 24, 24),  # 86, 136
    ("RIS-3.until", "2026-02-28", "2020-02-29"),
    ("RIS-6.until", "2026-04-30", "2020-04-30"),  # 89, 140
    ("RIS-8.free_for", "own-graduates", "every-failed-reservation"),  # 93, 150
    ("LAU-3.by", {"autumn": "2026-02-28", "winter": "2026-05-31", "extraordinary": "2026-07-31"}, None),  # 875-877
    ("CS-1.first", "2025-08-01", "2019-08-01"),  # 317, 224
    ("CS-1.last", "2026-07-15", "2020-07-17"),
    ("CS-2.cfu", 36, None),  # 319
    ("CS-3.one_per", "person", "career"),  # 329, 235
    ("CS-10.after_scroll", True, False),  # 358, 251
    ("CS-4.per_cfu", "25.00", "25.00"),  # 353, 249
    ("CS-4.stamp", "16.00", "16.00"),  # 326, 231
    ("CS-5.days", 15, 15),  # 327, 231
    ("CS-6.working_days", 15, None),  # 331, 239: paid at all is enough
    ("CS-8.enrolled", "outside-own-plan", "allowed"),  # 351, 245
    ("CS-9.shares", {"disability": "0.40", "detention": "0.40"}, None),  # 355-357
    ("CS-12.free", True, False),  # 332-334; 221 asks for the programme's title and is silent on exchange
    ("RIS-3.courses_of", "2024-25", "2018-19"),  # 84, 136
    ("CS-11.until", "2027-02-28", "2021-02-28"),  # 361, 255
    ("CS-11.reserved_until", "2027-04-30", "2021-04-30"),
    ("PT-2.first", "2025-08-01", "2019-08-01"),  # 409, 307
    ("PT-2.last", "2025-10-03", "2019-10-07"),
    ("PT-2.ofa", True, False),  # 411
    ("PT-7.last_year", {"bachelor": 3, "master": 2, "single-cycle": 5}, None),  # 416
    ("RIC-1.until", "2025-11-14", "2019-10-31"),  # 524, 367
    ("RIC-1.late", [{"preenrolled_until": "2025-10-31", "until": "2025-12-05"},
                    {"preenrolled_until": "2025-11-28", "until": "2025-12-19"}],
     None),  # 526
    ("RIC-2.second_until", "2025-10-20", None),  # 503
    ("RIC-2.second_scroll_until", "2025-11-14", None),
    ("RIC-8.first", None, "2019-09-16"),  # 347
    ("RIC-8.kinds", None, ["transfer", "second-degree", "re-enrolment", "shortening"]),  # 347, 421, 461, 501, 592
    ("RIC-11.first", "2025-08-06", "2019-08-01"),  # 901, 576
    ("RIC-11.until", "2025-10-03", "2019-09-06"),
    ("RIC-11.late", True, True),
    ("RIC-11.late_until", "2025-11-28", None),  # 930
    ("RIC-11.classes", None, {"L-24": "2019-09-13", "LM-85bis": "2019-09-27"}),  # 600, 602
    ("RIC-12.first", "2025-08-06", "2019-08-01"),  # 952, 627
    ("RIC-12.until", "2025-10-03", "2019-09-06"),
    ("RIC-12.late", True, False),
    ("RIC-12.late_until", "2025-11-28", None),  # 954
    ("RIC-14.first", "2025-08-06", None),  # 528
    ("ANN-1.steps", [(29, 1), (None, 2)], [(29, 1), (None, 2)]),  # 493, 356
    ("ANN-2.steps", [(29, 1), (89, 2), (None, 3)], [(29, 1), (89, 2), (None, 3)]),  # 935, 609
    ("ANN-3.steps", [(50, 1), (100, 2), (None, 3)], [(29, 1), (89, 2), (None, 3)]),  # 939, 608
    ("ANN-4.steps", [(35, 1), (80, 2), (134, 3), (226, 4), (None, 5)],
     [(35, 1), (80, 2), (134, 3), (226, 4), (None, 5)]),  # 944, 617
    # 995, 678
    ("PDS-1.others", {"first": "2025-10-15", "last": "2025-11-17"}, {"first": "2019-10-14", "last": "2019-11-08"}),
    ("PDS-1.first_year_master", {"first": "2025-10-29", "last": "2025-11-21"},
     {"first": "2019-10-28", "last": "2019-11-18"}),  # 996, 678
    ("PDS-2.amount", "50.00", None),  # 1000
    ("PRN-1.days", 5, 5),  # 1048, 738
    ("PRN-2.days", 15, 30),  # 1054, 745
    ("RIN-3.days", 30, None),  # 1084
    ("RIN-3.amount", "16.00", None),
    ("RIN-8.until", "2026-02-17", "2020-02-17"),  # 1107, 785
    ("RIN-8.exams", "session", "year"),
    ("RIN-10.until", "2026-05-15", "2020-05-15"),  # 1110, 789
    ("RIN-10.exams", "session", "year"),
    ("RIN-11.share", "0.50", "0.50"),  # 1112, 791
]


@pytest.mark.parametrize(("field", "in_2025", "in_2019"), VALUES, ids=[v[0] for v in VALUES])
def test_value_is_that_of_the_guide(books: LawBooks, field: str, in_2025: Any, in_2019: Any) -> None:
    rule_id, name = field.split(".")
    for year, expected in (("2025-26", in_2025), ("2019-20", in_2019)):
        rules = {rule["rule"]: rule["values"] for rule in show(books.known_at(AS_PRINTED), year)["rules"]}
        found = rules.get(rule_id, {}).get(name)
        if name == "steps":
            found = [(step["through"], step["year"]) for step in found]
        assert found == expected, year


def _windows(books: LawBooks, year: str) -> list[tuple[str, ...]]:
    book = books.of(year)
    assert book is not None
    assert book.rules.PRE_2 is not None
    return [(w.first.isoformat(), w.last.isoformat(), w.enrol_from.isoformat(), w.enrol_until.isoformat(),
             "late" if w.late else "")
            for w in book.rules.PRE_2.windows]


def test_preenrolment_windows_of_2025_26_leave_gaps_and_two_are_late(books: LawBooks) -> None:
    assert _windows(books, "2025-26") == [  # lines 62 to 73
        ("2025-04-01", "2025-05-30", "2025-07-07", "2025-08-29", ""),
        ("2025-06-03", "2025-08-29", "2025-09-29", "2025-10-15", ""),
        ("2025-09-01", "2025-09-30", "2025-10-27", "2025-11-14", ""),
        ("2025-10-01", "2025-10-31", "2025-11-25", "2025-12-05", "late"),
        ("2025-11-03", "2025-11-28", "2025-12-15", "2025-12-19", "late")]


def test_preenrolment_windows_of_2019_20_lead_to_one_period_of_enrolment(books: LawBooks) -> None:
    assert _windows(books, "2019-20") == [  # lines 94, 98, 128
        ("2019-04-01", "2019-05-31", "2019-07-08", "2019-10-31", ""),
        ("2019-07-01", "2019-09-06", "2019-07-08", "2019-10-31", "")]


def test_selections_of_restricted_masters(books: LawBooks) -> None:
    book = books.of("2025-26")
    assert book is not None
    assert book.rules.PRE_3 is not None  # lines 111 to 122
    assert [(s.first, s.last, s.enrol_by, s.scroll_enrol_by) for s in book.rules.PRE_3.selections] == [
        (date(2025, 4, 1), date(2025, 5, 30), date(2025, 7, 4), date(2025, 7, 15)),
        (date(2025, 7, 1), date(2025, 8, 22), date(2025, 9, 30), date(2025, 10, 9))]


def test_single_courses_of_2024_25(books: LawBooks) -> None:
    book = books.for_single_courses("2024-25")
    assert book is not None
    law = book.rules
    assert law.CS_1 is not None
    assert (law.CS_1.first, law.CS_1.last) == (date(2024, 8, 1), date(2025, 7, 15))  # line 263
    assert law.CS_8 is not None
    assert law.CS_8.enrolled == "never"  # line 290
    assert law.CS_9 is not None
    assert law.CS_9.shares == {"disability": Decimal("0.40")}  # line 298: nothing for detention
    assert law.CS_11 is not None
    assert (law.CS_11.until, law.CS_11.reserved_until) == (date(2026, 2, 28), date(2026, 4, 30))  # line 301
    assert law.CS_12 is not None
    assert not law.CS_12.free  # chapter 3 frees no exchange students


def test_years_that_govern_acts_and_late_degrees(books: LawBooks) -> None:
    assert books.years == ["2019-20", "2023-24", "2024-25", "2025-26"]
    assert books.act_year("2024-25", date(2025, 9, 30)) == "2024-25"
    assert books.act_year("2024-25", date(2025, 10, 1)) == "2025-26"
    assert books.act_year("2018-19", date(2020, 9, 30)) == "2019-20"
    assert books.act_year("2018-19", date(2020, 10, 1)) == "2018-19"
    late = books.for_late_degrees("2024-25", date(2025, 10, 1))
    assert late is not None
    assert late.academic_year == "2025-26"
    earlier = books.for_late_degrees("2024-25", date(2025, 9, 30))
    assert earlier is not None
    assert earlier.academic_year == "2024-25"
    assert books.act_year("2021-22", date(2023, 9, 30)) == "2021-22"
    assert books.act_year("2021-22", date(2023, 10, 1)) == "2023-24"
    assert books.act_year("2023-24", date(2024, 10, 1)) == "2024-25"
    assert [books.of(year) for year in ("2020-21", "2021-22", "2022-23")] == [None, None, None]
    assert books.for_late_degrees("2022-23", date(2023, 11, 1)) is None


def test_values_of_the_years_between(books: LawBooks) -> None:
    """Against the table of public facts, each seen in a page of that very year."""
    former, latter = books.of("2023-24"), books.of("2024-25")
    assert former is not None
    assert latter is not None
    for book, renewal, first, second in ((former, date(2023, 10, 3), date(2024, 2, 15), date(2024, 5, 17)),
                                         (latter, date(2024, 10, 4), date(2025, 2, 17), date(2025, 5, 15))):
        assert book.rules.CHG_3 is not None
        assert book.rules.RAT_3 is not None
        assert book.rules.RAT_4 is not None
        assert (book.rules.CHG_3.due_on, book.rules.RAT_3.due_on, book.rules.RAT_4.due_on) == (renewal, first, second)
        assert (book.rules.CHG_3.amount, book.rules.RAT_3.at_most) == (Decimal("156.00"), Decimal("400.00"))
    unread = {"BLK-3", "ISE-3", "RIN-3", "LAU-1", "CS-1", "PRN-1", "RIC-7"}
    assert unread <= former.unknown.keys()
    assert {"RAT-2", "RAT-5", "RAT-6", "LAU-1", "RIN-4", "PRN-1", "RIC-7"} <= latter.unknown.keys()
    assert former.denied == latter.denied == {}


DOCUMENTS = {
    "2019-20": {"Guida dello studente 2019-20", "Guida dello studente 2019-20, STUDENTI, stampa del 14 novembre 2019"},
    "2023-24": {"Guida dello studente 2023-24, STUDENTI", "Guida dello studente, STUDENTI, stampa del 27 aprile 2024",
                "Guida dello studente 2023-24, FUTURI STUDENTI", "unibg.it, Tasse e agevolazioni 2023-24",
                "en.unibg.it, Taxes and benefits 2023-24"},
    "2024-25": {"Guida dello studente 2025-26", "Guida dello studente 2024-25, FUTURI STUDENTI",
                "Guida dello studente 2024-25, LAUREATI", "Guida dello studente 2024-25, STUDENTI",
                "unibg.it, Pre-iscrizioni e immatricolazioni 2024-25", "unibg.it, Pagamenti tardivi 2024-25",
                "unibg.it, Modalità di pagamento 2024-25"},
    "2025-26": {"Guida dello studente 2025-26"},
}


@pytest.mark.parametrize("year", list(DOCUMENTS))
def test_every_rule_cites_its_source_and_a_known_interpretation(books: LawBooks, year: str) -> None:
    book = show(books.known_at(AS_PRINTED), year)
    register = {choice["id"] for choice in book["interpretations"]}
    assert register == {f"AMB-{n}" for n in range(1, 59)}
    for rule in book["rules"]:
        assert rule["heading"].strip(), rule["rule"]
        assert rule["says"].strip().endswith("."), rule["rule"]
        assert rule["document"] in DOCUMENTS[year], rule["rule"]
        assert rule["interpretation"] is None or rule["interpretation"]["id"] in register


def test_rules_that_only_one_year_knows(books: LawBooks) -> None:
    known = {year: {rule["rule"] for rule in show(books, year)["rules"]} for year in ("2019-20", "2025-26")}
    assert known["2019-20"] - known["2025-26"] == {"PRE-10", "RIC-8", "RNW-1"}
    new = {"BLK-1", "BLK-2", "BLK-4", "MOR-4", "MOR-5a", "MOR-6", "PDS-2", "PT-7", "RIC-7", "RIN-3", "RIN-5"}
    assert new <= known["2025-26"] - known["2019-20"]
    assert {"RIN-1", "RIS-7", "MOR-2", "ENR", "PREP"} <= known["2019-20"] & known["2025-26"]
