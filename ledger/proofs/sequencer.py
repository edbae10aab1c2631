"""The one that seals: takes the events above the last sealed position into the tree, ends them with the entry that
names the map of students, and signs. Outside the write path: nobody who appends waits for it, and it may be killed at
any moment.

Positions are commit order, so nothing appears behind a position once read. One transaction keeps tiles, heads and
checkpoint without signature; then it is signed; then the signature is kept. Killed between, the next one signs what
was kept: the same text, and Ed25519 gives the same signature. """

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from functools import cache
from hashlib import sha256
from threading import Event as Flag

from ledger.domain.phrases import says
from ledger.edges.memory import uncollected
from ledger.edges.watch import Watch
from ledger.store import EventStore, StoreUnavailable, StoreUnusable
from ledger.store.epochs import Epoch

from .auditor import (
    Checkpoint,
    Wrong,
    handover_entry,
    heads_entry,
    leaf_hash,
    open_checkpoint,
    read_checkpoint,
    read_key,
    restore_entry,
)
from .hashing import HashedSpan, TakenUpTo, read
from .signing import Signer, checkpoint_body, epoch_of, keys_in, named
from .students import Bucket, Head, Heads, OutOfOrder, bucket_root, changed, map_of, root_in
from .tables import Kept, KeptPoint, ProofTables
from .tree import WIDTH, Edge, Tile, Tiles, Tree, edge_of

BATCH = 1 << 18
"""Events of one checkpoint at most: so much is computed before it is kept."""
EVERY_SECONDS, EVERY_EVENTS = 60.0, 1_000
"""What was appended after the last checkpoint is covered by no proof: so long, and so many events."""
LOOK_SECONDS = 1.0
NO_CHECKPOINT = "0" * 64


class TwoHistories(StoreUnusable):
    """The ledger is not the continuation of what was signed before: nothing is signed."""


