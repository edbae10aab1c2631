"""Reads of what names a person, each of which leaves a trace: `person`, `lookup`, `access`."""

import sys

import click

from ledger.domain.phrases import says
from ledger.edges.program import tell_json

from .errors import misused
from .options import actor_option, json_option, opened, page, purpose_option, read_for, spoken

LONGEST_LOOKED_UP = 500
"""Characters."""


@click.command(short_help="Who a student is; the read leaves a trace.")
@click.argument("student")
@purpose_option(required=True)
@actor_option
@json_option
def person(student: str, purpose: str, actor: str | None, json_: bool) -> None:
    """What names STUDENT, and how it was registered over time. Who asks, and why, is in the access log before it is
    answered.

    \b
    Example:
      career-ledger person S01 --purpose "certificate asked for on 3 March 2026"
    """
    with opened() as ledger:
        answer = spoken(ledger.person(student, read_for(purpose, actor)))
    tell_json(answer) if json_ else page().person(answer)


@click.command(short_help="Find a student by tax code or name, read from standard input.")
@click.argument("kind", type=click.Choice(["tax-code", "name"]))
@purpose_option(required=True)
@actor_option
@json_option
def lookup(kind: str, purpose: str, actor: str | None, json_: bool) -> None:
    """The students with the tax code or name that stands on standard input, one line: an argument would show in the
    list of processes. A name is the given name, the family name or both, as written, else without regard to case,
    accents, apostrophes and hyphens. Exit code 3 where there is nobody.

    \b
    Example:
      career-ledger lookup name --purpose "call of 3 March 2026" < name.txt
    """
    value = sys.stdin.readline(LONGEST_LOOKED_UP + 2).strip()
    if not 0 < len(value) <= LONGEST_LOOKED_UP:
        raise misused(says("cli/looked-up", count=LONGEST_LOOKED_UP))
    with opened() as ledger:
        answer = ledger.look_up(kind, value, read_for(purpose, actor))
    tell_json(answer) if json_ else page().looked_up(answer)


@click.command(short_help="Who read what names a student, when and why.")
@click.argument("student")
@json_option
def access(student: str, json_: bool) -> None:
    """Who read what names STUDENT, when, on whose behalf and why.

    \b
    Example:
      career-ledger access S01 --json
    """
    with opened() as ledger:
        found = ledger.accesses(student)
    if json_:
        for one in found:
            tell_json(one)
    else:
        page().accesses(student, found)
