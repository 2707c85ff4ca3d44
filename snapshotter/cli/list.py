"""Provide `snapshotter list`: list the bundles in a store, or the captures of one page."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from snapshotter.app.json_objects.bundles import bundle_json
from snapshotter.cli.bundle_output import (
    LIST_COLUMNS,
    OBSERVATION_COLUMNS,
    bundle_line,
    bundle_row,
    describe_observation,
    observation_row,
)
from snapshotter.cli.options import complete_case, store_option
from snapshotter.cli.output import (
    format_time,
    print_json,
    print_message,
    print_result,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.bundle_list import BundleFilter
    from snapshotter.app.archive.bundles import ListedBundle
    from snapshotter.app.settings import Settings
    from snapshotter.cli.table import Column
    from snapshotter.index.query import Query
    from snapshotter.ports import ObjectStore

_VERDICTS = (
    "available", "unavailable", "inconclusive",
    "content", "notice", "wall", "shell", "blank", "error", "partial",
)  # fmt: skip
_DAY = click.DateTime(["%Y-%m-%d"])


@click.command(
    "list",
    epilog="""\b
Examples:
  snapshotter list
  snapshotter list --host mp.weixin.qq.com --verdict unavailable
  snapshotter list --since 2026-11-01 --until 2026-11-30 --json
  snapshotter list --case case-7 outcome:partial
  snapshotter list --identity 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'
