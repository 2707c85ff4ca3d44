r"""
Compile the regular expressions of rule files. Only a subset is allowed, in which no text makes a
match slow.

Strangers may have written a rule file or a page: `(a+)+$` against a page made for it takes
practically for ever. In this subset the time of a match grows with the text alone:

- letters, `.`, classes `[…]`, `\d \w \s` and their opposites, `^`, `$`, `\b`;
- groups `(…)`, `(?:…)` and alternatives, but no repeats of groups;
- `? * + {n} {n,m}` after a single character or class. These repeats are possessive: they take all
  that they can and give nothing back. A repeat that could take what has to follow it would never
  match, and is refused: write `[^》]+》`, not `.+》`.
"""

import re
from functools import lru_cache

MAX_PATTERN = 300  # characters
_MAX_WAYS = 256  # in which one pattern can be read, by the alternatives of all its groups
_MAX_COUNT = 1000  # of a repeat
_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\\[]", re.DOTALL)
_REPEAT = re.compile(r"[*+?]|\{([0-9]{1,4})(,([0-9]{0,4}))?\}")
_GOOD_ESCAPE = re.compile(r"\\(?:[^0-9A-Za-z]|[dDwWsSbnrt])", re.DOTALL)


@lru_cache(maxsize=4096)
def compile_pattern(text: str) -> "re.Pattern[str]":
    """
    Compile a pattern.

    Raises:
        ValueError: Not a regular expression, or outside the subset; the message gives the reason.
    """
    if not text or len(text) > MAX_PATTERN:
        raise ValueError(f"a pattern must have 1 to {MAX_PATTERN} characters")
    out: list[str] = []
    at = 0
    ways, choices = 1, [1]  # choices: alternatives of each group that is open
    single = ""  # the character or class that a repeat may follow
    open_repeat = ""  # the repeated character or class that ends right here
    while at < len(text):
        if (repeat := _REPEAT.match(text, at)) is not None:
            _check_repeat(text, repeat, single)
            varies = repeat[1] is None or repeat[2] is not None
            out.append(repeat[0] + ("+" if varies else ""))
            open_repeat, single, at = (single if varies else ""), "", repeat.end()
            continue
        if text[at] in "()|":
            opening = "(?:" if text.startswith("(?:", at) else text[at]
            if text.startswith("(?", at) and opening == "(":
                raise ValueError(
                    f"a pattern may only have groups of the form (…) or (?:…): {text!r}"
                )
            if opening == "|":
                choices[-1] += 1
            elif opening == ")":
                ways *= choices.pop() if len(choices) > 1 else 1
            else:
                choices.append(1)
            out.append(opening)
            single, at = "", at + len(opening)
            open_repeat = "" if opening == "|" else open_repeat
            continue
        atom = _ATOM.match(text, at)
        if atom is None or (atom[0][0] == "\\" and not _GOOD_ESCAPE.fullmatch(atom[0])):
            raise ValueError(f"{text[at : at + 2]!r} is not supported in a pattern: {text!r}")
        if open_repeat and _takes(open_repeat, atom[0]):
            raise ValueError(
                f"{open_repeat!r} is repeated and can also match {atom[0]!r}, which must follow "
                f"the repeat: {text!r}"
            )
        out.append(atom[0])
        open_repeat, at = "", atom.end()
        single = "" if atom[0] in ("^", "$", r"\b") else atom[0]
    for count in choices:
        ways *= count
    if ways > _MAX_WAYS:
        raise ValueError(
            f"the alternatives of a pattern have more than {_MAX_WAYS} combinations: {text!r}"
        )
    try:
        return re.compile("".join(out))
    except (re.error, OverflowError) as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from error


def _check_repeat(text: str, repeat: "re.Match[str]", single: str) -> None:
    if not single:
        raise ValueError(
            f"{repeat[0]!r} must follow a single character or a character class: {text!r}"
        )
    if any(int(count) > _MAX_COUNT for count in (repeat[1], repeat[3]) if count):
        raise ValueError(f"a pattern must not repeat more than {_MAX_COUNT} times: {text!r}")


def _takes(repeated: str, following: str) -> bool:
    """
    Return whether a class can match the letter that follows it; a following class is not checked.
    """
    letter = following[1:] if following[0] == "\\" else following
    if len(letter) != 1 or following in ("^", "$", ".") or re.fullmatch(r"\\\w", following):
        return False
    try:
        return re.fullmatch(repeated, letter) is not None
    except re.error:
        return False  # compiling the whole says what is wrong


def literal_beginning(text: str) -> str:
    """Return the plain letters with which every match of a pattern begins."""
    out = ""
    at = 0
    while at < len(text) and text[at] not in "()|[.^$*+?{":
        atom = _ATOM.match(text, at)
        if atom is None or re.fullmatch(r"\\\w", atom[0]):
            break
        if _REPEAT.match(text, atom.end()) is not None:
            break
        out += atom[0][-1]
        at = atom.end()
    return "" if "|" in _outside_groups(text) else out


def _outside_groups(text: str) -> str:
    """Return a pattern without its groups, classes and escapes."""
    kept, depth, at = "", 0, 0
    while at < len(text):
        atom = None if text[at] in "()" else _ATOM.match(text, at)
        if atom is None:
            depth += {"(": 1, ")": -1}.get(text[at], 0)
            at += 1
            continue
        kept += atom[0] if depth == 0 and len(atom[0]) == 1 else ""
        at = atom.end()
    return kept
