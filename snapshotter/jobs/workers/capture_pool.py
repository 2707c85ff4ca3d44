"""
Manage the capture processes of one worker, and execute runs of jobs in them.

The engine executes each run in a thread of its own, which waits here for a free capture
process. The processes call the worker back while they capture.

For the engine a run is over when its page is captured: the next one begins in another process, if
there is a spare one, while this process completes its bundle. The attempt in the database is over
when the bundle is stored. So each process has one job, one right to store and one time limit, and
its end has the same effect as without a spare process.
"""

import contextlib
import itertools
import queue as queues
import threading
import time
from collections.abc import Callable, Iterator

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.hosts import host_of
from snapshotter.formats.shown_address import remove_addresses
from snapshotter.jobs.processes import process_name
from snapshotter.jobs.queue.attempts import Attempt
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.workers.capture_answers import Answers
from snapshotter.jobs.workers.capture_process import CaptureProcess, CaptureProcessDied
from snapshotter.jobs.workers.context import WorkerContext
from snapshotter.jobs.workers.job_runner import JobRunnerFactory
from snapshotter.jobs.workers.messages import (
    CaptureOrder,
    FailureOrder,
    OpenOrder,
    Order,
    OrderResult,
)
from snapshotter.model.job import AttemptEnd, JobStatus, StoredResult
from snapshotter.translation import tr

_NAP_S = 2.0  # for how long a run that is handed back keeps its host occupied
_STARTS = 3  # attempts to start one capture process when the worker starts


