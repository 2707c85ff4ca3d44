"""
Make untrusted text safe to show to a person, and shorten long texts.

Safe text is on one line and has no control characters; `printable` escapes them. `cut` shortens
a text between words, where its script has them.
"""

import unicodedata


def printable(text: str) -> str:
    """
    Return `text` as one line that is safe for a terminal.

    Titles and URLs come from hostile pages; an escape sequence, a right-to-left
    override or a line end in one must not rewrite what a person reads. Control and format
    characters become `\\u202e`, or `\\U000e0001` with eight digits: `\\ue0001` would
    be two things.
    """
    return "".join(_escaped(character) if is_unsafe(character) else character for character in text)


def is_unsafe(character: str) -> bool:
    """Whether a terminal, or a person, may take it for something that is not there."""
    if " " <= character <= "~":
        return False
    category = unicodedata.category(character)
    return category[0] == "C" or category in {"Zl", "Zp"}


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"


def cut(text: str, most: int) -> str:
    """
    Return a text of `most` characters at most: one that is cut ends with a word and "…".

    Scripts without spaces are cut between characters, and so is a word of more than 40. What is
    one character for a reader (a letter and its accents, a flag) stays whole.
    """
    if len(text) <= most:
        return text
    end = max(0, most - 1)
    while end and _is_joined(text, end):
        end -= 1
    begin = end
    while begin and end - begin <= _LONG and _is_in_word(text, begin):
        begin -= 1
    is_long = _is_in_word(text, begin) or not begin
    return f"{text[: end if is_long else begin].rstrip()}…"


def cut_middle(text: str, most: int) -> str:
    """
    Return a text of `most` characters at most: of a longer one, its beginning and its end.

    Both are cut as by `cut`: between words, or between what a reader sees as characters.
    """
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    begin = len(text) - end
    while begin < len(text) and _is_joined(text, begin):
        begin += 1
    word = begin
    while word < len(text) and word - begin <= _LONG and _is_in_word(text, word):
        word += 1
    is_long = word == len(text) or _is_in_word(text, word)
    return f"{cut(text, most - end)}{text[begin if is_long else word :].lstrip()}"


_LONG = 40  # characters: a longer word is an address, a digest, no word


_ZERO_WIDTH_JOINER = "\u200d"
# Scripts that put no spaces between words (Unicode names of their characters).
_UNSPACED = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "KHMER",
    "MYANMAR",
    "TIBETAN",
)


def _is_joined(text: str, at: int) -> bool:
    """Whether a reader sees what is before and behind this place as one character."""
    before, behind = text[at - 1], text[at]
    if behind == _ZERO_WIDTH_JOINER or before == _ZERO_WIDTH_JOINER:
        return True
    if unicodedata.category(behind) in ("Mn", "Mc", "Me") or "\U0001f3fb" <= behind <= "\U0001f3ff":
        return True
    if _is_flag_half(before) and _is_flag_half(behind):
        run = 0
        while run < at and _is_flag_half(text[at - 1 - run]):
            run += 1
        return run % 2 == 1
    return 0xD800 <= ord(before) < 0xDC00 <= ord(behind) < 0xE000


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"


def _is_in_word(text: str, at: int) -> bool:
    """Whether what is before and behind this place belongs to one word."""
    return at > 0 and _is_of_word(text[at - 1]) and _is_of_word(text[at])


def _is_of_word(character: str) -> bool:
    if character in "'’-" or unicodedata.category(character)[0] == "M":
        return True
    named = unicodedata.name(character, "")
    return character.isalnum() and not named.startswith(_UNSPACED)
