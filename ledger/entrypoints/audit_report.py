"""The audit for a body of people who would rather look than read: one page with pictures, as HTML or as PDF, in their
language, without scripts and with nothing that is loaded from elsewhere."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

from ledger.audit.totals import SEVERITIES, Totals
from ledger.bootstrap import Answer
from ledger.domain.books import LawBooks
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import Phrase, says
from ledger.edges.files import open_output
from ledger.words import Language, sentence
from ledger.words.entries import named
from ledger.words.values import day, figure

from .sheets import Section, html, shown

SHOWN = 100
"""So many findings of each severity stand on the page, notices that say the same as one; the others in the CSV."""
MOST_ALIKE = 2_000
"""Notices that say something of their own and are remembered: further ones stand in the totals only."""
BARS = 12
WIDTH, LABELS, BAR, STEP = 720, 220, 20, 30
COLOURS = {"breach": "#9c1c1c", "derogation": "#8a5a00", "notice": "#1d5fa8"}
"""As attributes: what makes a PDF reads no style sheet for a picture. White stands out on each."""
LONGEST = 27
"""Characters of a label."""
DIGIT = 8.5
"""How wide a digit is."""


class Unwritable(ValueError):
    """`told` says what to give instead."""

    def __init__(self, told: Phrase) -> None:
        super().__init__(told)
        self.told = told


class About(NamedTuple):
    """What the findings are of: the day and the position that they were asked with, what they are new since (day and
    position), the students named, and what a rule says, by its id."""

    on: date
    position: int
    since: tuple[date, int] | None
    students: Sequence[str]
    rule: Callable[[str], str]


@dataclass(slots=True)
class _Alike:
    """Notices that say the same, student after student."""

    findings: int = 0
    students: int = 0
    last: str = ""

    def add(self, student: str) -> None:
        self.findings += 1
        self.students += student != self.last
        self.last = student


class Sample:
    """What is counted of findings while they pass, the first breaches and derogations, and what notices say: as much,
    however many there are. `alike`: by rule, academic year and words."""

    def __init__(self, totals: Totals) -> None:
        self.totals = totals
        self.first: dict[str, list[Answer]] = {severity: [] for severity in SEVERITIES[:2]}
        self.alike: dict[tuple[str, str, str], _Alike] = {}

    def watched(self, findings: Iterable[Answer]) -> Iterator[Answer]:
        for finding in self.totals.watched(findings):
            kept = self.first.get(finding["severity"])
            if kept is None:
                self._notice(finding)
            elif len(kept) < SHOWN:
                kept.append(finding)
            yield finding

    def _notice(self, finding: Answer) -> None:
        said = finding["rule"], finding["academic_year"], finding["message"]
        if said in self.alike or len(self.alike) < MOST_ALIKE:
            self.alike.setdefault(said, _Alike()).add(finding["student"])


def writer(file: Path) -> Callable[[str], bytes]:
    """How a page becomes the bytes of such a file: HTML or PDF, by its ending. Raises Unwritable where it is neither,
    or what makes a PDF is missing."""
    kind = file.suffix.lower()
    if kind in (".html", ".htm"):
        return str.encode
    if kind != ".pdf":
        raise Unwritable(says("report/ending"))
    try:
        import weasyprint
    except ModuleNotFoundError as error:
        raise Unwritable(says("report/no-package", text=error.name or "weasyprint")) from None
    except OSError:  # a library of the system that it loads
        raise Unwritable(says("report/no-library")) from None

    def printed(page: str) -> bytes:
        found: bytes = weasyprint.HTML(string=page, url_fetcher=_nothing).write_pdf(pdf_variant="pdf/ua-1")
        return found

    return printed


def _nothing(url: str, *_: Any, **__: Any) -> Any:
    raise ValueError("nothing is loaded from elsewhere")


def write(file: Path, content: bytes) -> None:
    """Raises Unwritable."""
    try:
        with open_output(file) as out:
            out.write(content)
    except OSError as error:
        raise Unwritable(says("report/no-file", text=error.strerror or type(error).__name__)) from None


def page(kept: Sample, about: About, language: Language) -> str:
    """`kept`: of findings that are in words of this language already."""
    return _Page(kept, about, language).written()


def says_of(books: LawBooks, language: Language, rulebooks: Path | None) -> Callable[[str], str]:
    """What a rule says in the newest book that has it, or how the newest register decides; empty for what is in none.
    `rulebooks`: the institution's own folder."""
    from ledger.rulebooks.show import cite
    from ledger.rulebooks.words import words_in

    words = words_in(language, rulebooks)

    def said(rule: str) -> str:
        try:
            found = cite(books, rule, words)
        except NotFound:
            return ""
        years = [one for one in found["years"] if "says" in one or "decided" in one]
        newest: dict[str, Any] = years[-1] if years else found.get("own", {})
        return str(newest.get("says") or newest.get("decided") or "")

    return said