class CapturePool:
    """
    The capture processes of one worker.

    Args:
        opener: Makes the object that captures, in a capture process; it is pickled.
    """

    def __init__(self, context: WorkerContext, opener: JobRunnerFactory) -> None:
        self._context = context
        self._worker_id, self._settings = context.id, context.settings
        self._signals, self._calls = context.signals, context.calls
        self._log, self._observer = context.log, context.observer
        self._processes = [
            CaptureProcess(
                opener, silent_s=context.settings.silent_s, store_s=context.settings.store_s
            )
            for _ in range(context.settings.slots + context.settings.spare)
        ]
        self._free: queues.SimpleQueue[CaptureProcess] = queues.SimpleQueue()
        self._captures: dict[tuple[str, int], CaptureProcess] = {}  # by job and attempt
        self._runs: set[tuple[str, int]] = set()  # runs with a thread of the engine
        self._threads: set[threading.Thread] = set()  # of runs, until their attempts are over
        self._lock = threading.Lock()
        self._waiting = 0  # captures that wait for the store
        self._paused_until, self._pause_s, self._why = 0.0, 0.0, ""
        self.done = 0  # jobs that ended with a bundle

    @property
    def captures(self) -> frozenset[tuple[str, int]]:
        """The jobs and attempts that are being captured."""
        with self._lock:
            return frozenset(self._captures)

    @property
    def runs(self) -> frozenset[tuple[str, int]]:
        """The runs that a thread of the engine executes."""
        with self._lock:
            return frozenset(self._runs)

    @property
    def pause_reason(self) -> str | None:
        """Why the pool takes no jobs now; None if it takes them."""
        paused = self._waiting or time.monotonic() < self._paused_until
        return self._why if paused else None

    @contextlib.contextmanager
    def process(self, *, within_s: float = _NAP_S) -> Iterator[CaptureProcess | None]:
        """Reserve a free capture process; give None if none is free within so many seconds."""
        try:
            process = self._free.get(timeout=within_s)
        except queues.Empty:
            yield None
            return
        try:
            yield process
        finally:
            self._free.put(process)

    def answers(
        self, attempt: Attempt | None = None, visited: Callable[[], None] = lambda: None
    ) -> Answers:
        """Return what answers the calls of a capture process, about an attempt or none."""

        def reached(stage: str) -> None:
            if attempt is not None:
                self._context.stages.begin(attempt.job.id, stage)

        return Answers(
            self._context,
            attempt,
            visited=visited,
            reached=reached,
            waiting=self._wait_for_store,
        )

    @contextlib.contextmanager
    def _wait_for_store(self, why: str) -> Iterator[None]:
        """Count a capture as waiting for the store during the block."""
        with self._lock:
            self._waiting += 1
            self._why = why
        try:
            yield
        finally:
            with self._lock:
                self._waiting -= 1

    def kill(self) -> None:
        """Kill all capture processes. Safe in any thread."""
        for process in self._processes:
            process.kill()

    def kill_others(
        self, captures: frozenset[tuple[str, int]], ours: frozenset[tuple[str, int]]
    ) -> None:
        """Kill those of the given captures that are not this worker's any more."""
        with self._lock:
            for ticket in captures - ours:
                if ticket in self._captures:
                    self._captures[ticket].kill()

    def wait(self, *, within_s: float | None = None) -> None:
        """Wait until the attempts of all runs are over, also of those that the engine ended."""
        end = None if within_s is None else time.monotonic() + within_s
        with self._lock:
            threads = tuple(self._threads)
        for thread in threads:
            thread.join(None if end is None else max(0.0, end - time.monotonic()))

    def end(self) -> None:
        """End all capture processes."""
        for process in self._processes:
            process.end()

    def open(self) -> None:
        """Start the capture processes. An unusable configuration must not take a job."""
        for process in self._processes:
            process.start()
        for process in self._processes:
            failure = self._open_process(process)
            if failure is not None and failure.fault is not Fault.SERVICE:
                raise SnapshotterError(failure.error, hint=failure.hint)
            if failure is not None:
                self._pause(failure.error)
                self._log("worker.trouble", error=failure.error, hint=failure.hint)
            self._free.put(process)

    def _open_process(self, process: CaptureProcess) -> Failure | None:
        """
        Prepare a capture process, and start it again if it is killed meanwhile.

        Raises:
            SnapshotterError: It ended each time.
        """
        for tries_left in reversed(range(_STARTS)):
            try:
                return process.do(OpenOrder(), self.answers()).failure
            except CaptureProcessDied as error:
                self._log("slot.ended", error=str(error))
                if not tries_left:
                    raise SnapshotterError(
                        tr(
                            "a capture process could not be started in {starts} attempts: {error}",
                            starts=_STARTS,
                            error=error,
                        ),
                        hint=tr(
                            "if the error names SIGKILL, give the machine more memory, or start "
                            "the worker with fewer slots (--concurrency). For any other error, "
                            "check the machine:\n  snapshotter doctor"
                        ),
                    ) from error
        return None

    # Runs

    def execute(self, job_id: str, run: int) -> None:
        """
        Execute one run, in a thread of the engine, until its page is captured.

        Another thread executes the run to its end.

        Raises:
            ServiceUnavailable: This worker ends; others take over the attempt.
        """
        over, errors = threading.Event(), list[Exception]()

        def work() -> None:
            try:
                self._execute(job_id, run, over.set)
            except Exception as error:  # noqa: BLE001 - raised below, in the thread of the engine
                errors.append(error)
                if over.is_set() and not isinstance(error, ServiceUnavailable):  # too late to raise
                    self._log("worker.bug", error=f"{type(error).__name__}: {error}")
            finally:
                over.set()

        thread = threading.Thread(target=work, name=f"run-{job_id}", daemon=True)
        with self._lock:
            self._runs.add((job_id, run))
        try:
            thread.start()
            with self._lock:
                self._threads.add(thread)
                self._threads &= set(threading.enumerate())  # it may have ended already
            over.wait()
        finally:
            with self._lock:
                self._runs.discard((job_id, run))
        if errors:
            raise errors[0]

    def _execute(self, job_id: str, run: int, visited: Callable[[], None]) -> None:
        is_closed = self._signals.stopping.is_set() or time.monotonic() < self._paused_until
        try:
            with self.process() if not is_closed else contextlib.nullcontext() as process:
                if process is not None:
                    try:
                        self._begin(process, job_id, run, visited)
                    finally:
                        self._recycle(process)
                    return
        finally:
            self._signals.wake.set()
        self._calls.patiently(lambda: self._context.attempts.hand_back(job_id, run))
        # Wait, or the same worker would take the job again at once.
        self._signals.stopping.wait(_NAP_S)

    def _begin(
        self, process: CaptureProcess, job_id: str, run: int, visited: Callable[[], None]
    ) -> None:
        attempt = self._calls.patiently(
            lambda: self._context.attempts.begin(
                job_id, run, worker=self._worker_id, process=process_name()
            )
        )
        if attempt is None:
            return
        self._observer.job_began(attempt.job, attempt=attempt.number, worker=self._worker_id)
        self._log("job.began", job=job_id, attempt=attempt.number, url=attempt.job.url)
        order: Order = CaptureOrder(attempt.job, attempt.more)
        if attempt.giving_up:
            order = FailureOrder(attempt.job, attempt.giving_up)
        ticket = (job_id, attempt.number)
        with self._lock:
            self._captures[ticket] = process
        try:
            outcome = process.do(order, self.answers(attempt, visited))
        except CaptureProcessDied as error:
            self._forget(ticket)
            self._process_died(attempt, str(error))
        except ServiceUnavailable:  # this worker ends: others take over its attempt
            self._forget(ticket)
            raise
        except Exception as error:  # noqa: BLE001 - a bug must not leave a job running for ever
            self._forget(ticket)
            self._bug(attempt, error)
        else:
            self._forget(ticket)
            try:
                self._record(attempt, outcome)
            except ServiceUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 - as above
                self._bug(attempt, error)

    def _bug(self, attempt: Attempt, error: Exception) -> None:
        """End an attempt after an unexpected error."""
        why = tr("an unexpected error in the worker ({name})", name=type(error).__name__)
        self._log("worker.bug", error=f"{type(error).__name__}: {error}")
        self.report(self._calls.patiently(lambda: self._context.attempts.lose(attempt, why)))

    def _forget(self, ticket: tuple[str, int]) -> None:
        with self._lock:
            self._captures.pop(ticket, None)
        self._context.stages.end(ticket[0])

    def _record(self, attempt: Attempt, outcome: OrderResult) -> None:
        product = outcome.product
        if isinstance(product, StoredResult):
            self._pause_s = 0.0
            status = self.finish(attempt, product)
            self.done += status is not None
            shown = product.sealed.shown
            # Before the report: the log forgets attempt, host and worker when the job has ended.
            self._log(
                "job.done" if status else "job.superseded",
                job=attempt.job.id, bundle=product.sealed.bundle_id, url=attempt.job.url,
                outcome=product.sealed.outcome, exit_code=product.sealed.exit_code,
                given_up=attempt.giving_up,
                verdict=shown.words if shown is not None else "no verdict",
            )  # fmt: skip
            self.report(status, product)
            for service, why in product.missed:
                self._observer.service_failed(service, why)
        elif outcome.failure is not None:
            failure = outcome.failure
            status = self._calls.patiently(
                lambda: self._context.attempts.fail(attempt, failure, unstored=outcome.unstored)
            )
            self._log(
                "job.failed", job=attempt.job.id, url=attempt.job.url, fault=failure.fault.value,
                error=failure.error, hint=failure.hint,
            )  # fmt: skip
            self.report(status)
            if failure.fault is Fault.SERVICE:
                words = remove_addresses(failure.error, host=host_of(attempt.job.url))
                self._observer.service_failed("browser", words)
                self._pause(failure.error)
        else:
            self._log("job.superseded", job=attempt.job.id, url=attempt.job.url)
            if outcome.unstored:
                unstored = tr(
                    "an attempt was not stored, because its job was given to another "
                    "worker: {unstored}",
                    unstored=outcome.unstored,
                )
                self._calls.patiently(lambda: self._context.attempts.note(attempt, unstored))

    def finish(self, attempt: Attempt, made: StoredResult) -> JobStatus | None:
        """End an attempt with its bundle; None if others did. Raises ServiceUnavailable."""
        tries = itertools.count()
        return self._calls.patiently(
            lambda: self._context.attempts.finish(
                attempt, made, worker=self._worker_id, retried=next(tries) > 0
            )
        )

    def _process_died(self, attempt: Attempt, why: str) -> None:
        """
        End an attempt whose capture process ended.

        What ends all processes of a worker may end the capture process first. So its end counts
        against the page only if the worker lives on.
        """
        if self._signals.giving_up.wait(self._settings.lived_s):
            returned = Failure(
                fault=Fault.RETURNED, error=tr("the worker received a signal to stop")
            )
            self._calls.patiently(lambda: self._context.attempts.fail(attempt, returned))
            self._log("job.returned", job=attempt.job.id, url=attempt.job.url)
            return
        self._observer.browser_restarted(self._worker_id, why="died")
        status = self._calls.patiently(lambda: self._context.attempts.lose(attempt, why))
        self._log("job.lost", job=attempt.job.id, url=attempt.job.url, error=why)
        self.report(status)

    def report(self, status: JobStatus | None, made: StoredResult | None = None) -> None:
        """Report the end of a job to the observer."""
        if status is not None:
            end = AttemptEnd(status=status)
            if made is not None:
                end = AttemptEnd(
                    status=status,
                    stage_ms=made.stage_ms,
                    length=made.sealed.length,
                    picture_ms=made.picture_ms,
                )
            self._observer.job_ended(end)

    def _recycle(self, process: CaptureProcess) -> None:
        """Replace a capture process after many captures or with much memory."""
        rules = self._settings
        if process.captures >= rules.recycle_captures or process.resident >= rules.recycle_bytes:
            grown = process.resident >= rules.recycle_bytes
            self._observer.browser_restarted(self._worker_id, why="memory" if grown else "captures")
            self._log("slot.recycled", captures=process.captures, resident=process.resident)
            process.end()
        if not self._signals.stopping.is_set():
            self._calls.safely(process.start)

    def _pause(self, why: str) -> None:
        """Take no jobs for a while: a service that this worker needs does not answer."""
        first, longest = self._settings.pauses_s
        self._pause_s = min(max(self._pause_s * 2, first), longest)
        self._paused_until, self._why = time.monotonic() + self._pause_s, why
