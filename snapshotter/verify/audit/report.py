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
            f"cosigned by {len(log.witnesses)} of {log.quorum} required witnesses"
            if log.quorum
            else ""
        )
        yield (
            f"log      {printable(log.origin)}: {log.head.size} entries, "
            f"{'signed' if log.signed else 'signed by an unknown key'}{', ' * bool(by)}{by}"
        )
        if log.remembered is not None:
            yield f"before   an earlier audit saw {log.remembered.size} entries"
    words = [f"{scope.read} of {scope.bundles} read"]
    if scope.sample is not None:
        words.append(f"drawn with the seed {scope.seed}")
    if scope.since is not None:
        words.append(f"since {scope.since.isoformat()}")
    if scope.unchanged:
        words.append(f"{scope.unchanged} unchanged since an earlier audit")
    if scope.resumed:
        words.append(f"{scope.resumed} read before an interruption")
    yield f"bundles  {', '.join(words)}"


def _kind_lines(kind: FindingCount, examples: list[AuditFinding]) -> Iterator[str]:
    mark = _MARKS[kind.severity]
    for finding in examples[:EXAMPLES_SHOWN]:
        where = f"{printable(finding.key)}: " if finding.key else ""
        yield f"{mark} {kind.code:<15} {where}{printable(finding.detail)}"
    if kind.count > EXAMPLES_SHOWN:
        yield (
            f"{mark} {kind.code:<15} further findings: {kind.count - EXAMPLES_SHOWN}; --json "
            "lists all"
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
        return (
            f"something was changed, removed or added in this store. Findings: {failed}. Keep the "
            "store as it is."
        )
    withheld = sum(count.count for count in report.counts if count.code is AuditCode.WITHHELD)
    if report.verdict is Verdict.INDETERMINATE and withheld:
        return (
            "at least three audits over 24 hours could not read objects that an earlier audit "
            f"read. Objects: {withheld}. A store that hides a deletion behaves in this way. "
            f"Findings that are not established: {unclear}."
        )
    if report.verdict is Verdict.INDETERMINATE and report.retry:
        return (
            f"objects could not be read. Findings: {unclear}. No check of what was read "
            "failed. Run the audit again."
        )
    if report.verdict is Verdict.INDETERMINATE:
        return (
            "no check failed, but not everything could be established. Findings: "
            f"{unclear}. The lines marked ? name them."
        )
    erased = any(count.code is AuditCode.ERASED_BY_ORDER for count in report.counts)
    ordered = " (except by order)" if erased else ""
    read, there = report.scope.read, report.scope.bundles
    if read < there:
        # What was not read may have been replaced: only that it is there was seen.
        return (
            f"no logged bundle was deleted{ordered}, and no bundle was added without the log. Each "
            f"bundle that was read is as it was sealed: {read}. Bundles that were not read: "
            f"{there - read}."
        )
    return (
        f"no logged bundle was deleted{ordered} or replaced, no bundle was added without the log, "
        "and every bundle is as it was sealed."
    )


def _head_json(head: TreeHead | None) -> dict[str, Any] | None:
    return None if head is None else {"root": head.root, "size": head.size}
