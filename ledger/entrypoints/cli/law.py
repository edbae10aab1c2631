"""`career-ledger rules`: the law as the ledger applies it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from ledger.edges.program import tell_json

from .options import academic_year, answered_in, json_option, page, settings

if TYPE_CHECKING:
    from ledger.bootstrap import Answer
    from ledger.domain.books import LawBooks
    from ledger.rulebooks.words import Words


@click.group(short_help="The law: show a year, compare two, cite a rule.")
def rules() -> None:
    """The law as the ledger applies it: values, sources and interpretations by academic year.

    \b
    Examples:
      career-ledger rules show 2025-26
      career-ledger rules diff 2019-20 2025-26
      career-ledger rules cite BLK-1
    """


def _law(ask: "Callable[[LawBooks, Words], Answer]") -> "Answer":
    """A question to the rule books, told in the language of the answer; an id or a year that they
    do not know is not found."""
    from ledger.bootstrap import law
    from ledger.domain.knowledge import NotFound
    from ledger.rulebooks.words import words_in

    folder = settings().rulebooks
    books, words = law(folder), words_in(answered_in(), folder)
    try:
        return ask(books, words)
    except LookupError as error:
        raise NotFound(str(error)) from None


@rules.command("show")
@click.argument("year", type=academic_year)
@json_option
def show_(year: str, json_: bool) -> None:
    """Every rule and interpretation of the academic YEAR, with its values and source.

    \b
    Example:
      career-ledger rules show 2025-26
    """
    from ledger.rulebooks.show import show

    answer = _law(lambda books, words: show(books, year, words))
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
