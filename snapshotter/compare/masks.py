"""
Apply a policy's masks: parts of a page that a comparison leaves out, such as clocks and counters.

A selector masks whole blocks of text and the picture area under them. A pattern masks the parts of
a block that match it. Masked parts are counted in both captures, and the result states whether
they differed, so that a reader sees when a mask covers a change.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from functools import lru_cache

from snapshotter.errors import SnapshotterError
from snapshotter.formats.page.element_path import ElementPaths
from snapshotter.formats.page.plain_markup import plain_markup
from snapshotter.formats.page.selectors import Selector, parse_selector
from snapshotter.model.comparison import MaskUse
from snapshotter.model.page import Block, Page
from snapshotter.model.request import MaskRules
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

SELECTOR, PATTERN = "selector", "pattern"

MaskPatterns = tuple[tuple[str, re.Pattern[str]], ...]  # each with how it is named

_TEXT = 5_000  # characters of a block that patterns are looked for in, at most
_LEAST_TEXT = 200  # and at least; a pattern that cannot be bounded so is refused
_STEPS = 25_000_000  # that a pattern may take for one block, at worst
_PATTERN = 500  # characters of a pattern
_HTML = 32 << 20  # characters of a document that is parsed for selectors


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskedPage:
    """What masks cover of one page."""

    blocks: frozenset[int]  # numbers of blocks that are left out whole
    stretches: dict[int, tuple[tuple[int, int, str], ...]]  # of a block: start, end, which mask
    covered: dict[tuple[str, str], tuple[str, ...]]  # by mask: the texts
    problem: str = ""  # why selectors could not be matched


@dataclass(frozen=True, slots=True, kw_only=True)
class Masks:
    """Masks as they are applied."""

    selectors: tuple[tuple[str, Selector], ...] = ()
    patterns: MaskPatterns = field(default=())

    def with_patterns(self, more: MaskPatterns) -> "Masks":
        """Return these masks and further patterns, each with its name."""
        return replace(self, patterns=(*self.patterns, *more))

    def of(self, page: Page, texts: Sequence[str]) -> MaskedPage:
        """
        Return what is masked of a page.

        Args:
            texts: Of its blocks; of a page without blocks its lines, which no selector masks.
        """
        covered: dict[tuple[str, str], list[str]] = {}
        blocks: set[int] = set()
        problem = ""
        if self.selectors and not page.blocks:
            problem = "masks by selector were not applied: the capture has no layout"
        elif self.selectors:
            try:
                document = _Covered(page, self.selectors)
            except SnapshotterError as error:
                problem = f"masks by selector were not applied: {error}"
            else:
                for number, block in enumerate(page.blocks):
                    for mask in document.masks_of(block):
                        blocks.add(number)
                        covered.setdefault((SELECTOR, mask), []).append(block.text)
        stretches: dict[int, tuple[tuple[int, int, str], ...]] = {}
        for number, text in enumerate(texts) if self.patterns else ():
            if number not in blocks and (found := find_stretches(text, self.patterns)):
                stretches[number] = tuple(found)
                for start, end, mask in found:
                    covered.setdefault((PATTERN, mask), []).append(text[start:end])
        return MaskedPage(
            blocks=frozenset(blocks),
            stretches=stretches,
            covered={mask: tuple(them) for mask, them in covered.items()},
            problem=problem,
        )

    def counted(self, before: MaskedPage, after: MaskedPage) -> tuple[MaskUse, ...]:
        """Return what each mask of the policy covered, also one that covered nothing."""
        return tuple(
            MaskUse(
                kind=kind,
                mask=mask,
                before=len(before.covered.get((kind, mask), ())),
                after=len(after.covered.get((kind, mask), ())),
                differs=before.covered.get((kind, mask), ()) != after.covered.get((kind, mask), ()),
            )
            for kind, mask in (
                *((SELECTOR, text) for text, _ in self.selectors),
                *((PATTERN, text) for text, _ in self.patterns),
            )
        )


def read(rules: MaskRules) -> Masks:
    """
    Return masks of what a policy names.

    Raises:
        SnapshotterError: A selector that is none, or a pattern that is none or can take
            for ever.
    """
    return Masks(
        selectors=tuple((text, parse_selector(text)) for text in rules.selectors),
        patterns=tuple((text, _pattern(text)) for text in rules.patterns),
    )


def _pattern(text: str) -> re.Pattern[str]:
    if len(text) > _PATTERN:
        raise SnapshotterError(
            tr("a mask must have at most {pattern} characters", pattern=_PATTERN)
        )
    try:
        compiled = re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise SnapshotterError(
            tr(
                "the mask {text!r} is not a valid regular expression: {error}",
                text=text,
                error=error,
            )
        ) from error
    # On a text that was made for it "(a+)+" takes longer than anybody waits, and pages are
    # made by strangers.
    if _can_take_for_ever(text):
        raise SnapshotterError(
            tr(
                "the mask {text!r} repeats a repetition or contains a back-reference, so a "
                "comparison could take very long",
                text=text,
            ),
            hint=tr("do not put + or * on a group that contains + or *"),
        )
    if _reach(text) < _LEAST_TEXT:
        raise SnapshotterError(
            tr(
                "the mask {text!r} can match one text in too many ways, so a comparison could "
                "take very long",
                text=text,
            ),
            hint=tr(
                "use fewer repetitions and alternatives, or put a fixed character between two "
                "repetitions, for example '[0-9]+:[0-9]+'"
            ),
        )
    return compiled


@lru_cache(maxsize=1024)
def _reach(pattern: str) -> int:
    """
    Return in how many characters of a block a pattern can be looked for in bounded work.

    Each repeat without end that can take what the next one takes multiplies the work by the
    length of the text; each choice multiplies it by the number of its ways.
    """
    ways, depth = _effort(pattern)
    return min(_TEXT, int((_STEPS / ways) ** (1 / (depth + 1))))


def _effort(pattern: str) -> tuple[int, int]:
    """Return the ways through a pattern's choices, and how many endless repeats overlap in it."""
    # Of each group that is open: ways of this alternative and of those before it, repeats of
    # this one and most of those before it.
    groups = [[1, 0, 0, 0]]
    running: list[str] = []  # atoms that repeat without end, outside of groups, and may overlap
    at = 0
    while at < len(pattern):
        atom = _ATOM.match(pattern, at)
        at = atom.end() if atom else at + 1
        word = atom[0] if atom else ""
        ways, depth, is_group = 1, 0, False
        if word == "(":
            begins = _GROUP.match(pattern, at)
            at = begins.end() if begins else at
            if not begins or not begins[0].endswith(")"):  # "(?i)" is no group
                groups.append([1, 0, 0, 0])
            continue
        if word == "|":
            group = groups[-1]
            group[:] = [1, group[0] + group[1], 0, max(group[2], group[3])]
            running.clear()
            continue
        if word == ")" and len(groups) > 1:
            group = groups.pop()
            ways, depth, is_group = group[0] + group[1], max(group[2], group[3]), True
        least, most, at = _count(pattern, at)
        group = groups[-1]
        if most is None:
            ways = _MANY if ways > 1 else 1
            depth += 1
        else:
            ways = min(_MANY, ways ** min(most, 20)) * (most - least + 1)
            depth *= most
        if len(groups) == 1 and least and not is_group and _separates(word, running):
            running.clear()
            group[2:] = [0, max(group[2], group[3])]
        if len(groups) == 1 and most is None and not is_group:
            running.append(word)
        elif depth:
            running.append(".")
        group[0] = min(_MANY, group[0] * ways)
        group[2] = min(_MANY, group[2] + depth)
    return groups[0][0] + groups[0][1], max(groups[0][2:])


