"""
Accept captures, schedules and watch lists that a person requests from a server: console or API.

The values come over the network. Therefore a policy is named and never a file, a list is an address
and never a file, and no file of this machine is looked for. The worker checks addresses again, with
the limits of the egress guard.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from snapshotter.app.archive.organising import capture_labels
from snapshotter.app.monitoring import new_schedule, watch_options
from snapshotter.app.policies.configured_policy import policy_name_for_jobs
from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
from snapshotter.errors import RequestKeyReused, ServiceUnavailable, SnapshotterError, UsageMistake
from snapshotter.jobs.schedules.schedules import Schedule, Schedules
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.capture_url import check_url, complete_url
from snapshotter.model.job import NORMAL, CaptureJob, JobStatus
from snapshotter.model.watch import Watch, WatchStatus
from snapshotter.policy.policy_selection import AUTO, policy_matches
from snapshotter.policy.times import parse_duration, parse_moment
from snapshotter.ports import IdSource, JobQueue
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

ReadAnnotations = Callable[[], AnnotationState]


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedCapture:
    """A page that a person wants to have captured."""

    url: str  # as the person wrote it
    policy: str = ""
    priority: int = NORMAL
    tags: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestedSchedule:
    """A schedule that a person wants to have."""

    urls: tuple[str, ...]
    name: str = ""  # "" for a name that does not show the addresses
    options: VisitOptions = VisitOptions()
    policy: str = ""
    priority: int = NORMAL
    tags: tuple[str, ...] = ()
    cases: tuple[str, ...] = ()


def request_id(key: str, requested_by: str) -> str:
    """
    Return the id of the job for a request with this key.

    The same key always gives the same id, in every server of a queue. So a request that is
    repeated after a lost answer makes no second capture.

    Args:
        key: As the client chose it; at most 255 characters.
        requested_by: The person; two people may use the same key.
    """
    digest = hashlib.sha256(f"{requested_by}\0{key}".encode()).hexdigest()
    return f"request-{digest[:40]}"


def enqueue_capture(
    queue: JobQueue,
    wanted: RequestedCapture,
    *,
    job_id: str,
    origin: str,
    now: datetime,
    policies_dir: Path | None,
    annotations: ReadAnnotations,
) -> JobStatus:
    """
    Put the capture of a page into the queue, and return its job.

    Args:
        job_id: From `request_id`, or a new one. If the job exists, it is returned as it is.
        annotations: Called only if cases are named.

    Raises:
        UsageMistake: An address, a policy, a tag or a case is invalid, or a case is closed.
        RequestKeyReused: The job of this id captures another page, or in another way.
        ServiceUnavailable: The database does not answer.
    """
    (url,) = checked_urls([wanted.url])
    job = CaptureJob(
        id=job_id,
        url=url,
        enqueued_at=now,
        policy=checked_policy(wanted.policy, policies_dir),
        origin=origin,
        priority=wanted.priority,
        tags=_checked_form(wanted.tags, wanted.cases),
    )
    known = queue.get(job_id)
    if known is None:
        # Only for a new job: a case may have been closed since the first request.
        _require_cases(annotations, job.tags)
        queue.put([job])
        known = queue.get(job_id)
    if known is None:
        raise SnapshotterError(tr("the job {job_id} was removed from the queue", job_id=job_id))
    if _request_of(known.job) != _request_of(job):
        raise RequestKeyReused(
            tr("the key of this request was used for another capture"),
            hint=tr("choose a new key for each capture"),
        )
    return known


def add_schedule(
    schedules: Schedules,
    wanted: RequestedSchedule,
    *,
    data_dir: Path,
    policies_dir: Path | None,
    default_policy: str,
    ids: IdSource,
    annotations: ReadAnnotations,
) -> Schedule:
    """
    Add a schedule.

    Args:
        data_dir: Has the secret that default names are made with.
        default_policy: The policy of the settings, whose schedule counts if none is named.
        annotations: As for `enqueue_capture`.

    Raises:
        UsageMistake: A value is invalid.
        SnapshotterError: A schedule of that name exists, or it has no visit.
    """
    urls = list(dict.fromkeys(checked_urls(wanted.urls)))
    named = checked_policy(wanted.policy, policies_dir)
    tags = checked_labels(wanted.tags, wanted.cases, annotations)
    options = wanted.options
    chosen = named or default_policy
    has_time = bool(options.cron or options.every or options.curve)
    plan = plan_from_options(
        VisitOptions(
            cron=options.cron, every=options.every, curve=options.curve, zone=options.zone,
            start=options.start, end=options.end, jitter=options.jitter,
            seasons=options.seasons, quiet=options.quiet, catch_up=options.catch_up,
            max_late=options.max_late,
            policy=named if chosen == AUTO and has_time else chosen,
            policies_dir=policies_dir, urls=tuple(urls),
        )
    )  # fmt: skip
    name = wanted.name or new_schedule.default_schedule_name(urls, plan, data_dir, ids)
    return schedules.add(
        name,
        plan,
        urls,
        policy=policy_name_for_jobs(named, policies_dir),
        priority=wanted.priority,
        tags=tags,
    )


def add_watch(
    watches: Watches,
    given: Mapping[str, Any],
    *,
    every: str = "",
    end: str = "",
    policies_dir: Path | None,
    annotations: ReadAnnotations,
    plan: Callable[[Watch], object],
) -> WatchStatus:
    """
    Add a watch list.

    Args:
        given: Values by name of the fields of `Watch`, with `tags` and `cases`.
        every: The time between two polls, as "15m"; "" for the default.
        end: A day or a time in UTC; "" for no end.
        plan: Raises for a curve that does not exist.

    Raises:
        UsageMistake: A value is invalid.
        SnapshotterError: A watch list of that name exists.
    """
    values = dict(given)
    (values["source"],) = checked_urls([values["source"]])
    checked_policy(values.get("policy", ""), policies_dir)
    values["tags"] = checked_labels(values.get("tags", ()), values.pop("cases", ()), annotations)
    try:
        if every:
            values["every"] = parse_duration(every)
        if end:
            values["ends_at"] = parse_moment(end, UTC, is_end=True)
        found, _ = watch_options.watch_values(values, policies_dir, _show_nothing)
        wanted = Watch(created_at=watches.clock(), **found)
    except ValueError as error:
        raise UsageMistake(str(error)) from error
    if wanted.then:
        plan(wanted)
    watches.add(wanted)
    return watches.status(wanted.name)


def checked_urls(given: Sequence[str]) -> list[str]:
    """Return addresses with a scheme. Raises UsageMistake for one that cannot be captured."""
    try:
        return [check_url(complete_url(url.strip())) for url in given]
    except SnapshotterError as error:
        raise UsageMistake(error.message, hint=error.hint) from error


def checked_policy(name: str, policies_dir: Path | None) -> str:
    """Return the name of a policy, "auto" or "". Raises UsageMistake: it does not exist."""
    if name in ("", AUTO) or any(known.name == name for known in policy_matches(policies_dir)):
        return name
    raise UsageMistake(
        tr("the policy {name!r} does not exist", name=name),
        hint=tr("list the policies:\n  snapshotter policy list"),
    )


def _request_of(job: CaptureJob) -> tuple[object, ...]:
    """Return what a client has requested with a job."""
    return job.url, job.policy, job.priority, job.tags


def checked_labels(
    tags: Sequence[str], cases: Sequence[str], annotations: ReadAnnotations
) -> tuple[str, ...]:
    """
    Return the labels of captures for tags and cases.

    Raises:
        UsageMistake: A tag is invalid, or a case does not exist or is closed.
    """
    found = _checked_form(tags, cases)
    _require_cases(annotations, found)
    return found


def _require_cases(annotations: ReadAnnotations, labels: Sequence[str]) -> None:
    try:
        capture_labels.require_cases(annotations, labels)
    except ServiceUnavailable:
        raise
    except SnapshotterError as error:
        raise UsageMistake(error.message, hint=error.hint) from error


def _checked_form(tags: Sequence[str], cases: Sequence[str]) -> tuple[str, ...]:
    try:
        return capture_labels.labels(tags, cases)
    except ValueError as error:
        raise UsageMistake(str(error)) from error


def _show_nothing(_: str) -> None:
    """Drop the message that https:// was added: the answer shows the whole address."""
