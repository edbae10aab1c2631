"""Reads that leave a trace: who, when, why and what is in the access log before anything is answered."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ledger.domain.events import Event, PersonRegistered
from ledger.domain.knowledge import voided
from ledger.domain.phrases import says
from ledger.domain.protected import taken_out
from ledger.domain.values import format_instant

from . import master
from .key_store import KeyStore
from .sealer import KeySealer

SOON_DAYS = 7
"""Before the term of a master key ends."""
NAMED = 20
"""Students in a finding."""


def opened(sealer: KeySealer, events: Sequence[Event]) -> list[Event]:
    """With their protected values; those of a person who was forgotten stay as they are."""
    return [sealer.open(event) or event for event in events]


def person_of(sealer: KeySealer, events: Sequence[Event]) -> dict[str, Any]:
    """`person`: what was registered last and holds; `registrations`: all of them, voided ones too, in the order in
    which the ledger learned of them; `person` of one is None where her keys are destroyed."""
    gone, found = voided(events), []
    for event in (one for one in events if isinstance(one.data, PersonRegistered)):
        values = sealer.open(event)
        one = {"event": event.id, "position": event.position, "effective_on": event.effective_on.isoformat(),
               "recorded_at": format_instant(event.recorded_at), "source": event.source, "actor": event.actor,
               "person": taken_out(values)[1]["data"] if values is not None else None}
        found.append(one | {"voided": True} if event.id in gone else one)
    holding = [one["person"] for one in found if not one.get("voided")]
    return {"person": holding[-1] if holding else None, "registrations": found}


def accesses(keys: KeyStore, student: str) -> list[dict[str, Any]]:
    """`why`: None where it went with her key."""
    return [{"at": one.at, "who": one.who if one.actor is None else f"{one.actor} ({one.who})", "what": one.what,
             "why": one.purpose} for one in keys.accesses(student)]


def status_of(keys: KeyStore, today: datetime) -> dict[str, Any]:
    counts = keys.counts()
    return {"store": keys.place, "ledger": keys.ledger,
            "master": {"id": keys.master.id, "made": keys.master.made.isoformat(),
                       "until": keys.master.until.isoformat(), "days": (keys.master.until - today.date()).days},
            "keys": counts["student_keys"], "forgotten": counts["forgotten"], "tax_codes": counts["tax_codes"],
            "names": counts["names"], "accesses": counts["access_log"], "looked_through": keys.looked_through(),
            "to_scrub": keys.to_scrub}


def findings(keys: KeyStore, today: datetime) -> list[dict[str, Any]]:
    """What is out of order, and what to do."""
    found = []
    days = (keys.master.until - today.date()).days
    if days < SOON_DAYS:
        found.append({"finding": "term", "message": says("keys/term", until=keys.master.until.isoformat())})
    if broken := sorted(set(keys.broken())):
        found.append({"finding": "broken", "students": broken,
                      "message": says("keys/broken", count=len(broken), text=_some(broken))})
    if undead := keys.undead():
        found.append({"finding": "undead", "students": undead,
                      "message": says("keys/undead", count=len(undead), text=_some(undead))})
    if keys.to_scrub:
        found.append({"finding": "to-scrub", "message": says("keys/to-scrub")})
    path = master.path_of()
    if path is not None and keys.file is not None and path.resolve().parent == keys.file.resolve().parent:
        found.append({"finding": "together", "message": says("keys/together", text=str(path.resolve().parent))})
    return found


def _some(students: Sequence[str]) -> str:
    return ", ".join(students[:NAMED]) + (", ..." if len(students) > NAMED else "")

