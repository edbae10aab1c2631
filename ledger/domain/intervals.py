"""Intervals [from, until) of values that are told day by day: the one recorder of what the fold passes through."""

from collections.abc import Callable, Hashable, Mapping
from datetime import date
from typing import Any, Generic, TypeVar

Thing = tuple[Hashable, ...]
"""What a value belongs to: its kind, then its name."""
V = TypeVar("V")
Closed = Callable[[Thing, date, date | None, V], None]


class Intervals(Generic[V]):
    """A value that is the same at the end of two days on which it is told is one interval; what begins
    and ends within a day is none.

    `closed` is called with each interval when it has ended, and by `finish` with those that
    nothing ends (until None)."""

    def __init__(self, closed: Closed[V]) -> None:
        self._closed = closed
        self._values: dict[Hashable, Mapping[Thing, V]] = {}
        self._since: dict[Thing, date] = {}
        self._alone: dict[Thing, tuple[date, V]] = {}

    def __contains__(self, group: Hashable) -> bool:
        return group in self._values

    def observe(self, group: Hashable, now: Mapping[Thing, V], day: date) -> None:
        """At the end of a day the things of a group hold these values, and no others."""
        before = self._values.get(group)
        if before == now:
            return
        for thing, value in before.items() if before is not None else ():
            if now.get(thing) != value:
                since = self._since.pop(thing)
                if since != day:
                    self._closed(thing, since, day, value)
        for thing in now:
            self._since.setdefault(thing, day)
        self._values[group] = now

    def hold(self, thing: Thing, value: V, day: date) -> None:
        """The same of a thing that is in no group."""
        held = self._alone.get(thing)
        if held is not None:
            since, before = held
            if before == value:
                return
            if since != day:
                self._closed(thing, since, day, before)
        self._alone[thing] = day, value

    def last(self, thing: Thing) -> V | None:
        """The value that such a thing was told to hold last."""
        held = self._alone.get(thing)
        return held[1] if held is not None else None

    def finish(self) -> None:
        """Nothing that is known ends what is held. What it calls is let go: who made this often holds it, and both
        would stay in memory, with all rows, until the garbage collector comes."""
        for values in self._values.values():
            for thing, value in values.items():
                self._closed(thing, self._since[thing], None, value)
        for thing, (since, value) in self._alone.items():
            self._closed(thing, since, None, value)
        self._closed = _nobody


def _nobody(thing: Thing, since: date, until: date | None, value: Any) -> None:
    """Takes nothing any more."""
