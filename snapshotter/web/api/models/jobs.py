"""Describe captures that are requested, the jobs of the queue, and workers."""

from typing import Annotated, Literal

from pydantic import Field

from snapshotter.model.job import MOST_PRIORITY, NORMAL
from snapshotter.web.api.models.common import Answer, Instant, Question, Verdict

JobId = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._@-]{0,119}$")]


class CaptureRequest(Question):
    """A page to capture."""

    url: str = Field(
        min_length=1,
        max_length=10_000,
        description="The address, http or https. Without a scheme, https:// is added.",
        examples=["https://example.org/terms"],
    )
    policy: str = Field(
        default="",
        max_length=64,
        description="The name of a policy, or auto. Empty: the policy of the worker.",
    )
    priority: int = Field(
        default=NORMAL, ge=0, le=MOST_PRIORITY, description="Lower numbers are captured first."
    )
    tags: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=50)
    cases: list[Annotated[str, Field(max_length=64)]] = Field(
        default=[], max_length=50, description="Names of cases that the capture is added to."
    )


class BundleFile(Answer):
    """The file of a bundle."""

    address: str = Field(description="The address of its download at this server.")
    sha256: str


class Job(Answer):
    """
    A capture job, with its result so far: the object of `queue show --json`.

    `bundle` has an address of this server, and `policy` a name: they show no path of a machine.
    """

    attempts: int
    bundle: BundleFile | None
    bundle_id: str | None
    court_minimum: bool | None
    due_at: Instant | None
    ended_at: Instant | None
    enqueued_at: Instant
    error: str
    exit_code: int | None
    final_url: str
    hint: str
    http_status: int | None
    job_id: str
    light: bool
    not_after: Instant | None
    not_before: Instant | None
    notes: list[str]
    origin: str
    outcome: str | None
    policy: str
    priority: int
    requested_url: str
    started_at: Instant | None
    state: str
    tags: list[str]
    title: str
    vantage: str
    verdict: Verdict | None
    worker: str


class JobList(Answer):
    """Jobs, the newest first."""

    jobs: list[Job]
    next: str | None = Field(description="The cursor of the next page; null at the end.")


class JobChange(Answer):
    """The result of cancelling or repeating a job."""

    job_id: str
    result: Literal["done"]


class LiveWorker(Answer):
    """A worker that runs."""

    detail: str
    slots: int
    state: str
    worker: str


class Queue(Answer):
    """The queue at one moment: the object of `queue top --json`."""

    jobs: dict[str, int] = Field(description="The number of jobs in each state.")
    running: list[Job]
    workers: list[LiveWorker]


class Worker(Answer):
    """A registered worker: the object of `worker list --json`."""

    detail: str
    done: int
    host: str
    seen_at: Instant
    slots: int
    started_at: Instant
    state: str
    tables: int
    version: str
    worker: str


class WorkerList(Answer):
    """The workers of the last day."""

    workers: list[Worker]
