"""
Read the text of a page with all its frames and shadow trees, and what its form controls hold.

`capture/page.txt` is UTF-8 with the line breaks of the layout (`innerText`): blocks end lines, and
the characters are those of the page, unchanged. The text of the main frame comes first. The other
parts follow, each below one of these lines:

    --- shadow root of <tag> ---
    --- frame: <url> ---

A frame is followed by its shadow trees (open and closed, without those of the browser's own
controls). The frames are in the order in which the browser has them.

`capture/form-values.jsonl` has what form controls hold; the text files do not.

`capture/page-normalised.txt` is the same text for searching and comparing, not verbatim.
`capture/page-hidden.txt` has text that is in the documents but that a reader does not see. Each
block stands below the reason why it is hidden.
"""

from collections import Counter
from typing import Any

from snapshotter.capture.browser.call_guard import CallTimeout
from snapshotter.capture.browser.cdp_sessions import ProtocolError
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds, ScriptError
from snapshotter.capture.redaction.redactor import clean_text, clean_url
from snapshotter.capture.spool import replace_lone_surrogates
from snapshotter.formats.page.form_values import FormValue
from snapshotter.model.capture import MissingGlyphs
from snapshotter.value_class import dataclass

_SHADOW_ROOTS = 500  # most that are read in one frame
_FRAME_S = 2.0
_ELEMENTS = 100_000  # of a document that the browser tells us whole, to find closed trees in it


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """The text of a page, and which parts of it are missing."""

    text: str
    hidden: str  # "" when nothing is
    forms: tuple[FormValue, ...]  # what form controls hold
    glyphs: tuple[MissingGlyphs, ...]  # of all frames, the script with most first
    missing: tuple[str, ...]  # in words, one a frame


async def read_text(worlds: IsolatedWorlds, *, limit_s: float) -> PageText:
    """
    Return the text of all frames.

    Raises:
        CallTimeout, ScriptError: The main frame did not answer. Other frames that do not are
            named in the result.
    """
    missing: list[str] = []
    elements = int((await worlds.ask_main("measure", limit_s=limit_s))["nodes"])
    try:
        if elements > _ELEMENTS:
            missing.append(
                f"the text of closed shadow trees is missing, because the page has {elements} "
                f"elements and the limit is {_ELEMENTS} elements"
            )
        else:
            failures = await worlds.adopt_closed_roots(limit_s)
            missing += [
                f"the text of closed shadow trees is missing: {words}" for words in failures
            ]
    except (CallTimeout, ScriptError, ProtocolError) as error:
        missing.append(f"the text of closed shadow trees is missing: {_first_line(error)}")
    await worlds.meet(_FRAME_S)
    if worlds.unfollowed_targets:
        missing.append(
            "the text of frames that cannot be read is missing (processes: "
            f"{worlds.unfollowed_targets})"
        )
    rules = {"shadowRoots": _SHADOW_ROOTS}
    answers = await worlds.ask_all("read", rules, limit_s=limit_s, frame_s=_FRAME_S)
    parts: list[str] = []
    hidden: list[str] = []
    forms: list[FormValue] = []
    glyphs: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for answer in answers:
        name = clean_url(answer.frame.url) or "about:blank"
        line = [] if answer.frame.is_main else [f"--- frame: {name} ---"]
        parts += line
        if answer.value is None:
            missing.append(f"the text of the frame {name} is missing: {answer.failure}")
            continue
        parts += _parts(answer.value)
        if answer.value["hidden"]:
            hidden += [*line, *_hidden_parts(answer.value["hidden"])]
        forms += [_form_value(name, field) for field in answer.value["forms"]]
        for found in answer.value["glyphs"]:
            script = str(found["script"])
            glyphs[script] += int(found["count"])
            examples.setdefault(script, str(found["characters"]))
        missing += [f"frame {name}: {words}"[:300] for words in answer.value["failed"]]
    return PageText(
        text=_joined(parts),
        hidden=_joined(hidden),
        forms=tuple(forms),
        glyphs=tuple(
            MissingGlyphs(script=script, count=count, characters=examples[script])
            for script, count in sorted(glyphs.items(), key=lambda pair: (-pair[1], pair[0]))
        ),
        missing=tuple(missing),
    )


def _joined(parts: list[str]) -> str:
    text = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return text + "\n" if text else ""


def _hidden_parts(blocks: list[dict[str, Any]]) -> list[str]:
    return [f"--- {block['reason']}: {block['path']} ---\n{block['text']}" for block in blocks]


def _form_value(frame: str, reported: dict[str, Any]) -> FormValue:
    value, checked = reported.get("value"), reported.get("checked")
    return FormValue(
        frame=frame,
        path=replace_lone_surrogates(str(reported["path"])),
        type=str(reported["type"]),
        name=replace_lone_surrogates(str(reported["name"])),
        value=replace_lone_surrogates(value) if isinstance(value, str) else None,
        checked=checked if isinstance(checked, bool) else None,
        changed=reported["changed"] is True,
        shown=reported["shown"] is True,
        withheld=reported.get("withheld") is True,
    )


def _parts(value: dict[str, Any]) -> list[str]:
    parts = [str(value["text"])]
    for shadow in value["shadows"]:
        parts += [f"--- shadow root of <{shadow['host']}> ---", str(shadow["text"])]
    if more := int(value["more"]):
        parts.append(f"--- shadow roots that are not in this file: {more} ---")
    return parts


def _first_line(error: Exception) -> str:
    return (clean_text(str(error)).splitlines() or [type(error).__name__])[0][:200]
