"""Submissions of many callers: decided in one thread while what was decided before is stored in another."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ledger.domain.events import Event
from ledger.domain.submissions import Submission
from ledger.handling.group import STALE, Entered, Group
from ledger.handling.submit import Desk, append_lines, read_form, submit
from ledger.store import EventStore, StoreUnavailable, VersionConflict, open_store

from .histories import booking, clock, enrolled, lines, payment
from .workers import BOOKS


class Held(Desk):
    """Its first transaction of several students waits until it is let go."""

    def __init__(self, store: EventStore) -> None:
        super().__init__(store, BOOKS, "enforce", clock)
        self.stored: list[list[str]] = []
        self.judged: list[str] = []
        self.begun, self.go_on = threading.Event(), threading.Event()
        self.before: Callable[[], None] = lambda: None

    def take(self, submission: Submission) -> Any:
        self.judged.append(submission.id)
        return super().take(submission)

    def append(self, verdicts: Sequence[Any]) -> Sequence[Event]:
        ids = [one.id for one in verdicts if isinstance(one, Event)]
        if len(ids) > 1 and not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(10)
            self.before()
        found = super().append(verdicts)
        self.stored.append(ids)
        return found


def entered(one: dict[str, Any], version: int | None = None) -> Entered:
    form = read_form(one)
    assert isinstance(form, Submission)
    return Entered(form, version)


def paid(student: str, n: int, version: int | None = None) -> Entered:
    return entered(payment(student, n), version)


@pytest.fixture
def desk(store: EventStore) -> Held:
    assert all(one["outcome"] == "accepted" for one in append_lines(
        store, BOOKS, lines(*(one for student in "ABCD" for one in enrolled(student))), "record", False, clock))
    return Held(store)


@pytest.fixture
def run(desk: Held) -> Iterator[Callable[[Callable[[Group], Awaitable[Any]]], Any]]:
    with ThreadPoolExecutor(1) as deciding, ThreadPoolExecutor(1) as storing:
        def run(act: Callable[[Group], Awaitable[Any]]) -> Any:
            async def within() -> Any:
                return await asyncio.wait_for(act(Group(lambda: desk, deciding, storing)), 30)
            return asyncio.run(within())

        yield run
        desk.go_on.set()


async def until(there: Callable[[], bool]) -> None:
    while not there():
        await asyncio.sleep(0.001)


def test_the_next_are_decided_while_the_first_are_stored_but_for_their_students(
        desk: Held, run: Callable[..., Any], store: EventStore) -> None:
    async def act(group: Group) -> list[Any]:
        first = [group.submit(paid("A", 1)), group.submit(paid("B", 1))]
        await until(desk.begun.is_set)
        next_ = [group.submit(paid("A", 2)), group.submit(paid("C", 1)), group.submit(paid("D", 1)),
                 group.submit(paid("A", 3))]
        await until(lambda: len(desk.judged) == 4)
        assert desk.judged == ["A-p1", "B-p1", "C-p1", "D-p1"]
        assert not any(one.done() for one in (*first, *next_)), "answered before the commit"
        assert len(store.stream("C")) == 3
        desk.go_on.set()
        return await asyncio.gather(*first, *next_)

    found = run(act)
    assert [one["outcome"] for one in found] == ["accepted"] * 6
    assert [(one["id"], one["version"]) for one in found if one["id"][0] == "A"] == [
        ("A-p1", 4), ("A-p2", 5), ("A-p3", 6)]
    assert desk.stored == [["A-p1", "B-p1"], ["C-p1", "D-p1"], ["A-p2", "A-p3"]]
    assert [one.position for student in "ABCD" for one in store.stream(student)[3:]] == [
        one["position"] for name in "ABCD" for one in found if one["id"][0] == name]


def test_one_by_itself_is_stored_by_the_thread_that_decided_it(desk: Held, run: Callable[..., Any]) -> None:
    threads: dict[str, list[int]] = {"take": [], "append": []}

    def noted(name: str) -> None:
        act = getattr(desk, name)
        setattr(desk, name, lambda one: (threads[name].append(threading.get_ident()), act(one))[1])

    noted("take")
    noted("append")

    async def act(group: Group) -> None:
        for n in (1, 2):
            assert (await group.submit(paid("A", n)))["outcome"] == "accepted"
    run(act)
    assert threads["take"] == threads["append"]
    assert len(threads["take"]) == 2


def test_what_another_process_wrote_meanwhile_is_read_and_decided_on_anew(
        desk: Held, run: Callable[..., Any], store_url: str, store: EventStore) -> None:
    def other() -> None:
        with open_store(store_url, create=False) as own:
            assert submit(own, BOOKS, booking("A", "other"), "enforce", clock)["outcome"] == "accepted"

    desk.before = other

    async def act(group: Group) -> list[Any]:
        first = [group.submit(entered(booking("A", "ours"))), group.submit(paid("B", 1)),
                 group.submit(paid("A", 1, version=3))]
        await until(desk.begun.is_set)
        next_ = [group.submit(paid("C", 1)), group.submit(paid("A", 2))]
        await until(lambda: "C-p1" in desk.judged)
        desk.go_on.set()
        return await asyncio.gather(*first, *next_)

    ours, b, stale, c, a = run(act)
    assert (ours["outcome"], ours["reasons"][0]["rule"]) == ("refused", "PRN-D")
    assert (stale["outcome"], stale["version"]) == (STALE, 4)
    assert [(one["outcome"], one["version"]) for one in (b, c, a)] == [("accepted", 4), ("accepted", 4),
                                                                       ("accepted", 5)]
    assert [event.id for event in store.stream("A")[3:]] == ["other", "A-p2"]


@pytest.mark.parametrize("error", [StoreUnavailable("away"), OSError("a fault"), VersionConflict("moved on")])
def test_a_transaction_that_fails_takes_nothing_of_the_next_with_it(
        desk: Held, run: Callable[..., Any], store: EventStore, error: Exception) -> None:
    def fails() -> None:
        raise error

    desk.before = fails

    async def act(group: Group) -> list[Any]:
        first = [group.submit(paid("A", 1)), group.submit(paid("B", 1))]
        await until(desk.begun.is_set)
        next_ = [group.submit(paid("C", 1)), group.submit(paid("D", 1)), group.submit(paid("A", 2))]
        await until(lambda: "D-p1" in desk.judged)
        desk.go_on.set()
        return await asyncio.gather(*first, *next_, return_exceptions=True)

    found = run(act)
    assert [one["outcome"] for one in found[2:]] == ["accepted"] * 3
    stored = not isinstance(error, StoreUnavailable)  # else it is not known what became of them, and they are told
    assert [one["outcome"] if stored else type(one) for one in found[:2]] == [
        "accepted" if stored else StoreUnavailable] * 2
    assert [event.id for event in store.stream("A")[3:]] == ["A-p1"] * stored + ["A-p2"]
