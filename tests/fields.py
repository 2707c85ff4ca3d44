"""Every field of a record, changed one at a time, and whose word its specification calls it."""

import copy
import dataclasses
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import typed

SPEC = Path(__file__).parent.parent / "docs" / "spec"
WORDS = frozenset({"derived", "compared", "signer's word"})
# What a field may be changed to, so that it is still one of its kind.
_OTHERS: tuple[Any, ...] = (
    "available", "unavailable", "content", "notice", "author", "complaint_many", "wall", "login",
    "removed", "reinstated", "picture", "dom", "json", "meta", "missed", "2026-05-27T08:00:00Z",
    "20260527t080000z-aaaaaaaaaaaaaaaa", "f" * 64, "http://other.test/", "x", 1, 5,
)  # fmt: skip

Place = tuple[str | int, ...]


def decisions(spec: str, title: str) -> dict[str, str]:
    """
    Return whose word each field is, by a list of a specification.

    Args:
        title: What stands before the list: `Fields of an event`.
    """
    text = (SPEC / spec).read_text(encoding="utf-8")
    _, _, entries = text.partition(f"\n{title}:\n\n")
    found: dict[str, str] = {}
    for line in entries.splitlines():
        if not line.startswith("- "):
            break
        word, _, fields = line.removeprefix("- ").partition(": ")
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", fields)
        for name in re.findall(r"`([a-z0-9_]+)`", re.sub(r"\([^()]*\)", "", plain)):
            assert name not in found, f"{name} stands twice in {spec}"
            found[name] = word
    assert found, f"{spec} has no such list"
    assert set(found.values()) <= WORDS
    return found


def names(kind: Any) -> set[str]:
    """Return the names of the fields of a dataclass."""
    return {field.name for field in dataclasses.fields(kind)}


def changed(
    kind: Any, value: Any, *, only: Callable[[Place], bool] = lambda place: True
) -> Iterator[tuple[Place, Any]]:
    """
    Yield a record with one field changed, for each field, each text once more emptied.

    What its format refuses is not there: no signer can write it.

    Args:
        kind: The dataclass that `value` is the JSON of.
        only: Which fields to change.
    """
    for place in filter(only, _places(value)):
        old = _at(value, place)
        for new in dict.fromkeys(_instead(old)):
            other = copy.deepcopy(value)
            holder = _at(other, place[:-1])
            holder[place[-1]] = new
            twin = f"{place[-1]}_ms"
            if isinstance(holder, dict) and isinstance(holder.get(twin), int) and old != new:
                if not isinstance(new, str):
                    continue
                holder[twin] += 1000  # an instant has two spellings, and they agree
            try:
                yield place, typed.read(kind, other)
            except (EvidenceInvalid, ValueError):
                continue
            if new != "":
                break  # one other value is enough


def _places(value: Any, place: Place = ()) -> Iterator[Place]:
    if isinstance(value, dict):
        for name, element in value.items():
            if f"{name}".removesuffix("_ms") != name and name.removesuffix("_ms") in value:
                continue  # with its instant
            yield from _places(element, (*place, name))
    elif isinstance(value, list):
        for number, element in enumerate(value):
            yield from _places(element, (*place, number))
    else:
        yield place


def _instead(old: Any) -> Iterator[Any]:
    if isinstance(old, bool):
        yield not old
        return
    if isinstance(old, int):
        yield old + 1
        return
    if isinstance(old, str) and old:
        yield ""
        if re.fullmatch(r"[0-9T:-]{19}Z", old):
            second = int(old[17:19])
            yield f"{old[:17]}{(second + 1) % 60:02}Z"
        yield f"{old[:-1]}{'0' if old[-1] != '0' else '1'}"
    yield from (other for other in _OTHERS if other != old)


def _at(value: Any, place: Place) -> Any:
    for name in place:
        value = value[name]
    return value
