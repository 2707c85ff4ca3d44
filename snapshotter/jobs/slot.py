"""
A slot: a process of its own that captures one page after the other for a worker.

The worker has the database and no key; the slot has the keys and no database, and the
browser is a third process, in its sandbox. A page that ends a slot ends its own attempt
and nobody else's. What a slot wants to know of the database it asks the worker over a
pipe, and a slot whose worker is gone ends at once.

The right to store ends by itself, also for a process that is stopped in the middle and
goes on hours later: an alarm of the kernel is set before the right is asked for, and ends
the process before it runs on.
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
from snapshotter.jobs.failure import Failure, Fault
from snapshotter.model.job import CaptureJob, Made, Sealed
from snapshotter.ports import Lease, Superseded

_STORE_RATE = 128 << 10  # bytes a second, of the slowest store that is waited for
_IDLE_S = 3.0  # without an order, and nothing is kept ready any more
_END_S = 10.0  # for a process to end that was asked to
_ORPHANED = 70  # exit code of a slot whose worker is gone


class Hopeless(SnapshotterError):
    """A further try would mend nothing: what was asked for can not be done."""


class Taken(SnapshotterError):
    """The store holds another file under the id of a bundle: looking again would mend nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A sealed bundle that was found outside of the store."""

    bundle_id: str
    words: str  # where it is


class Workshop(Protocol):
    """
    What is done with jobs: everything that needs a key, a browser or the store.

    Made and used in a slot's process, by one thread.
    """

    def open(self) -> None:
        """
        Get keys and store ready.

        Raises:
            ServiceUnavailable: One of them is not there now.
            SnapshotterError: It can not work as it is set up.
        """

    def rest(self) -> None:
        """Let go of what was made ready: nothing is to be captured soon."""

    def capture(self, job: CaptureJob, lease: Lease, *, more: bool) -> Made:
        """
        Capture the page into a sealed bundle in the store.

        Args:
            more: There is another job that waits; something may be made ready for it.

        Raises:
            PolicyRefused, Hopeless: A further try would mend nothing.
            ServiceUnavailable: Something that is not the page's is not there: try again.
            Superseded: As the lease says.
            SnapshotterError: It did not work this time.
        """

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> Made:
        """
        Seal and store that no capture could be made, without asking for the page.

        Raises as `capture` does.
        """

    def find(self, sealed: Sealed) -> Made | None:
        """
        Return a bundle that is in the store, and in the log; None if the store has it not.

        Raises:
            ServiceUnavailable: Nobody can say.
            Taken: The store holds something else in its place.
            SnapshotterError: This worker is badly set up; another one can say.
        """

    def chores(self) -> tuple[Kept, ...]:
        """
        Do what is owed on this machine: tokens, the log; return what was found unstored.

        Raises:
            SnapshotterError: Something of it could not be done.
        """


class SlotDied(Exception):
    """The process ended in the middle of its work."""


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Get everything ready."""


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """Capture a page."""

    job: CaptureJob
    more: bool  # others wait


@dataclass(frozen=True, slots=True)
class FailureOrder:
    """Record that a page was given up."""

    job: CaptureJob
    why: str


@dataclass(frozen=True, slots=True)
class FindOrder:
    """Look for a bundle in the store."""

    sealed: Sealed


@dataclass(frozen=True, slots=True)
class ChoresOrder:
    """Do what is owed."""


Order = OpenOrder | CaptureOrder | FailureOrder | FindOrder | ChoresOrder
Product = Made | tuple[Kept, ...] | None


class Host(Protocol):
    """The worker, as a slot asks it. Called from the thread that waits for the slot."""

    def began(self, bundle_id: str, process_id: int) -> bool:
        """Note the bundle's id; False: superseded."""

    def may_store(self, sealed: Sealed, limit_s: float) -> bool | None:
        """Whether it may be stored within so many seconds; None: ask again, it took long."""

    def wait(self, why: str) -> bool:
        """Wait for the store; False: not any more."""

    def said(self, text: str) -> None:
        """Hear what has to be told to a person."""


@dataclass(frozen=True, slots=True)
class _Began:
    bundle_id: str


