"""
Bind a queue to one store: refuse a worker that has another store, unless it moves the queue there.

The bundle of an interrupted attempt is looked for in the store of the worker that cleans up. A
worker with another store would not find it, and would capture the page a second time.
"""

from sqlalchemy import Column, Engine, Integer, String, Table, func, select, update

from snapshotter.errors import SnapshotterError
from snapshotter.jobs.database import (
    TABLES,
    Instant,
    SafeText,
    database_now,
    insert_new,
    reading,
    writing,
)
from snapshotter.jobs.processes import is_silent
from snapshotter.jobs.queue.attempts import ATTEMPT, STORING
from snapshotter.jobs.workers.registry import LIVE_STATES, WorkerRegistry
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_SILENT_S = 60.0  # a worker that resumes later finds itself marked as dead
_STORE = Table(
    "queue_store",
    TABLES,
    Column("id", Integer, primary_key=True, autoincrement=False),  # always 1
    Column("store", String(32), nullable=False),
    Column("place", SafeText, nullable=False),
    Column("since", Instant, nullable=False),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBinding:
    """The store that a worker uses."""

    store_id: str  # from `formats.bundle.receipts.store_id`
    url: str  # for messages


def is_bound_elsewhere(engine: Engine, store_id: str) -> bool:
    """Return whether a queue is bound to another store. Raises ServiceUnavailable."""
    with reading(engine) as connection:
        found = connection.execute(select(_STORE.c.store)).scalar()
    return found is not None and found != store_id


def bind_to_store(engine: Engine, ours: StoreBinding, *, worker: str, adopt: bool = False) -> bool:
    """
    Bind a queue to the store of its first worker, or check that it is bound to this one.

    A worker registers before it calls this. So of a worker that works and one that moves the
    queue, at least one sees the other.

    Args:
        worker: The id of the calling worker.
        adopt: Move a queue that is bound to another store.

    Returns:
        Whether the queue was moved.

    Raises:
        ServiceUnavailable: The database does not answer.
        SnapshotterError: It is bound to another store, or cannot be moved now.
    """
    with writing(engine) as connection:
        now = database_now(connection)
        values = {"store": ours.store_id, "place": ours.url, "since": now}
        connection.execute(insert_new(connection, _STORE).values(id=1, **values))
        row = connection.execute(select(_STORE).with_for_update()).one()
        if row.store == ours.store_id:
            return False
        if not adopt:
            raise SnapshotterError(
                tr(
                    "the queue belongs to the store {place}, but this worker uses the store {url}",
                    place=row.place,
                    url=ours.url,
                ),
                hint=tr(
                    "give --store {place}. If the queue is to continue with another store, or if "
                    "the store has a new name, end all workers and start one worker with "
                    "--adopt-store",
                    place=row.place,
                ),
            )
        others = [
            worker_row.id
            for worker_row in WorkerRegistry(engine).workers()
            if worker_row.id != worker
            and worker_row.state in LIVE_STATES
            and not is_silent(worker_row.process, worker_row.beat_at, now, for_s=_SILENT_S)
        ]
        if others:
            raise SnapshotterError(
                tr(
                    "the queue cannot be moved from {place} while other workers use it: {others}",
                    place=row.place,
                    others=", ".join(others),
                ),
                hint=tr(
                    "end these workers first. A killed worker counts as running for one more "
                    "minute. List the workers:\n  snapshotter worker list"
                ),
            )
        storing = connection.execute(
            select(func.count()).select_from(ATTEMPT).where(ATTEMPT.c.state == STORING)
        ).scalar_one()
        if storing:
            raise SnapshotterError(
                tr(
                    "the queue cannot be moved from {place} yet. Number of jobs whose bundles "
                    "may be stored there: {storing}",
                    place=row.place,
                    storing=storing,
                ),
                hint=tr(
                    "start a worker with the old store. This worker looks for these bundles. "
                    "List the jobs:\n  snapshotter queue list --state running"
                ),
            )
        connection.execute(update(_STORE).where(_STORE.c.id == 1).values(**values))
        return True
