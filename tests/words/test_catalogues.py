"""The words are where they belong: no sentence in the rules, and for each of their messages
an entry in every language."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any, get_args

import pytest
from babel.dates import format_date
from babel.numbers import format_currency
from jinja2 import Environment, nodes

import consumers
import ledger
from ledger import words
from ledger.domain import form, rulebook
from ledger.domain.checked import Checked, names
from ledger.domain.events import PAYLOADS
from ledger.domain.phrases import says
from ledger.wire.state import BlockSpan, Status
from ledger.words import LANGUAGES, Language, sentence
from ledger.words.entries import NAMES, entry, ids
from ledger.words.values import WRITERS, day, figure, money, written
from tests.sources import parsed

pytestmark = pytest.mark.xdist_group("code")
ROOT = Path(ledger.__file__).parent
MAKERS = frozenset({"says", "no", "_t", "wrong"})
"""What makes a message in the rules, `says(id, ...)` and `case.no(id, ...)`, a text of a page, and an error of form."""
OPTIONS = {"no": {"clears", "facts", "interpretation", "rule"}, "wrong": {"field"}}
"""Arguments that are no values."""
SAID_IN = {"reason": 2, "Block": 4}
"""Which argument holds the message. A reason's next one says what removes it; a block is always lifted by something."""
OTHERS: dict[str, set[str]] = {"verbatim": {"said", "remedy"}} | {one: set(names) for one, names in form.messages()}


@cache
def _all_calls() -> list[tuple[ast.Call, str]]:
    paths = sorted([*ROOT.rglob("*.py"), *Path(consumers.__file__).parent.rglob("*.py")])
    return [(node, getattr(node.func, "attr", getattr(node.func, "id", "")))
            for path in paths for node in ast.walk(parsed(path))
            if isinstance(node, ast.Call) and node.args]


def _calls(names: frozenset[str] = MAKERS) -> Iterator[tuple[ast.Call, str]]:
    return ((node, name) for node, name in _all_calls() if name in names)


def _ids(given: ast.expr) -> Iterator[str]:
    if isinstance(given, ast.IfExp):
        yield from _ids(given.body)
        yield from _ids(given.orelse)
    else:
        assert isinstance(given, ast.Constant), f"line {given.lineno}: write the id of a message as a literal"
        assert isinstance(given.value, str)
        yield given.value


@cache
def used() -> dict[str, tuple[set[str], bool]]:
    """Of each message of the code: the names of its values (of all the places together), and whether something is said
    to remove it."""
    names: dict[str, set[str]] = defaultdict(set)
    cleared: dict[str, bool] = defaultdict(bool)
    for call, made in _calls():
        for one in _ids(call.args[0]):
            names[one] |= set()
            for given in call.keywords:
                names[one] |= {given.arg} if given.arg and given.arg not in OPTIONS.get(made, ()) else set()
                if given.arg is None:
                    names[one] |= SPREAD[ast.unparse(given.value)]
            if made == "no":
                cleared[one] |= _is_cleared(call, 1)
    for call, made in _calls(frozenset(SAID_IN)):
        place = SAID_IN[made]
        for said in (part for given in call.args[place:place + 1] for part in ast.walk(given)
                     if isinstance(part, ast.Call)):
            for one in _ids(said.args[0]) if getattr(said.func, "id", "") == "says" else ():
                cleared[one] |= made == "Block" or _is_cleared(call, place + 1)
    for one, given in _of_templates():
        names[one] |= given
    return {one: (given | ({"remedies"} if "phrases" in given else set()), cleared[one])
            for one, given in names.items()} | {
                one: (given, one == "verbatim") for one, given in OTHERS.items()}


def _of_templates() -> Iterator[tuple[str, set[str]]]:
    """What pages say, `t(id, ...)`, and the names of its values."""
    for path in sorted((ROOT / "entrypoints").rglob("*.html")):
        for call in Environment(autoescape=True).parse(path.read_text()).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                assert isinstance(call.args[0], nodes.Const), f"{path.name}:{call.lineno}: write the id as a literal"
                yield call.args[0].value, {one.key for one in call.kwargs}


def _is_cleared(call: ast.Call, place: int) -> bool:
    """Something is given as what removes the matter."""
    clears = [*call.args[place:place + 1], *(k.value for k in call.keywords if k.arg == "clears")]
    return any(not (isinstance(given, ast.Constant) and given.value is None) for given in clears)


