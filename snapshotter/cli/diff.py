"""Provide `snapshotter diff`: compare two captures of a page."""

from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.app.json_objects.comparisons import comparison_json, differs
from snapshotter.cli.diff_output import print_comparison
from snapshotter.cli.file_or_id import file_argument, open_named
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import complete_policy, root_key_option, store_option, trust_option
from snapshotter.cli.output import print_json, print_message, write_file
from snapshotter.errors import EvidenceInvalid
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.comparison import NamedBundle
    from snapshotter.app.settings import Settings
    from snapshotter.compare.picture_rows import PictureSource
    from snapshotter.model.comparison import Comparison

DIFFER = 4  # exit code of --exit-code

_EXAMPLES = """\b
Examples:
  snapshotter diff https://news.example/story
  snapshotter diff https://news.example/story@2026-11-20 https://news.example/story
  snapshotter diff before.wacz 20261124t160642z-k3v4q2m7xw4c5b6d --html diff.html
  snapshotter diff --json --main-only URL | jq .text.main
"""


@click.command(epilog=_EXAMPLES)
@click.argument(
    "captures", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID|URL[@TIME]…"
)
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write an HTML page to this file. The page shows the pictures side by side and on top "
    "of each other, and the changed text.",
)
@click.option("--main-only", is_flag=True, help="Compare only the main regions of the pages.")
@click.option(
    "--policy",
    shell_complete=complete_policy,
    metavar="NAME|FILE",
    help="Mask the parts of the page that this policy masks.  [default: the parts that the "
    "policies of both captures mask]",
)
@click.option(
    "--no-pictures",
    is_flag=True,
    help="Do not compare the pictures. The comparison is then faster.",
)
@click.option(
    "--altered",
    is_flag=True,
    help="Compare the captures even if the verdict about a bundle is FAILED.",
)
@click.option("--exit-code", is_flag=True, help="Exit with 4 when the captures differ.")
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_context
def diff(
    ctx: click.Context,
    captures: tuple[str, ...],
    page: Path | None,
    main_only: bool,
    policy: str | None,
    no_pictures: bool,
    altered: bool,
    exit_code: bool,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> int:
    """
    Compare two captures of a page: text, pictures, counts, metadata, links and verdict.

    If you give only one address, the last two captures of this page are compared. The main region
    of the page is compared separately. The main region can be unchanged although the rest of the
    page has changed. Nothing is loaded from the network.

    Both bundles are verified first, and the output states both verdicts. A bundle with the verdict
    FAILED is compared only with --altered.

    Exit codes: 0 the captures were compared. With --exit-code: 4 the captures differ, or it could
    not be established whether they differ. With --main-only, only differences of the main regions
    count. 20 a capture is in quarantine.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive import comparison, quarantined
    from snapshotter.app.policies import configured_policy
    from snapshotter.app.url_lists import complete_urls
    from snapshotter.app.wiring import capture as wiring
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import store as wiring_store
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.policy import load as policies
    from snapshotter.policy import page_identity
    from snapshotter.policy.capture_decision import decide

    if len(captures) > 2:
        raise click.UsageError(tr("give one address or two captures"))
    captures = tuple(
        name if name.endswith(".wacz") else complete_urls([name], print_message)[0]
        for name in captures
    )

    def settings_of(*, found: bool) -> "Settings":
        settings: Settings = ctx.obj.load(
            found=found,
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        return settings

    settings = settings_of(found=False)  # a file is judged by nothing that only lies here
    stored = cache(lambda: settings if store else settings_of(found=True))
    files = {name: file_argument(name, store=store) for name in captures}
    if None in files.values():
        there = wiring_store.store(stored())
        captures = tuple(
            name if files[name] is not None else FILE_OR_BUNDLE.resolve(there, [name])[0]
            for name in captures
        )
    now = machine.SystemClock().now()
    with ExitStack() as stack:
        names = comparison.select_bundles(
            captures,
            lambda: stack.enter_context(
                wiring_index.observation_source(stored(), show_message=print_message)
            ),
        )
        given = []
        for name in names:
            if (file := files.get(name)) is not None:
                stream = stack.enter_context(open_named(file))
                trust = wiring_trust.trust(settings, by_bundle=True)
                opened = comparison.open_file_bundle(stream, file, trust, now)
            else:
                there = wiring_store.store(stored())
                quarantined.require_visible(there, name, wiring_trust.trusted_keys(stored()))
                trust = wiring_trust.trust(stored(), by_bundle=True)
                opened = stack.enter_context(comparison.open_stored_bundle(name, there, trust, now))
            _print_verification(opened, altered=altered)
            given.append(opened)
        pair = comparison.compare_bundles(
            (given[0], given[1]),
            decide(policies.load(policy, settings.policies_dir)).mask if policy else None,
            wiring.assessor,
            page_identity.shipped_identity_rules(),
            decide(configured_policy.judging_policy(settings)),
            pictures=not no_pictures,
        )
        if pair.is_swapped:
            print_message(
                tr(
                    "{names} is the later capture, although it was given first. The comparison "
                    "shows the earlier capture first",
                    names=names[0],
                )
            )
        found = pair.comparison
        if page is not None:
            _write(page, found, pair.shots)
    if as_json:
        print_json(comparison_json(found, main_only=main_only))
    else:
        print_comparison(found, main_only=main_only)
    return DIFFER if exit_code and differs(found, main_only=main_only) else 0


def _print_verification(given: "NamedBundle", *, altered: bool) -> None:
    """Print the result of a verification. Raise EvidenceInvalid for a bundle that was altered."""
    from snapshotter.model.finding import Verdict

    report = given.report
    codes = report.codes(Verdict.FAILED, Verdict.INDETERMINATE)
    said = " ".join((report.verdict.name, *codes))
    print_message(tr("verified {name}: {said}", name=given.name, said=said))
    if report.verdict is Verdict.FAILED and not altered:
        raise EvidenceInvalid(
            tr(
                "the verdict about {name} is FAILED, so the contents of this bundle are possibly "
                "not the contents of the capture",
                name=given.name,
            ),
            hint=tr(
                "to compare the bundle although its verdict is FAILED, give --altered. Show "
                "which checks failed:\n  snapshotter verify {name}",
                name=given.name,
            ),
        )


def _write(
    page: Path, found: "Comparison", shots: "tuple[Mapping[str, PictureSource], ...]"
) -> None:
    from snapshotter.report import diff as pages
    from snapshotter.report.local_time import LocalTime
    from snapshotter.report.picture_copies import make_picture_copy

    copies = {}
    for picture in found.pictures:
        one, other = (of.get(picture.picture) for of in shots)
        copies[picture.picture] = (
            make_picture_copy(one.files, one.scale) if one else None,
            make_picture_copy(other.files, other.scale) if other else None,
        )
    write_file(page, pages.page(found, copies, LocalTime()))
    print_message(tr("the HTML page was written to {page}", page=page))
