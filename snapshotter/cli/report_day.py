"""Provide `snapshotter report day`: what was captured, vanished, changed, failed and missed."""

from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.options import store_option
from snapshotter.cli.output import (
    for_store,
    print_json,
    print_message,
    print_next,
    print_result,
    write_file,
)
from snapshotter.errors import ServiceUnavailable
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.screens.day_report import Period
    from snapshotter.app.settings import Settings
    from snapshotter.report.day import DayReport


@click.command(
    epilog="""\b
Examples:
  snapshotter report day
  snapshotter report day yesterday --html yesterday.html
  snapshotter report day --since 2026-11-27T18:00:00Z --json
  snapshotter report day --notify 2026-11-29
"""
)
@click.argument("day", metavar="[YYYY-MM-DD|yesterday]", required=False, default="")
@click.option(
    "--since",
    metavar="TIME",
    help="Report from this time until now instead of one day, for example 2026-11-27 or "
    "2026-11-27T18:00:00Z. A day begins at midnight, local time.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report as an HTML page to this file.",
)
@click.option(
    "--notify",
    is_flag=True,
    help="Send the numbers, and the ids of removals and possible removals, to the channels of "
    "notify.toml, at most once for a day.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def day(
    ctx: click.Context,
    day: str,
    since: str | None,
    page: Path | None,
    notify: bool,
    store: str | None,
    as_json: bool,
) -> None:
    """
    Report what happened on a day: pages captured, vanished and changed, failures, missed visits.

    Without a date, the report is about today, from midnight by the clock of this machine. The
    report also names the captures of the day that need a review.

    The report shows what the captures and the records of missed visits state, and verifies nothing.
    Captures in quarantine are counted and not shown.

    Exit codes: 0 the report was made. 30 with --notify: a channel did not accept the message.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive.screens.day_report import make_day_report
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import day_report as wiring_day_report
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.report import day as reports
    from snapshotter.report.local_time import LocalTime

    if day and since:
        raise click.UsageError(tr("give a day or --since, but not both"))
    if notify and since:
        raise click.UsageError(tr("--notify sends the report about one day, without --since"))
    settings: Settings = ctx.obj.load(store=store or "")
    require_store(settings)
    now, local = machine.SystemClock().now(), LocalTime()
    period = _period(day, since, now)
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        made = make_day_report(
            source, period, jobs=wiring_day_report.jobs_without_bundle(settings), now=now
        )
    if page is not None:
        write_file(page, reports.page(made, local))
        print_message(tr("the HTML page was written to {page}", page=page))
    if as_json:
        problems = source.annotation_problems
        print_json({**reports.as_json(made), "annotation_problems": problems})
    else:
        for line in reports.lines(made, local, for_store("", store)):
            print_result(line)
        if made.review:
            print_result()
            worst = made.review[0].bundle_id
            print_next(
                tr("look at a capture, and decide about it"),
                for_store(f"snapshotter open {worst}", store),
                for_store("snapshotter review", store),
            )
    if notify:
        _notify(settings, made, now)


def _period(day: str, since: str | None, now: datetime) -> "Period":
    from snapshotter.app.archive.screens.day_report import Period

    try:
        if since:
            at = datetime.fromisoformat(since)
            return Period(since=at.astimezone(UTC), until=now)  # without a zone: local time
        today = now.astimezone().date()
        chosen = (
            today - timedelta(days=1)
            if day == "yesterday"
            else date.fromisoformat(day)
            if day
            else today
        )
        period = Period.of_day(chosen)
        if period.since > now:
            raise ValueError(day)
        return period
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            tr(
                "{text!r} is not a day or a time in the past; valid: 2026-05-27 or "
                "2026-05-27T08:00:00Z",
                text=since or day,
            )
        ) from error


def _notify(settings: "Settings", made: "DayReport", now: datetime) -> None:
    from snapshotter.app.monitoring.notification_events import day_event
    from snapshotter.app.wiring import notifications as wiring_notifications
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.report import day as reports
    from snapshotter.report.local_time import LocalTime

    begins = made.since.astimezone()
    with closing(wiring_notifications.notification_service(settings)) as service:
        service.notify(
            day_event(
                wiring_store.store_name(settings),
                f"{begins:%Y%m%d}",
                reports.mail_summary(made, LocalTime()),
                now,
            )
        )
        done = service.round(hurry=True)
    print_message(
        tr("messages sent: {sent}, still owed: {failed}", sent=done.sent, failed=done.failed)
    )
    if done.failed or done.given_up:
        raise ServiceUnavailable(
            "; ".join(done.problems),
            hint=tr("show when each message is sent again:\n  snapshotter notify outbox"),
        )
