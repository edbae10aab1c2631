"""A way to a server that can go silent: bytes are taken and not passed on, and no connection is closed."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self


class Proxy:
    """`cut`: the connections that stand break after so many bytes of one way. `hush`: from now on what the server says
    reaches nobody on the connections that stand. `silent`: nor does anything pass on any other, in either direction."""

    def __init__(self, host: str, port: int, at: int = 0) -> None:
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", at))
        self.port: int = self._listener.getsockname()[1]
        self.silent = threading.Event()
        self._hushed: set[socket.socket] = set()
        self._open: list[socket.socket] = []
        self._cut: set[socket.socket] = set()
        self._way, self._left, self._broke = "", 0, False

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        for one in (self._listener, *self._open):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def hush(self) -> None:
        self._hushed = set(self._open)

    def cut(self, way: str, after: int) -> None:
        """`way`: `up` to the server, or `down` from it."""
        self._way, self._left, self._broke, self._cut = way, after, False, set(self._open)

    def mend(self) -> bool:
        """No connection breaks any more; whether one has."""
        self._cut = set()
        return self._broke

    def _passes(self, source: socket.socket, data: bytes) -> bytes | None:
        """What of it goes on; None where nothing more does."""
        if source not in self._cut or (source.getpeername() == self._server) is not (self._way == "down"):
            return data
        data = data[:self._left] if self._left else data[:0]
        self._left -= len(data)
        self._broke = self._broke or self._left == 0
        return data or None

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._open += (client, server)
                threading.Thread(target=self._pump, args=(client, server), daemon=True).start()
                threading.Thread(target=self._pump, args=(server, client), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if not self.silent.is_set() and (source.getpeername() != self._server or source not in self._hushed):
                    some = self._passes(source, data)
                    if some is None:
                        break
                    target.sendall(some)
                    if self._broke and source in self._cut:
                        break
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
