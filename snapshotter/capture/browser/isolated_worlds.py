"""
Run our own scripts in every frame of a page, in JavaScript worlds that the page cannot reach.

A page may replace anything that a script depends on: `Array.prototype`, `JSON`, `Promise`,
`scrollTo`. So our scripts run in an isolated world, which shares the document with the page and
none of its objects (`Page.createIsolatedWorld`). The library (`scripts/*.js`) is loaded once for
each document; after that a call is one message and one answer.

Frames in other processes have sessions of their own, which are reached through those of their
parents (`cdp_sessions.py`).
"""

import asyncio
import itertools
import secrets
import sys
from dataclasses import field
from functools import cache
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, CDPSession, Page
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout, PageLost
from snapshotter.capture.browser.cdp_sessions import CdpSession, CdpTargets, Params, ProtocolError
from snapshotter.capture.redaction.redactor import clean_text
from snapshotter.value_class import dataclass

_WORLD = "snapshotter"
_SCRIPTS = Path(__file__).with_name("scripts")
_FILES = (
    "base",
    "scroll",
    "media",
    "changes",
    "text",
    "glyphs",
    "controls",
    "layout",
    "blocks",
    "forms",
)
_FRAMES = 200  # most that scripts run in
_LOOK_S = 0.02  # between two looks at a condition
_NEW = (  # messages when the document was gone before the call was made
    "Cannot find context",
    "uniqueContextId not found",
)
_GONE = (  # messages when it went before it had answered
    *_NEW,
    "context was destroyed",
    "Inspected target navigated",
    "Promise was collected",
    "Not attached to an active page",
    "No frame",
    "No frame for given id",
    "the target is gone",
    "Frame with the given",
)
_CALL = """function (library, name, args) {
  const it = globalThis[library];
  return it ? it[name](...args) : null;
}"""


class ScriptError(Exception):
    """A frame did not do what one of our scripts requested."""


