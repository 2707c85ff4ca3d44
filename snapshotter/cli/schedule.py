"""
Provide `snapshotter schedule`: add, list, show, pause, resume, remove and run schedules, which
capture pages repeatedly, and show their history.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.app.json_objects.schedules import entry_json, schedule_json
from snapshotter.cli.key_options import ask_passphrase, passphrase_file_option
from snapshotter.cli.labels import checked_labels
from snapshotter.cli.options import complete_policy, label_options, store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.schedule_output import (
    describe_schedule_state,
    entry_line,
    possible_removal_line,
    print_changed,
    print_dry_run,
    print_schedule,
    print_scheduler_result,
    print_signed,
)
from snapshotter.errors import SnapshotterError
from snapshotter.model.job import MOST_PRIORITY, NORMAL
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.assess.possible_removals import PossibleRemoval
    from snapshotter.jobs.schedules.schedules import Schedule

_SHOWN = 5  # visits to come that are printed after an `add`


@click.group()
def schedule() -> None:
    """
    Capture pages repeatedly, and record the visits that were missed.

    A schedule sets the times of visits: fixed times (cron), a fixed interval, or a curve. A curve
    begins when a page is first seen.
    """


_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each schedule."
)
_names = click.argument("names", nargs=-1, required=True, metavar="NAME…")


@schedule.command(
    epilog="""\b
Examples:
  snapshotter schedule add --cron "0 9 * * mon-fri" --zone Europe/Berlin https://shop.example/
  snapshotter schedule add --every 6h https://example.org/terms
  snapshotter schedule add --name case-7 --curve curve-wechat --from urls.txt --end 2027-06-27
  snapshotter schedule add --curve curve-news --dry-run https://news.example/story
  snapshotter schedule add --to case-7 https://example.org/one-more
