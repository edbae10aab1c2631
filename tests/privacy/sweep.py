"""Every byte that the system has written, and every spelling in which a marked value may stand in it: files, the pages
and the write-ahead log of a PostgreSQL server, what a broker keeps."""

import gzip
import os
import secrets
import shutil
import string
import subprocess
from base64 import b64encode
from collections.abc import Callable, Collection, Iterable, Iterator
from hashlib import sha256
from pathlib import Path

import psycopg

from infra.postgres.__main__ import installed

Bytes = tuple[str, bytes]
"""Where they stand, and what."""


def unmistakable() -> str:
    """What all marks of a test have in common, and nothing else on this machine: eight letters and digits."""
    return "q" + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(7))


def spellings(text: str) -> set[bytes]:
    """Small letters, and the same in capitals: plain, in UTF-8 and UTF-16, escaped for JSON and for an address, in
    hexadecimal digits, and in Base64 wherever it begins."""
    found = set()
    for one in (text, text.upper()):
        plain = one.encode()
        found |= {plain.hex().encode(), plain.hex().upper().encode()}
        for raw in (plain, one.encode("utf-16-le"), one.encode("utf-16-be")):
            found.add(raw)
            for inner in in_base64(raw):
                found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
        found |= {"".join(form % ord(sign) for sign in one).encode() for form in ("\\u%04x", "%%%02X")}
    return found


def usual(text: str) -> set[bytes]:
    """As a program of ours would write it: what has the same content elsewhere, in every spelling, is searched for
    this much only."""
    return {text.encode(), text.encode().hex().encode(), *in_base64(text.encode())}


def in_base64(raw: bytes) -> list[bytes]:
    """After none, one or two bytes of others; signs that also hold bits of a neighbour are left out."""
    return [b64encode(b"\0" * before + raw)[-(-before * 8 // 6):(before + len(raw)) * 8 // 6] for before in range(3)]


class Clean:
    """What was searched and holds none of the marks is not searched again: most pages of a database are those of any
    other, and most files are as they were."""

    def __init__(self, *marks: str) -> None:
        self._marks = marks
        self._seen: set[bytes] = set()

    def found(self, places: Iterable[Bytes]) -> list[str]:
        dirty: list[str] = []
        for where, content in places:
            if (known := sha256(content).digest()) not in self._seen:
                here = found([(where, content)], *self._marks)
                if not here:
                    self._seen.add(known)
                dirty += here
        return dirty


def found(places: Iterable[Bytes], *marks: str, spelled: Callable[[str], Collection[bytes]] = spellings) -> list[str]:
    """Where one of the marks stands, and what is around it."""
    spelt = [spelling for mark in marks for spelling in spelled(mark)]
    return [f"{where}: {content[max(at - 80, 0):at + 60]!r}" for where, content in places for spelling in spelt
            if (at := content.find(spelling)) >= 0]


def files(folder: Path, *without: str) -> Iterator[Bytes]:
    """All below a folder but some folders in it, with the names themselves; what is packed also unpacked."""
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if name.partition("/")[0] in without:
            continue
        yield f"name of {name}", name.encode()
        if path.is_file():
            content = path.read_bytes()
            yield name, content
            if content[:2] == b"\x1f\x8b":
                yield f"{name}, unpacked", gzip.decompress(content)


class Server:
    """A PostgreSQL server, read by its administrator: nothing of it need lie on this machine."""

    def __init__(self, admin: str) -> None:
        self._admin = admin
        with psycopg.connect(admin, autocommit=True) as link:
            [self._since] = link.execute("SELECT pg_current_wal_insert_lsn()").fetchone()
            [data] = link.execute("SHOW data_directory").fetchone()
        self._log = Path(data).parent / "log"  # of `infra/postgres`
        self._said = self._log.stat().st_size if self._log.exists() else 0

    def copy(self, database: str, to: str) -> None:
        """Nobody may be connected to it."""
        with psycopg.connect(self._admin, autocommit=True) as link:
            link.execute(f"CREATE DATABASE {to} TEMPLATE {database}".encode())

    def settle(self) -> None:
        """What was written is in the files."""
        with psycopg.connect(self._admin, autocommit=True) as link:
            link.execute("CHECKPOINT")

    def pages(self, database: str) -> Iterator[Bytes]:
        """All its files."""
        with psycopg.connect(self._admin, autocommit=True) as link:
            for file, content in link.execute(
                    "SELECT file, pg_read_binary_file(folder || '/' || file, 0, 1 << 29, true) FROM (SELECT 'base/' || "
                    "oid FROM pg_database WHERE datname = %s) AS of (folder), pg_ls_dir(folder) AS file", [database],
                    binary=True):
                yield f"{database}, page file {file}", content or b""

    def logs(self) -> Iterator[Bytes]:
        """What was written ahead since this object was made, by whomever, and what the server has said."""
        with psycopg.connect(self._admin, autocommit=True) as link:
            for name, content in link.execute(
                    "SELECT name, pg_read_binary_file('pg_wal/' || name, 0, 1 << 29, true) FROM pg_ls_waldir() WHERE "
                    "name BETWEEN pg_walfile_name(%s) AND pg_walfile_name(pg_current_wal_insert_lsn()) ORDER BY name",
                    [self._since], binary=True):
                yield f"write-ahead log {name}", (content or b"").rstrip(b"\0")
        if self._log.exists():
            with self._log.open("rb") as file:
                file.seek(self._said)
                yield "the server's own log", file.read()


def dump(url: str) -> Bytes:
    """What `pg_dump` copies of a database, values that the server packs whole in it. Where there is no `pg_dump` on
    this machine, every row of every table, as it would write them."""
    name = f"dump of {url.rpartition('/')[2]}"
    folder = installed()
    program = shutil.which("pg_dump") or (str(folder / "pg_dump") if folder is not None else None)
    if program is not None and Path(program).exists():
        return name, subprocess.run([program, "--dbname", url], check=True, capture_output=True).stdout
    with psycopg.connect(url) as link:
        tables = link.execute("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname NOT IN "
                              "('pg_catalog', 'information_schema')").fetchall()
        copied = []
        for [table] in tables:
            with link.cursor().copy(f"COPY {table} TO STDOUT".encode()) as rows:
                copied += list(rows)
    return name, b"".join(map(bytes, copied))


def segments(brokers: str, prefix: str, *without: str) -> Iterator[Bytes]:
    """The files of a prefix's topics, where the broker keeps them on this machine."""
    from kafka.admin import KafkaAdminClient

    admin = KafkaAdminClient(bootstrap_servers=brokers)
    try:
        folders = [Path(log["log_dir"]) for broker in admin.describe_log_dirs() for log in broker["log_dirs"]]
    finally:
        admin.close()
    for folder in folders:
        for part in folder.glob(f"{prefix}*"):
            if not any(part.name.startswith(prefix + topic) for topic in without):
                for path in part.iterdir():
                    yield f"{part.name}/{path.name}", written(path)


def written(path: Path) -> bytes:
    """What was ever written of a file: an index of Kafka is as long as it may ever get, and empty."""
    parts, at = [], 0
    with path.open("rb") as file:
        length = os.fstat(file.fileno()).st_size
        while at < length:
            try:
                begin = os.lseek(file.fileno(), at, os.SEEK_DATA)
            except OSError:  # nothing more
                break
            at = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            file.seek(begin)
            parts.append(file.read(at - begin))
    return b"".join(parts)
