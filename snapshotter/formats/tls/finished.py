"""
Check the Finished messages of a handshake with the secrets of the client's key log.

A Finished message is a MAC over all handshake messages so far (RFC 8446 section 4.4.4, RFC 5246
section 7.4.9). If it is valid, the recorded messages are the ones that this side saw, and the
secrets belong to it. The check is possible only before the secrets are destroyed.
"""

import hashlib
import hmac
import itertools
from collections.abc import Callable, Mapping, Sequence

from snapshotter.formats.http.events import Direction
from snapshotter.formats.tls import handshake as messages
from snapshotter.formats.tls.handshake import Finished
from snapshotter.formats.tls.records import Suite, expand_label, prf_tls12

_MAX_KEPT = 1 << 20  # bytes of both sides; the longest handshake of a browser has some 20 KiB
_EACH = 64  # bytes that a message costs besides its own
_VERIFY_DATA = 12  # bytes, TLS 1.2
_LABELS = {Direction.CLIENT: b"client finished", Direction.SERVER: b"server finished"}


class Transcript:
    """The messages of one handshake until both sides have finished it."""

    __slots__ = ("_bytes", "_is_open", "_sent", "_states")

    def __init__(self) -> None:
        self._sent: dict[Direction, list[bytes]] = {side: [] for side in Direction}
        self._states = dict.fromkeys(Direction, Finished.ABSENT)
        self._bytes = 0
        self._is_open = True  # False: nothing is kept any more, and what is known is known

    def add(self, side: Direction, message: bytes) -> None:
        """Take a message as it was sent. One that follows its side's Finished is not of it."""
        is_last = message[0] == messages.FINISHED
        if self._states[side] is not Finished.ABSENT:
            return
        if is_last:
            self._states[side] = Finished.UNCHECKED
        self._bytes += len(message) + _EACH
        if self._bytes > _MAX_KEPT:
            self._let_go()
        elif self._is_open:
            self._sent[side].append(message)

    def state(self, side: Direction) -> Finished:
        """What is known of one side's Finished so far."""
        return self._states[side]

    def check_13(self, secrets: Mapping[Direction, bytes | None], suite: Suite) -> None:
        """
        Check what has come of TLS 1.3, whichever side came first.

        Args:
            secrets: The handshake traffic secret of each side; None: not known.
        """
        client, server = self._sent[Direction.CLIENT], self._sent[Direction.SERVER]
        retried = len(server) > 1 and server[1][0] == messages.SERVER_HELLO
        order = client[:1]
        if retried:  # RFC 8446 section 4.4.1: a hash stands in for the first hello
            first = hashlib.new(suite.hash, b"".join(order)).digest()
            order = [bytes([messages.MESSAGE_HASH, 0, 0, len(first)]) + first]
            order += [server[0], *client[1:2]]
        order += [*server[retried:], *client[1 + retried :]]

        def mac(side: Direction, digest: bytes) -> bytes | None:
            secret = secrets[side]
            if secret is None:
                return None
            key = expand_label(secret, "finished", len(digest), suite.hash)
            return hmac.digest(key, digest, suite.hash)

        self._check(order, Direction.SERVER, suite, mac)

    def check_12(self, master: bytes | None, suite: Suite) -> None:
        """Check what has come of TLS 1.2, in a full handshake or in one that resumes."""
        client, server = self._sent[Direction.CLIENT], self._sent[Direction.SERVER]
        done = [
            number
            for number, message in enumerate(server)
            if message[0] == messages.SERVER_HELLO_DONE
        ]
        turn = done[0] + 1 if done else len(server)
        order = [*client[:1], *server[:turn], *client[1:], *server[turn:]]

        def mac(side: Direction, digest: bytes) -> bytes | None:
            if master is None:
                return None
            return prf_tls12(master, _LABELS[side] + digest, _VERIFY_DATA, suite.hash)

        self._check(order, Direction.CLIENT if done else Direction.SERVER, suite, mac)

    def _check(
        self,
        order: Sequence[bytes],
        first: Direction,
        suite: Suite,
        mac: Callable[[Direction, bytes], bytes | None],
    ) -> None:
        """
        Check each Finished whose turn has come.

        Args:
            order: All messages in the order in which they were hashed.
            first: The side that finishes first; the other one's is over that as well.
        """
        for side in Direction:
            other = self._states[Direction.CLIENT if side is Direction.SERVER else Direction.SERVER]
            own = self._sent[side]
            if self._states[side] is not Finished.UNCHECKED or not self._is_open:
                continue
            if side is not first and other is Finished.ABSENT:
                continue  # told out of order: not all that it is over is here
            said = own[-1]
            before = itertools.takewhile(lambda message, said=said: message is not said, order)  # type: ignore[misc]
            expected = mac(side, hashlib.new(suite.hash, b"".join(before)).digest())
            if expected is not None:
                holds = messages.body(said, messages.FINISHED) == expected
                self._states[side] = Finished.HOLDS if holds else Finished.DIFFERS
        if Finished.ABSENT not in self._states.values():
            self._let_go()

    def _let_go(self) -> None:
        self._is_open = False
        for sent in self._sent.values():
            sent.clear()
