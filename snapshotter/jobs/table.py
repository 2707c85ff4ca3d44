"""
The table of jobs, and a row of it as a value.

`queue.py` is what others see of it; `attempts.py` and `dispatch.py` move a job on.
"""

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

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
    select,
    update,
)

from snapshotter.formats import typed
from snapshotter.formats.canonical_json import plain
from snapshotter.jobs.database import TABLES, Instant, Words
from snapshotter.model.assessment import Shown
from snapshotter.model.job import CaptureJob, JobState, JobStatus

LONGEST_HOST = 255  # characters
_MOST_NOTES = 20  # of one job; older ones go

# Whether the dispatcher has to look at a job: not at all, later, now.
NOT_DUE, DUE_LATER, DUE = 0, 1, 2

JOB = Table(
    "job",
    TABLES,
    Column("seq", Integer, primary_key=True, autoincrement=True),  # order of handing over
    Column("id", String(120), nullable=False, unique=True),
    Column("url", Words, nullable=False),
    Column("host", String(LONGEST_HOST), nullable=False),
    Column("policy", Words, nullable=False),
    Column("origin", String(200), nullable=False),
    Column("priority", Integer, nullable=False),
    Column("tags", Words, nullable=False),  # JSON
    Column("enqueued_at", Instant, nullable=False),
    Column("not_before", Instant),
    Column("not_after", Instant),
    Column("state", String(16), nullable=False),
    Column("ready", Integer, nullable=False),
    Column("due_at", Instant),  # None: at once
    Column("run", Integer, nullable=False, default=0),  # how often it was handed to the engine
    Column("handed_at", Instant),
    Column("begun", Integer, nullable=False, default=0),  # attempts of any kind; the last number
    Column("attempts", Integer, nullable=False, default=0),  # of those, what counts against it
    Column("lapses", Integer, nullable=False, default=0),  # in a row that were not its fault
    Column("lost_workers", Integer, nullable=False, default=0),  # in a row that ended while at it
    Column("revisits", Integer, nullable=False, default=0),  # bundles that came before the last
    Column("giving_up", Words, nullable=False, default=""),  # why no page is asked for any more
    Column("worker", String(120), nullable=False, default=""),
    Column("started_at", Instant),
    Column("ended_at", Instant),
    Column("bundle_id", String(64), nullable=False, default=""),
    Column("sha256", String(64), nullable=False, default=""),
    Column("location", Words, nullable=False, default=""),
    Column("outcome", String(16), nullable=False, default=""),
    Column("http_status", Integer),
    Column("final_url", Words, nullable=False, default=""),
    Column("title", Words, nullable=False, default=""),
    Column("court_minimum", Boolean),
    Column("exit_code", Integer),
    Column("shown", Words, nullable=False, default=""),  # JSON of `Shown`
    Column("light", Boolean, nullable=False, default=False),
    Column("vantage", String(64), nullable=False, default=""),
    Column("error", Words, nullable=False, default=""),
    Column("hint", Words, nullable=False, default=""),
    Column("notes", Words, nullable=False, default="[]"),  # JSON
    Index("job_due", "ready", "due_at"),
    # With the host: many jobs of a host that has no place are passed over without a look at them.
    Index("job_next", "ready", "priority", "seq", "host"),
    Index("job_host", "host", "ready"),
    Index("job_state", "state", "ended_at"),
    Index("job_until", "not_after"),
    Index("job_origin", "origin", "seq"),
)

WAITING = (JobState.WAITING, JobState.DEFERRED)


class Ruling(StrEnum):
    """What became of a wish about one job."""

    DONE = "done"
    UNKNOWN = "unknown"  # there is no such job
    OVER = "over"  # nothing is to be cancelled any more
    STORING = "storing"  # its bundle is being stored: too late
    HAS_BUNDLE = "has-bundle"  # it did what it was for
    UNDER_WAY = "under-way"  # it has not come to its end yet


def noted(notes: Sequence[str], *more: str) -> list[str]:
    """Return notes with more of them; said once is enough."""
    return list(dict.fromkeys([*notes, *(it for it in more if it)]))[-_MOST_NOTES:]


def add_note(connection: Connection, job_id: str, text: str) -> None:
    """Note something about a job, whatever its state."""
    kept = connection.execute(select(JOB.c.notes).where(JOB.c.id == job_id)).scalar()
    if kept is not None:
        notes = json.dumps(noted(json.loads(kept), text))
        connection.execute(update(JOB).where(JOB.c.id == job_id).values(notes=notes))


def promote(connection: Connection, now: datetime) -> None:
    """Mark the jobs whose time has come."""
    connection.execute(
        update(JOB)
        .where(JOB.c.ready == bindparam("later"), JOB.c.due_at <= bindparam("now"))
        .values(ready=DUE),
        {"later": DUE_LATER, "now": now},
    )


def job_of(row: RowMapping) -> CaptureJob:
    """Return the job that a row is of."""
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
    """Return how far the job of a row has come."""
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


def shown_text(shown: Shown | None) -> str:
    """Return what a capture shows as it stands in a row."""
    return json.dumps(plain(shown)) if shown is not None else ""


def _shown(text: str) -> Shown | None:
    return typed.read(Shown, json.loads(text)) if text else None
