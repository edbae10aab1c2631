"""Intervals [from, until) of values that are told day by day: the one recorder of what the fold passes through."""

from collections.abc import Callable, Hashable, Mapping
from datetime import date
from typing import Generic, TypeVar

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

    def __contains__(self, group: Hashable) -> bool:
        return group in self._values

    def held(self, group: Hashable) -> Mapping[Thing, V]:
        """What a group was told to hold last."""
        return self._values.get(group, {})

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

    def finish(self) -> None:
        """Nothing that is known ends what is held."""
        for values in self._values.values():
            for thing, value in values.items():
                self._closed(thing, self._since[thing], None, value)
