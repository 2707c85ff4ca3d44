"""
Take the files of a page while snapshotter still waits for it, so that this time is not spent idle.

A page with an interval or a loop is observed for a second after its last change, and every page is
looked at again when it is back at its top, and is assessed. If nothing in it has to be stopped, its
files are taken meanwhile, in the same way as afterwards. They are kept if nothing changed from
their begin until the page has settled; otherwise they are removed, and taken afterwards.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from snapshotter.capture.browser.call_guard import CallTimeout, CaptureTimeout, PageLost
from snapshotter.capture.page_context import FRAME_S, PageContext
from snapshotter.capture.steps import StepBody, StepEnd, first_error_line, reason_for_error
from snapshotter.model.capture import StepState

STEPS: Final = ("viewport", "screenshot", "mhtml", "dom", "text")  # of one take
_HOLD_S = 4.0  # for the frames to decode their images and to note how they are
_DECODE_MS = 1_000
_FRESH_S = 2.0  # after the page has settled, for the files to be used
Bodies = Callable[[], tuple[StepBody, Sequence[tuple[str, StepBody]]]]


class EarlyTake:
    """
    The files of one page that are taken while it is observed.

    Args:
        bodies: Returns the body of the step `viewport`, and the other steps, which may run at the
            same time.
        revive: Makes the page answer again after a call that took too long.
        taken: Called when all files are taken, with whether the page is still observed then.
    """

    def __init__(
        self,
        page_context: PageContext,
        bodies: Bodies,
        revive: Callable[[], Awaitable[None]],
        taken: Callable[[bool], Awaitable[None]],
    ) -> None:
        self._revive = revive
        self._taken = taken
        self._is_late = False  # a call took too long
        self._page_context = page_context
        self._builder = page_context.builder
        self._bodies = bodies
        self._task: asyncio.Task[None] | None = None
        self._is_held = asyncio.Event()
        self._failure = ""
        self._lost: PageLost | CaptureTimeout | None = None
        self._is_valid = False
        self._is_observed = False
        self._documents = 0
        self._began_at = self._confirmed_at = 0.0  # `clock.monotonic()`
        self.took_s = 0.0

    def begin(self, *, is_observed: bool) -> None:
        """
        Begin to take the files; see `confirm`. The page must be at its top.

        Args:
            is_observed: The page has not settled yet, and is observed for a while.
        """
        self._is_observed = is_observed
        self._began_at = self._page_context.clock.monotonic()
        self._documents = self._page_context.document.count
        self._failure, self._lost, self._is_valid = "", None, False
        self._is_held.clear()
        self._task = asyncio.create_task(self._take())

    @property
    def is_begun(self) -> bool:
        """Whether files are taken, or were taken and may still be used."""
        return self._task is not None

    async def hold(self) -> None:
        """Wait until the frames have noted how they are, if the take was begun."""
        if self._task is not None:
            await self._is_held.wait()

    async def confirm(self, *, is_still: bool, changed_at: float) -> None:
        """
        Keep the files if they show the page as it has settled, otherwise remove them.

        The page must have been held anew: what changes from then on is looked for later.

        Args:
            is_still: No frame changed since `hold`, and nothing was stopped for pictures.
            changed_at: `clock.monotonic()` of the last change of document, layout, style, scrolling
                or network.
        """
        self._confirmed_at = self._page_context.clock.monotonic()
        self._is_valid = is_still and changed_at <= self._began_at
        if not self._is_valid:
            await self.discard()

    async def use(self) -> bool:
        """
        Make files and steps those of the capture; return whether there are any.
        """
        document = self._page_context.document
        is_same = document.count == self._documents and not document.away
        # A wall may have been waited for.
        age_s = self._page_context.clock.monotonic() - self._confirmed_at
        if self._task is not None:
            await self._task
        if self._lost is not None and self._is_valid:
            self._task = None
            raise self._lost  # what was finished stays
        if not self._is_valid or self._failure or not is_same or age_s > _FRESH_S:
            await self.discard()
            if self._is_late:  # or the steps that follow would wait for the page as well
                self._is_late = False
                await self._revive()
            return False
        self._task, self._is_valid = None, False
        return True

    async def discard(self) -> None:
        """
        Remove the files and their steps, unless they were used.

        The files of a page that was lost after it had settled stay.
        """
        task, is_valid = self._task, self._is_valid
        self._task, self._is_valid = None, False
        if task is None:
            return
        await task
        is_lost = self._lost is not None or self._page_context.guard.lost is not None
        if is_valid and is_lost:
            return
        self._page_context.spool.remove(STEPS)
        self._builder.discard_take(STEPS)
        if self._failure:
            self._builder.log("early-take", f"the action had no effect: {self._failure}")

    def cancel(self) -> None:
        """Stop, because the capture is cancelled."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _take(self) -> None:
        clock = self._page_context.clock
        try:
            await self._page_context.worlds.adopt_closed_roots(
                self._page_context.decision.limits.step_s
            )
            answers = await self._page_context.worlds.ask_all(
                "holdStill",
                {"decodeMs": _DECODE_MS},
                limit_s=_HOLD_S,
                frame_s=FRAME_S,
            )
            self._is_held.set()
            if not all(answer.value and answer.value["still"] for answer in answers):
                self._failure = (
                    "a frame did not answer, moves, or leaves out content that is not in view"
                )
                return
            first, others = self._bodies()
            await self._run("viewport", first)
            ended = await asyncio.gather(
                *(self._run(name, body) for name, body in others), return_exceptions=True
            )
            for error in ended:
                if isinstance(error, BaseException):
                    raise error
        except Exception as error:  # noqa: BLE001 - the steps are taken again, and meet it again
            self._failure = first_error_line(error) or type(error).__name__
            self._is_late = isinstance(error, CallTimeout)
        finally:
            self._is_held.set()
            self.took_s = clock.monotonic() - self._began_at
        if not self._failure:
            await self._use_time()

    async def _use_time(self) -> None:
        try:
            await self._taken(self._is_observed)
        except Exception as error:  # noqa: BLE001 - the files are there; the next step meets it
            words = first_error_line(error) or type(error).__name__
            self._builder.log("early-take", f"nothing was prepared meanwhile: {words}")

    async def _run(self, name: str, body: StepBody) -> None:
        self._builder.begin_step(name)
        try:
            end = await body()
        except (PageLost, CaptureTimeout) as error:
            self._lost = error
            code, detail = reason_for_error(name, error)
            self._builder.add_reason(code, detail)
            self._builder.end_step(StepState.FAILED, detail, name)
            raise
        if isinstance(end, StepEnd):
            self._builder.end_step(end.state, end.detail, name)
        else:
            self._builder.end_step(StepState.OK, end or "", name)
