"""
Show at which stage the running captures are: one row for each, written by the worker that makes it.

A capture process reports each stage to its worker, which writes at most once in a second for all
its captures. The rows are for people who watch: nothing is decided by them, and a row of a worker
that is gone is no harm, because only rows of running jobs are read.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Column, Engine, String, Table, delete, exists, select

from snapshotter.jobs.database import (
    TABLES,
    Instant,
    database_now,
    insert_new,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.queue.job_table import JOB
from snapshotter.model.job import JobState
from snapshotter.value_class import dataclass

WRITE_S = 1.0  # between two writes of a worker
_LONGEST = 40  # characters of the name of a stage
_STAGE = Table(
    "capture_stage",
    TABLES,
    Column("job_id", String(120), primary_key=True),
    Column("worker", String(120), nullable=False),
    Column("stage", String(_LONGEST), nullable=False),
    Column("since", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStage:
    """The stage of a running capture."""

    job_id: str
    stage: str  # as `capture` names its steps: navigate, settle, seal, …
    since: datetime  # UTC, by the database's clock; to a second


class CaptureStages:
    """
    The stages of the captures of one worker. Safe in any thread.

    Args:
        monotonic: Returns seconds.
    """

    def __init__(
        self, engine: Engine, worker_id: str, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._engine, self._worker_id = engine, worker_id
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._current: dict[str, tuple[str, float]] = {}
        self._written: dict[str, tuple[str, float]] = {}

    def begin(self, job_id: str, stage: str) -> None:
        """Note that a stage of a capture begins. A stage that goes on keeps its begin."""
        with self._lock:
            known = self._current.get(job_id)
            if known is None or known[0] != stage:
                self._current[job_id] = (stage[:_LONGEST], self._monotonic())

    def end(self, job_id: str) -> None:
        """Note that a capture has ended."""
        with self._lock:
            self._current.pop(job_id, None)

    def write(self) -> None:
        """
        Write what changed since the last call; without a change, write nothing.

        Raises:
            ServiceUnavailable: The database does not answer. The next call writes it.
        """
        with self._lock:
            current = dict(self._current)
        if current == self._written:
            return
        changed = {job: value for job, value in current.items() if self._written.get(job) != value}
        gone = [*(self._written.keys() - current.keys()), *changed]
        with writing(self._engine) as connection:
            now, at = database_now(connection), self._monotonic()
            rows = [
                {
                    "job_id": job_id,
                    "worker": self._worker_id,
                    "stage": stage,
                    "since": now - timedelta(seconds=max(0.0, at - began)),
                }
                for job_id, (stage, began) in changed.items()
            ]
            is_running = exists().where(
                JOB.c.id == _STAGE.c.job_id, JOB.c.state == JobState.RUNNING
            )
            connection.execute(delete(_STAGE).where(_STAGE.c.job_id.in_(gone) | ~is_running))
            if rows:
                connection.execute(insert_new(connection, _STAGE), rows)
        self._written = current


def capture_stages(engine: Engine) -> Sequence[CaptureStage]:
    """Return the stages of all running captures. Raises ServiceUnavailable."""
    wanted = (
        select(_STAGE.c.job_id, _STAGE.c.stage, _STAGE.c.since)
        .join(JOB, JOB.c.id == _STAGE.c.job_id)
        .where(JOB.c.state == JobState.RUNNING, JOB.c.worker == _STAGE.c.worker)
        .order_by(JOB.c.seq)
    )
    with reading(engine) as connection:
        return [CaptureStage(**row) for row in read_rows(connection, wanted)]
