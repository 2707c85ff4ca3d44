"""
Store the version number of the queue's tables, and migrate them to a later or an earlier version.

The number stands for the layout of all tables and for the form of what is written into them.
A process uses only tables with its own number (`database.TABLES_VERSION`). It upgrades older tables
when it opens them, and refuses later ones. `downgrade` is for the return to an earlier release.
A worker that finds another number while it runs finishes its captures and ends.
tests/unit/jobs/test_migration.py fails if the layout changes and the number does not.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    Table,
    column,
    func,
    inspect,
    select,
    table,
)

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import (
    TABLES,
    TABLES_VERSION,
    Instant,
    database_now,
    insert_new,
    reading,
    unchecked_database,
    writing,
)
from snapshotter.jobs.processes import is_silent
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

OLDEST_BACK: Final = 2  # the earliest number that tables can be downgraded to
_LOOK: Final = 3  # from this number on, workers check the number while they work
_SILENT_S: Final = 60.0  # a worker without a heartbeat for so long does not run
_WORKER: Final = table(
    "worker",
    column("id"),
    column("version"),
    column("state"),
    column("process"),
    column("beat_at", Instant),
)
_LIVE: Final = ("working", "paused", "draining")
_NUMBER = Table(
    "tables_version",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("version", Integer, nullable=False),
)
_TABLES_LOCK = 0x736E_6170  # PostgreSQL's advisory lock for the creation of the tables


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveWorker:
    """A worker that works on a queue."""

    id: str
    version: str  # its release
    tables: int  # the number that it needs


@dataclass(frozen=True, slots=True, kw_only=True)
class TablesStatus:
    """The version number of a queue's tables, and its workers."""

    number: int | None  # None: the queue has no tables yet
    workers: tuple[ActiveWorker, ...]


def tables_status(address: str) -> TablesStatus:
    """
    Return the number of a queue's tables and its workers, without changing anything.

    Raises:
        ServiceUnavailable: The queue cannot be reached.
        SnapshotterError: Its address is invalid.
    """
    with unchecked_database(address) as engine, reading(engine) as connection:
        return TablesStatus(number=tables_number(connection), workers=tuple(_at_work(connection)))


def downgrade(address: str, number: int) -> int:
    """
    Change the tables of a queue into those of an earlier number; return the number before.

    Raises:
        ServiceUnavailable: The queue cannot be reached, or workers use it.
        SnapshotterError: There is no migration from its number to that one.
    """
    with unchecked_database(address) as engine, writing(engine) as connection:
        lock_tables(connection)
        found = tables_number(connection)
        if found is None or not OLDEST_BACK <= number <= found <= TABLES_VERSION:
            raise SnapshotterError(
                tr(
                    "the tables of the queue have number {found} and cannot be changed to number "
                    "{number}. This release can change only tables with number {tables_version} "
                    "or lower, and only back to number {oldest_back} or higher",
                    found=found or "none",
                    number=number,
                    oldest_back=OLDEST_BACK,
                    tables_version=TABLES_VERSION,
                ),
                hint=tr(
                    "use the release that made the tables. Show the number of the tables, then "
                    "change the tables:\n  snapshotter queue tables\n  snapshotter queue migrate"
                ),
            )
        if number < found:
            _refuse_while_at_work(list(_at_work(connection)), "changed back")
        for step in range(found, number, -1):
            _run(connection, _back(step))
        store_number(connection, number)
        return found


def upgrade(connection: Connection, found: int) -> None:
    """
    Change tables of an earlier number into those of this release, in the caller's transaction.

    Workers from number 3 on notice the change and end. Earlier ones would go on with tables
    that they do not know: while one of them works, nothing is changed.

    Raises:
        ServiceUnavailable: Such workers use the queue.
    """
    _refuse_while_at_work(
        [worker for worker in _at_work(connection) if worker.tables < _LOOK], "upgraded"
    )
    for step in range(found + 1, TABLES_VERSION + 1):
        _run(connection, _forward(step, connection))


def stored_tables_number(engine: Engine) -> int:
    """Return the number of a queue's tables. Raises ServiceUnavailable."""
    with reading(engine) as connection:
        return stored_number(connection)


