"""A student's proof: all her events when the log ended at a checkpoint, as one file that `auditor.py` checks."""

from collections.abc import Callable
from typing import NamedTuple

from ledger.store import EventStore, StoreUnusable
from ledger.store.recorder import LogRow, WholeRow

from .auditor import Wrong, bucket_of, key_of, leaf_hash, path_root, read_checkpoint, stream_of
from .students import NEW, Bucket, Heads, OutOfOrder, changed, hashed, leaves_of, map_of
from .tables import Kept, KeptPoint, ProofTables
from .tree import TilePlace, Tree
from .writing import Proven, Way, proof, tlog_proof

PAGE = 5_000


class NotSealed(Exception):
    """There is no checkpoint, or none as old as it was asked for."""


class Disagrees(StoreUnusable):
    """What is kept of the proofs is not what the events give."""

    def __init__(self) -> None:
        super().__init__("the log and what is kept of its proofs disagree: one of them was changed. `career-ledger "
                         "verify` says more")


class Proof(NamedTuple):
    """`text`: of the file."""

    text: str
    events: int
    sealed: KeptPoint


def prove(store: EventStore, tables: ProofTables, student: str, position: int | None = None,
          full: bool = False) -> Proof:
    """As of the newest checkpoint, or of the newest whose events all stand at or below `position`: then the map of
    students is made again from the log. `full`: with the place of each event in the tree, not only of the newest.
    Raises NotSealed, Disagrees."""
    if not tables.exist():
        raise NotSealed
    with tables.reading() as kept:
        sealed = kept.known_at((1 << 63) - 1 if position is None else position)
        if sealed is None or sealed.note is None:
            raise NotSealed
        events = [row for row in store.rows_of(student) if row[0] <= sealed.position]
        try:
            text = _text(kept, sealed, sealed.note, student, events, _map_at(store, kept, sealed), full)
        except (KeyError, OutOfOrder, ValueError, Wrong):
            raise Disagrees from None
    return Proof(text, len(events), sealed)


def handovers(tables: ProofTables) -> str:
    """Of the log's key, from one to the next, as `auditor.read_handovers` takes them; empty where there is none, or
    its tiles are not whole."""
    if not tables.exist():
        return ""
    with tables.reading() as kept:
        try:
            return "".join(one.heads + tlog_proof(Way(one.size - 1, Tree(one.size, kept.tile).inclusion(one.size - 1)),
                                                  one.note or "") for one in kept.handovers())
        except KeyError:
            return ""


_Map = tuple[Callable[[int], Bucket], Tree]


def _map_at(store: EventStore, kept: Kept, sealed: KeptPoint) -> _Map:
    """A bucket by its number, and the tree over all of them, at a checkpoint. What is kept is that of the newest
    one."""
    if sealed == kept.last():
        return lambda index: kept.buckets([index]).get(index, {}), map_of(kept.map_tile)
    heads, at = Heads(), 0
    while rows := [row for row in store.rows(at, PAGE) if row[0] <= sealed.position]:
        heads.add(hashed(rows))
        at = rows[-1][0]
    tiles: dict[TilePlace, bytes] = {}
    tiles |= {(one.level, one.number): one.hashes for one in changed(tiles.__getitem__, heads.settle().roots)}
    return heads.bucket, map_of(tiles.__getitem__)


def _text(kept: Kept, sealed: KeptPoint, note: str, student: str, events: list[LogRow], at: _Map, full: bool) -> str:
    stream = stream_of(student)
    key = key_of(stream)
    rows: list[WholeRow] = [(position, stream, version, name, state)
                            for version, (position, name, state) in enumerate(events, 1)]
    bucket_at, map_tree = at
    index = bucket_of(key)
    bucket = bucket_at(index)
    hers = Heads()
    if rows:
        hers.add(hashed(rows))
    hers.settle()
    if bucket.get(key, NEW) != hers.bucket(index).get(key, NEW):
        raise Disagrees
    tree = Tree(sealed.size, kept.tile)
    root, entry = tree.root(), sealed.heads.encode()
    if map_tree.root().hex() != sealed.heads.split("\n")[4] or root != read_checkpoint(sealed.body).root or \
            not note.startswith(f"{sealed.body}\n"):
        raise Disagrees
    if any(b"\n" in state for _, _, state in events):
        raise Disagrees  # no event that this program writes has a line break
    inclusions = {}
    for version, (position, _, _) in enumerate(events, 1):
        if full or version == len(events):
            place = kept.index_of(position)
            inclusions[version] = Way(place, tree.inclusion(place))
    end = Way(sealed.size - 1, tree.inclusion(sealed.size - 1))
    leaves = hashed(rows).leaves if rows else ()
    for leaf, way in ((leaf_hash(entry), end), *((leaves[version - 1], way) for version, way in inclusions.items())):
        if path_root(leaf, way.at, sealed.size, [*way.hashes]) != root:
            raise Disagrees  # no proof leaves that would not hold
    return proof(Proven(student, events, inclusions, leaves_of(bucket), Way(index, map_tree.inclusion(index)),
                       entry, end, note))
