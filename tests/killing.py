"""
Kill a piece of work at every file operation, and see what the next run makes of it.

    python -m tests.killing FOLDER MODULE:NAME...

The name is that of a `Work`. It is prepared once; for each n a child
copies what was prepared, does the work and kills itself (SIGKILL) right before its n-th
change to a file system. Then a second child does the work again, as the next run would,
and whoever looks is told what was there before and what is there now. That ends when a
child gets through. One interpreter does all of it, and forks: a kill costs milliseconds.
"""

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

_CHANGES = frozenset(
    ("os.rename", "os.link", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "os.truncate")
)
_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_MOST = 2000  # changes of one work; more is a work without end


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What is killed. All functions are given a folder; TMPDIR is `tmp` in it."""

    prepare: Callable[[Path], None]  # what it remembers, the other two find again
    do: Callable[[Path], None]  # for the first time, or after a run of it that was killed
    look: Callable[[Path], None]  # after the second run; raises AssertionError
    every: int = 1  # kill at the first change, and then at each so-manieth


def every_kill(work: Work, folder: Path) -> int:
    """Kill the work again and again; return at how many of its changes."""
    _dies_alone()
    prepared = folder / "prepared"
    (prepared / "tmp").mkdir(parents=True)
    work.prepare(prepared)
    gc.freeze()
    gc.disable()  # a child's collection would copy all that it shares with us
    for killed_before, number in enumerate(range(1, _MOST, work.every)):
        copy = folder / f"{number}"
        shutil.copytree(prepared, copy, symlinks=True)
        killed = not _child(partial(_killed_at, work, copy, number), copy)
        _child(partial(_next_run, work, copy, killed), copy)
        shutil.rmtree(copy)
        if not killed:
            return killed_before
    raise AssertionError(f"more than {_MOST} changes")


def litter(folder: Path) -> list[str]:
    """Return what nothing needs that is at rest: temporary, growing, on its way into a store."""
    found = [*folder.glob("tmp/*"), *folder.glob("spool/*"), *folder.rglob("*.growing")]
    found += [it for incoming in folder.rglob(".incoming") for it in incoming.iterdir()]
    return sorted(str(it.relative_to(folder)) for it in found)


def _next_run(work: Work, folder: Path, killed: bool) -> None:
    if killed:
        work.do(folder)
    work.look(folder)
    left = litter(folder)
    assert not left, left


def _dies_alone() -> None:
    """What dies here is a process, and not the machine: nobody waits for the disk."""
    spoilt: Any = os
    spoilt.fsync = lambda _: None


def _killed_at(work: Work, folder: Path, number: int) -> None:
    done = 0

    def change() -> None:
        nonlocal done
        done += 1
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)

    def heard(event: str, arguments: tuple[Any, ...]) -> None:
        if event in _CHANGES or (event == "open" and arguments[2] & _FOR_WRITING):
            change()

    write: Any = os.write

    def written(descriptor: int, data: bytes) -> int:
        change()
        return int(write(descriptor, data))

    spoilt: Any = os  # these two have no audit events
    spoilt.write, spoilt.fsync = written, lambda _: change()
    sys.addaudithook(heard)
    work.do(folder)
    os._exit(0)  # what an interpreter does at its end is no work


def _child(do: Callable[[], None], folder: Path) -> bool:
    """Run it in a child; whether it got through. Raises AssertionError when it says no."""
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
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    assert os.waitstatus_to_exitcode(status) == 0, f"{folder.name}: see above"
    return True


if __name__ == "__main__":
    for given in sys.argv[2:]:
        module, _, name = given.partition(":")
        work = getattr(importlib.import_module(module), name)
        print(name, every_kill(work, Path(sys.argv[1], name)))  # noqa: T201