"""
)
@click.argument("urls", nargs=-1, metavar="[URL…]")
@click.option(
    "--name",
    default="",
    help="Name of the schedule. The name appears in signed records.  [default: made from the "
    "addresses]",
)
@click.option(
    "--from",
    "file",
    type=click.File("rb"),
    help="File of URLs, one on each line; - for standard input.",
)
@click.option("--to", default="", metavar="NAME", help="Add the URLs to this existing schedule.")
@click.option(
    "--cron",
    default="",
    metavar="FIELDS",
    help='Visit at these times, in the syntax of crontab(5): "0 9 * * mon-fri", or @daily.',
)
@click.option(
    "--every", default="", metavar="TIME", help="Time between two visits: 90s, 15m, 6h, 1d, 2w."
)
@click.option(
    "--curve",
    default="",
    metavar="NAME",
    help="Visit at the times of this curve, which begins when a page is first seen; for example "
    "curve-news.",
)
@click.option(
    "--curves",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="File with your own curves.  [default: the shipped curves]",
)
@click.option(
    "--zone", default="", help="Time zone for cron, days and quiet hours.  [default: UTC]"
)
@click.option(
    "--start", default="", metavar="DAY|TIME", help="Plan no visit before this day or time."
)
@click.option(
    "--end",
    default="",
    metavar="DAY|TIME",
    help="Plan no visit after the end of this day, or plan no visit from this time on.",
)
@click.option(
    "--jitter",
    default="",
    metavar="PERCENT",
    help="Move each visit earlier or later by at most this percentage of the time between the "
    "visit and the nearest other visit.  [default: 15%; with --cron 0%]",
)
@click.option(
    "--season",
    "seasons",
    multiple=True,
    metavar="MM-DD:MM-DD:FACTOR",
    help="On these days of each year, visit more often by this factor; may be repeated.",
)
@click.option(
    "--quiet-hours",
    "quiet",
    multiple=True,
    metavar="HH:MM-HH:MM",
    help="Plan no visit between these hours, in the time zone of the schedule; may be repeated.",
)
@click.option(
    "--catch-up",
    type=click.Choice(["skip", "latest", "all"]),
    default="skip",
    show_default=True,
    help="What to do with visits that were not made in time.",
)
@click.option(
    "--max-late",
    default="",
    metavar="TIME",
    help="Record a visit as a gap when its delay is longer than this time.  [default: 1h with "
    "--catch-up skip]",
)
@click.option(
    "--policy",
    shell_complete=complete_policy,
    default="",
    metavar="NAME|FILE|auto",
    help="Policy for the captures. The policy may also contain a schedule.",
)
@label_options
@click.option(
    "--priority",
    type=click.IntRange(0, MOST_PRIORITY),
    metavar="N",
    default=NORMAL,
    show_default=True,
    help="Priority of the jobs; jobs with a lower number are captured first.",
)
@click.option("--dry-run", is_flag=True, help="Print the first visits, and add nothing.")
@_json
@click.pass_context
def add(
    ctx: click.Context,
    urls: tuple[str, ...],
    name: str,
    file: Any,
    to: str,
    cron: str,
    every: str,
    curve: str,
    curves: Path | None,
    zone: str,
    start: str,
    end: str,
    jitter: str,
    seasons: tuple[str, ...],
    quiet: tuple[str, ...],
    catch_up: str,
    max_late: str,
    policy: str,
    tags: tuple[str, ...],
    cases: tuple[str, ...],
    priority: int,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Add a schedule for one or more URLs, or add URLs to an existing schedule.

    With --every and --curve, the first visit is due now, or at the time of --start.

    A worker (`snapshotter worker`) makes the visits. While no worker runs, visits are missed, and
    each missed visit is recorded.
    """
    from snapshotter.app import machine
    from snapshotter.app.monitoring import new_schedule
    from snapshotter.app.policies.configured_policy import policy_name_for_jobs
    from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
    from snapshotter.app.url_lists import collect_urls, read_list
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.policy import policy_selection

    found = collect_urls(urls, read_list(file) if file else b"", show_message=print_message)
    if not found:
        raise click.UsageError(tr("give at least one URL, or a file of URLs with --from"))
    settings = ctx.obj.load()
    labels = checked_labels(settings, tags, cases)
    if to:
        if dry_run or name or cron or every or curve or labels:
            raise click.UsageError(
                tr(
                    "--to adds URLs to an existing schedule, and does not work with options that "
                    "define a new schedule"
                )
            )
        with wiring_queue.schedules(settings) as schedules:
            added = schedules.extend(to, found)
            print_message(
                tr(
                    "{added} of {count} URLs were added to {to}",
                    added=added,
                    count=len(found),
                    to=to,
                )
            )
            if added < len(found):
                print_message(
                    tr(
                        "the other URLs are in the schedule already, or have no visit before the "
                        "end of the schedule"
                    )
                )
            _warn_without_worker(settings)
            print_schedule(schedules, schedules.get(to), as_json, following=_SHOWN)
        return
    chosen = policy or settings.policy
    by_address = chosen == policy_selection.AUTO
    has_time = bool(cron or every or curve)
    plan = plan_from_options(
        VisitOptions(
            cron=cron, every=every, curve=curve, curves=curves, zone=zone, start=start, end=end,
            jitter=jitter, seasons=seasons, quiet=quiet, catch_up=catch_up, max_late=max_late,
            policy=policy if by_address and has_time else chosen,
            policies_dir=settings.policies_dir, urls=tuple(found),
        )
    )  # fmt: skip
    name, named = (
        name
        or new_schedule.default_schedule_name(found, plan, settings.data_dir, machine.RandomIds()),
        policy_name_for_jobs(policy, settings.policies_dir),
    )
    since = machine.SystemClock().now().replace(microsecond=0)
    for warning in new_schedule.budget_warnings(
        plan, found, since, wiring_queue.politeness(settings)
    ):
        print_message(warning)
    picked = ""
    if by_address:
        known = policy_selection.known_policies(settings.policies_dir)
        picked = policy_selection.describe_picks(
            policy_selection.pick(url, known).winner for url in found
        )
    if dry_run:
        visits = new_schedule.first_visits(plan, name, found, since, max(10, _SHOWN))
        print_dry_run(name, plan, visits, len(found), as_json=as_json)
        if picked:
            print_message(
                tr(
                    "policies that the addresses of the pages select: {picked}",
                    picked=picked,
                )
            )
        return
    with wiring_queue.schedules(settings) as schedules:
        made = schedules.add(name, plan, found, policy=named, priority=priority, tags=labels)
        if picked:
            print_message(
                tr("policies that the addresses of the pages select: {picked}", picked=picked)
            )
        if made.urls < len(found):
            print_message(
                tr(
                    "{count} of {count2} URLs have no visit before the end of the schedule",
                    count=len(found) - made.urls,
                    count2=len(found),
                )
            )
        _warn_without_worker(settings)
        print_schedule(schedules, made, as_json, following=_SHOWN)


def _warn_without_worker(settings: "Settings") -> None:
    """Print a message if no worker runs, which would make the visits."""
    from snapshotter.app.wiring import queue as wiring_queue

    if not wiring_queue.has_worker(settings):
        print_message(
            tr("no worker is running, so visits are missed. Start a worker:\n  snapshotter worker")
        )


