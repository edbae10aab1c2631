"""Whether this installation can work, and what to do where it cannot: `career-ledger doctor`. Nothing is changed, but
that a key store finishes what it had begun, as whenever it is opened."""

import os
import re
import shutil
import sqlite3
import stat
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from importlib import metadata
from ipaddress import ip_address
from pathlib import Path
from typing import Literal, NamedTuple

from ledger.bootstrap import Ledger, clock, law, open_ledger
from ledger.domain.knowledge import NotFound
from ledger.domain.phrases import Phrase, says
from ledger.domain.values import year_of
from ledger.edges.address import WrongAddress, hidden, sqlite_path
from ledger.entrypoints.settings import PREFIX, SETTINGS, unknown
from ledger.rulebooks.loader import RuleBookError
from ledger.store import EventStore, StoreUnavailable, StoreUnusable

Grade = Literal["ok", "attention", "failed"]
OLDEST_POSTGRES = 14
APART_SECONDS, AHEAD_SECONDS = 5, 60
"""So far may the clocks of two machines be apart unsaid; from here on events or heartbeats are refused."""
LEAST_FREE = 500_000_000
"""Bytes of the disk that holds an SQLite ledger."""
TROUBLE = (StoreUnavailable, StoreUnusable, NotFound, WrongAddress, OSError)


class Installation(NamedTuple):
    db: str
    rulebooks: Path | None
    keys: str | None
    brokers: str | None


class Diagnosis(NamedTuple):
    check: str
    state: Grade
    message: Phrase


def examine(asked: Installation) -> Iterator[Diagnosis]:
    """Where the ledger cannot be opened, what rests on it is left out."""
    away = False
    for check, look in CHECKS.items():
        if away and check in ON_THE_LEDGER:
            continue
        try:
            yield from (Diagnosis(check, state, message) for state, message in look(asked))
        except TROUBLE as error:
            away |= check == "ledger"
            yield Diagnosis(check, "failed", _in_words(error))


Graded = Iterator[tuple[Grade, Phrase]]


def _in_words(error: Exception) -> Phrase:
    told = getattr(error, "told", None)
    return told if isinstance(told, Phrase) else says("doctor/error", text=hidden(" ".join(str(error).split())))


# The machine


def _program(_: Installation) -> Graded:
    yield "ok", says("doctor/program", text=metadata.version("career-ledger"), first=sys.version.split()[0],
                     second=sqlite3.sqlite_version)
    for wanted in metadata.requires("career-ledger") or ():
        if ";" in wanted:  # of an extra, or of another system
            continue
        name, bounds = _requirement(wanted)
        try:
            there = metadata.version(name)
        except metadata.PackageNotFoundError:
            yield "failed", says("doctor/package-missing", text=name)
            continue
        if not all(_holds(_numbers(there), sign, _numbers(bound)) for sign, bound in bounds):
            yield "failed", says("doctor/package", text=wanted, said=there)


def _requirement(text: str) -> tuple[str, list[tuple[str, str]]]:
    """The name of a package, and the bounds of its version: 'a[x]>=1,<2'."""
    return re.split(r"[\[<>=!~ (]", text, maxsplit=1)[0], re.findall(r"(>=|<)\s*([0-9.]+)", text)


