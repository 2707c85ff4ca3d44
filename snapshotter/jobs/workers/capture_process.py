"""
Start, command and kill a capture process: the child process that captures one page after another.

The worker has the database and no keys; the capture process has the keys and no database. The
browser is a third process, in its sandbox. If a page makes its capture process end, only that
attempt fails. The capture process calls the worker over a pipe, and ends at once if the worker is
gone. `capture_process_main.py` is the code that runs in it.
"""

from typing import Protocol

from snapshotter.jobs.child_process import ChildProcess
from snapshotter.jobs.queue.failure import Failure, Fault
from snapshotter.jobs.workers.capture_process_main import serve
from snapshotter.jobs.workers.job_runner import JobRunnerFactory
from snapshotter.jobs.workers.messages import (
    Began,
    CaptureOrder,
    LogMessage,
    MayStore,
    Order,
    OrderEnded,
    OrderResult,
    Reached,
    StoreUnavailable,
    Visited,
)
from snapshotter.model.job import SealedResult
from snapshotter.translation import tr


class CaptureProcessDied(Exception):
    """The process ended in the middle of its work."""


class WorkerCalls(Protocol):
    """The calls of a capture process to its worker, executed in the worker's waiting thread."""

    def began(self, bundle_id: str, process_id: int) -> bool:
        """Record the id of the bundle; False if the attempt was superseded."""

    def reached(self, stage: str) -> None:
        """Note that a stage of the capture begins."""

    def visited(self) -> None:
        """Note that the page is captured, so that another visit may begin beside the rest."""

    def may_store(self, sealed: SealedResult, limit_s: float) -> bool | None:
        """Return whether it may be stored within so many seconds; None: ask again."""

    def wait(self, why: str) -> bool:
        """Wait for the store; return whether to try again."""

    def said(self, text: str) -> None:
        """Log a message."""


class CaptureProcess:
    """
    The worker's handle of a capture process. For one thread at a time, except `kill`.

    Args:
        opener: Makes the object that executes orders, in the child process; it is pickled.
        silent_s: After so long without a message the process is killed.
        store_s: Time limit for storing a bundle, in addition to the time for its length.
    """

    def __init__(self, opener: JobRunnerFactory, *, silent_s: float, store_s: float) -> None:
        self._child = ChildProcess(serve, (opener, store_s), "snapshotter-slot")
        self._silent_s = silent_s
        self.captures = 0  # captures since the process started
        self.resident = 0  # bytes of resident memory after the last order

    def start(self) -> None:
        """Start the process, if it does not run."""
        if self._child.start():
            self.captures, self.resident = 0, 0

    def do(self, order: Order, calls: WorkerCalls) -> OrderResult:
        """
        Have an order executed, and answer the calls of the process meanwhile.

        Raises:
            CaptureProcessDied: The process ended.
        """
        try:
            self.start()
        except OSError as error:  # the system has no more processes or memory
            why = tr("the capture process cannot be started: {strerror}", strerror=error.strerror)
            return OrderResult(failure=Failure(fault=Fault.SERVICE, error=why))
        child = self._child
        pipe = child.pipe
        try:
            pipe.send(order)
            while True:
                if not pipe.poll(self._silent_s):
                    child.kill_and_wait()
                    raise CaptureProcessDied(
                        tr(
                            "the capture process did not answer for {silent_s:g} s",
                            silent_s=self._silent_s,
                        )
                    )
                message = pipe.recv()
                if isinstance(message, OrderEnded):
                    self.captures += isinstance(order, CaptureOrder)
                    self.resident = message.resident
                    return message.result
                answer = _answer(message, calls, child.pid)
                if answer is not _NO_ANSWER:
                    pipe.send(answer)
        except (EOFError, OSError) as error:
            child.wait()
            raise CaptureProcessDied(
                tr("the capture process ended: {end_of}", end_of=child.describe_end())
            ) from error
        except CaptureProcessDied:
            raise
        except Exception:  # raised again below
            child.kill_and_wait()  # it waits for an answer and would take the next order as one
            raise

    def kill(self) -> None:
        """End the process at once. From any thread."""
        self._child.kill()

    def end(self) -> None:
        """End the idle process."""
        self._child.end()


_NO_ANSWER = object()


def _answer(message: object, calls: WorkerCalls, pid: int) -> object:
    match message:
        case Began():
            return calls.began(message.bundle_id, pid)
        case MayStore():
            return calls.may_store(message.sealed, message.limit_s)
        case StoreUnavailable():
            return calls.wait(message.why)
        case Reached():
            calls.reached(message.stage)
            return _NO_ANSWER
        case Visited():
            calls.visited()
            return _NO_ANSWER
        case LogMessage():
            calls.said(message.text)
            return _NO_ANSWER
    raise TypeError(f"unknown message of a capture process: {message!r}")
