"""
Provide `snapshotter hold`: place, lift and list legal holds, which keep bundles from deletion.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.key_options import ask_passphrase, passphrase_file_option
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.upkeep.holds import HoldChange
    from snapshotter.formats.statements.holds import Holds


@click.group()
def hold() -> None:
    """Place, lift and list legal holds. A legal hold prevents the deletion of a bundle."""


_json = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON object for each bundle."
)
_name = click.option(
    "--name",
    required=True,
    help="Name of the hold. Allowed characters: a-z, 0-9, dot, dash, underscore.",
)


@hold.command(
    epilog="""\b
Examples:
  snapshotter hold place --name doe-v-example --matter "Doe v. Example, 26-cv-01234" \\
      --reason "preservation letter of 30 November" 20261124t160642z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="BUNDLE-ID…")
@_name
@click.option("--matter", default="", help="Case or order that requires the hold.")
@click.option("--reason", required=True, help="Reason for the hold.")
@store_option
@passphrase_file_option
@_json
@click.pass_context
def place(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    name: str,
    matter: str,
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Place a legal hold on bundles.

    A bundle can be under several holds with different names. The bundle can be deleted only after
    all holds are lifted. snapshotter does not delete a bundle under a hold. A bucket with Object
    Lock does not allow the deletion. The record of the hold is signed and stored.
    """
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import upkeep as wiring_upkeep

    service = wiring_upkeep.hold_service(
        _settings(ctx, store, passphrase_file), ask=ask_passphrase, show_message=print_message
    )
    for bundle_id in BUNDLE_ID.resolve(service.store, bundle_ids):
        try:
            done = holds.place(service, bundle_id, name=name, matter=matter, reason=reason)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        _print_change(
            done, as_json, "held" if done.changed else tr("the legal hold was already in force")
        )


@hold.command(
    epilog="""\b
Examples:
  snapshotter hold lift --name doe-v-example --reason "settled" 20261124t160642z-k3v4q2m7xw4c5b6d
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="BUNDLE-ID…")
@_name
@click.option("--reason", required=True, help="Reason for lifting the hold.")
@store_option
@passphrase_file_option
@_json
@click.pass_context
def lift(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    name: str,
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Lift one legal hold of bundles.

    Other holds and the retention of the bundles remain. A verifier accepts the lifting only if the
    verifier trusts the key that signs the record of the lifting.
    """
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import upkeep as wiring_upkeep

    service = wiring_upkeep.hold_service(
        _settings(ctx, store, passphrase_file), ask=ask_passphrase, show_message=print_message
    )
    for bundle_id in BUNDLE_ID.resolve(service.store, bundle_ids):
        done = holds.lift(service, bundle_id, name=name, reason=reason)
        _print_change(
            done, as_json, "lifted" if done.changed else tr("the legal hold was already lifted")
        )


@hold.command(
    "list",
    epilog="""\b
Examples:
  snapshotter hold list
  snapshotter hold list --json 20261124t160642z-k3v4q2m7xw4c5b6d
""",
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
@store_option
@_json
@click.pass_context
def list_(
    ctx: click.Context, bundle_ids: tuple[str, ...], store: str | None, as_json: bool
) -> None:
    """
    List the bundles that are under a legal hold.

    With BUNDLE-ID, all hold records of these bundles are shown. If a record is missing or cannot be
    read, the output reports the problem, and the bundle is treated as under a hold.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.store_location import require_store
    from snapshotter.app.upkeep import holds
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    require_store(settings)
    opened, is_trusted = wiring_store.store(settings), wiring_trust.trusted_keys(settings)
    if bundle_ids:
        found = [
            holds.HeldBundle(bundle_id=bundle_id, holds=holds.read(opened, bundle_id, is_trusted))
            for bundle_id in BUNDLE_ID.resolve(opened, bundle_ids)
            if bundles.find_bundle_key(opened, bundle_id)
        ]
    else:
        found = list(holds.held_bundles(opened, is_trusted))
    for entry in found:
        if as_json:
            print_json(_holds_json(entry.bundle_id, entry.holds))
            continue
        state = "held" if entry.holds.held else "not held"
        print_result(f"{entry.bundle_id}  {state}")
        for record in entry.holds.open:
            print_result(f"  {holds.describe_hold(record)}")
        for problem in entry.holds.problems:
            print_result(
                tr("  this problem is treated as a legal hold: {problem}", problem=problem)
            )
    if not found and not as_json:
        print_message(tr("no bundle in {url} is under a legal hold", url=opened.url))


def _settings(ctx: click.Context, store: str | None, passphrase_file: Path | None) -> Any:
    return ctx.obj.load(store=store or "", passphrase_file=str(passphrase_file or ""))


def _print_change(done: "HoldChange", as_json: bool, words: str) -> None:
    if as_json:
        print_json(
            {
                **_holds_json(done.bundle_id, done.holds),
                "changed": done.changed,
                "enforced": done.enforced,
            }
        )
    else:
        still = [hold.name for hold in done.holds.open]
        more = f"; open holds: {', '.join(still)}" if still else tr("; no legal hold is in force")
        print_result(f"{done.bundle_id}  {words}{more}")
    for problem in done.holds.problems:
        print_message(
            tr(
                "{bundle_id}: this problem is treated as a legal hold: {problem}",
                bundle_id=done.bundle_id,
                problem=problem,
            )
        )
    if done.holds.held and not done.enforced:
        print_message(
            tr(
                "WARNING: the store does not enforce legal holds. snapshotter does not erase "
                "{bundle_id}, but anybody who can write to the store can delete this bundle",
                bundle_id=done.bundle_id,
            )
        )


def _holds_json(bundle_id: str, found: "Holds") -> dict[str, Any]:
    from snapshotter.formats.canonical_json import instant

    opened = {(hold.name, hold.sequence) for hold in found.open}
    return {
        "bundle_id": bundle_id,
        "held": found.held,
        "holds": [
            {
                "action": hold.action,
                "at": instant(hold.at),
                "by": hold.by,
                "key_id": hold.key_id,
                "matter": hold.matter,
                "name": hold.name,
                "open": (hold.name, hold.sequence) in opened,
                "reason": hold.reason,
            }
            for hold in found.records
        ],
        "problems": list(found.problems),
    }
