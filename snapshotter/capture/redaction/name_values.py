"""
Find where a text assigns a value to a name: in pages, scripts, forms, XML and URL parameters.

The name is searched first, and its surroundings are read then: a pattern over a whole page would be
slow on some pages. What happens to a value is decided in `concealer.py`.
"""

import re
from collections.abc import Sequence
from urllib.parse import unquote_to_bytes

_LEAST = 8  # characters of a value that is an identifier, and not a word of the page
_TOKEN = b"redacted:sha256:"
_DECLINED = frozenset({b"true", b"false", b"null", b"none", b"undefined"})

# A quotation mark, as JSON in a script, in an attribute or in an address writes it.
_QUOTE = rb"""(?:\\{0,7}["']|&quot;|&\#(?:34|39|x22|x27);|\\[xX]2[27]|\\u002[27]|%22|%27)"""
_CONTEXT = 24  # bytes before a name that are looked at
REST = re.compile(rb"[\w.-]{0,60}")  # of a name that begins as the policy states
# A field: the text before its name, between name and value, and the value.
_INSIDE = re.compile(rb"(?:[\w$?&]|&amp;)\Z")  # a part of another name, or of an address
_QUOTED = re.compile(_QUOTE + rb"\Z")
_GIVEN = re.compile(
    rb"(?P<quote>" + _QUOTE + rb")?\]?\s{0,20}(?:[:=](?!=)|%3A)\s{0,20}"
    rb"(?:JsDecode\(|decodeURIComponent\()?(?:(?:\"\"|'')\s{0,9}\|\|\s{0,9})?"
)
_FIELD_VALUES = (
    re.compile(rb"\"(?P<value>[^\"\\\r\n<>]{1,300})\""),
    re.compile(rb"'(?P<value>[^'\\\r\n<>]{1,300})'"),
    re.compile(rb"`(?P<value>[^`$\\\r\n<>]{1,300})`"),
    re.compile(_QUOTE + rb"(?P<value>[^\"'\\\r\n<>&%]{1,300})(?=" + _QUOTE + rb")"),
)
_IN_TAG = 600  # bytes of an element before its name
# A field of a form or of a head, `<input name=uin value=…>`, in both orders of its attributes.
_NAMED = re.compile(rb"(?i)[\s\"']name\s?=\s?[\"']?\Z")
_VALUE_BEHIND = tuple(
    re.compile(rb"(?i)[\"']?\s(?:[^<>]{0,200}[\s\"'])??(?:value|content)\s?=\s?" + value)
    for value in (
        rb"\"(?P<value>[^\"<>]{1,300})\"",
        rb"'(?P<value>[^'<>]{1,300})'",
        rb"(?P<value>[^\s\"'<>]{1,300})",
    )
)
_VALUE_BEFORE = re.compile(
    rb"(?i)[\s\"'](?:value|content)\s?=\s?(?P<quote>[\"'])(?P<value>[^\"'<>]{1,300})(?P=quote)"
    rb"(?:\s[^<>]{0,200})?[\s\"']name\s?=\s?[\"']?\Z"
)
# An element of XML of this name, in a namespace or in none, and the entry of a list of keys.
_OPENED = re.compile(rb"<(?:[\w.-]{1,40}:)?\Z")
_KEY = re.compile(rb"(?i)<key>\s{0,20}\Z")
_ELEMENT_VALUE = re.compile(
    rb"(?:\s[^<>]{0,300})?(?<!/)>\s{0,40}(?:<!\[CDATA\[)?\s{0,40}(?P<value>[^<>\]\s][^<>\]]{0,299}?)\s{0,40}"
    rb"(?:\]\]>\s{0,40})?</"
)
_KEY_VALUE = re.compile(rb"(?i)\s{0,20}</key>\s{0,40}<[a-z]{1,20}>(?P<value>[^<>]{1,300})</")
_NUMBER = re.compile(rb"(?P<value>[1-9]\d{0,18})(?![\w.%])")
_BEFORE_NUMBER = re.compile(rb"(?P<quote>" + _QUOTE + rb")?\]?\s{0,20}(?P<mark>[:=,\[(])\s{0,20}\Z")
_BEHIND_NUMBER = re.compile(rb"\s{0,20}[,}\]);]")
# A parameter: the same, as it is and percent-encoded.
_LEAD = re.compile(rb"(?i)(?:[?#]|(?<!&)&(?:amp;|\#38;|\#x26;)?|\\x3f|\\x26|\\u003f|\\u0026)\Z")
# Also in an address inside an address inside an address: %253F.
_LEAD_CODED = re.compile(rb"(?i)%(?:25){0,3}(?:3F|23|26(?:amp%(?:25){0,3}3B)?)\Z")
_PARAMETER_VALUE = re.compile(
    rb"(?i)(?:=(?!=)|\\x3d|\\u003d|&\#61;)(?P<value>[^&\#\"'<>\s\\=]{1,1000}={0,2})"
)
_CODED_VALUE = re.compile(
    rb"(?i)%(?:25){0,3}3D(?P<value>(?:(?!%(?:25){0,3}(?:26|23|22|27|3C|20))[^&\#\"'<>\s\\=]){1,1000})"
)


