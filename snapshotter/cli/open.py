"""Provide `snapshotter open`: make the page about a capture, and open it in the browser."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import root_key_option, store_option, trust_option
from snapshotter.cli.output import print_json, print_message, print_result, write_file
from snapshotter.model.custody import DISPLAYING
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.capture_page import MadePage
    from snapshotter.app.settings import Settings
    from snapshotter.model.copies import Copy
    from snapshotter.model.takedown import Observation


@click.command(
    "open",
    epilog="""\b
Examples:
  snapshotter open latest
  snapshotter open 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter open --print exhibit.wacz
  snapshotter open -o exhibit-7.html exhibit.wacz
""",
)
@click.argument("bundles", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID…")
@click.option(
    "--print",
    "only_print",
    is_flag=True,
    help="Print the path of the page, and do not open a browser.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the page to this file, and do not open a browser.",
)
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def open_(
    ctx: click.Context,
    bundles: tuple[str, ...],
    only_print: bool,
    output: Path | None,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Show captures in the browser: picture, text, what is missing, times, signature and checks.

    The command verifies each bundle and writes one HTML page about it. The page works without a
    network and without scripts. If a bundle was altered, its page states this first.

    A page shows content of the captured page. The page is saved in the folder `pages` of data_dir,
    which only you can read. The page is deleted when 200 newer pages exist, or when the bundle is
    erased. -o writes the page to another file.

    Exit codes: 0 the pages were made, whatever the verdicts are. 2 a file is no bundle. 20 a
    capture is in quarantine.
    """
    from snapshotter.app.archive.screens.page_folder import PageFolder

    if output is not None and len(bundles) > 1:
        raise click.UsageError(tr("with -o, give one bundle"))
    for name in bundles:
        file = file_argument(name, store=store)
        settings: Settings = ctx.obj.load(
            found=file is None,  # a file is judged by nothing that only lies in this folder
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        made = _of_file(settings, name, file) if file is not None else _stored(settings, name)
        if output is not None:
            write_file(output, made.data)
            page = output.absolute()
        else:
            page = PageFolder(settings.data_dir).put(made.bundle_id, made.sha256, made.data)
        _tell(made, page, as_json=as_json, opens=not (only_print or output), prints=only_print)


def _tell(made: "MadePage", page: Path, *, as_json: bool, opens: bool, prints: bool) -> None:
    """Print what was made, and open it if wanted and possible."""
    from snapshotter.cli.desktop import has_desktop, open_file
    from snapshotter.model.finding import Verdict

    if as_json:
        print_json(
            {
                "bundle_id": made.bundle_id or None,
                "bytes": len(made.data),
                "file": str(page),
                "headline": made.headline,
                "verdict": made.verdict.value,
            }
        )
        return
    if prints:
        print_result(str(page))
        if made.verdict is Verdict.FAILED:
            print_message(made.headline)
        return
    print_result(made.headline)
    print_result(tr("page: {page}", page=page))
    if opens and not (has_desktop() and open_file(page)):
        print_message(tr("no browser was opened. Open this file in a browser: {page}", page=page))


def _of_file(settings: "Settings", name: str, file: Path) -> "MadePage":
    from snapshotter.app import machine
    from snapshotter.app.archive.capture_page import make_file_page
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.report.local_time import LocalTime

    with open_named(file) as stream:
        return make_file_page(
            name,
            file,
            stream,
            wiring_trust.trust(settings, by_bundle=True),
            now=machine.SystemClock().now(),
            local=LocalTime(),
        )


def _stored(settings: "Settings", name: str) -> "MadePage":
    from snapshotter.app import machine
    from snapshotter.app.archive import quarantined
    from snapshotter.app.archive.capture_page import make_stored_page
    from snapshotter.app.archive.known_copies import known_copies
    from snapshotter.app.archive.observations import observations
    from snapshotter.app.wiring import annotations as wiring_annotations
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.errors import SnapshotterError
    from snapshotter.report.local_time import LocalTime

    is_trusted = wiring_trust.trusted_keys(settings)

    def others_of(url: str) -> "tuple[Sequence[Observation], Sequence[Copy]]":
        try:
            with wiring_index.observation_source(settings, show_message=print_message) as source:
                found = observations(source, url=url)
                return (
                    quarantined.visible(found, opened, is_trusted, index=source.index),
                    known_copies(
                        opened,
                        source.index,
                        bundle_id,
                        is_trusted=is_trusted,
                        quarantined_ids=state.quarantined,
                    ),
                )
        except SnapshotterError as error:  # the page of the capture is whole without them
            print_message(tr("other captures of the page are not shown: {error}", error=error))
            return (), ()

    opened = wiring_store.store(settings)
    (bundle_id,) = FILE_OR_BUNDLE.resolve(opened, [name])
    quarantined.require_visible(opened, bundle_id, is_trusted)
    state = wiring_annotations.read_state(settings, show_message=print_message)
    made = make_stored_page(
        bundle_id,
        opened,
        wiring_trust.trust(settings, by_bundle=True),
        now=machine.SystemClock().now(),
        local=LocalTime(),
        annotations=state.capture(bundle_id),
        others_of=others_of,
    )
    wiring_store.note_access(settings, opened, bundle_id, DISPLAYING, show_message=print_message)
    return made
