"""Submissions of many callers, stored together: those that wait while others are being stored come next, in one
transaction. Each is decided on its own student's stream, on top of those before it, and answered after the commit."""

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from ledger.domain.phrases import says
from ledger.domain.submissions import Submission
from ledger.edges.batches import Batches, in_thread
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


class Group(Batches[Entered, Reply]):
    """`desk`: used by the one thread of `executor` alone. What is submitted raises what `submit.submit` raises."""

    def __init__(self, desk: Callable[[], Desk], executor: Executor) -> None:
        super().__init__(in_thread(executor, self._outcomes), MOST)
        self._make = desk
        self._made: Desk | None = None

    def _outcomes(self, asked: Sequence[Entered]) -> list[Reply | Exception]:
        try:
            return list(self._decided(asked))
        except (VersionConflict, StoreUnavailable, StoreUnusable) as error:
            return [error] * len(asked)
        except Exception as error:  # of one of them, which must not keep the others out
            return [error] if len(asked) == 1 else [self._outcomes([one])[0] for one in asked]

    def prepare(self) -> Desk:
        """Opens what it stores in; in its thread. Raises why nothing can be recorded."""
        if self._made is None:
            self._made = self._make()
        return self._made

    def _decided(self, asked: Sequence[Entered]) -> list[Reply]:
        desk = self.prepare()
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

        return in_turn(lambda: desk.together(asked, take, desk.append), says("conflict/file"))
