"""
Take the steps of a capture on an opened page, in order.

The steps are: navigate, take an early picture, bring all of the page into view, assess it, hold it
at its document, photograph and read it until its files show one state, and take the further
pictures that the policy asks for. When the time of the page is used up, a minimum is kept.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING

from snapshotter.capture.browser.call_guard import CallTimeout, CaptureTimeout, PageLost
from snapshotter.capture.browser.isolated_worlds import ScriptError
from snapshotter.capture.opened_page import OpenedPage
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.picture_set import PictureResult, PictureSet
from snapshotter.capture.steps import StepBody, StepEnd, reason_for_error
from snapshotter.model.capture import StepState
from snapshotter.model.request import Viewport

if TYPE_CHECKING:
    from snapshotter.capture.early_take import EarlyTake

_ENTER_S = 2.0  # for our scripts to be put into the page beforehand
_ENTER_FRAME_S = 0.2  # into each other frame


async def capture_page(
    opened: OpenedPage, navigated: Callable[[], None], pictures_taken: Callable[[], None]
) -> None:
    """
    Take all steps on a page.

    Args:
        navigated: Called when the navigation has ended, whether a page came or not.
        pictures_taken: Called when all pictures are taken early, which may be taken again.

    Raises:
        PageLost, CaptureTimeout: No other step makes sense.
    """
    context, steps, navigation = opened.context, opened.steps, opened.navigation
    document = context.document
    looking = asyncio.create_task(opened.first_look.watch())
    try:
        arrived = await steps.take("navigate", navigation.go)
    finally:
        looking.cancel()
    navigated()
    if not arrived or not document.count:
        return
    # Our world is made in the page meanwhile: that needs its process, a picture mostly others.
    await asyncio.gather(opened.first_look.take("before the page was scrolled"), _enter(context))
    from snapshotter.capture.early_take import EarlyTake

    picture_set = _picture_set(opened)
    early_take = EarlyTake(
        context,
        lambda: _bodies(opened, picture_set),
        opened.recovery.revive,
        partial(_use_time, opened, picture_set, pictures_taken),
    )
    opened.reveal.early_take = early_take
    try:
        await _reveal_and_take(opened, picture_set, early_take)
    except asyncio.CancelledError:
        early_take.cancel()
        raise
    finally:
        await early_take.discard()


async def _reveal_and_take(
    opened: OpenedPage, picture_set: PictureSet, early_take: "EarlyTake"
) -> None:
    """Bring all of a loaded page into view, assess it, and take its files."""
    context, steps, navigation = opened.context, opened.steps, opened.navigation
    document, builder = context.document, context.builder
    await opened.reveal.everything()
    if opened.live_assessment is not None and not await opened.live_assessment.settled():
        return
    if document.away:  # nothing of the page is there to be photographed
        return
    await opened.reveal.hold()
    documents = document.count
    builder.final_url = context.page.url
    from snapshotter.capture.retakes import Retakes

    await Retakes(context, opened.reveal).take_consistent(
        lambda: _take_all(opened, picture_set), early_take
    )
    if not context.decision.light:
        for name, body in _further_pictures(context, picture_set):
            await steps.take(name, body)
    if document.count != documents or document.away:
        builder.add_reason(
            "page-navigated",
            "the page navigated to another document while snapshotter photographed the page",
        )
    elif navigation.wanted_url:
        builder.warn(
            "page-held",
            f"the page tried to navigate to {navigation.wanted_url} while snapshotter "
            "photographed the page; the navigation was stopped, and the pictures and the text "
            "show the previous document",
        )


async def _use_time(
    opened: OpenedPage,
    picture_set: PictureSet,
    pictures_taken: Callable[[], None],
    is_observed: bool,
) -> None:
    """Begin what works with the files of a page that were taken early."""
    if not _further_pictures(opened.context, picture_set):
        pictures_taken()
    if is_observed and opened.live_assessment is not None:  # else it is assessed just now
        await opened.live_assessment.prepare()


async def keep_minimum(opened: OpenedPage, until: float) -> None:
    """
    Keep at least a picture and a text of a page whose time is used up.

    Args:
        until: When it has to end, on the clock's monotonic scale.
    """
    context = opened.context
    if context.guard.lost or not context.document.count:
        return
    context.guard.extend(until)
    made = {artifact.path for artifact in context.spool.artifacts}
    steps: tuple[tuple[str, str, StepBody], ...] = (
        ("viewport", "capture/viewport.png", _picture_set(opened).viewport),
        ("dom", "capture/dom.html", opened.page_writer.document),
        ("text", "capture/page.txt", opened.page_writer.text),
    )
    try:
        await opened.recovery.stop_scripts("the time limit of the capture was reached")
        for name, path, body in steps:
            if path not in made:
                await opened.steps.take(name, body)
    except (PageLost, CaptureTimeout) as error:
        context.builder.log("rescue", f"the rescue ended: {reason_for_error('capture', error)[1]}")


async def keep_first_look(opened: OpenedPage) -> None:
    """Keep the early picture of a page that was given up before it was photographed."""
    made = {artifact.path for artifact in opened.context.spool.artifacts}
    if "capture/viewport.png" not in made:
        await opened.first_look.keep()


async def _take_all(opened: OpenedPage, picture_set: PictureSet) -> None:
    """Photograph and read the page as it stands; see `retakes.STEPS`."""
    steps = opened.steps
    viewport, whole = _bodies(opened, picture_set)
    await steps.take("viewport", viewport)
    if opened.context.memory_is_low():
        # A photograph beyond the viewport paints the whole page: on one of very much
        # text it may be the last thing that the browser does.
        whole.sort(key=lambda step: step[0] == "screenshot")
        for name, body in whole:
            await steps.take(name, body)
    else:
        await steps.beside(whole)


def _bodies(
    opened: OpenedPage, picture_set: PictureSet
) -> tuple[StepBody, list[tuple[str, StepBody]]]:
    """Return the body of the step `viewport`, and the other steps of a take."""
    page_writer = opened.page_writer
    whole: list[tuple[str, StepBody]] = []
    if not opened.context.decision.light:
        whole += [
            ("screenshot", lambda: _step_end_of_picture(picture_set.page())),
            ("mhtml", page_writer.mhtml),
        ]
    whole += [("dom", page_writer.document), ("text", page_writer.text)]
    return picture_set.viewport, whole


def _picture_set(opened: OpenedPage) -> PictureSet:
    return PictureSet(opened.context, opened.camera, opened.navigation.lost_media)


def _further_pictures(context: PageContext, picture_set: PictureSet) -> list[tuple[str, StepBody]]:
    """Return the steps that were asked for, those last that change the page most."""
    wanted, box = context.decision.pictures, picture_set.inner_box
    steps: list[tuple[str, StepBody]] = []
    if wanted.elements:
        steps.append(("elements", lambda: _step_end_of_picture(picture_set.elements())))
    if wanted.pdf:
        steps.append(("pdf", picture_set.pdf))
    if box is not None and wanted.inner_box:
        steps.append(("inner-box", lambda: _step_end_of_picture(picture_set.expanded(box))))
    # Phones last: once touch was there, this browser has no mouse that hovers any more.
    for window in sorted(wanted.viewports, key=lambda viewport: viewport.mobile):
        body = partial(_in_window, picture_set, window)
        steps.append((f"viewport-{window.name}", body))
    return steps


async def _in_window(picture_set: PictureSet, window: Viewport) -> StepEnd | str:
    return await _step_end_of_picture(picture_set.in_window(window))


async def _enter(page_context: PageContext) -> None:
    """Make our world in each frame, before the first step that needs it: it notices changes."""
    document = page_context.document
    documents = document.count
    # A failure is left to that step, which meets it again and reports it.
    with contextlib.suppress(CallTimeout, ScriptError):
        answers = await page_context.worlds.ask_all(
            "measure", limit_s=_ENTER_S, frame_s=_ENTER_FRAME_S
        )
        if not document.loaded or document.stuck_requests or document.cut_at:
            return  # parts of it may go on only now: the first look of settling counts as a change
        mutations = sum(int(answer.value["mutations"]) for answer in answers if answer.value)
        page_context.settling_time.begin(documents)
        page_context.settling_time.note_mutations(mutations, page_context.clock.monotonic())


async def _step_end_of_picture(work: Awaitable[PictureResult]) -> StepEnd | str:
    result = await work
    return result.detail if result.whole else StepEnd(StepState.PARTIAL, result.detail)
