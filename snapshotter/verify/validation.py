"""
Verify a validation report: its signature and key, and its own arithmetic.

    (1) the form and the signature
    (2) the key, by trust; a key that was made for the report is in no trust file
    (3) the counts and the result, computed again from the checks of the cases

The verdict is about the report: whether it is as it was signed, and whether its result follows from
its cases. The result of the self-test is a separate value (docs/spec/validation.md).
"""

import hashlib
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import instant, plain
from snapshotter.formats.printable import printable
from snapshotter.formats.statements import validation as statements
from snapshotter.model.finding import Code, Finding, Verdict, overall
from snapshotter.model.validation import ValidationReport, case_verdict, counts
from snapshotter.model.validation_sentences import key_sentence, result_sentence
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import report as reports
from snapshotter.verify.takedown import key_finding
from snapshotter.verify.trust import Trust

# Whose word stays: nothing in the report lets a verifier run the test again.
OWN_WORD = ("found", "expected", "programs", "machine", "started_at", "ended_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationVerification:
    """All findings about one validation report."""

    findings: tuple[Finding, ...]
    report: ValidationReport | None = None  # None: the file is not a valid report
    key_id: str = ""
    sha256: str = ""
    trust: str = ""

    @property
    def verdict(self) -> Verdict:
        """The worst of the findings."""
        return overall(self.findings)


def verify_validation(data: bytes, trust: Trust) -> ValidationVerification:
    """Return all findings about a report. Never raises for the content of the report."""
    sha256 = hashlib.sha256(data).hexdigest()
    try:  # (1)
        report, key_id = statements.parse(data)
    except EvidenceInvalid as error:
        detail = tr("the file is not a valid validation report: {value}", value=error.message)
        failed = Finding.failed("report", Code.EVENT, detail)
        return ValidationVerification(findings=(failed,), sha256=sha256, trust=trust.source)
    detail = tr(
        "validation report of {at}, cases: {count}",
        at=instant(report.ended_at),
        count=len(report.cases),
    )
    return ValidationVerification(
        findings=(
            Finding.passed("report", detail),
            key_finding("report key", key_id, trust),  # (2)
            _arithmetic(report),  # (3)
        ),
        report=report,
        key_id=key_id,
        sha256=sha256,
        trust=trust.source,
    )


def _arithmetic(report: ValidationReport) -> Finding:
    if report.counts != counts(report.cases):
        return Finding.failed(
            "numbers",
            Code.NUMBER,
            tr("the counts of the report do not follow from its cases"),
        )
    derived = case_verdict(report.cases)
    if report.verdict is not derived:
        return Finding.failed(
            "numbers",
            Code.NUMBER,
            tr(
                "the report states {stated}, but {derived} follows from its cases",
                stated=report.verdict.name,
                derived=derived.name,
            ),
        )
    return Finding.passed("numbers", tr("the counts and the result follow from the cases"))


def headline(found: ValidationVerification) -> str:
    """Return the result of the self-test, and whether the report is intact."""
    if found.report is None or found.verdict is Verdict.FAILED:
        return tr("The validation report is not intact.") + f" {reports.DO_NOT_RELY}"
    intact = (
        tr("The report is intact, and a key that you trust signed the report.")
        if found.verdict is Verdict.PASSED
        else tr(
            "The report is as it was signed, but it is not established that a key that you trust "
            "signed the report."
        )
    )
    return f"{result_sentence(found.report)} {intact}"


def lines(found: ValidationVerification) -> list[str]:
    """Return the findings for a person."""
    rows = [
        ("SHA-256", found.sha256),
        ("signed by", f"key {found.key_id}" if found.key_id else tr("no key could be read")),
        ("judged with", found.trust),
    ]
    if found.report is not None:
        rows[:0] = [
            ("self-test", found.report.verdict.name),
            ("software", found.report.software),
            ("made at", instant(found.report.ended_at)),
        ]
    result = [printable(headline(found)), ""]
    result += reports.group_lines(tr("validation report"), rows)
    result += reports.check_lines(found.findings)
    if found.report is not None:
        result.append(f"note {key_sentence(found.report)}")
        result.append(
            f"note {tr('only the maker of the report states:')} {printable(', '.join(OWN_WORD))}"
        )
    return result


def as_json(found: ValidationVerification) -> dict[str, Any]:
    """Return the findings as the object that `verify --json` prints (docs/reference/json.md)."""
    report = found.report
    return {
        "counts": plain(report.counts) if report else [],
        "findings": [reports.finding_json(finding) for finding in found.findings],
        "headline": headline(found),
        "key_id": found.key_id,
        "key_origin": report.key_origin.value if report else None,
        "kind": "validation",
        "made_at": instant(report.ended_at) if report else None,
        "own_word": list(OWN_WORD),
        "report_id": report.report_id if report else "",
        "self_test": report.verdict.value if report else None,
        "sha256": found.sha256,
        "software": report.software if report else "",
        "trust": found.trust,
        "verdict": found.verdict.value,
    }