class Sequencer:
    """Raises StoreUnavailable and StoreUnusable."""

    def __init__(self, store: EventStore, tables: ProofTables, signer: Signer) -> None:
        self._store, self._tables, self._signer = store, tables, signer
        self.watch = Watch()
        self.between: Callable[[], None] = lambda: None
        """Called by `follow` every so many seconds, whether anything was sealed or not."""

    def seal(self, batch: int = BATCH) -> KeptPoint | None:
        """Seals everything that is recorded now; the newest checkpoint, None where there is none. Raises
        StoreUnavailable where another process does it."""
        with self._tables.alone() as mine:
            if not mine:
                raise StoreUnavailable("another process seals this ledger: only one does")
            return self._seal(batch)

    def hand_over(self, to: Signer) -> KeptPoint | None:
        """Seals everything that is recorded now, and ends it with a checkpoint after which another key signs; None
        where nothing is recorded. Goes on where it was killed. Raises as `seal`."""
        with self._tables.alone() as mine:
            if not mine:
                raise StoreUnavailable("another process seals this ledger (`career-ledger checkpoint --follow`): stop "
                                       "it first, and start it again afterwards with the new key")
            self._tables.prepare()
            with self._tables.reading() as kept:
                last, epochs = kept.last(), kept.epochs()
            if last is not None and last.note is None:
                last = self._sign(last, epochs, to)
            return last if last is not None and self._names(last, to) else self._seal(BATCH, to)

    def _names(self, last: KeptPoint, to: Signer) -> bool:
        """Whether a checkpoint hands the key over to this one."""
        keys = keys_in(last.heads)
        return keys is not None and keys[1] == to.of(epoch_of(read_checkpoint(last.body).origin)[1]).verifier

    def follow(self, stop: Flag, said: Callable[[KeptPoint], None], every: float = EVERY_SECONDS) -> None:
        """Seals every so many seconds, or events, what has come until `stop` is set; where another process does it,
        waits until it ends."""
        while not stop.is_set():
            with self._tables.alone() as mine:
                if mine:
                    self._follow(stop, said, every)
            self.watch.turn(works=False)
            stop.wait(LOOK_SECONDS)

    def _follow(self, stop: Flag, said: Callable[[KeptPoint], None], every: float) -> None:
        last = self._seal(BATCH)
        if last is not None:
            said(last)
        at = looked = time.monotonic()
        while not stop.wait(min(LOOK_SECONDS, every)):
            end, sealed = self._store.last_position(), last.position if last is not None else 0
            waiting = end - sealed
            if time.monotonic() - looked >= every:
                looked = time.monotonic()
                self.between()
            self.watch.turn()
            self.watch.log_ends(end)
            self.watch.stands("log", sealed)
            if waiting >= EVERY_EVENTS or (waiting and time.monotonic() - at >= every):
                before = last.size if last is not None else 0
                last, at = self._seal(BATCH), time.monotonic()
                if last is not None:
                    said(last)
                    self.watch.stands("log", last.position, max(last.size - before - 1, 0))

    def _seal(self, batch: int, to: Signer | None = None) -> KeptPoint | None:
        """`to`: hands the key over to this one at the end."""
        self._tables.prepare()
        with self._tables.reading() as kept:
            last = kept.last()
        after, end = last.position if last is not None else 0, self._store.last_position()
        with closing(read(self._tables.url, self._store, after, end)) as reads, uncollected():
            return self._seal_up_to(end, TakenUpTo(reads), batch, to)

    def _seal_up_to(self, end: int, up_to: TakenUpTo, batch: int, to: Signer | None) -> KeptPoint | None:
        while True:
            with self._tables.reading() as kept:
                last, epochs = kept.last(), kept.epochs()
                self._check(kept, last, epochs)
            if last is not None and last.note is None:
                last = self._sign(last, epochs, to)
            epoch = _to_begin(last, epochs)
            done = epoch is None and end <= (last.position if last is not None else 0)
            if done and (to is None or last is None or self._names(last, to)):
                return last
            events = up_to(epoch.position) if epoch is not None else up_to(end, batch)
            self._grow(last, events, epoch, to if done else None)

    def _check(self, kept: Kept, last: KeptPoint | None, epochs: Sequence[Epoch]) -> None:
        """Raises TwoHistories."""
        found = self._signer.last()
        if last is not None and epoch_of(read_checkpoint(last.body).origin)[0] != self._signer.name:
            raise StoreUnusable(f"the checkpoints of this ledger are those of {read_checkpoint(last.body).origin}, and "
                                f"the key that signs is that of {self._signer.name}: name the right one")
        if last is not None and last.note is not None and _to_begin(last, epochs) is None:
            self._check_key(last, last.note)
        if found is None or is_given_up(found.checkpoint, epochs):
            return
        signed, size = found.checkpoint, last.size if last is not None else 0
        if signed.size > size or found.epoch > max((one.number for one in epochs), default=1):
            raise TwoHistories(says("seal/behind", text=signed.origin, count=signed.size, more=size))
        try:
            same = Tree(signed.size, kept.tile).root() == signed.root
        except KeyError:
            same = False
        if not same:
            raise TwoHistories(says("seal/two-histories", count=signed.size))

    def _check_key(self, last: KeptPoint, note: str) -> None:
        """That it is the one that signs what comes next. Raises StoreUnusable."""
        mine = self._signer.of(epoch_of(read_checkpoint(last.body).origin)[1]).verifier
        keys = keys_in(last.heads)
        if keys is not None and keys[1] != mine:
            raise StoreUnusable("the key that signs was handed over to another one: start again with that. Where "
                                "`career-ledger keys sign --rotate` was interrupted, run it again")
        try:
            open_checkpoint(note, [read_key(mine)])
        except Wrong as error:
            raise StoreUnusable(f"the newest checkpoint of this ledger is not that of the key that signs ({error}): "
                                "name the right key; `career-ledger verify` says whether it was changed. Nothing is "
                                "sealed") from None

    def _grow(self, last: KeptPoint | None, read: Iterable[HashedSpan], epoch: Epoch | None, to: Signer | None) -> None:
        """With `epoch` what stands before it, all at once: nothing of that is signed any more by the name of the epoch
        before. With `to` nothing but the entry that hands the key over."""
        before = last.size if last is not None else 0
        at = last.position if last is not None else 0
        with self._tables.reading() as kept:
            edge = Edge(before, [Tile(*place, kept.tile(place)) for place in edge_of(before)])
        if last is not None and edge.root() != read_checkpoint(last.body).root:
            raise StoreUnusable("the tiles that are kept are not those of the last checkpoint: they were changed. "
                                "Nothing is sealed; `career-ledger verify` says more")
        positions: list[int] = []
        full: list[Tile] = []
        heads = Heads()
        for events, _ in read:
            heads.add(events)
            full += edge.append(events.leaves)
            positions += events.positions
            at = positions[-1]
        if not positions and epoch is None and to is None:
            raise StoreUnavailable(f"events above position {at} were there a moment ago, and are not any more: try "
                                   "again")
        with self._tables.reading() as kept:
            map_tile, touched = cache(kept.map_tile), heads.touched()
            known: dict[int, dict[str, Head]] = {index: {} for index in touched} | kept.buckets(touched)
            self._check_map(last, map_tile, known)
            heads.know(known)
            try:
                moved = heads.settle()
            except OutOfOrder as error:
                raise StoreUnusable(f"{error}: the log was changed. Nothing is sealed; `career-ledger verify` says "
                                    "more") from None
            map_tiles = changed(map_tile, moved.roots)
            map_root = root_in(map_tiles) if map_tiles else map_of(map_tile).root()
        before_these, students, previous = 0, 0, NO_CHECKPOINT
        if last is not None:
            before_these, students = (int(last.heads.split("\n")[line]) for line in (1, 3))
            previous = sha256(last.body.encode()).hexdigest()
        entry = heads_entry(before_these + len(positions), at, students + moved.newcomers, map_root.hex(), previous)
        origin = read_checkpoint(last.body).origin if last is not None else self._signer.name
        if epoch is not None:
            entry, origin = epoch_entry(entry, epoch), named(self._signer.name, epoch.number)
        if to is not None:
            number = epoch_of(origin)[1]
            entry = handover_entry(entry, self._signer.of(number).verifier, to.of(number).verifier)
        full += edge.append([leaf_hash(entry)])
        body = checkpoint_body(origin, edge.size, edge.root())

        def first(tile: Tile) -> int | None:
            index = max(tile.number * WIDTH, before) - before
            return positions[index] if tile.level == 0 and index < len(positions) else None

        self._tables.seal(before, KeptPoint(edge.size, at, entry.decode(), body, None),
                          [(tile, first(tile)) for tile in (*full, *edge.partial())], moved.heads, map_tiles)

    @staticmethod
    def _check_map(last: KeptPoint | None, tiles: Tiles, touched: Mapping[int, Bucket]) -> None:
        """That what is kept of the map, as far as it changes, is what was signed: who may write in the database must
        not have the next checkpoint name another map. Raises StoreUnusable."""
        was = changed(tiles, {index: bucket_root(bucket) for index, bucket in touched.items()})
        root = root_in(was) if was else map_of(tiles).root()
        if last is not None and root.hex() != last.heads.split("\n")[4]:
            raise StoreUnusable("what is kept of the map of students is not that of the last checkpoint: it was "
                                "changed. Nothing is sealed; `career-ledger verify` says more")

    def _sign(self, sealed: KeptPoint, epochs: Sequence[Epoch], to: Signer | None) -> KeptPoint:
        number = epoch_of(read_checkpoint(sealed.body).origin)[1]
        note = self._signer.of(number).sign(sealed.body)
        if (keys := keys_in(sealed.heads)) is not None:
            to = to or self._signer.successor()
            if to is None or keys != (self._signer.of(number).verifier, to.of(number).verifier):
                raise StoreUnusable("the log hands its key over, and the new one (FILE.next) is not beside the one "
                                    "that signs: put both back as they were. Nothing is signed")
            note += to.of(number).line(sealed.body)
        self._signer.remember(note, max(sealed.position, *(one.reached for one in epochs), 0))
        self._tables.note(sealed.size, note)
        return sealed._replace(note=note)


def is_given_up(signed: Checkpoint, epochs: Sequence[Epoch]) -> bool:
    """Whether it is known that the log is not its continuation: the epoch that came after says so."""
    before = epoch_of(signed.origin)[1]
    return any((one.lost_size, one.lost_root) == (signed.size, signed.root) for one in epochs if one.number > before)


def epoch_entry(heads: bytes, epoch: Epoch) -> bytes:
    return restore_entry(heads, epoch.number, epoch.reached, Checkpoint("", epoch.lost_size, epoch.lost_root),
                         epoch.digest)


def _to_begin(last: KeptPoint | None, epochs: Sequence[Epoch]) -> Epoch | None:
    """The first one of which the log does not tell yet."""
    told = epoch_of(read_checkpoint(last.body).origin)[1] if last is not None else 1
    return next((one for one in epochs if one.number > told), None)
