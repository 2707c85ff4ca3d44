"""
Implement `ports.JobQueue` on the database: add, list, cancel, retry and delete capture jobs.

A job stays in the table from `put` until it is deleted by `purge`. Every change of its state is
one transaction. The dispatcher hands due jobs to the engine, and the attempts record how each
capture goes.
"""

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    Engine,
    column,
    delete,
    exists,
    func,
    inspect,
    or_,
    select,
    table,
    true,
    update,
)

from snapshotter.errors import SnapshotterError
from snapshotter.formats.hosts import host_of
from snapshotter.jobs.database import (
    database_now,
    insert_new,
    read_row,
    read_rows,
    reading,
    writing,
)
from snapshotter.jobs.queue.attempts import ATTEMPT, cancel_job
from snapshotter.jobs.queue.job_table import (
    DUE,
    DUE_LATER,
    JOB,
    LONGEST_HOST,
    JobActionResult,
    merge_notes,
    status_of,
)
from snapshotter.model.job import MOST_PRIORITY, CaptureJob, JobState, JobStatus
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_AT_ONCE = 500  # ids in one statement
_PAGE = 500  # rows of one SELECT
# Of the package for schedules, which depends on this one.
_VISIT = table("schedule_visit", column("job_id"), column("check_at"))
_OVER = tuple(state for state in JobState if state.over)
RETRYABLE = (JobState.FAILED, JobState.DEAD, JobState.CANCELLED)  # states that can be retried


@dataclass(frozen=True, slots=True, kw_only=True)
class JobPage:
    """Some jobs, the newest first."""

    jobs: tuple[JobStatus, ...]
    next: int | None  # what to give as `before` for the jobs after these; None at the end


