"""Sealing on both stores: the same tree and map as made at once, killed at any moment, one at a time, one history."""

import threading
from hashlib import sha256

import pytest

from ledger.bootstrap import open_ledger
from ledger.edges.watch import Watch
from ledger.proofs import sequencer as sequencing
from ledger.proofs.auditor import (
    bucket_of,
    chained,
    event_entry,
    heads_entry,
    key_of,
    leaf_hash,
    open_checkpoint,
    student_entry,
    tree_root,
)
from ledger.proofs.sequencer import Sequencer, TwoHistories
from ledger.proofs.signing import Signer
from ledger.proofs.students import Heads, changed, hashed
from ledger.proofs.tables import MIGRATIONS, ProofTables, _keep
from ledger.proofs.tree import TilePlace
from ledger.store import StoreUnavailable, StoreUnusable
from tests.store.damage import alter
from tests.store.examples import events


class Killed(Exception):
    """The process ends here."""


def made_at_once(sealing, cuts: list[int]) -> bytes:
    """The root over all events, in which checkpoints end after so many: written down from the text, with no code of the
    sequencer."""
    rows = sealing.store.rows(0, 10_000)
    leaves: list[bytes] = []
    chains: dict[str, tuple[int, bytes]] = {}
    previous = "0" * 64
    for at, (position, stream, version, name, state) in enumerate(rows, 1):
        leaf = leaf_hash(event_entry(position, stream, version, name, sha256(state).hexdigest()))
        leaves.append(leaf)
        _, chain = chains.get(stream, (0, bytes(32)))
        chains[stream] = version, chained(chain, leaf)
        if at in cuts:
            buckets: list[list[tuple[str, bytes]]] = [[] for _ in range(1 << 16)]
            for stream_, (newest, chain_) in chains.items():
                key = key_of(stream_)
                buckets[bucket_of(key)].append((key, leaf_hash(student_entry(key, newest, chain_))))
            root = tree_root([tree_root([leaf for _, leaf in sorted(one)]) for one in buckets])
            leaves.append(leaf_hash(heads_entry(at, position, len(chains), root.hex(), previous)))
            body = sequencing.checkpoint_body(sealing.signer.name, len(leaves), tree_root(leaves))
            previous = sha256(body.encode()).hexdigest()
    return tree_root(leaves)


def test_checkpoint_is_that_of_a_tree_made_at_once_when_it_grew_in_portions(sealing) -> None:
    assert sealing.sequencer.seal() is None
    sealing.record("S01", 1, 3)
    sealing.record("S02", 1, 2)
    sealing.sequencer.seal()
    sealing.record("S01", 4, 4)
    sealing.store.append([one for n in range(3, 278) for one in events(f"S{n:02}", 1, 1)])
    last = sealing.sequencer.seal(batch=260)
    found, _ = open_checkpoint(last.note, sealing.keys)
    assert (found.size, found.root) == (284, made_at_once(sealing, [5, 265, 281]))
    assert sealing.sequencer.seal() == last
    with sealing.tables.reading() as kept:
        positions = [row[0] for row in sealing.store.rows(0, 1000)]
        some = {4: 4, 5: 6, 254: 255, 255: 256, 264: 265, 265: 267, 280: 282}
        assert {at: kept.index_of(positions[at]) for at in some} == some


def test_sealing_goes_on_when_it_was_killed_at_any_step(sealing, monkeypatch) -> None:
    sealing.record("S01", 1, 2)
    first = sealing.sequencer.seal()
    for version, (owner, where, after) in enumerate(
            [(owner, where, after) for owner, where in ((ProofTables, "seal"), (Signer, "sign"), (Signer, "remember"),
                                                        (ProofTables, "note")) for after in (False, True)], 1):
        sealing.record("S02", version, version)
        act = getattr(owner, where)

        def killed(*arguments, act=act, after=after):
            if after:
                act(*arguments)
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(owner, where, killed)
            with pytest.raises(Killed):
                sealing.sequencer.seal()
        last = sealing.sequencer.seal()
        assert (last.size - first.size, last.position - first.position) == (2, 1)
        assert open_checkpoint(last.note, sealing.keys)[0].size == sealing.signer.last().checkpoint.size == last.size
        first = last
    assert made_at_once(sealing, [*range(2, 11)]) == open_checkpoint(last.note, sealing.keys)[0].root


def test_sealing_is_refused_when_another_process_does_it(sealing) -> None:
    sealing.record("S01", 1, 1)
    with ProofTables(sealing.url) as other, other.alone() as theirs:
        assert theirs
        with pytest.raises(StoreUnavailable, match="another process seals"):
            sealing.sequencer.seal()
    assert sealing.sequencer.seal().size == 2


