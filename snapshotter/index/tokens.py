"""
Normalise texts for searching, and cut them into the search pieces that an index stores.

Search compares normalised texts only; the text as shown is stored and displayed. A normalised text
is NFKC (UAX #15) and case-folded, has one space for each run of white space, straight quotation
marks, and no characters without a width. Arabic text loses tatweel and vowel marks, and its alef
forms become one letter. The four forms of i in Turkish become one letter, because a capital
letter does not show which of them it is.

A tokenizer for words finds nothing in scripts that write no spaces, and a dictionary of words loses
parts of words. Therefore a run of such a script is cut into overlapping pairs of characters, and
its last character is a piece of one character:

    重跑gen-itgc后   ->   重跑 跑 gen itgc 后

Each character of such a run begins exactly one piece, so that one character is found as the
beginning of a piece. All other runs are words, which are cut where two scripts meet. A symbol or an
emoji counts as a script without spaces.

Where a searched text begins or ends with a word, the whole word must match (`find`).
"""

import re
import unicodedata
from array import array
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import add

from snapshotter.value_class import dataclass

# Letters and marks of scripts that write no spaces between words; their digits are not in it.
_PAIRS = (
    "\u0e01-\u0e3a\u0e40-\u0e4e\u0e81-\u0ece\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u103f\u1050-\u108f\u109a-\u109f\ua9e0-\ua9ef\ua9fa-\ua9fe\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17d3\u17d7\u17dc\u17dd\u19e0-\u19ff"  # Khmer
    "\u1100-\u11ff\ua960-\ua97c\uac00-\ud7fb"  # Hangul
    "\u2e80-\u2fd5\u3005-\u3007\u3021-\u302f\u3031-\u3035\u3038-\u303c"  # marks used with Han
    "\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"  # kana
    "\u3105-\u312f\u3131-\u318e\u31a0-\u31bf"  # bopomofo, jamo
    "\u3400-\u4dbf\u4e00-\ua48c\uf900-\ufaff"  # Han, Yi
    "\U00016fe0-\U00018dff\U0001aff0-\U0001b2ff\U00020000-\U0003ffff"  # Han, old kana, Tangut
)
_RUN = re.compile(f"[{_PAIRS}]+|[^{_PAIRS}]+")
_PAIR = re.compile(f"[{_PAIRS}]")

