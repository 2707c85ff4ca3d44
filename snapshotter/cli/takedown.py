"""
Provide `snapshotter takedown`: derive take-down events from captures, and list, show and export
them.
"""

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.bundles import left_out_json
from snapshotter.app.json_objects.takedowns import derivation_json, event_json
from snapshotter.cli.bundle_output import print_left_out
from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.object_id import EVENT_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.takedown_output import derivation_lines, event_lines
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.observations import ObservationSource
    from snapshotter.index.stored_events import StoredEvent

_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object on each line.")


@click.group()
def takedown() -> None:
    """
    Conclude take-downs from captures, and show and export the signed take-down events.

    A take-down event is an interval between two signed captures. The first capture shows the page.
    The second capture is the first of at least two captures that show the removal. Between the
    captures that show the removal, another capture shows that another page of the same host was
    available.
    """


@takedown.command(
    "list",
    epilog="""\b
Examples:
  snapshotter takedown list
  snapshotter takedown list --page 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'
  snapshotter takedown list --since 2026-05-27 --json
""",
)
@click.option(
    "--page", metavar="URL|IDENTITY", help="Show only the events of this page or account."
)
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="Show only events that were concluded on this day or later, UTC.",
)
@store_option
@_JSON
@click.pass_context
def list_(
    ctx: click.Context,
    page: str | None,
    since: datetime | None,
    store: str | None,
    as_json: bool,
) -> None:
    """
    List the take-down events of a store, in the order in which they were concluded.

    Removals of one account within 15 minutes are listed as one group. The key [monitor] burst of
    the policy sets this time.
    """
    from snapshotter.app.store_location import require_store
    from snapshotter.app.takedown.event_list import listed_events, removal_burst
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.assess.takedown_events import account_of
    from snapshotter.verify.takedown import describe_event

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    is_trusted = wiring_trust.trusted_keys(settings)
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        if page:
            source.sync()
        source.index.sync_events(source.store)
        listed = listed_events(
            source,
            page=page or "",
            since=since.replace(tzinfo=UTC) if since else None,
            within=removal_burst(settings),
        )
        where = source.store.url
    for stored_event in listed.invalid:
        print_message(
            tr(
                "{key} is not a valid take-down event: {problem}",
                key=stored_event.key,
                problem=stored_event.problem,
            )
        )
    if not listed.events and not as_json:
        print_message(
            tr(
                "{where} contains no take-down event of this page",
                where=where,
            )
            if page
            else tr("{where} contains no take-down event", where=where)
        )
    sizes = Counter(entry.burst for entry in listed.events)
    for entry in listed.events:
        trusted = is_trusted(entry.stored.key_id)
        if as_json:
            print_json({**event_json(entry.stored), "burst": entry.burst, "trusted": trusted})
            continue
        if entry.burst == entry.event.event_id:
            print_result(
                tr(
                    "{account_of}: {count} events",
                    account_of=account_of(entry.event),
                    count=sizes[entry.burst],
                )
            )
        doubt = "" if trusted else tr("  (signed by a key that is not trusted on this machine)")
        indent = "  " if entry.burst else ""
        print_result(f"{indent}{entry.event.event_id}  {describe_event(entry.event)}{doubt}")
    if listed.events and not as_json:
        print_message(
            tr("this list does not verify the events. Verify an event:\n  snapshotter verify ID")
        )


