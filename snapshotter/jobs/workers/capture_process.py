"""
The capture process: a child process of the worker that captures one page after the other.

The worker has the database and no keys. The capture process has the keys and no database. The
browser is a third process, in its sandbox. A page that ends its capture process ends only its
own attempt. The capture process calls the worker over a pipe, and ends at once if the worker
is gone.

The right to store expires, also for a process that is suspended and resumed hours later: a
kernel timer is set before the right is requested, and ends the process when it is resumed.
"""

import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from snapshotter.errors import (
    PolicyRefused,
    ServiceUnavailable,
    SnapshotterError,
    bug,
    is_disk_full,
)
from snapshotter.import_path import protect_children
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.ports import JobSuperseded, Lease

_STORE_RATE = 128 << 10  # bytes a second of the slowest supported store
_IDLE_S = 3.0  # without an order, after which prepared resources are released
_END_S = 10.0  # for a process to end by itself
_ORPHANED = 70  # exit code of a capture process whose worker is gone


class PermanentFailure(SnapshotterError):
    """The capture is impossible: another attempt would fail as well."""


class BundleConflict(SnapshotterError):
    """The store holds another file under the id of a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstoredBundle:
    """A sealed bundle that was found outside of the store."""

    bundle_id: str
    words: str  # a sentence that says where it is


class JobRunner(Protocol):
    """
    Executes the orders of a worker: everything that needs a key, a browser or the store.

    It is made and used in a capture process, by one thread.
    """

    def open(self) -> None:
        """
        Open the keys and the store.

        Raises:
            ServiceUnavailable: One of them does not answer now.
            SnapshotterError: The configuration is unusable.
        """

    def rest(self) -> None:
        """Release prepared resources, such as a browser: no capture is expected soon."""

    def capture(self, job: CaptureJob, lease: Lease, *, more: bool) -> StoredResult:
        """
        Capture the page into a sealed bundle in the store.

        Args:
            more: Another job waits, so a browser may be prepared for it.

        Raises:
            PolicyRefused, Hopeless: Another attempt would fail as well.
            ServiceUnavailable: A service does not answer; the page is not the cause.
            Superseded: The lease was lost.
            SnapshotterError: The attempt failed.
        """

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> StoredResult:
        """
        Seal and store a record that the page could not be captured, without a visit.

        Raises as `capture` does.
        """

    def find(self, sealed: SealedResult) -> StoredResult | None:
        """
        Return a bundle from the store and log it if needed; None if the store does not have it.

        Raises:
            ServiceUnavailable: The store does not answer.
            Taken: The store holds another file under its id.
            SnapshotterError: The configuration of this worker is unusable.
        """

    def chores(self) -> tuple[UnstoredBundle, ...]:
        """
        Fetch owed tokens, update the log, and return the bundles that are not in the store.

        Raises:
            SnapshotterError: A part of it failed.
        """


class CaptureProcessDied(Exception):
    """The process ended in the middle of its work."""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Open the keys and the store."""


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """Capture a page."""

    job: CaptureJob
    more: bool  # other jobs wait


@dataclass(frozen=True, slots=True)
class FailureOrder:
    """Record that a page is given up."""

    job: CaptureJob
    why: str


@dataclass(frozen=True, slots=True)
class FindOrder:
    """Look for a bundle in the store."""

    sealed: SealedResult


@dataclass(frozen=True, slots=True)
class ChoresOrder:
    """Fetch owed tokens and update the log."""


Order = OpenOrder | CaptureOrder | FailureOrder | FindOrder | ChoresOrder
Product = StoredResult | tuple[UnstoredBundle, ...] | None


class WorkerCalls(Protocol):
    """The calls of a capture process to its worker, executed in the worker's waiting thread."""

    def began(self, bundle_id: str, process_id: int) -> bool:
        """Record the id of the bundle; False if the attempt was superseded."""

    def may_store(self, sealed: SealedResult, limit_s: float) -> bool | None:
        """Return whether it may be stored within so many seconds; None: ask again."""

    def wait(self, why: str) -> bool:
        """Wait for the store; return whether to try again."""

    def said(self, text: str) -> None:
        """Log a message."""


