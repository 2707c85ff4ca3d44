"""
Take all files of a capture again until they show one state of the page.

A page is held still, photographed and read, which takes time. Content that arrives in that time
would be in the text but not in the picture, or in neither. So the page is checked for changes
before and after. If it has changed, it settles once more, and everything is taken again. The
files of the earlier take are dropped, except its first view: with two texts of one page, a
reader could quote the wrong one, and the first view shows what changed.

A place that changes for ever (a ticker, a counter, a carousel) causes no new take. It is named.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.behaviours.stage import FRAME_S, Stage
from snapshotter.capture.document import Document
from snapshotter.capture.guard import TimeLimit
from snapshotter.capture.ledger import Ledger
from snapshotter.capture.reveal import Reveal
from snapshotter.capture.spool import Spool
from snapshotter.capture.steps import first_line
from snapshotter.capture.targets import ProtocolError
from snapshotter.capture.world import Answer, WorldError

STEPS: Final = ("viewport", "screenshot", "mhtml", "dom", "text")  # of one take
BEFORE: Final = "capture/before-change.png"  # the first view of the first take
BEFORE_SUBJECT: Final = "before-change"
_MOST = 3  # takes
_LONGER = 1.5  # the most that a take may last, as a multiple of the take before
_LOOK_S = 5.0  # for the frames to report what has changed
_NAMED = 5  # places
_FAILURES = (TimeLimit, WorldError, ProtocolError, PlaywrightError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """Describe what changed on a page since it was held still; "" if nothing did."""

    fresh: str  # it is in no file yet, or not in all of them
    restless: str  # places that had changed again and again before


class Takes:
    """
    Takes all files of one page, again until they show one state.

    Args:
        is_heavy: Whether another picture of the page may be the last that the browser does.
    """

    def __init__(
        self,
        stage: Stage,
        reveal: Reveal,
        *,
        document: Document,
        ledger: Ledger,
        spool: Spool,
        is_heavy: Callable[[], bool],
    ) -> None:
        self._stage = stage
        self._reveal = reveal
        self._document = document
        self._ledger = ledger
        self._spool = spool
        self._is_heavy = is_heavy

    async def of_one_state(self, take: Callable[[], Awaitable[None]]) -> None:
        """
        Take all files; take them again if the page changed meanwhile, three times at most.

        Args:
            take: Does the steps `STEPS`, as many of them as are wanted.

        Raises:
            PageLost, CaptureTimeout: What was taken before is kept.
        """
        await self._watch_closed_trees()
        if early := (await self._look()).fresh:
            self._ledger.note("settle-again", f"before it was photographed: {early}")
            await self._reveal.again()
        try:
            changes = await self._until_same(take)
        finally:
            self._spool.put_back()
        if changes.fresh:
            self._ledger.warn(
                "changed-after-pictures",
                f"while the page was photographed: {changes.fresh}; pictures, text and document "
                "may show different states of it",
            )
        if changes.restless:
            self._ledger.warn(
                "page-keeps-changing",
                f"places that change all the time: {changes.restless}; pictures, text and document "
                "show them at different moments",
            )

    async def _until_same(self, take: Callable[[], Awaitable[None]]) -> Changes:
        """Take everything, up to three times; return what changed during the last time."""
        number = 0
        while True:
            number += 1
            began = self._stage.clock.monotonic()
            await take()
            took_s = self._stage.clock.monotonic() - began
            if await self._announces_more():
                await self._reveal.wait()
            changes = await self._look()
            if not changes.fresh:
                return changes
            if number == _MOST or self._is_heavy() or not self._has_time(took_s):
                return changes
            self._ledger.note("take-again", f"while it was photographed: {changes.fresh}")
            await self._reveal.again()
            self._spool.set_aside(STEPS, but=BEFORE)
            self._ledger.take_again(BEFORE_SUBJECT, BEFORE, self._spool)

    async def _announces_more(self) -> bool:
        """Say whether the page began something meanwhile that it may show."""
        if self._stage.recorder.awaited > self._document.stuck:
            return True
        return bool((await self._stage.watch.look()).waits)

    def _has_time(self, took_s: float) -> bool:
        needed = took_s * _LONGER + self._stage.decision.limits.settle_s
        return self._stage.guard.remaining_s > needed

    async def _watch_closed_trees(self) -> None:
        """Hand closed shadow trees to our scripts, which see what changes in them from here on."""
        try:
            await self._stage.worlds.adopt_closed_roots(self._stage.decision.limits.step_s)
        except _FAILURES as error:
            # The step that reads the text meets it again, and says so.
            self._ledger.log("look-again", f"closed shadow trees: {first_line(error)}")

    async def _look(self) -> Changes:
        """Return what changed since the page was held still."""
        limit_s = min(_LOOK_S, self._stage.decision.limits.step_s)
        try:
            answers = await self._stage.worlds.ask_all(
                "sinceHeld", limit_s=limit_s, frame_s=FRAME_S
            )
        except _FAILURES as error:
            return Changes(fresh=f"what changed is not known: {first_line(error)}", restless="")
        told = [it for it in answers if it.value]
        return Changes(
            fresh="; ".join(words for it in told if (words := _fresh(it)))[:1000],
            restless=", ".join(
                place for it in told for place in it.value.get("places", {}).get("restless", ())
            )[:1000],
        )


def _fresh(answer: Answer) -> str:
    """Say in words what is new in a frame."""
    value: dict[str, Any] = answer.value
    where = "" if answer.frame.is_main else f" of the frame {answer.frame.url[:200]}"
    if value["isOther"]:
        return f"another document{where}"
    named = ", ".join(str(it) for it in value["places"]["fresh"][:_NAMED])
    parts = (
        (value["fresh"], f"changes at {value['fresh']} places ({named})"),
        (value["images"], f"{value['images']:+} images"),
        (value["fonts"], f"{value['fonts']:+} fonts"),
        (value["height"], f"{value['height']:+} px of height"),
        (value["grown"] and not value["fresh"], "more text"),
    )
    words = ", ".join(words for there, words in parts if there)
    return words + where if words else ""
