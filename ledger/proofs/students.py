"""The map of students: 65,536 buckets, each a tree over its students' entries, and a tree over the buckets' roots,
which is kept in tiles as the log's is. Both are trees of RFC 6962. """

from collections.abc import Mapping
from typing import NamedTuple

from .auditor import BUCKET_BITS, EMPTY, leaf_hash, student_entry, tree_root
from .tree import HASH, WIDTH, Tile, Tiles, Tree, split

BUCKETS = 1 << BUCKET_BITS


class Head(NamedTuple):
    """Of a student: the version of her newest event, and the chain over all of them."""

    version: int
    chain: bytes


Bucket = Mapping[str, Head]
"""By the key under which a student stands in the map."""


def leaves_of(bucket: Bucket) -> dict[str, bytes]:
    """Leaf hashes by key, in the order in which they stand."""
    return {key: leaf_hash(student_entry(key, *bucket[key])) for key in sorted(bucket)}


def bucket_root(bucket: Bucket) -> bytes:
    return tree_root(list(leaves_of(bucket).values()))


def _empty() -> tuple[bytes, ...]:
    found = [EMPTY]
    while len(found) < 2:
        found.append(tree_root([found[-1]] * WIDTH))
    return (*(one * WIDTH for one in found), tree_root([found[-1]] * WIDTH))


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
    return Tree(BUCKETS, with_empty(tiles))


def changed(tiles: Tiles, roots: Mapping[int, bytes]) -> list[Tile]:
    """The tiles as they are with these buckets' roots; the last one holds the root of the map."""
    read = with_empty(tiles)
    found = []
    for level in range(3):
        parts: dict[int, list[bytes]] = {}
        for index, root in roots.items():
            number = index // WIDTH
            if number not in parts:
                parts[number] = split(read((level, number)))
            parts[number][index % WIDTH] = root
        found += [Tile(level, number, b"".join(hashes)) for number, hashes in sorted(parts.items())]
        roots = {number: tree_root(hashes) for number, hashes in parts.items()}
    return found


def root_in(tiles: list[Tile]) -> bytes:
    """Of the map, of what `changed` has answered."""
    return tiles[-1].hashes[:HASH]
