"""
Format the result of an audit: for a person, as JSON lines, and as the document to be signed.

Every kind of finding is named with its count, the worst kind first, and the first few
findings of each kind are shown. The JSON lines contain all findings, and the signed document
contains the digest of those lines.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any

from snapshotter.errors import ServiceUnavailable
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.printable import printable
from snapshotter.model.audit import (
    AuditCode,
    AuditFinding,
    AuditReport,
    FindingCount,
    Severity,
    TreeHead,
)
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr
from snapshotter.verify.report import EXIT_CODES

FORMAT = "snapshotter-audit/1"
EXAMPLES_SHOWN = 5  # findings of each kind that a person is shown

_MARKS = {Severity.FAILED: "FAIL", Severity.INDETERMINATE: "?   ", Severity.NOTE: "note"}


def finding_json(finding: AuditFinding) -> dict[str, Any]:
    """Return a finding as `audit --json` prints it."""
    return {
        "code": finding.code.value,
        "detail": finding.detail,
        "hint": finding.hint,
        "key": finding.key,
        "severity": finding.severity.value,
    }


def report_json(report: AuditReport) -> dict[str, Any]:
    """Return the summary: the last object that `audit --json` prints."""
    log = report.log
    scope = report.scope
    return {
        "counts": [
            {"code": count.code.value, "count": count.count, "severity": count.severity.value}
            for count in report.counts
        ],
        "ended_at": instant(report.ended_at),
        "log": None
        if log is None
        else {
            "origin": log.origin,
            "quorum": log.quorum,
            "remembered": _head_json(log.remembered),
            "root": log.head.root,
            "signed": log.signed,
            "size": log.head.size,
            "witnessed_at": instant(log.witnessed_at) if log.witnessed_at else None,
            "witnesses": list(log.witnesses),
        },
        "retry": report.retry,
        "scope": {
            "bundles": scope.bundles,
            "read": scope.read,
            "resumed": scope.resumed,
            "sample": scope.sample,
            "seed": scope.seed,
            "since": scope.since.isoformat() if scope.since else None,
            "unchanged": scope.unchanged,
        },
        "software": report.software,
        "started_at": instant(report.started_at),
        "store": report.store,
        "trust": report.trust,
        "verdict": report.verdict.value,
    }


def exit_code(report: AuditReport) -> int:
    """Return the exit code of the verdict, or "try again" if that may resolve every finding."""
    if report.verdict is Verdict.INDETERMINATE and report.retry:
        return ServiceUnavailable.exit_code
    return EXIT_CODES[report.verdict]


def document(report: AuditReport, *, report_id: str, signer: str, findings_sha256: str) -> bytes:
    """
    Return the document to be signed: canonical JSON.

    Args:
        signer: The id of the key that will sign it.
        findings_sha256: From `findings_digest`.
    """
    return canonical_json.dumps(
        {
            **report_json(report),
            "findings": [finding_json(finding) for finding in report.examples],
            "findings_sha256": findings_sha256,
            "format": FORMAT,
            "report_id": report_id,
            "signer": signer,
        }
    )


def findings_digest(findings: Iterable[AuditFinding]) -> str:
    """Return the SHA-256 over all findings, each as a line of canonical JSON with its LF."""
    digest = hashlib.sha256()
    for finding in findings:
        digest.update(canonical_json.dumps(finding_json(finding)) + b"\n")
    return digest.hexdigest()


def lines(report: AuditReport) -> Iterator[str]:
    """Yield the report for a person."""
    yield from _what_was_seen(report)
    examples: dict[tuple[str, str], list[AuditFinding]] = {}
    for finding in report.examples:
        examples.setdefault((finding.code, finding.severity), []).append(finding)
    for kind in report.counts:
        yield from _kind_lines(kind, examples.get((kind.code, kind.severity), []))
    yield ""
    yield f"{report.verdict.name}: {_summary(report)}"
    yield f"judged with {printable(report.trust)}"


def _what_was_seen(report: AuditReport) -> Iterator[str]:
    log, scope = report.log, report.scope
    if log is not None:
        by = (
            tr(
                "cosigned by {count} of {quorum} required witnesses",
                count=len(log.witnesses),
                quorum=log.quorum,
            )
            if log.quorum
            else ""
        )
        yield (
            f"log      {printable(log.origin)}: {log.head.size} entries, "
            f"{'signed' if log.signed else tr('signed by an unknown key')}{', ' * bool(by)}{by}"
        )
        if log.remembered is not None:
            yield tr("before   an earlier audit saw {size} entries", size=log.remembered.size)
    words = [f"{scope.read} of {scope.bundles} read"]
    if scope.sample is not None:
        words.append(tr("selected at random with the seed {seed}", seed=scope.seed))
    if scope.since is not None:
        words.append(f"since {scope.since.isoformat()}")
    if scope.unchanged:
        words.append(tr("{unchanged} unchanged since an earlier audit", unchanged=scope.unchanged))
    if scope.resumed:
        words.append(tr("{resumed} read before this audit was interrupted", resumed=scope.resumed))
    yield f"bundles  {', '.join(words)}"


def _kind_lines(kind: FindingCount, examples: list[AuditFinding]) -> Iterator[str]:
    mark = _MARKS[kind.severity]
    for finding in examples[:EXAMPLES_SHOWN]:
        where = f"{printable(finding.key)}: " if finding.key else ""
        yield f"{mark} {kind.code:<15} {where}{printable(finding.detail)}"
    if kind.count > EXAMPLES_SHOWN:
        yield tr(
            "{mark} {code:<15} further findings: {count}; the option --json prints all findings",
            mark=mark,
            code=kind.code,
            count=kind.count - EXAMPLES_SHOWN,
        )
    if examples:
        sentence, *commands = examples[0].hint.split("\n")
        yield f"     {'':<15} try: {sentence}"
        yield from (f"     {'':<15} {command}" for command in commands)


def _summary(report: AuditReport) -> str:
    failed = sum(count.count for count in report.counts if count.severity is Severity.FAILED)
    unclear = sum(
        count.count for count in report.counts if count.severity is Severity.INDETERMINATE
    )
    if report.verdict is Verdict.FAILED:
        return tr(
            "the audit found that objects of this store were changed, removed or added, or are "
            "invalid. Findings with the verdict FAILED: {failed}. Do not change the store.",
            failed=failed,
        )
    withheld = sum(count.count for count in report.counts if count.code is AuditCode.WITHHELD)
    if report.verdict is Verdict.INDETERMINATE and withheld:
        return tr(
            "at least three audits in a period of at least 24 hours could not read objects that "
            "an earlier audit read. Objects: {withheld}. A store that hides a deletion behaves "
            "in this way. Findings with the verdict INDETERMINATE: {unclear}.",
            withheld=withheld,
            unclear=unclear,
        )
    if report.verdict is Verdict.INDETERMINATE and report.retry:
        return tr(
            "some objects could not be read. Findings with the verdict INDETERMINATE: {unclear}. "
            "No check of the objects that were read failed. Run the audit again.",
            unclear=unclear,
        )
    if report.verdict is Verdict.INDETERMINATE:
        return tr(
            "no check failed, but some results are not established. Findings with the verdict "
            "INDETERMINATE: {unclear}. The lines marked ? list these findings.",
            unclear=unclear,
        )
    erased = any(count.code is AuditCode.ERASED_BY_ORDER for count in report.counts)
    ordered = tr(" (except by order)") if erased else ""
    read, there = report.scope.read, report.scope.bundles
    if read < there:
        # What was not read may have been replaced: only that it is there was seen.
        return tr(
            "no logged bundle was deleted{ordered}, and no bundle was added without an entry in "
            "the log. No bundle that was read has changed since it was sealed. Bundles that were "
            "read: {read}. Bundles that were not read: {there}.",
            ordered=ordered,
            read=read,
            there=there - read,
        )
    return tr(
        "no logged bundle was deleted{ordered} or replaced, no bundle was added without an entry "
        "in the log, and no bundle has changed since it was sealed.",
        ordered=ordered,
    )


def _head_json(head: TreeHead | None) -> dict[str, Any] | None:
    return None if head is None else {"root": head.root, "size": head.size}
