"""
Shorten the report about a bundle, so that the reports of many bundles fit into memory together.

A capture record has up to 8 MiB, and takes some 40 MB once it is parsed; an event or a proof pack
has up to two hundred captures. So all parts whose length the maker of a bundle can choose are
removed or cut.
"""

from dataclasses import replace
from typing import Any, Final

from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.verify.report import MAX_REASONS, MAX_WORDS, stated_outcome

_FINDINGS: Final = 100
_CHARACTERS: Final = 1_000  # of a detail, and of an address that is only shown
_SIGNERS: Final = 9


def report_excerpt(report: Report) -> Report:
    """
    Return a report without the record, the custody chain and the digests of members.

    The signers and the outcome of the record stay, as far as reports show them.
    """
    facts = report.established
    return replace(
        report,
        findings=_findings(report),
        requested_url=report.requested_url[:_CHARACTERS],
        custody=b"",
        record=_record(report),
        established=replace(facts, members={}) if facts is not None else None,
    )


def _findings(report: Report) -> tuple[Finding, ...]:
    """Return the first findings, and of the rest the first of each further kind."""
    kept: list[Finding] = []
    kinds: set[tuple[Verdict, Code]] = set()
    for finding in report.findings:
        if len(kept) < _FINDINGS or (finding.verdict, finding.code) not in kinds:
            kinds.add((finding.verdict, finding.code))
            kept.append(replace(finding, detail=finding.detail[:_CHARACTERS]))
    return tuple(kept)


def _record(report: Report) -> dict[str, Any]:
    made: dict[str, Any] = {}
    signers = report.record.get("signers")
    if isinstance(signers, list):
        named = [signer.get("key_id") for signer in signers[:_SIGNERS] if isinstance(signer, dict)]
        ids = [str(key_id)[:_CHARACTERS] for key_id in named]
        made["signers"] = [{"key_id": key_id} for key_id in ids]
    state, reasons = stated_outcome(report.record)
    if report.record:
        made["outcome"] = {
            "state": state,
            "reasons": [
                {"code": code[:MAX_WORDS], "detail": detail[:MAX_WORDS]}
                for code, detail in reasons[: MAX_REASONS + 1]
            ],
        }
    return made
