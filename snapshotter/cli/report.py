"""
Provide `snapshotter report`: reports about a campaign (here), a capture (`report_capture.py`), a
case (`report_case.py`) and a day (`report_day.py`), and drafts of declarations
(`report_declaration.py`).
"""

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.options import root_key_option, store_option, trust_option
from snapshotter.cli.output import print_json, print_message, print_result, write_file
from snapshotter.cli.report_capture import capture
from snapshotter.cli.report_case import case
from snapshotter.cli.report_day import day
from snapshotter.cli.report_declaration import declaration
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.app.takedown.campaign_report import Scope
    from snapshotter.model.campaign import CampaignReport


@click.group()
def report() -> None:
    """Make reports about captures, cases, days and campaigns, and drafts of declarations."""


report.add_command(capture)
report.add_command(case)
report.add_command(day)
report.add_command(declaration)


@report.command(
    epilog="""\b
Examples:
  snapshotter report campaign --urls accounts.csv --from 2026-05-27 --to 2026-06-27 -o may.json
  snapshotter report campaign --schedule may --html may.html
  snapshotter report campaign --watch feed --json | jq .findings.numbers
  snapshotter verify --store captures may.json
"""
)
@click.option(
    "--urls",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Report the pages of this file. The file is a CSV table, or has one address on each line.",
)
@click.option(
    "--column",
    default="",
    metavar="NAME",
    help="Name of the column with the addresses, if the file is a table.",
)
@click.option(
    "--schedule",
    metavar="NAME",
    help="Report the pages of this schedule, and only the gaps of this schedule.",
)
@click.option("--watch", metavar="NAME", help="Report the pages that this watch list contained.")
@click.option("--title", default="", help="Title of the case, which is shown in the report.")
@click.option(
    "--from",
    "since",
    metavar="TIME",
    help="Start of the period, UTC, for example 2026-05-27 or 2026-05-27T08:00:00Z.",
)
@click.option(
    "--to",
    "until",
    metavar="TIME",
    help="End of the period, UTC. If you give a day, the whole day is included.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the report to this file, and sign it with the key that signs take-down events.",
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the report as an HTML page to this file.",
)
@click.option(
    "--no-verify",
    is_flag=True,
    help="Do not verify the bundles before the report is made. The report states that the "
    "bundles were not verified.",
)
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print the report as one JSON object.")
@click.pass_context
def campaign(
    ctx: click.Context,
    urls: Path | None,
    column: str,
    schedule: str | None,
    watch: str | None,
    title: str,
    since: str | None,
    until: str | None,
    output: Path | None,
    page: Path | None,
    no_verify: bool,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Report what happened to the pages of a campaign: how many were removed, why and when.

    The report has the numbers of watched, available and reinstated pages, and of removals by
    cause. It has the numbers of walls, gaps and accounts. It states how long pages were available.
    Times of removal are intervals between two captures, because no capture shows the exact moment.
    The report lists the bundles and events of each number. It names the captures that it leaves
    out, with the reasons, for example captures in quarantine.

    -o writes a signed report. `snapshotter verify` derives each of its numbers again from the
    bundles. Without -o, nothing is signed.
    """
    from snapshotter.app.takedown import campaign_report
    from snapshotter.app.wiring import campaign as wiring_campaign
    from snapshotter.app.wiring import keys as wiring_keys
    from snapshotter.assess.campaign import events_with_unproven_order
    from snapshotter.formats.canonical_json import plain
    from snapshotter.formats.statements import campaign as records
    from snapshotter.model.campaign import OWN_WORD
    from snapshotter.report import campaign as pages

    settings = ctx.obj.load(
        trust_file=str(trust_file or ""), trust_root_key=root_key or "", store=store or ""
    )
    scope, policy = _scope(settings, urls, column, schedule, watch, title, since, until)
    if policy:  # by what they were watched by, a removal is one
        settings = settings.with_policy(policy)
    with wiring_campaign.campaign_service(settings, show_message=print_message) as service:
        made = campaign_report.make(service, scope, verify=not no_verify)
    weak = events_with_unproven_order(made.campaign)
    if made.campaign.left_out:
        print_message(tr("captures that are left out: {count}", count=len(made.campaign.left_out)))
    for left_out in made.campaign.left_out:
        print_message(
            tr("left out: {bundle_id}: {why}", bundle_id=left_out.bundle_id, why=left_out.why)
        )
    if output is not None:
        signer = wiring_keys.event_signer(settings, ask=ask_passphrase, show_message=print_message)
        try:
            data = records.encode(made, signer)
        except ValueError as error:
            raise SnapshotterError(
                tr("the report cannot be written: {error}", error=error)
            ) from error
        write_file(output, data)
        print_message(
            tr(
                "the report was written to {output}. Verify the report, and derive each number "
                "again:\n  snapshotter verify {output}",
                output=output,
            )
        )
    if page is not None:
        write_file(page, pages.page(made, weak=weak))
        print_message(tr("the HTML page was written to {page}", page=page))
    if as_json:
        print_json({**plain(made), "own_word": list(OWN_WORD), "weak": list(weak)})
    else:
        _print(made)
        if weak:
            print_result(
                tr(
                    "events for which no timestamp token confirms the order of the captures: "
                    "{count}",
                    count=len(weak),
                )
            )
        print_result(
            tr(
                "fields that cannot be derived again, and that are only statements of the maker "
                "of the report: {own_word}",
                own_word=", ".join(OWN_WORD),
            )
        )


def _scope(
    settings: "Settings",
    urls: Path | None,
    column: str,
    schedule: str | None,
    watch: str | None,
    title: str,
    since: str | None,
    until: str | None,
) -> tuple["Scope", str]:
    """Return the pages of the report, and the policy of their schedule or watch; "" for none."""
    from snapshotter.app.takedown.campaign_report import Scope
    from snapshotter.app.wiring import queue as wiring_queue
    from snapshotter.app.wiring import watches as wiring_watches
    from snapshotter.formats.lists import csv_links
    from snapshotter.formats.lists.csv_links import read_table
    from snapshotter.formats.lists.listing import ListUnreadable
    from snapshotter.verify.files import first_bytes

    if [urls is None, schedule is None, watch is None].count(False) != 1:
        raise click.UsageError(
            tr("give the pages with exactly one of the options --urls, --schedule and --watch")
        )
    if urls is not None:
        try:
            listed = read_table(first_bytes(urls, csv_links.MAX_BYTES + 1), "", column=column)
        except ListUnreadable as error:
            raise SnapshotterError(
                f"{urls}: {error}",
                hint=tr(
                    "give a file with one address on each line, or a table with a column of "
                    "addresses"
                ),
            ) from error
        found = [listed_page.url for listed_page in listed.items]
        words, policy = f"a list of {len(found)}", ""
    elif schedule is not None:
        with wiring_queue.schedules(settings) as book:
            policy = book.get(schedule).policy
            found = [target.url for target in book.targets(schedule)]
        words = f"the schedule {schedule}"
    else:
        with wiring_queue.queue_database(settings) as database:
            lists = wiring_watches.watches(settings, database)
            found = [item.url for item in reversed(lists.items(watch or ""))]
            policy = lists.status(watch or "").watch.policy
        words = tr("the watch list {watch}", watch=watch)
    scope = Scope(
        urls=tuple(found),
        words=words,
        title=title,
        schedule=schedule or "",
        since=_time(since, at_end=False),
        until=_time(until, at_end=True),
    )
    return scope, policy


def _time(text: str | None, *, at_end: bool) -> datetime | None:
    """Return an instant; for a day its beginning, or at the end of a period the next day's."""
    from datetime import date, timedelta

    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        with suppress(ValueError):  # it is a moment
            date.fromisoformat(text)
            at += timedelta(days=1) if at_end else timedelta()
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            tr(
                "{text!r} is neither a date nor a time; valid: 2026-05-27 or 2026-05-27T08:00:00Z",
                text=text,
            )
        ) from error
    return at


