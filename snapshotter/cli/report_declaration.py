"""Provide `snapshotter report declaration`: the draft of a declaration about captures."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.file_or_id import file_argument
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import root_key_option, store_option, trust_option
from snapshotter.cli.output import print_json, print_message, print_result
from snapshotter.cli.report_documents import (
    file_report,
    format_option,
    output_option,
    paper_option,
    stored_report,
    time_option,
    verification_time,
    write_document,
    zone_named,
    zone_option,
)
from snapshotter.translation import tr

if TYPE_CHECKING:
    from collections.abc import Sequence

    from snapshotter.app.settings import Settings
    from snapshotter.app.wiring.documents import StoredReport
    from snapshotter.model.capture_report import CaptureReport


@click.command(
    epilog="""\b
Examples:
  snapshotter report declaration latest
  snapshotter report declaration -o exhibits 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter report declaration --paper letter --zone America/New_York exhibit.wacz
  snapshotter report declaration --format json --json before.wacz after.wacz | jq .blanks
"""
)
@click.argument("bundles", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID…")
@output_option
@format_option
@paper_option
@zone_option
@time_option
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def declaration(
    ctx: click.Context,
    bundles: tuple[str, ...],
    folder: Path,
    formats: tuple[str, ...],
    paper: str,
    zone: str | None,
    at: str | None,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Make the draft of a declaration about one or more captures, which a person completes and signs.

    The command verifies each bundle and writes one document about all of them, as HTML and PDF for
    people and as JSON for machines. The draft has tick boxes for US Federal Rules of Evidence
    902(13) and 902(14), and for a technical statement in other jurisdictions. It has an annex in
    the order of a French constat. The draft contains only values that the verification checked, or
    that a signed file of the bundle states, each with its source.

    Names, case, transfers, date, signature and everything else that the software cannot know are
    blanks, which the draft counts and lists. The draft states no legal conclusion and is not
    legal advice.

    Exit codes: 0 the draft was made, also if a verification is INDETERMINATE. 2 a file is no
    bundle, or a capture is named twice. 10 the verification of a bundle FAILED. 11 the verification
    of a bundle established nothing, because a check did not run. 20 a capture is in quarantine, or
    the browser would have no sandbox. 30 the browser did not print the PDF; the other files were
    written.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive.reports.declaration.draft import make_declaration, require_verified
    from snapshotter.app.self_tests import newest_self_test
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.report import declaration as drafts
    from snapshotter.report.local_time import LocalTime

    now = verification_time(at, machine.SystemClock().now())
    local = LocalTime(zone=zone_named(zone))
    reports: list[CaptureReport] = []
    stored: list[tuple[Settings, StoredReport]] = []
    for name in bundles:
        file = file_argument(name, store=store)
        settings: Settings = ctx.obj.load(
            found=file is None,  # a file is judged by nothing that only lies in this folder
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        if file is not None:
            report = file_report(
                settings, name, file, now=now, local=local, allow_redacted=True
            ).report
        else:
            found = stored_report(settings, name, now=now, local=local)
            stored.append((settings, found))
            report = found.made.report
        require_verified(name, report)
        reports.append(report)
    settings = ctx.obj.load(
        found=bool(stored), trust_file=str(trust_file or ""), trust_root_key=root_key or ""
    )
    made = make_declaration(
        reports,
        local,
        self_test=newest_self_test(settings.data_dir, wiring_trust.trust(settings, by_bundle=True)),
    )
    data = drafts.encode(made)
    digest = hashlib.sha256(data).hexdigest()
    page = drafts.page(made, local, digest=digest)
    written = write_document(
        settings,
        folder / _stem(reports),
        formats,
        data=data,
        page=page,
        paper=paper,
        at=made.verified_at,
    )
    for its_settings, found in stored:
        found.note(
            its_settings,
            f"declaration draft, SHA-256 of its JSON file {digest}",
            show_message=print_message,
        )
    blanks = drafts.blanks_json(made)
    if as_json:
        print_json(
            {
                "blanks": blanks,
                "bundle_ids": [bundle.bundle_id for bundle in made.bundles],
                "declaration_sha256": digest,
                "files": written,
            }
        )
        return
    for name in written.values():
        print_result(tr("draft: {name}", name=name))
    print_result(
        tr(
            "blanks to fill: {count}. The last section of the draft lists the blanks",
            count=len(blanks),
        )
    )


def _stem(reports: "Sequence[CaptureReport]") -> str:
    """Return the name of the files without their endings."""
    from snapshotter.formats.bundle import store_keys

    bundle_id = reports[0].bundle_id  # a file may state anything as its id
    first = f"declaration-{bundle_id}" if store_keys.is_id(bundle_id) else "declaration"
    return first if len(reports) == 1 else f"{first}-and-{len(reports) - 1}-more"
