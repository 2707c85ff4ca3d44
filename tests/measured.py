"""
Commands, each in a process of its own whose memory is measured.

One interpreter is started for many commands: it imports what they need, and forks for each.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.preloading import import_commands

_MOST = 1 << 30  # bytes
_BROKE = 250  # no exit code of ours
_SECONDS = 60  # after which a command is ended: it waits for something, or never ends


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of one command."""

    code: int | None  # its exit code; None: it was ended, or ended by an exception
    err: str  # what it wrote to standard error: the end of it
    seconds: float
    megabytes: int  # the most memory that it held at once, beyond what its interpreter had


def measured(commands: Sequence[Sequence[str]], folder: Path) -> list[Measured]:
    """Run each command in `folder`, one after another, with the environment of this process."""
    done = subprocess.run(
        [sys.executable, "-c", "from tests.measured import serve; serve()", str(folder)],
        input=json.dumps(commands), capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [Measured(**json.loads(line)) for line in done.stdout.splitlines()]


def serve() -> None:
    """Run the commands that stand on standard input; print a line for each."""
    from snapshotter.cli.main import main

    import_commands()
    commands = json.load(sys.stdin)
    folder = Path(sys.argv[1])
    os.chdir(folder)
    for arguments in commands:
        err = folder / ".stderr"
        begun = time.monotonic()
        child = os.fork()
        if child == 0:
            _as_a_command(partial(main, arguments), err)
        code = _ended(child)
        peak = folder / ".peak"
        megabytes = int(peak.read_text()) if peak.exists() else 0
        peak.unlink(missing_ok=True)
        said = err.read_text(errors="replace")[-2000:]
        seconds = time.monotonic() - begun
        line = {"code": code, "err": said, "megabytes": megabytes, "seconds": seconds}
        sys.stdout.write(f"{json.dumps(line)}\n")
        sys.stdout.flush()


def _as_a_command(run: Callable[[], int], err: Path) -> None:
    """Run a command, write down what it held at most, and end this process with its code."""
    with err.open("wb") as stream:
        os.dup2(stream.fileno(), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    before = _resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    code = _BROKE
    # The machine survives a command that takes all that there is: it ends with a traceback.
    resource.setrlimit(resource.RLIMIT_DATA, (_MOST, _MOST))
    try:
        code = run()
    except BaseException:  # noqa: BLE001  what a person would see as a traceback
        import traceback

        traceback.print_exc()
    finally:
        sys.stderr.flush()
        err.with_name(".peak").write_text(str(_resident("VmHWM") - before))
        os._exit(code)


def _ended(child: int) -> int | None:
    """Return the exit code of a child; None where it was ended, or ended by an exception."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            code = os.waitstatus_to_exitcode(status)
            return code if code != _BROKE else None
        time.sleep(0.002)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return None


def _resident(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) >> 10
    raise RuntimeError(f"/proc/self/status has no {name}")
