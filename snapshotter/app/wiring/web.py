"""
Build what the console and the API need, and keep the index of the store up to date while they run.

Nothing here opens a key. What needs one is a task or a job, for a process that may have keys.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from snapshotter.app.archive.index_service import IndexService
from snapshotter.app.archive.preview_folder import PreviewFolder
from snapshotter.app.archive.preview_process import PreviewProcesses
from snapshotter.app.archive.previews import PreviewService
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.app.archive.today import TodayService
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.wiring import annotations as wiring_annotations
from snapshotter.app.wiring import day_report as wiring_day_report
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.app.wiring.comparison import compare_stored
from snapshotter.errors import SnapshotterError
from snapshotter.model.custody import EXPORTING
from snapshotter.model.person import Person
from snapshotter.ports import Clock, IdSource, ObjectStore, ShowMessage
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive.comparison import ComparedPair
    from snapshotter.app.tasks.requests import TaskService
    from snapshotter.jobs.database import Database

_PROBED: Final = "annotations/"  # few objects, so few are listed
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServices:
    """What pages read and ask, built once for a server. Safe to use from several threads."""

    clock: Clock
    ids: IdSource
    person: Person  # who acts: one person uses the console
    store: ObjectStore
    database: "Database"  # of the queue
    today: TodayService  # what happened today
    index: IndexService  # what is known of the store, kept up to date while the server runs
    previews: PreviewService  # thumbnails and pictures for pages
    is_trusted: Callable[[], IsTrusted]  # whose keys may end a quarantine
    tasks: "TaskService"  # what needs a key is done by processes of a worker
    # Writes to the custody chain of a bundle that it was exported, with details.
    note_export: Callable[[str, str], None]
    # Verifies two stored bundles, and compares the captures in them.
    compare: "Callable[[str, str], ComparedPair]"
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
    clock = SystemClock()
    index = wiring_index.index_service(settings, show_message=show_message)
    previews = PreviewService(
        store, PreviewFolder(wiring_store.previews_dir(settings)), PreviewProcesses()
    )
    index.on_update = previews.prepare
    jobs = partial(wiring_day_report.jobs_without_bundle, settings)
    with wiring_queue.queue_database(settings) as database:
        yield WebServices(
            clock=clock,
            ids=RandomIds(),
            person=Person.of_author(wiring_annotations.author(settings)),
            store=store,
            database=database,
            today=TodayService(index, jobs, clock=clock),
            index=index,
            previews=previews,
            is_trusted=partial(wiring_trust.trusted_keys, settings, public_only=True),
            tasks=wiring_tasks.task_service(settings, database),
            note_export=lambda bundle_id, detail: wiring_store.note_access(
                settings, store, bundle_id, EXPORTING, show_message=show_message, detail=detail
            ),
            compare=partial(compare_stored, settings),
            has_worker=partial(wiring_queue.has_worker, settings),
            check_health=partial(_check_health, store, database),
        )


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
