"""Everything again from the events: leaves, tiles, map of students, every checkpoint; what was changed, and where
first.

Tiles and checkpoints come from the same database as the events: who may change one may change all of them. Only
checkpoints from outside, which somebody else has kept, show that it was not done. """

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from datetime import date, datetime
from itertools import pairwise
from typing import Any, NamedTuple

from ledger.domain.phrases import Phrase, says
from ledger.domain.values import ROME
from ledger.edges.memory import uncollected
from ledger.store import EventStore
from ledger.store.epochs import Epoch

from .auditor import Checkpoint, Key, Seen, Wrong, open_checkpoint, read_checkpoint
from .hashing import BEFORE_ALL, TakenUpTo, read
from .regrown import Regrown
from .sequencer import is_given_up
from .signing import epoch_of, keys_in, signed_file, signed_in
from .students import BUCKETS, OutOfOrder
from .tables import KeptPoint, NoCheckpoint, ProofTables
from .tree import HASH, WIDTH, TilePlace, split

BUCKETS_AT_ONCE = 1024
HowFar = Callable[[int, int], None]
"""Of positions done, of how many."""


class Outside(NamedTuple):
    """A checkpoint that somebody else has kept. `where`: the file; `seen`: whose signatures were checked."""

    where: str
    checkpoint: Checkpoint
    seen: Sequence[Seen]


class Disagreement(NamedTuple):
    """`kind`: changed, removed, inserted, disagrees, order, tiles, map, checkpoint, signature, outside, cut, given-up,
    lacking.
    `position`: of the first bad event, or of the last good one before it; None where it is no matter of one."""

    kind: str
    position: int | None
    message: Phrase


