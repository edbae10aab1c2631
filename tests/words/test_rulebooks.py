"""The rule books are told in every language; their words are tied to the entries by id and by year."""

import json
import re
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path
from shutil import copy

import pytest
from click.testing import CliRunner

import ledger
from ledger.domain.books import LawBooks
from ledger.domain.phrases import says
from ledger.entrypoints.cli import cli
from ledger.rulebooks.loader import RuleBookError, load_books
from ledger.rulebooks.show import cite, diff, show
from ledger.rulebooks.words import Words, words_in
from ledger.words import DEFAULT, LANGUAGES, Language, sentence
from ledger.words.entries import NAMES, entry
from ledger.words.values import MONTHS

PACKAGED = Path(ledger.__file__).parent / "rulebooks"
LAWS = load_books()
FURTHER = [one for one in LANGUAGES if one != DEFAULT]
"""The books themselves are written in the default language."""
OWN = "own"


def _texts(books: LawBooks, words: Words) -> Iterator[tuple[tuple[str, str, str], str]]:
    """Every text that a language has to say, by its id, part and year: as the words have it, else as the book does."""
    for year in books.years:
        shown = show(books.known_at(datetime.min.replace(tzinfo=timezone.utc)), year, words)
        yield from (((rule["rule"], "says", year), rule["says"]) for rule in shown["rules"])
        yield from (((rule, "says", f"{year} {one['known_since']}"), one["says"])
                    for one in show(books, year, words).get("amendments", ()) for rule in one["rules"])
        yield from (((one["id"], part, year), one[part]) for one in shown["interpretations"]
                    for part in ("question", "decided"))
    yield from (((name, "says", OWN), cite(books, name, words)["own"]["says"]) for name in books.own.rules)


WRITTEN = dict(_texts(LAWS, Words()))
"""The texts of the books themselves."""
SAID = {language: dict(_texts(LAWS, words_in(language))) for language in FURTHER}
SHORT = {("No.", "No.")}
"""What is the same in both languages."""


@pytest.mark.parametrize("language", FURTHER)
def test_every_entry_of_the_books_has_words_of_its_own_in_every_language(language: Language) -> None:
    assert [one for one, text in SAID[language].items() if text == WRITTEN[one]
            and (text, WRITTEN[one]) not in SHORT] == []


@pytest.mark.parametrize("language", FURTHER)
def test_words_of_the_books_stand_for_an_entry_of_a_year(language: Language) -> None:
    words = words_in(language)
    needed = {(name, year if year in words.books.get(name, {}) and part != "question" else part)
              for name, part, year in WRITTEN if year != OWN}
    assert {(name, part) for name, entry in words.books.items() for part in entry} == needed
    assert {(name, part) for name, entry in words.own.items()
            for part in entry} == {(name, "says") for name in LAWS.own.rules}


@pytest.mark.parametrize("language", FURTHER)
def test_texts_differ_between_years_exactly_when_those_of_the_books_do(language: Language) -> None:
    said = SAID[language]
    for one in WRITTEN:
        for other in ((one[0], one[1], year) for year in LAWS.years):
            if one[2] != OWN and other in WRITTEN:
                assert (said[one] == said[other]) == (WRITTEN[one] == WRITTEN[other]), (one, other)


_BOOKS = [book for year in LAWS.years if (book := LAWS.for_single_courses(year)) is not None]
UNKNOWN = {mark.unknown for book in _BOOKS for mark in book.unknown.values()} | {
    text for book in _BOOKS
    for rule in book.rules.stated.values() for text in rule.unknown.values()}
"""What the books mark as unknown, whole rules and single values."""


@pytest.mark.parametrize("language", FURTHER)
def test_what_the_books_do_not_know_has_words_of_its_own_in_every_language(language: Language) -> None:
    words = entry(f"{NAMES}missing", language)
    assert words.keys() == UNKNOWN
    assert [one for one in UNKNOWN if _facts(words[one], language) != _facts(one, DEFAULT) or words[one] == one] == []
    assert [one for one in (*UNKNOWN, *words.values()) if "(" in one or ";" in one] == [], "told in brackets, with ;"


def test_unknown_value_is_told_as_the_book_has_it_when_there_are_no_words_for_it() -> None:
    def told(missing: str) -> str:
        return sentence(says("UNKNOWN-VALUE/not-checked", rule="RNW-1", academic_year="2024-25", missing=missing), "it")

    assert told("day from which renewals are made").endswith("(giorno dal quale si rinnova l'iscrizione).")
    assert told("wann man verlängert").endswith("(wann man verlängert).")
    assert told("day from which renewals are made; ESA-6: prerequisites").endswith(
        "(giorno dal quale si rinnova l'iscrizione; ESA-6: propedeuticità).")


