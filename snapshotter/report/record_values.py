"""
Read the fields of a capture record, which a stranger may have written, by their types.

A field of another type counts as absent. A path has the names of nested objects: `what.title`.
"""

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

MAX_REQUESTS: Final = 300  # rows of the network table


def value_at(record: Any, path: str) -> Any:
    """Return the value at a path of names; None if there is none."""
    for name in path.split("."):
        record = record.get(name) if isinstance(record, Mapping) else None
    return record


def text_at(record: Any, path: str) -> str:
    """Return a text; "" for anything else."""
    found = value_at(record, path)
    return found if isinstance(found, str) else ""


def number_at(record: Any, path: str) -> int | None:
    """Return a whole number; None for anything else."""
    found = value_at(record, path)
    return found if type(found) is int else None  # True is no number here


def values_at(record: Any, path: str) -> list[Any]:
    """Return a list; an empty one for anything else."""
    found = value_at(record, path)
    return found if isinstance(found, list) else []


def objects_at(record: Any, path: str) -> Iterator[Mapping[str, Any]]:
    """Yield the objects of a list, at most MAX_REQUESTS."""
    found = (item for item in values_at(record, path) if isinstance(item, Mapping))
    return islice(found, MAX_REQUESTS)
