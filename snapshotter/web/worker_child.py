"""
Run a worker as long as the console runs.

The worker is a process of its own: it may open keys and start browsers, and the process that serves
pages may not. It holds the end of a pipe whose other end only the server has. The kernel closes the
pipe when the server ends, however it ends. The worker then completes its running captures and ends.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from snapshotter.errors import SnapshotterError
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_FIRST_PAUSE_S: Final = 1.0  # before a worker that ended is started again; doubled each time
_LOOK_S: Final = 5.0  # between two looks whether another worker of the queue runs
_LONGEST_PAUSE_S: Final = 60.0  # and a worker that ran for longer has not failed to start
_MOST_WORDS: Final = 2_000  # characters of an error and of its hint: they fit into a pipe
_PATIENCE_S: Final = 2.0  # until a person is told what the server waits for
_KILL_S: Final = 10.0  # for a worker that was told to stop at once

_WORKER: Final = """
import json, os, signal, sys, threading
server, words = int(sys.argv.pop(1)), int(sys.argv.pop(1))
os.set_inheritable(words, False)
def watch():
    os.read(server, 1)
    os.kill(os.getpid(), signal.SIGTERM)
def note(error):
    found = [text[:{most}] for text in (error.message, error.hint)]
    try:
        os.write(words, json.dumps(found).encode())
    except BrokenPipeError:
        pass  # the server has ended, and nobody reads the words
threading.Thread(target=watch, daemon=True).start()
from snapshotter.cli.main import entry
entry(note_error=note)
""".replace("{most}", str(_MOST_WORDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerProblem:
    """Why a worker ended although it was not told to."""

    message: str  # a sentence as errors have it: lower case, no full stop
    hint: str = ""  # what to do, as an error has it


class WorkerStatus:
    """What the server knows about the end of its worker. Safe to use from several threads."""

    problem: WorkerProblem | None = None  # of the last worker that ended


@contextlib.contextmanager
def worker_child(
    options: Sequence[str],
    status: WorkerStatus,
    *,
    has_worker: Callable[[], bool],
    show_message: ShowMessage,
) -> Iterator[None]:
    """
    Run `snapshotter worker` while no other worker of the queue runs, start it again if it ends,
    and stop it at the end.

    Args:
        options: Of the command.
        status: Gets why the worker ended.
        has_worker: Whether a worker of the queue runs; may raise SnapshotterError.
        show_message: Shows that the worker ended, and what the end waits for.
    """
    child = _WorkerChild(options, status, has_worker, show_message)
    thread = threading.Thread(target=child.keep_running, name="worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        child.stop()
        thread.join(_KILL_S)


class _WorkerChild:
    def __init__(
        self,
        options: Sequence[str],
        status: WorkerStatus,
        has_worker: Callable[[], bool],
        show_message: ShowMessage,
    ) -> None:
        self._options = options
        self._status = status
        self._has_worker = has_worker
        self._show_message = show_message
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._process: subprocess.Popen[bytes] | None = None

    def keep_running(self) -> None:
        """Start the worker, and start it again after a pause that grows."""
        pause_s = _FIRST_PAUSE_S
        while True:
            self._await_turn()
            with self._lock:
                if self._stopping.is_set():
                    return
                read_end, write_end = os.pipe()
                words_read, words_write = os.pipe()
                self._process = process = self._start(read_end, words_write)
                os.close(read_end)
                os.close(words_write)
            began = time.monotonic()
            code = process.wait()
            os.close(write_end)
            self._status.problem = _problem(words_read, code)
            if self._stopping.is_set():
                return
            if time.monotonic() - began > _LONGEST_PAUSE_S:
                pause_s = _FIRST_PAUSE_S
            self._show_message(
                tr(
                    "the worker ended with the exit code {code} and is started again in "
                    "{pause_s:g} s",
                    code=code,
                    pause_s=pause_s,
                )
            )
            if self._stopping.wait(pause_s):
                return
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _await_turn(self) -> None:
        """Wait until no other worker of the queue runs, or the server ends."""
        is_told = False
        while self._is_other_running():
            if not is_told:
                self._show_message(
                    tr("a worker of this queue runs already, so no worker is started")
                )
                is_told = True
            if self._stopping.wait(_LOOK_S):
                return
        if is_told:
            self._show_message(tr("the other worker has ended, so a worker is started"))

    def _is_other_running(self) -> bool:
        try:
            return self._has_worker()
        except SnapshotterError:  # the worker reports it, or waits for the database
            return False

    def stop(self) -> None:
        """Let the worker complete its captures; after Ctrl-C, stop it at once."""
        with self._lock:
            self._stopping.set()
            process = self._process
        if process is None:
            return
        try:
            self._await_end(process)
        except KeyboardInterrupt:
            _signal(process, signal.SIGTERM)  # the second one: unfinished jobs go back
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_KILL_S)
        finally:
            if process.poll() is None:
                process.kill()

    def _await_end(self, process: "subprocess.Popen[bytes]") -> None:
        _signal(process, signal.SIGTERM)
        try:
            process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._show_message(
                tr(
                    "the worker completes its running captures. Ctrl-C stops the worker "
                    "immediately, and the unfinished jobs go back to the queue"
                )
            )
            process.wait()

    def _start(self, read_end: int, words: int) -> "subprocess.Popen[bytes]":
        numbers = (str(read_end), str(words))
        return subprocess.Popen(  # noqa: S603  our own program
            [sys.executable, "-P", "-c", _WORKER, *numbers, "worker", *self._options],
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr.fileno(),  # stdout of the server has only links
            pass_fds=(read_end, words),
            start_new_session=True,  # Ctrl-C reaches the server, which then tells the worker
        )


def _problem(words: int, code: int) -> WorkerProblem:
    """Return why a worker ended, from the words that it left in a pipe, which is closed."""
    try:
        os.set_blocking(words, False)  # a process that the worker left may hold the other end
        message, hint = json.loads(os.read(words, 1 << 16))
        return WorkerProblem(message=str(message), hint=str(hint))
    except (BlockingIOError, ValueError):  # it was killed, or ended by a mistake of ours
        return WorkerProblem(
            message=tr(
                "its exit code is {code}, and the terminal of the console shows what it wrote",
                code=code,
            )
        )
    finally:
        os.close(words)


def _signal(process: "subprocess.Popen[bytes]", number: int) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended at this moment
        process.send_signal(number)
