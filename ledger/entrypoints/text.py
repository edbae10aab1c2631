"""Answers for people: tables and plain sentences. Colours only on a terminal, never with NO_COLOR.

Every function takes the JSON of section 7 of the published language, so that what people read is what programs get.
"""

import os
from collections import Counter
from collections.abc import Iterable
from io import TextIOWrapper
from typing import IO, Any, Self

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text as RichText

from ledger.edges.text import visible

Answer = dict[str, Any]

STYLES = {
    "paid": "green", "overdue": "bold red", "waived": "dim", "moved": "dim", "payable": "cyan", "to-come": "yellow",
    "enrolled": "green", "graduated": "green", "enrolled-with-reservation": "yellow", "enrolment-pending": "yellow",
    "withdrawal-pending": "yellow", "suspended": "yellow", "single-courses": "green",
    "accepted": "green", "duplicate": "dim", "refused": "bold red", "invalid": "bold red", "conflict": "yellow", "set-aside": "bold red",
    "breach": "bold red", "derogation": "yellow", "notice": "cyan",
}
BLOCKS = {"exam-booking": "no exam can be booked", "final-exam": "no admission to the final exam",
          "administrative": "no exam and no new act of the career", "reservation": "no exam until the reservation is lifted"}
RIGHT = frozenset({"amount", "outstanding", "accruing", "refundable", "careers", "students", "year", "cfu_passed", "cfu_recognised"})
"""Columns of reports that hold numbers."""
PIPE_WIDTH = 160
"""Columns of tables when the output is no terminal; other lines are as long as they are."""
GOES_ON = "  | "
"""Before the rest of a line that is longer than the terminal is wide."""


class Text(RichText):
    """Words for a page, whoever wrote them, on one line: what would act on a terminal is shown instead."""

    def __init__(self, text: str = "", style: str = "") -> None:
        super().__init__(visible(text), style)

    def append(self, text: Any, style: Any = None) -> Self:
        super().append(visible(text) if isinstance(text, str) else text, style)
        return self


class _Console(Console):
    def render_str(self, text: str, **how: Any) -> RichText:
        """What stands in tables and headings."""
        return super().render_str(visible(text), **how)


