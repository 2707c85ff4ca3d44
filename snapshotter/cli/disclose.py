"""Provide `snapshotter disclose`: show withheld values of a redacted copy to its reader."""

from pathlib import Path

import click

from snapshotter.cli.file_or_id import open_named
from snapshotter.cli.options import store_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.errors import SnapshotterError
from snapshotter.translation import tr


@click.command(
    epilog="""\b
Examples:
  snapshotter disclose ./for-the-court/20261124t160642z-k3v4q2m7xw4c5b6d.redacted.wacz \\
    /what/final_url -o ./disclosed.redacted.wacz
"""
)
@click.argument("copy", type=click.Path(path_type=Path, dir_okay=False), metavar="COPY")
@click.argument("fields", nargs=-1, required=True, metavar="FIELD…")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="New copy, which shows the values.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def disclose(
    ctx: click.Context,
    copy: Path,
    fields: tuple[str, ...],
    output: Path,
    store: str | None,
    as_json: bool,
) -> None:
    """
    Write a redacted copy again, with some of its withheld values shown.

    COPY is a file of `snapshotter export --redact`. A FIELD is the JSON pointer of a value, as
    `verify` names it, or a name such as title (docs/howto/redact.md). The values and their salts
    come from the whole bundle, which must be in the store. The salts of other values stay secret.
    Files that COPY withholds stay withheld. The new copy is verified before it is written.

    Exit codes: 1 the store has no such bundle, or COPY withholds no such value. 10 the new copy
    would be FAILED. 20 the capture is in quarantine.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive import bundles, quarantined
    from snapshotter.app.archive.exports import redacted_copy
    from snapshotter.app.wiring import documents
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    settings = ctx.obj.load(store=store or "")
    opened = wiring_store.store(settings)
    try:
        with open_named(copy) as stream:
            bundle_id = redacted_copy.read_bundle_id(stream)
            quarantined.require_visible(opened, bundle_id, wiring_trust.trusted_keys(settings))
            key = bundles.find_bundle_key(opened, bundle_id)
            with opened.open(key) as bundle:
                shown = redacted_copy.disclose(
                    stream,
                    bundle,
                    output,
                    fields=fields,
                    trust=wiring_trust.trust(settings, by_bundle=True),
                    now=machine.SystemClock().now(),
                    late_tokens=bundles.read_sidecars(opened, key, "late-").late_tokens,
                )
    except OSError as error:
        raise SnapshotterError(
            tr("{copy} cannot be read: {error}", copy=copy, error=error.strerror or error)
        ) from error
    documents.note_redacted_copy(settings, opened, bundle_id, output, show_message=print_message)
    if as_json:
        print_json({"bundle_id": bundle_id, "file": str(output), "shown": list(shown)})
        return
    print_result(str(output))
    print_message(tr("values that the new copy also shows: {shown}", shown=", ".join(shown)))
