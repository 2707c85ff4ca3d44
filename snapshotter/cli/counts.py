"""
Provide `snapshotter counts`: show the counts that the captures of a page contain (likes, comments,
reads), and when a count reached a threshold.
"""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from snapshotter.app.json_objects.bundles import left_out_json
from snapshotter.app.json_objects.values import instant_json
from snapshotter.cli.bundle_output import print_left_out
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import store_option
from snapshotter.cli.output import format_time, print_json, print_message, print_result
from snapshotter.cli.readings_output import describe_bounds
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.screens.page_counts import PageCounts
    from snapshotter.app.settings import Settings
    from snapshotter.assess.thresholds import CountReading
    from snapshotter.model.reading import Count, Crossing
    from snapshotter.model.request import Threshold

_BAR = 40  # characters
_COLUMNS = (
    "identity", "unit", "at", "raw", "lower", "upper", "exact", "rounding", "source", "mismatch",
    "bundle_id",
)  # fmt: skip


@click.command(
    epilog="""\b
Examples:
  snapshotter counts https://weibo.com/1900000001/O00019Qdw
  snapshotter counts --chart --threshold reposts=500 https://weibo.com/1900000001/O00019Qdw
  snapshotter counts --csv 20261124t160642z-k3v4q2m7xw4c5b6d > counts.csv
"""
)
@click.argument(
    "pages", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="URL|IDENTITY|BUNDLE-ID…"
)
@store_option
@click.option(
    "--threshold",
    "given",
    multiple=True,
    metavar="UNIT=NUMBER",
    help="Show when a count reached this number, for example reposts=500; may be repeated.",
)
@click.option("--chart", is_flag=True, help="Draw a bar for each count.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each page.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one row of a CSV table for each count.")
@click.pass_context
def counts(
    ctx: click.Context,
    pages: tuple[str, ...],
    store: str | None,
    given: tuple[str, ...],
    chart: bool,
    as_json: bool,
    as_csv: bool,
) -> None:
    """
    Show the counts of a page over its captures: reposts, comments, likes, reads, views.

    Captures in quarantine are left out. The output states their number, ids and reasons.

    Each line has the time, the number as the page shows it, its lower and upper bound, and the
    bundle. The counts are read from the bundles. This command does not verify the bundles: use
    `snapshotter verify`.

    If the site shortens a number, the number is known only as an interval: 6.1万 is a number from
    61,000 to 61,999. If a threshold lies inside the interval, the result is "possibly reached".

    Thresholds come from your policy, or else from the policy for the page ([[thresholds]]).
    """
    from snapshotter.app.archive.screens.page_counts import page_counts
    from snapshotter.app.wiring import index as wiring_index

    if as_json + as_csv + chart > 1:
        raise click.UsageError(tr("give only one of the options --chart, --json and --csv"))
    settings = ctx.obj.load(store=store or "")
    asked = tuple(map(_threshold, given))
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        source.sync()
        pages = FILE_OR_BUNDLE.resolve(source.store, pages)
        found = [
            page_counts(
                source,
                page,
                lambda url: (*_of_policy(settings, url), *asked),
                hidden=wiring_index.hidden_finder(settings, source),
            )
            for page in pages
        ]
    for page in found if not as_json else ():
        print_left_out(page.left_out)
    if as_csv:
        _print_csv(found)
        return
    for page in found:
        if as_json:
            print_json(_object(page))
        else:
            _print(page, chart=chart)


def _threshold(text: str) -> "Threshold":
    from snapshotter.model.request import Threshold

    unit, _, number = text.partition("=")
    if not unit.strip() or not number.strip().isdecimal() or not 0 < int(number) < 1 << 53:
        raise click.BadParameter(
            tr(
                "{text} is not a valid threshold; an example of a valid threshold is reposts=500",
                text=text,
            ),
            param_hint="--threshold",
        )
    return Threshold(unit=unit.strip(), at=int(number), source="")


