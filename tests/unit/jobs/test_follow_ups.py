"""Which captures are told of as ended: those of watched pages, each once."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, update

from snapshotter.jobs.follow_ups import JobsToFollowUp
from snapshotter.jobs.open_database import open_database
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.model.job import JobState
from tests.unit.jobs.making import AT, job

HOUR = timedelta(hours=1)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = open_database(f"{tmp_path}/queue.db")
    yield found
    found.dispose()


def ended(engine: Engine) -> JobsToFollowUp:
    def now(_: Connection) -> Any:
        return AT + 2 * HOUR

    return JobsToFollowUp(engine, now=now)


def put(
    engine: Engine, name: str, *, origin: str = "schedule:a", hours: float = 1, **more: Any
) -> None:
    DatabaseQueue(engine).put([job(name, origin=origin)])
    values = {"state": JobState.DONE, "ended_at": AT + hours * HOUR, "bundle_id": "b", **more}
    with engine.begin() as connection:
        connection.execute(update(JOB).where(JOB.c.id == name).values(**values))


def test_captures_of_schedules_lists_and_follow_ups_are_told_in_the_order_of_their_ends(
    engine: Engine,
) -> None:
    put(engine, "late", hours=1.5)
    put(engine, "listed", origin="watch:b", hours=0.5, state=JobState.INCOMPLETE)
    put(engine, "behind", origin="monitor:schedule:a")
    put(engine, "by-hand", origin="cli")
    put(engine, "failed", state=JobState.FAILED, bundle_id="")
    put(engine, "running", state=JobState.RUNNING)
    put(engine, "long-ago", hours=-23)

    assert [status.job.id for status in ended(engine).not_followed_up()] == [
        "listed",
        "behind",
        "late",
    ]


def test_what_was_marked_is_not_told_again(engine: Engine) -> None:
    put(engine, "one")
    put(engine, "two")
    first, second = ended(engine).not_followed_up()

    ended(engine).mark([first])
    ended(engine).mark([first])

    assert ended(engine).not_followed_up() == [second]
