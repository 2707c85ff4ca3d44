"""
Clean up after dead workers, lost runs and orphaned attempts, and delete old history.

A worker without a heartbeat is marked as dead, and its attempts end. Runs of the engine that no
worker executes are cancelled, and jobs whose run no worker will take become due again. If a worker
died after its attempt was allowed to store, the bundle is looked for in the store.
"""

from datetime import timedelta
from functools import partial

from snapshotter.jobs.processes import is_gone
from snapshotter.jobs.queue.attempts import Orphan
from snapshotter.jobs.queue.database_queue import DatabaseQueue, database_time
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.engine import DbosEngine
from snapshotter.jobs.queue.failure import Fault
from snapshotter.jobs.workers.capture_pool import CapturePool
from snapshotter.jobs.workers.capture_process import CaptureProcess, CaptureProcessDied
from snapshotter.jobs.workers.context import WorkerContext
from snapshotter.jobs.workers.messages import FindOrder
from snapshotter.jobs.workers.registry import LIVE_STATES, WorkerRegistry
from snapshotter.model.job import StoredResult
from snapshotter.model.notification import NotificationEvent, NotificationKind
from snapshotter.translation import tr

_YEAR_S = 365 * 24 * 3600.0


class CleanUp:
    """The clean-up of one worker. Each method raises ServiceUnavailable if the database is gone."""

    def __init__(
        self,
        context: WorkerContext,
        *,
        registry: WorkerRegistry,
        dispatcher: Dispatcher,
        engine: DbosEngine,
        pool: CapturePool,
    ) -> None:
        self._context = context
        self._log, self._observer = context.log, context.observer
        self._registry = registry
        self._dispatcher = dispatcher
        self._engine = engine
        self._pool = pool
        self._strays: frozenset[tuple[str, int]] = frozenset()  # stray runs of the last look

    def dead_workers(self, *, for_s: float | None) -> None:
        """
        Mark workers as dead that are gone, and make their jobs due again.

        Args:
            for_s: Without a heartbeat for so long a worker is dead. None: only if its process is
                certainly gone.
        """
        context = self._context
        for worker in self._registry.silent(
            but=context.id, for_s=_YEAR_S if for_s is None else for_s
        ):
            if self._registry.mark_dead(worker):
                self._log("worker.dead", worker=worker.id, last=worker.beat_at.isoformat())
                self._observer.tell(
                    NotificationEvent(
                        id=f"worker.lost/{worker.id}",
                        kind=NotificationKind.WORKER_LOST,
                        at=database_time(context.database),
                        subject=worker.id,
                        summary=tr(
                            "a worker ended unexpectedly. Its jobs are given to other workers"
                        ),
                        about=(),
                        worker=worker.id,
                    )
                )
        alive = {worker.id for worker in self._registry.workers() if worker.state in LIVE_STATES}
        alive.add(context.id)
        for worker_id in context.attempts.workers() - alive:
            why = tr("the worker {worker_id} ended during the capture", worker_id=worker_id)
            lost = context.attempts.lose_all(worker_id, why)
            self._log("worker.cleared", worker=worker_id, jobs=len(lost))
        for worker_id, runs in self._engine.running().items():
            if worker_id not in alive:
                self._engine.cancel(runs)

    def lost_runs(self) -> None:
        """Make the jobs due again that were handed over and whose run nobody will take."""
        self._stray_runs()
        unstarted = self._dispatcher.unstarted(for_s=self._context.settings.unstarted_s)
        for job_id, run in self._engine.lost(unstarted):
            self._context.attempts.hand_back(job_id, run)

    def _stray_runs(self) -> None:
        """
        Cancel the runs that the engine counts as this worker's and that no thread executes.

        Where the answer to a commit was lost, the engine does not know that it has taken a run,
        or could not record that one has ended. Both would occupy their host for as long as
        this worker lives.
        """
        strays = self._engine.running().get(self._context.id, frozenset()) - self._pool.runs
        # A run has no thread shortly after it was taken and shortly before it ends, either. So
        # only a run that was stray the last time, too, is cancelled.
        for_good = strays & self._strays
        if for_good:
            self._engine.cancel(for_good)
            self._log("run.stray", jobs=sorted(job_id for job_id, _ in for_good))
        self._strays = strays - for_good

    def orphans(self) -> None:
        """Look in the store for the bundles of orphaned attempts."""
        for orphan in self._context.attempts.orphans():
            with self._pool.process() as process:
                if process is None:
                    return
                # An error must not end the loop.
                self._context.calls.safely(partial(self._find, process, orphan))

    def _find(self, process: CaptureProcess, orphan: Orphan) -> None:
        context = self._context
        settle = timedelta(seconds=context.settings.settle_s)
        came = orphan.orphaned_at if is_gone(orphan.process) else orphan.store_by
        is_last_look = database_time(context.database) > max(came, orphan.orphaned_at) + settle
        job = orphan.attempt.job
        try:
            order = FindOrder(job, orphan.sealed)
            outcome = process.do(order, self._pool.answers(orphan.attempt))
        except CaptureProcessDied as error:
            self._log("job.search-failed", job=job.id, error=str(error))
            return
        if isinstance(outcome.product, StoredResult):
            status = self._pool.finish(orphan.attempt, outcome.product)
            self._pool.report(status, outcome.product)
            if status is not None:
                self._log("job.found", job=job.id, bundle=orphan.sealed.bundle_id, url=job.url)
        elif outcome.failure is not None and outcome.failure.fault is Fault.TAKEN:
            failure = outcome.failure
            self._pool.report(context.attempts.end_taken(orphan, failure))
            self._log(
                "job.failed", job=job.id, url=job.url, fault=failure.fault.value,
                error=failure.error, hint=failure.hint,
            )  # fmt: skip
        elif outcome.failure is not None:
            self._log("job.search-failed", job=job.id, error=outcome.failure.error)
        elif is_last_look:
            context.attempts.abandon(orphan)
            self._log("job.lost", job=job.id, url=job.url, error=orphan.failure.error)

    def history(self) -> None:
        """Delete old jobs, runs and workers."""
        now = database_time(self._context.database)
        DatabaseQueue(self._context.database).purge(before=now - self._context.settings.keep)
        self._engine.trim(now - timedelta(hours=1))
        self._registry.forget_old()
