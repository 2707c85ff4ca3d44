"""
Run the egress guard: the forward proxy through which the browser makes all its connections.

It accepts CONNECT for encrypted connections and plain HTTP requests for others, and does not look
inside TLS. It has a thread and an event loop of its own, so that a busy capture and the connections
do not delay each other; every method may be called from any other thread.

A page never gets a response of the guard that could be taken for a site's: a plain request that is
refused or fails ends with its connection, and a tunnel that is not built is answered by a status
without a body. `EgressGuard.why` returns the newest connection to a host that was refused or
failed.
"""

import asyncio
import os
import resource
import socket
import threading
from collections.abc import Callable, Collection, Coroutine
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from snapshotter.egress.connection_manager import ConnectionManager
from snapshotter.egress.dialer import Dialer
from snapshotter.egress.errors import EgressError, EgressFailed, EgressRefused
from snapshotter.egress.resolver import CachingResolver, Resolver, SystemResolver
from snapshotter.egress.rules import EgressRules
from snapshotter.model.network import Connection
from snapshotter.ports import Clock

T = TypeVar("T")

_BACKLOG: Final = 256
_SPARE_FILES: Final = 192  # descriptors left to the rest of the program
_FILES_EACH: Final = 3  # client, server, tee
_STEP_S: Final = 5.0  # for a call into the loop that does nothing long


