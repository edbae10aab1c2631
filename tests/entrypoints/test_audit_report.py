"""The page of the audit for a body of people: what stands on it, that it can be read aloud, and that nothing acts."""

import builtins
import json
import re
import zlib
from collections.abc import Callable
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.totals import Totals
from ledger.entrypoints.audit_report import COLOURS, SHOWN, About, Sample
from ledger.entrypoints.audit_report import page as written
from ledger.words import LANGUAGES, Language
from ledger.words.entries import NAMES, entry
from tests.audit.breaches import rows


class Outline(HTMLParser):
    """What a reader of the page's structure meets."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def broken(ledger: Callable[..., Any], line: Callable[..., Any], lines: Callable[..., bytes]) -> Callable[..., Any]:
    """With an exam without a booking, in a programme whose name would like to be markup."""
    given = [line("p1", "enrolled", "2025-09-21", {"programme": "<script>=1", "academic_year": "2025-26",
                                                   "course_type": "bachelor", "access": "open", "year": 1,
                                                   "regime": "full-time"}, career="X", student="S02"),
             line("p2", "exam-graded", "2026-02-10", {"course": "A", "held_on": "2026-02-10", "outcome": "failed",
                                                      "cfu": 6, "session": "winter", "mode": "oral"},
                  career="X", student="S02")]
    assert ledger("append", "-", "--mode", "record", given=lines(*given)).exit_code == 0
    return ledger


@pytest.mark.parametrize(("language", "words"), [
    ("it", ("Verifica di conformità", "Violazioni", "Per corso di studio")),
    ("en", ("Compliance audit", "Breaches", "By programme"))])
def test_page_says_what_was_found_and_can_be_read_aloud(broken: Callable[..., Any], tmp_path: Path, language: str,
                                                        words: tuple[str, ...]) -> None:
    file = tmp_path / "audit.html"
    done = broken("--lang", language, "audit", "--on", "2026-03-20", "--report", str(file))
    assert done.exit_code == 1, done.output
    assert file.stat().st_mode & 0o777 == 0o600
    page = file.read_text("utf-8")
    outline = Outline(page)
    for one in words:
        assert one in outline.text
    assert outline.of("html")[0]["lang"] == language
    assert len(outline.of("title")) == 1 + len(outline.of("svg"))
    headings = [int(tag[1]) for tag, _ in outline.tags if re.fullmatch("h[1-6]", tag)]
    assert headings[0] == 1
    assert set(headings[1:]) == {2}
    assert {attrs.get("scope") for attrs in outline.of("th")} == {"col", "row"}
    for picture in outline.of("svg"):
        named = {attrs.get("id") for tag in ("title", "desc") for attrs in outline.of(tag)}
        assert picture["role"] == "img"
        assert set(str(picture["aria-labelledby"]).split()) <= named
    ids = [attrs["id"] for _, attrs in outline.tags if attrs.get("id")]
    assert len(ids) == len(set(ids))
    assert "<script" not in page
    assert not [name for _, attrs in outline.tags for name in attrs if name in ("src", "href", "srcset", "action")]
    assert "url(" not in page
    assert "@import" not in page
    found = [json.loads(row) for row in broken("audit", "--on", "2026-03-20", "--json").stdout.splitlines()]
    for one in found:
        assert one["rule"] in outline.text
    assert {"it": "10\u00a0febbraio\u00a02026", "en": "10\u00a0February\u00a02026"}[language] in outline.text
    assert {one["event"]: one["effective_on"] for one in found}["p2"] == "2026-02-10"


@pytest.mark.parametrize("language", LANGUAGES)
def test_picture_says_what_each_rule_is_about(language: Language) -> None:
    topics = entry(f"{NAMES}rule_topic", language)
    found = [{"rule": rule, "programme": None, "academic_year": "2025-26", "effective_on": None, "career": None,
              "severity": "breach", "student": "S", "message": "m"} for rule in rows()]
    assert {one["rule"] for one in found} - topics.keys() <= {
        rule for rule in rows() if rule.partition("-")[0] in topics}
    kept = Sample(Totals())
    assert list(kept.watched(found[:1]))
    assert f">BLK-1 {topics['BLK']}</text>" in written(kept, About(date(2026, 3, 20), 9, None, (), str), language)


def _luminance(colour: str) -> float:
    parts = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_white_stands_out_on_each_bar() -> None:
    for colour in COLOURS.values():
        assert 1.05 / (_luminance(colour) + 0.05) >= 4.5  # WCAG 2, AA


def test_page_holds_the_first_findings_of_each_severity_and_says_how_many_there_are() -> None:

    kept = Sample(Totals())
    for number in range(SHOWN + 5):
        assert list(kept.watched([{"rule": "ESA-1", "programme": None, "academic_year": "2025-26", "effective_on": None,
                                   "career": None, "severity": "breach", "student": f"S{number:04d}",
                                   "message": "m"}]))
    told = Outline(written(kept, About(date(2026, 3, 20), 9, None, (), lambda _: "x"), "en")).text
    assert f"The first {SHOWN} of {SHOWN + 5}" in told
    assert f"S{SHOWN - 1:04d}" in told
    assert f"S{SHOWN:04d}" not in told


def test_notices_that_say_the_same_are_one_line_with_how_many_students_they_are_of() -> None:
    kept = Sample(Totals())
    notice = {"rule": "LATE", "programme": None, "academic_year": "2025-26", "effective_on": None, "career": None,
              "severity": "notice"}
    given = [notice | {"student": f"S{number % 30:04d}", "message": "the same: 1,00 €"} for number in range(40)]
    given += [notice | {"student": "S0001", "message": f"of its own {number}"} for number in range(SHOWN)]
    given.sort(key=lambda one: str(one["student"]))
    assert len(list(kept.watched(given))) == 40 + SHOWN
    page = written(kept, About(date(2026, 3, 20), 9, None, (), lambda _: "x"), "en")
    assert f"{SHOWN} lines for {40 + SHOWN - 1} of {40 + SHOWN} notices" in page
    assert '<td>the same: 1,00&nbsp;€</td><td class="number">30</td><td class="number">40</td>' in page
    assert "S0001" not in page


def test_pdf_is_made_and_says_its_language(broken: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "audit.pdf"
    done = broken("--lang", "it", "audit", "--on", "2026-03-20", "--report", str(file))
    assert done.exit_code == 1, done.output
    content = file.read_bytes()
    assert content.startswith(b"%PDF-")
    packed = re.findall(rb"stream\r?\n(.*?)\r?\nendstream", content, re.DOTALL)
    whole = content + b"".join(zlib.decompress(one) for one in packed if one.startswith(b"x"))
    assert re.search(rb"/Lang ?\((\xfe\xff\x00)?i\x00?t\)", whole)
    assert b"/MarkInfo" in whole  # tagged: it can be read aloud


def test_pdf_names_the_package_that_is_missing_before_anybody_is_looked_through(
        broken: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name == "weasyprint":
            raise ModuleNotFoundError("No module named 'weasyprint'", name="weasyprint")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    done = broken("audit", "--report", str(tmp_path / "audit.pdf"))
    assert done.exit_code == 2
    assert "career-ledger[report]" in done.stderr
    assert not list(tmp_path.glob("audit.pdf"))
    assert "libpango" in _without_a_library(broken, tmp_path, monkeypatch, real)


def _without_a_library(broken: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Any) -> str:
    def lacking(name: str, *rest: Any, **more: Any) -> Any:
        if name == "weasyprint":
            raise OSError("cannot load library 'libpango-1.0-0'")
        return real(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", lacking)
    told: str = broken("audit", "--report", str(tmp_path / "audit.pdf")).stderr
    return told


@pytest.mark.parametrize(("words", "said"), [
    (("--report", "audit.txt"), ".html or .pdf"), (("--report", "no/such/audit.html"), "cannot be written"),
    (("--report", "audit.html", "--csv"), "--report")])
def test_report_that_cannot_be_written_says_what_to_give_instead(broken: Callable[..., Any], tmp_path: Path,
                                                                 monkeypatch: pytest.MonkeyPatch,
                                                                 words: tuple[str, ...], said: str) -> None:
    monkeypatch.chdir(tmp_path)
    done = broken("audit", *words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_page_without_findings_says_so(ledger: Callable[..., Any], tmp_path: Path) -> None:
    done = ledger("--lang", "en", "audit", "--on", "2025-11-17", "--report", str(tmp_path / "audit.html"))
    assert done.exit_code == 0, done.output
    assert "No findings." in (tmp_path / "audit.html").read_text("utf-8")
