"""Open a file in the person's browser, where there is a desktop that can show it."""

import os
import sys
import webbrowser
from pathlib import Path

from snapshotter.cli.output import on_terminal


def has_desktop() -> bool:
    """Return whether a person sits at a desktop that can show a file."""
    if not (sys.stdout.isatty() and on_terminal()):
        return False
    # What the session can show is not a setting of ours.
    names = ("DISPLAY", "WAYLAND_DISPLAY")
    return sys.platform == "darwin" or any(map(os.environ.get, names))  # noqa: TID251  see above


def open_file(file: Path) -> bool:
    """Open a file in the browser; return whether a browser took it."""
    return webbrowser.open(file.absolute().as_uri())
