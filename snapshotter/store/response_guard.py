"""
Keep calls of a store that does not answer from occupying all threads of a server.

    begin ── has a call waited too long, and no other was answered meanwhile? ── refused at once
      │      are too many calls under way?  ── waits a little, then refused
      └─ end: answered, or failed. After a slow failure one call at a time tries the store again
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Final

SLOW_S: Final = 3.0  # without any answer, after which further calls are refused
PAUSE_S: Final = 3.0  # after a slow failure, until one call tries the store again
MOST_CALLS: Final = 16  # at the same time; fewer than the threads that serve pages
LOST_S: Final = 60.0  # after which a call does not count: its end may never be reported


class StoreSilent(Exception):
    """The store does not answer, so that this call was not begun."""


class ResponseGuard:
    """
    Counts the calls of one store. Used from several threads.

    Args:
        monotonic: Returns seconds since an arbitrary start.
        most: Calls at the same time.
        slow_s: Seconds for which a call may wait while no call is answered, and for which a call
            waits for its turn.
        pause_s: Seconds between a slow failure and the next attempt.
        lost_s: Seconds after which a call without an end does not count: if a library fails
            without a report, the store must not be refused for ever.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        *,
        most: int = MOST_CALLS,
        slow_s: float = SLOW_S,
        pause_s: float = PAUSE_S,
        lost_s: float = LOST_S,
    ) -> None:
        self._monotonic = monotonic
        self._most = most
        self._slow_s = slow_s
        self._pause_s = pause_s
        self._lost_s = lost_s
        self._changed = threading.Condition()
        self._begun: dict[object, float] = {}  # calls under way
        self._answered_at = monotonic()
        self._is_failing = False  # no call was answered since a slow failure
        self._retry_at = 0.0

    def begin(self) -> object:
        """
        Begin a call, and return its token for `end`.

        Raises:
            StoreSilent: The store does not answer.
        """
        with self._changed:
            until = self._monotonic() + self._slow_s
            while not self._is_silent(now := self._monotonic()):
                if len(self._begun) < self._most:
                    token = object()
                    self._begun[token] = now
                    return token
                if now >= until:
                    break
                self._changed.wait(until - now)
        raise StoreSilent

    def end(self, token: object, *, answered: bool) -> None:
        """End a call. A refusal by the store is an answer; a time-out is none."""
        with self._changed:
            now = self._monotonic()
            began = self._begun.pop(token, None)  # None: it did not count any more
            if answered:
                self._answered_at, self._is_failing = now, False
            elif began is not None and (self._is_failing or now - began >= self._slow_s):
                self._is_failing, self._retry_at = True, now + self._pause_s
            self._changed.notify_all()

    @contextlib.contextmanager
    def call(self) -> Iterator[None]:
        """Make a call that is answered unless it raises. Raises StoreSilent."""
        token = self.begin()
        answered = False
        try:
            yield
            answered = True
        finally:
            self.end(token, answered=answered)

    def _is_silent(self, now: float) -> bool:
        for token in [token for token, at in self._begun.items() if now - at >= self._lost_s]:
            del self._begun[token]
        if self._is_failing:
            return bool(self._begun) or now < self._retry_at
        oldest = min(self._begun.values(), default=now)
        return now - max(oldest, self._answered_at) >= self._slow_s
