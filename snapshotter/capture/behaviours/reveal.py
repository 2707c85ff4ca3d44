"""
Bring all of a page into view before it is photographed: dismiss banners, scroll, expand hidden
text, and wait until the page is at rest.

The other modules of `behaviours/` do each of these. This one puts them in order, and repeats them
when the page goes to another document meanwhile.
"""

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.behaviours import controls, freezing, scrolling, segments, settling
from snapshotter.capture.browser.call_guard import CallTimeout
from snapshotter.capture.page import text
from snapshotter.capture.page.navigation import Navigation
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.screenshot import Camera
from snapshotter.capture.spool import encode_utf8
from snapshotter.capture.steps import StepEnd, Steps, first_error_line
from snapshotter.model.capture import Scrolling, SettleEnd, StepState

if TYPE_CHECKING:
    from snapshotter.capture.early_take import EarlyTake

_AT_REST = (SettleEnd.NOTHING_PENDING, SettleEnd.OBSERVED)
# The browser paints so much of a page beforehand, in CSS pixels. More is painted for a picture, and
# that looks like a change of the page. A taller page also takes several shots, and what is whole of
# them has to be kept when one fails: it is photographed when it has settled.
_PAINTED_PX = 4_000
_ATTEMPTS = 3  # at scrolling and settling, when the page navigates away meanwhile
_GROWTH = 2  # times that we scroll on because the page grew while it settled


