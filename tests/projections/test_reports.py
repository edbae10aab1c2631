"""Every report equals a fold of every student by brute force, on many days."""

import random
import re
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from functools import cache
from typing import Any

import psycopg
import pytest

from ledger.domain.account import overdue_amount, state_of, unallocated
from ledger.domain.fold import replay
from ledger.domain.knowledge import in_force
from ledger.domain.law.forfeiture import not_foreseen
from ledger.domain.law.lateness import accruing
from ledger.domain.law.refunds import refundable
from ledger.domain.state import Gap, Person
from ledger.projections.everybody import law_of, open_database
from ledger.projections.everybody.rebuild import rebuild
from ledger.projections.everybody.reports import CareersPage, Reports, _Asked, _finding
from ledger.projections.everybody.shape import shown
from ledger.store import EventStore, StoreUnusable, open_store
from tests.sizes import sized

from .populations import BOOKS, fill, population, streams

pytestmark = pytest.mark.xdist_group("reports")  # who does the sums once has them for all
STUDENTS, DATES = sized((80, 8), (80, 8), (2000, 20))
ONE_DAY = timedelta(days=1)


def _days() -> list[date]:
    chance = random.Random(11)
    fixed = [date(2019, 12, 20), date(2020, 3, 31), date(2024, 10, 1), date(2025, 10, 1), date(2026, 3, 20),
             date(2026, 5, 2), date(2026, 11, 30)]
    return (fixed + [date(2018, 1, 1) + timedelta(days=chance.randrange(3300)) for _ in range(DATES)])[:DATES]


DAYS = _days()


@cache
def people(on: date) -> dict[str, Person]:
    """Everybody at the end of a day, by replaying each from the beginning."""
    return {student: replay(in_force(events), student, on, BOOKS)
            for student, events in streams(population(STUDENTS)).items()}


def euro(amount: Any) -> str:
    return f"{amount:.2f}"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def reports(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reports]:
    """The reports on the population, on each store in turn; one ledger for all the tests of this module."""
    if request.param == "sqlite":
        yield from _on(f"sqlite:///{tmp_path_factory.mktemp('reports') / 'ledger.db'}")
        return
    admin: str = request.getfixturevalue("postgres_admin")
    name = f"ledger_test_{uuid.uuid4().hex}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        try:
            yield from _on(f"{admin.rsplit('/', 1)[0]}/{name}")
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _on(url: str) -> Iterator[Reports]:
    with open_store(url) as store:
        fill(store, population(STUDENTS))
    rebuild(url, BOOKS)
    with open_database(url) as database:
        yield Reports(database, law_of(BOOKS))


def careers(on: date) -> Iterator[tuple[str, Any, Person]]:
    for student, person in sorted(people(on).items()):
        for _, career in sorted(person.careers.items()):
            yield student, career, person


