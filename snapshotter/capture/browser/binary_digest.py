"""
Compute the SHA-256 of a browser's program, once for each state of its file.

The program has 200 MB, and hashing it takes a tenth of the processor time of a short capture. So
the digest is kept in a directory of this user, with what the system says of the file: device,
inode, size, and the times of its last change of content and of anything else. A user can set the
first of these times, but not the second. The file is read again when one of them differs
(docs/adr/0081).
"""

import hashlib
import json
import os
import stat
from functools import cache
from pathlib import Path

from snapshotter import durable
from snapshotter.formats.digest import CHUNK
from snapshotter.value_class import dataclass

_MOST = 4096  # bytes of a kept digest
_APART_NS = 2_000_000_000  # a change so soon before the reading may have kept the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class _FileState:
    """What the system says of a file; it differs after every change of the file."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int

    @classmethod
    def of(cls, path: Path) -> "_FileState":
        found = path.stat()
        return cls(
            device=found.st_dev,
            inode=found.st_ino,
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
        )

    @property
    def numbers(self) -> list[int]:
        """The state in the order in which it is kept."""
        return [self.device, self.inode, self.size, self.mtime_ns, self.ctime_ns]


def binary_sha256(path: Path, kept: Path | None = None) -> str:
    """
    Return the SHA-256 of a program; its file is read only when it has changed.

    Args:
        kept: A directory in which digests stay between processes; None for none. One that another
            user owns or can write to is not used.

    Raises:
        OSError: The program cannot be read.
    """
    return _sha256(path, _FileState.of(path), kept)


@cache
def _sha256(path: Path, state: _FileState, kept: Path | None) -> str:
    file = None if kept is None else kept / f"{hashlib.sha256(os.fsencode(path)).hexdigest()}.json"
    if file is not None and (known := _read(file, state)):
        return known
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    found = digest.hexdigest()
    if file is not None and _FileState.of(path) == state:
        _keep(file, state, found)
    return found


def _read(file: Path, state: _FileState) -> str:
    """Return the kept digest of this state; "" without a digest that may be relied on."""
    try:
        folder = file.parent.stat()
        if folder.st_uid != os.geteuid() or folder.st_mode & 0o022:
            return ""
        with file.open("rb") as stream:
            about = os.fstat(stream.fileno())
            data = json.loads(stream.read(_MOST))
        states, found = data["state"], data["sha256"]
    except (OSError, ValueError, TypeError, KeyError):
        return ""  # no digest is kept, or a crash has damaged it
    latest = max(state.mtime_ns, state.ctime_ns)
    is_known = (
        about.st_uid == os.geteuid()
        and stat.S_ISREG(about.st_mode)
        and not about.st_mode & 0o022
        and about.st_mtime_ns - latest >= _APART_NS
        and states == state.numbers
        and isinstance(found, str)
        and len(found) == hashlib.sha256().digest_size * 2
    )
    return found if is_known else ""


def _keep(file: Path, state: _FileState, sha256: str) -> None:
    data = json.dumps({"state": state.numbers, "sha256": sha256}).encode()
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        durable.write(file, data, mode=0o600)
    except OSError:
        return  # the next process reads the program again
