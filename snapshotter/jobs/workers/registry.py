"""
Register workers, record their heartbeats, mark workers as dead, and share tasks among workers.

Times are by the database's clock. A worker without a heartbeat for too long is marked as dead,
and its jobs are given to others. It may live all the same (suspended, or without a connection);
then it finds the mark when it is back. If the operating system knows that the process is gone,
the worker is marked at once.
"""

import os
import socket
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    RowMapping,
    String,
    Table,
    select,
    update,
)

from snapshotter.jobs.database import (
    TABLES,
    TABLES_VERSION,
    Instant,
    SafeText,
    database_now,
    insert_new,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.processes import is_silent, process_name
from snapshotter.value_class import dataclass

_WORKER = Table(
    "worker",
    TABLES,
    Column("id", String(120), primary_key=True),
    Column("host", String(120), nullable=False),
    Column("process", String(200), nullable=False),
    Column("version", String(60), nullable=False),
    Column("tables", Integer, nullable=False),  # the number of the tables that it needs
    Column("slots", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", SafeText, nullable=False, default=""),
    Column("done", Integer, nullable=False, default=0),
    Column("started_at", Instant, nullable=False),
    Column("beat_at", Instant, nullable=False),
)
_SILENT_S = 60.0  # without a heartbeat, after which a worker is not counted as running
_KEPT = timedelta(days=1)  # how long workers that ended or died are listed

_TASK = Table(
    "duty",
    TABLES,
    Column("name", String(60), primary_key=True),
    Column("holder", String(120), nullable=False),
    Column("until", Instant, nullable=False),
)


class WorkerState(StrEnum):
    """The state of a worker."""

    WORKING = "working"
    PAUSED = "paused"  # a service that it needs does not answer
    DRAINING = "draining"  # it finishes its captures and takes no more
    ENDED = "ended"
    DEAD = "dead"  # without a heartbeat for too long, or its process is gone


LIVE_STATES = (WorkerState.WORKING, WorkerState.PAUSED, WorkerState.DRAINING)
_TAKES_TASKS = (WorkerState.WORKING, WorkerState.PAUSED)


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredWorker:
    """A registered worker."""

    id: str
    host: str
    process: str
    version: str
    tables: int  # the number of the tables that it needs
    slots: int  # captures at a time
    state: WorkerState
    detail: str  # why it is paused
    done: int  # jobs that it has finished
    started_at: datetime  # UTC
    beat_at: datetime  # UTC, by the database's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """The answer to a worker's heartbeat."""

    was_marked_dead: (
        bool  # it was marked as dead and its jobs were given to others; now it is alive
    )
    gap_s: float  # seconds since its last heartbeat


class WorkerRegistry:
    """The registered workers. Each method raises ServiceUnavailable if the database is gone."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def register(self, worker_id: str, *, slots: int, version: str) -> None:
        """Add a worker."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            connection.execute(
                _WORKER.insert().values(
                    id=worker_id, host=socket.gethostname()[:120], process=process_name(),
                    version=version, tables=TABLES_VERSION, slots=slots, state=WorkerState.WORKING,
                    started_at=now, beat_at=now,
                )
            )  # fmt: skip

    def beat(self, worker_id: str, state: WorkerState, detail: str, done: int) -> Heartbeat:
        """Record a heartbeat of a worker and its state. One that ends keeps no shared task."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            before = connection.execute(
                select(_WORKER.c.state, _WORKER.c.beat_at)
                .where(_WORKER.c.id == worker_id)
                .with_for_update()
            ).first()
            connection.execute(
                update(_WORKER)
                .where(_WORKER.c.id == worker_id)
                .values(state=state, detail=detail, done=done, beat_at=now)
            )
            if state not in _TAKES_TASKS:
                _release_tasks(connection, worker_id)
            if before is None:
                return Heartbeat(was_marked_dead=True, gap_s=0.0)
            return Heartbeat(
                was_marked_dead=before.state not in LIVE_STATES,
                gap_s=(now - before.beat_at).total_seconds(),
            )

    def mark_dead(self, worker: RegisteredWorker) -> bool:
        """Mark a worker as dead, and free its tasks; False if it had a heartbeat meanwhile."""
        with writing(self._engine) as connection:
            done = connection.execute(
                update(_WORKER)
                .where(_WORKER.c.id == worker.id, _WORKER.c.beat_at == worker.beat_at)
                .where(_WORKER.c.state.in_(LIVE_STATES))
                .values(state=WorkerState.DEAD)
            )
            if done.rowcount == 1:
                _release_tasks(connection, worker.id)
            return done.rowcount == 1

    def silent(self, *, but: str, for_s: float) -> Sequence[RegisteredWorker]:
        """
        Return the workers without a heartbeat for so long, and those whose process is gone.

        Args:
            but: The id of a worker that is left out.
        """
        with reading(self._engine) as connection:
            now = database_now(connection)
        return [
            worker
            for worker in self.workers()
            if worker.id != but
            and worker.state in LIVE_STATES
            and is_silent(worker.process, worker.beat_at, now, for_s=for_s)
        ]

    def workers(self) -> Sequence[RegisteredWorker]:
        """Return all workers, including those that ended within the last day."""
        with reading(self._engine) as connection:
            rows = read_rows(connection, select(_WORKER).order_by(_WORKER.c.started_at))
            return [_worker(row) for row in rows]

    def live_workers(self) -> list[RegisteredWorker]:
        """
        Return the workers that run now.

        A worker that was killed keeps its state until another one cleans up, and is left out.
        """
        with reading(self._engine) as connection:
            now = database_now(connection)
        return [
            worker
            for worker in self.workers()
            if worker.state in LIVE_STATES
            and not is_silent(worker.process, worker.beat_at, now, for_s=_SILENT_S)
        ]

    def forget_old(self) -> None:
        """Delete the workers that ended more than a day ago."""
        with writing(self._engine) as connection:
            before = database_now(connection) - _KEPT
            connection.execute(
                _WORKER.delete().where(
                    _WORKER.c.state.not_in(LIVE_STATES), _WORKER.c.beat_at < before
                )
            )

    def take_task(self, task: str, worker_id: str, *, for_s: float) -> bool:
        """
        Reserve a shared task for so long, unless another worker has it; return whether.

        The worker that has it can extend it. A suspended worker can believe for too long that
        it has the task: everything that is done under it must be safe to do twice.
        """
        with writing(self._engine) as connection:
            now = database_now(connection)
            until = now + timedelta(seconds=for_s)  # a later end: the clock was set back since
            row = connection.execute(
                select(_TASK).where(_TASK.c.name == task).with_for_update()
            ).first()
            if row is None:
                return _first_turn(connection, task, worker_id, until)
            if row.holder != worker_id and now < row.until <= until:
                return False
            half = now + timedelta(seconds=for_s / 2)
            if row.holder == worker_id and half < row.until <= until:
                return True  # it lasts long enough: nothing is written
            connection.execute(
                update(_TASK).where(_TASK.c.name == task).values(holder=worker_id, until=until)
            )
            return True

    def take_periodic_task(self, task: str, worker_id: str, *, every_s: float) -> bool:
        """Reserve one execution of a task in `every_s` among all workers; return whether."""
        return self.take_task(f"{task}*", f"{worker_id}*{os.urandom(4).hex()}", for_s=every_s)


def _release_tasks(connection: Connection, worker_id: str) -> None:
    """Let others take the shared tasks of a worker at once. Periodic tasks stay taken."""
    connection.execute(_TASK.delete().where(_TASK.c.holder == worker_id))


def _first_turn(connection: Connection, task: str, worker_id: str, until: datetime) -> bool:
    row = {"name": task, "holder": worker_id, "until": until}
    return connection.execute(insert_new(connection, _TASK).values(row)).rowcount == 1


def _worker(row: RowMapping) -> RegisteredWorker:
    return RegisteredWorker(**{**row, "state": WorkerState(row["state"])})
