"""What the national e-services keep in the key store: under which hash of a tax code who is found, the fingerprints of
everybody's answers, what is counted of enrolments, and tokens that were used.

The hash of a tax code is as good as the code itself for whoever tries them all. So a person stands under `place`, an
HMAC of that hash, and the hash and the fingerprint beside it are masked by a keyed hash (BLAKE2b) of the place and the
row: whoever holds a copy of the store without the master key learns neither. All of it goes in the transaction that
forgets her.

A row of fingerprints holds for days (`from_on` to `until_on`) and for versions of all rows (`since` to `until`): pages
that are asked at one version agree with each other whatever is written meanwhile.
"""

import hmac
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from hashlib import blake2b
from typing import Any, NamedTuple

from ledger.domain.values import day_or_none
from ledger.sql.base import Row, Transaction

from .key_store import KeyStore

ALONE = "career-ledger fingerprints"
HOLDS_HOURS = 24
"""So long pages can be asked for at an older version."""


class Fingerprint(NamedTuple):
    """`place`: hex. `key`, `hash`: 32 bytes each. `recent_on`, `listed`: as IFS07 asks for degrees."""

    service: str
    place: str
    from_on: date
    until_on: date | None
    key: bytes
    hash: bytes
    recent_on: date | None = None
    listed: bool = True


class KeptOfHer(NamedTuple):
    """What is to be kept of a student from now on. `places`: under which she is found; `counted`: academic year, course
    and what is told of it."""

    fingerprints: tuple[Fingerprint, ...] = ()
    places: tuple[str, ...] = ()
    counted: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()


class HowFarKept(NamedTuple):
    """`version`: of all rows. `position`: of the log, up to which they go, and `at`, when its event was recorded.
    `again`: how far everything was looked through once more, since `made_of` (the law, the reference files, the
    ledger's epoch) is another one; None where it was."""

    version: int
    position: int
    again: int | None
    at: str
    made_of: str


