"""Clients that ask over HTTP, one request after the other each: wrk, which takes a small part of the processor that
clients in Python do, so that what is measured is the server."""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from infra.debian import found_or_installed

NUMBER = "@" * 9
"""Stands in a request for a number that no other one has (`load.lua`)."""
SCRIPT = Path(__file__).with_name("load.lua")


class Load(NamedTuple):
    """`p50`, `p99`: seconds until an answer is there."""

    answers: int
    seconds: float
    p50: float
    p99: float
    wrong: int
    broken: int

    @property
    def rate(self) -> float:
        return self.answers / self.seconds


class NoWrk(Exception):
    """It could not be had; the text says what would help."""


def wrk() -> str:
    found = found_or_installed(lambda: shutil.which("wrk"), "wrk")
    if found is None:
        raise NoWrk("wrk is needed: install it (Debian: wrk)")
    return found


@contextmanager
def kept(requests: Sequence[bytes]) -> Iterator[Path]:
    """A file of requests, as `load.lua` reads it."""
    with tempfile.NamedTemporaryFile(prefix="career-ledger-bench-") as file:
        for one in requests:
            file.write(b"%08d" % len(one) + one)
        file.flush()
        yield Path(file.name)


def asked(port: int, requests: Sequence[bytes], clients: int, seconds: int) -> Load:
    """`clients` go through the requests in turn, over and over, for so many seconds. Whatever is answered otherwise
    than with 2xx or 3xx ends the program."""
    with kept(requests) as file:
        said = subprocess.run([wrk(), "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "10s", "-s", str(SCRIPT),
                               f"http://127.0.0.1:{port}", "--", str(file)], stdout=subprocess.PIPE, text=True,
                              check=True)
    load = Load(**json.loads(said.stdout.splitlines()[-1]))
    if load.wrong or load.broken:
        raise SystemExit(f"{load.wrong} answered otherwise, {load.broken} broke: {requests[0]!r}")
    return load
