"""Limit how many connections may be open at once, in all and to one host."""

import asyncio

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True)
class ConnectionSlot:
    """The right to one open connection."""

    host: str


class ConnectionSlots:
    """The slots for open connections. Used within one event loop."""

    def __init__(self, total: int, per_host: int) -> None:
        self._total = total
        self._per_host = per_host
        self._taken: dict[str, int] = {}
        self._all = 0
        self._changed: list[asyncio.Future[None]] = []

    async def take(self, host: str) -> ConnectionSlot:
        """Wait for a slot."""
        while self._all >= self._total or self._taken.get(host, 0) >= self._per_host:
            change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._changed.append(change)
            await change
        self._all += 1
        self._taken[host] = self._taken.get(host, 0) + 1
        return ConnectionSlot(host)

    def give_back(self, slot: ConnectionSlot) -> None:
        """Release a slot for the next connection."""
        self._all -= 1
        self._taken[slot.host] -= 1
        if not self._taken[slot.host]:
            del self._taken[slot.host]
        waiting, self._changed = self._changed, []
        for change in waiting:
            if not change.done():
                change.set_result(None)
