"""
Choose the due jobs that are handed to the engine: few at a time, the most urgent first.

A job that is handed over keeps its place in the engine's queue. Therefore only slightly more jobs
are handed over than the workers have slots, and of one host only as many as may run at once. So a
slow host does not delay the others.
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, select, update

from snapshotter.jobs.database import database_now, read_row, read_rows, reading, writing
from snapshotter.jobs.queue.admission import Admission, Deferral
from snapshotter.jobs.queue.attempts import end_missed_job
from snapshotter.jobs.queue.job_table import (
    DUE,
    DUE_LATER,
    HANDED_OVER,
    JOB,
    NOT_DUE,
    job_of,
    mark_due_jobs,
    under_way,
)
from snapshotter.model.job import JobState
from snapshotter.value_class import dataclass

_AHEAD = 1.5  # jobs that are handed over or running, for each slot of all workers
_REFUSALS = 50  # most hosts refused in one round: the transaction blocks other writers
_SHORT = timedelta(seconds=5)  # a shorter wait is kept in memory and not written to the jobs


@dataclass(frozen=True, slots=True, kw_only=True)
class HandedRun:
    """A run of a job that is handed to the engine."""

    job_id: str
    run: int  # counts how often the job was handed over
    host: str
    priority: int


class Dispatcher:
    """
    Chooses the next jobs. One worker at a time does it; two at once do no harm.

    Args:
        per_host: Most jobs of one host that are handed over or running at once.
    """

    def __init__(self, engine: Engine, admission: Admission, *, per_host: int) -> None:
        self._engine = engine
        self._admission = admission
        self._per_host = per_host
        self._closed: dict[str, datetime] = {}  # until when a host is passed over

    def choose(self, slots: int, behind: int = 0) -> Sequence[HandedRun]:
        """
        Mark the next jobs as handed over, and return them.

        After a crash before they reach the engine, `unstarted` finds them.

        Args:
            slots: The slots of all workers.
            behind: The bundles that all workers may complete beside the captures in their slots.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        chosen: list[HandedRun] = []
        with writing(self._engine) as connection:
            now = database_now(connection)
            mark_due_jobs(connection, now)
            _miss_late_ones(connection, now)
            self._closed = {host: at for host, at in self._closed.items() if at > now}
            held = under_way(connection)
            room = round(slots * _AHEAD) + behind - held.total()
            full = {host for host, jobs in held.items() if jobs >= self._per_host}
            shut = full | set(self._closed)
            refused, wanted = 0, JOB.c.ready == DUE
            while len(chosen) < room and refused < _REFUSALS:
                row = _next_job(connection, wanted, shut)
                if row is None:
                    break
                host = row["host"]
                # The record of a page that is given up is made without a visit.
                wait = None if row["giving_up"] else self._admission.admit(
                    connection, job_of(row), host, now, held[host], held.total()
                )  # fmt: skip
                if wait is not None and wait.of_all:
                    wanted = (JOB.c.ready == DUE) & (JOB.c.giving_up != "")
                    continue
                if wait is not None:
                    self._close(connection, row, wait, now)
                    shut.add(host)
                    # Hosts with visits under way are refused in each round. There may be many,
                    # and they must not use up the limit before the other hosts.
                    refused += wait.until is not None
                    continue
                run = row["run"] + 1
                connection.execute(
                    update(JOB)
                    .where(JOB.c.seq == row["seq"])
                    .values(state=JobState.WAITING, ready=NOT_DUE, run=run, handed_at=now)
                )
                chosen.append(
                    HandedRun(job_id=row["id"], run=run, host=host, priority=row["priority"])
                )
                held[host] += 1
                if held[host] >= self._per_host:
                    shut.add(host)
        return chosen

    def unstarted(self, *, for_s: float) -> Sequence[tuple[str, int]]:
        """
        Return the runs that were handed over at least `for_s` seconds ago and have not begun.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        with reading(self._engine) as connection:
            before = database_now(connection) - timedelta(seconds=for_s)
            rows = connection.execute(
                select(JOB.c.id, JOB.c.run).where(HANDED_OVER, JOB.c.handed_at < before)
            )
            return [(job_id, run) for job_id, run in rows]

    def _close(
        self, connection: Connection, row: RowMapping, wait: Deferral, now: datetime
    ) -> None:
        """
        Defer the due jobs of a host.

        None of them is more urgent than this one: jobs are read in the order of their priority.
        """
        if wait.until is None:
            return  # it is tried again in the next round
        if wait.until - now <= _SHORT:
            self._closed[row["host"]] = wait.until
            return
        connection.execute(
            update(JOB)
            .where(JOB.c.host == row["host"], JOB.c.ready == DUE)
            .where(JOB.c.giving_up == "")
            .values(
                state=JobState.DEFERRED, ready=DUE_LATER, due_at=wait.until,
                error=wait.why, hint="",
            )
        )  # fmt: skip


def _next_job(
    connection: Connection, wanted: ColumnElement[bool], shut: Collection[str]
) -> RowMapping | None:
    """Lock and return the most urgent job whose host is not shut."""
    some = select(JOB).where(wanted, JOB.c.host.not_in(shut))
    return read_row(connection, some.order_by(JOB.c.priority, JOB.c.seq).limit(1).with_for_update())


def _miss_late_ones(connection: Connection, now: datetime) -> None:
    """End the waiting jobs whose `not_after` has passed."""
    late = select(JOB).where(JOB.c.not_after < now, JOB.c.ready != NOT_DUE, JOB.c.giving_up == "")
    for row in read_rows(connection, late):
        end_missed_job(connection, row, now)
