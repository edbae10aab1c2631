"""The page that a person gets of everything held about her: one file of HTML in her language, without scripts and with
nothing that is loaded from elsewhere. It tells what `disclosure.json` beside it tells to programs."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ledger.bootstrap import Answer
from ledger.domain.phrases import Phrase, says
from ledger.edges.files import FOLDER, make_folder, open_file
from ledger.edges.text import json_text
from ledger.words import LANGUAGES, Language, sentence, told
from ledger.words.entries import named
from ledger.words.values import charge, day, moment, money

from .facts import last_day, value_of
from .sheets import Section, html


class WrongFolder(ValueError):
    """`told` says what to give instead."""

    def __init__(self, told: Phrase) -> None:
        super().__init__(told)
        self.told = told


def prepare(folder: Path) -> None:
    """A folder for its owner alone. Raises WrongFolder for one that holds something, or cannot be made."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise WrongFolder(says("disclosure/not-empty"))
        make_folder(folder)
        folder.chmod(FOLDER)
    except OSError as error:
        raise WrongFolder(says("disclosure/no-folder", text=error.strerror or type(error).__name__)) from None


def write(folder: Path, answer: Answer) -> None:
    """Into a folder that was prepared. Raises WrongFolder."""
    texts = {"disclosure.json": json_text(told(answer), indent=1) + "\n",
             **{f"disclosure.{language}.html": page(answer, language) for language in LANGUAGES}}
    try:
        for name, text in texts.items():
            with open_file(folder / name) as file:
                file.write(text.encode())
    except OSError as error:
        raise WrongFolder(says("disclosure/no-folder", text=error.strerror or type(error).__name__)) from None


def page(answer: Answer, language: Language) -> str:
    """`answer` as `Ledger.disclosure` gives it."""
    return html(*_Sheet(language).written(told(answer, language)), language)


