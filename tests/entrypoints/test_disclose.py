"""Everything held about a person as a folder: who may read it, what stands in it, and that its page does nothing."""

import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from consumers.archive.service import Archive
from consumers.booking_gate.service import BookingGate
from consumers.notifications.service import Notifications
from consumers.treasury.service import Treasury
from ledger.domain.checked import names
from ledger.domain.events import PAYLOADS
from ledger.entrypoints.cli import cli
from ledger.relay import Positions
from ledger.store import open_store
from ledger.wire.events import FIELDS
from ledger.wire.kafka import Made
from ledger.wire.readers import READERS
from ledger.wire.state import CareerState
from ledger.wire.topics import EVENTS, STATE
from ledger.words.entries import NAMES, entry
from tests.projections.populations import a_debtor, append, submission

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def ledger(sqlite_url: str) -> str:
    with open_store(sqlite_url) as store:
        append(store, *a_debtor("S01"), submission("S01", "x4", "suspended", "2026-04-01", {"reason": HOSTILE}),
               *a_debtor("S02"))
    return sqlite_url


def disclose(url: str, folder: Path, student: str = "S01") -> Result:
    return CliRunner().invoke(cli, ["--db", url, "--lang", "en", "disclose", student, "--purpose", "her request",
                                    "--to", str(folder), "--on", "2026-05-01"])


class Page(HTMLParser):
    """Its tags, and whatever could load or run something."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.active: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.active += [name for name, _ in attrs if name in ("src", "href", "action", "style") or name[:2] == "on"]


def test_folder_and_files_are_their_owners_alone_and_hold_the_answers_and_both_pages(ledger: str,
                                                                                     tmp_path: Path) -> None:
    folder = tmp_path / "for-her"
    done = disclose(ledger, folder)
    assert done.exit_code == 0, done.output
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == dict.fromkeys(
        ("disclosure.json", "disclosure.it.html", "disclosure.en.html"), 0o600)
    held = json.loads((folder / "disclosure.json").read_text())
    assert (held["student"], held["purpose"], held["forgotten"]) == ("S01", "her request", None)
    for words, part in ((["status"], "status"), (["fees"], "fees")):
        asked = CliRunner().invoke(cli, ["--db", ledger, *words, "S01", "--on", "2026-05-01", "--json"])
        assert held[part] == json.loads(asked.stdout)
    assert [one["id"] for one in held["history"]] == ["S01-1", "S01-2", "S01-3", "x4"] or len(held["history"]) == 4
    assert held["history"][-1]["data"]["reason"] == HOSTILE
    for language, words in (("it", "Quanto hai pagato e quanto devi"), ("en", "What you have paid and what you owe")):
        text = (folder / f"disclosure.{language}.html").read_text()
        assert words in text
        assert f'<html lang="{language}">' in text
        assert "S02" not in text


def test_page_runs_nothing_loads_nothing_and_shows_what_others_wrote_as_text(ledger: str, tmp_path: Path) -> None:
    disclose(ledger, tmp_path / "for-her")
    for language in ("it", "en"):
        text = (tmp_path / "for-her" / f"disclosure.{language}.html").read_text()
        page = Page(text)
        assert not page.tags & {"script", "img", "link", "iframe", "form", "a", "object", "embed"}
        assert page.active == []
        assert not re.search(r"https?://|@import|url\(", text)
        assert "default-src 'none'" in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_folder_that_holds_something_is_refused_and_left_as_it_is(ledger: str, tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    folder.mkdir(0o755)
    (folder / "mine").write_text("x")
    done = disclose(ledger, folder)
    assert (done.exit_code, "--to" in done.output, "holds something" in done.output) == (2, True, True), done.output
    assert ([one.name for one in folder.iterdir()], stat.S_IMODE(folder.stat().st_mode)) == (["mine"], 0o755)


def test_unknown_student_is_not_found_and_no_file_is_made(ledger: str, tmp_path: Path) -> None:
    folder = tmp_path / "nobody"
    assert disclose(ledger, folder, "NOBODY").exit_code == 3
    assert not folder.exists() or not any(folder.iterdir())


def test_what_left_is_told_by_type_with_its_fields_and_readers_as_far_as_it_was_published(
        ledger: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CAREER_LEDGER_TOPIC_PREFIX", raising=False)
    with Positions(ledger) as positions:
        positions.prepare()
        begun = positions.begin(Made(EVENTS, "topic-id", 4), "", "2026-04-20T09:00:00Z")
        positions.move(begun, 3, None, "2026-04-20T09:00:00Z", 1.0)
    disclose(ledger, tmp_path / "for-her")
    left = {one["what"]: one for one in json.loads((tmp_path / "for-her" / "disclosure.json").read_text())["left"]}
    assert "suspended" not in left  # not published yet
    assert left["instalment-paid"]["services"] == ["archive", "treasury"]
    assert left["contribution-assessed"]["fields"] == ["academic_year", "contribution"]


def test_readers_are_those_of_the_services() -> None:
    services = (Archive, BookingGate, Notifications, Treasury)
    for topic in (EVENTS, STATE):
        assert READERS[topic] == {one.name: one.needed if topic == EVENTS else None for one in services
                                  if topic in one.topics}


@pytest.mark.parametrize("language", ["it", "en"])
def test_every_field_has_a_name(language: str) -> None:
    named = entry(f"{NAMES}field", language)  # type: ignore[arg-type]
    assert {name for model in PAYLOADS.values() for name in names(model)} <= named.keys()
    assert {name for names, parts in FIELDS.values() for name in (*names, *parts)} <= named.keys()
    assert CareerState.model_fields.keys() - {"student", "position", "version", "recorded_at", "law"} <= named.keys()


def test_page_of_a_forgotten_person_says_so_and_tells_what_stays(ledger: str, tmp_path: Path) -> None:
    reason = tmp_path / "reason"
    reason.write_text("she asked")
    done = CliRunner().invoke(cli, ["--db", ledger, "forget", "S01", "--authority", "Rector", "--authority", "DPO",
                                    "--reason", str(reason), "--even-if-open"])
    assert done.exit_code == 0, done.output
    disclose(ledger, tmp_path / "for-her")
    held = json.loads((tmp_path / "for-her" / "disclosure.json").read_text())
    assert held["forgotten"]["authorities"] == ["Rector", "DPO"]
    assert "it was ordered that your data be deleted" in (tmp_path / "for-her" / "disclosure.en.html").read_text()
    assert "she asked" not in json.dumps(held)
