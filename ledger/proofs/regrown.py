"""The log made again from its events alone: leaves, tree, map of students, and what ends each checkpoint. Believes no
table; holds the map, and of one checkpoint 32 bytes an event. """

from collections.abc import Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple

from ledger.store.epochs import Epoch

from .auditor import handover_entry, heads_entry, leaf_hash
from .sequencer import NO_CHECKPOINT, epoch_entry
from .signing import checkpoint_body, epoch_of
from .students import BUCKETS, Bucket, Hashed, Heads, Moved, changed, map_of, root_in
from .tables import KeptPoint
from .tree import WIDTH, Edge, Tile, TilePlace


class Grown(NamedTuple):
    """What ends a checkpoint, and the tiles that became full up to it, each with the position of its first event."""

    point: KeptPoint
    map_root: bytes
    tiles: Sequence[tuple[Tile, int | None]]


class Regrown:
    """`epochs`: those that began with an accepted restore."""

    def __init__(self, epochs: Iterable[Epoch]) -> None:
        self._epochs, self._epoch = {one.number: one for one in epochs}, 1
        self._edge, self._heads = Edge(), Heads()
        self._map: dict[TilePlace, bytes] = {}
        self._full: list[Tile] = []
        self._first: dict[int, int] = {}
        """By tiles of level 0 that are not full, or not taken yet."""
        self._previous = NO_CHECKPOINT
        self.events, self.position, self.students = 0, 0, 0

    @property
    def size(self) -> int:
        """Entries of the tree by now."""
        return self._edge.size

    def add(self, events: Hashed) -> None:
        """The next events, in order, at least one."""
        positions = events.positions
        self._heads.add(events)
        at = self._edge.size
        self._first.setdefault(at // WIDTH, positions[0])
        for beginning in range(-at % WIDTH, len(positions), WIDTH):
            self._first.setdefault((at + beginning) // WIDTH, positions[beginning])
        self._full += self._edge.append(events.leaves)
        self.events += len(positions)
        self.position = positions[-1]

    def settle(self) -> Moved:
        """Takes the events of the students into their chains. Raises OutOfOrder."""
        return self._heads.settle()

    def end(self, origin: str, keys: tuple[str, str] | None = None) -> Grown:
        """Ends a checkpoint of this name here, where it hands the key over with these verifier keys, old and new.
        Raises OutOfOrder."""
        moved = self.settle()
        tiles = changed(self._map.__getitem__, moved.roots)
        self._map |= {(one.level, one.number): one.hashes for one in tiles}
        self.students += moved.newcomers
        root = root_in(tiles) if tiles else map_of(self._map.__getitem__).root()
        entry = heads_entry(self.events, self.position, self.students, root.hex(), self._previous)
        epoch = epoch_of(origin)[1]
        if epoch != self._epoch and epoch in self._epochs:
            entry = epoch_entry(entry, self._epochs[epoch])
        elif keys is not None:
            entry = handover_entry(entry, *keys)
        self._epoch = epoch
        self._full += self._edge.append([leaf_hash(entry)])
        body = checkpoint_body(origin, self._edge.size, self._edge.root())
        self._previous = sha256(body.encode()).hexdigest()
        found = [(one, self._first.pop(one.number, None) if one.level == 0 else None) for one in self._full]
        self._full = []
        return Grown(KeptPoint(self._edge.size, self.position, entry.decode(), body, None), root, found)

    def partial(self) -> list[tuple[Tile, int | None]]:
        """The tiles at the right edge, as in `Grown`."""
        return [(one, self._first.get(one.number) if one.level == 0 else None) for one in self._edge.partial()]

    def heads(self) -> Iterator[tuple[int, Bucket]]:
        """Where every student stands, by bucket."""
        return ((index, bucket) for index in range(BUCKETS) if (bucket := self._heads.bucket(index)))

    def map_tiles(self) -> list[Tile]:
        return [Tile(*place, hashes) for place, hashes in self._map.items()]
