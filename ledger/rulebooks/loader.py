"""From rule book files to `LawBooks`: read, check, and name the place to mend.

One YAML file holds the law of one academic year; readings.yaml beside them holds the register of interpretations for
all years, of which a year's file lists what it decides otherwise. The sha256 of the bytes of both (the year's first,
as `cat 2025-26.yaml readings.yaml | sha256sum` prints it) is the year's identity, so that an event tells for ever
which law, and which readings of it, it was decided under. Of a book with amendments each
state of knowledge has its own, by the bytes of the year's file as it was before the next one was written.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import msgspec

from ledger.domain.books import LawBooks, Stage
from ledger.domain.checked import Checked, names
from ledger.domain.form import phrase_of
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import Phrase, says
from ledger.domain.rulebook import Admission, Interpretations, Law, OwnBook, Register, RuleBook, Tiers
from ledger.edges.text import visible
from ledger.words import DEFAULT, Language, sentence

from .amendments import AtPlace, Place, beginnings, out_of_place, stages
from .remembered import AsRead, own_remembered, year_remembered

REGISTER = "readings.yaml"
"""The file of a folder that is no year's book: what the guides leave open and how it is read, for every year."""
INSTITUTION = "institution.yaml"
"""Whose books these are (`institution.py`)."""
NO_BOOKS = frozenset({REGISTER, INSTITUTION})
PACKAGED = Path(__file__).parent
LONGEST_BOOK = 1 << 19
"""Bytes of a file. The packaged ones have a tenth of it; a larger one takes seconds to read before it can be
refused."""
LISTED = 20
"""Problems that are named; the rest are counted."""
LONGEST_PROBLEM = 240


SMALLEST = ("CHG-3", "RAT-3", "RAT-4", "RAT-5", "RAT-6", "MOR-1", "MOR-2", "MOR-3", "BLK-1", "BLK-2", "BLK-3",
            "ISE-1", "ISE-2", "ISE-3")
"""Rules that a year's book states, denies or marks as unknown: who leaves one out lets money be remitted and debtors
pass."""


class Misread(msgspec.Struct, frozen=True):
    """What is wrong with a file: its name, the line (None: no line of it), the field ("": the file) and what to do."""

    file: str
    line: int | None
    field: str
    message: Phrase

    def phrase(self) -> Phrase:
        told = says("book/at-field", text=self.field, parts=(self.message,)) if self.field else self.message
        return says("book/in-file", text=self.file, parts=(told,)) if self.line is None else \
            says("book/at-line", text=self.file, count=self.line, parts=(told,))


class RuleBookError(ValueError):
    """A rule book cannot be used: every problem with file, line, field and what to write."""

    def __init__(self, *problems: Misread) -> None:
        self.problems = problems
        super().__init__("\n".join(self.told()))

    def told(self, language: Language = DEFAULT) -> list[str]:
        """A line for each problem."""
        return [visible(sentence(one.phrase(), language)) for one in self.problems]


class Readings:
    """The register as a folder gives it: `name`, what an error calls the file, and its bytes, which every year's
    identity covers. It is read and checked for the first book that is."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content

    @cached_property
    def data(self) -> dict[str, Any]:
        """What stands there, as plain data. Raises `RuleBookError`."""
        found = read_plain(self.name, self.content)
        if not isinstance(found, dict):
            raise RuleBookError(Misread(self.name, 1, "", says("book/no-register")))
        return found

    @cached_property
    def entries(self) -> Interpretations:
        """Checked. Raises `RuleBookError`."""
        try:
            return Register.model_validate(self.data).interpretations
        except ValueError as error:
            raise refusal(self.name, self.content, error) from None


def load_books(folder: Path | None = None) -> LawBooks:
    """The rule books of this package, or those of an institution's own folder, which replace them all. A folder
    without a readings.yaml is read by the packaged one.

    Raises `RuleBookError` when the folder has no `*.yaml` file or a file is wrong."""
    books: dict[str, RuleBook] = {}
    identities: dict[str, tuple[str, str]] = {}
    source: dict[str, str] = {}
    known: dict[str, tuple[Stage, ...]] = {}
    readings = readings_of(folder)
    for name, content in book_files(folder):
        found = read_stages(name, content, readings, (folder or PACKAGED) / Path(name).name)
        year = found.book.academic_year
        if year in books:
            raise RuleBookError(Misread(name, None, "academic_year", says("book/second-of-the-year", academic_year=year,
                                                                          text=source[year])))
        books[year], source[year] = found.book, name
        identities[year] = (found.book.id, found.sha256)
        if found.stages:
            known[year] = found.stages
    return LawBooks(books, identities, own_rules(), known)


@cache
def own_rules() -> OwnBook:
    """The ledger's own rules: part of the program, whatever folder an institution names."""
    file = PACKAGED / "own" / "rules.yaml"
    content = file.read_bytes()
    return own_remembered(file, content, lambda: OwnBook.model_validate(
        read_plain("ledger/rulebooks/own/rules.yaml", content)))


