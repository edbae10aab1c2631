"""Whatever the ledger takes can be filled in: each type's form, there and back, with its names in every language."""

from collections.abc import Iterator
from typing import Any

import pytest

from ledger.entrypoints.http.console.fields import OFFERED, Field, fields, submission
from ledger.words import LANGUAGES, Language
from ledger.words.entries import NAMES, entry
from tests.wire.examples import DATA


def written(name: str, value: Any) -> Iterator[tuple[str, str]]:
    """What somebody would type."""
    if isinstance(value, dict):
        for part, held in value.items():
            yield from written(f"{name}.{part}", held)
    elif isinstance(value, list) and name.endswith("prerequisites"):
        yield name, ", ".join(value)
    elif isinstance(value, list):
        for number, held in enumerate(value):
            yield from written(f"{name}.{number * 3}", held)  # rows between them were left empty
    else:
        yield name, {True: "true", False: "false"}.get(value, str(value)) if isinstance(value, bool) else str(value)


@pytest.mark.parametrize("type", sorted(OFFERED & DATA.keys()))
def test_form_says_what_was_filled_in(type: str) -> None:
    given = {name: f" {value} " for name, value in written("data", DATA[type])}
    assert submission(type, "S01", given, "1", "a")["data"] == DATA[type]


def _choices(several: tuple[Field, ...]) -> Iterator[Field]:
    for one in several:
        if one.kind == "choice":
            yield one
        yield from _choices(one.columns)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("type", sorted(OFFERED))
def test_each_choice_has_a_name(type: str, language: Language) -> None:
    for one in _choices(fields(type)):
        assert set(one.choices) <= entry(f"{NAMES}{one.table}", language).keys(), one.name
