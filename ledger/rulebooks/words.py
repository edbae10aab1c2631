"""What the rule books say in a further language: `it.toml` beside them, by the id of the
rule or of the register's entry.

The words stand apart from the law, so that correcting them changes no book's sha256. What has no words in the language
is told as its book has it, in whatever language an institution has written its own."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from ledger.domain.checked import names
from ledger.domain.phrases import Phrase, says, verbatim
from ledger.domain.rulebook import Interpretations, Law, Rule
from ledger.edges.toml import NoToml, read_toml
from ledger.words import DEFAULT, Language
from ledger.words.values import written

from .loader import LONGEST_BOOK, Misread, RuleBookError, own_rules, unreadable

Entries = Mapping[str, Mapping[str, str]]
"""By id: `says`, or `question` and `decided`; what one year alone says or decides under the year, such as 2019-20."""

_LONGEST = 60
"""Characters of a name that are repeated."""
_YEAR = re.compile(r"\d{4}-\d{2}( \d{4}-\d{2}-\d{2})?")


@dataclass(frozen=True, slots=True)
class Words:
    """`books`: the entries of the books of years, `own`: those of the ledger's own rules."""

    books: Entries = field(default_factory=dict)
    own: Entries = field(default_factory=dict)
    language: Language = DEFAULT

    def rule(self, rule_id: str, year: str | None, rule: Rule, since: date | None = None) -> str:
        """`year` None: the ledger's own rule. `since`: of the amendment of that year's book that the entry comes
        from."""
        found = (self.own if year is None else self.books).get(rule_id, {})
        if since is not None:
            return found.get(f"{year} {since}", rule.says)
        return found.get(year or "", found.get("says", rule.says))

    def missing(self, unknown: str) -> str:
        """What a book marks as unknown: no law, so that its words stand in the catalogue of all sentences."""
        return written("missing", unknown, self.language)

    def reading(self, key: str, year: str) -> dict[str, str]:
        """The `question` and what is `decided` in that year, as far as there are words for them."""
        found = self.books.get(key, {})
        decided = found.get(year, found.get("decided"))
        return ({"question": found["question"]} if "question" in found
                else {}) | ({"decided": decided} if decided else {})


AS_WRITTEN = Words()


def words_in(language: Language, folder: Path | None = None) -> Words:
    """The words of a language, of the packaged books or of an institution's own folder; none where no file gives them.

    Raises `RuleBookError` when a file is wrong."""
    package = Path(__file__).parent
    name = f"{language}.toml"
    beside = package / name if folder is None else folder / name
    return Words(_entries(str(beside), beside), _entries(f"own/{name}", package / "own" / name), language)


def source_in(language: str, folder: Path | None = None) -> str:
    """The text of the file of a language; "" where there is none."""
    file = (folder or Path(__file__).parent) / f"{language}.toml"
    return file.read_text(encoding="utf-8") if file.is_file() else ""


def _entries(name: str, file: Path) -> Entries:
    if not file.is_file():
        return {}
    try:
        content = file.read_bytes()
    except OSError as error:
        raise RuleBookError(unreadable(name, error)) from None
    if len(content) > LONGEST_BOOK:
        raise RuleBookError(Misread(name, None, "", says("words/too-long", count=LONGEST_BOOK >> 10)))
    try:
        found = read_toml(content)
    except NoToml as error:
        raise RuleBookError(Misread(name, None, "", verbatim(str(error)))) from None
    if wrong := list(_wrong(found)):
        raise RuleBookError(*(Misread(name, None, field, told) for field, told in wrong))
    return found


def _wrong(found: dict[str, object]) -> Iterator[tuple[str, Phrase]]:
    known = {*(one.replace("_", "-") for one in (*names(Law), *names(Interpretations))), *own_rules().rules}
    for key, entry in found.items():
        if key not in known:
            yield key[:_LONGEST], says("book/unknown-id")
        elif not isinstance(entry, dict):
            yield key, says("words/entry", text=key)
        else:
            for part, text in entry.items():
                if part not in ("says", "question", "decided") and not _YEAR.fullmatch(part):
                    yield f"{key}.{part[:_LONGEST]}", says("words/field")
                elif not isinstance(text, str) or not text.strip():
                    yield f"{key}.{part}", says("words/text")
