"""
Define the values of the queue: a capture job, its state and its result, and counts for metrics.
"""

from collections.abc import Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from snapshotter.model.assessment import AssessmentSummary
from snapshotter.value_class import dataclass

NORMAL = 100  # the default priority of a capture
MOST_PRIORITY = 1_000


class JobState(StrEnum):
    """
    The state of a job.

    `queue list --state` takes these values, and `--json` prints them.
    """

    WAITING = "waiting"  # for a worker, or for its time
    DEFERRED = "deferred"  # for its host: throttled, budget spent, quiet hours
    RUNNING = "running"
    DONE = "done"  # a bundle is in the store, with all that its policy requires
    INCOMPLETE = "incomplete"  # a bundle is in the store, and lacks something required
    FAILED = "failed"  # no bundle: refused, or nothing that a further try would mend
    DEAD = "dead"  # no bundle after the last attempt: it ended its workers, or they failed
    CANCELLED = "cancelled"

    @property
    def over(self) -> bool:
        """Whether the job changes only if somebody asks for it."""
        return self not in {JobState.WAITING, JobState.DEFERRED, JobState.RUNNING}


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureJob:
    """
    One capture to be made by a worker.

    A second job with the same id is the same job. Whoever makes jobs from something (a slot of a
    schedule, a row of a table) derives the id from it.
    """

    id: str  # `[a-z0-9][a-z0-9._@-]{0,119}`
    url: str  # as it was asked for; http or https
    enqueued_at: datetime  # UTC
    policy: str = ""  # as `--policy` takes it, resolved where the worker runs; "" for its own
    origin: str = ""  # who asked: "cli", "batch:NAME", "schedule:NAME", "watch:NAME"
    priority: int = NORMAL  # 0 to 1,000, lower first
    tags: tuple[str, ...] = ()
    light: bool = False  # a check between captures (`Decision.light`)
    vantage: str = ""  # name of a `[[vantage]]` of the settings where the worker runs; "": its own
    not_before: datetime | None = None  # UTC
    not_after: datetime | None = None  # UTC; one that has not begun by then is missed: a gap


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job, and its result so far."""

    job: CaptureJob
    state: JobState
    attempts: int = 0  # begun, those of crashed workers included
    worker: str = ""  # that has it, or had it last
    started_at: datetime | None = None  # of the last attempt, UTC
    ended_at: datetime | None = None  # UTC
    due_at: datetime | None = None  # of one that is deferred, UTC
    bundle_id: str = ""
    sha256: str = ""  # of the bundle's file
    location: str = ""  # a path that can be opened where the worker ran, or an s3:// URL
    outcome: str = ""  # of the capture: complete, partial, failed
    http_status: int | None = None
    final_url: str = ""
    title: str = ""
    court_minimum: bool | None = None
    shown: AssessmentSummary | None = None  # None: there is no bundle, or nothing is said of it
    exit_code: int | None = None  # that `capture` would have ended with
    error: str = ""  # a sentence
    hint: str = ""
    notes: tuple[str, ...] = field(default=())  # what was said of it on its way


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueMetrics:
    """The queue at one moment, in numbers that do not grow with it: for metrics."""

    depth: Mapping[JobState, int]  # jobs in each state; one that is missing has none
    oldest_due_s: float = 0.0  # how long the first job has waited that could have begun
    deferred_hosts: int = 0  # hosts that are not visited at present
    workers: int = 0  # with a heartbeat that is not too old
    oldest_heartbeat_s: float = 0.0  # of those that have not said goodbye


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedResult:
    """A bundle that is about to be stored for a job: its assessment, and how to find it again."""

    bundle_id: str
    sha256: str  # of the bundle's file
    length: int  # bytes
    log_size: int  # it is not among so many entries of the log
    exit_code: int  # 0, or 3 where it lacks something that the policy requires
    outcome: str  # complete, partial, failed
    http_status: int | None
    final_url: str
    title: str
    court_minimum: bool
    retry_after: str  # this header of the main response as it was received, or ""
    date: str  # and this one
    shown: AssessmentSummary | None = None  # None: nothing is said of it


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredResult:
    """The result of a job: a bundle in the store."""

    sealed: SealedResult
    location: str  # a path that can be opened, or an s3:// URL
    notes: tuple[str, ...] = ()  # what has to be said of it
    stage_ms: Mapping[str, int] = field(default_factory=dict)  # as `capture --json` has it
    picture_ms: Sequence[int] = ()  # the time of each picture
    missed: tuple[tuple[str, str], ...] = ()  # "authority" or "log", and why it did not do its part


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptEnd:
    """The end of an attempt, as observers receive it."""

    # Its state shows whether the job is over. A job that is tried again is waiting or deferred, and
    # `error` has what went wrong.
    status: JobStatus
    stage_ms: Mapping[str, int] = field(default_factory=dict)  # empty if nothing was sealed
    length: int = 0  # bytes of the bundle; 0 if nothing was sealed
    picture_ms: Sequence[int] = ()  # the time of each picture
