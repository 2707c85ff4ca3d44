"""Provide `snapshotter list`: list the bundles in a store, or the captures of one page."""

from datetime import UTC, date, datetime
from itertools import islice
from typing import TYPE_CHECKING

import click

from snapshotter.cli.options import store_option
from snapshotter.cli.output import (
    format_time,
    print_json,
    print_message,
    print_result,
)

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings


from snapshotter.cli.bundle_output import bundle_json, bundle_line, describe_observation
from snapshotter.translation import tr


@click.command(
    "list",
    epilog="""\b
Examples:
  snapshotter list
  snapshotter list --since 2026-11-01 --json
  snapshotter list --identity 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'
""",
)
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
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Show only bundles that were captured on this day or later, UTC.",
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
    store: str | None,
    limit: int,
    since: datetime | None,
    identity: str | None,
    as_json: bool,
) -> None:
    """
    List the bundles in a store, newest first.

    The list shows what the bundles contain. This command does not verify the bundles: use
    `snapshotter verify`.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    if identity:
        _list_identity(settings, identity, limit, since, as_json=as_json)
        return
    opened, is_trusted = wiring_store.store(settings), wiring_trust.trusted_keys(settings)
    day: date | None = since.date() if since else None
    count = 0
    for entry in islice(bundles.list_bundles(opened, since=day), limit):
        count += 1
        held = any(map(holds.is_hold_record, entry.kinds)) and (
            holds.read(opened, entry.bundle_id, is_trusted).held
        )
        if as_json:
            print_json(bundle_json(entry, held=held))
        else:
            print_result(bundle_line(entry, held=held))
    if not count and not as_json:
        print_message(tr("the store {url} contains no bundles yet", url=opened.url))


def _list_identity(
    settings: "Settings", identity: str, limit: int, since: datetime | None, *, as_json: bool
) -> None:
    """Print the captures of one page, the newest first."""
    from snapshotter.app.archive.observations import observations
    from snapshotter.app.wiring import takedown as wiring_takedown
    from snapshotter.formats.canonical_json import plain

    begins = since.replace(tzinfo=UTC) if since else None
    with wiring_takedown.observation_source(settings) as source:
        source.sync()
        # A text that is not an address is an identity, as `--json` prints it.
        resolved = (
            source.identity(identity) if "://" in identity else source.index.resolved(identity)
        )
        found = observations(source, identity=resolved, since=begins, sync=False)
    for observation in found[::-1][:limit]:
        if as_json:
            print_json(plain(observation))
        else:
            print_result(
                f"{observation.bundle_id}  {format_time(observation.at)}  "
                f"{describe_observation(observation)}  {observation.url}"
            )
    if not found and not as_json:
        print_message(
            tr(
                "the store {url} contains no capture of {resolved} with a verdict",
                url=source.store.url,
                resolved=resolved,
            )
        )