# Controls, formats, fillers, selectors of variants and halves of surrogate pairs.
_INVISIBLE = re.compile(
    "[\0-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2"
    "\u115f\u1160\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# Of Arabic letters: tatweel, vowel marks, and signs of recitation. Hamza and madda (0653 to 0655)
# are parts of letters until these are composed.
_ARABIC_MARKS = "\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
_ALEF_FORMS = "آأإٱٲٳٵ"
_SINGLE_QUOTES, _DOUBLE_QUOTES, _DASHES = "‘’‚‛ʼ′`", "“”„‟«»", "‐‑‒–—―−"
_FOLDABLE = re.compile(
    f"[{_ARABIC_MARKS}]+|i\u0307|[ı{_ALEF_FORMS}{_SINGLE_QUOTES}{_DOUBLE_QUOTES}{_DASHES}]"
)
_FOLDED = (
    dict.fromkeys(_ALEF_FORMS, "ا")
    | {"i\u0307": "i", "ı": "i"}
    | dict.fromkeys(_SINGLE_QUOTES, "'")
    | dict.fromkeys(_DOUBLE_QUOTES, '"')
    | dict.fromkeys(_DASHES, "-")
)
# Of a longer word, the index stores the beginning; `find` compares all of it. PostgreSQL takes
# 2,046 bytes.
_MAX_PIECE = 100  # characters

# Classes of characters, one letter each. Scripts with spaces get the letters from _FIRST_SCRIPT on.
_SEPARATOR, _SYMBOL, _DIGIT, _MARK = "S", "P", "D", "M"
_FIRST_SCRIPT = ord("a")
# A word: letters of one script with digits and marks among them. Digits alone are a word.
_TOKEN = re.compile(r"(P+)|[DM]*([^SPDM])(?:\2|[DM])*|[DM]+")
_ASCII_WORD = re.compile(r"[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A run of characters in a normalised text: a word, or a run of a script without spaces."""

    start: int  # characters
    end: int
    paired: bool  # the script writes no spaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """
    What to look for: a normalised text.

    Args:
        text: As `normalise` returns it, without spaces at its ends.
        prefix: The last word may go on: `censor` also matches `censorship`.
    """

    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PieceQuery:
    """The pieces that a text contains, one after the other, if it contains a `Searched`."""

    pieces: tuple[str, ...]
    prefix: bool  # the last piece is the beginning of one


class Normalised:
    """
    A text in its normalised form, with the place of each character in the text as shown.

    Args:
        shown: The text as shown.
        until: Only the beginning of the normalised text is needed, of this many characters.

    Attributes:
        shown: The text as shown.
        text: The normalised text, equal to `normalise(shown)`, or its beginning.
    """

    __slots__ = ("_ends", "_starts", "shown", "text")

    def __init__(self, shown: str, until: int | None = None) -> None:
        self.shown = shown
        self.text, self._starts, self._ends = _with_offsets(shown, until)

    def shown_range(self, start: int, end: int) -> tuple[int, int]:
        """
        Return where a range of the normalised text is in the text as shown, in characters.

        The range covers every character from which a part of the range was made: ㍿ as a whole
        if only 式 was found. Raises ValueError for an empty range.
        """
        if not 0 <= start < end <= len(self.text):
            raise ValueError("the range is empty or exceeds the text")
        return self._starts[start], self._ends[end - 1]


def normalise(text: str) -> str:
    """Return a text in the form in which search compares it."""
    return " ".join(_folded(text).split())


def _folded(text: str) -> str:
    """Return the normalised text, with the white space of the original text."""
    text = _INVISIBLE.sub("", text)
    if not text.isascii():
        # Once more each time: folded characters can often be composed.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        text = _FOLDABLE.sub(_fold, text)
        return unicodedata.normalize("NFKC", text)
    return text.lower().replace("`", "'")


@lru_cache(maxsize=20_000)
def _folded_part(text: str) -> str:
    """Return a few characters as `_folded` does."""
    return _folded(text)


def _fold(match: re.Match[str]) -> str:
    return _FOLDED.get(match[0], "")


def _with_offsets(shown: str, until: int | None) -> tuple[str, Sequence[int], Sequence[int]]:
    """
    Return the normalised text, and where the part of `shown` begins and ends that made each
    character.
    """
    if shown.isascii() and len(plain := normalise(shown)) == len(shown):
        return plain, range(len(plain)), range(1, len(plain) + 1)
    parts: list[str] = []
    starts, ends = array("Q"), array("Q")
    start = 0
    spaced = True  # the text so far ends with a space, or is empty
    for end in range(1, len(shown) + 1):
        if end < len(shown) and _JOINS[ord(shown[end])]:
            continue
        for character in _folded_part(shown[start:end]):
            space = character.isspace()
            if space and spaced:
                continue
            spaced = space
            parts.append(" " if space else character)
            starts.append(start)
            ends.append(end)
        start = end
        if until is not None and len(parts) >= until:
            break
    if parts and spaced:
        for values in (parts, starts, ends):
            values.pop()
    return "".join(parts), starts, ends


class _Joins(dict[int, bool]):
    """Whether a character may be composed with the one before it when a text is normalised."""

    def __missing__(self, code: int) -> bool:
        first = unicodedata.normalize("NFKD", chr(code))[0]
        self[code] = (
            _INVISIBLE.match(chr(code)) is not None
            or unicodedata.category(first)[0] == "M"
            or first == "\u0640"  # removed, so that what follows may join
            or 0x1160 <= ord(first) <= 0x11FF
            or 0xD7B0 <= ord(first) <= 0xD7FF
        )
        return self[code]


_JOINS = _Joins()


def tokens(normalised: str) -> Iterator[Token]:
    """Yield the words and runs of a normalised text, in order."""
    for run in _RUN.finditer(normalised):
        start = run.start()
        if _PAIR.match(normalised, start):
            yield Token(start=start, end=run.end(), paired=True)
            continue
        for match in _TOKEN.finditer(run[0].translate(_CLASSES)):
            yield Token(
                start=start + match.start(),
                end=start + match.end(),
                paired=match[1] is not None,
            )


def pieces(normalised: str) -> list[str]:
    """Return the search pieces of a normalised text, in order."""
    found: list[str] = []
    for run in _RUN.findall(normalised):
        if _PAIR.match(run):
            _add_pairs(found, run)
        elif run.isascii():
            found += [word[:_MAX_PIECE] for word in _ASCII_WORD.findall(run)]
        else:
            for match in _TOKEN.finditer(run.translate(_CLASSES)):
                if match[1] is None:
                    found.append(run[match.start() : match.end()][:_MAX_PIECE])
                else:
                    _add_pairs(found, run[match.start() : match.end()])
    return found


def _add_pairs(found: list[str], run: str) -> None:
    found += map(add, run, run[1:])
    found.append(run[-1])


def piece_query(searched: Searched) -> PieceQuery | None:
    """
    Return the pieces that every text has in which `find` finds a text.

    Returns:
        None if the text has no letter, digit or symbol, so that an index does not help.
    """
    found = pieces(searched.text)
    if not found:
        return None
    *_, last = tokens(searched.text)
    if not last.paired:
        # What follows the word, such as a full stop, cannot be part of a longer word.
        return PieceQuery(
            pieces=tuple(found), prefix=searched.prefix and last.end == len(searched.text)
        )
    if last.end < len(searched.text):
        return PieceQuery(pieces=tuple(found), prefix=False)
    # In the text, the run may go on: then its last piece of one character is not there.
    alone = last.end - last.start == 1
    return PieceQuery(pieces=tuple(found if alone else found[:-1]), prefix=alone)


def find(searched: Searched, normalised: str) -> Iterator[tuple[int, int]]:
    """Yield where a normalised text contains what is searched, as ranges that do not overlap."""
    text = searched.text
    at = normalised.find(text) if text else -1
    while at >= 0:
        end = at + len(text)
        if not _is_inside_word(normalised, at) and (
            searched.prefix or not _is_inside_word(normalised, end)
        ):
            while _is_inside_word(normalised, end):
                end += 1  # of a prefix, the whole word is the hit
            yield at, end
            at = normalised.find(text, end)
        else:
            at = normalised.find(text, at + 1)


def _is_inside_word(normalised: str, at: int) -> bool:
    """Return what `inside_words` does for one place; it reads only the letters around it."""
    if not 0 < at < len(normalised):
        return False
    if not (_IN_WORDS[ord(normalised[at - 1])] and _IN_WORDS[ord(normalised[at])]):
        return False
    start, end = at - 1, at + 1
    while start and _IN_WORDS[ord(normalised[start - 1])]:
        start -= 1
    while end < len(normalised) and _IN_WORDS[ord(normalised[end])]:
        end += 1
    run = normalised[start:end]
    return run.isascii() or bool(inside_words(run)[at - start])


def inside_words(normalised: str) -> bytearray:
    """Return for each place of a text whether it is inside a word."""
    inside = bytearray(len(normalised) + 1)
    for token in tokens(normalised):
        if not token.paired:
            inside[token.start + 1 : token.end] = b"\1" * (token.end - token.start - 1)
    return inside


class _Classes(dict[int, str]):
    """The table for `str.translate` that replaces each character by the letter of its class."""

    def __init__(self) -> None:
        super().__init__()
        self._scripts: dict[str, str] = {}

    def __missing__(self, code: int) -> str:
        self[code] = self._class_of(code)
        return self[code]

    def _class_of(self, code: int) -> str:
        character = chr(code)
        kind = unicodedata.category(character)
        if kind[0] == "N":
            return _DIGIT
        if kind[0] == "M" or kind == "Lm":
            return _MARK
        if kind[0] == "L":
            script = unicodedata.name(character, "").partition(" ")[0]
            return self._scripts.setdefault(script, chr(_FIRST_SCRIPT + len(self._scripts)))
        # Symbols of ASCII are separators, because the tokenizer of SQLite takes them for such.
        return _SYMBOL if kind[0] in "SC" and code > 0x7F else _SEPARATOR


_CLASSES = _Classes()


class _InWords(dict[int, bool]):
    """Whether a character of a normalised text is part of a word."""

    def __missing__(self, code: int) -> bool:
        is_word = _CLASSES[code] not in (_SEPARATOR, _SYMBOL)
        self[code] = is_word and _PAIR.match(chr(code)) is None
        return self[code]


_IN_WORDS = _InWords()
