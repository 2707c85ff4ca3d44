"""
Execute the orders of a worker in a capture process, until the worker is gone.

The right to store expires, also for a process that is suspended and resumed hours later: a
kernel timer is set before the right is requested, and ends the process when it is resumed.
"""

import multiprocessing.connection
import resource
import signal
import sys
from pathlib import Path

from snapshotter.errors import (
    PolicyRefused,
    ServiceUnavailable,
    SnapshotterError,
    StoreFull,
    bug,
    is_disk_full,
    one_line,
)
from snapshotter.jobs.child_process import attach_to_worker
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.workers.job_runner import (
    BundleConflict,
    JobRunner,
    JobRunnerFactory,
    PermanentFailure,
)
from snapshotter.jobs.workers.messages import (
    Began,
    CaptureOrder,
    ChoresOrder,
    FailureOrder,
    FindOrder,
    LogMessage,
    MayStore,
    OpenOrder,
    Order,
    OrderEnded,
    OrderResult,
    Product,
    Reached,
    StoreUnavailable,
    Visited,
)
from snapshotter.model.job import SealedResult
from snapshotter.ports import JobSuperseded, Progress
from snapshotter.translation import tr

_STORE_RATE = 128 << 10  # bytes a second of the slowest supported store


# Without an order, after which prepared resources are released. A browser that was started for the
# next capture must outlast the visit of the process that captures beside this one.
_IDLE_S = 30.0


def serve(
    pipe: multiprocessing.connection.Connection, opener: JobRunnerFactory, store_s: float
) -> None:
    """Execute orders until the worker is gone."""
    attach_to_worker()
    runner: JobRunner | None = None
    while True:
        try:
            if not pipe.poll(_IDLE_S) and runner is not None:
                runner.rest()
            order = pipe.recv()
        except (EOFError, OSError):
            if runner is not None:
                runner.rest()
            return
        lease = _PipeLease(pipe, store_s)
        try:
            if runner is None:
                runner = opener(lambda text: pipe.send(LogMessage(text)))
            result = _done(runner, order, lease, pipe)
        except Exception as error:  # noqa: BLE001 - returned to the worker
            result = _failed(error, lease)
        finally:
            lease.disarm()
        pipe.send(OrderEnded(result, _resident()))


def _done(
    runner: JobRunner,
    order: Order,
    lease: "_PipeLease",
    pipe: multiprocessing.connection.Connection,
) -> OrderResult:
    product: Product
    match order:
        case OpenOrder():
            runner.open()
            product = None
        case CaptureOrder():
            product = runner.capture(
                order.job, lease, more=order.more, progress=_stage_reporter(pipe)
            )
        case FailureOrder():
            product = runner.record_failure(order.job, order.why, lease)
        case FindOrder():
            product = runner.find(order.job, order.sealed)
        case ChoresOrder():
            product = runner.chores()
    return OrderResult(product)


def _stage_reporter(pipe: multiprocessing.connection.Connection) -> Progress:
    """Return what reports each new stage of a capture to the worker."""
    last = ""

    def report(stage: str, _detail: str) -> None:
        nonlocal last
        if stage != last:
            last = stage
            pipe.send(Reached(stage))

    return report


def _failed(error: Exception, lease: "_PipeLease") -> OrderResult:
    hint = error.hint if isinstance(error, SnapshotterError) else ""
    unstored = hint if lease.asked else ""
    if isinstance(error, JobSuperseded):
        return OrderResult(superseded=True, unstored=unstored)
    failure = Failure(
        fault=_fault_of(error),
        error=_sentence(error),
        hint=hint,
        exit_code=error.exit_code if isinstance(error, SnapshotterError) else 1,
    )
    return OrderResult(failure=failure, unstored=unstored)


def _sentence(error: Exception) -> str:
    if isinstance(error, SnapshotterError):
        return error.message
    if _disk_is_full(error):
        return tr("a disk is full: {error}", error=error)
    found = bug(error)
    return f"{found.message}; {one_line(found.hint)}"


def _fault_of(error: BaseException) -> Fault:
    if _disk_is_full(error) or isinstance(error, ServiceUnavailable | StoreFull):
        return Fault.SERVICE
    if isinstance(error, BundleConflict):
        return Fault.TAKEN
    if isinstance(error, PolicyRefused | PermanentFailure):
        return Fault.FINAL
    return Fault.PAGE


def _disk_is_full(error: BaseException | None) -> bool:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and is_disk_full(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _resident() -> int:
    """Return the memory that this process has, in bytes."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
    return pages * resource.getpagesize()


class _PipeLease:
    """`ports.Lease` over the pipe to the worker."""

    def __init__(self, pipe: multiprocessing.connection.Connection, store_s: float) -> None:
        self._pipe = pipe
        self._store_s = store_s
        self.asked = False  # whether a sealed bundle exists

    def began(self, bundle_id: str) -> None:
        """See `Lease.began`."""
        if not self._ask(Began(bundle_id)):
            raise JobSuperseded(
                tr("the job was given to another worker, or cancelled, so the capture ends")
            )

    def visited(self) -> None:
        """See `Lease.visited`."""
        self._pipe.send(Visited())

    def may_store(self, sealed: SealedResult) -> None:
        """See `Lease.may_store`."""
        self.asked = True
        limit_s = self._store_s + sealed.length / _STORE_RATE
        allowed = None
        while allowed is None:
            # Set before the call, so the timer fires before the right expires.
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            allowed = self._ask(MayStore(sealed, limit_s))
        if not allowed:
            self.disarm()
            raise JobSuperseded(
                tr("the job was given to another worker, or cancelled, so nothing is stored")
            )

    def wait(self, error: ServiceUnavailable | StoreFull) -> None:
        """See `Lease.wait`."""
        self.disarm()
        if not self._ask(StoreUnavailable(error.message)):
            raise error

    def stored(self) -> None:
        """See `Lease.stored`."""
        self.disarm()

    def disarm(self) -> None:
        """Stop the timer: nothing is being stored."""

        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ask(self, question: object) -> bool | None:
        self._pipe.send(question)
        answer: bool | None = self._pipe.recv()
        return answer