def keys(rows: list[dict[str, Any]], *columns: str) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[c] for c in columns) for row in rows)


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_blocked_is_as_folded(reports, on) -> None:
    answer = reports.blocked(on)
    assert (answer["on"], answer["rebuild_needed"]) == (on.isoformat(), None)
    assert answer["known_position"] == answer["last_position"] > 0
    expected = Counter((s, c.name, b.kind, b.rule, b.charge, euro(b.amount) if b.amount is not None else None,
                        b.start.isoformat())
                       for s, c, _ in careers(on) for b in c.blocks.values())
    told = [row for row in answer["rows"] if row["rule"] != "UNKNOWN-VALUE"]
    assert keys(told, "student", "career", "kind", "rule", "charge", "amount", "since") == expected
    assert keys([row for row in answer["rows"] if row not in told], "student", "career", "kind") == Counter(
        (s, c.name, name) for s, c, _ in careers(on) for what, name in c.gaps if what == "block")
    everybody = streams(population(STUDENTS))
    for row in answer["rows"][:30]:
        if row["until"] is not None:
            until = date.fromisoformat(row["until"])
            for day, blocked in ((until - ONE_DAY, True), (until, False)):
                person = replay(in_force(everybody[row["student"]]), row["student"], day, BOOKS)
                found = {(b.kind, b.rule, b.charge) for b in person.careers[row["career"]].blocks.values()}
                assert ((row["kind"], row["rule"], row["charge"]) in found) is blocked
    for kind in ("exam-booking", "final-exam"):
        assert reports.blocked(on, kind)["rows"] == [row for row in answer["rows"] if row["kind"] == kind]


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_arrears_are_as_folded(reports, on) -> None:
    expected = Counter((s, c.name, o.key, euro(o.amount), euro(o.outstanding), euro(overdue_amount(c, o, on)),
                        o.due.isoformat(), euro(accruing(c, o, on, BOOKS)))
                       for s, c, _ in careers(on) for o in c.charges.values() if state_of(c, o, on) == "overdue")
    answer = reports.arrears(on)
    assert keys(answer["rows"], "student", "career", "charge", "amount", "outstanding", "overdue",
                "due_on", "accruing") == expected
    total = sum((overdue_amount(c, o, on) for _, c, _ in careers(on) for o in c.charges.values()
                 if state_of(c, o, on) == "overdue"), 0)
    assert answer["total"] == euro(total)


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_reservations_are_as_folded(reports, on) -> None:
    expected = Counter((s, c.name, c.status, c.reservation.filed_on.isoformat()) for s, c, _ in careers(on)
                       if c.under_reservation and c.status is not None)
    assert keys(reports.reservations(on)["rows"], "student", "career", "status", "since") == expected


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_refunds_are_as_folded(reports, on) -> None:
    expected = Counter((s, c.name, o.key, euro(right.amount), right.by.isoformat() if right.by else None, right.rule)
                       for s, c, p in careers(on) for o in c.charges.values() if (right := refundable(p, c, o, BOOKS))
                       and right.amount > 0)
    assert keys(reports.refunds(on)["rows"], "student", "career", "charge", "refundable", "refund_by",
                "refund_rule") == expected


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_unallocated_is_as_folded(reports, on) -> None:
    waiting: dict[tuple[str, str, str], Any] = {}
    for student, career, _ in careers(on):
        for key, _paid, amount, _event in unallocated(career):
            waiting[student, career.name, key] = waiting.get((student, career.name, key), 0) + amount
    answer = reports.unallocated(on)
    assert keys(answer["rows"], "student", "career", "charge",
                "amount") == Counter((*key, euro(a)) for key, a in waiting.items())
    assert answer["total"] == euro(sum(waiting.values(), 0))


@pytest.mark.parametrize("on", DAYS, ids=str)
def test_counts_and_find_are_as_folded(reports, on) -> None:
    shown = [(s, c.name, c.status, c.programme, c.course_type,
              c.current_enrolment.year if c.current_enrolment else None, c.regime)
             for s, c, _ in careers(on) if c.status is not None]
    rows = reports.find(on)["rows"]
    assert keys(rows, "student", "career", "status", "programme", "course_type", "year", "regime") == Counter(shown)
    counted = {tuple(row[c] for c in ("programme", "status", "year")): row["careers"]
               for row in reports.counts(on)["rows"]}
    assert counted == Counter((programme, status, year) for _, _, status, programme, _, year, _ in shown)
    by_status = {row["status"]: (row["careers"], row["students"]) for row in reports.counts(on, ["status"])["rows"]}
    assert by_status == {status: (n, len({s for s, _, x, *_ in shown if x == status}))
                         for status, n in Counter(x for _, _, x, *_ in shown).items()}
    for text in (rows[0]["programme"], rows[0]["programme"].lower(), rows[0]["career"], rows[0]["career"].lower()):
        assert reports.find(on, named=text)["rows"] == [
            row for row in rows if {text, text.upper()} & {row["programme"], row["career"]}]
    for row in rows[:5]:
        assert row in reports.find(on, status=row["status"], programme=row["programme"])["rows"]
        assert [r for r in rows if r["student"] == row["student"]] == reports.find(on, student=row["student"])["rows"]
        assert reports.find(on, career=row["career"])["rows"] == [r for r in rows if r["career"] == row["career"]]


