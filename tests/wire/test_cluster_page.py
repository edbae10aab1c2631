"""docs/kafka-cluster.md names every setting, topic and group that the code has, and its examples are settings of the
library."""

import json
import re
from pathlib import Path

import pytest
from kafka import KafkaConsumer, KafkaProducer

from consumers.archive.service import Archive
from consumers.booking_gate.service import BookingGate
from consumers.notifications.service import Notifications
from consumers.treasury.service import Treasury
from ledger.intake.counter import NAME
from ledger.wire import kafka
from ledger.wire.topics import SUBMISSIONS, TOPICS

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "kafka-cluster.md").read_text()
SAID = "\n".join(path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))))


def _row(program: str) -> str:
    [row] = [line for line in PAGE.splitlines() if line.startswith(f"| `{program}` |")]
    return row


def test_every_variable_that_the_code_reads_is_in_the_documentation() -> None:
    found = {name for folder in ("ledger", "consumers", "infra") for path in (ROOT / folder).rglob("*.py")
             for name in re.findall(r"\bCAREER_LEDGER_[A-Z_]+\b", path.read_text())}
    assert len(found) > 12
    assert {name for name in found if f"`{name}`" not in SAID and f"{name}=" not in SAID} == set()


@pytest.mark.parametrize("service", [Archive, BookingGate, Notifications, Treasury])
def test_page_names_what_each_service_reads(service: type[Archive | BookingGate | Notifications | Treasury]) -> None:
    reads = _row(f"consumers.{service.name}").split("|")[3]
    assert set(re.findall(r"`(career\.[a-z0-9.-]+)`", reads)) == set(service.topics)
    assert f"`career-ledger.{service.name}`" in _row(f"consumers.{service.name}")


def test_page_names_every_topic_and_the_intakes_group() -> None:
    assert all(f"`{topic.name}`" in PAGE for topic in TOPICS)
    assert f"`{NAME}`" in _row("career-ledger intake")
    assert f"`{SUBMISSIONS}`" in _row("career-ledger intake")


def test_examples_are_settings_of_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)]
    assert len(examples) == 2
    for example in examples:
        assert example.keys() <= KafkaProducer.DEFAULT_CONFIG.keys() & KafkaConsumer.DEFAULT_CONFIG.keys()
        file = tmp_path / "kafka.json"
        file.write_text(json.dumps(example))
        monkeypatch.setenv(kafka.CLIENT, str(file))
        assert example.items() <= kafka.connection("one:9093").items()


@pytest.mark.parametrize(("codec", "sent"), [("", "gzip"), ("gzip", "gzip"), ("lz4", "lz4"), ("none", None)])
def test_compression_is_what_the_environment_asks_for(monkeypatch: pytest.MonkeyPatch, codec: str,
                                                      sent: str | None) -> None:
    monkeypatch.setenv(kafka.COMPRESSION, codec)
    assert kafka.producer_settings()["compression_type"] == sent


def test_compression_that_is_not_known_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kafka.COMPRESSION, "zip")
    with pytest.raises(kafka.KafkaUnusable, match="CAREER_LEDGER_KAFKA_COMPRESSION must be one of gzip, lz4, none"):
        kafka.producer_settings()


@pytest.mark.parametrize(("variable", "value"), [
    *((kafka.PREFIX, value) for value in ("a b.", "/x", "a\nb", "\u00e8.", " ", "9" * 201)),
    *((kafka.ORIGIN, value) for value in ("careers", "urn:a b", "urn:a\nb", "urn:\u00e8", " ", ":x",
                                          f"urn:{'x' * 301}")),
    ("brokers", "one:0"), ("brokers", "one:65536"), ("brokers", "one:9092,two:99999"), ("brokers", "u:p@one:9092")])
def test_what_no_topic_header_or_broker_can_be_called_is_refused_by_name(
        monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    """A wrong name would stand in what is kept for ever."""
    if variable != "brokers":
        monkeypatch.setenv(variable, value)
    with pytest.raises(kafka.KafkaUnusable, match=variable):
        kafka.connection(value if variable == "brokers" else "one:9092")


def test_names_of_an_installation_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kafka.PREFIX, "Test_1.uni-x.")
    monkeypatch.setenv(kafka.ORIGIN, "https://careers.example.org/ledger")
    assert kafka.connection("[::1]:9092, two")["bootstrap_servers"] == ["[::1]:9092", "two"]
    assert kafka.history_of("0a", 1).source.startswith("https://careers.example.org/ledger")
