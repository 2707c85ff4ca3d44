"""Rebuild the index of a store, and compare it with the store."""

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.index.values import IndexCounts
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexStatus:
    """The rows of an index, and how they differ from the store."""

    counts: IndexCounts
    outdated: int  # bundles that have no row yet, or one that is outdated
    removed: int  # rows of bundles that the store no longer lists


def rebuild(source: ObservationSource) -> IndexCounts:
    """
    Read every bundle of a store again, and return the numbers of rows.

    Until then the previous rows stay. A crash leaves some of both, and the next command that uses
    the index continues.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The index cannot be used.
    """
    source.index.mark_outdated()
    source.sync()
    source.index.sync_events(source.store)
    return source.index.counts()


def status(source: ObservationSource) -> IndexStatus:
    """
    Compare an index with all objects that its store lists; read and change nothing.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The index cannot be used.
    """
    outdated, removed = source.index.compare(source.store)
    return IndexStatus(counts=source.index.counts(), outdated=outdated, removed=removed)
