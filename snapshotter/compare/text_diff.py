"""
Compare the texts of two captures block by block, and report the main region separately.

Blocks are aligned within their part of the page: the main region, other visible text, hidden text.
Blocks that are not in both captures are paired by similarity and compared word by word. A block
with the same words in another place is reported as moved. If one of the captures has no layout (old
captures have none), lines are used instead of blocks.
"""

import hashlib
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Final

from snapshotter.compare import word_diff
from snapshotter.compare.masks import MaskedPage, Masks
from snapshotter.compare.sequences import StepBudget, align, gaps_between_runs
from snapshotter.compare.word_diff import Word
from snapshotter.model.assessment import Assessment
from snapshotter.model.comparison import (
    MAIN_REGIONS,
    BlockChange,
    BlockKind,
    BlockPosition,
    ComparisonState,
    MaskUse,
    Op,
    TextComparison,
    TextPiece,
)
from snapshotter.model.page import Page
from snapshotter.model.reading import Region
from snapshotter.value_class import dataclass

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
class TextResult:
    """What there is to say about two texts."""

    comparison: TextComparison
    masked: tuple[MaskUse, ...]
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
    place: BlockPosition

    @property
    def words(self) -> tuple[Word, ...]:
        """Made again each time: a page has millions."""
        return word_diff.split_words(self.text, self.stretches)


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
) -> TextResult:
    """
    Return what differs between the texts of two captures.

    Args:
        assessed_before: Whose regions say what the main region is; None where there is none.
    """
    lines = not (before.blocks and after.blocks)  # one of them has no layout: the same for both
    budget = StepBudget(STEPS)
    long = max(_length(before, lines=lines), _length(after, lines=lines)) > _LONG_PAGE
    side = _side(before, assessed_before, masks, lines=lines, long=long)
    other = _side(after, assessed_after, masks, lines=lines, long=long)
    changes: list[BlockChange] = []
    gone: list[_Block] = []
    come: list[_Block] = []
    coarse: list[str] = []
    respelled = 0
    for first, second in zip(side.groups, other.groups, strict=True):
        found = align([block.key for block in first], [block.key for block in second], budget)
        if found.coarse:
            coarse.append(
                "too many blocks of text differ, so some blocks that moved may be shown as "
                "removed and added"
            )
        for run in found.runs:
            respelled += sum(
                not _same_spelling(first[run.first + n], second[run.second + n])
                for n in range(run.length)
            )
        for a, b, c, d in gaps_between_runs(found.runs, len(first), len(second)):
            paired, removed, added = _paired(first[a:b], second[c:d], budget)
            gone += removed
            come += added
            for block, its in paired:
                if long or max(len(block.text), len(its.text)) > _LONG_BLOCK:
                    coarse.append("a block of text is too long to be compared word by word")
                    pieces = word_diff.replace_whole_text(block.text, its.text)
                else:
                    left, right = block.words, its.words
                    pieces = word_diff.compare(
                        block.text, its.text, budget, words_before=left, words_after=right
                    )
                    if pieces.coarse:
                        coarse.append(
                            f"too many words differ in a block of {len(left)} words, so its "
                            "words were compared only roughly"
                        )
                changes.append(
                    BlockChange(
                        kind=BlockKind.CHANGED,
                        before=block.place,
                        after=its.place,
                        pieces=pieces.pieces,
                    )
                )
    changes += _moved_and_left(gone, come)
    order = {
        id(block.place): n for s in (side, other) for g in s.groups for n, block in enumerate(g)
    }
    changes.sort(
        key=lambda change: (
            not change.in_main,
            _is_hidden(change),
            order[id(change.after or change.before)],
        )
    )
    main, detail = _main(side, other, changes)
    problems = dict.fromkeys(filter(None, (side.masked.problem, other.masked.problem)))
    return TextResult(
        comparison=TextComparison(
            main=main,
            elsewhere=_state(
                change for change in changes if not change.in_main and not _is_hidden(change)
            ),
            hidden=_state(filter(_is_hidden, changes)),
            detail=detail,
            changes=tuple(changes),
            respelled=respelled,
            coarse=tuple(dict.fromkeys((*coarse, *problems))),
            unmasked="; ".join(problems),
        ),
        masked=masks.counted(side.masked, other.masked),
        marks=(side.marks, other.marks),
        left_out=(_left_out(side, changes), _left_out(other, changes)),
    )


def _length(page: Page, *, lines: bool) -> int:
    return len(page.text) if lines else sum(len(block.text) for block in page.blocks)


def _key(text: str, stretches: tuple[tuple[int, int, str], ...], *, long: bool) -> str:
    """Return by what a block is compared; "" for one without words."""
    if len(text) > _LONG_BLOCK:
        return hashlib.sha256("".join(text.split()).encode("utf-8", "replace")).hexdigest()
    key = word_diff.key(word_diff.split_words(text, stretches))
    return hashlib.sha256(key.encode("utf-8", "replace")).hexdigest() if key and long else key


