"""A connection to PostgreSQL that ends when its link goes silent, and what it means when none comes about."""

import re
import time
from collections.abc import Callable, Generator
from typing import Any, Self, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

Answer = TypeVar("Answer")
Gen = Generator[Any, Any, Answer]
"""What psycopg waits for: it yields the direction and is sent what the socket is ready for, 0 after a tenth of a second of nothing."""

CONNECT_SECONDS = 5
SILENT_SECONDS = 10.0
"""After so long without a byte the server is asked, on another connection, whether it is still at work on this one."""
NETWORK: dict[str, str] = {"keepalives": "1", "keepalives_idle": "10", "keepalives_interval": "5", "keepalives_count": "3",
                           "tcp_user_timeout": "15000"}
"""libpq's: a peer that is gone is noticed by the kernel within half a minute, whether something was sent or is awaited."""
AT_WORK = "SELECT FROM pg_catalog.pg_stat_activity WHERE pid = %s AND state <> 'idle'"


class Link(psycopg.Connection[Any]):
    """Where nothing comes from the server for `SILENT_SECONDS`, it is asked whether it is at work; where it is not, or does not
    answer either, the link is given up: OperationalError, as when it breaks. A statement may take as long as the server is at it."""

    address = ""
    asking = False

    @classmethod
    def connect(cls, conninfo: str = "", **given: Any) -> Self:
        """The address may name other settings of the network than ours. `connect_timeout` is `CONNECT_SECONDS` where it names none."""
        named = conninfo_to_dict(conninfo)
        ours: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, **NETWORK}
        made = super().connect(conninfo, **{name: value for name, value in ours.items() if name not in named} | given)
        made.address = conninfo
        return made

    def wait(self, gen: Gen[Answer], *rest: Any, **named: Any) -> Answer:
        return super().wait(_watched(gen, self._is_silent), *rest, **named)

    def _is_silent(self) -> bool:
        """True where the link is given up."""
        if not self.asking and self._is_at_work():
            return False
        self.pgconn.finish()
        return True

    def _is_at_work(self) -> bool:
        try:
            with type(self).connect(self.address, autocommit=True) as other:
                other.asking = True
                return other.execute(AT_WORK, (self.info.backend_pid,)).rowcount == 1
        except psycopg.Error:
            return False


def _watched(gen: Gen[Answer], is_silent: Callable[[], bool]) -> Gen[Answer]:
    """The same generator, looked at whenever nothing has come for long."""
    try:
        wanted = next(gen)
        since = time.monotonic()
        while True:
            ready = yield wanted
            if ready:
                since = time.monotonic()
            elif time.monotonic() - since > SILENT_SECONDS:
                if is_silent():
                    raise psycopg.OperationalError(f"the server has not answered for {SILENT_SECONDS:.0f} seconds")
                since = time.monotonic()
            wanted = gen.send(ready)
    except StopIteration as ended:
        found: Answer = ended.value
        return found


_REFUSED = re.compile(
    r'password|authentication|role "|database "[^"]*" does not exist|pg_hba|permission denied|certificate|private key'
    r'|SSL was required|does not support SSL|no encryption|does not match host name|invalid (value|port|connection option)', re.IGNORECASE)


def refused(error: BaseException) -> str | None:
    """Why a connection did not come about where trying again does not help (user, password, database, certificate), in the words
    of the server or of libpq, which know no password; None for anything else, a server that starts, is full or gone."""
    if not isinstance(error, psycopg.OperationalError) or error.sqlstate is not None:
        return None
    said = str(error).strip().splitlines() or [""]
    text = said[0].removeprefix("connection failed: ")
    return text if "connection" in said[0] and _REFUSED.search(text.rpartition(" failed: ")[2]) else None
