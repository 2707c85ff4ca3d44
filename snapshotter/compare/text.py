"""
The text of two captures, block by block: the main region apart from all that stands around it.

Blocks are aligned within their part of the page (what a reader came for, what else a reader
sees, what no reader sees); of blocks that are not in both, like ones are paired and compared
word by word, and the same words somewhere else have moved. A capture from before layouts were
kept has lines in the place of blocks.
"""

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from snapshotter.compare import words
from snapshotter.compare.masks import MaskedPage, Masks
from snapshotter.compare.sequences import Budget, align, gaps
from snapshotter.compare.words import Word
from snapshotter.model.assessment import Assessment
from snapshotter.model.comparison import (
    MAIN_REGIONS,
    BlockChange,
    BlockKind,
    Masked,
    Op,
    Piece,
    Place,
    State,
    TextComparison,
)
from snapshotter.model.page import Page
from snapshotter.model.reading import Region

STEPS: Final = 40_000_000  # of alignment, for one pair of captures: some ten seconds at most

_PAIRS = 20_000  # in a gap: of more, only those with one selector are looked at
# A word takes some hundred bytes. Of a longer block, and of a page of more characters together, it
# is told whether blocks differ, and not in which words.
_LONG_BLOCK = 200_000
_LONG_PAGE = 1_000_000
_LIKE = 0.3  # the share of words that two blocks have in common to be one, changed
_MARKS = frozenset({"标题已修改", "標題已修改", "内容已修改", "內容已修改", "已编辑", "已編輯"})

_MAIN, _REST, _HIDDEN = range(3)


@dataclass(frozen=True, slots=True, kw_only=True)
class Texts:
    """What there is to say about two texts."""

    comparison: TextComparison
    masked: tuple[Masked, ...]
    marks: tuple[tuple[str, ...], tuple[str, ...]]  # of the platform, of edits: before, after
    # Numbers of blocks that the policy leaves out, or of which no more than that differs.
    left_out: tuple[frozenset[int], frozenset[int]]


@dataclass(slots=True)
class _Block:
    """A block of either capture while it is compared."""

    number: int  # in its page
    text: str
    stretches: tuple[tuple[int, int, str], ...]  # that are masked
    key: str
    place: Place

    @property
    def words(self) -> tuple[Word, ...]:
        """Made again each time: a page has millions."""
        return words.words(self.text, self.stretches)


@dataclass(frozen=True, slots=True)
class _Side:
    groups: tuple[list[_Block], list[_Block], list[_Block]]
    knows_main: bool
    masked: MaskedPage
    marks: tuple[str, ...]


def compare(
    before: Page,
    after: Page,
    assessed_before: Assessment | None,
    assessed_after: Assessment | None,
    masks: Masks,
) -> Texts:
    """
    Return what differs between the texts of two captures.

    Args:
        assessed_before: Whose regions say what the main region is; None where there is none.
    """
    lines = not (before.blocks and after.blocks)  # one of them has no layout: the same for both
    budget = Budget(STEPS)
    long = max(_length(before, lines=lines), _length(after, lines=lines)) > _LONG_PAGE
    one = _side(before, assessed_before, masks, lines=lines, long=long)
    other = _side(after, assessed_after, masks, lines=lines, long=long)
    changes: list[BlockChange] = []
    gone: list[_Block] = []
    come: list[_Block] = []
    coarse: list[str] = []
    respelled = 0
    for first, second in zip(one.groups, other.groups, strict=True):
        found = align([it.key for it in first], [it.key for it in second], budget)
        if found.coarse:
            coarse.append(
                "blocks: too many differ to be aligned; some may stand as removed and added"
            )
        for run in found.runs:
            respelled += sum(
                not _same_spelling(first[run.first + n], second[run.second + n])
                for n in range(run.length)
            )
        for a, b, c, d in gaps(found.runs, len(first), len(second)):
            paired, removed, added = _paired(first[a:b], second[c:d], budget)
            gone += removed
            come += added
            for it, its in paired:
                if long or max(len(it.text), len(its.text)) > _LONG_BLOCK:
                    coarse.append("words of blocks: a text is too long to be compared by words")
                    pieces = words.as_wholes(it.text, its.text)
                else:
                    left, right = it.words, its.words
                    pieces = words.compare(
                        it.text, its.text, budget, words_before=left, words_after=right
                    )
                    if pieces.coarse:
                        coarse.append(f"words of a block of {len(left)}: too many differ")
                changes.append(
                    BlockChange(
                        kind=BlockKind.CHANGED,
                        before=it.place,
                        after=its.place,
                        pieces=pieces.pieces,
                    )
                )
    changes += _moved_and_left(gone, come)
    order = {id(it.place): n for s in (one, other) for g in s.groups for n, it in enumerate(g)}
    changes.sort(key=lambda it: (not it.in_main, _is_hidden(it), order[id(it.after or it.before)]))
    main, detail = _main(one, other, changes)
    problems = dict.fromkeys(filter(None, (one.masked.problem, other.masked.problem)))
    return Texts(
        comparison=TextComparison(
            main=main,
            elsewhere=_state(it for it in changes if not it.in_main and not _is_hidden(it)),
            hidden=_state(filter(_is_hidden, changes)),
            detail=detail,
            changes=tuple(changes),
            respelled=respelled,
            coarse=tuple(dict.fromkeys((*coarse, *problems))),
        ),
        masked=masks.counted(one.masked, other.masked),
        marks=(one.marks, other.marks),
        left_out=(_left_out(one, changes), _left_out(other, changes)),
    )


