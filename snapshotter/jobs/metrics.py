"""Count the jobs by state, the deferred hosts and the live workers, without locking a row."""

from datetime import timedelta
from typing import Final

from sqlalchemy import Engine, and_, case, distinct, func, or_, select

from snapshotter.jobs.database import Instant, database_now, reading
from snapshotter.jobs.queue.job_table import DUE_LATER, JOB
from snapshotter.jobs.workers.registry import LIVE_STATES, WorkerRegistry
from snapshotter.model.job import JobState, QueueMetrics

FRESH: Final = timedelta(seconds=30)  # age from which a heartbeat counts as late


def queue_metrics(engine: Engine) -> QueueMetrics:
    """Return the current counts of the queue. Raises ServiceUnavailable."""
    with reading(engine) as connection:
        now = database_now(connection)
        depth = connection.execute(select(JOB.c.state, func.count()).group_by(JOB.c.state)).all()
        is_later = and_(JOB.c.ready == DUE_LATER, or_(JOB.c.due_at.is_(None), JOB.c.due_at > now))
        since = case(
            (JOB.c.due_at.is_not(None), JOB.c.due_at),
            (JOB.c.not_before.is_not(None), JOB.c.not_before),
            else_=JOB.c.enqueued_at,
        )
        oldest = connection.execute(
            select(func.min(since, type_=Instant())).where(
                JOB.c.state == JobState.WAITING, ~is_later
            )
        ).scalar_one()
        deferred = connection.execute(
            select(func.count(distinct(JOB.c.host))).where(JOB.c.state == JobState.DEFERRED)
        ).scalar_one()
    workers = [worker for worker in WorkerRegistry(engine).workers() if worker.state in LIVE_STATES]
    ages = [max(now - worker.beat_at, timedelta()) for worker in workers]
    return QueueMetrics(
        depth={JobState(state): count for state, count in depth},
        oldest_due_s=max(now - oldest, timedelta()).total_seconds() if oldest else 0.0,
        deferred_hosts=deferred,
        workers=sum(age < FRESH for age in ages),
        oldest_heartbeat_s=max(ages, default=timedelta()).total_seconds(),
    )