def _facts(text: str, language: Language) -> set[str]:
    """The numbers of a text (of days, amounts, years, ids) and the months, by their number."""
    months = {str(-at) for at, name in enumerate(MONTHS[language], 1) if re.search(rf"\b{name}\b", text)}
    return months | set(re.findall(r"\d+", text))


@pytest.mark.parametrize("language", FURTHER)
def test_days_and_amounts_of_a_text_are_those_of_the_book(language: Language) -> None:
    assert [(text, WRITTEN[one]) for one, text in SAID[language].items()
            if _facts(text, language) != _facts(WRITTEN[one], DEFAULT)] == []


def test_rules_are_told_in_the_language_that_was_asked_for() -> None:
    def told(*words: str) -> str:
        return CliRunner().invoke(cli, [*words], env={"LANG": "C", "LC_ALL": "C"}, catch_exceptions=False).output

    assert "blocco alla prenotazione degli appelli d'esame" in told("--lang", "it", "rules", "cite", "BLK-1")
    assert json.loads(told("--lang", "it", "rules", "cite", "amb-4",
                           "--json"))["years"][0]["decided"].startswith("No: il blocco cessa")
    assert json.loads(told("rules", "cite", "RAT-7", "--json"))["own"]["says"].startswith("In a year whose guide")
    assert "la prima e la seconda rata del contributo onnicomprensivo sono accorpate" in told("--lang", "it", "rules",
                                                                                              "show", "2025-26")
    changes = told("--lang", "it", "rules", "diff", "2019-20", "2025-26")
    assert "Le prenotazioni si aprono quindici giorni prima" in changes
    assert "termine: non indicato -> 30 settembre 2026" in changes
    assert "primo giorno per prenotarsi" in told("--lang", "it", "rules", "cite", "PRN-2")
    for known in (told("--lang", "it", "rules", "show", "2024-25", "--json"),
                  told("--lang", "it", "rules", "diff", "2024-25", "2025-26", "--json")):
        assert '"RNW-1": "giorno dal quale si rinnova l\'iscrizione"' in known


def test_json_of_the_rules_is_english_when_only_the_locale_is_italian() -> None:
    ran = CliRunner().invoke(cli, ["rules", "cite", "BLK-1", "--json"], env={"LC_ALL": "it_IT.UTF-8"},
                             catch_exceptions=False)
    assert json.loads(ran.output)["years"][0]["says"].startswith("An instalment of the contribution")


def test_difference_of_two_years_is_the_same_in_every_language() -> None:
    english, other = (diff(LAWS, "2019-20", "2025-26", one) for one in (Words(), words_in("it")))
    assert [one["rule"] for one in english["changed"]] == [one["rule"] for one in other["changed"]]
    assert (english["moved"], english["decisions"]) == (other["moved"], other["decisions"])
    assert english["changed"] != other["changed"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An institution's own books."""
    copy(PACKAGED / "2024-25.yaml", tmp_path)
    return tmp_path


def test_own_books_are_told_as_they_are_written_when_they_have_no_words_in_the_language(folder: Path) -> None:
    assert cite(load_books(folder), "CS-4",
                words_in("it", folder))["years"][0]["says"].startswith("Single courses cost")


def test_own_books_are_told_in_their_own_words_when_a_file_beside_them_gives_them(folder: Path) -> None:
    (folder / "it.toml").write_text('[CS-4]\nsays = "Costano 25 euro."\n[AMB-2]\ndecided = "Il giorno."\n')
    books, words = load_books(folder), words_in("it", folder)
    assert cite(books, "CS-4", words)["years"][0]["says"] == "Costano 25 euro."
    reading = cite(books, "AMB-2", words)["years"][0]
    assert (reading["question"].startswith("Which date"), reading["decided"]) == (True, "Il giorno.")
    assert cite(books, "MONEY",
                words)["own"]["says"].startswith("Di un importo"), "the ledger's own rules stay the ledger's"


@pytest.mark.parametrize(("text", "problem"), [
    ("[CS-99]\nsays = 'a'", "CS-99: unknown id; mend it or remove the entry"),
    ("CS-4 = 'a'", "CS-4: write [CS-4] and below it says, question, decided or a year, each with a text"),
    ("[CS-4]\nsay = 'a'", "CS-4.say: unknown field; write says, question, decided or a year such as 2025-26"),
    ("[CS-4]\nsays = 25", "CS-4.says: write a text in quotes"),
    ("[CS-4", "not TOML: "),
])
def test_wrong_words_are_refused_with_the_entry_to_mend(folder: Path, text: str, problem: str) -> None:
    (folder / "it.toml").write_text(text)
    with pytest.raises(RuleBookError, match=re.escape(f"it.toml: {problem}")):
        words_in("it", folder)
