# ruff: noqa: S608 - statements are put together from names of our own only
"""What the ticket desk keeps in the key store: which stream holds a ticket, by what its sender finds it, how often
somebody has tried to, and mails that wait.

A number and an address together open a ticket, so they are kept as one HMAC (`pair`): a copy of the store finds nobody
by it. What tickets say is sealed in the ledger; of a row here the streams, the service and the days can be read. All of
hers goes in the transaction that forgets her.
"""

import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import NamedTuple

from ledger.domain.values import STRANGER
from ledger.sql.base import Transaction

from .key_store import KeyStore

ALONE = "career-ledger tickets"
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Without letters that are read as digits, or as others (Crockford's base 32)."""
HALF = 5
"""Characters on each side of a number's hyphen: 50 bits that nobody guesses."""
MOST_TRIES = 10
"""Look-ups within an hour that found nothing, of an address and of a number, before it can be looked up no more."""
MOST_OPENED = 10
"""Tickets opened within an hour by one address."""
MOST_OF_STRANGERS = 500
"""The same by all who are no students: whoever fills in forms by a program fills no more of the ledger."""
STRANGERS = "strangers"
_SPELT = str.maketrans({"O": "0", "I": "1", "L": "1", "-": None, "#": None})


class TriedTooOften(Exception):
    """Too many in an hour: of an address, of a number or of all."""


class TicketClaim(NamedTuple):
    """A number that nobody else gets. `on`: the day of the request, also where it is sent again on a later one."""

    number: str
    student: str
    on: date


class TicketRow(NamedTuple):
    """`linked`: the student whose ticket a stranger's turned out to be. `closed_at`: None while it is open."""

    number: str
    student: str
    linked: str | None
    service: str
    context: str
    kind: str
    opened_at: str
    closed_at: str | None


class MailWaiting(NamedTuple):
    """`kind`: opened or closed. `next_attempt`: Unix seconds."""

    number: str
    kind: str
    student: str
    attempts: int
    next_attempt: float


class Followed(NamedTuple):
    """What a page of the log says. `opened`: with the `pair`, where it is known; `closed`: number, stream and when;
    `linked`: number, stream and student; `told`: number, stream and kind of a mail, of those that turn out to be of the
    desk; `voided`, `reopened`, `unlinked`: number and stream of what was taken back: the ticket, its answer, its link;
    `forgotten`: students."""

    opened: list[tuple[TicketRow, str | None]]
    closed: list[tuple[str, str, str]]
    linked: list[tuple[str, str, str]]
    told: list[tuple[str, str, str]]
    voided: list[tuple[str, str]]
    reopened: list[tuple[str, str]]
    unlinked: list[tuple[str, str]]
    forgotten: list[str]


_ROW = "number, student, linked, service, context, kind, opened_at, closed_at"


def new_number() -> str:
    half = ["".join(secrets.choice(ALPHABET) for _ in range(HALF)) for _ in range(2)]
    return "-".join(half)


def spelt_number(text: str) -> str:
    """As it was given, however it was copied; what is no number of ours without blanks and `#` around it."""
    plain = "".join(text.split()).upper().translate(_SPELT)
    if len(plain) == 2 * HALF and all(one in ALPHABET for one in plain):
        return f"{plain[:HALF]}-{plain[HALF:]}"
    return text.strip().lstrip("#").strip()


class TicketIndex:
    """For one thread. Raises StoreUnavailable and StoreUnusable."""

    def __init__(self, keys: KeyStore, clock: Callable[[], datetime]) -> None:
        self._backend, self._clock = keys.backend, clock
        self._key = keys.derived("tickets")

    # Opening

    def claim(self, form: str, student: str | None, email: str, service: str, context: str, on: date,
              known: bool) -> TicketClaim:
        """A number for what a form asks, the same one whenever the form comes again. `form`: who sent it and its id;
        `student`: None for a person who gets a stream of her own; `known`: she signed in, so what others open with her
        address is not counted against her. Raises TriedTooOften."""
        place = self._hmac("form", f"{form}\n{student or ''}")
        with self._backend.transaction() as tx:
            tx.alone(ALONE)
            for number, hers, day in tx.ask("SELECT number, student, on_day FROM tickets WHERE form = :form",
                                            {"form": place}):
                # a process was killed before it was recorded, and she has mended what she wrote since
                tx.run("UPDATE tickets SET pair = :pair, service = :service, context = :context WHERE number = :number "
                       "AND opened_at IS NULL", {"pair": self._pair(email, number), "service": service,
                                                 "context": context, "number": number})
                return TicketClaim(number, hers, date.fromisoformat(day))
            self._count(tx, [(self._hmac("opened by", student or ""), MOST_OPENED)] if known else [
                (self._hmac("opened", email.casefold()), MOST_OPENED), (STRANGERS, MOST_OF_STRANGERS)])
            number = new_number()
            while tx.ask("SELECT 1 FROM tickets WHERE number = :number", {"number": number}):
                number = new_number()
            hers = student or f"{STRANGER}{secrets.token_hex(10)}"
            tx.run("INSERT INTO tickets (number, student, pair, form, on_day, service, context, kind) VALUES (:number, "
                   ":student, :pair, :form, :day, :service, :context, 'desk')",
                   {"number": number, "student": hers, "pair": self._pair(email, number), "form": place,
                    "day": on.isoformat(), "service": service, "context": context})
        return TicketClaim(number, hers, on)

    def opened(self, row: TicketRow, pair: str | None) -> None:
        """The event is recorded."""
        with self._backend.transaction() as tx:
            self._take(tx, [(row, pair)], [])

    def closed(self, number: str, student: str, at: str) -> None:
        with self._backend.transaction() as tx:
            self._take(tx, [], [(number, student, at)])

    def linked(self, number: str, stream: str, student: str) -> None:
        with self._backend.transaction() as tx:
            self._link(tx, [(number, stream, student)])

    def _link(self, tx: Transaction, linked: Sequence[tuple[str, str, str]]) -> None:
        """What the ticket's own stream says: any other may name its number."""
        tx.many("UPDATE tickets SET linked = :student WHERE number = :number AND student = :stream",
                [{"number": number, "stream": stream, "student": student} for number, stream, student in linked])

    def pair_of(self, email: str, number: str) -> str:
        return self._pair(email, number)

    def _take(self, tx: Transaction, opened: Sequence[tuple[TicketRow, str | None]],
              closed: Sequence[tuple[str, str, str]]) -> None:
        """What events say. A number that another stream has taken stays where it is (the audit reports it)."""
        tx.many("INSERT INTO tickets (number, student, pair, form, on_day, service, context, kind, opened_at) VALUES "
                "(:number, :student, :pair, NULL, :day, :service, :context, :kind, :at) ON CONFLICT (number) DO UPDATE "
                "SET opened_at = excluded.opened_at, kind = excluded.kind, service = excluded.service, context = "
                "excluded.context, pair = COALESCE(excluded.pair, tickets.pair) WHERE tickets.student = "
                "excluded.student AND tickets.opened_at IS NULL",
                [{"number": row.number, "student": row.student, "pair": pair, "day": row.opened_at[:10],
                  "service": row.service, "context": row.context, "kind": row.kind, "at": row.opened_at}
                 for row, pair in opened])
        tx.many("UPDATE tickets SET closed_at = :at WHERE number = :number AND student = :student AND closed_at IS "
                "NULL",
                [{"number": number, "student": student, "at": at} for number, student, at in closed])

    # Finding

    def look_up(self, email: str, number: str) -> str | None:
        """The stream of the ticket with this number and this address; None, after as much work, for any other pair:
        what there is of it is not asked. Raises TriedTooOften, for a right pair too."""
        places = [self._hmac("email", email.casefold()), self._hmac("number", number)]
        with self._backend.transaction() as tx:
            tx.alone(ALONE)
            self._refuse(tx, [(place, MOST_TRIES) for place in places])
            found = tx.ask("SELECT student FROM tickets WHERE pair = :pair AND opened_at IS NOT NULL",
                           {"pair": self._pair(email, number)})
            if not found:
                self._add(tx, places)
        return str(found[0][0]) if found else None

    def row(self, number: str) -> TicketRow | None:
        rows = self._backend.single(
            f"SELECT {_ROW} FROM tickets WHERE number = :number AND opened_at IS NOT NULL", {"number": number})
        return TicketRow(*rows[0]) if rows else None

    def of(self, student: str) -> list[TicketRow]:
        """Hers, the newest first."""
        return [TicketRow(*row) for row in self._backend.single(
            f"SELECT {_ROW} FROM tickets WHERE (student = :student OR linked = :student) AND opened_at IS NOT NULL "
            "ORDER BY opened_at DESC, number", {"student": student})]

    def listed(self, service: str | None, is_open: bool, after: tuple[str, str], limit: int) -> list[TicketRow]:
        """Of one service or all, the oldest first: of those who wait, who has waited longest. `after`: when the last
        one before was opened, and its number."""
        among = "" if service is None else "service = :service AND "
        return [TicketRow(*row) for row in self._backend.single(
            f"SELECT {_ROW} FROM tickets WHERE {among}closed_at IS {'' if is_open else 'NOT '}NULL AND "
            "(opened_at, number) > (:at, :number) ORDER BY opened_at, number LIMIT :limit",
            {"at": after[0], "number": after[1], "limit": limit} | ({} if service is None else {"service": service}))]

    # Following the log

    def position(self) -> int:
        """Up to which it has been followed."""
        rows = self._backend.single("SELECT position FROM ticket_state")
        return int(rows[0][0]) if rows else 0

    def follow(self, before: int, after: int, found: Followed) -> None:
        """What the log says up to a position; nothing is done where another process was faster."""
        with self._backend.transaction() as tx:
            tx.alone(ALONE)
            rows = tx.ask("SELECT position FROM ticket_state")
            if (int(rows[0][0]) if rows else 0) != before:
                return
            for column, taken_back in (("closed_at", found.reopened), ("linked", found.unlinked)):
                tx.many(f"UPDATE tickets SET {column} = NULL WHERE number = :number AND student = :student",
                        [{"number": number, "student": student} for number, student in taken_back])
            tx.many("DELETE FROM ticket_mails WHERE number = :number AND student = :student AND kind = 'closed'",
                    [{"number": number, "student": student} for number, student in found.reopened])
            self._take(tx, found.opened, found.closed)
            self._link(tx, found.linked)
            tx.many("INSERT INTO ticket_mails (number, kind, student, made_at, state, attempts, next_attempt) SELECT "
                    "number, :kind, student, :at, 'waiting', 0, 0 FROM tickets WHERE number = :number AND student = "
                    ":student AND kind = 'desk' ON CONFLICT (number, kind) DO NOTHING",
                    [{"number": number, "student": student, "kind": kind, "at": self._clock().isoformat()}
                     for number, student, kind in found.told])
            for table in ("tickets", "ticket_mails"):
                tx.many(f"DELETE FROM {table} WHERE student = :student AND number = :number",
                        [{"student": student, "number": number} for number, student in found.voided])
                tx.many(f"DELETE FROM {table} WHERE student = :student", [{"student": one} for one in found.forgotten])
            tx.run("DELETE FROM ticket_state")
            tx.run("INSERT INTO ticket_state (position) VALUES (:position)", {"position": after})

    # Mails

    def waiting(self, now: float, limit: int) -> list[MailWaiting]:
        return [MailWaiting(*row) for row in self._backend.single(
            "SELECT number, kind, student, attempts, next_attempt FROM ticket_mails WHERE state = 'waiting' AND "
            "next_attempt <= :now ORDER BY next_attempt, made_at, kind DESC LIMIT :limit",
            {"now": now, "limit": limit})]

    def give_up(self, made_before: datetime) -> int:
        """How many were tried for so long."""
        with self._backend.transaction() as tx:
            return tx.run("UPDATE ticket_mails SET state = 'dropped' WHERE state = 'waiting' AND made_at < :before",
                          {"before": made_before.isoformat()})

    def lease(self, one: MailWaiting, until: float) -> bool:
        """Takes it until then; False where another process has it."""
        with self._backend.transaction() as tx:
            return tx.run("UPDATE ticket_mails SET next_attempt = :until WHERE number = :number AND kind = :kind AND "
                          "state = 'waiting' AND next_attempt = :seen",
                          {"until": until, "number": one.number, "kind": one.kind, "seen": one.next_attempt}) == 1

    def later(self, one: MailWaiting, why: str, at: float) -> None:
        with self._backend.transaction() as tx:
            tx.run("UPDATE ticket_mails SET attempts = attempts + 1, why = :why, next_attempt = :at WHERE number = "
                   ":number AND kind = :kind", {"why": why, "at": at, "number": one.number, "kind": one.kind})

    def mailed(self, one: MailWaiting, state: str, why: str | None) -> None:
        """`state`: sent, refused or dropped; `why`: a code of the server's or a word, never its text."""
        with self._backend.transaction() as tx:
            tx.run("UPDATE ticket_mails SET state = :state, why = :why WHERE number = :number AND kind = :kind",
                   {"state": state, "why": why, "number": one.number, "kind": one.kind})

    # Trying

    def _count(self, tx: Transaction, places: Sequence[tuple[str, int]]) -> None:
        self._refuse(tx, places)
        self._add(tx, [place for place, _ in places])

    def _refuse(self, tx: Transaction, places: Sequence[tuple[str, int]]) -> None:
        """Raises TriedTooOften."""
        counts = {place: int(tries) for place, tries in tx.ask(
            "SELECT place, tries FROM ticket_tries WHERE hour = :hour AND place IN :places",
            {"hour": self._hour, "places": [place for place, _ in places]})}
        if any(counts.get(place, 0) >= most for place, most in places):
            raise TriedTooOften

    def _add(self, tx: Transaction, places: Sequence[str]) -> None:
        tx.run("DELETE FROM ticket_tries WHERE hour < :hour", {"hour": self._hour})
        tx.many("INSERT INTO ticket_tries (place, hour, tries) VALUES (:place, :hour, 1) ON CONFLICT (place, hour) DO "
                "UPDATE SET tries = ticket_tries.tries + 1", [{"place": one, "hour": self._hour} for one in places])

    @property
    def _hour(self) -> int:
        return int(self._clock().timestamp()) // 3600

    def _pair(self, email: str, number: str) -> str:
        return self._hmac("pair", f"{number}\n{email.casefold()}")

    def _hmac(self, form: str, text: str) -> str:
        return hmac.digest(self._key, f"{form}\n{text}".encode(), "sha256")[:16].hex()
