"""A recorded event as `career-ledger history --json` writes it: its form is checked, no rule is asked.

What is sealed is taken as it is and not opened; what was printed with a purpose is sealed again where there is a key
store, and what names a person is taken sealed only. For an export of a ledger of ours, so that whole ledgers can be
moved; nobody should be able to send one to a ledger in use."""

import codecs

import msgspec
from eventsourcing.persistence import StoredEvent
from pydantic import ValidationError

from ledger.domain.checked import required
from ledger.domain.events import PAYLOADS, SEALED_ONLY, Event
from ledger.domain.form import Problem, problems_of
from ledger.domain.phrases import Phrase, says
from ledger.domain.protected import PROTECTED
from ledger.store import StoreUnusable
from ledger.store.mapper import STORED_NAMES, Mapper, canonical_json, stream_id

from .submit import Reply, invalid

SHOWN_ONLY = ("position", "changes", "seen_on", "unruled_years", "voided")
"""What the export adds to what is stored. Positions are those of the ledger that it is sent to."""

LARGEST = (1 << 31) - 1
"""A version that every database can hold; nobody has as many events."""

_mapper = Mapper()
_decode = msgspec.json.Decoder(dict, float_hook=lambda text: msgspec.Raw(canonical_json(float(text)))).decode
_encode = msgspec.json.Encoder(order="sorted").encode
"""Together the canonical bytes of a record: fractions as the standard library spells them."""


def recorded_event(line: bytes, position: int) -> tuple[Event, StoredEvent] | Reply | None:
    """The event of a line of the export (`position` + its version stands for its position) and what is stored of it; or
    the outcome `invalid`; None for a blank line."""
    try:
        record = _decode(line.removeprefix(codecs.BOM_UTF8))
        for name in SHOWN_ONLY:
            record.pop(name, None)
        if record.get("rulebook", "") is None:
            del record["rulebook"]
        if record["type"] in SEALED_ONLY and "sealed" not in record:
            return _unrecorded(says("record/opened"))
        name, version = STORED_NAMES[record["type"]], record["version"]
        state = _encode(record)
        event = _mapper.to_event(name, state, position + version)
        # the store's reader leaves out what was asked before
        model = PAYLOADS[event.type]
        absent = {name: "-" for name in PROTECTED[event.type] if event.sealed is not None
                  and name in required(model)}
        model.model_validate(msgspec.json.decode(state)["data"] | absent)
        if not (1 <= version <= LARGEST and 1900 <= event.effective_on.year <= 2199
                and 1900 <= event.recorded_at.year <= 2199):
            return _unrecorded(says("record/out-of-range"))
        return event, StoredEvent(stream_id(record["student"]), version, name, state)
    except ValidationError as error:
        return invalid(event.id, problems_of(error, "data."))
    except (ValueError, KeyError, TypeError, AttributeError, StoreUnusable, RecursionError,
            msgspec.MsgspecError) as error:
        if not line.strip():
            return None
        cause = error.__cause__ or error
        return _unrecorded(says("record/broken", text=" ".join(str(cause).split()))
                           if isinstance(cause, ValueError) else says("record/fields"))


def _unrecorded(why: Phrase) -> Reply:
    return invalid(None, [Problem("", why)])