SPREAD = {
    "owed": {"charge", "amount"}, "of_it": {"charge", "state", "outstanding", "amount"}, "given": {"amount", "rule"},
    "told": {"topic", "position", "last_position", "rate", "recorded_at"},
    "asked": {"student", "career", "course", "held_on", "on"}, "stands": {"career", "block", "on", "text"}}
"""Values that several messages share, by the name under which the code keeps them."""


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", LANGUAGES)
def test_catalogue_has_exactly_the_messages_of_the_code(language: Language) -> None:
    assert {one for one in ids(language) if not one.startswith(NAMES)} == used().keys()


def test_italian_is_that_of_an_office() -> None:
    """It asks nobody to do a thing as a friend would, has no books of rules, and calls no id a number of enrolment."""
    friendly = r"[;:.,] (?:correggi|scrivi|riscrivi|togli|aggiungi|controlla|ricontrolla|usa)(?:l[oaie])?\b"
    said = [one for name in ("it.toml", "help.it.toml") for one in (ROOT / "words" / name).read_text().splitlines()]
    assert [one for one in said if re.search(
        rf"libr[oi] (?:di|delle) regole|matricola \{{student\}}|\"Il\"$|{friendly}", one)] == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_sentence_uses_no_value_that_the_code_does_not_give(language: Language) -> None:
    for one, (given, _) in used().items():
        said = entry(one, language)
        assert set(said) <= {"says", "clears"}, one
        assert _fields(said["says"]) | _fields(said.get("clears", "")) <= given, one


def test_value_is_told_in_every_language_when_it_is_told_in_one() -> None:
    for one in used():
        for part in ("says", "clears"):
            assert len({frozenset(_fields(entry(one, language).get(part, "")))
                        for language in LANGUAGES}) == 1, (one, part)
            assert len({part in entry(one, language) for language in LANGUAGES}) == 1, (one, part)


def test_value_of_a_message_is_told_somewhere_and_can_be_written() -> None:
    for one, (given, _) in used().items():
        said = entry(one, "en")
        assert given - {"remedies",
                        "rule"} <= _fields(said["says"]) | _fields(said.get("clears", "")) | {"phrases"}, one
        assert given - {"phrases", "remedies", "parts"} <= WRITERS.keys(), one


def test_each_field_of_a_rule_has_a_name() -> None:
    entries = [one for one in vars(rulebook).values() if isinstance(one, type) and issubclass(one, Checked)
               and one not in (rulebook.Amendment, rulebook.Unknown, rulebook.Denied)
               and not {"AMB_1", "CHG_1", "decided", "interpretations", "rules"} & {*names(one)}]
    fields = {name for one in entries for name in names(one)} - {*names(rulebook.Rule)}
    assert len(fields) > 60
    for language in LANGUAGES:
        assert fields <= entry(f"{NAMES}rule_field", language).keys()


def test_names_are_the_same_in_every_language() -> None:
    for table in (one for one in ids("en") | ids("it") if one.startswith(NAMES) and one != f"{NAMES}missing"):
        assert entry(table, "en").keys() == entry(table, "it").keys(), table


@pytest.mark.parametrize("kind", ["status", "block", "event_type"])
def test_every_value_of_the_published_language_has_a_name(kind: str) -> None:
    known = {"status": get_args(Status), "block": get_args(BlockSpan.model_fields["kind"].annotation),
             "event_type": tuple(PAYLOADS)}
    assert set(entry(NAMES + kind, "it")) == set(known[kind])


@pytest.mark.parametrize("language", LANGUAGES)
def test_days_and_amounts_are_written_as_cldr_has_them(language: Language) -> None:
    """A further language has its months and its way to write an amount."""
    locale = {"en": "en_GB"}.get(language, language)
    for number in range(1, 13):
        one = date(2026, number, 17)
        assert day(one, language) == format_date(one, "long", locale=locale)
    for amount in ("0.00", "95.00", "1400.00", "1234567.89"):
        assert money(amount, language) == format_currency(Decimal(amount), "EUR", locale=locale).replace("\xa0", " ")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", WRITERS)
def test_value_of_each_name_is_written_in_every_language(name: str, language: Language) -> None:
    by_writer: dict[Any, Any] = {day: "2026-01-01", money: "1.00", figure: 1}
    values = {"owed": [("2026-27:enrolment", "1.00")], "megabytes": 1.5}
    assert written(name, values.get(name, by_writer.get(WRITERS[name], "x")), language)


