"""
Provide `snapshotter queue`: list, show, cancel, retry and purge the jobs of the queue, and watch
the queue on a terminal.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.jobs import job_json, top_json
from snapshotter.cli.object_id import resolve_jobs
from snapshotter.cli.output import (
    print_json,
    print_message,
    print_result,
)
from snapshotter.cli.queue_hosts import hosts
from snapshotter.cli.queue_output import (
    job_line,
    print_action_results,
    print_job,
    show_live,
    top_lines,
)
from snapshotter.cli.queue_tables import migrate, tables
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import JobState
from snapshotter.translation import tr

if TYPE_CHECKING:
    pass


states_option = click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in JobState]),
    help="Show only jobs in this state; may be repeated.",
)


@click.group()
def queue() -> None:
    """Show, cancel and retry the jobs of the queue."""


queue.add_command(hosts)
queue.add_command(tables)
queue.add_command(migrate)


@queue.command(
    "list",
    epilog="""\b
Examples:
  snapshotter queue list
  snapshotter queue list --state dead --state failed
  snapshotter queue list --origin schedule:front-pages --newest 20 --json
""",
)
@states_option
@click.option(
    "--origin",
    default="",
    metavar="NAME",
    help="Show only jobs of this origin: a schedule, a watch list or a command.",
)
@click.option("--newest", type=click.IntRange(1), metavar="N", help="Show only the newest N jobs.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each job.")
@click.pass_context
def list_(
    ctx: click.Context, states: tuple[str, ...], origin: str, newest: int | None, as_json: bool
) -> None:
    """List jobs in the order in which they were put into the queue."""
    from snapshotter.app.wiring import queue as wiring_queue

    found, wanted = 0, frozenset(map(JobState, states))
    with wiring_queue.queue_database(ctx.obj) as opened:
        job_queue = wiring_queue.queue(ctx.obj, opened)
        tasks = 0 if as_json else wiring_queue.forgotten_tasks(opened)
        for status in job_queue.jobs(states=wanted, origin=origin, newest=newest or 0):
            found += 1
            if as_json:
                print_json(job_json(status))
            else:
                print_result(job_line(status))
    if not found and not as_json:
        print_message(
            tr(
                "no job in the queue matches the options. Put a page into the queue:\n  "
                "snapshotter capture --enqueue URL"
            )
        )
    if tasks:
        print_message(
            tr(
                "tasks of the console that wait, because no worker is running: {tasks}. Start a "
                "worker:\n  snapshotter worker",
                tasks=tasks,
            )
        )


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue show 20260115t123045z-abcdefghijklmnop
  snapshotter queue show --json latest
"""
)
@click.argument("job_ids", metavar="JOB…", nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each job.")
@click.pass_context
def show(ctx: click.Context, job_ids: tuple[str, ...], as_json: bool) -> None:
    """Show jobs and their results."""
    from snapshotter.app.wiring import queue as wiring_queue

    with wiring_queue.command_queue(ctx.obj) as job_queue:
        found = {job_id: job_queue.get(job_id) for job_id in resolve_jobs(job_queue, job_ids)}
    for job_id, status in found.items():
        if status is None:
            raise _unknown(job_id)
        if as_json:
            print_json(job_json(status))
        else:
            print_job(status)


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue cancel 20260115t123045z-abcdefghijklmnop
"""
)
@click.argument("job_ids", nargs=-1, required=True, metavar="JOB…")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each job.")
@click.pass_context
def cancel(ctx: click.Context, job_ids: tuple[str, ...], as_json: bool) -> int:
    """
    Cancel jobs.

    If the capture of a job is running, the capture is aborted. A bundle that is already stored
    remains.

    Exit codes: 0 all jobs were cancelled, 1 at least one job could not be cancelled.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    with wiring_queue.command_queue(ctx.obj) as job_queue:
        return print_action_results(
            job_queue.cancel(resolve_jobs(job_queue, job_ids)), "cancelled", as_json
        )


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue retry 20260115t123045z-abcdefghijklmnop
  snapshotter queue retry --state dead
"""
)
@click.argument("job_ids", nargs=-1, metavar="[JOB…]")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice(["failed", "dead", "cancelled"]),
    help="Select all jobs in this state; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each job.")
@click.pass_context
def retry(
    ctx: click.Context, job_ids: tuple[str, ...], states: tuple[str, ...], as_json: bool
) -> int:
    """
    Run failed, dead and cancelled jobs again.

    Exit codes: 0 all jobs are waiting again, 1 at least one job could not be retried.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    if bool(job_ids) == bool(states):
        raise click.UsageError(tr("give the ids of jobs, or --state"))
    with wiring_queue.command_queue(ctx.obj) as job_queue:
        wanted: Sequence[str] = resolve_jobs(job_queue, job_ids)
        if states:
            wanted = [
                status.job.id for status in job_queue.jobs(states=frozenset(map(JobState, states)))
            ]
            if not wanted and not as_json:
                print_message(tr("no job is in a state that --state selects"))
        return print_action_results(job_queue.retry(wanted), "waits again", as_json)


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue purge --days 30
  snapshotter queue purge --days 0 --state cancelled --state done
"""
)
@click.option(
    "--days",
    type=click.IntRange(0),
    metavar="DAYS",
    required=True,
    help="Remove jobs that ended at least this many days ago.",
)
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([state.value for state in JobState if state.over]),
    help="Remove only jobs in this state; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def purge(ctx: click.Context, days: int, states: tuple[str, ...], as_json: bool) -> None:
    """
    Remove ended jobs from the queue.

    Bundles and the log are not changed.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    chosen = tuple(map(JobState, states)) or tuple(state for state in JobState if state.over)
    with wiring_queue.command_queue(ctx.obj) as job_queue:
        count = job_queue.purge(before=job_queue.now() - timedelta(days=days), states=chosen)
    if as_json:
        print_json({"purged": count})
    else:
        print_result(tr("removed jobs: {count}", count=count))


@queue.command(
    epilog="""\b
Examples:
  snapshotter queue top
  snapshotter queue top --json
"""
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, and exit.")
@click.pass_context
def top(ctx: click.Context, as_json: bool) -> None:
    """
    Show the current state of the queue, and update the display: jobs by state, workers, and running
    captures. Ctrl-C ends the display.

    A worker can have one more running job than it captures at the same time. The worker completes
    the bundle of one page while it captures other pages.
    """
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.jobs.workers.registry import WorkerRegistry

    with wiring_queue.queue_database(ctx.obj) as database:
        found, registry = wiring_queue.queue(ctx.obj, database), WorkerRegistry(database)
        if as_json:
            print_json(top_json(found, registry))
        else:
            show_live(lambda: top_lines(found, registry))


def _unknown(job_id: str) -> SnapshotterError:
    return SnapshotterError(
        tr("the job {job_id} does not exist", job_id=job_id),
        hint=tr(
            "list the jobs. Jobs that ended are removed from the queue after some time:\n  "
            "snapshotter queue list"
        ),
    )
