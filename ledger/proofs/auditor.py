#!/usr/bin/env python3
"""Checks a proof of the career ledger, or a checkpoint of it, on a machine that has Python 3.11 and nothing else.

    python3 auditor.py proof FILE --key KEY [--checkpoint FILE]
    python3 auditor.py checkpoint FILE --key KEY

KEY is the text of a verifier key (`NAME+ID+BASE64`) or a file that holds it. Take it from whom you believe, and never
from the file that you check. Give it again for each witness who must have signed too, and for a file of hand-overs,
with which the key that you hold leads to the one that signs today. `--checkpoint` is one that you hold from elsewhere
(a witness): of the same log and size it must have the same root, and one of those that you give must be of that size,
or nothing was compared. Where none is given, that is said.

Exit codes: 0 it holds, 1 it does not, 2 wrong usage.

What is believed, from the bottom up. Each event is one line, an *entry*, of which only the digest of the stored bytes
is part (`event_entry`). The entries are the leaves of a Merkle tree as RFC 6962, section 2.1, has it: whoever knows
its root and a path of hashes knows that an entry stands at its place (`path_root`). The root and the number of leaves
are a *checkpoint*, which the ledger signs (C2SP tlog-checkpoint, signed-note; Ed25519, RFC 8032). Where it changes its
key, the last entry of a checkpoint names the old one and the new one, and both sign it (`read_handovers`).

So that nothing can be left out, the last entry of each checkpoint names the root of a *map of students*. Each student
has one entry in it: the version of her newest event, and a chain of hashes over all of them (`chained`). It lies in
one of 65,536 buckets, by the first 16 bits of the SHA-256 of her stream id. A proof shows her whole bucket, sorted,
and its path to the root of the map: she stands in it once, with exactly these events, or not at all.

What a proof cannot show: that the map was made from this very log. Whoever holds the log makes it again (`career-ledger
verify`); and two proofs of one student that contradict each other convict the ledger.
"""

import base64
import binascii
import json
import re
import sys
import uuid
from hashlib import sha256, sha512
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, NamedTuple

PROOF = "career-ledger/proof.v1"
EVENT = "career-ledger/event.v1"
HEADS = "career-ledger/heads.v1"
RESTORE = "career-ledger/restore.v1"
HANDOVER = "career-ledger/key.v1"
ENDS = {HEADS: 5, RESTORE: 10, HANDOVER: 7}
"""What the last entry of a checkpoint begins with, and how many lines follow."""
STUDENT = "career-ledger/student.v1"
TLOG_PROOF = "c2sp.org/tlog-proof@v1"
STREAMS = uuid.UUID("5b0ac2a4-6a0d-5a4f-9a3e-3d1b8f8a7c10")
"""A student's stream is the UUID of version 5 of her name in this namespace."""
BUCKET_BITS = 16
LONGEST_FILE, LONGEST_NOTE = 64 << 20, 1 << 20
"""Bytes; so is everything else that is read bounded before it is read."""
MOST_EVENTS, MOST_IN_A_BUCKET, MOST_SIGNATURES = 100_000, 10_000, 64
LARGEST = 2**63 - 1


class Wrong(Exception):
    """It does not hold; the text says why."""


# Merkle trees, RFC 6962 section 2.1

EMPTY = sha256().digest()


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\0" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


def tree_root(hashes: list[bytes]) -> bytes:
    """Over leaf hashes, or over the roots of full trees of one size: a last one without a neighbour goes up as it
    is."""
    if not hashes:
        return EMPTY
    begun = sha256(b"\1").copy  # cheaper than to begin each anew
    while len(hashes) > 1:
        pairs = []
        for left, right in zip(hashes[::2], hashes[1::2], strict=False):
            node = begun()
            node.update(left)
            node.update(right)
            pairs.append(node.digest())
        hashes = pairs + hashes[len(pairs) * 2:]
    return hashes[0]