@pytest.mark.parametrize("on", DAYS[:4], ids=str)
def test_overview_and_blocks_are_those_of_the_reports(reports, on) -> None:
    found, blocked, late = reports.overview(on), reports.blocked(on)["rows"], reports.arrears(on)
    assert {row["name"]: row["careers"] for row in found["statuses"]} == Counter(
        row["status"] for row in reports.find(on)["rows"])
    assert {row["name"]: row["careers"] for row in found["blocks"]} == Counter(
        kind for _, _, kind in {(row["student"], row["career"], row["kind"]) for row in blocked})
    assert (found["overdue"], found["late"]) == (late["total"], len({row["student"] for row in late["rows"]}))
    some = sorted({row["student"] for row in blocked})[:3]
    assert {(*of, *block) for of, blocks in reports.blocks_of(some, on).items() for block in blocks} == {
        (row["student"], row["career"], row["kind"], row["rule"]) for row in blocked if row["student"] in some}


@pytest.mark.parametrize("on", DAYS[:4], ids=str)
@pytest.mark.parametrize("wanted", [{}, {"status": "enrolled"}, {"begins": "g000"}, {"named": "b1"}], ids=str)
def test_careers_page_by_page_are_those_of_find(reports, on, wanted) -> None:
    rows = reports.find(on, **wanted)["rows"]
    found, after = [], ("", "")
    while page := reports.find(on, page=CareersPage(7, after), **wanted)["rows"]:
        found += page
        after = page[-1]["student"], page[-1]["career"]
    assert (found, reports.how_many(on, 10_000, **wanted)) == (rows, len(rows))
    assert reports.how_many(on, 3, **wanted) == min(3, len(rows))


@pytest.mark.parametrize("on", DAYS[:2], ids=str)
def test_student_is_found_by_how_her_id_begins(reports, on) -> None:
    rows = reports.find(on)["rows"]
    begins = rows[0]["student"][:-1].lower()
    assert reports.find(on, begins=begins)["rows"] == [
        row for row in rows if row["student"].lower().startswith(begins)]
    assert reports.find(on, begins="%")["rows"] == []
    assert reports.find(on, begins=begins.upper())["rows"] == reports.find(on, begins=begins)["rows"] != []


@pytest.mark.parametrize(("wanted", "from_"), [({}, "G00010"), ({"begins": "g0001"}, "G00010"),
                                               ({"begins": "0001"}, "G00010")], ids=str)
def test_page_of_careers_is_a_stretch_of_an_index(reports, wanted, from_) -> None:
    asked = _Asked(DAYS[0], CareersPage(7, ("G00010", "B")), wanted)
    backend = reports._database.backend
    with backend.transaction() as tx:
        if tx.dialect == "postgresql":  # a small table would be read as a whole
            tx.run("SET LOCAL enable_seqscan = off")
            tx.run("SET LOCAL enable_bitmapscan = off")
        explain = "EXPLAIN" if tx.dialect == "postgresql" else "EXPLAIN QUERY PLAN"
        rows = tx.ask(f"{explain} {_finding(*asked.form)}", {**asked.parameters, "law": ""})
    plan = "\n".join(str(row) for row in rows)
    assert f"student >= '{from_}'" in plan or plan.count("(student>? AND student<?)") == asked.form[1], plan
    assert not re.search(r"Seq Scan on [a-z_]*status", plan), plan