def _side(
    page: Page, assessed: Assessment | None, masks: Masks, *, lines: bool, long: bool
) -> _Side:
    regions = (
        {block.selector: block.region for block in assessed.readings.regions} if assessed else {}
    )
    if lines:
        places, texts = _lines(page, assessed)
    else:
        places = [
            BlockPosition(
                selector=block.selector,
                region=regions.get(block.selector),
                box=block.box,
                hidden=block.hidden,
            )
            for block in page.blocks
        ]
        texts = [block.text for block in page.blocks]
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


def _lines(page: Page, assessed: Assessment | None) -> tuple[list[BlockPosition], list[str]]:
    """Return the lines of a page in the place of blocks; those of its main text are main."""
    main = Counter(assessed.readings.main_text.splitlines() if assessed else ())
    places, texts = [], []
    for line in page.text.splitlines():
        is_main = main[line] > 0
        main[line] -= is_main
        places.append(
            BlockPosition(selector="", region=Region.MAIN if is_main and line.strip() else None)
        )
        texts.append(line)
    return places, texts


def _same_spelling(one: _Block, other: _Block) -> bool:
    return one.text == other.text or "".join(one.text.split()) == "".join(other.text.split())


def _paired(
    first: Sequence[_Block], second: Sequence[_Block], budget: StepBudget
) -> tuple[list[tuple[_Block, _Block]], list[_Block], list[_Block]]:
    """Return blocks that are one block, changed, in the order of both, and what is left over."""
    if len(first) * len(second) > _PAIRS:
        runs = align(
            [_name(block) for block in first], [_name(block) for block in second], budget
        ).runs
        taken = [(run.first + n, run.second + n) for run in runs for n in range(run.length)]
    else:
        taken = _alike(first, second)
    lefts, rights = {a for a, _ in taken}, {b for _, b in taken}
    return (
        [(first[a], second[b]) for a, b in sorted(taken)],
        [block for n, block in enumerate(first) if n not in lefts],
        [block for n, block in enumerate(second) if n not in rights],
    )


def _name(block: _Block) -> object:
    """Return by what a block is found again: its selector. A line is like no other."""
    return block.place.selector or id(block)


def _alike(first: Sequence[_Block], second: Sequence[_Block]) -> list[tuple[int, int]]:
    """Return the likest pairs, none of which crosses another."""
    bags = [Counter(block.key.split("\x1f")) for block in second]
    only = len(first) == len(second) == 1
    scored: list[tuple[float, int, int]] = []
    for a, block in enumerate(first):
        bag = Counter(block.key.split("\x1f"))
        for b, its in enumerate(second):
            like = _likeness(bag, bags[b])
            if _name(block) == _name(its) or (only and not block.place.selector):
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
    for block in come:
        waiting[block.key].append(block)
    changes = []
    for block in gone:
        if waiting[block.key]:
            to = waiting[block.key].popleft()
            changes.append(
                _whole(BlockKind.MOVED, block, Op.SAME, before=block.place, after=to.place)
            )
        else:
            changes.append(
                _whole(BlockKind.REMOVED, block, Op.REMOVED, before=block.place, after=None)
            )
    for them in waiting.values():
        changes += [
            _whole(BlockKind.ADDED, block, Op.ADDED, before=None, after=block.place)
            for block in them
        ]
    return changes


def _whole(
    kind: BlockKind,
    of: _Block,
    op: Op,
    *,
    before: BlockPosition | None,
    after: BlockPosition | None,
) -> BlockChange:
    return BlockChange(
        kind=kind, before=before, after=after, pieces=(TextPiece(op=op, text=of.text),)
    )


def _is_hidden(change: BlockChange) -> bool:
    return all(place is None or place.hidden for place in (change.before, change.after))


def _state(changes: Iterable[BlockChange]) -> ComparisonState:
    return ComparisonState.CHANGED if any(True for _ in changes) else ComparisonState.UNCHANGED


def _main(one: _Side, other: _Side, changes: Sequence[BlockChange]) -> tuple[ComparisonState, str]:
    """Return whether the main region is the same; where it is not known, whether all is."""
    shown = [change for change in changes if not _is_hidden(change)]
    if one.knows_main and other.knows_main:
        return _state(change for change in shown if change.in_main), ""
    if not shown:
        return (
            ComparisonState.UNCHANGED,
            "all text is the same, but no capture states which part is the main region",
        )
    if not one.knows_main and not other.knows_main:
        return (
            ComparisonState.UNKNOWN,
            "no capture states which part is the main region",
        )
    which = "later" if one.knows_main else "earlier"
    lost = BlockKind.REMOVED if one.knows_main else BlockKind.ADDED
    if any(change.in_main and change.kind in (lost, BlockKind.CHANGED) for change in shown):
        return ComparisonState.CHANGED, f"the {which} capture has no main region"
    return (
        ComparisonState.UNKNOWN,
        f"the {which} capture does not state its main region, so it is not known whether its text "
        "is in the main region",
    )


def _left_out(side: _Side, changes: Iterable[BlockChange]) -> frozenset[int]:
    """Return the blocks that masks cover, whole or as far as they differ."""
    changed = {id(place) for change in changes for place in (change.before, change.after)}
    partly = {
        block.number
        for group in side.groups
        for block in group
        if block.number in side.masked.stretches and id(block.place) not in changed
    }
    return side.masked.blocks | partly
