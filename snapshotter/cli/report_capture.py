"""Provide `snapshotter report capture`: the report about single captures, for a file or a court."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.file_or_id import file_argument
from snapshotter.cli.object_id import FILE_OR_BUNDLE
from snapshotter.cli.options import complete_case, root_key_option, store_option, trust_option
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
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive.reports.capture.report import MadeReport
    from snapshotter.app.settings import Settings
    from snapshotter.report.local_time import LocalTime


@click.command(
    epilog="""\b
Examples:
  snapshotter report capture latest
  snapshotter report capture -o exhibits 20261124t160642z-k3v4q2m7xw4c5b6d
  snapshotter report capture --case harbour latest
  snapshotter report capture --paper letter --zone America/New_York exhibit.wacz
  snapshotter report capture --format html --format json latest
  snapshotter report capture --at 2026-11-30T09:12:44Z exhibit.wacz
"""
)
@click.argument("bundles", nargs=-1, required=True, type=FILE_OR_BUNDLE, metavar="FILE|BUNDLE-ID…")
@output_option
@format_option
@click.option(
    "--case",
    default="",
    shell_complete=complete_case,
    metavar="NAME",
    help="State the exhibit number that the captures have in this case.",
)
@paper_option
@zone_option
@time_option
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object for each report.")
@click.pass_context
def capture(
    ctx: click.Context,
    bundles: tuple[str, ...],
    folder: Path,
    formats: tuple[str, ...],
    case: str,
    paper: str,
    zone: str | None,
    at: str | None,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> None:
    """
    Make a report about single captures, which can be printed, signed and filed.

    The command verifies each bundle and writes `report-ID.html` and `report-ID.pdf` for people,
    and `report-ID.json` for machines. The first page states in plain words which page was
    captured, when and by whom. It shows the picture, the verdict, the missing parts, and the proof
    of the time. All facts follow. Each value has its source and a mark: verified, or only stated
    by a file or by the software.

    The capturing browser prints the PDF without a network. The same bundle, time, zone,
    software, browser and fonts give the same bytes. If a bundle was altered, the report states
    this first.

    Exit codes: 0 the reports were made, whatever the verdicts are (unlike `report case`). 2 a file
    is no bundle, or two captures have reports of the same name. 20 a capture is in quarantine, or
    the browser would have no sandbox. 30 the browser did not print the PDF; the other files were
    written.
    """
    from snapshotter.app import machine
    from snapshotter.report.local_time import LocalTime

    job = _Job(
        folder=folder,
        formats=formats,
        paper=paper,
        now=verification_time(at, machine.SystemClock().now()),
        local=LocalTime(zone=zone_named(zone)),
        as_json=as_json,
        written=set(),
    )
    for name in bundles:
        file = file_argument(name, store=store)
        settings: Settings = ctx.obj.load(
            found=file is None,  # a file is judged by nothing that only lies in this folder
            trust_file=str(trust_file or ""),
            trust_root_key=root_key or "",
            store=store or "",
        )
        if file is not None:
            if case:
                raise click.UsageError(tr("--case needs ids of the store, and not files"))
            made = file_report(
                settings, name, file, now=job.now, local=job.local, allow_redacted=True
            )
            _write(settings, job, made)
        else:
            stored = stored_report(settings, name, now=job.now, local=job.local, case=case)
            digest = _write(settings, job, stored.made)
            stored.note(
                settings,
                f"capture report, SHA-256 of report.json {digest}",
                show_message=print_message,
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """What is made of each bundle."""

    folder: Path
    formats: tuple[str, ...]
    paper: str
    now: datetime
    local: "LocalTime"
    as_json: bool
    written: set[str]  # names of reports


def _write(settings: "Settings", job: _Job, made: "MadeReport") -> str:
    """Write the files of a report, print what was made, and return the digest of report.json."""
    from snapshotter.errors import UsageMistake
    from snapshotter.formats.bundle import store_keys
    from snapshotter.model.finding import Verdict
    from snapshotter.report import capture_report as reports

    report = made.report
    data = reports.encode(report)
    digest = hashlib.sha256(data).hexdigest()
    page = reports.page(report, made.picture, job.local, digest=digest)
    stem = f"report-{report.bundle_id}" if store_keys.is_id(report.bundle_id) else "report"
    if stem in job.written:
        raise UsageMistake(
            tr("two of the captures have reports of the same name: {name}", name=stem),
            hint=tr("make the report of each in a folder of its own, with -o"),
        )
    job.written.add(stem)
    written = write_document(
        settings,
        job.folder / stem,
        job.formats,
        data=data,
        page=page,
        paper=job.paper,
        at=report.verified_at,
    )
    headline = " ".join(report.sentences)
    if job.as_json:
        print_json(
            {
                "bundle_id": report.bundle_id or None,
                "files": written,
                "headline": headline,
                "report_sha256": digest,
                "verdict": report.verdict.value,
            }
        )
        return digest
    print_result(headline)
    for name in written.values():
        print_result(tr("report: {name}", name=name))
    if report.verdict is Verdict.FAILED:
        print_message(
            tr("the bundle was altered: no value that was read from the bundle is verified")
        )
    return digest
