"""The programs as processes of their own that start at once: they are forked from a server, one per worker of pytest,
which has imported everything. Importing a consumer costs half a second of a processor, and some tests start dozens.

They can be killed, frozen and asked to end like any others. That the programs start from the command line too is for
`tests/entrypoints` and the tests of a service's own command; that a pool starts as the ledger starts it,
for `tests/parallel/test_processes.py` and whatever runs in a process of its own.
"""

import ast
import atexit
import faulthandler
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import forkserver, get_context, reduction
from pathlib import Path
from socketserver import BaseRequestHandler, ThreadingUnixStreamServer
from threading import Thread
from typing import Any, NamedTuple

from infra.kafka.cluster import end_with_parent
from ledger.parallel import processes

SERVER = get_context("forkserver")
PRELOADED = ["tests.preloaded"]
SERVER.set_forkserver_preload(PRELOADED)
LEDGER = "ledger.entrypoints.cli"
"""The program `career-ledger`, as a module to start."""
SPAWNED = processes.pool
"""As the ledger starts its workers."""
started: list["Program"] = []
"""All that were ever started here."""


def pool(start: Callable[..., None] | None = None, *arguments: Any) -> processes.Pool:
    """`ledger.parallel.processes.pool` for what runs in the process of the tests."""
    return processes.Pool(SERVER, _begin, (dict(os.environ), start, arguments))


def _begin(environment: dict[str, str], start: Callable[..., None] | None, arguments: Sequence[Any]) -> None:
    end_with_parent()  # with the server
    Thread(target=processes._end_with_parent, daemon=True).start()  # with whoever it works for, which may be killed
    _in(environment)
    if start is not None:
        start(*arguments)


def _in(environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)


class Program:
    """`python -m MODULE ARGUMENTS`, or `career-ledger ARGUMENTS`. Its outputs go to files, `out` where one is given;
    without one what it said is read with `communicate`."""

    def __init__(self, module: str, *arguments: str, environment: Mapping[str, str] = os.environ,
                 out: Path | None = None) -> None:
        self._folder = None if out else tempfile.TemporaryDirectory(prefix="said-")
        self._said = [out, out] if out else [Path(self._folder.name, name) for name in ("out", "error")]
        for path in self._said:
            path.touch()
        self._asked = " ".join((module, *arguments))
        self._process = _forked(_run, module, arguments, dict(environment), *self._said, _server())
        started.append(self)

    def __str__(self) -> str:
        return self._asked

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        code = self._process.exitcode
        if code is None:
            raise subprocess.TimeoutExpired(str(self._process), timeout or 0)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def said(self) -> tuple[str, str]:
        """Standard output and error so far."""
        out, error = (path.read_text(errors="replace") for path in self._said)
        return out, error

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        self.wait(timeout)
        return self.said()

    def forget(self) -> None:
        """Ends it, and its files are gone."""
        self.kill()
        self._process.join()
        if self._folder is not None:
            self._folder.cleanup()


def _forked(run: Callable[..., None], *arguments: Any) -> Any:
    process = SERVER.Process(target=run, args=arguments)
    process.start()
    return process


def _server() -> dict[str, Any]:
    """What a program needs to have its helpers from the server that it comes from itself, which runs from here on."""
    assert forkserver._forkserver._preload_modules == PRELOADED, "each program would import everything itself"
    forkserver.ensure_running()
    return {name: value for name, value in vars(forkserver._forkserver).items()
            if name in ("_forkserver_address", "_forkserver_authkey")}


def _run(module: str, arguments: tuple[str, ...], environment: dict[str, str], out: Path, error: Path,
         server: dict[str, Any]) -> None:
    for number, path in ((1, out), (2, error)):
        to = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(to, number)
        os.close(to)
    faulthandler.register(signal.SIGUSR1)  # tells where its threads stand (tests/waiting.py)
    _begin_program(module, arguments, environment, server)


def _begin_program(module: str, arguments: Sequence[str], environment: Mapping[str, str],
                   server: dict[str, Any]) -> None:
    end_with_parent()
    _in(environment)
    vars(forkserver._forkserver).update(server, ensure_running=lambda: None)
    import ledger.relay.prepare
    ledger.relay.prepare.pool = pool
    begun = ["-c", "from ledger.entrypoints.cli import main; main()"] if module == LEDGER else ["-m", module]
    sys.orig_argv = [sys.executable, *begun, *arguments]  # with which the relay begins again
    sys.argv = [module, *arguments]
    try:
        if module == LEDGER:
            from ledger.entrypoints.cli import main
            main()
        else:
            runpy.run_module(module, run_name="__main__")
    finally:
        atexit._run_exitfuncs()


ASKS = """import os, sys
from _socket import AF_UNIX, SCM_RIGHTS, SHUT_WR, SOL_SOCKET, socket
from array import array
place = socket(AF_UNIX)
place.connect(sys.argv[1])
place.sendmsg([b"-"], [(SOL_SOCKET, SCM_RIGHTS, array("i", (0, 1, 2)))])
place.sendall(repr((sys.argv[2:], dict(os.environ), os.getcwd(), os.umask(0))).encode())
place.shutdown(SHUT_WR)
os._exit(place.recv(1)[0])
"""
"""`career-ledger` for a script: it lends its streams, environment, folder and umask to one that is forked, and ends
with its exit status."""


@contextmanager
def command(path: Path) -> Iterator[None]:
    """`path` is the command `career-ledger`, as long as this lasts."""
    with tempfile.TemporaryDirectory(prefix="asked-") as folder:
        client = Path(folder, "client.py")
        client.write_text(ASKS)
        with ThreadingUnixStreamServer(f"{folder}/socket", _Asked) as server:
            path.write_text(f'#!/bin/sh\nexec {sys.executable} -ISu {client} {folder}/socket "$@"\n')
            path.chmod(0o755)
            Thread(target=server.serve_forever, args=(0.05,)).start()
            try:
                yield
            finally:
                server.shutdown()


def lend(streams: Sequence[int], arguments: Sequence[str], environment: Mapping[str, str], folder: str,
         umask: int = 0o022) -> Any:
    """`career-ledger ARGUMENTS` on these open files, which are closed here: the process."""
    process = _forked(_lent, [_Stream(one) for one in streams], _server(), arguments, dict(environment), folder, umask)
    for one in set(streams):
        os.close(one)
    return process


class _Asked(BaseRequestHandler):
    def handle(self) -> None:
        _, streams, _, _ = socket.recv_fds(self.request, 1, 3)
        with self.request.makefile("r", encoding="utf-8") as words:
            asked = ast.literal_eval(words.read())
        process = lend(streams, *asked)
        process.join()
        self.request.sendall(bytes([process.exitcode % 256]))


class _Stream(NamedTuple):
    """An open file that goes along to another process, and is its number there."""

    number: int

    def __reduce__(self) -> Any:
        return _taken, (reduction.DupFd(self.number),)


def _taken(stream: Any) -> int:
    return int(stream.detach())


def _lent(streams: Sequence[int], server: dict[str, Any], arguments: Sequence[str], environment: Mapping[str, str],
          folder: str, umask: int) -> None:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)  # in place of nothing
    os.chdir(folder)
    os.umask(umask)
    _begin_program(LEDGER, arguments, environment, server)



@atexit.register
def _end() -> None:
    """Whatever a failed test has left; `multiprocessing` would wait for it."""
    for one in started:
        one.forget()
