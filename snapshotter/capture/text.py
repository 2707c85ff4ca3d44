"""
The text and the document of a page, of all its frames and shadow trees.

`capture/page.txt` is UTF-8 with the line breaks that the layout gives
(`innerText`): blocks end lines, characters are those of the page, untouched.
The main frame comes first; after it, each under a line of its own,

    --- shadow root of <tag> ---
    --- frame: <url> ---

follow the shadow trees of the frame above (open and closed, those of the
browser's own controls left out) and the frames, in the order in which the
browser has them.
"""

from dataclasses import dataclass
from typing import Any

from snapshotter.capture.guard import TimeLimit
from snapshotter.capture.redact import clean_text, clean_url
from snapshotter.capture.targets import ProtocolError
from snapshotter.capture.world import WorldError, Worlds

_SHADOW_ROOTS = 500  # most that are read in one frame
_FRAME_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """The text of a page and what of it could not be had."""

    text: str
    missing: tuple[str, ...]  # in words, one a frame


async def read_text(worlds: Worlds, *, limit_s: float) -> PageText:
    """
    Return the text of all frames.

    Raises:
        TimeLimit, WorldError: The main frame did not answer. Other frames that do not are
            named in the result.
    """
    missing: list[str] = []
    try:
        await worlds.adopt_closed_roots(limit_s)
    except (TimeLimit, WorldError, ProtocolError) as error:
        missing.append(f"text of closed shadow trees: {_first_line(error)}")
    answers = await worlds.ask_all("text", _SHADOW_ROOTS, limit_s=limit_s, frame_s=_FRAME_S)
    parts: list[str] = []
    for answer in answers:
        name = clean_url(answer.frame.url) or "about:blank"
        if not answer.frame.is_main:
            parts.append(f"--- frame: {name} ---")
        if answer.value is None:
            missing.append(f"text of frame {name}: {answer.failure}")
        else:
            parts += _parts(answer.value)
    text = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return PageText(text=text + "\n" if text else "", missing=tuple(missing))


async def read_document(worlds: Worlds, *, limit_s: float) -> str:
    """Return the main frame's document as it stands, doctype included."""
    answer = await worlds.ask_main("html", limit_s=limit_s)
    return str(answer["html"])


def _parts(value: dict[str, Any]) -> list[str]:
    parts = [str(value["text"])]
    for shadow in value["shadows"]:
        parts += [f"--- shadow root of <{shadow['host']}> ---", str(shadow["text"])]
    if more := int(value["more"]):
        parts.append(f"--- {more} more shadow roots: they are not here ---")
    return parts


def _first_line(error: Exception) -> str:
    return (clean_text(str(error)).splitlines() or [type(error).__name__])[0][:200]