class Page:
    """A place to print answers for people."""

    def __init__(self, out: IO[str]) -> None:
        if isinstance(out, TextIOWrapper):
            out.reconfigure(errors="replace")  # a terminal that cannot show a letter must not hide the answer
        terminal = out.isatty()
        plain = not terminal or bool(os.environ.get("NO_COLOR"))
        self._console = _Console(file=out, force_terminal=terminal, no_color=plain, color_system=None if plain else "auto",
                                markup=False, highlight=False, emoji=False, width=None if terminal else PIPE_WIDTH)

    def status(self, answer: Answer) -> None:
        self._title(answer)
        if not answer["careers"]:
            self._line("No career has begun by that day.")
            self._tickets(answer)
            return
        table = self._table("Career", "Programme", "Year", "Regime", "Status", "CFU passed", "recognised")
        for career in answer["careers"]:
            year = " of ".join(str(part) for part in (career.get("year"), career.get("academic_year")) if part is not None)
            cfu = career.get("cfu") or {}
            table.add_row(career["career"], _spaced(career.get("programme"), career.get("course_type")), year, career.get("regime") or "",
                          _styled(career["status"]), _number(cfu.get("passed")), _number(cfu.get("recognised")))
        self._console.print(table)
        for career in answer["careers"]:
            for block in career.get("blocks", ()):
                self._block(career["career"], block, answer["on"])
            coming = career.get("upcoming", ())
            if coming:
                self._line(f"{career['career']}: if nothing else happens", style="bold")
                for change in coming:
                    self._line(f"{change['on']}  {change['change']}", indent=2)
        self._tickets(answer)
        self._unruled(answer)

    def _tickets(self, answer: Answer) -> None:
        for ticket in answer.get("tickets", ()):
            closed = f", closed on {ticket['closed_on']}" if ticket["closed_on"] else ", open"
            self._line(f"Ticket {ticket['number']}: opened on {ticket['opened_on']}{closed}")

    def fees(self, answer: Answer) -> None:
        self._title(answer)
        charges = answer["charges"]
        if charges:
            table = self._table("Charge", "Amount", "Due on", "Paid", "Owed", "State", "If late", "Rule", right=(1, 3, 4, 6))
            for charge in charges:
                accruing = charge["accruing"]  # what paying on this day would cost on top
                table.add_row(f"{charge['career']} {charge['charge']}", charge["amount"], charge["due_on"] or charge["raised_on"],
                              charge["paid"], charge["outstanding"], _styled(charge["state"]),
                              f"+{accruing}" if accruing != "0.00" else "", charge["rule"] or "")
            self._console.print(table)
            for charge in charges:
                self._charge(charge)
        else:
            self._line("Nothing has been charged by that day.")
        for money in answer["unallocated"]:
            self._line(f"{money['career']} {money['charge']}: {money['amount']} euro paid on {money['paid_on']} wait for such a charge",
                       style="yellow")
        for iuv in answer.get("same_iuv", ()):
            paid = "; ".join(f"{p['event']} of {p['paid_on']}, {p['amount']} euro for {p['career']} {p['charge']}" for p in iuv["payments"])
            self._line(f"One IUV, {len(iuv['payments'])} payments: {iuv['iuv']} ({paid}). One of them may have been recorded twice.",
                       style="yellow")
        totals = Text()
        for name, key in (("Overdue", "overdue"), ("To come", "to_come"), ("Credit", "credit")):
            totals.append(f"{name} ")
            totals.append(f"{answer[key]} euro", style="bold red" if key == "overdue" and answer[key] != "0.00" else "bold")
            totals.append("   ")
        self._put(totals)
        self._unruled(answer)

    def eligibility(self, answer: Answer) -> None:
        about = "{student}/{career} may {{}}book {course} of {held_on} on {on}".format_map(answer)
        if answer["eligible"]:
            self._line("Yes: " + about.format(""), style="bold green")
        else:
            self._line("No: " + about.format("not "), style="bold red")
        for reason in answer["reasons"]:
            self._reason(reason)
        self._unruled(answer)

    def history(self, student: str, steps: Iterable[Answer]) -> None:
        self._line(f"History of {student}", style="bold")
        for event in steps:
            head = Text(f"#{event['position']}  ", style="dim")
            head.append(event["effective_on"], style="not dim bold")
            head.append(f"  {event['type']}", style="not dim cyan")
            head.append(_spaced("", event.get("career"), _said(event["data"])), style="not dim")
            if event["recorded_at"][:10] != event["effective_on"]:
                head.append(f"  (learned on {event['recorded_at'][:10]})")
            self._put(head)
            if event.get("voided"):
                self._line("voided later: it counts for nothing that is known since", style="yellow", indent=4)
            if event.get("breaches"):
                self._line(f"recorded in breach of {', '.join(event['breaches'])}", style="red", indent=4)
            for override in event.get("override", ()):
                self._line(f"derogation from {override['rule']} by {override['authority']}", style="yellow", indent=4)
            for change in event["changes"]:
                if change["what"] == "accruing" and change["to"] == "0.00":
                    continue  # a surcharge that threatened no more goes without saying
                self._line(": ".join(part for part in (change["career"], change["change"]) if part), indent=4)

    def audit(self, findings: Iterable[Answer]) -> int:
        """Print each finding as it comes and say how many there were."""
        counted: Counter[str] = Counter()
        for finding in findings:
            severity = str(finding["severity"])
            counted[severity] += 1
            head = Text(f"{severity:<12}", style=STYLES.get(severity, "bold"))
            head.append(f"{finding['rule']:<8}", style="bold")
            head.append("/".join(str(finding[k]) for k in ("student", "career") if finding.get(k)))
            if finding.get("event"):
                head.append(f"  event {finding['event']}", style="dim")
            self._put(head)
            self._line(finding["message"], indent=12)
            self._source(finding, indent=12)
        total = counted.total()
        self._line(f"{_count(total, 'finding')}: " + ", ".join(f"{n} {s}" for s, n in counted.most_common()) if total else
                   "No findings.", style="bold")
        return total

    def outcome(self, outcome: Answer) -> None:
        """A line of a file that was not taken, or stands for nothing; one whose id cannot be read is named by its number."""
        head = Text(f"{outcome['outcome']}  ", style=STYLES[outcome["outcome"]])
        head.append(outcome["id"] if outcome.get("id") else f"line {outcome.get('line', '?')}", style="not bold default")
        self._put(head)
        if "voided_by" in outcome:
            self._line(f"voided by {outcome['voided_by']} since: it counts for nothing; if the fact holds, submit it under a new id",
                       indent=2)
        for problem in outcome.get("problems", ()):
            self._line(": ".join(part for part in (problem["path"], problem["message"]) if part), indent=2)
        for reason in outcome.get("reasons", ()):
            self._reason(reason)

    def appended(self, counted: Counter[str]) -> None:
        text = Text(f"{_count(counted.total(), 'line')}: ", style="bold")
        for index, outcome in enumerate(("accepted", "duplicate", "refused", "invalid")):
            text.append(", " if index else "")
            text.append(f"{counted[outcome]} {outcome}", style=STYLES[outcome] if counted[outcome] else "dim")
        others = [f"{n} {name}" for name, n in counted.items() if name not in ("accepted", "duplicate", "refused", "invalid")]
        text.append("".join(f", {other}" for other in others))
        self._put(text)

    def rule_book(self, book: Answer) -> None:
        self._line(f"Rule book {book['id']}: {book['academic_year']}, covers {book['covers']}", style="bold")
        self._line(f"sha256 {book['sha256']}", style="dim")
        for rule in book["rules"]:
            self._rule(rule["rule"], rule)
        self._console.print()
        self._line("Interpretations", style="bold")
        for choice in book["interpretations"]:
            self._choice(choice)

    def rule_changes(self, changes: Answer) -> None:
        old, new = changes["from"], changes["to"]
        for year in (old, new):
            only = changes["only_in"][year]
            if only:
                self._line(f"Only in {year}", style="bold")
                for rule in only:
                    self._line(f"{rule['rule']}: {rule['says']}", indent=2)
        self._line(f"Changed from {old} to {new}", style="bold")
        for change in changes["changed"]:
            self._line(f"{change['rule']}: {change['says'][new]}", indent=2)
            for name, values in change["values"].items():
                self._line(f"{name}: {_value(values[old])} -> {_value(values[new])}", style="yellow", indent=4)
            if not change["values"] and change["says"][old] != change["says"][new]:
                self._line(f"in {old}: {change['says'][old]}", style="yellow", indent=4)
            reading = change.get("interpretation")
            if reading:
                self._line(f"interpretation: {reading[old] or 'none'} -> {reading[new] or 'none'}", style="yellow", indent=4)
        if changes.get("moved"):
            self._line(f"Only the heading differs: {', '.join(rule['rule'] for rule in changes['moved'])}", style="dim")
        for choice in changes.get("decisions", ()):
            self._line(f"{choice['id']}: decided {choice['decision'][old]} -> {choice['decision'][new]}", style="yellow", indent=2)

    def citation(self, found: Answer) -> None:
        """What a rule or an interpretation says; years that say the same stand together."""
        years: dict[str, Answer] = {}
        same: dict[str, list[str]] = {}
        for year in found["years"]:
            said = str({name: value for name, value in year.items() if name != "academic_year"})
            years[said] = year
            same.setdefault(said, []).append(year["academic_year"])
        for said, year in years.items():
            head = f"{found['id']} in {', '.join(same[said])}"
            if "says" in year:
                self._rule(head, year)
            else:
                self._choice({**year, "id": head})
                if year["rules"]:
                    self._line(f"Rules that rest on it: {', '.join(year['rules'])}", indent=2)
        if "own" in found:
            self._rule(f"{found['id']}, a rule of the ledger's own" + (", where the year's book has none" if years else ""), found["own"])

    def report(self, answer: "Answer") -> None:
        when = f"on {answer['on']}" if "on" in answer else f"from {answer['from']} to {answer['to']}"
        self._line(f"{answer['report'].capitalize()} {when}", style="bold")
        rows = answer["rows"]
        if rows:
            names = list(rows[0])
            right = tuple(n for n, name in enumerate(names) if name in RIGHT)
            table = self._table(*(name.replace("_", " ").capitalize() for name in names), right=right)
            for row in rows:
                table.add_row(*(_shown(value) for value in row.values()))
            self._console.print(table)
        total = f", {answer['total']} euro" if "total" in answer else ""
        self._line(f"{len(rows)} row{'' if len(rows) == 1 else 's'}{total}. As known at position {answer['known_position']} "
                   f"of {answer['last_position']}.")
        self._warn(answer)

    def projection_status(self, answer: "Answer") -> None:
        self._line(f"Known position {answer['known_position']} of {answer['last_position']}: {answer['events_behind']} events behind",
                   style="bold")
        if len(answer["partitions"]) > 1:
            for one in answer["partitions"]:
                self._line(f"partition {one['partition']} of {len(answer['partitions'])}: position {one['position']}", indent=2)
        for year, (name, digest) in sorted(answer["rulebooks"].items()):
            self._line(f"{year}: {name}, sha256 {digest[:12]}", indent=2)
        table = self._table("Table", "Rows", right=(1,))
        for kind, count in answer["rows"].items():
            table.add_row(kind, f"{count:,}")
        self._console.print(table)
        if answer["bytes"] is not None:
            self._line(f"Size: {answer['bytes'] / 1e6:,.1f} MB with indexes")
        self._warn(answer)
        for one in answer["set_aside"]:
            self._line(f"Set aside: student {one['student']}, {one['why']}", style="bold red")

    def _warn(self, answer: "Answer") -> None:
        if answer["rebuild_needed"]:
            self._line(f"Note: {answer['rebuild_needed']}.", style="bold yellow")
        if isinstance(left_out := answer.get("set_aside"), int):
            self._line(f"Note: {left_out} set aside and left out, see `career-ledger projection status`.", style="bold yellow")

    def _rule(self, head: str, rule: Answer) -> None:
        self._line(f"{head}: {rule['says']}", style="bold")
        for name, value in rule["values"].items():
            self._line(f"{name}: {_value(value)}", indent=2)
        self._line(f"Source: {rule['document']}, {rule['heading']}", style="dim", indent=2)
        if rule["interpretation"]:
            self._choice(rule["interpretation"], indent=2)

    def _choice(self, choice: Answer, indent: int = 0) -> None:
        decision = "" if choice["decision"] == "as-decided" else f" [{choice['decision']}]"
        self._line(f"{choice['id']}: {choice['question']}", style="cyan", indent=indent)
        self._line(f"Decided{decision}: {choice['decided']}", indent=indent + 2)

    def _title(self, answer: Answer) -> None:
        text = Text(f"{answer['student']} on {answer['on']}", style="bold")
        text.append(f"  as known at position {answer['known_position']}" if answer.get("known_position") is not None else "", style="dim")
        self._put(text)

    def _block(self, career: str, block: Answer, on: str) -> None:
        past = block.get("until") is not None and block["until"] <= on
        coming = block["from"] > on
        if past:
            return
        head = Text(f"{career}: {block['kind']} block", style="yellow" if coming else "bold red")
        head.append(f" from {block['from']}" + (f" until {block['until']}" if block.get("until") else ""))
        head.append(f": {BLOCKS.get(block['kind'], '')}" if block["kind"] in BLOCKS else "")
        self._put(head)
        self._line(f"{block['rule']}: {block['reason']}", indent=2)
        if block.get("how_to_lift"):
            self._lifted(str(block["how_to_lift"]), _from(block.get("clears")))
        self._source(block)

    def _reason(self, reason: Answer) -> None:
        text = Text(f"{reason['rule']}: ", style="bold red")
        text.append(str(reason.get("message") or reason.get("reason")), style="not bold default")
        self._put(text, 2)
        clears = reason.get("clears")
        self._lifted(clears["what"] if clears else None, _from(clears), indent=4)
        self._source(reason, indent=4)

    def _charge(self, charge: Answer) -> None:
        """What the table does not say: waivers and refunds with their rules, and what an open debt rests on."""
        waivers = charge.get("waivers", ())
        notes = [f"{waiver['amount']} euro waived on {waiver['on']} ({waiver['rule']})" for waiver in waivers]
        notes += [f"{charge[name]} euro {name}" for name in ("refunded", "moved") if charge[name] != "0.00"]
        refundable = charge.get("refundable")
        if refundable:
            by = f" by {refundable['by']}" if refundable.get("by") else " on request"
            notes.append(f"{refundable['amount']} euro can be refunded{by} ({refundable['rule']})")
        if charge.get("plan"):
            notes.append(f"instalment plan agreed on {charge['plan']['agreed_on']}")
        if len(charge.get("parts", ())) > 1:
            notes += [f"{part['outstanding']} euro due on {part['due_on']}" for part in charge["parts"] if part["outstanding"] != "0.00"]
        if not notes and charge["state"] != "overdue":
            return
        text = Text(f"{charge['career']} {charge['charge']}: ", style="bold")
        text.append("; ".join(notes) if notes else f"{charge['overdue']} euro overdue since {charge['due_on'] or charge['raised_on']}",
                    style="not bold")
        self._put(text)
        for told in (*waivers, *([refundable] if refundable else []), *([] if notes else [charge])):
            self._source(told)

    def _lifted(self, what: str | None, since: str, indent: int = 2) -> None:
        text = Text("To lift it: " if what else "Nothing lifts it.", style="green" if what else "dim")
        text.append(f"{what.rstrip('.')}{since}." if what else "", style="default")
        self._put(text, indent)

    def _source(self, told: Answer, indent: int = 2) -> None:
        source = told.get("source")
        if source:
            read = f" (our reading: {told['interpretation']})" if told.get("interpretation") else ""
            self._line(f"Source: {source['document']}, {source['heading']}{read}", style="dim", indent=indent)
        facts = told.get("facts", ())
        if facts:
            named = "; ".join(f"{f['event']} of {f['on']}" + (f", {f['amount']} euro" if f.get("amount") else "") for f in facts)
            self._line(f"Rests on: {named}", style="dim", indent=indent)

    def _unruled(self, answer: Answer) -> None:
        if answer.get("unruled_years"):
            self._line(f"No rule book for {', '.join(answer['unruled_years'])}: nothing is derived from those years.", style="yellow")

    def _table(self, *headings: str, right: tuple[int, ...] = ()) -> Table:
        table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
        for index, heading in enumerate(headings):
            table.add_column(heading, justify="right" if index in right else "left", overflow="fold", no_wrap=index in right)
        return table

    def _line(self, text: str, style: str = "", indent: int = 0) -> None:
        self._put(Text(text, style=style), indent)

    def _put(self, text: Text, indent: int = 0) -> None:
        """One line. On a terminal a long one is wrapped, and its rest is marked, so that no part of it looks like a line of its own."""
        if not self._console.is_terminal:
            self._console.print(RichText(" " * indent).append_text(text), soft_wrap=True)
            return
        for number, part in enumerate(text.wrap(self._console, max(20, self._console.width - indent - len(GOES_ON)))):
            self._console.print(RichText(" " * indent + (GOES_ON if number else "")).append_text(part))


