"""What a fuzzer has found before, small: none of these was answered in the parser's own words. Files in `found` are
what `make fuzz` left there and nobody has made small yet."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ledger.wire.topics import OUTCOMES

from .targets import TARGETS
from .targets.exports import EPOCH
from .targets.files import an_archive
from .targets.privacy import made
from .targets.proofs import verifiers
from .targets.stored import histories, states
from .targets.wire import _archive, _treasury, beats, golden, of_today, used

DEEP, DIGITS = "[" * 3000 + "]" * 3000, "9" * 5000
EXPORTED = ('{"fullName": "S01", "paymentOption": [{"nav": "300186391873265404", "amount": 40000, '
            '"paymentOptionMetadata": [{"key": "career", "value": "S01-B"}, '
            '{"key": "charge", "value": "2025-26:instalment-1"}]}]}')


def changed(seeds: list[bytes], holding: str, old: str, new: str) -> bytes:
    """The first of these good inputs that holds two texts, the second changed in it, once."""
    text = next(one.decode() for one in seeds if holding in one.decode() and old in one.decode())
    return text.replace(old, new, 1).encode()


def of_a_career(old: str, new: str) -> bytes:
    return changed(of_today(), '"charges":[{', old, new)


FOUND: dict[str, tuple[str, Callable[[], bytes]]] = {
    "depth in a list of parts": ("stored-bytes",
        lambda: changed(states(), "study-plan-approved.v1", '"courses":[', f'"courses":[{DEEP},')),
    "depth under an unknown name": ("stored-bytes", lambda: f"x.v9\n{DEEP}".encode()),
    "a part that is none": ("stored-bytes",
        lambda: changed(states(), "study-plan-approved.v1", '"courses":[', '"courses":[7,')),
    "a moment beyond the calendar": ("stored-bytes",
        lambda: changed(states(), "instalment-paid.v1", "2026-02-11T09:00:00Z", "9999-12-31T23:59:59-14:00")),
    "money that is no number": ("stored-history",
        lambda: changed(histories(), "instalment-paid", '"156.00"', '"sNaN"')),
    "the last day of all": ("stored-history", lambda: changed(histories(), "", '"2026-06-30"', '"9999-12-31"')),
    "the last day of a course": ("stored-history", lambda: changed(histories(), "", '"2025-12-20"', '"9999-12-31"')),
    "an empty file": ("institution", lambda: b"# nothing\n"),
    "depth in the words": ("book-words", lambda: f"a = {DEEP}".encode()),
    "digits in the words": ("book-words", lambda: f"a = {DIGITS}".encode()),
    "depth in the creditor": ("creditor", lambda: f"a = {DEEP}".encode()),
    "digits in the creditor": ("creditor", lambda: f"a = {DIGITS}".encode()),
    "more cents than a database counts": ("treasury-state",
        lambda: of_a_career('"amount":"156.00"', f'"amount":"{"9" * 30}.00"')),
    **{f"depth in a state: {one}": (one, lambda: of_a_career('"charges":[', f'"later":{DEEP},"charges":['))
       for one in ("booking-state", "notifications-state", "treasury-state")},
    "a payment of more": ("treasury-events",
        lambda: changed(used(_treasury), "instalment-paid", '"400.00"', f'"{"9" * 30}.00"')),
    "a position above all": ("booking-heartbeat",
        lambda: changed(beats(), '"topic":"career.state.v1"', '"position":41', f'"position":{"9" * 20}')),
    "two periods of a charge on a day": ("treasury-state",
        lambda: changed(of_today(), '"until":"2026-03-20"', '"from":"2026-02-18","until":"2026-03-20"',
            '"from":"2026-03-20","until":"2026-03-20"')),
    "a due date after which there is no day": ("treasury-state",
        lambda: changed(of_today(), '"until":"2026-02-18"', '"due_on":"2026-02-17"', '"due_on":"9999-12-31"')),
    "a NUL character in a header": ("archive-events",
        lambda: changed(used(_archive), "exam-booked", "origin: ", "origin: \0")),
    "one in what the archive keeps": ("archive-events",
        lambda: changed(used(_archive), "exam-booked", "event_type: ", "event_type: \0")),
    "one in an outcome": ("treasury-outcomes",
        lambda: changed(golden(OUTCOMES), "pagopa-77", '"id":"pagopa-77"', r'"id":"pagopa:\u0000"')),
    "one in an outcome's key": ("treasury-outcomes",
        lambda: changed(golden(OUTCOMES), "pagopa-77", "S01\n", "S\0\n").replace(b'"id":"pagopa-77"',
            b'"id":"pagopa:77"')),
    "digits behind a name that stands twice": ("payment-notice", lambda: f'{{"a":1,"a":2,"b":{DIGITS}}}'.encode()),
    "no JSON behind it": ("payment-notice", lambda: b'{"receipt":"a","receipt":"b"'),
    "depth behind it": ("payment-notice", lambda: f'{{"a":1,"a":2,"b":{DEEP}}}'.encode()),
    "an amount above all": ("exported-position", lambda: EXPORTED.replace("40000", "9" * 20).encode()),
    "a career with a NUL character": ("exported-position", lambda: EXPORTED.replace("S01-B", r"S\u0000").encode()),
    "a position that no database counts": ("archive-folder",
        lambda: changed(an_archive(), "", '"position":1', f'"position":{"9" * 20}')),
    "half a surrogate pair": ("archive-folder",
        lambda: changed(an_archive(), "", '"student":"S01"', r'"student":"\ud800"')),
    "a digest's version without end": ("archive-folder",
        lambda: an_archive()[0].replace(b'"version": 1,', b'"version": 1e999,')),
    "a manifest of nothing before": ("archive-folder",
        lambda: changed(an_archive(), "", ' "previous": null,\n', "")),
    "the first moment": ("moment", lambda: b"0001-01-01T00:00:00+14:00"),
    "a key's number without end": ("sealed-event",
        lambda: changed(made().states, "ticket-closed", '"key":1', f'"key":{"9" * 20}')),
    "a text in the place of a key": ("key-store-rows", lambda: b"student_keys wrapped text abc"),
    "a number in the place of a key": ("key-store-rows", lambda: b"student_keys wrapped number 999999999999"),
    "a text in the place of the store's keys": ("key-store-rows", lambda: b"key_store own text abc"),
    "a text in the place of a purpose": ("key-store-rows", lambda: b"access_log purpose text abc"),
    "a key's name that is no UTF-8": ("verifier-key",
        lambda: verifiers()[0].replace(b"ledger.example.edu", b"\xff\xfe")),
    "a reason that is no UTF-8": ("export-epochs", lambda: EPOCH.replace(b"the disk", b"the di\xf2k")),
    "a name without end in the words": ("book-words", lambda: b"a" * 5000 + b" = 1"),
    "a name of others in the message of an error": ("booking-heartbeat",
        lambda: changed(beats(), '"topic":"career.state.v1"', '"offsets":{"0"', r'"offsets":{"0\u0000"')),
    "a day after which there is none": ("day-of-a-service", lambda: b"9999-12-31"),
    "a day spelt as a week": ("day-of-a-service", lambda: b"2026-W01-1"),
}
LEFT = {f"{file.parent.name}/{file.name}": (file.parent.name, file.read_bytes)
        for file in sorted((Path(__file__).parent / "found").glob("*/*"))}
CHECKS = {target.name: target.check for target in TARGETS}


@pytest.mark.parametrize("found", [*FOUND.values(), *LEFT.values()], ids=[*FOUND, *LEFT])
def test_parser_answers_in_its_own_words_when_a_fuzzer_has_found_the_bytes(
        found: tuple[str, Callable[[], bytes]]) -> None:
    name, text = found
    CHECKS[name](text())