class EgressGuard:
    """
    Checks, makes, counts and records every connection.

    Args:
        rules: Which connections are allowed. Fewer at once if the system gives this process fewer
            descriptors.
        clock: For the times in the record.
        tee: An existing directory for a file of each connection's bytes; None for none.
        resolver: None for the system's, asked once a name.
        purpose: What the connections are for, as their record states it.
        awaits_page: Everything is refused until `allow_connections`: it is the browser's own.
    """

    def __init__(
        self,
        rules: EgressRules,
        *,
        clock: Clock,
        tee: Path | None = None,
        resolver: Resolver | None = None,
        purpose: str = "page",
        awaits_page: bool = False,
    ) -> None:
        rules = replace(rules, connections=min(rules.connections, _connections_possible()))
        self._tee = tee
        self._manager = ConnectionManager(
            rules,
            Dialer(rules, resolver or CachingResolver(SystemResolver())),
            clock=clock,
            tee=tee,
            purpose=purpose,
        )
        self._manager.awaits_page = awaits_page
        self._lock = threading.Lock()  # for starting and stopping
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._servers: list[asyncio.Server] = []

    def start(self) -> None:
        """Start the thread and its loop. Call it once."""
        with self._lock:
            if self._thread is not None:
                raise RuntimeError("the guard was already started")
            self._loop = asyncio.SelectorEventLoop()
            self._thread = threading.Thread(
                target=self._run, args=(self._loop,), name="egress", daemon=True
            )
            self._thread.start()

    def listen(self, listener: socket.socket) -> None:
        """
        Serve as proxy on a listening socket, which the guard closes.

        It may have been made in another network namespace: connections that it accepts
        are there, and those that the guard makes are here.
        """
        self._call(self._listen(listener, self._manager.client), _STEP_S)

    def listen_on_loopback(self, user: int | None = None) -> int:
        """
        Serve as proxy on a port of 127.0.0.1, and return the port.

        If the system can find the owner of a client (`peer_owner.can_find_owner`), only one user's
        clients are served.

        Args:
            user: The user's number; our own if not given.
        """
        served = partial(self._manager.client_for_user, os.geteuid() if user is None else user)
        listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        port: int = listener.getsockname()[1]
        self._call(self._listen(listener, served), _STEP_S)
        return port

    def dial(self, host: str, port: int, timeout_s: float) -> socket.socket:
        """
        Return a connection to a host, made by the same rules and the same way.

        The socket is one end of a pair: what passes it is counted, recorded and cut like
        everything else. Blocking, with `timeout_s` for each call.

        Raises:
            EgressRefused: The rules forbid it.
            EgressFailed: It did not come about within `timeout_s` seconds.
        """
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        try:
            self._call(self._manager.dial(host, port, theirs, timeout_s), timeout_s + _STEP_S)
        except TimeoutError:
            ours.close()
            raise EgressFailed(
                "timeout", f"no connection was made within {timeout_s:g} s"
            ) from None
        except EgressError:
            ours.close()
            raise
        except (RuntimeError, CancelledError):
            ours.close()
            theirs.close()
            raise EgressRefused("cut", "the guard is not running") from None
        ours.settimeout(timeout_s)
        return ours

    def client(self) -> socket.socket:
        """
        Return a connection to this proxy, for a helper that uses a proxy.

        Raises:
            EgressRefused: The guard is not running.
        """
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        try:
            self._call(self._manager.accept_client(theirs), _STEP_S)
        except (RuntimeError, TimeoutError, CancelledError):
            ours.close()
            theirs.close()
            raise EgressRefused("cut", "the guard is not running") from None
        return ours

    @property
    def via(self) -> str:
        """The way that connections take, as their record states it."""
        return self._manager.via

    def allow_connections(self) -> None:
        """Allow connections from now on: the page is about to be requested."""
        self._manager.awaits_page = False

    def expect_document(self, host: str, port: int) -> None:
        """
        Note that the page requests a document of its own from a host, which has limits of its own.

        `rules.unanswered_s` does not apply to this host until `document_arrived`.
        """
        self._post(self._manager.expect_document, (host.lower(), port))

    def document_arrived(self) -> None:
        """Note that a document of the page has arrived: `rules.unanswered_s` applies from now."""
        self._post(self._manager.document_arrived)

    def report_given_up(self, callback: Callable[[tuple[tuple[str, int], ...]], None]) -> None:
        """
        Report hosts and ports to which waits are ended because of `rules.unanswered_s`.

        Args:
            callback: Called in the guard's thread; it must return at once.
        """
        self._manager.on_given_up = callback

    def cut(self, why: str) -> None:
        """
        End every connection now and refuse new ones; when this returns, tee files are whole.

        The first reason stays.
        """
        self._manager.closed = self._manager.closed or why or "cut"
        with suppress(RuntimeError, TimeoutError, CancelledError):
            self._call(self._cut(), _STEP_S)

    def end_stalled_connections(
        self, places: Collection[tuple[str, int]], still_s: float
    ) -> frozenset[tuple[str, int]]:
        """
        End the connections to these hosts and ports that have transferred nothing for so long.

        Returns:
            The places to which there was one.
        """
        try:
            return self._call(self._end_stalled_connections(places, still_s), _STEP_S)
        except (RuntimeError, TimeoutError, CancelledError):
            return frozenset()

    def stop(self) -> None:
        """Cut all connections, end the thread and release everything. Idempotent; never raises."""
        with self._lock:  # another thread may be stopping it: what is cut needs a running loop
            self.cut("the guard was stopped")
            loop, thread = self._loop, self._thread
            if loop is None or thread is None or thread is threading.current_thread():
                return
            with suppress(RuntimeError):  # closed already
                loop.call_soon_threadsafe(loop.stop)
            thread.join(_STEP_S)

    def connections(self) -> tuple[Connection, ...]:
        """Return every connection that was requested so far, in its present state."""
        return tuple(entry.as_connection() for entry in tuple(self._manager.entries))

    def why(self, host: str, port: int) -> Connection | None:
        """Return the newest connection to a host that was refused or failed."""
        wanted = host.lower().strip("[]")
        for entry in reversed(tuple(self._manager.entries)):
            if entry.port == port and entry.host.lower() == wanted:
                found = entry.as_connection()
                if found.refusal or found.error:
                    return found
        return None

    def tee_file(self, number: int) -> Path | None:
        """Return the file of a connection's bytes; None if there is none."""
        if self._tee is None:
            return None
        path = self._tee / f"{number:05d}.tee"
        return path if path.exists() else None

    @property
    def total_bytes(self) -> int:
        """The bytes of all connections, both directions."""
        return self._manager.total_bytes

    @property
    def over_limit(self) -> bool:
        """Whether the rules' `total_bytes` were exceeded, at which everything was cut."""
        return self._manager.over_limit

    @property
    def open_connections(self) -> int:
        """How many connections were requested and have not ended."""
        return self._manager.open_connections

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        try:
            watch = loop.create_task(self._manager.watch())
            loop.run_forever()
            watch.cancel()
            loop.run_until_complete(self._let_go())
        finally:
            loop.close()

    async def _listen(
        self, listener: socket.socket, client: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        server = await asyncio.get_running_loop().create_server(
            client, sock=listener, backlog=_BACKLOG
        )
        self._servers.append(server)

    async def _cut(self) -> None:
        self._manager.end_all("cut", self._manager.closed, now=True)

    async def _end_stalled_connections(
        self, places: Collection[tuple[str, int]], still_s: float
    ) -> frozenset[tuple[str, int]]:
        return self._manager.end_stalled_connections(places, still_s)

    async def _let_go(self) -> None:
        for server in self._servers:
            server.close()
        self._manager.end_all("cut", self._manager.closed, now=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # sockets are closed in the loop's next round
        await asyncio.sleep(0)

    def _post(self, callback: Callable[..., None], *arguments: object) -> None:
        """Call something in the loop soon, if the loop is running."""
        if (loop := self._loop) is not None:
            with suppress(RuntimeError):  # closed already
                loop.call_soon_threadsafe(callback, *arguments)

    def _call(self, work: Coroutine[Any, Any, T], limit_s: float) -> T:
        """
        Run a coroutine in the loop. Raises RuntimeError if the loop is not running.

        After `limit_s` it is cancelled, and TimeoutError raised.
        """
        loop, thread = self._loop, self._thread
        if loop is None or thread is None or not thread.is_alive():
            work.close()
            raise RuntimeError("the guard is not running")
        try:
            future = asyncio.run_coroutine_threadsafe(work, loop)
        except RuntimeError:
            work.close()
            raise
        try:
            return future.result(limit_s)
        finally:
            future.cancel()


def _connections_possible() -> int:
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1 << 20 if files < 0 else max(16, (files - _SPARE_FILES) // _FILES_EACH)