def _forward(number: int, connection: Connection) -> Sequence[str]:
    no = "0" if connection.dialect.name == "sqlite" else "false"
    steps = {
        2: (  # what a capture shows, and checks between captures
            "ALTER TABLE job ADD COLUMN shown TEXT NOT NULL DEFAULT ''",
            f"ALTER TABLE job ADD COLUMN light BOOLEAN NOT NULL DEFAULT {no}",
            "ALTER TABLE job ADD COLUMN vantage VARCHAR(64) NOT NULL DEFAULT ''",
        ),
        3: (  # workers that ended while they were at a job; which tables a worker needs
            "ALTER TABLE job ADD COLUMN lost_workers INTEGER NOT NULL DEFAULT 0",
            "ALTER TABLE worker ADD COLUMN tables INTEGER NOT NULL DEFAULT 2",
        ),
        4: (),  # new tables, which are created with all others
    }
    return steps[number]


def _back(number: int) -> Sequence[str]:
    steps = {
        4: ("DROP TABLE capture_stage", "DROP TABLE task"),
        3: (
            "ALTER TABLE job DROP COLUMN lost_workers",
            "ALTER TABLE worker DROP COLUMN tables",
            "UPDATE attempt SET fault = 'lost' WHERE fault = 'worker'",
            # The earlier release does not know all kinds of verdicts; each bundle has its verdict.
            "UPDATE job SET shown = ''",
        ),
    }
    return steps[number]


def _run(connection: Connection, statements: Sequence[str]) -> None:
    there = set(inspect(connection).get_table_names())
    for statement in statements:
        words = statement.split()
        if words[1 if words[0] == "UPDATE" else 2] in there:  # else it is created later
            connection.exec_driver_sql(statement)


def _at_work(connection: Connection) -> Iterator[ActiveWorker]:
    """Yield the workers with a recent heartbeat whose process is not known to be gone."""
    inspector = inspect(connection)
    if "worker" not in inspector.get_table_names():
        return
    numbered = "tables" in {column["name"] for column in inspector.get_columns("worker")}
    wanted = select(_WORKER, *([column("tables")] if numbered else [])).where(
        _WORKER.c.state.in_(_LIVE)
    )
    now = database_now(connection)
    for row in connection.execute(wanted.order_by(_WORKER.c.id)).mappings():
        if not is_silent(row["process"], row["beat_at"], now, for_s=_SILENT_S):
            yield ActiveWorker(id=row["id"], version=row["version"], tables=row.get("tables", 2))


def _refuse_while_at_work(workers: Sequence[ActiveWorker], what: str) -> None:
    if workers:
        names = ", ".join(worker.id for worker in workers)
        raise ServiceUnavailable(
            tr(
                "the tables of the queue cannot be {what} while workers use them: {names}",
                what=what,
                names=names,
            ),
            hint=tr(
                "end these workers with SIGTERM. The workers then finish their captures. Then "
                "give the same command again. docs/howto/upgrade.md explains the steps"
            ),
        )


def wrong_release_error(number: int, shown: str = "") -> SnapshotterError:
    """Return the error for tables with another number than this release needs."""
    is_later = number > TABLES_VERSION
    place = f" at {shown}" if shown else ""
    return SnapshotterError(
        tr(
            "the tables of the queue{place} were made by {value} release. The tables have "
            "number {number}, but this release needs number {tables_version}",
            place=place,
            value="a later" if is_later else "an earlier",
            number=number,
            tables_version=TABLES_VERSION,
        ),
        hint=tr(
            "upgrade snapshotter on this machine, or change the tables back with the later "
            "release:\n  snapshotter queue migrate --to {tables_version}",
            tables_version=TABLES_VERSION,
        )
        if is_later
        else tr(
            "start the worker again to upgrade the tables, or install the earlier release here"
        ),
    )


def lock_tables(connection: Connection) -> None:
    """Lock the tables against changes by others until this transaction ends."""
    if connection.dialect.name != "sqlite":  # SQLite has one writing transaction at a time
        connection.execute(select(func.pg_advisory_xact_lock(_TABLES_LOCK)))


def tables_number(connection: Connection) -> int | None:
    """Return the number of the queue's tables; None if it has none."""
    there = set(inspect(connection).get_table_names())
    if _NUMBER.name in there and (found := stored_number(connection)):
        return found
    return 1 if "job" in there else None  # 1: the first tables had no number


def stored_number(connection: Connection) -> int:
    """Return the stored number; 0 if none is stored."""
    return int(connection.execute(select(_NUMBER.c.version)).scalar() or 0)


def store_number(connection: Connection, number: int) -> None:
    """Store the number that the queue's tables have now."""
    connection.execute(insert_new(connection, _NUMBER).values(id=1, version=number))
    connection.execute(_NUMBER.update().values(version=number))
