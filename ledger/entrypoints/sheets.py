"""A page for people as one file of HTML: without scripts and with nothing that is loaded from elsewhere, with headings,
the scope of each cell of a heading, and the language that it is in."""

from collections.abc import Sequence
from html import escape
from importlib.resources import files
from typing import NamedTuple

from ledger.edges.text import visible
from ledger.words import Language

Lines = Sequence[Sequence[str]]
LONGEST_CODE = 16
"""Of students, rules and years: longer ones may be broken, else what stands beside them has no room."""


class Section(NamedTuple):
    """`rows` under `heads`; without heads each row is a name and its value. A cell's lines are a list. `figure`: markup
    that stands before the table; `numbers_from`: the first column of numbers, whose rows begin with a heading."""

    title: str
    says: Sequence[str]
    heads: Sequence[str] = ()
    rows: Lines = ()
    figure: str = ""
    numbers_from: int | None = None


def html(title: str, first: Sequence[str], sections: Sequence[Section], language: Language, css: str = "") -> str:
    """`first`: what is said before the sections; all but the first of it stands out. `css`: beside that of all
    sheets."""
    style = (files(__package__) / "sheets.css").read_text(encoding="utf-8") + css
    parts = [f'<!doctype html>\n<html lang="{language}"><head><meta charset="utf-8">'
             '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; style-src \'unsafe-inline\'">'
             '<meta name="viewport" content="width=device-width">'
             f"<title>{shown(title)}</title><style>\n{style}</style></head><body><main><h1>{shown(title)}</h1>",
             f"<p>{shown(first[0])}</p>", *(f'<p class="note">{shown(one)}</p>' for one in first[1:])]
    for one in sections:
        parts.append(f"<section><h2>{shown(one.title)}</h2>")
        parts += [f"<p>{shown(said)}</p>" for said in one.says]
        parts += [one.figure] if one.figure else []
        if one.rows:
            parts += _table(one)
        parts.append("</section>")
    return "\n".join([*parts, "</main></body></html>\n"])


def _table(one: Section) -> list[str]:
    end = len(one.heads) if one.numbers_from is None else one.numbers_from
    heads = "".join(f'<th scope="col"{_number(n >= end)}>{shown(head)}</th>' for n, head in enumerate(one.heads))
    parts = [f"<table>{f'<thead><tr>{heads}</tr></thead>' if heads else ''}<tbody>"]
    for row in one.rows:
        cells = [f"<td{_number(bool(one.heads) and n >= end) or _code(cell)}>"
                 f"{'<br>'.join(shown(line) for line in cell.splitlines())}</td>" for n, cell in enumerate(row)]
        if not one.heads or one.numbers_from is not None:
            cells[0] = f'<th scope="row">{shown(row[0])}</th>'
        parts.append(f"<tr>{''.join(cells)}</tr>")
    return [*parts, "</tbody></table>"]


def _number(is_one: bool) -> str:
    return ' class="number"' if is_one else ""


def _code(cell: str) -> str:
    """On paper no line ends within a short one."""
    return ' class="code"' if len(cell) <= LONGEST_CODE and "-" in cell and len(cell.split()) == 1 else ""


def shown(said: str) -> str:
    """What would act on a terminal or turn a line around is shown instead."""
    return escape(visible(said))
