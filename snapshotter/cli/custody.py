"""
Provide `snapshotter custody`: show the custody events of a bundle, and check that their chain is
intact.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_error, print_json, print_result
from snapshotter.errors import EvidenceUnverifiable
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.formats.bundle.custody_sidecars import Chain, ChainedEvent


@click.group()
def custody() -> None:
    """Show the custody chain of a bundle."""


@custody.command(
    epilog="""\b
Examples:
  snapshotter custody show 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter custody show --json exhibit-7/20261124t160642z-k3v4q2m7xw4c5b6d.wacz
"""
)
@click.argument("bundle", type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID")
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def show(ctx: click.Context, bundle: str, store: str | None, as_json: bool) -> int:
    """
    Show every custody event of a bundle, and check the custody chain.

    The chain begins inside the bundle and continues in the sidecars of the bundle. If a bundle is
    erased by order, the sidecars with the chain remain.

    This command cannot find out whether events at the end of the chain were removed. To find out,
    use `snapshotter audit`, which compares the chain with the log.

    Exit codes: 0 the chain is intact, 11 the chain is broken. The output shows where the chain is
    broken.
    """
    from snapshotter.app.wiring import store as wiring_store

    file = file_argument(bundle, store=store)
    if file is not None:
        found = _of_file(file)
    else:
        opened = wiring_store.store(ctx.obj.load(store=store or ""))
        (bundle,) = FILE_OR_BUNDLE.resolve(opened, [bundle])
        found = _of_store(bundle, opened)
    if as_json:
        print_json(
            {
                "bundle": bundle,
                "events": [_event(link) for link in found.events],
                "head": found.head.previous if found.events else None,
                "holds": not found.problems,
                "problems": list(found.problems),
            }
        )
    else:
        for linked in found.events:
            print_result(_line(linked))
    if not found.problems:
        return 0
    for problem in found.problems:
        print_error(
            EvidenceUnverifiable(tr("the custody chain is broken: {problem}", problem=problem))
        )
    return EvidenceUnverifiable.exit_code


def _of_file(file: Path) -> "Chain":
    from snapshotter.app.archive.bundles import read_member
    from snapshotter.formats.bundle import custody as inside
    from snapshotter.formats.bundle import custody_sidecars, names
    from snapshotter.verify.sidecars import sidecars_on_disk

    with open_named(file) as stream:
        data = read_member(stream, names.CUSTODY, limit=inside.MAX_BYTES)
    return custody_sidecars.check(data, sidecars_on_disk(file, "custody-").custody)


def _of_store(bundle_id: str, store: Any) -> "Chain":
    from snapshotter.app.archive import bundles
    from snapshotter.errors import SnapshotterError
    from snapshotter.store import custodial_store

    try:
        found = custodial_store.read_chain(store, bundle_id)
    except ValueError as error:
        raise SnapshotterError(
            tr("{bundle_id} is neither a file nor the id of a bundle", bundle_id=bundle_id),
            hint=tr("list the ids:\n  snapshotter list"),
        ) from error
    if not found.events and not found.problems:
        bundles.find_bundle_key(store, bundle_id)  # says that there is no such bundle
    return found


def _event(linked: "ChainedEvent") -> dict[str, Any]:
    from snapshotter.formats.bundle.receipts import as_json
    from snapshotter.formats.canonical_json import instant

    event = linked.event
    return {
        "agent": event.agent,
        "at": instant(event.at),
        "by": event.by,
        "detail": event.detail,
        "event": event.event,
        "event_id": event.event_id or None,
        "head": linked.head,
        "object": event.object,
        "outcome": event.outcome,
        "receipt": as_json(event.receipt) if event.receipt else None,
        "sequence": linked.sequence,
        "sidecar": linked.number or None,
    }


def _line(linked: "ChainedEvent") -> str:
    event = linked.event
    who = f"{event.by}, {event.agent}" if event.by else event.agent
    detail = f" ({event.detail})" if event.detail else ""
    return (
        f"{linked.sequence:>4}  {event.at:%Y-%m-%dT%H:%M:%SZ}  {event.event:<28} "
        f"{event.outcome:<8} {event.object}{detail}, by {who}"
    )
