"""
Assess a page while it is open, and wait for it or reload it where that may help.

A wall may open by itself, and a page that was empty may have its content when it is requested
again. So the page is assessed when it has settled. At a wall the capture waits for a while. A page
that is blank, shows an error, or has a layout without its text is requested again. The earlier
state is kept: its traffic, text, document and picture. An action records what was done.

The verdict in the bundle comes from the files, before they are sealed
(`app/archive/assessment.py`). This assessment only decides whether to look again; its failure does
not harm the capture.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from snapshotter.capture.behaviours.reveal import PageReveal
from snapshotter.capture.browser.call_guard import CaptureTimeout, PageLost
from snapshotter.capture.page.blocks import PageSample, sample_page
from snapshotter.capture.page.navigation import Navigation
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.screenshot import Camera
from snapshotter.capture.spool import encode_utf8
from snapshotter.capture.steps import Steps, first_error_line, reason_for_error
from snapshotter.model.assessment import Content, ContentVerdict, TakedownVerdict
from snapshotter.model.capture import StepState
from snapshotter.model.page import Page
from snapshotter.ports import Assessor

T = TypeVar("T")

STEP: Final = "judge"
_EMPTY: Final = frozenset({Content.BLANK, Content.SHELL, Content.ERROR})
_LOOK_S: Final = 0.25  # between two looks at whether a wall is still there
_PAUSE_S: Final = 1.0  # before a page is requested again: its server may only be overloaded
_KEPT: Final = (
    "the state before the reload is kept in capture/before-reload.txt, "
    "capture/before-reload.html and capture/before-reload.png"
)
_KEPT_SHARE: Final = 0.4  # of the capture's time, kept for what is photographed and read


class LiveAssessment:
    """
    Assesses one page while it is open, and looks again where that may help.

    Args:
        assessor: Its rules are read while the page settles.
    """

    def __init__(
        self,
        assessor: asyncio.Future[Assessor],
        page_context: PageContext,
        *,
        steps: Steps,
        navigation: Navigation,
        reveal: PageReveal,
        camera: Camera,
    ) -> None:
        self._assessor = assessor
        self._page_context = page_context
        self._document = page_context.document
        self._builder = page_context.builder
        self._spool = page_context.spool
        self._steps = steps
        self._navigation = navigation
        self._reveal = reveal
        self._camera = camera
        self._sample: PageSample | None = None  # the last time that it was judged
        self._is_prepared = False

    async def settled(self) -> bool:
        """
        Assess the page; wait at a wall, or reload a page without content.

        Returns:
            Whether there is a page. A reload may bring none; then the page before may be there.

        Raises:
            PageLost, CaptureTimeout: No other step makes sense.
        """
        rules, reloads, has_waited = self._page_context.decision.verdict, 0, False
        before: PageSample | None = None
        while (verdict := await self._judged()) is not None:
            if before is not None:
                self._compare(before)
                before = None
            if verdict.kind is Content.WALL and not has_waited and rules.wall_grace_s > 0:
                has_waited = True
                if not await self._wait_at_wall(verdict, rules.wall_grace_s):
                    return True
            elif verdict.kind in _EMPTY and self._may_reload and reloads < rules.reloads:
                reloads += 1
                why = f"{verdict.kind}: {_described(verdict.detail)} ({reloads} of {rules.reloads})"
                before = await self._kept()
                if not await self._reload(why):
                    if not self._document.away:
                        return True  # the page before is still there
                    if before is not None:
                        self._builder.warn(
                            "reload-worse", f"no page was received after the reload; {_KEPT}"
                        )
                    return False
            else:
                return True
        return True

    async def _judged(self) -> ContentVerdict | None:
        """Assess the page as a step; return None if that failed."""
        self._builder.begin_step(STEP)
        try:
            found = await self._ignore_failure(self._verdicts)
        except (PageLost, CaptureTimeout) as error:
            self._builder.end_step(StepState.FAILED, reason_for_error(STEP, error)[1], STEP)
            raise
        if found is None:
            self._builder.end_step(
                StepState.FAILED,
                "the page could not be assessed; capture/log.jsonl states the reason",
                STEP,
            )
            return None
        content, takedown = found
        detail = f"{content.kind}, {takedown.availability}: {_described(content.detail)}"
        self._builder.end_step(StepState.OK, detail, STEP)
        return content

    async def prepare(self) -> None:
        """
        Load what the assessment of the page needs, in the background, unless that was begun.

        Called while the page is observed: this process and its browser only wait then.

        Raises:
            PageLost, CaptureTimeout: No other step makes sense.
        """
        if not self._is_prepared:
            await self._ignore_failure(self._begin_to_prepare)

    async def _begin_to_prepare(self) -> None:
        assessor = await self._loaded_assessor()
        limit_s = self._page_context.decision.limits.step_s
        sample = await sample_page(self._page_context.worlds, limit_s=limit_s)
        self._prepare(assessor, self._page_of(sample))

    def _prepare(self, assessor: Assessor, page: Page) -> None:
        if not self._is_prepared:
            self._is_prepared = True
            threading.Thread(
                target=assessor.prepare, args=(page,), name="prepare-assessment", daemon=True
            ).start()

    async def _verdicts(self) -> tuple[ContentVerdict, TakedownVerdict]:
        limit_s = self._page_context.decision.limits.step_s
        assessor = await self._loaded_assessor()
        self._sample = sample = await sample_page(self._page_context.worlds, limit_s=limit_s)
        page = self._page_of(sample)
        verdicts = await self._page_context.guard.call(
            "the assessment", asyncio.to_thread(assessor.judge, page), limit_s
        )
        self._prepare(assessor, page)  # this process mostly waits while the page is photographed
        return verdicts

    async def _loaded_assessor(self) -> Assessor:
        return await self._page_context.guard.call(
            "loading the rules",
            asyncio.shield(self._assessor),
            self._page_context.decision.limits.step_s,
        )

    def _page_of(self, sample: PageSample) -> Page:
        decision, document, builder = self._page_context.decision, self._document, self._builder
        return Page(
            requested_url=self._page_context.request.url,
            final_url=builder.final_url,
            captured_at=builder.navigation_ended_at or self._page_context.clock.now(),
            timezone=decision.timezone,
            locale=decision.locale,
            status=document.status or None,
            media_type=document.headers.get("content-type", "").partition(";")[0].strip().lower(),
            headers=dict(document.headers),
            html=sample.html,
            text=sample.text,
            blocks=sample.blocks,
            images=builder.images.in_sight if decision.light else builder.images,
        )

    async def _wait_at_wall(self, wall: ContentVerdict, grace_s: float) -> bool:
        """Wait at a wall for another page; return whether one came, and reveal it."""
        page_context = self._page_context
        await self._keep_picture("before-wall")
        await self._navigation.release()
        began, waited = page_context.clock.monotonic(), 0.0
        documents, last_state = (
            self._document.count,
            None,
        )  # it may have gone on while it was judged
        while (waited := page_context.clock.monotonic() - began) < grace_s and self._has_time:
            await page_context.guard.pause(_LOOK_S)
            if (state := await self._state()) == last_state:
                continue
            if self._document.count != documents:
                documents = self._document.count
                end = page_context.clock.monotonic() + page_context.decision.limits.settle_s
                await self._navigation.wait_for_load(end)
            last_state = state
            found = await self._ignore_failure(self._verdicts)
            if found is not None and found[0].kind is not Content.WALL:
                self._builder.note(
                    "wait-at-wall",
                    f"{_described(wall.detail)}; the wall disappeared without an action of "
                    "snapshotter",
                )
                await self._reveal.everything()
                return True
        self._builder.note(
            "wait-at-wall",
            f"{_described(wall.detail)}; the wall was still there after {waited:.1f} s",
        )
        return False

    async def _state(self) -> tuple[int, int]:
        """Return which document is there, and a number that changes with it (-1: not known)."""
        measured = await self._ignore_failure(lambda: self._page_context.ask("measure"))
        return self._document.count, int(measured["touches"]) if measured else -1

    async def _kept(self) -> PageSample | None:
        """Keep document and text before the page is reloaded, if it has text."""
        sample = self._sample
        if sample is None or not sample.text.strip():
            return None
        for name, kind, content in (
            ("txt", "text/plain", sample.text),
            ("html", "text/html", sample.html),
        ):
            path = f"capture/before-reload.{name}"
            if content and all(artifact.path != path for artifact in self._spool.artifacts):
                await asyncio.to_thread(
                    self._spool.write, path, kind, encode_utf8(content),
                    step=STEP, note="the state before the page was reloaded",
                )  # fmt: skip
        return sample

    def _compare(self, before: PageSample) -> None:
        """Warn if the page had more text before it was reloaded."""
        had, has = _characters(before), _characters(self._sample)
        if has < had:
            detail = (
                f"the page had {had} characters before the reload, and {has} characters after the "
                f"reload; {_KEPT}"
            )
            self._builder.warn("reload-worse", detail)

    async def _reload(self, why: str) -> bool:
        """Request the page once more; return whether one came, and reveal it."""
        await self._keep_picture("before-reload")
        await self._page_context.guard.pause(_PAUSE_S)
        self._builder.note("reload", why)
        documents = self._document.count
        await self._steps.take("reload", self._navigation.again)
        if self._document.count == documents:
            return False
        await self._reveal.everything()
        return True

    async def _keep_picture(self, word: str) -> None:
        """Keep a picture of the page as it is, the first time."""
        if all(picture.subject != word for picture in self._builder.pictures):
            picture = await self._ignore_failure(lambda: self._camera.viewport(STEP, word))
            if picture is not None:
                self._builder.keep(picture)

    async def _ignore_failure(self, work: Callable[[], Awaitable[T]]) -> T | None:
        """Return the result of some work; None if it failed, which the log records."""
        try:
            return await work()
        except (PageLost, CaptureTimeout):
            raise
        except Exception as error:  # noqa: BLE001 - a page may be made to break what judges it
            self._builder.log(STEP, f"the action had no effect: {first_error_line(error)}")
            return None

    @property
    def _may_reload(self) -> bool:
        """Whether a reload can help: a page that was cut off at a limit would be again."""
        return (
            self._has_time
            and not self._document.cut_at
            and not self._page_context.recorder.over_limit
        )

    @property
    def _has_time(self) -> bool:
        left = self._page_context.guard.remaining_s
        return left > self._page_context.decision.limits.total_s * _KEPT_SHARE


def _characters(sample: PageSample | None) -> int:
    return (
        sum(1 for character in sample.text if not character.isspace()) if sample is not None else 0
    )


def _described(detail: str) -> str:
    from snapshotter.model.sentences import describe_detail

    return describe_detail(detail)
