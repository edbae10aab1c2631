"""The brokers for tests: they come up, take what the design asks of them, survive what a test does to them,
and leave nothing behind."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import NewTopic

from infra.kafka import cluster as cluster_module
from infra.kafka.cluster import HOST, Cluster, metadata
from infra.kafka.install import version
from tests.reader import READER
from tests.sizes import sized

ROOT = Path(__file__).parents[2]
VARIABLE = "CAREER_LEDGER_TEST_KAFKA"
PRODUCER = {
    "enable_idempotence": True, "acks": "all", "delivery_timeout_ms": 2147483647, "request_timeout_ms": 10000,
    "linger_ms": 60000,
    "batch_size": 1048576, "compression_type": "lz4", "allow_auto_create_topics": False,
}
"""The relay's settings."""


def create(bootstrap: str, topic: str, partitions: int, copies: int, **settings: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(topic, partitions, copies,
                                      topic_configs={k.replace("_", "."): v for k, v in settings.items()})])
    finally:
        admin.close()


def send(producer: KafkaProducer, topic: str, values: range) -> None:
    """Sends the numbers with three keys in turn, and waits for every acknowledgement."""
    futures = [producer.send(topic, key=f"student-{value % 3}".encode(), value=str(value).encode()) for value in values]
    producer.flush()
    for future in futures:
        future.get(timeout=60)


