"""A Dask cluster as an engine. Its workers run elsewhere, with an installation and an environment of their own.

Before anything is handed out each of them says which version of this program it has; who comes later is asked with each
part. Dask logs what a part was given when it fails: so a part shows nothing of itself, and addresses come without
passwords (`ledger.store.workers`).
"""

import logging
import warnings
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from importlib.metadata import version
from typing import Any, TypeVar

from ledger.domain.edition import EDITION
from ledger.domain.phrases import says

from .engine import Engine, EngineFailed, Lost

P = TypeVar("P")
R = TypeVar("R")

CONNECT_SECONDS = 10.0
ASK_SECONDS = 30.0
LOOK_SECONDS = 2.0
"""While a result is waited for it is looked so often whether anybody is there to make it."""
ALONE = 30
"""So often in a row nobody may be: a worker that was killed takes seconds to come back."""

Installed = tuple[str, int]
"""The version of this program, and the edition of its answers."""


def about() -> Installed:
    return version("career-ledger"), EDITION


class Job:
    """What a worker gets: a function and its part, and by whose version they are meant."""

    def __init__(self, by: Installed, far: Callable[[Any], Any], part: Any) -> None:
        self.by, self.far, self.part = by, far, part

    def __repr__(self) -> str:
        return "a part of a ledger"


class OtherVersion(Exception):
    """Of a worker; its arguments are what `about` says there."""


def run(job: Job) -> Any:
    if job.by != about():
        raise OtherVersion(*about())
    return job.far(job.part)


class DaskCluster:
    """As long as it is entered. Raises EngineFailed."""

    helps = False

    def __init__(self, address: str) -> None:
        self._address = address
        self._disabled = logging.root.manager.disable
        self._client: Any = None  # Dask has hardly a type

    def __enter__(self) -> Engine:
        try:
            import distributed
        except ModuleNotFoundError as error:
            raise EngineFailed(says("engine/missing", text=error.name or "")) from None
        logging.disable()  # what matters is raised, and said in one line
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of other versions of Dask, which tells more than it must
                self._client = distributed.Client(  # type: ignore[no-untyped-call]
                    self._address, timeout=CONNECT_SECONDS, set_as_default=False, name="career-ledger")
        except (OSError, ValueError):
            logging.disable(self._disabled)
            raise EngineFailed(says("engine/unreachable", text=self._address)) from None
        try:
            self._look_at_workers()
        except BaseException:
            self.__exit__()
            raise
        self._executor = self._client.get_executor(pure=False)
        return self

    def __exit__(self, *_: Any) -> None:
        self._client.close(timeout=5)
        logging.disable(self._disabled)

    def _look_at_workers(self) -> None:
        """Raises EngineFailed where there is none, or one with another version."""
        try:
            self._client.wait_for_workers(1, timeout=ASK_SECONDS)
            found: dict[str, Any] = self._client.run(about, on_error="return")
            self.at_once = sum(self._client.nthreads().values())
        except (OSError, TimeoutError, CancelledError):
            raise EngineFailed(says("engine/nobody", text=self._address)) from None
        mine = about()
        for worker, said in sorted(found.items()):
            if isinstance(said, ModuleNotFoundError | ImportError | AttributeError):
                raise EngineFailed(says("engine/not-installed", text=worker))
            if isinstance(said, BaseException):
                continue  # it died meanwhile
            if said != mine:
                raise EngineFailed(_other(said, worker))

    def submit(self, far: Callable[[P], R], part: P) -> "Future[R]":
        found: Future[R] = self._executor.submit(run, Job(about(), far, part))
        return found

    def result(self, future: "Future[R]") -> R:
        from distributed import KilledWorker

        alone = 0
        while True:
            try:
                return future.result(LOOK_SECONDS)
            except TimeoutError:
                if future.done():
                    continue  # just now, or it is the part's own
                alone = 0 if self._are_there() else alone + 1
                if alone > ALONE:
                    raise EngineFailed(says("engine/nobody", text=self._address)) from None
            except KilledWorker as error:
                raise Lost from error
            except (CancelledError, OSError):
                raise EngineFailed(says("engine/gone", text=self._address)) from None
            except OtherVersion as error:
                raise EngineFailed(_other(error.args, "")) from None
            except ModuleNotFoundError:
                raise EngineFailed(says("engine/not-installed", text=self._address)) from None

    def _are_there(self) -> bool:
        try:
            self.at_once = sum(self._client.nthreads().values()) or self.at_once
            return bool(self._client.nthreads())
        except (OSError, TimeoutError, CancelledError):
            raise EngineFailed(says("engine/gone", text=self._address)) from None

    def renew(self) -> None:
        """Its scheduler sees to it."""


def _other(said: Any, worker: str) -> Any:
    mine = about()
    return says("engine/other-version", text=worker, first=said[0], number=str(said[1]), second=mine[0],
                count=mine[1])
