"""What there is to tell of real histories, day by day."""

import json
from datetime import date
from decimal import Decimal

import pytest

from consumers.notifications.agenda import (
    BLOCK_BEGINS,
    BLOCK_LIFTED,
    INSTALMENT_DUE,
    WITHDRAWAL_LAPSES,
    KnownCareer,
    Notice,
    coming,
    next_look,
)
from consumers.notifications.careers import Rules, Seen, look

from .notifications_bench import YEAR, History

START = date(2026, 1, 1)


def known(history: History) -> KnownCareer:
    [state] = history.state()
    return KnownCareer.model_validate_json(state.value or b"")


def on(history: History, day: str) -> list[tuple[str, str, str]]:
    """Kind, thing and day of what lies ahead on a day."""
    found = coming(known(history), date.fromisoformat(day), 7)
    return sorted((n.kind, n.thing, n.day.isoformat()) for n in found)


FIRST, SECOND = f"{YEAR}:instalment-1", f"{YEAR}:instalment-2"


@pytest.mark.parametrize(("day", "expected"), [
    ("2026-02-09", []),
    ("2026-02-10", [(INSTALMENT_DUE, FIRST, "2026-02-17")]),
    ("2026-02-11", [(BLOCK_BEGINS, "final-exam", "2026-02-18"), (INSTALMENT_DUE, FIRST, "2026-02-17")]),
    ("2026-02-17", [(BLOCK_BEGINS, "final-exam", "2026-02-18"), (INSTALMENT_DUE, FIRST, "2026-02-17")]),
    ("2026-02-18", []),
    ("2026-03-12", []),
    ("2026-03-13", [(BLOCK_BEGINS, "exam-booking", "2026-03-20")]),
    ("2026-03-19", [(BLOCK_BEGINS, "exam-booking", "2026-03-20")]),
    ("2026-03-20", []),
    ("2026-05-10", [(INSTALMENT_DUE, SECOND, "2026-05-15")]),
    ("2026-06-10", []),
    ("2026-09-23", []),
    ("2026-09-24", [(BLOCK_BEGINS, "administrative", "2026-10-01")]),
])
def test_unpaid_instalments_are_told_within_their_days(day: str, expected: list[tuple[str, str, str]]) -> None:
    """A kind of block that stands already because of the first instalment is not announced for the second."""
    assert on(History().enrolled(), day) == expected


def test_a_block_tells_everything_that_must_be_paid() -> None:
    [(notice, facts)] = coming(known(History().enrolled()), date(2026, 9, 24), 7).items()
    assert notice == Notice("S1", "B", BLOCK_BEGINS, "administrative", date(2026, 10, 1))
    assert (facts["programme"], facts["last_day"]) == ("L-FIL", date(2026, 9, 30))
    assert [(c["charge"], c["amount"]) for c in facts["causes"]] == [(FIRST, Decimal("400.00")),
                                                                     (SECOND, Decimal("500.00"))]


def test_the_lead_days_are_the_operators() -> None:
    assert [n.day for n in coming(known(History().enrolled()), date(2026, 3, 1), 19)] == [date(2026, 3, 20)]


def test_what_is_paid_is_not_told() -> None:
    assert on(History().enrolled().paid("2026-02-01", "instalment-1", "400.00"), "2026-02-12") == []


def test_what_is_partly_paid_tells_the_rest() -> None:
    [facts] = coming(known(History().enrolled().paid("2026-02-01", "instalment-1", "150.00")),
                     date(2026, 2, 10), 7).values()
    assert facts["charges"] == [{"charge": FIRST, "amount": Decimal("250.00"), "day": date(2026, 2, 17)}]


def test_a_plan_tells_the_part_that_is_due_and_nothing_else() -> None:
    history = History().enrolled().add("instalment-plan-agreed", "2026-02-01", {
        "charges": [FIRST, SECOND], "motivated": True,
        "instalments": [{"due_on": "2026-03-01", "amount": "300.00"}, {"due_on": "2026-06-01", "amount": "600.00"}]})
    assert on(history, "2026-02-12") == []
    assert on(history, "2026-02-23") == [(BLOCK_BEGINS, "final-exam", "2026-03-02"),
                                         (INSTALMENT_DUE, FIRST, "2026-03-01")]
    [facts] = coming(known(history), date(2026, 2, 22), 7).values()
    assert (facts["plan"],
            facts["charges"]) == (True, [{"charge": FIRST, "amount": Decimal("300.00"), "day": date(2026, 3, 1)}])
    paid = history.paid("2026-02-25", "instalment-1", "300.00")
    assert on(paid, "2026-02-26") == []
    assert on(paid, "2026-05-26") == [(BLOCK_BEGINS, "final-exam", "2026-06-02"),
                                      (INSTALMENT_DUE, f"{FIRST}+{SECOND}", "2026-06-01")]
    facts = coming(known(paid), date(2026, 5, 26),
                   7)[Notice("S1", "B", INSTALMENT_DUE, f"{FIRST}+{SECOND}", date(2026, 6, 1))]
    assert [one["amount"] for one in facts["charges"]] == [Decimal("100.00"), Decimal("500.00")]


@pytest.mark.parametrize(("day", "told"), [("2026-03-03", False), ("2026-03-04", True), ("2026-03-11", True),
                                           ("2026-03-12", False)])
