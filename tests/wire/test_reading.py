"""A subscriber gets each event as it was sent, or a word that names the field and none of the content."""

import json
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from hashlib import sha256
from typing import Any

import pytest

from ledger.domain.checked import required
from ledger.domain.events import PAYLOADS
from ledger.wire.events import FIELDS, message
from ledger.wire.message import Header, History, Message
from ledger.wire.reading import UnknownType, Unreadable, identify, read_event

from .examples import DATA, event, record

ORIGIN = History("test", 1)
SHA = "ab" * 32


def _sent(type: str = "exam-booked", position: int = 7) -> Message:
    return message(record(type, position), SHA, ORIGIN)


def _with(sent: Message, **headers: bytes | None) -> list[Header]:
    """Its headers, some replaced, None: left out. Underscores stand for what they are."""
    return [(name, value) for name, value in (dict(sent.headers) | headers).items() if value is not None]


def _altered(change: Callable[[dict[str, Any]], Any], type: str = "exam-booked") -> tuple[bytes, bytes, list[Header]]:
    """A message whose value was changed by somebody who also knows how to hash it."""
    sent = _sent(type)
    assert sent.value is not None
    value = json.loads(sent.value)
    changed = change(value)
    raw = changed if isinstance(changed, bytes) else json.dumps(value if changed is None else changed).encode()
    return sent.key, raw, _with(sent, payload_sha256=sha256(raw).hexdigest().encode())


@pytest.mark.parametrize("type", sorted(PAYLOADS))
def test_every_type_is_read_as_it_was_recorded(type: str) -> None:
    sent, recorded = _sent(type), event(type, 7)
    found = read_event(sent.key, sent.value, sent.headers)
    assert identify(sent.key, sent.headers) == (found.student, found.version) == ("S01", 7)
    assert (found.id, found.type, found.career, found.effective_on, found.position, found.source, found.actor) == (
        recorded.id, type, recorded.career, recorded.effective_on, 7, recorded.source, recorded.actor)
    assert (found.recorded_at, found.digest, found.value, found.breaches) == ("2026-02-11T09:30:00.250000Z",
                                                                              SHA, sent.value, ("ESA-1",))
    assert [(one.rule, one.authority) for one in found.override] == [("ESA-1", "Registrar")]
    names, parts = FIELDS[type]
    assert set(found.data.__class__.model_fields) == {*names, *parts}
    for name in names:
        assert getattr(found.data, name) == getattr(recorded.data, name), name
    for name, inner in parts.items():
        for one, expected in zip(getattr(found.data, name), getattr(recorded.data, name), strict=True):
            assert {field: getattr(one, field) for field in inner} == expected.held()


def test_values_have_the_domains_types() -> None:
    booked, paid = _sent("exam-booked"), _sent("instalment-paid")
    assert read_event(booked.key, booked.value, booked.headers).data.held_on == date(2026, 6, 22)
    amount = read_event(paid.key, paid.value, paid.headers).data.amount
    assert (type(amount), str(amount)) == (Decimal, "400.00")


@pytest.mark.parametrize("type", sorted(PAYLOADS))
def test_optional_fields_may_be_absent_and_take_the_domains_defaults(type: str) -> None:
    model = PAYLOADS[type]
    needed = {name: DATA[type][name] for name in required(model)}
    bare = message(record(type) | {"data": needed}, SHA, ORIGIN)
    found, expected = read_event(bare.key, bare.value, bare.headers).data, model.model_validate(needed)
    for name in FIELDS[type][0]:
        assert getattr(found, name) == getattr(expected, name)


def test_fields_of_a_later_release_are_passed_over() -> None:
    def add(value: dict[str, Any]) -> None:
        value["later"] = {"a": 1}
        value["data"]["later"] = [1]
    assert read_event(*_altered(add)).data.course == "MAT-01"


@pytest.mark.parametrize(("headers", "field"), [
    ({"version": b"8"}, "version"), ({"position": b"8"}, "position"), ({"event_type": b"exam-graded"}, "event_type"),
    ({"event_id": b"x"}, "id"),
    ({"payload_sha256": b"00" * 32}, "payload_sha256"), ({"payload_sha256": None}, "payload_sha256"),
    ({"version": None}, "version"),
    ({"version": b"0"}, "version"), ({"version": b"-1"}, "version"), ({"version": b"9" * 40}, "version"),
    ({"version": b"\xff"}, "version"),
    ({"version": "٣".encode()}, "version"), ({"position": b""}, "position"), ({"digest": None}, "digest"),
    ({"event_id": b"\xff"}, "event_id"),
    ({"ce_type": None}, "ce_type"), ({"ce_type": b"exam-booked"}, "ce_type"),
    ({"ce_type": b"career.exam-booked.v0"}, "ce_type"),
    ({"ce_type": b"career.exam-graded.v1"}, "type"),
])
def test_message_is_unreadable_when_a_header_does_not_fit(headers: dict[str, bytes | None], field: str) -> None:
    sent = _sent()
    with pytest.raises(Unreadable, match=rf"^{field}: ") as refused:
        read_event(sent.key, sent.value, _with(sent, **headers))
    assert not isinstance(refused.value, UnknownType)


