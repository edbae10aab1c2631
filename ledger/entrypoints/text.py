"""Answers for people: tables and plain sentences. Colours only on a terminal, never with NO_COLOR.

Every function takes the JSON of section 7 of the published language, so that what people read is what programs get.
"""

import os
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timezone
from decimal import Decimal
from io import TextIOWrapper
from typing import IO, Any

import msgspec

from ledger.bootstrap import Answer
from ledger.domain.phrases import Phrase
from ledger.domain.rulebook import SHARES
from ledger.domain.values import format_instant
from ledger.words import DEFAULT, Language, sentence
from ledger.words.entries import named
from ledger.words.values import charge as charge_name
from ledger.words.values import day, figure, moment, money

from .compared import cells, spaced
from .facts import NUMBERS, cell, columns, last_day, said, when
from .paper import Grid, Paper, Styled

STYLES = {
    "paid": "green", "overdue": "bold red", "waived": "dim", "moved": "dim", "payable": "cyan", "to-come": "yellow",
    "enrolled": "green", "graduated": "green", "enrolled-with-reservation": "yellow", "enrolment-pending": "yellow",
    "withdrawal-pending": "yellow", "suspended": "yellow", "single-courses": "green",
    "accepted": "green", "duplicate": "dim", "refused": "bold red", "invalid": "bold red",
    "conflict": "yellow", "set-aside": "bold red",
    "changed": "bold yellow", "new": "bold yellow", "gone": "bold yellow",
    "breach": "bold red", "derogation": "yellow", "notice": "cyan", "mend": "bold red", "look": "cyan",
    "attention": "yellow", "failed": "bold red",
}
_DAY = r"\d{4}-\d\d-\d\d"
_AMOUNT = r"\d+\.\d\d"
SIDE_WIDTH = 11


