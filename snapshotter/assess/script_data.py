"""
Read the values of variables, and JSON data, from the text of a page's scripts.

No script is run. Examples:

    var read_num = "3797" * 1;          variable read_num is "3797"
    ori_create_time: '1767346773' * 1   variable ori_create_time is "1767346773"
    $render_data = [{"status": {…}}]    data of $render_data
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

_MAX_VALUE = 300  # characters of a variable
_MAX_DATA = 4 << 20  # characters of a script that holds data
_MAX_PLACES = 200  # where a name stands in one script, that are looked at
_MAX_TRIES = 3  # of one script to read data
_MAX_STEPS = 20  # of a path
_PART_OF_NAME = re.compile(r"[\w$.]\Z")
_GIVEN = re.compile(
    r"(?P<quote>[\"']?)\s{0,20}[:=](?!=)\s{0,20}(?:JsDecode\(|decodeURIComponent\()?"
)
_SOME = rf"{{0,{_MAX_VALUE}}}"
_VALUE = re.compile(
    rf"\"(?P<double>[^\"\\\r\n]{_SOME}(?:\\.[^\"\\\r\n]{_SOME}){{0,40}})\""
    rf"|'(?P<single>[^'\\\r\n]{_SOME}(?:\\.[^'\\\r\n]{_SOME}){{0,40}})'"
    r"|(?P<number>-?\d{1,18})(?![\w.])"
)
_DECODER = json.JSONDecoder()
_ASCII_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def variable(scripts: Sequence[tuple[str, str]], name: str) -> Iterator[tuple[str, str]]:
    """
    Yield the texts and numbers that scripts assign to a name, each with its place; none empty.

    Args:
        scripts: Selector and text of each.
    """
    for where, text in scripts:
        for at in _places(text, name):
            found = _VALUE.match(text, at)
            value = ""
            if found is not None:
                value = found["number"] or _unescaped(found["double"] or found["single"] or "")
            if value:
                yield f"{where}: {name}", value


def find_json_data(scripts: Sequence[tuple[str, str]], name: str) -> Iterator[tuple[str, Any]]:
    """
    Yield the data (JSON) that scripts assign to a name; for "", that which a script is as a whole.
    """
    for where, text in scripts:
        if len(text) > _MAX_DATA:
            continue
        if not name:
            begins = [0] if text.lstrip()[:1] in ("[", "{") else []
        else:
            begins = [at for at in _places(text, name) if text[at : at + 1] in ("[", "{")]
        for at in begins[:_MAX_TRIES]:
            value = _decoded(text, at)
            if value is not None:
                yield (f"{where}: {name}" if name else where), value


def _places(text: str, name: str) -> Iterator[int]:
    """Yield where values begin that a script assigns to a name, by `=` or as a key of an object."""
    at = -1
    for _ in range(_MAX_PLACES):
        if (at := text.find(name, at + 1)) < 0:
            return
        before = text[max(0, at - 8) : at]
        quote = before[-1:] if before[-1:] in ("'", '"') else ""
        if _PART_OF_NAME.search(before.removesuffix(quote).removesuffix("window.")):
            continue
        given = _GIVEN.match(text, at + len(name))
        if given is not None and given["quote"] == quote:
            yield given.end()


def parse_json(text: str) -> Any | None:
    """Return a JSON value; None if the text is not JSON, or nested too deeply."""
    return _decoded(text.lstrip("\ufeff"), 0) if len(text) <= _MAX_DATA else None


def at_path(data: Any, path: str) -> Any | None:
    """Return the value at a path of keys and numbers; None if there is none."""
    steps = path.split(".")
    if len(steps) > _MAX_STEPS:
        return None
    for step in steps:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and step.isdecimal() and int(step) < len(data):
            data = data[int(step)]
        else:
            return None
    return data


def as_text(value: object) -> str:
    """Return a text or a whole number as text, and "" for anything else."""
    if isinstance(value, str):
        return value[:_MAX_VALUE].strip()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18:
        return str(value)
    return ""


def _decoded(text: str, at: int) -> Any | None:
    while at < len(text) and text[at] in " \t\r\n":
        at += 1
    try:
        return _DECODER.raw_decode(text, at)[0]
    except (ValueError, RecursionError):
        return None


def _unescaped(text: str) -> str:
    if "\\" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        code = found[1] or found[2]
        if code:
            return chr(int(code, 16))
        return _PLAIN_ESCAPES.get(found[3], found[3])

    # Two escapes may be one character (a surrogate pair); half a one is no character.
    joined = _ASCII_ESCAPE.sub(plain, text)
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
