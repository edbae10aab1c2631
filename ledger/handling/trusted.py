"""A recorded event as `career-ledger history --json` writes it: its form is checked, no rule is asked.

For an export of a ledger of ours, so that whole ledgers can be moved; nobody should be able to send one to a ledger in use."""

from typing import Any

from ledger.domain.submissions import Event, Problem
from ledger.store import StoreUnusable
from ledger.store.mapper import STORED_NAMES, Mapper, canonical_json

from .submit import Outcome, invalid

SHOWN_ONLY = ("position", "changes", "seen_on", "voided")
"""What the export adds to what is stored. Positions are those of the ledger that it is sent to."""

_mapper = Mapper()


def recorded_event(raw: Any) -> Event | Outcome:
    """The event of a line of the export, or the outcome `invalid`."""
    if isinstance(raw, Problem):
        return invalid(None, [raw])
    if not isinstance(raw, dict) or not isinstance(raw.get("type"), str) or "version" not in raw:
        return invalid(None, [Problem("version", "this is no recorded event: send the output of `career-ledger history --json`")])
    name = STORED_NAMES.get(raw["type"])
    if name is None:
        return invalid(None, [Problem("type", "there is no such type of recorded event")])
    record = {key: value for key, value in raw.items() if key not in SHOWN_ONLY and (key != "rulebook" or value is not None)}
    try:
        return _mapper.to_event(name, canonical_json(record), 0)
    except StoreUnusable as error:
        return invalid(None, [Problem("", f"this is no recorded event as the export writes it: {' '.join(str(error.__cause__).split())}")])
