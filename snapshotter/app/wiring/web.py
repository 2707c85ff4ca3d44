"""
Build what the console and the API need, and keep the index of the store up to date while they run.

Nothing here opens a key. What needs one is a task or a job, for a process that may have keys.
"""

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import annotations as wiring_annotations
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import SnapshotterError
from snapshotter.model.person import Person
from snapshotter.ports import Clock, IdSource, ObjectStore, ShowMessage
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.jobs.database import Database

_SYNC_S: Final = 5.0  # between two looks at the store
_PROBED: Final = "annotations/"  # few objects, so few are listed
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexState:
    """How current the index is."""

    synced_at: datetime | None  # when the index was last brought up to date; None: not yet
    problem: str = ""  # why the last attempt failed; "" if it did not


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServices:
    """What pages read and ask, built once for a server. Safe to use from several threads."""

    clock: Clock
    ids: IdSource
    person: Person  # who acts: one person uses the console
    store: ObjectStore
    database: "Database"  # of the queue
    # Yields the store with its index, for one request; the index is not brought up to date.
    open_source: Callable[[], AbstractContextManager[ObservationSource]]
    keep_index_current: Callable[[], AbstractContextManager[None]]
    index_state: Callable[[], IndexState]
    has_worker: Callable[[], bool]  # whether a worker of the queue runs
    check_health: Callable[[], Mapping[str, bool]]  # by what is checked


@contextlib.contextmanager
def web_services(settings: Settings, *, show_message: ShowMessage) -> Iterator[WebServices]:
    """
    Yield the services of a server of the console.

    Raises:
        ServiceUnavailable: The database of the queue does not answer.
        SnapshotterError: The settings are invalid.
    """
    store = wiring_store.store(settings)
    updates = _IndexUpdates(settings, show_message)
    with wiring_queue.queue_database(settings) as database:
        yield WebServices(
            clock=SystemClock(),
            ids=RandomIds(),
            person=Person.of_author(wiring_annotations.author(settings)),
            store=store,
            database=database,
            open_source=partial(wiring_index.observation_source, settings),
            keep_index_current=updates.running,
            index_state=lambda: updates.state,
            has_worker=partial(wiring_queue.has_worker, settings),
            check_health=partial(_check_health, store, database),
        )


class _IndexUpdates:
    """Bring the index up to date every few seconds, in a thread."""

    def __init__(self, settings: Settings, show_message: ShowMessage) -> None:
        self._settings = settings
        self._show_message = show_message
        self.state = IndexState(synced_at=None)

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Update the index as long as this lasts."""
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop,), name="index", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(_SYNC_S)

    def _run(self, stop: threading.Event) -> None:
        while True:
            self._update()
            if stop.wait(_SYNC_S):
                return

    def _update(self) -> None:
        clock, before = SystemClock(), self.state
        try:
            with wiring_index.observation_source(self._settings) as source:
                source.sync(until=clock.now() if before.synced_at is not None else None)
                source.index.sync_events(source.store)
        except (SnapshotterError, OSError) as error:
            # Pages show how old the index is. The next attempt follows in seconds.
            self.state = IndexState(synced_at=before.synced_at, problem=str(error))
            if self.state.problem != before.problem:
                self._show_message(str(error))
        else:
            self.state = IndexState(synced_at=clock.now())


def _check_health(store: ObjectStore, database: "Database") -> Mapping[str, bool]:
    """Return whether the database answers, and whether the store does."""
    from snapshotter.jobs.workers.registry import WorkerRegistry

    def succeeds(look: Callable[[], object]) -> bool:
        try:
            look()
        except (SnapshotterError, OSError) as error:
            _log.warning("health: %s", error)  # the answer itself names no reason
            return False
        return True

    return {
        "database": succeeds(WorkerRegistry(database).live_workers),
        # A folder that does not exist yet is made by the first capture.
        "store": succeeds(lambda: next(store.list(_PROBED), None)),
    }