def _of_policy(settings: "Settings", url: str) -> "Sequence[Threshold]":
    """Return the thresholds of the configured policy, else of the policy for the page."""
    from snapshotter.app.policies import configured_policy
    from snapshotter.policy import load as policies
    from snapshotter.policy.capture_decision import monitoring

    own = monitoring(configured_policy.configured_policy(settings, url)).thresholds
    for_page = configured_policy.picked_policy(settings, url).name
    return own or monitoring(policies.load(for_page, settings.policies_dir)).thresholds


def _print(counted: "PageCounts", *, chart: bool) -> None:
    print_result(f"{counted.url}  ({counted.identity})")
    if not counted.readings:
        print_message(
            tr(
                "the captures of this page contain no count (number of captures: {captures})",
                captures=counted.captures,
            )
        )
    for unit, readings in counted.readings.items():
        print_result(f"  {unit}")
        most = max(_shown(reading.count) for reading in readings)
        for reading in readings:
            bar = "#" * max(1, round(_BAR * _shown(reading.count) / max(1, most)))
            drawn = f"{bar:<{_BAR}}  " if chart else ""
            words = describe_bounds(reading.count)
            print_result(f"    {format_time(reading.at)}  {drawn}{words}  {reading.bundle_id}")
    for crossing in counted.crossings:
        print_result(f"  {_crossing_in_words(crossing)}")


def _shown(count: "Count") -> int:
    """Return the length of a bar: the number that is certain."""
    return count.lower


def _crossing_in_words(crossing: "Crossing") -> str:
    source = f" ({crossing.source})" if crossing.source else ""
    begin = "reached" if crossing.certain else "possibly reached"
    if not crossing.below_at:
        begin = tr("was at or above") if crossing.certain else tr("was possibly at or above")
        return tr(
            '{unit} {begin} {threshold:,} at {time} ("{reached_raw}", {reached}); no earlier '
            "capture shows a number that is certainly lower{source}",
            unit=crossing.unit,
            begin=begin,
            threshold=crossing.threshold,
            time=format_time(crossing.reached_at),
            reached_raw=crossing.reached_raw,
            reached=crossing.reached,
            source=source,
        )
    return (
        f"{crossing.unit} {begin} {crossing.threshold:,} between {format_time(crossing.below_at)}"
        f' ("{crossing.below_raw}", {crossing.below}) and {format_time(crossing.reached_at)}'
        f' ("{crossing.reached_raw}", {crossing.reached}){source}'
    )


def _object(counted: "PageCounts") -> dict[str, Any]:
    from snapshotter.formats.canonical_json import plain

    return {
        "captures": counted.captures,
        "crossings": [plain(crossing) for crossing in counted.crossings],
        "identity": counted.identity,
        "left_out": left_out_json(counted.left_out),
        "readings": [
            {
                "at": instant_json(reading.at),
                "bundle_id": reading.bundle_id,
                **plain(reading.count),
            }
            for reading in _all(counted)
        ],
        "url": counted.url,
    }


def _all(counted: "PageCounts") -> "Iterator[CountReading]":
    for readings in counted.readings.values():
        yield from readings


def _print_csv(found: "Sequence[PageCounts]") -> None:
    _print_row(_COLUMNS)
    for counted in found:
        for reading in _all(counted):
            count = reading.count
            _print_row(
                (
                    counted.identity, count.unit, instant_json(reading.at), count.raw, count.lower,
                    "" if count.upper is None else count.upper, str(count.exact).lower(),
                    count.rounding, count.source.value, count.mismatch, reading.bundle_id,
                )
            )  # fmt: skip


def _print_row(values: Sequence[object]) -> None:
    from snapshotter.formats.lists.tables import safe_cell

    line = io.StringIO(newline="")
    # A page wrote some of these values, so none may be a formula in a spreadsheet.
    csv.writer(line, lineterminator="").writerow([safe_cell(str(value)) for value in values])
    print_result(line.getvalue())
