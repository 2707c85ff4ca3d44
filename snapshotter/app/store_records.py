"""Small records of their own in a store (gaps, events, proofs): written once, read whole."""

import contextlib

from snapshotter.formats.digest import digest_bytes
from snapshotter.ports import ReadableStore, WritableStore


def put(store: WritableStore, key: str, data: bytes) -> bool:
    """
    Store a record under a key that is free; False if something stands there: nothing is changed.

    Raises:
        ServiceUnavailable, SnapshotterError: As `ObjectStore.put_new`.
    """
    with contextlib.suppress(FileExistsError):
        store.put_new(key, data, digest_bytes(data).sha256)
        return True
    return False


def read(store: ReadableStore, key: str, *, limit: int) -> bytes | None:
    """Return what stands under a key, at most one byte more than `limit`; None for nothing."""
    try:
        with store.open(key) as stream:
            return stream.read(limit + 1)
    except FileNotFoundError:
        return None
