"""
Run a command, and let nothing that it started outlive it.

    python scripts/without_leftovers.py make test

Linux only: this process becomes the "subreaper" of all that comes from it
(prctl(2), PR_SET_CHILD_SUBREAPER), so that a browser or a server whose parent
is gone becomes our child and cannot get lost, whatever session or process
group it made for itself. What is left a moment after the command has ended is
named, ended by its process id, and counts as a failure.

Exits with the command's code, or with 70 where that was 0 and something was left.
"""

import argparse
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
_GRACE_S = 5.0  # a browser that was told to go may need a moment
_TERM_S = 3.0  # from SIGTERM to SIGKILL
_LEFTOVERS = 70  # EX_SOFTWARE of sysexits.h


def main(command: list[str]) -> int:
    """Run `command` and return the exit code described above."""
    if sys.platform != "linux":
        return subprocess.run(command, check=False).returncode
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")

    process = subprocess.Popen(command, start_new_session=True)
    # CI that loses patience must not leave the tests running either.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.terminate()
        _end(_descendants())
        return 130
    code = code if code >= 0 else 128 - code

    left = _left_after(_GRACE_S)
    if left:
        print(f"left running by {command[0]}:", file=sys.stderr)
        for pid, words in sorted(left.items()):
            print(f"  {pid}  {words}", file=sys.stderr)
        _end(left)
        return code or _LEFTOVERS
    return code


def _interrupt(_signal: int, _frame: object) -> None:
    raise KeyboardInterrupt


def _left_after(seconds: float) -> dict[int, str]:
    deadline = time.monotonic() + seconds
    while (left := _descendants()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return left


def _end(processes: dict[int, str]) -> None:
    """End them by id, politely and then not; new children of theirs go the same way."""
    for pid in processes:
        _send(pid, signal.SIGTERM)
    if _left_after(_TERM_S):
        for pid in _descendants():
            _send(pid, signal.SIGKILL)
        _left_after(_TERM_S)
    _reap()


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return  # it went by itself


def _descendants() -> dict[int, str]:
    """Return every living process below this one, with its command line."""
    _reap()
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            stat = (entry / "stat").read_text(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended while we looked
        # proc(5): the name is in parentheses and may hold anything, so read from its end.
        state, parent = stat.rpartition(")")[2].split()[:2]
        if state != "Z":
            parents[int(entry.name)] = int(parent)
    found: dict[int, str] = {}
    above = {os.getpid()}
    while above:
        above = {pid for pid, parent in parents.items() if parent in above} - found.keys()
        found.update((pid, _command_line(pid)) for pid in above)
    return found


def _reap() -> None:
    """Bury the orphans that ended as our children."""
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return


def _command_line(pid: int) -> str:
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return "(ended)"
    return raw.replace(b"\0", b" ").decode(errors="replace").strip()[:200]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", metavar="COMMAND", help="command to run")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, metavar="ARGUMENT")
    options = parser.parse_args()
    sys.exit(main([options.command, *options.arguments]))
