"""
Record the attempts of workers at a job, so that two workers never both store a bundle for it.

    begin ─► running ─ began(bundle id) ─ may_store ─► storing ─► ended
                │                                         │
                └────────────► lost ◄─────────────────────┘

Each arrow is one compare-and-set in the database. A worker that was marked as dead and goes on
finds that its attempt is `lost`, and may not store. An attempt that was allowed to store is not
lost while its bundle can still arrive: the bundle is looked for in the store first, under the
recorded id (docs/adr/0028). Jobs are also cancelled, and ended as missed,
here.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    insert,
    select,
    update,
)

from snapshotter.formats import typed
from snapshotter.jobs.database import (
    TABLES,
    Instant,
    SafeText,
    database_now,
    read_row,
    reading,
    writing,
)
from snapshotter.jobs.queue.admission import Admission, AttemptResult, Deferral
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.queue.job_table import (
    DUE,
    DUE_LATER,
    HANDED_OVER,
    JOB,
    NOT_DUE,
    WAITING,
    JobActionResult,
    add_note,
    encode_shown,
    job_of,
    merge_notes,
    status_of,
)
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.model.job import CaptureJob, JobState, JobStatus, SealedResult, StoredResult
from snapshotter.ports import JobSuperseded
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_RUNNING, STORING, _ENDED, _LOST = "running", "storing", "ended", "lost"
_LIVE = (_RUNNING, STORING)

ATTEMPT = Table(
    "attempt",
    TABLES,
    Column("job_id", String(120), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("worker", String(120), nullable=False),
    Column("process", String(200), nullable=False),  # its process, from `process_name`
    Column("state", String(16), nullable=False),
    Column("bundle_id", String(64), nullable=False, default=""),
    Column("began_at", Instant, nullable=False),
    Column("store_by", Instant),  # latest time at which its bundle can arrive
    Column("orphaned_at", Instant),  # since when it is storing without a worker
    Column("ended_at", Instant),
    Column("sealed", SafeText, nullable=False, default=""),  # JSON of `SealedResult`
    Column("fault", String(16), nullable=False, default=""),
    Column("error", SafeText, nullable=False, default=""),
    Column("hint", SafeText, nullable=False, default=""),
    Index("attempt_worker", "worker", "state"),
    Index("attempt_state", "state"),
    Index("attempt_bundle", "bundle_id"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt that a worker has begun."""

    job: CaptureJob
    number: int
    host: str  # name under which its visits are counted
    handed_at: datetime  # UTC
    began_at: datetime  # UTC; tells a job from a purged one that had the same id
    revisits: int
    giving_up: str = ""  # why the page is given up; the attempt then only records that
    more: bool = False  # other jobs waited for a slot when it began


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """An attempt that was allowed to store and has no worker any more."""

    attempt: Attempt
    sealed: SealedResult
    process: str
    store_by: datetime
    orphaned_at: datetime
    failure: Failure  # applies if its bundle is not in the store


