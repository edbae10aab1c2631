"""Submissions of many callers, stored together: those that wait while others are being stored come next, in one
transaction. Each is decided on its own student's stream, on top of those before it, and answered after the commit."""

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from typing import NamedTuple

from ledger.domain.events import Event
from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.store import EventStore, StoreUnavailable, StoreUnusable, StreamSetAside, VersionConflict

from .submit import Desk, Reply, Verdict, in_turn, set_aside

MOST = 200
"""Submissions in one transaction."""
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


class Group:
    """`desk`: used by the one thread of `executor` alone."""

    def __init__(self, store: EventStore, desk: Callable[[], Desk], executor: Executor) -> None:
        self._store, self._make, self._executor = store, desk, executor
        self._made: Desk | None = None
        self._waiting: deque[tuple[Entered, Future[Reply]]] = deque()

    def submit(self, one: Entered) -> "Future[Reply]":
        """Its outcome, once it is stored or kept out. Raises, then, what `submit.submit` raises."""
        answer: Future[Reply] = Future()
        self._waiting.append((one, answer))
        self._executor.submit(self._store_waiting)
        return answer

    def _store_waiting(self) -> None:
        taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), MOST))]
        taken = [(one, answer) for one, answer in taken if answer.set_running_or_notify_cancel()]
        if taken:
            self._answer(taken)

    def _answer(self, taken: Sequence[tuple[Entered, "Future[Reply]"]]) -> None:
        try:
            replies = self._decided([one for one, _ in taken])
        except (VersionConflict, StoreUnavailable, StoreUnusable) as error:
            for _, answer in taken:
                answer.set_exception(error)
        except Exception as error:  # of one of them, which must not keep the others out
            if len(taken) == 1:
                taken[0][1].set_exception(error)
                return
            for one in taken:
                self._answer([one])
        else:
            for (_, answer), reply in zip(taken, replies, strict=True):
                answer.set_result(reply)

    def _decided(self, asked: Sequence[Entered]) -> list[Reply]:
        if self._made is None:
            self._made = self._make()
        desk = self._made
        remembered = {one.student for one in asked if one.student in desk.streams}
        replies = self._together(desk, asked)
        # whoever is kept out may be so by what is old: others have appended since
        old = [n for n, reply in enumerate(replies) if reply["outcome"] != "accepted"
               and (student := asked[n].student) in remembered and student in desk.streams
               and desk.streams.has_news(student)]
        for n in old:
            replies[n] = self._together(desk, [asked[n]])[0]
        return replies

    def _together(self, desk: Desk, asked: Sequence[Entered]) -> list[Reply]:
        def take(one: Entered) -> Verdict:
            try:
                stream = desk.streams[one.student]
                if one.version not in (None, stream.version) and one.form.id not in stream.by_id:
                    return {"id": one.form.id, "outcome": STALE, "version": stream.version}
                return desk.take(one.form)
            except StreamSetAside as error:
                return set_aside(one.form.id, error.one)

        def append(verdicts: Sequence[Verdict]) -> Sequence[Event]:
            return self._store.append([verdict for verdict in verdicts if isinstance(verdict, Event)])

        return in_turn(lambda: desk.together(asked, take, append), says("conflict/file"))