@dataclass(frozen=True, slots=True)
class _Began:
    bundle_id: str


@dataclass(frozen=True, slots=True)
class _MayStore:
    sealed: SealedResult
    limit_s: float


@dataclass(frozen=True, slots=True)
class _Waits:
    why: str


@dataclass(frozen=True, slots=True)
class _Said:
    text: str


@dataclass(frozen=True, slots=True)
class _Ended:
    product: Product
    failure: Failure | None
    superseded: bool
    kept: str  # a note about a sealed bundle that is not in the store
    resident: int  # bytes of resident memory of the process


@dataclass(frozen=True, slots=True)
class OrderResult:
    """The result of an order."""

    product: Product = None
    failure: Failure | None = None
    superseded: bool = False
    kept: str = ""


JobRunnerFactory = Callable[[Callable[[str], None]], JobRunner]  # its argument logs a message


class CaptureProcess:
    """
    The worker's handle of a capture process. For one thread at a time, except `kill`.

    Args:
        opener: Makes the object that executes orders, in the child process; it is pickled.
        silent_s: After so long without a message the process is killed.
        store_s: Time limit for storing a bundle, in addition to the time for its length.
    """

    def __init__(self, opener: JobRunnerFactory, *, silent_s: float, store_s: float) -> None:
        self._opener = opener
        self._store_s = store_s
        self._silent_s = silent_s
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: multiprocessing.connection.Connection | None = None
        self.captures = 0  # captures since the process started
        self.resident = 0  # bytes of resident memory after the last order

    def start(self) -> None:
        """Start the process, if it does not run."""
        if self._process is not None and self._process.is_alive():
            return
        self.end()
        protect_children()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(self._opener, theirs, self._store_s), name="snapshotter-slot"
        )
        self._process.start()
        theirs.close()
        self._pipe = ours
        self.captures, self.resident = 0, 0

    def do(self, order: Order, host: WorkerCalls) -> OrderResult:
        """
        Have an order executed, and answer the calls of the process meanwhile.

        Raises:
            SlotDied: The process ended.
        """
        try:
            self.start()
        except OSError as error:  # the system has no more processes or memory
            why = f"the process that captures can not be started: {error.strerror}"
            return OrderResult(failure=Failure(fault=Fault.SERVICE, error=why))
        pipe, process = self._pipe, self._process
        if pipe is None or process is None:
            raise CaptureProcessDied("it did not start")
        try:
            pipe.send(order)
            while True:
                if not pipe.poll(self._silent_s):
                    self.kill()
                    process.join(_END_S)  # the next order goes to a new process
                    raise CaptureProcessDied(
                        f"the process that captured it hung for {self._silent_s:g} s"
                    )
                said = pipe.recv()
                if isinstance(said, _Ended):
                    self.captures += isinstance(order, CaptureOrder)
                    self.resident = said.resident
                    return OrderResult(said.product, said.failure, said.superseded, said.kept)
                answer = _answer(said, host, process.pid or 0)
                if answer is not _NO_ANSWER:
                    pipe.send(answer)
        except (EOFError, OSError) as error:
            process.join(_END_S)
            raise CaptureProcessDied(
                f"the process that captured it ended: {_end_of(process)}"
            ) from error
        except CaptureProcessDied:
            raise
        except Exception:  # raised again below
            self.kill()  # it waits for an answer and would take the next order as one
            process.join(_END_S)
            raise

    def kill(self) -> None:
        """End the process at once. From any thread."""
        if self._process is not None and self._process.is_alive():
            self._process.kill()

    def end(self) -> None:
        """End the idle process."""
        process, pipe = self._process, self._pipe
        self._process = self._pipe = None
        if pipe is not None:
            pipe.close()
        if process is not None:
            process.join(_END_S)
            if process.is_alive():
                process.kill()
                process.join()
            process.close()


_NO_ANSWER = object()


