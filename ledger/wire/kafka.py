"""How this project's programs connect to Apache Kafka: one set of measured settings (see docs/decisions) for all of
them."""

import json
import os
import re
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ledger.edges.text import visible

from .message import History
from .topics import FOR_EVER, LATEST, TOMBSTONES, TOPICS, Topic

BROKERS = "CAREER_LEDGER_KAFKA"
"""The environment variable with the brokers, `host:port,host:port`."""
CLIENT = "CAREER_LEDGER_KAFKA_CONFIG"
"""Names a JSON file with kafka-python settings for the connection (security_protocol, sasl_mechanism, ssl_cafile,
...)."""
PREFIX = "CAREER_LEDGER_TOPIC_PREFIX"
"""Put before every topic's name, so that several ledgers share a cluster."""
COMPRESSION = "CAREER_LEDGER_KAFKA_COMPRESSION"
"""How what we send is compressed, one of `CODECS`. Readers need not be told: each batch names its codec."""
CODECS = ("gzip", "lz4", "none")
"""Every client reads the first and the last as it comes; kafkajs and others need a plug-in for lz4."""
ORIGIN = "CAREER_LEDGER_ORIGIN"
"""The name of this ledger (a URI, default urn:career-ledger): with its identity and epoch it makes the header
`ce_source`."""
DEFAULT_ORIGIN = "urn:career-ledger"
PARTITIONS = 6
"""Of a topic that is made, unless another number is asked for. It cannot change afterwards: the order of a student
hangs on it."""

SPREAD_SECONDS = 30.0
"""How long the brokers may take to tell each other of a new topic."""

PRODUCER: Mapping[str, Any] = {
    "enable_idempotence": True, "acks": "all", "delivery_timeout_ms": 2_147_483_647, "request_timeout_ms": 10_000,
    "linger_ms": 60_000,
    "batch_size": 1 << 20, "compression_type": CODECS[0], "allow_auto_create_topics": False,
    "max_request_size": 8 << 20,
}
"""A finite delivery timeout wedges an idempotent producer; callers flush after each chunk and look at every future.
`producer_settings` adds what the installation chooses."""
CONSUMER: Mapping[str, Any] = {"enable_auto_commit": False, "auto_offset_reset": "earliest",
                               "allow_auto_create_topics": False}


class KafkaUnusable(RuntimeError):
    """The settings or the topics are not as they must be; the text says what to mend."""


def connection(brokers: str) -> dict[str, Any]:
    """Settings that every client shares. Raises KafkaUnusable for a settings file that cannot be used."""
    found: dict[str, Any] = {"bootstrap_servers": [b.strip() for b in brokers.split(",") if b.strip()],
                             "reconnect_backoff_max_ms": 2_000}
    if not found["bootstrap_servers"]:
        raise KafkaUnusable(f"name the brokers as host:port with --kafka or {BROKERS}")
    if not all(map(_is_broker, found["bootstrap_servers"])):
        raise KafkaUnusable("name the brokers as host:port,host:port; user and password go into the file that "
                            f"{CLIENT} names")
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,200}", prefix()):
        raise KafkaUnusable(f"{PREFIX} must be letters, digits, . _ and - only, 200 at most: it begins the name of "
                            "every topic")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]{1,300}", _origin()):
        raise KafkaUnusable(f"{ORIGIN} must be a URI, such as {DEFAULT_ORIGIN} or https://careers.example.org: every "
                            "message bears it")
    return found | _settings(os.environ.get(CLIENT))


_BROKER = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?")


def _is_broker(one: str) -> bool:
    found = _BROKER.fullmatch(one)
    return found is not None and (found[2] is None or 0 < int(found[2]) < 65_536)


