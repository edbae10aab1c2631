"""What can go wrong with a store, in words that a person can act on."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID


class VersionConflict(Exception):
    """Somebody else appended to the student's stream since it was read. Nothing was stored:
    read again and decide again."""


class StoreUnavailable(Exception):
    """The backend cannot be reached, or stopped in the middle. What was answered as accepted is stored; submitting the
    same lines again is safe, each is stored once."""


class StoreUnusable(Exception):
    """The backend answers but cannot serve as this ledger's store: not ours, of a newer version, full, read-only, or
    set up in a way that loses events. Trying again does not help."""


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
        super().__init__(f"student {one.student or one.stream} is set aside, everybody else is answered: {one.why}")
        self.one = one


class SomeSetAside(StoreUnusable):
    """Everybody else was done."""

    NAMED = 5

    def __init__(self, ones: Sequence[SetAside]) -> None:
        named = "; ".join(f"{one.student or one.stream}: {one.why}" for one in ones[:self.NAMED])
        super().__init__(f"{len(ones)} set aside, everybody else was done: "
                         f"{named}{'; and more' if len(ones) > self.NAMED else ''}")
        self.ones = tuple(ones)
