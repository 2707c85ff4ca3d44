"""
The worker: takes jobs from the queue and has its capture processes capture them.

Threads: the main thread hands out due jobs and clears up after workers that are gone. One
thread records heartbeats, one does the chores of this machine, and each periodic task has one.
The engine runs each job in a thread that waits for a free capture process. A write to the
database is repeated until it succeeds, so a database that is gone for a while only costs time.
"""

import contextlib
import itertools
import os
import queue as queues
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Engine as Database

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.hosts import host_of
from snapshotter.formats.shown_address import without_addresses
from snapshotter.jobs.attempts import Attempt, Attempts, Orphan, Patience
from snapshotter.jobs.belonging import Belonging, claim
from snapshotter.jobs.database import TABLES_VERSION, other_release
from snapshotter.jobs.dispatch import Dispatcher
from snapshotter.jobs.duty import Duty
from snapshotter.jobs.engine import Engine, Limits
from snapshotter.jobs.failure import Failure, Fault
from snapshotter.jobs.gate import Gate, OpenGate
from snapshotter.jobs.migration import number_of
from snapshotter.jobs.processes import is_gone, process_name
from snapshotter.jobs.queue import DatabaseQueue, now_of
from snapshotter.jobs.roster import LIVE, Roster, WorkerState
from snapshotter.jobs.slot import (
    CaptureOrder,
    ChoresOrder,
    FailureOrder,
    FindOrder,
    Kept,
    Opener,
    OpenOrder,
    Order,
    Outcome,
    Slot,
    SlotDied,
)
from snapshotter.model.event import Event, EventKind
from snapshotter.model.job import JobStatus, Made, Sealed
from snapshotter.ports import JobObserver, Superseded

_T = TypeVar("_T")
_TURN_S = 10.0  # for how long one worker reserves handing out jobs
_LONGEST_S = 10.0  # longest pause between two attempts to write to the database
_NAP_S = 2.0  # for how long a run that is handed back keeps its host occupied
_STORE_PAUSES_S = (2.0, 5.0, 10.0, 20.0, 30.0)  # while the store does not answer
_SLOT_STARTS = 3  # attempts to start one capture process when the worker starts
_DAY_S = 24 * 3600.0
_WORKER_STATES_S = 2.0  # between two reads of the states of all workers

