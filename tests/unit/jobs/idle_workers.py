"""A worker that is not started."""

from typing import Any

from sqlalchemy import Engine

from snapshotter.jobs.workers.context import WorkerParts, WorkerSettings
from snapshotter.jobs.workers.job_runner import JobRunner, JobRunnerFactory
from snapshotter.jobs.workers.store_binding import StoreBinding
from snapshotter.jobs.workers.worker import Worker
from snapshotter.ports import JobObserver
from tests.unit.jobs.stores import HERE


def never(_tell: object) -> JobRunner:
    raise AssertionError("a slot was started")


def idle_worker(
    database: Engine,
    *,
    settings: WorkerSettings | None = None,
    opener: JobRunnerFactory = never,
    observer: JobObserver | None = None,
    told: list[str] | None = None,
    chance: float = 0.5,
    store: StoreBinding = HERE,
) -> Worker:
    """Return a worker; the names of its log events are appended to `told`."""

    def log(event: str, **_: Any) -> None:
        if told is not None:
            told.append(event)

    parts = WorkerParts(
        opener=opener, observer=observer or JobObserver(), log=log, chance=lambda: chance
    )
    return Worker(database, parts, settings or WorkerSettings(), store=store, version="1")