def by_rule(totals: Totals, language: Language) -> str:
    """The picture of the rules with the most findings, for a page of others. There are some."""
    about = About(date.min, 0, None, (), str)
    rows = sorted(totals.by("rule"), key=_weight)
    return _Page(Sample(totals), about, language).bars(sentence(says("report/by-rule"), language), "rule", rows)


def _weight(row: Answer) -> tuple[int, int, int]:
    """Breaches first, then derogations, then notices: most first."""
    return -row["breach"], -row["derogation"], -row["notice"]


class _Page:
    def __init__(self, kept: Sample, about: About, language: Language) -> None:
        self._kept, self._about, self._language = kept, about, language
        self._totals = kept.totals

    def _t(self, id: str, **values: Any) -> str:
        return sentence(Phrase(id, values), self._language)

    def _named(self, table: str, value: str) -> str:
        return named(table, value, self._language)

    def written(self) -> str:
        about = self._about
        first = [self._t("report/made", on=about.on, position=about.position)]
        if about.since is not None:
            first.append(self._t("report/new", since=about.since[0], position=about.since[1]))
        if about.students:
            first.append(self._t("report/of-some", text=", ".join(about.students)))
        css = (files(__package__) / "audit_report.css").read_text(encoding="utf-8")
        made = html(self._t("report/title"), first, list(self._sections()), self._language, css)
        return made.replace(" €", "&nbsp;€")  # no line ends between an amount and its euro

    def _sections(self) -> Iterator[Section]:
        if not len(self._totals):
            yield Section(self._t("report/summary"), [self._t("page/no-findings")])
            return
        yield Section(self._t("report/summary"), [self._t("report/how-to-read")], figure=self._cards())
        by_rule = sorted(self._totals.by("rule"), key=_weight)
        yield Section(self._t("report/by-rule"), [], self._heads("rule", "says"), [
            (row["rule"], self._about.rule(row["rule"]), *self._counts(row)) for row in by_rule],
            self.bars(self._t("report/by-rule"), "rule", by_rule), 2)
        years = self._totals.by("academic_year")
        yield Section(self._t("report/by-year"), [], self._heads("academic_year"), [
            (row["academic_year"], *self._counts(row)) for row in years],
            self.bars(self._t("report/by-year"), "academic_year", years[-BARS:]), 1)
        programmes = sorted(self._totals.by("programme"), key=_weight)
        yield Section(self._t("report/by-programme"), [], self._heads("programme"), [
            (row["programme"] or self._t("report/no-programme"), *self._counts(row)) for row in programmes],
            self.bars(self._t("report/by-programme"), "programme", programmes), 1)
        for severity in SEVERITIES[:2]:
            yield from self._list(severity)
        yield from self._notices()

    def _heads(self, *names: str) -> list[str]:
        return [self._named("column", name) for name in (*names, *SEVERITIES, "findings")]

    def _counts(self, row: Answer) -> list[str]:
        return [self._figure(row[name]) for name in (*SEVERITIES, "findings")]

    def _figure(self, count: int) -> str:
        return figure(count, self._language)

    def _cards(self) -> str:
        counted: Counter[str] = Counter()
        for group, count in self._totals.counted.items():
            counted[group.severity] += count
        cards = "".join(f'<li class="{one}"><strong>{self._figure(counted[one])}</strong> '
                        f"{shown(self._named('column', one))}</li>"
                        for one in SEVERITIES)
        return f'<ul class="cards">{cards}</ul>'

    def _list(self, severity: str) -> Iterator[Section]:
        found = self._kept.first[severity]
        if not found:
            return
        total = sum(count for group, count in self._totals.counted.items() if group.severity == severity)
        told = [self._t("report/first", count=len(found), more=total)] if total > len(found) else []
        names = ("rule", "student", "career", "academic_year", "effective_on", "message")
        yield Section(self._named("column", severity), told, [self._named("column", name) for name in names], [
            (one["rule"], one["student"], one["career"] or "", one["academic_year"],
             self._day(one["effective_on"]), one["message"])
            for one in sorted(found, key=lambda one: one["rule"])])

    def _day(self, on: str | None) -> str:
        """No line ends within it."""
        return day(on, self._language).replace(" ", "\u00a0") if on is not None else ""

    def _notices(self) -> Iterator[Section]:
        """One line for those that say the same: a body need not read it of each student."""
        most = sorted(self._kept.alike.items(), key=lambda one: (-one[1].findings, one[0]))[:SHOWN]
        if not most:
            return
        total = sum(count for group, count in self._totals.counted.items() if group.severity == "notice")
        told = self._t("report/notices", count=len(most), number=sum(one.findings for _, one in most), more=total)
        yield Section(self._named("column", "notice"), [told], [self._named("column", name) for name in (
            "rule", "academic_year", "message", "students", "findings")], [
            (*said, self._figure(one.students), self._figure(one.findings)) for said, one in most], numbers_from=3)

    def bars(self, title: str, name: str, rows: Sequence[Answer]) -> str:
        """Horizontal bars, a segment for each severity: of breaches and derogations, which notices would dwarf; of
        these where there is nothing else. All of it stands as numbers in the table after it."""
        drawn = [one for one in SEVERITIES[:2] if any(row[one] for row in rows)] or list(SEVERITIES[2:])
        several = [(self._label(name, row[name]), [(one, row[one]) for one in drawn])
                   for row in rows if any(row[one] for one in drawn)][:BARS]
        scale = (WIDTH - LABELS - 60) / max(sum(count for _, count in bar) for _, bar in several)
        marks = [*self._legend(drawn), *(mark for n, (label, bar) in enumerate(several)
                                         for mark in self._bar(label, bar, n * STEP + 34, scale))]
        said = "; ".join(f"{label}: " + ", ".join(f"{count} {self._named('severities', one)}" for one, count in bar)
                         for label, bar in several)
        return (f'<figure><svg role="img" aria-labelledby="{name}-title {name}-desc" '
                f'viewBox="0 0 {WIDTH} {len(several) * STEP + 34}" font-family="sans-serif" font-size="14" '
                f'xmlns="http://www.w3.org/2000/svg">'
                f'<title id="{name}-title">{shown(title)}</title><desc id="{name}-desc">{shown(said)}</desc>'
                f'{"".join(marks)}</svg></figure>')

    def _label(self, name: str, value: str | None) -> str:
        """Of a rule with what it is about: nobody who looks at a picture knows them by heart."""
        if value is None:
            return self._t("report/no-programme")
        if name != "rule":
            return value
        topic = self._named("rule_topic", value)
        return f"{value} {self._named('rule_topic', value.partition('-')[0]) if topic == value else topic}"

    def _legend(self, drawn: Sequence[str]) -> Iterator[str]:
        left = LABELS
        for one in drawn:
            text = self._named("column", one)
            yield (f'<rect fill="{COLOURS[one]}" x="{left}" y="4" width="14" height="14"/>'
                   f'<text x="{left + 20}" y="16">{shown(text)}</text>')
            left += 40 + int(len(text) * DIGIT)

    def _bar(self, label: str, bar: Sequence[tuple[str, int]], y: int, scale: float) -> Iterator[str]:
        label = label if len(label) <= LONGEST else label[:LONGEST - 1] + "\u2026"
        yield f'<text x="{LABELS - 10}" y="{y + 15}" text-anchor="end">{shown(label)}</text>'
        left = float(LABELS)
        for one, count in bar:
            width, text = max(count * scale, 2.0) if count else 0.0, self._figure(count)
            if count:
                yield f'<rect fill="{COLOURS[one]}" x="{left:.1f}" y="{y}" width="{width:.1f}" height="{BAR}"/>'
            if count and width > DIGIT * len(text) + 6 and len([n for _, n in bar if n]) > 1:
                yield (f'<text fill="#fff" x="{left + width / 2:.1f}" y="{y + 15}" text-anchor="middle">{text}'
                       "</text>")
            left += width
        yield f'<text x="{left + 8:.1f}" y="{y + 15}">{self._figure(sum(count for _, count in bar))}</text>'
