"""Verify a bundle on disk, with everything that was added beside it."""

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from snapshotter.model.finding import Report
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import Trust


def verify_on_disk(stream: BinaryIO, path: Path, trust: Trust, *, now: datetime) -> Report:
    """
    Return what the verification of a bundle found, with the sidecars beside its file.

    Args:
        stream: The bundle; left open.
        path: Where it lies, and its sidecars beside it.
        now: UTC; what is later than this is not believed.

    Raises:
        OSError, SnapshotterError: It, or a sidecar, can not be read.
    """
    return verify_bundle(stream, trust, now=now, sidecars=sidecars_on_disk(path))
