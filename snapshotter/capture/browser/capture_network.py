"""
Hold the egress guard of one capture and the paths of its recorded traffic and keys, and remove
these files.
"""

import shutil
from pathlib import Path

from snapshotter.egress.guard import EgressGuard
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureNetwork:
    """The network of one capture: its egress guard, and where the traffic is kept."""

    guard: EgressGuard
    path: str  # "direct", "proxy" or "tor", as in `NetworkPath`
    key_log: Path  # where the browser writes its TLS secrets
    tee_dir: Path  # where the guard keeps what passed
    vantage: str = ""  # what the settings call the way, as in `NetworkPath`

    def destroy(self) -> None:
        """Remove the recorded traffic and the keys that open it."""
        self.key_log.unlink(missing_ok=True)
        shutil.rmtree(self.tee_dir, ignore_errors=True)