class DatabaseQueue:
    """
    `ports.JobQueue` over a database. Any number of processes may use it at once.

    Args:
        engine: From `open_database`; the caller disposes of it.
        host: Returns the name under which visits to a URL are counted.
    """

    def __init__(self, engine: Engine, *, host: Callable[[str], str] = host_of) -> None:
        self._engine = engine
        self._host = host

    def put(self, jobs: Sequence[CaptureJob]) -> Sequence[bool]:
        """Add jobs; see `ports.JobQueue`."""
        rows = {
            job.id: _row(job, self._host(job.url)) for job in reversed(jobs)
        }  # of two with one id, the first
        ordered = [rows[job_id] for job_id in dict.fromkeys(job.id for job in jobs)]
        with writing(self._engine) as connection:
            new = insert_jobs(connection, ordered)
        answer = []
        for job in jobs:
            answer.append(job.id in new)
            new.discard(job.id)
        return answer

    def get(self, job_id: str) -> JobStatus | None:
        """Return a job; see `ports.JobQueue`."""
        with reading(self._engine) as connection:
            row = read_row(connection, select(JOB).where(JOB.c.id == job_id))
        return status_of(row) if row else None

    def some(self, job_ids: Sequence[str]) -> list[JobStatus]:
        """Return jobs by id, in the order of their arrival; unknown ids are left out."""
        found: list[JobStatus] = []
        with reading(self._engine) as connection:
            for begin in range(0, len(job_ids), _AT_ONCE):
                wanted = select(JOB).where(JOB.c.id.in_(job_ids[begin : begin + _AT_ONCE]))
                rows = read_rows(connection, wanted.order_by(JOB.c.seq))
                found += map(status_of, rows)
        return found

    def of_bundles(self, bundle_ids: Sequence[str]) -> list[JobStatus]:
        """Return the known jobs that made these bundles."""
        wanted = select(JOB).where(JOB.c.bundle_id.in_(bundle_ids))
        with reading(self._engine) as connection:
            return [status_of(row) for row in read_rows(connection, wanted)]

    def with_part(self, part: str, *, newest: int = 9) -> list[JobStatus]:
        """Return the job with this id; else the newest jobs whose ids have this part."""
        if (known := self.get(part)) is not None:
            return [known]
        has_part = or_(
            JOB.c.id.startswith(part, autoescape=True),
            JOB.c.id.endswith(part, autoescape=True),
            JOB.c.id.contains(f"z-{part}", autoescape=True),  # the beginning of the random part
        )
        wanted = select(JOB).where(has_part).order_by(JOB.c.seq.desc()).limit(newest)
        with reading(self._engine) as connection:
            return [status_of(row) for row in read_rows(connection, wanted)]

    def jobs(
        self, *, states: frozenset[JobState] = frozenset(), origin: str = "", newest: int = 0
    ) -> Iterator[JobStatus]:
        """Yield jobs; see `ports.JobQueue`. Each page is read by itself, without a lock."""
        wanted = select(JOB).order_by(JOB.c.seq)
        if states:
            wanted = wanted.where(JOB.c.state.in_(sorted(states)))
        if origin:
            wanted = wanted.where(JOB.c.origin == origin)
        last = 0
        if newest:
            newest_first = wanted.order_by(None).order_by(JOB.c.seq.desc())
            with reading(self._engine) as connection:
                first = newest_first.with_only_columns(JOB.c.seq).offset(newest - 1).limit(1)
                last = (connection.execute(first).scalar() or 1) - 1
        while True:
            with reading(self._engine) as connection:
                page = wanted.where(JOB.c.seq > last).limit(_PAGE)
                rows = read_rows(connection, page)
            yield from map(status_of, rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1]["seq"]

    def page(
        self,
        *,
        states: frozenset[JobState] = frozenset(),
        origin: str = "",
        before: int | None = None,
        limit: int,
    ) -> JobPage:
        """
        Return some jobs, the newest first.

        Args:
            states, origin: As for `jobs`.
            before: `JobPage.next` of the page before this one.
            limit: Most jobs to return; at least 1.
        """
        wanted = select(JOB).order_by(JOB.c.seq.desc()).limit(limit + 1)
        if states:
            wanted = wanted.where(JOB.c.state.in_(sorted(states)))
        if origin:
            wanted = wanted.where(JOB.c.origin == origin)
        if before is not None:
            wanted = wanted.where(JOB.c.seq < before)
        with reading(self._engine) as connection:
            rows = read_rows(connection, wanted)
        return JobPage(
            jobs=tuple(map(status_of, rows[:limit])),
            next=rows[limit - 1]["seq"] if len(rows) > limit else None,
        )

    def now(self) -> datetime:
        """Return the time by the queue's clock, which all workers share."""
        return database_time(self._engine)

    def counts(self) -> dict[JobState, int]:
        """Return how many jobs are in each state; empty states are left out."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(JOB.c.state, func.count()).group_by(JOB.c.state)).all()
        return {JobState(state): count for state, count in rows}

    def cancel(self, job_ids: Sequence[str]) -> dict[str, JobActionResult]:
        """
        Cancel jobs. The worker of a running capture stops it.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        return self._each(job_ids, cancel_job)

    def retry(self, job_ids: Sequence[str]) -> dict[str, JobActionResult]:
        """
        Make jobs that failed, died or were cancelled due again, as if they were new.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        return self._each(job_ids, _retry)

    def _each(
        self, job_ids: Sequence[str], act: Callable[[Connection, str], JobActionResult]
    ) -> dict[str, JobActionResult]:
        """Do something to each job, in a transaction of its own."""
        results: dict[str, JobActionResult] = {}
        for job_id in job_ids:
            with writing(self._engine) as connection:
                results[job_id] = act(connection, job_id)
        return results

    def purge(self, *, before: datetime, states: Collection[JobState] = _OVER) -> int:
        """
        Delete jobs that ended before that time; return how many. Bundles are not deleted.

        A job of a schedule stays until the schedule has read its result: otherwise a visit
        that is cancelled and purged would leave no gap.

        Raises:
            ServiceUnavailable: The database does not answer.
        """
        asked_for: Any = true()
        with reading(self._engine) as connection:
            has_visits = inspect(connection).has_table(_VISIT.name)
        if has_visits:  # else no schedule was ever added
            asked_for = ~exists().where(_VISIT.c.job_id == JOB.c.id, _VISIT.c.check_at.is_not(None))
        wanted = [state for state in states if state.over]
        gone = 0
        while True:
            with writing(self._engine) as connection:
                ids = connection.execute(
                    select(JOB.c.id)
                    .where(JOB.c.state.in_(wanted), JOB.c.ended_at < before, asked_for)
                    .limit(_AT_ONCE)
                ).scalars()
                found = list(ids)
                connection.execute(delete(ATTEMPT).where(ATTEMPT.c.job_id.in_(found)))
                connection.execute(delete(JOB).where(JOB.c.id.in_(found)))
            gone += len(found)
            if len(found) < _AT_ONCE:
                return gone


def insert_jobs(connection: Connection, rows: Sequence[dict[str, Any]]) -> set[str]:
    """Insert the rows whose id is not in the table yet; return the inserted ids."""
    new: set[str] = set()
    for begin in range(0, len(rows), _AT_ONCE):
        some = rows[begin : begin + _AT_ONCE]
        ids = [row["id"] for row in some]
        known = set(connection.execute(select(JOB.c.id).where(JOB.c.id.in_(ids))).scalars())
        fresh = [row for row in some if row["id"] not in known]
        if not fresh:
            continue
        statement = insert_new(connection, JOB).returning(JOB.c.id)
        new |= set(connection.execute(statement, fresh).scalars())
    return new


def _retry(connection: Connection, job_id: str) -> JobActionResult:
    row = read_row(connection, select(JOB).where(JOB.c.id == job_id))
    if row is None:
        return JobActionResult.UNKNOWN
    if row["state"] not in RETRYABLE:
        return (
            JobActionResult.HAS_BUNDLE if JobState(row["state"]).over else JobActionResult.UNDER_WAY
        )
    notes = json.loads(row["notes"])
    if row["bundle_id"]:
        notes = merge_notes(
            notes, tr("the bundle {row} records an earlier failure", row=row["bundle_id"])
        )
    connection.execute(
        update(JOB)
        .where(JOB.c.id == job_id, JOB.c.state.in_(RETRYABLE))
        .values(
            state=JobState.WAITING, ready=DUE, due_at=None, not_after=None, attempts=0, lapses=0,
            lost_workers=0,
            giving_up="", ended_at=None, bundle_id="", sha256="", location="", outcome="",
            http_status=None, final_url="", title="", court_minimum=None, shown="",
            exit_code=None,
            error="", hint="", notes=json.dumps(notes),
        )
    )  # fmt: skip
    return JobActionResult.DONE


def database_time(engine: Engine) -> datetime:
    """Return the database's time, UTC. Raises ServiceUnavailable."""
    with reading(engine) as connection:
        return database_now(connection)


def _row(job: CaptureJob, host: str) -> dict[str, Any]:
    if not host or len(host) > LONGEST_HOST:
        raise SnapshotterError(
            tr(
                "no job can be made for {url!r}: the address has no host, or the name of its host "
                "is too long",
                url=job.url,
            )
        )
    return {
        "id": job.id,
        "url": job.url,
        "host": host,
        "policy": job.policy,
        "origin": job.origin,
        "priority": min(max(job.priority, 0), MOST_PRIORITY),
        "tags": json.dumps(job.tags),
        "enqueued_at": job.enqueued_at,
        "not_before": job.not_before,
        "not_after": job.not_after,
        "light": job.light,
        "vantage": job.vantage,
        "state": JobState.WAITING,
        "ready": DUE_LATER if job.not_before else DUE,
        "due_at": job.not_before,
    }
