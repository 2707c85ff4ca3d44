"""
Suggest what a person may mean while typing: ids of a store, cases, policies.

A shell asks at each press of the tab key. Therefore only little is read, and buckets are not
contacted: the cases of a bucket are those that the index has.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapshotter.app.archive.lookup.object_ids import LATEST, ObjectKind, newest_ids
from snapshotter.policy.files import shipped_directory
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.ports import ReadableStore

_MOST: Final = 30  # ids that are suggested
_EXAMINED: Final = 1000  # newest ids whose parts are compared with what was typed
_SHORT: Final = 8  # characters of a part; `list` shows as many of the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggestion:
    """One thing that a person may mean."""

    text: str
    description: str = ""


def suggest_ids(
    store: "ReadableStore", typed: str, kinds: Sequence[ObjectKind]
) -> tuple[Suggestion, ...]:
    """
    Return the newest ids that begin with a text, and parts of ids that begin with it.

    A part is the end of an id, as `list` shows it, or the beginning of the random part.

    Raises:
        SnapshotterError, OSError: The store cannot be read.
    """
    from snapshotter.app.archive.lookup.object_ids import describe

    found = [Suggestion(text=LATEST)] if LATEST.startswith(typed) else []
    for kind in kinds:
        wanted = islice(_matching(store, typed, kind), _MOST)
        found += [
            Suggestion(text=text, description=describe(store, object_id, kind))
            for text, object_id in wanted
        ]
    return tuple(found)


def _matching(store: "ReadableStore", typed: str, kind: ObjectKind) -> Iterator[tuple[str, str]]:
    """Yield a text that begins as it was typed, and the id that it stands for, newest first."""
    for object_id in islice(_candidates(store, typed, kind), _EXAMINED):
        if object_id.startswith(typed):
            yield object_id, object_id
            continue
        random = object_id.rpartition("-")[2]
        if random.startswith(typed):
            yield random if len(typed) > _SHORT else random[:_SHORT], object_id
        elif random[-_SHORT:].startswith(typed):
            yield random[-_SHORT:], object_id


def _candidates(store: "ReadableStore", typed: str, kind: ObjectKind) -> Iterator[str]:
    """Yield the ids with this beginning, or all ids if no id has it: digits may be of any part."""
    found = newest_ids(store, kind, typed)
    first = next(found, None)
    yield from newest_ids(store, kind) if first is None else chain((first,), found)


def suggest_cases(
    store: "ReadableStore | None", known: Mapping[str, bytes], typed: str
) -> tuple[Suggestion, ...]:
    """
    Return the cases of a store whose names begin with a text.

    Args:
        store: None for a bucket, of which only `known` is read.
        known: Objects of the annotation chain that the index has, by key.

    Raises:
        SnapshotterError, OSError: The store cannot be read.
    """
    from snapshotter.app.archive.annotations import read_cases

    return tuple(
        Suggestion(text=name, description=title)
        for name, title in dict(read_cases(store, known)).items()
        if name.startswith(typed)
    )


def suggest_policies(directory: Path | None, typed: str) -> tuple[Suggestion, ...]:
    """
    Return the shipped policies and those of a directory whose names begin with a text.

    The files are not read, so that rules of readings or watches in the directory are suggested too.
    """
    folders = [shipped_directory(), *([directory] if directory is not None else [])]
    names = {path.stem for folder in folders for path in folder.glob("*.toml")}
    return tuple(Suggestion(text=name) for name in sorted(names) if name.startswith(typed))
