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

from snapshotter.app import private_files
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.verify.files import read_trust
from snapshotter.verify.trust import SeenVersion, Trust, TrustDocument, check_pin

_LINE = re.compile(r"([1-9][0-9]{0,9})(?: ([0-9a-f]{64}))?\n?")
_WAIT_S = 10.0  # for another process that is reading a trust file


def read_and_remember(path: Path, *, pinned_root: str, now: datetime, directory: Path) -> Trust:
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
    with private_files.lock_directory(directory, wait_s=_WAIT_S) as ours:
        if not ours:
            raise ServiceUnavailable(
                f"another process holds {directory}", hint="try again when it has ended"
            )
        seen = _recall(memory)
        found = read_trust(path, pinned_root=pinned_root, now=now, seen=seen)
        if found.seen is not None and found.seen != seen:
            _keep(memory, found.seen)
    return found


def check_next(document: TrustDocument, *, directory: Path) -> None:
    """
    See that a version may be signed after those that were signed or seen here.

    A second file of one version, or one that goes back, is refused by whoever saw the other:
    its owner would look like somebody who tells two people different things.

    Raises:
        SnapshotterError: It is not later than the last one of its root key.
    """
    seen = _recall(directory / document.root_key_id)
    if seen is None or document.version > seen.version or SeenVersion.of(document) == seen:
        return
    raise SnapshotterError(
        f"version {seen.version} by this root key was signed or seen here before, and this is "
        f"version {document.version}",
        hint=f"edit the newest file, or make this one version {seen.version + 1}: versions of one "
        "root key only go up",
    )


def remember(document: TrustDocument, *, directory: Path) -> None:
    """Keep what was signed: nothing older of this root key is accepted or signed here."""
    with private_files.lock_directory(directory, wait_s=_WAIT_S):
        _keep(directory / document.root_key_id, SeenVersion.of(document))


def _keep(memory: Path, seen: SeenVersion) -> None:
    private_files.write_private(memory, f"{seen.version} {seen.sha256}\n".encode("ascii"))


def _recall(memory: Path) -> SeenVersion | None:
    try:
        text = memory.read_text(encoding="ascii")
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise _unreadable(memory, str(error)) from error
    match = _LINE.fullmatch(text)
    if match is None:
        raise _unreadable(memory, "it is not a version and a digest")
    return SeenVersion(version=int(match[1]), sha256=match[2] or "")


def _unreadable(memory: Path, why: str) -> SnapshotterError:
    return SnapshotterError(
        f"what was seen of this trust file before can not be read: {memory}: {why}",
        hint="compare the version with its owner, then delete that file",
    )
