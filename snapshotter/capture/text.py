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

Text and document are read in Playwright's own world, where a page cannot
replace what `innerText` means.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession, Frame, Page
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.guard import Guard, TimeLimit
from snapshotter.capture.redact import clean_text, clean_url

_SHADOW_ROOTS = 500  # most that are read in one frame
_FRAMES = 200
_FRAME_S = 2.0
# Of a shadow root: it has no innerText itself, its elements have.
_TEXT_OF_ROOT = """function () {
  const parts = [];
  for (const node of this.childNodes) {
    if (node.nodeType === Node.TEXT_NODE) parts.push(node.data.trim());
    else if (node instanceof HTMLElement && !/^(STYLE|SCRIPT|TEMPLATE)$/.test(node.tagName))
      parts.push(node.innerText);
  }
  return parts.filter(part => part).join("\\n");
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageText:
    """The text of a page and what of it could not be had."""

    text: str
    missing: tuple[str, ...]  # in words, one a frame


async def read_text(page: Page, session: CDPSession, guard: Guard, *, limit_s: float) -> PageText:
    """
    Return the text of all frames.

    Raises:
        TimeLimit: The main frame did not answer. Other frames that do not are named in the result.
    """
    parts = [await guard.call("the text", _frame_text(page.main_frame, limit_s), limit_s)]
    missing: list[str] = []
    try:
        parts += await guard.call("the text of shadow trees", _shadow_texts(session), limit_s)
    except (TimeLimit, PlaywrightError) as error:
        missing.append(f"text of shadow trees: {_first_line(error)}")
    frames = [frame for frame in page.frames if frame is not page.main_frame]
    for frame in frames[:_FRAMES]:
        name = clean_url(frame.url) or "about:blank"
        parts.append(f"--- frame: {name} ---")
        try:
            parts.append(await guard.call("a frame", _frame_text(frame, _FRAME_S), _FRAME_S))
            parts += await guard.call("a frame", _frame_shadow_texts(page, frame), _FRAME_S)
        except (TimeLimit, PlaywrightError) as error:
            missing.append(f"text of frame {name}: {_first_line(error)}")
    if len(frames) > _FRAMES:
        missing.append(f"text of {len(frames) - _FRAMES} more frames")
    text = "\n\n".join(part.strip("\n") for part in parts if part.strip())
    return PageText(text=text + "\n" if text else "", missing=tuple(missing))


async def read_document(page: Page, guard: Guard, *, limit_s: float) -> str:
    """Return the main frame's document as it stands, doctype included."""
    return await guard.call("the document", page.main_frame.content(), limit_s)


async def _frame_text(frame: Frame, limit_s: float) -> str:
    if await frame.locator("body").count():
        return await frame.locator("body").first.inner_text(timeout=limit_s * 1000)
    return await frame.evaluate("document.documentElement?.textContent ?? ''") or ""


async def _frame_shadow_texts(page: Page, frame: Frame) -> list[str]:
    try:
        session = await page.context.new_cdp_session(frame)
    except PlaywrightError:
        return []  # it lives in its parent's process, whose session has shown its shadow trees
    try:
        return await _shadow_texts(session)
    finally:
        await session.detach()


async def _shadow_texts(session: CDPSession) -> list[str]:
    tree = await session.send("DOM.getDocument", {"depth": -1, "pierce": True})
    parts = []
    for count, (host, root) in enumerate(_shadow_roots(tree["root"])):
        if count == _SHADOW_ROOTS:
            parts.append(f"--- more than {_SHADOW_ROOTS} shadow roots: the others are not here ---")
            break
        handle = await session.send("DOM.resolveNode", {"backendNodeId": root})
        answer = await session.send(
            "Runtime.callFunctionOn",
            {
                "objectId": handle["object"]["objectId"],
                "functionDeclaration": _TEXT_OF_ROOT,
                "returnByValue": True,
            },
        )
        text = answer["result"].get("value")
        if isinstance(text, str) and text.strip():
            parts += [f"--- shadow root of <{host}> ---", text]
    return parts


def _shadow_roots(root: dict[str, Any]) -> Iterator[tuple[str, int]]:
    """Yield host and backend id of each shadow root, in document order, without recursion."""
    pending = [root]
    while pending:
        node = pending.pop()
        shadows = node.get("shadowRoots", [])
        for shadow in shadows:
            if shadow.get("shadowRootType") != "user-agent":
                yield node["nodeName"].lower(), shadow["backendNodeId"]
        below = [*shadows, *node.get("children", [])]
        if "contentDocument" in node:
            below.append(node["contentDocument"])
        pending.extend(reversed(below))


def _first_line(error: Exception) -> str:
    return (clean_text(str(error)).splitlines() or [type(error).__name__])[0][:200]
