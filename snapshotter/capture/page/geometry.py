"""
Measure a page: its size, the box that scrolls in it, and the position of an element.

Measures that need a script run in an isolated world (`scripts/layout.js`). Elements are found
through the browser's DOM domain, which also looks into closed shadow trees. All lengths are CSS
pixels from the page's upper left corner.
"""

import math
from typing import Any

from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.page_context import PageContext
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

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
    """Measures one page."""

    def __init__(self, page_context: PageContext) -> None:
        self._page_context = page_context

    async def size(self) -> tuple[int, int]:
        """Return width and height of the page."""
        size = (await self._page_context.send("measuring the page", "Page.getLayoutMetrics"))[
            "cssContentSize"
        ]
        return max(1, round(size["width"])), max(1, round(size["height"]))

    async def drawn(self) -> None:
        """Wait until two frames are drawn."""
        await self._page_context.ask("drawn")

    async def inner_box(self, top: int | None = None, *, anew: bool = False) -> InnerBox | None:
        """
        Return the box that scrolls in the place of the page, if there still is one.

        Args:
            top: Scroll the box to this position before.
            anew: Search for a box; otherwise the one that was found last is measured.
        """
        measured = await self._page_context.ask("innerBox", top, anew)
        if not measured["there"]:
            return None
        return InnerBox(
            name=str(measured["name"]),
            whole=int(measured["whole"]),
            shown=int(measured["shown"]),
            top=int(measured["top"]),
        )

    async def shows_something(self, top: int, bottom: int, colour: bytes) -> bool:
        """
        Return whether the page has text or images between two heights that are not of `colour`.

        Args:
            colour: Samples of 8 bits, red first; one or two are grey.
        """
        rgb = colour[:3] if len(colour) >= 3 else colour[:1] * 3
        answer = await self._page_context.ask("showsSomething", top, bottom, list(rgb))
        return bool(answer["shows"])

    async def find(self, selector: str) -> FoundElement:
        """
        Return the first element with a box that a selector names.

        Elements of the main document and of its shadow trees are found, closed ones too.

        Raises:
            SnapshotterError: No such element, none with a box, or an invalid selector.
        """
        document = await self._page_context.send(
            "reading the document", "DOM.getDocument", {"depth": -1, "pierce": True}
        )
        matches: list[int] = []
        for root in _roots(document["root"]):
            try:
                answer = await self._page_context.send(
                    "finding an element",
                    "DOM.querySelectorAll",
                    {"nodeId": root, "selector": selector},
                )
            except PlaywrightError as error:
                raise SnapshotterError(
                    tr("{selector} is not a selector that the browser supports", selector=selector)
                ) from error
            matches += [int(node) for node in answer["nodeIds"]]
        view = (await self._page_context.send("measuring the page", "Page.getLayoutMetrics"))[
            "cssVisualViewport"
        ]
        for node in matches[:_MATCHES]:
            try:
                quad = (
                    await self._page_context.send(
                        "measuring an element", "DOM.getBoxModel", {"nodeId": node}
                    )
                )["model"]["border"]
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
        what = (
            "no element of the page matches"
            if not matches
            else "matching elements exist, but none has an area in the layout of the page"
        )
        raise SnapshotterError(f"{selector}: {what}")


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
