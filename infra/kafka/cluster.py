"""A private Apache Kafka of one or three brokers, each of which a test can kill, freeze, stop and start again.

    with Cluster(brokers=3) as cluster:
        producer = KafkaProducer(bootstrap_servers=cluster.bootstrap, ...)
        cluster.kill(2)
        cluster.start(2)
        cluster.wait_ready()

Brokers are numbered from 1 and are controllers too (KRaft, combined mode); they listen on loopback only and keep their
files in one temporary folder, removed at the end. Timeouts are short, so that a broker that died is replaced in a few
seconds; what reaches the disk is as in Kafka's defaults. Needs nothing but Python's standard library, Java and Kafka's
jars.
"""

import base64
import ctypes
import random
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from infra.kafka.install import NoBroker, jars, java

HOST = "127.0.0.1"
PORTS = range(20_000, 32_768)
"""Below the ports of outgoing connections: a client that keeps calling a broker that is down could otherwise be given
that broker's port as its own, talk to itself, and keep the broker from coming back."""
ATTEMPTS = 5
"""Another program may take a free port first."""
START_SECONDS = 120.0
STOP_SECONDS = 20.0
ANSWER_SECONDS = 2.0
JVM = ("-Xms64m", "-Xmx512m", "-XX:+UseSerialGC", "-XX:-UsePerfData", "-Djava.awt.headless=true",
       f"-Dlog4j2.configurationFile={Path(__file__).with_name('log4j2.properties')}")

_prctl = ctypes.CDLL(None).prctl if sys.platform == "linux" else None
"""Looked up before the fork: after it, another thread's lock may be held for ever."""


@dataclass(frozen=True)
class Encrypted:
    """A second listener of every broker speaks TLS: its own key and certificates (PEM, PKCS#8), and those of whom it
    believes that they are clients. `name`: by which clients call it, as the certificate says."""

    identity: Path
    clients: Path
    name: str


@dataclass(frozen=True)
class Partition:
    """One partition as a broker sees it; `leader` is -1 where there is none."""

    leader: int
    replicas: frozenset[int]
    in_sync: frozenset[int]


