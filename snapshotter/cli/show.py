"""
Provide `snapshotter show`: print what bundles contain, in short or whole, without verifying them.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.bundles import overview_json
from snapshotter.cli.bundle_output import copy_rows, overview_lines, record_lines
from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import store_option
from snapshotter.cli.output import (
    print_group,
    print_json,
    print_message,
    print_next,
    print_result,
    program_name,
)
from snapshotter.model.custody import DISPLAYING
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.bundle_overview import BundleOverview
    from snapshotter.model.copies import Copy


@click.command(
    epilog="""\b
Examples:
  snapshotter show 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter show latest
  snapshotter show --all k3v4q2m7
  snapshotter show --json exhibit.wacz latest
"""
)
@click.argument("bundles", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID…")
@store_option
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Print everything: also redirects, requests without an answer, clock, server, TLS, the "
    "files of the bundle, and the counts, dates, metadata and QR codes of the page.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the capture record and the readings of each bundle as one JSON object.",
)
@click.pass_context
def show(
    ctx: click.Context, bundles: tuple[str, ...], store: str | None, everything: bool, as_json: bool
) -> None:
    """
    Show the facts in bundles: what was captured and when, what the page showed, what is missing,
    and the facts about the proof.

    The facts are read from the bundles. This command does not verify the bundles: use `snapshotter
    verify`.
    """
    files = {name: file_argument(name, store=store) for name in bundles}
    for number, (name, file) in enumerate(files.items()):
        if number and not as_json:
            print_result()
        overview, verified_by, copies = _overview(ctx, name, file, store)
        if overview.quarantine and not as_json:
            print_result(tr("in quarantine: {reason}", reason=overview.quarantine))
        if as_json:
            print_json(overview_json(overview, copies))
        elif everything:
            _print_all(overview, copies)
        else:
            for line in overview_lines(overview, copies):
                print_result(line)
            if number == len(files) - 1:
                print_next(
                    tr("look at the capture, verify the bundle, or show everything"),
                    f"{program_name()} open {verified_by}",
                    f"{program_name()} verify {verified_by}",
                    f"{program_name()} show --all {verified_by}",
                )


def _overview(
    ctx: click.Context, name: str, file: Path | None, store: str | None
) -> tuple["BundleOverview", str, Sequence["Copy"]]:
    """
    Return the overview of a bundle, the arguments that name the bundle to other commands, and
    captures of other pages with nearly the same text.
    """
    from snapshotter.app.archive import bundle_overview
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust

    if file is not None:
        with open_named(file) as stream:
            return bundle_overview.file_overview(file, stream), shlex.quote(name), ()
    settings = ctx.obj.load(store=store or "")
    opened = wiring_store.store(settings)
    (bundle_id,) = FILE_OR_BUNDLE.resolve(opened, [name])

    def is_trusted(key_id: str) -> bool:
        return wiring_trust.trusted_keys(settings)(key_id)

    overview = bundle_overview.stored_overview(opened, bundle_id, is_trusted)
    copies = (
        wiring_index.known_copies(settings, opened, bundle_id, is_trusted)
        if not overview.quarantine
        else ()
    )
    wiring_store.note_access(settings, opened, bundle_id, DISPLAYING, show_message=print_message)
    where = f"--store {shlex.quote(store)} " if store else ""
    return overview, f"{where}{bundle_id}", copies


def _print_all(overview: "BundleOverview", copies: Sequence["Copy"]) -> None:
    from snapshotter.cli.readings_output import describe_readings

    for line in record_lines(overview.record, overview.assessment):
        print_result(line)
    if overview.assessment is not None:
        print_group("readings", describe_readings(overview.assessment.readings))
    if copies:
        print_group("copies", copy_rows(copies))
