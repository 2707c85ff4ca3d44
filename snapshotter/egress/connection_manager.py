"""
Manage all connections of one guard: number, open, count, limit, log and end them, and write their
bytes to files.
"""

import asyncio
import socket
from collections.abc import Callable, Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from snapshotter.egress import peer_owner
from snapshotter.egress.connection_log import ConnectionEntry
from snapshotter.egress.dialer import Dialer, OpenedConnection
from snapshotter.egress.errors import EgressError, EgressFailed, EgressRefused
from snapshotter.egress.relay import READ, Conversation, Side
from snapshotter.egress.rules import EgressRules
from snapshotter.egress.tee import TeeWriter
from snapshotter.egress.unanswered_hosts import HostWait, Place, UnansweredHosts
from snapshotter.formats.http.events import Direction
from snapshotter.ports import Clock

_SPARE_CLIENTS: Final = 128  # beyond the connections that there may be: they wait for a turn
_LINGER_S: Final = 10.0  # for an end that takes none of what is held back for it
# A loop that was held up for so long by this machine reads first what came meanwhile, for so long:
# a host is not silent if snapshotter has not read its answer yet.
_HELD_UP_S: Final = 1.0
_CATCH_UP_S: Final = 0.25
_BROWSER: Final = "browser"  # the purpose of what the browser asks for by itself
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class ConnectionManager:
    """
    The connections of one guard. It belongs to one event loop; only marked members are thread-safe.

    Args:
        tee: A directory for a file of each connection's bytes, or None.
        purpose: For the record.
    """

    def __init__(
        self, rules: EgressRules, dialer: Dialer, *, clock: Clock, tee: Path | None, purpose: str
    ) -> None:
        self._rules = rules
        self._dialer = dialer
        self._clock = clock
        self._tee = tee
        self._purpose = purpose
        # One look at the wall: times of a record are in order also when a clock is set.
        self._began = clock.now()
        self._began_s = clock.monotonic()
        self._began_us = (self._began - _EPOCH) // timedelta(microseconds=1)
        self._beyond: ConnectionEntry | None = None  # stands for all that were too many
        self._beyond_count = 0
        self._stranger: ConnectionEntry | None = (
            None  # stands for all clients that were another user's
        )
        self._strangers = 0
        self._conversations: set[Conversation] = set()
        self._tees: dict[int, TeeWriter] = {}
        self._unanswered = UnansweredHosts(rules.unanswered_s)
        self._tls_waits: dict[int, HostWait] = {}  # by number of the connection
        self._next_look: asyncio.TimerHandle | None = None
        self._no_look_before = 0.0  # on the loop's clock
        # Called in the loop with the hosts whose waits were ended; set from any thread.
        self.on_given_up: Callable[[tuple[Place, ...]], None] | None = None
        self.buffer = bytearray(READ)
        self.awaits_page = False  # all that is asked for is the browser's own; set from any thread
        self.closed = ""  # why no connection is made any more; set from any thread
        # Read from any thread.
        self.entries: list[ConnectionEntry] = []
        self.open_connections = 0
        self.total_bytes = 0
        self.over_limit = False

    # For the guard

    def client(self) -> asyncio.BaseProtocol:
        """Return the protocol for an accepted client."""
        return Conversation(self).client

    def client_for_user(self, user: int) -> asyncio.BaseProtocol:
        """Return the protocol for an accepted client, which refuses clients of other users."""
        conversation = Conversation(self)
        side, accept_client = conversation.client, conversation.client.on_made

        def vet() -> None:
            if self._is_of(side, user):
                accept_client()
            else:
                side.let_go()
                side.abort()

        side.on_made = vet
        return side

    @property
    def via(self) -> str:
        """The way that connections take; see `Dialer.via`."""
        return self._dialer.via

    async def dial(self, host: str, port: int, sock: socket.socket, limit_s: float) -> None:
        """Connect one end of a pair of sockets to a host. Raises EgressError."""
        await Conversation(self).dial(host, port, sock, limit_s)

    async def accept_client(self, sock: socket.socket) -> None:
        """
        Accept one end of a pair of sockets as a client, which sends requests as a browser does.
        """
        await asyncio.get_running_loop().create_connection(self.client, sock=sock)

    def end_all(self, by: str, detail: str, *, error: str = "", now: bool = False) -> None:
        """End every connection, and close its file."""
        for conversation in tuple(self._conversations):
            conversation.end(by, error=error, detail=detail, now=now)

    def end_stalled_connections(
        self, places: Collection[tuple[str, int]], still_s: float
    ) -> frozenset[tuple[str, int]]:
        """End the connections to these places that have transferred nothing for so long."""
        now = asyncio.get_running_loop().time()
        ended: set[tuple[str, int]] = set()
        for conversation in tuple(self._conversations):
            place, idle_s = conversation.place, now - conversation.last_moved
            if place in places and not conversation.over and idle_s >= still_s:
                detail = (
                    f"no data came for {idle_s:.3g} s, while the page waited for a script or a "
                    "style sheet"
                )
                conversation.end("limit", detail=detail, now=True)
                ended.add(place)
        return frozenset(ended)

    async def watch(self) -> None:
        """End idle connections, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(min(self._rules.idle_s, _LINGER_S) / 5)
            for conversation in tuple(self._conversations):
                still_s = loop.time() - conversation.last_moved
                if conversation.over and still_s > _LINGER_S:
                    conversation.abort()
                elif still_s > self._rules.idle_s:
                    conversation.end("limit", detail=f"no data came for {self._rules.idle_s:g} s")

    # For conversations

    @property
    def credentials(self) -> bytes:
        """The header that a proxy needs; see `Dialer.credentials`."""
        return self._dialer.credentials

    def ask(self, kind: str, host: str, port: int) -> ConnectionEntry:
        """Log the request for a host, before it is decided."""
        entry = ConnectionEntry(
            number=len(self.entries) + 1,
            purpose=_BROWSER if self.awaits_page else self._purpose,
            kind=kind,
            host=host,
            port=port,
            via=self._dialer.via,
            asked_at=self._now(),
        )
        if self._beyond is None:
            self.entries.append(entry)
        if entry.number > self._rules.connections_in_all:
            self._beyond = self._beyond or entry
        self._touch(+1)
        return entry

    async def open(self, entry: ConnectionEntry) -> OpenedConnection:
        """Make the connection that an entry requests. Raises EgressRefused or EgressFailed."""
        if entry.purpose == _BROWSER:
            raise EgressRefused(
                "before-page", "the browser made this request itself, before the page was requested"
            )
        if self.over_limit:
            raise EgressRefused(
                "limit",
                f"the limit of {self._rules.total_bytes} bytes for all connections together was "
                "reached",
            )
        if self.closed:
            raise EgressRefused("cut", self.closed)
        if self._beyond is not None:
            self._beyond_count += 1
            self._beyond.detail = (
                f"the limit of {self._rules.connections_in_all} connections was reached; "
                f"connections that were refused: {self._beyond_count}"
            )
            raise EgressRefused("too-many-connections", self._beyond.detail)
        if failure := self._unanswered.failure(entry.place):
            raise EgressFailed(
                failure, f"the host was not contacted again, because {self._unanswered_detail}"
            )
        return await self._open_in_time(entry)

    async def _open_in_time(self, entry: ConnectionEntry) -> OpenedConnection:
        """Make a connection within the time that all hosts without an answer have together."""
        loop = asyncio.get_running_loop()
        wait = self._unanswered.begin(entry.place, loop.time())
        failure = ""
        try:
            async with asyncio.timeout(None) as limit:
                wait.end = lambda: limit.reschedule(loop.time())
                self._plan_look()
                opened = await self._dialer.open(entry)
            self._unanswered.connected(wait, loop.time())
            if entry.kind == "http" and not opened.absolute:
                self._unanswered.answered(entry.place)
            return opened
        except TimeoutError:
            word = failure = _waited_for(entry)
            raise EgressFailed(
                word, f"the wait was ended, because {self._unanswered_detail}"
            ) from None
        except EgressFailed as error:
            failure = error.word
            raise
        except asyncio.CancelledError:  # the client gave up
            failure = _waited_for(entry)
            raise
        finally:
            # A host is not silent if the connection to it had to wait for others to end.
            failure = "" if failure == "busy" else failure
            self._unanswered.finish(wait, loop.time(), failure=failure)
            self._plan_look()

    def await_tls_answer(self, entry: ConnectionEntry, end: Callable[[EgressError], None]) -> None:
        """
        Wait for the first byte of a server that got the first message of a TLS handshake.

        Args:
            end: Ends the connection with an error, when it may wait no longer.
        """
        wait = self._unanswered.begin(entry.place, asyncio.get_running_loop().time())
        late = EgressFailed(
            "timeout",
            f"the server did not answer the TLS handshake, and {self._unanswered_detail}",
        )
        wait.end = lambda: end(late)
        self._tls_waits[entry.number] = wait
        self._plan_look()

    def answered(self, entry: ConnectionEntry) -> None:
        """Note the first byte from a server."""
        self._unanswered.answered(entry.place)
        wait = self._tls_waits.pop(entry.number, None)
        if wait is not None:
            self._unanswered.connected(wait, asyncio.get_running_loop().time())
            self._plan_look()

    def expect_document(self, place: Place) -> None:
        """Except a place from the limit for unanswered hosts, until its document has arrived."""
        self._unanswered.expect_document(place)

    def document_arrived(self) -> None:
        """Apply the limit for hosts that do not answer from now on."""
        self._unanswered.document_arrived(asyncio.get_running_loop().time())
        self._plan_look()

    @property
    def _unanswered_detail(self) -> str:
        return (
            "all hosts that do not answer may delay a page by "
            f"{self._unanswered.limit_s:g} s together (limits.unanswered_s)"
        )

    def _plan_look(self) -> None:
        """Look at the waits again when one of them may have to end."""
        loop = asyncio.get_running_loop()
        now, planned = loop.time(), self._next_look
        if planned is not None:
            planned.cancel()
            if now - planned.when() > _HELD_UP_S:
                self._no_look_before = now + _CATCH_UP_S
        at = self._unanswered.next_look(now)
        self._next_look = (
            None
            if at is None
            else loop.call_at(max(at, self._no_look_before), self._end_unanswered_waits)
        )

    def _end_unanswered_waits(self) -> None:
        """End the waits for hosts that may last no longer."""
        now, planned = asyncio.get_running_loop().time(), self._next_look
        if planned is None or now - planned.when() <= _HELD_UP_S:
            self._next_look = None
            if ended := self._unanswered.ended(now):
                for wait in ended:
                    wait.end()
                if self.on_given_up is not None:
                    self.on_given_up(tuple(dict.fromkeys(wait.place for wait in ended)))
        self._plan_look()

    def connected(self, entry: ConnectionEntry) -> None:
        """Log that a connection was made, and begin the file of its bytes. Raises EgressFailed."""
        entry.connected_at = self._now()
        self._touch(0)
        if self._tee is None:
            return
        try:
            self._tees[entry.number] = TeeWriter(self._tee / f"{entry.number:05d}.tee")
        except OSError as error:
            raise EgressFailed(
                "record", f"the data of the connection cannot be recorded: {error.strerror}"
            ) from None

    def allow(self, count: int) -> int:
        """Return how many of `count` bytes may still pass, and count them."""
        allowed = min(count, self._rules.total_bytes - self.total_bytes)
        self.total_bytes += allowed
        return allowed

    def record(self, entry: ConnectionEntry, direction: Direction, data: bytes) -> None:
        """Write bytes that passed to the connection's file, with their time."""
        at_s = self._clock.monotonic()
        tee = self._tees.get(entry.number)
        if tee is None:
            return
        try:
            tee.write(direction, self._began_us + int((at_s - self._began_s) * 1e6), data)
        except OSError as error:
            self._stop_recording(error)

    def ended(self, entry: ConnectionEntry) -> None:
        """Close the file of a connection that has ended."""
        self._dialer.end(entry)
        if (wait := self._tls_waits.pop(entry.number, None)) is not None:
            now = asyncio.get_running_loop().time()
            self._unanswered.finish(wait, now, failure="timeout")
            self._plan_look()
        tee = self._tees.pop(entry.number, None)
        try:
            if tee is not None:
                tee.close()
        except OSError as error:
            entry.error, entry.ended_by = "record", "error"
            self._stop_recording(error)
        entry.ended_at = self._now()
        self._touch(-1)

    def exceeded(self) -> None:
        """End everything, because the allowed number of bytes has passed."""
        self.over_limit = True
        self.end_all(
            "limit",
            f"the limit of {self._rules.total_bytes} bytes for all connections together was "
            "reached",
        )

    def joined(self, conversation: Conversation) -> bool:
        """Add a conversation; False if there are too many."""
        if len(self._conversations) >= self._rules.connections + _SPARE_CLIENTS:
            return False
        self._conversations.add(conversation)
        return True

    def left(self, conversation: Conversation) -> None:
        """Remove a conversation."""
        self._conversations.discard(conversation)

    def _is_of(self, side: Side, user: int) -> bool:
        if side.transport is None or not peer_owner.can_find_owner():
            return True
        try:
            found = peer_owner.owner(side.transport.get_extra_info("socket"))
        except OSError:  # a client whose owner is unknown is refused
            found = None
        if found == user:
            return True
        # One line for all: who is turned away must not fill the record.
        if self._stranger is None:
            self._stranger = self.ask("http", "", 0)
            self._stranger.refusal = "other-user"
            self.ended(self._stranger)
        self._strangers += 1
        who = "an unknown user" if found is None else f"user {found}"
        self._stranger.detail = (
            f"connections from other users of this machine were refused: {self._strangers}; "
            f"the last refused connection came from {who}"
        )
        return False

    def _stop_recording(self, error: OSError) -> None:
        """End everything after an error: bytes that cannot be recorded must not pass."""
        self.closed = self.closed or f"the data cannot be recorded: {error.strerror}"
        self.end_all("error", self.closed, error="record", now=True)

    def _now(self) -> datetime:
        return self._began + timedelta(seconds=self._clock.monotonic() - self._began_s)

    def _touch(self, change: int) -> None:
        self.open_connections += change


def _waited_for(entry: ConnectionEntry) -> str:
    """Return the word of the record for a connection that was not made in time."""
    if entry.slot is not None:
        return "timeout"
    return "busy" if entry.answers or entry.via != "direct" else "dns-timeout"
