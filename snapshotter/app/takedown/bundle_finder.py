"""
Find the bundles that an event or a campaign report names, and verify them.

A bundle is looked for among files that were given, in folders and in a store.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from snapshotter.app.archive.bundle_verification import verify_in_store
from snapshotter.formats.bundle import store_keys
from snapshotter.model.finding import Report
from snapshotter.ports import ReadableStore
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.files import NotAFile, open_file
from snapshotter.verify.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundle:
    """A bundle that was found and verified."""

    report: Report
    stream: BinaryIO  # the bundle; open within the `with` statement of its finder


# Opens and verifies the bundle of an id; gives None where it was not found.
FindBundle = Callable[[str], AbstractContextManager[VerifiedBundle | None]]


@contextmanager
def find_in_folders(
    folders: Sequence[Path], given: Sequence[Path], trust: Trust, now: datetime, bundle_id: str
) -> Iterator[VerifiedBundle | None]:
    """Open and verify a bundle that is among the given files, or in one of these folders."""
    name = f"{bundle_id}{store_keys.SUFFIX}"
    for path in (
        *(file for file in given if file.name == name),
        *(folder / name for folder in folders),
    ):
        try:
            stream = open_file(path)
        except (FileNotFoundError, NotAFile):
            continue
        with stream:
            report = verify_on_disk(stream, path, trust, now=now)
            yield VerifiedBundle(report=report, stream=stream)
            return
    yield None


@contextmanager
def find_in_store(
    store: ReadableStore, trust: Trust, now: datetime, bundle_id: str
) -> Iterator[VerifiedBundle | None]:
    """Open and verify a bundle of a store."""
    key = store_keys.bundle_key(bundle_id)
    try:
        stream = store.open(key)
    except FileNotFoundError:
        yield None
        return
    with stream:
        report = verify_in_store(stream, store, key, trust, now=now)
        yield VerifiedBundle(report=report, stream=stream)


@contextmanager
def find_first(finds: Sequence[FindBundle], bundle_id: str) -> Iterator[VerifiedBundle | None]:
    """Open and verify a bundle by the first finder that finds it."""
    for find in finds:
        with find(bundle_id) as found:
            if found is not None:
                yield found
                return
    yield None
