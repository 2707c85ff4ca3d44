"""
Provide `snapshotter quarantine` and `snapshotter release`: stop a capture from being shown and
copied, and end that.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.values import instant_json
from snapshotter.cli.annotation_output import annotation_options
from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.output import format_time, print_json, print_message, print_next, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from collections.abc import Callable

    from snapshotter.app.upkeep.quarantine import QuarantineChange, QuarantineService


@click.command(
    epilog="""\b
Examples:
  snapshotter quarantine --reason "may show a child" latest
  snapshotter quarantine
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[ID…]")
@click.option(
    "--reason",
    default="",
    help="Reason, required with ID. The reason is kept permanently and copied to replicas: do not "
    "describe the content in detail.",
)
@annotation_options
@click.pass_context
def quarantine(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Put captures into quarantine, or list the captures in quarantine.

    A capture in quarantine is not listed, searched, reviewed, opened, quoted, compared, exported
    or copied to a replica. Counts and campaign reports leave it out and name it. New take-down
    events and proof packs cannot use the capture. Events that exist stay valid. The bundle, its
    custody chain and its log entry stay, and can be verified.

    A signed notice is stored beside the bundle and added to the log. A replica gets the notice in
    place of the bundle, and an audit of the replica states `quarantined` instead of `deleted`.

    Copies that exist in replicas, exports and backups are not removed. To delete a capture
    permanently, use `snapshotter erase`.

    Without ID, the captures in quarantine are listed with their reasons.
    """
    if not bundle_ids:
        if reason:
            raise click.UsageError(tr("name the captures by their ids"))
        _list(ctx, store, as_json=as_json)
        return
    from snapshotter.app.upkeep import quarantine as upkeep

    service = _service(ctx, store, passphrase_file)
    for bundle_id in BUNDLE_ID.resolve(service.store, bundle_ids):
        _change(
            partial(upkeep.put_into_quarantine, service, bundle_id, reason=reason),
            tr("in quarantine"),
            tr("was in quarantine already"),
            service.store.url,
            as_json=as_json,
        )
    if not as_json:
        print_next(tr("end a quarantine"), 'snapshotter release --reason "…" ID')


@click.command(
    epilog="""\b
Examples:
  snapshotter release --reason "examined by the lawyer on 4 December" k3v4q2m7
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="ID…")
@click.option("--reason", required=True, help="Reason. The reason is kept permanently.")
@annotation_options
@click.pass_context
def release(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Release captures from quarantine.

    The end of a quarantine is valid only if you trust the key that signs its notice. You trust
    your own keys and the keys of your trust file. The next `snapshotter store replicate` copies
    the capture.
    """
    from snapshotter.app.upkeep import quarantine as upkeep

    service = _service(ctx, store, passphrase_file)
    for bundle_id in BUNDLE_ID.resolve(service.store, bundle_ids):
        _change(
            partial(upkeep.release, service, bundle_id, reason=reason),
            tr("released"),
            tr("was not in quarantine"),
            service.store.url,
            as_json=as_json,
        )


def _service(
    ctx: click.Context, store: str | None, passphrase_file: Path | None
) -> "QuarantineService":
    from snapshotter.app.wiring import upkeep as wiring_upkeep

    settings = ctx.obj.load(store=store or "", passphrase_file=str(passphrase_file or ""))
    return wiring_upkeep.quarantine_service(
        settings, ask=ask_passphrase, show_message=print_message
    )


def _change(
    change: "Callable[[], QuarantineChange]",
    changed: str,
    unchanged: str,
    url: str,
    *,
    as_json: bool,
) -> None:
    """Store one notice, and print which capture it is about and whether anything changed."""
    try:
        done = change()
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    if as_json:
        print_json({"bundle_id": done.bundle_id, "changed": done.changed, "logged": done.logged})
    else:
        print_result(f"{done.bundle_id}  {changed if done.changed else unchanged}")
    if not done.logged:
        print_message(tr("WARNING: {url} has no log, so the notice is only in the store", url=url))


def _list(ctx: click.Context, store: str | None, *, as_json: bool) -> None:
    from snapshotter.app.archive.quarantined import hidden_captures
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    opened = wiring_store.store(settings)
    found = hidden_captures(opened, wiring_trust.trusted_keys(settings))
    for bundle_id, entry in found.items():
        active = entry.active
        if as_json:
            print_json(
                {
                    "at": instant_json(active.at) if active else None,
                    "bundle_id": bundle_id,
                    "by": (active.by or None) if active else None,
                    "problems": list(entry.problems),
                    "reason": active.reason if active else None,
                }
            )
            continue
        who = (
            f"{format_time(active.at)}  {active.by or tr('(no name)')}: {active.reason}"
            if (active)
            else ""
        )
        print_result("  ".join(filter(None, (bundle_id, who, *entry.problems))))
    if not found and not as_json:
        print_message(tr("no capture in {url} is in quarantine", url=opened.url))
