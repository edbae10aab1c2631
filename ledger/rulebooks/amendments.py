"""What became known of a year's law after its book was written: amendments, each with the day since which it is known,
the day from which it holds, and its source. They stand at the end of the year's file, in the order in which they became
known, so that the bytes before one of them are the file as it was before: that is what identifies the earlier law.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

from msgspec.structs import replace

from ledger.domain.books import Stage
from ledger.domain.phrases import Phrase, says
from ledger.domain.rulebook import Amendment, RuleBook

Place = tuple[str | int, ...]
AtPlace = tuple[Place, Phrase]
"""What is wrong at a place of the file."""
SOURCE = ("document", "heading", "says")
_FIELD = rb"(?m)^amendments:"
Checking = Callable[[Mapping[str, Any], Mapping[str, int]], RuleBook]
"""The checked book of a file's data; the second mapping says which amendment an entry comes from."""


def stages(data: Mapping[str, Any], made: Checking, content: bytes, register: bytes,
           begin: Sequence[int]) -> tuple[RuleBook, tuple[Stage, ...]]:
    """The book as it is known now, with all that holds on any day, and, where it has amendments, each state of
    knowledge in order. `begin`: see `beginnings`."""
    base = made(data, {})
    known = base.amendments
    if not known:
        return base, ()
    from hashlib import sha256

    ends = [*begin, len(content)]
    days = [None, *sorted({one.known_since for one in known})]
    found = []
    for day in days:
        count = sum(day is not None and one.known_since <= day for one in known)
        identity = sha256(_kept(content, ends[count], count == len(known)) + register).hexdigest()
        turns = tuple(sorted({one.holds_from for one in known[:count]}))
        books = (replace(base, amendments=known[:count]),
                 *(_amended(data, made, known, count, turn) for turn in turns))
        found.append(Stage(day, (base.id, identity), turns, books))
    return found[-1].books[-1], tuple(found)


def out_of_place(data: Mapping[str, Any], content: bytes, known: Sequence[Amendment],
                 documents: Sequence[str]) -> Iterator[AtPlace]:
    """What is wrong with the amendments themselves."""
    if known and ([*data][-1] != "amendments" or not re.search(_FIELD, content)):
        yield ("amendments",), says("book/amendments-last")
    for number, one in enumerate(known):
        if number and one.known_since < known[number - 1].known_since:
            yield ("amendments", number, "known_since"), says("book/amendment-order", text=one.known_since.isoformat())
        if one.document not in (*documents, *one.documents):
            yield ("amendments", number, "document"), says("book/amendment-document", text=one.document)


def _amended(data: Mapping[str, Any], made: Checking, known: Sequence[Amendment], count: int, day: date) -> RuleBook:
    """The book with those of the first `count` amendments that hold on a day; a later one goes over an earlier one."""
    rules: dict[str, Any] = dict(data["rules"])
    comes_from: dict[str, int] = {}
    for number, one in enumerate(known[:count]):
        if one.holds_from <= day:
            for rule, change in data["amendments"][number]["rules"].items():
                rules[rule] = _entry(rules.get(rule), change, {name: getattr(one, name) for name in SOURCE})
                comes_from[rule] = number
    documents = data["documents"] | {key: title for one in known[:count] for key, title in one.documents.items()}
    return made({**data, "documents": documents, "rules": rules, "amendments": data["amendments"][:count]}, comes_from)


def _entry(before: Any, change: Mapping[str, Any], source: Mapping[str, str]) -> dict[str, Any]:
    """An entry after a change of some of its fields. What the change states is not unknown any more."""
    if isinstance(change.get("unknown"), str):
        return dict(change)
    if "denied" in change:
        return {"document": source["document"], "heading": source["heading"], **change}
    stated = dict(before) if isinstance(before, dict) and "denied" not in before \
        and not isinstance(before.get("unknown"), str) else {}
    unknown = {name: why for name, why in {**stated.pop("unknown", {}), **change.get("unknown", {})}.items()
               if name not in change}
    found = {name: value for name, value in {**stated, **source, **change}.items() if name not in (*unknown, "unknown")}
    return found | ({"unknown": unknown} if unknown else {})


def beginnings(content: bytes, nodes: Callable[[bytes], Any]) -> list[int]:
    """Where in the file the field and each amendment after the first begins. Empty where they are none."""
    field = re.search(_FIELD, content)
    if field is None:
        return []
    start = field.start()
    lines = content[start:].splitlines(keepends=True)
    pairs = getattr(nodes(content[start:]), "value", [])
    items = pairs[0][1].value[1:] if pairs and isinstance(pairs[0], tuple) and pairs[0][1].id == "sequence" else []
    return [start, *(start + sum(map(len, lines[:item.start_mark.line])) for item in items)]


def _kept(content: bytes, end: int, whole: bool) -> bytes:
    """The file as it was before an amendment was written: empty lines and comments before it came with it."""
    if whole:
        return content
    lines = content[:end].splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith(b"#")):
        lines.pop()
    return b"".join(lines)
