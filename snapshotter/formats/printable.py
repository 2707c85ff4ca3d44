"""Text from strangers on one line that a person can read without being misled."""

import unicodedata


def printable(text: str) -> str:
    """
    Return `text` as one line that is safe for a terminal.

    Titles and URLs come from hostile pages; an escape sequence, a right-to-left
    override or a line end in one must not rewrite what a person reads. Control and format
    characters become `\\u202e`, or `\\U000e0001` with eight digits: `\\ue0001` would
    be two things.
    """
    return "".join(_escaped(it) if is_unsafe(it) else it for it in text)


def is_unsafe(character: str) -> bool:
    """Whether a terminal, or a person, may take it for something that is not there."""
    if " " <= character <= "~":
        return False
    category = unicodedata.category(character)
    return category[0] == "C" or category in {"Zl", "Zp"}


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= 0xFFFF else f"\\U{number:08x}"
