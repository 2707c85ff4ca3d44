"""Provide `snapshotter index`: rebuild the index of a store, and show its state."""

from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.index.values import IndexCounts

_VERDICT_SOURCES = (
    ("assessed", tr("have a verdict in the bundle")),
    (
        "reassessed",
        tr("were made by earlier versions of snapshotter, and have a verdict by the present rules"),
    ),
    (
        "unassessed",
        tr("were made by earlier versions of snapshotter, and have too little data for a verdict"),
    ),
    ("unreadable", tr("cannot be read (to find out why, use snapshotter verify)")),
)
_JSON = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group()
def index() -> None:
    """
    Rebuild the index of a store, and show its state.

    The index lists what the bundles of a store state, and contains the text of their pages. Each
    command that uses the index first adds the new bundles. Losing the index loses no evidence.
    """


@index.command(
    epilog="""\b
Examples:
  snapshotter index rebuild
  snapshotter index rebuild --store s3://evidence --json
"""
)
@store_option
@_JSON
@click.pass_context
def rebuild(ctx: click.Context, store: str | None, as_json: bool) -> None:
    """
    Read all bundles of a store again for its index.

    If the command is interrupted, the next command that uses the index continues.
    """
    rebuild_index(ctx.obj.load(store=store or ""), as_json=as_json)


@index.command(
    epilog="""\b
Examples:
  snapshotter index status
  snapshotter index status --json
"""
)
@store_option
@_JSON
@click.pass_context
def status(ctx: click.Context, store: str | None, as_json: bool) -> None:
    """
    Show what the index of a store contains, and compare it with the store.

    The whole store is listed. No bundle is read, and the index is not changed.
    """
    from snapshotter.app.archive.lookup import index_upkeep
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import index as wiring_index

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        found = index_upkeep.status(source)
        where, url = source.index.database.name, source.store.url
    if as_json:
        print_json(
            {
                **_counts_json(found.counts, url),
                "events": found.counts.events,
                "index": where,
                "outdated": found.outdated,
                "passages": found.counts.passages,
                "removed": found.removed,
                "text_cut": found.counts.cut,
            }
        )
        return
    print_result(tr("index: {where}", where=where))
    _print_counts(found.counts, url)
    print_result(
        tr(
            "passages of text: {passages}, take-down events: {events}",
            passages=found.counts.passages,
            events=found.counts.events,
        )
    )
    if found.counts.cut:
        print_result(
            tr(
                "bundles of which only the beginning of the text can be searched: {cut}",
                cut=found.counts.cut,
            )
        )
    if found.outdated or found.removed:
        print_result(
            tr(
                "the next command that uses the index reads {outdated} bundles and removes "
                "{removed} from the index",
                outdated=found.outdated,
                removed=found.removed,
            )
        )
    else:
        print_result(tr("the index is up to date"))


def rebuild_index(settings: "Settings", *, as_json: bool) -> None:
    """Rebuild the index of the configured store, and print the numbers of bundles."""
    from snapshotter.app.archive.lookup import index_upkeep
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import index as wiring_index

    require_store(settings)
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        counts = index_upkeep.rebuild(source)
        url = source.store.url
    if as_json:
        print_json(_counts_json(counts, url))
        return
    _print_counts(counts, url)


def _counts_json(counts: "IndexCounts", url: str) -> dict[str, Any]:
    from snapshotter.index.values import VerdictSource

    numbers = {source.value: counts.bundles.get(source, 0) for source in VerdictSource}
    return {"bundles": sum(numbers.values()), "store": url, **numbers}


def _print_counts(counts: "IndexCounts", url: str) -> None:
    from snapshotter.index.values import VerdictSource

    total = sum(counts.bundles.values())
    print_result(tr("bundles of {url} in the index: {total}", url=url, total=total))
    for verdict_source, words in _VERDICT_SOURCES:
        if count := counts.bundles.get(VerdictSource(verdict_source), 0):
            print_result(f"{count:>6} {words}")