""",
)
@click.argument("words", nargs=-1, metavar="[QUERY]…")
@store_option
@click.option(
    "--limit",
    type=click.IntRange(1),
    metavar="N",
    default=20,
    show_default=True,
    help="Show at most this many bundles.",
)
@click.option(
    "--since",
    type=_DAY,
    metavar="YYYY-MM-DD",
    help="Show only bundles that were captured on this day or later, UTC.",
)
@click.option(
    "--until",
    type=_DAY,
    metavar="YYYY-MM-DD",
    help="Show only bundles that were captured on this day or earlier, UTC.",
)
@click.option(
    "--host",
    metavar="HOST",
    default="",
    help="Show only bundles whose requested or final address has this host.",
)
@click.option(
    "--verdict",
    "verdicts",
    multiple=True,
    type=click.Choice(_VERDICTS),
    metavar="VERDICT",
    help="Show only bundles with this verdict: available, unavailable, inconclusive, or what the "
    "page shows: content, notice, wall, shell, blank, error, partial. May be repeated.",
)
@click.option(
    "--case",
    "cases",
    multiple=True,
    shell_complete=complete_case,
    metavar="NAME",
    help="Show only captures in this case. If no case has this name: in the cases whose title "
    "contains the text.",
)
@click.option(
    "--tag", "tags", multiple=True, metavar="TAG", help="Show only captures with this tag."
)
@click.option(
    "--identity",
    metavar="URL|IDENTITY",
    help="Show only the captures of this page and their verdicts. Captures under other addresses "
    "of the page are included.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bundle.")
@click.pass_context
def list_(
    ctx: click.Context,
    words: tuple[str, ...],
    store: str | None,
    limit: int,
    since: datetime | None,
    until: datetime | None,
    host: str,
    verdicts: tuple[str, ...],
    cases: tuple[str, ...],
    tags: tuple[str, ...],
    identity: str | None,
    as_json: bool,
) -> None:
    """
    List the bundles in a store, newest first.

    In a terminal, the list is a table with the last 8 characters of each id. Other commands accept
    these characters instead of the id. Elsewhere, each line has the whole id, and nothing is
    shortened.

    QUERY selects captures by words and filters, as in `snapshotter search`: 谣言 policy:court. What
    begins with a minus sign comes after --.

    The list shows what the bundles contain. This command does not verify the bundles: use
    `snapshotter verify`.

    Exit codes: 0 also if no bundle was found, 1 the store does not exist, 2 the query is invalid or
    cannot be answered.
    """
    from snapshotter.app.archive.bundle_list import BundleFilter
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import store as wiring_store

    query = _query(words, cases, tags)
    if query is not None and identity:
        raise click.UsageError(
            tr(
                "--identity does not work together with QUERY, --case and --tag: write identity:… "
                "in QUERY instead"
            )
        )
    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    wanted = BundleFilter(
        since=since.date() if since else None,
        until=until.date() if until else None,
        host=urlsplit(host).netloc if "://" in host else host,
        verdicts=frozenset(verdicts),
    )
    if identity:
        _list_identity(settings, identity, limit, wanted, as_json=as_json)
        return
    _list_bundles(settings, wiring_store.store(settings), limit, wanted, query, as_json=as_json)


def _query(words: Sequence[str], cases: Sequence[str], tags: Sequence[str]) -> "Query | None":
    """Return what the captures of the list match; None for all captures."""
    text = " ".join(words)
    if not (text.strip() or cases or tags):
        return None
    from snapshotter.cli.search import parse_query
    from snapshotter.index.query import with_filters

    return with_filters(parse_query(text) if text.strip() else None, case=cases, tag=tags)


def _list_bundles(
    settings: "Settings",
    store: "ObjectStore",
    limit: int,
    wanted: "BundleFilter",
    query: "Query | None",
    *,
    as_json: bool,
) -> None:
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.cli.table import terminal_width

    is_trusted = wiring_trust.trusted_keys(settings)

    def is_held(entry: "ListedBundle") -> bool:
        return any(map(holds.is_hold_record, entry.kinds)) and (
            holds.read(store, entry.bundle_id, is_trusted).held
        )

    width = 0 if as_json else terminal_width()
    hidden: list[str] = []
    with _selected(settings, store, wanted, query, hidden.append) as (entries, problems):
        count, rows = 0, list[Sequence[str]]()
        for entry in islice(entries, limit):
            count += 1
            held = is_held(entry)
            if as_json:
                print_json({**bundle_json(entry, held=held), "annotation_problems": problems})
            elif width:
                rows.append(bundle_row(entry, held=held))
            else:
                print_result(bundle_line(entry, held=held))
        has_more = bool(width) and next(entries, None) is not None
    _print_table(LIST_COLUMNS, rows, width)
    if hidden:
        print_message(
            tr(
                "captures in quarantine that are not listed: {count}. To list them:\n  snapshotter "
                "quarantine",
                count=len(hidden),
            )
        )
    if not count:
        print_message(
            tr("the store {url} contains no bundles yet", url=store.url)
            if wanted.is_empty and query is None
            else tr("no bundle in the store {url} matches these options", url=store.url)
        )
    elif has_more:
        print_message(
            tr(
                "the store has more bundles that match. To show more bundles, give --limit {limit}",
                limit=limit * 5,
            )
        )


@contextmanager
def _selected(
    settings: "Settings",
    store: "ObjectStore",
    wanted: "BundleFilter",
    query: "Query | None",
    left_out: "Callable[[str], None]",
) -> "Iterator[tuple[Iterator[ListedBundle], list[str] | None]]":
    """
    Yield the bundles of the list, and what is wrong with the annotations, which is known after the
    first bundle; None: the annotations are not read. The index is open as long as this is.
    """
    from snapshotter.app.archive.bundle_list import select, select_indexed
    from snapshotter.app.wiring import trust as wiring_trust

    is_trusted = wiring_trust.trusted_keys(settings)
    if query is None and not (wanted.host or wanted.verdicts):
        yield select(store, wanted, is_trusted=is_trusted, left_out=left_out), None
        return
    from snapshotter.app import machine
    from snapshotter.app.archive.lookup import search
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.cli.search import print_cut

    with wiring_index.observation_source(settings, show_message=print_message) as source:
        now = machine.SystemClock().now()
        if query is None:
            yield (
                select_indexed(source, wanted, now=now, is_trusted=is_trusted, left_out=left_out),
                None,
            )
            return
        yield (
            search.select(source, query, wanted, now=now, is_trusted=is_trusted, cut=print_cut),
            source.annotation_problems,
        )


def _list_identity(
    settings: "Settings", identity: str, limit: int, wanted: "BundleFilter", *, as_json: bool
) -> None:
    """Print the captures of one page, the newest first."""
    from snapshotter.app.archive import quarantined
    from snapshotter.app.archive.bundle_list import select_observations
    from snapshotter.app.archive.observations import observations
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.cli.table import terminal_width
    from snapshotter.formats.canonical_json import plain

    begins = datetime.combine(wanted.since, datetime.min.time(), UTC) if wanted.since else None
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        source.sync()
        resolved = source.named_identity(identity)
        found = observations(source, identity=resolved, since=begins, sync=False)
        is_trusted = wiring_trust.trusted_keys(settings)
        seen = quarantined.visible(found, source.store, is_trusted, index=source.index)
    selected = select_observations(seen, wanted)[:limit]
    width = 0 if as_json else terminal_width()
    _print_table(OBSERVATION_COLUMNS, list(map(observation_row, selected)) if width else [], width)
    for observation in selected if not width else ():
        if as_json:
            print_json(plain(observation))
        else:
            print_result(
                f"{observation.bundle_id}  {format_time(observation.at)}  "
                f"{describe_observation(observation)}  {observation.url}"
            )
    if not selected:
        print_message(
            tr(
                "no capture of {resolved} in the store {url} matches these options",
                url=source.store.url,
                resolved=resolved,
            )
            if found
            else tr(
                "the store {url} contains no capture of {resolved} with a verdict",
                url=source.store.url,
                resolved=resolved,
            )
        )


def _print_table(columns: "Sequence[Column]", rows: Sequence[Sequence[str]], width: int) -> None:
    from snapshotter.cli.table import table_lines

    for line in table_lines(columns, rows, width=width) if rows else ():
        print_result(line)
