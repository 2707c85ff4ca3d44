"""
Provide `snapshotter show`: print the capture record of a bundle and what was read from its page,
without verifying the bundle.
"""

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import store_option
from snapshotter.cli.output import (
    print_group,
    print_json,
    print_message,
    print_result,
    verdict_json,
)
from snapshotter.model.custody import DISPLAYING

if TYPE_CHECKING:
    from snapshotter.model.assessment import Assessment


from snapshotter.cli.bundle_output import record_lines


@click.command(
    epilog="""\b
Examples:
  snapshotter show 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter show latest
  snapshotter show --json exhibit.wacz k3v4q2m7
"""
)
@click.argument("bundles", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID…")
@store_option
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the capture record and the readings of each bundle as one JSON object.",
)
@click.pass_context
def show(ctx: click.Context, bundles: tuple[str, ...], store: str | None, as_json: bool) -> None:
    """
    Show the facts in bundles: what was captured, when, how, and what is missing.

    The output also shows the verdict about the page, and its counts, dates, metadata and QR codes.

    The facts are read from the bundles. This command does not verify the bundles: use `snapshotter
    verify`.
    """
    files = {name: file_argument(name, store=store) for name in bundles}
    for number, (name, file) in enumerate(files.items()):
        if number and not as_json:
            print_result()
        _show(ctx, name, file, store=store, as_json=as_json)


def _show(
    ctx: click.Context, name: str, file: Path | None, *, store: str | None, as_json: bool
) -> None:
    from snapshotter.app.archive import bundles
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.cli.readings_output import describe_readings
    from snapshotter.formats.canonical_json import plain
    from snapshotter.model.assessment import AssessmentSummary

    if file is not None:
        with open_named(file) as stream:
            record, assessment = bundles.read_record(stream), _read_assessment(stream)
    else:
        settings = ctx.obj.load(store=store or "")
        opened = wiring_store.store(settings)
        (bundle_id,) = FILE_OR_BUNDLE.resolve(opened, [name])
        with opened.open(bundles.find_bundle_key(opened, bundle_id)) as found:
            record, assessment = bundles.read_record(found), _read_assessment(found)
        wiring_store.note_access(
            settings, opened, bundle_id, DISPLAYING, show_message=print_message
        )
    shown = AssessmentSummary.of(assessment) if assessment is not None else None
    if as_json:
        kept = {"assessment": plain(assessment), "verdict": verdict_json(shown)}
        print_json({**record, **kept})
        return
    for line in record_lines(record, assessment):
        print_result(line)
    if assessment is not None:
        print_group("readings", describe_readings(assessment.readings))


def _read_assessment(stream: BinaryIO) -> "Assessment | None":
    """Return the assessment in a bundle; None for a bundle from before assessments existed."""
    from snapshotter.app.archive import assessment as assessing

    return assessing.read_assessment(assessing.BundleFiles(stream))
