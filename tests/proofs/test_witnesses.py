"""Checkpoints are given away, to folders, the topic and witnesses, and what others hold is compared."""

import base64
import json
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from kafka.errors import BrokerNotAvailableError

from ledger.bootstrap import GivenTo, open_ledger
from ledger.proofs import sequencer as sequencing
from ledger.proofs import signing, witnesses
from ledger.proofs.auditor import (
    WITNESS_KEY,
    Wrong,
    check_consistency,
    key_id,
    open_checkpoint,
    read_checkpoint,
    read_key,
)
from ledger.relay import checkpoints
from ledger.wire.kafka import PREFIX, KafkaUnusable
from ledger.wire.topics import CHECKPOINTS

from .conftest import record, run

NAME = "witness.example.org/one"
TIME = 1_790_000_000


class ForTests:
    """A witness as its specification has it (C2SP tlog-witness): remembers size and root, asks for proof of growth."""

    def __init__(self) -> None:
        self.key = Ed25519PrivateKey.generate()
        self.public = self.key.public_key().public_bytes_raw()
        self.size, self.root = 0, b""
        self.asked: list[str] = []
        self.answers: list[tuple[int, str]] = []
        """What it answers in place of what it should."""

    @property
    def verifier(self) -> str:
        coded = base64.b64encode(bytes([WITNESS_KEY]) + self.public).decode()
        return f"{NAME}+{key_id(NAME, WITNESS_KEY, self.public).hex()}+{coded}"

    def signature(self, body: str) -> str:
        signed = self.key.sign(f"cosignature/v1\ntime {TIME}\n{body}".encode())
        coded = base64.b64encode(key_id(NAME, WITNESS_KEY, self.public) + TIME.to_bytes(8, "big") + signed).decode()
        return f"\u2014 {NAME} {coded}\n"

    def reply(self, content: bytes) -> tuple[int, bytes]:
        status, text = self.answer(content.decode())
        return status, text.encode()

    def answer(self, text: str) -> tuple[int, str]:
        if self.answers:
            return self.answers.pop(0)
        head, _, note = text.partition("\n\n")
        first, *proof = head.split("\n")
        body = note.partition("\n\n")[0] + "\n"
        found, old = read_checkpoint(body), int(first.removeprefix("old "))
        if old != self.size:
            return 409, f"{self.size}\n"
        try:
            if old:
                check_consistency(old, found.size, self.root, found.root, [base64.b64decode(one) for one in proof])
        except Wrong as error:
            return 422, str(error)
        self.size, self.root = found.size, found.root
        return 200, self.signature(body)


