"""The attack on withheld values: whoever has a message rebuilds the bytes that the ledger stored, with each of the few
values that a withheld field can have, and compares every digest that left the ledger with the hash of each. On every
event type and every way out, of a ledger that seals them and of one that does not."""

import gzip
import hashlib
import hmac
import itertools
import json
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from consumers.archive.package import seal
from consumers.archive.service import Archive
from consumers.kit.service import Record
from ledger.domain.checked import names as names_of
from ledger.domain.events import PAYLOADS, SEALED_ONLY, Event
from ledger.domain.protected import has_protected, taken_out
from ledger.intake.counter import Counter, Received
from ledger.privacy import KeySealer, box
from ledger.privacy.key_store import new_keys
from ledger.relay import digests
from ledger.store import EventStore, open_store
from ledger.store.mapper import STORED_NAMES, canonical_json
from ledger.wire.events import FIELDS
from ledger.wire.letters import dead_letter
from ledger.wire.message import History, encode
from ledger.wire.topics import EVENTS, HEARTBEAT, OUTCOMES, STATE
from tests.projections.populations import BOOKS
from tests.wire.examples import DATA, MOMENT, SECRET, event

from .conftest import publish_once

HASHES = ("md5", "sha1", "sha256", "sha512", "blake2b", "blake2s", "sha3_256")
STORED = [kind for kind in PAYLOADS if kind in STORED_NAMES and kind not in SEALED_ONLY]
OTHERS = {"reduction": ("disability", "detention", "exchange")}
"""What else a withheld field can be; of the others two stock phrases are tried beside the right one."""


def withheld(type: str) -> list[str]:
    """The fields of `data` that stay inside; `note` is one of every type."""
    names, parts = FIELDS[type]
    return [name for name in names_of(PAYLOADS[type]) if name not in {*names, *parts}]


def candidates(type: str, message: dict[str, Any]) -> Iterator[bytes]:
    """What the ledger may have stored of a message, the right one among them."""
    known = {name: value for name, value in message.items() if name != "position"}
    fields = withheld(type)
    true = DATA[type] | {"note": SECRET + "note"}
    tried = [OTHERS.get(name, (true.get(name), "for health reasons")) for name in fields]
    for values in itertools.product(*tried):
        data = known["data"] | {name: value for name, value in zip(fields, values, strict=True) if value is not None}
        override = [{"rule": one["rule"], "reason": SECRET + "override", "authority": one["authority"]}
                    for one in known["override"]]
        yield canonical_json(known | {"data": data, "override": override})


def guesses(content: bytes, public: list[bytes]) -> Iterator[str]:
    """Every plain hash of it, and those under what everybody knows."""
    for name in HASHES:
        yield hashlib.new(name, content).hexdigest()
    yield hashlib.sha256(hashlib.sha256(content).digest()).hexdigest()
    for known in public:
        yield hmac.digest(known, content, "sha256").hex()
        yield hashlib.sha256(known + content).hexdigest()


def digests_in(*texts: bytes) -> set[str]:
    return {found.decode().lower() for text in texts for found in re.findall(rb"[0-9a-fA-F]{32,}", text)}


def events() -> list[Event]:
    return [event(kind, version) for version, kind in enumerate(STORED, 1)]


@pytest.fixture
def sealer_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[EventStore], KeySealer]]:
    """Makes a key store for a ledger."""
    monkeypatch.setenv("CAREER_LEDGER_MASTER_KEY", str(tmp_path / "master.key"))
    with ExitStack() as opened:
        yield lambda store: KeySealer(opened.enter_context(new_keys(
            f"sqlite:///{tmp_path / 'keys.db'}", store.identity().origin, "sqlite:///another", lambda: MOMENT, 30)),
            store.streams)


