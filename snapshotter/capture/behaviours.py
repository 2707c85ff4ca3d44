"""
What we do to a page so that it shows all it has.

Scrolling goes in steps of a part of the viewport with two animation frames
each: lazy images are asked for by observers that run once a frame, and a fixed
delay misses some of them on a busy machine. Everything is bounded and recorded
as an `Action`, because it may have changed the page.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Frame, Page
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.guard import Guard, TimeLimit
from snapshotter.capture.recorder import Recorder
from snapshotter.capture.redact import clean_url
from snapshotter.model.capture import ImageCounts
from snapshotter.model.request import Decision
from snapshotter.ports import Clock

_FAILED_URLS = 100
_URL_CHARACTERS = 500
_FRAMES = 200
_FRAME_S = 1.0
_LOOK_S = 0.05  # between two looks at whether a page has settled
_GROWTH_S = 1.0  # how long the bottom of a page may take to grow, while something loads
_SCROLL_SHARE = 0.4  # most of the time that is left: photographs are still to be made

# One step down; answers when two frames were drawn. `instant` wins over smooth scrolling.
_STEP = """(part) => new Promise(done => {
  const root = document.scrollingElement || document.documentElement;
  window.scrollBy({top: Math.max(1, Math.floor(innerHeight * part)), behavior: 'instant'});
  requestAnimationFrame(() => requestAnimationFrame(() => done({
    top: Math.round(window.scrollY), view: innerHeight, height: root ? root.scrollHeight : 0,
  })));
})"""

_TO_TOP = """() => new Promise(done => {
  window.scrollTo({top: 0, left: 0, behavior: 'instant'});
  requestAnimationFrame(() => requestAnimationFrame(() => done(Math.round(window.scrollY))));
})"""

# Images with a source, in open shadow trees too. A lazy one that is not laid
# out at all is not wanted: the browser will never ask for it.
_IMAGES = """(eager) => {
  const found = [], roots = [document];
  while (roots.length) {
    const root = roots.pop();
    found.push(...root.querySelectorAll('img'));
    for (const element of root.querySelectorAll('*'))
      if (element.shadowRoot) roots.push(element.shadowRoot);
  }
  const counts = {wanted: 0, loaded: 0, pending: 0, woken: 0, failed: []};
  for (const image of found) {
    if (!image.getAttribute('src') && !image.getAttribute('srcset') && !image.currentSrc) continue;
    const lazy = image.loading === 'lazy';
    if (!image.complete && lazy && !image.getClientRects().length) continue;
    counts.wanted += 1;
    if (!image.complete) {
      counts.pending += 1;
      if (eager && lazy) { image.loading = 'eager'; counts.woken += 1; }
    } else if (image.naturalWidth > 0) counts.loaded += 1;
    else counts.failed.push(image.currentSrc || image.src);
  }
  return counts;
}"""

_FONTS_READY = "() => document.fonts ? document.fonts.status === 'loaded' : true"

# Running animations end where they would end; endless ones stop where they are.
_FINISH_ANIMATIONS = """() => {
  let count = 0;
  for (const animation of document.getAnimations()) {
    count += 1;
    try { animation.finish(); } catch { animation.pause(); }
  }
  return count;
}"""

Note = Callable[[str, str], None]  # kind and detail of an action


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrolled:
    """How scrolling ended."""

    steps: int
    height: int  # CSS pixels of the page at the end
    stopped: str  # "bottom", or the limit that was reached: "steps", "time", "height"


async def scroll(
    page: Page, recorder: Recorder, guard: Guard, decision: Decision, clock: Clock
) -> Scrolled:
    """
    Go down the page until its end does not move any more, or a limit is reached.

    Raises:
        TimeLimit: The page did not draw.
    """
    limits = decision.limits
    end = clock.monotonic() + min(limits.scroll_s, guard.remaining_s * _SCROLL_SHARE)
    height = 0
    for step in range(1, limits.scroll_steps + 1):
        if clock.monotonic() >= end:
            return Scrolled(steps=step - 1, height=height, stopped="time")
        at = await guard.call(
            "scrolling", page.evaluate(_STEP, decision.scroll_step), limits.step_s
        )
        height = int(at["height"])
        bottom = int(at["top"]) + int(at["view"])
        # Rounded figures: a pixel more or less is the bottom all the same.
        if bottom >= height - 2 and not await _grows(page, recorder, guard, clock, height):
            return Scrolled(steps=step, height=height, stopped="bottom")
        if bottom >= limits.height_px:
            return Scrolled(steps=step, height=height, stopped="height")
    return Scrolled(steps=limits.scroll_steps, height=height, stopped="steps")


async def settle(
    page: Page,
    recorder: Recorder,
    guard: Guard,
    decision: Decision,
    clock: Clock,
    note: Note,
    stuck: int,
) -> str:
    """
    Wait until nothing is under way: images, fonts, requests.

    Args:
        stuck: Requests that will not end because loading was stopped.

    Returns:
        What was still under way when the time ran out, in words; "" when nothing was.
    """
    end = clock.monotonic() + decision.limits.settle_s
    woken = False
    while True:
        images = await count_images(page, guard, wake=not woken)
        if images.woken:
            note("load-lazy-images", f"{images.woken} that scrolling had not reached")
        woken = True
        fonts = await guard.call("fonts", page.evaluate(_FONTS_READY), decision.limits.step_s)
        quiet = (
            recorder.in_flight <= stuck
            and clock.monotonic() - recorder.quiet_since >= decision.quiet_s
        )
        if quiet and fonts and not images.counts.pending:
            return ""
        if clock.monotonic() >= end:
            open_ends = (
                (images.counts.pending, f"{images.counts.pending} images"),
                (recorder.in_flight > stuck, f"{recorder.in_flight - stuck} requests"),
                (not fonts, "fonts"),
            )
            return ", ".join(words for there, words in open_ends if there)
        await guard.pause(_LOOK_S)


async def to_top(page: Page, guard: Guard, limit_s: float) -> None:
    """Scroll back to the top and let it be drawn."""
    await guard.call("scrolling back", page.evaluate(_TO_TOP), limit_s)


async def hold_still(page: Page, session: CDPSession, guard: Guard, limit_s: float) -> int:
    """Finish animations and let none begin; return how many ran."""
    count = 0
    for frame in page.frames[:_FRAMES]:
        try:
            count += int(
                await guard.call("animations", frame.evaluate(_FINISH_ANIMATIONS), _FRAME_S)
            )
        except (TimeLimit, PlaywrightError):
            if frame is page.main_frame:
                raise
    await guard.call("animations", session.send("Animation.enable"), limit_s)
    await guard.call(
        "animations", session.send("Animation.setPlaybackRate", {"playbackRate": 0}), limit_s
    )
    return count


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedImages:
    """Images of all frames, and how many lazy ones were told to load."""

    counts: ImageCounts
    woken: int


async def count_images(page: Page, guard: Guard, *, wake: bool = False) -> CountedImages:
    """
    Count the images that the page wants.

    Args:
        wake: Tell lazy images that are laid out and have not begun to load at once.
    """
    wanted = loaded = pending = woken = 0
    failed: list[str] = []
    for frame in page.frames[:_FRAMES]:
        answer = await _images(frame, guard, wake=wake, needed=frame is page.main_frame)
        wanted += int(answer.get("wanted", 0))
        loaded += int(answer.get("loaded", 0))
        pending += int(answer.get("pending", 0))
        woken += int(answer.get("woken", 0))
        failed += [clean_url(str(url))[:_URL_CHARACTERS] for url in answer.get("failed", [])]
    return CountedImages(
        counts=ImageCounts(
            wanted=wanted,
            loaded=loaded,
            failed=len(failed),
            pending=pending,
            failed_urls=tuple(failed[:_FAILED_URLS]),
        ),
        woken=woken,
    )


async def _grows(page: Page, recorder: Recorder, guard: Guard, clock: Clock, height: int) -> bool:
    """Say whether a page gets longer at its end, as long as it loads something."""
    end = clock.monotonic() + _GROWTH_S
    while True:
        now = await guard.call(
            "the page's height",
            page.evaluate(
                "() => (document.scrollingElement || document.documentElement).scrollHeight"
            ),
            _FRAME_S,
        )
        if int(now) > height + 2:
            return True
        if recorder.in_flight == 0 or clock.monotonic() >= end:
            return False
        await guard.pause(_LOOK_S)


async def _images(frame: Frame, guard: Guard, *, wake: bool, needed: bool) -> dict[str, Any]:
    try:
        answer = await guard.call("counting images", frame.evaluate(_IMAGES, wake), _FRAME_S * 2)
    except (TimeLimit, PlaywrightError):
        if needed:
            raise
        return {}  # a frame that went, or does not answer: its images are not known
    return answer if isinstance(answer, dict) else {}
