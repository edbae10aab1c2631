"""Values that every other module speaks in: money, CFU, academic years, dates and keys.

Each type is an annotated builtin, so that a payload's attributes are plain `Decimal`, `date` and `str`,
and so that a value which is not exact (three decimals, 30 February, NaN) is refused at the border with the fix.
"""

import re
from datetime import date, datetime, time, timedelta, timezone
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from .checked import After, Before, Narrowed, WrittenBy
from .form import wrong
from .registry import obeys

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
ONE_DAY = timedelta(days=1)
ROME = ZoneInfo("Europe/Rome")
FIRST_YEAR, LAST_YEAR = 1900, 2199
"""Of whatever is recorded."""

_MONEY = re.compile(r"(0|[1-9][0-9]{0,8})\.[0-9]{2}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_SPACE = r"^\S+$"
_YEAR = re.compile(r"[0-9]{4}-[0-9]{2}")


def begins(day: date) -> datetime:
    """The moment in UTC at which a day begins in Italy."""
    return datetime.combine(day, time.min, ROME).astimezone(timezone.utc)


def _money(value: Any) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str):
        raise wrong("form/money")
    return _read_money(value)


@lru_cache(maxsize=4096)
def _read_money(value: str) -> Decimal:
    if not _MONEY.fullmatch(value):
        raise wrong("form/money")
    return Decimal(value)


def _positive(value: Decimal) -> Decimal:
    if value <= ZERO:
        raise wrong("form/money-positive")
    return value


@lru_cache(maxsize=4096)
def _read_positive(value: str) -> Decimal:
    return _positive(_read_money(value))


def _day(value: Any) -> date:
    if type(value) is date:
        return value
    if isinstance(value, str):
        return _read_day(value)
    raise wrong("form/day")


@lru_cache(maxsize=8192)
def _read_day(value: str) -> date:
    if not _DATE.fullmatch(value):
        raise wrong("form/day")
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise wrong("form/no-such-day") from None
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise wrong("form/year-range")
    return day


def _instant(value: Any) -> datetime:
    moment = value
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            raise wrong("form/instant") from None
    if not isinstance(moment, datetime):
        raise wrong("form/instant")
    if moment.tzinfo is None:
        raise wrong("form/time-zone")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise wrong("form/year-range")
    return moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)


