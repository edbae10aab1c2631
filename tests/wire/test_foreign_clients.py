"""The subscribers and submitters of examples/node (kafkajs) and examples/java (Apache Kafka's own client), on a real
broker."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from infra import node
from infra.kafka.install import jars, java
from tests.handling.histories import booking, enrolled
from tests.intake.conftest import Topics, intake
from tests.intake.conftest import topics as topics
from tests.waiting import wait_for

from .test_subscribing import ROOT, Place, _blocks
from .test_subscribing import place as place

LANGUAGES = ("node", "java")
SECONDS = 90.0


def _command(language: str, program: str, folder: Path) -> list[str]:
    """As docs/subscribing.md starts it."""
    if language == "java":
        source = ROOT / "examples" / "java" / f"{program.title()}.java"
        return [java(compiler=True), "-XX:TieredStopAtLevel=1", "-cp", f"{jars()}/*", str(source)]
    home = folder / "node"
    if not home.is_dir():
        shutil.copytree(ROOT / "examples" / "node", home)
        (home / "node_modules").symlink_to(node.packages())
    return [node.program("node"), str(home / f"{program}.js")]


@contextmanager
def _subscriber(language: str, place: Place, how_it_ends: signal.Signals) -> Iterator[None]:
    command = [*_command(language, "subscriber", place.folder), place.brokers, str(place.folder / "payments.json")]
    with subprocess.Popen(command, env=place.environment, stdout=subprocess.DEVNULL) as process:
        try:
            yield
            process.send_signal(how_it_ends)
            process.wait(SECONDS)
        finally:
            process.kill()


def _holds(place: Place, versions: dict[str, int]) -> bool:
    file = place.folder / "payments.json"
    return file.exists() and json.loads(file.read_text()).get("versions") == versions


def _payments(place: Place) -> list[tuple[str, ...]]:
    return sorted(tuple(row) for row in json.loads((place.folder / "payments.json").read_text())["payments"])


@pytest.mark.parametrize(("language", "how_it_ends"), [("node", signal.SIGTERM), ("java", signal.SIGKILL)])
def test_subscriber_equals_the_log_and_doubles_nothing_that_is_sent_again(place: Place, language: str,
                                                                          how_it_ends: signal.Signals) -> None:
    place.run(_blocks("sh")[0])
    versions, payments = place.expected()
    with _subscriber(language, place, how_it_ends):
        wait_for(lambda: _holds(place, versions), SECONDS)
    (place.folder / "payments.json").rename(place.folder / "before.json")
    before = json.loads((place.folder / "before.json").read_text())
    assert sorted(tuple(row) for row in before["payments"]) == payments
    # again from the oldest message and with what it has: nothing is doubled
    (place.folder / "payments.json").write_text(json.dumps(before | {"positions": {}}))
    place.run('export PATH="$PWD/.venv/bin:$PATH" CAREER_LEDGER_DB=sqlite:///subscribing.db\n'
              "career-ledger publish --replay S-DEMO-01; "
              """echo '{"id":"late","type":"instalment-paid","student":"S-DEMO-01","career":"B","""
              """"effective_on":"2026-09-01","source":"t","actor":"t","""
              """"data":{"charge":"2025-26:instalment-1","amount":"1.00"}}' | career-ledger append - ; """
              "career-ledger publish --once")
    more, paid = place.expected()
    assert len(paid) == len(payments) + 1
    with _subscriber(language, place, how_it_ends):
        wait_for(lambda: _holds(place, more), SECONDS)
    assert _payments(place) == paid


@pytest.mark.parametrize("language", LANGUAGES)
def test_submitter_prints_the_outcomes_of_its_submissions(sqlite_url: str, topics: Topics,
                                                          tmp_path: Path, language: str) -> None:
    file = tmp_path / "submissions.jsonl"
    file.write_text("".join(json.dumps(one) + "\n" for one in (*enrolled("S1"), *enrolled("S2"),
                                                               booking("S1", "b1"), booking("S1", "b2"))))
    with intake(sqlite_url, topics):
        done = subprocess.run([*_command(language, "submitter", tmp_path), topics.brokers, str(file)], env=os.environ,
                              capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    printed = [line.partition(" ")[::2] for line in done.stdout.splitlines()]
    assert [json.loads(said)["outcome"] for student, said in printed
            if student == "S1"] == ["accepted"] * 4 + ["refused"]
    assert [json.loads(said)["outcome"] for student, said in printed if student == "S2"] == ["accepted"] * 3
