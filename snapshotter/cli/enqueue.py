"""
Hand URLs to the queue for `snapshotter capture --enqueue`, print their jobs, and wait for the end
of the jobs if `--wait` is given.

The module also declares these options, and `--priority`.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from snapshotter.app.json_objects.jobs import job_json
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.conclusion import combined_exit_code
from snapshotter.model.job import MOST_PRIORITY, NORMAL, CaptureJob, JobState, JobStatus
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.jobs.database import Database
    from snapshotter.jobs.queue.database_queue import DatabaseQueue

_LOOK_S = 0.5
_NO_WORKER_S = 5.0  # without a live worker, before a message is printed
# What goes with a job; everything else about a capture is the worker's and its policy's.
_HANDED_OVER = frozenset(
    {"urls", "policy", "as_json", "quiet", "enqueue", "wait", "priority", "tags", "cases"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueueOptions:
    """The options of handing URLs to the queue."""

    wait: bool
    priority: int
    labels: tuple[str, ...]
    as_json: bool
    quiet: bool


def enqueue_options(command: Any) -> Any:
    """Give a command the options of handing URLs to the queue."""
    for option in (
        click.option(
            "--priority", type=click.IntRange(0, MOST_PRIORITY), metavar="N", default=NORMAL,
            show_default=True,
            help="With --enqueue: jobs with a lower number are captured first.",
        ),
        click.option(
            "--wait", is_flag=True,
            help="With --enqueue: wait until the jobs have ended, and exit with the exit code of "
                 "the captures.",
        ),
        click.option(
            "--enqueue", is_flag=True,
            help="Put the URLs into the queue, and print the jobs. Workers capture the pages.",
        ),
    ):  # fmt: skip
        command = option(command)
    return command


def enqueue_urls(
    ctx: click.Context,
    settings: "Settings",
    wanted: Sequence[str],
    refused: dict[int, SnapshotterError],
    policy: str | None,
    options: EnqueueOptions,
) -> int:
    """
    Hand URLs to the queue, print their jobs, and return the exit code.

    Args:
        refused: URLs that cannot be captured, by number; they were printed before.

    Raises:
        UsageError: An option was given that a job cannot carry.
        ServiceUnavailable: The queue cannot be reached. Nothing was handed over.
    """
    from snapshotter.app.policies import configured_policy
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.policy import policy_selection

    _refuse_local_options(ctx)
    if policy:
        # Raises for an unknown name before anything is enqueued.
        configured_policy.configured_policy(settings)
    with wiring_queue.queue_database(settings) as database:
        queue = wiring_queue.queue(settings, database)
        jobs = [
            CaptureJob(
                id=wiring_queue.new_job_id(),
                url=url,
                enqueued_at=queue.now(),
                policy=configured_policy.absolute_policy_path(policy or ""),
                origin="cli",
                priority=options.priority,
                tags=options.labels,
            )
            for number, url in enumerate(wanted)
            if number not in refused
        ]
        queue.put(jobs)
        if not options.quiet and (policy or settings.policy) == policy_selection.AUTO:
            known = policy_selection.known_policies(settings.policies_dir)
            picked = policy_selection.describe_picks(
                policy_selection.pick(job.url, known).winner for job in jobs
            )
            worker = (
                ""
                if policy
                else tr(
                    "; if the settings of a worker name a policy, the worker "
                    "uses that policy instead"
                )
            )
            print_message(
                tr(
                    "policies that the addresses of the pages select: {picked}{worker}",
                    picked=picked,
                    worker=worker,
                )
            )
        code = SnapshotterError.exit_code if refused else 0
        if options.wait:
            return _follow(database, queue, jobs, options) or code
    for job in jobs:
        if options.as_json:
            print_json(
                {"job_id": job.id, "requested_url": job.url, "state": JobState.WAITING.value}
            )
        else:
            print_result(job.id)
    return code


def _refuse_local_options(ctx: click.Context) -> None:
    for parameter in ctx.command.params:
        name = parameter.name or ""
        given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if given and name not in _HANDED_OVER:
            raise click.UsageError(
                tr(
                    "{opts} does not work with --enqueue: set its value in the settings of the "
                    "worker, or in the policy that you give with --policy",
                    opts=parameter.opts[0],
                )
            )


def _follow(
    database: "Database",
    queue: "DatabaseQueue",
    jobs: Sequence[CaptureJob],
    options: EnqueueOptions,
) -> int:
    """Wait until all jobs are over, and print each; return the exit code."""
    left = {job.id: JobState.WAITING for job in jobs}
    codes: list[int] = []
    since, asked, is_reported = time.monotonic(), False, False
    while left:
        try:
            found = queue.some(list(left))
        except ServiceUnavailable as error:
            if not is_reported:
                print_message(
                    tr("{value}; the command waits until the queue answers", value=error.message)
                )
            is_reported = True
            found = []
        else:
            is_reported = False
            for gone in set(left) - {status.job.id for status in found}:
                print_message(tr("the job {gone} was removed from the queue", gone=gone))
                codes.append(SnapshotterError.exit_code)
                del left[gone]
        for status in found:
            if status.state is not left[status.job.id] and not options.quiet:
                why = f": {status.error}" if status.error and not status.state.over else ""
                print_message(f"{status.job.url}: {status.state.value}{why}")
            left[status.job.id] = status.state
            if status.state.over:
                del left[status.job.id]
                codes.append(_print_end(status, options))
        if not asked and time.monotonic() - since > _NO_WORKER_S:
            asked = True
            _look_for_workers(database)
        if left:
            time.sleep(_LOOK_S)
    return combined_exit_code(codes)


def _look_for_workers(database: "Database") -> None:
    from snapshotter.jobs.workers.registry import WorkerRegistry

    if not WorkerRegistry(database).live_workers():
        print_message(tr("no worker is running. Start a worker:\n  snapshotter worker"))


def _print_end(status: JobStatus, options: EnqueueOptions) -> int:
    """Print the end of one job; return its exit code."""
    from snapshotter.cli.queue_output import print_job

    if options.as_json:
        print_json(job_json(status))
    else:
        print_job(status)
    return SnapshotterError.exit_code if status.exit_code is None else status.exit_code
