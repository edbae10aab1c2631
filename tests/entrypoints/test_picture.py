"""A career as a picture: what it shows is what its table and the answers tell, and nothing lies over anything else."""

import json
import stat
from collections.abc import Iterator
from datetime import date
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from ledger.bootstrap import Answer
from ledger.domain.events import Event
from ledger.entrypoints import picture
from ledger.projections.student import status, timeline
from ledger.words import LANGUAGES, told
from tests.projections.populations import BOOKS, population, streams

SVG = "{http://www.w3.org/2000/svg}"
ON = ("--on", "2026-03-20")
DAYS = [date(2025, 11, 3), date(2026, 3, 20), date(2026, 9, 30)]


def _answers() -> Iterator[tuple[list[Event], Answer]]:
    for student, events in streams([event.placed(n) for n, event in enumerate(population(40), 1)]).items():
        for on in DAYS:
            if any(event.effective_on <= on for event in events):
                yield events, timeline.answer(events, student, on, BOOKS)


@pytest.fixture(scope="module")
def answers() -> list[tuple[list[Event], Answer]]:
    return list(_answers())


def test_each_item_has_its_mark_and_nothing_lies_over_anything_else(answers, monkeypatch) -> None:
    """Flags stand for all that changes on their day; what comes after the picture's end is in the table only."""
    drawn: list[list[list[picture.Mark]]] = []
    packed = picture._packed
    monkeypatch.setattr(picture, "_packed", lambda marks: drawn.append(packed(marks)) or drawn[-1])
    lanes = set()
    for _, answer in answers:
        drawn.clear()
        picture.svg(answer, "it")
        marks = [mark for rows in drawn for row in rows for mark in row]
        shown = {(mark.item["lane"], mark.item["from"]) for mark in marks}
        items = [item for career in answer["careers"] for item in career["items"]]
        missing = [item for item in items if (item["lane"], item["from"]) not in shown]
        assert all(item["from"] > (date.fromisoformat(answer["on"]) + picture.FAR).isoformat() for item in missing)
        assert sum(mark.item["lane"] != "deadlines" for mark in marks) == sum(
            item["lane"] != "deadlines" and item not in missing for item in items)
        for row in (row for rows in drawn for row in rows):
            assert all(one.extent[1] <= other.extent[0] for one, other in pairwise(row))
        lanes |= {mark.item["lane"] for mark in marks}
    assert lanes == set(timeline.LANES)


def test_picture_agrees_with_the_status(answers) -> None:
    seen = set()
    for events, answer in answers:
        on = answer["on"]
        said = status.answer(events, answer["student"], date.fromisoformat(on), BOOKS)
        for career, drawn in zip(said["careers"], answer["careers"], strict=True):
            holds = [item for item in drawn["items"]
                     if item["from"] <= on and (item["until"] is None or on < item["until"])]
            assert [item["status"] for item in holds if item["lane"] == "enrolment"] == [career["status"]]
            assert sorted((item["kind"], item["rule"], item["charge"] or "", item["from"])
                          for item in holds if item["lane"] == "blocks") == sorted(
                (block["kind"], block["rule"], block.get("charge") or "", block["from"]) for block in career["blocks"])
            begins = {(item["from"], item["kind"]) for item in drawn["items"]
                      if item["lane"] == "blocks" and item["foreseen"]}
            assert begins == {(change["on"], change["kind"]) for change in career["upcoming"]
                              if change["what"] == "block" and change["begins"]}
            seen |= {block["kind"] for block in career["blocks"]}
    assert {"exam-booking", "final-exam"} <= seen


def test_picture_acts_nowhere_and_tells_its_name(answers) -> None:
    """What a page's content security policy would refuse is not in it, and a name cannot become markup."""
    _, answer = next((events, one) for events, one in answers if one["careers"])
    answer["careers"][0]["programme"] = "<script>alert(1)</script>"
    for language in LANGUAGES:
        root = ET.fromstring(picture.svg(answer, language))  # noqa: S314 - what was just drawn
        assert (root.tag, root.get("role")) == (f"{SVG}svg", "img")
        for told_by in (root.get("aria-labelledby") or "").split():
            assert (root.find(f".//*[@id='{told_by}']").text or "").strip()
        for element in root.iter():
            assert element.tag.removeprefix(SVG) in {"svg", "title", "desc", "defs", "pattern", "rect", "line", "g",
                                                     "text", "path", "circle"}
            assert not [name for name in element.attrib if name == "style" or name.startswith("on") or "href" in name]


def test_file_is_its_owners_and_the_table_tells_the_same(ledger, tmp_path: Path) -> None:
    file = tmp_path / "timeline.svg"
    done = ledger("picture", "S01", *ON, "--output", str(file))
    assert done.exit_code == 0
    assert done.output == f"S01: the picture is in {file}\n"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = json.loads(ledger("picture", "S01", *ON, "--json").stdout)
    table = ledger("--lang", "en", "picture", "S01", *ON).output
    flat = "".join(table.split())
    for item in found["careers"][0]["items"]:
        assert "".join(item["says"].split()) in flat
    assert "if nothing else happens" in table
    assert ledger("picture", "S01", *ON, "--output", str(file)).exit_code == 0  # again, in its place


def test_what_was_not_known_is_not_shown(ledger) -> None:
    before = json.loads(ledger("picture", "S01", *ON, "--known-position", "1", "--json").stdout)
    after = json.loads(ledger("picture", "S01", *ON, "--json").stdout)
    assert before["known_position"] == 1
    assert len(before["careers"][0]["items"]) < len(after["careers"][0]["items"])


def test_errors(ledger, tmp_path: Path) -> None:
    assert ledger("picture", "S-none", *ON).exit_code == 3
    done = ledger("picture", "S01", *ON, "--output", str(tmp_path / "no-folder" / "timeline.svg"))
    assert done.exit_code == 2
    assert "--output" in done.output


def test_database_that_is_named_by_mistake_is_not_written_over(ledger, run, tmp_path: Path) -> None:
    [held] = tmp_path.glob("*.db")
    link, before = tmp_path / "link.svg", held.read_bytes()
    link.symlink_to(held)
    for arguments in (("picture", "S01", *ON, "--output", str(held)), ("picture", "S01", *ON, "--output", str(link)),
                      ("generate", "--students", "1", "--seed", "1", "--output", str(held))):
        done = ledger(*arguments)
        assert done.exit_code in (2, 6)
        assert "a database lies there" in done.output
        assert held.read_bytes() == before
    assert ledger("status", "S01", *ON).exit_code == 0


def test_status_that_stays_while_credits_come_is_one_bar(answers) -> None:
    for _, answer in answers:
        for career in answer["careers"]:
            bars = [item for item in told(career)["items"] if item["lane"] == "enrolment"]
            assert all(one["says"] != other["says"] for one, other in pairwise(bars) if one["until"] == other["from"])
