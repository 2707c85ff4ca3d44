"""One capture's clock: the wall's time once, and then what no one can set."""

from datetime import datetime, timedelta

from snapshotter.model.capture import ClockFacts
from snapshotter.ports import Clock


class AnchoredClock:
    """
    A clock that takes the wall's time once, and goes on with the monotonic clock.

    Whoever shares it between two calls of `anchor` sees times in order, also when the
    machine's clock is set meanwhile.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.anchor()

    def anchor(self) -> None:
        """Take the wall's time."""
        self._at, self._since = self._clock.now(), self._clock.monotonic()

    def now(self) -> datetime:
        """Return the time, as if nobody had set the clock since the anchor."""
        return self._at + timedelta(seconds=self._clock.monotonic() - self._since)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return self._clock.monotonic()

    def facts(self) -> ClockFacts:
        """Return what the system says about its own clock."""
        return self._clock.facts()