def _length(page: Page, *, lines: bool) -> int:
    return len(page.text) if lines else sum(len(it.text) for it in page.blocks)


def _key(text: str, stretches: tuple[tuple[int, int, str], ...], *, long: bool) -> str:
    """Return by what a block is compared; "" for one without words."""
    if len(text) > _LONG_BLOCK:
        return hashlib.sha256("".join(text.split()).encode("utf-8", "replace")).hexdigest()
    key = words.key(words.words(text, stretches))
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest() if key and long else key


def _side(
    page: Page, assessed: Assessment | None, masks: Masks, *, lines: bool, long: bool
) -> _Side:
    regions = {it.selector: it.region for it in assessed.readings.regions} if assessed else {}
    if lines:
        places, texts = _lines(page, assessed)
    else:
        places = [
            Place(
                selector=it.selector, region=regions.get(it.selector), box=it.box, hidden=it.hidden
            )
            for it in page.blocks
        ]
        texts = [it.text for it in page.blocks]
    masked = masks.of(page, texts)
    groups: tuple[list[_Block], list[_Block], list[_Block]] = ([], [], [])
    marks: list[str] = []
    for number, (place, text) in enumerate(zip(places, texts, strict=True)):
        if number in masked.blocks:
            continue
        stretches = tuple(masked.stretches.get(number, ()))
        key = _key(text, stretches, long=long)
        block = _Block(number=number, text=text, stretches=stretches, key=key, place=place)
        if not block.key:
            continue
        if text.strip() in _MARKS:  # what a platform says of its own edits is no text of it
            marks += [] if place.hidden else [text.strip()]
            continue
        group = _HIDDEN if place.hidden else _MAIN if place.region in MAIN_REGIONS else _REST
        groups[group].append(block)
    return _Side(groups=groups, knows_main=bool(groups[_MAIN]), masked=masked, marks=tuple(marks))


def _lines(page: Page, assessed: Assessment | None) -> tuple[list[Place], list[str]]:
    """Return the lines of a page in the place of blocks; those of its main text are main."""
    main = Counter(assessed.readings.main_text.splitlines() if assessed else ())
    places, texts = [], []
    for line in page.text.splitlines():
        is_main = main[line] > 0
        main[line] -= is_main
        places.append(Place(selector="", region=Region.MAIN if is_main and line.strip() else None))
        texts.append(line)
    return places, texts


def _same_spelling(one: _Block, other: _Block) -> bool:
    return one.text == other.text or "".join(one.text.split()) == "".join(other.text.split())


