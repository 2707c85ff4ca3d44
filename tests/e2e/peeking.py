"""What the processes of a browser that runs could see, as the kernel tells it from outside."""

import os
from dataclasses import dataclass
from pathlib import Path

from snapshotter.capture.browser import os_processes
from snapshotter.capture.browser.workspace import BrowserWorkspace


@dataclass(frozen=True, slots=True)
class Peeked:
    """One process, looked at while the page was captured."""

    type: str  # as in `ProcessFacts`
    environment: frozenset[str]  # names
    files: tuple[str, ...]  # that it has open
    seen: frozenset[str]  # of the paths that were asked for, those that exist for it


def peek(spool: Path, paths: tuple[str, ...]) -> list[Peeked]:
    """
    Look at the browser that captures into a spool, and at its driver.

    Args:
        paths: Absolute ones, that the browser should not see.
    """
    (root,) = spool.parent.glob(f".{spool.name}-browser-*")
    place = BrowserWorkspace.at(root)
    browser, driver = map(int, place.note.read_text().split())
    peeked = []
    for pid in (*os_processes.ProcessGroup(browser).members(), driver):
        there = Path("/proc", str(pid))
        names = (there / "environ").read_bytes().split(b"\0")
        peeked.append(
            Peeked(
                type="driver" if pid == driver else os_processes.process_type(pid),
                environment=frozenset(
                    entry.partition(b"=")[0].decode() for entry in names if entry
                ),
                files=tuple(os.readlink(path) for path in (there / "fd").iterdir()),
                seen=frozenset(path for path in paths if _exists(there, path)),
            )
        )
    return peeked


def _exists(there: Path, path: str) -> bool:
    try:
        return os.path.lexists(f"{there}/root{path}")
    except OSError:
        return False
