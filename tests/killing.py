"""
Stop a piece of work at every change to a file system, and see what the next run makes of it.

    python -m tests.killing kill|full FOLDER MODULE:NAME...

The name is that of a `Work`. It is prepared once; for each n a child copies what was
prepared and does the work until right before its n-th change. There it kills itself
(SIGKILL), or from there on the disk is full (ENOSPC). A second child does the work again,
as the next run would, and looks at what is there. That ends when a child gets through.
One interpreter does all of it, and forks: a kill costs milliseconds.

A full disk has to be said in a sentence, and leaves nothing even before the next run.
What is written through a buffer is full at its fsync.
"""

import errno
import gc
import importlib
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from snapshotter.errors import SnapshotterError

_CHANGES = frozenset(
    ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.truncate")
)
_FREEING = frozenset(("os.remove", "os.rmdir"))  # what is possible on a full disk
_MAKING = os.O_EXCL | os.O_TRUNC | os.O_APPEND  # of open(2): a lock file asks for none of them
_STOPPED = 77  # exit code of a child
_MOST = 2000  # changes of one work; more is a work without end


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is killed. All functions are given a folder; TMPDIR is `tmp` in it."""

    prepare: Callable[[Path], None]  # what it remembers, the other two find again
    do: Callable[[Path], None]  # for the first time, or after a run of it that was killed
    look: Callable[[Path], None]  # after the second run; raises AssertionError
    every: int = 1  # stop at the first change, and then at each so-manieth
    raises: type[Exception] = SnapshotterError  # where the disk is full, if it raises at all


def every_fault(work: Work, folder: Path, fault: str) -> int:
    """Stop the work again and again, in one of two ways; return at how many of its changes."""
    _dies_alone()
    prepared = folder / "prepared"
    (prepared / "tmp").mkdir(parents=True)
    work.prepare(prepared)
    gc.freeze()
    gc.disable()  # a child's collection would copy all that it shares with us
    for before, number in enumerate(range(1, _MOST, work.every)):
        copy = folder / f"{number}"
        shutil.copytree(prepared, copy, symlinks=True)
        stopped = not _child(partial(_FAULTS[fault], work, copy, number), copy)
        _child(partial(_next_run, work, copy, stopped), copy)
        shutil.rmtree(copy)
        if not stopped:
            return before
    raise AssertionError(f"more than {_MOST} changes")


def litter(folder: Path) -> list[str]:
    """Return what nothing needs that is at rest: temporary, growing, on its way into a store."""
    found = [*folder.glob("tmp/*"), *folder.glob("spool/*"), *folder.rglob("*.growing")]
    found += [path for incoming in folder.rglob(".incoming") for path in incoming.iterdir()]
    return sorted(str(path.relative_to(folder)) for path in found)


def _next_run(work: Work, folder: Path, stopped: bool) -> None:
    if stopped:
        work.do(folder)
    work.look(folder)
    left = litter(folder)
    assert not left, left


def _dies_alone() -> None:
    """What dies here is a process, and not the machine: nobody waits for the disk."""
    spoilt: Any = os
    spoilt.fsync = lambda _: None


def _killed_at(work: Work, folder: Path, number: int) -> None:
    def die(_: str) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    _from(number, die)
    work.do(folder)
    os._exit(0)  # what an interpreter does at its end is no work


def _full_from(work: Work, folder: Path, number: int) -> None:
    was_full = False

    def refuse(event: str) -> None:
        nonlocal was_full
        if event not in _FREEING:
            was_full = True
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    _from(number, refuse)
    try:
        work.do(folder)
    except work.raises as error:
        if "space" not in str(error):
            raise
    left = litter(folder)
    assert not left, left
    os._exit(_STOPPED if was_full else 0)


_FAULTS = {"kill": _killed_at, "full": _full_from}


def _from(number: int, fault: Callable[[str], None]) -> None:
    """Let something happen before the n-th change of this process, and before all after it."""
    done = 0

    def change(event: str) -> None:
        nonlocal done
        done += 1
        if done >= number:
            fault(event)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and arguments[2] & _MAKING):
            change(event)

    write: Any = os.write

    def written(descriptor: int, data: bytes) -> int:
        change("write")
        return int(write(descriptor, data))

    spoilt: Any = os  # these two have no audit events
    spoilt.write, spoilt.fsync = written, lambda _: change("fsync")
    sys.addaudithook(heard)


def _child(do: Callable[[], None], folder: Path) -> bool:
    """Run it in a child; whether it got through, unstopped. Raises AssertionError if it says no."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            os.environ["TMPDIR"] = str(folder / "tmp")
            do()
            code = 0
        except BaseException:  # noqa: BLE001  a child of a fork must not return from here
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, _STOPPED, -signal.SIGKILL), f"{folder}: see above"
    return code == 0


if __name__ == "__main__":
    for given in sys.argv[3:]:
        module, _, name = given.partition(":")
        work = getattr(importlib.import_module(module), name)
        print(given, every_fault(work, Path(sys.argv[2], name), sys.argv[1]))  # noqa: T201
