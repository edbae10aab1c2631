"""Waiting for what a program does meanwhile; who waits in vain is told where every program stands and what it said."""

import signal
import time
from collections.abc import Callable

import pytest
from kafka.errors import KafkaTimeoutError

from . import processes

SECONDS = 180.0
DUMP_SECONDS = 1.0
"""How long programs have to write where their threads stand."""
SHOWN = 6_000
"""Characters of each program, the last ones."""


def wait_for(what: Callable[[], bool], seconds: float = SECONDS, pause: float = 0.05, of: str = "") -> None:
    """Until `what` is true; brokers that are away have no answer yet. `of`: what is waited for, in words."""
    until = time.monotonic() + seconds
    while True:
        why = ""
        try:
            if what():
                return
        except KafkaTimeoutError as error:
            why = f" (no answer to the test itself: {error})"
        if time.monotonic() > until:
            pytest.fail(f"waited {seconds:.0f} seconds in vain{of and ': '}{of}{why}{standing()}")
        time.sleep(pause)


def eventually(what: Callable[[], bool], of: str, seconds: float = SECONDS) -> None:
    wait_for(what, seconds, of=of)


def standing() -> str:
    """Of every program that runs, and of the last that was started: its exit code, what it said, and where its threads
    stand."""
    shown = [one for one in processes.started if one.poll() is None or one is processes.started[-1]]
    for one in shown:
        one.send_signal(signal.SIGUSR1)
    time.sleep(DUMP_SECONDS if shown else 0)
    return "".join(f"\n--- {one} ({one.poll()})\n" + "\n".join(text[-SHOWN:] for text in dict.fromkeys(one.said()))
                   for one in shown)