@dataclass(frozen=True, slots=True)
class _MayStore:
    sealed: Sealed
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
    kept: str  # what has to be said of a sealed bundle that is not in the store
    resident: int  # bytes of memory that the process has


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an order ended."""

    product: Product = None
    failure: Failure | None = None
    superseded: bool = False
    kept: str = ""


Opener = Callable[[Callable[[str], None]], Workshop]  # is given what tells a person something


class Slot:
    """
    The worker's end of a slot. For one thread at a time, but for `kill`.

    Args:
        opener: Makes the workshop, in the slot's process; it is pickled.
        silent_s: A slot that says nothing for so long is taken to hang.
        store_s: For a store to take a bundle of no length.
    """

    def __init__(self, opener: Opener, *, silent_s: float, store_s: float) -> None:
        self._opener = opener
        self._store_s = store_s
        self._silent_s = silent_s
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: multiprocessing.connection.Connection | None = None
        self.captures = 0  # since the process began
        self.resident = 0  # bytes, when it last ended an order

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

    def do(self, order: Order, host: Host) -> Outcome:
        """
        Have an order done, and answer what is asked meanwhile.

        Raises:
            SlotDied: The process ended.
        """
        try:
            self.start()
        except OSError as error:  # no page's fault: the system has no more processes, or memory
            why = f"the process that captures can not be started: {error.strerror}"
            return Outcome(failure=Failure(fault=Fault.SERVICE, error=why))
        pipe, process = self._pipe, self._process
        if pipe is None or process is None:
            raise SlotDied("it did not start")
        try:
            pipe.send(order)
            while True:
                if not pipe.poll(self._silent_s):
                    self.kill()
                    process.join(_END_S)  # the next order is for a new one
                    raise SlotDied(f"the process that captured it hung for {self._silent_s:g} s")
                said = pipe.recv()
                if isinstance(said, _Ended):
                    self.captures += isinstance(order, CaptureOrder)
                    self.resident = said.resident
                    return Outcome(said.product, said.failure, said.superseded, said.kept)
                answer = _answer(said, host, process.pid or 0)
                if answer is not _NO_ANSWER:
                    pipe.send(answer)
        except (EOFError, OSError) as error:
            process.join(_END_S)
            raise SlotDied(f"the process that captured it ended: {_end_of(process)}") from error
        except SlotDied:
            raise
        except Exception:  # raised again, whatever it is
            self.kill()  # it waits for an answer, and would take the next order for it
            process.join(_END_S)
            raise

    def kill(self) -> None:
        """End the process at once. From any thread."""
        if self._process is not None and self._process.is_alive():
            self._process.kill()

    def end(self) -> None:
        """End the process, which does nothing."""
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


def _answer(said: object, host: Host, pid: int) -> object:
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


# The slot's own side


def _serve(opener: Opener, pipe: multiprocessing.connection.Connection, store_s: float) -> None:
    """Do orders until the worker is gone."""
    os.setsid()  # Ctrl-C in a terminal is for the worker to take
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not ignored: the browser would inherit that. When it is time, the worker ends us.
        signal.signal(number, _take_no_notice)
    threading.Thread(target=_end_with_worker, name="worker-watch", daemon=True).start()
    workshop: Workshop | None = None
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
        except Exception as error:  # noqa: BLE001 - told to the worker, which knows what to do
            ended = _failed(error, lease)
        finally:
            lease.disarm()
        pipe.send(ended)


def _take_no_notice(_number: int, _frame: object) -> None:
    return


def _end_with_worker() -> None:
    """A slot without its worker must do nothing any more: others may have the job soon."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(_ORPHANED)


def _done(workshop: Workshop, order: Order, lease: "_PipeLease") -> _Ended:
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
    if isinstance(error, Superseded):
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
    if isinstance(error, Taken):
        return Fault.TAKEN
    if isinstance(error, PolicyRefused | Hopeless):
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
        self.asked = False  # there is a sealed bundle

    def began(self, bundle_id: str) -> None:
        """See `Lease.began`."""
        if not self._ask(_Began(bundle_id)):
            raise Superseded("the job is not wanted any more")

    def may_store(self, sealed: Sealed) -> None:
        """See `Lease.may_store`."""
        self.asked = True
        limit_s = self._store_s + sealed.length / _STORE_RATE
        allowed = None
        while allowed is None:
            # Before it is asked for: the right ends later than the alarm comes.
            signal.setitimer(signal.ITIMER_REAL, limit_s)
            allowed = self._ask(_MayStore(sealed, limit_s))
        if not allowed:
            self.disarm()
            raise Superseded("the job was given to another worker, or cancelled: nothing is stored")

    def wait(self, error: ServiceUnavailable) -> None:
        """See `Lease.wait`."""
        self.disarm()
        if not self._ask(_Waits(error.message)):
            raise error

    def stored(self) -> None:
        """See `Lease.stored`."""
        self.disarm()

    def disarm(self) -> None:
        """Nothing is being stored."""
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ask(self, question: object) -> bool | None:
        self._pipe.send(question)
        answer: bool | None = self._pipe.recv()
        return answer