def name_stems(names: Sequence[str]) -> tuple[tuple[bytes, bool], ...]:
    """Return the lowercase beginnings of names, and whether more of the name may follow."""
    return tuple(
        dict.fromkeys(
            (name.lower().removesuffix("*").encode(), name.endswith("*")) for name in names
        )
    )


MatchedValue = tuple[
    re.Match[bytes] | None, bytes
]  # a value, and the quotation marks that it needs


def find_field_value(data: bytes, at: int, end: int) -> MatchedValue:
    """Return the value of a page's field whose name is at this position."""
    before = data[max(0, at - _CONTEXT) : at]
    if _NAMED.search(before):
        return _find_form_value(data, at, end), b""
    if _OPENED.search(before):
        return _ELEMENT_VALUE.match(data, end), b""
    if _KEY.search(before):
        return _KEY_VALUE.match(data, end), b""
    if _INSIDE.search(before) or (given := _GIVEN.match(data, end)) is None:
        return None, b""
    # In quotation marks or not: of `"uin=" + x` the text begins before the name and ends there.
    if (_QUOTED.search(before) is None) != (given["quote"] is None):
        return None, b""
    for pattern in _FIELD_VALUES:
        if (found := pattern.match(data, given.end())) is not None:
            return found, b""
    # As its name is quoted: in JSON, and in JSON that is a text of a script.
    return _NUMBER.match(data, given.end()), given["quote"] or b"'"


def _find_form_value(data: bytes, at: int, end: int) -> re.Match[bytes] | None:
    """Return the value of an element that has a field's name: `<input name="uin" value="…">`."""
    for pattern in _VALUE_BEHIND:
        if (found := pattern.match(data, end)) is not None:
            return found
    begin = data.rfind(b"<", max(0, at - _IN_TAG), at)
    return None if begin < 0 else _VALUE_BEFORE.search(data, begin, at)


def quotes_for_number(data: bytes, at: int, end: int, usual: bytes) -> bytes:
    """Return the quotation marks for a replacement of a number; none inside of a text."""
    before = _BEFORE_NUMBER.search(data, max(0, at - 60), at)
    if before is None or not _BEHIND_NUMBER.match(data, end):
        return b""
    return before["quote"] if before["quote"] and before["mark"] in b":=" else usual


def find_parameter_value(data: bytes, at: int, end: int) -> MatchedValue:
    """Return the value of an address's parameter whose name is at this position."""
    before = data[max(0, at - _CONTEXT) : at]
    if not at or _LEAD.search(before):
        return _PARAMETER_VALUE.match(data, end), b""
    return (_CODED_VALUE.match(data, end) if _LEAD_CODED.search(before) else None), b""


def is_replaceable_value(value: bytes, name: bytes) -> bool:
    """Return whether a value was not replaced before, and is no word of a program."""
    shown = value.lower()
    return not value.startswith(_TOKEN) and shown not in _DECLINED and name not in shown


def percent_decode(value: bytes) -> bytes:
    """Return a value without percent-encoding, so that all spellings are equal."""
    return unquote_to_bytes(value) if b"%" in value else value


def is_identifier(value: bytes) -> bool:
    """Return whether a value can only be an identifier: long, and with a digit."""
    return (
        len(value) >= _LEAST
        and re.search(rb"\d", value) is not None
        and re.fullmatch(rb"[\w+/=.@-]+", value) is not None
        and not value.startswith(b"redacted:")
        and _OF_A_RECORD.fullmatch(value) is None
    )


# Whoever writes a page can write `uin = "HTTP/1.1"` into it. Versions, numbers with points, days,
# media types, paths and schemas are what a record is made of, and identify nobody.
_OF_A_RECORD = re.compile(
    rb"\d+(?:\.\d+)+|\d{4}-\d\d-\d\d.*|[a-z]{1,20}/[\w.+-]{1,20}|[^/]*/.*[.@].*|[^/.]*\..*/.*"
    rb"|[^@]*@[^.@]*",
    re.DOTALL,
)