class Fingerprints:
    """For one thread. Raises StoreUnavailable and StoreUnusable."""

    def __init__(self, keys: KeyStore) -> None:
        self._keys, self._backend = keys, keys.backend
        self._places, self._masks = keys.derived("places"), keys.derived("fingerprints")

    def place(self, key: bytes) -> str:
        """Of the hash of a tax code."""
        return hmac.digest(self._places, key, "sha256")[:16].hex()

    def student(self, key: bytes) -> str | None:
        rows = self._backend.single("SELECT student FROM fingerprint_keys WHERE place = :place",
                                    {"place": self.place(key)})
        return rows[0][0] if rows else None

    # How far it goes

    def state(self) -> HowFarKept:
        rows = self._backend.single("SELECT version, position, again, at, made_of FROM fingerprint_state")
        return HowFarKept(*rows[0]) if rows else HowFarKept(0, 0, 0, "", "")

    def replace(self, before: HowFarKept, after: HowFarKept, known: Mapping[str, KeptOfHer], now: datetime,
                today: date) -> bool:
        """Puts what is known of these students in the place of what was, at the next version; False, and nothing is
        done, where another process was faster."""
        with self._backend.transaction() as tx:
            tx.alone(ALONE)
            rows = tx.ask("SELECT version, position, again, at, made_of, steps FROM fingerprint_state")
            if (HowFarKept(*rows[0][:5]) if rows else HowFarKept(0, 0, 0, "", "")) != before:
                return False
            gone = {one for (one,) in tx.ask("SELECT student FROM forgotten WHERE student IN :among",
                                             {"among": [*known]})} if known else set()
            for student, one in known.items():
                self._put(tx, student, one if student not in gone else KeptOfHer(), after.version, today)
            steps = self._prune(tx, json.loads(rows[0][5]) if rows else [], after.version, now)
            tx.run("DELETE FROM fingerprint_state")
            tx.run("INSERT INTO fingerprint_state (version, position, again, at, made_of, steps) VALUES (:version, "
                   ":position, :again, :at, :made_of, :steps)", after._asdict() | {"steps": json.dumps(steps)})
        return True

    def _put(self, tx: Transaction, student: str, known: KeptOfHer, version: int, today: date) -> None:
        mine = {"student": student}
        held = [(row, self._fingerprint(row)) for row in tx.ask(
            "SELECT service, place, from_on, until_on, since, recent_on, listed, value FROM fingerprints WHERE student "
            "= :student AND until IS NULL", mine)]
        wanted = {_from(one, today): one for one in known.fingerprints}
        for row, one in held:
            if wanted.pop(_from(one, today), None) is None and (one.until_on is None or one.until_on > today):
                tx.run("UPDATE fingerprints SET until = :version WHERE service = :service AND place = :place AND since "
                       "= :since AND from_on = :from_on", {"version": version, "service": row[0], "place": row[1],
                                                           "since": row[4], "from_on": row[2]})
        for one in wanted.values():
            tx.run("INSERT INTO fingerprints (service, place, student, from_on, until_on, since, until, recent_on, "
                   "listed, value) VALUES (:service, :place, :student, :from_on, :until_on, :since, NULL, :recent_on, "
                   ":listed, :value)", {
                       "service": one.service, "place": one.place, "student": student, "since": version,
                       "from_on": one.from_on.isoformat(), "until_on": day_or_none(one.until_on),
                       "recent_on": day_or_none(one.recent_on), "listed": int(one.listed),
                       "value": self._masked(one.key + one.hash, one.place, version, one.from_on.isoformat())})
        places = {place for (place,) in tx.ask("SELECT place FROM fingerprint_keys WHERE student = :student", mine)}
        if places != {*known.places}:
            tx.run("DELETE FROM fingerprint_keys WHERE student = :student", mine)
            tx.many("INSERT INTO fingerprint_keys (place, student) VALUES (:place, :student) ON CONFLICT (place) DO "
                    "UPDATE SET student = :student", [{"place": place} | mine for place in known.places])
        tx.run("DELETE FROM counted_enrolments WHERE student = :student", mine)
        tx.many("INSERT INTO counted_enrolments (student, academic_year, course, told) VALUES (:student, :year, "
                ":course, :told)", [mine | {"year": year, "course": course, "told": self._keys.seal_own(
                    told, _about(student, year, course))} for year, course, told in known.counted])

    def _prune(self, tx: Transaction, steps: list[list[Any]], version: int, now: datetime) -> list[list[Any]]:
        """Rows of versions that nobody asks for any more. `steps`: when a version was made, an hour apart."""
        old = (now - timedelta(hours=HOLDS_HOURS + 1)).isoformat()
        if gone := [one for at, one in steps if at < old]:
            tx.run("DELETE FROM fingerprints WHERE until <= :version OR until_on < :day",
                   {"version": max(gone), "day": old[:10]})
        steps = [[at, one] for at, one in steps if at >= old]
        if not steps or steps[-1][0] < (now - timedelta(hours=1)).isoformat():
            steps.append([now.isoformat(), version])
        return steps

    # Questions

    def page(self, service: str, version: int, on: date, after: str, limit: int, since: date | None = None,
             ) -> list[tuple[str, str, str]]:
        """Place, key and hash (hex) of those above a place, in order, as they stood at a version on a day. `since`: of
        IFS07 incremental, else only those who are listed."""
        rows = self._backend.single(
            "SELECT place, since, from_on, value FROM fingerprints WHERE service = :service AND place > :after AND "
            "since <= :version AND (until IS NULL OR until > :version) AND from_on <= :day AND (until_on IS NULL OR "
            "until_on > :day) AND (listed = 1 OR :since <> '') AND coalesce(recent_on, '') >= :since "
            "ORDER BY place LIMIT :limit",
            {"service": service, "after": after, "version": version, "day": on.isoformat(), "limit": limit,
             "since": day_or_none(since) or ""})
        found, key, number = [], self._masks, int.from_bytes
        for place, made, from_on, value in rows:
            mask = blake2b(f"{place}{made}{from_on}".encode(), key=key).digest()
            plain = (number(value) ^ number(mask)).to_bytes(64).hex()
            found.append((place, plain[:64], plain[64:]))
        return found

    def counted(self, academic_year: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Student, course and what is told of each enrolment of a year."""
        for student, course, told in self._backend.single(
                "SELECT student, course, told FROM counted_enrolments WHERE academic_year = :year",
                {"year": academic_year}):
            yield student, course, self._keys.open_own(told, _about(student, academic_year, course))

    def read(self, question: str, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows as they are kept: for who measures."""
        return self._backend.single(question, parameters)

    def without_place(self) -> int:
        """How many students are counted whom nobody can ask for."""
        return int(self._backend.single(
            "SELECT count(DISTINCT student) FROM counted_enrolments WHERE student NOT IN (SELECT student FROM "
            "fingerprint_keys)")[0][0])

    # Tokens

    def use_once(self, token: str, until: datetime, now: datetime) -> bool:
        """Whether it was not used before; remembered until then."""
        with self._backend.transaction() as tx:
            tx.alone(ALONE)
            tx.run("DELETE FROM used_tokens WHERE until < :now", {"now": now.isoformat()})
            return tx.run("INSERT INTO used_tokens (token, until) VALUES (:token, :until) ON CONFLICT DO NOTHING",
                          {"token": token, "until": until.isoformat()}) == 1

    def _masked(self, plain: bytes, place: str, version: int, from_on: str) -> bytes:
        mask = blake2b(f"{place}{version}{from_on}".encode(), key=self._masks).digest()
        return (int.from_bytes(plain) ^ int.from_bytes(mask)).to_bytes(64)

    def _fingerprint(self, row: Sequence[Any]) -> Fingerprint:
        service, place, from_on, until_on, since, recent_on, listed, value = row
        plain = self._masked(value, place, since, from_on)
        return Fingerprint(service, place, date.fromisoformat(from_on), _day(until_on), plain[:32], plain[32:],
                           _day(recent_on), bool(listed))


def _from(one: Fingerprint, today: date) -> Fingerprint:
    """What of it is still to come: where two are alike in that, nothing has changed."""
    return one._replace(from_on=max(one.from_on, today))


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text is not None else None


def _about(student: str, year: str, course: str) -> bytes:
    return f"career-ledger/counted.v1\n{student}\n{year}\n{course}\n".encode()
