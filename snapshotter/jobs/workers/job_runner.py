"""
Define the interface of the job runner: the object that makes a capture for a job.

`app` implements it. It is made and used in a capture process of a worker.
"""

from collections.abc import Callable
from typing import Protocol

from snapshotter.errors import SnapshotterError
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.ports import Lease, Progress
from snapshotter.value_class import dataclass


class PermanentFailure(SnapshotterError):
    """The capture is impossible: another attempt would fail as well."""


class BundleConflict(SnapshotterError):
    """The store holds another file under the id of a bundle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnstoredBundle:
    """A sealed bundle that was found outside of the store."""

    bundle_id: str
    message: str  # a sentence that says where it is


class JobRunner(Protocol):
    """
    Executes the orders of a worker: everything that needs a key, a browser or the store.

    It is made and used in a capture process, by one thread.
    """

    def open(self) -> None:
        """
        Open the keys and the store.

        Raises:
            ServiceUnavailable: One of them does not answer now.
            SnapshotterError: The configuration is unusable.
        """

    def rest(self) -> None:
        """Release prepared resources, such as a browser: no capture is expected soon."""

    def capture(
        self, job: CaptureJob, lease: Lease, *, more: bool, progress: Progress
    ) -> StoredResult:
        """
        Capture the page into a sealed bundle in the store.

        Args:
            more: Another job waits, so a browser may be prepared for it.
            progress: Gets the stages of the capture, in the thread of this call.

        Raises:
            PolicyRefused, PermanentFailure: Another attempt would fail as well.
            ServiceUnavailable: A service does not answer; the page is not the cause.
            JobSuperseded: The lease was lost.
            SnapshotterError: The attempt failed.
        """

    def record_failure(self, job: CaptureJob, why: str, lease: Lease) -> StoredResult:
        """
        Seal and store a record that the page could not be captured, without a visit.

        Raises as `capture` does.
        """

    def find(self, job: CaptureJob, sealed: SealedResult) -> StoredResult | None:
        """
        Return the bundle of a job from the store, and log it if needed; None if it is not there.

        Raises:
            ServiceUnavailable: The store does not answer.
            BundleConflict: The store holds another file under its id.
            SnapshotterError: The configuration of this worker is unusable.
        """

    def chores(self) -> tuple[UnstoredBundle, ...]:
        """
        Fetch owed tokens, update the log, and return the bundles that are not in the store.

        Raises:
            SnapshotterError: A part of it failed.
        """


JobRunnerFactory = Callable[[Callable[[str], None]], JobRunner]  # its argument logs a message