def read(bootstrap: str, topic: str, partitions: int) -> dict[bytes, list[int]]:
    """Every number on the topic, by key, in the topic's order."""
    consumer = KafkaConsumer(bootstrap_servers=bootstrap, group_id=None, **READER)
    found: dict[bytes, list[int]] = {}
    try:
        places = [TopicPartition(topic, number) for number in range(partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends = consumer.end_offsets(places)
        while any(consumer.position(place) < end for place, end in ends.items()):
            for messages in consumer.poll(timeout_ms=500).values():
                for message in messages:
                    found.setdefault(message.key, []).append(int(message.value))
    finally:
        consumer.close()
    return found


def in_turn(count: int) -> dict[bytes, list[int]]:
    return {f"student-{rest}".encode(): list(range(rest, count, 3)) for rest in range(3)}


def answers(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 1).close()
    except OSError:
        return False
    return True


def test_broker_keeps_every_message_in_order_per_student(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create(kafka_bootstrap, topic, 3, 1, cleanup_policy="delete", retention_ms="-1")
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, **PRODUCER)
    try:
        send(producer, topic, range(3000))
    finally:
        producer.close()
    assert read(kafka_bootstrap, topic, 3) == in_turn(3000)


def test_broker_creates_no_topic_when_nobody_asked(kafka_bootstrap: str, topic_prefix: str) -> None:
    admin = KafkaAdminClient(bootstrap_servers=kafka_bootstrap)
    consumer = KafkaConsumer(f"{topic_prefix}missing", bootstrap_servers=kafka_bootstrap, group_id=None)
    try:
        consumer.poll(timeout_ms=500)
        assert f"{topic_prefix}missing" not in admin.list_topics()
    finally:
        consumer.close()
        admin.close()


def test_group_gives_each_message_to_one_member_and_remembers(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create(kafka_bootstrap, topic, 2, 1)
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, **PRODUCER)
    seen: list[int] = []
    try:
        for start in (0, 30):
            send(producer, topic, range(start, start + 30))
            member = KafkaConsumer(topic, bootstrap_servers=kafka_bootstrap, group_id=f"{topic_prefix}group",
                                   enable_auto_commit=False,
                                   auto_offset_reset="earliest", session_timeout_ms=1500, heartbeat_interval_ms=500)
            try:
                while len(seen) < start + 30:
                    seen += [int(message.value) for messages in member.poll(timeout_ms=500).values()
                             for message in messages]
                member.commit()
            finally:
                member.close()
    finally:
        producer.close()
    assert sorted(seen) == list(range(60))


def test_old_segments_go_when_their_time_is_over(kafka_bootstrap: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    create(kafka_bootstrap, topic, 1, 1, retention_ms="1", segment_ms="100")
    producer = KafkaProducer(bootstrap_servers=kafka_bootstrap, **PRODUCER)
    consumer = KafkaConsumer(bootstrap_servers=kafka_bootstrap, group_id=None)
    place = TopicPartition(topic, 0)
    try:
        send(producer, topic, range(10))
        until = time.monotonic() + 30
        while consumer.beginning_offsets([place])[place] < 10 and time.monotonic() < until:
            time.sleep(0.1)
        assert consumer.beginning_offsets([place])[place] == 10
    finally:
        producer.close()
        consumer.close()


@pytest.mark.server
@pytest.mark.long
@pytest.mark.xdist_group("brokers")  # never beside the three of the fixture at work
def test_three_brokers_lose_nothing_when_one_is_killed_frozen_or_stopped(topic_prefix: str) -> None:
    topic = f"{topic_prefix}events"
    with Cluster(brokers=3) as cluster:
        create(cluster.bootstrap, topic, 3, 3, min_insync_replicas="2")
        cluster.wait_ready()
        ports = dict(cluster.ports)
        producer = KafkaProducer(bootstrap_servers=cluster.bootstrap, **PRODUCER | {"request_timeout_ms": 3000})
        try:
            send(producer, topic, range(300))
            cluster.kill(1)
            send(producer, topic, range(300, 600))
            cluster.wait_ready()
            assert metadata(ports[2])[0] == {2, 3}
            cluster.start(1)
            cluster.wait_ready()
            assert metadata(ports[1])[0] == {1, 2, 3}

            cluster.freeze(2)
            cluster.wait_ready()
            assert cluster.running() == {1, 3}
            send(producer, topic, range(600, 900))
            cluster.thaw(2)
            cluster.wait_ready()

            cluster.stop(3)
            assert not answers(ports[3])
            send(producer, topic, range(900, 1200))
            cluster.start(3)
            cluster.wait_ready()
        finally:
            producer.close()
        assert cluster.ports == ports
        partitions = [partition for partition in metadata(ports[1])[1] if len(partition.replicas) == 3]
        assert partitions
        assert all(partition.in_sync == {1, 2, 3} for partition in partitions)
        assert read(cluster.bootstrap, topic, 3) == in_turn(1200)
        folder = cluster.folder
        cluster.freeze(1)  # a frozen broker is ended like the others
    assert not folder.exists()
    assert not any(answers(port) for port in ports.values())


@pytest.mark.server
def test_cluster_takes_other_ports_when_one_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as other:
        taken: int = other.getsockname()[1]
        free = cluster_module._free_ports(4)
        choices = iter([[taken, free[0]], free[1:3]])
        monkeypatch.setattr(cluster_module, "_free_ports", lambda _count: next(choices))
        with Cluster() as cluster:
            assert cluster.bootstrap == f"{HOST}:{free[1]}"
            assert metadata(free[1])[0] == {1}


def test_cluster_says_what_is_wrong_when_asked_for_what_it_has_not() -> None:
    with pytest.raises(ValueError, match="brokers must be 1 or 3, not 2"):
        Cluster(brokers=2)
    with pytest.raises(ValueError, match=re.escape("there is no broker 4: they are (1, 2, 3)")):
        Cluster(brokers=3).kill(4)


def started(tmp_path: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    """`infra/kafka run` in a process of its own, with its files below `tmp_path`."""
    given = {name: value for name, value in os.environ.items() if name != VARIABLE}
    return subprocess.Popen([sys.executable, "infra/kafka", *command], cwd=ROOT,
                            env=given | {"TMPDIR": str(tmp_path)} | environment,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                            start_new_session=True)


TELL_AND_WAIT = ("run", "--", sys.executable, "-c",
                 f"import os, time; print(os.environ['{VARIABLE}'], flush=True); time.sleep(600)")


def port_of(process: subprocess.Popen[str]) -> int:
    assert process.stdout is not None
    return int(process.stdout.readline().strip().rpartition(":")[2])


@pytest.mark.parametrize("number", sized([signal.SIGTERM], [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]))
@pytest.mark.server
@pytest.mark.faults
def test_run_leaves_nothing_when_it_is_told_to_end(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path, *TELL_AND_WAIT) as process:
        port = port_of(process)
        assert metadata(port)[0] == {1}
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, out, "kafka:" in err) == (128 + number, "", False)
    assert not answers(port)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.server
def test_run_leaves_nothing_when_it_is_ended_while_starting(tmp_path: Path) -> None:
    with started(tmp_path, "run", "--", "true") as process:
        while not list(tmp_path.glob("career-ledger-kafka-*/1/server.properties")):
            assert process.poll() is None
            time.sleep(0.01)
        process.terminate()
        assert process.wait(60) == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


@pytest.mark.server
def test_broker_ends_when_run_is_killed(tmp_path: Path) -> None:
    with started(tmp_path, *TELL_AND_WAIT) as process:
        port = port_of(process)
        process.kill()
        process.wait(60)
        os.killpg(process.pid, signal.SIGKILL)  # its command, which waits
        until = time.monotonic() + 30
        while answers(port) and time.monotonic() < until:
            time.sleep(0.1)
        assert not answers(port)


def finished(tmp_path: Path, *command: str, **environment: str) -> tuple[int, str, str]:
    with started(tmp_path, *command, **environment) as process:
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


def test_run_uses_the_brokers_that_the_environment_names(tmp_path: Path) -> None:
    code, out, _ = finished(tmp_path, "run", "--brokers", "3", "--", "sh", "-c", f"echo ${VARIABLE}; kill -9 $$",
                            CAREER_LEDGER_TEST_KAFKA="one.example:9092,two.example:9092")
    assert (code, out) == (128 + 9, "one.example:9092,two.example:9092\n")


def test_run_says_that_a_command_is_missing(tmp_path: Path) -> None:
    code, _, err = finished(tmp_path, "run", "--", "no-such-command", CAREER_LEDGER_TEST_KAFKA="one.example:9092")
    assert (code, err) == (127, "kafka: there is no command 'no-such-command'\n")


@pytest.mark.parametrize("command", [(), ("run",), ("run", "--"), ("run", "--brokers", "2", "--", "true"),
                                     ("walk", "--", "true")])
def test_run_shows_its_usage_when_called_wrongly(tmp_path: Path, command: tuple[str, ...]) -> None:
    code, out, err = finished(tmp_path, *command)
    assert (code, out) == (64, "")
    assert "python infra/kafka run -- pytest tests" in err


def test_run_says_what_to_install_when_nothing_can_be_brought(tmp_path: Path) -> None:
    code, _, err = finished(tmp_path, "run", "--", "true", PATH=str(tmp_path), JAVA_HOME=str(tmp_path),
                            XDG_CACHE_HOME=str(tmp_path))
    assert code == 69
    assert "install it (Debian: " in err


def test_compose_file_and_tests_have_one_version_of_kafka() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version()}"


def test_compose_file_listens_on_loopback_only() -> None:
    compose: dict[str, Any] = yaml.safe_load((ROOT / "infra/compose.yaml").read_text())
    of_this_machine = {name for name, service in compose["services"].items() if service.get("network_mode") == "host"}
    assert of_this_machine == {"prometheus", "grafana"}  # what they listen on: test_monitoring
    ports = [port for name, service in compose["services"].items() if name not in of_this_machine
             for port in service["ports"]]
    assert len(ports) == 2
    assert all(port.startswith("127.0.0.1:") for port in ports)