class _Answer:
    """Reads Kafka's wire format, fields in order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def number(self, form: str) -> int:
        value: int
        (value,) = struct.unpack_from(f">{form}", self._data, self._at)
        self._at += struct.calcsize(f">{form}")
        return value

    def skip_text(self) -> None:
        length = self.number("h")  # -1 where there is no text
        self._at += max(length, 0)

    def items(self) -> Iterator[int]:
        return iter(range(self.number("i")))

    def numbers(self) -> frozenset[int]:
        return frozenset(self.number("i") for _ in self.items())


def metadata(port: int) -> tuple[set[int], list[Partition]]:
    """What the broker at `port` answers: the numbers of the brokers it knows to be up, and every partition.

    Raises OSError where it does not answer within ANSWER_SECONDS."""
    request = struct.pack(">hhih4si?", 3, 7, 1, 4, b"test", -1, False)  # Metadata, version 7, all topics, create none
    with socket.create_connection((HOST, port), ANSWER_SECONDS) as link:
        link.settimeout(ANSWER_SECONDS)
        link.sendall(struct.pack(">i", len(request)) + request)
        with link.makefile("rb") as stream:
            head = stream.read(4)
            if len(head) < 4:
                raise ConnectionResetError("closed without an answer")
            (length,) = struct.unpack(">i", head)
            data = stream.read(length)
            if len(data) < length:
                raise ConnectionResetError("closed within the answer")
    answer = _Answer(data)
    answer.number("i"), answer.number("i")  # correlation, throttling
    brokers = set()
    for _ in answer.items():
        brokers.add(answer.number("i"))
        answer.skip_text()
        answer.number("i")
        answer.skip_text()
    answer.skip_text()  # cluster
    answer.number("i")  # controller
    partitions = []
    for _ in answer.items():
        answer.number("h")
        answer.skip_text()
        answer.number("?")
        for _ in answer.items():
            answer.number("h"), answer.number("i")  # error, partition
            leader = answer.number("i")
            answer.number("i")  # epoch
            partitions.append(Partition(leader, answer.numbers(), answer.numbers()))
            answer.numbers()  # offline
    return brokers, partitions


def end_with_parent() -> None:
    """In the process that begins: end it also when its parent is killed with SIGKILL (Linux). SIGKILL ends a frozen one
    too."""
    if _prctl is not None:
        _prctl(1, signal.SIGKILL)


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(PORTS, len(PORTS)):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise NoBroker(f"no {count} free ports from {PORTS.start} to {PORTS.stop - 1}")


class _PortTaken(NoBroker):
    """Another program was faster."""


def _remember_classes(lib: Path, classes: Path) -> None:
    """Runs a broker once and keeps what Java made of its classes: from then on one starts in half the time.

    Java itself checks the file, and does without where it fits no longer."""
    with tempfile.TemporaryDirectory(dir=lib, prefix="new-") as new:
        first = Cluster()
        try:
            archive = f"-XX:ArchiveClassesAtExit={new}/classes.jsa"
            first._begin(lib, archive)  # noqa: SLF001 - what __enter__ does, less this call
            first.stop(*first.numbers)
        finally:
            first.close()
        if (made := Path(new, "classes.jsa")).exists():
            made.replace(classes)


class Cluster:
    """Use it in `with`. Every method that changes a broker takes one or more numbers, from 1."""

    def __init__(self, brokers: int = 1, encrypted: Encrypted | None = None) -> None:
        if brokers not in (1, 3):
            raise ValueError(f"brokers must be 1 or 3, not {brokers}: with two, the loss of one stops both")
        self.numbers = tuple(range(1, brokers + 1))
        self.ports: dict[int, int] = {}
        """The port that clients use, by broker."""
        self.tls_ports: dict[int, int] = {}
        """The port of the listener that speaks TLS, where there is one."""
        self._encrypted = encrypted
        self.folder = Path()
        """Gone after the end; one folder a broker, in it `log` (text) and `data`."""
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._frozen: set[int] = set()
        self._starter = ThreadPoolExecutor(1)
        """A process is ended when the *thread* that started it ends, so all are started by one that lives as long as we
        do."""

    @property
    def bootstrap(self) -> str:
        """host:port of every broker, separated by commas."""
        return ",".join(f"{HOST}:{port}" for port in self.ports.values())

    @property
    def tls_bootstrap(self) -> str:
        return ",".join(f"{self._encrypted.name}:{port}" for port in self.tls_ports.values()) if self._encrypted else ""

    def __enter__(self) -> Self:
        java()  # Maven needs it too
        lib = jars()
        classes = lib / "classes.jsa"
        if not classes.exists():
            _remember_classes(lib, classes)
        self._begin(lib, f"-XX:SharedArchiveFile={classes}")
        return self

    def _begin(self, lib: Path, sharing: str) -> None:
        """Brings the brokers up, or leaves nothing behind."""
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="career-ledger-kafka-"))
            self._command = [java(), *JVM, f"-Djava.io.tmpdir={self.folder}", sharing, "-cp", f"{lib}/*"]
            for _ in range(ATTEMPTS):
                self._format()
                self.start(*self.numbers)
                try:
                    self.wait_ready()
                except _PortTaken:
                    self._end()
                    continue
                return
            raise NoBroker(f"after {ATTEMPTS} attempts every port chosen was taken by another program")
        except BaseException:
            self.close()
            raise

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends every broker and removes all files. May be called twice."""
        self._starter.shutdown()
        self._end()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)

    def _end(self) -> None:
        """Nobody reads the files again: nothing is gained by waiting for a clean end."""
        self.kill(*self._processes)
        self._processes.clear()

    def _format(self) -> None:
        """New ports and empty folders for all brokers."""
        count = len(self.numbers)
        ports = _free_ports(3 * count)
        self.ports = dict(zip(self.numbers, ports, strict=False))
        controllers = dict(zip(self.numbers, ports[count:], strict=False))
        self.tls_ports = dict(zip(self.numbers, ports[2 * count:], strict=True)) if self._encrypted else {}
        # a leading dash would be an option
        name = base64.urlsafe_b64encode(b"\0" + uuid.uuid4().bytes[1:]).decode().rstrip("=")
        for number in self.numbers:
            home = self.folder / str(number)
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir()
            lines = "".join(f"{key}={value}\n" for key, value in self._settings(number, controllers).items())
            (home / "server.properties").write_text(lines)
            self._spawn(number, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format",
                        "-t", name, "-c", "server.properties")
        for number in self.numbers:
            if self._process(number).wait(START_SECONDS) != 0:
                raise NoBroker(f"Kafka's files could not be prepared:\n{self.log(number)}")

    def _settings(self, number: int, controllers: dict[int, int]) -> dict[str, object]:
        copies = len(self.numbers)
        tls = self._encrypted
        also = f"SSL://{HOST}:{self.tls_ports[number]}," if tls else ""
        return {
            **({"ssl.keystore.type": "PEM", "ssl.keystore.location": tls.identity, "ssl.client.auth": "required",
                "ssl.truststore.type": "PEM", "ssl.truststore.location": tls.clients} if tls else {}),
            "process.roles": "broker,controller",
            "node.id": number,
            "listeners": f"PLAINTEXT://{HOST}:{self.ports[number]},{also}CONTROLLER://{HOST}:{controllers[number]}",
            "advertised.listeners": ",".join([
                f"PLAINTEXT://{HOST}:{self.ports[number]}",
                *([f"SSL://{tls.name}:{self.tls_ports[number]}"] if tls else [])]),
            "controller.listener.names": "CONTROLLER",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SSL:SSL",
            "controller.quorum.voters": ",".join(f"{n}@{HOST}:{port}" for n, port in controllers.items()),
            "log.dirs": self.folder / str(number) / "data",
            # what a client must ask for
            "auto.create.topics.enable": "false",
            "delete.topic.enable": "true",
            "num.partitions": 2,
            "default.replication.factor": copies,
            "offsets.topic.replication.factor": copies,
            "offsets.topic.num.partitions": 4,
            "transaction.state.log.replication.factor": copies,
            "transaction.state.log.min.isr": min(2, copies),
            "transaction.state.log.num.partitions": 2,
            "share.coordinator.state.topic.replication.factor": copies,
            "share.coordinator.state.topic.min.isr": min(2, copies),
            "share.coordinator.state.topic.num.partitions": 1,
            # groups form at once, and a member that died is soon replaced
            "group.initial.rebalance.delay.ms": 0,
            "group.min.session.timeout.ms": 1000,
            # a broker that died is replaced in a few seconds
            "broker.heartbeat.interval.ms": 500,
            "broker.session.timeout.ms": 4000,
            "controller.quorum.election.timeout.ms": 1000,
            "controller.quorum.fetch.timeout.ms": 2000,
            "leader.imbalance.check.interval.seconds": 5,
            # old segments go and keys are compacted while a test looks on
            "log.initial.task.delay.ms": 500,
            "log.retention.check.interval.ms": 500,
            "log.segment.delete.delay.ms": 500,
            "log.cleaner.backoff.ms": 500,
            # light on a small machine
            "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
            "num.io.threads": 2,
            "num.network.threads": 2,
            "background.threads": 2,
        }

    def _spawn(self, number: int, *arguments: str) -> None:
        home = self.folder / str(number)

        def started() -> None:
            with (home / "log").open("ab") as log:
                self._processes[number] = subprocess.Popen(
                    [*self._command, *arguments], cwd=home, stdin=subprocess.DEVNULL, stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True, preexec_fn=end_with_parent)

        self._starter.submit(started).result()

    def start(self, *numbers: int) -> None:
        """Starts brokers with the ports and data that they had. Returns at once: `wait_ready` waits."""
        for number in numbers:
            if number in self.running():
                raise ValueError(f"broker {number} is running already")
            self._spawn(number, "kafka.Kafka", "server.properties")

    def stop(self, *numbers: int) -> None:
        """Ends brokers in good order (SIGTERM): they hand over what they lead first, which needs a majority that
        runs."""
        for number in numbers:
            self._process(number).terminate()
        for number in numbers:
            try:
                self._process(number).wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                raise NoBroker(f"broker {number} did not stop within {STOP_SECONDS:.0f} seconds: "
                               f"{self.log(number)}") from None

    def kill(self, *numbers: int) -> None:
        """Ends brokers at once (SIGKILL), frozen or not."""
        for number in numbers:
            self._process(number).kill()
        for number in numbers:
            self._process(number).wait()
            self._frozen.discard(number)

    def freeze(self, *numbers: int) -> None:
        """Halts brokers (SIGSTOP): their connections stay open, and nothing answers."""
        for number in numbers:
            self._process(number).send_signal(signal.SIGSTOP)
            self._frozen.add(number)

    def thaw(self, *numbers: int) -> None:
        """Lets frozen brokers go on (SIGCONT)."""
        for number in numbers:
            self._process(number).send_signal(signal.SIGCONT)
            self._frozen.discard(number)

    def fail_one_by_one(self, dead_seconds: float, frozen_seconds: float) -> None:
        """Of three: one is killed, one frozen, one restarted, each back and in sync before the next. A single one
        suffers all that."""
        first, second, third = self.numbers * (3 // len(self.numbers))
        self.kill(first)
        time.sleep(dead_seconds)
        self.start(first)
        self.wait_ready()
        self.freeze(second)
        time.sleep(frozen_seconds)
        self.thaw(second)
        self.wait_ready()
        self.stop(third)
        self.start(third)
        self.wait_ready()

    def running(self) -> set[int]:
        """The brokers that have been started, have not ended and are not frozen."""
        return {number for number, process in self._processes.items() if process.poll() is None
                and number not in self._frozen}

    def pid(self, number: int) -> int:
        """The broker's process id."""
        return self._process(number).pid

    def log(self, number: int) -> str:
        """What the broker has logged so far."""
        path = self.folder / str(number) / "log"
        return path.read_text(errors="replace") if path.exists() else ""

    def _process(self, number: int) -> subprocess.Popen[bytes]:
        try:
            return self._processes[number]
        except KeyError:
            raise ValueError(f"there is no broker {number}: they are {self.numbers}") from None

    def wait_ready(self) -> None:
        """Waits until every running broker answers and names exactly the running ones as up, and every partition that
        one of those holds is led by one of them and in sync on all of them.

        So it also waits until a killed broker's partitions have new leaders, and until one started again has caught up.
        Raises NoBroker after START_SECONDS, or as soon as a broker that was to come up has ended."""
        expected = self.running()
        until = time.monotonic() + START_SECONDS
        missing = "no broker is running"
        while time.monotonic() < until and expected:
            if ended := expected - self.running():
                log = self.log(min(ended))
                raise (_PortTaken if "Address already in use" in log
                       else NoBroker)(f"broker {min(ended)} ended:\n{log}")
            found = next((text for number in sorted(expected) if (text := self._not_ready(number, expected))), None)
            if found is None:
                return
            missing = found
            time.sleep(0.1)
        raise NoBroker(f"not ready after {START_SECONDS:.0f} seconds: {missing}")

    def _not_ready(self, number: int, expected: set[int]) -> str | None:
        """What is missing from broker `number`'s point of view; None when nothing is."""
        try:
            brokers, partitions = metadata(self.ports[number])
        except OSError as error:
            return f"broker {number} does not answer: {error}\n{self.log(number)}"
        if brokers != expected:
            return f"broker {number} sees {sorted(brokers)} up, not {sorted(expected)}"
        for partition in partitions:
            here = partition.replicas & expected
            if here and (partition.leader not in here or not here <= partition.in_sync):
                return f"broker {number} sees {partition}, and {sorted(expected)} are up"
        return None
