"""
Define the expected errors with their exit codes, and describe unexpected errors as bugs.

    SnapshotterError              1   something expected went wrong
    ├── RequestKeyReused          1   a key of an earlier request came with another request
    ├── UsageMistake              2   the command line is invalid
    ├── StoreFull                 1   a store has no room for an object
    ├── CaptureIncomplete         3   a bundle was sealed, and lacks something required
    ├── EvidenceInvalid          10   checked, and it does not hold
    ├── EvidenceUnverifiable     11   could not be checked; says nothing about the evidence
    ├── PolicyRefused            20   the policy forbids this
    └── ServiceUnavailable       30   browser, timestamp authority or store: try again

A wrong argument is a ValueError; anything that is neither is a bug and may
crash. An exit code that a caller does not know is a failure.
"""

import errno
import traceback
from pathlib import Path
from typing import Final

from snapshotter.translation import tr

INTERRUPTED_EXIT_CODE: Final = 130  # of a command that a signal ended


class SnapshotterError(Exception):
    """
    Something expected went wrong.

    Args:
        message: What happened, for a person: lower case, no full stop.
        hint: What to do about it, or "". Each command stands on a line of its own, which begins
            with two spaces, so that it can be copied.
    """

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class RequestKeyReused(SnapshotterError):
    """The key that identifies a request, so that it can be repeated, names another request."""


class StoreFull(SnapshotterError):
    """A store has no room for an object; nothing was stored. Room can be made without a retry."""


class UsageMistake(SnapshotterError):
    """The command line is invalid, which was found out after it was parsed."""

    exit_code = 2


class CaptureIncomplete(SnapshotterError):
    """A bundle was sealed and stored, and lacks something that the policy requires."""

    exit_code = 3


class EvidenceInvalid(SnapshotterError):
    """A check was made, and the evidence failed it."""

    exit_code = 10


class EvidenceUnverifiable(SnapshotterError):
    """A check could not be made; this says nothing about the evidence."""

    exit_code = 11


class PolicyRefused(SnapshotterError):
    """The policy forbids this."""

    exit_code = 20


class ServiceUnavailable(SnapshotterError):
    """Browser, timestamp authority or store did not answer: try again."""

    exit_code = 30


def one_line(hint: str) -> str:
    """Return a hint as one line, for tables, logs and JSON Lines."""
    return " ".join(hint.split())


def is_disk_full(error: OSError) -> bool:
    """Return whether an error means that a disk or a quota is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def bug(error: Exception) -> SnapshotterError:
    """Describe an unexpected error in a sentence, with what a report of it needs."""
    if isinstance(error, OSError) and is_disk_full(error):  # anywhere, and nobody's mistake
        where = f": {error.filename} could not be written" if error.filename else ""
        return SnapshotterError(
            tr("no space left on the disk{where}", where=where),
            hint=tr("free space on the disk, and give the same command again"),
        )
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    said = " ".join(f"{type(error).__name__}: {error}".split())
    text = f"{said}{where}".encode("utf-8", "backslashreplace").decode()
    return SnapshotterError(text, hint=tr("this is a bug in snapshotter, please report the bug"))
