"""A report that the command line has too: how its rows divide, as bars beside the numbers, and the rows themselves,
page by page or as CSV."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

from ledger.bootstrap import Answer
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import says
from ledger.domain.values import ZERO
from ledger.edges.text import comma_separated
from ledger.entrypoints.audit_report import says_of
from ledger.entrypoints.facts import NUMBERS, cell, columns
from ledger.projections.everybody.reports import BLOCKS, GROUPS
from ledger.words import Language, sentence, told
from ledger.words.entries import named
from ledger.words.values import figure, money, month

from ..api import Api
from ..everybody import REPORTS, CountedBy
from ..problems import Misasked
from .visit import Visit

ROWS = 25
BARS, DAYS = 12, 31
"""So many at most. The shorter ones are put together in the last; more days than that are told by the month."""
AHEAD = timedelta(days=30)
"""So far `upcoming` looks unless it is told."""


class BarsBy(NamedTuple):
    """By which column the rows of a report are put together, and what of them is added up ("": each row counts one)."""

    by: str
    of: str = ""


LISTED: Mapping[str, BarsBy] = {
    "blocked": BarsBy("rule"), "arrears": BarsBy("charge", "overdue"), "upcoming": BarsBy("on"),
    "reservations": BarsBy("programme"), "refunds": BarsBy("refund_rule", "refundable"),
    "unallocated": BarsBy("charge", "amount"), "unknown": BarsBy("rule"), "counts": BarsBy("", "careers")}
"""By its name on the command line; `find` is the search page. Those of `counts` are put together by what was asked for
first."""


def shown(api: Api, asked: Visit) -> dict[str, Any]:
    """What the page shows. Raises Misasked, NotFound."""
    name, query = _question(asked)
    page, whole = api.everybody.page(name, {**query, "limit": str(ROWS)})
    divided = LISTED[name]
    by = put_together_by(name, query)
    answer, named_columns = told(page, asked.language), columns(page)
    return {
        "tab": "reports", "report": name, "query": query, "kinds": BLOCKS, "groups": GROUPS, "by": by,
        "period": {end: page[end] for end in ("from", "to") if end in page}, "answer": answer,
        "columns": named_columns, "numbers": NUMBERS, "about": sentence(REPORTS[name][2], asked.language),
        "bars": bars(whole["rows"], divided._replace(by=by[0]), asked.language),
        "what": named("console_bar", "day", asked.language) if by == ["on"] else named("column", by[0], asked.language),
        "of": divided.of, "says": says_of(api.ledger.books, asked.language, api.rulebooks)
        if by[0] in ("rule", "refund_rule") else None,
        "rows": [(row, [cell(column, row[column], asked.language) for column in named_columns])
                 for row in answer["rows"]],
        "following": page["next"], "whole": page["next"] or query.get("cursor"),
        "behind": page if page["known_position"] != page["last_position"] else None}


def listed(language: Language) -> list[tuple[str, str]]:
    """Each report by its name, and what it tells."""
    return [(name, sentence(REPORTS[name][2], language)) for name in LISTED]


def as_csv(api: Api, asked: Visit) -> tuple[str, bytes]:
    """Its name, and all of its rows as on the command line. Raises Misasked, NotFound."""
    name, query = _question(asked)
    whole = told(api.everybody.page(name, query)[1], asked.language)
    head = [one for row in whole["rows"][:1] for one in row if one not in ("message_id", "params")]
    return name, comma_separated(head, whole["rows"]).encode()


class Bar(NamedTuple):
    """`key`: the value that these rows have in common, None where it is that of the rest; `value`: in words; `share`:
    of the longest bar, in hundredths."""

    key: str | None
    name: str
    value: str
    share: int


def bars(rows: Sequence[Answer], divided: BarsBy, language: Language) -> list[Bar]:
    """The longest first; days in their order, by month where they are many."""
    keys = [str(row[divided.by] or "") for row in rows]
    label = partial(_label, divided.by, language=language)
    if divided.by == "on" and len(set(keys)) > DAYS:
        keys, label = [f"{key[:7]}-01" for key in keys], partial(month, language=language)
    sums: dict[str, Decimal] = {}
    for key, row in zip(keys, rows, strict=True):
        sums[key] = sums.get(key, ZERO) + Decimal(row[divided.of] if divided.of else 1)
    found: list[tuple[str | None, str, Decimal]] = [(key, label(key), amount) for key, amount in sums.items()]
    if divided.by == "on":
        found.sort(key=lambda one: str(one[0]))
    else:
        found.sort(key=lambda one: (-one[2], one[1]))
        if len(found) > BARS:
            rest = sum((amount for _, _, amount in found[BARS - 1:]), ZERO)
            found[BARS - 1:] = [(None, named("console_bar", "rest", language), rest)]
    most = max((amount for _, _, amount in found), default=ZERO) or Decimal(1)
    write = figure if divided.of in ("", "careers") else money
    return [Bar(key, name, write(amount, language), int(100 * amount / most)) for key, name, amount in found]


def _label(column: str, key: str, language: Language) -> str:
    return cell(column, key or None, language) or named("console_bar", "none", language)


def put_together_by(name: str, query: Mapping[str, str]) -> list[str]:
    """By what the rows are put together; of `counts` as many names as were asked for."""
    return query.get("by", CountedBy.model_fields["by"].default).split(",") if name == "counts" else [LISTED[name].by]


def _question(asked: Visit) -> tuple[str, dict[str, str]]:
    """A report by its name, and what is asked of it. Raises Misasked, NotFound."""
    name = asked.request.parts[0]
    if name not in LISTED:
        raise NotFound(says("page/no-such-page"))
    query, takes = dict(asked.given), REPORTS[name][0].model_fields
    if "limit" in query:
        raise Misasked(400, "bad-query", says("http/query"))
    if "cursor" in query:
        return name, query
    if "on" in takes:
        return name, {**query, "on": asked.on.isoformat()}
    return name, {"from": asked.on.isoformat(), "to": (asked.on + AHEAD).isoformat(), **query}
