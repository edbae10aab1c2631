"""Whose rule books a folder holds: `institution.yaml` beside them, the packaged one where a folder has none.

It names the university to the people who get letters and to those who check a new year's book; it is no law."""

from datetime import date
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ledger.domain.phrases import Phrase, says
from ledger.domain.values import Text

from .loader import INSTITUTION, read_file, read_plain, refusal

SATURDAY = 5
_Language = Literal["it", "en"]


class Holiday(BaseModel):
    """A day of every year, month-day: `08-26`."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    day: Annotated[str, Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$")]
    name: Text


class Name(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    it: Text
    en: Text

    def in_language(self, language: _Language) -> str:
        return self.it if language == "it" else self.en


class Programme(BaseModel):
    """`code`: with what the codes of its courses begin."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Text
    degree_class: Text
    type: Literal["bachelor", "master", "single-cycle"]
    years: Annotated[int, Field(strict=True, ge=1, le=6)]
    code: Text


class Listed(BaseModel):
    """One that a form offers. `id`: what is recorded of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    id: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,64}$")]
    name: Name


class TicketDesk(BaseModel):
    """What the form of the ticket desk offers: `services` that answer, `contexts` of a problem. `domain`: where the
    addresses are that students write from."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    domain: Annotated[str, Field(pattern=r"^[a-z0-9-]+(\.[a-z0-9-]+)+$", max_length=200)]
    services: Annotated[tuple[Listed, ...], Field(min_length=1)]
    contexts: Annotated[tuple[Listed, ...], Field(min_length=1)]


class Institution(BaseModel):
    """`tickets`: where a person reads what became of a ticket, a line each; `desk`: None where the ledger has no ticket
    desk."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    name: Name
    holidays: tuple[Holiday, ...] = ()
    tickets: dict[_Language, tuple[Text, ...]] = Field(default_factory=dict)
    programmes: tuple[Programme, ...] = ()
    desk: TicketDesk | None = None

    def closed(self, day: date) -> Phrase | None:
        """Why nobody is there on a day: a Saturday, a Sunday, a public holiday of Italy's or one of its own."""
        from holidays import country_holidays  # imported on first use: only a new year's book needs a calendar

        if day.weekday() >= SATURDAY:
            return says("rules/saturday" if day.weekday() == SATURDAY else "rules/sunday", on=day)
        name = next((one.name for one in self.holidays if one.day == f"{day:%m-%d}"), None) \
            or country_holidays("IT", language="it_IT").get(day)
        return says("rules/holiday", on=day, text=name) if name is not None else None


def institution(folder: Path | None = None) -> Institution:
    """Of a folder of rule books, None: of the packaged ones. Raises `RuleBookError` when its file is wrong."""
    path = folder / INSTITUTION if folder is not None else None
    return _read(str(path), read_file(path)) if path is not None and path.exists() else packaged()


@cache
def packaged() -> Institution:
    return _read(f"ledger/rulebooks/{INSTITUTION}", (files("ledger.rulebooks") / INSTITUTION).read_bytes())


def _read(name: str, content: bytes) -> Institution:
    try:
        return Institution.model_validate(read_plain(name, content))
    except ValidationError as error:
        raise refusal(name, content, error) from None
