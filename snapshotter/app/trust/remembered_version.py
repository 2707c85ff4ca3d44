"""
Remember the newest version of each trust file that this installation has seen or signed.

There is one small file for each root key, `<version> <SHA-256 of trust.json>`. An older trust file
could hide a revocation, so no version below the remembered one is accepted or signed. If the small
file exists and cannot be read, that is an error.
"""

import os
import re
from datetime import datetime
from pathlib import Path

from snapshotter.app import private_files
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.translation import tr
from snapshotter.verify.files import read_trust
from snapshotter.verify.trust import SeenVersion, Trust, TrustDocument, check_pin

_LINE = re.compile(r"([1-9][0-9]{0,9})(?: ([0-9a-f]{64}))?\n?")
_KEY_ID = re.compile(r"[0-9a-f]{64}")
_WAIT_S = 10.0  # for another process that is reading a trust file


def read_and_remember(path: Path, *, pinned_root: str, now: datetime, directory: Path) -> Trust:
    """
    Read a trust file, refuse one that is older than the newest seen version, and remember it.

    Args:
        directory: The folder of remembered versions; it is made if it does not exist.

    Raises:
        SnapshotterError: As `read_trust` does; or the remembered version cannot be read or written.
    """
    check_pin(pinned_root)  # before it becomes a file's name
    memory = directory / pinned_root
    # Of two that read at once, the one with the older file must not write last.
    with private_files.lock_directory(directory, wait_s=_WAIT_S) as ours:
        if not ours:
            raise ServiceUnavailable(
                tr("another process has locked {directory}", directory=directory),
                hint=tr("wait until the other process ends, and give the same command again"),
            )
        seen = _recall(memory)
        found = read_trust(path, pinned_root=pinned_root, now=now, seen=seen)
        if found.seen is not None and found.seen != seen:
            _keep(memory, found.seen)
    return found


def check_next(document: TrustDocument, *, directory: Path) -> None:
    """
    Check that a version may be signed after the versions that were signed or seen here.

    Whoever has seen another file of the same version, or a later version, would refuse it.

    Raises:
        SnapshotterError: It is not later than the last version of its root key.
    """
    seen = _recall(directory / document.root_key_id)
    if seen is None or document.version > seen.version or SeenVersion.of(document) == seen:
        return
    raise SnapshotterError(
        tr(
            "a trust file of this root key with version {version} was signed or read on this "
            "machine before, but this file has version {version2}",
            version=seen.version,
            version2=document.version,
        ),
        hint=tr(
            "edit the newest file, or give this file version {version}. Each new version "
            "needs a higher number",
            version=seen.version + 1,
        ),
    )


def remember(document: TrustDocument, *, directory: Path) -> None:
    """Remember a signed version: no older version of this root key is accepted or signed here."""
    with private_files.lock_directory(directory, wait_s=_WAIT_S):
        _keep(directory / document.root_key_id, SeenVersion.of(document))


def root_key_ids(directory: Path) -> frozenset[str]:
    """
    Return the ids of the root keys of all trust files that were signed or read here.

    Raises:
        SnapshotterError: The folder of remembered versions cannot be read.
    """
    try:
        names = os.listdir(directory)
    except FileNotFoundError:
        return frozenset()
    except OSError as error:
        raise SnapshotterError(
            tr(
                "{directory} cannot be read: {strerror}",
                directory=directory,
                strerror=error.strerror,
            ),
            hint=tr("give this user the right to read this folder, or set data_dir to another one"),
        ) from error
    return frozenset(name for name in names if _KEY_ID.fullmatch(name))


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
        raise _unreadable(memory, tr("the file does not contain a version and a digest"))
    return SeenVersion(version=int(match[1]), sha256=match[2] or "")


def _unreadable(memory: Path, why: str) -> SnapshotterError:
    return SnapshotterError(
        tr(
            "the record of the last seen version of this trust file cannot be read: "
            "{memory}: {why}",
            memory=memory,
            why=why,
        ),
        hint=tr(
            "ask the owner of the trust file for its newest version number. If your trust "
            "file has this version number, delete the record"
        ),
    )
