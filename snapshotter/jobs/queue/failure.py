"""
Define how a capture process reports to its worker why an attempt made no bundle.

The cause (`Fault`) decides whether and when the job is tried again.
"""

from enum import StrEnum

from snapshotter.value_class import dataclass


class Fault(StrEnum):
    """What caused a failure. It decides whether and when the job is tried again."""

    PAGE = "page"  # perhaps the page: tried again a few times
    LOST = "lost"  # the capture process ended and its worker did not: perhaps the page
    WORKER = "worker"  # the worker or its machine ended: tried again without limit
    SERVICE = "service"  # browser, store or disk: tried again without limit
    FINAL = "final"  # refused: another attempt would fail as well
    TAKEN = "taken"  # the store holds another file under the id of the bundle
    RETURNED = "returned"  # the worker was told to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why an attempt made no bundle."""

    fault: Fault
    error: str  # a sentence
    hint: str = ""
    exit_code: int = 1
    http_status: int | None = None
    retry_after: str = ""
