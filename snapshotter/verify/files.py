"""
Open the files that a verifier reads from disk, find files beside a bundle, and read trust files.

Only regular files are read, and opening one never waits.
"""

import contextlib
import errno
import fnmatch
import hashlib
import os
import re
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable, SnapshotterError
from snapshotter.regular_file import NotRegularFile, open_regular
from snapshotter.translation import tr
from snapshotter.verify.trust import SeenVersion, Trust, load_trust

MAX_SIDECAR_BYTES = 1 << 16
LATE_TOKEN = re.compile(r".+\.late-0([1-9])\.tsr", re.DOTALL)  # the name of a file

# Limits of `file_with_digest`.
MAX_LOOKED_AT = 10_000
MAX_LOOKED_AT_BYTES = 256 << 20

_MAX_TRUST_BYTES = 4 << 20


class NotAFile(SnapshotterError):
    """The path is a directory, a pipe, a device or the like, from which nothing is read."""


def open_file(path: Path) -> BinaryIO:
    """
    Open a regular file for reading. Never waits, as opening a named pipe would.

    Raises:
        FileNotFoundError: The path does not exist.
        NotAFile: The path is not a regular file.
        SnapshotterError: The file cannot be opened.
    """
    try:
        return os.fdopen(open_regular(path), "rb")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path)) from error
    except NotRegularFile as error:
        raise NotAFile(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)
        ) from error
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)
        ) from error
    except ValueError as error:  # a NUL in the name
        raise SnapshotterError(
            tr("{path} cannot be read: {error}", path=path, error=error)
        ) from error


def open_named_or_none(name: str) -> BinaryIO | None:
    """
    Open the file of that name; None if it does not exist, so that the name may be an id.

    A folder does not count: `export --unpack` makes folders that are named like ids.

    Raises:
        SnapshotterError: It is not a regular file, or cannot be opened.
    """
    path = Path(name)
    try:
        return open_file(path)
    except FileNotFoundError:
        return None
    except NotAFile:
        if path.is_dir():
            return None
        raise


def late_token_files(bundle: Path) -> tuple[Path, ...]:
    """
    Return the files in the folder of a bundle that are named as its late tokens, by name.

    Raises:
        OSError: The folder cannot be read.
    """
    beginning = f"{bundle.name}.late-"
    with os.scandir(bundle.parent) as entries:  # there may be a million
        found = [name for entry in entries if (name := entry.name).startswith(beginning)]
    return tuple(bundle.with_name(name) for name in sorted(found) if name.endswith(".tsr"))


def file_with_digest(folder: Path, pattern: str, sha256: str, *, limit: int) -> bytes | None:
    """
    Return the content of the file in a folder that has this SHA-256 (hex), or None.

    What is not a regular file, cannot be read, or is longer than `limit` bytes is skipped
    unread. At most `MAX_LOOKED_AT` files with `MAX_LOOKED_AT_BYTES` together are read.

    Args:
        pattern: A shell pattern for the names of the files that are read.

    Raises:
        OSError: The folder cannot be read.
    """
    left, room = MAX_LOOKED_AT, MAX_LOOKED_AT_BYTES
    with os.scandir(folder) as entries:
        for entry in entries:
            if not fnmatch.fnmatchcase(entry.name, pattern):
                continue
            with contextlib.suppress(FileNotFoundError, SnapshotterError):
                with open_file(folder / entry.name) as stream:
                    length = os.fstat(stream.fileno()).st_size
                    if length > limit:
                        continue
                    left, room = left - 1, room - length
                    if left < 0 or room < 0:
                        return None
                    data = stream.read(limit + 1)
                if hashlib.sha256(data).hexdigest() == sha256:
                    return data
    return None


def read_trust(
    path: Path, *, pinned_root: str, now: datetime, seen: SeenVersion | None = None
) -> Trust:
    """
    Read a trust file and the signature beside it.

    Args:
        seen: The newest version seen so far; an older one is refused.

    Raises:
        SnapshotterError: It does not exist, is too long, is not signed by the pinned key, or has
            expired.
    """
    signature = path.with_name(f"{path.name}.sig")
    try:
        return load_trust(
            _read(path, _MAX_TRUST_BYTES),
            _read(signature, MAX_SIDECAR_BYTES),
            pinned_root=pinned_root,
            now=now,
            seen=seen,
        )
    except EvidenceInvalid as error:
        # A bad trust file shows nothing about a bundle, so it must not end as FAILED.
        raise EvidenceUnverifiable(error.message, hint=error.hint) from error


def _read(path: Path, limit: int) -> bytes:
    try:
        data = first_bytes(path, limit + 1)
    except FileNotFoundError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror),
            hint=tr(
                "a trust file consists of two files, FILE and FILE.sig. Get both files from the "
                "person who signed the bundle, or make a trust file for your own bundles:\n  "
                "snapshotter trust init trust.json"
            ),
        ) from error
    if len(data) > limit:
        raise SnapshotterError(tr("{path} is longer than {limit} bytes", path=path, limit=limit))
    return data


def first_bytes(path: Path, count: int) -> bytes:
    """
    Return the first bytes of a regular file, `count` at most.

    Raises:
        FileNotFoundError: The path does not exist.
        SnapshotterError: It is not a regular file, or cannot be read.
    """
    try:
        with open_file(path) as stream:
            return stream.read(count)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SnapshotterError(
            tr("{path} cannot be read: {strerror}", path=path, strerror=error.strerror)
        ) from error
