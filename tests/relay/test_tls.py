"""Brokers that are reached over TLS, as docs/kafka-cluster.md says. They are those that other tests kill: one start."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from kafka import KafkaConsumer, TopicPartition

from infra.kafka.cluster import Cluster
from ledger.entrypoints import doctor
from ledger.entrypoints.cli import cli
from ledger.relay.lane import deliver, producer_for
from ledger.wire.kafka import CLIENT, CONSUMER, PREFIX, connection, create_topics
from ledger.wire.topics import EVENTS
from tests.certificates import NAME


@pytest.fixture
def config(tmp_path: Path, broker_certificates: Path, topic_prefix: str, monkeypatch: pytest.MonkeyPatch):
    """Writes the file of settings: the certificates of a server and of a client, by their names."""
    monkeypatch.setenv(PREFIX, topic_prefix)
    monkeypatch.setenv(CLIENT, str(file := tmp_path / "kafka.json"))
    file.touch(0o600)

    def write(server: str = "server", client: str | None = "client", patience_ms: int = 30_000) -> None:
        shown = {} if client is None else {"ssl_certfile": str(broker_certificates / f"{client}.crt"),
                                           "ssl_keyfile": str(broker_certificates / f"{client}.key")}
        file.write_text(json.dumps({"security_protocol": "SSL", "bootstrap_timeout_ms": patience_ms,
                                    "ssl_cafile": str(broker_certificates / f"{server}.crt"), **shown}))

    return write


def found(url: str, brokers: str) -> dict[str, str]:
    done = CliRunner().invoke(cli, ["--db", url, "doctor", "--json", "--kafka", brokers])
    return {one["message_id"]: one["state"] for one in map(json.loads, done.stdout.splitlines())
            if one["check"] == "brokers"}


def test_topics_are_made_written_and_read_over_tls_when_both_sides_believe_each_other(
        cluster: Cluster, config, sqlite_url: str, topic_prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    config()
    monkeypatch.setattr(doctor, "_is_here", lambda _: False)
    create_topics(brokers := cluster.tls_bootstrap, 1)
    with closing(producer_for(brokers)) as producer:
        assert deliver(producer, topic_prefix + EVENTS, [(0, b"S01", b"{}", [])]) == {0: 1}
    with closing(KafkaConsumer(**connection(brokers), **CONSUMER)) as reader:
        reader.assign([TopicPartition(topic_prefix + EVENTS, 0)])
        reader.seek_to_beginning()
        (records,) = reader.poll(timeout_ms=20_000).values()
    assert [record.value for record in records] == [b"{}"]
    assert found(sqlite_url, brokers) == {"doctor/brokers": "ok"}


@pytest.mark.parametrize(("server", "client", "host"), [
    ("other", "client", NAME), ("server", None, NAME), ("server", "other", NAME), ("server", "client", "127.0.0.1")],
    ids=["another authority", "no client certificate", "a stranger's certificate", "another name"])
def test_brokers_are_not_used_when_one_side_cannot_be_believed(server: str, client: str | None, host: str,
                                                               cluster: Cluster, config, sqlite_url: str) -> None:
    config(server, client, patience_ms=1_000)
    assert found(sqlite_url, cluster.tls_bootstrap.replace(NAME, host)) == {"doctor/no-broker": "failed"}