@takedown.command(
    epilog="""\b
Examples:
  snapshotter takedown show 20260527t091000z-k3v4q2m7xw4c5b6d
  snapshotter takedown show --json latest
"""
)
@click.argument("event_ids", nargs=-1, required=True, type=EVENT_ID, metavar="ID…")
@store_option
@_JSON
@click.pass_context
def show(ctx: click.Context, event_ids: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """
    Show take-down events: the interval, the notice, and each capture that an event is based on.

    The events are not verified here: use `snapshotter verify ID`.
    """
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.assess.takedown_events import captures_of_event

    settings = ctx.obj.load(store=store or "")
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        wanted = EVENT_ID.resolve(source.store, event_ids)
        source.sync()
        hidden = wiring_index.hidden_finder(settings, source)
        for number, found in enumerate(_find_event(source, event_id) for event_id in wanted):
            left_out = hidden(
                [part.bundle_id for part in captures_of_event(found.event)] if found.event else []
            )
            if as_json:
                print_json({**event_json(found), "quarantined": left_out_json(left_out)})
                continue
            if number:
                print_result()
            for bundle_id, why in left_out.items():
                print_result(f"{bundle_id} {why}")
            for label, text in event_lines(found):
                print_result(f"{label:<15} {text}")


@takedown.command(
    epilog="""\b
Examples:
  snapshotter takedown derive
  snapshotter takedown derive 'https://mp.weixin.qq.com/s?__biz=MzA…&mid=26…&idx=1'
"""
)
@click.argument("urls", nargs=-1, metavar="[URL…]")
@store_option
@_JSON
@click.pass_context
def derive(ctx: click.Context, urls: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """
    Conclude take-downs from the captures in the store, and record each new event.

    Without an address, the command examines all pages for which a capture shows a removal. The
    output shows each conclusion. If no conclusion is possible, the output shows what is missing. If
    no capture was added since the last run, the command changes nothing.

    The policy of a page sets the conditions for an event: [takedown.confirm] times, after, control.
    """
    from snapshotter.app.takedown import events as takedowns
    from snapshotter.app.url_lists import complete_urls
    from snapshotter.app.wiring import takedown as wiring_takedown

    settings = ctx.obj.load(store=store or "")
    with wiring_takedown.takedown_service(
        settings, ask=ask_passphrase, show_message=print_message
    ) as service:
        done = takedowns.derive(service, complete_urls(urls, print_message))
        where = service.source.store.url
    if not done and not as_json:
        print_message(tr("no capture in {where} shows a removal", where=where))
    for derived in done:
        if as_json:
            print_json(derivation_json(derived))
            continue
        for line in derivation_lines(derived):
            print_result(line)


@takedown.command(
    epilog="""\b
Examples:
  snapshotter takedown export 20260527t091000z-k3v4q2m7xw4c5b6d -o exhibit
  snapshotter verify exhibit/20260527t091000z-k3v4q2m7xw4c5b6d.json
"""
)
@click.argument("event_id", type=EVENT_ID, metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="New directory for the files.  [default: a directory with the id of the event as its "
    "name]",
)
@store_option
@_JSON
@click.pass_context
def export(
    ctx: click.Context, event_id: str, output: Path | None, store: str | None, as_json: bool
) -> None:
    """
    Copy a take-down event with all its bundles and the earlier events.

    Captures in quarantine are left out. The output states their number, ids and reasons.

    The copies have the same bytes as the originals. If you verify the event with `snapshotter
    verify`, the bundles beside the event are found automatically.
    """
    from snapshotter.app.takedown import events as takedowns
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.assess.takedown_events import captures_of_event
    from snapshotter.model.custody import EXPORTING

    settings = ctx.obj.load(store=store or "")
    with wiring_index.observation_source(settings, show_message=print_message) as source:
        (event_id,) = EVENT_ID.resolve(source.store, [event_id])
        found = _find_event(source, event_id)
        source.sync()
        made = takedowns.export_event(
            source,
            found,
            output or Path(event_id),
            hidden=wiring_index.hidden_finder(settings, source),
        )
    for observation in captures_of_event(found.event) if found.event is not None else ():
        if observation.bundle_id in made.left_out:
            continue
        wiring_store.note_access(
            settings, source.store, observation.bundle_id, EXPORTING, show_message=print_message
        )
    if as_json:
        print_json(
            {
                "event_id": event_id,
                "files": [str(file) for file in made.files],
                "left_out": left_out_json(made.left_out),
            }
        )
        return
    for file in made.files:
        print_result(str(file))
    print_left_out(made.left_out)


def _find_event(source: "ObservationSource", event_id: str) -> "StoredEvent":
    source.index.sync_events(source.store)
    for kept_event in source.index.events(event_id=event_id):
        if kept_event.event is not None:
            return kept_event
    raise SnapshotterError(
        tr(
            "{url} contains no take-down event with the id {event_id}",
            event_id=event_id,
            url=source.store.url,
        ),
        hint=tr("list the events:\n  snapshotter takedown list"),
    )
