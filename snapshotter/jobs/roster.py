"""
Which workers there are: each says again and again that it lives, by the database's clock.

A worker that has been silent for long is taken for dead, and what it had is given to
others. It may live all the same (paused, cut off): so being dead is something that is
written down, once, and that it finds when it is back. Where the operating system can say
that the process is gone, nobody waits.
"""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path

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
    Words,
    database_now,
    insert_new,
    reading,
    writing,
)

_WORKER = Table(
    "worker",
    TABLES,
    Column("id", String(120), primary_key=True),
    Column("host", String(120), nullable=False),
    Column("process", String(200), nullable=False),
    Column("version", String(60), nullable=False),
    Column("tables", Integer, nullable=False),  # the number of tables that it needs
    Column("slots", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("detail", Words, nullable=False, default=""),
    Column("done", Integer, nullable=False, default=0),
    Column("started_at", Instant, nullable=False),
    Column("beat_at", Instant, nullable=False),
)
_KEPT = timedelta(days=1)  # a worker that has ended or died, for people to see

_DUTY = Table(
    "duty",
    TABLES,
    Column("name", String(60), primary_key=True),
    Column("holder", String(120), nullable=False),
    Column("until", Instant, nullable=False),
)


class WorkerState(StrEnum):
    """What a worker does."""

    WORKING = "working"
    PAUSED = "paused"  # something that it needs is not there
    DRAINING = "draining"  # it finishes what it has
    ENDED = "ended"
    DEAD = "dead"  # it was silent for too long, or its process is gone


LIVE = (WorkerState.WORKING, WorkerState.PAUSED, WorkerState.DRAINING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """A worker, as it stands in the roster."""

    id: str
    host: str
    process: str
    version: str
    tables: int  # the number of tables that it needs
    slots: int  # captures at a time
    state: WorkerState
    detail: str  # why it is paused
    done: int  # jobs that it has brought to their end
    started_at: datetime  # UTC
    beat_at: datetime  # UTC, by the database's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """What a worker learns when it says that it lives."""

    was_buried: bool  # it was taken for dead; what it had was given to others. It lives again
    gap_s: float  # since it last said so


class Roster:
    """The workers. Each method raises ServiceUnavailable where the database does not answer."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def enrol(self, worker_id: str, *, slots: int, version: str) -> None:
        """Begin as a worker."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            connection.execute(
                _WORKER.insert().values(
                    id=worker_id, host=socket.gethostname()[:120], process=process_name(),
                    version=version, tables=TABLES_VERSION, slots=slots, state=WorkerState.WORKING,
                    started_at=now, beat_at=now,
                )
            )  # fmt: skip

    def beat(self, worker_id: str, state: WorkerState, detail: str, done: int) -> Beat:
        """Say that a worker lives, and what it does."""
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
            if before is None:
                return Beat(was_buried=True, gap_s=0.0)
            return Beat(
                was_buried=before.state not in LIVE, gap_s=(now - before.beat_at).total_seconds()
            )

    def bury(self, worker: Worker) -> bool:
        """Write down that a worker is dead; False if it has said something meanwhile."""
        with writing(self._engine) as connection:
            done = connection.execute(
                update(_WORKER)
                .where(_WORKER.c.id == worker.id, _WORKER.c.beat_at == worker.beat_at)
                .where(_WORKER.c.state.in_(LIVE))
                .values(state=WorkerState.DEAD)
            )
            return done.rowcount == 1

    def silent(self, *, but: str, for_s: float) -> Sequence[Worker]:
        """
        Return the workers that have been silent for so long, or whose process is gone.

        One that spoke so far in the future has done so by a clock that was set back since.
        """
        with reading(self._engine) as connection:
            now = database_now(connection)
        return [
            it
            for it in self.workers()
            if it.id != but
            and it.state in LIVE
            and (abs(now - it.beat_at) > timedelta(seconds=for_s) or is_gone(it.process))
        ]

    def workers(self) -> Sequence[Worker]:
        """Return all workers, those that have ended within the last day included."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(_WORKER).order_by(_WORKER.c.started_at)).mappings()
            return [_worker(row) for row in rows]

    def forget_old(self) -> None:
        """Strike out the workers that ended more than a day ago."""
        with writing(self._engine) as connection:
            before = database_now(connection) - _KEPT
            connection.execute(
                _WORKER.delete().where(_WORKER.c.state.not_in(LIVE), _WORKER.c.beat_at < before)
            )

    def take_turn(self, duty: str, worker_id: str, *, for_s: float) -> bool:
        """
        Take a duty for so long, if nobody else has it; who has it can take it again.

        A worker that is paused can believe for longer that it has it: whatever is done
        under a duty must bear to be done twice.
        """
        with writing(self._engine) as connection:
            now = database_now(connection)
            until = now + timedelta(seconds=for_s)  # later ones are of a clock that was set back
            row = connection.execute(
                select(_DUTY).where(_DUTY.c.name == duty).with_for_update()
            ).first()
            if row is None:
                return _first_turn(connection, duty, worker_id, until)
            if row.holder != worker_id and now < row.until <= until:
                return False
            half = now + timedelta(seconds=for_s / 2)
            if row.holder == worker_id and half < row.until <= until:
                return True  # long enough: nothing is written for it
            connection.execute(
                update(_DUTY).where(_DUTY.c.name == duty).values(holder=worker_id, until=until)
            )
            return True

    def due_turn(self, duty: str, worker_id: str, *, every_s: float) -> bool:
        """Take a duty that is done once in so long, among all workers; False if it was done."""
        return self.take_turn(f"{duty}*", f"{worker_id}*{os.urandom(4).hex()}", for_s=every_s)


def _first_turn(connection: Connection, duty: str, worker_id: str, until: datetime) -> bool:
    row = {"name": duty, "holder": worker_id, "until": until}
    return connection.execute(insert_new(connection, _DUTY).values(row)).rowcount == 1


def process_name(pid: int = 0) -> str:
    """Return what names a process for good among all of all machines; of this one if 0."""
    pid = pid or os.getpid()
    return f"{_machine()} {pid} {_started(pid)}"


def is_gone(process: str) -> bool:
    """Return whether a process is gone for certain: it ran on this machine, and does no more."""
    machine, _, rest = process.partition(" ")
    pid, _, started = rest.partition(" ")
    if machine != _machine() or not pid.isdigit() or not started:
        return False
    return _started(int(pid)) != started


@cache
def _machine() -> str:
    """
    Return a name of this boot of this machine, and of our view of its processes.

    Of another user's process nobody can say that it is gone: a system may hide it (hidepid).
    """
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}/{os.getuid()}"
    except OSError:
        return ""  # where processes can not be told apart for good nobody is gone for certain


def _started(pid: int) -> str:
    """Return when a process started, in ticks since the boot; "" if there is none."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    # After the name, which is in brackets and may hold anything: field 3 is the state.
    fields = stat.rpartition(")")[2].split()
    return "" if fields[0] in "ZX" else fields[19]


def _worker(row: RowMapping) -> Worker:
    return Worker(**{**row, "state": WorkerState(row["state"])})
