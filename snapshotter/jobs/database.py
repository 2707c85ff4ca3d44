"""
Open the queue's database: SQLite in a file, or PostgreSQL by URL. Its clock is used for all times.

Each module of this package declares its tables on `TABLES`. They are created when the database
is first opened. It holds no evidence: losing it loses the pending jobs and the history, but
no bundle.
"""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    create_engine,
    event,
    func,
    inspect,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    ProgrammingError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.types import TypeDecorator
from typing_extensions import override

from snapshotter.errors import ServiceUnavailable, SnapshotterError

TABLES = MetaData()
# Increased with each change of the tables or of what is written into them (`migration.py`).
TABLES_VERSION = 3
_MADE_FOR = Table(
    "tables_version",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("version", Integer, nullable=False),
)
Database = Engine  # the name for modules that only open a database and pass it on
_MAKING = 0x736E_6170  # PostgreSQL's advisory lock for the creation of the tables
_LONGEST_PASSWORD = 4096  # characters
_STANDS_STILL_S = 120  # after which PostgreSQL ends an idle transaction
_LOCKED_S = 0.02  # between two attempts to switch SQLite to a write-ahead log
_BUSY_S = 30  # for which SQLite waits for another writer
_DRIVERS = {
    "sqlite": "sqlite",
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
}


_GONE = {
    "connect_timeout": "10",  # seconds
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",  # milliseconds
}


class Instant(TypeDecorator[datetime]):
    """An aware time in UTC. SQLite stores no zone, and PostgreSQL returns its own zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:
        """Return the value to write."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone is no time")
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


def database_url(text: str) -> str:
    """
    Return the URL of a queue for its database driver.

    Args:
        text: `sqlite:///FILE`, a path of a file, or `postgresql://user:password@host/name`;
            with `?password_file=FILE` the password is the file's first line.

    Raises:
        SnapshotterError: The address is invalid, or the password cannot be read.
    """
    if "://" not in text:
        return f"sqlite:///{text}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # ValueError: an invalid port
        raise SnapshotterError("the address of the queue is no URL", hint=_HINT) from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SnapshotterError(f"a queue can not be kept in {url.drivername}", hint=_HINT)
    if driver == "sqlite" and not url.database:
        raise SnapshotterError("a queue needs a file: without one nothing is kept", hint=_HINT)
    named = url.query.get("password_file")
    if named is not None:
        # The driver's own password file must belong to its reader alone. A secret that is
        # mounted into a container does not.
        url = url.difference_update_query(["password_file"]).set(password=_password(named))
    if driver != "sqlite":
        # In a cluster that was created without a locale the driver returns bytes for text.
        url = url.update_query_dict({"client_encoding": "utf8"})
        # Without these, a server that vanished would be waited for for hours.
        url = url.update_query_dict(
            {field_name: s for field_name, s in _GONE.items() if field_name not in url.query}
        )
    return url.set(drivername=driver).render_as_string(hide_password=False)


def _shown(url: URL) -> str:
    """Return an address for messages, without its options, which may hold a password."""
    return url.set(query={}).render_as_string(hide_password=True)


def _password(named: str | tuple[str, ...]) -> str:
    if not isinstance(named, str):
        raise SnapshotterError("the address of the queue names several password files", hint=_HINT)
    try:
        with Path(named).open(encoding="utf-8") as lines:
            password = lines.readline(_LONGEST_PASSWORD).rstrip("\r\n")
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise SnapshotterError(
            f"the password of the queue can not be read from {named}: {why}",
            hint="it is the first line of the file that password_file names",
        ) from error
    if not password:
        raise SnapshotterError(
            f"the password of the queue in {named} is empty", hint="write it on the first line"
        )
    return password


_HINT = "sqlite:////var/lib/snapshotter/queue.db or postgresql://user:password@host/database"


