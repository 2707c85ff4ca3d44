"""
Limit how long hosts that do not answer may delay a page: one time limit for all of them together.

Waits that run at the same time count once, and a wait that ends soon does not count. When the limit
is spent, all waits that count are ended, and their hosts are not contacted again. A host that
is contacted for the first time after that still gets a short time (`_CHANCE_S`, more where the
network is slow), because it may be alive. A host that has answered once is never affected.

Nothing here knows the time or a socket: callers pass the time, and end the waits that `ended`
returns.
"""

from collections.abc import Callable
from dataclasses import field
from typing import Final

from snapshotter.value_class import dataclass

Place = tuple[str, int]  # a host as its request names it, lowercase, and a port

# Seconds for a host to answer, however much of the limit is left. The system sends a lost SYN again
# after one second.
_CHANCE_S: Final = 1.5
# A network on which living hosts take longer needs more: this many times the slowest answer.
_SLOWER: Final = 2


def _do_nothing() -> None:
    """Ignore a call."""


@dataclass(slots=True, eq=False, kw_only=True)
class HostWait:
    """One connection that waits for the answer of its host."""

    place: Place
    since: float  # seconds on the caller's clock
    end: Callable[[], None] = field(default=_do_nothing)  # for the caller: ends the wait
    is_ended: bool = False  # it may last no longer, and the caller knows


class UnansweredHosts:
    """
    Tracks which connections wait for the answer of a host, and how long the page waited so far.

    It is inactive until the first document of the page has arrived.

    Args:
        limit_s: Seconds for all waits together; infinite: no limit.
    """

    def __init__(self, limit_s: float) -> None:
        self.limit_s = limit_s
        self._spent_s = 0.0
        self._counted_until = 0.0
        self._active_since: float | None = None
        self._waits: set[HostWait] = set()
        self._silent: dict[Place, str] = {}  # places that did not answer, and how they failed
        self._answered: set[Place] = set()
        self._slowest_s = 0.0  # of all answers
        self._document: Place | None = None  # whose wait has other limits

    def expect_document(self, place: Place) -> None:
        """Except the place of the page's own document, until that has arrived."""
        self._document = place

    def document_arrived(self, now: float) -> None:
        """Count waits from now on: all further requests are those of a document."""
        self._document = None
        if self._active_since is None:
            self._active_since = self._counted_until = now

    def begin(self, place: Place, now: float) -> HostWait:
        """Begin a wait; every wait needs a `finish`."""
        wait = HostWait(place=place, since=now)
        self._waits.add(wait)
        return wait

    def connected(self, wait: HostWait, now: float) -> None:
        """Finish a wait that led to a connection, or to the first byte of an answer."""
        self._slowest_s = max(self._slowest_s, now - wait.since)
        self.finish(wait, now)

    def finish(self, wait: HostWait, now: float, *, failure: str = "") -> None:
        """
        Finish a wait.

        Args:
            failure: How the record names the failure of a host that did not answer; "" if the wait
                had another end.
        """
        self._count(now)
        if failure and (wait.is_ended or wait in self._overdue(now)):
            self._silent[wait.place] = failure
        self._waits.discard(wait)

    def answered(self, place: Place) -> None:
        """Note that a host answered: it is alive."""
        self._answered.add(place)
        self._silent.pop(place, None)

    def failure(self, place: Place) -> str:
        """Return how a place failed that must not be contacted again; "" for any other place."""
        is_spent = self._spent_s >= self.limit_s
        return self._silent.get(place, "") if is_spent and place != self._document else ""

    def ended(self, now: float) -> tuple[HostWait, ...]:
        """
        Return the waits that may last no longer, the oldest first.

        Each is returned once, and still needs a `finish`.
        """
        self._count(now)
        if self._spent_s < self.limit_s:
            return ()
        overdue = self._overdue(now)
        silent = self._silent.keys() | {wait.place for wait in overdue}
        ended = [wait for wait in self._waits if self._counts(wait) and wait.place in silent]
        for wait in ended:
            wait.is_ended = True
        return tuple(sorted(ended, key=lambda wait: wait.since))

    def next_look(self, now: float) -> float | None:
        """Return when to call `ended` again, if no wait begins or ends before; None: never."""
        if self._active_since is None or self.limit_s == float("inf"):
            return None
        chance_s, overdue = self._chance_s, self._overdue(now)
        looks = [
            self._since(wait) + chance_s
            for wait in self._waits
            if self._counts(wait) and wait not in overdue
        ]
        if overdue:
            looks.append(now + max(0.0, self.limit_s - self._spent_s))
        return min(looks, default=None)

    @property
    def _chance_s(self) -> float:
        return min(self.limit_s, max(_CHANCE_S, _SLOWER * self._slowest_s))

    def _counts(self, wait: HostWait) -> bool:
        is_alive = wait.place in self._answered
        return not (wait.is_ended or is_alive or wait.place == self._document)

    def _since(self, wait: HostWait) -> float:
        return max(wait.since, self._active_since or 0.0)

    def _overdue(self, now: float) -> set[HostWait]:
        """Return the waits that count, because their hosts have had time to answer."""
        if self._active_since is None:
            return set()
        latest = now - self._chance_s
        return {wait for wait in self._waits if self._counts(wait) and self._since(wait) <= latest}

    def _count(self, now: float) -> None:
        """Add the time for which at least one wait has counted since the last call."""
        if overdue := self._overdue(now):
            since = max(self._counted_until, min(map(self._since, overdue)))
            self._spent_s += max(0.0, now - since)
            self._counted_until = now