@schedule.command(
    "list", epilog="\b\nExamples:\n  snapshotter schedule list\n  snapshotter schedule list --json"
)
@_json
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the schedules, and the next visit of each."""
    from snapshotter.app.wiring import queue as wiring_queue

    with wiring_queue.schedules(ctx.obj.load()) as schedules:
        found = schedules.all()
    for entry in found:
        if as_json:
            print_json(schedule_json(entry))
            continue
        urls = f"URLs: {entry.urls}"
        print_result(
            f"{entry.name}  {describe_schedule_state(entry)}  {entry.plan.summary}  {urls}"
        )
    if not found and not as_json:
        print_message(
            tr("no schedule exists. Show how to add a schedule:\n  snapshotter schedule add --help")
        )


@schedule.command(
    epilog="""\b
Examples:
  snapshotter schedule show case-7
  snapshotter schedule show --next 50 --json case-7
"""
)
@_names
@click.option(
    "--next",
    "following",
    type=click.IntRange(0, 10_000),
    metavar="N",
    default=10,
    show_default=True,
    help="Number of next visits to show.",
)
@click.option(
    "--urls",
    "with_urls",
    is_flag=True,
    help="List the URLs of the schedule, and the time when each URL was first seen.",
)
@_json
@click.pass_context
def show(
    ctx: click.Context, names: tuple[str, ...], following: int, with_urls: bool, as_json: bool
) -> None:
    """Show schedules and the times of their next visits, including jitter."""
    from snapshotter.app.wiring import queue as wiring_queue

    with wiring_queue.schedules(ctx.obj.load()) as schedules:
        for name in names:
            print_schedule(
                schedules, schedules.get(name), as_json, following=following, with_urls=with_urls
            )


@schedule.command(
    epilog="""\b
Examples:
  snapshotter schedule pause case-7
  snapshotter schedule pause --reason "the site is being moved" case-7
"""
)
@_names
@click.option("--reason", default="", help="Reason for the pause, for the signed record.")
@_json
@click.pass_context
def pause(ctx: click.Context, names: tuple[str, ...], reason: str, as_json: bool) -> None:
    """
    Pause schedules: no visit is due until they are resumed.

    A signed record states when the schedule was paused, and by whom if the setting `operator` has a
    value. A capture that a worker has already begun is completed.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    settings = ctx.obj.load()
    with wiring_queue.schedules(settings) as schedules:
        for name in names:
            changed = schedules.pause(name, by=settings.operator, reason=reason)
            words = "paused" if changed else tr("paused already")
            print_changed(schedules.get(name), as_json, words, changed)


@schedule.command(epilog="\b\nExamples:\n  snapshotter schedule resume case-7")
@_names
@_json
@click.pass_context
def resume(ctx: click.Context, names: tuple[str, ...], as_json: bool) -> None:
    """
    Resume paused schedules.

    Visits that were due during the pause are not made later.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    settings = ctx.obj.load()
    with wiring_queue.schedules(settings) as schedules:
        for name in names:
            changed = schedules.resume(name, by=settings.operator)
            words = "resumed" if changed else tr("was not paused")
            print_changed(schedules.get(name), as_json, words, changed)


@schedule.command(epilog="\b\nExamples:\n  snapshotter schedule remove --yes case-7")
@_names
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@_json
@click.pass_context
def remove(ctx: click.Context, names: tuple[str, ...], yes: bool, as_json: bool) -> None:
    """
    Remove schedules permanently.

    Bundles are not changed, and the history of the schedules remains. A signed record of the
    removal is made.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    settings = ctx.obj.load()
    with wiring_queue.schedules(settings) as schedules:
        # Nothing is removed of a list with a typo; what cannot be read here can be removed.
        unread = [name for name in names if not schedules.is_readable(name)]
        found = [schedules.get(name) for name in names if name not in unread]
        if not (yes or _is_confirmed(found, unread)):
            raise SnapshotterError(
                tr("nothing was removed"), hint=tr("answer the question with y, or give --yes")
            )
        for name in unread:
            schedules.remove(name, by=settings.operator)
            told = {"changed": True, "name": name, "state": "removed"}
            print_json(told) if as_json else print_result(tr("{name}  removed", name=name))
        for entry in found:
            schedules.remove(entry.name, by=settings.operator)
            gone = replace(entry, state="removed", next_at=None)
            print_changed(gone, as_json, "removed", True)


