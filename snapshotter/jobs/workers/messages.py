"""Define the messages between a worker and its capture process: orders, calls, and results."""

from snapshotter.jobs.queue.failure import Failure
from snapshotter.jobs.workers.job_runner import UnstoredBundle
from snapshotter.model.job import CaptureJob, SealedResult, StoredResult
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """Open the keys and the store."""


@dataclass(frozen=True, slots=True)
class CaptureOrder:
    """Capture a page."""

    job: CaptureJob
    more: bool  # other jobs wait


@dataclass(frozen=True, slots=True)
class FailureOrder:
    """Record that a page is given up."""

    job: CaptureJob
    why: str


@dataclass(frozen=True, slots=True)
class FindOrder:
    """Look for the bundle of a job in the store."""

    job: CaptureJob
    sealed: SealedResult


@dataclass(frozen=True, slots=True)
class ChoresOrder:
    """Fetch owed tokens and update the log."""


Order = OpenOrder | CaptureOrder | FailureOrder | FindOrder | ChoresOrder


Product = StoredResult | tuple[UnstoredBundle, ...] | None


@dataclass(frozen=True, slots=True)
class Began:
    """The bundle of the order has this id."""

    bundle_id: str


@dataclass(frozen=True, slots=True)
class Reached:
    """A stage of the capture begins. It gets no answer."""

    stage: str


@dataclass(frozen=True, slots=True)
class Visited:
    """The page of the order is captured, and its browser has ended. It gets no answer."""


@dataclass(frozen=True, slots=True)
class MayStore:
    """Ask whether the bundle may be stored within a time limit."""

    sealed: SealedResult
    limit_s: float


@dataclass(frozen=True, slots=True)
class StoreUnavailable:
    """Ask whether to wait for a store that does not answer."""

    why: str


@dataclass(frozen=True, slots=True)
class LogMessage:
    """A message for the log, which gets no answer."""

    text: str


@dataclass(frozen=True, slots=True)
class OrderResult:
    """The result of an order."""

    product: Product = None
    failure: Failure | None = None
    superseded: bool = False
    unstored: str = ""  # a note about a sealed bundle that is not in the store


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """An order has ended."""

    result: OrderResult
    resident: int  # bytes of resident memory of the process
