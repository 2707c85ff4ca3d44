"""Return the fields about what was captured."""

from collections.abc import Iterator, Mapping

from snapshotter.app.archive.reports.capture.evidence import ANNOTATIONS, ASSESSMENT, Evidence
from snapshotter.app.archive.reports.capture.record_fields import RecordFields
from snapshotter.model import sentences
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Kind,
    Table,
)
from snapshotter.model.finding import Verdict
from snapshotter.model.sentences import CaptureState, PageState
from snapshotter.translation import tr


def what_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `what`."""
    record, report = of.record, of.report
    assessed = RecordFields(root=of.assessment, basis=of.stated, file=ASSESSMENT)
    shown = (
        AssessmentSummary.of(of.material.assessment) if of.material.assessment is not None else None
    )
    is_failed = report.verdict is Verdict.FAILED
    of_copy = tr("This file is a redacted copy of the bundle.") if of.is_redacted else ""
    yield of.found("bundle_sha256", tr("SHA-256 of the bundle"), report.sha256, of.bundle_file,
                   kind=Kind.DIGEST, basis=Basis.VERIFIED, note=of_copy)  # fmt: skip
    yield of.found("bundle_bytes", tr("Length of the bundle"), report.length, of.bundle_file,
                   kind=Kind.BYTES, basis=Basis.VERIFIED)  # fmt: skip
    yield record.field("bundle_id", tr("Id of the bundle"), "/bundle_id")
    yield of.found("exhibit", tr("Exhibit"), of.exhibit, ANNOTATIONS, basis=Basis.UNVERIFIED)
    yield assessed.field("identity", tr("Identity of the page by the rules of its site"),
                         "/identity")  # fmt: skip
    yield record.field("requested_url", tr("Requested address"), "/what/requested_url",
                       Kind.ADDRESS)  # fmt: skip
    yield record.field("final_url", tr("Final address"), "/what/final_url", Kind.ADDRESS)
    yield record.table(
        "redirects", tr("Redirects"), "/what/redirects",
        (
            (Column(key="kind", term=tr("Kind")), "kind"),
            (Column(key="from_url", term=tr("From"), kind=Kind.ADDRESS), "from_url"),
            (Column(key="to_url", term=tr("To"), kind=Kind.ADDRESS), "to_url"),
            (Column(key="status", term=tr("Status"), kind=Kind.CODE), "status"),
            (Column(key="at", term=tr("Time"), kind=Kind.INSTANT), "at"),
        ),
        empty=tr("No redirect was recorded."),
    )  # fmt: skip
    yield record.field("title", tr("Title of the page"), "/what/title")
    yield record.field("http_status", tr("HTTP status"), "/what/http_status", Kind.CODE)
    outcome = CaptureState.of_record(record.root) if record.root else None
    page = PageState.of(of.material.assessment, record.number("/what/http_status"))
    yield of.found(
        "verdict", tr("Is the page there?"),
        None if is_failed or outcome is None or ASSESSMENT in of.withheld_files
        else sentences.page_sentence(page, outcome.outcome),
        ASSESSMENT, pointer="/takedown", basis=of.stated,
        note=tr("The rules that the bundle contains give this answer."),
    )  # fmt: skip
    yield assessed.field("notice", tr("Notice on the page"), "/takedown/notice")
    yield of.found(
        "whole", tr("Is the capture whole?"),
        None if is_failed or outcome is None or outcome.outcome is None
        else sentences.capture_sentence(outcome),
        record.file, pointer="/outcome", basis=of.stated,
    )  # fmt: skip
    court = record.at("/court_minimum")
    minimum = None
    if isinstance(court, Mapping) and isinstance(court.get("met"), bool):
        parts = (("url", "URL"), ("html_source", tr("HTML source")),
                 ("full_page_capture", tr("full-page capture")))  # fmt: skip
        lacking = [words for name, words in parts if court.get(name) is not True]
        minimum = sentences.qualify_court_minimum(
            sentences.court_minimum_words(
                court["met"], lacking, light=outcome is not None and outcome.light
            ),
            court["met"],
            shown,
        )
    yield of.found("court_minimum", tr("Court minimum (Berkeley Protocol, paragraph 155)"), minimum,
                   record.file, pointer="/court_minimum", basis=of.stated,
                   note=tr("The record states this about the whole bundle, not about this copy.")
                   if of.is_redacted else "")  # fmt: skip
