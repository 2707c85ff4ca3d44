"""
Find the element of an HTML document that the selector of a text block names.

Such a selector (`model/page.py`, docs/spec/layout.md) is a path of child numbers from the root,
`html > body > div:nth-child(2)`, and not any selector of CSS. Each step leads to one element, so
no document can make the search slow.
"""

import re
from typing import Any

MAX_DEPTH = 250  # elements one in another
_STEP = re.compile(r"([a-z_][a-z0-9_:.-]*)(?::nth-child\((\d{1,6})\))?", re.IGNORECASE)


class ElementPaths:
    """
    The elements of one document by their paths.

    Args:
        root: Of the document, an element of lxml; it must not change any more.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[str, Any] = {}
        self._children: dict[Any, list[Any]] = {}

    def at(self, path: str) -> Any | None:
        """Return the element of a path; None where the document has no such one."""
        if path in self._known:
            return self._known[path]
        before, _, last = path.rpartition(" > ")
        step = _STEP.fullmatch(last)
        found = None
        if step is not None and path.count(" > ") <= MAX_DEPTH:
            tag = step[1].lower()
            if not before:
                found = self._root if self._root.tag == tag else None
            elif (parent := self.at(before)) is not None:
                found = self._child(parent, tag, int(step[2] or 0))
        self._known[path] = found
        return found

    def _child(self, parent: Any, tag: str, number: int) -> Any | None:
        if not number:
            return next(iter(parent.iterchildren(tag)), None)
        children = self._children.get(parent)
        if children is None:  # lxml counts to a child each time
            children = self._children[parent] = list(parent.iterchildren("*"))
        child = children[number - 1] if number <= len(children) else None
        return child if child is not None and child.tag == tag else None
