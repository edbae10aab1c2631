"""docs/subscribing.md works as it is written, and its example loses and doubles nothing, on a real broker."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaProducer

from ledger.store import open_store
from ledger.wire.kafka import PREFIX, PRODUCER, connection, create_topics
from ledger.wire.message import History, Message
from ledger.wire.topics import EVENTS, TOPICS
from tests.processes import command

from .examples import record
from .messages import message

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "subscribing.md").read_text()
EXAMPLE = ROOT / "examples" / "subscriber.py"
PATIENCE = 60.0
"""Seconds after which a test gives up waiting."""


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def test_example_in_the_page_is_the_file() -> None:
    assert EXAMPLE.read_text() in _blocks("python")


def test_page_names_every_topic_with_its_settings() -> None:
    for topic in TOPICS:
        [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{topic.name}` | {topic.key} |")]
        assert all(f"`{name}={value}`" in row for name, value in topic.settings(3).items())
        assert ("| 1 |" in row) == topic.one_partition


class Place:
    """A folder laid out as the page expects it, and the environment for its commands."""

    def __init__(self, folder: Path, brokers: str, prefix: str) -> None:
        self.folder, self.brokers, self.prefix = folder, brokers, prefix
        (folder / ".venv" / "bin").mkdir(parents=True)
        program = folder / ".venv" / "bin" / "python"
        program.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        program.chmod(0o755)
        (folder / "examples").symlink_to(ROOT / "examples")
        self.environment = os.environ | {"PYTHONPATH": str(ROOT), "CAREER_LEDGER_KAFKA": brokers,
                                         "CAREER_LEDGER_TOPIC_PREFIX": prefix}

    def run(self, script: str) -> str:
        done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env=self.environment,
                              capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def subscriber(self) -> Iterator[subprocess.Popen[str]]:
        """As the page starts it; killed at the end."""
        [command] = [block for block in _blocks("console") if "subscriber.py" in block]
        said = self.folder / "warnings.txt"
        with said.open("a") as warnings, subprocess.Popen(
                ["bash", "-c", f"exec {command}"], cwd=self.folder, stderr=warnings, text=True,
                env=self.environment | {"PATH": f"{self.folder}/.venv/bin:{os.environ['PATH']}"}) as process:
            try:
                yield process
            finally:
                process.send_signal(signal.SIGKILL)

    def ask(self, statement: str) -> list[Any]:
        with closing(sqlite3.connect(self.folder / "payments.db", timeout=PATIENCE)) as database:
            try:
                return database.execute(statement).fetchall()
            except sqlite3.OperationalError:  # it has not begun
                return []

    def versions(self) -> dict[str, int]:
        return dict(self.ask("SELECT student, version FROM students"))

    def payments(self) -> list[tuple[str, ...]]:
        return sorted(self.ask("SELECT student, career, charge, amount, paid_on FROM payments"))

    def expected(self) -> tuple[dict[str, int], list[tuple[str, ...]]]:
        """The same as a fold of the log."""
        with open_store(f"sqlite:///{self.folder / 'subscribing.db'}", create=False) as store:
            events = list(store.log())
        return {e.student: e.version for e in events}, sorted(
            (e.student, e.career or "", e.data.charge, f"{e.data.amount:.2f}", e.effective_on.isoformat())
            for e in events if e.type == "instalment-paid")

    def send(self, messages: Sequence[Message]) -> None:
        producer = KafkaProducer(**connection(self.brokers), **PRODUCER)
        sent = [producer.send(self.prefix + one.topic, key=one.key, value=one.value, headers=list(one.headers))
                for one in messages]
        producer.flush()
        for one in sent:
            one.get()
        producer.close()


def _wait(ready: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < until, "gave up waiting"
        time.sleep(0.1)


@pytest.fixture
def place(tmp_path: Path, kafka_bootstrap: str, topic_prefix: str) -> Iterator[Place]:
    found = Place(tmp_path / "clone", kafka_bootstrap, topic_prefix)
    with command(found.folder / ".venv" / "bin" / "career-ledger"):
        yield found


def test_page_leads_to_a_subscriber_that_equals_the_log_however_often_it_is_killed(place: Place) -> None:
    publish, look = _blocks("sh")
    place.run(publish)
    versions, payments = place.expected()
    assert len(payments) > 50
    for enough in (1, len(versions) // 2):
        with place.subscriber():
            _wait(lambda enough=enough: len(place.versions()) >= enough)
    with place.subscriber():
        _wait(lambda: place.versions() == versions)
        assert place.payments() == payments
        before = place.ask("SELECT sum(next_offset) FROM positions")
        said = place.run('export PATH="$PWD/.venv/bin:$PATH" CAREER_LEDGER_DB=sqlite:///subscribing.db\n' + look)
        assert f"({len(payments)}, " in said
        assert "Published again" in said
        _wait(lambda: place.ask("SELECT sum(next_offset) FROM positions") > before)
    assert (place.versions(), place.payments()) == (versions, payments), "the replay has no effect"


def _payment(version: int) -> Message:
    raw = record("instalment-paid", version)
    return message(raw | {"data": raw["data"] | {"amount": f"{version}.00"}}, "ab" * 32, History("test", 1))


def test_example_takes_each_version_once_and_in_order_whatever_comes(place: Place,
                                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PREFIX, place.prefix)
    create_topics(place.brokers)
    with place.subscriber():
        place.send([_payment(n) for n in (1, 2, 2, 1, 4, 5, 4, 7)])
        _wait(lambda: place.versions() == {"S01": 2})
        _wait(lambda: len(place.ask("SELECT * FROM aside")) == 3)
        place.send([_payment(n) for n in (1, 2, 3, 4)])
        _wait(lambda: place.versions().get("S01") == 5)
        place.send([_payment(n) for n in (6, 8, 8)])
        _wait(lambda: place.versions().get("S01") == 8)
    assert [row[3] for row in place.ask("SELECT * FROM payments WHERE student = 'S01'")] == [
        f"{n}.00" for n in range(1, 9)]
    warnings = (place.folder / "warnings.txt").read_text()
    assert "gap: version 4 of S01 after 2" in warnings
    assert "publish --replay S01" in warnings


def test_example_says_what_to_do_when_there_is_no_topic(place: Place) -> None:
    done = subprocess.run([sys.executable, str(EXAMPLE), place.brokers, str(place.folder / "payments.db")],
                          env=place.environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert done.returncode == 1
    assert f"there is no topic {place.prefix}{EVENTS}: run `career-ledger publish`" in done.stderr
