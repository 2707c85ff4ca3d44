"""
Parse CSS selectors, and find all elements of a document that they match in one pass.

The syntax is Selectors Level 3; `:not` is the only pseudo-class. The usual way, by XPath, can need
hours for `div div div a` on a page that was built for it. Here each element is visited once, with
the known matches of its ancestors and earlier siblings. The time grows only with the size of the
page and of the selector.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import cssselect
from cssselect import parser

from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MAX_LENGTH = 500  # characters
_MAX_PARTS = 60  # compound selectors, of all alternatives
_MAX_CLASSES = 64  # of one element
_MAX_CALLED = 4_096  # ways in which elements of a page are called, that are remembered
_COMBINATORS = (" ", ">", "+", "~")
_TESTS: dict[str, Callable[[str, str], bool]] = {
    "=": lambda have, want: have == want,
    "~=": lambda have, want: want in have.split(),
    "|=": lambda have, want: have == want or have.startswith(f"{want}-"),
    "^=": lambda have, want: bool(want) and have.startswith(want),
    "$=": lambda have, want: bool(want) and have.endswith(want),
    "*=": lambda have, want: bool(want) and want in have,
}
_Test = Callable[[Any], bool]  # of one element of lxml


@dataclass(frozen=True, slots=True)
class _CompoundSelector:
    """A compound selector, and how it hangs on the one before it."""

    combinator: str  # "" for the first
    names: tuple[_Test, ...]  # of tag, id and classes
    rest: tuple[_Test, ...]  # of anything else
    key: str = ""  # "#id", ".class" or a tag, one that an element has to have; "" if there is none

    def fits(self, element: Any) -> bool:
        """Whether an element is what this step says, wherever it stands."""
        return all(test(element) for test in self.names) and all(
            test(element) for test in self.rest
        )


@dataclass(slots=True)
class _MatchState:
    """What is known at an element: bit i of each is set where step i of a selector matched."""

    own: int  # the element itself
    above: int  # it or an ancestor
    before: int = 0  # its child before this one
    earlier: int = 0  # any child before this one


class Selector:
    """A list of selectors, parsed."""

    def __init__(self, chains: tuple[tuple[_CompoundSelector, ...], ...]) -> None:
        self._steps: list[
            tuple[int, int, _CompoundSelector]
        ] = []  # its bit, that of the one before it
        self._last = 0
        bit = 1
        for chain in chains:
            previous = 0
            for step in chain:
                self._steps.append((bit, previous, step))
                previous, bit = bit, bit << 1
            self._last |= previous

    def walk(self, root: Any) -> Iterator[tuple[Any, bool]]:
        """Yield every element under `root` in its order, and whether it or an ancestor matches."""
        from lxml import etree

        stack = [_MatchState(own=0, above=0)]
        for event, element in etree.iterwalk(root, events=("start", "end")):
            if not isinstance(element.tag, str):
                continue  # a comment
            if event == "end":
                stack.pop()
                continue
            parent = stack[-1]
            own = self._matched(element, parent)
            parent.before, parent.earlier = own, parent.earlier | own
            stack.append(_MatchState(own=own, above=parent.above | own))
            yield element, bool(stack[-1].above & self._last)

    def _matched(self, element: Any, parent: _MatchState) -> int:
        own = 0
        for bit, previous, step in self._steps:
            if _combinator_holds(step, previous, parent) and step.fits(element):
                own |= bit
        return own

    @property
    def keys(self) -> frozenset[str] | None:
        """
        What an element has to have to match, one of these: "#id", ".class" or a tag.

        None where that is not all that has to be looked for: it hangs on other elements, or one
        that matches has no name that is asked for.
        """
        if any(previous or not step.key for _, previous, step in self._steps):
            return None
        return frozenset(step.key for _, _, step in self._steps)

    def fits(self, element: Any) -> bool:
        """Whether an element matches, by itself. For one whose `keys` say so."""
        return any(step.fits(element) for _, _, step in self._steps)


def _combinator_holds(step: _CompoundSelector, previous: int, parent: _MatchState) -> bool:
    """Whether the step before this one matched where this one's combinator says."""
    if not step.combinator:
        return True
    if step.combinator == " ":
        return bool(parent.above & previous)
    if step.combinator == ">":
        return bool(parent.own & previous)
    return bool((parent.before if step.combinator == "+" else parent.earlier) & previous)