def _numbers(version: str) -> tuple[int, ...]:
    found = re.match(r"[0-9]+(\.[0-9]+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def _holds(there: tuple[int, ...], sign: str, bound: tuple[int, ...]) -> bool:
    return there >= bound if sign == ">=" else there < bound


def _settings(asked: Installation) -> Graded:
    from ledger.wire.kafka import CLIENT, COMPRESSION, KafkaUnusable, producer_settings

    known = [one.variable for one in SETTINGS if one.variable in os.environ]
    yield "ok", says("doctor/settings", count=len(known))
    for name, meant in unknown():
        yield "attention", says("doctor/unknown-setting", text=name) if meant is None else \
            says("doctor/unknown-setting-near", text=name, second=meant)
    if os.environ.get(f"{PREFIX}LOG", "text").strip().lower() not in ("", "text", "json"):
        yield "failed", says("doctor/wrong-setting", text=f"{PREFIX}LOG", second="text, json")
    try:
        producer_settings()
    except KafkaUnusable:
        yield "failed", says("doctor/wrong-setting", text=COMPRESSION, second="gzip, lz4, none")
    for name, url in (("--db", asked.db), ("--keys", asked.keys or ""), (f"{PREFIX}CONSUMER_DB",
                                                                          os.environ.get(f"{PREFIX}CONSUMER_DB", ""))):
        if hidden(url) != url:
            yield "attention", says("doctor/password", text=name)
    for name in (CLIENT, "PGPASSFILE", "PGSERVICEFILE"):
        if os.environ.get(name):
            yield from _open_to_others(Path(os.environ[name]))


def _open_to_others(path: Path) -> Graded:
    if path.exists() and (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
        yield "attention", says("doctor/open-to-others", text=str(path), number=f"{mode:04o}")


def _locale(_: Installation) -> Graded:
    import locale
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    from ledger.words.reader import reader

    found = locale.getpreferredencoding(False)
    if found.lower().replace("-", "") == "utf8":
        yield "ok", says("doctor/locale", text=reader())
    else:
        yield "attention", says("doctor/encoding", text=found)
    try:
        ZoneInfo("Europe/Rome")
    except ZoneInfoNotFoundError:
        yield "failed", says("doctor/time-zone")


def _rulebooks(asked: Installation) -> Graded:
    try:
        books = law(asked.rulebooks)
    except RuleBookError as error:
        yield from (("failed", one.phrase()) for one in error.problems)
        return
    yield "ok", says("doctor/rulebooks", text=", ".join(books.years))
    if (year := year_of(clock().date())) not in books.years:
        yield "attention", says("doctor/year", academic_year=year)


# The ledger


def _store(asked: Installation) -> Graded:
    with _opened(asked) as ledger:
        store = ledger.log
        position, identity = store.last_position(), store.identity()
        yield "ok", says("doctor/ledger", text=hidden(asked.db), position=position, said=identity.origin)
        moment = _newest(store, position)
        if moment is not None and moment > clock() + timedelta(seconds=AHEAD_SECONDS):
            yield "attention", says("doctor/ahead", recorded_at=moment.isoformat(), position=position)
        yield "ok", says("doctor/digest-key") if store.key_is_bound() else says("doctor/no-digest-key")
    path = sqlite_path(asked.db)
    if path is not None:
        yield from _file(path)
    else:
        yield from _server(asked.db)


def _opened(asked: Installation) -> Ledger:
    """Raises NotFound where there is none."""
    return open_ledger(asked.db, False, asked.rulebooks, asked.keys)


def _newest(store: EventStore, position: int) -> datetime | None:
    """When the newest event was recorded; None where there is none, or where it sets a student aside."""
    try:
        return next((event.recorded_at for event in store.log(position - 1, 1)), None)
    except StoreUnusable:
        return None


def _file(path: Path) -> Graded:
    for name in ("", "-wal", "-shm", ".digest-key"):
        yield from _open_to_others(path.with_name(path.name + name))
    if not _may_write(path):
        yield "attention", says("doctor/read-only", text=str(path))
    free = shutil.disk_usage(path.parent).free
    if free < LEAST_FREE:
        yield "attention", says("doctor/disk", text=str(path.parent), megabytes=free / 1e6)


def _may_write(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


_OF_SERVER = """
SELECT current_setting('server_version_num')::int / 10000, extract(epoch FROM clock_timestamp())::float8,
    (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), host(inet_server_addr()),
    current_setting('server_encoding'), session_user::text,
    (SELECT rolsuper FROM pg_roles WHERE rolname = session_user)
        OR (SELECT pg_has_role(session_user, relowner, 'MEMBER') FROM pg_class
            WHERE oid = 'public.stored_events'::regclass),
    ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname LIKE 'career#_ledger#_%' ESCAPE '#'
          AND pg_has_role(session_user, oid, 'MEMBER') ORDER BY rolname),
    (SELECT count(*) FROM pg_roles WHERE rolname LIKE 'career#_ledger#_%' ESCAPE '#')"""


def _server(url: str) -> Graded:
    from ledger.store.postgres import opened

    server = opened(url)
    try:
        before = datetime.now(timezone.utc).timestamp()
        [(version, moment, encrypted, host, encoding, user, owner, roles, known)] = server.single(_OF_SERVER)
        after = datetime.now(timezone.utc).timestamp()
    finally:
        server.close()
    if version < OLDEST_POSTGRES:
        yield "failed", says("doctor/server", text=str(version), number=str(OLDEST_POSTGRES))
    if encoding != "UTF8":
        yield "failed", says("doctor/server-encoding", text=encoding)
    if owner:
        yield "attention", says("doctor/owner", text=user)
    elif roles:
        yield "ok", says("doctor/roles", text=user, said=", ".join(roles))
    if not known:
        yield "attention", says("doctor/no-roles")
    elif not owner and not roles:
        yield "attention", says("doctor/no-role", text=user)
    if not encrypted and host is not None and not ip_address(host).is_loopback:
        yield "attention", says("doctor/plain", text=server.place)
    yield _apart(max(before - moment, moment - after, 0.0))


def _apart(seconds: float) -> tuple[Grade, Phrase]:
    if seconds < APART_SECONDS:
        return "ok", says("doctor/clock")
    return "failed" if seconds >= AHEAD_SECONDS else "attention", says("doctor/clock-apart", seconds=round(seconds))


def _projections(asked: Installation) -> Graded:
    with _opened(asked) as ledger:
        if not ledger.has_projections():
            yield "attention", says("doctor/no-projections")
            return
        found = ledger.projection_status()
        yield "ok", says("doctor/projections", position=found["known_position"])
        if found["rebuild_needed"]:
            yield "failed", found["rebuild_needed"]
        if found["events_behind"]:
            yield "attention", says("doctor/behind", count=found["events_behind"], text="project --follow")
        if found["set_aside"]:
            yield "failed", says("doctor/set-aside", count=len(found["set_aside"]), text="projection status")


def _topics(asked: Installation) -> Graded:
    with _opened(asked) as ledger:
        try:
            found = ledger.published()["topics"]
        except NotFound as error:
            yield "attention" if asked.brokers else "ok", error.told
            return
    for one in found:
        yield "ok", says("doctor/topic", topic=one["topic"], position=one["position"])
        if one["error"] is not None:
            yield "attention", says("doctor/topic-error", topic=one["topic"], text=one["error"])
        if one["set_aside"]:
            yield "failed", says("doctor/set-aside", count=len(one["set_aside"]), text="publish --status")
    if behind := max(one["events_behind"] for one in found):
        yield "attention", says("doctor/behind", count=behind, text="publish")


def _proofs(asked: Installation) -> Graded:
    from ledger.proofs import signing
    from ledger.proofs.sequencer import EVERY_EVENTS

    with _opened(asked) as ledger:
        lacks = ledger.lacks()
        end, sealed = ledger.sealed()
    if lacks is not None:
        yield "failed", lacks
    if not os.environ.get(signing.VARIABLE):
        yield "ok", says("doctor/no-signing-key")
        return
    signer = signing.load()
    yield "ok", says("doctor/signing-key", text=signer.name, position=sealed)
    if end - sealed > EVERY_EVENTS:
        yield "attention", says("doctor/behind", count=end - sealed, text="checkpoint --follow")


# What stands beside it


GRAVE = frozenset({"broken", "undead"})
"""Findings of `keys doctor` that are faults, and not merely to be seen to."""


def _keys(asked: Installation) -> Graded:
    if asked.keys is None:
        yield "attention", says("doctor/no-keys")
        return
    with _opened(asked) as ledger:
        found = ledger.keys_findings()
    if not found:
        yield "ok", says("keys/sound")
    for one in found:
        yield "failed" if one["finding"] in GRAVE else "attention", one["message"]
    path = sqlite_path(asked.keys)
    if path is not None:
        yield from _open_to_others(path)


def _eservices(asked: Installation) -> Graded:
    """What the national e-services leave out, and why."""
    folder, file = (os.environ.get(f"{PREFIX}{name}") for name in ("REFERENCE", "ESERVICES"))
    if not folder:
        yield "failed" if file else "ok", says("doctor/no-reference")
        return
    try:
        with _opened(asked) as ledger:
            found = ledger.left_out(Path(folder))
        if file:
            from ledger.entrypoints.http.vouchers import VoucherGate

            VoucherGate(Path(file), clock)
    except RuleBookError as error:
        yield from (("failed", one.phrase()) for one in error.problems)
        return
    yield "ok", says("doctor/reference", text=folder)
    for name, year in found["programmes"]:
        yield "attention", says("doctor/no-programme", text=name, academic_year=year)
    if found["without_tax_code"]:
        yield "attention", says("doctor/no-tax-code", count=found["without_tax_code"])
    if found["behind"]:
        yield "attention", says("doctor/behind", count=found["behind"], text="eservices fingerprints")


def _brokers(asked: Installation) -> Graded:
    if not asked.brokers:
        yield "ok", says("doctor/no-brokers")
        return
    import logging

    from kafka.errors import KafkaError

    from ledger.wire.kafka import KafkaUnusable, look_at

    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        found = look_at(asked.brokers)
    except KafkaUnusable as error:
        yield "failed", says("doctor/error", text=str(error))
        return
    except KafkaError as error:
        yield "failed", says("doctor/no-broker", text=asked.brokers, said=type(error).__name__)
        return
    yield "ok", says("doctor/brokers", count=found.brokers, more=found.topics)
    if found.missing:
        yield "attention", says("doctor/topics-missing", text=", ".join(found.missing))
    for name in found.wrong:
        yield "failed", says("doctor/error", text=name)
    if not found.encrypted and not _is_here(asked.brokers):
        yield "attention", says("doctor/plain-brokers")


def _is_here(brokers: str) -> bool:
    hosts = {one.strip().rpartition(":")[0].strip("[]") for one in brokers.split(",")}
    return hosts <= {"localhost", "127.0.0.1", "::1"}


ON_THE_LEDGER = frozenset({"projections", "topics", "proofs", "keys", "eservices"})
CHECKS: dict[str, Callable[[Installation], Graded]] = {
    "program": _program, "settings": _settings, "locale": _locale, "rulebooks": _rulebooks, "ledger": _store,
    "projections": _projections, "topics": _topics, "proofs": _proofs, "keys": _keys,
    "eservices": _eservices, "brokers": _brokers}
