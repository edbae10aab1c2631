"""What the rule books say, as JSON-able data for `career-ledger rules show`, `rules diff` and `rules cite`; in a
language's words, where they are given, else as the books are written."""

from difflib import get_close_matches
from typing import Any

from ledger.domain.books import LawBooks
from ledger.domain.checked import as_json
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.domain.rulebook import Amendment, Choice, Rule, RuleBook

from .words import AS_WRITTEN, Words


def show(books: LawBooks, year: str, words: Words = AS_WRITTEN) -> dict[str, Any]:
    """The whole book of an academic year: `{"academic_year", "id", "sha256", "covers", "rules":
    [..], "interpretations": [..]}`.

    A rule is `{"rule", "document", "heading", "says", "values", "interpretation"}`; its interpretation, where it rests
    on one, is `{"id", "question", "decision", "decided"}`. A rule that was amended shows what holds last, and has
    `printed`: what the book said before (`{"document", "heading", "says", "values"}`). The book then lists its
    `amendments` (`{"known_since", "holds_from", "document", "heading", "says", "rules": {rule: {field: value}}}`), and
    `known`, by which sha256 it went since which day (null: from the first). Raises NotFound for a year without a
    rule book."""
    book = _book(books, year)
    identity, sha256 = books.identities[year]
    stages = books.stages.get(year, ())
    amended = {"amendments": [_amendment(one, book, words) for one in book.amendments],
               "known": [{"since": stage.known_since.isoformat() if stage.known_since else None,
                          "sha256": stage.identity[1]} for stage in stages]} if stages else {}
    return {"academic_year": year, "id": identity, "sha256": sha256, "covers": book.covers, **amended,
            "rules": [{**_entry(book, rule_id, rule, words), **_printed(books, year, rule_id, words)}
                      for rule_id, rule in _rules(book).items()],
            "unknown": {rule: words.missing(mark.unknown) for rule, mark in book.unknown.items()},
            "denied": {rule: {"says": mark.denied, "document": book.title(mark.document), "heading": mark.heading}
                       for rule, mark in book.denied.items()},
            "interpretations": [_choice(book, key, words) for key in _register(book)]}


def diff(books: LawBooks, old: str, new: str, words: Words = AS_WRITTEN) -> dict[str, Any]:
    """What changed from one academic year to another: `{"from", "to", "only_in": {year: [rule, ..]}, "changed": [..]}`.
    `unknown`: the rules that one year alone marks as unknown, with what was looked for; they are in no year alone.

    A changed rule is `{"rule", "says": {year: text}, "values": {field: {year: value}}, "interpretation"?: {year: id}}`;
    a value that a year does not state is null. Rules whose words alone differ are listed too (`values` is empty);
    `amended`? gives since when that of a year is known, where an amendment brought it; `heading`? says where each
    year's guide has them, where that differs, and `moved` which rules differ in nothing else. Raises NotFound for
    a year without a rule book."""
    before, after = _book(books, old), _book(books, new)
    here, there = _rules(before), _rules(after)
    changed, moved = [], []
    for rule_id, rule in here.items():
        other = there.get(rule_id)
        if other is None:
            continue
        first, second = _values(rule), _values(other)
        values = {name: {old: first.get(name), new: second.get(name)}
                  for name in {**first, **second} if first.get(name) != second.get(name)}
        found: dict[str, Any] = {"rule": rule_id, "values": values,
                                 "says": {old: _says(before, rule_id, rule, words),
                                          new: _says(after, rule_id, other, words)}}
        if amended := {book.academic_year: one.known_since.isoformat()
                       for book, entry in ((before, rule), (after, other))
                       if (one := _amended(book, rule_id, entry)) is not None}:
            found["amended"] = amended
        if rule.interpretation != other.interpretation:
            found["interpretation"] = {old: rule.interpretation, new: other.interpretation}
        if rule.heading != other.heading:
            found["heading"] = {old: rule.heading, new: other.heading}
        if values or "interpretation" in found or rule.says != other.says:
            changed.append(found)
        elif "heading" in found:
            moved.append({"rule": rule_id, "heading": found["heading"]})
    decisions = [{"id": key, "decision": {old: choice.decision, new: second_choice.decision}}
                 for key, choice in _register(before).items()
                 if (second_choice := _register(after)[key]).decision != choice.decision]
    return {"from": old, "to": new,
            "only_in": {old: [_entry(before, i, r, words) for i, r in here.items()
                              if i not in there and i not in after.unknown],
                        new: [_entry(after, i, r, words) for i, r in there.items()
                              if i not in here and i not in before.unknown]},
            "unknown": {year: {i: words.missing(mark.unknown) for i, mark in one.unknown.items()
                               if i not in other.unknown}
                        for year, one, other in ((old, before, after), (new, after, before))},
            "changed": changed, "moved": moved, "decisions": decisions}


