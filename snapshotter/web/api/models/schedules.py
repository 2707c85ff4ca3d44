"""Describe schedules, their visits and their history."""

from typing import Annotated, Literal

from pydantic import Field

from snapshotter.model.job import MOST_PRIORITY, NORMAL
from snapshotter.web.api.models.common import Answer, Instant, Question, Verdict

ScheduleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,47}$")]
_Short = Annotated[str, Field(max_length=200)]


class Season(Answer):
    """Days of each year with more visits."""

    begins: str
    ends: str
    factor_percent: int


class Plan(Answer):
    """When visits are due."""

    catch_up: str
    cron: str | None
    curve: str | None
    end: Instant | None
    every_ms: int | None
    jitter_percent: int
    max_late_ms: int | None
    quiet_hours: list[str]
    rule: str = Field(description="The plan in one line.")
    seasons: list[Season]
    start: Instant | None
    zone: str


class Schedule(Plan):
    """A schedule: the object of `schedule list --json`."""

    created_at: Instant
    name: str
    next_at: Instant | None
    paused_at: Instant | None
    paused_by: str
    paused_reason: str
    policy: str
    priority: int
    state: str
    tags: list[str]
    urls: int = Field(description="The number of addresses.")


class ScheduleList(Answer):
    """All schedules, by name."""

    schedules: list[Schedule]
    worker: bool = Field(description="Whether a worker runs. Without a worker, visits are missed.")


class Visit(Answer):
    """A visit that is planned."""

    at: Instant
    slot: Instant
    url: str


class ScheduleDetails(Schedule):
    """A schedule with its next visits: the object of `schedule show --json`."""

    next: list[Visit]


class ScheduleRequest(Question):
    """
    A schedule to add. Exactly one of `cron`, `every` and `curve` states when visits are due,
    unless the policy does.
    """

    urls: list[Annotated[str, Field(min_length=1, max_length=10_000)]] = Field(
        min_length=1, max_length=1_000
    )
    name: Annotated[str, Field(pattern=r"^([a-z0-9][a-z0-9-]{0,47})?$")] = Field(
        default="", description="Empty: a name is made that does not show the addresses."
    )
    cron: _Short = ""
    every: _Short = Field(default="", description="90s, 15m, 6h, 1d or 2w.")
    curve: _Short = Field(default="", description="The name of a shipped curve.")
    zone: _Short = Field(default="", description="A time zone, such as Europe/Berlin.")
    start: _Short = ""
    end: _Short = ""
    jitter: _Short = Field(default="", description="A percentage, such as 15%.")
    seasons: list[_Short] = Field(default=[], max_length=50)
    quiet_hours: list[_Short] = Field(default=[], max_length=50)
    catch_up: Literal["skip", "latest", "all"] = "skip"
    max_late: _Short = ""
    policy: str = Field(default="", max_length=64)
    priority: int = Field(default=NORMAL, ge=0, le=MOST_PRIORITY)
    tags: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=50)
    cases: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=50)


class PauseRequest(Question):
    """Why a schedule or a watch list is paused."""

    reason: str = Field(
        min_length=1, max_length=500, description="The reason becomes part of a signed record."
    )


class ChangedSchedule(Schedule):
    """A schedule after a request to pause or resume it."""

    changed: bool = Field(description="False: the schedule was in this state already.")


class RemovedSchedule(Answer):
    """A schedule that was removed."""

    changed: bool
    name: str
    state: Literal["removed"]


class Suspicion(Answer):
    """Why a capture may show a removal."""

    kind: str
    last_seen: str | None


class HistoryEntry(Answer):
    """A visit or a gap: the object of `schedule history --json`."""

    at: Instant
    bundle_id: str | None
    by: str
    detail: str
    gap_id: str | None
    job_id: str | None
    kind: str
    outcome: str | None
    reason: str | None
    schedule: str
    slot: Instant | None
    slots: list[Instant]
    state: str | None
    suspicion: Suspicion | None
    until: Instant | None
    url: str | None
    verdict: Verdict | None


class History(Answer):
    """Visits and gaps, the newest first."""

    entries: list[HistoryEntry]


class StartedVisits(Answer):
    """Extra visits that were put into the queue."""

    jobs: list[str]
    name: str