@cache
def packaged_readings() -> Readings:
    return Readings(f"ledger/rulebooks/{REGISTER}", (PACKAGED / REGISTER).read_bytes())


def load_books_with(file: Path, folder: Path | None = None) -> tuple[LawBooks, str]:
    """The rule books of a folder with that of a file in the place of its year's, and that year."""
    from tempfile import TemporaryDirectory

    content, readings = read_file(file), readings_of(folder)
    year = read_book(str(file), content, readings).academic_year
    with TemporaryDirectory() as made:
        for number, (name, other) in enumerate(book_files(folder)):
            if read_book(name, other, readings).academic_year != year:
                (Path(made) / f"{number}.yaml").write_bytes(other)
        (Path(made) / f"{year}.yaml").write_bytes(content)
        (Path(made) / REGISTER).write_bytes(readings.content)
        return load_books(Path(made)), year


def source_of(year: str, folder: Path | None = None) -> tuple[str, str]:
    """What the file of a year is called, and its text. Raises NotFound where no file of the folder is of that
    year, and `RuleBookError` when one is wrong."""
    readings = readings_of(folder)
    years = []
    for name, content in book_files(folder):
        years.append(read_book(name, content, readings).academic_year)
        if years[-1] == year:
            return name, content.decode()
    raise NotFound(says("missing/book", field=year, years=sorted(years)))


def readings_of(folder: Path | None) -> Readings:
    path = folder / REGISTER if folder else None
    return Readings(str(path), read_file(path)) if path and path.exists() else packaged_readings()


def read_book(name: str, content: bytes, readings: Readings | None = None) -> RuleBook:
    """One checked rule book from the bytes of its file, with all its amendments; `name` is what an error calls the
    file. `readings` are those that it does not decide otherwise, None: the packaged ones."""
    return read_stages(name, content, readings or packaged_readings()).book


def read_stages(name: str, content: bytes, readings: Readings, file: Path | None = None) -> AsRead:
    """The same, and where it has amendments how it was known before each of them. `file`: beside which they may be
    remembered."""
    if file is None:
        return _read(name, content, readings)
    return year_remembered(file, b"%d " % len(content) + content + readings.content,
                           lambda: _read(name, content, readings))


def _read(name: str, content: bytes, readings: Readings) -> AsRead:
    from hashlib import sha256

    usual = readings.entries
    data = read_plain(name, content)
    if not isinstance(data, dict):
        raise RuleBookError(Misread(name, 1, "", says("book/no-book")))
    entries = _of_the_year(usual, readings, data)

    def made(data: Mapping[str, Any], amended: Mapping[str, int]) -> RuleBook:
        """`amended`: the rules that come from an amendment, by its number: their problems are to be mended there."""
        try:
            book = RuleBook.model_validate({**data, "interpretations": entries})
        except ValueError as error:
            raise refusal(name, content, error, amended) from None
        problems = [*_inconsistencies(data, book), *out_of_place(data, content, book.amendments, _documents(book))]
        if problems:
            raise RuleBookError(*_told(name, content, _moved(problems[:LISTED], amended), len(problems)))
        return book

    book, known = stages(data, made, content, readings.content, beginnings(content, nodes))
    return AsRead(book, sha256(content + readings.content).hexdigest(), known)


def _of_the_year(usual: Interpretations, readings: Readings, data: dict[Any, Any]) -> Any:
    """The register with what a year's file decides otherwise: of an entry the fields that it gives, else the whole."""
    own = data.get("interpretations", {})
    if not isinstance(own, dict):
        return own
    if not own:
        return usual
    entries = readings.data["interpretations"]
    return entries | {key: entries[key] | entry if isinstance(entry, dict) and key in entries else entry
                      for key, entry in own.items()}