def _answer(said: object, host: WorkerCalls, pid: int) -> object:
    match said:
        case _Began():
            return host.began(said.bundle_id, pid)
        case _MayStore():
            return host.may_store(said.sealed, said.limit_s)
        case _Waits():
            return host.wait(said.why)
        case _Said():
            host.said(said.text)
            return _NO_ANSWER
    raise TypeError(f"a slot said {said!r}")


def _end_of(process: multiprocessing.process.BaseProcess) -> str:
    code = process.exitcode
    if code is None:
        return "it does not answer"
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, as when the system has no more memory" if name == "SIGKILL" else name


# The code of the child process


def _serve(
    opener: JobRunnerFactory, pipe: multiprocessing.connection.Connection, store_s: float
) -> None:
    """Execute orders until the worker is gone."""
    os.setsid()  # Ctrl-C in a terminal must reach the worker only
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not SIG_IGN: the browser would inherit that. The worker ends this process.
        signal.signal(number, _take_no_notice)
    threading.Thread(target=_end_with_worker, name="worker-watch", daemon=True).start()
    workshop: JobRunner | None = None
    while True:
        try:
            if not pipe.poll(_IDLE_S) and workshop is not None:
                workshop.rest()
            order = pipe.recv()
        except (EOFError, OSError):
            if workshop is not None:
                workshop.rest()
            return
        lease = _PipeLease(pipe, store_s)
        try:
            if workshop is None:
                workshop = opener(lambda text: pipe.send(_Said(text)))
            ended = _done(workshop, order, lease)
        except Exception as error:  # noqa: BLE001 - returned to the worker
            ended = _failed(error, lease)
        finally:
            lease.disarm()
        pipe.send(ended)


def _take_no_notice(_number: int, _frame: object) -> None:
    return


def _end_with_worker() -> None:
    """End this process when its worker is gone: others may take over the job soon."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(_ORPHANED)


def _done(workshop: JobRunner, order: Order, lease: "_PipeLease") -> _Ended:
    product: Product
    match order:
        case OpenOrder():
            workshop.open()
            product = None
        case CaptureOrder():
            product = workshop.capture(order.job, lease, more=order.more)
        case FailureOrder():
            product = workshop.record_failure(order.job, order.why, lease)
        case FindOrder():
            product = workshop.find(order.sealed)
        case ChoresOrder():
            product = workshop.chores()
    return _Ended(product, None, False, "", _resident())


def _failed(error: Exception, lease: "_PipeLease") -> _Ended:
    hint = error.hint if isinstance(error, SnapshotterError) else ""
    kept = hint if lease.asked else ""
    if isinstance(error, JobSuperseded):
        return _Ended(None, None, True, kept, _resident())
    failure = Failure(
        fault=_fault_of(error),
        error=_sentence(error),
        hint=hint,
        exit_code=error.exit_code if isinstance(error, SnapshotterError) else 1,
    )
    return _Ended(None, failure, False, kept, _resident())


def _sentence(error: Exception) -> str:
    if isinstance(error, SnapshotterError):
        return error.message
    if _disk_is_full(error):
        return f"a disk is full: {error}"
    found = bug(error)
    return f"{found.message}; {found.hint}"


def _fault_of(error: BaseException) -> Fault:
    if _disk_is_full(error) or isinstance(error, ServiceUnavailable):
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
        if not self._ask(_Began(bundle_id)):
            raise JobSuperseded("the job is not wanted any more")

    def may_store(self, sealed: SealedResult) -> None:
        """See `Lease.may_store`."""
        self.asked = True
        limit_s = self._store_s + sealed.length / _STORE_RATE
        allowed = None
        while allowed is None:
            # Set before the call, so the timer fires before the right expires.
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            allowed = self._ask(_MayStore(sealed, limit_s))
        if not allowed:
            self.disarm()
            raise JobSuperseded(
                "the job was given to another worker, or cancelled: nothing is stored"
            )

    def wait(self, error: ServiceUnavailable) -> None:
        """See `Lease.wait`."""
        self.disarm()
        if not self._ask(_Waits(error.message)):
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