class Selectors:
    """
    Many lists of selectors, matched in one walk.

    At each element only those steps are looked at that begin with its tag, its id or one of
    its classes: hundreds of selectors cost little more than one.

    Raises:
        SnapshotterError: One is no selector.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_key: dict[str, list[tuple[int, int, _CompoundSelector]]] = {}
        self._ends: dict[int, list[str]] = {}  # bit of a last step: whose
        self._last = 0
        # Of elements called alike, which steps they can be. A page has thousands that are.
        self._of_name: dict[
            tuple[str, str | None, str | None], list[tuple[int, int, _CompoundSelector]]
        ] = {}
        bit = 1
        for text in dict.fromkeys(texts):
            for chain in _chains(text):
                previous = 0
                for step in chain:
                    self._by_key.setdefault(step.key, []).append((bit, previous, step))
                    previous, bit = bit, bit << 1
                self._ends.setdefault(previous, []).append(text)
                self._last |= previous

    def find(self, root: Any, *, most: int, elements: int) -> dict[str, list[Any]]:
        """
        Return the elements that each selector matches, in the document's order.

        Args:
            most: For each selector; what comes after these is left out.
            elements: That are looked at; what stands behind them is not found.
        """
        from lxml import etree

        found: dict[str, list[Any]] = {}
        stack = [_MatchState(own=0, above=0)]
        for event, element in etree.iterwalk(root, events=("start", "end")):
            if not isinstance(element.tag, str):
                continue  # a comment
            if event == "end":
                stack.pop()
                continue
            elements -= 1
            if elements < 0:
                break
            parent = stack[-1]
            own = self._matched(element, parent)
            parent.before, parent.earlier = own, parent.earlier | own
            stack.append(_MatchState(own=own, above=parent.above | own))
            if ended := own & self._last:
                for text in self._names(ended):
                    matches = found.setdefault(text, [])
                    if len(matches) < most and (not matches or matches[-1] is not element):
                        matches.append(element)
        return found

    def _names(self, bits: int) -> Iterator[str]:
        while bits:
            lowest = bits & -bits
            yield from self._ends[lowest]
            bits ^= lowest

    def _matched(self, element: Any, parent: _MatchState) -> int:
        called = (element.tag, element.get("id"), element.get("class"))
        possible = self._of_name.get(called)
        if possible is None:
            possible = self._possible(element, called)
        own = 0
        for bit, previous, step in possible:
            if _combinator_holds(step, previous, parent) and all(
                test(element) for test in step.rest
            ):
                own |= bit
        return own

    def _possible(
        self, element: Any, called: tuple[str, str | None, str | None]
    ) -> list[tuple[int, int, _CompoundSelector]]:
        """Return the steps that an element of this tag, id and classes can be."""
        keys = ["", element.tag]
        if called[1] is not None:
            keys.append(f"#{called[1]}")
        if called[2]:
            keys += [
                f".{class_name}" for class_name in dict.fromkeys(called[2].split()[:_MAX_CLASSES])
            ]
        found = [
            row
            for key in keys
            for row in self._by_key.get(key, ())
            if all(test(element) for test in row[2].names)
        ]
        if len(self._of_name) < _MAX_CALLED:
            self._of_name[called] = found
        return found


def parse_selector(text: str) -> Selector:
    """
    Return a selector.

    Raises:
        SnapshotterError: None, or with something that is not matched here.
    """
    return Selector(tuple(_chains(text)))


def _chains(text: str) -> list[tuple[_CompoundSelector, ...]]:
    """Return the steps of each alternative of a list of selectors."""
    if len(text) > _MAX_LENGTH:
        raise SnapshotterError(
            tr("the selector has more than {max_length} characters", max_length=_MAX_LENGTH)
        )
    try:
        chains = []
        for alternative in cssselect.parse(text):
            if alternative.pseudo_element is not None:
                raise _unknown(text, f"::{alternative.pseudo_element}")
            chains.append(tuple(_chain(alternative.parsed_tree, text)))
    except (cssselect.SelectorError, RecursionError) as error:
        raise SnapshotterError(
            tr("{text!r} is not a CSS selector: {error}", text=text, error=error), hint=_HINT
        ) from error
    if sum(map(len, chains)) > _MAX_PARTS:
        raise SnapshotterError(
            tr("the selector has more than {max_parts} parts", max_parts=_MAX_PARTS)
        )
    return chains


_HINT = "give a selector such as 'main h2 a' or '.news-list > li a[href^=\"/news/\"]'"


def _chain(tree: Any, text: str) -> Iterator[_CompoundSelector]:
    if not isinstance(tree, parser.CombinedSelector):
        yield _step("", tree, text)
        return
    yield from _chain(tree.selector, text)
    if tree.combinator not in _COMBINATORS:
        raise _unknown(text, tree.combinator)
    yield _step(tree.combinator, tree.subselector, text)


def _step(combinator: str, tree: Any, text: str) -> _CompoundSelector:
    tests = tuple(_tests(tree, text))
    return _CompoundSelector(
        combinator,
        tuple(test for of_name, test in tests if of_name),
        tuple(test for of_name, test in tests if not of_name),
        _key(tree),
    )


def _key(tree: Any) -> str:
    """Return what an element has to have for a compound selector, of what is found by name."""
    while not isinstance(tree, parser.Element):
        if isinstance(tree, parser.Hash):
            return f"#{tree.id}"
        if isinstance(tree, parser.Class):
            return f".{tree.class_name}"
        tree = tree.selector
    return str(tree.element or "").lower()


def _tests(tree: Any, text: str) -> Iterator[tuple[bool, _Test]]:
    """Yield what an element has to be for a compound selector; True: tag, id or class say so."""
    if isinstance(tree, parser.Element):
        name = (tree.element or "").lower()
        if name:
            yield True, lambda element: element.tag == name
        return
    if isinstance(tree, parser.Negation):
        yield from _tests(tree.selector, text)
        inner = tuple(test for _, test in _tests(tree.subselector, text))
        yield False, lambda element: not all(test(element) for test in inner)
        return
    if isinstance(tree, parser.Hash):
        yield from _tests(tree.selector, text)
        wanted = tree.id
        yield True, lambda element: element.get("id") == wanted
        return
    if isinstance(tree, parser.Class):
        yield from _tests(tree.selector, text)
        name = tree.class_name
        yield True, lambda element: name in element.get("class", "").split()
        return
    if isinstance(tree, parser.Attrib):
        yield from _tests(tree.selector, text)
        yield False, _attribute(tree, text)
        return
    raise _unknown(text, str(getattr(tree, "ident", "") or getattr(tree, "name", "") or tree))


def _attribute(tree: Any, text: str) -> _Test:
    name = tree.attrib.lower()
    if tree.operator == "exists":
        return lambda element: element.get(name) is not None
    if tree.operator not in _TESTS:
        raise _unknown(text, tree.operator)
    test, value = _TESTS[tree.operator], str(tree.value.value)
    return lambda element: (
        test(element.get(name, ""), value) if element.get(name) is not None else False
    )


def _unknown(text: str, what: str) -> SnapshotterError:
    return SnapshotterError(
        tr(
            "the selector {text!r} contains {what!r}, which snapshotter does not support",
            text=text,
            what=what,
        ),
        hint=_HINT,
    )
