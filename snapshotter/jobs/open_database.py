"""
Open the queue's database, create its missing tables, and upgrade older ones.

Tables of a later release are refused.
"""

from sqlalchemy import Engine, inspect
from sqlalchemy.exc import SQLAlchemyError

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import TABLES, TABLES_VERSION, connect
from snapshotter.jobs.database_url import shown_url
from snapshotter.jobs.migration import (
    lock_tables,
    store_number,
    stored_number,
    upgrade,
    wrong_release_error,
)
from snapshotter.translation import tr


def open_database(text: str) -> Engine:
    """
    Open the queue's database, and create every table that is declared so far.

    Raises:
        ServiceUnavailable: It cannot be reached.
        SnapshotterError: Its address is invalid, or its tables are of a later release.
    """
    engine = connect(text)
    shown = shown_url(engine.url)
    try:
        version = _create_tables(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise ServiceUnavailable(
            tr(
                "the queue at {shown} cannot be opened: {splitlines}",
                shown=shown,
                splitlines=str(error).splitlines()[0],
            ),
            hint=tr("check that the disk has free space and that this user may write to the file")
            if engine.dialect.name == "sqlite"
            else tr("check that the database is running and that this user may use it"),
        ) from error
    except SnapshotterError:
        engine.dispose()
        raise
    if version > TABLES_VERSION:
        engine.dispose()
        raise wrong_release_error(version, shown)
    return engine


def _create_tables(engine: Engine) -> int:
    """
    Create the tables that do not exist, upgrade old ones, and return their number.

    One process at a time does it, so each of many that start at once finds complete tables.
    """
    with engine.connect() as connection:
        # If nothing is to be done, no lock is taken: readers must not wait for writers.
        if set(inspect(connection).get_table_names()) >= set(TABLES.tables):
            number = stored_number(connection)
            if number >= TABLES_VERSION:
                return number
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        lock_tables(connection)
        is_new = "job" not in inspect(connection).get_table_names()
        TABLES.create_all(connection)
        # Tables without a number are the first ones.
        found = stored_number(connection) or (TABLES_VERSION if is_new else 1)
        if found < TABLES_VERSION:
            upgrade(connection, found)
        number = max(found, TABLES_VERSION)
        store_number(connection, number)
        return number
