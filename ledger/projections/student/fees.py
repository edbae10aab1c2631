"""What does she owe: `career-ledger fees`."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from ledger.domain.account import overdue_amount, unallocated
from ledger.domain.books import LawBooks
from ledger.domain.events import Event, InstalmentPaid
from ledger.domain.fold import replay
from ledger.domain.gaps import gap_json, gaps_json
from ledger.domain.knowledge import NotFound, in_force
from ledger.domain.law.contribution import remitted
from ledger.domain.numbers import payments_with_one_iuv
from ledger.domain.phrases import says
from ledger.domain.reasons import source_of
from ledger.domain.values import ZERO
from ledger.projections.student.words import charge_json, euro, sorted_charges


def answer(events: Sequence[Event], student: str, on: date, books: LawBooks) -> dict[str, Any]:
    """Every charge of a student at the end of a day, with totals in euro. Raises NotFound
    when nothing is known of her."""
    if not events:
        raise NotFound(says("missing/student", student=student))
    facts = in_force(events)
    person, books = replay(facts, student, on, books), books.on(on)
    rows = list(sorted_charges(person))
    shown = [charge_json(person, career, charge, books) for career, charge in rows]
    owed = [(c.outstanding, overdue_amount(career, c, on)) for (career, c), s in zip(rows, shown, strict=True)
            if s["state"] in ("overdue", "to-come")]
    found = {
        "student": student, "on": on.isoformat(), "known_position": events[-1].position, "charges": shown,
        "overdue": euro(sum((late for _, late in owed), ZERO)),
        "to_come": euro(sum((outstanding - late for outstanding, late in owed), ZERO)),
        "credit": euro(sum((c.credit for _, c in rows), ZERO)),
        "unallocated": [{"career": career.name, "charge": key, "amount": euro(amount), "paid_on": paid.isoformat(),
                         "event": event}
                        for _, career in sorted(person.careers.items())
                        for key, paid, amount, event in unallocated(career)],
        "to_decide": [{"career": career.name, "charge": key, "interpretation": message.id, "message": message}
                      for _, career in sorted(person.careers.items())
                      for key, message in sorted(career.to_decide.items())],
        "remitted": [{"career": career.name, "academic_year": year, "amount": euro(amount), "rule": "RAT-6",
                      "interpretation": "AMB-7", "source": source_of(books.book_of(year), "RAT-6")}
                     for _, career in sorted(person.careers.items()) for year, amount in remitted(career, books)],
        "unruled_years": sorted({y for c in person.careers.values() for y in c.unruled}),
    }
    unknown = [{"career": name, **gap} for name, career in sorted(person.careers.items())
               for gap in gaps_json(career, books)]
    if unknown:
        found["unknown"] = unknown
    settled = [{"career": name, **gap_json("charge", key, gap, books)}
               for name, career in sorted(person.careers.items()) for key, gap in sorted(career.settled_gaps.items())]
    if settled:
        found["settled"] = settled
    repeated = payments_with_one_iuv(fact for fact in facts if fact.effective_on <= on)
    if repeated:
        found["same_iuv"] = [{"iuv": iuv, "rule": "IUV", "source": source_of(books.own, "IUV"), "payments": [
            {"career": p.career, "charge": p.data.charge, "amount": euro(p.data.amount),
             "paid_on": p.effective_on.isoformat(),
             "event": p.id} for p in paid if isinstance(p.data, InstalmentPaid)]} for iuv, paid in repeated]
    return found
