"""
Define the table of jobs, convert its rows to model values, add notes, and mark jobs as due.

The queue's interface, the attempts and the dispatcher use this table.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    RowMapping,
    String,
    Table,
    bindparam,
    func,
    select,
    update,
)

from snapshotter.formats import typed
from snapshotter.formats.canonical_json import plain
from snapshotter.jobs.database import TABLES, Instant, SafeText
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.translation import tr

LONGEST_HOST = 255  # characters
_MOST_NOTES = 20  # notes of one job; older ones are dropped

# Whether the dispatcher looks at a job: no, when `due_at` has come, now.
NOT_DUE, DUE_LATER, DUE = 0, 1, 2

JOB = Table(
    "job",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # order of arrival
    Column("id", String(120), nullable=False, unique=True),
    Column("url", SafeText, nullable=False),
    Column("host", String(LONGEST_HOST), nullable=False),
    Column("policy", SafeText, nullable=False),
    Column("origin", String(200), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tags", SafeText, nullable=False),  # JSON
    Column("enqueued_at", Instant, nullable=False),
    Column("not_before", Instant),
    Column("not_after", Instant),
    Column("state", String(16), nullable=False),
    Column("ready", Integer, nullable=False),
    Column("due_at", Instant),  # None: at once
    Column("run", Integer, nullable=False, default=0),  # how often it was handed to the engine
    Column("handed_at", Instant),
    Column("begun", Integer, nullable=False, default=0),  # all attempts; the number of the last
    Column("attempts", Integer, nullable=False, default=0),  # attempts that count against the job
    Column("lapses", Integer, nullable=False, default=0),  # failures of services in a row
    Column("lost_workers", Integer, nullable=False, default=0),  # workers in a row that ended
    Column("revisits", Integer, nullable=False, default=0),  # bundles before the last one
    Column("giving_up", SafeText, nullable=False, default=""),  # why the page is not visited again
    Column("worker", String(120), nullable=False, default=""),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("bundle_id", String(64), nullable=False, default=""),
    Column("sha256", String(64), nullable=False, default=""),
    Column("location", SafeText, nullable=False, default=""),
    Column("outcome", String(16), nullable=False, default=""),
    Column("http_status", Integer),
    Column("final_url", SafeText, nullable=False, default=""),
    Column("title", SafeText, nullable=False, default=""),
    Column("court_minimum", Boolean),
    Column("exit_code", Integer),
    Column("shown", SafeText, nullable=False, default=""),  # JSON of `AssessmentSummary`
    Column("light", Boolean, nullable=False, default=False),
    Column("vantage", String(64), nullable=False, default=""),
    Column("error", SafeText, nullable=False, default=""),
    Column("hint", SafeText, nullable=False, default=""),
    Column("notes", SafeText, nullable=False, default="[]"),  # JSON
    Index("job_due", "ready", "due_at"),
    # With the host: jobs of a host at its limit are skipped without reading their rows.
    Index("job_next", "ready", "priority", "seq", "host"),
    Index("job_host", "host", "ready"),
    Index("job_state", "state", "ended_at"),
    Index("job_until", "not_after"),
    Index("job_origin", "origin", "seq"),
)

WAITING = (JobState.WAITING, JobState.DEFERRED)
HANDED_OVER = (JOB.c.state == JobState.WAITING) & (JOB.c.ready == NOT_DUE)


class JobActionResult(StrEnum):
    """The result of cancelling or retrying one job."""

    DONE = "done"
    UNKNOWN = "unknown"  # the job does not exist
    OVER = "over"  # the job has ended: it cannot be cancelled
    STORING = "storing"  # its bundle is being stored: it cannot be cancelled any more
    HAS_BUNDLE = "has-bundle"  # the job has made its bundle: it cannot be retried
    UNDER_WAY = "under-way"  # the job has not ended: it cannot be retried


# Why an action was not done, for people.
REFUSED_ACTIONS: Final[Mapping[JobActionResult, str]] = {
    JobActionResult.UNKNOWN: tr("the job does not exist"),
    JobActionResult.OVER: tr("the job has already ended"),
    JobActionResult.STORING: tr(
        "the job can no longer be cancelled, because its bundle is being stored"
    ),
    JobActionResult.HAS_BUNDLE: tr(
        "the job has a bundle already; to get another bundle, capture the page again"
    ),
    JobActionResult.UNDER_WAY: tr("the job has not ended yet"),
}


def merge_notes(notes: Sequence[str], *more: str) -> list[str]:
    """Return notes with others added, without duplicates and at most 20."""
    return list(dict.fromkeys([*notes, *(note for note in more if note)]))[-_MOST_NOTES:]


def add_note(connection: Connection, job_id: str, text: str) -> None:
    """Add a note to a job, in any state."""
    kept = connection.execute(select(JOB.c.notes).where(JOB.c.id == job_id)).scalar()
    if kept is not None:
        notes = json.dumps(merge_notes(json.loads(kept), text))
        connection.execute(update(JOB).where(JOB.c.id == job_id).values(notes=notes))


def mark_due_jobs(connection: Connection, now: datetime) -> None:
    """Mark the jobs as due whose `due_at` has come."""
    connection.execute(
        update(JOB)
        .where(JOB.c.ready == bindparam("later"), JOB.c.due_at <= bindparam("now"))
        .values(ready=DUE),
        {"later": DUE_LATER, "now": now},
    )


def under_way(connection: Connection) -> Counter[str]:
    """Return how many jobs of each host are handed over or running."""
    rows = connection.execute(
        select(JOB.c.host, func.count())
        .where(HANDED_OVER | (JOB.c.state == JobState.RUNNING))
        .group_by(JOB.c.host)
    )
    return Counter(dict(map(tuple, rows)))


def job_of(row: RowMapping) -> CaptureJob:
    """Return the job of a row."""
    return CaptureJob(
        id=row["id"],
        url=row["url"],
        enqueued_at=row["enqueued_at"],
        policy=row["policy"],
        origin=row["origin"],
        priority=row["priority"],
        tags=tuple(json.loads(row["tags"])),
        not_before=row["not_before"],
        not_after=row["not_after"],
        light=row["light"],
        vantage=row["vantage"],
    )


def status_of(row: RowMapping) -> JobStatus:
    """Return the status of a row's job."""
    state = JobState(row["state"])
    return JobStatus(
        job=job_of(row),
        state=state,
        attempts=row["attempts"],
        worker=row["worker"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        due_at=row["due_at"] if row["ready"] else None,
        bundle_id=row["bundle_id"],
        sha256=row["sha256"],
        location=row["location"],
        outcome=row["outcome"],
        http_status=row["http_status"],
        final_url=row["final_url"],
        title=row["title"],
        court_minimum=row["court_minimum"],
        exit_code=row["exit_code"],
        shown=_shown(row["shown"]),
        error=row["error"],
        hint=row["hint"],
        notes=tuple(json.loads(row["notes"])),
    )


def encode_shown(shown: AssessmentSummary | None) -> str:
    """Return what a capture shows as JSON for the table."""
    return json.dumps(plain(shown)) if shown is not None else ""


def _shown(text: str) -> AssessmentSummary | None:
    return typed.read(AssessmentSummary, json.loads(text)) if text else None
