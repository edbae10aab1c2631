"""The draft of a year's rule book from that of another year: the same file, with every value to be confirmed marked.

The text is kept, comments and order included, so that who edits it knows her way. Days and the years that texts name
are moved by as many years; before each value stands `!confirm`, which no book that is read as law may have
(`plain.py`). What was moved is said at the end of its line, the headings to read stand at the top.
"""

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from ledger.domain.phrases import Phrase, says

from .amendments import Place
from .institution import Institution
from .loader import nodes
from .plain import CONFIRM

Teller = Callable[[Phrase], str]

DAY = "tag:yaml.org,2002:timestamp"
_KEPT = frozenset({"tag:yaml.org,2002:null", "tag:yaml.org,2002:bool"})
YEARS = re.compile(r"(?<![/\d])(?:(20\d\d)-(20\d\d)|(20\d\d)-(\d\d)(?![-\d])|(20\d\d))(?!\d)")
"""2025-2026, 2025-26, 2026; not that of a law, as in 33/2022."""
_COMMENT = re.compile(r"^\s*#")
_CHAPTER = re.compile(r"\d+")
_CONFIRMED_WITH_THE_REST = frozenset({"document", "interpretation", "question"})
"""Fields of an entry that nobody need confirm apart; a heading only where it names a year."""


class _Leaf(NamedTuple):
    """A value of the file, where it stands (`line` from 0; offsets into the text) and its tag."""

    place: Place
    tag: str
    line: int
    first: int
    last: int


def draft(name: str, source: str, old: str, new: str, institution: Institution, told: Teller) -> str:
    """The text of a draft of the year `new` from the text `source` of the book of `old`; `name` is what the draft calls
    that file, `told` puts phrases into words."""
    step = int(new[:4]) - int(old[:4])
    lines = source.splitlines(keepends=True)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line))
    root = nodes(source.encode())
    leaves = list(_leaves(root, (), starts))
    changes: list[tuple[int, int, str]] = []
    were: dict[int, list[str]] = {}
    notes: dict[int, list[Phrase]] = {}
    for leaf in leaves:
        text = source[leaf.first:leaf.last]
        if leaf.tag == DAY:
            before = date.fromisoformat(text)
            after = moved(before, step)
            changes.append((leaf.first, leaf.last, f"{CONFIRM} {after.isoformat()}"))
            were.setdefault(leaf.line, []).append(text)
            noted = notes.setdefault(leaf.line, [])
            if (before.month, before.day) != (after.month, after.day):
                noted.append(says("rules/leap", on=after))
            if (closed := institution.closed(after)) is not None:
                noted.append(closed)
        else:
            words = _later(text, step) if _names_years(leaf) else text
            mark = _to_be_confirmed(leaf) and (leaf.place[-1] != "heading" or words != text)
            if mark or words != text:
                changes.append((leaf.first, leaf.last, f"{CONFIRM} {words}" if mark else words))
    changes += [(first, last, _later(source[first:last], step)) for first, last in _keys(root, starts)]
    left_out = _section(root, "amendments", lines)
    for number, line in enumerate(lines):
        if _COMMENT.match(line) and not any(leaf.first <= starts[number] < leaf.last for leaf in leaves):
            changes.append((starts[number], starts[number + 1], _later(line, step)))
        elif number in were:
            said = [says("rules/was", academic_year=old, text=", ".join(were[number])), *notes[number]]
            end = starts[number] + len(line.rstrip("\r\n"))
            changes.append((end, end, f"  # {'; '.join(dict.fromkeys(map(told, said)))}"))
    changes = [one for one in changes if not starts[left_out.start] <= one[0] < starts[left_out.stop]]
    changes.append((starts[left_out.start], starts[left_out.stop], ""))
    head = [says("rules/draft", academic_year=new, text=name), says("rules/confirm"), says("rules/keep")]
    if left_out:
        head.append(says("rules/no-amendments", academic_year=old))
    head.append(says("rules/read", academic_year=new))
    made = [f"# {line}\n" for phrase in head for line in told(phrase).splitlines()]
    made += [f"# [ ] {_later(heading, step)}: {', '.join(rules)}\n" for heading, rules in headings(root)]
    return "".join([*made, "\n", _changed(source, changes)])


def words_draft(source: str, old: str, new: str, rules: Collection[str]) -> str:
    """The words of the books in a further language (`it.toml`) with those of the year `new` after those of `old`, also
    of the `rules` of that year whose words are everybody's (`says`) and yet name a year."""
    step = int(new[:4]) - int(old[:4])
    made = []
    for entry in re.split(r"(?m)^(?=\[)", source):
        lines = [line if line.endswith("\n") else f"{line}\n" for line in entry.splitlines(keepends=True)]
        told = f"{old}\\s*=" if any(re.match(rf"{old}\s*=", line) for line in lines) else \
            r"says\s*=" if entry[1:].partition("]")[0] in rules else None
        for line in lines:
            made.append(line)
            if told is not None and re.match(told, line) and (later := _later(line, step)) != line:
                made.append(later if later.startswith(new) else later.replace("says", new, 1))
    return "".join(made)


