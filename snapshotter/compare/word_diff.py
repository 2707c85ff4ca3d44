"""
Compare two texts word by word.

A word is the text between spaces, without the punctuation around it. A number is one word with its
point, commas and per cent sign (`1,234.5%`). Scripts without spaces between words (Chinese,
Japanese, Thai, Lao, Khmer, Burmese, Tibetan) are compared character by character, each with its
combining marks. Korean has spaces, so it has words.

Words are compared without invisible characters such as soft hyphens, and without differences of
width, font and composition. So a full-width digit is equal to an ordinary digit. A raised digit, a
digit in a circle and a capital letter are other characters: a reader sees 10⁶ and 106. The result
contains the texts unchanged.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import NamedTuple

from snapshotter.compare.sequences import StepBudget, align, gaps_between_runs
from snapshotter.model.comparison import Op, TextPiece
from snapshotter.value_class import dataclass

MASK = "\0"  # how the key of a masked word begins: no text has it

_LONG = 20_000  # words: longer texts are compared by sentences first
_LINE_WORDS = 200  # what has no sentences is cut after so many
_SPACED_APART = (  # scripts without spaces between words
    "\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u1950-\u19df\u1a20-\u1aaf"
    "\u2e80-\u2fdf\u3005-\u3007\u3021-\u3029\u3031-\u3035\u303b\u3040-\u30ff\u3100-\u312f"
    "\u31a0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f"
    "\U0001b000-\U0001b16f\U00020000-\U0003ffff"
)
# Characters without width or form. Marks of direction are not among them: they can change the order
# in which a reader sees the words around them.
_NOT_SEEN = (
    "\u00ad\u034f\u17b4\u17b5\u180b-\u180f\u200b-\u200d\u2060-\u2064\u206a-\u206f\ufe00-\ufe0f\ufeff"
    "\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# How Unicode names a form of the same character: its other names, as "<super>", are of characters
# that a reader does not take for each other.
_SAME_FORMS = frozenset(
    {
        "<wide>", "<narrow>", "<small>", "<compat>", "<font>", "<noBreak>", "<vertical>",
        "<initial>", "<medial>", "<final>", "<isolated>",
    }
)  # fmt: skip
_BREAKS = re.compile(r"[\n\r\u2028\u2029]|[.!?。！？；…](?=\s|$)|[。！？；]")


class Word(NamedTuple):  # a text has millions: a dataclass takes twice the time
    """One word, where it stands, and by what it is compared."""

    start: int
    end: int
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WordDiff:
    """What became of a text."""

    pieces: tuple[TextPiece, ...]
    coarse: bool  # a stretch of it was not told apart word by word


def split_words(text: str, masked: Sequence[tuple[int, int, str]] = ()) -> tuple[Word, ...]:
    """
    Return the words of a text.

    Args:
        masked: Stretches that are one word each, whatever stands there: start, end, and by
            which mask. In order, and none in another.
    """
    found: list[Word] = []
    at = 0
    for start, end, mask in masked:
        found += _words(text, at, start)
        found.append(Word(start, end, MASK + mask))
        at = end
    found += _words(text, at, len(text))
    return tuple(found)


def key(of: Iterable[Word]) -> str:
    """Return by what a whole text is compared: spaces do not count."""
    return "\x1f".join(word.key for word in of)


def compare(
    before: str,
    after: str,
    budget: StepBudget,
    *,
    words_before: tuple[Word, ...] | None = None,
    words_after: tuple[Word, ...] | None = None,
) -> WordDiff:
    """
    Return what became of the words of one text in another.

    Args:
        words_before: Of `split_words`, where that was called already.
    """
    first = split_words(before) if words_before is None else words_before
    second = split_words(after) if words_after is None else words_after
    keys = [word.key for word in first], [word.key for word in second]
    coarse = False
    if max(len(first), len(second)) <= _LONG:
        found = align(keys[0], keys[1], budget)
        same, coarse = (
            [(run.first, run.second, run.length) for run in found.runs],
            bool(found.coarse),
        )
    else:
        same, coarse = _by_sentences(before, after, first, second, keys, budget)
    return WordDiff(
        pieces=_pieces(before, after, first, second, _readable(same, first, second)), coarse=coarse
    )


def replace_whole_text(before: str, after: str) -> WordDiff:
    """Return that one text stands in the place of another, without looking at their words."""
    pieces = (TextPiece(op=Op.REMOVED, text=before), TextPiece(op=Op.ADDED, text=after))
    return WordDiff(pieces=pieces, coarse=True)


def _by_sentences(
    before: str,
    after: str,
    first: Sequence[Word],
    second: Sequence[Word],
    keys: tuple[list[str], list[str]],
    budget: StepBudget,
) -> tuple[list[tuple[int, int, int]], bool]:
    """Align sentences, and words only inside those that differ."""
    cuts = _sentences(before, first), _sentences(after, second)
    lines = [
        ["\x1f".join(its[a:b]) for a, b in pairwise(cut)]
        for its, cut in zip(keys, cuts, strict=True)
    ]
    found = align(lines[0], lines[1], budget)
    coarse = bool(found.coarse)
    same = [
        (
            cuts[0][run.first],
            cuts[1][run.second],
            cuts[0][run.first + run.length] - cuts[0][run.first],
        )
        for run in found.runs
    ]
    for a, b, c, d in gaps_between_runs(found.runs, len(lines[0]), len(lines[1])):
        lo, hi, low, high = cuts[0][a], cuts[0][b], cuts[1][c], cuts[1][d]
        inside = align(keys[0][lo:hi], keys[1][low:high], budget)
        coarse |= bool(inside.coarse)
        same += [(lo + run.first, low + run.second, run.length) for run in inside.runs]
    return sorted(same), coarse


def _sentences(text: str, of: Sequence[Word]) -> list[int]:
    """Return where sentences begin, as numbers of words, and last the number of all words."""
    cuts = [0]
    ends = [match.end() for match in _BREAKS.finditer(text)]
    at = 0
    for number, word in enumerate(of):
        broke = False
        while at < len(ends) and ends[at] <= word.start:
            at, broke = at + 1, True
        if number > cuts[-1] and (broke or number - cuts[-1] >= _LINE_WORDS):
            cuts.append(number)
    return [*cuts, len(of)] if of else [0]


def _readable(
    same: Sequence[tuple[int, int, int]], first: Sequence[Word], second: Sequence[Word]
) -> list[tuple[int, int, int]]:
    """
    Drop what is the same by chance between two changes that are longer.

    "the" between two sentences that have nothing in common helps no reader.
    """
    kept = [*same]
    while True:
        bounds = [(0, 0, 0), *kept, (len(first), len(second), 0)]
        again = []
        for (a, b, n), word, (c, d, _) in zip(bounds, kept, bounds[2:], strict=False):
            left = _length(first, a + n, word[0]), _length(second, b + n, word[1])
            right = _length(first, word[0] + word[2], c), _length(second, word[1] + word[2], d)
            own = _length(first, word[0], word[0] + word[2])
            if not (own <= max(left) and own <= max(right) and min(left) and min(right)):
                again.append(word)
        if len(again) == len(kept):
            return kept
        kept = again


def _length(of: Sequence[Word], start: int, end: int) -> int:
    return of[end - 1].end - of[start].start if end > start else 0


def _pieces(
    before: str,
    after: str,
    first: Sequence[Word],
    second: Sequence[Word],
    same: Sequence[tuple[int, int, int]],
) -> tuple[TextPiece, ...]:
    out = _Writer(before, after)
    i = j = 0
    for a, b, length in (*same, (len(first), len(second), 0)):
        removed = (first[i].start, first[a - 1].end) if a > i else None
        added = (second[j].start, second[b - 1].end) if b > j else None
        out.change(removed, added)
        if length:
            out.same(first[a : a + length], second[b], second[b + length - 1])
        i, j = a + length, b + length
    return out.finish()


class _Writer:
    """Puts pieces together so that every character of the earlier text is in one of them."""

    def __init__(self, before: str, after: str) -> None:
        self._before, self._after = before, after
        self._a = self._b = 0  # what is written of either
        self._out: list[tuple[Op, list[str]]] = []

    def change(self, removed: tuple[int, int] | None, added: tuple[int, int] | None) -> None:
        """Write what only one of them has."""
        if removed and added:  # spaces in front of both belong to neither
            self._put(Op.SAME, self._before[self._a : removed[0]])
            self._a, self._b = removed[0], added[0]
        if removed:
            self._put(Op.REMOVED, self._before[self._a : removed[1]])
            self._a = removed[1]
        if added:
            self._put(Op.ADDED, self._after[self._b : added[1]])
            self._b = added[1]

    def same(self, run: Sequence[Word], start: Word, end: Word) -> None:
        """Write words that both have, as the earlier one has them; later: `start` to `end`."""
        # Behind something that was put in, the space is part of that.
        if run[0].start == self._a and self._out and self._out[-1][0] is Op.ADDED:
            self._put(Op.ADDED, self._after[self._b : start.start])
        at = self._a
        for word in run:
            if word.key.startswith(MASK):
                self._put(Op.SAME, self._before[at : word.start])
                self._put(Op.MASKED, self._before[word.start : word.end])
                at = word.end
        self._put(Op.SAME, self._before[at : run[-1].end])
        self._a, self._b = run[-1].end, end.end

    def finish(self) -> tuple[TextPiece, ...]:
        self._put(Op.SAME, self._before[self._a :])
        return tuple(TextPiece(op=op, text="".join(parts)) for op, parts in self._out)

    def _put(self, op: Op, text: str) -> None:
        if not text:
            return
        if self._out and self._out[-1][0] is op:
            self._out[-1][1].append(text)
        else:
            self._out.append((op, [text]))


def _words(text: str, start: int, end: int) -> list[Word]:
    found = []
    for match in _pattern().finditer(text, start, end):
        verbatim = match[0]
        if verbatim.isascii():
            found.append(Word(match.start(), match.end(), verbatim))
        elif plain := _plain(verbatim):
            found.append(Word(match.start(), match.end(), plain))
    return found


@lru_cache(1 << 16)
def _plain(word: str) -> str:
    seen = _invisible().sub("", word)
    folded = "".join(character if character.isascii() else _folded(character) for character in seen)
    return unicodedata.normalize("NFC", folded).strip()


@lru_cache(1 << 12)
def _folded(character: str) -> str:
    """Return a character in its plain form; one without a form as it is."""
    form = unicodedata.decomposition(character).partition(" ")[0]
    return unicodedata.normalize("NFKC", character) if form in _SAME_FORMS else character


@cache
def _invisible() -> re.Pattern[str]:
    return re.compile(f"[{_NOT_SEEN}]")


@cache
def _pattern() -> re.Pattern[str]:
    """Return what matches one word: made of Unicode's own tables, and so only when needed."""
    marks = "".join(
        chr(code_point)
        for code_point in (*range(0x300, 0x1E000), *range(0xE0100, 0xE01F0))
        if _is_mark(code_point)
    )
    with_marks = f"[{re.escape(marks)}{_NOT_SEEN}\U0001f3fb-\U0001f3ff]*"
    letter = f"[^\\W_{_SPACED_APART}]{with_marks}"
    inner = "[.,:/'’·_@&+-]"  # between letters or figures they belong to the word
    # Most words of most pages are ASCII with nothing behind it that could belong to them: five
    # times as quick.
    plain = "(?>[A-Za-z0-9]+(?:[.,:/'_@&+-][A-Za-z0-9]+)*%?)(?![.,:/'_@&+-]?[^\\x00-\\x7f])"
    return re.compile(
        f"{plain}|[{_SPACED_APART}]{with_marks}"
        f"|(?:{letter})+(?:{inner}{with_marks}(?:{letter})+)*(?:%|％|‰)?"
        f"|[^\\s{_NOT_SEEN}]{with_marks}"
    )


def _is_mark(number: int) -> bool:
    return unicodedata.category(chr(number)).startswith("M")
