"""What a page's frames do not say is named: none of them is left out in silence."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from playwright.async_api import BrowserContext, Page
from playwright.async_api import Error as PlaywrightError

from snapshotter.app.machine import SystemClock
from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds, _closed_roots
from snapshotter.capture.page import text as texts
from snapshotter.capture.page.text import read_text

Refuses = Callable[[str, str], bool]  # whether it refuses a call: of which process, which method

MAIN, CHILD = "main", "child"
CLOSED = {"shadowRootType": "closed", "nodeId": 2, "backendNodeId": 7}


class Browser:
    """
    Stands for the protocol's end of a page with a frame in another process, and closed trees.

    Real ones never refuse these calls at will; `scripts/fault_matrix.py` makes one do so.
    """

    def __init__(self, refuses: Refuses, roots: int = 1, silent: str = "") -> None:
        self._refuses = refuses
        self._silent = silent  # a method that the frame's process never answers
        self._roots = roots
        self._handlers: dict[str, Callable[[dict[str, Any]], None]] = {}
        self.guard = CallGuard(SystemClock(), time.monotonic() + 60)
        self.worlds = IsolatedWorlds(self.guard)

    def on(self, event: str, handler: Callable[[dict[str, Any]], None]) -> None:
        self._handlers[event] = handler

    def tell(self, event: str, **params: Any) -> None:
        self._handlers[event](params)

    async def new_cdp_session(self, _page: object) -> "Browser":
        return self

    async def send(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if method != "Target.sendMessageToTarget":
            return self._answer(MAIN, method, params)
        call = json.loads(params["message"])
        if call["method"] == self._silent:
            return {}
        try:
            said = {"result": self._answer(CHILD, call["method"], call["params"])}
        except PlaywrightError as error:
            said = {"error": {"message": error.message}}
        self.tell(
            "Target.receivedMessageFromTarget",
            sessionId=params["sessionId"],
            message=json.dumps({"id": call["id"], **said}),
        )
        return {}

    def _answer(self, process: str, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self._refuses(process, method):
            raise PlaywrightError("Protocol error: made to fail")
        if method == "Page.getFrameTree":
            return {"frameTree": {"frame": {"id": process, "url": f"https://{process}.example/"}}}
        if method == "DOM.getFlattenedDocument":
            return {"nodes": [{"nodeId": 1, "shadowRoots": self._roots * [CLOSED]}]}
        if method == "DOM.resolveNode":
            return {"object": {"objectId": "1"}}
        if method == "Page.createIsolatedWorld":
            return {"executionContextId": 1}
        if method != "Runtime.callFunctionOn" or "objectId" in params:
            return {}
        text = {
            "text": f"of {process}",
            "shadows": [],
            "more": 0,
            "hidden": [],
            "glyphs": [],
            "forms": [],
        }
        value = {"measure": {"nodes": 9}, "read": {**text, "failed": []}}
        return {"result": {"value": value[params["arguments"][1]["value"]]}}

    def read(self, *, goes: bool = False) -> tuple[str, tuple[str, ...]]:
        """Return the page's text, and what is missing of it."""

        async def main() -> tuple[str, tuple[str, ...]]:
            context, page = cast("BrowserContext", self), cast("Page", None)
            await self.worlds.attach(context, page, 30)
            self.tell("Target.attachedToTarget", sessionId="1")
            for _ in range(20):
                await asyncio.sleep(0)  # it is followed, or it could not be
            if goes:
                self.tell("Target.detachedFromTarget", sessionId="1")
            read = await read_text(self.worlds, limit_s=30)
            return read.text, read.missing

        return asyncio.run(main())


ALL = "of main\n\n--- frame: https://child.example/ ---\n\nof child\n"


def test_a_page_that_answers_lacks_nothing() -> None:
    assert Browser(lambda *_: False).read() == (ALL, ())


@pytest.mark.parametrize("method", ["Page.enable", "Page.getFrameTree", "Target.setAutoAttach"])
def test_a_frame_that_can_not_be_followed_is_missing(method: str) -> None:
    browser = Browser(lambda process, called: (process, called) == (CHILD, method))

    text, missing = browser.read()

    assert text == "of main\n"
    assert missing == ("the text of frames that cannot be read is missing (processes: 1)",)


def test_a_frame_that_says_nothing_is_waited_for_and_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(texts, "_FRAME_S", 0.05)

    text, missing = Browser(lambda *_: False, silent="Page.enable").read()

    assert text == "of main\n"
    assert missing == ("the text of frames that cannot be read is missing (processes: 1)",)


def test_a_frame_that_could_not_be_followed_and_is_gone_is_not_missing() -> None:
    browser = Browser(lambda process, called: (process, called) == (CHILD, "Page.enable"))

    assert browser.read(goes=True) == ("of main\n", ())


def test_a_frame_whose_process_does_not_say_what_it_holds_is_asked_all_the_same() -> None:
    seen: list[str] = []

    def later(process: str, method: str) -> bool:
        seen.append(f"{process} {method}")
        return seen.count("child Page.getFrameTree") > 1 and seen[-1] == "child Page.getFrameTree"

    assert Browser(later).read() == (ALL, ())


@pytest.mark.parametrize("method", ["DOM.getFlattenedDocument", "DOM.resolveNode"])
@pytest.mark.parametrize("process", [MAIN, CHILD])
def test_a_closed_tree_that_can_not_be_read_is_missing(process: str, method: str) -> None:
    browser = Browser(lambda *called: called == (process, method))

    text, missing = browser.read()

    assert text == ALL
    (said,) = missing
    assert said.startswith("the text of closed shadow trees is missing: ")
    assert said.endswith("Protocol error: made to fail")


def test_closed_trees_beyond_the_limit_are_missing() -> None:
    _, missing = Browser(lambda *_: False, roots=502).read()

    assert missing == 2 * (
        "the text of closed shadow trees is missing: snapshotter read only 500 of 502 trees, "
        "because the limit is 500 trees",
    )


def test_a_closed_tree_is_found_in_its_frame_however_deep_the_document_is() -> None:
    levels: list[dict[str, Any]] = [
        {"nodeId": number, "parentId": number - 1} for number in range(2, 100_000)
    ]
    inner = {
        "nodeId": 100_002,
        "parentId": 100_001,
        "shadowRoots": [CLOSED | {"nodeId": 5_000_000}],
    }
    nodes: list[dict[str, Any]] = [
        inner,
        {"nodeId": 100_000, "parentId": 99_999, "shadowRoots": [CLOSED | {"nodeId": 4_000_000}]},
        {"nodeId": 99, "frameId": "f", "contentDocument": {"nodeId": 100_001}},
        *reversed(levels),
    ]

    assert _closed_roots(nodes) == [("f", 7), ("", 7)]
