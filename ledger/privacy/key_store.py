"""The key store: a key for each student, wrapped under the master key; who was forgotten; look-ups; who read what.

What tells of a person in it is wrapped (keys), keyed (tax codes and names, as HMAC-SHA-256) or sealed (purposes). One
that writes waits for the others, and looks first whether the master key is still the one that it holds: nothing is ever
wrapped under a master that was destroyed.

No key and a destroyed key look alike. So a key is made only for who has no tombstone here and no `person-forgotten` in
the log: an older copy of the store has lost the tombstone, and the log has not.
"""

import json
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Self

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ledger.domain.protected import CodeTaken, IsForgotten
from ledger.sql.base import Backend, Transaction
from ledger.store.errors import StoreUnavailable, StoreUnusable
from ledger.store.keys import digester

from . import box, master, tables
from .master import Master
from .people import Named, folded, in_order, spelt

CIPHERS_KEPT = 4_096
TRUSTED_SECONDS = 60.0
"""So long a key that is held in memory is used before the store is asked whether it is still there."""
CLAIM = timedelta(hours=1)
"""A tax code whose registration never came into the log, because its line was kept out, is free again after this."""
HMAC = 16
"""Bytes that are kept of what somebody is looked up by: no two ever meet by chance, and three indexes are half as
large."""
PAGE = 2_000
"""Keys at a time where all are gone through."""
LOCK = "career-ledger keys"

InLog = Callable[[Collection[str]], Collection[str]]
"""Which of these students the log says were forgotten."""
Holds = Callable[[str, str], bool]
"""Whether a student's registrations that hold name this tax code, as `people.spelt` has it."""


class Key(NamedTuple):
    number: int
    cipher: AESGCM


class Reading(NamedTuple):
    """`what`: a word of `ledger/words`, and of an event its type. `purpose`: None where it went with her key."""

    at: str
    student: str | None
    who: str
    actor: str | None
    what: str
    purpose: str | None


class Prepared(NamedTuple):
    """Keys, each with since when it is trusted, who can be looked up, and who cannot be: all of it is durable."""

    keys: dict[str, tuple[Key, float]]
    people: dict[str, Named]
    unnamed: frozenset[str]


SEEN = ("SELECT 'master', master FROM key_store UNION ALL "
        "SELECT 'forgotten', student FROM forgotten WHERE student IN :everybody UNION ALL "
        "SELECT 'key', student FROM student_keys WHERE student IN :students UNION ALL "
        "SELECT hmac, student FROM tax_codes WHERE hmac IN :codes")
"""What making keys depends on, asked under the lock. One question: each takes a thread as long as ten keys do."""


