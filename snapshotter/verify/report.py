"""
Format the report about a bundle, as text and as JSON.

The lines of findings and the exit codes are used for the reports of events, packs and audits as
well.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from snapshotter.errors import EvidenceInvalid, EvidenceUnverifiable
from snapshotter.formats.bundle.openings import is_closed
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.page import assessment
from snapshotter.formats.printable import is_unsafe, printable
from snapshotter.model import sentences
from snapshotter.model.finding import Finding, Report, Verdict, Withheld
from snapshotter.translation import tr

EXIT_CODES = {
    Verdict.PASSED: 0,
    Verdict.FAILED: EvidenceInvalid.exit_code,
    Verdict.INDETERMINATE: EvidenceUnverifiable.exit_code,
}

DO_NOT_RELY = "Do not rely on the file. The lines marked FAIL state which checks failed."
NO_CHECK_FAILED = "No check failed. The lines marked ? state which results are not established."
_OUTCOMES = ("complete", "partial", "failed")  # docs/spec/capture-record.md, `outcome`
MAX_REASONS, MAX_WORDS = 50, 500  # lines that one bundle may make, and characters of each text
_MARKS = {Verdict.PASSED: "ok  ", Verdict.FAILED: "FAIL", Verdict.INDETERMINATE: "?   "}


def worst_code(codes: Sequence[int]) -> int:
    """
    Return the exit code of several files: that of FAILED, or of an error, or of INDETERMINATE.

    Args:
        codes: Of the files, at least one. Of several errors, the first one counts.
    """
    if EvidenceInvalid.exit_code in codes:
        return EvidenceInvalid.exit_code
    errors = [code for code in codes if code not in (0, EvidenceUnverifiable.exit_code)]
    return errors[0] if errors else max(codes)


def as_json(report: Report) -> dict[str, Any]:
    """Return the report as the object that `verify --json` prints (docs/reference/json.md)."""
    return {
        "bundle_id": report.bundle_id,
        "captured_at": instant(report.captured_at) if report.captured_at else None,
        "findings": [finding_json(finding) for finding in report.findings],
        "headline": headline(report),
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
        "withheld": {
            "fields": list(report.withheld.fields),
            "files": list(report.withheld.files),
        }
        if report.withheld is not None
        else None,
    }


def finding_json(finding: Finding) -> dict[str, str]:
    """Return a finding as the object that every `--json` prints."""
    return {
        "check": finding.check,
        "code": finding.code.value,
        "detail": finding.detail,
        "verdict": finding.verdict.value,
    }


def headline(report: Report) -> str:
    """Return what the bundle states about page and capture, and whether the proof is intact."""
    proof = sentences.proof_sentence(sentences.ProofState.of(report))
    if report.verdict is Verdict.FAILED:
        return f"{proof} {DO_NOT_RELY}"
    page = _page_state(report)
    capture = sentences.CaptureState.of_record(report.record) if report.record else None
    said = (
        sentences.headline(page=page, capture=capture),
        proof,
        open_sentence(report.verdict),
        redaction_sentence(report),
    )
    return " ".join(filter(None, said))


def redaction_sentence(report: Report) -> str:
    """Return that a file is a redacted copy, and how much it withholds; "" for a whole bundle."""
    if report.withheld is None:
        return ""
    return tr(
        "The file is a redacted copy of the bundle. Withheld values: {fields}, withheld files: "
        "{files}.",
        fields=len(report.withheld.fields),
        files=len(report.withheld.files),
    )


def open_sentence(verdict: Verdict) -> str:
    """Return what follows the headline of an INDETERMINATE verdict; "" for another verdict."""
    return NO_CHECK_FAILED if verdict is Verdict.INDETERMINATE else ""


def lines(report: Report) -> list[str]:
    """Return the report for a person: the headline, the facts in groups, and each check."""
    result = [printable(headline(report)), ""]
    if report.verdict is not Verdict.FAILED and report.record:
        page = _page_state(report)
        outcome = sentences.CaptureState.of_record(report.record).outcome
        state = f": {sentences.page_words(page.shown, outcome)}" if page is not None else ""
        result += group_lines(f"page{state}", _page_rows(report))
        result += group_lines(
            f"capture: {stated_outcome(report.record)[0] or tr('not established')}",
            _capture_rows(report),
        )
    result += group_lines(
        f"proof: {sentences.proof_words(sentences.ProofState.of(report))}", _proof_rows(report)
    )
    if report.withheld is not None:
        result += group_lines(tr("withheld"), _withheld_rows(report.withheld))
    result += check_lines(report.findings)
    result += advice_lines(report.findings)
    return result


def group_lines(heading: str, rows: Iterable[tuple[str, str]]) -> list[str]:
    """Return a heading, and below it facts with their labels; texts are made printable."""
    shown = [f"  {label:<14} {text}" for label, text in rows]
    return [printable(heading), *(printable(line).rstrip() for line in shown)]


def check_lines(findings: Iterable[Finding]) -> list[str]:
    """Return the findings under a heading, one line each."""
    return ["checks", *(f"  {finding_line(finding)}" for finding in findings)]


def advice_lines(findings: Iterable[Finding]) -> list[str]:
    """Return what each code of a check that did not pass means, and what the reader can do."""
    rows: dict[str, str] = {}  # by the name that the line of the finding shows
    for verdict in (Verdict.FAILED, Verdict.INDETERMINATE):
        for finding in findings:
            if finding.verdict is verdict:
                text = sentences.FINDINGS[finding.code]
                name = finding.check.strip() if _is_named(finding) else finding.code.value
                rows.setdefault(name, f"{text.meaning} {text.remedy}")
    return group_lines(tr("what the results mean"), rows.items()) if rows else []


def _page_state(report: Report) -> sentences.PageState | None:
    assessed, status = report.assessed, _at(report.record, "what", "http_status")
    if assessed is None or (report.withheld and assessment.PATH in report.withheld.files):
        return None
    return sentences.PageState(
        shown=assessed.shown,
        convention=assessed.convention,
        http_status=status if type(status) is int else None,
    )


def _page_rows(report: Report) -> Iterator[tuple[str, str]]:
    if report.requested_url:
        yield "address", report.requested_url
    final = _at(report.record, "what", "final_url")
    if isinstance(final, str) and final not in ("", report.requested_url):
        yield "led to", final
    if isinstance(title := _at(report.record, "what", "title"), str) and title:
        yield "title", title[:MAX_WORDS]
    status = _at(report.record, "what", "http_status")
    if type(status) is int:
        yield "status", sentences.format_http_status(status)


def _capture_rows(report: Report) -> Iterator[tuple[str, str]]:
    if report.captured_at:
        yield (
            "captured",
            tr(
                "{instant}, by the clock of the capturing machine",
                instant=instant(report.captured_at),
            ),
        )
    _, reasons = stated_outcome(report.record)
    for code, detail in reasons[:MAX_REASONS]:
        yield "reason", f"{code[:MAX_WORDS]}: {detail[:MAX_WORDS]}"
    if len(reasons) > MAX_REASONS:
        yield "", f"further reasons: {len(reasons) - MAX_REASONS}"


def _proof_rows(report: Report) -> Iterator[tuple[str, str]]:
    if report.verdict is not Verdict.FAILED:
        proven = f"existed by {instant(report.proven_time)}" if report.proven_time else ""
        by = f", confirmed by {', '.join(report.authorities)}" if report.authorities else ""
        yield "time", f"{proven}{by}" if proven else tr("not confirmed by a timestamp authority")
    yield "bundle", report.bundle_id or tr("the id of the bundle could not be read")
    if report.sha256:
        yield "SHA-256", report.sha256
    yield "judged with", report.trust


def _withheld_rows(withheld: Withheld) -> Iterator[tuple[str, str]]:
    """Yield each withheld value and file, up to the limit of lines."""
    for label, names in (("value", withheld.fields), ("file", withheld.files)):
        for name in names[:MAX_REASONS]:
            yield label, name
        if len(names) > MAX_REASONS:
            yield "", f"further: {len(names) - MAX_REASONS}"


def _at(record: Mapping[str, Any], group: str, name: str) -> Any:
    """Return a field of a record, which a stranger may have written; None if it has none."""
    fields = record.get(group)
    return fields.get(name) if isinstance(fields, dict) else None


def outcome_lines(report: Report) -> list[str]:
    """Return what a bundle states about its outcome, which changes no verdict."""
    state, reasons = stated_outcome(report.record)
    if not report.record:
        return []
    if not state:
        return [tr("capture: not established, because the record does not state its outcome")]
    result = [tr("capture: {state}, according to the record of the bundle", state=state)]
    result += [
        f"     {printable(code[:MAX_WORDS])}: {printable(detail[:MAX_WORDS])}"
        for code, detail in reasons[:MAX_REASONS]
    ]
    if len(reasons) > MAX_REASONS:
        result.append(f"     further reasons: {len(reasons) - MAX_REASONS}")
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
        (code, detail if isinstance(detail, str) else tr("(withheld)"))
        for code, detail in found
        if isinstance(code, str) and (isinstance(detail, str) or is_closed(detail))
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
    is_plain = finding.verdict is Verdict.PASSED or _is_named(finding)
    code = "" if is_plain else f"{finding.code} "
    return f"{_MARKS[finding.verdict]} {finding.check:<10} {code}{printable(finding.detail)}"


def _is_named(finding: Finding) -> bool:
    """Return whether the name of the check is also the code of its finding."""
    return finding.code.value == finding.check.strip().upper()
