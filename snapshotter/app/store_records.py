"""
Write and read small records in a store, such as gaps and take-down events.

A record is written once and never replaced, and is read as a whole.
"""

import contextlib

from snapshotter.formats.digest import digest_bytes
from snapshotter.ports import ReadableStore, WritableStore


def put(store: WritableStore, key: str, data: bytes) -> bool:
    """
    Store a record under a free key; return False and change nothing if the key is taken.

    Raises:
        ServiceUnavailable, SnapshotterError: As `ObjectStore.put_new`.
    """
    with contextlib.suppress(FileExistsError):
        store.put_new(key, data, digest_bytes(data).sha256)
        return True
    return False


def read(store: ReadableStore, key: str, *, limit: int) -> bytes | None:
    """Return a record, at most one byte more than `limit`; None if it does not exist."""
    try:
        with store.open(key) as stream:
            return stream.read(limit + 1)
    except FileNotFoundError:
        return None
