"""What programs say while they run, as one JSON object a line on request (`ledger.edges.log`)."""

import ast
import json
import logging
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from consumers.treasury.__main__ import treasury
from ledger.bootstrap import open_ledger
from ledger.edges import log, program, records
from ledger.edges.log import Note
from ledger.entrypoints.cli import cli
from tests.sources import parsed

ROOT = Path(__file__).parents[2]
FIELDS = ["time", "level", "program", "id", "text", "numbers"]


@pytest.fixture(autouse=True)
def as_text() -> Iterator[None]:
    yield
    log.choose("text")


def _lines(result: Result) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in result.stderr.splitlines()]
    for one in found:
        assert list(one) == FIELDS
        assert datetime.fromisoformat(one["time"]).tzinfo is not None
    return found


@pytest.mark.parametrize(("arguments", "environment"), [
    (["project", "--log-format", "json"], {}), (["project"], {log.VARIABLE: "json"}),
    (["publish", "--once", "--kafka", "127.0.0.1:1"], {log.VARIABLE: "json"}),
    (["intake", "--kafka", "127.0.0.1:1"], {log.VARIABLE: "json", "CAREER_LEDGER_DB": "mysql://u:Geheim9@h/x"})])
def test_error_is_a_json_line_when_logs_are_asked_for_as_json(arguments, environment, tmp_path) -> None:
    place = {"CAREER_LEDGER_DB": f"sqlite:///{tmp_path}/none.db"} | environment
    result = CliRunner().invoke(cli, arguments, env=place)
    assert result.exit_code in (2, 3, 6)
    (line,) = _lines(result)
    assert (line["level"], line["program"], line["numbers"]) == ("error", "career-ledger", {})
    assert line["text"]
    assert "Geheim9" not in result.output


def test_wrong_usage_is_told_line_by_line_when_logs_are_json() -> None:
    result = CliRunner().invoke(cli, ["publish", "--nothing"], env={log.VARIABLE: "json"})
    assert {one["level"] for one in _lines(result)} == {"error"}
    assert CliRunner().invoke(cli, ["publish", "--log-format", "yaml"]).exit_code == 2


def test_text_stays_as_it_was_when_nothing_is_asked(tmp_path: Path) -> None:
    """Also after a command in the same process that logged as JSON."""
    db = f"sqlite:///{tmp_path}/none.db"
    CliRunner().invoke(cli, ["--db", db, "project", "--log-format", "json"])
    assert CliRunner().invoke(cli, ["--db", db, "project"]).stderr.startswith("career-ledger: ")
    assert CliRunner().invoke(cli, ["--db", db, "status", "S01"]).stderr.startswith("career-ledger: ")


def test_follower_says_its_partition_in_numbers_when_logs_are_json(
        tmp_path: Path, lines: Callable[..., bytes], history, capsys: pytest.CaptureFixture[str]) -> None:
    db, stop = f"sqlite:///{tmp_path}/ledger.db", threading.Event()
    assert CliRunner().invoke(cli, ["--db", db, "append", "-"], input=lines(*history)).exit_code == 0

    def say(text: str) -> None:
        program.say(text, "career-ledger")
        stop.set()

    log.choose("json")
    with open_ledger(db) as ledger:
        ledger.follow(stop, say)
    told = json.loads(capsys.readouterr().err)
    assert (told["id"], told["level"], told["numbers"]) == ("project/following", "info",
                                                            {"partition": 1, "partitions": 1})


def test_consumer_says_json_when_it_is_asked_to(tmp_path: Path) -> None:
    result = CliRunner().invoke(treasury, ["run", "--log-format", "json", "--db", f"sqlite:///{tmp_path}/c.db",
                                           "--kafka", "nonsense::1"])
    assert result.exit_code == 2
    assert [one["level"] for one in _lines(result)] == ["error"] * len(result.stderr.splitlines())


def _logged(record: logging.LogRecord) -> dict[str, Any]:
    log.choose("json")
    found: dict[str, Any] = json.loads(records.formatter().format(record))
    assert list(found) == FIELDS
    return found


def _record(message: Any, *arguments: object, **more: Any) -> logging.LogRecord:
    return logging.LogRecord("consumers.treasury", logging.WARNING, __file__, 1, message, arguments,
                             more.get("exc_info"))


def test_log_record_is_one_json_line_whatever_it_tells() -> None:
    found = _logged(_record(Note("treasury/x", "{why} {count} {open}", "warning", why="a\nb postgresql://u:Geheim9@h/x",
                                 count=3, open=True)))
    assert (found["level"], found["program"], found["id"]) == ("warning", "consumers.treasury", "treasury/x")
    assert found["text"] == r"a\nb postgresql://u:***@h/x 3 True"
    assert found["numbers"] == {"count": 3}
    assert _logged(_record("a %d", 7))["text"] == "a 7"
    assert _logged(_record("a %d", 7))["id"] == "consumers.treasury"


def test_log_record_tells_the_kind_of_an_exception_and_not_its_words_when_it_is_json() -> None:
    try:
        raise ValueError("Geheim9")
    except ValueError:
        found = _logged(_record("it failed", exc_info=sys.exc_info()))
    assert found["text"] == "it failed (ValueError)"


def _calls() -> Iterator[tuple[Path, ast.Call]]:
    """What programs that run for long say: through `say`, through a logger."""
    for folder in ("ledger/relay", "ledger/intake", "ledger/projections/everybody", "consumers"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(parsed(path)):
                if isinstance(node, ast.Call) and path.name != "__main__.py" and _tells(ast.unparse(node.func)):
                    yield path, node


def _tells(name: str) -> bool:
    return name.split(".")[-1] in ("say", "_say") or \
        (name.split(".")[-1] in ("info", "warning", "error") and name.split(".")[-2:-1] == ["log"])


def test_all_that_is_said_has_an_id_of_its_own() -> None:
    templates: dict[str, str] = {}
    count = 0
    for path, call in _calls():
        if ast.unparse(call) == "self._say(todo)":  # the loop's own, which tells what a batch brought
            continue
        notes = [one for one in ast.walk(call) if isinstance(one, ast.Call) and ast.unparse(one.func) == "Note"]
        assert notes, f"{path.relative_to(ROOT)}:{call.lineno}: say it as a Note"
        for note in notes:
            name, template = (ast.literal_eval(one) for one in note.args[:2])
            assert templates.setdefault(name, template) == template
            count += 1
    assert count == len(templates) > 25, "each id stands in one place"