def _settings(path: str | None) -> dict[str, Any]:
    """Those of the settings file, which may hold a password: what is wrong with it is said without repeating any of
    it."""
    if not path:
        return {}
    from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

    try:
        found = json.loads(Path(path).read_text())
    except OSError as error:
        raise KafkaUnusable(f"{CLIENT}: {path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        place = f", line {error.lineno}, column {error.colno}" if isinstance(error, json.JSONDecodeError) else ""
        raise KafkaUnusable(f"{CLIENT}: {path}{place}: this is no JSON") from None
    if not isinstance(found, dict):
        raise KafkaUnusable(f"{CLIENT} must name a file with one JSON object of kafka-python settings")
    known = (KafkaConsumer.DEFAULT_CONFIG.keys() & KafkaProducer.DEFAULT_CONFIG.keys()
             & KafkaAdminClient.DEFAULT_CONFIG.keys())
    if unknown := sorted(found.keys() - known):
        raise KafkaUnusable(f"{CLIENT}: {path}: {visible(unknown[0][:60])} is no setting that every client of "
                            "kafka-python knows")
    return found


def producer_settings() -> dict[str, Any]:
    """`PRODUCER` with the compression that the environment asks for. Raises KafkaUnusable for one that is not known."""
    codec = os.environ.get(COMPRESSION) or CODECS[0]
    if codec not in CODECS:
        raise KafkaUnusable(f"{COMPRESSION} must be one of {', '.join(CODECS)}")
    return {**PRODUCER, "compression_type": None if codec == "none" else codec}


def end_at_once(producer: Any) -> None:
    """Whatever it has not sent is dropped. `close` alone leaves it at work where something is: it waits for that first
    and says in vain that it is late."""
    from kafka.errors import KafkaError

    try:
        producer.close(timeout=0)
    except KafkaError:
        producer._sender.force_close()  # noqa: SLF001 - there is no other way


def prefix() -> str:
    return os.environ.get(PREFIX, "")


def history_of(origin: str, epoch: int) -> History:
    """That of a ledger by its identity, under the name that the installation gave it."""
    return History(origin, epoch, _origin())


def _origin() -> str:
    return os.environ.get(ORIGIN) or DEFAULT_ORIGIN


class Made(NamedTuple):
    """A topic as the cluster holds it. `id` changes where it is deleted and made anew."""

    name: str
    id: str
    partitions: int


def create_topics(brokers: str, partitions: int = PARTITIONS, replicas: int | None = None,
                  of: Sequence[Topic] = TOPICS) -> dict[str, Made]:
    """Makes the topics that are missing and checks those that exist; by name without prefix. `replicas` None: 3, or as
    many as there are brokers. Several processes may do it at once.

    Raises KafkaUnusable for a topic that would lose messages, and KafkaError where the brokers do not answer."""
    from kafka import KafkaAdminClient
    from kafka.errors import InvalidReplicationFactorError, TopicAlreadyExistsError, TopicAuthorizationFailedError

    names = {prefix() + topic.name: topic for topic in of}
    admin = KafkaAdminClient(**{"bootstrap_timeout_ms": 10_000, **connection(brokers)})
    try:
        copies = replicas or min(3, len(admin.describe_cluster()["brokers"]))
        existing = set(admin.list_topics())
        for name, topic in names.items():
            if name in existing:
                continue
            how = {"num_partitions": 1 if topic.one_partition else partitions, "replication_factor": copies,
                   "configs": topic.settings(copies)}
            try:
                admin.create_topics({name: how})
            except TopicAlreadyExistsError:
                continue
            except InvalidReplicationFactorError:
                raise KafkaUnusable(f"{copies} replicas need as many brokers: start more of them or give a smaller "
                                    "--replicas") from None
            except TopicAuthorizationFailedError:
                raise KafkaUnusable(f"this user may not make the topic {name}: allow it, "
                                    "or make it as docs/subscribing.md says") from None
        admin.wait_for_topics(list(names))
        found = {one["name"]: one for one in admin.describe_topics(list(names))}
        until = time.monotonic() + SPREAD_SECONDS
        while not all(name in found and found[name]["partitions"] for name in names) and time.monotonic() < until:
            time.sleep(0.1)  # a broker may know of a new topic and not yet of its partitions
            found = {one["name"]: one for one in admin.describe_topics(list(names))}
        wrong = _wrong(admin, names, found)
    finally:
        admin.close()
    if wrong:
        raise KafkaUnusable(wrong[0])
    return {topic.name: Made(name, str(found[name]["topic_id"]), len(found[name]["partitions"]))
            for name, topic in names.items()}


class Cluster(NamedTuple):
    """`topics`: how many of ours are there. `wrong`: sentences about those that keep less than their readers need."""

    brokers: int
    topics: int
    missing: list[str]
    wrong: list[str]
    encrypted: bool


def look_at(brokers: str) -> Cluster:
    """The cluster and the topics in it, as they are. Raises KafkaUnusable, and KafkaError where no broker answers."""
    from kafka import KafkaAdminClient

    names, settings = {prefix() + topic.name: topic for topic in TOPICS}, connection(brokers)
    admin = KafkaAdminClient(**{"bootstrap_timeout_ms": 5_000, **settings})
    try:
        there = {name: topic for name, topic in names.items() if name in set(admin.list_topics())}
        found = {one["name"]: one for one in admin.describe_topics(list(there))} if there else {}
        return Cluster(len(admin.describe_cluster()["brokers"]), len(there), sorted(names.keys() - there.keys()),
                    _wrong(admin, there, found) if there else [],
                    str(settings.get("security_protocol", "PLAINTEXT")).endswith("SSL"))
    finally:
        admin.close()


def _wrong(admin: Any, names: Mapping[str, Topic], found: Mapping[str, Any]) -> list[str]:
    from kafka.admin import ConfigResource, ConfigResourceType

    held = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name) for name in names],
                                  config_filter="all")["topic"]
    said = (_wrong_with(name, topic, {key: about["value"] for key, about in held[name].items()},
                        len(found[name]["partitions"]), len(found[name]["partitions"][0]["replica_nodes"]))
            for name, topic in names.items())
    return [one for one in said if one is not None]


def _wrong_with(name: str, topic: Topic, held: Mapping[str, str], partitions: int, copies: int) -> str | None:
    """Where an existing topic keeps less than its readers need; stricter settings are fine."""
    wanted = topic.settings(copies)
    wrong = [key for key in topic.kept if topic.kept in (FOR_EVER, LATEST) and held[key] != wanted[key]
             and not (key == TOMBSTONES and int(held[key]) > int(wanted[key]))]
    least, most = int(wanted["min.insync.replicas"]), max(1, copies - 1)
    if not least <= int(held["min.insync.replicas"]) <= most:
        wrong.append("min.insync.replicas")
    if int(held["max.message.bytes"]) < topic.longest:
        wrong.append("max.message.bytes")
    if wrong:
        said = ", ".join(f"{key} is {held[key]} and must be {wanted[key]}" for key in wrong)
        return f"the topic {name} is not kept as its readers need: {said}. Mend it with kafka-configs --alter"
    if topic.one_partition and partitions != 1:
        return f"the topic {name} has {partitions} partitions and must have 1: delete it, it is made anew"
    return None
