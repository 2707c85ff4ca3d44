"""
What a page's scripts say, read as text: variables and data. Nothing is run.

    var read_num = "3797" * 1;          variable read_num is "3797"
    ori_create_time: '1767346773' * 1   variable ori_create_time is "1767346773"
    $render_data = [{"status": {…}}]    data of $render_data
"""

import json
import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

_MAX_VALUE = 300  # characters of a variable
_MAX_DATA = 4 << 20  # characters of a script that holds data
_MAX_PLACES = 200  # where a name stands in one script, that are looked at
_MAX_STEPS = 20  # of a path
_DECODER = json.JSONDecoder()
_ASCII_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_PLAIN_ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def variable(scripts: Sequence[tuple[str, str]], name: str) -> Iterator[tuple[str, str]]:
    """
    Yield what scripts give a name, each with where: texts and numbers alone, none empty.

    Args:
        scripts: Selector and text of each.
    """
    given = _given(name)
    for where, text in scripts:
        if name not in text:
            continue
        for number, found in enumerate(given.finditer(text)):
            if number == _MAX_PLACES:
                break
            value = found["number"] or _unescaped(found["double"] or found["single"] or "")
            if value:
                yield f"{where}: {name}", value


def data_of(scripts: Sequence[tuple[str, str]], name: str) -> Iterator[tuple[str, Any]]:
    """Yield the data (JSON) that scripts give a name; with "" that which a script is as a whole."""
    given = _begun(name) if name else re.compile(r"\A\s*(?=[\[{])")
    for where, text in scripts:
        if name not in text or len(text) > _MAX_DATA:
            continue
        for number, found in enumerate(given.finditer(text)):
            if number == 3:
                break
            value = _decoded(text, found.end())
            if value is not None:
                yield (f"{where}: {name}" if name else where), value


def parse_json(text: str) -> Any | None:
    """Return what JSON says; None if it is none, or too deep."""
    return _decoded(text.lstrip("\ufeff"), 0) if len(text) <= _MAX_DATA else None


def at_path(data: Any, path: str) -> Any | None:
    """Return what stands at a path of keys and numbers; None where there is none."""
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


@cache
def _given(name: str) -> re.Pattern[str]:
    some = rf"{{0,{_MAX_VALUE}}}"
    double = rf"[^\"\\\r\n]{some}(?:\\.[^\"\\\r\n]{some}){{0,40}}"
    single = rf"[^'\\\r\n]{some}(?:\\.[^'\\\r\n]{some}){{0,40}}"
    return re.compile(
        rf"{_name(name)}(?:JsDecode\(|decodeURIComponent\()?(?:\"(?P<double>{double})\""
        rf"|'(?P<single>{single})'|(?P<number>-?\d{{1,18}})(?![\w.]))"
    )


@cache
def _begun(name: str) -> re.Pattern[str]:
    return re.compile(rf"{_name(name)}(?=[\[{{])")


def _name(name: str) -> str:
    """Return a pattern for a name that is given a value: a variable, or a key of an object."""
    return rf"(?<![\w$.])(?:window\.)?[\"']?{re.escape(name)}[\"']?\s{{0,20}}[:=](?!=)\s{{0,20}}"


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