class KeyStore:
    """For one thread. Every method raises StoreUnavailable and StoreUnusable."""

    def __init__(self, backend: Backend, ledger: str, clock: Callable[[], datetime],
                 load: Callable[[str | None], Master] = master.load) -> None:
        """Of a store that `open_keys` has prepared. `ledger`: the origin of the ledger that it belongs to. `load`: the
        master key of an id."""
        self._backend, self._ledger, self._clock, self._load = backend, ledger, clock, load
        [(bound, known, own)] = backend.single("SELECT ledger, master, own FROM key_store") or [(None, "", b"")]
        if bound is None:
            raise StoreUnusable(f"the key store {backend.place} is not whole: make it anew with `career-ledger keys "
                                "new`, or put its newest copy back")
        if bound != ledger:
            raise StoreUnusable(f"{backend.place} is the key store of another ledger (origin {bound}, this ledger's is "
                                f"{ledger}): correct --keys or --db")
        self.master = load(known)
        both = self._unwrapped(self.master, own, _about(ledger, "store", 0), "its own keys")
        self._lookup, self._own = digester(both[:box.KEY]), AESGCM(both[box.KEY:])
        self._ciphers: OrderedDict[tuple[str, int | None], tuple[Key, float]] = OrderedDict()
        self._ready: dict[str, Named] = {}
        """Whose look-ups `prepare` has made durable."""
        self._scrub_if_needed()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._backend.close()

    @property
    def ledger(self) -> str:
        return self._ledger

    @property
    def place(self) -> str:
        return self._backend.place

    @property
    def file(self) -> Path | None:
        return Path(self._backend.place) if self._backend.dialect == "sqlite" else None

    @property
    def to_scrub(self) -> bool:
        """Something was deleted that may still stand on the disk."""
        return bool(self._flag("to_scrub"))

    # Keys

    def newest(self, student: str, in_log: InLog, person: Named | None = None, holds: Holds | None = None) -> Key:
        """Her newest key, made where there is none, and durable; `person`: by what she is to be found from now on, in
        the same transaction. Raises IsForgotten and CodeTaken; then nothing was made."""
        self.check_term()
        held = self._held(student, None)
        people = {} if person is None or person.is_within(self._ready.get(student)) else {student: person}
        if held is not None and not people:
            return held
        found, gone = self._read([student])
        if gone or (not found and in_log([student])):
            raise IsForgotten(student)
        if not found or people:
            lacking = [] if found else [student]
            found |= self._make(lacking, people, self._free(people, holds), strict=True)[0]
        return found[student] if found else self._read([student])[0][student]

    def prepare(self, students: Collection[str], in_log: InLog, people: Mapping[str, Named]) -> Prepared:
        """The keys that these lack and the look-ups of these people, in one transaction. Who was forgotten gets
        nothing, and who claims another's tax code no look-up: sealing says so. It may hold until the next call."""
        self._ready = {}
        self.check_term()
        held = {one: self._ciphers[one, None] for one in students if self._held(one, None) is not None}
        found, gone = self._read([one for one in students if one in people or one not in held])
        lacking = [one for one in students if one not in held and one not in found and one not in gone]
        gone |= set(in_log(lacking)) if lacking else set()
        lacking = [one for one in lacking if one not in gone]
        people = {student: one for student, one in people.items() if student not in gone}
        if lacking or people:
            made, self._ready = self._make(lacking, people, frozenset(), strict=False)
            found |= made
        now = time.monotonic()
        held = {student: one for student, one in held.items() if student not in gone}
        return Prepared({**held, **{student: (one, now) for student, one in found.items()}}, self._ready,
                        frozenset(people.keys() - self._ready.keys()))

    def take(self, prepared: Prepared) -> dict[str, Key]:
        """What another link to this key store has prepared: the keys of all who can be looked up as was asked."""
        self.check_term()
        for student, (key, since) in prepared.keys.items():
            self._hold(student, key, None, since)
        self._ready = prepared.people
        return {student: key for student, (key, since) in prepared.keys.items()
                if student not in prepared.unnamed and time.monotonic() - since <= TRUSTED_SECONDS}

    @property
    def is_new(self) -> bool:
        """No key was ever made in it, and nobody forgotten."""
        return not self._backend.single("SELECT 1 FROM student_keys UNION ALL SELECT 1 FROM forgotten LIMIT 1")

    def key(self, student: str, number: int) -> Key | None:
        """The key of a number; None where there is none."""
        self.check_term()
        held = self._held(student, number)
        if held is None:
            rows = self._backend.single(
                "SELECT student, number, wrapped, master FROM student_keys WHERE student = :student "
                "AND number = :number", {"student": student, "number": number})
            for row in rows:
                held = self._keep(row, number)
        return held

    def is_forgotten(self, student: str) -> bool:
        return bool(self._backend.single("SELECT 1 FROM forgotten WHERE student = :student", {"student": student}))

    def check_term(self) -> None:
        """Raises StoreUnusable where the master key's term is over."""
        if self._clock().date() > self.master.until:
            raise StoreUnusable(f"the master key's term ended on {self.master.until}: run `career-ledger keys rotate`, "
                                "which makes a new one and destroys it. Until then nothing is sealed or opened")

    def _held(self, student: str, number: int | None) -> Key | None:
        found = self._ciphers.get((student, number))
        if found is None or time.monotonic() - found[1] > TRUSTED_SECONDS:
            return None
        self._ciphers.move_to_end((student, number))
        return found[0]

    def _keep(self, row: Sequence[Any], number: int | None) -> Key:
        student, of, wrapped, by = row
        if by != self.master.id:
            self.master = self._load(by)
        plain = self._unwrapped(self.master, wrapped, _about(self._ledger, student, of), f"the key of {student}")
        return self._hold(student, Key(of, AESGCM(plain)), number)

    def _hold(self, student: str, found: Key, number: int | None, since: float | None = None) -> Key:
        """`number`: what was asked for, None the newest."""
        for held in (found.number, number):
            self._ciphers[student, held] = found, time.monotonic() if since is None else since
        while len(self._ciphers) > CIPHERS_KEPT:
            self._ciphers.popitem(last=False)
        return found

    def _read(self, students: Iterable[str]) -> tuple[dict[str, Key], set[str]]:
        """The newest key of each who has one, and who was forgotten."""
        found: dict[str, Key] = {}
        gone: set[str] = set()
        for part in _parts(students):
            # one statement, so that a tombstone and a key are of one moment
            rows = self._backend.single(
                "SELECT student, number, wrapped, master FROM student_keys WHERE student IN :students UNION ALL "
                "SELECT student, NULL, NULL, NULL FROM forgotten WHERE student IN :again",
                {"students": part, "again": part})
            gone.update(row[0] for row in rows if row[1] is None)
            for row in sorted((row for row in rows if row[1] is not None), key=lambda row: (row[0], row[1])):
                if row[0] not in gone:
                    found[row[0]] = self._keep(row, None)
        return found, gone

    def _make(self, students: Sequence[str], people: Mapping[str, Named], free: Collection[str],
              strict: bool) -> tuple[dict[str, Key], dict[str, Named]]:
        """Keys of those who have none, and look-ups; who can be looked up now. Who was forgotten meanwhile gets
        nothing, and who claims another's tax code no look-up; `strict`: then IsForgotten or CodeTaken is raised and
        nothing is made. In a transaction that no other writer of this store is in, under the master key that holds
        now."""
        now = self._clock().isoformat()
        codes = {student: [self._code(code) for code in one.codes] for student, one in people.items()}
        names = {student: [(student, self._hmac("folded", plain), self._hmac("exact", written))
                           for plain, written in one.looked_up_by()] for student, one in people.items()}
        with self._backend.transaction() as tx:
            tx.alone(LOCK)
            seen = tx.ask(SEEN, {"everybody": [*{*students, *people}], "students": [*students],
                                 "codes": [code for hers in codes.values() for code in hers]})
            gone, there = ({student for kind, student in seen if kind == which} for which in ("forgotten", "key"))
            self._use(next(one for kind, one in seen if kind == "master"))
            if gone and strict:
                raise IsForgotten(min(gone))
            plain = {one: secrets.token_bytes(box.KEY) for one in students if one not in gone and one not in there}
            tables.add(tx, "student_keys", [
                (one, 1, self.master.wrap(key, _about(self._ledger, one, 1)), self.master.id, now)
                for one, key in plain.items()])
            registered = [student for student in people if student not in gone]
            taken = self._claim(tx, {student: codes[student] for student in registered}, dict(seen), free, now)
            if taken and strict:
                raise CodeTaken(min(taken))
            registered = [student for student in registered if student not in taken]
            tables.add(tx, "names", sorted(row for student in registered for row in names[student]))
        return ({one: self._hold(one, Key(1, AESGCM(key)), None) for one, key in plain.items()},
                {student: people[student] for student in registered})

    def _use(self, known: str) -> None:
        """The master key of this id."""
        if known != self.master.id:
            self.master = self._load(known)
            self.check_term()

    def _claim(self, tx: Transaction, codes: Mapping[str, Sequence[str]], holders: dict[str, str],
               free: Collection[str], now: str) -> set[str]:
        """Tax codes of all but those whose code is another's; these. `holders`: whose they are."""
        taken, left = set(), set(free)
        rows: list[tuple[str, str, str]] = []
        for student, hers in codes.items():
            others = [code for code in hers if holders.get(code, student) != student]
            if any(code not in left for code in others):
                taken.add(student)
                continue
            for code in others:
                tx.run("DELETE FROM tax_codes WHERE hmac = :hmac", {"hmac": code})
            left.difference_update(others)
            holders |= dict.fromkeys(hers, student)
            rows += [(code, student, now) for code in hers]
        tables.add(tx, "tax_codes", rows)
        return taken

    def _free(self, people: Mapping[str, Named], holds: Holds | None) -> set[str]:
        """Of the tax codes that others have claimed, those whose registration never came into the log. What was claimed
        a moment ago may be on its way."""
        free = set()
        before = (self._clock() - CLAIM).isoformat()
        for student, person in people.items():
            for code in person.codes:
                for other, at in self._backend.single("SELECT student, at FROM tax_codes WHERE hmac = :hmac",
                                                      {"hmac": self._code(code)}):
                    if other != student and at < before and holds is not None and not holds(other, code):
                        free.add(self._code(code))
        return free

    def _unwrapped(self, by: Master, wrapped: bytes, about: bytes, what: str) -> bytes:
        try:
            return by.unwrap(_bytes(wrapped), about)
        except box.DoesNotOpen:
            raise StoreUnusable(f"{what} in the key store {self._backend.place} cannot be unwrapped: the bytes were "
                                "changed, or come from another store. Put its newest copy back") from None

    # Look-ups

    def with_tax_code(self, code: str) -> list[str]:
        return [student for (student,) in self._backend.single(
            "SELECT student FROM tax_codes WHERE hmac = :hmac", {"hmac": self._code(code)})]

    def with_name(self, name: str) -> tuple[list[str], bool]:
        """Who has this given name, family name or both of them, the words in any order, now or before; whether exactly
        so, else without regard to case, accents, apostrophes and hyphens."""
        rows = self._backend.single(
            "SELECT student, exact FROM names WHERE folded = :folded ORDER BY student",
            {"folded": self._hmac("folded", in_order(folded(name)))})
        written = self._hmac("exact", in_order(name))
        exact = [student for student, said in rows if said == written]
        return list(dict.fromkeys(exact or [student for student, _ in rows])), bool(exact)

    def _code(self, code: str) -> str:
        return self._hmac("tax-code", spelt(code))

    def _hmac(self, form: str, text: str) -> str:
        return self._lookup(f"{form}\n{text}".encode())[:HMAC].hex()

    # For what else stands in it (`fingerprints`)

    @property
    def backend(self) -> Backend:
        return self._backend

    def derived(self, what: str) -> bytes:
        """A key of the store's own that serves one thing only; 32 bytes, the same for ever."""
        return self._lookup(f"derived\n{what}".encode())

    def seal_own(self, values: Mapping[str, Any], about: bytes) -> bytes:
        return box.sealed(self._own, box.padded(values), about)

    def open_own(self, sealed: Any, about: bytes) -> dict[str, Any]:
        """Raises StoreUnusable."""
        try:
            found: dict[str, Any] = json.loads(box.opened(self._own, _bytes(sealed), about))
        except box.DoesNotOpen:
            raise StoreUnusable(f"what {self._backend.place} holds for the e-services does not open: its bytes or its "
                                "row were changed") from None
        return found

    # Forgetting: `handling.forgetting.Keys`

    def forget(self, student: str, event: str) -> None:
        def act(tx: Transaction) -> None:
            gone = sum(tx.run(f"DELETE FROM {table} WHERE student = :student", {"student": student})  # noqa: S608
                       for table in tables.OF_A_STUDENT)
            tx.run("INSERT INTO forgotten (student, at, event) VALUES (:student, :at, :event) ON CONFLICT DO NOTHING",
                   {"student": student, "at": self._clock().isoformat(), "event": event})
            if gone:
                tx.run("UPDATE key_store SET to_scrub = 1")

        with self._backend.transaction() as tx:
            tx.alone(LOCK)
            act(tx)
        for held in [one for one in self._ciphers if one[0] == student]:
            del self._ciphers[held]
        self._scrub_if_needed()

    def keep_reason(self, student: str, authorities: Sequence[str], reason: str) -> None:
        at = self._clock().isoformat()
        said = box.sealed(self._own, box.padded({"authorities": list(authorities), "reason": reason}),
                          self._said(at, student))
        with self._backend.transaction() as tx:
            tx.run("INSERT INTO orders (at, student, said) VALUES (:at, :student, :said)",
                   {"at": at, "student": student, "said": said})

    def complete_from(self) -> date:
        """At the latest: rotating sooner makes older copies noise sooner."""
        return max(self.master.until, self._clock().date()) + timedelta(days=1)

    def looked_through(self) -> int:
        return self._flag("looked_through")

    def look_through(self, position: int) -> None:
        with self._backend.transaction() as tx:
            tx.run("UPDATE key_store SET looked_through = :position WHERE looked_through < :position",
                   {"position": position})

    def _flag(self, column: str) -> int:
        return int(self._backend.single(f"SELECT {column} FROM key_store")[0][0])  # noqa: S608 - a word of ours

    def _scrub_if_needed(self) -> None:
        if self.to_scrub:
            with suppress(StoreUnavailable):  # somebody reads: the next start does it, in PostgreSQL that of the owner
                self.scrub()

    def scrub(self) -> None:
        if tables.scrub(self._backend):
            with self._backend.transaction() as tx:
                tx.run("UPDATE key_store SET to_scrub = 0")

    # Who read what

    def note(self, student: str | None, who: str, actor: str | None, what: str, purpose: str) -> None:
        """Durable when it returns. The purpose is sealed under her key where she has one, since it may name her, and
        goes with it; else under the store's own."""
        self.note_all([(student, who, actor, what, purpose)])

    def note_all(self, notes: Sequence[tuple[str | None, str, str | None, str, str]]) -> None:
        """The same of several reads, in one transaction. One of somebody who is not there asks the database as much: it
        takes as long."""
        at, rows = self._clock().isoformat(), []
        for student, who, actor, what, purpose in notes:
            held: Sequence[Sequence[Any]] = ()
            if student is not None:
                self.check_term()
                held = self._backend.single(
                    "SELECT student, number, wrapped, master FROM student_keys WHERE student = :student "
                    "ORDER BY number DESC LIMIT 1", {"student": student})
            key = self._keep(held[0], held[0][1]) if held else None
            cipher = key.cipher if key is not None else self._own
            rows.append({"at": at, "student": student, "who": who, "actor": actor, "what": what,
                         "number": key.number if key is not None else 0,
                         "said": box.sealed(cipher, box.padded({"purpose": purpose}), self._said(at, student))})
        with self._backend.transaction() as tx:
            tx.many("INSERT INTO access_log (at, student, who, actor, what, sealed_by, purpose) VALUES (:at, :student, "
                    ":who, :actor, :what, :number, :said)", rows)

    def accesses(self, student: str) -> Iterator[Reading]:
        """In the order in which they were noted."""
        for at, who, actor, what, number, said in self._backend.single(
                "SELECT at, who, actor, what, sealed_by, purpose FROM access_log WHERE student = :student "
                "ORDER BY number", {"student": student}):
            key = self.key(student, number) if number else None
            cipher = self._own if not number else key.cipher if key is not None else None
            purpose = self._heard(cipher, said, at, student)["purpose"] if cipher is not None else None
            yield Reading(at, student, who, actor, what, purpose)

    def _said(self, at: str, student: str | None) -> bytes:
        return f"career-ledger/said.v1\n{self._ledger}\n{at}\n{student or ''}\n".encode()

    def _heard(self, cipher: AESGCM, said: bytes, at: str, student: str | None) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(box.opened(cipher, _bytes(said), self._said(at, student)))
        except box.DoesNotOpen:
            raise StoreUnusable(f"a purpose in the access log of {self._backend.place} does not open: its bytes or its "
                                "row were changed") from None
        return found

    # The whole store

    def counts(self) -> dict[str, int]:
        return {table: int(self._backend.single(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - words of ours
                for table in ("student_keys", "forgotten", "tax_codes", "names", "access_log")}

    def rewrap(self, new: Master) -> int:
        """Everything under another master key, in one transaction and a page at a time; how many keys. What was deleted
        or replaced is scrubbed."""
        count = 0
        with self._backend.transaction() as tx:
            tx.alone(LOCK)
            [(known, own)] = tx.ask("SELECT master, own FROM key_store")
            if known == new.id:
                return 0
            old = self._load(known)
            about = _about(self._ledger, "store", 0)
            own = new.wrap(self._unwrapped(old, own, about, "its own keys"), about)
            for rows in _pages(tx):
                tx.many("UPDATE student_keys SET wrapped = :wrapped, master = :master WHERE student = :student AND "
                        "number = :number", [self._again(old, new, row) for row in rows])
                count += len(rows)
            tx.run("UPDATE key_store SET master = :master, own = :own, to_scrub = 1",
                   {"master": new.id, "own": own})
        self.master = new
        self._ciphers.clear()
        return count

    def _again(self, old: Master, new: Master, row: Sequence[Any]) -> dict[str, Any]:
        student, number, wrapped, _ = row
        about = _about(self._ledger, student, number)
        plain = self._unwrapped(old, wrapped, about, f"the key of {student}")
        return {"student": student, "number": number, "wrapped": new.wrap(plain, about), "master": new.id}

    def broken(self) -> Iterator[str]:
        """The students whose keys cannot be unwrapped."""
        with self._backend.transaction(write=False) as tx:
            for rows in _pages(tx):
                for student, number, wrapped, by in rows:
                    try:
                        (self.master if by == self.master.id else self._load(by)).unwrap(
                            _bytes(wrapped), _about(self._ledger, student, number))
                    except (box.DoesNotOpen, StoreUnusable):
                        yield student

    def undead(self) -> list[str]:
        """Students who were forgotten and have a key or a look-up all the same: an older copy has come back."""
        return [student for (student,) in self._backend.single(
            "SELECT student FROM forgotten WHERE student IN (SELECT student FROM student_keys UNION SELECT student "
            "FROM tax_codes UNION SELECT student FROM names) ORDER BY student")]


def open_keys(url: str, ledger: str, ledger_url: str, clock: Callable[[], datetime]) -> KeyStore:
    """The key store at `sqlite:///PATH` or `postgresql://...` of the ledger of this origin. Raises StoreUnusable and
    StoreUnavailable."""
    backend = tables.backend_at(url, ledger_url, create=False)
    try:
        tables.prepare(backend, create=False)
        finish_rotation(backend)
        return KeyStore(backend, ledger, clock)
    except BaseException:
        backend.close()
        raise


def new_keys(url: str, ledger: str, ledger_url: str, clock: Callable[[], datetime], days: int) -> KeyStore:
    """A key store where there is none, and its master key where its file is not there yet. Raises StoreUnusable where
    there is a key store already."""
    path = master.path_of()
    backend = tables.backend_at(url, ledger_url, create=True)
    try:
        tables.prepare(backend, create=True)
        there = StoreUnusable(f"there is a key store in {backend.place} already")
        if backend.single("SELECT 1 FROM key_store"):
            raise there  # before a master key is made in the place of one that is missing
        if path is not None and not path.exists():
            try:
                master.make(path, clock().date(), days)
            except FileExistsError:
                pass  # another process was faster
            except OSError as error:
                raise StoreUnusable(f"the file that {master.VARIABLE} names cannot be made: {error.strerror}") from None
        held = master.load()
        own = held.wrap(secrets.token_bytes(2 * box.KEY), _about(ledger, "store", 0))
        with backend.transaction() as tx:
            tx.alone(LOCK)
            if tx.ask("SELECT 1 FROM key_store"):
                raise there
            tx.run("INSERT INTO key_store (ledger, made_at, master, own, looked_through, to_scrub) VALUES (:ledger, "
                   ":at, :master, :own, 0, 0)",
                   {"ledger": ledger, "at": clock().isoformat(), "master": held.id, "own": own})
        return KeyStore(backend, ledger, clock)
    except BaseException:
        backend.close()
        raise


def rotate(store: KeyStore, today: date, days: int = master.TERM_DAYS) -> int:
    """A new master key in the place of the old one, which is destroyed; how many keys it wraps. Killed at any step, the
    next start finishes it where everything was wrapped anew, and undoes it where it was not. Raises StoreUnusable."""
    path = master.path_of()
    if path is None:
        raise StoreUnusable(f"{master.VARIABLE} holds the master key itself: name the file that holds it, so that a "
                            "new one can take its place")
    with master.alone(path) as alone:
        if not alone:
            raise StoreUnusable("another process is rotating the master key: wait until it is done")
        waits = master.waiting(path)
        if not waits.exists():
            master.make(waits, today, days)
        count = store.rewrap(master.from_file(waits))
        master.take_place(path)
    store.scrub()
    return count


def finish_rotation(backend: Backend) -> None:
    """What a rotation that was killed has left: a master key that waits. While one is at work nothing is done."""
    path = master.path_of()
    if path is None or not path.exists() or not master.waiting(path).exists():
        return
    with master.alone(path) as alone:
        waits = master.waiting(path)
        if not alone or not waits.exists():
            return
        known = [row[0] for row in backend.single("SELECT master FROM key_store")]
        if known == [master.from_file(waits).id]:
            master.take_place(path)
        elif known == [master.from_file(path).id]:
            master.give_up(path)


def _bytes(held: Any) -> bytes:
    """Of a column of bytes, whatever somebody has put into it. Raises box.DoesNotOpen."""
    if not isinstance(held, bytes):
        raise box.DoesNotOpen
    return held


def _about(ledger: str, student: str, number: int) -> bytes:
    """What a wrapped key is bound to. The store's own keys have number 0, which no student's has."""
    return f"career-ledger/key.v1\n{ledger}\n{student}\n{number}\n".encode()


def _parts(students: Iterable[str]) -> Iterator[list[str]]:
    held = list(students)
    for start in range(0, len(held), PAGE):
        yield held[start:start + PAGE]


def _pages(tx: Transaction) -> Iterator[list[tuple[Any, ...]]]:
    """All keys, in order, a page at a time."""
    student, number = "", 0
    while rows := tx.ask("SELECT student, number, wrapped, master FROM student_keys WHERE (student, number) > "
                         "(:student, :number) ORDER BY student, number LIMIT :page",
                         {"student": student, "number": number, "page": PAGE}):
        yield rows
        student, number, *_ = rows[-1]
