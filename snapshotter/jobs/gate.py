"""
Whether a host may be asked now: where politeness plugs into the queue.

One dispatcher at a time hands due jobs to the workers, and asks the gate about the host of
each. Both calls are made within the transaction of the job's own step, so that what the
gate writes down (a budget that is used up, a back-off) holds exactly if the step does.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from sqlalchemy import Connection

from snapshotter.model.job import CaptureJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A host is not to be asked yet. Holds for all of its jobs that wait."""

    until: datetime  # UTC, after now; the gate is asked again then
    why: str  # for a person: "the day's budget of 500 captures is spent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What one attempt at a page met."""

    at: datetime  # when it ended, by the database's clock, UTC
    http_status: int | None = None  # of the main response; None: no answer came
    retry_after: str = ""  # that header as it was received, or ""
    outcome: str = ""  # of the capture: complete, partial, failed; "": there is no bundle
    error: str = ""  # why there is none


class Gate(Protocol):
    """What knows how much each host can bear. Errors of the database pass through."""

    def may_start(
        self, connection: Connection, job: CaptureJob, host: str, now: datetime, under_way: int
    ) -> Wait | None:
        """
        Return None if a job may be handed to a worker now, which counts as a visit; or when not.

        Args:
            host: As `host_of` has it.
            now: By the database's clock, UTC.
            under_way: Jobs of this host that workers have, or that wait in their hands.
        """

    def finished(self, connection: Connection, job: CaptureJob, host: str, met: Met) -> None:
        """Learn what an attempt met, successful or not. Not called for one that was cut off."""


class OpenGate:
    """Lets everybody pass."""

    def may_start(
        self, connection: Connection, job: CaptureJob, host: str, now: datetime, under_way: int
    ) -> Wait | None:
        """Return None."""
        return None

    def finished(self, connection: Connection, job: CaptureJob, host: str, met: Met) -> None:
        """Learn nothing."""


def host_of(url: str) -> str:
    """Return what limits are kept by: the host of a URL in lower case, without its port."""
    return (urlsplit(url).hostname or "").rstrip(".")
