"""The states that the relay sends: of each career of a student, computed from her events in the form of
`ledger.wire.state`."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ledger.domain.account import unallocated
from ledger.domain.books import LawBooks
from ledger.domain.charges import told
from ledger.domain.events import Event, StudyPlanApproved
from ledger.domain.fold import replay, run_out
from ledger.domain.intervals import Intervals, Thing
from ledger.domain.knowledge import in_force
from ledger.domain.law.single_courses import price_that_is_unknown
from ledger.domain.phrases import Phrase
from ledger.domain.reasons import Fact, source_of
from ledger.domain.rulebook import UnknownValue
from ledger.domain.state import Block, Career, Charge, GapKind, Person
from ledger.domain.timelines import ForfeitureRecorder
from ledger.domain.values import ZERO, format_instant
from ledger.wire.message import History, Message
from ledger.wire.state import Json, tombstone
from ledger.words import remedy, sentence


def states(events: Sequence[Event], student: str, books: LawBooks) -> Iterator[Json]:
    """The state of each career that the student's events name, ready for `message`: days and euro are still dates and
    decimals. A career whose events were all voided has empty lists."""
    newest = events[-1]
    head = {"student": student, "position": newest.position, "version": newest.version,
            "recorded_at": format_instant(newest.recorded_at), "law": books.identity}
    facts = in_force(list(events))
    seen = _Spans(books)
    person = Person(student)
    if facts:
        person = replay(facts, student, facts[-1].effective_on, books, seen.observe)
        run_out(person, books, seen.observe)
    spans = seen.finish()
    for name in sorted({e.career for e in events if e.career is not None} | set(person.careers)):
        career = person.careers.get(name) or Career(name)
        of_it = spans.get(name, {})
        found = {kind: of_it.get(kind, []) for kind in ("status", "blocks", "charges", "unallocated", "single_courses")}
        yield head | {"career": name, **found, "plans": _plans(facts, name), **_exams(career),
                      **({"forfeiture": of_it["forfeiture"]} if "forfeiture" in of_it else {})}


def tombstones(events: Sequence[Event], student: str, history: History) -> Iterator[Message]:
    """What goes out in the place of the states of a person who was forgotten: nothing on every key that a state of hers
    may ever have had, also that of a career which only an event named that was voided since."""
    named = {e.career for e in events} | {getattr(e.data, "to_career", None) for e in events}
    for career in sorted(name for name in named if name is not None):
        yield tombstone(student, career, events[-1], history)


class _Spans:
    """Makes the spans while the fold runs: of each career the things that hold, at the end of every
    day on which one may change."""

    def __init__(self, books: LawBooks) -> None:
        self._books = books
        self._spans: Intervals[Json] = Intervals(self._span)
        self._without_exams = ForfeitureRecorder(books, self._forfeiture)
        self._found: dict[str, dict[str, list[Json]]] = {}

    def observe(self, person: Person, touched: Collection[str], money_touched: Collection[str]) -> None:
        for name in touched:
            self._without_exams.observe(person.careers[name], person.day)
        # of the others a result came in, which has its days
        for name in {*money_touched, *(n for n in touched if n not in self._spans)}:
            self._spans.observe(name, dict(self._things(person, person.careers[name])), person.day)

    def _span(self, thing: Thing, since: date, until: date | None, value: Json) -> None:
        career, kind, *_ = map(str, thing)
        if kind == "blocks":
            phrase = value["reason"]
            reason, how_to_lift = _words(phrase.id, tuple(phrase.values.items()))
            value = value | {"reason": reason, "how_to_lift": how_to_lift, **phrase.as_json()}
        self._found.setdefault(career, {}).setdefault(kind, []).append({"from": since, "until": until} | value)

    def _forfeiture(self, thing: Thing, since: date, until: date | None, value: tuple[Any, ...]) -> None:
        span = {"from": since, "until": until, "rule": value[0]}
        if thing[0] == "gaps":
            span["unknown"] = {"about": thing[2], "name": thing[3],
                               **dict(zip(("rule", "academic_year", "missing"), value, strict=True))}
        self._found.setdefault(str(thing[1]), {}).setdefault("forfeiture", []).append(span)

    def _things(self, person: Person, career: Career) -> Iterator[tuple[Thing, Json]]:
        name, books = career.name, self._books.on(person.day)
        yield (name, "status"), _status(career)
        for block in career.blocks.values():
            yield (name, "blocks", block.kind, block.rule, block.charge), _block(block, books)
        for charge in career.charges.values():
            yield (name, "charges", charge.key), _charge(person, career, charge, books)
        waiting: dict[str, Decimal] = {}
        for key, _, amount, _ in unallocated(career):
            waiting[key] = waiting.get(key, ZERO) + amount
        for key, amount in waiting.items():
            yield (name, "unallocated", key), {"charge": key, "amount": amount}
        for year, applied in career.singles.items():
            yield (name, "single_courses", year), {
                "academic_year": year, "reserved_session": applied.reserved_session,
                "courses": [{"code": c.code, "cfu": c.cfu, "lectures_end_on": c.lectures_end_on}
                            for c in applied.courses],
                **({"awaited_degree": _facts((career.awaited_degree[year],))[0]} if year in career.awaited_degree
                   else {})}

    def finish(self) -> dict[str, dict[str, list[Json]]]:
        """By career and kind, its spans in order."""
        self._spans.finish()
        self._without_exams.finish()
        for kinds in self._found.values():
            for spans in kinds.values():
                spans.sort(key=lambda span: (span["from"], span.get("charge") or ""))
        return self._found


def _status(career: Career) -> Json:
    current, held = career.current_enrolment, career.reservation
    withdrawal, asked = career.withdrawal, career.change_asked
    return {
        "status": career.status, "programme": career.programme, "course_type": career.course_type,
        "academic_year": career.academic_year,
        "year": current.year if current else None, "regime": career.regime, "ended": career.ended,
        "suspended_on": career.suspended_on,
        "enrolments": [{"academic_year": e.academic_year, "year": e.year, "filed_on": e.filed_on, "event": e.event,
                        "charge": e.charge, "perfected_on": e.perfected_on} for e in career.enrolments],
        "withdrawal": {"event": withdrawal.event, "filed_on": withdrawal.filed_on, "last_day": withdrawal.last_day,
                       "perfected_on": withdrawal.perfected_on} if withdrawal is not None else None,
        "reservation": {"event": held.event, "filed_on": held.filed_on,
                        "term": held.term if held.term != date.max else None}
        if held is not None and career.under_reservation else None,
        **({"change_asked": {"event": asked.event, "on": asked.on, "academic_year": asked.academic_year,
                             "to_career": asked.to_career}}
           if asked is not None else {}),
        "unruled_years": sorted(career.unruled),
        **({"unknown": [_unknown(what, name, gap.unknown) for (what, name), gap in sorted(career.gaps.items())]}
           if career.gaps else {}),
    }


def _unknown(what: GapKind, name: str, unknown: UnknownValue) -> Json:
    unknown = price_that_is_unknown(name, unknown)
    return {"about": what, "name": name, "rule": unknown.rule, "academic_year": unknown.year,
            "missing": unknown.missing}


@lru_cache(maxsize=4096)
def _words(id: str, values: tuple[tuple[str, Any], ...]) -> tuple[str, str]:
    """The sentence and the remedy of a block, which the form of a state asks for: made once for all states that tell
    the same."""
    phrase = Phrase(id, dict(values))
    return sentence(phrase), remedy(phrase)


def _block(block: Block, books: LawBooks) -> Json:
    return {"kind": block.kind, "since": block.start, "rule": block.rule, "charge": block.charge,
            "amount": block.amount, "reason": block.reason, "how_to_lift": "", "interpretation": block.interpretation,
            "academic_year": block.year, "source": source_of(books.book_of(block.year), block.rule),
            "facts": _facts(block.facts)}


def _charge(person: Person, career: Career, charge: Charge, books: LawBooks) -> Json:
    now = told(person, career, charge, books)
    right = now.refundable
    return {
        "charge": charge.key, "state": now.state, "amount": now.amount, "due_on": now.due_on,
        "raised_on": now.raised_on, "paid": now.paid,
        "paid_on": now.paid_on, "refunded": now.refunded, "waived": now.waived, "moved": now.moved,
        "outstanding": now.outstanding, "overdue": now.overdue, "credit": charge.credit, "accruing": now.accruing,
        "rule": charge.rule if charge.base_kind not in ("single-courses", "single-courses-stamp") else None,
        "refundable": {"amount": right.amount, "by": right.by, "rule": right.rule} if right is not None else None,
        "plan": {"event": charge.plan.event, "agreed_on": charge.plan.agreed_on} if charge.plan is not None else None,
        "parts": [{"due_on": p.due_on, "amount": p.amount, "outstanding": p.outstanding} for p in charge.parts],
        "facts": _facts(charge.basis)}


def _facts(facts: tuple[Fact, ...]) -> list[Json]:
    return [{"event": f.event, "on": f.on, "amount": f.amount} for f in facts]


def _plans(facts: Iterable[Event], career: str) -> list[Json]:
    """Each approved plan until the next one of the same year."""
    found: list[Json] = []
    standing: dict[str, Json] = {}
    for fact in facts:
        if fact.career != career or not isinstance(fact.data, StudyPlanApproved):
            continue
        day, year = fact.effective_on, fact.data.academic_year
        if year in standing:
            standing[year]["until"] = day
        standing[year] = {"from": day, "until": None, "academic_year": year, "courses": [
            {"code": c.code, "cfu": c.cfu, "year": c.year, "semester": c.semester, "lectures_end_on": c.lectures_end_on,
             "prerequisites": list(c.prerequisites), "supernumerary": c.supernumerary, "anticipated": c.anticipated}
            for c in fact.data.courses]}
        found.append(standing[year])
    return [span for span in found if span["from"] != span["until"]]


def _exams(career: Career) -> dict[str, list[Json]]:
    """What the final state holds with its days: results, recognitions, bookings."""
    return {
        "results": [{"from": r.counts_from, "until": r.until, "course": r.data.course, "held_on": r.data.held_on,
                     "outcome": r.data.outcome, "cfu": r.data.cfu, "event": r.event, "recorded_on": r.on}
                    for r in career.results if r.until is None or r.until > r.counts_from],
        "recognitions": [{"from": on, "until": None, "event": event, "cfu": data.cfu,
                          "courses": [{"code": c.code, "cfu": c.cfu} for c in data.courses]}
                         for on, event, data in career.recognitions],
        "bookings": [{"from": b.on, "until": b.closed_on, "course": b.data.course, "held_on": b.data.held_on,
                      "event": b.event} for b in career.bookings if b.closed_on is None or b.closed_on > b.on],
    }