def open_database(text: str) -> Engine:
    """
    Open the queue's database, and create every table that is declared so far.

    Raises:
        ServiceUnavailable: It cannot be reached.
        SnapshotterError: Its address is invalid, or its tables are of a later release.
    """
    engine = _engine(text)
    shown = _shown(engine.url)
    try:
        version = _create_tables(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise ServiceUnavailable(
            f"the queue at {shown} can not be opened: {str(error).splitlines()[0]}",
            hint="is there space on its disk, and may this user write to it?"
            if engine.dialect.name == "sqlite"
            else "is the database running, and may this user use it?",
        ) from error
    except SnapshotterError:
        engine.dispose()
        raise
    if version > TABLES_VERSION:
        engine.dispose()
        raise wrong_release_error(version, shown)
    return engine


def wrong_release_error(number: int, shown: str = "") -> SnapshotterError:
    """Return the error for tables with another number than this release needs."""
    is_later = number > TABLES_VERSION
    place = f" at {shown}" if shown else ""
    return SnapshotterError(
        f"the tables of the queue{place} were made by {'a later' if is_later else 'an earlier'} "
        f"release: they have number {number}, this release needs {TABLES_VERSION}",
        hint="upgrade snapshotter on this machine, or run with the later release: "
        f"snapshotter queue migrate --to {TABLES_VERSION}"
        if is_later
        else "start the worker again to upgrade the tables, or install the earlier release here",
    )


@contextlib.contextmanager
def unchecked_database(text: str) -> Iterator[Engine]:
    """
    Open the queue's database as it is: create no table and check no number.

    Raises:
        SnapshotterError: Its address is invalid, or the file does not exist.
    """
    engine = _engine(text, make=False)
    try:
        yield engine
    finally:
        engine.dispose()


def _engine(text: str, *, make: bool = True) -> Engine:
    url = make_url(database_url(text))
    if url.drivername == "sqlite":
        file = Path(url.database or "")
        if not make and not file.exists():
            raise SnapshotterError(
                f"there is no queue at {file}", hint="snapshotter worker, which creates it"
            )
        file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, hide_parameters=True, connect_args={"timeout": _BUSY_S})
        event.listen(engine, "connect", _write_ahead)
    else:
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True)
        event.listen(engine, "connect", _give_up_locks)
    return engine


def _create_tables(engine: Engine) -> int:
    """
    Create the tables that do not exist, upgrade old ones, and return their number.

    One process at a time does it, so each of many that start at once finds complete tables.
    """
    asked = select(_MADE_FOR.c.version)
    with engine.connect() as connection:
        # If nothing is to be done, no lock is taken: readers must not wait for writers.
        if set(inspect(connection).get_table_names()) >= set(TABLES.tables):
            found = connection.execute(asked).scalar()
            if found is not None and found >= TABLES_VERSION:
                return int(found)
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        lock_tables(connection)
        is_new = "job" not in inspect(connection).get_table_names()
        TABLES.create_all(connection)
        found = connection.execute(asked).scalar()
        if found is None:  # tables without a number are the first ones
            found = TABLES_VERSION if is_new else 1
            connection.execute(_MADE_FOR.insert().values(id=1, version=found))
        if found < TABLES_VERSION:
            from snapshotter.jobs import migration

            migration.upgrade(connection, int(found))
            found = TABLES_VERSION
            store_number(connection, found)
        return int(found)


def lock_tables(connection: Connection) -> None:
    """Lock the tables against changes by others until this transaction ends."""
    if connection.dialect.name != "sqlite":  # SQLite has one writing transaction at a time
        connection.execute(select(func.pg_advisory_xact_lock(_MAKING)))


def tables_number(connection: Connection) -> int | None:
    """Return the number of the queue's tables; None if it has none."""
    there = set(inspect(connection).get_table_names())
    if _MADE_FOR.name in there and (found := stored_number(connection)):
        return found
    return 1 if "job" in there else None  # 1: the first tables had no number


def stored_number(connection: Connection) -> int:
    """Return the stored number; 0 if none is stored."""
    return int(connection.execute(select(_MADE_FOR.c.version)).scalar() or 0)


def store_number(connection: Connection, number: int) -> None:
    """Store the number that the queue's tables have now."""
    connection.execute(_MADE_FOR.update().values(version=number))


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
    """Return an INSERT that leaves existing rows unchanged."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """
    Open a connection for reading.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    with _translated(engine), engine.connect() as connection:
        yield connection


@contextlib.contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except (DataError, IntegrityError, ProgrammingError):
        raise  # a bug: waiting does not help
    except (DBAPIError, PoolTimeout) as error:
        shown = _shown(engine.url)
        why = str(getattr(error, "orig", error)).splitlines()[0]
        raise ServiceUnavailable(
            f"the queue at {shown} does not answer: {why}",
            hint="is the database running, and is there space on its disk?",
        ) from error


Now = Callable[[Connection], datetime]  # returns the time, UTC, within a transaction


def database_now(connection: Connection) -> datetime:
    """Return the database's own time in UTC: the one clock that all workers share."""
    if connection.dialect.name == "sqlite":
        text = connection.execute(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now"))).scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at.astimezone(UTC)


def _give_up_locks(connection: object, _record: object) -> None:
    """
    Make the server end a transaction that is idle for too long, to release its locks.

    A process that was suspended, or a machine that went to sleep, keeps its connection open.
    """
    with connection.cursor() as cursor:  # type: ignore[attr-defined] # of the DB-API
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{_STANDS_STILL_S}s'")
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
            time.sleep(_LOCKED_S)
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()