class Page:
    """A place to print answers for people, in their language. The answers themselves are in words already."""

    def __init__(self, out: IO[str], language: Language = DEFAULT) -> None:
        self._language = language
        if isinstance(out, TextIOWrapper):
            out.reconfigure(errors="replace")  # a terminal that cannot show a letter must not hide the answer
        terminal = out.isatty()
        plain = not terminal or bool(os.environ.get("NO_COLOR"))
        self._paper = Paper(out, terminal, plain)

    def _t(self, told: str, **values: Any) -> str:
        """A text of the catalogues."""
        return sentence(Phrase(told, values), self._language)

    def _named(self, table: str, value: str) -> str:
        return named(table, value, self._language)

    def _counted(self, table: str, value: str, number: int) -> str:
        """A number of things: their name in the plural stands in a table of its own."""
        return f"{number} {self._named(table if number == 1 else PLURALS[table], value)}"

    def _styled(self, table: str, value: str) -> Styled:
        return Styled(self._named(table, value), style=STYLES.get(value, ""))

    def status(self, answer: Answer) -> None:
        self._title(answer)
        if not answer["careers"]:
            self._line(self._t("page/none-begun"))
            self._tickets(answer)
            return
        table = self._table(self._t("page/career"), self._t("page/programme"), self._t("page/year"),
                            self._t("page/regime"),
                            self._t("page/status"), self._t("page/cfu-passed"), self._t("page/cfu-recognised"))
        for career in answer["careers"]:
            year, of = career.get("year"), career.get("academic_year")
            years = self._t("page/year-of", year=year,
                            academic_year=of) if year is not None and of is not None else of or ""
            cfu = career.get("cfu") or {}
            kind, regime = career.get("course_type"), career.get("regime")
            table.add_row(career["career"],
                          spaced(career.get("programme"), self._named("course_type", kind) if kind else None), years,
                          self._named("regime", regime) if regime else "", self._styled("status", career["status"]),
                          _number(cfu.get("passed")), _number(cfu.get("recognised")))
        self._paper.table(table)
        for career in answer["careers"]:
            for block in career.get("blocks", ()):
                self._block(career["career"], block, answer["on"])
            self._gaps(career.get("unknown", ()), career["career"])
            coming = career.get("upcoming", ())
            if coming:
                self._line(self._t("page/nothing-else", career=career["career"]), style="bold")
                for change in coming:
                    self._line(f"{day(change['on'], self._language)}  {change['change']}", indent=2)
        self._tickets(answer)
        self._unruled(answer)

    def _tickets(self, answer: Answer) -> None:
        for ticket in answer.get("tickets", ()):
            number, opened, closed = ticket["number"], ticket["opened_on"], ticket["closed_on"]
            self._line(self._t("page/ticket-closed", number=number, opened_on=opened, closed_on=closed) if closed else
                       self._t("page/ticket-open", number=number, opened_on=opened))

    def fees(self, answer: Answer) -> None:
        self._title(answer)
        charges = answer["charges"]
        if charges:
            table = self._table(self._t("page/charge"), self._t("page/amount"), self._t("page/due-on"),
                                self._t("page/paid"), self._t("page/owed"), self._t("page/state"),
                                self._t("page/if-late"), self._t("page/rule"), right=(1, 3, 4, 6))
            for charge in charges:
                accruing = charge["accruing"]  # what paying on this day would cost on top
                table.add_row(f"{charge['career']} {self._of(charge)}", self._euro(charge["amount"]),
                              day(charge["due_on"] or charge["raised_on"], self._language), self._euro(charge["paid"]),
                              self._euro(charge["outstanding"]), self._styled("state", charge["state"]),
                              f"+{self._euro(accruing)}" if accruing != "0.00" else "", charge["rule"] or "")
            self._paper.table(table)
            for charge in charges:
                self._charge(charge)
        else:
            self._line(self._t("page/none-charged"))
        for one in answer["unallocated"]:
            self._line(self._t("page/waiting", career=one["career"], charge=one["charge"],
                               amount=one["amount"], paid_on=one["paid_on"]),
                       style="yellow")
        unknown: dict[str, list[Answer]] = {}
        for gap in answer.get("unknown", ()):
            unknown.setdefault(gap["career"], []).append(gap)
        for career, gaps in unknown.items():
            self._gaps(gaps, career)
        for iuv in answer.get("same_iuv", ()):
            paid = "; ".join(self._t("page/iuv-payment", event=p["event"], paid_on=p["paid_on"], amount=p["amount"],
                                     career=p["career"], charge=p["charge"]) for p in iuv["payments"])
            self._line(self._t("page/iuv", count=len(iuv["payments"]), iuv=iuv["iuv"], text=paid), style="yellow")
        totals = Styled()
        for name, key in ((self._t("page/overdue"), "overdue"), (self._t("page/to-come"), "to_come"),
                          (self._t("page/credit"), "credit")):
            totals.append(f"{name} ")
            totals.append(self._euro(answer[key]), style="bold red" if key == "overdue"
                          and answer[key] != "0.00" else "bold")
            totals.append("   ")
        self._put(totals)
        self._unruled(answer)

    def eligibility(self, answer: Answer) -> None:
        asked = {name: answer[name] for name in ("student", "career", "course", "held_on", "on")}
        if answer["eligible"]:
            self._line(self._t("page/may-book", **asked), style="bold green")
        else:
            self._line(self._t("page/may-not-book", **asked), style="bold red")
        for reason in answer["reasons"]:
            self._reason(reason)
        self._unruled(answer)

    def picture(self, answer: Answer) -> None:
        """The items of the picture as a table: an equal way to read it."""
        self._title(answer)
        if not answer["careers"]:
            self._line(self._t("page/none-begun"))
        for career in answer["careers"]:
            self._line(spaced(self._t("page/career"), career["career"], career["programme"]), style="bold")
            table = self._table(self._t("page/lane"), self._t("page/when"), self._t("page/what-was"), "")
            for item in career["items"]:
                table.add_row(self._named("lane", item["lane"]), when(item, self._language), item["says"],
                              self._t("page/still-to-come") if item["foreseen"] else "")
            self._paper.table(table)

    def what_if(self, answer: Answer) -> None:
        """What would change; every part of the answers now and then, what differs with a word; what would still block
        her."""
        self._title(answer)
        self._line(self._t("page/supposed"), style="yellow")
        for outcome in answer["outcomes"]:
            self.outcome(outcome)
        self._line(self._t("page/changes" if answer["changes"] else "page/no-changes"), style="bold")
        for change in answer["changes"]:
            self._line(": ".join(part for part in (change["career"], change["change"]) if part), indent=2)
        table = self._table(self._t("page/what"), self._t("page/now"), self._t("page/then"), "")
        for one in cells(answer, self._language):
            table.add_row(*one[:3], self._styled("mark", one.mark), style="dim" if one.mark == "same" else "")
        self._paper.table(table)
        for career in answer["after"]["status"]["careers"]:
            for block in career["blocks"]:
                self._block(career["career"], block, answer["on"])
        for reason in (answer["after"].get("eligibility") or {}).get("reasons", ()):
            self._reason(reason)

    def history(self, student: str, steps: Iterable[Answer]) -> None:
        self._line(self._t("page/history", student=student), style="bold")
        for event in steps:
            head = Styled(f"#{event['position']}  ", style="dim")
            head.append(str(day(event["effective_on"], self._language)), style="not dim bold")
            head.append(f"  {self._named('event_type', event['type'])}", style="not dim cyan")
            told = " ".join(said(event["data"], self._language))
            head.append(spaced("", event.get("career"), told), style="not dim")
            if event["recorded_at"][:10] != event["effective_on"]:
                head.append(f"  {self._t('page/learned', on=event['recorded_at'][:10])}")
            self._put(head)
            if "sealed" in event:
                self._line(self._t("page/sealed"), style="dim", indent=4)
            if event.get("voided"):
                self._line(self._t("page/voided-later"), style="yellow", indent=4)
            if event.get("breaches"):
                self._line(self._t("page/in-breach", text=", ".join(event["breaches"])), style="red", indent=4)
            for override in event.get("override", ()):
                self._line(self._t("page/derogation", rule=override["rule"], text=override["authority"]),
                           style="yellow", indent=4)
            for change in event["changes"]:
                if change["what"] == "accruing" and change["to"] == "0.00":
                    continue  # a surcharge that threatened no more goes without saying
                self._line(": ".join(part for part in (change["career"], change["change"]) if part), indent=4)

    def audit(self, findings: Iterable[Answer]) -> int:
        """Print each breach as it comes, then the derogations, then the notices, equal ones as one, and say how many
        findings there were."""
        counted: Counter[str] = Counter(dict.fromkeys(SEVERITIES, 0))
        held: dict[str, dict[tuple[object, ...], _Alike]] = {severity: {} for severity in SEVERITIES[1:]}
        try:
            for finding in findings:
                severity = str(finding["severity"])
                counted[severity] += 1
                alike = held.get(severity)
                if alike is None or (sum(map(len, held.values())) >= HELD and _about(finding) not in alike):
                    self._finding(_Alike(finding, findings=1))
                else:
                    alike.setdefault(_about(finding), _Alike(finding)).add(finding)
        finally:  # also before it is told who could not be read
            for alike in held.values():
                for one in alike.values():
                    self._finding(one)
        total = counted.total()
        text = ", ".join(self._counted("severity", one, n) for one, n in counted.items() if n)
        self._line(self._t("page/no-findings") if not total else self._t("page/finding", text=text) if total == 1 else
                   self._t("page/findings", count=total, text=text), style="bold")
        return total

    def _finding(self, alike: "_Alike") -> None:
        finding, severity = alike.first, str(alike.first["severity"])
        head = Styled(f"{self._named('severity', severity):<12}", style=STYLES.get(severity, "bold"))
        head.append(f"{finding['rule']:<13} ", style="bold")
        if alike.students > 1:
            more, text = alike.students - len(alike.named), ", ".join(alike.named)
            head.append(self._t("page/students-more", count=alike.students, text=text, more=more) if more else
                        self._t("page/students", count=alike.students, text=text))
        else:
            alone = alike.findings == 1
            head.append("/".join(str(finding[k]) for k in ("student", "career")[:1 + alone] if finding.get(k)))
            if alone and finding.get("event"):
                told = self._t("page/event", event=finding["event"], on=finding["effective_on"])
                head.append(f"  {told}", style="dim")
        self._put(head)
        self._line(finding["message"], indent=12)
        self._source(finding, indent=12)

    def totals(self, rows: Sequence[Answer]) -> None:
        """How many findings: a row for each group, or that there are none."""
        if not rows:
            self._line(self._t("page/no-findings"), style="bold")
            return
        names = list(rows[0])
        table = self._table(*(self._named("column", name) for name in names),
                            right=tuple(n for n, name in enumerate(names) if isinstance(rows[0][name], int)))
        for row in rows:
            table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
        self._paper.table(table)

    def outcome(self, outcome: Answer) -> None:
        """A line of a file that was not taken, or stands for nothing; one whose id cannot be
        read is named by its number."""
        head = Styled(f"{self._named('outcome', outcome['outcome'])}  ", style=STYLES[outcome["outcome"]])
        head.append(outcome["id"] if outcome.get("id") else self._t("page/file-line", number=outcome.get("line", "?")),
                    style="not bold default")
        self._put(head)
        if "voided_by" in outcome:
            self._line(self._t("page/voided-since", event=outcome["voided_by"]), indent=2)
        for problem in outcome.get("problems", ()):
            self._line(": ".join(part for part in (problem["path"], problem["message"]) if part), indent=2)
        for reason in outcome.get("reasons", ()):
            self._reason(reason)

    def appended(self, counted: Counter[str]) -> None:
        total = counted.total()
        text = Styled(f"{self._t('page/line') if total == 1 else self._t('page/lines', count=total)} ",
                           style="bold")
        for index, outcome in enumerate(("accepted", "duplicate", "refused", "invalid")):
            text.append(", " if index else "")
            text.append(self._counted("outcome", outcome, counted[outcome]),
                        style=STYLES[outcome] if counted[outcome] else "dim")
        others = [self._counted("outcome", name, n) for name, n in counted.items()
                  if name not in ("accepted", "duplicate", "refused", "invalid")]
        text.append("".join(f", {other}" for other in others))
        self._put(text)

    def rule_book(self, book: Answer) -> None:
        self._line(self._t("page/rule-book", text=book["id"], academic_year=book["academic_year"],
                           number=self._named("covers", book["covers"])), style="bold")
        self._line(f"sha256 {book['sha256']}", style="dim")
        for one in book.get("known", ())[:-1]:
            self._line(self._t("page/known-before", text=f"sha256 {one['sha256']}"), style="dim")
        for one in book.get("amendments", ()):
            self._line(self._t("page/amendment", known_since=one["known_since"], holds_from=one["holds_from"],
                               text=one["says"]), style="bold yellow")
            for rule, changed in one["rules"].items():
                self._line(f"{rule}: {self._value(changed)}", indent=2)
            self._line(self._t("page/source", text=f"{one['document']}, {one['heading']}"), style="dim", indent=2)
        for rule in book["rules"]:
            self._rule(rule["rule"], rule)
        for rule_id, denied in book["denied"].items():
            self._line(self._t("page/denied", rule=rule_id, text=denied["says"]), style="bold")
            self._source(denied)
        for rule_id, missing in book["unknown"].items():
            self._line(self._t("page/unknown", rule=rule_id, missing=missing), style="yellow")
        self._paper.blank()
        self._line(self._t("page/interpretations"), style="bold")
        for choice in book["interpretations"]:
            self._choice(choice)

    def rule_changes(self, changes: Answer) -> None:
        old, new = changes["from"], changes["to"]
        for year in (old, new):
            only = changes["only_in"][year]
            if only:
                self._line(self._t("page/only-in", academic_year=year), style="bold")
                for rule in only:
                    self._line(f"{rule['rule']}: {rule['says']}", indent=2)
        for year in (old, new):
            for rule, missing in changes["unknown"][year].items():
                self._line(self._t("page/unknown", rule=f"{rule} {year}", missing=missing), style="yellow")
        self._line(self._t("page/changed", academic_year=old, next_year=new), style="bold")
        for change in changes["changed"]:
            self._line(f"{change['rule']}: {change['says'][new]}", indent=2)
            for name, values in change["values"].items():
                told = " -> ".join(self._value(values[year], name) for year in (old, new))
                self._line(f"{self._named_field(name)}: {told}", style="yellow", indent=4)
            if not change["values"] and change["says"][old] != change["says"][new]:
                self._line(self._t("page/in-year", academic_year=old, text=change["says"][old]),
                           style="yellow", indent=4)
            for year, since in change.get("amended", {}).items():
                self._line(self._t("page/amended", academic_year=year, known_since=since), style="yellow", indent=4)
            reading = change.get("interpretation")
            if reading:
                none = self._t("page/none")
                self._line(self._t("page/interpretation", text=f"{reading[old] or none} -> {reading[new] or none}"),
                           style="yellow",
                           indent=4)
        if changes.get("moved"):
            self._line(self._t("page/heading-differs", text=", ".join(rule["rule"] for rule in changes["moved"])),
                       style="dim")
        for choice in changes.get("decisions", ()):
            self._line(self._t("page/decided-change", rule=choice["id"],
                               text=f"{choice['decision'][old]} -> {choice['decision'][new]}"),
                       style="yellow", indent=2)

    def citation(self, found: Answer) -> None:
        """What a rule or an interpretation says; years that say the same stand together."""
        years: dict[str, Answer] = {}
        same: dict[str, list[str]] = {}
        for year in found["years"]:
            said = str({name: value for name, value in year.items() if name != "academic_year"})
            years[said] = year
            same.setdefault(said, []).append(year["academic_year"])
        for said, year in years.items():
            head = self._t("page/in-years", rule=found["id"], years=same[said])
            if "says" in year:
                self._rule(head, year)
            elif "unknown" in year:
                self._line(self._t("page/unknown", rule=head, missing=year["unknown"]), style="yellow")
            else:
                self._choice({**year, "id": head})
                if year["rules"]:
                    self._line(self._t("page/resting", text=", ".join(year["rules"])), indent=2)
        if "own" in found:
            self._rule(self._t("page/own-else", rule=found["id"]) if years else self._t("page/own", rule=found["id"]),
                       found["own"])

    def rule_findings(self, findings: Sequence[Answer]) -> None:
        """What is to be done about a rule book, a line each."""
        counted = Counter(str(one["severity"]) for one in findings)
        for one in findings:
            head = Styled(f"{self._named('todo', one['severity'])}  ", style=STYLES.get(one["severity"], "yellow"))
            place = f"{one['file']}:{one['line']}" if one["line"] else one["file"]
            head.append(": ".join(filter(None, (place, one["field"], one["message"]))), style="default not bold")
            self._put(head)
        self._line(self._t("rules/mend", count=counted["mend"], more=counted["look"]) if findings
                   else self._t("rules/nothing"), style="bold")

    def rule_effect(self, answer: Answer) -> None:
        for one in answer["changed"]:
            what = ", ".join(self._named("table", kind) for kind in one["what"])
            self._line(self._t("page/effect-who", student=one["student"], career=one["career"], text=what), indent=2)
        for one in answer["charges"]:
            self._line(self._t("page/effect-charges", charge=one["charge"], count=one["count"], amount=one["before"],
                               planned=one["after"]))
        self._line(self._t("page/effect", text=answer["file"], count=answer["students"], more=answer["careers"]),
                   style="bold")

    def forgotten(self, answer: Answer) -> None:
        if answer["outcome"] == "refused":
            self._line(self._t("forget/refused", student=answer["student"]), style="bold red")
            for one in answer["reasons"]:
                self._line(one["message"], indent=2)
            self._line(self._t("forget/order"), indent=2)
            return
        student, position = answer["student"], answer["position"]
        self._line(self._t("forget/again", student=student, position=position) if answer["again"] else
                   self._t("forget/done", student=student, position=position), style="bold")
        self._line(self._t("forget/complete", on=answer["complete_from"]) if answer["complete_from"]
                   else self._t("forget/no-keys"), indent=2)
        if answer["to_scrub"]:
            self._line(self._t("keys/to-scrub"), indent=2)
        if answer["in_the_clear"]:
            self._line(self._t("forget/clear", count=answer["in_the_clear"]), indent=2)
        self._line(self._t("forget/topics", until=answer["topics_until"]), indent=2)

    def restored(self, answer: Answer) -> None:
        self._line(self._t("restore/epoch", number=answer["epoch"], position=answer["position"],
                           more=answer["reached"]), style="bold")
        if answer["lost_checkpoint"] is not None:
            self._line(self._t("restore/log", count=answer["lost_checkpoint"]["size"], text=answer["log"]), indent=2)
        if answer["key"] is not None:
            self._line(self._t("restore/key", text=answer["key"]), indent=2)
        for one in answer["students"]:
            self._line(self._t("restore/gone", student=one["student"],
                               text=", ".join(str(version) for version in one["versions"])), indent=2)
        if answer["topics_read"]:
            self._line(self._t("restore/students", count=len(answer["students"])), indent=2)

    def person(self, answer: Answer) -> None:
        gone = answer["forgotten"]
        self._line(self._t("person/of", student=answer["student"]), style="bold")
        if gone is not None:
            self._line(self._t("person/forgotten", on=gone["on"]), style="yellow")
        elif not answer["person"]:
            self._line(self._t("person/nothing"))
        for one in answer["registrations"]:
            self._line(self._t("person/registered", position=one["position"], on=one["effective_on"]), style="bold")
            if one.get("voided"):
                self._line(self._t("page/voided-later"), style="yellow", indent=2)
            for name, value in (one["person"] or {}).items():
                shown = ", ".join(value) if isinstance(value, list) else str(value)
                self._line(f"{self._named('field', name)}: {shown}", indent=2)

    def verified(self, answer: Answer) -> None:
        for one in answer["findings"]:
            self._line(one["message"], style="bold red")
        if not answer["findings"]:
            self._line(self._t("verify/holds", count=answer["events"], more=answer["checkpoints"],
                               position=answer["position"]), style="bold")
        for one in answer["outside"]:
            self._line(self._t("verify/compared", text=one["file"], count=one["size"]), indent=2)
        if answer["beside"]:
            self._line(self._t("verify/beside", text=answer["beside"]), indent=2)
        if not answer["outside"]:
            beyond = any(one["kind"] in ("cut", "lacking", "given-up") for one in answer["findings"])
            self._line(self._t("verify/none-compared" if beyond else "verify/none"), style="bold yellow")
        if not answer["signatures"]:
            self._line(self._t("verify/unsigned"), style="bold yellow")
        if answer["unsealed"]:
            self._line(self._t("verify/unsealed", count=answer["unsealed"]), style="yellow")

    def exported(self, answer: Answer) -> None:
        self._line(self._t("export/written", text=answer["folder"], count=answer["events"], more=answer["files"],
                           megabytes=answer["bytes"] / 1e6, position=answer["position"]), style="bold")
        self._line(self._t("proofs/root", count=answer["size"]))
        self._line(answer["root"], indent=2)

    def imported(self, answer: Answer) -> None:
        self._line(self._t("import/done", count=answer["events"], more=answer["students"],
                           position=answer["position"], last_position=answer["highest"]), style="bold")
        self._line(self._t("proofs/root", count=answer["size"]))
        self._line(answer["root"], indent=2)
        for one in answer["signed_by"]:
            self._line(self._t("proofs/signed", text=one), indent=2)
        for one in answer["outside"]:
            self._line(self._t("verify/compared", text=one["file"], count=one["size"]), indent=2)

    def proven(self, answer: Answer) -> None:
        if "student" in answer:
            self._line(self._t("proofs/shown", student=answer["student"], count=len(answer["events"]),
                               position=answer["position"]), style="bold")
            for event in answer["events"]:
                self._line(f"{event['version']}. {event['name']} ({event['position']}): {event['state']}", indent=2)
        self._line(self._t("proofs/checkpoint", text=answer["origin"], count=answer["size"]))
        self._line(answer["root"], indent=2)
        for one in answer["signed_by"]:
            self._line(self._t("proofs/signed", text=one["name"]) if one["time"] is None else
                       self._t("proofs/cosigned", text=one["name"], recorded_at=_moment(one["time"])), indent=2)
        for one in answer["outside"]:
            self._line(self._t("verify/compared", text=one, count=answer["size"]), indent=2)
        if not answer["outside"]:
            self._line(self._t("proofs/none-compared"), style="bold yellow")

    def looked_up(self, answer: Answer) -> None:
        if not answer["exact"]:
            self._line(self._t("person/nearly"))
        for student in answer["students"]:
            self._line(student)

    def accesses(self, student: str, found: Sequence[Answer]) -> None:
        if not found:
            self._line(self._t("access/none", student=student))
        for one in found:
            self._line(spaced(moment(one["at"], self._language), one["who"], self._named("read", one["what"]),
                               one["why"] or self._t("access/destroyed")))

    def keys(self, answer: Answer) -> None:
        master = answer["master"]
        self._line(self._t("keys/store", text=answer["store"]), style="bold")
        if "rotated" in answer:
            self._line(self._t("keys/rotated", count=answer["rotated"]), indent=2)
        self._line(self._t("keys/master", text=master["id"], on=master["made"], until=master["until"]), indent=2)
        self._line(self._t("keys/holds", count=answer["keys"], more=answer["forgotten"], at_most=answer["accesses"]),
                   indent=2)
        if answer["to_scrub"]:
            self._line(self._t("keys/to-scrub"), style="yellow", indent=2)

    def key_findings(self, found: Sequence[Answer]) -> None:
        for one in found:
            self._line(one["message"], style="yellow")
        if not found:
            self._line(self._t("keys/sound"))

    def settings(self, found: Sequence[Answer]) -> None:
        table = self._table(*(self._named("config", name) for name in ("setting", "option", "value", "origin")))
        for one in found:
            table.add_row(one["setting"], one["option"] or "", "" if one["value"] is None else one["value"],
                          self._named("config", one["origin"] if one["value"] is not None else "none"))
        self._paper.table(table)

    def checked(self, one: Answer) -> None:
        state = one["state"]
        self._line(f"{self._named('checked', state):<{SIDE_WIDTH}}{one['message']}", style=STYLES.get(state, ""))

    def tell(self, told: Phrase) -> None:
        self._line(sentence(told, self._language))

    def report(self, answer: Answer) -> None:
        title = self._named("report", answer["report"])
        self._line(self._t("page/report", text=title, on=answer["on"]) if "on" in answer else
                   self._t("page/report-period", text=title, first_day=answer["from"], last_day=answer["to"]),
                   style="bold")
        rows = answer["rows"]
        if rows:
            names = columns(answer)
            right = tuple(n for n, name in enumerate(names) if name in NUMBERS)
            table = self._table(*(self._named("column", name) for name in names), right=right)
            for row in rows:
                table.add_row(*(cell(name, row[name], self._language) for name in names))
            self._paper.table(table)
        if "total" in answer:
            self._line(self._t("page/total", amount=answer["total"]))
        position, end = answer["known_position"], answer["last_position"]
        self._line(self._t("page/row", position=position, last_position=end) if len(rows) == 1 else
                   self._t("page/rows", count=len(rows), position=position, last_position=end))
        self._warn(answer)

    def projection_status(self, answer: Answer) -> None:
        position, end, behind = answer["known_position"], answer["last_position"], answer["events_behind"]
        self._line(self._t("page/known", position=position, last_position=end, count=behind) if behind else
                   self._t("page/known-all", position=position, last_position=end), style="bold")
        if len(answer["partitions"]) > 1:
            for one in answer["partitions"]:
                self._line(self._t("page/partition", number=one["partition"], count=len(answer["partitions"]),
                                   position=one["position"]),
                           indent=2)
        for year, (name, digest) in sorted(answer["rulebooks"].items()):
            self._line(f"{year}: {name}, sha256 {digest[:12]}", indent=2)
        table = self._table(self._t("page/table"), self._t("page/table-rows"), right=(1,))
        for kind, count in answer["rows"].items():
            table.add_row(self._named("table", kind), figure(count, self._language))
        self._paper.table(table)
        if answer["bytes"] is not None:
            self._line(self._t("page/size", megabytes=answer["bytes"] / 1e6))
        self._warn(answer)
        for one in answer["set_aside"]:
            self._line(self._t("page/set-aside", student=one["student"], text=one["why"]), style="bold red")

    def _warn(self, answer: Answer) -> None:
        if answer["rebuild_needed"]:
            self._line(self._t("page/rebuild-needed", text=answer["rebuild_needed"]), style="bold yellow")
        if isinstance(left_out := answer.get("set_aside"), int):
            self._line(self._t("page/left-out", count=left_out), style="bold yellow")

    def difference(self, left: str, right: str, found: Answer) -> None:
        """What two computations say otherwise."""
        what = found["what"]
        about = " ".join(cell("money" if (what, name) == ("money", "kind") else name, value, self._language)
                         for name, value in found.items()
                         if name not in ("ledger", "student", "what", left, right) and value is not None)
        whose = [found[name] for name in ("ledger", "student") if name in found]
        self._line(f"{' '.join(whose)} {self._named('table', what)}: {about}")
        for name in (left, right):
            side = self._named("side", name)
            for row in found[name]:
                said = ", ".join(f"{self._named('column', k)} {cell(k, v, self._language)}" for k, v in row.items()
                                 if k not in ("from_on", "until_on") and v not in (None, "0.00"))
                head = self._t("page/interval", since=row["from_on"], until=row["until_on"]) if row["until_on"] else \
                    self._t("page/interval-open", since=row["from_on"])
                line = f"{side:>{SIDE_WIDTH}}  {head}"
                self._line(f"{line}: {said}" if said else line, indent=2)

    def published(self, answer: Answer) -> None:
        for one in answer["topics"]:
            told = {"topic": one["topic"], "position": one["position"], "last_position": answer["last_position"],
                    "rate": one["rate"], "recorded_at": one["at"]}
            self._line(self._t("page/topic-behind", **told, count=one["events_behind"]) if one["events_behind"] else
                       self._t("page/topic", **told))
            if one["events_behind"] and one["complete_at"]:
                self._line(self._t("page/topic-complete", recorded_at=one["complete_at"]), indent=2)
            for who in one["set_aside"]:
                self._line(self._t("page/set-aside", student=who["student"], text=who["why"]), indent=2)
            if one["error"]:
                self._line(self._t("page/topic-error", recorded_at=one["error_at"], text=one["error"]), indent=2)

    def upgraded(self, done: dict[str, list[int]]) -> None:
        for part, numbers in done.items():
            what = self._t("page/steps", number=numbers[0], more=numbers[-1]) if len(numbers) > 1 else \
                self._t("page/step", number=numbers[0]) if numbers else self._t("page/no-steps")
            self._line(f"{self._named('part', part)}: {what}")

    def _value(self, value: Any, field: str = "") -> str:
        """A value of a rule book in words: tables and lists on one line, days and amounts as people write them."""
        if isinstance(value, dict):
            return ", ".join(f"{name} {self._value(part, key)}" if not isinstance(part, list) else
                             f"{name} ({self._value(part, key)})" if part else name
                             for key, part in value.items() if part is not None
                             for name in (self._named_field(key, field),))
        if isinstance(value, list):
            return "; ".join(self._value(part, field) for part in value)
        if value is None or isinstance(value, bool):
            return self._named("value", str(value).lower())
        if re.fullmatch(_DAY, str(value)):
            return str(day(value, self._language))
        if re.fullmatch(_AMOUNT, str(value)):
            return figure(Decimal(value), self._language, 2) if field in SHARES else money(value, self._language)
        return self._named("rule_value", str(value))

    def _named_field(self, name: str, within: str = "") -> str:
        """Of a rule book. The names of categories are what an event has to say."""
        return name if within == "categories" else self._named("rule_field", name)

    def _rule(self, head: str, rule: Answer) -> None:
        self._line(f"{head}: {rule['says']}", style="bold")
        for name, value in rule["values"].items():
            self._line(f"{self._named_field(name)}: {self._value(value, name)}", indent=2)
        heading = self._named("heading", rule["heading"])
        self._line(self._t("page/source", text=f"{rule['document']}, {heading}"), style="dim", indent=2)
        if "printed" in rule:
            was = rule["printed"]
            values = "; ".join(f"{self._named_field(name)}: {self._value(value, name)}"
                               for name, value in was["values"].items())
            self._line(self._t("page/printed", text=was["says"] + (f" ({values})" if values else "")), style="yellow",
                       indent=2)
            self._line(self._t("page/source", text=f"{was['document']}, {was['heading']}"), style="dim", indent=4)
        if rule["interpretation"]:
            self._choice(rule["interpretation"], indent=2)

    def _choice(self, choice: Answer, indent: int = 0) -> None:
        self._line(f"{choice['id']}: {choice['question']}", style="cyan", indent=indent)
        self._line(self._t("page/decided", text=choice["decided"]) if choice["decision"] == "as-decided" else
                   self._t("page/decided-as", number=choice["decision"], text=choice["decided"]), indent=indent + 2)

    def _title(self, answer: Answer) -> None:
        position = answer.get("known_position")
        self._line(self._t("page/title", student=answer["student"], on=answer["on"]) if position is None else
                   self._t("page/title-known", student=answer["student"], on=answer["on"], position=position),
                   style="bold")

    def _block(self, career: str, block: Answer, on: str) -> None:
        past = block.get("until") is not None and block["until"] <= on
        coming = block["from"] > on
        if past:
            return
        stands = {"career": career, "block": block["kind"], "on": block["from"],
                  "text": self._named("stops", block["kind"])}
        self._line(self._t("page/block-until", **stands, last_day=last_day(block["until"])) if block.get("until") else
                   self._t("page/block", **stands), style="yellow" if coming else "bold red")
        self._line(f"{block['rule']}: {block['reason']}", indent=2)
        if block.get("how_to_lift"):
            self._lifted(str(block["how_to_lift"]), self._from(block.get("clears")))
        self._source(block)

    def _reason(self, reason: Answer) -> None:
        text = Styled(f"{reason['rule']}: ", style="bold red")
        text.append(str(reason.get("message") or reason.get("reason")), style="not bold default")
        self._put(text, 2)
        clears = reason.get("clears")
        self._lifted(clears["what"] if clears else None, self._from(clears), indent=4)
        self._source(reason, indent=4)

    def _charge(self, charge: Answer) -> None:
        """What the table does not say: waivers and refunds with their rules, and what an open debt rests on."""
        waivers = charge.get("waivers", ())
        notes = [self._t("page/waived", amount=one["amount"], waived_on=one["on"], rule=one["rule"]) for one in waivers]
        if charge["refunded"] != "0.00":
            notes.append(self._t("page/refunded", amount=charge["refunded"]))
        if charge["moved"] != "0.00":
            notes.append(self._t("page/moved", amount=charge["moved"]))
        refundable = charge.get("refundable")
        if refundable:
            given = {"amount": refundable["amount"], "rule": refundable["rule"]}
            notes.append(self._t("page/refundable-by", **given, last_day=refundable["by"]) if refundable.get("by") else
                         self._t("page/refundable", **given))
        if charge.get("plan"):
            notes.append(self._t("page/plan", agreed_on=charge["plan"]["agreed_on"]))
        if len(charge.get("parts", ())) > 1:
            notes += [self._t("page/part", amount=part["outstanding"], due_on=part["due_on"])
                      for part in charge["parts"]
                      if part["outstanding"] != "0.00"]
        if not notes and charge["state"] != "overdue":
            return
        text = Styled(f"{charge['career']} {self._of(charge)}: ", style="bold")
        since = charge["due_on"] or charge["raised_on"]
        text.append("; ".join(notes) or self._t("page/overdue-since", amount=charge["overdue"], due_on=since),
                    style="not bold")
        self._put(text)
        for told in (*waivers, *([refundable] if refundable else []), *([] if notes else [charge])):
            self._source(told)

    def _lifted(self, what: str | None, since: str, indent: int = 2) -> None:
        text = Styled(f"{self._t('page/to-lift')} " if what else self._t("page/nothing-lifts"),
                    style="green" if what else "dim")
        text.append(f"{what.rstrip('.')}{since}." if what else "", style="default")
        self._put(text, indent)

    def _source(self, told: Answer, indent: int = 2) -> None:
        source = told.get("source")
        if source:
            read = f" {self._t('page/reading', rule=told['interpretation'])}" if told.get("interpretation") else ""
            heading = self._named("heading", source["heading"])
            self._line(self._t("page/source", text=f"{source['document']}, {heading}{read}"), style="dim",
                       indent=indent)
        facts = told.get("facts", ())
        if facts:
            rests = "; ".join(self._t("page/fact", event=f["event"], on=f["on"])
                              + (f", {self._euro(f['amount'])}" if f.get("amount") else "") for f in facts)
            self._line(self._t("page/rests-on", text=rests), style="dim", indent=indent)

    def _gaps(self, gaps: Iterable[Answer], career: str) -> None:
        """Charges, or blocks, of which the same is not known for the same reason stand in one line."""
        same: dict[str, list[Answer]] = {}
        for gap in gaps:
            rest = {name: value for name, value in gap["params"].items() if name not in ("charge", "block")}
            same.setdefault(f"{gap['message_id']} {rest}", []).append(gap)
        for alike in same.values():
            first = alike[0]["params"]
            names = {name: [gap["params"][name] for gap in alike] for name in ("charge", "block") if name in first}
            self._line(f"{career}: {sentence(Phrase(alike[0]['message_id'], first | names), self._language)}",
                       style="yellow")

    def _unruled(self, answer: Answer) -> None:
        if answer.get("unruled_years"):
            years = answer["unruled_years"]
            self._line(self._t("page/no-books", years=years) if len(years) > 1 else
                       self._t("page/no-book", academic_year=years[0]), style="yellow")

    def _from(self, clears: Any) -> str:
        return self._t("page/from-day", on=clears["from"]) if isinstance(clears, dict) and clears.get("from") else ""

    def _euro(self, amount: str) -> str:
        return money(amount, self._language)

    def _of(self, charge: Answer) -> str:
        return charge_name(charge["charge"], self._language)

    def _table(self, *headings: str, right: tuple[int, ...] = ()) -> Grid:
        return Grid(headings, right)

    def _line(self, text: str, style: str = "", indent: int = 0) -> None:
        self._put(Styled(text, style=style), indent)

    def _put(self, text: Styled, indent: int = 0) -> None:
        """One line."""
        self._paper.line(text, indent)