def _paired(
    first: Sequence[_Block], second: Sequence[_Block], budget: Budget
) -> tuple[list[tuple[_Block, _Block]], list[_Block], list[_Block]]:
    """Return blocks that are one block, changed, in the order of both, and what is left over."""
    if len(first) * len(second) > _PAIRS:
        runs = align([_name(it) for it in first], [_name(it) for it in second], budget).runs
        taken = [(run.first + n, run.second + n) for run in runs for n in range(run.length)]
    else:
        taken = _alike(first, second)
    lefts, rights = {a for a, _ in taken}, {b for _, b in taken}
    return (
        [(first[a], second[b]) for a, b in sorted(taken)],
        [it for n, it in enumerate(first) if n not in lefts],
        [it for n, it in enumerate(second) if n not in rights],
    )


def _name(block: _Block) -> object:
    """Return by what a block is found again: its selector. A line is like no other."""
    return block.place.selector or id(block)


def _alike(first: Sequence[_Block], second: Sequence[_Block]) -> list[tuple[int, int]]:
    """Return the likest pairs, none of which crosses another."""
    bags = [Counter(it.key.split("\x1f")) for it in second]
    only = len(first) == len(second) == 1
    scored: list[tuple[float, int, int]] = []
    for a, it in enumerate(first):
        bag = Counter(it.key.split("\x1f"))
        for b, its in enumerate(second):
            like = _likeness(bag, bags[b])
            if _name(it) == _name(its) or (only and not it.place.selector):
                like += _LIKE
            if like >= _LIKE:
                scored.append((-like, a, b))
    taken: list[tuple[int, int]] = []
    for _, a, b in sorted(scored):
        # What changed its place as well is removed and added.
        if all((a < x and b < y) or (a > x and b > y) for x, y in taken):
            taken.append((a, b))
    return taken


def _likeness(one: Counter[str], other: Counter[str]) -> float:
    """Return the share of words that two bags have in common (Dice's coefficient)."""
    return 2 * (one & other).total() / max(1, one.total() + other.total())


def _moved_and_left(gone: Iterable[_Block], come: Iterable[_Block]) -> list[BlockChange]:
    waiting: defaultdict[str, deque[_Block]] = defaultdict(deque)
    for it in come:
        waiting[it.key].append(it)
    changes = []
    for it in gone:
        if waiting[it.key]:
            to = waiting[it.key].popleft()
            changes.append(_whole(BlockKind.MOVED, it, Op.SAME, before=it.place, after=to.place))
        else:
            changes.append(_whole(BlockKind.REMOVED, it, Op.REMOVED, before=it.place, after=None))
    for them in waiting.values():
        changes += [
            _whole(BlockKind.ADDED, it, Op.ADDED, before=None, after=it.place) for it in them
        ]
    return changes


def _whole(
    kind: BlockKind, of: _Block, op: Op, *, before: Place | None, after: Place | None
) -> BlockChange:
    return BlockChange(kind=kind, before=before, after=after, pieces=(Piece(op=op, text=of.text),))


def _is_hidden(change: BlockChange) -> bool:
    return all(it is None or it.hidden for it in (change.before, change.after))


def _state(changes: Iterable[BlockChange]) -> State:
    return State.CHANGED if any(True for _ in changes) else State.UNCHANGED


def _main(one: _Side, other: _Side, changes: Sequence[BlockChange]) -> tuple[State, str]:
    """Return whether the main region is the same; where it is not known, whether all is."""
    shown = [it for it in changes if not _is_hidden(it)]
    if one.knows_main and other.knows_main:
        return _state(it for it in shown if it.in_main), ""
    if not shown:
        return State.UNCHANGED, "all text is the same; nothing says which of it is the main region"
    if not one.knows_main and not other.knows_main:
        return State.UNKNOWN, "nothing in either capture says which text is the main region"
    which = "later" if one.knows_main else "earlier"
    lost = BlockKind.REMOVED if one.knows_main else BlockKind.ADDED
    if any(it.in_main and it.kind in (lost, BlockKind.CHANGED) for it in shown):
        return State.CHANGED, f"the {which} capture has no main region"
    return State.UNKNOWN, f"the {which} capture has the words, and nothing says that they are main"


def _left_out(side: _Side, changes: Iterable[BlockChange]) -> frozenset[int]:
    """Return the blocks that masks cover, whole or as far as they differ."""
    changed = {id(place) for it in changes for place in (it.before, it.after)}
    partly = {
        it.number
        for group in side.groups
        for it in group
        if it.number in side.masked.stretches and id(it.place) not in changed
    }
    return side.masked.blocks | partly
