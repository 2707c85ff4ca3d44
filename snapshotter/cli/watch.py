"""
Provide `snapshotter watch`: add, change, list, show, pause, resume, poll and remove watch lists
(feeds, sitemaps, tables, pages), whose new pages are captured.
"""

from collections.abc import Callable
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from snapshotter.app.json_objects.watches import (
    item_json,
    poll_json,
    watch_json,
    watch_summary_json,
)
from snapshotter.cli.labels import checked_labels
from snapshotter.cli.options import case_option, complete_policy, tag_option
from snapshotter.cli.output import (
    print_json,
    print_message,
    print_result,
)
from snapshotter.cli.watch_output import (
    describe_state,
    format_interval,
    format_time_or_never,
    print_dry_run,
    print_watch,
    print_watch_change,
    watch_source,
)
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.watch import Existing, ItemState, Watch
from snapshotter.translation import tr

if TYPE_CHECKING:
    from collections.abc import Iterator

    from snapshotter.app.settings import Settings
    from snapshotter.jobs.watches.watches import Watches

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def watch() -> None:
    """
    Watch lists of pages, and capture each new page once.

    A list is a feed, a sitemap, a page with links, or a table of addresses.
    """


def _duration(_: click.Context, __: click.Parameter, value: str | None) -> timedelta | None:
    from snapshotter.policy.times import parse_duration

    if value is None:
        return None
    try:
        return parse_duration(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _share(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    from snapshotter.policy.times import parse_percent

    if value is None:
        return None
    try:
        return parse_percent(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _start(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    return _moment(value, is_end=False)


def _end(_: click.Context, __: click.Parameter, value: str | None) -> datetime | None:
    return _moment(value, is_end=True)


def _moment(text: str | None, *, is_end: bool) -> datetime | None:
    from snapshotter.policy.times import parse_moment

    if text is None:
        return None
    try:
        return parse_moment(text, UTC, is_end=is_end)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


# The options of a watch list that can be changed later; None and empty: not given.
_RULES: tuple[Callable[[Callable[..., Any]], Callable[..., Any]], ...] = (
    click.option(
        "--kind",
        type=click.Choice(["feed", "sitemap", "csv", "html"]),
        help="Kind of the list.  [default: detected from the content]",
    ),
    click.option(
        "--match",
        multiple=True,
        metavar="PATTERN",
        help="Take only items whose address matches this pattern. * matches any text, ? matches "
        "one character; may be repeated.",
    ),
    click.option(
        "--exclude",
        multiple=True,
        metavar="PATTERN",
        help="Take no items whose address matches this pattern; may be repeated.",
    ),
    click.option(
        "--select",
        metavar="CSS",
        help="CSS selector of the links that are items, if the list is a page.",
    ),
    click.option(
        "--column",
        metavar="NAME",
        help="Name of the column with the addresses, if the list is a table.",
    ),
    click.option(
        "--every",
        metavar="TIME",
        callback=_duration,
        help="Time between two polls: 90s, 10m, 1h.  [default: 10m]",
    ),
    click.option(
        "--jitter",
        metavar="PERCENT",
        callback=_share,
        help="Move each poll earlier or later by at most this percentage of the time between two "
        "polls.  [default: 15%]",
    ),
    click.option(
        "--poll-limit",
        type=click.IntRange(1, 50_000),
        metavar="N",
        help="Request at most this many captures in one poll. The other captures are requested "
        "in the next polls.  [default: 500]",
    ),
    click.option(
        "--within",
        metavar="TIME",
        callback=_duration,
        help="Report a capture as late if more than this time passes between the poll that finds "
        "the page and the start of the capture.  [default: 120s]",
    ),
    click.option(
        "--policy",
        shell_complete=complete_policy,
        metavar="NAME|FILE|auto",
        help="Policy for the captures of the pages.  [default: auto]",
    ),
    tag_option,
    case_option,
    click.option(
        "--end",
        "ends_at",
        metavar="DAY|TIME",
        callback=_end,
        help="Stop polling at this time, or at the end of this day, UTC.  [default: never]",
    ),
)


def _rules(command: Callable[..., Any]) -> Callable[..., Any]:
    for option in reversed(_RULES):
        command = option(command)
    return command


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch add agency https://news.example/rss.xml
  snapshotter watch add statements https://ministry.example/news --match '*/news/20*' --every 30m
  snapshotter watch add blog https://blog.example/ --select 'main h2 a' --existing skip
  snapshotter watch add portal https://portal.example/ --render --select '.list a' --every 30m
  snapshotter watch add accounts articles.csv --column link --policy wechat.toml
  snapshotter watch add site https://news.example/sitemap.xml --match '*/2026/*' --dry-run
"""
)
@click.argument("name", metavar="NAME")
@click.argument("source", metavar="URL|FILE")
@_rules
@click.option(
    "--existing",
    type=click.Choice([existing.value for existing in Existing]),
    default=Existing.CAPTURE.value,
    show_default=True,
    help="What to do with the pages that are in the list now.",
)
@click.option(
    "--existing-limit",
    type=click.IntRange(0, 50_000),
    metavar="N",
    default=100,
    show_default=True,
    help="Capture at most this many of the pages that are in the list now, in the order of the "
    "list.",
)
@click.option(
    "--render",
    is_flag=True,
    help="Load the page of the list in a browser. Each poll is then a capture.",
)
@click.option(
    "--then",
    default="",
    metavar="CURVE",
    help="Visit each page again at the times of this decay curve.",
)
@click.option(
    "--start",
    "starts_at",
    metavar="DAY|TIME",
    callback=_start,
    help="Do not poll before this day or time, UTC.  [default: now]",
)
@click.option(
    "--dry-run", is_flag=True, help="Fetch the list and show its items; add no watch list."
)
@_json
@click.pass_context
def add(ctx: click.Context, /, dry_run: bool, as_json: bool, **given: Any) -> None:
    """
    Watch a list for new pages.

    The list is an RSS or Atom feed, a sitemap or an index of sitemaps, a CSV file, a plain list of
    addresses, or the links of a page. For a page with links, select the items with --match or
    --select.

    A worker (`snapshotter worker`) polls the list. A page that is in the list under several
    addresses is captured only once.
    """
    from snapshotter.app.wiring import watches as wiring_watches

    with _opened(ctx) as (settings, watches):
        try:
            wanted = Watch(created_at=watches.clock(), **_values(given, settings))
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        if wanted.then:
            wiring_watches.plan(wanted)  # raises for a curve that there is not
        if dry_run and wanted.render:
            raise click.UsageError(
                tr(
                    "--dry-run does not work with --render, because --render makes a capture of "
                    "the page"
                )
            )
        if dry_run:
            print_dry_run(wiring_watches.poller(settings, watches).look(wanted), as_json)
            return
        watches.add(wanted)
        status = watches.status(wanted.name)
    if as_json:
        print_json(watch_json(status))
        return
    print_result(
        tr("{name}  watched, {interval}", name=wanted.name, interval=format_interval(wanted))
    )
    if wanted.existing is Existing.CAPTURE:
        print_message(
            tr(
                "of the pages that are in the list now, at most {existing_limit} are captured. "
                "With --existing skip, none of these pages is captured",
                existing_limit=wanted.existing_limit,
            )
        )
    print_message(
        tr(
            "a worker polls the list. Start a worker, or poll the list now:\n  snapshotter "
            "worker\n  snapshotter watch check {name}",
            name=wanted.name,
        )
    )


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch change agency --every 5m
  snapshotter watch change agency --source https://news.example/feed/v2
  snapshotter watch change blog --select 'article h2 a' --match '*/2026/*'
"""
)
@click.argument("name", metavar="NAME")
@click.option("--source", metavar="URL|FILE", help="New address or file of the list.")
@_rules
@_json
@click.pass_context
def change(ctx: click.Context, /, name: str, as_json: bool, **given: Any) -> None:
    """
    Change how a list is watched.

    Settings for which no option is given stay unchanged. New patterns replace all earlier patterns,
    and new tags and cases replace all earlier tags and cases. Pages that were found before are not
    captured again. At the next poll, a worker reads the list again, and captures the pages that
    match.
    """
    with _opened(ctx) as (settings, watches):
        before = watches.status(name).watch
        values = _values(given, settings)
        if not values:
            raise click.UsageError(tr("give at least one option that changes the watch list"))
        try:
            wanted = replace(before, **values)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        print_watch_change(watches.change(wanted), "changed", as_json)


def _values(given: dict[str, Any], settings: "Settings") -> dict[str, Any]:
    """Return the checked values of a watch list, and print warnings."""
    from snapshotter.app.monitoring.watch_options import watch_values

    tags = checked_labels(settings, given.get("tags", ()), given.get("cases", ()))
    rest = {name: value for name, value in given.items() if name != "cases"}
    values, warnings = watch_values(rest | {"tags": tags}, settings.policies_dir, print_message)
    for warning in warnings:
        print_message(tr("WARNING: {warning}", warning=warning))
    return values


@watch.command(
    "list",
    epilog="""\b
Examples:
  snapshotter watch list
  snapshotter watch list --json
""",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each watch list.")
@click.pass_context
def list_(ctx: click.Context, as_json: bool) -> None:
    """List the watch lists, and the state of each."""
    with _opened(ctx) as (_, watches):
        found = list(watches.statuses())
    for status in found:
        if as_json:
            print_json(watch_json(status))
        else:
            waiting = f"  {status.waiting} waiting" if status.waiting else ""
            print_result(
                tr(
                    "{name:<20} {state:<12} {items:>6} items{waiting}  {watch_source}",
                    name=status.watch.name,
                    state=describe_state(status),
                    items=status.items,
                    waiting=waiting,
                    watch_source=watch_source(status),
                )
            )
    if not found and not as_json:
        print_message(
            tr("no watch list exists. Add a watch list:\n  snapshotter watch add NAME URL")
        )


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch show agency
  snapshotter watch show --polls 50 --json agency
"""
)
@click.argument("name", metavar="NAME")
@click.option(
    "--polls",
    type=click.IntRange(0, 200),
    metavar="N",
    default=10,
    show_default=True,
    help="Number of polls to show.",
)
@_json
@click.pass_context
def show(ctx: click.Context, name: str, polls: int, as_json: bool) -> None:
    """Show a watch list:

    its state, its last polls and gaps, and the number of captures in each state.
    """
    from snapshotter.app.monitoring import watch_summary
    from snapshotter.app.wiring import queue as wiring_queue

    with _opened(ctx) as (settings, watches):
        queue = wiring_queue.queue(settings, watches.engine)
        found = watch_summary.watch_summary(watches, queue, name, polls=polls)
    if as_json:
        print_json(watch_summary_json(found))
        return
    print_watch(found)


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch pause agency
  snapshotter watch pause --reason "the site is being moved" agency
"""
)
@click.argument("name", metavar="NAME")
@click.option("--reason", default="", help="Reason for the pause, for the signed record.")
@_json
@click.pass_context
def pause(ctx: click.Context, name: str, reason: str, as_json: bool) -> None:
    """
    Pause a watch list: the list is not polled until it is resumed.

    A worker writes a signed record when a watch list was paused, resumed or removed.
    """
    with _opened(ctx) as (settings, watches):
        status = watches.pause(name, by=settings.operator, reason=reason)
        print_watch_change(status, "paused", as_json)


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch resume agency
"""
)
@click.argument("name", metavar="NAME")
@_json
@click.pass_context
def resume(ctx: click.Context, name: str, as_json: bool) -> None:
    """Resume a watch list: a worker polls the list again."""
    with _opened(ctx) as (settings, watches):
        print_watch_change(watches.resume(name, by=settings.operator), "resumed", as_json)


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch remove agency
  snapshotter watch remove --yes agency
"""
)
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do not ask for a confirmation.")
@_json
@click.pass_context
def remove(ctx: click.Context, name: str, yes: bool, as_json: bool) -> None:
    """
    Remove a watch list, and forget the pages that were found in it.

    Bundles and waiting captures remain. If you watch the same list again later, all its pages count
    as new.
    """
    with _opened(ctx) as (settings, watches):
        status = watches.status(name)
        if not yes:
            click.confirm(
                tr(
                    "remove the watch list {name}, and forget its known pages (number of pages: "
                    "{items})?",
                    name=name,
                    items=status.items,
                ),
                abort=True,
                err=True,
            )
        count = watches.remove(name, by=settings.operator)
    if as_json:
        print_json({"forgotten": count, "name": name})
    else:
        print_result(tr("{name}  removed; pages forgotten: {count}", name=name, count=count))
    if status.watch.then:
        print_message(
            tr(
                "a schedule still visits the pages of the removed watch list. To end these visits, "
                "remove the schedule:\n  snapshotter schedule remove {schedule}",
                schedule=status.watch.schedule,
            )
        )


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch check agency
  snapshotter watch check --json agency
"""
)
@click.argument("name", metavar="NAME")
@_json
@click.pass_context
def check(ctx: click.Context, name: str, as_json: bool) -> None:
    """
    Poll a list now, and put its new pages into the queue.

    A worker makes the captures.

    Exit codes: 0 the list was read, 30 the list could not be read.
    """
    from snapshotter.app.wiring import watches as wiring_watches

    with _opened(ctx) as (settings, watches):
        before = watches.status(name)
        status = wiring_watches.poller(settings, watches).check(name)
        last = watches.polls(name, 1)
    if status.watch.render and status.polls == before.polls:
        if as_json:
            print_json({**watch_json(status), "last_polls": []})
        else:
            print_result(
                tr(
                    "{name}  a worker captures the page of the list first. The list is read "
                    "after the capture",
                    name=name,
                )
            )
        return
    if as_json:
        print_json({**watch_json(status), "last_polls": [poll_json(poll) for poll in last]})
    else:
        counts = (
            tr("{new} new, {queued} put into the queue", new=last[0].new, queued=last[0].queued)
            if last
            else ""
        )
        print_result(
            tr(
                "{name}  {state}  {listed} listed, {counts}",
                name=name,
                state=describe_state(status),
                listed=status.listed,
                counts=counts,
            )
        )
        for note in filter(None, (last[0].detail if last else "",)):
            print_message(note)
    if not status.state.was_read:
        raise ServiceUnavailable(
            tr(
                "the list {name!r} is {state}: {detail}",
                name=name,
                state=status.state,
                detail=status.detail,
            ),
            hint=tr(
                "the list is polled again at {time_or_never}",
                time_or_never=format_time_or_never(status.next_at),
            ),
        )


@watch.command(
    epilog="""\b
Examples:
  snapshotter watch items agency
  snapshotter watch items --newest 0 --json agency
  snapshotter watch items --state skipped --urls agency | snapshotter capture --enqueue -
"""
)
@click.argument("name", metavar="NAME")
@click.option(
    "--state",
    type=click.Choice([item_state.value for item_state in ItemState]),
    help="Show only pages in this state.  [default: all]",
)
@click.option(
    "--newest",
    type=click.IntRange(0),
    metavar="N",
    default=50,
    show_default=True,
    help="Show at most this many pages; 0 shows all.",
)
@click.option("--urls", is_flag=True, help="Print only addresses, one on each line.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each page.")
@click.pass_context
def items(
    ctx: click.Context, name: str, state: str | None, newest: int, urls: bool, as_json: bool
) -> None:
    """Show the pages of a watch list, newest first, with the state of each page."""
    from snapshotter.app.monitoring import watch_summary
    from snapshotter.app.wiring import queue as wiring_queue

    wanted = ItemState(state) if state else None
    with _opened(ctx) as (settings, watches):
        if urls:
            for watch_item in watches.items(name, state=wanted, newest=newest):
                print_result(watch_item.url)
            return
        queue = wiring_queue.queue(settings, watches.engine)
        for found in watch_summary.items_with_jobs(
            watches, queue, name, state=wanted, newest=newest
        ):
            if as_json:
                print_json(item_json(found))
                continue
            item, job = found.item, found.job
            what = job.state.value if job is not None else item.state.value
            since = format_time_or_never(item.first_seen)
            print_result(f"{since}  {what:<10} {item.url}  {item.title}".rstrip())


@contextmanager
def _opened(ctx: click.Context) -> "Iterator[tuple[Any, Watches]]":
    from snapshotter.app.wiring import watches as wiring_watches

    settings = ctx.obj.load()
    with closing(wiring_watches.watches(settings)) as watches:
        yield settings, watches