SEVERITIES = ("breach", "derogation", "notice")
"""Of findings, the gravest first."""
HELD = 10_000
"""Findings that wait for the breaches; further ones are printed as they come, so that memory stays flat."""
NAMED = 4
"""Students of one finding, unless there are more: then one less."""


class _Alike(msgspec.Struct):
    """Notices that say the same of several students, who come one after the other."""

    first: Answer
    findings: int = 0
    students: int = 0
    last: str = ""
    named: list[str] = []

    def add(self, finding: Answer) -> None:
        self.findings += 1
        student = str(finding["student"])
        if student != self.last:
            self.students, self.last = self.students + 1, student
            if self.students <= NAMED:
                self.named.append(student)
            else:
                del self.named[NAMED - 1:]


def _about(finding: Answer) -> tuple[object, ...]:
    """Where it is the same two findings are told as one."""
    return (finding["rule"], finding["message"], str(finding.get("source")), str(finding.get("facts")),
            finding["event"] if finding["severity"] != "notice" else None)


def _number(value: Any) -> str:
    return "" if value is None else str(value)


PLURALS = {"outcome": "outcomes", "severity": "severities"}


def _moment(seconds: int) -> str:
    """Of a witness: whatever it says, there is a text for it."""
    try:
        return format_instant(datetime.fromtimestamp(seconds, timezone.utc))
    except (ValueError, OverflowError, OSError):
        return str(seconds)
