"""Text of others on its way to a terminal, a log line or a spreadsheet: it can neither forge a line nor act."""

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from unicodedata import category

from .address import hidden

LONGEST_SAID = 2_000
"""Characters of one message on standard error or in a log: a name of a megabyte says no more."""


def visible(text: str) -> str:
    """A text on one line: line breaks, control and escape codes, bidirectional overrides and what has no shape are
    written out (`\\n`, `\\x1b`, `\\u202e`)."""
    if text.isprintable():
        return text
    return "".join(one if _has_shape(one) else one.encode("unicode_escape").decode() for one in text)


def _has_shape(one: str) -> bool:
    return one.isprintable() or category(one) == "Zs"


def said(text: str) -> str:
    """What goes to standard error or into a log: one line, no password, and not without end."""
    text = visible(hidden(text))
    return text if len(text) <= LONGEST_SAID else f"{text[:LONGEST_SAID]}... ({len(text)} characters)"


_json = json.JSONEncoder(ensure_ascii=False).encode


def json_text(value: Any, ascii_only: bool = False, indent: int | None = None) -> str:
    """The exact value as JSON. Letters stay readable; what would act on a terminal is written as JSON's own escape."""
    text = _json(value) if indent is None and not ascii_only else json.dumps(value, ensure_ascii=ascii_only,
                                                                             indent=indent)
    if text.isprintable():
        return text
    return "".join(one if one == "\n" or _has_shape(one) else json.dumps(one)[1:-1] for one in text)


_FORMULA = r"[\t\r\n]|\s*[=+\-@＝＋－＠]"
_NUMBER = r"-?[0-9]+(\.[0-9]+)?"


def csv_cell(value: Any) -> Any:
    """A value as a cell that no spreadsheet takes for a formula: such a text gets an apostrophe before it, as OWASP
    advises, also where spaces stand before the sign. Numbers, negative ones too, stay numbers."""
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if re.match(_FORMULA, value) and not re.fullmatch(_NUMBER, value) else visible(value)


def comma_separated(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Rows under a heading."""
    import csv

    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([csv_cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue()
