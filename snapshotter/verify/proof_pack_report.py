"""Format the report about a proof pack, as text and as JSON."""

from typing import Any

from snapshotter.formats.canonical_json import instant, plain
from snapshotter.formats.printable import printable
from snapshotter.formats.statements.pack import PackManifest, describe
from snapshotter.model.finding import Verdict, overall
from snapshotter.verify import report as reports
from snapshotter.verify import takedown as events
from snapshotter.verify.proof_pack import CaptureReport, PackReport


def as_json(report: PackReport) -> dict[str, Any]:
    """Return the report as the object that `verify --json` prints (docs/reference/json.md)."""
    made = report.manifest
    return {
        "captures": [
            {"role": capture.part.role.value, **reports.as_json(capture.report)}
            for capture in report.captures
        ],
        "event": events.as_json(report.event) if report.event else None,
        "event_id": made.event_id if made else "",
        "findings": [reports.finding_json(finding) for finding in report.findings],
        "key_id": report.key_id,
        "lacks": list(made.lacks) if made else [],
        "length": report.length,
        "made_at": instant(made.made_at) if made else None,
        "own_word": list(report.own_word),
        "trust": report.trust,
        "verdict": report.verdict.value,
        "weak": plain(report.weak),
    }


def lines(report: PackReport) -> list[str]:
    """Return the report for a person: the file, then each capture, then the verdict."""
    result = [reports.finding_line(finding) for finding in report.findings]
    if report.manifest is not None:
        for capture in report.captures:
            result += _capture(capture, report.manifest)
    if report.event is not None:
        result += [
            "",
            f"the event {printable(report.manifest.event_id if report.manifest else '')}:",
        ]
        result += [f"     {finding_line}" for finding_line in events.finding_lines(report.event)]
    else:  # the lines of an event state it
        result += [f"note {printable(weak.detail)}" for weak in report.weak]
    if report.manifest is not None:
        words = "only the signer states these fields and parts, and nothing here confirms them"
        result += ["", f"note {words}: {_own_word(report)}"]
    result += ["", f"{report.verdict.name}: {_summary(report)}"]
    result.append(f"judged against {printable(report.trust)}")
    return result


def _own_word(report: PackReport) -> str:
    return printable(", ".join(report.own_word))


def _capture(capture: CaptureReport, manifest: PackManifest) -> list[str]:
    """Return the lines of one capture; the checks that passed are one line."""
    what = printable(describe(capture.part, manifest.parts))
    passed = sum(finding.verdict is Verdict.PASSED for finding in capture.report.findings)
    proven = capture.report.proven_time
    when = f"existed by {instant(proven)}, by an independent clock" if proven else "no proven time"
    url = printable(capture.report.requested_url)
    result = ["", f"{what}: {url}", f"     {passed} checks passed; {when}"]
    if capture.report.verdict is not Verdict.FAILED:
        result += [f"     {outcome_line}" for outcome_line in reports.outcome_lines(capture.report)]
    return result + [
        f"     {reports.finding_line(finding)}"
        for finding in capture.report.findings
        if finding.verdict is not Verdict.PASSED
    ]


def _summary(report: PackReport) -> str:
    if overall(report.findings) is not Verdict.FAILED and report.verdict is Verdict.FAILED:
        return (
            "the file is as it was made, and what it says does not follow from what is in it. Do "
            "not rely on it; the lines marked FAIL say what does not."
        )
    if report.verdict is Verdict.FAILED:
        return (
            "this is not a proof pack as it was made. Do not rely on it; "
            "the lines marked FAIL say what was altered, or does not hold."
        )
    if report.verdict is Verdict.INDETERMINATE:
        return (
            "the pack is intact since it was signed, and not everything about it could be "
            "established: the lines marked ? say what is missing. This says nothing against it."
        )
    count = len(report.captures)
    said = f"the pack and its {count} captures are exactly as they were made and sealed."
    event = report.event.event if report.event else None
    if event is None:
        said += " No event is in it: that a page was taken down was neither concluded nor checked."
    else:
        said += f" It says that {events.describe_event(event)}."
    return f"{said} The words, the picture and the PDF of its page are its signer's own."
