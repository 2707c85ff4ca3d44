"""
The database of the queue: SQLite in a file, or PostgreSQL by URL, and one clock for all.

Each module of this room declares its tables on `TABLES`; they are made when the database
is first opened. Nothing in it is evidence: losing it loses what was still to be done and
the index of what was, never a bundle.
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
# Raised with each change of the tables, or of what is written into them (`migration.py`).
TABLES_VERSION = 3
_MADE_FOR = Table(
    "tables_version",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),  # 1: there is one row
    Column("version", Integer, nullable=False),
)
Database = Engine  # as others name it who open one and hand it on
_MAKING = 0x736E_6170  # of PostgreSQL's advisory locks ours for making tables
_LONGEST_PASSWORD = 4096  # characters
_STANDS_STILL_S = 120  # of a transaction in which nothing happens, on PostgreSQL
_LOCKED_S = 0.02  # until it is tried again to make a new file one with a write-ahead log
_BUSY_S = 30  # another process may be writing so long, on SQLite
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
    """An aware time in UTC. SQLite keeps none, and PostgreSQL answers in its own zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: object) -> datetime | None:
        """Return what is written."""
        if value is not None and value.tzinfo is None:
            raise ValueError("a time without a zone is no time")
        return value.astimezone(UTC) if value is not None else None

    @override
    def process_result_value(self, value: datetime | None, dialect: object) -> datetime | None:
        """Return what was read."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Words(TypeDecorator[str]):
    """
    Text that pages, lists and servers may have written.

    PostgreSQL takes no U+0000 and neither database a half of a surrogate pair. What can never
    be written must not keep a job under way for ever: U+FFFD stands for it.
    """

    impl = Text
    cache_ok = True

    @override
    def process_bind_param(self, value: str | None, dialect: object) -> str | None:
        """Return what is written."""
        if value is None or (value.isascii() and "\0" not in value):
            return value
        whole = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")


def database_url(text: str) -> str:
    """
    Return the URL of a queue as its driver needs it.

    Args:
        text: `sqlite:///FILE`, a path of a file, or `postgresql://user:password@host/name`;
            with `?password_file=FILE` the password is the file's first line.

    Raises:
        SnapshotterError: It is none of these, or there is no such password.
    """
    if "://" not in text:
        return f"sqlite:///{text}"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:  # ValueError: a port that is none
        raise SnapshotterError("the address of the queue is no URL", hint=_HINT) from error
    driver = _DRIVERS.get(url.drivername)
    if driver is None:
        raise SnapshotterError(f"a queue can not be kept in {url.drivername}", hint=_HINT)
    if driver == "sqlite" and not url.database:
        raise SnapshotterError("a queue needs a file: without one nothing is kept", hint=_HINT)
    named = url.query.get("password_file")
    if named is not None:
        # The driver's own file for passwords must belong to its reader alone, which a secret
        # that is mounted into a container never does.
        url = url.difference_update_query(["password_file"]).set(password=_password(named))
    if driver != "sqlite":
        # In a cluster that was made without a locale the driver would give bytes for text.
        url = url.update_query_dict({"client_encoding": "utf8"})
        # A server that is gone without a word would be waited for for hours.
        url = url.update_query_dict({it: s for it, s in _GONE.items() if it not in url.query})
    return url.set(drivername=driver).render_as_string(hide_password=False)


def _shown(url: URL) -> str:
    """Return an address for people: its options, too, may hold a password."""
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
    Return the queue's database, with every table that is declared by now.

    Raises:
        ServiceUnavailable: It can not be reached.
        SnapshotterError: Its address is none, or its tables are of a later release.
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
        raise other_release(version, shown)
    return engine


def other_release(number: int, shown: str = "") -> SnapshotterError:
    """Return the error for a queue whose tables have another number than this release needs."""
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
    Make the tables that are not there; return what release they are of, new ones being of this.

    One at a time: of many processes that start at once each finds the tables whole.
    """
    asked = select(_MADE_FOR.c.version)
    with engine.connect() as connection:
        # Whoever only looks into a queue waits for no writer.
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
        if found is None:  # tables from before they were numbered are those of the first
            found = TABLES_VERSION if is_new else 1
            connection.execute(_MADE_FOR.insert().values(id=1, version=found))
        if found < TABLES_VERSION:
            from snapshotter.jobs import migration

            migration.bring_forward(connection, int(found))
            found = TABLES_VERSION
            number_tables(connection, found)
        return int(found)


def lock_tables(connection: Connection) -> None:
    """Lock the tables against changes by others until this transaction ends."""
    if connection.dialect.name != "sqlite":  # there a transaction that writes is alone
        connection.execute(select(func.pg_advisory_xact_lock(_MAKING)))


def tables_number(connection: Connection) -> int | None:
    """Return the number of the queue's tables; None if it has none."""
    there = set(inspect(connection).get_table_names())
    if _MADE_FOR.name in there and (found := numbered(connection)):
        return found
    return 1 if "job" in there else None  # from before they were numbered


def numbered(connection: Connection) -> int:
    """Return the stored number; 0 if none is stored."""
    return int(connection.execute(select(_MADE_FOR.c.version)).scalar() or 0)


def number_tables(connection: Connection, number: int) -> None:
    """Store the number that the queue's tables have now."""
    connection.execute(_MADE_FOR.update().values(version=number))


@contextlib.contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """
    Give one transaction that reads and writes; committed when the block ends, or nothing of it.

    On SQLite nobody else writes meanwhile. On PostgreSQL what was read can change until it
    is locked (`with_for_update`) or written.

    Raises:
        ServiceUnavailable: The database does not answer, or its disk is full. Whether a
            commit that was cut off holds is unknown.
    """
    with _translated(engine), engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            # The driver would begin with the first write, and what was read before could be old.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        yield connection


def insert_new(connection: Connection, table: Table) -> Any:
    """Return an INSERT that leaves a row that is there as it is."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    return dialect.insert(table).on_conflict_do_nothing()


@contextlib.contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """
    Give a connection to read by.

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
        raise  # a mistake of ours: waiting mends none
    except (DBAPIError, PoolTimeout) as error:
        shown = _shown(engine.url)
        why = str(getattr(error, "orig", error)).splitlines()[0]
        raise ServiceUnavailable(
            f"the queue at {shown} does not answer: {why}",
            hint="is the database running, and is there space on its disk?",
        ) from error


# Says what time it is, to whoever is in a transaction.
Now = Callable[[Connection], datetime]


def database_now(connection: Connection) -> datetime:
    """Return the database's own time in UTC: the one clock that all workers share."""
    if connection.dialect.name == "sqlite":
        text = connection.execute(select(func.strftime("%Y-%m-%dT%H:%M:%f", "now"))).scalar_one()
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    at: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()
    return at.astimezone(UTC)


def _give_up_locks(connection: object, _record: object) -> None:
    """
    Let the server end a transaction whose process stands still, so that its locks hold up nobody.

    A process that was stopped, or a machine that went to sleep, keeps its connection open.
    """
    with connection.cursor() as cursor:  # type: ignore[attr-defined] # of the DB-API
        cursor.execute(f"SET idle_in_transaction_session_timeout = '{_STANDS_STILL_S}s'")
    connection.commit()  # type: ignore[attr-defined] # of the DB-API


def _write_ahead(connection: object, _record: object) -> None:
    """Let readers and one writer work at the same time; sync each commit to the disk."""
    cursor = connection.cursor()  # type: ignore[attr-defined] # of the DB-API
    # Once is for good; and SQLite's own patience (the timeout) does not cover this change:
    # of several who open a new file at once all but one are told that it is locked.
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
