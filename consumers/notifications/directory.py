# ruff: noqa: S608 - statements are put together from names of our own only
"""Whom a notice goes to: the service's own table of addresses, filled from a file and from nowhere else."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

from consumers.database import Transaction
from consumers.kit.erasure import among
from ledger.edges.post import is_address

from . import outbox

TABLES = ("CREATE TABLE IF NOT EXISTS notifications_directory (student TEXT PRIMARY KEY, email TEXT NOT NULL, "
          "language TEXT NOT NULL, refused TEXT)",)
"""`language`: it, en, or "" for Italian with English below; `refused`: the SMTP code with which the
address was refused for good."""

COLUMNS = ["student", "email", "language"]
CHUNK = 1000
_STUDENT = re.compile(r"[A-Za-z0-9._-]{1,64}")


class DirectoryInvalid(ValueError):
    """The file cannot be used, or (`read`) a line of it. Names line, field and what to write, never an address."""


class Contact(NamedTuple):
    student: str
    email: str
    language: str


class Imported(NamedTuple):
    new: int
    changed: int
    unchanged: int
    removed: int
    forgotten: int = 0


def read(lines: Iterable[str]) -> Iterator[Contact | DirectoryInvalid]:
    """What each line says, or what is wrong with it: it fails alone. Raises DirectoryInvalid where the
    file is no CSV of this form."""
    reader = csv.reader(lines, strict=True)
    seen: dict[str, int] = {}
    try:
        if next(reader, None) != COLUMNS:
            raise DirectoryInvalid(f"line 1: write the names of the columns: {','.join(COLUMNS)}")
        for row in reader:
            if row:
                yield _entry(row, reader.line_num, seen)
    except csv.Error as error:
        raise DirectoryInvalid(f"line {reader.line_num}: no CSV: {error}") from None


def _entry(row: Sequence[str], line: int, seen: dict[str, int]) -> Contact | DirectoryInvalid:
    if len(row) != len(COLUMNS):
        return DirectoryInvalid(f"line {line}: {len(row)} fields; write {','.join(COLUMNS)}")
    entry = Contact(*(field.strip() for field in row))
    if not _STUDENT.fullmatch(entry.student):
        return DirectoryInvalid(
            f"line {line}, student: write the student's pseudonym (letters, digits, . _ -, at most 64)")
    if entry.email and not is_address(entry.email):
        return DirectoryInvalid(f"line {line}, email: write an address such as name@example.org (ASCII only), "
                                "or nothing to remove it")
    if entry.language not in ("it", "en", ""):
        return DirectoryInvalid(f"line {line}, language: write it, en, or nothing for Italian with English below")
    if entry.student in seen:
        return DirectoryInvalid(f"line {line}, student: the same as in line {seen[entry.student]}")
    seen[entry.student] = line
    return entry


def take(tx: Transaction, entries: Iterable[Contact]) -> Imported:
    """Adds, changes or, without an address, removes. A new address is tried at once with what waited or was refused.
    One of a person who was forgotten is left aside."""
    total = Imported(0, 0, 0, 0)
    entries = iter(entries)
    while chunk := list(islice(entries, CHUNK)):
        total = Imported(*(a + b for a, b in zip(total, _take(tx, chunk), strict=True)))
    return total


def _take(tx: Transaction, given: Sequence[Contact]) -> Imported:
    erased = among(tx, "notifications", [e.student for e in given])
    entries = [e for e in given if e.student not in erased]
    before = {row[0]: Contact(*row) for row in tx.ask(
        "SELECT student, email, language FROM notifications_directory WHERE student IN :students",
        {"students": [e.student for e in entries]})}
    gone = [e for e in entries if not e.email and e.student in before]
    new = [e for e in entries if e.email and e.student not in before]
    changed = [e for e in entries if e.email and e.student in before and e != before[e.student]]
    if gone:
        tx.run("DELETE FROM notifications_directory WHERE student IN :students",
               {"students": [e.student for e in gone]})
    if new or changed:
        tx.many("INSERT INTO notifications_directory (student, email, language) VALUES (:student, :email, :language) "
                "ON CONFLICT (student) DO UPDATE SET email = excluded.email, language = excluded.language, refused = "
                "CASE WHEN notifications_directory.email = excluded.email THEN notifications_directory.refused END",
                [e._asdict() for e in (*new, *changed)])
    moved = [e.student for e in (*new, *changed) if e.student not in before or before[e.student].email != e.email]
    if moved:
        outbox.again(tx, moved)
    return Imported(len(new), len(changed), len(entries) - len(gone) - len(new) - len(changed), len(gone),
                    len(given) - len(entries))


def find(tx: Transaction, student: str) -> Contact | None:
    """None where there is no address, or one that was refused."""
    rows = tx.ask("SELECT student, email, language FROM notifications_directory WHERE student = :student AND refused "
                  "IS NULL",
                  {"student": student})
    return Contact(*rows[0]) if rows else None


def refuse(tx: Transaction, entry: Contact, code: int) -> None:
    """Its notices wait until the directory changes."""
    tx.run("UPDATE notifications_directory SET refused = :code WHERE student = :student AND email = :email",
           {"code": str(code), "student": entry.student, "email": entry.email})


def allow(tx: Transaction, students: Sequence[str] | None) -> list[str]:
    """Forgets that addresses were refused (None: all); whose they were, and those with a refused text."""
    among, names = (" AND student IN :students", {"students": students}) if students is not None else ("", {})
    found = {row[0] for row in tx.ask(f"SELECT student FROM notifications_directory WHERE refused IS NOT NULL{among}",
                                      names)}
    found |= {row[0] for row in tx.ask(f"SELECT student FROM notifications_outbox WHERE state = 'refused'{among}",
                                       names)}
    if found:
        tx.run("UPDATE notifications_directory SET refused = NULL WHERE student IN :students",
               {"students": sorted(found)})
        outbox.again(tx, sorted(found))
    return sorted(found)


def forget(tx: Transaction, students: Sequence[str]) -> None:
    tx.run("DELETE FROM notifications_directory WHERE student IN :students", {"students": list(students)})
