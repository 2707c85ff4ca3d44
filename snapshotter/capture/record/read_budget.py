"""
Limit the time and memory that reading the connections of a capture may take.

A few bytes from a server can be expensive: an index into HPACK's table stands for 4 KiB, a million
informational responses are headers and nothing else, and a WebSocket message of 4 KiB may inflate
to a thousand times as much. The limits are far above what any page needs. The record names each
connection that was not read to its end.
"""

import time
from collections.abc import Callable

from snapshotter.formats.http import events

READ_CPU_S = 20.0  # of a processor; 256 MiB of HTTP/2 in TLS take 3
SIGNATURES_CPU_S = 10.0
HEADS_BYTES = 256 << 20  # of memory; 2,000 requests with fifty fields in all take 35 MiB
INFLATED_BYTES = 64 << 20
_FIELD_BYTES = 240  # of memory, besides the characters of a field
_HEAD_BYTES = 1_000
_TAKES_LONG = "the time limit for reading was reached"
_TOO_MUCH = "the limit for the size of HTTP headers was reached"


class ReadBudget:
    """
    What is left of the limits for all connections of a capture. For one thread.

    A connection gets at most half of what is left, so that no server can take it all.

    Args:
        cpu_s: Processor seconds, for all connections.
        heads_bytes: About as many bytes of memory as all heads may take.
        inflated_bytes: Bytes of WebSocket messages that are shown inflated.
        used_s: Returns the processor seconds that this thread has used.
    """

    def __init__(
        self,
        *,
        cpu_s: float = READ_CPU_S,
        heads_bytes: int = HEADS_BYTES,
        inflated_bytes: int = INFLATED_BYTES,
        used_s: Callable[[], float] = time.thread_time,
    ) -> None:
        self._used_s = used_s
        self._until_s = used_s() + cpu_s
        self._heads_left = heads_bytes
        self._inflated_left = inflated_bytes
        self.next_connection()

    def next_connection(self) -> None:
        """Give the next connection its share."""
        now_s = self._used_s()
        self._share_until_s = now_s + (self._until_s - now_s) / 2
        self._share_heads = self._heads_left // 2
        self._is_too_much = False

    def spend(self, head: events.MessageHead) -> bool:
        """Return whether another head may be kept; if not, this connection is read no further."""
        text = len(head.raw) or sum(len(name) + len(value) for name, value in head.headers)
        fields = max(head.raw.count(b"\n"), head.raw.count(b"\r"), len(head.headers))
        cost = _HEAD_BYTES + 2 * text + _FIELD_BYTES * fields
        if cost > self._share_heads:
            self._is_too_much = True
            return False
        self._share_heads -= cost
        self._heads_left -= cost
        return True

    def inflate(self, count: int) -> bool:
        """Return whether so many more inflated bytes may be kept."""
        if count > self._inflated_left:
            return False
        self._inflated_left -= count
        return True

    @property
    def exceeded(self) -> str:
        """Why this connection is read no further; "" while it may be."""
        if self._is_too_much:
            return _TOO_MUCH
        return _TAKES_LONG if self._used_s() > self._share_until_s else ""


def cpu_deadline(
    cpu_s: float, used_s: Callable[[], float] = time.thread_time
) -> Callable[[], bool]:
    """
    Return a function that tells whether this thread has used so much processor time since now.
    """
    until_s = used_s() + cpu_s
    return lambda: used_s() > until_s
