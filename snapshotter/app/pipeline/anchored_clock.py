"""
Provide a clock for one capture, whose times stay in order if the system clock is set meanwhile.

It reads the system time when it is anchored, and then follows the monotonic clock.
"""

from datetime import datetime, timedelta

from snapshotter.model.capture import ClockFacts
from snapshotter.ports import Clock


class AnchoredClock:
    """
    A clock that reads the system time once and continues with the monotonic clock.

    All its times between two calls of `anchor` are in order, even if the system clock is set
    meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.anchor()

    def anchor(self) -> None:
        """Read the system time."""
        self._at, self._since = self._clock.now(), self._clock.monotonic()

    def with_this_anchor(self) -> "AnchoredClock":
        """
        Return a clock that keeps this anchor when this one is anchored for the next capture.
        """
        kept = AnchoredClock(self._clock)
        kept._at, kept._since = self._at, self._since
        return kept

    def now(self) -> datetime:
        """Return the time as if the system clock had not been set since the anchor."""
        return self._at + timedelta(seconds=self._clock.monotonic() - self._since)

    def monotonic(self) -> float:
        """Return seconds that never decrease."""
        return self._clock.monotonic()

    def facts(self) -> ClockFacts:
        """Return what the system reports about its clock."""
        return self._clock.facts()
