"""
Provide `snapshotter erase`: erase bundles and texts of annotations by order, and leave a signed
record of each erasure.
"""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.key_options import ask_passphrase, passphrase_file_option
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.cli.options import store_option
from snapshotter.cli.output import keep_working, print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.settings import Settings
    from snapshotter.app.upkeep.erasure import ErasureService


@click.command(
    epilog="""\b
Examples:
  snapshotter erase --order "District Court of Exampleton, 12 O 345/26" \\
      --reason "names a minor" 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter erase --order "request of 3 December" --reason "names a witness" --note 17
"""
)
@click.argument("bundle_ids", nargs=-1, type=BUNDLE_ID, metavar="[BUNDLE-ID…]")
@click.option(
    "--note",
    "notes",
    multiple=True,
    metavar="NUMBER",
    help="Erase the text of this annotation: a note, a reason or a title. `snapshotter note list` "
    "prints the numbers of notes, `snapshotter case show` those of notes, titles and reasons. May "
    "be repeated. Of a text without a record, give the 64 digits that `snapshotter case check` "
    "prints.",
)
@click.option("--order", required=True, help="Reference of the order that requires the erasure.")
@click.option(
    "--reason",
    required=True,
    help="Reason for the erasure. The reason is kept permanently: do not repeat the erased "
    "content in the reason.",
)
@store_option
@passphrase_file_option
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each bundle.")
@click.pass_context
def erase(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    notes: tuple[str, ...],
    order: str,
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    yes: bool,
    as_json: bool,
) -> None:
    """
    Erase bundles, or texts of annotations, by order, and record each erasure.

    Every version of the bundle and of its sidecars is deleted. The salts of the bundle on this
    machine are deleted too. A signed tombstone takes the place of the bundle and is added to the
    log. The custody chain remains. No command stores the erased bundle again.

    With --note, the text of an annotation is deleted. Its record and a commitment to the text stay,
    so that the chain of annotations can be checked.

    Copies in other stores are not erased: run the command for each replica with --store.

    Exit code 20: at least one bundle is under a legal hold or under retention, and nothing was
    erased.
    """
    from snapshotter.app.upkeep import erasure
    from snapshotter.app.wiring import upkeep as wiring_upkeep

    if bool(bundle_ids) == bool(notes):
        raise click.UsageError(tr("name bundles by their ids, or texts with --note, but not both"))
    settings = ctx.obj.load(store=store or "", passphrase_file=str(passphrase_file or ""))
    if notes:
        _erase_notes(settings, notes, order=order, reason=reason, yes=yes, as_json=as_json)
        _forget(settings)
        return
    service = wiring_upkeep.erasure_service(
        settings, ask=ask_passphrase, show_message=print_message
    )
    bundle_ids = BUNDLE_ID.resolve(service.store, bundle_ids)
    keep_working()
    for bundle_id in bundle_ids:  # nothing is erased of a list in which one is kept
        erasure.check_erasable(service, bundle_id)
    if not (yes or _is_confirmed(bundle_ids, service.store.url)):
        raise SnapshotterError(
            tr("nothing was erased"), hint=tr("answer the question with y, or give --yes")
        )
    try:
        _erase_bundles(service, bundle_ids, order=order, reason=reason, as_json=as_json)
    finally:
        _forget(settings)


def _erase_bundles(
    service: "ErasureService",
    bundle_ids: tuple[str, ...],
    *,
    order: str,
    reason: str,
    as_json: bool,
) -> None:
    """Erase bundles and print what was erased."""
    from snapshotter.app.upkeep import erasure
    from snapshotter.formats.canonical_json import instant

    for bundle_id in bundle_ids:
        try:
            done = erasure.erase(service, bundle_id, reason=reason, order=order)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        if as_json:
            print_json(
                {
                    "at": instant(done.tombstone.at),
                    "bundle_id": bundle_id,
                    "logged": done.logged,
                    "objects": done.objects,
                    "order": done.tombstone.order,
                    "sha256": done.tombstone.sha256 or None,
                    "versions": done.versions,
                }
            )
        else:
            print_result(
                tr(
                    "{bundle_id}  erased; objects: {objects}, versions: {versions}",
                    bundle_id=bundle_id,
                    objects=done.objects,
                    versions=done.versions,
                )
            )
        if not done.logged:
            print_message(
                tr(
                    "WARNING: {url} has no log, so the erasure is recorded only in the store",
                    url=service.store.url,
                )
            )


def _forget(settings: "Settings") -> None:
    """Remove what was erased from the index of the store on this machine, if there is one."""
    from snapshotter.app.wiring import index as wiring_index

    try:
        wiring_index.forget_removed(settings, show_message=print_message)
    except SnapshotterError as error:  # the objects of the store are erased
        print_message(
            tr(
                "the index may still have the erased text: {error}. To remove the text:\n  "
                "snapshotter index rebuild",
                error=error,
            )
        )


def _erase_notes(
    settings: "Settings",
    notes: tuple[str, ...],
    *,
    order: str,
    reason: str,
    yes: bool,
    as_json: bool,
) -> None:
    """Erase the texts of annotations."""
    from snapshotter.app.archive import annotations
    from snapshotter.app.wiring import annotations as wiring
    from snapshotter.model.digests import is_digest

    for name in notes:
        is_number = name.isascii() and name.isdecimal() and len(name) <= 8 and int(name) > 0
        if not is_number and not is_digest(name):
            raise click.UsageError(
                tr("--note {name} is not the number of an annotation", name=name)
            )
    service = wiring.annotation_service(settings, ask=ask_passphrase, show_message=print_message)
    names = tuple(tr("the text of annotation {number}", number=number) for number in notes)
    if not (yes or _is_confirmed(names, service.store.url)):
        raise SnapshotterError(
            tr("nothing was erased"), hint=tr("answer the question with y, or give --yes")
        )
    keep_working()
    for name in notes:
        if is_digest(name):
            annotations.erase_unrecorded_text(service, name)
            if as_json:
                print_json({"erased": True, "number": None, "order": order})
            else:
                print_result(tr("text {name}, which belongs to no record  erased", name=name))
            continue
        number = int(name)
        try:
            added = annotations.erase_text(service, number, order=order, reason=reason)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        if as_json:
            print_json({"erased": added is not None, "number": number, "order": order})
        elif added is not None:
            print_result(tr("text of annotation {number}  erased", number=number))
        else:
            print_result(tr("text of annotation {number}  was erased before", number=number))


def _is_confirmed(bundle_ids: tuple[str, ...], url: str) -> bool:
    """Ask the person to confirm the erasure of these objects."""
    return sys.stdin.isatty() and click.confirm(
        tr("erase {bundle_ids} from {url} permanently?", bundle_ids=", ".join(bundle_ids), url=url),
        err=True,
    )
