"""`career-ledger rules`: the law as the ledger applies it."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell, tell_json

from .errors import misused
from .options import FOUND, academic_year, answered_in, engine_options, instant, json_option, opened, page, settings

if TYPE_CHECKING:
    from datetime import datetime

    from ledger.bootstrap import Answer
    from ledger.domain.books import LawBooks
    from ledger.parallel import How
    from ledger.rulebooks.words import Words


@click.group(short_help="The law: show a year, compare two, cite a rule, write and check a new year's book.")
def rules() -> None:
    """The law as the ledger applies it: values, sources and interpretations by academic year.

    A new year is data alone: `new` writes its draft, `check` says what is left to do, `effect` whom it changes.

    \b
    Examples:
      career-ledger rules show 2025-26
      career-ledger rules diff 2019-20 2025-26
      career-ledger rules cite BLK-1
      career-ledger rules new 2026-27 --from 2025-26 --output 2026-27.yaml
    """


def _law(ask: "Callable[[LawBooks, Words], Answer]") -> "Answer":
    """A question to the rule books, told in the language of the answer; an id or a year that they
    do not know is not found."""
    from ledger.bootstrap import law
    from ledger.rulebooks.words import words_in

    folder = settings().rulebooks
    return ask(law(folder), words_in(answered_in(), folder))


@rules.command("show")
@click.argument("year", type=academic_year)
@click.option("--known-at", type=instant, metavar="INSTANT",
              help="As known at that moment, 2020-03-01T12:00:00Z: without the amendments that came later.")
@json_option
def show_(year: str, known_at: "datetime | None", json_: bool) -> None:
    """Every rule and interpretation of the academic YEAR, with its values and source, and the amendments of its book.

    \b
    Examples:
      career-ledger rules show 2025-26
      career-ledger rules show 2019-20 --known-at 2020-03-01T12:00:00Z
    """
    from ledger.rulebooks.show import show

    answer = _law(lambda books, words: show(books.known_at(known_at), year, words))
    tell_json(answer) if json_ else page().rule_book(answer)


@rules.command("diff")
@click.argument("old", type=academic_year, metavar="YEAR")
@click.argument("new", type=academic_year, metavar="YEAR")
@json_option
def diff_(old: str, new: str, json_: bool) -> None:
    """What changed from one academic YEAR to another.

    \b
    Example:
      career-ledger rules diff 2019-20 2025-26
    """
    from ledger.rulebooks.show import diff

    answer = _law(lambda books, words: diff(books, old, new, words))
    tell_json(answer) if json_ else page().rule_changes(answer)


@rules.command("cite")
@click.argument("id_", metavar="ID")
@json_option
def cite_(id_: str, json_: bool) -> None:
    """The rule or interpretation ID (BLK-1, AMB-2) in every year that has it: what it says, its values and source.

    \b
    Examples:
      career-ledger rules cite BLK-1
      career-ledger rules cite AMB-4 --json
    """
    from ledger.rulebooks.show import cite

    answer = _law(lambda books, words: cite(books, id_, words))
    tell_json(answer) if json_ else page().citation(answer)


@rules.command("new")
@click.argument("year", type=academic_year)
@click.option("--from", "old", type=academic_year, required=True, metavar="YEAR",
              help="The academic year whose rule book the draft is made from.")
@click.option("--words", is_flag=True,
              help="Write it.toml, the Italian words of the rules, with those of YEAR as well.")
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Where the draft goes. Default: standard output. A file that is there already is never overwritten.")
def new_(year: str, old: str, words: bool, output: Path | None) -> None:
    """Write the draft of the rule book of the academic YEAR from that of another year.

    Days are moved with the year, every value is marked with !confirm, and a draft is law for nobody: the ledger refuses
    a book with a value that is not confirmed. The headings of the guide to read stand at the top.

    \b
    Examples:
      career-ledger rules new 2026-27 --from 2025-26 --output 2026-27.yaml
      career-ledger rules new 2026-27 --from 2025-26 --words --output it.toml
    """
    from ledger.bootstrap import law
    from ledger.rulebooks.draft import draft, words_draft
    from ledger.rulebooks.institution import institution
    from ledger.rulebooks.loader import source_of
    from ledger.rulebooks.words import source_in
    from ledger.words import sentence

    if year == old:
        raise misused(says("cli/same-year", academic_year=old))
    folder, language = settings().rulebooks, answered_in()
    name, text = source_of(old, folder)
    if words and not source_in("it", folder):
        raise misused(says("cli/no-words", text=str(folder)))
    made = words_draft(source_in("it", folder), old, year, law(folder).book_of(old).ids) if words else draft(
        Path(name).name, text, old, year, institution(folder), lambda phrase: sentence(phrase, language))
    if output is None:
        for line in made.splitlines():
            tell(line)
        return
    try:
        with output.open("x", encoding="utf-8") as opened:
            opened.write(made)
    except FileExistsError:
        raise misused(says("cli/output-there", text=str(output))) from None
    except OSError as error:
        raise misused(says("cli/output", text=f"{output} ({error.strerror})")) from None


@rules.command("check")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@json_option
def check_(file: Path, json_: bool) -> None:
    """What is missing or implausible in the rule book FILE, line by line, compared with the year before.

    What must be mended: values not confirmed, periods that end before they begin, days outside the academic year, rules
    without a source. What is worth another look: terms on a holiday or a weekend, amounts that moved by more than half,
    rules that the year before has, what is unknown, words. Exit code 1 where something must be mended.

    \b
    Example:
      career-ledger rules check 2026-27.yaml
    """
    from ledger.bootstrap import law, today
    from ledger.rulebooks.check import MEND, check
    from ledger.rulebooks.institution import institution
    from ledger.rulebooks.loader import read_file, readings_of
    from ledger.rulebooks.words import words_in
    from ledger.words import sentence

    folder, language = settings().rulebooks, answered_in()
    found = check(str(file), read_file(file), readings_of(folder), law(folder), institution(folder),
                  words_in("it", folder), today())
    told = [{"severity": one.severity, "file": str(file), "line": one.line, "field": one.field,
             "message": sentence(one.message, language)} for one in found]
    if json_:
        tell_json({"file": str(file), "findings": told})
    else:
        page().rule_findings(told)
    if any(one.severity == MEND for one in found):
        raise click.exceptions.Exit(FOUND)


@rules.command("effect")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@engine_options
@json_option
def effect_(file: Path, how: "How", json_: bool) -> None:
    """Whom the rule book FILE would change if it took the place of its year's, and how much money.

    Every student of the ledger is computed under the law in force and with FILE. Nothing is stored and nothing changes;
    `projection diff` shows each answer that differs.

    \b
    Example:
      career-ledger rules effect 2026-27.yaml
    """
    from .everybody import progress

    with opened() as ledger, progress("comparing") as told:
        answer = ledger.effect(file, how, told)
    tell_json(answer) if json_ else page().rule_effect(answer)