class PageReveal:
    """Brings all of one page into view, and waits until it is at rest."""

    def __init__(
        self,
        page_context: PageContext,
        *,
        steps: Steps,
        navigation: Navigation,
        camera: Camera,
    ) -> None:
        self.early_take: EarlyTake | None = None  # takes files while the page is observed
        self._page_context = page_context
        self._decision = page_context.decision
        self._limits = page_context.limits
        self._document = page_context.document
        self._builder = page_context.builder
        self._spool = page_context.spool
        self._steps = steps
        self._navigation = navigation
        self._camera = camera
        self._scrolled: scrolling.ScrollResult | None = None
        self._documents = 0  # how many there had been when the last one was brought into view

    async def everything(self) -> None:
        """
        Dismiss banners, scroll, expand and settle; repeat if the page goes to another document.

        A light check looks at the page as it opens: nothing is scrolled, clicked or woken.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            if attempt == _ATTEMPTS:
                self._builder.add_reason(
                    "page-navigated",
                    "the page navigated to another document while snapshotter read the page; the "
                    "navigation was stopped",
                )
                await self._navigation.anchor()
                await self._page_context.guard.pause(self._decision.quiet_s)
                await self._navigation.wait_for_load(
                    self._page_context.clock.monotonic() + self._limits.settle_s
                )
            documents, self._steps.moved = self._document.count, False
            stopped = self._document.scripts_stopped
            is_whole = not self._decision.light
            if is_whole and self._decision.consent.enabled:
                await self._steps.take("consent", self._refuse_consent, documents)
            if is_whole and not self._steps.moved:
                await self._steps.take("scroll", self._scroll, documents)
            if is_whole and self._decision.expand.enabled and not self._steps.moved:
                await self._steps.take("expand", self._expand, documents)
            if not self._steps.moved and stopped == self._document.scripts_stopped:
                await self._steps.take("settle", self._settle, documents)
            stayed = self._document.count == documents and not self._document.away
            if stayed and not self._steps.moved:
                self._documents = documents
                if stopped == self._document.scripts_stopped or attempt == _ATTEMPTS:
                    return
                continue  # what a script kept from being done can be done now
            await self._navigation.wait_for_load(
                self._page_context.clock.monotonic() + self._limits.settle_s
            )

    async def hold(self) -> None:
        """Hold the page at its document, and reveal that document if it is a new one."""
        await self._navigation.anchor()
        document = self._document
        if document.count == self._documents and document.expected_at is None:
            return
        await self._navigation.wait_for_load(
            self._page_context.clock.monotonic() + self._limits.settle_s
        )
        if document.count != self._documents:
            self._builder.note(
                "settle-again",
                "the page navigated to another document before the page was photographed",
            )
            await self.everything()

    async def wait(self) -> None:
        """Wait until the page is at rest, and change nothing."""
        await settling.settle(self._page_context)

    async def again(self) -> None:
        """Settle and freeze the page again, because content arrived after it was frozen."""
        if self.early_take is not None:
            # The files of the take before are still there, and one that changes may change again.
            await self.early_take.discard()
            self.early_take = None
        try:
            await self._page_context.send(
                "animations", "Animation.setPlaybackRate", {"playbackRate": 1}
            )
        except (CallTimeout, PlaywrightError) as error:
            self._builder.log(
                "settle", f"the animations could not be started again: {first_error_line(error)}"
            )
        await self._steps.take("settle", self._settle)

    async def _refuse_consent(self) -> StepEnd | str | None:
        """Dismiss a banner, if there is one; keep a picture of the page with it."""
        page_context = self._page_context
        await settling.settle(page_context)  # a banner comes by script
        await self._navigation.anchor()

        async def before() -> None:
            if not self._is_kept("before-consent"):
                camera = self._camera
                self._builder.keep(await camera.viewport("consent", "before-consent"))

        rules = self._decision.consent
        clicks = await controls.refuse_consent(page_context, rules, before)
        return "dismissed" if clicks.count else "no known consent banner was found"

    async def _expand(self) -> StepEnd | str | None:
        """Click the controls that hide text; keep a picture and the text of the page before."""
        page_context, rules = self._page_context, self._decision.expand
        await settling.settle(page_context)
        await scrolling.scroll_to_top(page_context)
        await self._navigation.anchor()

        async def before() -> None:
            if self._is_kept("before-expand"):
                return
            await self._camera.page(self._builder.keep, "expand", "before-expand")
            read = await text.read_text(page_context.worlds, limit_s=self._limits.step_s)
            await asyncio.to_thread(
                self._spool.write,
                "capture/before-expand.txt",
                "text/plain",
                encode_utf8(read.text),
                step="expand",
                note="the text before the first click",
            )

        clicks = await controls.expand(page_context, rules, before)
        if not clicks.count:
            return "no control to click was found"
        await scrolling.scroll_to_top(page_context)
        await self._scroll()  # what was hidden has a length, and images
        if clicks.left:
            detail = (
                f"clicks: {clicks.count}; controls that were not clicked because of the limit: "
                f"{clicks.left}"
            )
            self._builder.add_reason("expand-limited", detail)
            return StepEnd(StepState.PARTIAL, detail)
        return f"clicks: {clicks.count}"

    def _is_kept(self, word: str) -> bool:
        """Whether a picture of the page in this state is kept already: reveals are repeated."""
        return any(picture.subject == word for picture in self._builder.pictures)

    async def _scroll(self) -> StepEnd | str | None:
        self._scrolled = scrolled = await scrolling.scroll(self._page_context)
        self._builder.scrolling = Scrolling(
            steps=scrolled.steps,
            height=scrolled.height,
            stopped=scrolled.stopped,
            container=scrolled.container,
            virtualised=scrolled.virtualised,
            segments=0,
        )
        detail = (
            f"steps: {scrolled.steps}; height: {scrolled.height} px; stopped at: {scrolled.stopped}"
        )
        if scrolled.stopped == "bottom":
            return detail
        self._builder.add_reason(
            "scroll-limited", f"the page was not scrolled to the end of the page: {detail}"
        )
        return StepEnd(StepState.PARTIAL, detail)

    async def _settle(self) -> StepEnd | str | None:
        page_context, early_take = self._page_context, self.early_take
        if early_take is not None:
            await early_take.discard()
        settled = await settling.settle(page_context, self._use_observation)
        for _ in range(_GROWTH):
            scrolling_ = self._builder.scrolling
            if scrolling_ is None or scrolling_.stopped != "bottom" or scrolling_.container:
                break
            if settled.height <= scrolling_.height + self._decision.viewport_px[1] // 2:
                break
            if early_take is not None:
                await early_take.discard()
            await self._scroll()  # what came meanwhile made the page longer
            settled = await settling.settle(page_context)
        await self._read_segments()
        moved = not self._decision.light and await scrolling.scroll_to_top(page_context)
        self._begin_early_take(settled)
        if moved and not settled.open_ends:  # the way back may have made the page ask for more
            settled = await settling.settle(page_context)
        if early_take is not None:
            await early_take.hold()
        frozen = await freezing.freeze_page(page_context, self._navigation.lost_media)
        if early_take is not None:
            await early_take.confirm(
                is_still=frozen.is_still and settled.how in _AT_REST and not settled.animations,
                changed_at=settled.shown_at,
            )
        self._builder.images = frozen.images
        self._builder.image_lines = frozen.lines
        self._builder.fonts = frozen.fonts
        self._builder.frames = frozen.frames
        self._builder.title = frozen.title
        self._builder.language = frozen.language
        if settled.how is SettleEnd.CAP and settled.announced:
            self._builder.warn("announced-more", settled.description)
        if settled.open_ends:
            limit = self._limits.settle_s
            self._builder.add_reason(
                "not-settled",
                f"the page had not settled after {limit:g} s; still pending: {settled.open_ends}",
            )
            return StepEnd(StepState.PARTIAL, settled.open_ends)
        return settled.description

    async def _use_observation(self, height: int) -> None:
        """Take the files of a page that is only observed any more, from its top."""
        if self.early_take is not None and self._may_take_early and height <= _PAINTED_PX:
            await scrolling.scroll_to_top(self._page_context)
            self.early_take.begin(is_observed=True)

    def _begin_early_take(self, settled: settling.SettleResult) -> None:
        """Begin to take the files of a page that is at rest and at its top, unless that began."""
        is_at_rest = settled.how in _AT_REST and not settled.open_ends and not settled.animations
        is_short = settled.height <= _PAINTED_PX
        if self.early_take is not None and is_at_rest and is_short and self._may_take_early:
            self.early_take.begin(is_observed=False)

    @property
    def _may_take_early(self) -> bool:
        """Whether files may be taken before the page is frozen and assessed."""
        return (
            self.early_take is not None
            and not self.early_take.is_begun
            and not self._decision.light
            and self._builder.scrolling is not None
            and not self._has_segments
            and not self._camera.resizes
            and not self._page_context.memory_is_low()
        )

    @property
    def _has_segments(self) -> bool:
        """Whether the page shows only a part of itself at a time."""
        facts = self._builder.scrolling
        if facts is None:
            return False
        # A box that keeps what it holds is shown whole in one picture: `PictureSet.expanded`.
        in_box = bool(facts.container) and not self._decision.pictures.inner_box
        return facts.virtualised or in_box

    async def _read_segments(self) -> None:
        """Read a page stretch by stretch where it shows only a part of itself at a time."""
        facts, scrolled = self._builder.scrolling, self._scrolled
        if facts is None or scrolled is None or not self._has_segments:
            return
        shutter = self._camera.shutter
        read = await segments.read_segments(self._page_context, shutter, scrolled)
        self._builder.scrolling = replace(facts, segments=read.count)
        stretches = f"parts of the page that were read: {read.count}; {read.end}"
        if facts.virtualised:
            self._builder.add_reason(
                "page-virtualised", f"the page removes content that is out of view; {stretches}"
            )
        else:
            self._builder.add_reason(
                "page-scrolls-inside",
                f"the content of the page scrolls inside the element {facts.container}; "
                f"{stretches}",
            )
