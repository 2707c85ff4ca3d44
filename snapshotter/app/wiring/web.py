"""
Build what the console and the API need, and keep the index of the store up to date while they run.

Nothing here opens a key. What needs one is a task or a job, for a process that may have keys.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from snapshotter.app.archive.confined.confined_verification import ConfinedVerifier
from snapshotter.app.archive.confined.preview_folder import PreviewFolder
from snapshotter.app.archive.confined.preview_process import PreviewProcesses
from snapshotter.app.archive.confined.previews import PreviewService
from snapshotter.app.archive.exports.downloads import list_sidecars
from snapshotter.app.archive.lookup.index_service import IndexService
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.app.archive.screens.capture_views import CaptureViews
from snapshotter.app.archive.screens.review_queue import ReviewQueue
from snapshotter.app.archive.screens.today import TodayService
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import receipts_store_name
from snapshotter.app.takedown.event_list import confirm_rules
from snapshotter.app.takedown.outlook import TakedownOutlook
from snapshotter.app.takedown.suspected_pages import SuspectedPages
from snapshotter.app.wiring import annotations as wiring_annotations
from snapshotter.app.wiring import day_report as wiring_day_report
from snapshotter.app.wiring import index as wiring_index
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring import tasks as wiring_tasks
from snapshotter.app.wiring import trust as wiring_trust
from snapshotter.app.wiring.comparison import ComparisonService
from snapshotter.app.wiring.verification import note_fixity_check
from snapshotter.errors import SnapshotterError
from snapshotter.model.finding import Report
from snapshotter.model.person import Person
from snapshotter.ports import Clock, IdSource, ObjectStore, ShowMessage
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
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
    outlook: TakedownOutlook  # take-downs that are possible, and what is missing
    suspected: SuspectedPages  # pages that were possibly removed, and no rule matches
    review: ReviewQueue  # the captures that need a review
    previews: PreviewService  # thumbnails and pictures for pages
    is_trusted: Callable[[], IsTrusted]  # whose keys may end a quarantine
    tasks: "TaskService"  # what needs a key is done by processes of a worker
    capture_views: CaptureViews  # verified captures, in memory
    list_sidecars: Callable[[str], Sequence[str]]  # their kinds, by the id of a bundle
    # Writes to the custody chain of a bundle: its id, a type of event, and details.
    note_access: Callable[[str, str, str], None]
    note_verified: Callable[[str, Report], None]  # the same, of a verification
    comparisons: ComparisonService  # of two captures
    has_worker: Callable[[], bool]  # whether a worker of the queue and of this store runs
    check_health: Callable[[], Mapping[str, bool]]  # by what is checked


@contextlib.contextmanager
def web_services(
    settings: Settings, *, show_message: ShowMessage, clock: Clock | None = None
) -> Iterator[WebServices]:
    """
    Yield the services of a server of the console.

    Args:
        clock: Of what pages show; None: the system clock.

    Raises:
        ServiceUnavailable: The database of the queue does not answer.
        SnapshotterError: The settings are invalid.
    """
    store = wiring_store.store(settings, for_pages=True)
    clock = clock or SystemClock()
    index = wiring_index.index_service(settings, show_message=show_message)
    folder, processes = PreviewFolder(wiring_store.previews_dir(settings)), PreviewProcesses()
    previews = PreviewService(store, folder, processes)
    index.on_update = previews.prepare
    jobs = partial(wiring_day_report.jobs_without_bundle, settings)
    verifier = ConfinedVerifier(processes)
    views = CaptureViews(
        store,
        verifier,
        trust=partial(wiring_trust.trust, settings, by_bundle=True, public_only=True),
        clock=clock,
    )
    with (
        contextlib.closing(views),
        wiring_queue.queue_database(settings) as database,
    ):
        yield WebServices(
            clock=clock,
            ids=RandomIds(),
            person=Person.of_author(wiring_annotations.author(settings)),
            store=store,
            database=database,
            today=TodayService(index, jobs, clock=clock),
            index=index,
            outlook=TakedownOutlook(index, partial(confirm_rules, settings)),
            suspected=SuspectedPages(index),
            review=ReviewQueue(index),
            previews=previews,
            is_trusted=partial(wiring_trust.trusted_keys, settings, public_only=True),
            tasks=wiring_tasks.task_service(settings, database),
            capture_views=views,
            list_sidecars=partial(list_sidecars, store),
            note_access=lambda bundle_id, event, detail: wiring_store.note_access(
                settings, store, bundle_id, event, show_message=show_message, detail=detail
            ),
            note_verified=lambda bundle_id, report: note_fixity_check(
                settings, store, bundle_id, report, show_message=show_message
            ),
            comparisons=ComparisonService(
                settings,
                store,
                folder,
                processes,
                verifier,
                manifests=partial(_manifests, index),
                clock=clock,
            ),
            has_worker=partial(_has_worker, settings, database),
            check_health=partial(_check_health, store, database),
        )


def _manifests(index: IndexService, bundle_ids: Sequence[str]) -> Mapping[str, str]:
    """Return the SHA-256 of the manifests of bundles as the index saw them, by id."""
    with index.reading() as view:
        return view.source.index.manifest_digests(bundle_ids)


def _has_worker(settings: Settings, database: "Database") -> bool:
    """
    Return whether a worker runs that stores in the configured store.

    A worker of another store would store what is requested here where nobody looks for it.
    """
    from snapshotter.jobs.workers.registry import WorkerRegistry
    from snapshotter.jobs.workers.store_binding import is_bound_elsewhere

    if is_bound_elsewhere(database, receipts_store_name(settings)):
        return False
    return bool(WorkerRegistry(database).live_workers())


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
