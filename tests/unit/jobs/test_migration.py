"""
Releases of two numbers at one queue. `tables-2.sql` is a queue that the release before made: a
job that is done, one that is being stored, one that is running, one that waits, and two events.
"""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Engine, inspect

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs import migration
from snapshotter.jobs.database import TABLES, TABLES_VERSION
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.outbox import Outbox
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.registry import WorkerRegistry
from snapshotter.model.job import JobState
from tests.unit.jobs.tables import layout

HERE = Path(__file__).parent


@pytest.fixture
def file(tmp_path: Path) -> str:
    """A queue of number 2."""
    with closing(sqlite3.connect(tmp_path / "queue.db")) as made:
        made.executescript((HERE / "tables-2.sql").read_text())
    return f"{tmp_path}/queue.db"


def columns(file: str) -> dict[str, set[str]]:
    engine = open_unchecked(file)
    try:
        found = inspect(engine)
        return {
            table: {get_column["name"] for get_column in found.get_columns(table)}
            for table in TABLES.tables
            if found.has_table(table)
        }
    finally:
        engine.dispose()


def open_unchecked(file: str) -> Engine:
    from sqlalchemy import create_engine

    return create_engine(f"sqlite:///{file}")


def test_the_number_of_the_tables_stands_for_their_layout_and_what_is_written_into_them() -> None:
    """
    Fails where a column, a field or a word was added or taken away.

    A release of the number before would misread such rows: raise `TABLES_VERSION`, unless no
    release has the present number, write the ways forward and back in `migration.py`, and
    write the layout anew with `python -m tests.unit.jobs.tables`.
    """
    assert layout() == json.loads((HERE / f"tables-{TABLES_VERSION}.json").read_text())


def test_a_queue_of_the_release_before_goes_on_and_can_be_brought_back(file: str) -> None:
    before = columns(file)

    engine = open_database(file)

    assert columns(file) == {
        name: {column.name for column in table.columns} for name, table in TABLES.tables.items()
    }
    queue = DatabaseQueue(engine)
    states = {status.job.id: status.state for status in queue.jobs()}
    assert states == {
        "done": JobState.DONE,
        "storing": JobState.RUNNING,
        "running": JobState.RUNNING,
        "waiting": JobState.WAITING,
    }
    done = queue.get("done")
    assert done is not None
    assert done.shown is not None
    assert {waiting.event.id for waiting in Outbox(engine).waiting()[0]} == {
        "capture.failed/x",
        "capture.failed/y",
    }
    (worker,) = WorkerRegistry(engine).workers()
    assert worker.tables == 2

    attempts = Attempts(engine, Admission(), RetryRules(), lambda: 0.0)
    attempts.lose_all("old-worker", "it was gone")
    assert [orphan.attempt.job.id for orphan in attempts.orphans()] == ["storing"]
    engine.dispose()

    assert migration.downgrade(file, 2) == TABLES_VERSION

    assert columns(file) == before
    with closing(sqlite3.connect(file)) as back:
        # What the earlier release has no word for.
        assert back.execute("SELECT DISTINCT fault FROM attempt ORDER BY 1").fetchall() == [
            ("",),
            ("lost",),
        ]
        assert back.execute("SELECT state FROM job WHERE id = 'running'").fetchall() == [
            ("waiting",)
        ]
    open_database(file).dispose()  # and forward again
    assert migration.tables_status(file).number == TABLES_VERSION


def test_tables_are_not_changed_under_workers_that_would_not_notice(file: str) -> None:
    with closing(sqlite3.connect(file)) as old:
        old.execute("UPDATE worker SET beat_at = strftime('%Y-%m-%d %H:%M:%f', 'now')")
        old.commit()
    before = columns(file)

    with pytest.raises(ServiceUnavailable, match="old-worker") as caught:
        open_database(file)

    assert "SIGTERM" in caught.value.hint
    assert columns(file) == before
    at_work = migration.tables_status(file)
    assert at_work.number == 2
    assert [(worker.id, worker.version, worker.tables) for worker in at_work.workers] == [
        ("old-worker", "0.1.0", 2)
    ]


def test_tables_are_not_brought_back_under_workers_nor_where_no_way_is_known(
    tmp_path: Path,
) -> None:
    file = f"{tmp_path}/queue.db"
    with pytest.raises(SnapshotterError, match=r"the queue .* does not exist"):
        migration.tables_status(file)
    engine = open_database(file)
    WorkerRegistry(engine).register("at-work", slots=1, version="9")
    engine.dispose()

    with pytest.raises(ServiceUnavailable, match="at-work"):
        migration.downgrade(file, 2)
    for number in (1, TABLES_VERSION + 1):
        with pytest.raises(SnapshotterError, match="back to number 2 or higher"):
            migration.downgrade(file, number)
    assert migration.tables_status(file).number == TABLES_VERSION
