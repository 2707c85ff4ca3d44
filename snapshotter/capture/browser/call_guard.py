"""
Call the browser within a time limit, and end the call when the page is lost.

A call over the debugging protocol has no limit of its own: after a crash, or while a script runs
without end, it never returns. So the steps of a capture await the browser through `CallGuard.call`,
and what is closed at the end is closed through `close_within`.
"""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from snapshotter.ports import Clock

T = TypeVar("T")

_LOOK_S = 0.1  # between two looks at whether a late call may go on
_CRASH_NEWS_S = 1.0  # a call may fail a moment before the event that explains it
_GOING = ("crashed", "has been closed")  # in the message of such a call, whoever makes it


class PageLost(Exception):
    """The page is gone, and nothing more can be read from it."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code = code  # of a `Reason`
        self.detail = detail


class CallTimeout(Exception):
    """One call took longer than its limit."""


class CaptureTimeout(Exception):
    """The time for the whole capture is used up."""


class CallGuard:
    """
    Limits the time of all calls within one capture.

    Args:
        deadline: On the clock's monotonic scale; no call lasts beyond it.
    """

    def __init__(self, clock: Clock, deadline: float) -> None:
        self._clock = clock
        self._deadline = deadline
        self._allowed_until = 0.0
        self._gone = asyncio.Event()
        self._lost: PageLost | None = None

    @property
    def lost(self) -> PageLost | None:
        """Why the page is gone, if it is."""
        return self._lost

    @property
    def remaining_s(self) -> float:
        """Seconds that are left for the whole capture; negative when overdrawn."""
        return self._deadline - self._clock.monotonic()

    def lose(self, code: str, detail: str) -> None:
        """Give the page up: current and later calls raise `PageLost`. The first reason counts."""
        if self._lost is None:
            self._lost = PageLost(code, detail)
            self._gone.set()

    def extend(self, deadline: float) -> None:
        """Set another deadline, for what is done when the time of the page is used up."""
        self._deadline = deadline

    def allow_until(self, moment: float) -> None:
        """
        Let calls take longer than their limits, until a moment on the clock's monotonic scale.

        For a browser that answers late. The deadline of the capture stays.
        """
        self._allowed_until = moment

    async def call(self, what: str, work: Awaitable[T], limit_s: float) -> T:
        """
        Return what `work` returns.

        Raises:
            PageLost: The page went, before or meanwhile.
            CallTimeout: It took longer than `limit_s` seconds.
            CaptureTimeout: It ran into the deadline of the capture.
        """
        task = asyncio.ensure_future(work)
        gone = asyncio.ensure_future(self._gone.wait())
        allowed = min(limit_s, self.remaining_s)
        try:
            self._raise_if_lost()
            if allowed <= 0:
                raise CaptureTimeout
            is_last = allowed < limit_s
            while True:
                await asyncio.wait(
                    {task, gone}, timeout=allowed, return_when=asyncio.FIRST_COMPLETED
                )
                if task.done() or self._gone.is_set() or is_last:
                    break
                # Somebody may have found that all answers are late.
                more_s = self._allowed_until - self._clock.monotonic()
                if more_s <= 0:
                    break
                left_s = self.remaining_s
                allowed = max(0.0, min(more_s, left_s, _LOOK_S))
                is_last = left_s <= allowed
            if task.done():
                await self._explain(task)
                return task.result()
            self._raise_if_lost()
            if is_last:
                raise CaptureTimeout
            raise CallTimeout(f"{what} took longer than {limit_s:g} s")
        finally:
            gone.cancel()
            task.cancel()
            task.add_done_callback(_drop)  # also of one that failed as its caller was cancelled

    async def pause(self, seconds: float) -> None:
        """Wait between two looks at a condition; ends early when the page goes."""
        self._raise_if_lost()
        if self.remaining_s <= 0:
            raise CaptureTimeout
        try:
            await asyncio.wait_for(self._gone.wait(), timeout=min(seconds, self.remaining_s))
        except TimeoutError:
            return
        self._raise_if_lost()

    async def _explain(self, task: "asyncio.Future[T]") -> None:
        """Wait for the news that the page is gone, if that is why a call failed."""
        error = None if task.cancelled() else task.exception()
        if error is not None and any(words in str(error) for words in _GOING):
            try:
                await asyncio.wait_for(self._gone.wait(), timeout=_CRASH_NEWS_S)
            except TimeoutError:
                return
            self._raise_if_lost()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise PageLost(self._lost.code, self._lost.detail)


async def close_within(work: Awaitable[None], limit_s: float) -> Exception | None:
    """
    Close something at the end of its life; return the error if it did not close in time.

    No guard bounds it, since the page may be lost. What does not close is killed afterwards.
    """
    try:
        await asyncio.wait_for(work, limit_s)
    except Exception as error:  # noqa: BLE001 - a driver that dies raises plain ones
        return error
    return None


def _drop(task: "asyncio.Future[T]") -> None:
    """Retrieve the error of an abandoned call, so that asyncio does not report it."""
    if not task.cancelled():
        task.exception()