def test_a_withdrawal_is_told_before_it_lapses(day: str, told: bool) -> None:
    history = History().enrolled().add("withdrawal-requested", "2026-02-09", {})
    found = coming(known(history), date.fromisoformat(day), 7)
    expected = Notice("S1", "B", WITHDRAWAL_LAPSES, "2026-02-09", date(2026, 3, 11))
    assert (expected in found) is told
    if told:
        assert [one["amount"] for one in found[expected]["stamps"]] == [Decimal("16.00")]


def test_a_withdrawal_whose_stamp_is_paid_is_not_told() -> None:
    history = History().enrolled().add("withdrawal-requested", "2026-02-09",
                                       {}).paid("2026-02-20", "withdrawal-stamp", "16.00")
    assert on(history, "2026-03-05") == []


def steps(*turns: tuple[str, History]) -> list[tuple[str, str, str]]:
    """Looks at the states as they come, on their days, and on every day on which a look is due: the blocks told as
    lifted, with the day of the look."""
    found: list[tuple[str, str, str]] = []
    seen, state, due = Seen({}, date.fromisoformat(turns[0][0])), None, None
    for index, (day, history) in enumerate(turns):
        today = date.fromisoformat(day)
        end = date.fromisoformat(turns[index + 1][0]) if index + 1 < len(turns) else today
        state = known(history)
        while today is not None and (today < end or today == date.fromisoformat(day)):
            one = look(state, seen, (), Rules(today, START, 7))
            found += [(n.thing, n.day.isoformat(), today.isoformat()) for n in one.found if n.kind == BLOCK_LIFTED]
            standing = {kind: date.fromisoformat(text) for kind, text in json.loads(one.row["standing"]).items()}
            seen, state = Seen(standing, today), KnownCareer.model_validate_json(one.row["state"])
            due = one.row["next_day"]
            today = date.fromisoformat(due) if due else None
    return found


def test_a_payment_lifts_blocks_but_not_the_one_that_its_surcharge_brings_back() -> None:
    before = History().enrolled()
    late = History().enrolled().paid("2026-03-25", "instalment-1", "400.00")
    whole = History().enrolled().paid("2026-03-25", "instalment-1",
                                      "400.00").paid("2026-04-02", "late-fee/instalment-1", "40.00")
    assert steps(("2026-03-01", before), ("2026-03-25", late), ("2026-04-02", whole), ("2026-04-03", whole)) == [
        ("exam-booking", "2026-03-25", "2026-03-25"), ("final-exam", "2026-04-02", "2026-04-02")]


def test_the_day_before_the_surcharge_the_block_is_announced_again() -> None:
    late = History().enrolled().paid("2026-03-25", "instalment-1", "400.00")
    assert on(late, "2026-03-25") == [(BLOCK_BEGINS, "final-exam", "2026-03-26")]


def test_a_block_that_a_revision_takes_away_was_lifted_on_the_day_of_the_news() -> None:
    before = History().enrolled()
    backdated = History().enrolled().paid("2026-03-10", "instalment-1", "400.00", known_on="2026-03-25")
    found = steps(("2026-03-20", before), ("2026-03-25", backdated))
    assert found == [("exam-booking", "2026-03-25", "2026-03-25")]


def test_a_block_that_came_and_went_between_two_looks_was_lifted() -> None:
    before = History().enrolled()
    paid = History().enrolled().paid("2026-03-21", "instalment-1",
                                     "400.00").paid("2026-03-21", "late-fee/instalment-1", "40.00")
    first = look(known(before), Seen({}, date(2026, 2, 1)), (), Rules(date(2026, 2, 1), START, 7))
    assert first.row["standing"] == "{}"
    found = look(known(paid), Seen({}, date(2026, 2, 1)), (), Rules(date(2026, 3, 22), START, 7)).found
    assert [(n.thing, n.day) for n in found] == [("exam-booking", date(2026, 3, 21)), ("final-exam", date(2026, 3, 21))]


def test_nothing_is_lifted_where_the_career_ends_or_its_end_is_asked_for() -> None:
    before = History().enrolled()
    leaving = History().enrolled().add("withdrawal-requested", "2026-03-25", {})
    assert steps(("2026-03-21", before), ("2026-03-25", leaving)) == []


def test_history_from_before_the_start_lifts_nothing() -> None:
    old = History().enrolled()
    paid = History().enrolled().paid("2026-03-25", "instalment-1", "400.00")
    rules = Rules(date(2026, 4, 20), date(2026, 4, 20), 7)
    first = look(known(old), Seen({}, rules.today), (), rules)
    standing = {"exam-booking": date(2026, 3, 20)}
    assert set(json.loads(first.row["standing"])) == {"exam-booking", "final-exam"}
    assert [n for n in look(known(paid), Seen(standing, rules.today), (), rules).found if n.kind == BLOCK_LIFTED] == []


def test_every_day_that_brings_something_is_a_day_to_look_at() -> None:
    """Whoever looks on the days of `next_look` only sees all that one sees who looks every day."""
    history = History().enrolled().add("withdrawal-requested", "2026-02-20", {})
    state = known(history)
    day, end, expected, seen = date(2026, 1, 12), date(2026, 12, 1), set(), set()
    while day < end:
        expected |= set(coming(state, day, 7))
        day = date.fromordinal(day.toordinal() + 1)
    look_on: date | None = date(2026, 1, 12)
    while look_on is not None:
        seen |= set(coming(state, look_on, 7))
        look_on = next_look(state, look_on, 7)
    assert seen == expected
    assert len(expected) > 4
