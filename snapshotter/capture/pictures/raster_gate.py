"""
Limit how many captures of one process draw and encode pictures at the same time.

Such work keeps a whole core busy. Captures run in threads of their own and may wait for the network
all at once. If they also drew at once, each would only take longer and need more memory. So each
picture takes a slot, in the order of the requests, and returns it afterwards.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RasterGate:
    """
    Gives out so many slots at once, to any thread and event loop, in the order of the requests.

    Args:
        slots: How many; at least one.
    """

    def __init__(self, slots: int) -> None:
        if slots < 1:
            raise ValueError("a gate must have at least one slot")
        self._free = slots
        self._lock = threading.Lock()
        self._waiting: deque[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Hold a slot for the block. Waiting for it can be cancelled at any time."""
        await self._enter()
        try:
            yield
        finally:
            self._leave()

    async def _enter(self) -> None:
        loop = asyncio.get_running_loop()
        with self._lock:
            if self._free and not self._waiting:
                self._free -= 1
                return
            turn = loop.create_future()
            self._waiting.append((loop, turn))
        try:
            await turn
        except asyncio.CancelledError:
            with self._lock:
                waiting = (loop, turn) in self._waiting
                if waiting:
                    self._waiting.remove((loop, turn))
            # The slot was handed over, and the news came together with the end. Still on its
            # way, `_take` finds the turn cancelled and passes the slot on.
            if not waiting and not turn.cancelled():
                self._leave()
            raise

    def _leave(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._free += 1
                    return
                loop, turn = self._waiting.popleft()
            try:
                loop.call_soon_threadsafe(self._take, turn)
            except RuntimeError:  # its loop was closed, and with it the wait
                continue
            return

    def _take(self, turn: "asyncio.Future[None]") -> None:
        if turn.done():
            self._leave()
        else:
            turn.set_result(None)


def usable_core_count() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


RASTER_GATE = RasterGate(
    usable_core_count()
)  # of this process, for captures that are given no other
