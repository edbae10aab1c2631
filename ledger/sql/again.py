"""Trying again, with pauses that grow and differ, so that those who compete for the same thing take turns."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

FIRST_SECONDS = 0.01
"""The longest first pause; each further one may be twice as long, up to `longest`."""


def tried_again(act: Callable[[], T], passes: Callable[[BaseException], bool], seconds: float, longest: float) -> T:
    """What `act` returns as soon as it raises nothing that `passes`; what it raised last when `seconds` are over.

    A pause is drawn anew each time from 0 to its limit: whoever waits the same time as the others
    meets the same others again."""
    begun = time.monotonic()
    try:
        return act()
    except Exception as error:
        left = begun + seconds - time.monotonic()
        if not passes(error) or left <= 0:
            raise
    from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_random_exponential  # seldom needed, 40 ms

    return Retrying(retry=retry_if_exception(passes), stop=stop_after_delay(left), reraise=True,
                    wait=wait_random_exponential(multiplier=FIRST_SECONDS, max=longest))(act)