@contextmanager
def served(witness: ForTests) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            witness.asked.append(self.path)
            status, answer = witness.reply(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/log/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def witness() -> Iterator[tuple[ForTests, str]]:
    found = ForTests()
    with served(found) as url:
        yield found, url


def test_witness_signs_what_has_only_grown_and_its_cosignature_comes_into_the_note(store_url, signing_key, witness,
                                                                                   tmp_path) -> None:
    found, url = witness
    folder = tmp_path / "rector"
    folder.mkdir()
    to = ("--to", str(folder), "--to", url, "--key", found.verifier)
    keys = [read_key(signing.load().verifier), read_key(found.verifier)]
    for version in (1, 2, 3):  # each a process of its own, which knows no more than what the witness says
        record(store_url, "S01", version, version)
        note = run(store_url, "checkpoint", *to)
        checkpoint, seen = open_checkpoint(note, keys)
        assert [(one.name, one.time) for one in seen] == [(keys[0].name, None), (NAME, TIME)]
        assert (found.size, found.root) == (checkpoint.size, checkpoint.root)
    assert found.asked == ["/log/add-checkpoint"] * 5
    assert run(store_url, "checkpoint", *to) == note  # the same again adds nothing
    names = [f"ledger.example.edu_careers-{size}" for size in (2, 4, 6)]
    assert sorted(path.name for path in folder.iterdir()) == names
    path = folder / "ledger.example.edu_careers-6"
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == (note, 0o644)
    said = json.loads(run(store_url, "verify", "--checkpoint", str(folder), "--key", found.verifier, "--key",
                          signing.load().verifier, "--json"))
    assert (said["findings"], [one["signed_by"] for one in said["outside"]]) == (
        [], [["ledger.example.edu/careers", NAME]] * 3)


@pytest.mark.parametrize(("answers", "words"), [
    ([(409, "999\n")], "has seen a log of 999 entries, and this one has 2: it is an older copy"),
    ([(409, "x")], "without the size that it has seen"),
    ([(403, "no\nkey")], "refuses the checkpoint of 2 entries: 403 no key"),
    ([(200, "")], "no cosignature by a key that is known"),
    ([(200, "\u2014 other.example.org 00000000\n")], "no cosignature by a key that is known"),
    ([(200, "what?\n")], "a signature that does not hold"),
    ([(200, f"\u2014 {NAME} ")], "a signature that does not hold")])
def test_checkpoint_stays_as_it_is_when_a_witness_answers_otherwise(sqlite_url, signing_key, witness, answers,
                                                                    words) -> None:
    found, url = witness
    record(sqlite_url, "S01", 1, 1)
    found.answers = answers
    assert words in run(sqlite_url, "checkpoint", "--to", url, "--key", found.verifier, code=6)
    assert open_checkpoint(run(sqlite_url, "checkpoint"), [read_key(signing.load().verifier)])[1:] != []
    assert "example.org" not in run(sqlite_url, "checkpoint")


def test_signature_of_another_text_is_not_taken(sqlite_url, signing_key, witness) -> None:
    found, url = witness
    record(sqlite_url, "S01", 1, 1)
    found.answers = [(200, found.signature("ledger.example.edu/careers\n1\nAAAA\n"))]
    assert "does not hold" in run(sqlite_url, "checkpoint", "--to", url, "--key", found.verifier, code=6)


def test_sealing_goes_on_when_places_fail_and_they_are_given_the_newest_later(sqlite_url, signing_key, witness,
                                                                              tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(sequencing, "LOOK_SECONDS", 0.01)
    monkeypatch.setattr(sequencing, "EVERY_EVENTS", 1)
    monkeypatch.setattr(sequencing, "EVERY_SECONDS", 0.01)
    monkeypatch.setattr(sequencing.Sequencer.follow, "__defaults__", (0.01,))
    found, url = witness
    folder, stop = tmp_path / "rector", threading.Event()
    record(sqlite_url, "S01", 1, 1)
    sealed: list[int] = []
    failed: list[str] = []

    def said(answer: dict[str, Any]) -> None:
        sealed.append(answer["size"])
        if len(sealed) < 3:
            record(sqlite_url, "S01", len(sealed) + 1, len(sealed) + 1)

    def told(error: Exception) -> None:
        failed.append(str(error))
        if len(failed) > 4 and len(sealed) == 3:
            folder.mkdir(exist_ok=True)

    found.answers = [(503, "later")] * 2
    thread = threading.Thread(target=lambda: _until(folder / "ledger.example.edu_careers-6", stop), daemon=True)
    thread.start()
    with open_ledger(sqlite_url) as ledger:
        ledger.follow_checkpoints(stop, said, None, to=GivenTo((str(folder), url), (found.verifier,)), told=told)
    thread.join()
    assert sealed == [2, 4, 6]
    assert any("503 later" in one for one in failed)
    assert any("rector" in one for one in failed)
    assert found.size == 6
    assert NAME in (folder / "ledger.example.edu_careers-6").read_text()


def _until(path: Path, stop: threading.Event) -> None:
    for _ in range(3000):
        if path.exists():
            break
        stop.wait(0.01)
    stop.set()


def test_place_that_does_not_answer_is_named(sqlite_url, signing_key, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(witnesses, "SECONDS", 0.5)
    record(sqlite_url, "S01", 1, 1)
    assert "does not answer" in run(sqlite_url, "checkpoint", "--to", "http://127.0.0.1:1/", code=6)
    for wrong in ("nowhere", "ftp://x", "http://user@host/", "career.checkpoints.v2"):
        assert "is no folder that is there" in run(sqlite_url, "checkpoint", "--to", wrong, code=2)
    assert "is no file or folder that is there" in run(sqlite_url, "verify", "--checkpoint", "nowhere", code=2)
    (tmp_path / "closed").mkdir()
    (tmp_path / "closed" / "ledger.example.edu_careers-2").mkdir()
    said = run(sqlite_url, "checkpoint", "--to", str(tmp_path / "closed"), code=6)
    assert re.search(r"careers-2 cannot be written: \w+", said)


def test_brokers_that_are_away_are_named(sqlite_url, signing_key, monkeypatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise BrokerNotAvailableError

    monkeypatch.setattr(checkpoints, "create_topics", away)
    record(sqlite_url, "S01", 1, 1)
    said = run(sqlite_url, "checkpoint", "--to", CHECKPOINTS, "--kafka", "127.0.0.1:1", code=6)
    assert f"{CHECKPOINTS}, the checkpoint of 2 entries: the brokers did not take it" in said


def test_checkpoint_that_brokers_do_not_acknowledge_is_given_up(kafka_bootstrap, topic_prefix, monkeypatch) -> None:
    """Nobody goes on trying behind the next attempt's back."""
    monkeypatch.setenv(PREFIX, topic_prefix)
    monkeypatch.setattr("kafka.producer.sender.Sender._handle_produce_response", lambda *_, **__: None)
    monkeypatch.setattr(checkpoints, "SECONDS", 1.0)
    before = {*threading.enumerate()}
    with pytest.raises(KafkaUnusable, match="did not take it"):
        checkpoints.send(kafka_bootstrap, "ledger.example.edu/careers", "a note")
    for one in {*threading.enumerate()} - before:
        one.join(20)
        assert not one.is_alive()


def test_topic_holds_checkpoints_and_verify_compares_with_it(sqlite_url, signing_key, kafka_bootstrap, topic_prefix,
                                                             monkeypatch) -> None:
    monkeypatch.setenv(PREFIX, topic_prefix)
    topic = ("--kafka", kafka_bootstrap)
    record(sqlite_url, "S01", 1, 2)
    note = run(sqlite_url, "checkpoint", "--to", CHECKPOINTS, *topic)
    record(sqlite_url, "S01", 3, 3)
    run(sqlite_url, "checkpoint", "--to", CHECKPOINTS, *topic)
    said = json.loads(run(sqlite_url, "verify", "--checkpoint", CHECKPOINTS, *topic, "--json"))
    assert (said["findings"], [one["file"] for one in said["outside"]]) == (
        [], [f"{topic_prefix}{CHECKPOINTS}, offset {offset}" for offset in (0, 1)])
    other = signing.load().sign(signing.checkpoint_body("ledger.example.edu/careers", 3, bytes(32)))
    checkpoints.send(kafka_bootstrap, "ledger.example.edu/careers", other)
    assert "two roots" in run(sqlite_url, "verify", "--checkpoint", CHECKPOINTS, *topic, code=5)
    assert note.startswith("ledger.example.edu/careers\n3\n")
    assert "--kafka" in run(sqlite_url, "verify", "--checkpoint", CHECKPOINTS, code=2)
