"""
Distribute tasks over several processes, each of which has its own connection to the store.

Verification is computation, and threads of one process would wait for each other. Processes are
started afresh (`spawn`): connections to a bucket do not survive a fork. They end when their pipe
closes, so that none outlives an audit that was killed. They ignore Ctrl-C: the audit handles
it, saves the finished work, and ends them.
"""

# `typing.override` begins with Python 3.12, and the verifier needs nothing that has it.
# mypy: disable-error-code="explicit-override"

import io
import multiprocessing
import pickle
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

from snapshotter.errors import SnapshotterError
from snapshotter.import_path import protect_children
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_BATCH = 8  # tasks that one process is given at once
_AHEAD = 2  # batches that it has: it need not wait for the next
_END_S = 5.0  # seconds for a process to end by itself

T = TypeVar("T")
R = TypeVar("R")

_SPAWN = multiprocessing.get_context("spawn")


class PoolProcessDied(SnapshotterError):
    """A process ended during a task: killed, or out of memory."""


@dataclass(slots=True, eq=False)
class _Worker(Generic[T]):
    process: SpawnProcess
    pipe: Connection
    given: deque[list[T]] = field(default_factory=deque)  # batches without an answer


class ProcessPool(Generic[T, R]):
    """
    Processes that answer tasks, in the order of completion.

    Args:
        prepare: Called once in each process with `what`; returns a function that answers a
            task. A function of a module, or a `partial` of one, because it is pickled.
        count: The number of processes; with 1 the work is done in this process.
    """

    def __init__(
        self, prepare: Callable[[Any], Callable[[T], R]], what: object, *, count: int
    ) -> None:
        self._prepare = prepare
        self._what = what
        self._count = count
        self._workers: list[_Worker[T]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        workers, self._workers = self._workers, []
        for worker in workers:
            worker.pipe.close()
        for worker in workers:
            worker.process.join(0 if kind is not None else _END_S)
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join(_END_S)
            worker.process.close()

    def answers(self, tasks: Iterable[T]) -> Iterator[tuple[T, R | PoolProcessDied]]:
        """
        Yield each task with its answer; tasks are taken only as they are needed.

        Errors of `prepare` or of a task are raised here.
        """
        if self._count == 1:
            answer = self._prepare(self._what)
            for task in tasks:
                yield task, answer(task)
            return
        batches = _batches(tasks)
        again: deque[list[T]] = deque()  # single tasks, of batches that a process died in
        while True:
            self._give(batches, again)
            if not any(worker.given for worker in self._workers):
                return
            for worker in self._answering():
                try:
                    answers = worker.pipe.recv()
                except (EOFError, ConnectionError):
                    yield from self._handle_dead(worker, again)
                    continue
                batch = worker.given.popleft()
                if isinstance(answers, BaseException):
                    raise answers
                yield from zip(batch, answers, strict=True)

    def _give(self, batches: Iterator[list[T]], again: deque[list[T]]) -> None:
        """Give work to each process, and start another one while there is work for it."""
        for ahead in range(1, _AHEAD + 1):
            for number in range(self._count):
                if number < len(self._workers) and len(self._workers[number].given) >= ahead:
                    continue
                batch = again.popleft() if again else next(batches, None)
                if batch is None:
                    return
                if number == len(self._workers):
                    self._workers.append(self._start())
                worker = self._workers[number]
                worker.given.append(batch)
                with suppress(ConnectionError):  # it died: reading from it will tell
                    worker.pipe.send(batch)

    def _answering(self) -> list[_Worker[T]]:
        waiting = {worker.pipe: worker for worker in self._workers if worker.given}
        return [waiting[pipe] for pipe in wait(list(waiting)) if isinstance(pipe, Connection)]

    def _handle_dead(
        self, worker: _Worker[T], again: deque[list[T]]
    ) -> Iterator[tuple[T, PoolProcessDied]]:
        """Take back the work of a dead process; a task that killed it alone gets an answer."""
        self._workers.remove(worker)
        worker.pipe.close()
        worker.process.join(_END_S)
        code = worker.process.exitcode
        worker.process.close()
        first, *rest = worker.given
        if len(first) == 1:
            yield (
                first[0],
                PoolProcessDied(
                    tr(
                        "the process that read the bundle ended before it delivered a result "
                        "(exit code {code})",
                        code=code,
                    )
                ),
            )
        else:
            again.extend([task] for task in first)
        again.extend(rest)

    def _start(self) -> _Worker[T]:
        ours, theirs = _SPAWN.Pipe()
        process = _SPAWN.Process(
            target=_work, args=(theirs, self._prepare, dumps(self._what)), daemon=True
        )
        protect_children()
        # Until it can say so itself, a new process must not see Ctrl-C: it would print
        # a traceback from the middle of its imports.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        return _Worker(process=process, pipe=ours)


def dumps(value: object) -> bytes:
    """Pickle `value`, with the keys and certificates in it, for another process of ours."""
    out = io.BytesIO()
    _Pickler(out).dump(value)
    return out.getvalue()


class _Pickler(pickle.Pickler):
    """Pickle public keys and certificates, which have no pickling of their own."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, ec.EllipticCurvePublicKey):
            der = value.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
            return _public_key, (der,)
        if isinstance(value, x509.Certificate):
            return _certificate, (value.public_bytes(Encoding.DER),)
        return NotImplemented


def _public_key(der: bytes) -> Any:
    # Functions of our own: those of the library cannot be found again by their names.
    return load_der_public_key(der)


def _certificate(der: bytes) -> x509.Certificate:
    return x509.load_der_x509_certificate(der)


def _work(pipe: Connection, prepare: Callable[[Any], Callable[[Any], Any]], what: bytes) -> None:
    """Answer batches until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    answer: Callable[[Any], Any] | None = None
    while True:
        try:
            batch = pipe.recv()
        except (EOFError, ConnectionError):
            return
        try:
            if answer is None:
                answer = prepare(pickle.loads(what))  # noqa: S301  written by our own parent
            reply: Any = [answer(task) for task in batch]
        except Exception as error:  # noqa: BLE001  raised again in the process that asked
            reply = _sendable(error)
        try:
            pipe.send(reply)
        except ConnectionError:
            return  # nobody waits any more


def _sendable(error: Exception) -> Exception:
    """Return the error, or its text if it cannot be pickled."""
    if isinstance(error, SnapshotterError):
        return error
    return RuntimeError(f"{type(error).__name__}: {error}")


def _batches(tasks: Iterable[T]) -> Iterator[list[T]]:
    batch: list[T] = []
    for task in tasks:
        batch.append(task)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
