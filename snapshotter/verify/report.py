"""
Format the report about a bundle, as text and as JSON.

The lines of findings and the exit codes are used for the reports of events, packs and audits as
well.
"""

import json
from collections.abc import Mapping
from typing import Any

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.printable import is_unsafe, printable
from snapshotter.model.finding import Finding, Report, Verdict

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: EvidenceInvalid.exit_code,
    Verdict.INDETERMINATE: EvidenceUnverifiable.exit_code,
}

_OUTCOMES = ("complete", "partial", "failed")  # docs/spec/capture-record.md, `outcome`
MAX_REASONS, MAX_WORDS = 50, 500  # lines that one bundle may make, and characters of each text
_MARKS = {Verdict.PASSED: "ok  ", Verdict.FAILED: "FAIL", Verdict.INDETERMINATE: "?   "}


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as the object that `verify --json` prints (docs/reference/json.md)."""
    return {
        "bundle_id": report.bundle_id,
        "captured_at": instant(report.captured_at) if report.captured_at else None,
        "findings": [finding_json(finding) for finding in report.findings],
        "length": report.length,
        "outcome": stated_outcome(report.record)[0] or None,
        "outcome_reasons": [
            {"code": code, "detail": detail} for code, detail in stated_outcome(report.record)[1]
        ],
        "proven_time": instant(report.proven_time) if report.proven_time else None,
        "requested_url": report.requested_url,
        "sha256": report.sha256,
        "trust": report.trust,
        "verdict": report.verdict.value,
    }


def finding_json(finding: Finding) -> dict[str, str]:
    """Return a finding as the object that every `--json` prints."""
    return {
        "check": finding.check,
        "code": finding.code.value,
        "detail": finding.detail,
        "verdict": finding.verdict.value,
    }


def lines(report: Report) -> list[str]:
    """Return the report for a person: a line for each check, then the verdict."""
    result = [finding_line(finding) for finding in report.findings]
    result.append("")
    result.append(f"{report.verdict.name}: {_summary(report)}")
    if report.verdict is not Verdict.FAILED:
        result += outcome_lines(report)
    result.append(f"judged against {printable(report.trust)}")
    return result


def outcome_lines(report: Report) -> list[str]:
    """Return what a bundle states about its outcome, which changes no verdict."""
    state, reasons = stated_outcome(report.record)
    if not report.record:
        return []
    if not state:
        return ["the bundle does not state whether its capture is complete"]
    result = [f"outcome of the capture, by the bundle's own record: {printable(state)}"]
    result += [
        f"     {printable(code[:MAX_WORDS])}: {printable(detail[:MAX_WORDS])}"
        for code, detail in reasons[:MAX_REASONS]
    ]
    if len(reasons) > MAX_REASONS:
        result.append(f"     and {len(reasons) - MAX_REASONS} more reasons")
    return result


def stated_outcome(record: Mapping[str, Any]) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the outcome that a record states, with its codes and sentences; "" for none."""
    outcome = record.get("outcome")
    if not isinstance(outcome, dict) or outcome.get("state") not in _OUTCOMES:
        return "", ()
    given = outcome.get("reasons")
    found = [
        (reason.get("code"), reason.get("detail"))
        for reason in (given if isinstance(given, list) else ())
        if isinstance(reason, dict)
    ]
    return outcome["state"], tuple(
        (code, detail)
        for code, detail in found
        if isinstance(code, str) and isinstance(detail, str)
    )


def json_line(value: Any) -> str:
    """Return `value` as one line of JSON that is safe for a terminal and has the same meaning."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    # All that is unsafe stands inside texts, where JSON has an escape for it.
    return "".join(
        json.dumps(character)[1:-1] if is_unsafe(character) else character for character in text
    )


def finding_line(finding: Finding) -> str:
    """Return a finding as a line for a person."""
    code = "" if finding.verdict is Verdict.PASSED else f"{finding.code} "
    return f"{_MARKS[finding.verdict]} {finding.check:<10} {code}{printable(finding.detail)}"


def _summary(report: Report) -> str:
    if report.verdict is Verdict.FAILED:
        return (
            "this is not a bundle as it was sealed. Do not rely on it; "
            "the lines marked FAIL say what does not hold."
        )
    captured = instant(report.captured_at) if report.captured_at else "an unknown time"
    about = f"bundle {printable(report.bundle_id)} of {printable(report.requested_url)}"
    if report.verdict is Verdict.INDETERMINATE:
        return (
            f"{about} is intact since it was signed, and not everything about it could be "
            "established: the lines marked ? say what is missing. This says nothing against it."
        )
    proven = instant(report.proven_time) if report.proven_time else "no proven time"
    return (
        f"{about} is exactly as it was sealed: captured {captured} by its own clock, "
        f"and an independent clock confirms that it existed by {proven}."
    )
