"""What answers for people are printed on: lines and tables, with colours on a terminal.

Elsewhere (a file, a pipe) rich is not imported, which takes longer than most answers: lines are as long as they are,
and a table whose columns fit is laid out here as rich lays it out. One that does not fit, or holds letters of another
width than one, is left to rich.
"""

from collections.abc import Iterator, Sequence
from typing import IO, TYPE_CHECKING
from unicodedata import category, east_asian_width

from ledger.edges.text import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

PIPE_WIDTH = 160
"""Columns of tables when the output is no terminal; other lines are as long as they are."""
GOES_ON = "  | "
"""Before the rest of a line that is longer than the terminal is wide."""
LEAST_WIDTH = 20


class Styled:
    """Words for a page, whoever wrote them, on one line: what would act on a terminal is shown instead. Each part may
    have a style of its own over that of the whole."""

    __slots__ = ("parts", "style")

    def __init__(self, text: str = "", style: str = "") -> None:
        self.style = style
        self.parts: list[tuple[str, str | None]] = [(visible(text), None)]

    def append(self, text: str, style: str | None = None) -> None:
        self.parts.append((visible(text), style))

    def __str__(self) -> str:
        return "".join(text for text, _ in self.parts)


_Cell = str | Styled


class Grid:
    """`right`: the numbers of the columns that are set to the right and never broken."""

    def __init__(self, headings: Sequence[str], right: Sequence[int] = ()) -> None:
        self.headings, self.right = headings, frozenset(right)
        self.rows: list[tuple[tuple[_Cell, ...], str]] = []

    def add_row(self, *cells: _Cell, style: str = "") -> None:
        self.rows.append((cells, style))


class Paper:
    """Prints on `out`; `plain`: without colours."""

    def __init__(self, out: IO[str], terminal: bool, plain: bool) -> None:
        self._out, self.terminal, self._plain = out, terminal, plain
        self._opened: Console | None = None

    def blank(self) -> None:
        self._write("\n")

    def line(self, words: Styled, indent: int = 0) -> None:
        """On a terminal a long one is wrapped, and its rest is marked, so that no part of it looks like a line of its
        own."""
        if not self.terminal:
            self._write(f"{' ' * indent}{words}\n")
            return
        from rich.text import Text

        console, text = self._console(), _rich(words)
        for number, part in enumerate(text.wrap(console, max(LEAST_WIDTH, console.width - indent - len(GOES_ON)))):
            console.print(Text(" " * indent + (GOES_ON if number else "")).append_text(part))

    def table(self, table: Grid) -> None:
        lines = None if self.terminal else _laid_out(table)
        if lines is not None:
            self._write("".join(f"{line}\n" for line in lines))
            return
        from rich import box
        from rich.table import Table as Drawn

        drawn = Drawn(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for index, heading in enumerate(table.headings):
            drawn.add_column(_rich(heading), justify="right" if index in table.right else "left", overflow="fold",
                             no_wrap=index in table.right)
        for cells, style in table.rows:
            drawn.add_row(*map(_rich, cells), style=style)
        self._console().print(drawn)

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()

    def _console(self) -> "Console":
        if self._opened is None:
            from rich.console import Console

            self._opened = Console(file=self._out, force_terminal=self.terminal, no_color=self._plain,
                                   color_system=None if self._plain else "auto", markup=False, highlight=False,
                                   emoji=False, width=None if self.terminal else PIPE_WIDTH)
        return self._opened


def _rich(cell: _Cell) -> "Text":
    from rich.text import Text

    if isinstance(cell, str):
        return Text(visible(cell))
    made = Text("", cell.style)
    for text, style in cell.parts:
        made.append(text, style)
    return made


def _laid_out(table: Grid) -> Iterator[str] | None:
    """The lines, each as wide as the table; None where that takes more than a table's columns of letters."""
    told = [[visible(str(cell)) for cell in cells] for cells in (table.headings, *(cells for cells, _ in table.rows))]
    widths = [max(map(len, column)) for column in zip(*told, strict=True)]
    if sum(widths) + 2 * (len(widths) - 1) > PIPE_WIDTH or not all(_is_narrow(one) for row in told for one in row):
        return None
    return _lines(table, told, widths)


def _lines(table: Grid, told: Sequence[Sequence[str]], widths: Sequence[int]) -> Iterator[str]:
    for number, row in enumerate(told):
        yield "  ".join(one.rstrip().rjust(width) if index in table.right else one.ljust(width)
                        for index, (one, width) in enumerate(zip(row, widths, strict=True)))
        if number == 0:
            yield "─" * (sum(widths) + 2 * (len(widths) - 1))


def _is_narrow(text: str) -> bool:
    return text.isascii() or all(east_asian_width(one) not in "WF" and category(one) not in ("Mn", "Me", "Cf", "Cc")
                                 for one in text)
