"""
Read and write canonical JSON (RFC 8785, with further restrictions), and the instants in it.

There are no floats (two readers round them differently), integers are below 2^53, no object has a
key twice, and values are nested at most 64 levels deep. A reader refuses bytes that do not
re-encode to themselves, so one value has exactly one encoding. `plain` converts a model value to
JSON; `formats/typed.py` is the inverse.
"""

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, NoReturn

from snapshotter.errors import EvidenceInvalid
from snapshotter.translation import tr

_MAX_INT = (1 << 53) - 1
MAX_BYTES = 16 << 20  # of one document, or of one piece of a longer one
MAX_VALUES = 200_000  # numbers, texts, lists and objects in it, one in another
MAX_LEVELS = 64  # lists and objects one in another: what a parser can do must not be what decides
MIN_YEAR = 1000  # of a clock's instants; up to 9999
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
)
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_EPOCH = datetime.fromtimestamp(0, UTC)
_MS = "_ms"  # ends the name of an instant's second spelling: integer milliseconds since 1970

JsonValue = None | bool | int | str | list[Any] | dict[str, Any]


def dumps(value: JsonValue) -> bytes:
    """
    Encode `value`; the same value gives the same bytes everywhere.

    Raises:
        ValueError: A float, an integer of 2^53 or more, half a character (a lone
            surrogate), more than 64 levels, or something JSON has not.
    """
    plain_keys = _refuse_what_bundles_do_not_hold(value)
    import rfc8785

    try:
        # RFC 8785 sorts keys by UTF-16 code units, and Python by characters: of ASCII that
        # is the same order. All else that it asks for, the encoder of Python writes.
        if plain_keys:
            return _ENCODER.encode(value).encode("utf-8")
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError) as error:
        raise ValueError(f"a string contains an incomplete character: {error}") from error


def loads(data: bytes, *, max_values: int = MAX_VALUES) -> Any:
    """
    Decode exactly what `dumps` writes.

    Canonical JSON of a few megabytes can be a gigabyte of Python objects: `[[],[],…]`
    has a list for every three bytes. So what a stranger wrote is counted in the bytes,
    before any of it is parsed.

    Args:
        max_values: The most numbers, texts, lists and objects, one in another.

    Raises:
        EvidenceInvalid: Not JSON, not canonical, holding what bundles do not hold, longer than
            `MAX_BYTES`, or more values than that.
    """
    if len(data) > MAX_BYTES:  # a text of one rare character takes four times its bytes
        raise EvidenceInvalid(tr("the JSON is longer than {max_bytes} bytes", max_bytes=MAX_BYTES))
    _refuse_more_values(data, max_values)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_object,
            parse_float=_refuse_number,
            parse_constant=_refuse_number,
        )
        again = dumps(value)
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid(
            tr("the data are not canonical JSON: {error}", error=error)
        ) from error
    if again != data:
        raise EvidenceInvalid(
            tr(
                "the data are not canonical JSON: the canonical form of the data has different "
                "bytes"
            )
        )
    return value


def recode(data: bytes) -> bytes:
    """
    Return the canonical form of JSON that a person wrote: with spaces, in any order.

    Raises:
        EvidenceInvalid: Not JSON, a key twice, or holding what bundles do not hold.
    """
    try:
        return dumps(
            json.loads(
                data.decode("utf-8"),
                object_pairs_hook=_object,
                parse_float=_refuse_number,
                parse_constant=_refuse_number,
            )
        )
    except (ValueError, RecursionError) as error:
        raise EvidenceInvalid(
            tr("the JSON cannot be written in canonical form: {error}", error=error)
        ) from error


