"""A queue in a table of its own, whose jobs end as a test says. Nobody captures anything."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Engine, MetaData, String, Table, Text, insert, select, update

from snapshotter.jobs.database import reading, writing
from snapshotter.model.job import CaptureJob, JobState, JobStatus

_TABLES = MetaData()
_JOB = Table(
    "fake_job", _TABLES, Column("id", String(120), primary_key=True), Column("status", Text)
)


class TableQueue:
    """
    `ports.JobQueue`; any number of processes may put.

    While `works` is set, every job is done in the moment in which it is put.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.works = True
        _TABLES.create_all(engine)

    def put(self, jobs: Sequence[CaptureJob]) -> Sequence[bool]:
        new = []
        with writing(self._engine) as connection:
            for job in jobs:
                text = _text(
                    _done(job) if self.works else JobStatus(job=job, state=JobState.WAITING)
                )
                known = connection.execute(select(_JOB).where(_JOB.c.id == job.id)).first()
                if known is None and connection.dialect.name == "sqlite":
                    connection.execute(insert(_JOB).values(id=job.id, status=text))
                elif known is None:
                    from sqlalchemy.dialects.postgresql import insert as upsert

                    wanted = upsert(_JOB).values(id=job.id, status=text).on_conflict_do_nothing()
                    made = connection.execute(wanted.returning(_JOB.c.id)).first()
                    new.append(made is not None)
                    continue
                new.append(known is None)
        return new

    def get(self, job_id: str) -> JobStatus | None:
        with reading(self._engine) as connection:
            text = connection.execute(select(_JOB.c.status).where(_JOB.c.id == job_id)).scalar()
        return _status(text) if text else None

    def jobs(
        self, *, states: frozenset[JobState] = frozenset(), origin: str = "", newest: int = 0
    ) -> Iterator[JobStatus]:
        with reading(self._engine) as connection:
            rows = connection.execute(select(_JOB.c.status).order_by(_JOB.c.id)).scalars().all()
        for text in rows:
            found = _status(str(text))
            if (not states or found.state in states) and origin in ("", found.job.origin):
                yield found

    def end(self, job_id: str, state: JobState, **values: Any) -> None:
        """Let a job have come so far."""
        found = self.get(job_id)
        assert found is not None
        with writing(self._engine) as connection:
            text = _text(replace(found, state=state, **values))
            connection.execute(update(_JOB).where(_JOB.c.id == job_id).values(status=text))


def _done(job: CaptureJob) -> JobStatus:
    at = job.enqueued_at
    return JobStatus(
        job=job, state=JobState.DONE, started_at=at, ended_at=at, bundle_id="b", outcome="complete"
    )


def _text(status: JobStatus) -> str:
    return json.dumps(asdict(status), default=lambda value: value.isoformat())


def _status(text: str) -> JobStatus:
    value = json.loads(text)
    job = value.pop("job")
    for name in ("enqueued_at", "not_before", "not_after"):
        job[name] = datetime.fromisoformat(job[name]) if job[name] else None
    for name in ("started_at", "ended_at", "due_at"):
        value[name] = datetime.fromisoformat(value[name]) if value[name] else None
    job["tags"] = tuple(job["tags"])
    value["notes"], value["state"] = tuple(value["notes"]), JobState(value["state"])
    return JobStatus(job=CaptureJob(**job), **value)
