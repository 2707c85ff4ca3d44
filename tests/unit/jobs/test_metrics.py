"""The queue in numbers: what waits, for how long, and who works."""

from datetime import timedelta

from sqlalchemy import Engine, update

from snapshotter.jobs.metrics import queue_metrics
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.database_queue import DatabaseQueue, database_time
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.job_table import DUE_LATER, JOB
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.registry import WorkerRegistry, WorkerState
from snapshotter.model.job import JobState
from tests.unit.jobs.making import job, made


def test_an_empty_queue_is_nothing_in_every_number(database: Engine) -> None:
    found = queue_metrics(database)

    assert dict(found.depth) == {}
    assert (found.oldest_due_s, found.deferred_hosts, found.workers) == (0, 0, 0)
    assert found.oldest_heartbeat_s == 0


def test_jobs_are_counted_by_state_and_the_oldest_that_could_have_begun_is_known(
    database: Engine,
) -> None:
    now = database_time(database)
    queue = DatabaseQueue(database)
    early, late = now - timedelta(minutes=10), now + timedelta(days=1)
    queue.put([job("done"), job("waits"), job("later", not_before=late), job("rests"), job("also")])
    with database.begin() as connection:
        connection.execute(update(JOB).values(enqueued_at=early))
        connection.execute(
            update(JOB)
            .where(JOB.c.id.in_(["rests", "also"]))
            .values(state=JobState.DEFERRED, ready=DUE_LATER, due_at=late, enqueued_at=now)
        )
    (handed,) = Dispatcher(database, Admission(), per_host=1).choose(1)
    attempts = Attempts(database, Admission(), RetryRules(), lambda: 0.0)
    attempt = attempts.begin(handed.job_id, handed.run, worker="w", process="p")
    assert attempt is not None
    assert queue_metrics(database).depth[JobState.RUNNING] == 1
    attempts.finish(attempt, made())

    found = queue_metrics(database)

    assert dict(found.depth) == {JobState.DONE: 1, JobState.WAITING: 2, JobState.DEFERRED: 2}
    assert 600 <= found.oldest_due_s < 660
    assert found.deferred_hosts == 1


def test_workers_that_said_goodbye_do_not_count(database: Engine) -> None:
    roster = WorkerRegistry(database)
    for name in ("w1", "w2", "w3"):
        roster.register(name, slots=1, version="1")
    roster.beat("w3", WorkerState.ENDED, "", 0)

    found = queue_metrics(database)

    assert found.workers == 2
    assert 0 <= found.oldest_heartbeat_s < 60
