"""
Start Playwright's driver before Playwright is loaded, and before the page and its policy are known.

The driver is a whole Node.js runtime and takes 0.3 s to start, on a processor of its own. A command
that captures starts it first, and loads its own modules meanwhile. A later `PrewarmedBrowser` takes
it over. It has the same file view and environment as every other driver (`driver_script.py`).
"""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from snapshotter.capture.browser.binary import BrowserBinary
from snapshotter.capture.browser.driver_script import driver_command, driver_version, prepare_driver
from snapshotter.capture.browser.workspace import BrowserWorkspace
from snapshotter.value_class import dataclass

_END_S = 1.0  # for a driver whose input has ended


@dataclass(slots=True, eq=False)
class EarlyDriver:
    """A driver that runs or is starting, and the workspace of its browser."""

    spool: Path  # the directory of the capture that it is for
    binary: BrowserBinary  # its file view contains this browser only
    workspace: BrowserWorkspace
    process: "subprocess.Popen[bytes]"  # both streams are pipes

    is_taken: bool = False  # Playwright has its streams, and closes them

    def end_process(self) -> None:
        """End the driver, if it still runs. Safe to call twice."""
        if not self.is_taken:
            for stream in (self.process.stdin, self.process.stdout):
                if stream is not None:
                    stream.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(_END_S)  # it ends at the end of its input
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """End the driver, and remove its workspace. Safe to call twice."""
        self.end_process()
        self.workspace.remove()


def start_early_driver(spool: Path, binary: BrowserBinary) -> EarlyDriver:
    """
    Start a driver for a capture into this spool directory, and return at once.

    Raises:
        ServiceUnavailable: Nothing may be started from the spool.
        OSError: The process or its directories could not be made.
    """
    workspace = BrowserWorkspace.create(spool)
    try:
        # What Playwright tells its driver; the script passes nothing else on.
        about = {
            "PW_LANG_NAME": "python",
            "PW_LANG_NAME_VERSION": f"{sys.version_info.major}.{sys.version_info.minor}",
            "PW_CLI_DISPLAY_VERSION": driver_version(),
        }
        script = prepare_driver(workspace, binary)
        process = subprocess.Popen(  # noqa: S603 - the script that every driver is started by
            [str(script), *driver_command()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env={**os.environ, **about},  # noqa: TID251  as Playwright does
        )
    except BaseException:  # also Ctrl-C: no directory may stay
        workspace.remove()
        raise
    return EarlyDriver(spool, binary, workspace, process)