def cite(books: LawBooks, name: str, words: Words = AS_WRITTEN) -> dict[str, Any]:
    """A rule or an entry of the register in every year that has it: `{"id", "years": [{"academic_year", ..}], "own"?}`.

    A year that marks it as unknown says what was looked for (`unknown`). An entry of the register also lists the
    `rules` that rest on it. `own` is the entry among the ledger's own rules, which holds in every year, or where the
    year's book has none. Upper and lower case do not matter. Raises `NotFound` for an id that no year knows."""
    known = {key.casefold(): key for key in books.own.rules}
    for year in books.years:
        book = _book(books, year)
        known |= {key.casefold(): key for key in (*_rules(book), *book.unknown, *_register(book))}
    found = known.get(name.strip().casefold())
    if found is None:
        close = [known[match] for match in get_close_matches(name.strip().casefold(), list(known), 3)]
        raise NotFound(says("missing/rule-near", field=name, near=close) if close else
                       says("missing/rule", field=name))
    years: list[dict[str, Any]] = []
    answer: dict[str, Any] = {"id": found, "years": years}
    for year in books.years:
        book = _book(books, year)
        rules, register = _rules(book), _register(book)
        if found in rules:
            years.append({"academic_year": year, **_entry(book, found, rules[found], words),
                          **_printed(books, year, found, words)})
        elif found in book.unknown:
            years.append({"academic_year": year, "unknown": words.missing(book.unknown[found].unknown)})
        elif found in register:
            resting = [key for key, rule in rules.items() if rule.interpretation == found]
            years.append({"academic_year": year, **_choice(book, found, words), "rules": resting})
    if (own := books.own.entry(found)) is not None:
        answer["own"] = _entry(_book(books, books.years[-1]), found, own, words, own=True)
    return answer


def _book(books: LawBooks, year: str) -> RuleBook:
    book = books.for_single_courses(year)
    if book is None:
        raise NotFound(says("missing/book", field=year, years=books.years))
    return book


def _rules(book: RuleBook) -> dict[str, Rule]:
    return book.rules.stated


def _register(book: RuleBook) -> dict[str, Any]:
    return {field.replace("_", "-"): choice for field, choice in book.interpretations.held().items()}


def _values(rule: Rule) -> dict[str, Any]:
    """What the rule states beside its words: euro as text, days as YYYY-MM-DD."""
    return rule.shown()


def _entry(book: RuleBook, rule_id: str, rule: Rule, words: Words, own: bool = False) -> dict[str, Any]:
    key = rule.interpretation
    return {"rule": rule_id, "document": book.title(rule.document), "heading": rule.heading,
            "says": words.rule(rule_id, None, rule) if own else _says(book, rule_id, rule, words),
            "values": _values(rule), "interpretation": _choice(book, key, words) if key else None}


def _amended(book: RuleBook, rule_id: str, rule: Rule) -> Amendment | None:
    """The last amendment that an entry comes from."""
    return next((one for one in reversed(book.amendments) if rule_id in one.rules and rule.heading == one.rules[
        rule_id].get("heading", one.heading)), None)


def _says(book: RuleBook, rule_id: str, rule: Rule, words: Words) -> str:
    one = _amended(book, rule_id, rule)
    return words.rule(rule_id, book.academic_year, rule, one.known_since if one is not None else None)


def _amendment(one: Amendment, book: RuleBook, words: Words) -> dict[str, Any]:
    shown: dict[str, Any] = as_json(one)
    del shown["documents"]
    said = words.books.get(next(iter(one.rules)), {}).get(f"{book.academic_year} {one.known_since}", one.says)
    return shown | {"document": book.title(one.document), "says": said}


def _printed(books: LawBooks, year: str, rule_id: str, words: Words) -> dict[str, Any]:
    """What the book said of an amended rule, where it had it."""
    stages = books.stages.get(year, ())
    if not any(rule_id in one.rules for stage in stages for one in stage.books[0].amendments):
        return {}
    first = stages[0].books[0]
    rule = _rules(first).get(rule_id)
    return {} if rule is None else {"printed": {
        "document": first.title(rule.document), "heading": rule.heading, "says": words.rule(rule_id, year, rule),
        "values": _values(rule)}}


def _choice(book: RuleBook, key: str, words: Words) -> dict[str, Any]:
    choice: Choice = _register(book)[key]
    return {"id": key, **as_json(choice), **words.reading(key, book.academic_year)}
