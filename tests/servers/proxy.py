"""
A TCP proxy that fails on purpose, between a store and its server.

    with Proxy(server_port) as proxy:
        proxy.lose_answers(1)      # the next answer "200" is done and not told
        proxy.stall_after(1 << 20) # the next connection stops after so many bytes
"""

import contextlib
import socket
import threading
from types import TracebackType
from typing import Self

_CHUNK = 64 << 10


class Proxy:
    """Passes connections on, and loses what it is told to lose."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._lock = threading.Lock()
        self._lose = 0
        self._stall = -1
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self.lost = 0
        self.stalled = threading.Event()

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def lose_answers(self, count: int) -> None:
        """Let the server do the next `count` writes, and break the line instead of saying so."""
        with self._lock:
            self._lose = count

    def stall_after(self, count: int) -> None:
        """Stop passing on a client's bytes after `count` of them, and set `stalled`."""
        with self._lock:
            self._stall = count

    def break_lines(self) -> None:
        """Break every connection that is open now."""
        for socket_ in self._sockets:
            with contextlib.suppress(OSError):
                socket_.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # Closing alone does not wake a thread that waits in accept() or recv().
        for socket_ in (self._listener, *self._sockets):
            with contextlib.suppress(OSError):
                socket_.shutdown(socket.SHUT_RDWR)
            socket_.close()
        for thread in self._threads:
            thread.join(10)

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client = self._listener.accept()[0]
            except OSError:
                return
            server = socket.create_connection(self._target, 10)
            server.settimeout(None)
            self._sockets += [client, server]
            self._start(self._up, client, server)
            self._start(self._down, client, server)

    def _up(self, client: socket.socket, server: socket.socket) -> None:
        passed = 0
        with contextlib.suppress(OSError):
            while data := client.recv(_CHUNK):
                if 0 <= self._stall < passed + len(data):
                    self.stalled.set()
                    return
                passed += len(data)
                server.sendall(data)
            # The client is gone: so is this connection.
            server.shutdown(socket.SHUT_RDWR)

    def _down(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(_CHUNK):
                if data.startswith(b"HTTP/1.1 200") and self._takes_one():
                    break
                client.sendall(data)
            client.shutdown(socket.SHUT_RDWR)

    def _takes_one(self) -> bool:
        with self._lock:
            if self._lose <= 0:
                return False
            self._lose -= 1
            self.lost += 1
            return True
