"""Provide `snapshotter mark`: mark captures whose pictures are shown only after a click."""

from pathlib import Path

import click

from snapshotter.cli.annotation_output import annotation_options, change_captures
from snapshotter.cli.object_id import BUNDLE_ID
from snapshotter.translation import tr


@click.group()
def mark() -> None:
    """Mark captures. A mark changes how a capture is shown, and never the capture."""


@mark.command(
    epilog="""\b
Examples:
  snapshotter mark graphic latest
  snapshotter mark graphic --remove --reason "a drawing" k3v4q2m7
"""
)
@click.argument("bundle_ids", nargs=-1, required=True, type=BUNDLE_ID, metavar="ID…")
@click.option("--remove", is_flag=True, help="Remove the mark.")
@click.option("--reason", default="", help="Reason.")
@annotation_options
@click.pass_context
def graphic(
    ctx: click.Context,
    bundle_ids: tuple[str, ...],
    remove: bool,
    reason: str,
    store: str | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """
    Mark captures as graphic.

    The page about such a capture shows the picture only after a click.
    """
    from snapshotter.app.archive.organising import cases
    from snapshotter.model.annotations import Mark

    change_captures(
        ctx,
        bundle_ids,
        lambda service, ids: cases.set_mark(
            service, Mark.GRAPHIC, ids, on=not remove, reason=reason
        ),
        done=tr("the mark graphic was removed") if remove else tr("marked graphic"),
        unchanged=tr("is not marked graphic") if remove else tr("was marked graphic already"),
        store=store,
        passphrase_file=passphrase_file,
        as_json=as_json,
    )
