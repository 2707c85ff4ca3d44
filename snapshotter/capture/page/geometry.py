"""
Ask a page for its geometry: how large it is, what scrolls in it, where an element stands.

Questions that need a script are asked in a world of our own (`world.py`,
`scripts/layout.js`). Elements are found through the browser's own DOM domain,
which looks into closed shadow trees as well. All lengths are CSS pixels from the
page's upper left corner.
"""

import math
from dataclasses import dataclass
from typing import Any

from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.browser.isolated_worlds import IsolatedWorlds
from snapshotter.errors import SnapshotterError

_MATCHES = 1_000  # elements of one selector that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """A rectangle of the page, CSS pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def bottom(self) -> int:
        return self.top + self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class InnerBox:
    """A box that scrolls in the page's place."""

    name: str  # a way to it that a person can follow
    whole: int  # height of all that it holds
    shown: int  # height that is seen at once
    top: int  # how far it is scrolled

    @property
    def hidden(self) -> int:
        return max(0, self.whole - self.shown)


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundElement:
    """The element that a selector names."""

    area: Area
    matches: int  # how many elements the selector names, those without a box included


class PageGeometry:
    """
    Questions to one page.

    Args:
        limit_s: For each question.
    """

    def __init__(
        self, session: CDPSession, worlds: IsolatedWorlds, guard: CallGuard, limit_s: float
    ) -> None:
        self._session = session
        self._worlds = worlds
        self._guard = guard
        self._limit_s = limit_s

    async def size(self) -> tuple[int, int]:
        """Return width and height of the page."""
        size = (await self._send("the page's size", "Page.getLayoutMetrics"))["cssContentSize"]
        return max(1, round(size["width"])), max(1, round(size["height"]))

    async def drawn(self) -> None:
        """Return when two frames were drawn."""
        await self._worlds.ask_main("drawn", limit_s=self._limit_s)

    async def inner_box(self, top: int | None = None, *, anew: bool = False) -> InnerBox | None:
        """
        Return the box that scrolls in the page's place, if there is one and it is still there.

        Args:
            top: Scroll it there before.
            anew: Look for one; else the one that was found last is told.
        """
        told = await self._worlds.ask_main("innerBox", top, anew, limit_s=self._limit_s)
        if not told["there"]:
            return None
        return InnerBox(
            name=str(told["name"]),
            whole=int(told["whole"]),
            shown=int(told["shown"]),
            top=int(told["top"]),
        )

    async def shows_something(self, top: int, bottom: int, colour: bytes) -> bool:
        """
        Say whether the page has text or images between two heights that are not of `colour`.

        Args:
            colour: Samples of 8 bits, red first; one or two are grey.
        """
        rgb = colour[:3] if len(colour) >= 3 else colour[:1] * 3
        told = await self._worlds.ask_main(
            "showsSomething", top, bottom, list(rgb), limit_s=self._limit_s
        )
        return bool(told["shows"])

    async def find(self, selector: str) -> FoundElement:
        """
        Return the first element that a selector names and that has a box.

        Elements of the main document and of its shadow trees, closed ones too.

        Raises:
            SnapshotterError: No such element, none with a box, or no selector.
        """
        document = await self._send("the document", "DOM.getDocument", depth=-1, pierce=True)
        matches: list[int] = []
        for root in _roots(document["root"]):
            try:
                answer = await self._send(
                    "an element", "DOM.querySelectorAll", nodeId=root, selector=selector
                )
            except PlaywrightError as error:
                raise SnapshotterError(f"{selector}: no selector that the browser knows") from error
            matches += [int(node) for node in answer["nodeIds"]]
        view = (await self._send("the page's size", "Page.getLayoutMetrics"))["cssVisualViewport"]
        for node in matches[:_MATCHES]:
            try:
                quad = (await self._send("an element", "DOM.getBoxModel", nodeId=node))["model"][
                    "border"
                ]
            except PlaywrightError:
                continue  # it is not laid out
            across, down = quad[0::2], quad[1::2]
            left, top = min(across) + view["pageX"], min(down) + view["pageY"]
            right, bottom = max(across) + view["pageX"], max(down) + view["pageY"]
            area = Area(
                left=max(0, math.floor(left)),
                top=max(0, math.floor(top)),
                width=math.ceil(right) - max(0, math.floor(left)),
                height=math.ceil(bottom) - max(0, math.floor(top)),
            )
            if area.width > 0 and area.height > 0:
                return FoundElement(area=area, matches=len(matches))
        what = "nothing on the page" if not matches else "nothing that is laid out"
        raise SnapshotterError(f"{selector}: {what}")

    async def _send(self, what: str, method: str, **parameters: object) -> dict[str, Any]:
        return await self._guard.call(what, self._session.send(method, parameters), self._limit_s)


def _roots(node: dict[str, Any]) -> list[int]:
    """Return the ids of a document and of all shadow roots in it that the page made."""
    roots, left = [int(node["nodeId"])], [node]
    while left:
        at = left.pop()
        left += at.get("children", [])
        for shadow in at.get("shadowRoots", []):
            if shadow.get("shadowRootType") != "user-agent":
                roots.append(int(shadow["nodeId"]))
                left.append(shadow)
    return roots
