"""What can go wrong with a store, in words that a person can act on."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

from ledger.domain.phrases import Phrase, says
from ledger.words import sentence


class _Told(Exception):
    """Told in the language of who reads it, where it is given as a phrase; else, and in logs, in English."""

    def __init__(self, told: Phrase | str) -> None:
        super().__init__(told if isinstance(told, str) else sentence(told))
        self.told = None if isinstance(told, str) else told


class VersionConflict(_Told):
    """Somebody else appended to the student's stream since it was read. Nothing was stored:
    read again and decide again."""


class StoreUnavailable(_Told):
    """The backend cannot be reached, or stopped in the middle. What was answered as accepted is stored; submitting the
    same lines again is safe, each is stored once."""


class StoreUnusable(_Told):
    """The backend answers but cannot serve as this ledger's store: not ours, of a newer version, full, read-only, or
    set up in a way that loses events. Trying again does not help."""


class ReadOnly(StoreUnusable):
    """This user, or this copy of the ledger, may be read and not written."""


class UnreadableEvent(StoreUnusable):
    """An event that this program cannot read: damaged, of a newer program, or not at home in its stream."""

    def __init__(self, position: int, why: str) -> None:
        super().__init__(f"position {position} {why}")
        self.position = position


class SetAside(NamedTuple):
    """A student of whom an event cannot be read, and why; nothing is said about her until it can. `student`: None where
    no event says whose stream it is."""

    stream: UUID
    student: str | None
    position: int
    why: str


class StreamSetAside(StoreUnusable):
    """Of this one student something was asked."""

    def __init__(self, one: SetAside) -> None:
        super().__init__(says("set-aside", student=one.student or str(one.stream), text=one.why))
        self.one = one


class SomeSetAside(StoreUnusable):
    """Everybody else was done."""

    NAMED = 5

    def __init__(self, ones: Sequence[SetAside]) -> None:
        named = "; ".join(f"{one.student or one.stream}: {one.why}" for one in ones[:self.NAMED])
        super().__init__(says("some-set-aside", count=len(ones),
                              text=named + ("; ..." if len(ones) > self.NAMED else "")))
        self.ones = tuple(ones)


def fault(error: Exception) -> str:
    """Why a student is set aside: names the place in the program and nothing of the content."""
    import traceback

    place = traceback.extract_tb(error.__traceback__)[-1]
    return (f"her answers cannot be computed, a fault of this program, please report it: {type(error).__name__} in "
            f"{Path(place.filename).name}, line {place.lineno}")