def _cfu(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise wrong("form/cfu")
    if not 0 <= value <= 1000:  # NaN is not either
        raise wrong("form/cfu-range")
    return int(value) if value == int(value) else value


def _no_flag(value: Any) -> Any:
    if isinstance(value, bool):
        raise wrong("form/whole-number")
    return value


def _academic_year(value: Any) -> str:
    if isinstance(value, str) and is_academic_year(value):
        return value
    raise wrong("form/academic-year")


@lru_cache(maxsize=256)
def is_academic_year(value: str) -> bool:
    first = int(value[:4]) if _YEAR.fullmatch(value) else 0
    return FIRST_YEAR <= first <= LAST_YEAR and f"{(first + 1) % 100:02d}" == value[5:]


@lru_cache(maxsize=256)
def _read_academic_year(value: str) -> str:
    return _academic_year(value)


def is_unicode(text: str) -> bool:
    """JSON may hold half of a surrogate pair, which nothing stores or sends."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def printable(value: str) -> str:
    """Any text, on several lines too. Raises `form.wrong`."""
    if value.isascii() and value.isprintable():
        return value
    if any(ord(c) < 32 and c not in "\n\t" for c in value):
        raise wrong("form/control-characters")
    if not is_unicode(value):
        raise wrong("form/surrogate")
    return value


PLACEHOLDERS = frozenset({"9999", "99999"})
"""The matricola that the ticket form asks for where there is none yet."""


@obeys("TKT-2")
def _identifies(value: str) -> str:
    """The placeholder names nobody, also with zeros before it."""
    if value.lstrip("0") in PLACEHOLDERS:
        raise wrong("form/placeholder")
    return value


STRANGER = "TKT-"
"""Begins the pseudonym of a person who has a ticket and no career."""


def format_instant(moment: datetime) -> str:
    """UTC with microseconds only where there are any, ending in Z: one spelling for one instant."""
    return (moment if moment.tzinfo is timezone.utc else moment.astimezone(timezone.utc)).isoformat()[:-6] + "Z"


def _amount_text(value: Decimal) -> str:
    return f"{value:.2f}"


Amount = Annotated[Decimal, Before(_money), WrittenBy(_amount_text)]
"""Euro, not negative, two decimals; a JSON string."""
PositiveAmount = Annotated[Amount, After(_positive)]
Day = Annotated[date, Before(_day)]
"""A calendar day; a JSON string YYYY-MM-DD."""
Instant = Annotated[datetime, Before(_instant), WrittenBy(format_instant)]
"""A moment in UTC."""
Cfu = Annotated[Annotated[int, msgspec.Meta(ge=0, le=1000)] | Annotated[float, msgspec.Meta(ge=0, le=1000)],
                Before(_cfu, int | float)]
"""Crediti formativi universitari: a JSON number."""
Numbered = Before(_no_flag)
"""Of a choice among numbers: JSON's true is none, which Python takes for 1."""
Year = Annotated[str, Before(_academic_year)]
"""An academic year, `2025-26`: from 1 October 2025 to 30 September 2026."""
Text = Annotated[str, Narrowed(min_length=1, max_length=300), After(printable)]
LongText = Annotated[str, Narrowed(max_length=20_000), After(printable)]
ALPHABET = Narrowed(pattern=r"^[A-Za-z0-9._-]{1,64}$")
Pseudonym = Annotated[str, ALPHABET, After(_identifies)]
"""Names a student or a career, wherever somebody submits one."""
RecognitionKind = Literal["transfer", "programme-change", "second-degree", "re-enrolment",
                          "shortening", "foreign-degree"]
CourseCode = Annotated[str, Narrowed(min_length=1, max_length=64, pattern=_NO_SPACE),
                       After(printable)]
ChargeKey = Annotated[str, Narrowed(min_length=1, max_length=100, pattern=_NO_SPACE),
                      After(printable)]
"""`ACADEMIC-YEAR:KIND` or `ACADEMIC-YEAR:KIND#2` (section 4 of the published language)."""


def iuv_check(before: str) -> str:
    """The two check digits of a pagoPA reference: of what stands before them in the notice number, auxiliary digit
    included (PagoPA S.p.A., "Specifiche attuative dei codici identificativi di versamento, riversamento e
    rendicontazione")."""
    return f"{int(before) % 93:02d}"


def cents(value: Decimal) -> Decimal:
    """Rounded half up to the cent (AMB-39)."""
    return value.quantize(CENT, ROUND_HALF_UP)


@lru_cache(maxsize=4096)
def year_of(day: date) -> str:
    """The academic year that runs on a day: 1 October to 30 September (AMB-36)."""
    first = day.year if day.month >= 10 else day.year - 1
    return f"{first}-{(first + 1) % 100:02d}"


def year_start(year: str) -> date:
    """1 October, the first day of the academic year."""
    return date(int(year[:4]), 10, 1)


@lru_cache(maxsize=256)
def year_end(year: str) -> date:
    """30 September, the last day of the academic year."""
    return date(int(year[:4]) + 1, 9, 30)


@lru_cache(maxsize=256)
def next_year(year: str) -> str:
    return year_of(year_end(year) + ONE_DAY)


def day_or_none(day: date | None) -> str | None:
    """As JSON and tables have it."""
    return day.isoformat() if day is not None else None


def last_of_february(academic_year: str) -> date:
    """The one that falls in the spring of an academic year."""
    return date(int(academic_year[:4]) + 1, 3, 1) - ONE_DAY


def compiled(schema: Any) -> Any:
    """A payload's core schema in which no Python code of ours judges a value: compiled checks and cached
    readers that accept nothing that the functions above refuse. What they do accept less (7.5 CFU) must be
    asked of the model itself."""
    from pydantic_core import core_schema as cs

    if isinstance(schema, list):
        return [compiled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    question = schema["function"]["function"] if str(schema.get("type")).startswith("function-") else None
    if question is printable:
        text = schema["schema"]
        return text | {"pattern": _VISIBLE if text.get("pattern") == _NO_SPACE else _NO_CONTROL}
    if question is _cfu:
        return cs.int_schema(strict=True, ge=0, le=1000)
    if question is _no_flag:
        return cs.chain_schema([cs.int_schema(strict=True), schema["schema"]])
    reader = _read_positive if question is _positive else _READERS.get(question)
    if reader is not None:
        return cs.no_info_plain_validator_function(reader)
    return {name: found if name in ("cls", "config", "function", "metadata", "serialization",
                                    "ref") else compiled(found)
            for name, found in schema.items()}


_NO_CONTROL = r"^[^\x00-\x08\x0b-\x1f]*$"
_VISIBLE = r"^[^\s\x00-\x1f]+$"
_READERS: dict[Any, Any] = {_money: _read_money, _day: _read_day, _academic_year: _read_academic_year}
