"""Describe watch lists, their polls and their pages."""

from typing import Annotated, Literal

from pydantic import Field

from snapshotter.web.api.models.common import Answer, Instant, Question

WatchName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
_Short = Annotated[str, Field(max_length=500)]


class Watch(Answer):
    """A watch list: the object of `watch list --json`."""

    column: str
    created_at: Instant
    detail: str
    end: Instant | None
    ended: bool
    every_ms: int
    exclude: list[str]
    existing: str
    existing_limit: int
    failures: int
    final_url: str
    http_status: int | None
    items: int
    jitter_percent: int
    kind: str
    last_poll_at: Instant | None
    last_read_at: Instant | None
    listed: int
    match: list[str]
    missed: int
    name: str
    next_at: Instant | None
    paused: bool
    paused_reason: str
    policy: str
    poll_limit: int
    polls: int
    render: bool
    select: str
    since: Instant | None
    source: str
    start: Instant | None
    state: str
    tags: list[str]
    then: str
    title: str
    waiting: int
    within_ms: int


class WatchList(Answer):
    """All watch lists, by name."""

    watches: list[Watch]
    worker: bool = Field(
        description="Whether a worker runs. Without a worker, lists are not polled."
    )


class Poll(Answer):
    """A poll of a list, or a gap between polls (`state` is null)."""

    at: Instant
    detail: str
    ended_at: Instant
    gap_id: str
    http_status: int | None
    listed: int
    missed: int
    new: int
    queued: int
    state: str | None


class WatchDetails(Watch):
    """A watch list with its last polls: the object of `watch show --json`."""

    jobs: dict[str, int]
    last_polls: list[Poll]
    late: int
    unlearnt: int


class WatchRequest(Question):
    """A list to watch."""

    name: WatchName
    source: str = Field(
        min_length=1, max_length=10_000, description="The address of the list, http or https."
    )
    kind: Literal["", "feed", "sitemap", "csv", "html"] = ""
    select: _Short = Field(default="", description="A CSS selector of the links of a page.")
    match: list[_Short] = Field(default=[], max_length=50)
    exclude: list[_Short] = Field(default=[], max_length=50)
    column: _Short = ""
    every: _Short = Field(default="", description="90s, 15m, 6h, 1d or 2w. Empty: 10m.")
    existing: Literal["capture", "skip"] = "capture"
    existing_limit: int = Field(default=100, ge=0, le=50_000)
    policy: str = Field(default="", max_length=64)
    render: bool = False
    then: _Short = Field(default="", description="A curve for later visits of each page.")
    end: _Short = Field(default="", description="A day or a time, UTC.")
    tags: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=50)
    cases: list[Annotated[str, Field(max_length=64)]] = Field(default=[], max_length=50)


class RemovedWatch(Answer):
    """A watch list that was removed."""

    forgotten: int = Field(description="The number of pages that are no longer known.")
    name: str


class WatchItem(Answer):
    """A page of a list: the object of `watch items --json`."""

    aliases: list[str]
    backlog: bool
    bundle_id: str
    final: bool
    first_seen: Instant
    identity: str
    job_id: str
    job_state: str | None
    listed_at: str
    same_as: str
    state: str
    title: str
    took_ms: int | None
    url: str


class WatchItems(Answer):
    """Pages of a list, the newest first."""

    items: list[WatchItem]
