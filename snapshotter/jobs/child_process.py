"""
Start, kill and end a child process of a worker, which takes orders over a pipe.

The child is a new interpreter ("spawn"), because the worker has threads and connections. It ends at
once if the worker is gone, because others may take over its work soon.
"""

import multiprocessing
import multiprocessing.connection
import os
import signal
import threading
from collections.abc import Callable
from typing import Any, Final

from snapshotter.import_path import protect_children
from snapshotter.translation import tr

_END_S: Final = 10.0  # for a process to end by itself
_ORPHANED: Final = 70  # exit code of a child whose worker is gone


class ChildProcess:
    """
    The worker's handle of a child process. For one thread at a time, except `kill`.

    Args:
        target: The function that runs in the child; its arguments are the end of the pipe, then
            `arguments`. All are pickled.
    """

    def __init__(self, target: Callable[..., None], arguments: tuple[Any, ...], name: str) -> None:
        self._target, self._arguments, self._name = target, arguments, name
        self._process: multiprocessing.process.BaseProcess | None = None
        self._pipe: multiprocessing.connection.Connection | None = None

    @property
    def pid(self) -> int:
        """The id of the process; 0 if none was started."""
        return (self._process.pid or 0) if self._process is not None else 0

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.is_alive()

    def start(self) -> bool:
        """
        Start the process, if it does not run; return whether a new one was started.

        Raises:
            OSError: The system has no more processes or memory.
        """
        if self.is_alive:
            return False
        self.end()
        protect_children()
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        self._process = context.Process(
            target=self._target, args=(theirs, *self._arguments), name=self._name
        )
        self._process.start()
        theirs.close()
        self._pipe = ours
        return True

    @property
    def pipe(self) -> multiprocessing.connection.Connection:
        """The worker's end of the pipe. The process must have been started."""
        if self._pipe is None:
            raise AssertionError("the process was not started")
        return self._pipe

    def kill(self) -> None:
        """End the process at once. From any thread."""
        if self._process is not None and self._process.is_alive():
            self._process.kill()

    def kill_and_wait(self) -> None:
        """End the process at once, and wait for its end: the next order goes to a new process."""
        self.kill()
        self.wait()

    def wait(self) -> None:
        """Wait a few seconds for the end of the process."""
        if self._process is not None:
            self._process.join(_END_S)

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

    def describe_end(self) -> str:
        """Return how the process ended, as a part of a sentence."""
        code = self._process.exitcode if self._process is not None else None
        if code is None:
            return tr("the process does not answer")
        if code >= 0:
            return f"exit code {code}"
        name = signal.Signals(-code).name
        return (
            tr("the signal {name}, which the system also sends if no memory is free", name=name)
            if name == "SIGKILL"
            else f"the signal {name}"
        )


def attach_to_worker() -> None:
    """In the child: leave signals to the worker, and end when the worker is gone."""
    os.setsid()  # Ctrl-C in a terminal must reach the worker only
    for number in (signal.SIGTERM, signal.SIGINT):
        # Not SIG_IGN: the browser would inherit that. The worker ends this process.
        signal.signal(number, _take_no_notice)
    threading.Thread(target=_end_with_worker, name="worker-watch", daemon=True).start()


def _take_no_notice(_number: int, _frame: object) -> None:
    return


def _end_with_worker() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(_ORPHANED)