class Attempts:
    """
    The attempts in the database.

    Every method raises ServiceUnavailable if the database does not answer, and can be
    called again then.

    Args:
        chance: Returns random numbers between 0 and 1, for jitter.
    """

    def __init__(
        self, engine: Engine, admission: Admission, retry_rules: RetryRules, chance: Any
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._retry_rules = retry_rules
        self._chance = chance

    def begin(self, job_id: str, run: int, *, worker: str, process: str) -> Attempt | None:
        """Begin an attempt at a job that was handed over; None if the run is not wanted now."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            row = _job(connection, job_id)
            if row is None or row["run"] != run or row["ready"]:
                return None
            if row["state"] == JobState.RUNNING:
                return _begun_before(connection, row, worker)
            if row["state"] not in WAITING:
                return None
            if row["not_after"] is not None and row["not_after"] < now and not row["giving_up"]:
                end_missed_job(connection, row, now)
                return None
            number = row["begun"] + 1
            began = connection.execute(
                update(JOB)
                .where(JOB.c.id == job_id, JOB.c.run == run, JOB.c.state.in_(WAITING))
                .where(JOB.c.ready == NOT_DUE, JOB.c.begun == row["begun"])
                .values(
                    state=JobState.RUNNING, begun=number,
                    attempts=JOB.c.attempts + int(not row["giving_up"]),
                    worker=worker, started_at=now, ended_at=None, due_at=None, error="", hint="",
                )
            )  # fmt: skip
            if began.rowcount != 1:
                return None
            connection.execute(
                insert(ATTEMPT).values(
                    job_id=job_id, number=number, worker=worker, process=process,
                    state=_RUNNING, began_at=now,
                )
            )  # fmt: skip
            return Attempt(
                job=job_of(row), number=number, host=row["host"],
                handed_at=row["handed_at"] or now, began_at=now, revisits=row["revisits"],
                giving_up=row["giving_up"], more=_others_wait(connection),
            )  # fmt: skip

    def hand_back(self, job_id: str, run: int) -> None:
        """Make a job due again that was handed over and not begun; undo its visit."""
        with writing(self._engine) as connection:
            done = connection.execute(
                update(JOB)
                .where(JOB.c.id == job_id, JOB.c.run == run, JOB.c.state.in_(WAITING))
                .where(JOB.c.ready == NOT_DUE)
                .values(ready=DUE, due_at=None)
            )
            if done.rowcount:
                self._admission.not_started(connection, job_id)

    def began(self, attempt: Attempt, bundle_id: str, process: str) -> None:
        """See `ports.Lease`. Raises JobSuperseded."""
        self._set(attempt, (_RUNNING,), bundle_id=bundle_id, process=process)

    def may_store(self, attempt: Attempt, sealed: SealedResult, limit: timedelta) -> None:
        """See `ports.Lease`; the right ends after `limit`. Raises JobSuperseded."""
        with writing(self._engine) as connection:
            self._set_within(
                connection,
                attempt,
                _LIVE,
                state=STORING,
                sealed=json.dumps(asdict(sealed)),
                store_by=database_now(connection) + limit,
            )

    def note(self, attempt: Attempt, text: str) -> None:
        """Add a note to the job."""
        with writing(self._engine) as connection:
            add_note(connection, attempt.job.id, text)

    def finish(
        self, attempt: Attempt, made: StoredResult, *, worker: str = "", retried: bool = False
    ) -> JobStatus | None:
        """
        End an attempt with its stored bundle; None if it was ended by somebody else.

        Every worker that finds the bundle may call it.

        Args:
            worker: The worker that ends it; "" for the worker of the attempt.
            retried: An earlier call got no answer. If that call ended the attempt, the status is
                returned all the same: otherwise nobody would report the bundle.
        """
        sealed = made.sealed
        with writing(self._engine) as connection:
            now = database_now(connection)
            row = _job(connection, attempt.job.id)
            if not self._end(connection, attempt, _ENDED, now, "", worker):
                ours = retried and row is not None and row["bundle_id"] == sealed.bundle_id
                if ours and _ended_by(connection, attempt, worker):
                    return _status(connection, attempt.job.id)
                return None
            if row is None:
                return None
            state = JobState.DONE if sealed.exit_code == 0 else JobState.INCOMPLETE
            error, again = "", None
            notes = merge_notes(json.loads(row["notes"]), *made.notes)
            if attempt.giving_up:
                state, error = JobState.DEAD, attempt.giving_up
            else:
                met = AttemptResult(
                    at=now, started_at=attempt.handed_at, revisits=attempt.revisits,
                    began_at=row["started_at"],
                    http_status=sealed.http_status, retry_after=sealed.retry_after,
                    date=sealed.date, final_url=sealed.final_url, outcome=sealed.outcome,
                )  # fmt: skip
                again = self._admission.attempt_ended(connection, attempt.job, attempt.host, met)
            values = _over(state, now, 1 if attempt.giving_up else sealed.exit_code)
            if again is not None:
                values = _again(again, now)
                error = again.why
                notes = merge_notes(
                    notes,
                    tr(
                        "the bundle {bundle_id} was stored, and the page is captured again: {why}",
                        bundle_id=sealed.bundle_id,
                        why=again.why,
                    ),
                )
            connection.execute(
                update(JOB)
                .where(JOB.c.id == attempt.job.id)
                .values(
                    **values,
                    bundle_id=sealed.bundle_id, sha256=sealed.sha256, location=made.location,
                    outcome=sealed.outcome, http_status=sealed.http_status,
                    final_url=sealed.final_url, title=sealed.title,
                    court_minimum=sealed.court_minimum, shown=encode_shown(sealed.shown),
                    error=error, hint=_RETRY if attempt.giving_up else "", lapses=0,
                    lost_workers=0,
                    revisits=JOB.c.revisits + int(again is not None),
                    notes=json.dumps(notes),
                )
            )  # fmt: skip
            return _status(connection, attempt.job.id)

    def fail(self, attempt: Attempt, failure: Failure, *, unstored: str = "") -> JobStatus | None:
        """
        End an attempt without a bundle; None if it was ended by somebody else.

        An attempt that was allowed to store becomes an orphan: a store that did not answer may
        have stored the bundle all the same.

        Args:
            unstored: A note about a bundle that was sealed and is not stored.
        """
        with writing(self._engine) as connection:
            now = database_now(connection)
            if self._orphan(connection, attempt, failure, now, store_by=now):
                if unstored:
                    add_note(connection, attempt.job.id, unstored)
                return _status(connection, attempt.job.id)
            if not self._end(connection, attempt, _ENDED, now, failure.error):
                return None
            self._settle(connection, attempt, failure, now, unstored)
            return _status(connection, attempt.job.id)

    def lose(self, attempt: Attempt, why: str) -> JobStatus | None:
        """
        End an attempt whose capture process ended; return the status of its job.

        An attempt whose bundle may be in the store becomes an orphan.
        """
        with writing(self._engine) as connection:
            self._lose(connection, attempt, Failure(fault=Fault.LOST, error=why))
            return _status(connection, attempt.job.id)

    def lose_all(self, worker: str, why: str) -> Sequence[str]:
        """
        End all attempts of a worker that is gone; return the ids of their jobs.

        None of them counts against its job: at most one of them can have ended the worker.
        """
        with reading(self._engine) as connection:
            found = connection.execute(
                _with_jobs().where(ATTEMPT.c.worker == worker, ATTEMPT.c.state.in_(_LIVE))
            ).mappings()
            lost = [_attempt(row) for row in found]
        for attempt in lost:
            with writing(self._engine) as connection:
                self._lose(connection, attempt, Failure(fault=Fault.WORKER, error=why))
        return [attempt.job.id for attempt in lost]

    def workers(self) -> frozenset[str]:
        """Return the ids of the workers that have attempts under way."""
        with reading(self._engine) as connection:
            wanted = select(ATTEMPT.c.worker).where(
                ATTEMPT.c.state.in_(_LIVE), ATTEMPT.c.orphaned_at.is_(None)
            )
            return frozenset(connection.execute(wanted.distinct()).scalars())

    def held_by(self, worker: str) -> frozenset[tuple[str, int]]:
        """Return the job ids and numbers of a worker's live attempts."""
        with reading(self._engine) as connection:
            wanted = select(ATTEMPT.c.job_id, ATTEMPT.c.number).where(
                ATTEMPT.c.worker == worker,
                ATTEMPT.c.state.in_(_LIVE),
                ATTEMPT.c.orphaned_at.is_(None),
            )
            return frozenset((job_id, number) for job_id, number in connection.execute(wanted))

    def orphans(self) -> Sequence[Orphan]:
        """Return the attempts whose bundles must be looked for in the store."""
        with reading(self._engine) as connection:
            found = connection.execute(
                _with_jobs().where(ATTEMPT.c.state == STORING, ATTEMPT.c.orphaned_at.is_not(None))
            ).mappings()
            return [
                Orphan(
                    attempt=_attempt(row),
                    sealed=typed.read(SealedResult, json.loads(row["attempt_sealed"])),
                    process=row["attempt_process"],
                    store_by=row["attempt_store_by"],
                    orphaned_at=row["attempt_orphaned_at"],
                    failure=Failure(
                        fault=Fault(row["attempt_fault"]),
                        error=row["attempt_error"],
                        hint=row["attempt_hint"],
                    ),
                )
                for row in found
            ]

    def abandon(self, orphan: Orphan) -> None:
        """End an orphan whose bundle is not in the store and cannot arrive any more."""
        with writing(self._engine) as connection:
            now = database_now(connection)
            if self._end(connection, orphan.attempt, _LOST, now, orphan.failure.error):
                self._settle(connection, orphan.attempt, orphan.failure, now, "")

    def end_taken(self, orphan: Orphan, failure: Failure) -> JobStatus | None:
        """
        End the job of an orphan if the store holds another file under its bundle's id.

        Only a person can resolve that, and a second bundle would hide it. None if the attempt
        was ended by somebody else.
        """
        with writing(self._engine) as connection:
            now = database_now(connection)
            if not self._end(connection, orphan.attempt, _ENDED, now, failure.error):
                return None
            self._settle(connection, orphan.attempt, failure, now, "")
            return _status(connection, orphan.attempt.job.id)

    def owner_of(self, bundle_id: str) -> str:
        """Return the id of the job that made a bundle; "" if no job did."""
        with reading(self._engine) as connection:
            wanted = select(ATTEMPT.c.job_id).where(ATTEMPT.c.bundle_id == bundle_id)
            return connection.execute(wanted).scalar() or ""

    def note_on(self, job_id: str, text: str) -> None:
        """Add a note to a job."""
        with writing(self._engine) as connection:
            add_note(connection, job_id, text)

    def _lose(self, connection: Connection, attempt: Attempt, failure: Failure) -> None:
        now, why = database_now(connection), failure.error
        if self._orphan(connection, attempt, failure, now):
            add_note(
                connection,
                attempt.job.id,
                tr(
                    "{why}. A worker now looks in the store for the bundle of this attempt", why=why
                ),
            )
        elif self._end(connection, attempt, _LOST, now, why):
            self._settle(connection, attempt, failure, now, "")

    def _orphan(
        self,
        connection: Connection,
        attempt: Attempt,
        failure: Failure,
        now: datetime,
        *,
        store_by: datetime | None = None,
    ) -> bool:
        """Make an attempt that is storing an orphan; return False if it is not storing."""
        done = connection.execute(
            update(ATTEMPT)
            .where(*_is(attempt), ATTEMPT.c.state == STORING)
            .values(
                orphaned_at=now, fault=failure.fault, error=failure.error, hint=failure.hint,
                **({"store_by": store_by} if store_by else {}),
            )
        )  # fmt: skip
        return done.rowcount == 1

    def _settle(
        self,
        connection: Connection,
        attempt: Attempt,
        failure: Failure,
        now: datetime,
        unstored: str,
    ) -> None:
        """Set what comes next for the job of an attempt that ended without a bundle."""
        row = _job(connection, attempt.job.id)
        if row is None or row["state"] != JobState.RUNNING:
            return
        counted = attempt.giving_up or failure.fault in (
            Fault.PAGE, Fault.LOST, Fault.FINAL, Fault.TAKEN,
        )  # fmt: skip
        attempts = row["attempts"] - (0 if counted else 1)
        values: dict[str, Any] = {
            "attempts": attempts, "error": failure.error, "hint": failure.hint,
            "notes": json.dumps(merge_notes(json.loads(row["notes"]), unstored)),
        }  # fmt: skip
        if failure.fault is Fault.FINAL:
            values |= _over(JobState.FAILED, now, failure.exit_code)
        elif failure.fault is Fault.TAKEN:
            values |= _over(JobState.DEAD, now, failure.exit_code)
        elif failure.fault is Fault.RETURNED:
            values |= {"state": JobState.WAITING, "ready": DUE, "due_at": None}
        elif failure.fault is Fault.WORKER:
            values |= self._after_lost_worker(row, failure, now)
        elif failure.fault is Fault.SERVICE:
            lapses = row["lapses"] + 1
            due = now + self._retry_rules.pause(lapses, self._chance())
            values |= {
                "state": JobState.WAITING, "ready": DUE_LATER, "due_at": due, "lapses": lapses,
            }  # fmt: skip
        elif attempt.giving_up:
            values |= _over(JobState.DEAD, now, 1)
            values["error"] = attempt.giving_up
            values["hint"] = tr(
                "the failure could not be recorded in a bundle either: {error}", error=failure.error
            )
        elif attempts >= self._retry_rules.attempts:
            # Its next attempt does not visit the page: it seals a record of the failure.
            values |= {
                "state": JobState.WAITING, "ready": DUE, "due_at": None, "lapses": 0,
                "lost_workers": 0,
                "giving_up": f"given up after {attempts} attempts. The last error: "
                             f"{failure.error}",
            }  # fmt: skip
        else:
            due = now + self._retry_rules.pause(attempts, self._chance())
            values |= {
                "state": JobState.WAITING, "ready": DUE_LATER, "due_at": due, "lost_workers": 0,
            }  # fmt: skip
        if failure.fault is Fault.PAGE and not attempt.giving_up:
            met = AttemptResult(
                at=now, started_at=attempt.handed_at, revisits=attempt.revisits,
                began_at=row["started_at"],
                http_status=failure.http_status, retry_after=failure.retry_after,
                error=failure.error,
            )  # fmt: skip
            self._admission.attempt_ended(connection, attempt.job, attempt.host, met)
        connection.execute(update(JOB).where(JOB.c.id == attempt.job.id).values(**values))

    def _after_lost_worker(
        self, row: RowMapping, failure: Failure, now: datetime
    ) -> dict[str, Any]:
        """Return what comes next for a job whose worker ended; it does not count as an attempt."""
        lost = row["lost_workers"] + 1
        due = now + self._retry_rules.pause_after_lost_workers(lost, self._chance())
        values: dict[str, Any] = {
            "state": JobState.WAITING, "ready": DUE_LATER, "due_at": due, "lost_workers": lost,
        }  # fmt: skip
        if lost > self._retry_rules.lost_workers:
            words = tr(
                "{lost} workers, one after another, ended while they captured this page. "
                "The last failure: {error}",
                lost=lost,
                error=failure.error,
            )
            values |= {
                "error": words, "hint": SUSPECT_HINT,
                "notes": json.dumps(merge_notes(json.loads(row["notes"]), words)),
            }  # fmt: skip
        return values

    def _set(self, attempt: Attempt, states: Sequence[str], **values: object) -> None:
        with writing(self._engine) as connection:
            self._set_within(connection, attempt, states, **values)

    def _set_within(
        self, connection: Connection, attempt: Attempt, states: Sequence[str], **values: object
    ) -> None:
        done = connection.execute(
            update(ATTEMPT)
            .where(*_is(attempt), ATTEMPT.c.state.in_(states), ATTEMPT.c.orphaned_at.is_(None))
            .values(**values)
        )
        if done.rowcount != 1:
            raise JobSuperseded(
                tr(
                    "the job {id} was given to another worker, or cancelled, so nothing is stored",
                    id=attempt.job.id,
                )
            )

    def _end(
        self,
        connection: Connection,
        attempt: Attempt,
        state: str,
        now: datetime,
        error: str,
        worker: str = "",
    ) -> bool:
        done = connection.execute(
            update(ATTEMPT)
            .where(*_is(attempt), ATTEMPT.c.state.in_(_LIVE))
            .values(
                state=state, ended_at=now, error=error, **({"worker": worker} if worker else {})
            )
        )  # fmt: skip
        return done.rowcount == 1


SUSPECT_HINT = (
    "the page may use all memory of the machine, or the workers may end for another reason. "
    "After each such end, the job waits longer before its next attempt, at most a day. To stop "
    "the job:\n  snapshotter queue cancel JOB-ID"
)
_RETRY = "when the cause is removed, try again:\n  snapshotter queue retry JOB-ID"


def _begun_before(connection: Connection, row: RowMapping, worker: str) -> Attempt | None:
    """
    Return the attempt that this worker began without getting the answer; None if it did not.

    The answer to a commit can be lost. Without this, the job would be running for as long as
    the worker lives, and nobody would work on it.
    """
    found = read_row(
        connection,
        _with_jobs().where(
            JOB.c.id == row["id"],
            ATTEMPT.c.number == row["begun"],
            ATTEMPT.c.worker == worker,
            ATTEMPT.c.state == _RUNNING,
            ATTEMPT.c.bundle_id == "",
        ),
    )
    return _attempt(found) if found is not None else None


def _ended_by(connection: Connection, attempt: Attempt, worker: str) -> bool:
    wanted = select(ATTEMPT.c.worker).where(*_is(attempt), ATTEMPT.c.state == _ENDED)
    return connection.execute(wanted).scalar() == worker


def end_missed_job(connection: Connection, row: RowMapping, now: datetime) -> None:
    """
    End a job whose `not_after` passed before it began.

    A job that was tried before is not missed: its next attempt seals a record of the failure. A
    job of a throttled page has a stored bundle already, and ends with this bundle.
    """
    until = row["not_after"]
    stored = _stored_before(connection, row) if row["revisits"] else None
    if stored is not None:
        words = tr(
            "the page was not captured again before the latest time of the job, "
            "{until:%Y-%m-%dT%H:%M:%SZ}",
            until=until,
        )
        state = JobState.DONE if stored.exit_code == 0 else JobState.INCOMPLETE
        connection.execute(
            update(JOB)
            .where(JOB.c.id == row["id"], JOB.c.state.in_(WAITING))
            .values(
                **_over(state, now, stored.exit_code), error="", hint="",
                notes=json.dumps(merge_notes(json.loads(row["notes"]), words)),
            )
        )  # fmt: skip
        return
    if row["attempts"]:
        words = tr(
            "given up at {until:%Y-%m-%dT%H:%M:%SZ}, the latest time for this job. ", until=until
        )
        words += f"Attempts: {row['attempts']}. The last error: {row['error']}"
        connection.execute(
            update(JOB)
            .where(JOB.c.id == row["id"], JOB.c.state.in_(WAITING))
            .values(state=JobState.WAITING, ready=DUE, due_at=None, giving_up=words)
        )
        return
    words = tr(
        "missed: the job did not begin before its latest time, {until:%Y-%m-%dT%H:%M:%SZ}",
        until=until,
    )
    if row["lost_workers"]:
        words = tr(
            "missed: the page was not captured before the latest time of the job, "
            "{until:%Y-%m-%dT%H:%M:%SZ}: {row}",
            until=until,
            row=row["error"],
        )
    connection.execute(
        update(JOB)
        .where(JOB.c.id == row["id"], JOB.c.state.in_(WAITING))
        .values(**_over(JobState.FAILED, now, None), error=words)
    )


def _stored_before(connection: Connection, row: RowMapping) -> SealedResult | None:
    """Return the bundle that an earlier attempt stored for a job; None if there is none."""
    wanted = select(ATTEMPT.c.sealed).where(
        ATTEMPT.c.job_id == row["id"],
        ATTEMPT.c.bundle_id == row["bundle_id"],
        ATTEMPT.c.state == _ENDED,
        ATTEMPT.c.sealed != "",
    )
    found = connection.execute(wanted).scalar()
    return typed.read(SealedResult, json.loads(found)) if found else None


def cancel_job(connection: Connection, job_id: str) -> JobActionResult:
    """Cancel one job. A worker that captures it notices that and stops the capture."""
    row = _job(connection, job_id)
    if row is None:
        return JobActionResult.UNKNOWN
    if JobState(row["state"]).over:
        return JobActionResult.OVER
    now = database_now(connection)
    if row["state"] == JobState.RUNNING:
        ended = connection.execute(
            update(ATTEMPT)
            .where(ATTEMPT.c.job_id == job_id, ATTEMPT.c.state == _RUNNING)
            .values(state=_ENDED, ended_at=now, error="cancelled")
        )
        if not ended.rowcount:
            return JobActionResult.STORING
    done = connection.execute(
        update(JOB)
        .where(JOB.c.id == job_id, JOB.c.state == row["state"])
        .values(**_over(JobState.CANCELLED, now, None))
    )
    return JobActionResult.DONE if done.rowcount else JobActionResult.UNDER_WAY


def _again(wait: Deferral, now: datetime) -> dict[str, Any]:
    """Return the values that defer a job for one more visit; its bundle is kept."""
    return {
        "state": JobState.DEFERRED, "ready": DUE_LATER, "due_at": wait.until or now,
        "attempts": 0,
    }  # fmt: skip


def _status(connection: Connection, job_id: str) -> JobStatus | None:
    row = read_row(connection, select(JOB).where(JOB.c.id == job_id))
    return status_of(row) if row else None


def _over(state: JobState, now: datetime, exit_code: int | None) -> dict[str, Any]:
    return {
        "state": state, "ready": NOT_DUE, "due_at": None, "ended_at": now, "exit_code": exit_code,
    }  # fmt: skip


def _others_wait(connection: Connection) -> bool:
    """Return whether a job is due, or handed over and not begun."""
    wanted = select(JOB.c.seq).where((JOB.c.ready == DUE) | HANDED_OVER).limit(1)
    return connection.execute(wanted).first() is not None


def _job(connection: Connection, job_id: str) -> RowMapping | None:
    """Lock the row of a job until this transaction ends, and return it."""
    wanted = select(JOB).where(JOB.c.id == job_id).with_for_update()
    return read_row(connection, wanted)


def _is(attempt: Attempt) -> tuple[Any, Any, Any]:
    return (
        ATTEMPT.c.job_id == attempt.job.id,
        ATTEMPT.c.number == attempt.number,
        ATTEMPT.c.began_at == attempt.began_at,
    )


def _with_jobs() -> Any:
    return select(
        JOB,
        ATTEMPT.c.number.label("attempt_number"),
        ATTEMPT.c.began_at.label("attempt_began_at"),
        ATTEMPT.c.sealed.label("attempt_sealed"),
        ATTEMPT.c.process.label("attempt_process"),
        ATTEMPT.c.store_by.label("attempt_store_by"),
        ATTEMPT.c.orphaned_at.label("attempt_orphaned_at"),
        ATTEMPT.c.fault.label("attempt_fault"),
        ATTEMPT.c.error.label("attempt_error"),
        ATTEMPT.c.hint.label("attempt_hint"),
    ).join(JOB, JOB.c.id == ATTEMPT.c.job_id)


def _attempt(row: RowMapping) -> Attempt:
    return Attempt(
        job=job_of(row),
        number=row["attempt_number"],
        host=row["host"],
        handed_at=row["handed_at"],
        began_at=row["attempt_began_at"],
        revisits=row["revisits"],
        giving_up=row["giving_up"],
    )
