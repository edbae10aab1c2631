"""A career as a picture: an SVG that needs no script, no style sheet and nothing from elsewhere. It shows the items
that the table of `career-ledger picture` tells; colour alone says nothing."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import groupby
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from ledger.bootstrap import Answer
from ledger.domain.phrases import Phrase
from ledger.domain.values import year_of, year_start
from ledger.edges.text import visible
from ledger.projections.student.timeline import LANES
from ledger.words import Language, sentence, told
from ledger.words.entries import named
from ledger.words.values import charge, day, money

WIDTH, LEFT, RIGHT = 1200, 130, 1184
"""Of the picture, and where its days begin and end, in units of its own: it is as wide as the page lets it be."""
ROW, GAP, SIZE = 26, 10, 14
LETTER = 7.4
"""How wide a letter is at most, on average: text is measured by nobody else before it is drawn."""
BEFORE, AFTER, FAR = timedelta(days=20), timedelta(days=90), timedelta(days=400)
"""Shown before what came first, after the day asked about in any case, and after it at most."""
INK, QUIET, PAPER = "#17324d", "#455b71", "#ffffff"
STATUSES = {**dict.fromkeys(("enrolled", "single-courses"), "#0b5394"), "graduated": "#1e6b3c",
            **dict.fromkeys(("preenrolled", "admitted", "enrolment-pending", "enrolled-with-reservation", "suspended",
                             "withdrawal-pending"), "#7a4a00")}
ENDED = "#4f5b66"
BLOCK, MONEY, EXAM, FLAG = "#a3161f", "#5b3a8c", "#1e6b3c", "#7a4a00"
LETTERS = {"exam-booking": "E", "final-exam": "F", "administrative": "A", "reservation": "R"}
SLANTS = {"exam-booking": 45, "final-exam": 135, "administrative": 0, "reservation": 90}
"""How the stripes of a block run, in degrees: it is told apart without colours."""


class Mark(NamedTuple):
    """Something in a lane: where it begins and ends (equal for one day), and its words."""

    item: Answer
    x: float
    end: float
    label: str

    @property
    def inside(self) -> bool:
        """Whether its words have room in its bar."""
        return self.end - self.x > len(self.label) * LETTER + 28

    @property
    def extent(self) -> tuple[float, float]:
        """With its words, which stand behind it, or before it at the picture's end."""
        words = len(self.label) * LETTER + 26 if self.label and not self.inside else 0.0
        start, end = (self.x, self.end) if self.end > self.x else (self.x - 9, self.x + 12)
        return (start, end + words) if end + words <= WIDTH else (start - words, end)


def svg(answer: Answer, language: Language) -> bytes:
    """`answer` as `Ledger.timeline` gives it."""
    return bytes(ET.tostring(_Picture(told(answer, language), language).drawn(), encoding="utf-8",
                             xml_declaration=True))


def inline(answer: Answer, language: Language) -> str:
    """The same as a part of a page. `answer` is in words already."""
    return ET.tostring(_Picture(answer, language).drawn(), encoding="unicode")


