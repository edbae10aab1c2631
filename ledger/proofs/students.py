"""The map of students: 65,536 buckets, each a tree over its students' entries, and a tree over the buckets' roots.
Both are plain trees of RFC 6962. The second one is kept in tiles of 16 hashes: a student who has a new event changes
five of them. """

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from ledger.store.recorder import WholeRow

from .auditor import BUCKET_BITS, EMPTY, EVENT, bucket_of, key_of, leaf_hash, student_entry, tree_root
from .tree import HASH, Tile, Tiles, Tree, split

BUCKETS = 1 << BUCKET_BITS
TILE_BITS = 4
WIDTH = 1 << TILE_BITS
LEVELS = BUCKET_BITS // TILE_BITS


class Head(NamedTuple):
    """Of a student: the version of her newest event, and the chain over all of them."""

    version: int
    chain: bytes


class Hashed(NamedTuple):
    """What the log keeps of events, one after the other."""

    positions: Sequence[int]
    streams: Sequence[str]
    versions: Sequence[int]
    leaves: Sequence[bytes]

    def part(self, first: int, end: int) -> "Hashed":
        return Hashed(self.positions[first:end], self.streams[first:end], self.versions[first:end],
                      self.leaves[first:end])


def hashed(rows: Sequence[WholeRow]) -> Hashed:
    """At least one. The leaves are `leaf_hash(event_entry(...))` of each, in half the time."""
    positions, streams, versions, _, _ = zip(*rows, strict=True)
    # a copy of a hash costs less than a new one
    nothing, begun, leaves = sha256().copy, sha256(f"\0{EVENT}\n".encode()).copy, []
    for position, stream, version, name, state in rows:
        stored, leaf = nothing(), begun()
        stored.update(state)
        leaf.update(f"{position}\n{stream}\n{version}\n{name}\n{stored.hexdigest()}\n".encode())
        leaves.append(leaf.digest())
    return Hashed(positions, streams, versions, leaves)


Bucket = Mapping[str, Head]
"""By the key under which a student stands in the map."""
NEW = Head(0, bytes(32))


def leaves_of(bucket: Bucket) -> dict[str, bytes]:
    """Leaf hashes by key, in the order in which they stand."""
    return {key: leaf_hash(student_entry(key, *bucket[key])) for key in sorted(bucket)}


def bucket_root(bucket: Bucket) -> bytes:
    return tree_root(list(leaves_of(bucket).values()))


def _empty() -> list[bytes]:
    roots = [EMPTY]
    while len(roots) <= LEVELS:
        roots.append(tree_root([roots[-1]] * WIDTH))
    return [one * WIDTH for one in roots]


_EMPTY = _empty()
"""A tile of each level of a map without students."""


def with_empty(tiles: Tiles) -> Tiles:
    """The tiles of the map, also those that were never kept because no student is in them."""
    def found(place: tuple[int, int]) -> bytes:
        try:
            return tiles(place)
        except KeyError:
            return _EMPTY[place[0]]

    return found


def map_of(tiles: Tiles) -> Tree:
    return Tree(BUCKETS, with_empty(tiles), TILE_BITS)


def changed(tiles: Tiles, roots: Mapping[int, bytes]) -> list[Tile]:
    """The tiles as they are with these buckets' roots; the last one begins with the root of the map."""
    read = with_empty(tiles)
    found = []
    for level in range(LEVELS + 1):
        parts: dict[int, list[bytes]] = {}
        for index, root in roots.items():
            number, at = divmod(index, WIDTH)
            if number not in parts:
                parts[number] = split(read((level, number)))
            parts[number][at] = root
        found += [Tile(level, number, b"".join(hashes)) for number, hashes in sorted(parts.items())]
        roots = {number: tree_root(hashes) for number, hashes in parts.items()}
    return found


def root_in(tiles: list[Tile]) -> bytes:
    """Of the map, of what `changed` has answered."""
    return tiles[-1].hashes[:HASH]


class OutOfOrder(Exception):
    """An event is not of the version that follows on that of its stream's event before."""

    def __init__(self, position: int, stream: str, version: int, expected: int) -> None:
        super().__init__(f"the event at position {position} is version {version} of its stream {stream}, and version "
                         f"{expected} is the next one")
        self.position = position


def _out_of_order(stream: str, version: int, events: Sequence[Any]) -> OutOfOrder:
    """The first that does not follow on a version; there is one. `events` as in `Heads`."""
    given = enumerate(zip(events[::3], events[1::3], strict=True), version + 1)
    return next(OutOfOrder(position, stream, said, expected) for expected, (position, said) in given
                if said != expected)


class Moved(NamedTuple):
    """What events have changed: heads by bucket and key, and how many students are new."""

    heads: Mapping[int, Bucket]
    roots: Mapping[int, bytes]
    newcomers: int


class Heads:
    """Where students stand."""

    def __init__(self) -> None:
        self._buckets: dict[int, dict[str, Head]] = {}
        self._new: dict[str, list[Any]] = {}
        """By stream position, version and leaf of each event, one after the other: no object more for each."""

    def add(self, events: Hashed) -> None:
        new = self._new
        for position, stream, version, leaf in zip(events.positions, events.streams, events.versions, events.leaves,
                                                   strict=True):
            if stream in new:
                new[stream] += position, version, leaf
            else:
                new[stream] = [position, version, leaf]

    def touched(self) -> set[int]:
        """The buckets of what was added."""
        return {bucket_of(key_of(stream)) for stream in self._new}

    def know(self, buckets: Mapping[int, dict[str, Head]]) -> None:
        """As they were kept."""
        self._buckets |= buckets

    def bucket(self, index: int) -> Bucket:
        return self._buckets.get(index, {})

    def settle(self) -> Moved:
        """Takes in what was added. Raises OutOfOrder."""
        found: dict[int, dict[str, Head]] = {}
        newcomers, nothing = 0, sha256().copy
        for stream, events in self._new.items():
            key = key_of(stream)
            index = bucket_of(key)
            bucket = self._buckets.setdefault(index, {})
            version, chain = bucket.get(key, NEW)
            newcomers += version == 0
            versions = events[1::3]
            if versions != list(range(version + 1, version + 1 + len(versions))):
                raise _out_of_order(stream, version, events)
            for leaf in events[2::3]:
                link = nothing()  # `chained`
                link.update(chain)
                link.update(leaf)
                chain = link.digest()
            version += len(versions)
            bucket[key] = found.setdefault(index, {})[key] = Head(version, chain)
        self._new = {}
        return Moved(found, {index: bucket_root(self._buckets[index]) for index in found}, newcomers)
