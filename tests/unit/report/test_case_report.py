"""The page about a case: what is hostile stays text, what failed comes first, nothing is loaded."""

from dataclasses import replace
from datetime import UTC, datetime

from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Group,
    Kind,
    Row,
    Source,
    Table,
)
from snapshotter.model.case_report import CaseReport, ExhibitPicture, ReportedExhibit
from snapshotter.model.finding import Verdict
from snapshotter.report import case_report
from snapshotter.report.local_time import LocalTime

HOSTILE = "</td><script>alert(1)</script>\u202egpj.exe"
DOT = "data:image/webp;base64,UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="
RECORD = Source(file="capture/capture.json", pointer="/what")
NUMBER = Field(
    key="exhibits", term="Exhibits in this report", value=2, kind=Kind.NUMBER, basis=Basis.VERIFIED,
    source=Source(file="verification"),
)  # fmt: skip
FIELDS = (
    Field(key="what.title", term="Title of the page", value=HOSTILE, basis=Basis.STATED,
          source=RECORD),
    Field(key="what.verdict", term="Is the page there?", basis=Basis.STATED,
          value="The page was not available (HTTP status 404).", source=RECORD),
    Field(key="when.started_at", term="Capture began", value="2026-11-30T07:16:05Z",
          kind=Kind.INSTANT, basis=Basis.STATED, source=RECORD),
    Field(key="what.bundle_sha256", term="SHA-256 of the bundle", value="ab" * 32,
          kind=Kind.DIGEST, basis=Basis.VERIFIED, source=Source(file="b.wacz")),
)  # fmt: skip
GOOD = ReportedExhibit(
    number=1, bundle_id="b", verdict=Verdict.PASSED, page="Not available", shape="■", tone="bad",
    title=HOSTILE, sentences=("The proof is intact.",), fields=FIELDS,
    picture=ExhibitPicture(url=DOT, width=1, height=1, path="capture/screenshot.png", sha256=""),
)  # fmt: skip
FAILED = ReportedExhibit(
    number=2, bundle_id="c", verdict=Verdict.FAILED, sentences=("The proof is not intact.",),
    no_picture="The bundle was altered, so that the report has no picture.",
)  # fmt: skip
TABLE = Table(
    key="captures", term="Captures", total=3, source=Source(file="index"), empty="None.",
    columns=(Column(key="at", term="Time", kind=Kind.INSTANT), Column(key="url", term="Address")),
    rows=(Row(values=("2026-11-30T07:16:05Z", HOSTILE), basis=Basis.STATED, source=RECORD),),
)  # fmt: skip
REPORT = CaseReport(
    case="harbour", title=HOSTILE, verified_at=datetime(2026, 11, 30, 9, 12, 44, tzinfo=UTC),
    software="snapshotter 0.1.0", trust="the keys of this machine", zone="UTC",
    alarms=(f"Exhibit 2 FAILED: {HOSTILE}",), numbers=(NUMBER,), exhibits=(GOOD, FAILED),
    groups=(Group(key="timeline", term="Timeline", intro="All captures.", items=(TABLE,)),),
    limits=(("The report does not prove it.", "More captures help."),),
)  # fmt: skip


def made(report: CaseReport = REPORT) -> str:
    return case_report.page(report, LocalTime(zone=UTC), digest="0" * 64).decode()


def test_texts_of_strangers_stay_text_and_nothing_runs() -> None:
    text = made()

    assert "<script" not in text
    assert "\u202e" not in text
    assert "&lt;script&gt;alert(1)" in text
    assert "script-src" not in text


def test_what_failed_comes_first_and_has_no_answers() -> None:
    text = made()

    assert text.index("Exhibit 2 FAILED") < text.index('id="numbers"')
    assert "Do not rely" in text
    assert "Do not rely" not in made(replace(REPORT, alarms=(), exhibits=(GOOD,)))


def test_states_are_words_and_shapes_and_the_404_is_named() -> None:
    text = made()

    assert '<span class="shape" aria-hidden="true">■</span><span>Not available</span>' in text
    assert "The page was not available (HTTP status 404)." in text
    assert "The source has further rows: 2." in text
    assert text.count("<span>abab</span>") == 16


def test_the_worst_verdict_counts_and_nothing_is_not_passed() -> None:
    assert REPORT.verdict is Verdict.FAILED
    assert replace(REPORT, exhibits=(GOOD,)).verdict is Verdict.PASSED
    missing = replace(FAILED, verdict=None)
    assert replace(REPORT, exhibits=(GOOD, missing)).verdict is Verdict.INDETERMINATE
    assert replace(REPORT, exhibits=()).verdict is Verdict.INDETERMINATE


def test_json_has_the_same_values() -> None:
    found = case_report.as_json(REPORT)

    assert found["format"] == "snapshotter-case-report/1"
    exhibits = found["exhibits"]
    assert isinstance(exhibits, list)
    first = exhibits[0]
    assert isinstance(first, dict)
    assert (first["exhibit"], first["verdict"], first["page"]) == (1, "passed", "Not available")
