"""
Hosts that do not answer: a port that drops what knocks, and a resolver that keeps some names.

    with silent_port("127.0.0.2") as port: ...      # no connection to it is ever made
    SilentNames("127.0.0.1").resolve("a.silent.example")     # never answered
"""

import asyncio
import contextlib
import socket
from collections.abc import Iterator

SILENT = ".silent.example"


@contextlib.contextmanager
def silent_port(host: str) -> Iterator[int]:
    """Yield a port whose queue is full: the system drops what knocks, as a broken network does."""
    with contextlib.ExitStack() as open_sockets:
        listener = open_sockets.enter_context(socket.socket())
        listener.bind((host, 0))
        listener.listen(0)
        port: int = listener.getsockname()[1]
        for _ in range(3):
            knocks = open_sockets.enter_context(socket.socket())
            knocks.setblocking(False)
            knocks.connect_ex((host, port))
        yield port


class SilentNames:
    """
    A resolver without an answer for names under `.silent.example`, and with one for all others.

    Names that begin with "once" are answered once.

    `asked` has each query, `dropped` each silent name that the caller stopped waiting for.
    """

    def __init__(self, *addresses: str) -> None:
        self._addresses = addresses
        self.asked: list[str] = []
        self.dropped: list[str] = []

    async def resolve(self, host: str) -> tuple[str, ...]:
        is_again = host in self.asked and host.startswith("once")
        self.asked.append(host)
        if host.endswith(SILENT) or is_again:
            try:
                await asyncio.Event().wait()
            finally:
                self.dropped.append(host)
        return self._addresses
