"""Open the index of the configured store, and the queue that knows which jobs made its bundles."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from snapshotter.app.settings import Settings, file_of_queue
from snapshotter.app.wiring import store as wiring_store
from snapshotter.index.open_index import open_index_file
from snapshotter.index.store_index import Index
from snapshotter.index.values import JobFacts

_SCHEDULE = "schedule:"  # how the origin of a job of a schedule begins


def index_path(settings: Settings) -> Path:
    """Return the file of the index of the configured store."""
    return settings.data_dir / "index" / f"{wiring_store.store_name(settings)}.db"


def index(settings: Settings) -> Index:
    """
    Open the index of the configured store; a damaged one is created again.

    Raises:
        SnapshotterError: The index cannot be used, or a later version of snapshotter made it.
        ServiceUnavailable: Another process locks the index for longer than a minute.
    """
    path = index_path(settings)
    if not path.exists():
        # Earlier versions kept an index there.
        shutil.rmtree(settings.data_dir / "catalog", ignore_errors=True)
    return open_index_file(path)


def jobs_of_bundles(settings: Settings, bundle_ids: Sequence[str]) -> Mapping[str, JobFacts]:
    """
    Return what the queue knows of the jobs that made bundles; nothing without a queue.

    Raises:
        ServiceUnavailable: The database of the queue does not answer.
        SnapshotterError: A later version of snapshotter made the queue.
    """
    _, file = file_of_queue(settings.queue)
    if file and not Path(file).exists():
        return {}
    try:
        from snapshotter.app.wiring import queue as wiring_queue
        from snapshotter.jobs.queue.database_queue import DatabaseQueue

        engine = wiring_queue.database(settings)
    except ModuleNotFoundError:  # a machine without the queue's libraries has no queue
        return {}
    try:
        found = DatabaseQueue(engine).of_bundles(bundle_ids)
    finally:
        engine.dispose()
    return {
        status.bundle_id: JobFacts(
            worker=status.worker,
            schedule=status.job.origin.removeprefix(_SCHEDULE)
            if status.job.origin.startswith(_SCHEDULE)
            else "",
            tags=status.job.tags,
        )
        for status in found
    }
