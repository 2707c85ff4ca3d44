"""Verify a bundle file together with the sidecars in its folder."""

from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from snapshotter.model.finding import Report
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import sidecars_on_disk
from snapshotter.verify.trust import Trust


def verify_on_disk(
    stream: BinaryIO, path: Path, trust: Trust, *, now: datetime, allow_redacted: bool = False
) -> Report:
    """
    Verify a bundle with the sidecars in its folder.

    Args:
        stream: The bundle; left open.
        path: The file of the bundle.
        now: The verifier's clock; a later token is not believed.
        allow_redacted: Whether the file may be a redacted copy.

    Raises:
        OSError, SnapshotterError: The bundle or a sidecar cannot be read.
    """
    return verify_bundle(
        stream,
        trust,
        now=now,
        sidecars=sidecars_on_disk(path),
        read_assessment=True,
        allow_redacted=allow_redacted,
    )