def test_nothing_is_signed_when_the_key_has_signed_another_history(sealing, signing_key) -> None:
    sealing.record("S01", 1, 2)
    last = sealing.sequencer.seal()
    for size, root, words in ((4, bytes(32), "restored from an older copy"), (3, bytes(32), "not the continuation"),
                              (2, bytes(32), "not the continuation")):
        sealing.signer.remember(sealing.signer.sign(sequencing.checkpoint_body(sealing.signer.name, size, root)), 2)
        sealing.record("S02", 5 - size, 5 - size)
        with pytest.raises(TwoHistories, match=words):
            sealing.sequencer.seal()
    with sealing.tables.reading() as kept:
        assert kept.last() == last
    sealing.signer.remember(last.note, last.position)
    assert sealing.sequencer.seal().size == 7


def test_nothing_is_sealed_when_tiles_were_changed_or_the_key_is_another_logs(sealing) -> None:
    sealing.record("S01", 1, 2)
    sealing.sequencer.seal()
    sealing.record("S01", 3, 3)
    other = Sequencer(sealing.store, sealing.tables, sealing.signer._replace(name="other.example", signed=None))
    with pytest.raises(StoreUnusable, match=r"those of ledger\.example\.edu/careers"):
        other.seal()
    with sealing.tables._backend.transaction() as tx:
        tx.run("UPDATE log_tiles SET hashes = :hashes", {"hashes": bytes(96)})
    with pytest.raises(TwoHistories):
        sealing.sequencer.seal()
    with pytest.raises(StoreUnusable, match="tiles that are kept"):
        Sequencer(sealing.store, sealing.tables, sealing.signer._replace(signed=None)).seal()


@pytest.mark.parametrize("change", [
    "UPDATE student_heads SET chain = (SELECT hashes FROM student_tiles WHERE level = 4)",
    "UPDATE student_heads SET version = 1", "DELETE FROM student_heads",
    "UPDATE student_tiles SET hashes = (SELECT hashes FROM student_tiles WHERE level = 4) WHERE level = 2"])
def test_nothing_is_sealed_when_the_map_was_changed(sealing, change) -> None:
    sealing.record("S01", 1, 2)
    last = sealing.sequencer.seal()
    alter(sealing.url, change)
    sealing.record("S01", 3, 3)
    with pytest.raises(StoreUnusable, match=r"map of students is not that of the last checkpoint|is version 3"):
        sealing.sequencer.seal()
    with sealing.tables.reading() as kept:
        assert kept.last() == last


def test_altered_history_is_never_signed_into_the_map(sealing) -> None:
    """Whoever may write in the database alters an event, and the map as it would be with it."""
    sealing.record("S01", 1, 2)
    last = sealing.sequencer.seal()
    alter(sealing.url, "UPDATE stored_events SET topic = 'payment-moved.v1' WHERE POSITION = 1")
    hers, tiles = Heads(), dict[TilePlace, bytes]()
    hers.add(hashed(sealing.store.rows(0, 2)))
    moved = hers.settle()
    with sealing.tables._backend.transaction() as tx:
        _keep(tx, [], [], moved.heads.items(), changed(tiles.__getitem__, moved.roots))
    sealing.record("S01", 3, 3)
    with pytest.raises(StoreUnusable, match="map of students is not that of the last checkpoint"):
        sealing.sequencer.seal()
    with sealing.tables.reading() as kept:
        assert kept.last() == last


class Seen(Watch):
    def __init__(self) -> None:
        self.turns: list[bool] = []
        self.stood: list[tuple[str, int, int]] = []

    def turn(self, works: bool = True) -> None:
        self.turns.append(works)

    def stands(self, part: str, position: int, events: int = 0) -> None:
        self.stood.append((part, position, events))


def test_follower_seals_what_comes_until_it_is_stopped(sealing, monkeypatch) -> None:
    monkeypatch.setattr(sequencing, "LOOK_SECONDS", 0.01)
    sealing.record("S01", 1, 1)
    stop, seen = threading.Event(), []

    def said(sealed) -> None:
        seen.append(sealed.size)
        if len(seen) == 1:
            sealing.record("S01", 2, 2)
        else:
            stop.set()

    sequencer = sealing.sequencer
    watch = sequencer.watch = Seen()
    sequencer.follow(stop, said, every=0.01)
    assert seen == [2, 4]
    assert (watch.turns[0], watch.stood[-1]) == (True, ("log", sealing.store.last_position(), 1))


def test_tables_are_made_by_upgrade_when_a_ledger_has_none(store_url, store) -> None:
    with ProofTables(store_url) as tables, open_ledger(store_url, create=False) as ledger:
        assert not tables.exist()
        assert ledger.upgrade()["proofs"] == [1, 2, 3] == [*range(1, MIGRATIONS.newest + 1)]
        assert tables.exist()
        assert ledger.upgrade()["proofs"] == []
