"""Lines of submissions, as `append`, the bulk import and the intake read them, and of recorded events."""

import json
from functools import cache
from unittest.mock import patch

from ledger.domain import submissions
from ledger.domain.form import Problem
from ledger.domain.submissions import Submission, read_submission
from ledger.handling.bulk import _STUDENT, _student_of
from ledger.handling.lines import decode_line
from ledger.handling.submit import read_form
from ledger.handling.trusted import recorded_event
from ledger.intake.counter import Received, _dead, _Form, _read
from ledger.store.mapper import Mapper
from tests.store.test_stored_bytes import GOLDEN, SEALED

from .target import Target, invalid, printable


@cache
def lines() -> list[bytes]:
    golden = [one["submission"] for one in GOLDEN]
    registered = json.loads(SEALED["person-registered"]["stored"])
    person = {name: registered[name] for name in ("id", "type", "student", "effective_on", "source", "actor")}
    return [json.dumps(one, ensure_ascii=False).encode() for one in
            (*golden, person | {"data": SEALED["person-registered"]["taken"]["data"]})]


def line(text: bytes) -> None:
    raw = decode_line(text, first=True)
    if raw is None:
        assert not text.removeprefix(b"\xef\xbb\xbf").strip()
        return
    for sealing in (False, True):
        form = read_form(raw, sealing)
        with patch.object(submissions, "_usual", lambda *_: None):
            assert read_form(raw, sealing) == form, "the quick reader and the one that names fields differ"
        if not isinstance(form, Submission):
            invalid(form)
            continue
        again = json.loads(json.dumps(form.content()))
        if form.recorded_at is not None:
            again["recorded_at"] = form.recorded_at.isoformat()
        assert read_submission(again, sealing) == form
    by_intake(raw, text)


def by_intake(raw: object, text: bytes) -> None:
    """A message that holds the line is answered, or it is a dead letter, as the line is."""
    student = raw.get("student") if isinstance(raw, dict) else None
    key = student.encode("utf-8", "replace") if isinstance(student, str) else None
    received = Received(0, 0, key, text, ())
    found, form = _read(received), read_form(raw)
    if isinstance(found, _Form):
        found.hash()
        assert found.raw == raw or raw != raw
        assert isinstance(found.form, Submission) == isinstance(form, Submission)
        if isinstance(found.form, dict):
            invalid(found.form)
        else:
            assert found.form == form
            match = _STUDENT.search(text)
            assert (match[1] if match and match[1] == key else _student_of(text)) == key
        return
    assert "fault of the ledger" not in found
    assert not isinstance(form, Submission)
    assert isinstance(raw, Problem) or found
    _dead(received, found).value  # noqa: B018 - can be made


@cache
def recorded_lines() -> list[bytes]:
    return [one["stored"].encode() for one in (*GOLDEN, *SEALED.values())]


def recorded(text: bytes) -> None:
    found = recorded_event(text, 100)
    if found is None:
        assert not text.strip()
    elif isinstance(found, dict):
        invalid(found)
    else:
        event, stored = found
        assert Mapper().to_event(stored.topic, stored.state, event.position) == event
        printable(event.as_json())


TARGETS = (Target("submission-line", line, lines), Target("recorded-line", recorded, recorded_lines))
