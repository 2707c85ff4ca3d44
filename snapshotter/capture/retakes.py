"""
Take all files of a capture again until they show one state of the page.

Photographing and reading a frozen page takes time. Content that arrives in that time would be in
the text but not in the picture, or in neither. So the page is checked for changes before and after.
If it has changed, it settles once more, and everything is taken again. There are three takes at
most, and fewer where time or memory is short; what changed during the last one becomes a warning.
The files of an earlier take are dropped, except its first view: with two texts of one page a reader
could quote the wrong one, and the first view shows what changed.

A place that never stops changing (a ticker, a counter, a carousel) causes no new take; the result
names it.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.behaviours.reveal import PageReveal
from snapshotter.capture.browser.call_guard import CallTimeout
from snapshotter.capture.browser.cdp_sessions import ProtocolError
from snapshotter.capture.browser.isolated_worlds import FrameResult, ScriptError
from snapshotter.capture.early_take import STEPS, EarlyTake
from snapshotter.capture.page_context import FRAME_S, PageContext
from snapshotter.capture.steps import first_error_line
from snapshotter.value_class import dataclass

BEFORE: Final = "capture/before-change.png"  # the first view of the first take
BEFORE_SUBJECT: Final = "before-change"
_MOST = 3  # takes
_LONGER = 1.5  # the most that a take may last, as a multiple of the take before
_LOOK_S = 5.0  # for the frames to report what has changed
_NAMED = 5  # places
_FAILURES = (CallTimeout, ScriptError, ProtocolError, PlaywrightError)


@dataclass(frozen=True, slots=True, kw_only=True)
class PageChanges:
    """What changed on a page since it was frozen; "" if nothing did."""

    fresh: str  # it is in no file yet, or not in all of them
    restless: str  # places that had changed again and again before


class Retakes:
    """Takes all files of one page, again until they show one state."""

    def __init__(self, page_context: PageContext, reveal: PageReveal) -> None:
        self._page_context = page_context
        self._reveal = reveal
        self._document = page_context.document
        self._builder = page_context.builder
        self._spool = page_context.spool

    async def take_consistent(
        self, take: Callable[[], Awaitable[None]], early_take: EarlyTake | None = None
    ) -> None:
        """
        Take all files; take them again if the page changed meanwhile, three times at most.

        Args:
            take: Does the steps `STEPS`, as far as they are wanted.
            early_take: What was taken before, in the place of the first take.

        Raises:
            PageLost, CaptureTimeout: What was taken before is kept.
        """
        if early_take is None or not early_take.is_begun:  # else they are known already
            await self._watch_closed_trees()
        if early := (await self._look()).fresh:
            self._builder.note(
                "settle-again",
                f"changes of the page before snapshotter photographed the page: {early}",
            )
            await self._reveal.again()
        try:
            changes = await self._until_same(take, early_take)
        finally:
            self._spool.put_back()
        if changes.fresh:
            self._builder.warn(
                "changed-after-pictures",
                f"changes while snapshotter photographed the page: {changes.fresh}; the pictures, "
                "the "
                "text and the document may show different states of the page",
            )
        if changes.restless:
            self._builder.warn(
                "page-keeps-changing",
                f"parts of the page change all the time: {changes.restless}; the pictures, the "
                "text and the document show these parts at different moments",
            )

    async def _until_same(
        self, take: Callable[[], Awaitable[None]], early_take: EarlyTake | None
    ) -> PageChanges:
        """Take everything, up to three times; return what changed during the last take."""
        number = 0
        while True:
            number += 1
            began = self._page_context.clock.monotonic()
            if number == 1 and early_take is not None and await early_take.use():
                took_s = early_take.took_s
            else:
                await take()
                took_s = self._page_context.clock.monotonic() - began
            if await self._announces_more():
                await self._reveal.wait()
            changes = await self._look()
            if not changes.fresh:
                return changes
            if number == _MOST or self._page_context.memory_is_low() or not self._has_time(took_s):
                return changes
            self._builder.note(
                "take-again", f"the page changed while it was photographed: {changes.fresh}"
            )
            await self._reveal.again()
            self._spool.set_aside(STEPS, but=BEFORE)
            self._builder.discard_for_retake(BEFORE_SUBJECT, BEFORE, self._spool)

    async def _announces_more(self) -> bool:
        """Return whether the page began something meanwhile that it may show."""
        if self._page_context.recorder.observer.awaited > self._document.stuck_requests:
            return True
        return bool((await self._page_context.trace.look()).waits)

    def _has_time(self, took_s: float) -> bool:
        needed = took_s * _LONGER + self._page_context.decision.limits.settle_s
        return self._page_context.guard.remaining_s > needed

    async def _watch_closed_trees(self) -> None:
        """Pass closed shadow trees to our scripts, which then watch their changes."""
        try:
            await self._page_context.worlds.adopt_closed_roots(
                self._page_context.decision.limits.step_s
            )
        except _FAILURES as error:
            # The step that reads the text meets the same error, and records it.
            self._builder.log(
                "look-again", f"closed shadow trees could not be read: {first_error_line(error)}"
            )

    async def _look(self) -> PageChanges:
        """Return what changed since the page was frozen."""
        limit_s = min(_LOOK_S, self._page_context.decision.limits.step_s)
        try:
            answers = await self._page_context.worlds.ask_all(
                "sinceHeld", limit_s=limit_s, frame_s=FRAME_S
            )
        except _FAILURES as error:
            return PageChanges(
                fresh=f"the changes could not be read: {first_error_line(error)}", restless=""
            )
        answered = [answer for answer in answers if answer.value]
        return PageChanges(
            fresh="; ".join(words for answer in answered if (words := _fresh(answer)))[:1000],
            restless=", ".join(
                place
                for answer in answered
                for place in answer.value.get("places", {}).get("restless", ())
            )[:1000],
        )


def _fresh(answer: FrameResult) -> str:
    """Describe what is new in a frame."""
    value: dict[str, Any] = answer.value
    where = "" if answer.frame.is_main else f" of the frame {answer.frame.url[:200]}"
    if value["isOther"]:
        return f"another document{where}"
    named = ", ".join(str(place) for place in value["places"]["fresh"][:_NAMED])
    parts = (
        (value["fresh"], f"changed places: {value['fresh']} ({named})"),
        (value["images"], f"images: {value['images']:+}"),
        (value["fonts"], f"fonts: {value['fonts']:+}"),
        (value["height"], f"height: {value['height']:+} px"),
        (value["grown"] and not value["fresh"], "more text"),
    )
    described = ", ".join(described for there, described in parts if there)
    return described + where if described else ""
