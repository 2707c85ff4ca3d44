"""
Run a worker: it takes jobs from the queue and gives each to one of its capture processes.

The main thread hands out due jobs and cleans up after workers that are gone. One thread records
heartbeats, one does the chores of this machine, and each periodic task has one. The engine runs
each job in a thread that waits for a free capture process. A write to the database is repeated
until it succeeds, so a database that is gone for a while only costs time.
"""

import os
import queue as queues
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine as Database

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import TABLES_VERSION
from snapshotter.jobs.migration import stored_tables_number, wrong_release_error
from snapshotter.jobs.periodic_task import PeriodicTask
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.dispatcher import Dispatcher
from snapshotter.jobs.queue.engine import DbosEngine
from snapshotter.jobs.workers.capture_pool import CapturePool
from snapshotter.jobs.workers.capture_process import CaptureProcessDied
from snapshotter.jobs.workers.capture_stages import WRITE_S, CaptureStages
from snapshotter.jobs.workers.clean_up import CleanUp
from snapshotter.jobs.workers.context import (
    DatabaseCalls,
    Signals,
    WorkerContext,
    WorkerParts,
    WorkerSettings,
)
from snapshotter.jobs.workers.job_runner import UnstoredBundle
from snapshotter.jobs.workers.messages import ChoresOrder
from snapshotter.jobs.workers.registry import LIVE_STATES, WorkerRegistry, WorkerState
from snapshotter.jobs.workers.store_binding import StoreBinding, bind_to_store
from snapshotter.translation import tr

_TURN_S = 10.0  # for how long one worker reserves handing out jobs
_DAY_S = 24 * 3600.0
_WORKER_STATES_S = 2.0  # between two reads of the states of all workers


