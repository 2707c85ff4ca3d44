"""Format the report about a proof pack, as text and as JSON."""

from collections.abc import Mapping
from typing import Any

from snapshotter.formats.canonical_json import instant, plain
from snapshotter.formats.printable import printable
from snapshotter.formats.statements.pack import PackManifest, describe
from snapshotter.model import sentences
from snapshotter.model.finding import Code, Finding, Verdict, overall
from snapshotter.translation import tr
from snapshotter.verify import report as reports
from snapshotter.verify import takedown as events
from snapshotter.verify.proof_pack import CaptureReport, PackReport

_NOT_FOLLOWING = (
    "The file has not changed since it was signed, but the statement does not follow "
    "from the evidence in the file."
)
_NOT_CONFIRMED = tr("the following is stated only by the signer and is not confirmed by a check")
# What each field and part in `OWN_WORD` is, for people.
OWN_WORDS: Mapping[str, str] = {
    "made_at": tr("when the file was made"),
    "software": tr("with which software the file was made"),
    "lacks": tr("what was left out of the file"),
    "text_sha256": tr("the digest by which the file checks its own text"),
    "name": tr("the names of the parts"),
    "role": tr("the roles of the parts"),
    "media_type": tr("the types of the parts"),
    "page": tr("the words of the statement"),
    "facts": tr("the statement as JSON"),
    "picture": tr("the picture of both captures"),
    "pdf": tr("the PDF"),
    "key": tr("the copies of keys"),
    "trust": tr("the copy of a trust file"),
    "rules": tr("the copies of rule files"),
}


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
        "headline": headline(report),
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
    """Return the report for a person: the headline, the file, each capture, and the event."""
    made = report.manifest
    rows = [
        ("event", made.event_id if made and made.event_id else tr("none in this pack")),
        ("signed by", f"key {report.key_id}" if report.key_id else tr("no key could be read")),
        ("judged with", report.trust),
    ]
    words = sentences.proof_words(_proof_state(report))
    event = report.event.event if report.event is not None else None
    result = [printable(headline(report)), "", *events.change_lines(event, report.verdict)]
    result += [*reports.group_lines(f"proof: {words}", rows)]
    result += reports.check_lines(report.findings)
    if made is not None:
        shown: set[str] = set()
        for capture in report.captures:
            result += _capture(capture, made, shown)
    if report.event is not None:
        result.append(printable(f"event: {made.event_id if made else ''}"))
        result += [f"  {finding_line}" for finding_line in events.finding_lines(report.event)]
    else:  # the lines of an event state it
        result += [f"note {printable(line)}" for line in events.order_lines(report.weak)]
    result += reports.advice_lines(_findings(report))
    if made is not None:
        named = ", ".join(OWN_WORDS.get(name, name) for name in report.own_word)
        result.append(f"note {_NOT_CONFIRMED}: {printable(named)}")
    return result


def headline(report: PackReport) -> str:
    """Return what the pack states, whether its captures are whole, and the proof intact."""
    proof = sentences.proof_sentence(_proof_state(report))
    if report.verdict is Verdict.FAILED:
        as_made = overall(report.findings) is not Verdict.FAILED
        why = (proof, _NOT_FOLLOWING if as_made else "", reports.DO_NOT_RELY)
        return " ".join(filter(None, why))
    if report.verdict is Verdict.PASSED:
        proof = tr(
            "The proof is intact; the pack has not changed since it was signed, and no capture "
            "in the pack has changed since it was sealed. The words, the picture and the PDF of "
            "the page are stated only by the signer."
        )
    event = report.event.event if report.event else None
    said = (
        f"{events.describe_event(event)}."
        if event is not None
        else tr("This version does not know the kind of the event in the pack.")
        if report.event is not None
        else tr("The pack contains no take-down event, so no removal was concluded or checked.")
    )
    records = [capture.report.record for capture in report.captures]
    outcomes = [sentences.CaptureState.of_record(record).outcome for record in records]
    whole = (said, sentences.captures_sentence(outcomes), proof)
    return " ".join(filter(None, (*whole, reports.open_sentence(report.verdict))))


def _proof_state(report: PackReport) -> sentences.ProofState:
    """Return the state of the pack, its captures and its event together."""
    known = [finding for finding in _findings(report) if finding.code is not Code.BUNDLE_OPEN]
    timed = not report.captures or any(
        capture.report.proven_time is not None for capture in report.captures
    )
    return sentences.ProofState.of_findings(report.verdict, known, authorities=int(timed))


def _findings(report: PackReport) -> list[Finding]:
    """Return the findings about the pack, its captures and its event."""
    findings = [*report.findings]
    for capture in report.captures:
        findings += capture.report.findings
    if report.event is not None:
        findings += report.event.findings
    return findings


def _capture(capture: CaptureReport, manifest: PackManifest, shown: set[str]) -> list[str]:
    """
    Return the lines of one capture; the checks that passed are one line.

    Args:
        shown: The lines of findings of the captures before, which are counted and not repeated;
            the lines of this capture are added.
    """
    found = capture.report
    passed = sum(finding.verdict is Verdict.PASSED for finding in found.findings)
    proven = found.proven_time
    when = (
        f"existed by {instant(proven)}" if proven else tr("not confirmed by a timestamp authority")
    )
    state, reasons = reports.stated_outcome(found.record)
    rows = [("address", found.requested_url), ("time", when)]
    if found.verdict is not Verdict.FAILED:
        rows.append(("capture", state or "not established"))
        rows += [
            ("reason", f"{code[: reports.MAX_WORDS]}: {detail[: reports.MAX_WORDS]}")
            for code, detail in reasons[: reports.MAX_REASONS]
        ]
    rows.append(("checks passed", str(passed)))
    told = [
        f"  {reports.finding_line(finding)}"
        for finding in found.findings
        if finding.verdict is not Verdict.PASSED
    ]
    repeated = sum(line in shown for line in told)
    if repeated:
        rows.append((tr("same as above"), str(repeated)))
    result = [*reports.group_lines(describe(capture.part, manifest.parts), rows)]
    result += [line for line in told if line not in shown]
    shown.update(told)
    return result
