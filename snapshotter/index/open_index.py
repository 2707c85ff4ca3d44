"""Open an index; create it if it does not exist, and again if it is damaged."""

from collections.abc import Mapping
from pathlib import Path

from snapshotter.index.database import IndexDamaged
from snapshotter.index.sqlite_database import SqliteDatabase
from snapshotter.index.store_index import Index
from snapshotter.ports import ShowMessage


def open_index_file(
    path: Path, *, show_message: ShowMessage | None = None, any_thread: bool = False
) -> Index:
    """
    Open the index in an SQLite file.

    Args:
        show_message: Shows that the index was damaged.
        any_thread: Several threads use the index, one at a time.

    Raises:
        SnapshotterError: The index cannot be used, or a later version of snapshotter made it.
        ServiceUnavailable: Another process locks the index for longer than a minute.
    """
    try:
        return Index(SqliteDatabase(path, any_thread=any_thread))
    except IndexDamaged as error:  # the file was deleted
        if show_message is not None:
            show_message(str(error))
        return Index(SqliteDatabase(path, any_thread=any_thread))


def open_index_schema(
    address: str, *, options: Mapping[str, str], schema: str, shown: str
) -> Index:
    """
    Open the index in a schema of a PostgreSQL database; see `PostgresqlDatabase`.

    Raises:
        ServiceUnavailable: The server does not answer.
        SnapshotterError: The index cannot be used, or a later version of snapshotter made it.
    """
    from snapshotter.index.postgresql_database import PostgresqlDatabase

    return Index(PostgresqlDatabase(address, options=options, schema=schema, shown=shown))
