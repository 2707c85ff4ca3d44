"""A worker that is not started."""

from typing import Any

from sqlalchemy import Engine

from snapshotter.jobs.belonging import Belonging
from snapshotter.jobs.slot import Opener, Workshop
from snapshotter.jobs.worker import Worker
from snapshotter.jobs.worker_context import WorkerParts, WorkerSettings
from snapshotter.ports import JobObserver
from tests.unit.jobs.stores import HERE


def never(_tell: object) -> Workshop:
    raise AssertionError("a slot was started")


def idle_worker(
    database: Engine,
    *,
    settings: WorkerSettings | None = None,
    opener: Opener = never,
    observer: JobObserver | None = None,
    told: list[str] | None = None,
    chance: float = 0.5,
    store: Belonging = HERE,
) -> Worker:
    """Return a worker; the names of its log events are appended to `told`."""

    def log(event: str, **_: Any) -> None:
        if told is not None:
            told.append(event)

    parts = WorkerParts(
        opener=opener, observer=observer or JobObserver(), log=log, chance=lambda: chance
    )
    return Worker(database, parts, settings or WorkerSettings(), store=store, version="1")
