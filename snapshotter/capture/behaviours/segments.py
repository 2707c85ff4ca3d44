"""
Read and photograph, stretch by stretch, a page that shows only a part of itself at a time.

Some pages remove the rows that are out of view (virtualised lists), and some scroll inside of an
element. No single document or picture holds all of such a page. For each stretch, a picture is
written, and a line of `capture/segments.jsonl`. The line has the text that the stretch before did
not have.
"""

import asyncio

from snapshotter.capture.behaviours.scrolling import ScrollResult
from snapshotter.capture.page_context import PageContext
from snapshotter.capture.pictures.screenshot_command import ScreenshotCommand
from snapshotter.capture.spool import replace_lone_surrogates
from snapshotter.formats import canonical_json
from snapshotter.formats.page.png import read_header
from snapshotter.value_class import dataclass

_LOOK_S = 0.05  # between two looks at whether rows have come
_ROWS_S = 1.0  # for the rows of a stretch to come
_SHARE = 0.3  # most of the time that is left: the whole page is still to be photographed
_LINES = 2_000  # of one stretch that are compared with the one before
_TEXT = 200_000  # characters of one stretch
_ALL_TEXT = 20_000_000
# Why reading ended, as a clause.
_ENDS = {
    "bottom": "the end of the page was reached",
    "segments": "the limit of parts was reached",
    "time": "the time limit was reached",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentsRead:
    """How many stretches were read, and why reading ended."""

    count: int
    end: str  # a clause


async def read_segments(
    page_context: PageContext, shutter: ScreenshotCommand, scrolled: ScrollResult
) -> SegmentsRead:
    """
    Go from the top to the bottom once more; write `capture/segments.jsonl` and the pictures.

    Raises:
        CallTimeout, ScriptError, PlaywrightError, SnapshotterError: A stretch could not be read.
            What was read before is written all the same.
    """
    decision, clock, spool = page_context.decision, page_context.clock, page_context.spool
    end = clock.monotonic() + min(
        decision.limits.scroll_s, max(0.0, page_context.guard.remaining_s) * _SHARE
    )
    which = 1 if scrolled.container else 0
    lines: list[bytes] = []
    before: list[str] = []
    top = length = 0
    stopped = "bottom"
    try:
        while True:
            if len(lines) >= decision.segments:
                stopped = "segments"
                break
            if clock.monotonic() >= end:
                stopped = "time"
                break
            at, text = await _rows(page_context, top, which)
            here = text.splitlines()
            new = _new_lines(before[:_LINES], here[:_LINES]) + here[_LINES:]
            added_text = replace_lone_surrogates("\n".join(new)) if length < _ALL_TEXT else ""
            length += len(added_text)
            name = f"capture/segment-{len(lines) + 1:03}.png"
            note = f"the viewport, scrolled to CSS pixel {at['top']} of {at['height']}"
            png = await shutter.take(
                "a picture of a part of the page", decision.limits.tile_s, optimizeForSpeed=True
            )
            read_header(png)  # an empty answer is no picture
            await asyncio.to_thread(spool.write, name, "image/png", png, step="settle", note=note)
            now = clock.now()
            line = {
                "at": canonical_json.instant(now),
                "at_ms": canonical_json.milliseconds(now),
                "height_px": at["height"],
                "picture": name,
                "text": added_text,
                "top_px": at["top"],
                "view_px": at["view"],
            }
            lines.append(canonical_json.dumps(line) + b"\n")
            before = here
            if at["top"] + at["view"] >= at["height"] - 2 or at["top"] < top:
                break
            top = at["top"] + max(1, int(at["view"] * decision.scroll_step))
    finally:
        if lines:
            await asyncio.to_thread(
                spool.write, "capture/segments.jsonl", "application/jsonl", b"".join(lines),
                step="settle", note="the parts of the page, each with the text that the part adds",
            )  # fmt: skip
            page_context.builder.note("read-segments", f"parts: {len(lines)}; {_ENDS[stopped]}")
    return SegmentsRead(count=len(lines), end=_ENDS[stopped])


async def _rows(page_context: PageContext, top: int, which: int) -> tuple[dict[str, int], str]:
    """Scroll to a position, and wait until its rows do not change while something loads."""
    end = page_context.clock.monotonic() + _ROWS_S
    text: str | None = None
    while True:
        answer = await page_context.ask("segment", top, which)
        read = str(answer["text"])[:_TEXT]
        is_same, text = read == text, read
        if page_context.clock.monotonic() >= end or (
            is_same and page_context.recorder.observer.in_flight == 0
        ):
            return {name: int(answer[name]) for name in ("top", "view", "height")}, text
        if page_context.recorder.observer.in_flight:
            await page_context.guard.pause(_LOOK_S)


def _new_lines(before: list[str], here: list[str]) -> list[str]:
    """Return the lines that the previous stretch did not have, in order; repeated lines stay."""
    from difflib import SequenceMatcher

    matcher = SequenceMatcher(None, before, here, autojunk=False)
    return [
        line
        for kind, _, _, start, end in matcher.get_opcodes()
        if kind in ("insert", "replace")
        for line in here[start:end]
    ]