@pytest.mark.parametrize("sealing", [False, True])
def test_no_withheld_value_can_be_tried_out_on_any_digest_that_leaves(sqlite_url, topics, tmp_path, caplog, sealer_of,
                                                                      sealing: bool) -> None:
    with open_store(sqlite_url) as store:
        recorded = [*map(sealer_of(store).seal, events())] if sealing else events()
        store.append(recorded)
        publish_once(sqlite_url, topics)
        stored = {position: bytes(state) for position, _, state in store._recorder.log(0, 1000)}
        printed = [encode(one) for one in digests(store, 0)]
        public = [b"", store.identity().origin.encode(), topics.prefix.encode()]
    sent = topics.read(EVENTS)
    archive = Archive(tmp_path)
    headers = [[(name, value.encode()) for name, value in one.headers.items()] for one in sent]
    seal(tmp_path, date(2026, 2, 11), None, [
        archive.read(Record(EVENTS, one.partition, one.offset, 0, one.key.encode(), one.value, header))
        for one, header in zip(sent, headers, strict=True)])
    letters = [dead_letter("archive", "unknown", EVENTS, 0, 0, one.key.encode(), one.value, header)
               for one, header in zip(sent, headers, strict=True)]
    ways = {
        "headers": [repr(one.headers).encode() for name in (EVENTS, STATE, HEARTBEAT) for one in topics.read(name)],
        "values": [one.value or b"" for name in (EVENTS, STATE, HEARTBEAT) for one in topics.read(name)],
        "digests": printed,
        "archive": [gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                    for path in tmp_path.glob("2026*")],
        "dead letters": [repr(one).encode() for one in letters],
        "logs": [caplog.text.encode()],
    }
    left = {way: digests_in(*texts) for way, texts in ways.items()}
    assert all(left[way] for way in ("headers", "digests", "archive", "dead letters"))
    attacked = set()
    boxes = [one.sealed.box for one in recorded if one.sealed is not None]
    assert len(boxes) == (sum(map(has_protected, events())) if sealing else 0)
    for one in sent:
        kind = one.headers["event_type"]
        tried = list(candidates(kind, one.json))
        built = stored[one.json["position"]] in tried
        assert built or sealing, f"the attack on {kind} does not build what was stored"
        tried += [box.padded(taken) for event in events() if event.type == kind and (taken := taken_out(event)[1])]
        attacked.add(kind)
        assert not any(word in (one.value or b"") for word in (b'"sealed"', b'"clear"', *map(str.encode, boxes)))
        for content in tried:
            for guess in guesses(content, public):
                for way, found in left.items():
                    assert guess not in found, f"{kind}: {way} gives {withheld(kind)} away"
    assert attacked == set(STORED)


@pytest.mark.parametrize("sealing", [False, True])
def test_refused_submission_keeps_no_withheld_value_and_no_hash_to_try_it_on(store: EventStore, sealer_of,
                                                                             sealing: bool) -> None:
    sealer = sealer_of(store) if sealing else None
    counter, submitted = Counter(store, BOOKS, lambda: MOMENT, History("test", 1), sealer), []
    for kind in PAYLOADS:
        right = event(kind).content()
        wrong = right | {"id": f"wrong-{kind}", "data": right["data"] | {
            "held_on": "2026-02-30", SECRET: SECRET, "academic_year": SECRET, "kind": SECRET,
            "reduction": SECRET, "purpose": SECRET}}
        submitted += [right, wrong, right | {"id": f"type-{kind}", "type": SECRET},
                      right | {"id": f"key-{kind}", "student": "S02"}]
    said = counter.answers([Received(0, n, b"S01", encode(each), ()) for n, each in enumerate(submitted)])
    kept = store.refusals({("S01", each["id"]) for each in submitted})
    assert len(kept) > 2 * len(PAYLOADS)
    values = (SECRET, "1987-01-31", "2026-02-30")
    left = [refusal.outcome for refusal in kept.values()] + [
        text or b"" for message in said for text in ([message.value] if message.topic == OUTCOMES else
                                                     [value for name, value in message.headers
                                                      if name == "dead_letter_error"])]
    for text in left:
        assert not any(value in text.decode() for value in values), text
    assert "disability" not in kept["S01", "golden-single-courses-enrolled"].outcome.decode()
    hashes = {bytes.fromhex(guess) for each in submitted for content in (
        json.dumps(each, sort_keys=True, separators=(",", ":")).encode(), canonical_json(each), encode(each))
        for guess in guesses(content, [b"", b"\x01", store.identity().origin.encode()])}
    contents = {refusal.content[start:start + length] for refusal in kept.values() for length in (16, 20, 32, 64)
                for start in (0, 1)}
    assert not hashes & contents