@schedule.command(
    epilog="""\b
Examples:
  snapshotter schedule run case-7
  snapshotter schedule run --url https://example.org/ case-7
  snapshotter schedule run --once
"""
)
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option(
    "--url", "urls", multiple=True, help="Visit only this URL of the schedule; may be repeated."
)
@click.option(
    "--once",
    is_flag=True,
    help="Put the visits that are due into the queue, and record the visits that were missed.",
)
@store_option
@passphrase_file_option
@_json
@click.pass_context
def run(
    ctx: click.Context,
    names: tuple[str, ...],
    urls: tuple[str, ...],
    once: bool,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Visit all URLs of schedules now, in addition to the planned visits.

    With --once and without names, the command puts the visits that are due into the queue. A
    running worker does this continuously. Use --once if workers do not run all the time. With and
    without --once, a worker makes the captures.
    """
    from snapshotter.app.wiring import queue as wiring_queue

    if once == bool(names) or (once and urls):
        raise click.UsageError(tr("give the names of schedules, or --once"))
    settings = ctx.obj.load(store=store or "", passphrase_file=str(passphrase_file or ""))
    if once:
        with wiring_queue.command_scheduler(
            settings, ask=ask_passphrase, show_message=print_message
        ) as sweep:
            print_scheduler_result(sweep.run(at_once=True), as_json)
        return
    with wiring_queue.schedules(settings) as schedules:
        for name in names:
            jobs = schedules.run_now(name, urls)
            if as_json:
                print_json({"jobs": jobs, "name": name})
            else:
                print_result(
                    tr("{name}  visits put into the queue: {count}", name=name, count=len(jobs))
                )
    with wiring_queue.command_scheduler(
        settings, ask=None, show_message=print_message, records=False
    ) as sweep:
        sweep.run()


@schedule.command(
    epilog="""\b
Examples:
  snapshotter schedule history case-7
  snapshotter schedule history --gaps --newest 1000 --json case-7
  snapshotter schedule history --signed --store s3://evidence/case-7
"""
)
@click.argument("names", nargs=-1, metavar="[NAME…]")
@click.option(
    "--newest",
    type=click.IntRange(1, 1_000_000),
    metavar="N",
    default=50,
    show_default=True,
    help="Show at most this many entries.",
)
@click.option("--gaps", "gaps_only", is_flag=True, help="Show only gaps and pauses.")
@click.option(
    "--signed", is_flag=True, help="Read the signed records in the store instead of the queue."
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each entry.")
@click.pass_context
def history(
    ctx: click.Context,
    names: tuple[str, ...],
    newest: int,
    gaps_only: bool,
    signed: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """
    Show the visits with their outcomes and verdicts, and the gaps of schedules, newest first.
    Removed schedules are included.

    Possible removals are marked, with the command that compares the capture with the last earlier
    capture that shows the text of the page.

    With --signed, the records of gaps in the store are shown. Everybody with access to the store
    can read these records. Each line states whether a key that you trust signed the record. The
    records contain commitments instead of URLs.
    """
    from snapshotter.app.archive import stored_gaps
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    if signed:
        is_trusted, left = wiring_trust.trusted_keys(settings), newest
        for kept in stored_gaps.stored_gaps(wiring_store.store(settings)):
            if left and (not names or (kept.record and kept.record.schedule in names)):
                left -= 1
                print_signed(kept, as_json, bool(kept.record and is_trusted(kept.record.key_id)))
        return
    if not names:
        raise click.UsageError(
            tr("give the name of a schedule, or give --signed to show the records in a store")
        )
    with (
        wiring_queue.schedules(settings) as schedules,
        wiring_queue.command_queue(settings) as queue,
    ):
        found = [
            (name, entry)
            for name in names
            for entry in schedules.history(name, newest=newest, gaps_only=gaps_only, look=queue.get)
        ]
        job_ids = [entry.job_id for _, entry in found if entry.job_id]
        shown = {status.job.id: status.shown for status in queue.some(job_ids)}
    removals = _possible_removals(settings, {entry.url for _, entry in found if entry.bundle_id})
    for name, entry in found:
        removal = removals.get(entry.bundle_id)
        if as_json:
            seen = shown.get(entry.job_id)
            print_json({"schedule": name, **entry_json(entry, removal, seen)})
        else:
            print_result(entry_line(entry, shown.get(entry.job_id)))
            if removal is not None:
                print_result(possible_removal_line(removal, store))


def _possible_removals(settings: "Settings", urls: set[str]) -> "dict[str, PossibleRemoval]":
    """Return the possible removals among captures; none, with a message, without the store."""
    if not urls:
        return {}
    from snapshotter.app.archive.organising.review_list import possible_removals_of
    from snapshotter.app.wiring import index as wiring_index

    try:
        with wiring_index.observation_source(settings, show_message=print_message) as source:
            hidden = wiring_index.hidden_finder(settings, source)
            return possible_removals_of(source, urls, hidden=hidden)
    except SnapshotterError as error:
        print_message(
            tr(
                "possible removals are not shown, because the store cannot be read: {error}",
                error=error,
            )
        )
        return {}


def _is_confirmed(found: "list[Schedule]", unread: list[str]) -> bool:
    told = ", ".join([*(f"{schedule.name} (URLs: {schedule.urls})" for schedule in found), *unread])
    return sys.stdin.isatty() and click.confirm(
        tr("end {told} permanently?", told=told), default=False, err=True
    )