class _Picture:
    def __init__(self, answer: Answer, language: Language) -> None:
        self._answer, self._language = answer, language
        self._on = date.fromisoformat(answer["on"])
        days = [date.fromisoformat(text) for career in answer["careers"] for item in career["items"]
                for text in (item["from"], item["until"], item.get("recorded_on")) if text]
        self._first = min([*days, self._on]) - BEFORE
        self._last = min(max([*days, self._on + AFTER]) + BEFORE, self._on + FAR)
        self._y = 64.0
        self._drawn: dict[str, Callable[[Mark], None]] = {
            "enrolment": self._status, "blocks": self._block, "money": self._due, "exams": self._exam,
            "deadlines": self._flag, "learned": self._arrow}
        self._root = ET.Element("svg", {
            "xmlns": "http://www.w3.org/2000/svg", "role": "img", "aria-labelledby": "picture-title picture-says",
            "font-family": "Titillium Web, Arial, sans-serif", "font-size": str(SIZE), "fill": INK})

    def _t(self, id: str, **values: Any) -> str:
        return sentence(Phrase(id, values), self._language)

    def _named(self, table: str, value: str) -> str:
        return named(table, value, self._language)

    def drawn(self) -> ET.Element:
        title = self._t("picture/title", student=visible(self._answer["student"]), on=self._answer["on"])
        ET.SubElement(self._root, "title", {"id": "picture-title"}).text = title
        ET.SubElement(self._root, "desc", {"id": "picture-says"}).text = self._t("picture/how")
        self._patterns()
        paper = self._add("rect", x=0, y=0, width=WIDTH, fill=PAPER)
        self._write(16, 28, title, size=18, weight="bold")
        ahead = self._add("rect", x=self._x(self._on), y=44, width=RIGHT - self._x(self._on),
                          fill="url(#picture-ahead)")
        years = self._add("g")
        for career in self._answer["careers"]:
            self._career(career)
        self._years(years)
        self._today()
        ahead.set("height", f"{self._y - 44:g}")
        self._legend()
        height = f"{self._y + 12:g}"
        paper.set("height", height)
        self._root.set("viewBox", f"0 0 {WIDTH} {height}")
        return self._root

    def _patterns(self) -> None:
        defined = self._add("defs")
        for kind, slant in SLANTS.items():
            self._stripes(defined, kind, slant, BLOCK, 5)
        self._stripes(defined, "ahead", 45, "#d3dce5", 1)

    def _stripes(self, defined: ET.Element, name: str, slant: int, colour: str, width: float) -> None:
        made = ET.SubElement(defined, "pattern", {
            "id": f"picture-{name}", "width": "9", "height": "9", "patternUnits": "userSpaceOnUse",
            "patternTransform": f"rotate({slant})"})
        ET.SubElement(made, "rect", {"width": "9", "height": "9", "fill": PAPER})
        ET.SubElement(made, "rect", {"width": f"{width:g}", "height": "9", "fill": colour})

    def _add(self, name: str, **given: Any) -> ET.Element:
        return ET.SubElement(self._root, name, {
            key.replace("_", "-"): f"{value:g}" if isinstance(value, (int, float)) else value
            for key, value in given.items()})

    def _write(self, x: float, y: float, text: str, *, size: int = SIZE, weight: str = "normal", fill: str = INK,
               anchor: str = "start") -> None:
        self._add("text", x=round(x, 1), y=round(y, 1), font_size=size, font_weight=weight, fill=fill,
                  text_anchor=anchor).text = text

    def _x(self, moment: date) -> float:
        shown = min(max(moment, self._first), self._last)
        return round(LEFT + (RIGHT - LEFT) * ((shown - self._first).days / (self._last - self._first).days), 1)

    # What is drawn

    def _years(self, into: ET.Element) -> None:
        """A line where each academic year begins, behind all else."""
        start = year_start(year_of(self._first))
        while start <= self._last:
            if start > self._first:
                x = f"{self._x(start):g}"
                ET.SubElement(into, "line", {"x1": x, "x2": x, "y1": "44", "y2": f"{self._y:g}", "stroke": "#8fa1b3"})
            left, year, start = self._x(start), year_of(start), start.replace(year=start.year + 1)
            if self._x(start) - left > 60:
                ET.SubElement(into, "text", {"x": f"{left + 4:g}", "y": "57", "font-size": "13",
                                             "fill": QUIET}).text = year

    def _today(self) -> None:
        x = self._x(self._on)
        self._add("line", x1=x, x2=x, y1=34, y2=self._y, stroke=INK, stroke_width=2)
        late = x > WIDTH - 260
        self._write(x + (-6 if late else 6), 42, str(day(self._on, self._language)), size=13, weight="bold",
                    anchor="end" if late else "start")

    def _career(self, career: Answer) -> None:
        self._y += GAP
        self._add("line", x1=16, x2=WIDTH - 16, y1=self._y, y2=self._y, stroke=INK)
        self._y += 20
        name = " ".join(filter(None, (self._t("page/career"), career["career"], career["programme"])))
        self._write(16, self._y, visible(name), size=15, weight="bold")
        self._y += 8
        for lane, items in groupby(sorted(career["items"], key=_in_lanes), key=lambda item: str(item["lane"])):
            rows = _packed(self._marks(lane, [item for item in items if self._is_shown(item)]))
            if not rows:
                continue
            self._y += GAP / 2
            self._write(16, self._y + 17, self._named("lane", lane), fill=QUIET)
            for row in rows:
                for mark in row:
                    self._drawn[lane](mark)
                self._y += ROW

    def _is_shown(self, item: Answer) -> bool:
        return date.fromisoformat(item["from"]) <= self._last

    def _marks(self, lane: str, items: Sequence[Answer]) -> Iterator[Mark]:
        if lane == "deadlines":  # one flag a day; what it stands for is in the table
            items = [next(iter(of)) for _, of in groupby(items, key=lambda item: str(item["from"]))]
        for item in items:
            x = self._x(date.fromisoformat(item["from"]))
            end = item["recorded_on"] if lane == "learned" else item["until"]
            lasts = lane in ("enrolment", "blocks", "learned")
            yield Mark(item, x, self._x(date.fromisoformat(end) if end else self._last) if lasts else x,
                       self._label(lane, item))

    def _label(self, lane: str, item: Answer) -> str:
        if lane == "money":
            return f"{charge(item['charge'], self._language)}, {money(item['amount'], self._language)}"
        if lane == "exams":
            return visible(item["course"])
        if lane == "deadlines":
            return str(day(item["from"], self._language))
        if lane == "blocks":  # which block it is, its letter says
            return ", ".join([item["rule"], *([charge(item["charge"], self._language)] if item["charge"] else [])])
        if lane == "enrolment":
            return ", ".join([self._named("status", item["status"]), *([self._t(
                "page/course-year", year=item["year"])] if item["year"] else [])])
        return ""

    def _status(self, mark: Mark) -> None:
        self._bar(mark, STATUSES.get(mark.item["status"], ENDED), PAPER)

    def _block(self, mark: Mark) -> None:
        kind = mark.item["kind"]
        self._add("rect", x=mark.x, y=self._y + 2, width=max(mark.end - mark.x, 4), height=ROW - 6, stroke=BLOCK,
                  stroke_width=1.5, fill=f"url(#picture-{kind})")
        self._add("rect", x=mark.x, y=self._y + 2, width=18, height=ROW - 6, fill=BLOCK)
        self._write(mark.x + 9, self._y + 17, LETTERS.get(kind, "?"), weight="bold", fill=PAPER, anchor="middle")
        if mark.inside:
            self._add("rect", x=mark.x + 20, y=self._y + 4, width=len(mark.label) * LETTER + 6, height=ROW - 10,
                      fill=PAPER)
            self._write(mark.x + 24, self._y + 17, mark.label)
        else:
            self._beside(mark)

    def _bar(self, mark: Mark, colour: str, on: str) -> None:
        self._add("rect", x=mark.x, y=self._y + 2, width=max(mark.end - mark.x, 3), height=ROW - 6, rx=3, fill=colour)
        if mark.inside:
            self._write(mark.x + 6, self._y + 17, mark.label, fill=on)
        else:
            self._beside(mark)

    def _beside(self, mark: Mark) -> None:
        if mark.extent[0] < mark.x - 9:
            self._write(mark.x - 14, self._y + 17, mark.label, anchor="end")
        else:
            self._write(mark.end + 15, self._y + 17, mark.label)

    def _due(self, mark: Mark) -> None:
        state, y = mark.item["state"], self._y + 12
        diamond = f"M{mark.x:g} {y - 8:g}l8 8l-8 8l-8 -8z"
        self._add("path", d=diamond, stroke=MONEY, stroke_width=2, fill=MONEY if state == "paid" else PAPER)
        if mark.item["part"]:
            self._add("circle", cx=mark.x, cy=y, r=3.5, stroke=MONEY, stroke_width=2, fill="none")
        elif mark.item["overdue"]:
            self._write(mark.x, y + 5, "!", weight="bold", fill=BLOCK, anchor="middle")
        elif state in ("waived", "moved"):
            self._add("line", x1=mark.x - 9, x2=mark.x + 9, y1=y + 9, y2=y - 9, stroke=MONEY, stroke_width=2)
        self._beside(mark)

    def _exam(self, mark: Mark) -> None:
        y, outcome = self._y + 12, mark.item["outcome"]
        if outcome == "booked":
            self._add("path", d=f"M{mark.x:g} {y - 7:g}l7 13h-14z", stroke=EXAM, stroke_width=2, fill=PAPER)
        else:
            self._add("circle", cx=mark.x, cy=y, r=6, stroke=EXAM, stroke_width=2,
                      fill=EXAM if outcome == "passed" else PAPER)
        self._beside(mark)

    def _flag(self, mark: Mark) -> None:
        y = self._y + 3
        self._add("path", d=f"M{mark.x:g} {y + 18:g}v-18l11 5l-11 5", stroke=FLAG, stroke_width=2, fill=FLAG)
        self._beside(mark)

    def _arrow(self, mark: Mark) -> None:
        """From the day on which it holds to the one on which the ledger learned of it."""
        y = self._y + 12
        self._add("path", d=f"M{mark.x:g} {y:g}H{mark.end:g}m-6 -4l6 4l-6 4", stroke=QUIET, stroke_width=1.5,
                  fill="none")
        self._add("circle", cx=mark.x, cy=y, r=2.5, fill=QUIET)

    def _legend(self) -> None:
        self._y += GAP
        self._add("line", x1=16, x2=WIDTH - 16, y1=self._y, y2=self._y, stroke=INK)
        self._y += 6
        x = 16.0
        for lane, item, text in self._explained():
            width = len(text) * LETTER + 54
            if x + width > WIDTH - 16:
                x, self._y = 16.0, self._y + ROW
            self._drawn[lane](Mark(item, x + 12, x + (30 if lane in ("blocks", "learned") else 12), ""))
            self._write(x + 38, self._y + 17, text)
            x += width
        self._y += ROW

    def _explained(self) -> Iterator[tuple[str, Answer, str]]:
        used = {(item["lane"], item.get("kind") or item.get("outcome") or _money(item))
                for career in self._answer["careers"] for item in career["items"] if self._is_shown(item)}
        for kind in LETTERS:
            if ("blocks", kind) in used:
                yield "blocks", {"kind": kind}, self._named("block", kind)
        for state in MONEY_STATES:
            if ("money", state) in used:
                yield "money", MONEY_STATES[state], self._named("mark_of_money", state)
        for outcome in ("passed", "failed", "booked"):
            if ("exams", outcome) in used:
                yield "exams", {"outcome": outcome}, self._named("mark_of_exam", outcome)
        for lane in ("deadlines", "learned"):
            if any(one == lane for one, _ in used):
                yield lane, {}, self._named("mark_of_lane", lane)


MONEY_STATES: dict[str, Answer] = {name: {"state": state, "part": name == "part", "overdue": name == "overdue"}
                                   for name, state in (("paid", "paid"), ("part", "to-come"), ("owed", "to-come"),
                                                       ("overdue", "overdue"), ("away", "waived"))}
"""What is explained, as a charge would be that shows it."""


def _money(item: Answer) -> str | None:
    if item["lane"] != "money":
        return None
    return "part" if item["part"] else "overdue" if item["overdue"] else "paid" if item["state"] == "paid" else \
        "away" if item["state"] in ("waived", "moved") else "owed"


def _in_lanes(item: Answer) -> tuple[int, str]:
    return LANES.index(item["lane"]), item["from"]


def _packed(marks: Iterable[Mark]) -> list[list[Mark]]:
    """In as few rows as it takes for nothing to lie over anything else."""
    rows: list[tuple[float, list[Mark]]] = []
    for mark in sorted(marks, key=lambda mark: mark.extent):
        start, end = mark.extent
        for n, (taken, row) in enumerate(rows):
            if taken <= start:
                row.append(mark)
                rows[n] = end, row
                break
        else:
            rows.append((end, [mark]))
    return [row for _, row in rows]