class FrameGone(ScriptError):
    """The frame went to another document, or was removed, before it answered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PageFrame:
    """One frame of the page, as it is now."""

    id: str  # the browser's
    url: str
    is_main: bool
    is_unreachable: bool  # an error page of the browser replaces it
    session: CdpSession = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameResult:
    """The answer of one frame, or why there is none."""

    frame: PageFrame
    value: Any = None
    failure: str = ""


class IsolatedWorlds:
    """
    Runs our scripts in the frames of one page.

    Args:
        guard: Bounds every call.
    """

    def __init__(self, guard: CallGuard) -> None:
        self._guard = guard
        # No page may guess it: should a number of a world ever be stale and name the page's
        # own, our call finds nothing there.
        self._library = f"_{secrets.token_hex(16)}"
        self._main: CdpSession | None = None
        self._main_id = ""
        self._children: dict[str, CdpSession] = {}  # by the id of their outermost frame
        self._urls: dict[str, str] = {}  # of those frames, as they were reported last
        self._strange: set[CdpSession] = set()  # that are there, and not followed (yet)
        self._refused: set[CdpSession] = set()  # of those, that will not be
        self._ended: set[CdpSession] = set()
        self._contexts: dict[str, tuple[CdpSession, int]] = {}  # by frame
        self._scheduled: dict[str, float] = {}  # by frame: when it goes on, on the loop's clock
        self._found: set[str] = set()  # frames that existed at the last listing
        self._order: dict[str, int] = {}  # frames as they were put in, by id
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self._targets = CdpTargets(
            listener=self._on_event, begin=self._begin, spawn=self._spawn, gone=self._forget
        )

    async def attach(self, context: BrowserContext, page: Page, limit_s: float) -> None:
        """
        Begin to follow the page's frames.

        Raises:
            CallTimeout, PlaywrightError, ProtocolError: The browser did not answer well.
        """
        cdp = await self._guard.call(
            "opening a session of the browser", context.new_cdp_session(page), limit_s
        )
        await self._guard.call("following frames", self._follow(cdp), limit_s)

    @property
    def unfollowed_targets(self) -> int:
        """How many processes hold frames of the page and cannot be reached."""
        return len(self._strange)

    @property
    def known_frames(self) -> frozenset[str]:
        """Ids of the page's frames, as far as the browser reported them."""
        return frozenset({self._main_id, *self._children, *self._order, *self._found})

    @property
    def scheduled(self) -> tuple[float, ...]:
        """When frames go to another document, as they announced it; on the loop's clock."""
        return tuple(self._scheduled.values())

    async def meet(self, limit_s: float) -> None:
        """Wait up to a limit for frames that are being attached."""
        end = asyncio.get_running_loop().time() + limit_s
        while self._strange - self._refused and asyncio.get_running_loop().time() < end:
            await self._guard.pause(_LOOK_S)

    async def frames(self, limit_s: float) -> tuple[PageFrame, ...]:
        """
        Return the frames, the main one first, each before those inside it.

        For a process that does not list its frames, only the outermost one is returned.

        Raises:
            CallTimeout: The main process did not answer.
        """
        return await self._guard.call("reading the frames", self._frames(), limit_s)

    async def ask(self, frame: PageFrame, name: str, *args: object, limit_s: float) -> Any:
        """
        Call a function of our library in a frame and return its answer.

        Raises:
            CallTimeout: No answer within `limit_s`.
            FrameGone: The document went meanwhile.
            ScriptError: The function failed, or the browser refused.
        """
        return await self._guard.call(
            f"the call {name} in a frame", self._ask(frame.id, frame.session, name, args), limit_s
        )

    async def ask_main(self, name: str, *args: object, limit_s: float) -> Any:
        """Call a function of our library in the main frame; see `ask`."""
        return await self._guard.call(
            name, self._ask(self._main_id, self._need_main(), name, args), limit_s
        )

    async def ask_all(
        self, name: str, *args: object, limit_s: float, frame_s: float
    ) -> list[FrameResult]:
        """
        Call a function in every frame at once; the main frame's answer comes first.

        Args:
            limit_s: For the main frame.
            frame_s: For each other frame; the result of one that does not answer has the failure.

        Raises:
            CallTimeout, FrameGone, ScriptError: Of the main frame.
        """
        frames = await self.frames(limit_s)
        main = asyncio.ensure_future(self.ask(frames[0], name, *args, limit_s=limit_s))
        others = [
            asyncio.ensure_future(self._answer(frame, name, args, frame_s)) for frame in frames[1:]
        ]
        try:
            value = await main
            return [FrameResult(frame=frames[0], value=value), *[await other for other in others]]
        finally:
            for task in (main, *others):
                task.cancel()

    async def adopt_closed_roots(self, limit_s: float) -> tuple[str, ...]:
        """
        Pass closed shadow roots, which no script can find, to the library of their frames.

        Returns:
            What could not be passed, as sentences.
        """
        sessions = [self._need_main(), *self._children.values()]
        failures = await self._guard.call(
            "reading closed shadow trees",
            asyncio.gather(*[self._adopt(session) for session in sessions], return_exceptions=True),
            limit_s,
        )
        if isinstance(failures[0], ProtocolError):
            raise _translated(failures[0]) from failures[0]
        described: list[str] = []
        for session, failure in zip(sessions, failures, strict=True):
            if isinstance(failure, ProtocolError | ScriptError):
                described += [] if session in self._ended else [clean_text(str(failure))[:200]]
            elif isinstance(failure, BaseException):
                raise failure
            else:
                described += [failure] if failure else []
        return tuple(described)

    async def stop_page_scripts(self, limit_s: float) -> tuple[str, ...]:
        """
        Stop the scripts of the page in all its processes, and let none run any more.

        Our scripts go on, because they run in worlds of their own.

        Returns:
            What had no effect, as sentences.
        """
        orders: tuple[tuple[str, Params], ...] = (
            # Side by side: what runs has to end before a process takes the first order.
            ("Emulation.setScriptExecutionDisabled", {"value": True}),
            ("Runtime.terminateExecution", {}),
        )
        ends = await asyncio.gather(
            *[
                self._guard.call(method, session.send(method, params), limit_s)
                for session in (self._need_main(), *self._children.values())
                for method, params in orders
            ],
            return_exceptions=True,
        )
        failures = [error for error in ends if isinstance(error, Exception)]
        if lost := [failure for failure in failures if isinstance(failure, PageLost)]:
            raise lost[0]
        return tuple(clean_text(str(failure))[:200] for failure in failures)

    # Frames and their sessions

    async def _follow(self, cdp: CDPSession) -> None:
        session = self._targets.listen(cdp, _EVENTS)
        self._main = session
        tree, *_ = await asyncio.gather(
            session.send("Page.getFrameTree"),
            session.send("Page.enable"),
            self._targets.follow(session, ("iframe",), wait=False),
        )
        self._main_id = tree["frameTree"]["frame"]["id"]

    async def _begin(self, session: CdpSession) -> None:
        if session not in self._ended:
            self._strange.add(session)
        try:
            tree, *_ = await asyncio.gather(
                session.send("Page.getFrameTree"),
                session.send("Page.enable"),
                self._targets.follow(session, ("iframe",), wait=False),
            )
        except ProtocolError:
            self._refused.add(session)
            raise
        self._strange.discard(session)
        frame = tree["frameTree"]["frame"]
        self._children[frame["id"]] = session
        self._urls[frame["id"]] = str(frame.get("url", ""))

    def _spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(self._quietly(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _quietly(self, work: Any) -> None:
        try:
            await work
        except (ProtocolError, PlaywrightError):
            return  # a frame that went before it was followed

    def _forget(self, session: CdpSession) -> None:
        self._ended.add(session)
        self._strange.discard(session)
        for known in (self._children, self._contexts):
            for name, value in tuple(known.items()):
                if value is session or (isinstance(value, tuple) and value[0] is session):
                    del known[name]
                    self._urls.pop(name, None)

    def _on_event(self, session: CdpSession, method: str, params: Params) -> None:
        if method == "Page.frameAttached":
            self._order.setdefault(params["frameId"], next(self._numbers))
        elif method == "Page.frameScheduledNavigation":
            due = asyncio.get_running_loop().time() + float(params.get("delay", 0))
            self._scheduled[params["frameId"]] = due
        elif method == "Page.frameClearedScheduledNavigation":
            self._scheduled.pop(params["frameId"], None)
        elif method == "Page.frameNavigated":
            frame = params["frame"]
            self._scheduled.pop(frame["id"], None)
            self._contexts.pop(frame["id"], None)
            if self._children.get(frame["id"]) is session:
                self._urls[frame["id"]] = str(frame.get("url", ""))
        elif method == "Page.frameDetached":
            if params.get("reason") == "remove":
                self._order.pop(params["frameId"], None)
                self._scheduled.pop(params["frameId"], None)
            known = self._contexts.get(params["frameId"])
            if known is not None and known[0] is session:
                del self._contexts[params["frameId"]]

    async def _frames(self) -> tuple[PageFrame, ...]:
        main = self._need_main()
        children = tuple(self._children.items())
        trees = await asyncio.gather(
            main.send("Page.getFrameTree"),
            *[child.send("Page.getFrameTree") for _, child in children],
            return_exceptions=True,
        )
        if isinstance(trees[0], ProtocolError):
            raise _translated(trees[0]) from trees[0]
        if isinstance(trees[0], BaseException):
            raise trees[0]
        below: dict[str, list[PageFrame]] = {}
        for (name, session), tree in zip((("", main), *children), trees, strict=True):
            if not isinstance(tree, BaseException):
                _collect(tree["frameTree"], session, self._main_id, below)
            elif session not in self._ended:
                outermost = PageFrame(
                    id=name,
                    url=self._urls.get(name, ""),
                    is_main=False,
                    is_unreachable=False,
                    session=session,
                )
                below.setdefault("?", []).append(outermost)
        found: list[PageFrame] = []
        seen: set[str] = set()
        pending = below.pop("", [])
        while pending:
            frame = pending.pop(0)
            if frame.id in seen:
                continue
            seen.add(frame.id)
            found.append(frame)
            inside = below.pop(frame.id, [])
            inside.sort(key=lambda frame: self._order.get(frame.id, sys.maxsize))
            pending[:0] = inside
        # Frames whose parent is not known, because its process did not answer.
        found += [frame for rest in below.values() for frame in rest if frame.id not in seen]
        self._found = {frame.id for frame in found}
        return tuple(found[:_FRAMES])

    # Calls

    async def _answer(
        self, frame: PageFrame, name: str, args: tuple[object, ...], limit_s: float
    ) -> FrameResult:
        try:
            return FrameResult(
                frame=frame, value=await self.ask(frame, name, *args, limit_s=limit_s)
            )
        except (CallTimeout, ScriptError) as error:
            words = clean_text(str(error)).splitlines() or [type(error).__name__]
            return FrameResult(frame=frame, failure=words[0][:200])

    async def _ask(
        self, frame_id: str, session: CdpSession, name: str, args: tuple[object, ...]
    ) -> Any:
        for attempt in range(2):
            context = await self._context(frame_id, session)
            try:
                answer = await session.send(
                    "Runtime.callFunctionOn",
                    {
                        "functionDeclaration": _CALL,
                        "executionContextId": context,
                        "arguments": [
                            {"value": argument} for argument in (self._library, name, args)
                        ],
                        "returnByValue": True,
                        "awaitPromise": True,
                    },
                )
            except ProtocolError as error:
                self._contexts.pop(frame_id, None)
                if attempt == 0 and any(words in str(error) for words in _NEW):
                    continue
                raise _translated(error) from error
            value = _value(answer)
            if value is not None or attempt:
                return value
            self._contexts.pop(frame_id, None)  # another world under the same number
        raise FrameGone("the document of the frame was closed")

    async def _context(self, frame_id: str, session: CdpSession) -> int:
        """Return the number of our world in a frame, with the library loaded."""
        known = self._contexts.get(frame_id)
        if known is not None and known[0] is session:
            return known[1]
        try:
            made = await session.send(
                "Page.createIsolatedWorld", {"frameId": frame_id, "worldName": _WORLD}
            )
            number = int(made["executionContextId"])
            answer = await session.send(
                "Runtime.evaluate",
                {
                    "expression": _library().replace("LIBRARY", self._library),
                    "contextId": number,
                    "returnByValue": True,
                },
            )
        except ProtocolError as error:
            raise _translated(error) from error
        _value(answer)
        self._contexts[frame_id] = (session, number)
        return number

    async def _adopt(self, session: CdpSession) -> str:
        """Pass the closed shadow roots of one process on; return what could not be passed."""
        # Flattened: as a tree, the browser cannot encode a document of thousands of levels.
        await session.send("DOM.enable")
        document = await session.send("DOM.getFlattenedDocument", {"depth": -1, "pierce": True})
        found = _closed_roots(document["nodes"])
        root_frame = self._main_id
        for frame_id, known in self._children.items():
            if known is session:
                root_frame = frame_id
        handing = [
            self._hand_over(session, frame or root_frame, node) for frame, node in found[:_ROOTS]
        ]
        _, *ends = await asyncio.gather(
            session.send(
                "DOM.disable"
            ),  # or each change of the document would be reported from now on
            *handing,
            return_exceptions=True,
        )
        # One that its page took away meanwhile has no text to miss.
        failed = [end for end in ends if end is not None and _NO_NODE not in str(end)]
        if failed:
            return (
                f"{len(failed)} of {len(found)} trees could not be read: "
                f"{clean_text(str(failed[0]))[:200]}"
            )
        return (
            f"snapshotter read only {_ROOTS} of {len(found)} trees, because the limit is {_ROOTS} "
            "trees"
            if found[_ROOTS:]
            else ""
        )

    async def _hand_over(self, session: CdpSession, frame_id: str, node: int) -> None:
        context = await self._context(frame_id, session)
        handle = await session.send(
            "DOM.resolveNode", {"backendNodeId": node, "executionContextId": context}
        )
        answer = await session.send(
            "Runtime.callFunctionOn",
            {
                "objectId": handle["object"]["objectId"],
                "functionDeclaration": "function (library) { globalThis[library].adopt(this); }",
                "arguments": [{"value": self._library}],
            },
        )
        _value(answer)

    def _need_main(self) -> CdpSession:
        if self._main is None:
            raise RuntimeError("the page's frames are not followed yet")
        return self._main


_EVENTS = (
    "Page.frameAttached",
    "Page.frameNavigated",
    "Page.frameDetached",
    "Page.frameScheduledNavigation",
    "Page.frameClearedScheduledNavigation",
)
_ROOTS = 500  # closed shadow roots of one process
_NO_NODE = "No node with given id"


@cache
def _library() -> str:
    """Return the scripts as one expression, which does nothing where it has run before."""
    parts = "\n".join((_SCRIPTS / f"{name}.js").read_text(encoding="utf-8") for name in _FILES)
    return (
        f'globalThis["LIBRARY"] ??= (() => {{ "use strict"; const lib = {{}};\n{parts}\n'
        "return lib; })(); 1"
    )


def _collect(
    tree: dict[str, Any], session: CdpSession, main_id: str, below: dict[str, list[PageFrame]]
) -> None:
    """Add the frames of a process, by the id of the frame that each is in."""
    pending = [tree]
    while pending:
        node = pending.pop(0)
        frame = node["frame"]
        is_main = frame["id"] == main_id
        below.setdefault("" if is_main else frame.get("parentId", "?"), []).append(
            PageFrame(
                id=frame["id"],
                url=str(frame.get("url", "")) + str(frame.get("urlFragment", "")),
                is_main=is_main,
                is_unreachable=bool(frame.get("unreachableUrl")),
                session=session,
            )
        )
        pending[:0] = node.get("childFrames", [])


def _closed_roots(nodes: list[dict[str, Any]]) -> list[tuple[str, int]]:
    """
    Return frame and backend node id of each closed shadow root.

    Args:
        nodes: Of a document, its shadow trees and its frames, each naming its parent. The frame
            of the outermost document is "".
    """
    above: dict[int, int] = {}
    frames: dict[int, str] = {}  # by the id of a document, later of every requested node
    roots: list[tuple[int, int]] = []
    for node in nodes:
        if "parentId" in node:
            above[node["nodeId"]] = node["parentId"]
        for shadow in node.get("shadowRoots", []):
            above[shadow["nodeId"]] = node["nodeId"]
            if shadow.get("shadowRootType") == "closed":
                roots.append((shadow["nodeId"], shadow["backendNodeId"]))
        if "contentDocument" in node:
            frames[node["contentDocument"]["nodeId"]] = node.get("frameId", "")

    def frame_of(node: int) -> str:
        path = []
        while node not in frames and node in above:
            path.append(node)
            node = above[node]
        frames.update(dict.fromkeys(path, frames.get(node, "")))
        return frames.get(node, "")

    return [(frame_of(node), backend) for node, backend in roots]


def _value(answer: Params) -> Any:
    details = answer.get("exceptionDetails")
    if details is None:
        return answer.get("result", {}).get("value")
    thrown = details.get("exception", {})
    words = str(thrown.get("description") or thrown.get("value") or details.get("text", ""))
    if any(word in words for word in _GONE):
        raise FrameGone("the document of the frame was closed")
    raise ScriptError(clean_text(words)[:300])


def _translated(error: ProtocolError) -> ScriptError:
    words = clean_text(str(error))[:300]
    if any(word in words for word in _GONE):
        return FrameGone(words)
    return ScriptError(words)
