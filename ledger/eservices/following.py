"""Keeps fingerprints, look-ups by key and counts up to date with the log."""

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.edition import EDITION
from ledger.domain.events import Event, IseeCertified, PersonRegistered
from ledger.domain.knowledge import in_force, is_forgotten
from ledger.domain.protected import taken_out
from ledger.domain.values import format_instant
from ledger.privacy.fingerprints import Fingerprint, Fingerprints, HowFarKept, KeptOfHer
from ledger.privacy.sealer import KeySealer
from ledger.rulebooks.reference import Reference
from ledger.store import EventStore

from .answers import BEFORE, Student, academic_qualifications, hash_of, latest_degree, nobody, rows_of, stretches
from .identity import TaxPayer, identity, key_of

PAGE = 500
"""Events whose students are looked at together."""
ENROLMENTS, QUALIFICATIONS = "ifs06", "ifs07"
FOR_EVER = date(1900, 1, 1)


def registered(sealer: KeySealer, events: Sequence[Event]) -> dict[str, Any] | None:
    """The registration that holds, opened; None without one, or where she was forgotten."""
    if is_forgotten(events):
        return None
    held = [one for one in in_force(events) if isinstance(one.data, PersonRegistered)]
    opened = sealer.open(max(held, key=lambda one: one.position)) if held else None
    return taken_out(opened)[1]["data"] if opened is not None else None


class Following:
    """One turn after the other, for one thread."""

    def __init__(self, store: EventStore, books: LawBooks, sealer: KeySealer, reference: Reference,
                 clock: Callable[[], datetime], today: Callable[[], date]) -> None:
        self._store, self._books, self._sealer, self._reference = store, books, sealer, reference
        self._clock, self._today = clock, today
        self.kept = Fingerprints(sealer.keys)

    def step(self) -> int:
        """Takes everything a page on; how many events it looked at, 0 at the end of the log."""
        before, made_of = self.kept.state(), self._made_of()
        if before.made_of != made_of or before.position > self._store.last_position():
            before, again = before, 0
        else:
            again = before.again if before.again is not None else -1
        at = before.position if again < 0 else again
        touched = self._store.touched(at, PAGE)
        if not touched:
            if again >= 0:  # the second look is over
                self.kept.replace(before, HowFarKept(before.version + 1, max(before.position, at), None, before.at or
                                                format_instant(self._clock()), made_of), {}, self._clock(),
                                  self._today())
            return 0
        to = touched[-1][0]
        streams = self._store.streams_of(list(dict.fromkeys(stream for _, stream in touched)), lambda _: None)
        known = {student: self.known(student, events) for student, events in streams.items()}
        position = max(before.position, to)
        moment = next((one.recorded_at for events in streams.values() for one in events if one.position == position),
                      None)
        after = HowFarKept(before.version + 1, position, to if again >= 0 else None,
                      format_instant(moment) if moment is not None else before.at, made_of)
        return len(touched) if self.kept.replace(before, after, known, self._clock(), self._today()) else 1

    def catch_up(self) -> None:
        """Returns when it goes to the end of the log."""
        while self.step() or self.kept.state().again is not None:
            pass

    def _made_of(self) -> str:
        """What answers rest on beside the events."""
        identity = self._store.identity()
        return json.dumps([identity.origin, identity.epoch, self._reference.sha256, EDITION,
                           sorted(map(list, self._books.identities.values()))])

    def known(self, student: str, events: Sequence[Event]) -> KeptOfHer:
        person = registered(self._sealer, events)
        who = identity(person)
        rows, today = rows_of(events, student, self._books), self._today()
        counted = tuple(self._counted(events, rows, person or {}, today)) if not is_forgotten(events) else ()
        if who is None:
            return KeptOfHer(counted=counted)
        key = bytes.fromhex(key_of(who.codes[0]))
        place = self.kept.place(key)
        found = [Fingerprint(ENROLMENTS, place, one.from_on, one.until_on, key, bytes.fromhex(hash_of(one.answer)))
                 for one in stretches(rows, who, today, self._reference)]
        found += self._degrees(student, events, who, place, key)
        places = tuple(self.kept.place(bytes.fromhex(key_of(code))) for code in who.codes)
        return KeptOfHer(tuple(found), places, counted)

    def _degrees(self, student: str, events: Sequence[Event], who: TaxPayer, place: str,
                 key: bytes) -> list[Fingerprint]:
        recent = latest_degree(events)
        if recent is None:
            return []
        answer = academic_qualifications(Student(events, student, self._today(), self._books, self._reference), who)
        there = answer != nobody("qualifications")
        return [Fingerprint(QUALIFICATIONS, place, FOR_EVER, None, key, bytes.fromhex(hash_of(answer)), recent, there)]

    def _counted(self, events: Sequence[Event], rows: Sequence[Any], person: dict[str, Any], today: date) -> Any:
        """Academic year, course and what is told, once for each."""
        attested: dict[str, str] = {}
        for one in in_force(events):
            if isinstance(one.data, IseeCertified) and one.data.valid_for_university:
                opened = self._sealer.open(one)
                value = opened.data.indicator if opened is not None and isinstance(opened.data, IseeCertified) else None
                attested[one.data.academic_year] = f"{value:.2f}" if value is not None else ""
        found = {}
        for row in rows:
            year = row["academic_year"]
            if row["year"] is None or row["status"] in BEFORE or row["status"] == "enrolment-pending" \
                    or row["from_on"] > today:
                continue
            programme = self._reference.programme(row["programme"], year)
            if programme is not None:
                found[year, programme.code] = {"sex": person.get("sex") or "", "isee": attested.get(year)}
        return [(year, code, told) for (year, code), told in found.items()]