def moved(day: date, step: int) -> date:
    """The same day so many years on; 28 February where there is no 29th."""
    try:
        return day.replace(year=day.year + step)
    except ValueError:
        return (day - timedelta(days=1)).replace(year=day.year + step)


def headings(root: Any) -> Iterator[tuple[str, list[str]]]:
    """The headings that a book cites, in the order of its guide (by its documents, then its numbered chapters), and the
    rules that stand under each."""
    found: dict[tuple[str, str], list[str]] = {}
    for key, entry in _pairs(_value(root, "rules")):
        fields = {name.value: value.value for name, value in _pairs(entry)}
        if isinstance(fields.get("heading"), str):
            found.setdefault((fields.get("document", ""), fields["heading"]), []).append(key.value)
    documents = [key.value for key, _ in _pairs(_value(root, "documents"))]

    def order(one: tuple[str, str]) -> tuple[int, int]:
        chapter = _CHAPTER.match(one[1])
        return documents.index(one[0]) if one[0] in documents else len(documents), int(chapter[0]) if chapter else 0

    for one in sorted(found, key=order):
        yield one[1], found[one]


def unconfirmed(root: Any) -> Iterator[Place]:
    """The places of a file that are marked as to be confirmed; a node that an alias repeats is looked at once."""
    seen: set[int] = set()
    left: list[tuple[Any, Place]] = [(root, ())] if root is not None else []
    while left:
        node, place = left.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.tag == CONFIRM:
            yield place
        elif node.id == "mapping":
            left += [(value, (*place, str(key.value))) for key, value in reversed(node.value)]
        elif node.id == "sequence":
            left += [(value, (*place, number)) for number, value in reversed([*enumerate(node.value)])]


def confirmed(content: bytes) -> bytes:
    """The file as if every value were confirmed; each stays on its line."""
    return re.sub(rb"%s[ \t]*" % CONFIRM.encode(), b"", content)


def _leaves(node: Any, place: Place, starts: list[int]) -> Iterator[_Leaf]:
    """Each value, but of a list of words the list."""
    if node.id == "mapping":
        for key, value in node.value:
            yield from _leaves(value, (*place, str(key.value)), starts)
    elif node.id == "sequence" and not all(one.id == "scalar" and one.tag != DAY for one in node.value):
        for number, value in enumerate(node.value):
            yield from _leaves(value, (*place, number), starts)
    else:
        first, last = node.start_mark, node.end_mark
        yield _Leaf(place, node.tag, first.line, starts[first.line] + first.column, starts[last.line] + last.column)


def _keys(root: Any, starts: list[int]) -> Iterator[tuple[int, int]]:
    """The ids of documents, which name their year."""
    for key, _ in _pairs(_value(root, "documents")):
        yield starts[key.start_mark.line] + key.start_mark.column, starts[key.end_mark.line] + key.end_mark.column


def _value(node: Any, name: str) -> Any:
    return next((value for key, value in _pairs(node) if key.value == name), None)


def _pairs(node: Any) -> list[tuple[Any, Any]]:
    return node.value if node is not None and node.id == "mapping" else []


def _section(root: Any, name: str, lines: Sequence[str]) -> range:
    """The lines of the last part of the file, with the comment above it; none where it is not there."""
    first = next((key.start_mark.line for key, _ in _pairs(root) if key.value == name), len(lines))
    while 0 < first < len(lines) and (_COMMENT.match(lines[first - 1]) or not lines[first - 1].strip()):
        first -= 1
    return range(first, len(lines))


def _names_years(leaf: _Leaf) -> bool:
    """Whether the years in it are moved: those of texts and of the fields that are an academic year, never of an
    amount."""
    if leaf.place[0] in ("id", "academic_year", "late_degrees_of", "documents"):
        return True
    return "unknown" in leaf.place or leaf.place[-1] in (
        "document", "heading", "says", "decided", "question", "degree_year", "courses_of", "unknown", "denied")


def _to_be_confirmed(leaf: _Leaf) -> bool:
    return leaf.place[0] in ("rules", "documents", "interpretations") and leaf.tag not in _KEPT \
        and leaf.place[-1] not in _CONFIRMED_WITH_THE_REST


def _later(text: str, step: int) -> str:
    def one(found: re.Match[str]) -> str:
        both, second, short, _, alone = found.groups()
        if both:
            return f"{int(both) + step}-{int(second) + step}"
        first = int(short or alone) + step
        return f"{first}-{(first + 1) % 100:02d}" if short else str(first)

    return YEARS.sub(one, text)


def _changed(text: str, changes: list[tuple[int, int, str]]) -> str:
    made, at = [], 0
    for first, last, words in sorted(changes, key=lambda one: one[:2]):
        made += [text[at:first], words]
        at = last
    return "".join([*made, text[at:]])
