"""Golden messages: `golden/NAME.json` holds a message of each kind as it left the ledger once (topic, key, headers,
value).

They are never changed and never removed: every future version must read them. `python -m tests.wire.messages` writes
those that are missing, which is what a new type, or a new version of one, asks for.
"""

import json
from pathlib import Path
from typing import Any

from ledger.domain.events import PAYLOADS
from ledger.relay.states import states
from ledger.rulebooks.loader import load_books
from ledger.wire.events import VERSIONS, message
from ledger.wire.letters import Heartbeat, dead_letter, outcome_message
from ledger.wire.message import JSON, History, Message
from ledger.wire.schemas import schemas
from ledger.wire.state import message as state_message
from ledger.wire.topics import EVENTS, SUBMISSIONS

from .examples import FIRST, history, record

GOLDEN = Path(__file__).parent / "golden"
SCHEMAS = schemas()
ORIGIN = History("0f" * 16, 1)
AT, LATER = "2026-02-11T09:30:02Z", "2026-02-11T09:30:02.500000Z"
REFUSED: dict[str, Any] = {"id": "exams-118", "outcome": "refused", "reasons": [{
    "rule": "PRN-1", "message": "Booking closed on 2026-06-17, five days before the exam.",
    "source": {"document": "Guida dello studente 2025-26", "heading": "Prenotazione degli appelli"},
    "clears": {"what": "another call of the course", "from": None}, "facts": [{"event": "h9", "on": "2026-05-28"}]}]}
OTHER: dict[str, dict[str, Any]] = {
    "outcome-accepted": {"id": "pagopa-77", "outcome": "accepted", "position": 9, "version": 4, "breaches": ["ESA-1"]},
    "outcome-duplicate": {"id": "pagopa-77", "outcome": "duplicate", "position": 9, "version": 4},
    "outcome-refused": REFUSED,
    "outcome-invalid": {"id": None, "outcome": "invalid",
                        "problems": [{"path": "data.amount", "message": "this field is required"}]},
}


def written() -> dict[str, Message]:
    """What today's code sends, by the name of the golden message."""
    found = {f"{name}.v{VERSIONS[name]}": message(record(name, n, first=True), "ab" * 32, ORIGIN)
             for n, name in enumerate(PAYLOADS, 1)}
    found |= {f"{name}-2.v{VERSIONS[name]}": message(record(name, n), "ab" * 32, ORIGIN)
              for n, name in enumerate(FIRST, 101)}
    degree, single = states(history(), "S01", load_books())
    found |= {"state.v1": state_message(degree, ORIGIN), "state-single-courses.v1": state_message(single, ORIGIN)}
    found["heartbeat.v1"] = Heartbeat(topic=EVENTS, at=LATER, complete_at=AT, position=41,
                                      offsets={0: 17, 1: 0, 11: 24}).message(ORIGIN)
    found |= {f"{name}.v1": outcome_message(b"S01", outcome, AT, ORIGIN) for name, outcome in OTHER.items()}
    found["dead-letter.v1"] = dead_letter(
        "career-ledger.intake", "value: not one JSON object", SUBMISSIONS, 3, 118, b"S01", b'{"id": "exams-119", ',
        [("content-type", JSON)])
    return found


def load(path: Path) -> Message:
    held = json.loads(path.read_text())
    return Message(held["topic"], held["key"].encode(), held["value"].encode(),
                   [(name, text.encode()) for name, text in held["headers"]])


def main() -> None:
    GOLDEN.mkdir(exist_ok=True)
    for name, sent in written().items():
        path = GOLDEN / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps({
                "topic": sent.topic, "key": sent.key.decode(),
                "headers": [[name, value.decode()] for name, value in sent.headers],
                "value": sent.value.decode() if sent.value is not None else None}, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
