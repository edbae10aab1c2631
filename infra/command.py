"""A command that runs while servers of its own are up (`infra/postgres`, `infra/kafka`)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run(command: list[str], variable: str, servers: Callable[[], AbstractContextManager[str]]) -> int:
    """The exit code of the command, 128 + N when signal N ended it. It finds the servers' address in the environment:
    the one that stands there already, else that of `servers`, which are gone afterwards, also on a signal."""
    child: subprocess.Popen[bytes] | None = None

    def forward(number: int, _frame: FrameType | None) -> None:
        if child is None:
            for later in SIGNALS:
                signal.signal(later, signal.SIG_IGN)  # let nothing break off what ends the servers
            raise SystemExit(128 + number)
        if child.poll() is None and not (number == signal.SIGINT and sys.stdin.isatty()):
            child.send_signal(number)  # a terminal sends its SIGINT to the command as well

    for number in SIGNALS:
        signal.signal(number, forward)

    def execute(address: str) -> int:
        nonlocal child
        child = subprocess.Popen(command, env=os.environ | {variable: address})
        code = child.wait()
        return 128 - code if code < 0 else code

    given = os.environ.get(variable)
    if given:
        return execute(given)
    with servers() as address:
        return execute(address)