@pytest.mark.parametrize("first", DAYS[::2], ids=str)
def test_upcoming_is_as_folded(reports, first) -> None:
    last = first + timedelta(days=6)
    expected: Counter[tuple[Any, ...]] = Counter()
    for n in range(7):
        day = first + timedelta(days=n)
        for student, person in people(day).items():
            old, new = _seen(people(day - ONE_DAY)[student], day - ONE_DAY), _seen(person, day)
            for key in old.keys() | new.keys():
                if old.get(key) != new.get(key) and not (key[1] in ("cfu", "accruing") and key not in new) \
                        and not (key[1] == "cfu" and key not in old) \
                        and not (key[1] == "accruing" and key not in old and new[key] == "0.00"):
                    expected[day.isoformat(), student, *key] += 1
    found = keys(reports.upcoming(first, last)["rows"], "on", "student", "career", "what", "charge")
    assert found == Counter({key[:5]: n for key, n in _merged(expected).items()})


def _seen(person: Person, day: date) -> dict[tuple[Any, ...], Any]:
    """What can change, by career, what and charge (and rule of a block)."""
    found: dict[tuple[Any, ...], Any] = {}
    for name, career in person.careers.items():
        if career.status is not None:
            found[name, "status", None, None] = career.status
            found[name, "cfu", None, None] = sum(r.data.cfu for r in career.passed(day).values())
        for charge in career.charges.values():
            found[name, "charge", charge.key, None] = state_of(career, charge, day)
            found[name, "accruing", charge.key, None] = euro(accruing(career, charge, day, BOOKS))
        for block in career.blocks.values():
            found[name, f"{block.kind} block", block.charge, block.rule] = True
        for (what, about), gap in _unknown(career, day):
            if what == "block":
                found[name, f"{about} block", None, "UNKNOWN-VALUE"] = True
            elif what != "charge":
                found[name, "unknown", None, (what, about)] = gap.year
            elif about not in career.charges:
                found[name, "charge", about, None] = "unknown"
    return found


def _unknown(career: Any, day: date) -> list[tuple[tuple[str, str], Gap]]:
    """What cannot be told of a career."""
    gap = not_foreseen(career, day, BOOKS)
    return [*career.gaps.items(), *([(("forfeiture", "DEC-1"), gap)] if gap is not None else ())]


@pytest.mark.parametrize("on", [*DAYS[:4], date(2024, 6, 1), date(2025, 6, 16)], ids=str)
def test_unknown_is_as_folded(reports, on) -> None:
    expected = Counter((s, c.name, *about, gap.rule, gap.year, gap.missing)
                       for s, c, _ in careers(on) for about, gap in _unknown(c, on))
    rows = reports.unknown(on)["rows"]
    assert keys(rows, "student", "career", "about", "name", "rule", "academic_year", "missing") == expected
    assert [(row["message"].id, row["since"] <= on.isoformat()) for row in rows] == [
        (f"UNKNOWN-VALUE/{row['about']}", True) for row in rows]
    assert (on >= date(2024, 6, 1)) is (len({row["about"] for row in rows}) > 2)


def _merged(found: Counter[tuple[Any, ...]]) -> Counter[tuple[Any, ...]]:
    merged: Counter[tuple[Any, ...]] = Counter()
    for key, count in found.items():
        merged[key[:5]] += count
    return merged


def test_money_is_shown_in_euro() -> None:
    assert [shown("amount", cents) for cents in (0, 5, 40_000, 156_50)] == ["0.00", "0.05", "400.00", "156.50"]


def test_counts_refuse_an_unknown_name(reports) -> None:
    with pytest.raises(ValueError, match="colour cannot be counted by: choose from programme, status"):
        reports.counts(DAYS[0], ["status", "colour"])


def test_reports_say_what_to_do_when_nothing_is_stored(store_url: str, store: EventStore) -> None:
    with open_database(store_url) as database, pytest.raises(StoreUnusable, match="career-ledger project"):
        Reports(database, law_of(BOOKS)).find(DAYS[0])
