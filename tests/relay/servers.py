"""A PostgreSQL of a test's own, to be stopped and started again, and an administrator's URL of it."""

import os
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from infra.postgres.__main__ import end_with_parent, ready, server, stop, unprivileged

SECONDS = 60.0


class Postgres:
    """`restart` waits `down` seconds between the end of the server and its start."""

    def __init__(self, url: str) -> None:
        self.url = url
        with psycopg.connect(url, autocommit=True) as admin:
            row = admin.execute("SHOW data_directory").fetchone()
            self._data = Path(str(row[0] if row else ""))
        self._started: subprocess.Popen[bytes] | None = None
        self._pid = int((self._data / "postmaster.pid").read_text().splitlines()[0])
        self._command = Path(f"/proc/{self._pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")

    def empty(self) -> str:
        """The URL of a new database."""
        name = f"ledger_{uuid.uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(f"CREATE DATABASE {name}".encode())
        return f"{self.url.rpartition('/')[0]}/{name}"

    def restart(self, number: int, down: float) -> None:
        """`number`: SIGINT ends the sessions at once and the server in good order; SIGQUIT is a crash."""
        os.kill(self._pid, number)
        until = time.monotonic() + SECONDS
        while not self._is_gone(self._pid):
            assert time.monotonic() < until, "the server does not end"
            time.sleep(0.05)
        time.sleep(down)
        self._start()

    def revive(self) -> None:
        """Starts it again where it has ended by itself."""
        if self._is_gone(self._pid):
            self._start()

    def _start(self) -> None:
        until = time.monotonic() + SECONDS
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._started = subprocess.Popen(self._command, cwd=self._data.parent, stdin=subprocess.DEVNULL,
                                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
                                         preexec_fn=end_with_parent, **unprivileged())
        while not ready(self._data):
            assert time.monotonic() < until, "the server does not start"
            time.sleep(0.05)
        self._pid = self._started.pid

    def _is_gone(self, pid: int) -> bool:
        if self._started is not None:
            return self._started.poll() is not None
        try:
            return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        except OSError:
            return True

    def end(self) -> None:
        if self._started is not None:
            stop(self._started)


@contextmanager
def own_postgres() -> Iterator[Postgres]:
    with server() as url:
        found = Postgres(url)
        try:
            yield found
        finally:
            found.end()


CRASH, STOP = signal.SIGQUIT, signal.SIGINT