@pytest.mark.parametrize("key", [None, b"", b"S02", b"S 1", b"S01\n", b"\xff", b"x" * 65])
def test_message_is_unreadable_when_the_key_is_not_the_student(key: bytes | None) -> None:
    sent = _sent()
    with pytest.raises(Unreadable, match=r"^(key|student): "):
        read_event(key, sent.value, sent.headers)


def test_a_tombstone_is_no_event() -> None:
    sent = _sent()
    with pytest.raises(Unreadable, match=r"^value: "):
        read_event(sent.key, None, sent.headers)


def _set(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        for name in outer:
            found = found[name]
        found[last] = value
    return change


def _drop(path: str) -> Callable[[dict[str, Any]], None]:
    def change(found: dict[str, Any]) -> None:
        *outer, last = path.split(".")
        for name in outer:
            found = found[name]
        del found[last]
    return change


@pytest.mark.parametrize(("change", "type", "field"), [
    (_set("data.held_on", "CONTENT"), "exam-booked", "data.held_on"),
    (_set("data.held_on", 5), "exam-booked", "data.held_on"),
    (_set("data.session", "CONTENT"), "exam-booked", "data.session"),
    (_drop("data.course"), "exam-booked", "data.course"),
    (_drop("data"), "exam-booked", "data"), (_drop("career"), "exam-booked", "career"),
    (_set("career", "CON/TENT"), "exam-booked", "career"),
    (_set("student", "S02"), "exam-booked", "student"),
    (_set("effective_on", "2026-02-30"), "exam-booked", "effective_on"),
    (_set("recorded_at", "2026-02-30T09:00:00Z"), "exam-booked", "recorded_at"),
    (_set("version", "7"), "exam-booked", "version"),
    (_set("recorded_at", "2026-02-11T09:00:00+01:00"), "exam-booked", "recorded_at"),
    (_set("position", 7.5), "exam-booked", "position"),
    (_set("data.amount", 400), "instalment-paid", "data.amount"),
    (_set("data.amount", "400.0"), "instalment-paid", "data.amount"),
    (_set("data.amount", "NaN"), "instalment-paid", "data.amount"),
    (_set("data.adequate", "yes"), "preparation-assessed", "data.adequate"),
    (_set("data.cfu", "9"), "exam-graded", "data.cfu"), (_set("data.cfu", float("inf")), "exam-graded", "data.cfu"),
    (_set("data.grade", 17), "exam-graded", "data.grade"),
    (_set("data.courses", [{"code": "A"}]), "cfu-recognised", "data.courses.0.cfu"),
    (_set("override", [{"rule": "CONTENT"}]), "exam-booked", "override.0.authority"),
    (_set("id", "a\0b"), "exam-booked", "value"),
    (lambda _: b"{", "exam-booked", "value"), (lambda _: b"", "exam-booked", "value"),
    (lambda _: b"[]", "exam-booked", "value"),
    (lambda _: b"\xffCONTENT", "exam-booked", "value"), (lambda _: b'{"id": "\\ud800"}', "exam-booked", "value"),
])
def test_message_is_unreadable_and_names_the_field_when_the_value_breaks_its_form(
        change: Callable[[dict[str, Any]], Any], type: str, field: str) -> None:
    key, value, headers = _altered(change, type)
    with pytest.raises(Unreadable, match=rf"^{field}(\.\w+)?: ") as refused:
        read_event(key, value, headers)
    assert not isinstance(refused.value, UnknownType)
    assert "TENT" not in str(refused.value)


@pytest.mark.parametrize("ce_type", ["career.exam-invented.v1", "career.exam-booked.v2"])
def test_types_and_versions_of_a_later_release_are_told_apart_from_damage(ce_type: str) -> None:
    sent = _sent()
    with pytest.raises(UnknownType, match="update this program"):
        read_event(sent.key, sent.value, _with(sent, ce_type=ce_type.encode()))
    assert identify(sent.key, _with(sent, ce_type=ce_type.encode())) == ("S01", 7)
