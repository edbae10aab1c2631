"""A table that goes into a file is laid out as rich would lay it out, and rich is asked for those that it is not."""

import io
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.entrypoints import paper
from ledger.entrypoints.paper import Grid, Paper, Styled

CELLS = st.text(st.characters(codec="utf-8"), max_size=12) | st.text("abc 1,.è–€", max_size=60)


def printed(table: Grid) -> str:
    out = io.StringIO()
    Paper(out, terminal=False, plain=True).table(table)
    return out.getvalue()


@settings(deadline=None, derandomize=True, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 5).flatmap(lambda columns: st.tuples(
    st.lists(st.text("abcè ", min_size=1, max_size=12), min_size=columns, max_size=columns),
    st.sets(st.integers(0, columns - 1)),
    st.lists(st.lists(CELLS, min_size=columns, max_size=columns), max_size=4))))
def test_table_is_laid_out_as_rich_lays_it_out(drawn: tuple[list[str], set[int], list[list[str]]]) -> None:
    headings, right, rows = drawn
    table = Grid(headings, sorted(right))
    for row in rows:
        table.add_row(*row)
    ours = printed(table)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(paper, "_laid_out", lambda table: None)
        assert ours == printed(table)


@pytest.mark.parametrize("cell", ["x" * 200, "漢字", "e\u0301"])
def test_what_does_not_fit_or_is_wider_than_it_is_long_is_left_to_rich(cell: str) -> None:
    table = Grid(["a", "b"])
    table.add_row(cell, "c")
    assert paper._laid_out(table) is None


def test_lines_are_whole_in_a_file_and_hold_nothing_that_acts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)  # importing it fails
    out = io.StringIO()
    words = Styled("a\x1b[1m" + "b" * 300, "bold")
    words.append("\nc", "red")
    Paper(out, terminal=False, plain=True).line(words, 2)
    assert out.getvalue() == "  a\\x1b[1m" + "b" * 300 + "\\nc\n"
