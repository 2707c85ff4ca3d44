"""Name captures of other pages with nearly the same main text as a capture."""

from collections.abc import Collection, Sequence

from snapshotter.app.archive import quarantined
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.formats.bundle import store_keys
from snapshotter.index.copies import find_copies
from snapshotter.index.store_index import Index
from snapshotter.model.copies import Copy
from snapshotter.ports import ReadableStore


def known_copies(
    store: ReadableStore,
    index: Index,
    bundle_id: str,
    *,
    is_trusted: IsTrusted,
    quarantined_ids: Collection[str] = (),
) -> tuple[Copy, ...]:
    """
    Return captures of other pages with nearly the same main text, as far as an index knows them.

    What the store no longer has, and what is in quarantine, is left out.

    Args:
        is_trusted: Whether a key of this id may end a quarantine.
        quarantined_ids: Captures that are in quarantine by a record.

    Raises:
        SnapshotterError: The index cannot be used, or the store cannot be read.
    """

    def is_hidden(other: str, _: Sequence[str]) -> bool:
        # The index may be older than the store.
        key = store_keys.bundle_key(other)
        kinds = {found.key.removeprefix(key).removeprefix(".") for found in store.list(key)}
        return (
            other in quarantined_ids
            or "" not in kinds
            or quarantined.is_hidden(store, other, is_trusted, kinds=kinds)
        )

    return find_copies(index.database, bundle_id, is_hidden)
