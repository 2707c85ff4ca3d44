"""
The newest version of each trust file that this installation was shown.

One small file for each root key, `<version> <SHA-256 of trust.json>`. Whoever can
show an auditor an older trust file hides a revocation; so what was seen once is the
least that is accepted from then on. A memory that can not be read is an error, and
never an empty memory.
"""

import re
from datetime import datetime
from pathlib import Path

from snapshotter.app import pending
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.verify.files import read_trust
from snapshotter.verify.trust import Seen, Trust, check_pin

_LINE = re.compile(r"([1-9][0-9]{0,9})(?: ([0-9a-f]{64}))?\n?")
_WAIT_S = 10.0  # for another process that is reading a trust file


def read(path: Path, *, pinned_root: str, now: datetime, directory: Path) -> Trust:
    """
    Read a trust file, refuse one that is older than what was seen, and remember it.

    Args:
        directory: Of the memory; made when it is not there.

    Raises:
        SnapshotterError: As `read_trust` does; or the memory can not be read or written.
    """
    check_pin(pinned_root)  # before it becomes a file's name
    memory = directory / pinned_root
    # Of two that read at once, the one with the older file must not write last.
    with pending.locked(directory, wait_s=_WAIT_S) as ours:
        if not ours:
            raise ServiceUnavailable(
                f"another process holds {directory}", hint="try again when it has ended"
            )
        seen = _recall(memory)
        found = read_trust(path, pinned_root=pinned_root, now=now, seen=seen)
        if found.seen is not None and found.seen != seen:
            line = f"{found.seen.version} {found.seen.sha256}\n"
            pending.write_private(memory, line.encode("ascii"))
    return found


def _recall(memory: Path) -> Seen | None:
    try:
        text = memory.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(memory, str(error)) from error
    match = _LINE.fullmatch(text)
    if match is None:
        raise _unreadable(memory, "it is not a version and a digest")
    return Seen(version=int(match[1]), sha256=match[2] or "")


def _unreadable(memory: Path, why: str) -> SnapshotterError:
    return SnapshotterError(
        f"what was seen of this trust file before can not be read: {memory}: {why}",
        hint="compare the version with its owner, then delete that file",
    )