def _print(made: "CampaignReport") -> None:
    for line in _lines(made):
        print_result(line)


def _lines(made: "CampaignReport") -> Iterator[str]:
    from snapshotter.model.takedown import widen
    from snapshotter.report import campaign as pages

    campaign, found = made.campaign, made.findings
    if campaign.title:
        yield campaign.title
    yield f"{pages.format_period(campaign)}, {campaign.scope}"
    yield ""
    for number in found.numbers:
        if number.value or number.name in pages.ALWAYS:
            yield f"{number.value:>6}  {pages.describe_number(number.name)}"
    yield ""
    if found.survivors:
        yield tr(
            "pages that were available: {survivors}; median of the time for which they were "
            "available: {span}",
            survivors=found.survivors,
            span=pages.format_span(found.median_life),
        )
    if found.median_removed_after is not None:
        yield tr(
            "removed pages: median time from the first capture to the removal: {span}",
            span=pages.format_span(found.median_removed_after),
        )
    for row in found.rows:
        if row.removals:
            removal = row.removals[-1]
            began, ended = widen((removal.began, removal.ended))
            yield (
                f"{pages.describe_fate(row)}  {pages.describe_cause(removal)}  "
                f"{began:%Y-%m-%d %H:%M:%S} to {ended:%Y-%m-%d %H:%M:%S} UTC  "
                f"{row.url}"
            )
    if not campaign.verified:
        yield tr("the bundles of this report were not verified")