class _Walk:
    """Through the log, from checkpoint to checkpoint."""

    def __init__(self, store: EventStore, tables: ProofTables, outside: Sequence[Outside], keys: Sequence[Key],
                 told: HowFar) -> None:
        self._store, self._tables, self._keys, self._told = store, tables, list(keys), told
        self._outside = sorted(outside, key=lambda one: (one.checkpoint.size, one.checkpoint.origin))
        self._log, self._epochs = Regrown(()), dict[int, Epoch]()
        self._end = store.last_position()
        self._reads = read(tables.url, store, BEFORE_ALL, self._end, checked=True)
        self._up_to = TakenUpTo(self._reads)
        self._above: dict[TilePlace, bytes | int | None] = {}
        """As `Kept.above`, of full tiles."""
        self.events, self.position, self.sealed = 0, BEFORE_ALL, 0
        self.unsealed = 0
        self.compared: list[Outside] = []

    def close(self) -> None:
        self._reads.close()

    def findings(self) -> Iterator[Disagreement]:
        """Up to the first event that is not what it was."""
        checkpoints: list[KeptPoint] = []
        if self._tables.exist():
            with self._tables.reading() as kept:
                try:
                    checkpoints = kept.checkpoints()
                except NoCheckpoint as error:
                    yield Disagreement("checkpoint", None, says("verify/no-checkpoint", text=error.size))
                    return
                self._epochs = {one.number: one for one in kept.epochs()}
        self._log = Regrown(self._epochs.values())
        yield from self._known([read_checkpoint(one.body) for one in checkpoints])
        tiles = False
        for one in checkpoints:
            found = self._checkpoint(one, one is checkpoints[-1])
            yield from found
            if any(finding.kind not in ("tiles", "signature") for finding in found):
                return
            tiles = tiles or any(finding.kind == "tiles" for finding in found)
            self.sealed += 1
        if checkpoints and not tiles:
            yield from self._beside(checkpoints[-1].size)
        yield from self._tail()

    def _known(self, kept: Sequence[Checkpoint]) -> Iterator[Disagreement]:
        """Outside checkpoints that the ledger should have, and has not."""
        for one, other in pairwise(self._outside):
            if one.checkpoint[:2] == other.checkpoint[:2] and one.checkpoint != other.checkpoint:
                yield Disagreement("outside", None, says("verify/two-roots", text=one.where, second=other.where,
                                                    count=one.checkpoint.size))
        for one in self._outside:
            size, epoch = one.checkpoint.size, epoch_of(one.checkpoint.origin)[1]
            sizes = {there.size for there in kept if there.origin == one.checkpoint.origin}
            last = max(sizes, default=0)
            after = next((there for there in self._epochs.values()
                          if there.number > epoch and there.lost_size >= size), None)
            if size > last and after is not None:
                yield Disagreement("given-up", None, says("verify/given-up", text=one.where, count=size, more=last,
                                                          number=after.number, on=_day(after.accepted_at)))
            elif size > last:
                yield Disagreement("cut", None, says("verify/cut", text=one.where, count=size, more=last))
            elif size not in sizes:
                yield Disagreement("lacking", None, says("verify/lacking", text=one.where, count=size))

    def _beside(self, size: int) -> Iterator[Disagreement]:
        """What else is kept, and is not signed: with it proofs are made, and the next checkpoint."""
        log = self._log
        with self._tables.reading() as kept:
            last = kept.last()
            if last is None or last.size != size:  # sealed meanwhile
                return
            if kept.above() != self._above | {(one.level, one.number): first if one.level == 0 else one.hashes
                                              for one, first in log.partial()}:
                yield Disagreement("tiles", None, says("verify/tiles", count=size))
            heads, some = dict(log.heads()), range(0, BUCKETS, BUCKETS_AT_ONCE)
            if kept.map_tiles() != {(one.level, one.number): one.hashes for one in log.map_tiles()} or any(
                    kept.buckets(these) != {index: heads[index] for index in these if index in heads}
                    for these in (range(first, first + BUCKETS_AT_ONCE) for first in some)):
                yield Disagreement("map", None, says("verify/map"))

    def _checkpoint(self, sealed: KeptPoint, is_last: bool) -> list[Disagreement]:
        positions: list[int] = []
        leaves: list[bytes] = []
        found: list[Disagreement] = []
        first, start = self._log.size, max(self.position, 0)
        for events, bad in self._up_to(sealed.position):
            self._log.add(events)
            leaves += events.leaves
            positions += events.positions
            if not found and bad is not None:
                found.append(_disagrees(bad))
            self._told(max(positions[-1], 0), self._end)
        expected = self._leaves_kept(first, sealed.size - 1)
        differ = expected != b"".join(leaves)
        named = read_checkpoint(sealed.body)
        theirs = [one for one in self._outside if one.checkpoint[:2] == named[:2]]
        self.compared += theirs
        try:
            grown, _, full = self._log.end(named.origin, keys_in(sealed.heads))
        except OutOfOrder as error:
            blamed = self._blamed(split(expected), leaves, positions, start) if differ else None
            return [blamed or Disagreement("order", error.position, says("verify/order", position=error.position))]
        self._above |= {(one.level, one.number): first if one.level == 0 else one.hashes for one, first in full}
        self.events, self.position = self._log.events, self._log.position
        if read_checkpoint(grown.body)[1:] == (theirs[0].checkpoint if theirs else named)[1:]:  # as it was signed
            return found + self._of_what_is_kept(sealed, grown, differ, is_last)
        blamed = self._blamed(split(expected), leaves, positions, start) if differ else None
        if blamed is not None:
            return [blamed]
        if theirs and grown.body == sealed.body:
            return [Disagreement("outside", None, says("verify/outside", text=theirs[0].where, count=sealed.size,
                                                  position=sealed.position))]
        return [Disagreement("checkpoint", None, says("verify/checkpoint", count=sealed.size,
                                                      position=sealed.position))]

    def _of_what_is_kept(self, sealed: KeptPoint, grown: KeptPoint, other_tiles: bool,
                         is_last: bool) -> list[Disagreement]:
        found = []
        if other_tiles:
            found.append(Disagreement("tiles", None, says("verify/tiles", count=sealed.size)))
        if grown._replace(note=sealed.note) != sealed:
            found.append(Disagreement("checkpoint", None, says("verify/checkpoint", count=sealed.size,
                                                          position=sealed.position)))
        elif (sealed.note is not None or not is_last) and not _is_note_of(sealed, self._keys):
            found.append(Disagreement("signature", None, says("verify/signature", count=sealed.size)))
        return found

    def _blamed(self, expected: Sequence[bytes], leaves: Sequence[bytes], positions: Sequence[int],
                start: int) -> Disagreement:
        """The first event that is not what the tiles say, between the last one that is and the next one that is.
        `start`: the position of the last one before these."""
        at = next((at for at, leaf in enumerate(leaves) if expected[at:at + 1] != [leaf]), len(leaves))
        places = {leaf: place for place, leaf in enumerate(expected) if place >= at}
        here = next((here for here in range(at, len(leaves)) if leaves[here] in places), len(leaves))
        more = here - at
        less = (places[leaves[here]] if here < len(leaves) else len(expected)) - at
        before = positions[at - 1] if at else start
        if more < less:
            return Disagreement("removed", before, says("verify/removed", count=less - more, position=before))
        if more > less:
            here = positions[at]
            return Disagreement("inserted", here, says("verify/inserted", count=more - less, position=here))
        return Disagreement("changed", positions[at], says("verify/changed", count=more, position=positions[at]))

    def _leaves_kept(self, first: int, end: int) -> bytes:
        """One after the other, as the tiles have them."""
        found: list[bytes] = []
        with self._tables.reading() as kept:
            for number in range(first // WIDTH, -(-end // WIDTH)):
                with suppress(KeyError):
                    at = number * WIDTH
                    found.append(kept.tile((0, number))[max(first - at, 0) * HASH:(end - at) * HASH])
        return b"".join(found)

    def _tail(self) -> Iterator[Disagreement]:
        """What no checkpoint covers yet."""
        for events, bad in self._up_to(self._end):
            self.unsealed += len(events.positions)
            self._log.add(events)
            self._told(max(events.positions[-1], 0), self._end)
            if bad is not None:
                yield _disagrees(bad)
                return
        try:
            self._log.settle()
        except OutOfOrder as error:
            yield Disagreement("order", error.position, says("verify/order", position=error.position))


def _day(moment: str) -> date:
    """In Rome."""
    return datetime.fromisoformat(moment).astimezone(ROME).date()


def _disagrees(position: int) -> Disagreement:
    return Disagreement("disagrees", position, says("verify/disagrees", position=position))


def _is_note_of(sealed: KeptPoint, keys: list[Key]) -> bool:
    """Whether the note is the signed text of the checkpoint; without keys the signature is not looked at."""
    note = sealed.note or ""
    if not note.startswith(sealed.body + "\n"):
        return False
    try:
        return not keys or bool(open_checkpoint(note, keys))
    except Wrong:
        return False


def beside_the_key(tables: ProofTables) -> Outside | None:
    """What was signed last, as the file beside the key says; None where there is none, or it was given up. Read before
    the log, it is in it. Raises StoreUnusable."""
    file = signed_file()
    signed = signed_in(file) if file is not None else None
    if signed is None:
        return None
    with tables.reading() as kept:
        given_up = is_given_up(signed.checkpoint, kept.epochs())
    return None if given_up else Outside(str(file), signed.checkpoint, ())


def verify(store: EventStore, tables: ProofTables, outside: Sequence[Outside], keys: Sequence[Key],
           told: HowFar = lambda _, __: None, beside: Outside | None = None) -> Mapping[str, Any]:
    """The answer: `events`, `students` and `checkpoints` that hold up to `position`; `unsealed`: events that no
    checkpoint covers yet; `signatures`: whether they were looked at; `outside`: the checkpoints that were compared;
    `beside`: the file beside the key where what it holds was compared too, which whoever has the key could change;
    `findings`."""
    walk = _Walk(store, tables, [*outside, beside] if beside is not None else outside, keys, told)
    with uncollected(), closing(walk):
        findings = [one._asdict() for one in walk.findings()]
    return {"events": walk.events, "position": max(walk.position, 0), "checkpoints": walk.sealed,
            "unsealed": walk.unsealed, "signatures": bool(keys),
            "outside": [{"file": one.where, "size": one.checkpoint.size, "signed_by": [seen.name for seen in one.seen]}
                        for one in walk.compared if one is not beside],
            "beside": beside.where if beside in walk.compared else None,
            "findings": findings}


def position_of(held: Checkpoint, tables: ProofTables) -> int:
    """Of the last event before a checkpoint that somebody else has kept. Raises Wrong where the ledger has none of this
    size, or another one."""
    kept = None
    if tables.exist():
        with tables.reading() as there:
            kept = there.of_size(held.size)
    if kept is None:
        raise Wrong(f"this ledger has no checkpoint of {held.size} entries: is it another ledger, or an older copy? "
                    "`career-ledger verify --checkpoint` compares them")
    if read_checkpoint(kept.body) != held:
        raise Wrong(f"this ledger's checkpoint of {held.size} entries has another name or root: keep it, and run "
                    "`career-ledger verify --checkpoint`")
    return max(kept.position, 0)
