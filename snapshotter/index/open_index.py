"""Open an index; create it if it does not exist, and again if it is damaged."""

from pathlib import Path

from snapshotter.index.database import IndexDamaged
from snapshotter.index.sqlite_database import SqliteDatabase
from snapshotter.index.store_index import Index


def open_index_file(path: Path) -> Index:
    """
    Open the index in an SQLite file.

    Raises:
        SnapshotterError: The index cannot be used, or a later version of snapshotter made it.
        ServiceUnavailable: Another process locks the index for longer than a minute.
    """
    try:
        return Index(SqliteDatabase(path))
    except IndexDamaged:  # the file was deleted
        return Index(SqliteDatabase(path))
