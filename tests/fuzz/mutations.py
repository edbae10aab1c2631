"""What damage, malice and other programs do to a text that was good: the same list for hypothesis and for atheris."""

import re
from collections.abc import Callable, Sequence
from random import Random

TOKENS: tuple[bytes, ...] = (
    b"\0", b"\xff", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\r", b"\x1b[31m", "\u202e\u2028".encode(), "\u0663".encode(),
    rb"\ud800", rb"\u0000", b"null", b"true", b"-1", b"0", b"1e999", b"-1e999", b"1e-999", b"NaN", b"Infinity", b"1.5",
    b"9" * 20, b"9" * 400, b"9" * 5000, b"-" + b"9" * 20, b'"NaN"', b'"sNaN"', b'"-0.00"', b'"' + b"9" * 30 + b'.00"',
    b'"1e5"', b"0001-01-01", b"9999-12-31", b"1900-01-01", b"2026-02-30", b'"0001-01-01"', b'"9999-12-31"',
    b'"0001-01-01T00:00:00Z"', b'"9999-12-31T23:59:59.999999Z"', b'"0001-01-01T00:00:00+14:00"',
    b'"9999-12-31T23:59:59-14:00"', b"[" * 3000, b"[" * 3000 + b"]" * 3000, b'{"a":' * 3000, b"{}", b"[]", b'""',
    b"[{}]", b'"' + b"x" * 5000 + b'"', b"&a [*a, *a]", b"*a", b"<<: *a", b"!!python/object:os.system x", b"!!binary x",
    b"? ", b"- ", b": ", b"---\n", b"%zz", b"%00", b"://", b"@", b"'", b'"', b"\\", b"=1+1", b"\n", b",")
"""Bytes that are no UTF-8 or no text, numbers without end, years at the ends of the calendar, depth, aliases, tags and
what other languages take for syntax."""
_KINDS = tuple((re.compile(pattern), tuple(one for one in TOKENS if re.fullmatch(alike, one)))
               for pattern, alike in (
    (rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}"', rb'"[0-9]{4}-[0-9]{2}-[0-9]{2}"'), (rb"[0-9]{4}-.*", rb"[0-9]{4}-.*"),
    (rb'"[0-9]{4}-.*T.*"', rb'"[0-9]{4}-.*T.*"'), (rb'"[0-9.]+"', rb'"[0-9.a-zA-Z-]+"'),
    (rb"-?[0-9.]+", rb"[0-9.e-]+")))
VALUE = re.compile(rb'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|\b(?:true|false|null)\b|(?<=[:=] )[^\n,]+')
FIELD = re.compile(rb'"[A-Za-z_]+"\s*:\s*(?:"[^"]*"|[0-9]+)|^[ ]*[A-Za-z0-9_-]+(?::| =)[^\n]*\n', re.MULTILINE)


def _place(text: bytes, dice: Random) -> tuple[int, int]:
    """A short piece."""
    first = dice.randrange(len(text) + 1)
    return first, min(len(text), first + dice.randrange(1, 9))


def _flip(text: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(text))
    return text[:at] + bytes([text[at] ^ 1 << dice.randrange(8)]) + text[at + 1:]


def _cut(text: bytes, dice: Random) -> bytes:
    return text[:dice.randrange(len(text) + 1)]


def _delete(text: bytes, dice: Random) -> bytes:
    first, last = _place(text, dice)
    return text[:first] + text[last:]


def _repeat(text: bytes, dice: Random) -> bytes:
    first, last = _place(text, dice)
    return text[:last] + text[first:last] * dice.choice((1, 1, 2, 40)) + text[last:]


def _insert(text: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(text) + 1)
    return text[:at] + dice.choice(TOKENS) + text[at:]


def _one(pattern: re.Pattern[bytes], text: bytes, dice: Random) -> tuple[int, int]:
    found = [match.span() for match in pattern.finditer(text)]
    return dice.choice(found) if found else (0, 0)


def _another_value(text: bytes, dice: Random) -> bytes:
    """Mostly of its kind: days for days, numbers for numbers."""
    first, last = _one(VALUE, text, dice)
    held = text[first:last]
    kin = next((tokens for pattern, tokens in _KINDS if pattern.fullmatch(held)), TOKENS)
    return text[:first] + dice.choice(kin if dice.random() < 0.6 else TOKENS) + text[last:]


def _value_of_another_field(text: bytes, dice: Random) -> bytes:
    (first, last), (begin, end) = _one(VALUE, text, dice), _one(VALUE, text, dice)
    return text[:first] + text[begin:end] + text[last:]


def _field_twice(text: bytes, dice: Random) -> bytes:
    first, last = _one(FIELD, text, dice)
    return text[:last] + (b"" if text[first:last].endswith(b"\n") else b",") + text[first:last] + text[last:]


def _without_a_field(text: bytes, dice: Random) -> bytes:
    first, last = _one(FIELD, text, dice)
    return text[:first] + text[last + (text[last:last + 1] == b","):]


Mutation = Callable[[bytes, Random], bytes]
MUTATIONS: Sequence[Mutation] = (_flip, _cut, _delete, _repeat, _insert, _another_value, _another_value, _another_value,
                                 _value_of_another_field, _field_twice, _without_a_field)


def mutated(text: bytes, dice: Random) -> bytes:
    """The text after one to three of them."""
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        text = dice.choice(MUTATIONS)(text, dice) if text else dice.choice(TOKENS)
    return text
