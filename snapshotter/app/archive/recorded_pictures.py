"""Find the pictures of a page among the files of a bundle, as the capture record names them."""

from collections.abc import Iterable, Mapping
from typing import Any

from snapshotter.model.capture import PictureKind
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedPicture:
    """A picture of the default window."""

    paths: tuple[str, ...]  # of its PNG files in the bundle, from the top and edge to edge
    scale: int  # device pixels a CSS pixel


def recorded_pictures(
    record: Mapping[str, Any], names: Iterable[str]
) -> dict[PictureKind, RecordedPicture]:
    """
    Return the pictures of the page in the default window, whose files the bundle has.

    Args:
        record: As a stranger may have written it.
        names: Of the files of the bundle.

    Raises:
        LookupError, TypeError, ValueError: The record is invalid.
    """
    there = set(names)
    found: dict[PictureKind, RecordedPicture] = {}
    for picture in record["content"].get("pictures", ()):  # records before 2026-11 have none
        if picture["viewport"] != "default" or picture["subject"]:
            continue
        paths = tuple(str(file["path"]) for file in picture["files"])
        if paths and there.issuperset(paths) and picture["kind"] in set(PictureKind):
            found.setdefault(
                PictureKind(picture["kind"]),
                RecordedPicture(paths=paths, scale=max(1, int(picture["scale"]))),
            )
    return found