class _Sheet:
    def __init__(self, language: Language) -> None:
        self._language = language

    def _t(self, id: str, **values: Any) -> str:
        return sentence(Phrase(id, values), self._language)

    def _named(self, table: str, value: str) -> str:
        return named(table, value, self._language)

    def _day(self, text: str | None) -> str:
        return str(day(text[:10], self._language)) if text else ""

    def written(self, answer: Answer) -> tuple[str, list[str], list[Section]]:
        """Title, what is said first, and the sections."""
        first = [self._t("disclosure/made", student=answer["student"], on=answer["on"], text=answer["purpose"])]
        gone = answer["forgotten"]
        if gone is not None:
            first.append(self._t("disclosure/forgotten", on=gone["on"]))
        return self._t("disclosure/title"), first, [
            self._who(answer["person"]), *self._careers(answer["status"]), self._charges(answer["fees"]),
            self._record(answer["history"]), *self._refused(answer["refused"]), self._reads(answer["reads"] or ()),
            self._left(answer["left"])]

    def _who(self, person: Answer | None) -> Section:
        title = self._t("disclosure/who")
        if not person:
            return Section(title, [self._t("disclosure/nobody")])
        return Section(title, [], rows=[(self._named("field", name), value_of(name, value, self._language))
                                        for name, value in person.items()])

    def _careers(self, status: Answer) -> Iterator[Section]:
        if not status["careers"]:
            yield Section(self._t("disclosure/careers"), [self._t("page/none-begun")])
        for one in status["careers"]:
            rows = [(self._t("page/status"), self._named("status", one["status"])),
                    (self._t("page/programme"), " ".join(filter(None, (one.get("programme"), self._named(
                        "course_type", one["course_type"]) if one.get("course_type") else None)))),
                    (self._t("page/year"), self._t("page/year-of", year=one["year"], academic_year=one["academic_year"])
                     if one.get("year") and one.get("academic_year") else one.get("academic_year") or ""),
                    (self._t("page/regime"), self._named("regime", one["regime"]) if one.get("regime") else ""),
                    (self._t("page/cfu-passed"), str((one.get("cfu") or {}).get("passed", ""))),
                    (self._named("column", "cfu_recognised"), str((one.get("cfu") or {}).get("recognised", "")))]
            says = [self._block(one["career"], block) for block in one.get("blocks", ())]
            says += [f"{self._day(change['on'])}: {change['change']}" for change in one.get("upcoming", ())]
            yield Section(self._t("disclosure/career", career=one["career"]), says,
                          rows=[row for row in rows if row[1]])

    def _block(self, career: str, block: Answer) -> str:
        stands = {"career": career, "block": block["kind"], "on": block["from"],
                  "text": self._named("stops", block["kind"])}
        said = self._t("page/block-until", **stands, last_day=last_day(block["until"])) if block.get("until") else \
            self._t("page/block", **stands)
        return f"{said} {block['reason']}"

    def _charges(self, fees: Answer) -> Section:
        totals = self._t("disclosure/totals", overdue=fees["overdue"], outstanding=fees["to_come"],
                         amount=fees["credit"])
        if not fees["charges"]:
            return Section(self._t("disclosure/charges"), [self._t("page/none-charged")])
        return Section(self._t("disclosure/charges"), [totals], (
            self._t("page/career"), self._t("page/charge"), self._t("page/amount"), self._t("page/paid"),
            self._t("page/owed"), self._t("page/due-on"), self._t("page/state")), [
                (one["career"], charge(one["charge"], self._language), self._money(one["amount"]),
                 self._money(one["paid"]), self._money(one["outstanding"]), self._day(one["due_on"]),
                 self._named("state", one["state"])) for one in fees["charges"]])

    def _record(self, steps: Iterable[Answer]) -> Section:
        return Section(self._t("disclosure/record"), [self._t("disclosure/record-how")], (
            self._t("disclosure/day"), self._t("disclosure/learned"), self._t("disclosure/what"),
            self._t("disclosure/says"), self._t("disclosure/changed")), [self._step(one) for one in steps])

    def _step(self, step: Answer) -> Sequence[str]:
        says = [f"{self._named('field', name)}: {value_of(name, value, self._language)}"
                for name, value in step["data"].items()]
        for one in step.get("override", ()):
            says += [self._t("page/derogation", rule=one["rule"], text=one["authority"]), *filter(None, [
                one.get("reason")])]
        if "sealed" in step:
            says.append(self._t("disclosure/destroyed"))
        if step.get("voided"):
            says.append(self._t("page/voided-later"))
        what = self._named("event_type", step["type"])
        return (self._day(step["effective_on"]), self._day(step["recorded_at"]),
                f"{what} ({step['career']})" if step.get("career") else what, "\n".join(says),
                "\n".join(": ".join(filter(None, (one["career"], one["change"]))) for one in step["changes"]))

    def _refused(self, found: Sequence[Answer]) -> Iterator[Section]:
        if found:
            yield Section(self._t("disclosure/refused"), [], (
                self._t("disclosure/request"), self._t("disclosure/outcome"), self._t("disclosure/why")),
                [(one["id"], self._named("outcome", one["outcome"]), "\n".join(
                    why["message"] for why in (*one.get("reasons", ()), *one.get("problems", ())))) for one in found])

    def _reads(self, found: Sequence[Answer]) -> Section:
        title = self._t("disclosure/reads")
        if not found:
            return Section(title, [self._t("disclosure/no-reads")])
        return Section(title, [], (self._t("disclosure/when"), self._t("disclosure/by"), self._t("disclosure/what"),
                                   self._t("disclosure/purpose")),
                       [(moment(one["at"], self._language), one["who"], self._named("read", one["what"]),
                         one["why"] or self._t("access/destroyed")) for one in found])

    def _left(self, found: Sequence[Answer]) -> Section:
        title = self._t("disclosure/left")
        if not found:
            return Section(title, [self._t("disclosure/left-none")])
        return Section(title, [self._t("disclosure/left-how")], (
            self._t("disclosure/what"), self._t("disclosure/services"), self._t("disclosure/fields"),
            self._t("disclosure/times"), self._t("disclosure/first"), self._t("disclosure/last"),
            self._t("disclosure/topic")), [
                (self._named("event_type", one["what"]) if one["what"] != "state" else self._t("disclosure/state"),
                 ", ".join(self._named("service", name) for name in one["services"]),
                 ", ".join(self._named("field", name) for name in one["fields"]), str(one["count"]),
                 self._day(one["first"]), self._day(one["last"]), one["topic"]) for one in found])

    def _money(self, amount: str) -> str:
        return money(amount, self._language)
