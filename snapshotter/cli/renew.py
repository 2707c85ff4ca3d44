"""
Provide `snapshotter renew`: renew the time proofs of bundles before the certificates of their
timestamps expire.
"""

from datetime import timedelta
from typing import Any

import click

from snapshotter.cli.key_options import ask_passphrase
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import keep_working, print_json, print_message, print_result
from snapshotter.translation import tr


@click.command(
    epilog="""\b
Examples:
  snapshotter renew --dry-run
  snapshotter renew --within 365
  snapshotter renew --store s3://evidence --each --json
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
@store_option
@click.option(
    "--within",
    type=click.IntRange(1, 36_500),
    default=180,
    show_default=True,
    metavar="DAYS",
    help="Renew the time proofs whose certificates expire within this many days.",
)
@click.option(
    "--each",
    is_flag=True,
    help="Fetch one timestamp token for each bundle, over the SHA-512 of the bundle, instead of "
    "one timestamp token for the whole log.",
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Print which bundles need a renewal; request no timestamp token.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bundle.")
@click.pass_context
def renew(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    store: str | None,
    within: int,
    each: bool,
    dry_run: bool,
    as_json: bool,
) -> int:
    """
    Renew the time proofs of bundles before the certificates of the time proofs expire.

    On the machine that writes the log, one timestamp token over the newest checkpoint renews the
    time proofs of all due bundles in the log. This includes bundles that were renewed before. A
    due bundle that is not in the log gets its own timestamp token.

    Exit codes: 0 nothing is due, all due bundles were renewed, or --dry-run was given. 11 at least
    one bundle could not be renewed: the certificates of its time proof have expired, nothing proves
    its time, or the bundle is FAILED.
    """
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import upkeep as wiring_upkeep
    from snapshotter.formats.canonical_json import instant

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    bundle_ids = BUNDLE_ID.resolve(wiring_store.store(settings), bundle_ids)
    keep_working()
    renewer = wiring_upkeep.renewer(settings, ask=ask_passphrase, show_message=print_message)
    left, is_silent = 0, not as_json
    for renewal in renewer.run(timedelta(days=within), only=bundle_ids, each=each, dry_run=dry_run):
        is_silent = False
        left += renewal.state in ("late", "unproven", "failed")
        until = instant(renewal.until) if renewal.until else None
        if as_json:
            answer: dict[str, Any] = {
                "bundle_id": renewal.bundle_id,
                "detail": renewal.detail,
                "how": renewal.how,
                "state": renewal.state,
                "until": until,
            }
            print_json(answer)
        elif renewal.state == "renewed":
            print_result(
                tr("{bundle_id}: renewed until {until}", bundle_id=renewal.bundle_id, until=until)
            )
        elif renewal.state == "due":
            print_result(
                tr(
                    "{bundle_id}: needs a renewal, because the certificates of its time proof "
                    "expire at {until}",
                    bundle_id=renewal.bundle_id,
                    until=until,
                )
            )
        else:
            print_message(
                tr(
                    "{bundle_id} cannot be renewed: {detail}",
                    bundle_id=renewal.bundle_id,
                    detail=renewal.detail,
                )
            )
    if is_silent:
        print_message(tr("no examined bundle needs a renewal within {within} days", within=within))
    return 11 if left else 0
