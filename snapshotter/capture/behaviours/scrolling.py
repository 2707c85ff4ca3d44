"""
Down the page, so that what loads when it comes near the viewport loads.

Steps are a part of the viewport with two animation frames each: lazy images are
asked for by observers that run once a frame, and a fixed delay misses some of
them on a busy machine. Where the document does not scroll and a large element
in it does, that element is scrolled.
"""

from dataclasses import dataclass
from typing import Any

from snapshotter.capture.behaviours.stage import Stage, change

_FRAME_S = 1.0
_LOOK_S = 0.05  # between two looks at whether the page grows
_GROWTH_S = 1.0  # how long the bottom of a page may take to grow, while something loads
_SCROLL_SHARE = 0.4  # most of the time that is left: photographs are still to be made
_BLOCKED = 2  # steps in a row that do not go down: the page does not let itself be scrolled
_VANISHED_SEEN = 6  # blocks to judge by
_VANISHED_PERCENT = 40  # of them that are gone, on a page that takes away what is out of view


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrolled:
    """How scrolling ended."""

    steps: int
    height: int  # CSS pixels of what was scrolled, at the end
    stopped: str  # "bottom", or what ended it before: "steps", "time", "height", "blocked"
    container: str = ""  # a way to the element that scrolls in the document's place
    virtualised: bool = False  # the page takes away what is out of view


async def scroll(stage: Stage) -> Scrolled:
    """
    Go down the page until its end does not move any more, or a limit is reached.

    Raises:
        TimeLimit: The page did not draw.
        WorldError, WorldGone: It did not answer.
    """
    limits, clock = stage.decision.limits, stage.clock
    end = clock.monotonic() + min(limits.scroll_s, stage.guard.remaining_s * _SCROLL_SHARE)
    begun = await stage.ask("beginScroll")
    container = str(begun["inner"])
    which = 1 if container else 0
    if int(begun["height"]) <= int(begun["view"]) and not container:
        # All of it is in view; the document may still grow, which is for settling to see.
        return Scrolled(steps=0, height=int(begun["height"]), stopped="bottom")
    steps, height, stopped = await _go_down(stage, which, end)
    ended = await stage.ask("endScroll", which)
    seen, gone = int(ended["seen"]), int(ended["gone"])
    scrolled = Scrolled(
        steps=steps,
        height=height,
        stopped=stopped,
        container=container,
        virtualised=seen >= _VANISHED_SEEN and gone * 100 >= seen * _VANISHED_PERCENT,
    )
    where = f", in {container}" if container else ""
    stage.note(
        "scroll",
        f"{steps} steps, {height} px, stopped at: {stopped}{where}",
        change(begun["change"], ended["change"]),
    )
    return scrolled


async def to_top(stage: Stage) -> bool:
    """Scroll back to the top and let it be drawn; say whether the page was anywhere else."""
    answer: dict[str, Any] = await stage.ask("toTop")
    if answer["moved"]:
        stage.note("return-to-top", "")
    return bool(answer["moved"])


async def _go_down(stage: Stage, which: int, end: float) -> tuple[int, int, str]:
    """Return steps, height and what stopped it."""
    limits = stage.decision.limits
    height = blocked = 0
    for step in range(1, limits.scroll_steps + 1):
        if stage.clock.monotonic() >= end:
            return step - 1, height, "time"
        at = await stage.ask("scrollStep", stage.decision.scroll_step, which)
        height = int(at["height"])
        bottom = int(at["top"]) + int(at["view"])
        # Rounded figures: a pixel more or less is the bottom all the same.
        if bottom >= height - 2:
            if not await _grows(stage, which, height):
                return step, height, "bottom"
            continue
        if bottom >= limits.height_px:
            return step, height, "height"
        blocked = blocked + 1 if int(at["moved"]) <= 0 else 0
        if blocked == _BLOCKED:
            return step, height, "blocked"
    return limits.scroll_steps, height, "steps"


async def _grows(stage: Stage, which: int, height: int) -> bool:
    """Say whether a page gets longer at its end, as long as it loads something."""
    end = stage.clock.monotonic() + _GROWTH_S
    while True:
        now = await stage.ask("pageHeight", which, limit_s=_FRAME_S)
        if int(now) > height + 2:
            return True
        if stage.recorder.in_flight == 0 or stage.clock.monotonic() >= end:
            return False
        await stage.guard.pause(_LOOK_S)
