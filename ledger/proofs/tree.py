"""The log's Merkle tree (RFC 6962, section 2.1) in tiles (C2SP tlog-tiles): growing at its right edge, and the proofs
from what is kept.

A tile of level 0 holds 256 leaf hashes, one of level n + 1 the roots of 256 full tiles of level n. A partial tile
holds what there is; it is never hashed upwards. """

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from .auditor import EMPTY, node_hash, tree_root

WIDTH, BITS, HASH = 256, 8, 32
TilePlace = tuple[int, int]
"""Of a tile: level and number."""


class Tile(NamedTuple):
    level: int
    number: int
    hashes: bytes

    @property
    def width(self) -> int:
        return len(self.hashes) // HASH


def path_of(tile: TilePlace, width: int = WIDTH) -> str:
    """Where a tile is served: `tile/0/x001/x234/067`, a partial one with `.p/WIDTH`."""
    level, number = tile
    groups = [f"{number % 1000:03}"]
    while number := number // 1000:
        groups.insert(0, f"x{number % 1000:03}")
    return f"tile/{level}/{'/'.join(groups)}{f'.p/{width}' if width < WIDTH else ''}"


def split(hashes: bytes) -> list[bytes]:
    return [hashes[at:at + HASH] for at in range(0, len(hashes), HASH)]


def edge_of(size: int) -> list[TilePlace]:
    """The partial tiles of a tree, from level 0 up."""
    found, level = [], 0
    while size:
        if size % WIDTH:
            found.append((level, size // WIDTH))
        size, level = size // WIDTH, level + 1
    return found


class Edge:
    """The right edge of a growing tree: all that is needed to append, and to know the root."""

    def __init__(self, size: int = 0, partial: Iterable[Tile] = ()) -> None:
        """`partial`: those that `edge_of` names, or more of them."""
        self.size = size
        self._levels: list[list[bytes]] = []
        kept = {(one.level, one.number): one for one in partial}
        for level, number in edge_of(size):
            self._to(level)[:] = split(kept[level, number].hashes)[:size // WIDTH ** level % WIDTH]

    def append(self, leaves: Sequence[bytes]) -> list[Tile]:
        """The tiles that became full."""
        full: list[Tile] = []
        at = 0
        while at < len(leaves):
            room = WIDTH - len(self._to(0))
            taken = leaves[at:at + room]
            self._levels[0] += taken
            at += len(taken)
            self.size += len(taken)
            if len(taken) == room:
                self._carry(full)
        return full

    def partial(self) -> list[Tile]:
        return [Tile(level, number, b"".join(self._levels[level])) for level, number in edge_of(self.size)]

    def root(self) -> bytes:
        found: bytes | None = None
        for hashes in self._levels:
            at = len(hashes)
            while at:
                width = at & -at
                peak = tree_root(hashes[at - width:at])
                found = peak if found is None else node_hash(peak, found)
                at -= width
        return EMPTY if found is None else found

    def _carry(self, full: list[Tile]) -> None:
        level, number = 0, self.size // WIDTH - 1
        while len(hashes := self._to(level)) == WIDTH:
            full.append(Tile(level, number, b"".join(hashes)))
            self._to(level + 1).append(tree_root(hashes))
            hashes.clear()
            level, number = level + 1, number // WIDTH

    def _to(self, level: int) -> list[bytes]:
        while len(self._levels) <= level:
            self._levels.append([])
        return self._levels[level]


Tiles = Callable[[TilePlace], bytes]
"""The hashes of a tile that is kept. Raises KeyError where it is not."""


class Tree:
    """The first `size` leaves of what is kept. Raises KeyError where tiles are missing."""

    def __init__(self, size: int, tiles: Tiles, bits: int = BITS) -> None:
        """`bits`: a tile has two to the power of it hashes."""
        self.size = size
        self._tiles, self._bits, self._held = tiles, bits, dict[TilePlace, list[bytes]]()

    def root(self) -> bytes:
        return self._over(0, self.size)

    def leaves(self, first: int, end: int) -> list[bytes]:
        return [self._node(0, at) for at in range(first, end)]

    def inclusion(self, index: int) -> list[bytes]:
        """The path from a leaf up."""
        def path(low: int, high: int) -> list[bytes]:
            if high - low == 1:
                return []
            middle = low + _left(high - low)
            return [*path(low, middle), self._over(middle, high)] if index < middle else \
                [*path(middle, high), self._over(low, middle)]

        return path(0, self.size)

    def consistency(self, old: int) -> list[bytes]:
        """That the tree of the first `old` leaves is the beginning of this one."""
        def path(low: int, high: int, known: bool) -> list[bytes]:
            if high == old:
                return [] if known else [self._over(low, high)]
            middle = low + _left(high - low)
            return [*path(low, middle, known), self._over(middle, high)] if old <= middle else \
                [*path(middle, high, known=False), self._over(low, middle)]

        return path(0, self.size, known=True) if 0 < old < self.size else []

    def _over(self, low: int, high: int) -> bytes:
        width = high - low
        if not width:
            return EMPTY
        if not width & (width - 1):
            return self._node(width.bit_length() - 1, low // width)
        middle = low + _left(width)
        return node_hash(self._over(low, middle), self._over(middle, high))

    def _node(self, height: int, index: int) -> bytes:
        level, rest = divmod(height, self._bits)
        number, at = divmod(index << rest, 1 << self._bits)
        held = self._held.get((level, number))
        if held is None:
            held = self._held[level, number] = split(self._tiles((level, number)))
        if len(held) < at + (1 << rest):
            raise KeyError((level, number))
        return tree_root(held[at:at + (1 << rest)])


def _left(width: int) -> int:
    """The largest power of two below a width."""
    return 1 << (width - 1).bit_length() - 1
