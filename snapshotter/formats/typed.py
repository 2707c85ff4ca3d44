"""
Convert JSON to model values (the inverse of `canonical_json.plain`), and values to short JSON.

    plain(Count(...)) -> {"exact": true, "lower": 480, …} -> read(Count, …)

`read` is strict: every field must be present and have its type, and no other field is allowed.
Only fields that have a default may be absent, so that records of earlier versions can be read.
`write` leaves such fields out.
"""

import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import is_same_moment, milliseconds, parse_instant, plain
from snapshotter.formats.large_json import Cursor
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

T = TypeVar("T")
_MS = "_ms"  # what `plain` adds beside an instant


def read(kind: type[T], value: object) -> T:
    """
    Return the value that `plain` made this of.

    Args:
        kind: A dataclass of `model/`.
        value: JSON as Python has it; or, where it is long, a cursor that is read on the way.

    Raises:
        EvidenceInvalid: It is of another form, or its own checks refuse it.
    """
    found: T = _read(kind, value, kind.__name__)
    return found


def write(value: object) -> Any:
    """
    Return what `read` makes the value of again, without the fields that have their default.

    For records of very many values, of which most say nothing: a third of what `plain` writes.
    """
    if isinstance(value, tuple):
        return [write(element) for element in value]
    if isinstance(value, Mapping):
        return {name: write(element) for name, element in value.items()}
    if not is_dataclass(value) or isinstance(value, type):
        return plain(value)
    result: dict[str, Any] = {}
    for field in fields(value):
        content = getattr(value, field.name)
        if field.default is not MISSING and content == field.default:
            continue
        if field.default_factory is not MISSING and content == field.default_factory():
            continue
        result[field.name] = write(content)
        # To the second is enough where nothing stands behind it.
        if isinstance(content, datetime) and content.microsecond:
            result[f"{field.name}{_MS}"] = milliseconds(content)
    return result


@dataclass(frozen=True, slots=True)
class _Read:
    """A long field of an object, which was read while its object was walked."""

    value: Any


def _read(kind: Any, value: object, where: str) -> Any:
    if isinstance(value, _Read):
        return value.value
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _union(typing.get_args(kind), value, where)
    if origin is tuple:
        return _tuple(typing.get_args(kind), value, where)
    if origin is not None and issubclass(origin, Mapping):
        return _mapping(typing.get_args(kind), value, where)
    if kind is datetime:
        return parse_instant(value)
    if kind is timedelta:
        return timedelta(milliseconds=_of(int, value, where))
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        try:
            return kind(value)
        except ValueError as error:
            raise EvidenceInvalid(
                tr(
                    "{where} is not a valid {name}: {value!r:.80}",
                    where=where,
                    name=kind.__name__,
                    value=value,
                )
            ) from error
    if is_dataclass(kind):
        return _dataclass(kind, value, where)
    return _of(kind, value, where)


def _of(kind: Any, value: object, where: str) -> Any:
    if kind in (bool, int, str) and type(value) is kind:
        return value
    raise EvidenceInvalid(
        tr("{where} is not of type {getattr}", where=where, getattr=getattr(kind, "__name__", kind))
    )


def _union(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    (kind,) = (kind for kind in kinds if kind is not type(None))
    return _read(kind, value, where)


def _tuple(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    if not isinstance(value, list | Cursor):
        raise EvidenceInvalid(tr("{where} is not a list", where=where))
    if kinds[-1] is Ellipsis:
        items = value.items() if isinstance(value, Cursor) else value
        return tuple(_read(kinds[0], element, f"{where}[{n}]") for n, element in enumerate(items))
    if isinstance(value, Cursor):
        raise EvidenceInvalid(tr("{where} is too long", where=where))
    if len(kinds) != len(value):
        raise EvidenceInvalid(
            tr("{where} does not have {count} values", where=where, count=len(kinds))
        )
    return tuple(_read(k, element, where) for k, element in zip(kinds, value, strict=True))


def _mapping(kinds: tuple[Any, ...], value: object, where: str) -> Any:
    if not isinstance(value, dict):
        raise EvidenceInvalid(tr("{where} is not an object", where=where))
    return {
        _of(str, k, where): _read(kinds[1], element, f"{where}.{k}") for k, element in value.items()
    }


@cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _dataclass(kind: Any, value: object, where: str) -> Any:
    if not isinstance(value, dict | Cursor):
        raise EvidenceInvalid(tr("{where} is not an object", where=where))
    hints = _hints(kind)
    values = _walked(hints, value, where) if isinstance(value, Cursor) else dict(value)
    given: dict[str, Any] = {}
    for field in fields(kind):
        name = field.name
        if name not in values:
            if field.default is MISSING and field.default_factory is MISSING:
                raise EvidenceInvalid(
                    tr("{where} does not have the field {name}", where=where, name=name)
                )
            continue
        given[name] = _read(hints[name], values.pop(name), f"{where}.{name}")
        if isinstance(given[name], datetime) and f"{name}{_MS}" in values:
            ms = _of(int, values.pop(f"{name}{_MS}"), where)
            exact = _moment(ms, where)
            if not is_same_moment(given[name], ms):
                raise EvidenceInvalid(
                    tr(
                        "{where}.{name} and {where}.{name}_ms state different times",
                        where=where,
                        name=name,
                    )
                )
            given[name] = exact
    if values:
        raise EvidenceInvalid(
            tr(
                "{where} has unknown fields: {values}",
                where=where,
                values=", ".join(sorted(values))[:80],
            )
        )
    try:
        return kind(**given)
    except ValueError as error:
        raise EvidenceInvalid(f"{where}: {error}") from error


def _walked(hints: Mapping[str, Any], cursor: Cursor, where: str) -> dict[str, Any]:
    """Return the members of a long object; those that are long by themselves are read."""
    values: dict[str, Any] = {}
    for name, value in cursor.members():
        if name not in hints and not name.endswith(_MS):
            raise EvidenceInvalid(
                tr("{where} has an unknown field: {name}", where=where, name=name[:80])
            )
        if isinstance(value, Cursor):
            if name not in hints:
                raise EvidenceInvalid(tr("{where}.{name} is too long", where=where, name=name[:80]))
            value = _Read(_read(hints[name], value, f"{where}.{name}"))
        values[name] = value
    return values


def _moment(ms: int, where: str) -> datetime:
    try:
        return datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=ms)
    except OverflowError as error:
        raise EvidenceInvalid(tr("{where} is not a valid time", where=where)) from error
