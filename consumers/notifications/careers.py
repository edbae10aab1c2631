# ruff: noqa: S608 - statements are put together from names of our own only
"""What is kept of each career: what is read of its newest state, the blocks that stood, and
the next day to look at it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from consumers.database import Row, Transaction
from consumers.kit.states import CareerKey

from . import outbox
from .agenda import (
    BLOCK_LIFTED,
    FRESH_DAYS,
    BlocksHeld,
    Facts,
    KnownCareer,
    Notice,
    coming,
    lifted,
    next_look,
    still_lifted,
)

TABLES = (
    "CREATE TABLE IF NOT EXISTS notifications_careers (student TEXT NOT NULL, career TEXT NOT NULL, "
    "position BIGINT NOT NULL, state TEXT NOT NULL, standing TEXT NOT NULL, looked_on TEXT NOT NULL, next_day TEXT, "
    "PRIMARY KEY (student, career))",
    "CREATE INDEX IF NOT EXISTS notifications_careers_next ON notifications_careers (next_day)",
)
"""`state`: as JSON, "" where it could not be read; `standing`: kinds of block that stood on
`looked_on`, with their first days."""

_SET = "position = :position, state = :state, standing = :standing, looked_on = :looked_on, next_day = :next_day"


class Rules(NamedTuple):
    """Of a look: the day, the day before which nothing is told, and how many days before it begins a block is told."""

    today: date
    start: date
    lead_days: int


class Seen(NamedTuple):
    """What was there when a career was last looked at."""

    standing: BlocksHeld
    looked_on: date


class Look(NamedTuple):
    """What a look at a career brought: its row, notices to add, and waiting ones that are no longer true."""

    row: dict[str, Any]
    found: list[Notice]
    untrue: list[Notice]


def look(known: KnownCareer, seen: Seen, waiting: Iterable[Notice], rules: Rules) -> Look:
    """What a state gives to tell on a day. Of what is past, only what ended since the start and was known of lately."""
    today, start, lead_days = rules
    ahead = coming(known, today, lead_days)
    standing, gone = lifted(known, seen.standing, seen.looked_on, today, lead_days)
    oldest = today - timedelta(days=FRESH_DAYS)
    found = list(ahead) + [
        Notice(known.student, known.career, BLOCK_LIFTED, kind, day) for kind, day in gone
        if day >= start and max(day, known.known_on) >= oldest
        and still_lifted(known, kind, day, today, lead_days) is not None]
    kept = known.without_history(start, today)
    following = next_look(kept, today, lead_days)
    return Look(
        {"student": known.student, "career": known.career, "position": known.position,
         "state": kept.model_dump_json(by_alias=True, exclude_none=True),
         "standing": json.dumps(standing, default=date.isoformat),
         "looked_on": today.isoformat(), "next_day": following.isoformat() if following is not None else None},
        found, [notice for notice in waiting if _facts(notice, known, ahead, rules) is None])


def _facts(notice: Notice, known: KnownCareer, ahead: Mapping[Notice, Facts], rules: Rules) -> Facts | None:
    if notice.kind == BLOCK_LIFTED:
        return still_lifted(known, notice.thing, notice.day, rules.today, rules.lead_days)
    return ahead.get(notice)


def store(tx: Transaction, states: Sequence[KnownCareer], rules: Rules) -> int:
    """Looks at new states and keeps them; one that is older than the stored one is left aside. How
    many notices were dropped."""
    rows = {(row[0], row[1]): row for row in tx.ask(
        "SELECT student, career, position, state, standing, looked_on FROM notifications_careers WHERE student IN "
        ":students",
        {"students": sorted({known.student for known in states})})}
    news = [known for known in states if (row := rows.get((known.student, known.career))) is None
            or row[2] <= known.position]
    looks = _looks(tx, news, rows, rules)
    tx.many("INSERT INTO notifications_careers (student, career, position, state, standing, looked_on, "
            "next_day) VALUES (:student, :career, :position, :state, :standing, :looked_on, "
            f":next_day) ON CONFLICT (student, career) DO UPDATE SET {_SET}",
            [one.row for one in looks])
    return _tell(tx, looks, rules.today)


def look_again(tx: Transaction, rules: Rules, limit: int) -> int:
    """Looks at careers of which this day may bring something to tell. Another member may do it at the same time. How
    many notices were dropped."""
    rows = {(row[0], row[1]): row for row in tx.ask(
        "SELECT student, career, position, state, standing, looked_on FROM notifications_careers WHERE next_day <= "
        ":today ORDER BY next_day LIMIT :limit", {"today": rules.today.isoformat(), "limit": limit})}
    looks = _looks(tx, [KnownCareer.model_validate_json(row[3]) for row in rows.values()], rows, rules)
    ours = [one for one in looks if tx.run(
        f"UPDATE notifications_careers SET {_SET} WHERE student = :student AND career = :career AND position = "
        ":position AND next_day <= :looked_on", one.row) == 1]
    return _tell(tx, ours, rules.today)


def _looks(tx: Transaction, states: Sequence[KnownCareer], rows: Mapping[CareerKey, Row], rules: Rules) -> list[Look]:
    students = sorted({known.student for known in states})
    waiting: dict[CareerKey, list[Notice]] = {}
    for one in outbox.of_careers(tx, students):
        waiting.setdefault((one.notice.student, one.notice.career), []).append(one.notice)
    found = []
    for known in states:
        key = known.student, known.career
        row = rows.get(key)
        seen = Seen(_days(row[4]), date.fromisoformat(row[5])) if row is not None else Seen({}, rules.today)
        found.append(look(known, seen, waiting.get(key, ()), rules))
    return found


def _tell(tx: Transaction, looks: Sequence[Look], today: date) -> int:
    outbox.add(tx, [outbox.New(notice, {}, "", one.row["position"]) for one in looks for notice in one.found], today)
    untrue = [notice for one in looks for notice in one.untrue]
    outbox.drop(tx, untrue, "no longer true")
    return len(untrue)


def _days(text: str) -> BlocksHeld:
    return {kind: date.fromisoformat(day) for kind, day in json.loads(text).items()}


def facts(tx: Transaction, notice: Notice, rules: Rules) -> Facts | None:
    """What there is to say of a career's notice by what is known now; None where it is no longer true."""
    rows = tx.ask("SELECT state FROM notifications_careers WHERE student = :student AND career = :career AND state <> "
                  "''",
                  {"student": notice.student, "career": notice.career})
    if not rows:
        return None
    known = KnownCareer.model_validate_json(rows[0][0])
    return _facts(notice, known, coming(known, rules.today, rules.lead_days), rules)


def look_soon(tx: Transaction, today: date) -> None:
    """At every career."""
    tx.run("UPDATE notifications_careers SET next_day = :today WHERE state <> ''", {"today": today.isoformat()})


def unusable(tx: Transaction, key: CareerKey) -> None:
    """Nothing is known of this career until a newer state comes."""
    tx.run("UPDATE notifications_careers SET state = '', next_day = NULL WHERE student = :student AND career = :career",
           {"student": key[0], "career": key[1]})


def forget(tx: Transaction, students: Sequence[str]) -> None:
    tx.run("DELETE FROM notifications_careers WHERE student IN :students", {"students": list(students)})