@pytest.mark.parametrize(("on", "said"), [("2026-02-17", "del 17 febbraio 2026"), ("2026-05-08", "dell'8 maggio 2026"),
                                          ("2026-05-11", "dell'11 maggio 2026"), ("2026-10-01", "del 1º ottobre 2026")])
def test_article_is_elided_when_the_day_begins_with_a_vowel(on: str, said: str) -> None:
    assert sentence(says("RIN-3/lapsed", filed_on=on, last_day=on),
                    "it").startswith(f"La domanda di rinuncia {said} è decaduta")


def test_remedy_is_told_when_the_rule_says_that_there_is_one() -> None:
    assert [one for one, (_, cleared) in used().items() if cleared and "clears" not in entry(one, "en")] == []


FOLDERS = ("domain", "audit", "handling", "projections", "entrypoints", "relay/states.py")
FOR_WHO_RUNS_IT = {
    "ledger/entrypoints/cli/kafka.py:explained", "ledger/projections/everybody/database.py:strange_in",
    "ledger/projections/everybody/shape.py:fault", "ledger/entrypoints/http/eservices.py:_unproved"}
"""What tells who runs the programs that something is out of order; decision 0007 says what stays English. So do errors
that are raised with a text, and what is said (`say`) while a program runs."""
TITLES = {"Register of interpretations", "Career ledger, rules.md", "No rule book has this rule"}
_SENTENCE = re.compile(r"[A-Za-z]{2,}[,:;]? [a-z]{2,}[,:;]? [a-z]{2,}")
_STATEMENT = re.compile(r"\b(SELECT|INSERT|UPDATE|DELETE|CREATE|FROM|WHERE|VALUES|ALTER|DROP)\b")
HELP = frozenset({"command", "group", "option", "argument", "version_option"})


def _sentences(path: Path) -> Iterator[str]:
    """Texts of at least three words that are no documentation: not of a module, a function, a command or an option."""
    name = path.relative_to(ROOT.parent).as_posix() if path.is_relative_to(ROOT) else path.name
    tree = parsed(path)
    free: set[ast.AST] = set()
    for node in ast.walk(tree):
        called = getattr(node.func, "attr", getattr(node.func, "id", "")) if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Raise) or called in HELP | {"say"} or (
                isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) or (
                isinstance(node, ast.keyword) and node.arg == "style") or (
                isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and f"{name}:{node.name}" in FOR_WHO_RUNS_IT):
            free |= set(ast.walk(node))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in free and (
                _SENTENCE.search(node.value) and not _STATEMENT.search(node.value) and node.value not in TITLES):
            yield f"{name}:{node.lineno}: {node.value}"


def test_no_sentence_is_left_outside_the_catalogues() -> None:
    found = []
    for folder in FOLDERS:
        place = ROOT / folder
        for path in [place] if place.is_file() else sorted(place.rglob("*.py")):
            found += _sentences(path)
    assert found == []


def test_page_says_nothing_but_what_stands_in_the_catalogues() -> None:
    def bare_of(text: str) -> str:
        text = re.sub(r"\{[#{%].*?[#}%]\}", "", text, flags=re.DOTALL)
        return re.sub(r'[\w-]+="[^"]*"', "", re.sub(r"<[^>]*>", " ", text))

    bare = {path.name: bare_of(path.read_text())
            for path in (ROOT / "entrypoints").rglob("*.html")}
    assert {name: re.findall(r"[^\W\d_]{2,}", text) for name, text in bare.items()} == {
        name: [] for name in bare}


def test_sentence_is_found_wherever_the_code_makes_one(tmp_path: Path) -> None:
    path = tmp_path / "x.py"
    path.write_text((ROOT / "domain" / "law" / "exams.py").read_text() + """
X = no("ESA-1", f"{1} is in no plan")
Y = {"message": "the grade counts as accepted"}
""")
    found = [one.split(": ", 1)[1] for one in _sentences(path)]
    assert sorted(found) == [" is in no plan", "the grade counts as accepted"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_entries_that_are_read_without_a_parser_are_what_one_reads(language: Language) -> None:
    by_parser = tomllib.loads((Path(words.__file__).parent / f"{language}.toml").read_text(encoding="utf-8"))
    assert {one: entry(one, language) for one in ids(language)} == by_parser