Told = Callable[..., None]  # (event, **fields): writes to the operator's log


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Settings of a worker."""

    slots: int = 1  # captures at a time
    beat_s: float = 5.0  # between two heartbeats
    dead_s: float = 30.0  # without a heartbeat, after which a worker is marked as dead
    tick_s: float = 0.5  # between two looks for due jobs
    settle_s: float = 10.0  # for a write to appear in the store after its writer is gone
    astray_s: float = 15.0  # after which a run that has not begun is looked up in the engine
    chores_s: float = 60.0  # between two executions of the chores
    store_s: float = 60.0  # for storing a bundle, in addition to the time for its length
    silent_s: float = 600.0  # without a message, after which a capture process is killed
    lived_s: float = 2.0  # for which a worker must outlive a capture process to blame the page
    start_s: float = 60.0  # for services to answer when the worker starts
    drain_s: float = 600.0  # for running captures to end when the worker is told to stop
    store_drain_s: float = 20.0  # for a store that does not answer, once it is told to stop
    pauses_s: tuple[float, float] = (5.0, 60.0)  # first and longest, while a service is gone
    recycle_captures: int = 200  # captures after which a capture process is replaced
    recycle_bytes: int = 500 << 20  # resident memory from which on it is replaced
    keep: timedelta = timedelta(days=90)  # for which jobs that ended are kept
    patience: Patience = field(default_factory=Patience)
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The other parts of the program that a worker uses."""

    opener: Opener  # makes the object that captures, in a capture process; it is pickled
    gate: Gate = field(default_factory=OpenGate)
    duties: Sequence[Duty] = ()
    observer: JobObserver = field(default_factory=JobObserver)
    told: Told = lambda *_, **__: None
    chance: Callable[[], float]  # returns random numbers between 0 and 1, for jitter and names


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
        surroundings: Surroundings,
        rules: Rules,
        *,
        store: Belonging,
        version: str,
        adopt: bool = False,
    ) -> None:
        self._rules = rules
        self._database = database
        self._duties = surroundings.duties
        self._told = surroundings.told
        self._observer = surroundings.observer
        self._version = version
        self._store, self._adopt = store, adopt
        gate, chance = surroundings.gate, surroundings.chance
        self.id = f"{socket.gethostname()[:60]}-{os.getpid()}-{int(chance() * 16**8):08x}"
        self._roster = Roster(database)
        self._queue = DatabaseQueue(database)
        self._attempts = Attempts(database, gate, rules.patience, chance)
        self._dispatcher = Dispatcher(database, gate, per_host=rules.limits.per_host)
        url = database.url.render_as_string(hide_password=False)
        self._engine = Engine(url, self.id, limits=rules.limits, run=self._run)
        self._slots = [
            Slot(surroundings.opener, silent_s=rules.silent_s, store_s=rules.store_s)
            for _ in range(rules.slots)
        ]
        self._free: queues.SimpleQueue[Slot] = queues.SimpleQueue()
        self._held: dict[tuple[str, int], Slot] = {}  # by job and attempt, while it captures
        self._runs: set[tuple[str, int]] = set()  # runs with a thread of the engine
        self._stray: frozenset[tuple[str, int]] = frozenset()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._stopping_since: float | None = None
        self._giving_up = threading.Event()
        self._over = threading.Event()  # the threads of this worker must end
        self._kick = threading.Event()  # the main thread must not sleep
        self._done = 0
        self._waiting = 0  # captures that wait for the store
        self._paused_until, self._pause_s, self._why = 0.0, 0.0, ""
        self._steady_since = time.monotonic()
        self._last: dict[str, float] = {}  # when each step of the main thread was done last
        self._room = (0.0, 0)  # when the slots of all workers were counted, and their number
        self._complained = False  # the loss of the database is logged already
        self._misfit: SnapshotterError | None = None  # the tables have another number now

    def drain(self) -> None:
        """Finish running captures and take no more. Safe in any thread and signal handler."""
        if self._stopping_since is None:
            self._stopping_since = time.monotonic()
        self._stopping.set()
        self._kick.set()

    def give_up(self) -> None:
        """Stop at once; the jobs of running captures go back to the queue."""
        self._giving_up.set()
        self.drain()
        for slot in self._slots:
            slot.kill()

    @property
    def is_stopping(self) -> bool:
        """Whether the worker takes no more jobs."""
        return self._stopping.is_set()

    def run(self) -> None:
        """
        Work until told to stop.

        Raises:
            ServiceUnavailable: The database did not answer at the start.
            SnapshotterError: The configuration is unusable, or the tables of the queue were
                upgraded or downgraded meanwhile.
        """
        threads: list[threading.Thread] = []
        self._roster.enrol(self.id, slots=self._rules.slots, version=self._version)
        try:
            if claim(self._database, self._store, worker=self.id, adopt=self._adopt):
                self._told("queue.moved", store=self._store.place)
            self._open()
            self._start_engine()
            self._told("worker.started", worker=self.id, slots=self._rules.slots)
            threads = self._threads()
            for thread in threads:
                thread.start()
            while not self._stopping.is_set():
                self._safely(self._tick)
                self._kick.wait(self._rules.tick_s)
                self._kick.clear()
            self._told("worker.draining", worker=self.id, captures=len(self._held))
            limit = threading.Timer(self._rules.drain_s, self.give_up)
            limit.daemon = True
            limit.start()
            self._engine.stop(within_s=_DAY_S)
            limit.cancel()
        finally:
            self._over.set()
            self.give_up()
            for slot in self._slots:
                slot.end()
            for thread in threads:
                thread.join(self._rules.beat_s)
            self._last_words()
        if self._misfit is not None:
            raise self._misfit

    def _open(self) -> None:
        """Start the capture processes. An unusable configuration must not take a job."""
        for slot in self._slots:
            slot.start()
        for slot in self._slots:
            failure = self._open_slot(slot)
            if failure is not None and failure.fault is not Fault.SERVICE:
                raise SnapshotterError(failure.error, hint=failure.hint)
            if failure is not None:
                self._pause(failure.error)
                self._told("worker.trouble", error=failure.error, hint=failure.hint)
            self._free.put(slot)

    def _open_slot(self, slot: Slot) -> Failure | None:
        """
        Prepare a capture process, and start it again if it is killed meanwhile.

        Raises:
            SnapshotterError: It ended each time.
        """
        for tries_left in reversed(range(_SLOT_STARTS)):
            try:
                return slot.do(OpenOrder(), _Answers(self, None)).failure
            except SlotDied as error:
                self._told("slot.ended", error=str(error))
                if not tries_left:
                    raise SnapshotterError(
                        f"a slot could not be started in {_SLOT_STARTS} attempts: {error}",
                        hint="if it was SIGKILL: give the machine more memory, or the worker "
                        "fewer slots (--concurrency); else run snapshotter doctor",
                    ) from error
        return None

    def _start_engine(self) -> None:
        """
        Start the engine within a time limit: without its database it waits for ever.

        Raises:
            ServiceUnavailable: The database did not answer for so long.
        """
        most = max(
            it.slots for it in self._roster.workers() if it.state in LIVE or it.id == self.id
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
            error = ended.get(timeout=self._rules.start_s)
        except queues.Empty:
            raise ServiceUnavailable(
                f"the database of the queue did not answer for {self._rules.start_s:g} s while "
                "this worker started",
                hint="is the database running? Start it, then start the worker again",
            ) from None
        if error is not None:
            raise error

    # Captures

    def _run(self, job_id: str, run: int) -> None:
        """Execute one run, in a thread of the engine."""
        with self._lock:
            self._runs.add((job_id, run))
        try:
            self._do_run(job_id, run)
        finally:
            with self._lock:
                self._runs.discard((job_id, run))

    def _do_run(self, job_id: str, run: int) -> None:
        slot = None if self._is_closed else self._slot()
        if slot is None:
            self._patiently(lambda: self._attempts.hand_back(job_id, run))
            # Wait, or the same worker would take the job again at once.
            self._stopping.wait(_NAP_S)
            return
        try:
            self._begin(slot, job_id, run)
        finally:
            try:
                self._recycle(slot)
            finally:
                self._free.put(slot)
                self._kick.set()

    @property
    def _is_closed(self) -> bool:
        return self._stopping.is_set() or time.monotonic() < self._paused_until

    def _slot(self) -> Slot | None:
        try:
            return self._free.get(timeout=_NAP_S)
        except queues.Empty:
            return None

    def _begin(self, slot: Slot, job_id: str, run: int) -> None:
        attempt = self._patiently(
            lambda: self._attempts.begin(job_id, run, worker=self.id, process=process_name())
        )
        if attempt is None:
            return
        self._observer.job_began(attempt.job, attempt=attempt.number, worker=self.id)
        self._told("job.began", job=job_id, attempt=attempt.number, url=attempt.job.url)
        order: Order = CaptureOrder(attempt.job, attempt.more)
        if attempt.giving_up:
            order = FailureOrder(attempt.job, attempt.giving_up)
        ticket = (job_id, attempt.number)
        with self._lock:
            self._held[ticket] = slot
        try:
            outcome = slot.do(order, _Answers(self, attempt))
        except SlotDied as error:
            self._forget(ticket)
            self._slot_died(attempt, str(error))
        except ServiceUnavailable:  # this worker ends: others take over its attempt
            self._forget(ticket)
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not leave a job running for ever
            self._forget(ticket)
            self._bug(attempt, error)
        else:
            self._forget(ticket)
            try:
                self._ended(attempt, outcome)
            except ServiceUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._bug(attempt, error)

    def _bug(self, attempt: Attempt, error: Exception) -> None:
        """End an attempt after an unexpected error."""
        why = f"{type(error).__name__} in its worker"
        self._told("worker.bug", error=f"{type(error).__name__}: {error}")
        self._heard(self._patiently(lambda: self._attempts.lose(attempt, why)))

    def _forget(self, ticket: tuple[str, int]) -> None:
        with self._lock:
            self._held.pop(ticket, None)

    def _ended(self, attempt: Attempt, outcome: Outcome) -> None:
        product = outcome.product
        if isinstance(product, Made):
            self._pause_s = 0.0
            status = self._finish(attempt, product)
            self._done += status is not None
            shown = product.sealed.shown
            self._heard(status, product)
            for service, why in product.missed:
                self._observer.service_failed(service, why)
            self._told(
                "job.done" if status else "job.superseded",
                job=attempt.job.id, bundle=product.sealed.bundle_id, url=attempt.job.url,
                outcome=product.sealed.outcome, exit_code=product.sealed.exit_code,
                given_up=attempt.giving_up,
                verdict=shown.words if shown is not None else "no verdict",
            )  # fmt: skip
        elif outcome.failure is not None:
            failure = outcome.failure
            status = self._patiently(
                lambda: self._attempts.fail(attempt, failure, kept=outcome.kept)
            )
            self._heard(status)
            self._told(
                "job.failed", job=attempt.job.id, url=attempt.job.url, fault=failure.fault.value,
                error=failure.error, hint=failure.hint,
            )  # fmt: skip
            if failure.fault is Fault.SERVICE:
                words = without_addresses(failure.error, host=host_of(attempt.job.url))
                self._observer.service_failed("browser", words)
                self._pause(failure.error)
        else:
            self._told("job.superseded", job=attempt.job.id, url=attempt.job.url)
            if outcome.kept:
                kept = f"an attempt that was given to another worker: {outcome.kept}"
                self._patiently(lambda: self._attempts.note(attempt, kept))

    def _finish(self, attempt: Attempt, made: Made) -> JobStatus | None:
        """End an attempt with its bundle; None if others did. Raises as `_patiently`."""
        tries = itertools.count()
        return self._patiently(
            lambda: self._attempts.finish(attempt, made, worker=self.id, retried=next(tries) > 0)
        )

    def _slot_died(self, attempt: Attempt, why: str) -> None:
        """
        End an attempt whose capture process ended.

        What ends all processes of a worker may end the capture process first. So its end counts
        against the page only if the worker lives on.
        """
        if self._giving_up.wait(self._rules.lived_s):
            returned = Failure(fault=Fault.RETURNED, error="its worker was told to stop")
            self._patiently(lambda: self._attempts.fail(attempt, returned))
            self._told("job.returned", job=attempt.job.id, url=attempt.job.url)
            return
        self._observer.browser_restarted(self.id, why="died")
        self._heard(self._patiently(lambda: self._attempts.lose(attempt, why)))
        self._told("job.lost", job=attempt.job.id, url=attempt.job.url, error=why)

    def _heard(self, status: JobStatus | None, made: Made | None = None) -> None:
        """Report the end of a job to the observer."""
        if status is not None:
            self._observer.job_ended(
                status,
                stage_ms=made.stage_ms if made else {},
                length=made.sealed.length if made else 0,
            )

    def _recycle(self, slot: Slot) -> None:
        """Replace a capture process after many captures or with much memory."""
        rules = self._rules
        if slot.captures >= rules.recycle_captures or slot.resident >= rules.recycle_bytes:
            grown = slot.resident >= rules.recycle_bytes
            self._observer.browser_restarted(self.id, why="memory" if grown else "captures")
            self._told("slot.recycled", captures=slot.captures, resident=slot.resident)
            slot.end()
        if not self._stopping.is_set():
            self._safely(slot.start)

    def _pause(self, why: str) -> None:
        """Take no jobs for a while: a service that this worker needs does not answer."""
        first, longest = self._rules.pauses_s
        self._pause_s = min(max(self._pause_s * 2, first), longest)
        self._paused_until, self._why = time.monotonic() + self._pause_s, why

    # Calls of the capture processes

    def began(self, attempt: Attempt, bundle_id: str, pid: int) -> bool:
        """Record the id of an attempt's bundle; False if the attempt was superseded."""
        name = process_name(pid)
        return self._unless_superseded(lambda: self._attempts.began(attempt, bundle_id, name))

    def may_store(self, attempt: Attempt, sealed: Sealed, limit_s: float) -> bool | None:
        """Return whether a bundle may be stored now; None if the answer took too long."""
        asked = time.monotonic()
        limit = timedelta(seconds=limit_s)
        try:
            self._attempts.may_store(attempt, sealed, limit)
        except Superseded:
            return False
        except ServiceUnavailable as error:
            self._complain(error)
            return False if self._over.wait(1.0) else None
        return True if time.monotonic() - asked < limit_s / 2 else None

    def wait_for_store(self, attempt: Attempt, tries: int, why: str) -> bool:
        """Wait while the store does not answer; return whether to try again."""
        text = f"sealed, and waits for the store: {why}"
        if tries == 0:
            self._patiently(lambda: self._attempts.note(attempt, text))
        self._observer.service_failed("store", why)
        self._told("store.unavailable", job=attempt.job.id, error=why)
        with self._lock:
            self._waiting += 1
            self._why = why
        try:
            end = time.monotonic() + _STORE_PAUSES_S[min(tries, len(_STORE_PAUSES_S) - 1)]
            while time.monotonic() < end and self._may_wait:
                self._giving_up.wait(1.0)
            return self._may_wait
        finally:
            with self._lock:
                self._waiting -= 1

    @property
    def _may_wait(self) -> bool:
        """Whether to wait for the store: only shortly once the worker is told to stop."""
        since = self._stopping_since
        patient = since is None or time.monotonic() - since < self._rules.store_drain_s
        return patient and not self._giving_up.is_set()

    def said(self, attempt: Attempt | None, text: str) -> None:
        """Log a message of a capture process."""
        self._told("slot.said", job=attempt.job.id if attempt else "", text=text)

    def _unless_superseded(self, work: Callable[[], None]) -> bool:
        try:
            self._patiently(work)
        except Superseded:
            return False
        return True

    # Handing out jobs, and clearing up

    def _tick(self) -> None:
        """Execute one turn of the main thread. Raises ServiceUnavailable."""
        if self._roster.take_turn("hand-out", self.id, for_s=_TURN_S):
            for handed in self._dispatcher.choose(self._all_slots()):
                self._engine.hand_over(handed)
        if self._is_time("clear", self._rules.beat_s):
            self._clear_up()
        if self._is_time("astray", self._rules.astray_s):
            self._cancel_stray_runs()
            for job_id, run in self._engine.gone(
                self._dispatcher.astray(for_s=self._rules.astray_s)
            ):
                self._attempts.hand_back(job_id, run)
        self._find_orphans()
        if self._is_time("trim", 3600) and self._roster.due_turn("trim", self.id, every_s=3600):
            self._trim()

    def _cancel_stray_runs(self) -> None:
        """
        Cancel the runs that the engine counts as this worker's and that no thread works on.

        Where the answer to a commit was lost, the engine does not know that it has taken a run,
        or could not record that one has ended. Both would occupy their host for as long as
        this worker lives.
        """
        ours = self._engine.running().get(self.id, frozenset())
        with self._lock:
            strays = ours - self._runs
        # A run has no thread shortly after it was taken and shortly before it ends, either. So
        # only a run that was stray the last time, too, is cancelled.
        for_good = strays & self._stray
        if for_good:
            self._engine.cancel(for_good)
            self._told("run.stray", jobs=sorted(job_id for job_id, _ in for_good))
        self._stray = strays - for_good

    def _all_slots(self) -> int:
        """Return the number of slots of all workers that take jobs."""
        at, slots = self._room
        if time.monotonic() - at > _WORKER_STATES_S:
            states = self._roster.workers()
            others = sum(
                it.slots for it in states if it.state is WorkerState.WORKING and it.id != self.id
            )
            slots = others + (self._rules.slots if self._state is WorkerState.WORKING else 0)
            self._room = (time.monotonic(), slots)
        return slots

    def _clear_up(self) -> None:
        """Mark workers as dead that are gone, and make their jobs due again."""
        self._beat()  # it shows whether the clock jumped, or this worker was suspended
        # A worker that was suspended itself cannot tell how long the others were silent.
        is_steady = time.monotonic() - self._steady_since >= self._rules.dead_s
        for_s = self._rules.dead_s if is_steady else float("inf")
        for worker in self._roster.silent(but=self.id, for_s=min(for_s, _DAY_S * 365)):
            if self._roster.bury(worker):
                self._told("worker.dead", worker=worker.id, last=worker.beat_at.isoformat())
                self._observer.tell(
                    Event(
                        id=f"worker.lost/{worker.id}",
                        kind=EventKind.WORKER_LOST,
                        at=now_of(self._database),
                        subject=worker.id,
                        summary="a worker is gone; what it had is given to others",
                        about=(),
                        worker=worker.id,
                    )
                )
        alive = {it.id for it in self._roster.workers() if it.state in LIVE} | {self.id}
        for gone in self._attempts.workers() - alive:
            lost = self._attempts.lose_all(gone, f"the worker {gone} was gone in the middle of it")
            self._told("worker.cleared", worker=gone, jobs=len(lost))
        for worker_id, runs in self._engine.running().items():
            if worker_id not in alive:
                self._engine.cancel(runs)

    def _find_orphans(self) -> None:
        """Look in the store for the bundles of orphaned attempts."""
        if not self._is_time("orphans", self._rules.settle_s / 4):
            return
        for orphan in self._attempts.orphans():
            slot = self._slot()
            if slot is None:
                return
            try:
                self._safely(partial(self._find, slot, orphan))  # an error must not stop the loop
            finally:
                self._free.put(slot)

    def _find(self, slot: Slot, orphan: Orphan) -> None:
        settle = timedelta(seconds=self._rules.settle_s)
        came = orphan.orphaned_at if is_gone(orphan.process) else orphan.store_by
        is_last_look = now_of(self._database) > max(came, orphan.orphaned_at) + settle
        job = orphan.attempt.job
        try:
            outcome = slot.do(FindOrder(orphan.sealed), _Answers(self, orphan.attempt))
        except SlotDied as error:
            self._told("job.search-failed", job=job.id, error=str(error))
            return
        if isinstance(outcome.product, Made):
            status = self._finish(orphan.attempt, outcome.product)
            self._heard(status, outcome.product)
            if status is not None:
                self._told("job.found", job=job.id, bundle=orphan.sealed.bundle_id, url=job.url)
        elif outcome.failure is not None and outcome.failure.fault is Fault.TAKEN:
            failure = outcome.failure
            self._heard(self._attempts.end_taken(orphan, failure))
            self._told(
                "job.failed", job=job.id, url=job.url, fault=failure.fault.value,
                error=failure.error, hint=failure.hint,
            )  # fmt: skip
        elif outcome.failure is not None:
            self._told("job.search-failed", job=job.id, error=outcome.failure.error)
        elif is_last_look:
            self._attempts.abandon(orphan)
            self._told("job.lost", job=job.id, url=job.url, error=orphan.failure.error)

    def _trim(self) -> None:
        now = now_of(self._database)
        self._queue.purge(before=now - self._rules.keep)
        self._engine.trim(now - timedelta(hours=1))
        self._roster.forget_old()

    def _is_time(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now - self._last.get(name, 0.0) < every_s:
            return False
        self._last[name] = now
        return True

    # Threads

    def _threads(self) -> list[threading.Thread]:
        work: list[tuple[str, Callable[[], Any]]] = [
            ("beat", self._beats),
            ("chores", self._chores),
        ]
        work += [(duty.name, self._duty(duty)) for duty in self._duties]
        return [threading.Thread(target=it, name=name, daemon=True) for name, it in work]

    def _beats(self) -> None:
        while not self._over.wait(self._rules.beat_s):
            self._safely(self._beat)
            # Also while the database is gone: a supervisor that restarts hanging workers must
            # not end the captures of one that waits for the database.
            self._observer.turned(self.id)

    def _beat(self) -> None:
        """Record a heartbeat, and kill the captures that others have taken over."""
        with self._lock:
            held = dict(self._held)
        beat = self._roster.beat(self.id, self._state, self._detail, self._done)
        self._observer.heartbeat(self.id)
        if beat.was_buried or abs(beat.gap_s) > self._rules.dead_s / 2:
            self._steady_since = time.monotonic()
        self._look_at_tables()
        if beat.was_buried:
            self._told("worker.fenced", worker=self.id)
            self._stay_with_store()
        mine = self._attempts.held_by(self.id)
        with self._lock:
            for ticket, slot in held.items():
                if ticket not in mine and self._held.get(ticket) is slot:
                    slot.kill()

    def _look_at_tables(self) -> bool:
        """
        Stop if the tables of the queue have another number now; return whether they have.

        Running captures are finished: their rows have the form of this release.
        """
        number = number_of(self._database)
        if number != TABLES_VERSION and self._misfit is None:
            self._misfit = other_release(number)
            self._told("worker.misfit", error=self._misfit.message, hint=self._misfit.hint)
            self.drain()
        return self._misfit is not None

    def _stay_with_store(self) -> None:
        """Stop if the queue was moved to another store while this worker was marked as dead."""
        try:
            claim(self._database, self._store, worker=self.id)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:
            self._told("worker.trouble", error=error.message, hint=error.hint)
            self.give_up()

    @property
    def _state(self) -> WorkerState:
        if self._stopping.is_set():
            return WorkerState.DRAINING
        paused = self._waiting or time.monotonic() < self._paused_until
        return WorkerState.PAUSED if paused else WorkerState.WORKING

    @property
    def _detail(self) -> str:
        return self._why if self._state is WorkerState.PAUSED else ""

    def _chores(self) -> None:
        while True:
            self._safely(self._do_chores)
            if self._over.wait(self._rules.chores_s):
                return

    def _do_chores(self) -> None:
        if self._stopping.is_set():
            return
        try:
            slot = self._free.get(timeout=self._rules.chores_s)
        except queues.Empty:
            return
        try:
            outcome = slot.do(ChoresOrder(), _Answers(self, None))
        except SlotDied as error:
            self._told("chores.failed", error=str(error))
            return
        finally:
            self._free.put(slot)
        if outcome.failure is not None:
            self._told("chores.failed", error=outcome.failure.error)
        if isinstance(outcome.product, tuple):
            for kept in outcome.product:
                self._note_kept(kept)

    def _note_kept(self, kept: Kept) -> None:
        self._told("bundle.unstored", bundle=kept.bundle_id, text=kept.words)
        job_id = self._attempts.owner_of(kept.bundle_id)
        if job_id:
            self._attempts.note_on(job_id, kept.words)

    def _duty(self, duty: Duty) -> Callable[[], None]:
        def once() -> None:
            if self._misfit is not None:
                return
            if not duty.alone or self._roster.due_turn(duty.name, self.id, every_s=duty.every_s):
                duty.work()

        def work() -> None:
            while not self._over.is_set():
                self._safely(once)
                self._over.wait(duty.every_s)

        return work

    # Errors of the database

    def _patiently(self, work: Callable[[], _T]) -> _T:
        """
        Call a function that writes to the database until the database answers.

        Raises:
            ServiceUnavailable: This worker ends; others take over its attempts.
        """
        pause = 0.5
        while True:
            try:
                return work()
            except ServiceUnavailable as error:
                if self._over.is_set() or self._giving_up.is_set():
                    raise
                self._complain(error)
            self._over.wait(pause)
            pause = min(pause * 2, _LONGEST_S)

    def _safely(self, work: Callable[[], None]) -> None:
        """Call a function that is called again soon: log its errors and go on."""
        try:
            work()
        except ServiceUnavailable as error:
            self._complain(error)
            self._over.wait(1.0)
        except SnapshotterError as error:
            self._told("worker.trouble", error=error.message, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - a bug in one turn must not end the worker
            with contextlib.suppress(ServiceUnavailable):
                if self._look_at_tables():
                    return
            self._told("worker.bug", error=f"{type(error).__name__}: {error}")
            self._over.wait(1.0)
        else:
            self._complained = False

    def _complain(self, error: ServiceUnavailable) -> None:
        """Log once that the database is gone, until it is back."""
        if not self._complained:
            self._complained = True
            self._observer.service_failed("database", error.message)
            self._told("queue.unavailable", error=error.message, hint=error.hint)

    def _last_words(self) -> None:
        try:
            self._roster.beat(self.id, WorkerState.ENDED, "", self._done)
        except ServiceUnavailable as error:
            self._complain(error)
        self._told("worker.ended", worker=self.id, done=self._done)


class _Answers:
    """Answers the calls of one capture process about one attempt (`slot.Host`)."""

    def __init__(self, worker: Worker, attempt: Attempt | None) -> None:
        self._worker = worker
        self._attempt = attempt
        self._tries = 0

    def began(self, bundle_id: str, process_id: int) -> bool:
        """See `slot.Host`."""
        return self._worker.began(self._known, bundle_id, process_id)

    def may_store(self, sealed: Sealed, limit_s: float) -> bool | None:
        """See `slot.Host`."""
        return self._worker.may_store(self._known, sealed, limit_s)

    def wait(self, why: str) -> bool:
        """See `slot.Host`."""
        self._tries += 1
        return self._worker.wait_for_store(self._known, self._tries - 1, why)

    def said(self, text: str) -> None:
        """See `slot.Host`."""
        self._worker.said(self._attempt, text)

    @property
    def _known(self) -> Attempt:
        if self._attempt is None:
            raise RuntimeError("a slot without a job asked for the right to store")
        return self._attempt