def refusal(name: str, content: bytes, error: ValueError, amended: Mapping[str, int] | None = None) -> RuleBookError:
    """Of pydantic's `ValidationError`; any other is raised again."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        raise error
    found = error.errors(include_url=False)[:LISTED]
    problems = [_explained(e["type"], _in_the_file(e["loc"]), phrase_of(e), e["input"]) for e in found]
    return RuleBookError(*_told(name, content, _moved(problems, amended or {}), error.error_count()))


def _moved(problems: Sequence[AtPlace], amended: Mapping[str, int]) -> list[AtPlace]:
    """What is wrong with an amended entry stands in the amendment."""
    return [(("amendments", amended[str(place[1])], *place) if place[:1] == ("rules",) and len(place) > 1
             and place[1] in amended else place, message) for place, message in problems]


def _documents(book: RuleBook) -> list[str]:
    return [*book.documents, *own_rules().documents]


def _told(name: str, content: bytes, problems: Sequence[AtPlace], total: int) -> Iterator[Misread]:
    root = nodes(content)
    for place, message in problems:
        yield Misread(name, line_of(root, place), dotted(place), message)
    if total > len(problems):
        yield Misread(name, None, "", says("book/more-problems", count=total - len(problems)))


def book_files(folder: Path | None) -> Iterator[tuple[str, bytes]]:
    """The books of years: every `*.yaml` of a folder but its register and what it says of the institution."""
    if folder is None:
        for file in sorted(PACKAGED.iterdir()):
            if file.suffix == ".yaml" and file.name not in NO_BOOKS:
                yield f"ledger/rulebooks/{file.name}", file.read_bytes()
        return
    found = sorted(path for path in folder.glob("*.yaml") if path.name not in NO_BOOKS)
    if not found:
        raise RuleBookError(Misread(str(folder), None, "", says("book/empty-folder")))
    for path in found:
        yield str(path), read_file(path)


def read_file(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.read(LONGEST_BOOK + 1)
    except OSError as error:
        raise RuleBookError(unreadable(str(path), error)) from None


def unreadable(name: str, error: OSError) -> Misread:
    return Misread(name, None, "", says("book/unreadable", text=error.strerror or type(error).__name__))


def read_plain(name: str, content: bytes) -> Any:
    import yaml
    from yaml.constructor import ConstructorError

    from .plain import Plain, Wrong, shown

    if len(content) > LONGEST_BOOK:
        raise RuleBookError(Misread(name, 1, "", says("book/too-long", count=LONGEST_BOOK >> 10)))
    try:
        return Plain(content).get_single_data()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = shown(error.problem or error.context or "", LONGEST_PROBLEM)
        told = error.told if isinstance(error, Wrong) else \
            says("book/no-plain-data" if isinstance(error, ConstructorError) else "book/no-yaml", text=why)
        raise RuleBookError(Misread(name, mark.line + 1 if mark else 1, "", told)) from None
    except yaml.YAMLError as error:
        line = content[:getattr(error, "position", 0)].count(b"\n") + 1
        raise RuleBookError(Misread(name, line, "", says("book/no-utf-8"))) from None


def _in_the_file(place: Place) -> Place:
    """Where an entry stands that the model keeps apart."""
    return ("rules", *place[1:]) if place[:1] in (("[unknown]",), ("[denied]",)) else place


def _explained(kind: str, place: Place, message: Phrase, value: Any) -> AtPlace:
    """What to do about a validation error, in the words of who edits the file."""
    from .plain import LONGEST_SHOWN, shown

    last = str(place[-1]) if place else ""
    if kind == "extra_forbidden":
        if place[:1] in (("rules",), ("interpretations",)) and len(place) == 2:
            if place[0] == "rules" and last in own_rules().rules:
                return place, says("book/own-rule")
            return place, _unknown_id(last[:LONGEST_SHOWN], _ids(Law if place[0] == "rules" else Interpretations))
        return place, says("book/unknown-field")
    if kind == "missing":
        return place, says("book/missing", text=last)
    if kind == "literal_error" and isinstance(value, bool):
        return place, says("book/word-in-quotes", parts=(message,))
    if kind in ("model_type", "model_attributes_type"):
        return place, says("book/entry")
    if kind == "dict_type":
        return place, says("book/fields")
    if isinstance(value, dict | list | set | tuple):
        return place, message
    return place, says("book/found", parts=(message,), text=shown(repr(value)))


_BOUNDS = (("first", "last"), ("enrol_from", "enrol_until"), ("first", "until"), ("until", "late_until"),
           ("until", "late_from"), ("late_from", "late_until"),
           ("until", "reserved_until"))


def _inconsistencies(data: Mapping[str, Any], book: RuleBook) -> Iterator[AtPlace]:
    """What the shape alone does not tell: register entries that do not exist, periods that end before they begin, steps
    out of order."""
    register, documents = set(_ids(Interpretations)), _documents(book)
    for section in ("rules", "interpretations"):
        for key in data.get(section, {}):
            if "_" in key:
                yield (section, key), says("book/write", text=key.replace("_", "-"))
    if book.acts_until is not None and (book.acts_from is None or book.acts_until < book.acts_from):
        yield ("acts_until",), says("book/not-before", text="acts_from")
    yield from _gaps(book)
    stated = book.rules.stated
    for key, entry in (*stated.items(), *book.denied.items()):
        if entry.document not in documents:
            yield ("rules", key, "document"), _or_near(says("book/no-document", text=entry.document), entry.document,
                                                       documents)
    for key, rule in stated.items():
        place: Place = ("rules", key)
        if rule.interpretation is not None and rule.interpretation not in register:
            yield (*place, "interpretation"), _or_near(says("book/no-reading", text=rule.interpretation),
                                                       rule.interpretation, list(register))
        if isinstance(rule, Tiers | Admission):
            name = "tiers" if isinstance(rule, Tiers) else "steps"
            if name not in rule.unknown and not _ascending([step.through for step in getattr(rule, name)]):
                yield (*place, name), says("book/steps")
        yield from _periods(place, rule.held())
    block = stated.get("BLK-3")
    if block is not None and not block.unknown and (block.deadline is None) == (block.days is None):
        yield ("rules", "BLK-3"), says("book/either", first="deadline", second="days")


def _gaps(book: RuleBook) -> Iterator[AtPlace]:
    """What the book leaves out and must not: a rule that is not there is one that the year does not have."""
    known = _ids(Law)
    for key in (*book.unknown, *book.denied):
        if key not in known:
            yield ("rules", key), _unknown_id(key[:40], known)
    if book.covers == "single-courses":
        return
    told = book.rules.stated.keys() | book.unknown.keys() | book.denied.keys()
    for key in SMALLEST if book.covers == "everything" else known:
        if key not in told:
            yield ("rules",), says("book/rule-missing", rule=key)


def _ascending(edges: list[int | None]) -> bool:
    closed = [edge for edge in edges if edge is not None]
    return bool(edges) and edges[-1] is None and len(closed) == len(edges) - 1 and closed == sorted(set(closed))


def _periods(place: Place, values: dict[str, Any]) -> Iterator[AtPlace]:
    """Every pair of days that bounds a period, in an entry or in its parts."""
    for first, last in _BOUNDS:
        begin, end = values.get(first), values.get(last)
        if begin is not None and end is not None and end < begin:
            yield (*place, last), says("book/period", text=end.isoformat(), first=first, second=begin.isoformat())
    for name, value in values.items():
        if isinstance(value, Checked):
            yield from _periods((*place, name), value.held())
        elif isinstance(value, tuple):
            for index, item in enumerate(value):
                if isinstance(item, Checked):
                    yield from _periods((*place, name, index), item.held())


def _ids(model: type[Law] | type[Interpretations]) -> list[str]:
    return [field.replace("_", "-") for field in names(model)]


def _unknown_id(word: str, known: list[str]) -> Phrase:
    return _or_near(says("book/unknown-id"), word, known)


def _or_near(told: Phrase, word: str, known: list[str]) -> Phrase:
    """With what may have been meant."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, 1)
    return says("book/near", parts=(told,), text=close[0]) if close else told


def nodes(content: bytes) -> Any:
    """The nodes of a file with their places; only needed to tell where an error is."""
    import yaml

    return yaml.compose(content, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def line_of(root: Any, place: Place) -> int:
    """The line of the deepest part of a place that the file has: of the key, where there is one; of an empty file the
    first."""
    if root is None:
        return 1
    node, line = root, root.start_mark.line
    for step in place:
        if node.id == "sequence" and isinstance(step, int) and step < len(node.value):
            node = node.value[step]
            line = node.start_mark.line
            continue
        pairs = node.value if isinstance(node.value, list) and node.id == "mapping" else []
        for key, value in pairs:
            if key.value == str(step):
                node, line = value, key.start_mark.line
                break
        else:
            break
    return int(line) + 1


def dotted(place: Place) -> str:
    from .plain import shown

    return ".".join(shown(str(step)) for step in place if step != "[key]") or "(the whole file)"
