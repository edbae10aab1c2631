"""Who is asked about, where nothing else may be read: for as long as it is set, every read of the log finds this one
student's events, whatever the statement asks for.

PostgreSQL itself sees to it (a policy of the table, for the role that such a read takes on); SQLite, which has neither
users nor policies, is given each statement with a table of hers alone in the place of the log.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

from .mapper import stream_id

_ONLY: ContextVar[str | None] = ContextVar("ledger.store.only", default=None)


def read_only_of(student: str | None) -> None:
    """From here on in this context, which a request of a server has for itself. None: nobody in particular."""
    _ONLY.set(student)


@contextmanager
def only(student: str) -> Iterator[None]:
    token = _ONLY.set(student)
    try:
        yield
    finally:
        _ONLY.reset(token)


def whose() -> UUID | None:
    """The stream that may be read; None: all of them."""
    student = _ONLY.get()
    return stream_id(student) if student is not None else None


def who() -> str | None:
    return _ONLY.get()
