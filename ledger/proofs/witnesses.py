"""Giving checkpoints away: to folders that others read, to witnesses that sign them too, and to whatever else takes a
note. Off the write path, and never in the way of sealing: what cannot be given now is given again later.

A witness (C2SP tlog-witness) has seen the log before: it is sent the proof that the log has only grown since, and
answers with its cosignature, which comes into the note. """

import base64
import http.client
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ledger.edges.fetch import Unanswered, fetched
from ledger.edges.files import write_whole
from ledger.store import StoreUnavailable
from ledger.wire.kafka import KafkaUnusable

from .auditor import Key, Wrong, number, open_note, read_checkpoint
from .tables import KeptPoint, ProofTables
from .tree import Tree

SECONDS = 10.0
"""So long a witness may take."""
LONGEST_ANSWER = 1 << 16
SEEN_BY_ALL = 0o644
"""Checkpoints hold nothing personal, and stand there for others."""


class NotGiven(StoreUnavailable):
    """A place did not take a checkpoint; the text begins with the place."""


class Taker(Protocol):
    """Where checkpoints go. `take` answers the note as it is now, where the place has signed it too. Raises
    NotGiven."""

    def take(self, sealed: KeptPoint, note: str, tables: ProofTables) -> str | None: ...


class Folder:
    """A file for each, named after log and size."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take(self, sealed: KeptPoint, note: str, tables: ProofTables) -> str | None:
        path = self._path / file_of(sealed)
        try:
            write_whole(path, note, mode=SEEN_BY_ALL)
        except OSError as error:
            raise NotGiven(f"{path} cannot be written: {error.strerror}") from None
        return None


def file_of(sealed: KeptPoint) -> str:
    """The name of a checkpoint's file."""
    return f"{read_checkpoint(sealed.body).origin.replace('/', '_')}-{sealed.size}"


class IntoTopic:
    """Which `send` puts a log's name and a note into. It raises KafkaUnusable."""

    def __init__(self, name: str, send: Callable[[str, str], None]) -> None:
        self._name, self._send = name, send

    def take(self, sealed: KeptPoint, note: str, tables: ProofTables) -> str | None:
        try:
            self._send(read_checkpoint(sealed.body).origin, note)
        except KafkaUnusable as error:
            raise NotGiven(f"{self._name}, the checkpoint of {sealed.size} entries: {error}") from None
        return None


class Witness:
    """At a URL, below which `add-checkpoint` stands. `keys`: of the log and of witnesses; a cosignature whose key is
    not among them is not taken."""

    def __init__(self, url: str, keys: Sequence[Key]) -> None:
        self._url, self._keys = url.rstrip("/"), list(keys)
        self._seen = 0
        """The size that it has seen last, as far as it is known here."""

    def take(self, sealed: KeptPoint, note: str, tables: ProofTables) -> str | None:
        if self._seen > sealed.size:
            self._seen = 0
        status, answer = self._sent(sealed, note, tables)
        if status == http.client.CONFLICT:  # it says how far it has seen the log: another process of ours was here
            try:
                self._seen = number(answer.strip())
            except Wrong:
                raise NotGiven(f"{self._url} answers 409 without the size that it has seen") from None
            if self._seen > sealed.size:
                raise NotGiven(f"{self._url} has seen a log of {self._seen} entries, and this one has {sealed.size}: "
                               "it is an older copy, or another ledger. `career-ledger verify` beside its checkpoint")
            status, answer = self._sent(sealed, note, tables)
        if status != http.client.OK:
            raise NotGiven(f"{self._url} refuses the checkpoint of {sealed.size} entries: {status} "
                           f"{' '.join(answer[:200].split())}")
        found = self._cosigned(note, answer)
        self._seen = sealed.size
        return found

    def _sent(self, sealed: KeptPoint, note: str, tables: ProofTables) -> tuple[int, str]:
        with tables.reading() as kept:
            try:
                path = Tree(sealed.size, kept.tile).consistency(self._seen)
            except KeyError:
                raise NotGiven(f"{self._url}: the tiles of this ledger are not whole; `career-ledger verify` says "
                               "more") from None
        proof = "".join(f"{base64.b64encode(one).decode()}\n" for one in path)
        status, answer = posted(f"{self._url}/add-checkpoint", f"old {self._seen}\n{proof}\n{note}".encode())
        return status, answer.decode("utf-8", "replace")

    def _cosigned(self, note: str, answer: str) -> str:
        """Raises NotGiven where no line holds."""
        found, held = note, set(re.findall(r"(?m)^\u2014 \S+ \S{6}", note))
        for line in answer.splitlines():
            try:
                _, seen = open_note(f"{found}{line}\n", self._keys)
                before = open_note(found, self._keys)[1]
            except Wrong as error:
                raise NotGiven(f"{self._url} answers a signature that does not hold: {error}") from None
            if len(seen) > len(before) and not any(line.startswith(one) for one in held):
                found += f"{line}\n"
        if not any(one.time is not None for one in open_note(found, self._keys)[1].values()):
            raise NotGiven(f"{self._url} answers no cosignature by a key that is known here: name its verifier key "
                           "with --key")
        return found


def posted(url: str, content: bytes, kind_of: str = "application/octet-stream") -> tuple[int, bytes]:
    """Status and answer. Raises NotGiven."""
    try:
        return fetched(url, content, {"Content-Type": kind_of}, SECONDS, LONGEST_ANSWER)
    except Unanswered as error:
        raise NotGiven(str(error)) from None


class Delivery:
    """Of checkpoints to places. `told` is given what a place did not take, in words."""

    def __init__(self, tables: ProofTables, places: Sequence[Taker], told: Callable[[NotGiven], None]) -> None:
        self._tables, self._places, self._told = tables, places, told
        self._newest: KeptPoint | None = None
        self._waiting: list[Taker] = []

    def give(self, sealed: KeptPoint) -> KeptPoint:
        """The newest checkpoint, to all, witnesses first if they stand first; as it is afterwards."""
        self._newest, self._waiting = sealed, list(self._places)
        self.again()
        return self._newest

    def again(self) -> None:
        """To those that have not taken the newest one yet."""
        sealed = self._newest
        if sealed is None:
            return
        waiting, self._waiting = self._waiting, []
        for place in waiting:
            try:
                note = place.take(sealed, sealed.note or "", self._tables)
            except NotGiven as error:
                self._waiting.append(place)
                self._told(error)
                continue
            if note is not None and note != sealed.note:
                self._tables.cosigned(sealed.size, note)
                sealed = sealed._replace(note=note)
        self._newest = sealed
