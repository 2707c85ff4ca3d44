"""A guard on loopback, a resolver of the test's own, and ways to ask a proxy."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.resolver import ResolutionFailed
from snapshotter.egress.rules import EgressRules
from snapshotter.model.network import Connection
from tests.bundles import RealClock
from tests.servers.tcp import read_until

LOOPBACK = ("127.0.0.0/8",)


class Names:
    """A resolver that answers from a table, a list of answers one after another, and counts."""

    def __init__(self, **table: object) -> None:
        self.table: dict[str, list[tuple[str, ...]]] = {}
        self.asked: list[str] = []
        self.silent = False

    def put(self, name: str, *answers: tuple[str, ...]) -> "Names":
        """Answer with each in turn, and with the last one for ever."""
        self.table[name] = list(answers)
        return self

    async def resolve(self, host: str) -> tuple[str, ...]:
        self.asked.append(host)
        if self.silent:
            await asyncio.sleep(60)
        answers = self.table.get(host)
        if not answers:
            raise ResolutionFailed("dns", f"{host}: no such name")
        return answers.pop(0) if len(answers) > 1 else answers[0]


def rules(**changes: object) -> EgressRules:
    """Return rules for a test: loopback open, short limits."""
    given: dict[str, object] = {
        "allowed": LOOPBACK, "total_bytes": 1 << 30, "connect_s": 5.0, "resolve_s": 5.0,
        "idle_s": 30.0, **changes,
    }  # fmt: skip
    return EgressRules(**given)  # type: ignore[arg-type]


@contextlib.contextmanager
def guarding(
    given: EgressRules | None = None,
    *,
    names: Names | None = None,
    tee: Path | None = None,
    awaits_page: bool = False,
) -> Iterator[tuple[EgressGuard, int]]:
    """Yield a running guard and the port that it is a proxy on."""
    guard = EgressGuard(
        given or rules(), clock=RealClock(), tee=tee, resolver=names or Names(),
        awaits_page=awaits_page,
    )  # fmt: skip
    guard.start()
    try:
        yield guard, guard.listen_on_loopback()
    finally:
        guard.stop()


def guard_threads() -> set[threading.Thread]:
    """
    Return the threads of all guards of this process.

    Compare with those of before: an earlier test's command line may have left one that
    runs until the process ends, as it does for its users.
    """
    return {thread for thread in threading.enumerate() if thread.name == "egress"}


def client(port: int) -> socket.socket:
    """Return a connection to the proxy."""
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def connect(sock: socket.socket, authority: str) -> bytes:
    """Ask for a tunnel, and return the whole head of the answer."""
    sock.sendall(f"CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n".encode())
    return read_until(sock)


def tunnel(port: int, authority: str) -> socket.socket:
    """Return a tunnel that was built."""
    sock = client(port)
    answer = connect(sock, authority)
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return sock


def ended(guard: EgressGuard, number: int, limit_s: float = 10) -> Connection:
    """Return a connection's record once it has ended."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        for connection in guard.connections():
            if connection.number == number and connection.ended_at is not None:
                return connection
        time.sleep(0.005)
    raise AssertionError(f"connection {number} did not end: {guard.connections()}")
