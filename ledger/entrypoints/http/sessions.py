"""Who is signed in with a browser, and the one-time token that the terminal shows for it.

All of it is in the memory of one process, and used in the server's loop only.
"""

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ledger.edges.callers import Begun, Caller

IDLE_SECONDS, LONGEST_SECONDS = 30 * 60.0, 8 * 3600.0
"""A session ends after so long without a question, and at the latest so long after it was begun."""
MOST = 10_000
"""Sessions at once; the one that was used least lately gives way."""
ONCE_SECONDS = 600.0


def opaque() -> str:
    """256 bits that nobody guesses."""
    return secrets.token_urlsafe(32)


@dataclass(slots=True)
class _Session:
    caller: Caller
    begun: float
    seen: float


class Sessions:
    """`now`: seconds of a clock that only goes on."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._held: OrderedDict[bytes, _Session] = OrderedDict()

    def begin(self, caller: Caller) -> str:
        """The id of a new session, which says nothing."""
        made, now = opaque(), self._now()
        self._held[_digest(made)] = _Session(caller._replace(csrf=opaque()), now, now)
        if len(self._held) > MOST:
            self._held.popitem(last=False)
        return made

    def of(self, id: str) -> Caller | None:
        """Whose session it is, while it lasts."""
        key, now = _digest(id), self._now()
        found = self._held.get(key)
        if found is None:
            return None
        if now - found.seen > IDLE_SECONDS or now - found.begun > LONGEST_SECONDS:
            del self._held[key]
            return None
        found.seen = now
        self._held.move_to_end(key)
        return found.caller

    def end(self, id: str) -> None:
        self._held.pop(_digest(id), None)


class OnTheirWay:
    """What is kept of each browser that was sent away to sign in, until it comes back: once, and within ten minutes."""

    def __init__(self) -> None:
        self._held: OrderedDict[bytes, tuple[Begun, float]] = OrderedDict()

    def begin(self, then: str) -> tuple[str, Begun]:
        """`then`: the page that she wanted."""
        made, begun = opaque(), Begun(opaque(), opaque(), opaque(), then)
        self._held[_digest(made)] = begun, time.monotonic() + ONCE_SECONDS
        if len(self._held) > MOST:
            self._held.popitem(last=False)
        return made, begun

    def take(self, id: str, state: str) -> Begun | None:
        begun, until = self._held.pop(_digest(id), (None, 0.0))
        return begun if begun is not None and time.monotonic() <= until and hmac.compare_digest(
            _digest(state), _digest(begun.state)) else None


class OneTime:
    """A token that is shown once, is good once and for ten minutes. `show`: on the terminal of who runs the program,
    and nowhere else."""

    def __init__(self, show: Callable[[str], None], now: Callable[[], float] = time.monotonic) -> None:
        self._show, self._now = show, now
        self._digest, self._until = b"", 0.0

    def offer(self) -> None:
        """Shows a new one where none is good."""
        if not self._digest or self._now() > self._until:
            made = opaque()
            self._digest, self._until = _digest(made), self._now() + ONCE_SECONDS
            self._show(made)

    def take(self, given: str) -> bool:
        """Whether it was the one; then it is good no more."""
        if not self._digest or self._now() > self._until or not hmac.compare_digest(_digest(given), self._digest):
            return False
        self._digest = b""
        return True


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()
