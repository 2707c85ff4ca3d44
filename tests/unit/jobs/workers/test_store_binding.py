"""A queue belongs to one store: whoever has another one would not find what was stored."""

import contextlib
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, update

from snapshotter.errors import SnapshotterError
from snapshotter.jobs.database import database_now, writing
from snapshotter.jobs.processes import process_name
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.registry import _WORKER, WorkerRegistry, WorkerState
from snapshotter.jobs.workers.store_binding import bind_to_store
from tests.unit.jobs.idle_workers import idle_worker
from tests.unit.jobs.making import BUNDLE, SEALED, job
from tests.unit.jobs.stores import ELSEWHERE, HERE


@pytest.fixture
def claimed(database: Engine) -> Engine:
    """A queue whose first worker has ended."""
    roster = WorkerRegistry(database)
    roster.register("first", slots=1, version="1")
    assert not bind_to_store(database, HERE, worker="first")
    roster.beat("first", WorkerState.ENDED, "", 0)
    return database


def test_the_first_worker_says_to_which_store_a_queue_belongs(claimed: Engine) -> None:
    bind_to_store(claimed, HERE, worker="second")

    with pytest.raises(SnapshotterError, match="belongs to the store /captures") as caught:
        bind_to_store(claimed, ELSEWHERE, worker="third")

    assert "s3://elsewhere" in caught.value.message
    assert "--adopt-store" in caught.value.hint


def test_a_queue_is_moved_on_purpose(claimed: Engine) -> None:
    assert bind_to_store(claimed, ELSEWHERE, worker="second", adopt=True)
    assert not bind_to_store(claimed, ELSEWHERE, worker="second", adopt=True)

    with pytest.raises(SnapshotterError, match="s3://elsewhere"):
        bind_to_store(claimed, HERE, worker="third")


def test_a_queue_is_not_moved_while_others_work_for_it(claimed: Engine) -> None:
    WorkerRegistry(claimed).register("busy", slots=1, version="1")

    with pytest.raises(SnapshotterError, match="while other workers use it: busy"):
        bind_to_store(claimed, ELSEWHERE, worker="second", adopt=True)

    with writing(claimed) as connection:  # it was cut off
        at = database_now(connection) - timedelta(minutes=2)
        connection.execute(update(_WORKER).where(_WORKER.c.id == "busy").values(beat_at=at))
    assert bind_to_store(claimed, ELSEWHERE, worker="second", adopt=True)


def test_a_queue_is_not_moved_while_a_bundle_is_looked_for(claimed: Engine) -> None:
    attempts = Attempts(claimed, Admission(), RetryRules(), lambda: 0.5)
    DatabaseQueue(claimed).put([job()])
    (handed,) = Dispatcher(claimed, Admission(), per_host=1).choose(1)
    attempt = attempts.begin("one", handed.run, worker="first", process=process_name())
    assert attempt is not None
    attempts.began(attempt, BUNDLE, process_name())
    attempts.may_store(attempt, SEALED, timedelta(seconds=60))
    attempts.lose(attempt, "gone")

    with pytest.raises(
        SnapshotterError, match="Number of jobs whose bundles may be stored there: 1"
    ):
        bind_to_store(claimed, ELSEWHERE, worker="second", adopt=True)

    (orphan,) = attempts.orphans()
    attempts.abandon(orphan)
    assert bind_to_store(claimed, ELSEWHERE, worker="second", adopt=True)


def test_a_worker_with_another_store_takes_nothing(claimed: Engine, tmp_path: Path) -> None:
    told: list[str] = []

    with pytest.raises(SnapshotterError, match="belongs to the store /captures"):
        idle_worker(claimed, told=told, store=ELSEWHERE).run()

    assert told == ["worker.ended"]
    assert [worker.state for worker in WorkerRegistry(claimed).workers()] == [WorkerState.ENDED] * 2


def test_a_worker_that_sleeps_while_its_queue_is_moved_stops(
    claimed: Engine, tmp_path: Path
) -> None:
    told: list[str] = []
    worker = idle_worker(claimed, told=told, store=ELSEWHERE)  # its queue is /captures' again
    roster = WorkerRegistry(claimed)
    roster.register(worker.id, slots=1, version="1")
    for row in roster.workers():
        roster.mark_dead(row)

    with contextlib.suppress(SnapshotterError):
        worker._beat()

    assert told == ["worker.fenced", "worker.trouble"]
    assert worker.is_stopping
