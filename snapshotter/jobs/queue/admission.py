"""
Define the interface that decides whether a job may visit its host now (`Admission`).

The class here admits every job; `politeness.py` has the one with rules. The dispatcher calls it
before it hands a job to the workers, within the transaction that changes the job. So what it
records (a used budget, a back-off) is kept if and only if the change of the job is kept.
"""

from datetime import datetime

from sqlalchemy import Connection

from snapshotter.formats.hosts import host_of
from snapshotter.model.job import CaptureJob
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferral:
    """
    A host must not be visited yet.

    This holds for all waiting jobs of the host that are not more urgent than the given one: a
    part of the day's budget may be reserved for urgent jobs.
    """

    until: datetime | None  # UTC, in the future: try again then. None: when a visit has ended
    why: str  # for people: "the day's budget of 500 captures is spent"
    of_all: bool = False  # no host may be visited


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResult:
    """What one attempt to capture a page found."""

    at: datetime  # end of the attempt, by the database's clock, UTC
    started_at: datetime  # when the job was handed over, by the same clock
    revisits: int  # earlier visits of this job that asked for another one
    began_at: datetime | None = None  # when the worker began; None: when the job was handed over
    http_status: int | None = None  # status of the main response; None: no response
    retry_after: str = ""  # the Retry-After header as received, or ""
    date: str = ""  # the Date header as received, or ""
    final_url: str = ""  # URL after redirects; "" if it is the requested one
    outcome: str = ""  # outcome of the capture: complete, partial, failed; "": no bundle
    error: str = ""  # why there is no bundle


class Admission:
    """
    Decides which host may be visited when. This one admits every job; others derive from it.

    Each call is part of the transaction that changes the job. Database errors are not translated.
    """

    def host(self, url: str) -> str:
        """Return the name under which visits to a URL are counted; hosts can share a name."""
        return host_of(url)

    def admit(
        self,
        connection: Connection,
        job: CaptureJob,
        host: str,
        now: datetime,
        under_way: int,
        all_under_way: int,
    ) -> Deferral | None:
        """
        Return None and count a visit if a job may start now; else return when it may.

        Args:
            host: The result of `host`.
            now: By the database's clock, UTC.
            under_way: Jobs of this host that are handed over or running.
            all_under_way: The same for all hosts.
        """
        return None

    def not_started(self, connection: Connection, job_id: str) -> None:
        """Undo the visit of a job that was handed back before it started."""

    def attempt_ended(
        self, connection: Connection, job: CaptureJob, host: str, met: AttemptResult
    ) -> Deferral | None:
        """
        Record what an attempt found, successful or not. Not called for an interrupted attempt.

        Returns:
            Until when the job is deferred and why, if the page must be visited once more;
            the bundle of this attempt is kept. None: the job is over.
        """
        return None
