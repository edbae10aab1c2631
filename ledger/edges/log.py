"""What a program says while it runs, as lines for people or, for a collector of logs, as one JSON object a line:

    {"time": "2026-03-02T09:00:00.120Z", "level": "info", "program": "career-ledger", "id": "relay/publishing",
     "text": "publishing career.events.v1 from position 7", "numbers": {"position": 7}}

`id` names the sentence and stays when its words change: alerts are built on it. `text` is what people would read,
through the same `said`: one line, no password, not without end. `numbers` are the sentence's own figures and nothing
else, so that no name gets in by them.
"""

import os
from datetime import UTC, datetime
from typing import Any, Literal, Self

import click

from .text import json_text, said

Format = Literal["text", "json"]
Level = Literal["info", "warning", "error"]
FORMATS: tuple[Format, ...] = ("text", "json")
VARIABLE = "CAREER_LEDGER_LOG"
UNNAMED = "said"
"""The id of what was told without one, such as the end of a command."""


class Note(str):
    """A sentence that knows its id, how grave it is, and its figures. Elsewhere it is the text."""

    __slots__ = ("id", "level", "numbers")
    id: str
    level: Level
    numbers: dict[str, int | float]

    def __new__(cls, id: str, template: str, level: Level = "info", **values: Any) -> Self:
        """`template` as `str.format` takes it."""
        made = super().__new__(cls, template.format(**values))
        made.id, made.level = id, level
        made.numbers = {name: value for name, value in values.items()
                        if isinstance(value, int | float) and not isinstance(value, bool)}
        return made


class Chosen:
    """How this process says things: there is one standard error."""

    format: Format = "text"


def choose(format_: Format | None = None) -> None:
    """None: what the environment says, else text. What it says wrongly is the option's to refuse."""
    Chosen.format = format_ or ("json" if os.environ.get(VARIABLE, "").strip().lower() == "json" else "text")


def _chosen(_: click.Context, __: click.Parameter, value: Format) -> None:
    choose(value)


log_format_option = click.option("--log-format", type=click.Choice(FORMATS), envvar=VARIABLE, default="text",
                                 show_default=True, show_envvar=True, is_eager=True, expose_value=False,
                                 callback=_chosen, help="How the program says on standard error what it does.")


def line(text: str, program: str = "", level: Level = "info") -> str:
    """A message of this moment, in the chosen format. The level of a note is its own."""
    if Chosen.format == "text":
        return said(f"{program}: {text}" if program else text)
    return as_json(datetime.now(UTC), program, text.level if isinstance(text, Note) else level, text)


def as_json(moment: datetime, program: str, level: str, text: str) -> str:
    return json_text({"time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "level": level,
                      "program": program, "id": text.id if isinstance(text, Note) else UNNAMED, "text": said(text),
                      "numbers": text.numbers if isinstance(text, Note) else {}}, ascii_only=True)
