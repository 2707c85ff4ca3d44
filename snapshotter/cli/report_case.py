"""Provide `snapshotter report case`: the report about all exhibits of a case."""

import hashlib
from datetime import datetime
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
from snapshotter.model.custody import EXPORTING
from snapshotter.translation import tr

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from snapshotter.app.archive.case_report import CaseSearch
    from snapshotter.app.settings import Settings
    from snapshotter.model.annotation_state import AnnotationState
    from snapshotter.model.case_report import CaseReport
    from snapshotter.report.local_time import LocalTime


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
    numbers, times, verdicts, small pictures and digests, a timeline with other captures of the
    same pages, the intervals of removals, gaps of schedules, the custody after the seal, and the
    result of each verification. Each value names its source. An exhibit that FAILED is named
    first.

    Notes, reviews, tags and the title of the case may be privileged: they are left out unless
    --with names them. People are named by pseudonym, or by a number and their role. Captures in
    quarantine are left out; the report states their number, ids and reasons.

    Exit codes: 0 all exhibits PASSED. 10 an exhibit FAILED. 11 the verification of an exhibit
    is INDETERMINATE, an exhibit is missing, or the case has no exhibit to show. 20 the browser
    would have no sandbox. 30 the browser did not print the PDF; the other files were written.
    `report capture` ends with 0 also for FAILED and INDETERMINATE.
    """
    from snapshotter.app import machine
    from snapshotter.app.archive.case_export_plan import case_report_stem
    from snapshotter.app.store_location import require_store
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
    report = verified_report(
        settings, name, now=now, local=local, searches=searches, included=groups
    )
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
    from snapshotter.app.archive.case_report import CaseSearch

    for words in searched:
        if not words.strip():
            raise click.BadParameter(tr("there are no words"), param_hint="--search")
    return [CaseSearch(words=words, query=parse_query(words)) for words in searched]


def verified_report(
    settings: "Settings",
    name: str,
    *,
    now: datetime,
    local: "LocalTime",
    searches: "Sequence[CaseSearch]" = (),
    included: "Iterable[str]",
    state: "AnnotationState | None" = None,
) -> "CaseReport":
    """
    Verify the exhibits of a case, show the progress, and return the report about the case.

    Args:
        searches: Whose hits the report shows.
        included: Of `case_export_plan.GROUPS`: what people wrote that the report contains.
        state: The annotations, if the caller has read them.
    """
    from snapshotter.app.archive.annotations import read_indexed_chain
    from snapshotter.app.archive.case_report import CaseReportService, People, make_case_report
    from snapshotter.app.archive.observations import read_annotations
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import trust as wiring_trust

    def show_progress(position: int, total: int) -> None:
        print_message(tr("verifying: {position} of {total}", position=position, total=total))

    with wiring_index.observation_source(settings, show_message=print_message) as source:
        service = CaseReportService(
            source=source,
            trust=wiring_trust.trust(settings, by_bundle=True),
            is_trusted=wiring_trust.trusted_keys(settings),
            find_hidden=wiring_index.hidden_finder(settings, source),
            show_progress=show_progress,
        )
        read = read_annotations(source)
        records = read_indexed_chain(source.store, source.index).records
        return make_case_report(
            service,
            name,
            state if state is not None else read,
            People(records, [settings.pseudonym]),
            now=now,
            local=local,
            searches=searches,
            included=included,
        )


def _note_access(settings: "Settings", report: "CaseReport", digest: str) -> None:
    """Record in the custody chain of each exhibit that a report was made, if settings ask."""
    from snapshotter.app.wiring import store as wiring_store

    store = wiring_store.store(settings)
    for exhibit in report.exhibits:
        if exhibit.verdict is not None:
            wiring_store.note_access(
                settings,
                store,
                exhibit.bundle_id,
                EXPORTING,
                show_message=print_message,
                detail=f"case report, SHA-256 of its JSON file {digest}",
            )
