"""Read what the report about a day needs from this machine's queue."""

from collections.abc import Iterator
from pathlib import Path

from snapshotter.app.settings import Settings, file_of_queue
from snapshotter.model.job import JobState, JobStatus


def jobs_without_bundle(settings: Settings) -> Iterator[JobStatus]:
    """
    Yield the jobs that failed or are dead; nothing without a queue.

    Raises:
        ServiceUnavailable: The database of the queue does not answer.
        SnapshotterError: A later version of snapshotter made the queue.
    """
    _, file = file_of_queue(settings.queue)
    if file and not Path(file).exists():
        return
    try:
        from snapshotter.app.wiring import queue as wiring_queue
    except ModuleNotFoundError:  # a machine without the queue's libraries has no queue
        return
    with wiring_queue.command_queue(settings) as queue:
        for status in queue.jobs(states=frozenset({JobState.FAILED, JobState.DEAD})):
            if not status.bundle_id:
                yield status
