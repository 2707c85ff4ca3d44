"""
Whether a host may be asked now: where politeness plugs into the queue.

One dispatcher at a time hands due jobs to the workers, and asks the gate about the host of
each. Both calls are made within the transaction of the job's own step, so that what the
gate writes down (a budget that is used up, a back-off) holds exactly if the step does.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from snapshotter.formats.hosts import host_of
from snapshotter.model.job import CaptureJob


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """
    A host is not to be asked yet.

    Holds for all of its jobs that wait and are not more urgent than the one that was asked
    for: a part of a day's budget may be kept for those.
    """

    until: datetime | None  # UTC, after now: ask again then. None: when a visit has ended
    why: str  # for a person: "the day's budget of 500 captures is spent"
    of_all: bool = False  # no host at all is to be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Met:
    """What one attempt at a page met."""

    at: datetime  # when it ended, by the database's clock, UTC
    started_at: datetime  # when the job was handed out, by the same clock
    revisits: int  # of this job, before it: 0 for the first time
    began_at: datetime | None = None  # when its worker began with it; None: when it was handed out
    http_status: int | None = None  # of the main response; None: no answer came
    retry_after: str = ""  # that header as it was received, or ""
    date: str = ""  # the Date header as it was received, or ""
    final_url: str = ""  # where the page was in the end; "" for where it was asked for
    outcome: str = ""  # of the capture: complete, partial, failed; "": there is no bundle
    error: str = ""  # why there is none


class Gate(Protocol):
    """What knows how much each host can bear. Errors of the database pass through."""

    def host(self, url: str) -> str:
        """Return under what name visits to a URL are counted: several hosts can share one."""

    def may_start(
        self,
        connection: Connection,
        job: CaptureJob,
        host: str,
        now: datetime,
        under_way: int,
        all_under_way: int,
    ) -> Wait | None:
        """
        Return None if a job may be handed to a worker now, which counts as a visit; or when not.

        Args:
            host: As `host` has it.
            now: By the database's clock, UTC.
            under_way: Jobs of this host that workers have, or that wait in their hands.
            all_under_way: The same of all hosts.
        """

    def not_begun(self, connection: Connection, job_id: str) -> None:
        """Learn that a job that might start was handed back: the visit did not come about."""

    def finished(self, connection: Connection, job: CaptureJob, host: str, met: Met) -> Wait | None:
        """
        Learn what an attempt met, successful or not. Not called for one that was cut off.

        Returns:
            Until when the job is deferred and why, if the page is to be looked at once more:
            what it met is kept as it is. None: the job is over.
        """


class OpenGate:
    """Lets everybody pass."""

    def host(self, url: str) -> str:
        """Return the host as it stands."""
        return host_of(url)

    def may_start(
        self,
        connection: Connection,
        job: CaptureJob,
        host: str,
        now: datetime,
        under_way: int,
        all_under_way: int,
    ) -> Wait | None:
        """Return None."""
        return None

    def not_begun(self, connection: Connection, job_id: str) -> None:
        """Learn nothing."""

    def finished(self, connection: Connection, job: CaptureJob, host: str, met: Met) -> Wait | None:
        """Learn nothing."""
        return None