class Worker:
    """
    The worker in this process. There is at most one, because there is one engine.

    Args:
        store: Where its bundles go: one store for all workers of a queue.
        version: The release of this program.
        adopt: Move a queue that is bound to another store.
    """

    def __init__(
        self,
        database: Database,
        parts: WorkerParts,
        settings: WorkerSettings,
        *,
        store: StoreBinding,
        version: str,
        adopt: bool = False,
    ) -> None:
        admission, chance = parts.admission, parts.chance
        self.id = f"{socket.gethostname()[:60]}-{os.getpid()}-{int(chance() * 16**8):08x}"
        self._database, self._settings = database, settings
        self._periodic_tasks = parts.periodic_tasks
        self._long_work = [task.long_work for task in parts.periodic_tasks if task.long_work]
        self._store, self._version, self._adopt = store, version, adopt
        self._log, self._observer = parts.log, parts.observer
        self._signals = Signals()
        self._calls = DatabaseCalls(
            self._signals, log=parts.log, observer=parts.observer, explains=self._look_at_tables
        )
        self._context = WorkerContext(
            id=self.id,
            database=database,
            settings=settings,
            attempts=Attempts(database, admission, settings.retry_rules, chance),
            stages=CaptureStages(database, self.id),
            log=parts.log,
            observer=parts.observer,
            signals=self._signals,
            calls=self._calls,
        )
        self._registry = WorkerRegistry(database)
        self._dispatcher = Dispatcher(database, admission, per_host=settings.limits.per_host)
        self._pool = CapturePool(self._context, parts.opener)
        url = database.url.render_as_string(hide_password=False)
        self._engine = DbosEngine(url, self.id, limits=settings.limits, run=self._pool.execute)
        self._clean_up = CleanUp(
            self._context,
            registry=self._registry,
            dispatcher=self._dispatcher,
            engine=self._engine,
            pool=self._pool,
        )
        self._steady_since = time.monotonic()
        self._last: dict[str, float] = {}  # when each step of the main thread was done last
        # When the slots of all workers were counted, their number, and how many bundles may be
        # completed beside them.
        self._room = (0.0, 0, 0)
        self._misfit: SnapshotterError | None = None  # the tables have another number now

    def drain(self) -> None:
        """
        Finish running captures and tasks, and take no more. Safe in any thread and signal handler.
        """
        self._signals.stop()
        for work in self._long_work:
            work.stop()

    def give_up(self) -> None:
        """Stop at once; the jobs of running captures go back to the queue."""
        self._signals.giving_up.set()
        self.drain()
        self._pool.kill()
        for work in self._long_work:
            work.kill()

    @property
    def is_stopping(self) -> bool:
        """Whether the worker takes no more jobs."""
        return self._signals.stopping.is_set()

    def run(self) -> None:
        """
        Work until told to stop.

        Raises:
            ServiceUnavailable: The database did not answer at the start.
            SnapshotterError: The configuration is unusable, or the tables of the queue were
                upgraded or downgraded meanwhile.
        """
        threads: list[threading.Thread] = []
        self._registry.register(self.id, slots=self._settings.slots, version=self._version)
        try:
            if bind_to_store(self._database, self._store, worker=self.id, adopt=self._adopt):
                self._log("queue.moved", store=self._store.url)
            self._pool.open()
            self._start_engine()
            self._log("worker.started", worker=self.id, slots=self._settings.slots)
            threads = self._threads()
            for thread in threads:
                thread.start()
            while not self.is_stopping:
                self._calls.safely(self._tick)
                self._signals.wake.wait(self._settings.tick_s)
                self._signals.wake.clear()
            self._log("worker.draining", worker=self.id, captures=len(self._pool.captures))
            limit = threading.Timer(self._settings.drain_s, self.give_up)
            limit.daemon = True
            limit.start()
            self._engine.stop(within_s=_DAY_S)
            self._pool.wait()
            for work in self._long_work:
                work.wait()
            limit.cancel()
        finally:
            self._signals.over.set()
            self.give_up()
            self._pool.wait(within_s=self._settings.beat_s)
            self._pool.end()
            for thread in threads:
                thread.join(self._settings.beat_s)
            self._last_words()
        if self._misfit is not None:
            raise self._misfit

    def _start_engine(self) -> None:
        """
        Start the engine within a time limit: without its database it waits for ever.

        Raises:
            ServiceUnavailable: The database did not answer for so long.
        """
        most = max(
            worker.slots
            for worker in self._registry.workers()
            if worker.state in LIVE_STATES or worker.id == self.id
        )
        ended: queues.SimpleQueue[Exception | None] = queues.SimpleQueue()

        def start() -> None:
            try:
                self._engine.start(most)
            except Exception as error:  # noqa: BLE001 - raised again by the waiting thread
                ended.put(error)
            else:
                ended.put(None)

        threading.Thread(target=start, name="engine-start", daemon=True).start()
        try:
            error = ended.get(timeout=self._settings.start_s)
        except queues.Empty:
            raise ServiceUnavailable(
                tr(
                    "the database of the queue did not answer for {start_s:g} s while this "
                    "worker started",
                    start_s=self._settings.start_s,
                ),
                hint=tr("check that the database is running, then start the worker again"),
            ) from None
        if error is not None:
            raise error

    # The main thread

    def _tick(self) -> None:
        """Hand out due jobs, and clean up now and then. Raises ServiceUnavailable."""
        if self._registry.take_task("hand-out", self.id, for_s=_TURN_S):
            for handed in self._dispatcher.choose(*self._all_slots()):
                self._engine.hand_over(handed)
        if self._is_time("clear", self._settings.beat_s):
            self._beat()  # it shows whether the clock jumped, or this worker was suspended
            # A worker that was suspended itself cannot tell how long the others were silent.
            is_steady = time.monotonic() - self._steady_since >= self._settings.dead_s
            self._clean_up.dead_workers(for_s=self._settings.dead_s if is_steady else None)
        if self._is_time("unstarted", self._settings.unstarted_s):
            self._clean_up.lost_runs()
        if self._is_time("orphans", self._settings.settle_s / 4):
            self._clean_up.orphans()
        if self._is_time("trim", 3600) and self._registry.take_periodic_task(
            "trim", self.id, every_s=3600
        ):
            self._clean_up.history()

    def _all_slots(self) -> tuple[int, int]:
        """
        Return the number of slots of all workers that take jobs, and of bundles beside them.

        Other workers are counted as if they had as many further processes as this one.
        """
        at, slots, behind = self._room
        if time.monotonic() - at > _WORKER_STATES_S:
            found = [
                worker.slots
                for worker in self._registry.workers()
                if worker.state is WorkerState.WORKING and worker.id != self.id
            ]
            if self._state is WorkerState.WORKING:
                found.append(self._settings.slots)
            slots, behind = sum(found), self._settings.spare * len(found)
            self._room = (time.monotonic(), slots, behind)
        return slots, behind

    def _is_time(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now - self._last.get(name, 0.0) < every_s:
            return False
        self._last[name] = now
        return True

    # The other threads

    def _threads(self) -> list[threading.Thread]:
        work: list[tuple[str, Callable[[], Any]]] = [
            ("beat", self._beats),
            ("chores", self._chores),
            ("stages", self._stages),
        ]
        work += [(task.name, self._repeat(task)) for task in self._periodic_tasks]
        return [threading.Thread(target=target, name=name, daemon=True) for name, target in work]

    def _beats(self) -> None:
        while not self._signals.over.wait(self._settings.beat_s):
            self._calls.safely(self._beat)
            # Also while the database is gone: a supervisor that restarts hanging workers must
            # not end the captures of one that waits for the database.
            self._observer.turned(self.id)

    def _beat(self) -> None:
        """Record a heartbeat, and kill the captures that others have taken over."""
        captures = self._pool.captures
        detail = self._pool.pause_reason if self._state is WorkerState.PAUSED else ""
        beat = self._registry.beat(self.id, self._state, detail or "", self._pool.done)
        self._observer.heartbeat(self.id)
        if beat.was_marked_dead or abs(beat.gap_s) > self._settings.dead_s / 2:
            self._steady_since = time.monotonic()
        self._look_at_tables()
        if beat.was_marked_dead:
            self._log("worker.fenced", worker=self.id)
            self._stay_with_store()
        self._pool.kill_others(captures, self._context.attempts.held_by(self.id))

    def _look_at_tables(self) -> bool:
        """
        Stop if the tables of the queue have another number now; return whether they have.

        Running captures are finished: their rows have the form of this release.
        """
        number = stored_tables_number(self._database)
        if number != TABLES_VERSION and self._misfit is None:
            self._misfit = wrong_release_error(number)
            self._log("worker.misfit", error=self._misfit.message, hint=self._misfit.hint)
            self.drain()
        return self._misfit is not None

    def _stay_with_store(self) -> None:
        """Stop if the queue was moved to another store while this worker was marked as dead."""
        try:
            bind_to_store(self._database, self._store, worker=self.id)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:
            self._log("worker.trouble", error=error.message, hint=error.hint)
            self.give_up()

    @property
    def _state(self) -> WorkerState:
        if self.is_stopping:
            return WorkerState.DRAINING
        paused = self._pool.pause_reason is not None
        return WorkerState.PAUSED if paused else WorkerState.WORKING

    def _stages(self) -> None:
        while not self._signals.over.wait(WRITE_S):
            self._calls.safely(self._context.stages.write)

    def _chores(self) -> None:
        while True:
            self._calls.safely(self._do_chores)
            if self._signals.over.wait(self._settings.chores_s):
                return

    def _do_chores(self) -> None:
        if self.is_stopping:
            return
        with self._pool.process(within_s=self._settings.chores_s) as process:
            if process is None:
                return
            try:
                outcome = process.do(ChoresOrder(), self._pool.answers())
            except CaptureProcessDied as error:
                self._log("chores.failed", error=str(error))
                return
        if outcome.failure is not None:
            self._log("chores.failed", error=outcome.failure.error)
        if isinstance(outcome.product, tuple):
            for bundle in outcome.product:
                self._note_unstored(bundle)

    def _note_unstored(self, bundle: UnstoredBundle) -> None:
        self._log("bundle.unstored", bundle=bundle.bundle_id, text=bundle.message)
        job_id = self._context.attempts.owner_of(bundle.bundle_id)
        if job_id:
            self._context.attempts.note_on(job_id, bundle.message)

    def _repeat(self, task: PeriodicTask) -> Callable[[], None]:
        def once() -> None:
            if self._misfit is not None:
                return
            if not task.exclusive or self._registry.take_periodic_task(
                task.name, self.id, every_s=task.every_s
            ):
                task.work()

        def work() -> None:
            while not self._signals.over.is_set():
                self._calls.safely(once)
                self._signals.over.wait(task.every_s)

        return work

    def _last_words(self) -> None:
        """Record the end of the worker."""
        try:
            self._registry.beat(self.id, WorkerState.ENDED, "", self._pool.done)
        except ServiceUnavailable as error:
            self._calls.complain(error)
        self._log("worker.ended", worker=self.id, done=self._pool.done)
