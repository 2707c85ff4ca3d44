"""
Stop all animations of a page, decode its images, and count its images, fonts and frames.

This is the last part of settling. `capture/images.jsonl` gets one line for each image, up to a
limit, with the state of the image: for example loaded or failed.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

from playwright.async_api import CDPSession

from snapshotter.capture.browser.isolated_worlds import FrameResult
from snapshotter.capture.page_context import FRAME_S, PageContext
from snapshotter.capture.redaction.redactor import clean_url
from snapshotter.capture.spool import replace_lone_surrogates
from snapshotter.formats import canonical_json
from snapshotter.model.capture import FontCounts, FrameFacts, FrameState, ImageCounts
from snapshotter.value_class import dataclass

_DECODE_S = 2.0  # for all images of a frame to be decoded
_LINES = 10_000  # images that are listed one by one
_NAMED = 100
_LOST = 1_000  # addresses that did not come, for which styles are searched
_URL_CHARACTERS = 500
_FRAME_URL_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenPage:
    """Facts about a frozen page, which is ready to be photographed."""

    images: ImageCounts
    lines: bytes  # of `capture/images.jsonl`
    fonts: FontCounts
    frames: tuple[FrameFacts, ...]
    title: str
    language: str
    height: int  # CSS pixels of the document
    is_still: bool  # no frame changed since it was held last, and nothing had to be stopped


async def freeze_page(page_context: PageContext, lost: Collection[str]) -> FrozenPage:
    """
    Stop all animations, decode images, and return facts about images, fonts and frames.

    Args:
        lost: Addresses of images and media that did not come, as the page asked for them.

    Raises:
        CallTimeout, ScriptError: The main frame did not answer.
        PlaywrightError: The browser did not stop animations.
    """
    limit = page_context.decision.limits.step_s
    answers, *_ = await asyncio.gather(
        page_context.worlds.ask_all(
            "finish",
            {
                "decodeMs": round(_DECODE_S * 1000),
                "lost": sorted(lost)[:_LOST],
                "lazy": list(page_context.decision.media.lazy_attributes),
            },
            limit_s=limit + _DECODE_S,
            frame_s=FRAME_S + _DECODE_S,
        ),
        page_context.guard.call("animations", _stop_clock(page_context.session), limit),
    )
    if animations := sum(int(answer.value["animations"]) for answer in answers if answer.value):
        page_context.builder.note("stop-animations", f"animations: {animations}")
    if skipped := sum(int(answer.value["skipped"]) for answer in answers if answer.value):
        page_context.builder.note(
            "show-skipped", f"elements with content-visibility auto: {skipped}"
        )
    main = answers[0].value
    return FrozenPage(
        images=_images(answers, lost),
        lines=_lines(answers, lost),
        fonts=_fonts(answers),
        frames=tuple(
            FrameFacts(url=_cut(answer.frame.url, _FRAME_URL_CHARACTERS), state=_state(answer))
            for answer in answers
        ),
        title=str(main["title"]),
        language=str(main["language"])[:100],
        height=int(main["height"]),
        is_still=not animations
        and not skipped
        and all(
            answer.value and not answer.value["touched"] and _is_unchanged(answer.value["since"])
            for answer in answers
        ),
    )


def _is_unchanged(since: Mapping[str, Any]) -> bool:
    """Return whether a frame is as it was; `since` is the answer of `sinceHeld`."""
    counts = ("fresh", "restless", "images", "fonts", "height")
    return not since["isOther"] and not any(since[name] for name in (*counts, "grown"))


async def _stop_clock(cdp: CDPSession) -> None:
    await cdp.send("Animation.enable")
    await cdp.send("Animation.setPlaybackRate", {"playbackRate": 0})


def _images(answers: list[FrameResult], lost: Collection[str]) -> ImageCounts:
    counts = {"loaded": 0, "failed": 0, "pending": 0, "placeholder": 0}
    failed: list[str] = []
    held: list[str] = []
    for answer in answers:
        if not answer.value:
            continue  # a frame that went, or does not answer: see `frames`
        for state, count in answer.value["counts"].items():
            counts[state] += int(count)
        for image in answer.value["images"]:
            if image["state"] == "failed":
                failed.append(image["current"])
            elif image["state"] == "placeholder":
                held.append(image["wanted"])
        for url in answer.value["posters"]:
            counts["failed" if url in lost else "loaded"] += 1
            failed += [url] * (url in lost)
    return ImageCounts(
        wanted=sum(counts.values()),
        **counts,
        failed_urls=tuple(_cut(url, _URL_CHARACTERS) for url in failed[:_NAMED]),
        placeholder_urls=tuple(_cut(url, _URL_CHARACTERS) for url in held[:_NAMED]),
    )


def _lines(answers: list[FrameResult], lost: Collection[str]) -> bytes:
    lines: list[bytes] = []
    for answer in answers:
        if not answer.value:
            continue
        frame = _cut(answer.frame.url, _FRAME_URL_CHARACTERS)
        posters = [
            {
                "alt": "",
                "current": url,
                "height": 0,
                "kind": "poster",
                "state": "failed" if url in lost else "loaded",
                "wanted": "",
                "width": 0,
            }
            for url in answer.value["posters"]
        ]
        for image in [*answer.value["images"], *posters]:
            if len(lines) == _LINES:
                lines.append(canonical_json.dumps({"more": True}) + b"\n")
            if len(lines) > _LINES:
                break
            line = {
                "alt": replace_lone_surrogates(str(image["alt"])),
                "current": _cut(str(image["current"]), _FRAME_URL_CHARACTERS),
                "frame": frame,
                "height_px": int(image["height"]),
                "kind": str(image["kind"]),
                "state": str(image["state"]),
                "wanted": _cut(str(image["wanted"]), _FRAME_URL_CHARACTERS),
                "width_px": int(image["width"]),
            }
            lines.append(canonical_json.dumps(line) + b"\n")
    return b"".join(lines)


def _fonts(answers: list[FrameResult]) -> FontCounts:
    loaded = failed = pending = 0
    names: list[str] = []
    for answer in answers:
        if answer.value:
            faces = answer.value["fonts"]
            loaded += int(faces["loaded"])
            failed += len(faces["failed"])
            pending += len(faces["loading"])
            names += [str(name)[:200] for name in faces["failed"]]
    return FontCounts(
        loaded=loaded, failed=failed, pending=pending, failed_faces=tuple(names[:_NAMED])
    )


def _state(answer: FrameResult) -> FrameState:
    if answer.frame.is_unreachable:
        return FrameState.UNREACHABLE
    if not answer.value:
        return FrameState.SILENT
    measure = answer.value["change"]
    # A frame without a document of its own has <html>, <head> and <body>, and nothing in them.
    if int(measure["nodes"]) <= 3 and not int(measure["text"]):
        return FrameState.EMPTY
    return FrameState.READ


def _cut(url: str, limit: int) -> str:
    return replace_lone_surrogates(clean_url(url))[:limit]