def instant(at: datetime) -> str:
    """Return an instant as bundles write it: UTC, whole seconds, `Z`."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    # Not strftime: it writes the years before 1000 with fewer digits than are read.
    return f"{at.astimezone(UTC).replace(microsecond=0, tzinfo=None).isoformat()}Z"


def parse_instant(text: object) -> datetime:
    """
    Read an instant as bundles write it.

    Raises:
        EvidenceInvalid: Not of the form YYYY-MM-DDTHH:MM:SSZ.
    """
    if isinstance(text, str):
        try:
            at = datetime.strptime(text, _INSTANT).replace(tzinfo=UTC)
        except ValueError:
            pass
        else:
            if instant(at) == text:
                return at
    raise EvidenceInvalid(tr("{text!r} is not a time of the form YYYY-MM-DDTHH:MM:SSZ", text=text))


def parse_clock(text: object) -> datetime:
    """
    Read an instant that a clock gave, as records and custody events have it: not one that a page
    or a certificate states, which may be of any year.

    Raises:
        EvidenceInvalid: As `parse_instant`, or a year before 1000.
    """
    at = parse_instant(text)
    if at.year < MIN_YEAR:
        raise EvidenceInvalid(
            tr("the time {text!r} is before the year {min_year}", text=text, min_year=MIN_YEAR)
        )
    return at


def milliseconds(at: datetime) -> int:
    """Return an instant as whole milliseconds since 1970. It is cut, as `instant` cuts it."""
    return (at - _EPOCH) // timedelta(milliseconds=1)


def is_same_moment(second: datetime, ms: int) -> bool:
    """
    Return whether `ms` is a moment of the second that `instant` wrote.

    The end of the second is included: records once rounded the milliseconds and cut the second.
    """
    return 0 <= ms - milliseconds(second) <= 1000


def are_one(one: datetime, other: datetime) -> bool:
    """
    Return whether two instants may be one, of which a record kept the milliseconds.

    Clocks of others give microseconds. A record cuts them; older ones rounded them.
    """
    return abs(one - other) < timedelta(milliseconds=1)


def check_moments(value: object) -> None:
    """
    Check every instant in decoded JSON that is written twice: `X`, and `X_ms` beside it.

    Raises:
        EvidenceInvalid: The two spellings of one instant are different moments.
    """
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, list):
            left.extend(item)
        elif isinstance(item, dict):
            left.extend(item.values())
            for name in item:
                if name.endswith(_MS) and (twin := name.removesuffix(_MS)) in item:
                    _check_moment(twin, item[twin], item[name])


def _check_moment(name: str, text: object, ms: object) -> None:
    if text is not None and not isinstance(text, str):
        return  # a setting beside a duration, such as `pdf` and `pdf_ms`: no instant
    agrees = ms is None
    if text is not None:
        agrees = type(ms) is int and is_same_moment(parse_instant(text), ms)
    if not agrees:
        raise EvidenceInvalid(
            tr(
                "{name} and {name}_ms state different times: {text} and {ms!r:.40}",
                name=name,
                text=text,
                ms=ms,
            )
        )


def plain(value: object) -> Any:
    """
    Return a model value as JSON: dataclasses as objects, tuples as arrays, instants as text,
    lengths of time as whole milliseconds.

    Field names stay as they are; an instant `at` of a value also appears as
    `at_ms` (integer milliseconds since 1970) so that order within a second is kept.
    """
    if isinstance(value, Enum):
        return value.value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        result: dict[str, Any] = {}
        for field in fields(value):
            content = getattr(value, field.name)
            result[field.name] = plain(content)
            if isinstance(content, datetime):
                result[f"{field.name}{_MS}"] = milliseconds(content)
        return result
    raise ValueError(f"{type(value).__name__} cannot be written in canonical JSON")


def count_values(data: bytes) -> int:
    """
    Return how many values JSON holds, one in another, without parsing it: each comma, each list
    and each object outside of texts.

    What is no JSON may be miscounted, but only behind the place where a parser stops.
    """
    # Without escapes, every second piece between quotation marks is outside of texts.
    bare = data.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside = b"".join(bare.split(b'"')[::2])
    return sum(outside.count(mark) for mark in (b",", b"[", b"{"))


def _refuse_more_values(data: bytes, most: int) -> None:
    # Each value may be a text under a key; and an escaped mark has an escape before it.
    marks = data.count(b'"') - data.count(b'\\"')
    if marks > 4 * most or count_values(data) > most:
        raise EvidenceInvalid(tr("the JSON contains more than {most} values", most=most))


def _refuse_what_bundles_do_not_hold(value: object, level: int = 1) -> bool:
    """Return whether all keys are ASCII. Raises ValueError."""
    if value is None or isinstance(value, bool | str):
        return True
    plain_keys = True
    if isinstance(value, list | tuple | dict) and level > MAX_LEVELS:
        raise ValueError(f"lists and objects are nested more than {MAX_LEVELS} levels deep")
    if isinstance(value, int):
        if abs(value) > _MAX_INT:
            raise ValueError(f"{value} is too large, because a number must be below 2^53")
    elif isinstance(value, list | tuple):
        for item in value:
            plain_keys &= _refuse_what_bundles_do_not_hold(item, level + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError("the keys of an object must be strings")
            plain_keys &= key.isascii()
            plain_keys &= _refuse_what_bundles_do_not_hold(item, level + 1)
    else:
        raise ValueError(f"{type(value).__name__} is not allowed in canonical JSON")
    return plain_keys


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("an object contains a key twice")
    return result


def _refuse_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is not an integer")