def _shown(value: Any) -> str:
    return "" if value is None else "yes" if value is True else "no" if value is False else str(value)


def _styled(word: str) -> Text:
    return Text(word, style=STYLES.get(word, ""))


def _number(value: Any) -> str:
    return "" if value is None else str(value)


def _spaced(*parts: Any) -> str:
    return "  ".join(str(part) for part in parts if part is not None)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _from(clears: Any) -> str:
    return f", from {clears['from']}" if isinstance(clears, dict) and clears.get("from") else ""


SAID = ("number", "programme", "charge", "from_charge", "to_charge", "amount", "to_career", "kind", "contribution", "regime", "course",
        "held_on", "outcome", "grade", "cfu", "academic_year", "year", "session", "event")
"""What a line of history shows of an event's data. Free text and what reveals health or means stay out."""


def _said(data: Answer) -> str:
    return " ".join(str(data[name]) for name in SAID if name in data)


def _value(value: Any) -> str:
    """A value of a rule book in words: tables and lists on one line."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_value(part)}" if not isinstance(part, list) else f"{name} ({_value(part)})" if part else name
                         for name, part in value.items() if part is not None)
    if isinstance(value, list):
        return "; ".join(_value(part) for part in value)
    return {None: "not stated", True: "yes", False: "no"}.get(value, str(value)) if value is None or isinstance(value, bool) else str(value)
