"""A recorded event as `career-ledger history --json` writes it: its form is checked, no rule is asked.

For an export of a ledger of ours, so that whole ledgers can be moved; nobody should be able to send one to a ledger in use."""

import codecs

import msgspec
from eventsourcing.persistence import StoredEvent

from ledger.domain.submissions import Event, Problem
from ledger.store import StoreUnusable
from ledger.store.mapper import STORED_NAMES, Mapper, canonical_json, stream_id

from .submit import Outcome, invalid

SHOWN_ONLY = ("position", "changes", "seen_on", "voided")
"""What the export adds to what is stored. Positions are those of the ledger that it is sent to."""

_mapper = Mapper()
_decode = msgspec.json.Decoder(dict, float_hook=lambda text: msgspec.Raw(canonical_json(float(text)))).decode
_encode = msgspec.json.Encoder(order="sorted").encode
"""Together the canonical bytes of a record: fractions as the standard library spells them."""


def recorded_event(line: bytes, position: int) -> tuple[Event, StoredEvent] | Outcome | None:
    """The event of a line of the export (`position` + its version stands for its position) and what is stored of it; or the
    outcome `invalid`; None for a blank line."""
    try:
        record = _decode(line.removeprefix(codecs.BOM_UTF8))
        for name in SHOWN_ONLY:
            record.pop(name, None)
        if record.get("rulebook", "") is None:
            del record["rulebook"]
        name, version = STORED_NAMES[record["type"]], record["version"]
        state = _encode(record)
        return _mapper.to_event(name, state, position + version), StoredEvent(stream_id(record["student"]), version, name, state)
    except (ValueError, KeyError, TypeError, AttributeError, StoreUnusable, RecursionError, msgspec.MsgspecError) as error:
        if not line.strip():
            return None
        cause = error.__cause__ or error
        return invalid(None, [Problem("", "this is no recorded event as `career-ledger history --json` writes it: "
                                          f"{' '.join(f'{type(cause).__name__} {cause}'.split())}")])