def _count(pattern: str, at: int) -> tuple[int, int | None, int]:
    """Return how often what ends here is repeated, at least and at most, and where that ends."""
    found = _ANY_REPEAT.match(pattern, at)
    if found is None:
        return 1, 1, at
    mark = found[1]
    if mark in ("*", "+"):
        return (1 if mark == "+" else 0), None, found.end()
    if mark == "?":
        return 0, 1, found.end()
    least, comma, most = mark[1:-1].partition(",")
    if not comma:
        return int(least), int(least), found.end()
    return int(least or 0), (int(most) if most else None), found.end()


def _separates(atom: str, running: Iterable[str]) -> bool:
    """Whether an atom is something that no repeat before it could have taken."""
    letters = _letters(atom)
    return bool(letters) and not any(letters & _letters(text) for text in running)


@lru_cache(maxsize=256)
def _letters(atom: str) -> frozenset[str]:
    """Return the letters that a character, an escape or a class can be, in either case."""
    return frozenset(re.findall(atom, _ALPHABET, re.IGNORECASE | re.DOTALL)) - {""}


_ALPHABET = "".join(map(chr, range(0xD800)))
_MANY = 1_000_000
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|.", re.DOTALL)
_GROUP = re.compile(r"(?:\?(?:P<\w+>|[a-zA-Z-]*[:)]|<?[=!]))?")  # how a group begins, behind "("
_ANY_REPEAT = re.compile(r"([*+?]|\{\d+\}|\{\d*,\d*\})[?+]?")