def path_root(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of a tree of `size` leaves to which a path of hashes leads from the leaf at `index`. Raises Wrong."""
    if not 0 <= index < size:
        raise Wrong(f"there is no leaf {index} in a tree of {size}")
    at, last, root = index, size - 1, leaf
    for one in path:
        if last == 0:
            raise Wrong("a path is longer than its tree is high")
        if at & 1 or at == last:
            root = node_hash(one, root)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            root = node_hash(root, one)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise Wrong("a path is shorter than its tree is high")
    return root


def check_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: list[bytes]) -> None:
    """That the tree of `old` leaves is the beginning of that of `new` (RFC 9162, section 2.1.4.2). Raises Wrong."""
    if not 0 <= old <= new:
        raise Wrong(f"a tree of {old} leaves is not the beginning of one of {new}")
    if old in (0, new):
        if path or (old_root != (EMPTY if old == 0 else new_root)):
            raise Wrong("the two trees are not consistent")
        return
    path = [old_root, *path] if old & (old - 1) == 0 else path
    if not path:
        raise Wrong("the proof of consistency is empty")
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first = second = path[0]
    for one in path[1:]:
        if last == 0:
            raise Wrong("the proof of consistency is too long")
        if at & 1 or at == last:
            first, second = node_hash(one, first), node_hash(one, second)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second = node_hash(second, one)
        at, last = at >> 1, last >> 1
    if last != 0 or first != old_root or second != new_root:
        raise Wrong("the two trees are not consistent")


# Ed25519, RFC 8032 section 5.1.7: points of the curve as (X, Y, Z, T)

_P = 2**255 - 19
_ORDER = 2**252 + 27742317777372353535851937790883648493
_D = -121665 * pow(121666, -1, _P) % _P
_ROOT = pow(2, (_P - 1) // 4, _P)
_Point = tuple[int, int, int, int]


def _sum(one: _Point, other: _Point) -> _Point:
    a, b = (one[1] - one[0]) * (other[1] - other[0]) % _P, (one[1] + one[0]) * (other[1] + other[0]) % _P
    c, d = 2 * one[3] * other[3] * _D % _P, 2 * one[2] * other[2] % _P
    return (b - a) * (d - c) % _P, (d + c) * (b + a) % _P, (d - c) * (d + c) % _P, (b - a) * (b + a) % _P


def _times(number: int, point: _Point) -> _Point:
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = _sum(found, point)
        point, number = _sum(point, point), number >> 1
    return found


def _point(data: bytes) -> _Point | None:
    number = int.from_bytes(data, "little")
    y, odd = number & (1 << 255) - 1, number >> 255
    square = (y * y - 1) * pow(_D * y * y + 1, -1, _P) % _P
    x = pow(square, (_P + 3) // 8, _P)
    if (x * x - square) % _P:
        x = x * _ROOT % _P
    if y >= _P or (x * x - square) % _P or (x == 0 and odd):
        return None
    x = _P - x if x & 1 != odd else x
    return x, y, 1, x * y % _P


_BASE = _point((4 * pow(5, -1, _P) % _P).to_bytes(32, "little"))


def is_signed(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature (64 bytes) of `message` is that of the key (32 bytes)."""
    if len(public) != 32 or len(signature) != 64 or _BASE is None:
        return False
    key, point, number = _point(public), _point(signature[:32]), int.from_bytes(signature[32:], "little")
    if key is None or point is None or number >= _ORDER:
        return False
    seal = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % _ORDER
    left, right = _times(number, _BASE), _sum(point, _times(seal, key))
    return (left[0] * right[2] - right[0] * left[2]) % _P == 0 == (left[1] * right[2] - right[1] * left[2]) % _P


# Signed notes, checkpoints, cosignatures (C2SP)

LOG_KEY, WITNESS_KEY = 1, 4
"""The first byte of a key: it signs a note as it stands, or with a time."""
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f\ud800-\udfff]{1,255}")
_ID = re.compile(r"[0-9a-f]{8}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_HEX = re.compile(r"[0-9a-f]{64}")
STUDENT_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")


class Key(NamedTuple):
    """Of a ledger (`kind` 1) or of a witness (`kind` 4). It signs checkpoints of `first` to `last` entries."""

    name: str
    id: bytes
    kind: int
    public: bytes
    first: int = 0
    last: int = LARGEST


class Seen(NamedTuple):
    """A signature that was checked. `time`: seconds since 1970 at which a witness saw the checkpoint; None: the
    ledger's."""

    name: str
    time: int | None


class Checkpoint(NamedTuple):
    origin: str
    size: int
    root: bytes


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def read_key(text: str) -> Key:
    """`NAME+ID+BASE64`. Raises Wrong."""
    name, _, rest = text.strip().partition("+")
    given, _, coded = rest.partition("+")
    both = unbase64(coded)
    known = len(both) == 33 and both[0] in (LOG_KEY, WITNESS_KEY)
    if not known or not _NAME.fullmatch(name) or not _ID.fullmatch(given):
        raise Wrong("this is no verifier key of an Ed25519 signature")
    if key_id(name, both[0], both[1:]).hex() != given:
        raise Wrong("the verifier key is damaged: its id is not that of its name and bytes")
    return Key(name, bytes.fromhex(given), both[0], both[1:])


def unbase64(text: str) -> bytes:
    """Raises Wrong, also for a second spelling of the same bytes."""
    try:
        found = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        found = b""
    if base64.b64encode(found).decode() != text:
        raise Wrong("a text in base64 is damaged")
    return found


def number(text: str) -> int:
    """A decimal number from 0 to 2^63 - 1, in its one spelling. Raises Wrong."""
    if not _NUMBER.fullmatch(text) or int(text) > LARGEST:
        raise Wrong(f"{text[:40]!r} is no number")
    return int(text)


def open_note(note: str, keys: list[Key]) -> tuple[str, dict[Key, Seen]]:
    """The text that was signed, and the signatures that hold, of those whose keys are known: others are passed over.
    Raises Wrong for a known key whose signature does not hold, and where no log's key has signed."""
    if any((ord(one) < 32 and one != "\n") or ord(one) == 127 for one in note):
        raise Wrong("a note holds control characters")
    cut = note.rfind("\n\n") + 1
    body, lines = note[:cut], note[cut + 1:].split("\n")
    if not cut or len(lines) < 2 or lines.pop() or len(lines) > MOST_SIGNATURES:
        raise Wrong("this is no signed note: a text, an empty line, and signatures")
    seen: dict[Key, Seen] = {}
    for line in lines:
        dash, name, coded = [*line.split(" "), "", "", ""][:3]
        if dash != "\u2014" or not _NAME.fullmatch(name) or line.count(" ") != 2:
            raise Wrong("a line of signature is damaged")
        both = unbase64(coded)
        if len(both) < 5:
            raise Wrong("a line of signature is damaged")
        for key in keys:
            if (key.name, key.id) != (name, both[:4]) or key in seen:
                continue
            signature, message, time = both[4:], body.encode(), None
            if key.kind == WITNESS_KEY:
                time = int.from_bytes(signature[:8], "big")
                signature, message = signature[8:], f"cosignature/v1\ntime {time}\n".encode() + message
            if not is_signed(key.public, signature, message):
                raise Wrong(f"the signature of {name} does not hold: the text was changed, or another key signed it")
            seen[key] = Seen(name, time)
    if not any(one.time is None for one in seen.values()):
        raise Wrong("the key that you gave has not signed this; if it was handed over since, give the hand-overs too. "
                    f"It is of {body.partition(chr(10))[0][:200]!a}")
    return body, seen


def read_checkpoint(body: str) -> Checkpoint:
    """The three lines that are signed: origin, size, root. More may follow. Raises Wrong."""
    lines = body.split("\n")
    if len(lines) < 4 or not lines[0] or lines[-1]:
        raise Wrong("this is no checkpoint: origin, size and root, a line each")
    root = unbase64(lines[2])
    if len(root) != 32:
        raise Wrong("the root of a checkpoint has 32 bytes")
    return Checkpoint(lines[0], number(lines[1]), root)


def open_checkpoint(note: str, keys: list[Key]) -> tuple[Checkpoint, list[Seen]]:
    """Raises Wrong, also where it is another log's than the key that has signed it, or the key was not the log's then:
    handed over before, or not yet."""
    body, seen = open_note(note, keys)
    found = read_checkpoint(body)
    if found.origin not in {one.name for one in seen.values() if one.time is None}:
        raise Wrong(f"the checkpoint is one of {found.origin}, whose key you did not give")
    for key in seen:
        if not key.first <= found.size <= key.last:
            raise Wrong(f"the checkpoint of {found.size} entries is signed by a key of {key.name} that signs those of "
                        f"{key.first} to {'any number of' if key.last == LARGEST else key.last} entries: it was handed "
                        "over")
    return found, list(seen.values())


def witnessed(seen: list[Seen], keys: list[Key]) -> None:
    """Raises Wrong where a witness whose key was given has not signed: a cosignature is easily left out."""
    for key in keys:
        if key.kind == WITNESS_KEY and not any(one.name == key.name and one.time is not None for one in seen):
            raise Wrong(f"the witness {key.name}, whose key you gave, has not signed this")


def compare(checkpoint: Checkpoint, held: list[tuple[str, Checkpoint]]) -> list[str]:
    """The places of those that are the same. `held`: checkpoints from elsewhere, each with its place. Raises Wrong
    where two of one log and size have two roots, and where there are some and none is of its log and size."""
    roots = {checkpoint[:2]: checkpoint.root}
    for place, one in held:
        if roots.setdefault(one[:2], one.root) != one.root:
            raise Wrong(f"{place} is a checkpoint of {one.size} entries, and another one of as many has another root: "
                        "keep both, they convict the ledger")
    same = [place for place, one in held if one[:2] == checkpoint[:2]]
    if held and not same:
        raise Wrong(f"nothing was compared: none of the checkpoints that you gave is one of {checkpoint.origin} with "
                    f"{checkpoint.size} entries. Ask for a proof under one that you hold (`prove --as-of`)")
    return same


# Entries

def event_entry(position: int, stream: str, version: int, name: str, digest: str) -> bytes:
    """`stream`: 32 hexadecimal digits; `name`: the stored name; `digest`: SHA-256 of the stored bytes, in hex."""
    return f"{EVENT}\n{position}\n{stream}\n{version}\n{name}\n{digest}\n".encode()


def heads_entry(events: int, position: int, students: int, root: str, previous: str) -> bytes:
    """What each checkpoint's last entry says: how many events stand before it, the position of the last one, the map of
    students, and the SHA-256 of the text of the checkpoint before (64 zeros in the first one)."""
    return f"{HEADS}\n{events}\n{position}\n{students}\n{root}\n{previous}\n".encode()


def restore_entry(heads: bytes, epoch: int, reached: int, lost: Checkpoint | None, digest: str) -> bytes:
    """The last entry of the checkpoint with which an epoch begins: an older copy was put in the place of the ledger.
    What `heads` says, the number of the epoch, the highest position that was given before, size and root of the newest
    checkpoint that is gone (0 and 64 zeros: none is known), and the SHA-256 over who accepted it, when and why."""
    size, root = (lost.size, lost.root) if lost is not None else (0, bytes(32))
    told = heads.decode().replace(HEADS, RESTORE, 1)
    return f"{told}{epoch}\n{reached}\n{size}\n{root.hex()}\n{digest}\n".encode()


def handover_entry(heads: bytes, old: str, new: str) -> bytes:
    """The last entry of the checkpoint with which the key changes: what `heads` says, and two verifier keys of the log.
    The old one signs up to this checkpoint, the new one from it on."""
    return f"{heads.decode().replace(HEADS, HANDOVER, 1)}{old}\n{new}\n".encode()


def is_end(entry: bytes, map_root: bytes) -> bool:
    """Whether it is an entry with which a checkpoint ends, and names this map of students. Raises Wrong."""
    lines = entry.decode().split("\n")
    if len(lines) != ENDS.get(lines[0], 0) + 2:
        return False
    events, position, students = (number(one) for one in lines[1:4])
    said = heads_entry(events, position, students, map_root.hex(), lines[5])
    if lines[0] == RESTORE:
        epoch, reached, size = (number(one) for one in lines[6:9])
        if not _HEX.fullmatch(lines[9]) or not _HEX.fullmatch(lines[10]):
            return False
        said = restore_entry(said, epoch, reached, Checkpoint("", size, bytes.fromhex(lines[9])), lines[10])
    if lines[0] == HANDOVER:
        said = handover_entry(said, *lines[6:8])
    return bool(_HEX.fullmatch(lines[5])) and entry == said


def student_entry(key: str, version: int, chain: bytes) -> bytes:
    return f"{STUDENT}\n{key}\n{version}\n{chain.hex()}\n".encode()


def stream_of(student: str) -> str:
    return uuid.uuid5(STREAMS, student).hex


def key_of(stream: str) -> str:
    """Where a student stands in the map: SHA-256 of her stream id's 32 hexadecimal digits."""
    return sha256(stream.encode()).hexdigest()


def bucket_of(key: str) -> int:
    return int(key[:4], 16)


def chained(chain: bytes, leaf: bytes) -> bytes:
    """The chain over one event more; the first one stands on 32 zero bytes."""
    return sha256(chain + leaf).digest()


# Keys that were handed over

class Handover(NamedTuple):
    """From one key of a log to the next: both have signed this checkpoint."""

    old: Key
    new: Key
    checkpoint: Checkpoint


def read_handovers(text: str) -> list[Handover]:
    """Of a file: of each the entry that ends a checkpoint and names two keys, and its tlog-proof. They hold in
    themselves; whether one of the keys is to be believed is for `handed_over` to say. Raises Wrong."""
    found = []
    for part in text.split(f"{HANDOVER}\n")[1:]:
        lines = _Lines(f"{HANDOVER}\n{part}")
        entry = read_end(lines)
        said = entry.decode().split("\n")
        if not _HEX.fullmatch(said[4]) or not is_end(entry, bytes.fromhex(said[4])):
            raise Wrong("a hand-over is damaged")
        old, new = read_key(said[6]), read_key(said[7])
        index, path, note = read_tlog_proof(lines)
        checkpoint, _ = open_checkpoint(note, [old, new])
        if old == new or {old, new} != open_note(note, [old, new])[1].keys() or old.kind != LOG_KEY or \
                new.kind != LOG_KEY:
            raise Wrong("a hand-over is not signed by both keys")
        if index != checkpoint.size - 1 or path_root(leaf_hash(entry), index, checkpoint.size, path) != checkpoint.root:
            raise Wrong("the hand-over of a key is not the last entry of its checkpoint")
        found.append(Handover(old, new, checkpoint))
    return found


def handed_over(keys: list[Key], handovers: list[Handover]) -> list[Key]:
    """The keys, those that they were handed over to or from, and the checkpoints that each signs. Raises Wrong for a
    hand-over to none of them, and for two that contradict each other."""
    def place(key: Key) -> tuple[str, int, bytes]:
        return key.name, key.kind, key.public

    found = {place(one): one for one in keys}
    waiting = list(dict.fromkeys(handovers))
    while waiting:
        one = next((one for one in waiting if place(one.old) in found or place(one.new) in found), None)
        if one is None:
            raise Wrong("a key was handed over that is none of those that you gave")
        waiting.remove(one)
        old, new = found.get(place(one.old), one.old), found.get(place(one.new), one.new)
        if old.last != LARGEST or new.first != 0:
            raise Wrong(f"two hand-overs of one key of {old.name}: keep both, they convict who holds the key")
        found[place(old)] = old._replace(last=one.checkpoint.size)
        found[place(new)] = new._replace(first=one.checkpoint.size)
    if any(one.first > one.last for one in found.values()):
        raise Wrong("a key was handed over before it was the log's")
    return list(found.values())


# The proof of a student

class Event(NamedTuple):
    """As it is stored. `place`: its index in the tree, where the proof shows it."""

    position: int
    version: int
    name: str
    state: bytes
    place: int | None


class Proven(NamedTuple):
    """What a proof shows: that these were all events of the student when the log ended at `position`."""

    checkpoint: Checkpoint
    seen: list[Seen]
    student: str
    events: list[Event]
    position: int
    log_events: int
    students: int


class _Lines:
    """Of a file, one after the other."""

    def __init__(self, text: str) -> None:
        self._lines = text.split("\n")
        self._at = 0

    def next(self) -> str:
        if self._at >= len(self._lines):
            raise Wrong("the file ends too early")
        self._at += 1
        return self._lines[self._at - 1]

    def skip(self, beginning: str) -> None:
        """The next one where it begins so."""
        if self._lines[self._at:] and self._lines[self._at].startswith(beginning):
            self._at += 1

    def expect(self, line: str) -> None:
        if (found := self.next()) != line:
            raise Wrong(f"{line!r} is missing: {found[:60]!r} stands in its place")

    def value(self, name: str) -> str:
        found = self.next()
        if not found.startswith(name + " "):
            raise Wrong(f"{name!r} is missing: {found[:60]!r} stands in its place")
        return found[len(name) + 1:]

    def count(self, name: str, most: int) -> int:
        found = number(self.value(name))
        if found > most:
            raise Wrong(f"{name} {found}: more than {most} are not read")
        return found

    def path(self) -> tuple[int, list[bytes]]:
        """An index, and the hashes up to an empty line."""
        index, hashes = number(self.value("index")), []
        while line := self.next():
            hashes.append(unbase64(line))
            if len(hashes[-1]) != 32 or len(hashes) > 63:
                raise Wrong("a path holds up to 63 hashes of 32 bytes")
        return index, hashes

    def rest(self) -> str:
        return "\n".join(self._lines[self._at:])


def read_tlog_proof(lines: _Lines) -> tuple[int, list[bytes], str]:
    """Index, path and checkpoint of a tlog-proof file. What `extra` says is not authenticated: it is passed over."""
    lines.expect(TLOG_PROOF)
    lines.skip("extra ")
    index, path = lines.path()
    return index, path, lines.rest()


def read_end(lines: _Lines) -> bytes:
    """An entry with which a checkpoint ends, not looked at."""
    kind = lines.next()
    return "".join(one + "\n" for one in (kind, *(lines.next() for _ in range(ENDS.get(kind, 0))))).encode()


def check_tlog_proof(text: str, entry: bytes, keys: list[Key]) -> Checkpoint:
    """Of one entry, in the format of C2SP. Raises Wrong."""
    index, path, note = read_tlog_proof(_Lines(text))
    checkpoint, _ = open_checkpoint(note, keys)
    if path_root(leaf_hash(entry), index, checkpoint.size, path) != checkpoint.root:
        raise Wrong("the path does not lead to the root of the checkpoint")
    return checkpoint


def check_proof(text: str, keys: list[Key]) -> Proven:
    """Of a student. Raises Wrong."""
    lines = _Lines(text)
    lines.expect(PROOF)
    student = lines.value("student")
    if not STUDENT_NAME.fullmatch(student):  # nothing is held of a name that only looks like hers
        raise Wrong(f"{student[:80]!a} is no name that a ledger gives a student")
    stream = stream_of(student)
    events, leaves, chain = [], [], bytes(32)
    for version in range(1, lines.count("events", MOST_EVENTS) + 1):
        position, _, name = lines.next().partition(" ")
        state = lines.next().encode()
        events.append(Event(number(position), version, name, state, None))
        _check_bytes(events[-1], student)
        leaves.append(leaf_hash(event_entry(events[-1].position, stream, version, name, sha256(state).hexdigest())))
        chain = chained(chain, leaves[-1])
    if any(one.position >= other.position for one, other in pairwise(events)):
        raise Wrong("the positions of the events do not rise")

    paths = []
    for _ in range(lines.count("inclusions", len(events))):
        version = lines.count("version", len(events))
        paths.append((version, *lines.path()))
    if events and [one[0] for one in paths] not in ([len(events)], [*range(1, len(events) + 1)]):
        raise Wrong("a proof shows the place of the newest event, or of all of them")

    root = _map_root(lines, key_of(stream), student_entry(key_of(stream), len(events), chain) if events else None)

    entry = read_end(lines)
    if not is_end(entry, root):
        raise Wrong("the map of students is not the one that the log names")
    log_events, last, students = (number(one.decode()) for one in entry.split(b"\n")[1:4])
    if events and events[-1].position > last:
        raise Wrong("an event stands after the end of the log that the proof speaks of")

    index, path, note = read_tlog_proof(lines)
    checkpoint, seen = open_checkpoint(note, keys)
    if index != checkpoint.size - 1:
        raise Wrong("the map of students is not named by the last entry of the checkpoint")
    if path_root(leaf_hash(entry), index, checkpoint.size, path) != checkpoint.root:
        raise Wrong("the entry that names the map of students does not lead to the root of the checkpoint")
    for version, at, hers in paths:
        if path_root(leaves[version - 1], at, checkpoint.size, hers) != checkpoint.root:
            raise Wrong(f"event {version} does not lead to the root of the checkpoint")
        events[version - 1] = events[version - 1]._replace(place=at)
    return Proven(checkpoint, seen, student, events, last, log_events, students)


def _map_root(lines: _Lines, key: str, entry: bytes | None) -> bytes:
    """The root to which her bucket leads. Raises Wrong where the bucket is out of order, and where she does not stand
    in it once, with this entry; None: not at all."""
    keys, leaves = [], []
    for _ in range(lines.count("bucket", MOST_IN_A_BUCKET)):
        one, _, leaf = lines.next().partition(" ")
        if not _HEX.fullmatch(one) or not _HEX.fullmatch(leaf):
            raise Wrong("an entry of the bucket is damaged")
        keys.append(one)
        leaves.append(bytes.fromhex(leaf))
    if any(one >= other for one, other in pairwise(keys)):
        raise Wrong("the keys of the bucket do not rise")
    if any(bucket_of(one) != bucket_of(key) for one in keys):
        raise Wrong("a key of the bucket belongs to another one")
    if entry is None and key in keys:
        raise Wrong("the student has events, and the proof shows none")
    if entry is not None and (key not in keys or leaves[keys.index(key)] != leaf_hash(entry)):
        raise Wrong("the map of students does not have exactly these events: one was changed, removed or added")
    index, path = lines.path()
    if index != bucket_of(key):
        raise Wrong("the bucket is not the student's")
    return path_root(tree_root(leaves), index, 1 << BUCKET_BITS, path)


def _check_bytes(event: Event, student: str) -> None:
    """That the bytes say the same as their row: hers, this version, this type. Raises Wrong."""
    try:
        said: Any = json.loads(event.state)
        same = (said["student"], said["version"]) == (student, event.version) and \
            re.fullmatch(re.escape(said["type"]) + r"\.v[0-9]+", event.name)
    except (ValueError, KeyError, TypeError, RecursionError):
        same = None
    if not same:
        raise Wrong(f"the bytes of event {event.version} do not say what the event is said to be")


# The command

def read_text(path: str, most: int = LONGEST_FILE) -> str:
    with Path(path).open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise Wrong(f"{path} is larger than {most} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise Wrong(f"{path} is not a text in UTF-8") from None


def keys_given(those: list[str]) -> tuple[list[Key], list[Handover]]:
    """Each the text of a key, or a file that holds one, or hand-overs. Raises Wrong, OSError."""
    texts = [said if said.count("+") >= 2 else read_text(said, LONGEST_NOTE) for said in those]
    return ([read_key(one) for one in texts if not one.startswith(HANDOVER)],
            [found for one in texts if one.startswith(HANDOVER) for found in read_handovers(one)])


def _visible(text: str) -> str:
    """Nothing in it acts on a terminal."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def _say(*words: object) -> None:
    sys.stdout.write(_visible(" ".join(str(one) for one in words)) + "\n")


def _say_checkpoint(checkpoint: Checkpoint, seen: list[Seen]) -> None:
    _say("log:", checkpoint.origin)
    _say("entries:", checkpoint.size)
    _say("root:", checkpoint.root.hex())
    for one in seen:
        _say("signed by:", one.name, "" if one.time is None else f"(witness, {one.time} seconds after 1970)")


def main(arguments: list[str]) -> int:
    named: dict[str, list[str]] = {"--key": [], "--checkpoint": []}
    plain = []
    rest = iter(arguments)
    for one in rest:
        if one in named:
            named[one] += [*islice(rest, 1)] or [""]
        else:
            plain.append(one)
    if len(plain) != 2 or plain[0] not in ("proof", "checkpoint") or not named["--key"] or \
            "" in named["--key"] + named["--checkpoint"]:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        keys = handed_over(*keys_given(named["--key"]))
        held = [(one, open_checkpoint(read_text(one, LONGEST_NOTE), keys)[0]) for one in named["--checkpoint"]]
        if plain[0] == "checkpoint":
            checkpoint, seen = open_checkpoint(read_text(plain[1], LONGEST_NOTE), keys)
        else:
            proven = check_proof(read_text(plain[1]), keys)
            checkpoint, seen = proven.checkpoint, proven.seen
        witnessed(seen, keys)
        compared = compare(checkpoint, held)
    except (Wrong, OSError) as error:
        sys.stderr.write(_visible(f"DOES NOT HOLD: {error}") + "\n")
        return 1
    _say_checkpoint(checkpoint, seen)
    for place in compared:
        _say("compared with:", place)
    if not compared:
        _say("COMPARED WITH NO CHECKPOINT FROM ELSEWHERE: whoever signs could show others another history")
    if plain[0] == "proof":
        _say("student:", proven.student)
        _say(f"known when the log ended at position {proven.position}: {proven.log_events} events of "
             f"{proven.students} students")
        for event in proven.events:
            _say(f"event {event.version} at position {event.position}: {event.state.decode()}")
        _say(f"These {len(proven.events)} events are all that the log held of this student then."
             if proven.events else "The log held nothing of this student then.")
    _say("IT HOLDS")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
