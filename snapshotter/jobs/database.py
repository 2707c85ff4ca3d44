"""
Connect to the queue's database, run transactions in it, and read its clock.

The database is SQLite in a file, or PostgreSQL. All times are taken from its clock. The modules
of this package declare their tables on `TABLES`; `open_database.py` creates them. The database
holds no evidence: losing it loses the pending jobs and the history, but no bundle.
"""

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Connection,
    DateTime,
    Engine,
    Executable,
    MetaData,
    RowMapping,
    Table,
    Text,
    create_engine,
    event,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from snapshotter import durable
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database_url import database_url, shown_url
from snapshotter.translation import tr

TABLES = MetaData()
# Increased with each change of the tables or of what is written into them (`migration.py`).
TABLES_VERSION = 4
Database = Engine  # the name for modules that only open a database and pass it on
_IDLE_TRANSACTION_S = 120  # after which PostgreSQL ends an idle transaction
_RETRY_S = 0.02  # between two attempts to switch SQLite to a write-ahead log
_BUSY_S = 30  # for which SQLite waits for another writer


class Instant(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite stores no zone, and PostgreSQL returns its own zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:
        """Return the value to write."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a time zone is invalid")
        return value.astimezone(UTC) if value is not None else None

    @override
    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:
        """Return the value that was read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class SafeText(TypeDecorator[str]):
    """
    Text that pages, lists and servers may have written.

    PostgreSQL refuses U+0000, and both databases refuse half of a surrogate pair. U+FFFD is
    written instead, because a job with such text would otherwise never end.
    """

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """Return the value to write."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


@contextlib.contextmanager
def unchecked_database(text: str) -> Iterator[Engine]:
    """
    Open the queue's database as it is: create no table, and do not check their version.

    Raises:
        SnapshotterError: Its address is invalid, or the file does not exist.
    """
    engine = connect(text, make=False)
    try:
        yield engine
    finally:
        engine.dispose()


def connect(text: str, *, make: bool = True) -> Engine:
    """Return the queue's database as it is; create its file if `make`, but no table."""
    url = make_url(database_url(text))
    if url.drivername == "sqlite":
        file = Path(url.database or "")
        if not make and not file.exists():
            raise SnapshotterError(
                tr("the queue {file} does not exist", file=file),
                hint=tr("start a worker, which creates the queue:\n  snapshotter worker"),
            )
        durable.make_private_folder(file.parent)
        if not file.exists():
            # SQLite gives the mode of the file to its journals, and reports what is wrong.
            with contextlib.suppress(OSError):
                os.close(os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_S})
        event.listen(engine, "connect", _write_ahead)
    else:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
        event.listen(engine, "connect", _limit_idle_transactions)
    return engine


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """
    Open a transaction that reads and writes; commit it at the end of the block.

    On SQLite nobody else writes meanwhile. On PostgreSQL a row that was read can change until
    it is locked (`with_for_update`) or written.

    Raises:
        ServiceUnavailable: The database does not answer, or its disk is full. It is unknown
            then whether an interrupted commit succeeded.
    """
    with _translated(engine), engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # The driver would begin with the first write; what was read before could be outdated.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an INSERT that leaves existing rows unchanged; `rowcount` states whether it wrote."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    statement = dialect.insert(table).on_conflict_do_nothing()
    # Else the number of rows of an INSERT is -1 on PostgreSQL.
    return statement.execution_options(preserve_rowcount=True)


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """
    Open a connection for reading.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with _translated(engine), engine.connect() as connection:
        yield connection


def read_rows(connection: Connection, statement: Executable) -> Sequence[RowMapping]:
    """Return all rows of a statement."""
    return connection.execute(statement).mappings().all()


def read_row(connection: Connection, statement: Executable) -> RowMapping | None:
    """Return the first row of a statement; None if it has no rows."""
    return connection.execute(statement).mappings().first()


@contextlib.contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError):
        raise  # a bug: waiting does not help
    except (DBAPIError, PoolTimeout) as error:
        shown = shown_url(engine.url)
        why = str(getattr(error, "orig", error)).splitlines()[0]
        raise ServiceUnavailable(
            tr("the database of the queue at {shown} does not answer: {why}", shown=shown, why=why),
            hint=tr("check that the database is running and that its disk has free space"),
        ) from error


Now = Callable[[Connection], datetime]  # returns the time, UTC, within a transaction


def database_now(connection: Connection) -> datetime:
    """Return the database's own time in UTC: the one clock that all workers share."""
    if connection.dialect.name == "sqlite":
        text = connection.execute(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now"))).scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at.astimezone(UTC)


def _limit_idle_transactions(connection: object, _record: object) -> None:
    """
    Make the server end a transaction that is idle for too long, to release its locks.

    A process that was suspended, or a machine that went to sleep, keeps its connection open.
    """
    with connection.cursor() as cursor:  # type: ignore[attr-defined] # of the DB-API
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{_IDLE_TRANSACTION_S}s'")
    connection.commit()  # type: ignore[attr-defined] # of the DB-API


def _write_ahead(connection: object, _record: object) -> None:
    """Use a write-ahead log, so that readers do not wait, and sync each commit to the disk."""
    cursor = connection.cursor()  # type: ignore[attr-defined] # of the DB-API
    # The mode is stored in the file. SQLite's timeout does not cover this change: of several
    # processes that open a new file at once, all but one get an error that it is locked.
    until = time.monotonic() + _BUSY_S
    while cursor.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_RETRY_S)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