def _can_take_for_ever(pattern: str) -> bool:
    """Whether something that repeats or has a choice stands in what repeats, or it refers back."""
    plain = re.sub(r"\\[^1-9]|\[\^?\]?(?:\\.|[^\]\\])*\]", "x", pattern)  # no escapes, no classes
    if "\\" in plain or "(?P=" in plain or "(?(" in plain:
        return True
    varies = [False]  # of each group that is open: whether it can match in several ways
    at = 0
    while at < len(plain):
        inner = False
        if plain[at] == "(":
            varies.append(False)
            at += 1
            continue
        if plain[at] == ")" and len(varies) > 1:
            inner = varies.pop()
            varies[-1] |= inner
        elif plain[at] == "|":
            varies[-1] = True
        at += 1
        if (repeat := _REPEAT.match(plain, at)) is not None:
            if inner:
                return True
            varies[-1] = True
            at = repeat.end()
    return False


# What repeats without end, or often; "?" and "{3}" do not.
_REPEAT = re.compile(r"[*+]|\{\d*,\d*\}|\{\d{3,}\}")


class _Covered:
    """Which blocks of a document stand in an element that a mask names."""

    def __init__(self, page: Page, selectors: Iterable[tuple[str, Selector]]) -> None:
        from lxml import etree, html

        if len(page.html) > _HTML:
            raise SnapshotterError(tr("the document has more than {html} characters", html=_HTML))
        try:
            # Comments are gone: what is left are elements, and numbers count those.
            root = html.document_fromstring(plain_markup(page.html))
        except (etree.LxmlError, ValueError) as error:
            raise SnapshotterError(tr("the document cannot be read")) from error
        self._paths = ElementPaths(root)
        self._inside = {
            text: frozenset(element for element, is_in in selector.walk(root) if is_in)
            for text, selector in selectors
        }

    def masks_of(self, block: Block) -> list[str]:
        """Return the masks that cover a block."""
        element = self._paths.at(block.selector)
        return [mask for mask, elements in self._inside.items() if element in elements]


def find_stretches(
    text: str, patterns: Sequence[tuple[str, re.Pattern[str]]]
) -> list[tuple[int, int, str]]:
    """Return what patterns match, in order; of two that overlap the one that begins first."""
    found: list[tuple[int, int, str]] = []
    for mask, pattern in patterns:
        found += [
            (match.start(), match.end(), mask)
            for match in pattern.finditer(text, 0, _reach(mask))
            if match.end() > match.start()
        ]
    kept: list[tuple[int, int, str]] = []
    for run in sorted(found):
        if not kept or run[0] >= kept[-1][1]:
            kept.append(run)
    return kept
