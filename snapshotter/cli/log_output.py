"""Print the log of a store, and the entries that a command added to it, as text or JSON."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.upkeep.log_sync import LogSyncResult
    from snapshotter.formats.proofs.note import SignedCheckpoint
    from snapshotter.verify.log import LogEntry

_WHAT = {
    "bundle": "bundle",
    "custody": "custody chain",
    "gap": tr("record of a gap"),
    "takedown": tr("take-down event"),
}


def print_log(
    signed: "SignedCheckpoint", entries: "Sequence[LogEntry]", key: str | None, *, as_json: bool
) -> None:
    """
    Print the newest checkpoint of a log, and entries.

    Args:
        key: The verifier key by which the checkpoint was verified; None: it was not.
    """
    from snapshotter.formats.canonical_json import instant

    if as_json:
        print_json(
            {
                "entries": [
                    {
                        "index": entry.index,
                        "kind": entry.leaf.kind if entry.leaf else None,
                        "name": entry.leaf.name if entry.leaf else None,
                        "sha256": entry.leaf.sha256 if entry.leaf else None,
                    }
                    for entry in entries
                ],
                "origin": signed.checkpoint.origin,
                "root": signed.root.hex(),
                "size": signed.size,
                "verified": key is not None,
                "verifier_key": key,
                "witnesses": [
                    {"name": cosignature.key.name, "time": instant(cosignature.time)}
                    for cosignature in signed.cosignatures
                ],
            }
        )
        return
    print_result(tr("log            {origin}", origin=signed.checkpoint.origin))
    print_result(
        tr(
            "verifier key   {key}",
            key=key
            or tr("unknown, so nothing below is verified (give the key with --verifier-key)"),
        )
    )
    print_result(tr("entries        {size}", size=signed.size))
    print_result(tr("root           {root}", root=signed.root.hex()))
    for cosignature in signed.cosignatures:
        print_result(
            tr(
                "cosigned by    {name} at {instant}",
                name=cosignature.key.name,
                instant=instant(cosignature.time),
            )
        )
    if not signed.cosignatures:
        print_result(tr("cosigned by    no witness that is trusted on this machine"))
    if entries:
        print_result()
    for entry in entries:
        words = (
            f"{entry.leaf.kind:<10} {entry.leaf.name}"
            if entry.leaf
            else tr("this entry is invalid")
        )
        print_result(f"{entry.index:>8}  {words}")


def print_synced(bundle: "LogSyncResult", *, dry_run: bool, as_json: bool) -> None:
    """Print what was logged, or would be, or was passed over."""
    if as_json:
        state = "passed over" if bundle.detail else "waiting" if dry_run else "logged"
        print_json(
            {
                "added": bundle.added,
                "bundle_id": bundle.bundle_id,
                "detail": bundle.detail,
                "index": bundle.index,
                "kind": bundle.kind,
                "state": state,
            }
        )
    elif bundle.detail:
        print_message(
            tr(
                "{bundle_id} was skipped: {detail}",
                bundle_id=bundle.bundle_id,
                detail=bundle.detail,
            )
        )
    elif dry_run:
        print_result(
            tr(
                "{bundle_id}: {what} would be added to the log",
                bundle_id=bundle.bundle_id,
                what=_WHAT[bundle.kind],
            )
        )
    else:
        what = "added" if bundle.added else tr("is in the log already; the log proof was written")
        print_result(
            tr(
                "{bundle_id}: {what}, entry {index}, {what2}",
                bundle_id=bundle.bundle_id,
                what=_WHAT[bundle.kind],
                index=bundle.index,
                what2=what,
            )
        )
