"""A clock that stands still until told, and identifiers that repeat from run to run."""

import hashlib
from datetime import UTC, datetime, timedelta

from snapshotter.model.capture import ClockFacts

# A Thursday in winter, with a fraction: code that drops it shows.
START = datetime(2026, 1, 15, 12, 30, 45, 678901, tzinfo=UTC)


class FixedClock:
    """A `ports.Clock` that moves only when a test says so."""

    def __init__(self, start: datetime = START) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        self._now = start.astimezone(UTC)
        self._monotonic_s = 1000.0

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic_s

    def facts(self) -> ClockFacts:
        return ClockFacts(source="system", synchronised=True, max_error_ms=5, offset_ms=0)

    def advance(self, by: timedelta) -> None:
        """Let time pass on both clocks; it never goes back."""
        if by < timedelta(0):
            raise ValueError("monotonic time does not go back: use set_wall_clock")
        self._now += by
        self._monotonic_s += by.total_seconds()

    def sleep(self, seconds: float) -> None:
        """Wait as a process would that has nothing else to do."""
        assert seconds > 0
        self.advance(timedelta(seconds=seconds))

    def set_wall_clock(self, now: datetime) -> None:
        """Step the wall clock alone, also backwards, as a bad NTP server or a person does."""
        if now.tzinfo is None:
            raise ValueError("a clock needs an aware time")
        self._now = now.astimezone(UTC)


class SeededIds:
    """A `ports.IdSource` whose values depend on the seed and the number of calls alone."""

    def __init__(self, seed: str = "0") -> None:
        self._seed = seed
        self._calls = 0

    def bundle_id(self, at: datetime) -> str:
        stamp = at.astimezone(UTC).strftime("%Y%m%dt%H%M%S%fz")
        return f"{stamp}-{self.random_bytes(4).hex()}"

    def random_bytes(self, count: int) -> bytes:
        self._calls += 1
        return hashlib.shake_128(f"{self._seed}/{self._calls}".encode()).digest(count)
