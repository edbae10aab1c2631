# ruff: noqa: S608 - statements are put together from names of our own only
"""Questions about everybody, for any day, answered from the stored rows alone.

An answer says what is known now about that day (`known_position`), also about what begins or ends later: `until` is the
day on which it ends if nothing else happens. Money is text in euro, days are ISO text. Every answer has
`rebuild_needed`: null, or why its rows are those of another law.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import cache
from typing import Any, NamedTuple

from ledger.domain.gaps import gap_phrase
from ledger.domain.phrases import Phrase, says
from ledger.domain.state import Gap
from ledger.domain.timelines import COLUMNS
from ledger.sql.base import Parameters, Row
from ledger.store import StoreUnusable, StreamSetAside

from .database import LOOK_SECONDS, Position, ProjectionDatabase, needs_rebuild
from .shape import BOOLS, CENTS, shown

ReportAnswer = dict[str, Any]
"""`report`, `on` (or `from` and `to`), `known_position`, `last_position`, `rebuild_needed`, `rows`;
`set_aside` where students are."""
BLOCKS = ("exam-booking", "final-exam", "administrative", "reservation")
GROUPS = ("programme", "status", "year", "academic_year", "course_type", "regime", "reservation")
_ON = "{0}.from_on <= :on AND ({0}.until_on IS NULL OR {0}.until_on > :on)"
_STATUS = ("student", "career", "status", "programme", "course_type", "academic_year", "year", "regime", "reservation",
           "cfu_recognised", "cfu_passed")


def _covers(alias: str) -> str:
    return _ON.format(alias)


def _same(one: str, other: str, columns: Sequence[str]) -> str:
    """Two rows are of the same thing. A block without a charge has none on both sides."""
    return " AND ".join(f"coalesce({one}.{c}, '') = coalesce({other}.{c}, '')" if c == "charge" and "kind" in columns
                        else f"{one}.{c} = {other}.{c}" for c in columns)


def _run(table: str, row: str, columns: Sequence[str], condition: str = "") -> str:
    """Two columns, `since` and `until`: the whole run of successive intervals of a thing that the row is part of."""
    def also(alias: str) -> str:
        return f" AND {alias}.{condition}" if condition else ""

    return f"""
        (SELECT max(s.from_on) FROM {{{table}}} s
         WHERE {_same("s", row, columns)}{also("s")} AND s.from_on <= {row}.from_on
         AND NOT EXISTS (SELECT 1 FROM {{{table}}} p
                         WHERE {_same("p", "s", columns)}{also("p")} AND p.until_on = s.from_on)) AS since,
        (SELECT e.until_on FROM {{{table}}} e
         WHERE {_same("e", row, columns)}{also("e")} AND e.from_on >= {row}.from_on
         AND NOT EXISTS (SELECT 1 FROM {{{table}}} n
                         WHERE {_same("n", "e", columns)}{also("n")} AND n.from_on = e.until_on)
         ORDER BY e.from_on LIMIT 1) AS until"""


_OF_THEIR_OWN = "AND x.about NOT IN ('block', 'charge')"
"""Of what cannot be told: blocks and charges have rows of theirs."""
BLOCK = ("student", "career", "kind", "rule", "charge")
CHARGE = ("student", "career", "charge")
CAREER = ("student", "career")
GAP = ("student", "career", "about", "name")


class CareersPage(NamedTuple):
    """A stretch of them, by student and career. `after`: the career behind which it begins."""

    at_most: int = 2**62
    after: tuple[str, str] = ("", "")


EVERY_CAREER = CareersPage()


class Reports:
    """The questions. `law`: what the program that asks would compute under (`law_of`)."""

    def __init__(self, database: ProjectionDatabase, law: str) -> None:
        self._database = database
        self._law = law

    def blocked(self, on: date, kind: str | None = None) -> ReportAnswer:
        """Who is blocked, by what, since when, and until when if nothing else happens. `kind`: one of `BLOCKS` only."""
        columns = ("student", "career", "kind", "rule", "charge", "amount", "since", "until")
        chosen = "AND b.kind = :kind " if kind is not None else ""
        statement = ("SELECT b.student, b.career, b.kind, b.rule, b.charge, b.amount, "
                     f"{_run('blocks', 'b', BLOCK)} FROM {{blocks}} b WHERE {_covers('b')} {chosen}ORDER BY b.student, "
                     "b.career, b.kind, b.rule, b.charge")
        return self._answer("blocked", {"on": on}, columns, statement, {"kind": kind} if kind is not None else {})

    def arrears(self, on: date) -> ReportAnswer:
        """Who owes what is overdue; `accruing`: what paying on that day costs on top. `total`: euro overdue."""
        columns = ("student", "career", "charge", "amount", "outstanding", "overdue", "due_on", "accruing", "rule")
        statement = ("SELECT c.student, c.career, c.charge, c.amount, c.outstanding, c.overdue, coalesce(c.due_on, "
                     f"c.raised_on), c.accruing, c.rule FROM {{charges}} c WHERE c.state = 'overdue' AND "
                     f"{_covers('c')} ORDER BY c.student, c.career, c.charge")
        return self._answer("arrears", {"on": on}, columns, statement, {}, total="overdue")

    def reservations(self, on: date) -> ReportAnswer:
        """Who is enrolled with a reservation that is alive."""
        columns = ("student", "career", "status", "programme", "academic_year", "since", "until")
        statement = ("SELECT r.student, r.career, r.status, r.programme, r.academic_year, "
                     f"{_run('status', 'r', CAREER, 'reservation')} FROM {{status}} r WHERE r.reservation AND "
                     f"{_covers('r')} ORDER BY r.student, r.career")
        return self._answer("reservations", {"on": on}, columns, statement, {})

    def refunds(self, on: date) -> ReportAnswer:
        """Who may get money back, by when (null: on request) and by which rule. `total`: euro."""
        columns = ("student", "career", "charge", "refundable", "refund_by", "refund_rule")
        statement = (f"SELECT c.student, c.career, c.charge, c.refundable, c.refund_by, c.refund_rule FROM {{charges}} "
                     f"c WHERE c.refundable > 0 AND {_covers('c')} ORDER BY c.student, c.career, c.charge")
        return self._answer("refunds", {"on": on}, columns, statement, {}, total="refundable")

    def unallocated(self, on: date) -> ReportAnswer:
        """Money received for a charge that is not there (yet). `total`: euro."""
        columns = ("student", "career", "charge", "amount", "since")
        statement = (f"SELECT m.student, m.career, m.charge, m.amount, m.from_on FROM {{money}} m WHERE m.kind = "
                     f"'unallocated' AND {_covers('m')} ORDER BY m.student, m.career, m.charge")
        return self._answer("unallocated", {"on": on}, columns, statement, {}, total="amount")

    def unknown(self, on: date) -> ReportAnswer:
        """What cannot be told of careers, as nobody has read a value: about what, and which value of which rule and
        year is missing. `message`: a phrase."""
        columns = ("student", "career", "since", "until", "about", "name", "rule", "academic_year", "missing")
        statement = (f"SELECT g.student, g.career, g.from_on, g.until_on, g.about, g.name, g.rule, g.academic_year, "
                     f"g.missing FROM {{gaps}} g WHERE {_covers('g')} ORDER BY g.student, g.career, g.about, g.name")
        found = self._answer("unknown", {"on": on}, columns, statement, {})
        for row in found["rows"]:
            row["message"] = gap_phrase(row["about"], row["name"], _gap(on, *(row[c] for c in columns[-3:])))
        return found

    def counts(self, on: date, by: Sequence[str] = ("programme", "status", "year")) -> ReportAnswer:
        """Careers and students by some of `GROUPS`. Raises ValueError for another name."""
        unknown = [name for name in by if name not in GROUPS]
        if unknown or not by:
            raise ValueError(f"{', '.join(unknown) or 'nothing'} cannot be counted by: choose from {', '.join(GROUPS)}")
        names = ", ".join(f"s.{name}" for name in by)
        statement = (f"SELECT {names}, count(*), count(DISTINCT s.student) FROM {{status}} s WHERE {_covers('s')} "
                     f"GROUP BY {names} ORDER BY {', '.join(f'{n} IS NULL, {n}' for n in names.split(', '))}")
        return self._answer("counts", {"on": on}, (*by, "careers", "students"), statement, {})

    def find(self, on: date, page: CareersPage = EVERY_CAREER, **wanted: str | None) -> ReportAnswer:
        """Careers as they stand on the day, with these values where given: career, student, programme, status;
        `named`: career or programme is called so, as it is written or in capitals; `begins`: the student's id does, as
        it is written, in capitals or in small letters. `page`: no more than these."""
        asked = _Asked(on, page, wanted)
        self._database.check_log(LOOK_SECONDS)
        try:
            rows = self._database.backend.single(_finding(*asked.form), {**asked.parameters, "law": self._law})
        except StoreUnusable:
            self._ask([])  # says so where nothing is stored
            raise
        student = asked.given.get("student")
        if student is not None and rows[0][3] is None:
            self._must_be_known(student)
        position, same, end = rows[0][:3]
        return {"report": "find", "on": on.isoformat(), "known_position": position, "last_position": end,
                "rebuild_needed": None if same else needs_rebuild(self._database.positions(), self._law),
                **({} if student is not None else self._aside()),
                "rows": [_shown(row[3:], _STATUS, _FLAGS) for row in rows if row[3] is not None]}

    def how_many(self, on: date, at_most: int, **wanted: str | None) -> int:
        """Careers that `find` finds. Not counted any further than this."""
        asked = _Asked(on, CareersPage(at_most), wanted)
        [(count,)] = self._database.backend.single(f"SELECT count(*) FROM {_careers(*asked.form)} s",
                                                   asked.parameters)
        return int(count)

    def overview(self, on: date) -> ReportAnswer:
        """`statuses` and `blocks`: careers by each, the most first; `late`: students who owe what is overdue, and
        `overdue`: euro."""
        day = {"on": on.isoformat()}
        positions, end, [statuses, blocks, [(late, overdue)]] = self._ask([
            (f"SELECT s.status, count(*) FROM {{status}} s WHERE {_covers('s')} GROUP BY s.status", day),
            ("SELECT b.kind, count(DISTINCT b.student || ' ' || b.career) FROM {blocks} b "
             f"WHERE {_covers('b')} GROUP BY b.kind", day),
            ("SELECT count(DISTINCT c.student), coalesce(sum(c.overdue), 0) FROM {charges} c "
             f"WHERE c.state = 'overdue' AND {_covers('c')}", day)])
        counted = {name: [{"name": one, "careers": many} for one, many in sorted(rows, key=lambda row: (-row[1], row))]
                   for name, rows in (("statuses", statuses), ("blocks", blocks))}
        return {**self._envelope("overview", {"on": on}, positions, end), "late": late,
                "overdue": shown("overdue", int(overdue)), **counted}

    def blocks_of(self, students: Collection[str], on: date) -> dict[tuple[str, str], list[tuple[str, str]]]:
        """By student and career: the blocks of these on a day, each as its kind and rule."""
        found: dict[tuple[str, str], list[tuple[str, str]]] = {}
        if students:
            _, _, [rows] = self._ask([(
                "SELECT DISTINCT b.student, b.career, b.kind, b.rule FROM {blocks} b WHERE b.student IN :students AND "
                f"{_covers('b')}", {"students": sorted(students), "on": on.isoformat()})])
            for student, career, kind, rule in sorted(rows, key=lambda row: (BLOCKS.index(row[2]), row[3])):
                found.setdefault((student, career), []).append((kind, rule))
        return found

    def upcoming(self, first: date, last: date) -> ReportAnswer:
        """What changes from `first` to `last`, both included, if nothing else happens (what did change, in the past).

        `change`: a phrase."""
        period: Parameters = {"first": first.isoformat(), "last": last.isoformat()}
        positions, end, found = self._ask([(statement, period) for statement in _UPCOMING])
        rows = sorted(_changes(first, found), key=lambda row: (
            row["on"], row["student"], row["career"], row["what"], row["charge"] or "", row["change"].id,
            str(row["from"]), str(row["to"])))
        return self._envelope("upcoming", {"from": first, "to": last}, positions, end) | {"rows": rows}

    def _answer(self, name: str, asked: Mapping[str, date], columns: Sequence[str], statement: str,
                parameters: Parameters, total: str | None = None) -> ReportAnswer:
        given = {key: value.isoformat() for key, value in asked.items()} | dict(parameters)
        positions, end, [rows] = self._ask([(statement, given)])
        found = self._envelope(name, asked, positions, end)
        if total is not None:
            found["total"] = shown(total, sum(row[columns.index(total)] for row in rows))
        money = [column in CENTS or column in BOOLS for column in columns]
        found["rows"] = [{column: shown(column, value) if convert else value
                          for column, value, convert in zip(columns, row, money, strict=True)} for row in rows]
        return found

    def _ask(self, statements: Sequence[tuple[str, Parameters]]) -> tuple[list[Position], int, list[list[Row]]]:
        positions, answers = self._database.ask([("SELECT coalesce(max({event_position}), 0) FROM {events}", {}),
                                                 *statements])
        return positions, int(answers[0][0][0]), answers[1:]

    def _envelope(self, name: str, asked: Mapping[str, date], positions: list[Position], end: int) -> ReportAnswer:
        return {"report": name, **{key: value.isoformat() for key, value in asked.items()},
                "known_position": min(p.position for p in positions), "last_position": end,
                "rebuild_needed": needs_rebuild(positions, self._law), **self._aside(positions)}

    def _must_be_known(self, student: str) -> None:
        """Who has no rows may be set aside. Raises StreamSetAside."""
        one = next((one for one in self._database.aside() if one.student == student), None)
        if one is not None:
            raise StreamSetAside(one)

    def _aside(self, positions: Sequence[Position] | None = None) -> ReportAnswer:
        """`set_aside`, only where anybody is: how many students the answer leaves out."""
        aside = self._database.aside(positions)
        return {"set_aside": len(aside)} if aside else {}


_FLAGS = ("reservation",)


_WANTED = {**{name: f"s.{name} = :{name}" for name in ("career", "student", "programme", "status")},
           "named": "(s.programme IN (:named, :capitals) OR s.career IN (:named, :capitals))"}


class _Asked:
    """A question after careers, as statements take it. `form`: what tells its statement from others."""

    def __init__(self, on: date, page: CareersPage, wanted: Mapping[str, str | None]) -> None:
        self.given = {name: value for name, value in wanted.items() if value is not None}
        text = self.given.pop("begins", None)
        # the first id that begins so, and what comes after all of these: no id has a `~`
        stretches = [(page.after[0], "~")] if text is None else [
            (max(one, page.after[0]), f"{one}~") for one in dict.fromkeys((text, text.upper(), text.lower()))]
        self.form = tuple(self.given), len(stretches)
        self.parameters: dict[str, Any] = {
            **self.given, "capitals": self.given.get("named", "").upper(), "on": on.isoformat(),
            "at_most": page.at_most, "after_student": page.after[0], "after_career": page.after[1],
            **{f"first{n}": first for n, (first, _) in enumerate(stretches)},
            **{f"last{n}": last for n, (_, last) in enumerate(stretches)}}


def _careers(given: tuple[str, ...], stretches: int) -> str:
    """The next ones of an index, by student and career: the rest is not looked at."""
    wanted = "".join(f"AND {_WANTED[name]} " for name in given)
    ones = [f"SELECT * FROM (SELECT * FROM {{status}} s WHERE s.student >= :first{n} AND s.student < :last{n} AND "
            f"(s.student > :after_student OR s.career > :after_career) AND {_covers('s')} {wanted}"
            f"ORDER BY s.student, s.career LIMIT :at_most) s{n}" for n in range(stretches)]
    if stretches == 1:
        return f"({ones[0]})"
    return f"(SELECT * FROM ({' UNION ALL '.join(ones)}) s ORDER BY s.student, s.career LIMIT :at_most)"


@cache
def _finding(given: tuple[str, ...], stretches: int) -> str:
    """One statement for positions, law, the end of the log and the careers, so that an answer is one round trip."""
    # the driver's fastest way
    columns = ", ".join(f"CAST(s.{c} AS integer)" if c in _FLAGS else f"s.{c}" for c in _STATUS)
    return (f"SELECT p.position, p.same, l.last, {columns} "
            "FROM (SELECT min(position) AS position, min(CASE WHEN law = :law THEN 1 ELSE 0 END) AS same FROM "
            "{position}) p CROSS JOIN (SELECT coalesce(max({event_position}), 0) AS last FROM {events}) l "
            f"LEFT JOIN {_careers(given, stretches)} s ON 1 = 1 ORDER BY s.student, s.career")


def _shown(row: Row, columns: tuple[str, ...], money: tuple[str, ...]) -> ReportAnswer:
    found = dict(zip(columns, row, strict=True))
    for column in money:
        found[column] = shown(column, found[column])
    return found


_WITHIN = "BETWEEN :first AND :last"
_UPCOMING = (
    f"SELECT x.from_on, x.student, x.career, p.status, x.status, p.cfu_passed, x.cfu_passed, x.cfu_recognised "
    f"FROM {{status}} x LEFT JOIN {{status}} p ON {_same('p', 'x', CAREER)} AND p.until_on = x.from_on "
    f"WHERE x.from_on {_WITHIN}",
    "SELECT x.from_on, x.student, x.career, x.charge, p.state, x.state, p.accruing, x.accruing, x.outstanding, "
    f"x.amount, x.overdue FROM {{charges}} x LEFT JOIN {{charges}} p ON {_same('p', 'x', CHARGE)} "
    f"AND p.until_on = x.from_on WHERE x.from_on {_WITHIN}",
    f"SELECT x.until_on, x.student, x.career, x.charge, x.state FROM {{charges}} x WHERE x.until_on {_WITHIN} "
    f"AND NOT EXISTS (SELECT 1 FROM {{charges}} n WHERE {_same('n', 'x', CHARGE)} AND n.from_on = x.until_on)",
    f"SELECT x.from_on, x.student, x.career, x.kind, x.rule, x.charge FROM {{blocks}} x WHERE x.from_on {_WITHIN} "
    f"AND NOT EXISTS (SELECT 1 FROM {{blocks}} p WHERE {_same('p', 'x', BLOCK)} AND p.until_on = x.from_on)",
    f"SELECT x.until_on, x.student, x.career, x.kind, x.rule, x.charge FROM {{blocks}} x WHERE x.until_on {_WITHIN} "
    f"AND NOT EXISTS (SELECT 1 FROM {{blocks}} n WHERE {_same('n', 'x', BLOCK)} AND n.from_on = x.until_on)",
    "SELECT x.from_on, x.student, x.career, x.about, x.name, x.rule, x.academic_year, x.missing FROM {gaps} x "
    f"WHERE x.from_on {_WITHIN} {_OF_THEIR_OWN}",
    "SELECT x.until_on, x.student, x.career, x.about, x.name, x.rule, x.academic_year, x.missing FROM {gaps} x "
    f"WHERE x.until_on {_WITHIN} {_OF_THEIR_OWN} AND NOT EXISTS (SELECT 1 FROM {{gaps}} n WHERE "
    f"{_same('n', 'x', GAP)} AND n.from_on = x.until_on)",
    f"SELECT x.from_on, x.student, x.career, x.rule FROM {{forfeitable}} x WHERE x.from_on {_WITHIN}")
"""What begins and ends in a period, in the order in which `_changes` takes the rows."""


def _changes(first: date, found: Sequence[Sequence[Row]]) -> Iterator[ReportAnswer]:
    statuses, charges, gone, blocks, unblocked, gaps, closed, forfeitable = found
    for on, student, career, before, after, passed, passes, recognised in statuses:
        if before != after:
            yield _change(on, student, career, "status", None, before, after, says("change/status", status=after))
        if passed is not None and passed != passes:
            old, new, others = (int(cfu) if cfu == int(cfu) else cfu for cfu in (passed, passes, recognised))
            yield _change(on, student, career, "cfu", None, old, new,
                          says("change/cfu", passed_cfu=new, recognised_cfu=others))
    for on, student, career, charge, before, after, extra, accrues, *money in charges:
        outstanding, amount, late = (shown("amount", cents) for cents in money)
        if before != after:
            yield _change(on, student, career, "charge", charge, before, after, says(
                "change/charge-overdue", charge=charge, state=after, outstanding=outstanding, amount=amount,
                overdue=late) if late not in ("0.00", outstanding) else says(
                "change/charge", charge=charge, state=after, outstanding=outstanding, amount=amount))
        if (extra or 0) != accrues:
            old, new = shown("accruing", extra or 0), shown("accruing", accrues)
            yield _change(on, student, career, "accruing", charge, old, new, says(
                "change/accruing", charge=charge, amount=new) if accrues
                          else says("change/accrues-nothing", charge=charge))
    for on, student, career, charge, before in gone:
        yield _change(on, student, career, "charge", charge, before, None, says("change/charge-gone", charge=charge))
    for begins, rows in ((True, blocks), (False, unblocked)):
        for on, student, career, kind, rule, charge in rows:
            told = says("change/charge-blocks" if begins else "change/charge-unblocks",
                        block=kind, rule=rule, charge=charge) \
                if charge else says("change/block-begins" if begins else "change/block-ends", block=kind, rule=rule)
            yield _change(on, student, career, f"{kind} block", charge, None if begins else rule,
                          rule if begins else None, told)
    for begins, rows in ((True, gaps), (False, closed)):
        for on, student, career, about, name, rule, year, missing in rows:
            told = gap_phrase(about, name, _gap(first, rule, year, missing)) if begins else \
                says("change/no-longer-open", rule=rule, academic_year=year)
            yield _change(on, student, career, "unknown", None, None if begins else rule,
                          rule if begins else None, told)
    for on, student, career, rule in forfeitable:
        yield _change(on, student, career, "forfeiture", None, None, rule, says("DEC-1/foreseen"))


def _change(on: str, student: str, career: str, what: str, charge: str | None, before: Any, after: Any,
            told: Phrase) -> ReportAnswer:
    return {"on": on, "student": student, "career": career, "what": what, "charge": charge,
            "from": before, "to": after, "change": told}


def _gap(on: date, rule: str, year: str, missing: str) -> Gap:
    """What is stored of one."""
    return Gap(rule, year, missing, "day", on)


def status_of(database: ProjectionDatabase, law: str) -> ReportAnswer:
    """How far the stored rows go, what they rest on, how many there are and how much room
    they take (bytes, or null)."""
    positions, answers = database.ask([
        ("SELECT coalesce(max({event_position}), 0) FROM {events}", {}),
        ("SELECT count(*) FROM {events} WHERE {event_position} > (SELECT min(position) FROM {position})", {}),
        *((f"SELECT count(*) FROM {{{kind}}}", {}) for kind in COLUMNS)])
    aside = [{"student": one.student or str(one.stream), "position": one.position, "why": one.why}
             for one in database.aside(positions)]
    return {"known_position": min(p.position for p in positions), "last_position": answers[0][0][0],
            "events_behind": answers[1][0][0], "set_aside": aside,
            "partitions": [{"partition": p.partition, "position": p.position} for p in positions],
            "rulebooks": json.loads(positions[0].law)["rulebooks"], "schema": json.loads(positions[0].law)["schema"],
            "interpretations": json.loads(positions[0].law)["interpretations"],
            "rebuild_needed": needs_rebuild(positions, law),
            "rows": {kind: rows[0][0] for kind, rows in zip(COLUMNS, answers[2:], strict=True)},
            "bytes": database.backend.size()}
