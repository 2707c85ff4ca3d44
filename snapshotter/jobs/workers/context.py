"""
Hold what the parts of one worker share: settings, log function, events and calls to the database.

The events tell the threads of the worker to stop, to give up or to wake. A call to the database
that does not answer is repeated, or its error is logged and the thread goes on.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import field
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Engine as Database

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.periodic_task import PeriodicTask
from snapshotter.jobs.queue.admission import Admission
from snapshotter.jobs.queue.attempts import Attempts
from snapshotter.jobs.queue.engine import ConcurrencyLimits
from snapshotter.jobs.queue.retry_rules import RetryRules
from snapshotter.jobs.workers.capture_stages import CaptureStages
from snapshotter.jobs.workers.job_runner import JobRunnerFactory
from snapshotter.ports import JobObserver
from snapshotter.value_class import dataclass

_T = TypeVar("_T")
_LONGEST_S = 10.0  # longest pause between two attempts to write to the database

LogEvent = Callable[..., None]  # (event, **fields): writes to the operator's log


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Settings of a worker."""

    slots: int = 1  # captures at a time
    spare: int = 0  # further capture processes: bundles that may be completed beside the captures
    beat_s: float = 5.0  # between two heartbeats
    dead_s: float = 30.0  # without a heartbeat, after which a worker is marked as dead
    tick_s: float = 0.5  # between two looks for due jobs
    settle_s: float = 10.0  # for a write to appear in the store after its writer is gone
    unstarted_s: float = 15.0  # after which a run that has not begun is looked up in the engine
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
    retry_rules: RetryRules = field(default_factory=RetryRules)
    limits: ConcurrencyLimits = field(default_factory=ConcurrencyLimits)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerParts:
    """The parts of the program that a worker uses."""

    opener: JobRunnerFactory  # makes the object that captures, in a capture process; it is pickled
    admission: Admission = field(default_factory=Admission)
    periodic_tasks: Sequence[PeriodicTask] = ()
    observer: JobObserver = field(default_factory=JobObserver)
    log: LogEvent = lambda *_, **__: None
    chance: Callable[[], float]  # returns random numbers between 0 and 1, for jitter and names


class Signals:
    """Events between the threads of a worker."""

    def __init__(self) -> None:
        self.stopping = threading.Event()  # the worker takes no more jobs
        self.stopping_since: float | None = None  # monotonic time
        self.giving_up = threading.Event()  # it stops at once
        self.over = threading.Event()  # its threads must end
        self.wake = threading.Event()  # its main thread must not sleep

    def stop(self) -> None:
        """Take no more jobs."""
        if self.stopping_since is None:
            self.stopping_since = time.monotonic()
        self.stopping.set()
        self.wake.set()


class DatabaseCalls:
    """
    Calls to the database, which may be gone for a while.

    Args:
        explains: Returns whether the cause of an unexpected error is known and handled.
    """

    def __init__(
        self,
        signals: Signals,
        *,
        log: LogEvent,
        observer: JobObserver,
        explains: Callable[[], bool],
    ) -> None:
        self._signals = signals
        self._log = log
        self._observer = observer
        self._explains = explains
        self._complained = False  # the loss of the database is logged already

    def patiently(self, work: Callable[[], _T]) -> _T:
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
                if self._signals.over.is_set() or self._signals.giving_up.is_set():
                    raise
                self.complain(error)
            self._signals.over.wait(pause)
            pause = min(pause * 2, _LONGEST_S)

    def safely(self, work: Callable[[], None]) -> None:
        """Call a function that is called again soon: log its errors and go on."""
        try:
            work()
        except ServiceUnavailable as error:
            self.complain(error)
            self._signals.over.wait(1.0)
        except SnapshotterError as error:
            self._log("worker.trouble", error=error.message, hint=error.hint)
        except Exception as error:  # noqa: BLE001 - a bug in one turn must not end the worker
            with contextlib.suppress(ServiceUnavailable):
                if self._explains():
                    return
            self._log("worker.bug", error=f"{type(error).__name__}: {error}")
            self._signals.over.wait(1.0)
        else:
            self._complained = False

    def complain(self, error: ServiceUnavailable) -> None:
        """Log once that the database is gone, until it is back."""
        if not self._complained:
            self._complained = True
            self._observer.service_failed("database", error.message)
            self._log("queue.unavailable", error=error.message, hint=error.hint)


@dataclass(slots=True, kw_only=True)
class WorkerContext:
    """What the parts of one worker share."""

    id: str
    database: Database
    settings: WorkerSettings
    attempts: Attempts
    stages: CaptureStages
    log: LogEvent
    observer: JobObserver
    signals: Signals
    calls: DatabaseCalls
