"""
Open the guarded connections that deliver one message, through an egress guard that ends with the
delivery or at a time limit.

A worker runs for months, and a guard keeps an entry for each connection and limits all of them
together, so each message gets its own guard. The time limit also ends the connection of a server
that answers with one byte a minute.
"""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.rules import EgressRules
from snapshotter.errors import SnapshotterError
from snapshotter.ports import Clock
from snapshotter.translation import tr

TOTAL_BYTES: Final = 32 << 20  # of one delivery, both directions


class GuardedConnections:
    """
    Makes the connections of a channel.

    Args:
        allowed: Networks that are not public and may be connected to.
        upstream: The proxy that everything goes through; may hold a password.
        ca_file: Certificates (PEM) to which servers' lead, instead of the system's.
        timeout_s: For one message, from the name to the answer.
    """

    def __init__(
        self,
        *,
        clock: Clock,
        timeout_s: float,
        allowed: tuple[str, ...] = (),
        upstream: str = "",
        ca_file: Path | None = None,
    ) -> None:
        self._rules = EgressRules(allowed=allowed, upstream=upstream, total_bytes=TOTAL_BYTES)
        self._clock = clock
        self._ca_file = ca_file
        self.timeout_s = timeout_s

    @contextmanager
    def open(self) -> Iterator[EgressGuard]:
        """Yield a running guard; all its connections end with the block, or with the time."""
        guard = EgressGuard(self._rules, clock=self._clock, purpose="notification")
        guard.start()
        end = threading.Timer(self.timeout_s, guard.cut, (tr("sending the message took too long"),))
        end.daemon = True
        end.start()
        try:
            yield guard
        finally:
            end.cancel()
            guard.stop()

    def tls(self) -> ssl.SSLContext:
        """
        Return how servers are checked: by name, against the configured certificates.

        Raises:
            SnapshotterError: The file with them cannot be read.
        """
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            raise SnapshotterError(
                tr("{ca_file} cannot be used: {error}", ca_file=self._ca_file, error=error)
            ) from error
