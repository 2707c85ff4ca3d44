"""
Start the browser's driver first, and then the browser of the first capture, while a command loads
its other modules and reads settings, keys and policies.

Half of the time of a short capture was the loading of modules, and then the start of driver and
browser, one after the other. Nothing here reports an error: the capture meets it again, and
reports it.
"""

import contextlib
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from snapshotter.app.settings import Settings
from snapshotter.app.spool import spool_directory
from snapshotter.app.wiring.driver_cache import keep_compiled_driver
from snapshotter.errors import SnapshotterError
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.capture.browser.early_driver import EarlyDriver

_USUAL = "shell"  # the browser of nearly all policies


@dataclass(slots=True)
class EarlyStart:
    """A spool directory with a driver that is starting, or nothing."""

    stack: contextlib.ExitStack  # ends the driver and removes the directory
    spool: Path | None = None
    driver: "EarlyDriver | None" = None

    def take(self) -> "tuple[Path, contextlib.ExitStack] | None":
        """Hand over the directory to the caller that captures into it; None without a driver."""
        if self.spool is None:
            return None
        spool, self.spool = self.spool, None
        return spool, self.stack.pop_all()


@contextlib.contextmanager
def early_start(settings: Settings, browser: str) -> Iterator[EarlyStart]:
    """
    Start a driver for the first capture of a command; end it at the end, unless it was taken.

    Args:
        browser: As the command names it; "" for the browser of the policy. A policy that uses
            another one gets a driver of its own.
    """
    from snapshotter.capture.browser.binary import choose_browser
    from snapshotter.capture.browser.early_driver import start_early_driver

    with contextlib.ExitStack() as stack:
        early = EarlyStart(stack)
        try:
            binary, _ = choose_browser(browser or _USUAL, settings.browser_path)
            keep_compiled_driver(settings.data_dir / "driver")
            name = f"ahead-{secrets.token_hex(10)}"
            spool = stack.enter_context(spool_directory(settings.spool_dir, name))
            early.driver = start_early_driver(spool, binary)
            stack.callback(early.driver.end)
            early.spool = spool
        except (SnapshotterError, OSError, ValueError, ModuleNotFoundError):
            stack.close()
        yield early
