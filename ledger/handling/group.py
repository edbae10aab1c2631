"""Submissions of many callers, stored together: those that wait while others are being stored come next, in one
transaction. Each is decided on its own student's stream, on top of those before it, and answered after the commit."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from ledger.domain.events import Event
from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.edges.batches import Batches
from ledger.store import StoreUnavailable, StoreUnusable, StreamSetAside, VersionConflict

from .submit import Desk, Reply, Verdict, in_turn, set_aside

MOST = 200
"""Submissions in one transaction."""
KEPT = 50_000
"""Events of the students met last that stay in memory (about 100 MB)."""
STALE = "stale"
"""The outcome of a submission whose caller knows another version of the student than there is; no outcome of the
published language."""


class Entered(NamedTuple):
    """A submission, and the version at which its student must stand unless it is recorded already (None: any)."""

    form: Submission
    version: int | None

    @property
    def student(self) -> str:
        return self.form.student


Outcomes = list[Reply | Exception]
Store = Callable[[Sequence[Verdict]], Sequence[Event]]


class _Decided(NamedTuple):
    """`remembered`: the students who were in memory before."""

    verdicts: list[Verdict]
    remembered: Collection[str]


class Group(Batches[Entered, Reply]):
    """`desk`: used by the one thread of `deciding` alone. What was decided is stored by the one of `storing`, while the
    other is at what comes next, of other students: no decision rests on what another transaction has not stored yet.
    What is submitted raises what `submit.submit` raises."""

    def __init__(self, desk: Callable[[], Desk], deciding: Executor, storing: Executor) -> None:
        super().__init__(self._recorded, MOST, lambda one: one.student)
        self._make = desk
        self._made: Desk | None = None
        self._deciding, self._storing, self._turn = deciding, storing, asyncio.Lock()

    def prepare(self) -> Desk:
        """Opens what it stores in; in its thread. Raises why nothing can be recorded."""
        if self._made is None:
            self._made = self._make()
        return self._made

    async def _recorded(self, asked: Sequence[Entered]) -> Outcomes:
        """In the loop. One by itself is stored by the thread that decided it: no other is at work, and each change of
        threads takes as long as the decision."""
        run = asyncio.get_running_loop().run_in_executor
        if len(asked) == 1 and self.at_work == 1:
            return await run(self._deciding, self._outcomes, asked, self._append)
        decided = await run(self._deciding, self._begun, asked)
        async with self._turn:  # the transaction before is done
            self.go_on()
            if isinstance(decided, Exception):
                return await run(self._deciding, self._again, asked, decided)
            try:
                events = await run(self._storing, self._append, decided.verdicts)
            except Exception as error:
                return await run(self._deciding, self._again, asked, error)
        return await run(self._deciding, self._told, asked, decided, events)

    # In the thread that decides

    def _begun(self, asked: Sequence[Entered]) -> _Decided | Exception:
        try:
            desk = self.prepare()
            remembered = {one.student for one in asked if one.student in desk.streams}
            return _Decided(desk.decided(asked, self._take), remembered)
        except Exception as error:
            return error

    def _again(self, asked: Sequence[Entered], error: Exception) -> Outcomes:
        if isinstance(error, StoreUnavailable | StoreUnusable):
            if self._made is not None:
                self._made.forget(asked)
            return [error] * len(asked)
        self.prepare().forget(asked)
        return self._outcomes(asked, self._handed_over)

    def _told(self, asked: Sequence[Entered], decided: _Decided, events: Sequence[Event]) -> Outcomes:
        replies = self.prepare().told(decided.verdicts, events)
        return self._with_news(asked, decided.remembered, replies, self._handed_over)

    def _outcomes(self, asked: Sequence[Entered], store: Store) -> Outcomes:
        try:
            desk = self.prepare()
            remembered = {one.student for one in asked if one.student in desk.streams}
            return self._with_news(asked, remembered, self._together(asked, store), store)
        except (VersionConflict, StoreUnavailable, StoreUnusable) as error:
            return [error] * len(asked)
        except Exception as error:  # of one of them, which must not keep the others out
            return [error] if len(asked) == 1 else [self._outcomes([one], store)[0] for one in asked]

    def _with_news(self, asked: Sequence[Entered], remembered: Collection[str], replies: list[Reply],
                   store: Store) -> Outcomes:
        """Whoever is kept out may be so by what is old: others have appended since."""
        streams = self.prepare().streams
        old = [n for n, reply in enumerate(replies) if reply["outcome"] != "accepted"
               and (student := asked[n].student) in remembered and student in streams and streams.has_news(student)]
        for n in old:
            replies[n] = self._together([asked[n]], store)[0]
        return [*replies]

    def _together(self, asked: Sequence[Entered], store: Store) -> list[Reply]:
        return in_turn(lambda: self.prepare().together(asked, self._take, store), says("conflict/file"))

    def _take(self, one: Entered) -> Verdict:
        desk = self.prepare()
        try:
            stream = desk.streams[one.student]
            if one.version not in (None, stream.version) and one.form.id not in stream.by_id:
                return {"id": one.form.id, "outcome": STALE, "version": stream.version}
            return desk.take(one.form)
        except StreamSetAside as error:
            return set_aside(one.form.id, error.one)

    def _handed_over(self, verdicts: Sequence[Verdict]) -> Sequence[Event]:
        """Stored in the other thread, which is waited for."""
        return self._storing.submit(self._append, verdicts).result()

    # In the thread that stores

    def _append(self, verdicts: Sequence[Verdict]) -> Sequence[Event]:
        return self.prepare().append(verdicts)
