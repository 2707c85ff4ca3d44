"""
Find the finished captures that monitoring has not followed up yet, and mark those that it has.

They are captures of schedules, of watch lists and of follow-ups themselves. For a day after its
end, a capture is returned again until it is marked, also after a crash. So it must be safe to
follow up a capture twice.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from sqlalchemy import Column, Engine, String, Table, delete, exists, or_, select

from snapshotter.jobs.database import (
    TABLES,
    Instant,
    Now,
    database_now,
    insert_new,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.queue.job_table import JOB, status_of
from snapshotter.model.job import JobState, JobStatus

ORIGIN: Final = "monitor:"  # prefix of the origin of jobs that follow up others
EVERY_S: Final = 5.0

_ORIGINS: Final = ("schedule:", "watch:", ORIGIN)
_BATCH: Final = 50
_BACK: Final = timedelta(days=1)  # captures that ended earlier are not followed up
_KEPT: Final = timedelta(days=2)  # marks are kept longer than `_BACK`, so none is returned twice

FOLLOWED_UP = Table(
    "monitor_followed",
    TABLES,
    Column("job_id", String(120), primary_key=True),
    Column("at", Instant, nullable=False, index=True),
)


class JobsToFollowUp:
    """
    Finished jobs of schedules, lists and follow-ups that made a bundle.

    Args:
        engine: From `open_database`.
    """

    def __init__(self, engine: Engine, *, now: Now = database_now) -> None:
        self._engine = engine
        self._now = now

    def not_followed_up(self) -> Sequence[JobStatus]:
        """Return the oldest jobs that are not followed up yet, at most 50."""
        with reading(self._engine) as connection:
            now = self._now(connection)
            rows = read_rows(
                connection,
                select(JOB)
                .where(
                    JOB.c.state.in_((JobState.DONE, JobState.INCOMPLETE)),
                    JOB.c.ended_at > now - _BACK,
                    JOB.c.bundle_id != "",
                    or_(*(JOB.c.origin.startswith(origin, autoescape=True) for origin in _ORIGINS)),
                    ~exists().where(FOLLOWED_UP.c.job_id == JOB.c.id),
                )
                .order_by(JOB.c.ended_at, JOB.c.seq)
                .limit(_BATCH),
            )
            return [status_of(row) for row in rows]

    def mark(self, jobs: Sequence[JobStatus]) -> None:
        """Mark jobs as followed up."""
        with writing(self._engine) as connection:
            now = self._now(connection)
            rows = [{"job_id": status.job.id, "at": now} for status in jobs]
            if rows:
                connection.execute(insert_new(connection, FOLLOWED_UP), rows)
            connection.execute(delete(FOLLOWED_UP).where(FOLLOWED_UP.c.at < now - _KEPT))
