"""What the processes of a browser that runs could see, as the kernel tells it from outside."""

import os
from dataclasses import dataclass
from pathlib import Path

from snapshotter.capture import kernel
from snapshotter.capture.browser import Workplace


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
    place = Workplace.at(root)
    browser, driver = map(int, place.note.read_text().split())
    peeked = []
    for pid in (*kernel.Group(browser).members(), driver):
        there = Path("/proc", str(pid))
        names = (there / "environ").read_bytes().split(b"\0")
        peeked.append(
            Peeked(
                type="driver" if pid == driver else kernel.process_type(pid),
                environment=frozenset(it.partition(b"=")[0].decode() for it in names if it),
                files=tuple(os.readlink(it) for it in (there / "fd").iterdir()),
                seen=frozenset(it for it in paths if _exists(there, it)),
            )
        )
    return peeked


def _exists(there: Path, path: str) -> bool:
    try:
        return os.path.lexists(f"{there}/root{path}")
    except OSError:
        return False
