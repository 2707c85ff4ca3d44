"""Provide `snapshotter report case`: the report about all exhibits of a case."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from snapshotter.cli.case_writings import with_option, written_groups
from snapshotter.cli.options import complete_case, root_key_option, store_option, trust_option
from snapshotter.cli.output import keep_working, print_json, print_message, print_result
from snapshotter.cli.report_documents import (
    format_option,
    output_option,
    paper_option,
    time_option,
    verification_time,
    write_document,
    zone_named,
    zone_option,
)
from snapshotter.cli.search import parse_query
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.reports.case.material import CaseSearch
    from snapshotter.app.settings import Settings
    from snapshotter.model.case_report import CaseReport


@click.command(
    epilog="""\b
Examples:
  snapshotter report case harbour
  snapshotter report case harbour -o exhibits --paper letter --zone America/New_York
  snapshotter report case harbour --search 'harbour wall' --search 谣言 --format html
  snapshotter report case harbour --with notes,reviews --format json --json
"""
)
@click.argument("name", shell_complete=complete_case)
@output_option
@format_option
@click.option(
    "--search",
    "searched",
    multiple=True,
    metavar="WORDS",
    help="Show where the exhibits contain these words, as `snapshotter search` reads them. May be "
    "given several times.",
)
@with_option
@paper_option
@zone_option
@time_option
@store_option
@trust_option
@root_key_option
@click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
@click.pass_context
def case(
    ctx: click.Context,
    name: str,
    folder: Path,
    formats: tuple[str, ...],
    searched: tuple[str, ...],
    included: str,
    paper: str,
    zone: str | None,
    at: str | None,
    store: str | None,
    trust_file: Path | None,
    root_key: str | None,
    as_json: bool,
) -> int:
    """
    Make a report about all exhibits of a case, which can be printed, signed and filed.

    The command verifies each exhibit and writes `case-report-NAME.html` and `case-report-NAME.pdf`
    for people, and `case-report-NAME.json` for machines. The report has the exhibits with their
    numbers, times, verdicts, small pictures and digests. It has a timeline with other captures of
    the same pages, the intervals of removals, and gaps of schedules. It has the custody after the
    seal, and the result of each verification. Each value names its source. An exhibit that FAILED
    is named first.

    Notes, reviews, tags and the title of the case may be privileged: they are left out unless
    --with names them. People are named by pseudonym, or by a number and their role. Captures in
    quarantine are left out; the report states their number, ids and reasons.

    Exit codes: 0 all exhibits PASSED. 10 an exhibit FAILED. 11 the verification of an exhibit
    is INDETERMINATE, an exhibit is missing, or the case has no exhibit to show. 20 the browser
    would have no sandbox. 30 the browser did not print the PDF; the other files were written.
    `report capture` ends with 0 also for FAILED and INDETERMINATE.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive.organising.case_export_plan import case_report_stem
    from snapshotter.app.store_location import require_store
    from snapshotter.app.wiring import documents
    from snapshotter.model.finding import Verdict
    from snapshotter.report import case_report as reports
    from snapshotter.report.local_time import LocalTime

    groups = written_groups(included)
    searches = _searches(searched)
    now = verification_time(at, machine.SystemClock().now())
    local = LocalTime(zone=zone_named(zone))
    settings: Settings = ctx.obj.load(
        trust_file=str(trust_file or ""), trust_root_key=root_key or "", store=store or ""
    )
    require_store(settings)
    keep_working()
    report = documents.verified_case_report(
        settings, name, now=now, local=local, searches=searches, included=groups,
        show_message=print_message, show_progress=show_verifying,
    )  # fmt: skip
    data = reports.encode(report)
    digest = hashlib.sha256(data).hexdigest()
    written = write_document(
        settings,
        folder / case_report_stem(name),
        formats,
        data=data,
        page=reports.page(report, local, digest=digest),
        paper=paper,
        at=report.verified_at,
    )
    _note_access(settings, report, digest)
    if as_json:
        print_json(
            {
                "alarms": list(report.alarms),
                "case": name,
                "exhibits": len(report.exhibits),
                "files": written,
                "report_sha256": digest,
                "verdict": report.verdict.value,
            }
        )
    else:
        for text in report.alarms:
            print_result(text)
        for file in written.values():
            print_result(tr("report: {name}", name=file))
        verdicts = [exhibit.verdict for exhibit in report.exhibits]
        print_message(
            tr(
                "exhibits: {total}, PASSED: {passed}, INDETERMINATE: {open}, FAILED: {failed}",
                total=len(verdicts),
                passed=verdicts.count(Verdict.PASSED),
                open=verdicts.count(Verdict.INDETERMINATE),
                failed=verdicts.count(Verdict.FAILED),
            )
        )
    return {Verdict.PASSED: 0, Verdict.FAILED: 10, Verdict.INDETERMINATE: 11}[report.verdict]


def _searches(searched: tuple[str, ...]) -> "list[CaseSearch]":
    from snapshotter.app.archive.reports.case.material import CaseSearch

    for words in searched:
        if not words.strip():
            raise click.BadParameter(tr("there are no words"), param_hint="--search")
    return [CaseSearch(words=words, query=parse_query(words)) for words in searched]


def show_verifying(position: int, total: int) -> None:
    """Print how many exhibits of a case are verified."""
    print_message(tr("verifying: {position} of {total}", position=position, total=total))


def _note_access(settings: "Settings", report: "CaseReport", digest: str) -> None:
    """Record in the custody chain of each exhibit that a report was made, if settings ask."""
    from snapshotter.app.wiring import documents
    from snapshotter.app.wiring import store as wiring_store

    documents.note_export(
        settings,
        wiring_store.store(settings),
        [exhibit.bundle_id for exhibit in report.exhibits if exhibit.verdict is not None],
        show_message=print_message,
        detail=f"case report, SHA-256 of its JSON file {digest}",
    )
