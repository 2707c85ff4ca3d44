"""
Check the words that a record states as changed against the signed texts of both captures.

If the software that guesses the main text gives another result than the record states, the words
can still be in the captures. This check needs no main text, so no version of any software and no
field of the record can change its result.
"""

import html
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from snapshotter.compare import word_diff
from snapshotter.model.change import Change, ChangedItem, ChangeSubject
from snapshotter.model.comparison import Op
from snapshotter.model.page import Page
from snapshotter.value_class import dataclass

_CUT: Final = "…"
_SEPARATOR: Final = re.compile(r"[\s…]+|,\s")  # of values in a list of values


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedTexts:
    """What one capture contains, as its signature covers it."""

    page: Page
    picture_index: str = ""  # the text of the index of its network record


def are_in_captures(change: Change, before: SignedTexts, after: SignedTexts) -> bool:
    """
    Return whether all that a change lists is in the captures as the change states it.

    Each text with removed words must be in visible blocks of the earlier page, and there more often
    than in those of the later page: a page can repeat a sentence. Each text with added words must
    be so the other way round. Titles, prices and dates must be in the document of their page, and
    the digests of pictures in the index of the network record.
    """
    blocks = [
        [_key(block.text) for block in texts.page.blocks if not block.hidden]
        for texts in (before, after)
    ]
    sources = [html.unescape(texts.page.html) for texts in (before, after)]
    for item in change.items:
        if item.subject is ChangeSubject.WORDS:
            if not _is_in(item, blocks[0], blocks[1]):
                return False
            continue
        is_picture = item.subject is ChangeSubject.PICTURE
        for op, texts, source in zip((Op.REMOVED, Op.ADDED), (before, after), sources, strict=True):
            where = texts.picture_index if is_picture else source
            said = (piece.text for piece in item.pieces if piece.op is op)
            if any(word not in where for text in said for word in _SEPARATOR.split(text) if word):
                return False
    return True


def _is_in(item: ChangedItem, before: Sequence[str], after: Sequence[str]) -> bool:
    is_changed = False
    for own, other, op, left_out in (
        (before, after, Op.REMOVED, Op.ADDED),
        (after, before, Op.ADDED, Op.REMOVED),
    ):
        for text, has_changed in _runs(item, op, left_out):
            key = _key(text)
            count = _count(own, key)
            if not count or (has_changed and _count(other, key) >= count):
                return False
            is_changed = is_changed or has_changed
    return is_changed


def _runs(item: ChangedItem, op: Op, left_out: Op) -> Iterator[tuple[str, bool]]:
    """Yield the uncut texts of one of the pages, and whether words of the change are in each."""
    parts: list[tuple[str, bool] | None] = []
    for piece in item.pieces:
        if piece.op is left_out:
            continue
        if piece.op is Op.MASKED:
            parts.append(None)
            continue
        for number, text in enumerate(piece.text.split(_CUT)):
            parts += [None] * bool(number)
            parts.append((text, piece.op is op))
    for is_cut, group in groupby(parts, key=lambda part: part is None):
        found = [part for part in group if part is not None]
        text = "".join(text for text, _ in found)
        if not is_cut and _key(text):
            yield text, any(changed and _key(text) for text, changed in found)


def _count(blocks: Iterable[str], key: str) -> int:
    return sum(block.count(key) for block in blocks)


def _key(text: str) -> str:
    return "".join(word.key for word in word_diff.split_words(text))
