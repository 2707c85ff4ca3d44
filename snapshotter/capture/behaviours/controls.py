"""
Click the controls that a policy allows: those that hide text, and those of banners that ask for
consent.

A control is clicked by script first (`element.click()`). That runs the page's listeners and does
not count as an action of a user: no window opens and no sound starts. If nothing changes and the
control is in the main frame, the mouse is moved to it and pressed, unless something lies above it.
Links that lead away and buttons that send a form are never clicked. A navigation that a click
causes is aborted.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from playwright.async_api import CDPSession

from snapshotter.capture.browser.isolated_worlds import PageFrame, ScriptError
from snapshotter.capture.page_context import FRAME_S, PageContext, dom_change_between
from snapshotter.model.request import ConsentRules, ExpandRules
from snapshotter.value_class import dataclass

_LOOK_S = 0.05  # between two looks at what a click set off
_CLICK_S = 2.0  # for what a click sets off to come
_ROUNDS = 3  # of looking for controls: what was expanded may hold more


@dataclass(frozen=True, slots=True, kw_only=True)
class Clicks:
    """How many controls were clicked, and how many were left."""

    count: int
    left: int  # controls that were found and are over the limit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Control:
    frame: PageFrame
    index: int  # in its frame, as it was found last
    path: str
    how: str
    label: str


async def expand(
    page_context: PageContext,
    rules: ExpandRules,
    before: Callable[[], Awaitable[None]],
) -> Clicks:
    """
    Click the controls that hide text in the main region of the page.

    Args:
        before: Keeps the page as it is; called once, if there is anything to click.

    Raises:
        CallTimeout, ScriptError: The page did not answer.
    """
    asked = {"selectors": rules.selectors, "words": rules.words, "region": "main"}
    count = 0
    for _ in range(_ROUNDS):
        found = await _find(page_context, asked, "expand")
        if not found:
            break
        if not count:
            await before()
            found = await _find(page_context, asked, "expand")  # keeping it may have taken its time
        for control in found:
            if count == rules.at_most:
                return Clicks(count=count, left=len(found))
            count += await _click(page_context, control, "expand")
    return Clicks(count=count, left=0)


async def refuse_consent(
    page_context: PageContext,
    rules: ConsentRules,
    before: Callable[[], Awaitable[None]],
) -> Clicks:
    """
    Dismiss a banner that asks for consent: refuse, or close, or accept if the rules allow it.

    Args:
        before: Keeps the page as it is; called once, if there is a banner.

    Raises:
        CallTimeout, ScriptError: The page did not answer.
    """
    attempts = [(rules.reject_selectors, rules.reject_words), ((), rules.close_words)]
    if rules.accept:
        attempts.append((rules.accept_selectors, rules.accept_words))
    for selectors, words in attempts:
        asked = {"selectors": selectors, "words": words, "region": "overlay"}
        if found := await _find(page_context, asked, "consent"):
            await before()
            count = 0
            for control in await _find(page_context, asked, "consent") or found:
                count += await _click(page_context, control, "consent")
                if count:
                    break
            return Clicks(count=count, left=0)
    return Clicks(count=0, left=0)


async def _find(
    page_context: PageContext, asked: Mapping[str, object], kind: str
) -> list[_Control]:
    answers = await page_context.worlds.ask_all(
        "findControls", dict(asked), limit_s=page_context.decision.limits.step_s, frame_s=FRAME_S
    )
    found: list[_Control] = []
    for answer in answers:
        if not answer.value:
            continue
        for index, control in enumerate(answer.value["found"]):
            found.append(
                _Control(
                    frame=answer.frame,
                    index=index,
                    path=str(control["path"]),
                    how=str(control["how"]),
                    label=str(control["label"]),
                )
            )
        for selector in answer.value["bad"] if answer.frame.is_main else ():
            page_context.builder.note(kind, f"{selector} is not a CSS selector")
    return found


async def _click(page_context: PageContext, control: _Control, kind: str) -> int:
    """
    Click a control, wait for the effect, and record it; return 1, or 0 if the control was gone.
    """
    limit = page_context.decision.limits.step_s
    worlds, frame = page_context.worlds, control.frame
    by = "script"
    try:
        answer = await worlds.ask(frame, "clickControl", control.index, limit_s=limit)
        if not answer["done"]:
            return 0
        after = await _until_quiet(page_context, frame, answer["after"])
        if int(after["touches"]) == int(answer["before"]["touches"]) and frame.is_main:
            point = await worlds.ask(frame, "pointOfControl", control.index, limit_s=limit)
            if point["hit"]:
                by = "mouse"
                await page_context.guard.call("a click", _press(page_context.session, point), limit)
                after = await _until_quiet(page_context, frame, after)
    except ScriptError as error:
        if frame.is_main:
            raise
        page_context.builder.note(
            kind,
            f'"{control.label}" {control.path}: the frame of the control was closed ({error})'[
                :1000
            ],
        )
        return 1
    page_context.builder.note(
        kind,
        f'"{control.label}" {control.path} (found by {control.how}; clicked by {by})',
        dom_change_between(answer["before"], after),
    )
    return 1


async def _until_quiet(
    page_context: PageContext, frame: PageFrame, measure: Mapping[str, Any]
) -> Mapping[str, Any]:
    """Wait until nothing loads and the document does not change between two looks; measure it."""
    end = page_context.clock.monotonic() + _CLICK_S
    while True:
        await page_context.guard.pause(_LOOK_S)
        now: Mapping[str, Any] = await page_context.worlds.ask(
            frame, "measure", limit_s=page_context.decision.limits.step_s
        )
        if page_context.clock.monotonic() >= end or (
            page_context.recorder.observer.in_flight == 0 and now["touches"] == measure["touches"]
        ):
            return now
        measure = now


async def _press(cdp: CDPSession, point: Mapping[str, Any]) -> None:
    where = {"x": float(point["x"]), "y": float(point["y"]), "button": "left", "clickCount": 1}
    await cdp.send("Input.dispatchMouseEvent", {"type": "mouseMoved", **where, "button": "none"})
    for kind in ("mousePressed", "mouseReleased"):
        await cdp.send("Input.dispatchMouseEvent", {"type": kind, **where})
