"""
Verify a take-down event without the rules: with the verifier alone.

What needs no rules is judged: the record and its key, each capture by its digest and by
itself, and the place of the record in the log. That the captures show what the event says,
and that it follows from them, takes the rules that lie in the bundles and what runs them;
here that is INDETERMINATE, and is told.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import leaf, tlog_proof
from snapshotter.formats.layout import SUFFIX
from snapshotter.formats.leaf import Leaf
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import (
    custody_beside,
    late_tokens_beside,
    log_proof_beside,
    open_file,
    renewals_beside,
)
from snapshotter.verify.takedown import EventReport, check_parts, read_event
from snapshotter.verify.trust import Trust

_HOW = "snapshotter verify, of the whole package, does that"


def verify_event_alone(
    data: bytes,
    trust: Trust,
    *,
    now: datetime,
    folders: Sequence[Path],
    log_proof: bytes | None = None,
) -> EventReport:
    """
    Return what can be said of an event without rules; never PASSED as a whole.

    Args:
        data: The record.
        folders: Where its bundles may lie, each as `<id>.wacz`, sidecars beside them.
        log_proof: The C2SP tlog-proof of its leaf, if there is one.

    Raises:
        OSError, SnapshotterError: A bundle that is there can not be read.
    """
    found = read_event(data, trust)
    if found.event is None:
        return found
    event_id = found.event.event_id
    reports: dict[str, Report | None] = {}
    for part in found.parts:
        bundle_id = part.observation.bundle_id
        if bundle_id not in reports:
            reports[bundle_id] = _bundle(bundle_id, folders, trust, now)
    found = check_parts(
        found, [replace(it, report=reports[it.observation.bundle_id]) for it in found.parts]
    )
    findings = [*log_findings(found, log_proof, trust), *_not_derived()]
    notes = () if log_proof is not None else (_no_proof(event_id),)
    return found.with_more(findings, notes)


def log_findings(found: EventReport, proof: bytes | None, trust: Trust) -> Iterator[Finding]:
    """Yield what the log says of a record; a proof that does not hold says nothing against it."""
    if proof is None or found.event is None:
        return
    if trust.log is None:
        yield _log(Code.LOG_MISSING, "a log proof is beside it, and no log is trusted")
        return
    entry = Leaf(kind=leaf.TAKEDOWN, name=found.event.event_id, sha256=found.sha256)
    try:
        read, signed = tlog_proof.check(proof, entry.encode(), trust.log.key, trust.log.witnesses)
    except EvidenceInvalid as error:
        yield _log(Code.LOG, f"the log proof beside it does not hold: {error}")
        return
    if not trust.log.is_met_by(signed):
        there = len(signed.cosignatures)
        words = f"{there} of {trust.log.quorum} required witnesses have seen it in the log"
        yield _log(Code.LOG_MISSING, words)
        return
    yield Finding(
        check="log",
        verdict=Verdict.PASSED,
        code=Code.OK,
        detail=f"entry {read.index} of {signed.size} in the log {trust.log.key.name}",
    )


def _bundle(bundle_id: str, folders: Sequence[Path], trust: Trust, now: datetime) -> Report | None:
    for folder in folders:
        path = folder / f"{bundle_id}{SUFFIX}"
        try:
            stream = open_file(path)
        except FileNotFoundError:
            continue
        except SnapshotterError:
            continue  # a folder, a pipe: no bundle
        with stream:
            return verify_bundle(
                stream,
                trust,
                now=now,
                late_tokens=late_tokens_beside(path),
                custody_sidecars=custody_beside(path),
                log_proof=log_proof_beside(path),
                renewals=renewals_beside(path),
            )
    return None


def _not_derived() -> Iterator[Finding]:
    for check, code, what in (
        ("verdicts", Code.VERDICT, "the verdict of each capture was not made again"),
        ("conclusion", Code.CONCLUSION, "the event was not concluded again from its captures"),
    ):
        yield Finding(
            check=check,
            verdict=Verdict.INDETERMINATE,
            code=code,
            detail=f"{what}: there are no rules here; {_HOW}",
        )


def _no_proof(event_id: str) -> str:
    return (
        "nothing shows that it is in a log: snapshotter log prove --kind takedown "
        f"{event_id} -o {event_id}.json.tlog-proof, put beside it"
    )


def _log(code: Code, detail: str) -> Finding:
    return Finding(check="log", verdict=Verdict.INDETERMINATE, code=code, detail=detail)
