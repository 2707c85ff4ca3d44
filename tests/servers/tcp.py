"""
A TCP server whose conversation is a function, and which knows who came.

    with Server(lambda peer: peer.sendall(b"hello")) as server:
        socket.create_connection(("127.0.0.1", server.port))
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

Talk = Callable[[socket.socket], None]


class Server:
    """Accepts on a loopback address, and runs `talk` in a thread for each connection."""

    def __init__(self, talk: Talk, host: str = "127.0.0.1") -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family, backlog=256)
        self._talk = talk
        self._peers: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._address: tuple[str, int] = self._listener.getsockname()[:2]
        self._accepted = 0
        self._probes: dict[tuple[str, int], threading.Event] = {}

    @property
    def port(self) -> int:
        return self._address[1]

    @property
    def accepted(self) -> int:
        """
        How many connections there were.

        Connections are accepted in their order: once one of its own has been, whatever
        came before is counted.
        """
        with contextlib.suppress(OSError), socket.socket(self._listener.family) as probe:
            probe.bind((self._address[0], 0))
            seen = self._probes[probe.getsockname()[:2]] = threading.Event()
            probe.connect(self._address)
            seen.wait(10)
        return self._accepted

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for connection in [self._listener, *self._peers]:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _start(self, target: Callable[[], None]) -> None:
        thread = threading.Thread(target=target, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                peer, address = self._listener.accept()
            except OSError:
                return
            if (probe := self._probes.get(address[:2])) is not None:
                peer.close()
                probe.set()
                continue
            self._accepted += 1
            peer.settimeout(20)
            self._peers.append(peer)
            self._start(lambda peer=peer: self._serve(peer))  # type: ignore[misc]

    def _serve(self, peer: socket.socket) -> None:
        with peer, contextlib.suppress(OSError):
            self._talk(peer)


def read_until(peer: socket.socket, mark: bytes = b"\r\n\r\n") -> bytes:
    """Return what comes up to and with `mark`, byte by byte; less when the other end ends."""
    got = b""
    while not got.endswith(mark):
        byte = peer.recv(1)
        if not byte:
            break
        got += byte
    return got


def read_all(peer: socket.socket) -> bytes:
    """Return all that comes until the other end ends."""
    got = b""
    while data := peer.recv(65536):
        got += data
    return got
