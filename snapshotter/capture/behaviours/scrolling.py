"""
Scroll down a page, so that it also loads the content that it requests only near the viewport.

Each step moves by a part of the viewport and ends when the browser has drawn it. A page finds out
which lazy images are near each time the browser draws, so a fixed delay would miss some of them on
a busy machine. One call to the browser does many steps. Where the document does not scroll and a
large element in it does, that element is scrolled.
"""

from typing import Any

from snapshotter.capture.page_context import PageContext, dom_change_between
from snapshotter.value_class import dataclass

_LOOK_S = 0.05  # between two looks at whether the page grows
_GROWTH_S = 1.0  # how long the bottom of a page may take to grow, while something loads
_SCROLL_SHARE = 0.4  # most of the time that is left: photographs are still to be made
_CALL_S = 0.5  # of steps in one call, before our own limits are looked at again
_VANISHED_SEEN = 6  # blocks to judge by
_VANISHED_PERCENT = 40  # of them that are gone, on a page that takes away what is out of view


@dataclass(frozen=True, slots=True, kw_only=True)
class ScrollResult:
    """How scrolling ended."""

    steps: int
    height: int  # CSS pixels of what was scrolled, at the end
    stopped: str  # "bottom", or what ended it before: "steps", "time", "height", "blocked"
    container: str = ""  # a way to the element that scrolls in the document's place
    virtualised: bool = False  # the page takes away what is out of view


async def scroll(page_context: PageContext) -> ScrollResult:
    """
    Scroll down the page until its height does not grow any more, or a limit is reached.

    Raises:
        CallTimeout: The page did not draw.
        ScriptError, FrameGone: It did not answer.
    """
    limits, clock = page_context.decision.limits, page_context.clock
    end = clock.monotonic() + min(limits.scroll_s, page_context.guard.remaining_s * _SCROLL_SHARE)
    begun = await page_context.ask("beginScroll")
    container = str(begun["inner"])
    which = 1 if container else 0
    if int(begun["height"]) <= int(begun["view"]) and not container:
        # All of it is in view; the document may still grow, which is for settling to see.
        return ScrollResult(steps=0, height=int(begun["height"]), stopped="bottom")
    steps, height, stopped = await _go_down(page_context, which, end)
    ended = await page_context.ask("endScroll", which)
    seen, gone = int(ended["seen"]), int(ended["gone"])
    scrolled = ScrollResult(
        steps=steps,
        height=height,
        stopped=stopped,
        container=container,
        virtualised=seen >= _VANISHED_SEEN and gone * 100 >= seen * _VANISHED_PERCENT,
    )
    where = f", in {container}" if container else ""
    page_context.builder.note(
        "scroll",
        f"steps: {steps}; height: {height} px; stopped at: {stopped}{where}",
        dom_change_between(begun["change"], ended["change"]),
    )
    return scrolled


async def scroll_to_top(page_context: PageContext) -> bool:
    """Scroll back to the top and wait until that is drawn; return whether the page moved."""
    answer: dict[str, Any] = await page_context.ask("toTop")
    if answer["moved"]:
        page_context.builder.note("return-to-top", "")
    return bool(answer["moved"])


async def _go_down(page_context: PageContext, which: int, end: float) -> tuple[int, int, str]:
    """Scroll down step by step; return the steps, the height and why scrolling stopped."""
    limits, clock = page_context.decision.limits, page_context.clock
    steps = height = 0
    while steps < limits.scroll_steps:
        left = end - clock.monotonic()
        if left <= 0:
            return steps, height, "time"
        rules = {
            "part": page_context.decision.scroll_step,
            "steps": limits.scroll_steps - steps,
            "ms": round(min(_CALL_S, left) * 1000),
            "height": limits.height_px,
        }
        at = await page_context.ask("scrollDown", rules, which)
        steps, height, stopped = steps + int(at["steps"]), int(at["height"]), str(at["stopped"])
        if stopped == "bottom":
            if not await _grows(page_context, which, height):
                return steps, height, stopped
        elif stopped:
            return steps, height, stopped
    return steps, height, "steps"


async def _grows(page_context: PageContext, which: int, height: int) -> bool:
    """Return whether a page gets longer at its end, as long as it loads something."""
    end = page_context.clock.monotonic() + _GROWTH_S
    while True:
        now = await page_context.ask("pageHeight", which)
        if int(now) > height + 2:
            return True
        if page_context.recorder.observer.in_flight == 0 or page_context.clock.monotonic() >= end:
            return False
        await page_context.guard.pause(_LOOK_S)
