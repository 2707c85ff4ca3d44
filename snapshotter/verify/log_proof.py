"""
Judge a bundle by the log proof beside it (docs/spec/log.md, "Judging a bundle by it").

A proof stands where anybody may put anything, so one that does not hold says nothing
against a bundle. What a log and its witnesses have signed can still contradict what
the bundle says of itself, and that is said.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import leaf, tlog_proof
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.leaf import Leaf
from snapshotter.formats.note import LogPolicy, SignedCheckpoint
from snapshotter.model.finding import Code, Finding, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a verified bundle says of itself, as far as a log can contradict it."""

    bundle_id: str
    sha256: str  # of the whole file
    started_at: datetime
    quoted: object  # `log_checkpoint` of the capture record
    tokens_inside: Collection[datetime]  # times of the good tokens that are in the file


def judge(
    claim: Claim,
    proof: bytes | None,
    policy: LogPolicy | None,
    *,
    required: bool,
    max_skew: timedelta,
) -> Iterator[Finding]:
    """
    Yield what the log says of a bundle; nothing where nothing is required or shown.

    Args:
        proof: The sidecar's bytes; None when there is none.
        policy: The log that the verifier believes; None for none.
    """
    if policy is None:
        if required:
            yield _unknown(Code.LOG_MISSING, "a log proof is required, and no log is trusted")
        return
    quoted = _quoted(claim, policy)
    if quoted and quoted.cosignatures:
        latest = max(it.latest for it in quoted.cosignatures)
        if latest - claim.started_at > max_skew:
            yield Finding(
                check="time",
                verdict=Verdict.FAILED,
                code=Code.TIME,
                detail="the record quotes a log checkpoint that a witness saw at "
                f"{instant(latest)}, and says that the capture began at "
                f"{instant(claim.started_at)}",
            )
    if proof is None:
        if required:
            yield _unknown(
                Code.LOG_MISSING, "a log proof is required, and none is beside the bundle"
            )
        return
    entry = Leaf(kind=leaf.BUNDLE, name=claim.bundle_id, sha256=claim.sha256).encode()
    try:
        read, signed = tlog_proof.check(proof, entry, policy.key, policy.witnesses)
    except EvidenceInvalid as error:
        if required:
            yield _unknown(Code.LOG, f"the log proof beside the bundle does not hold: {error}")
        return
    if quoted and read.index < quoted.size:
        yield Finding(
            check="log",
            verdict=Verdict.FAILED,
            code=Code.LOG,
            detail=f"entry {read.index} of the log quotes a checkpoint of {quoted.size} entries: "
            "the log has two histories",
        )
        return
    yield from _in_order(claim, signed, max_skew)
    there = len(signed.cosignatures)
    if policy.is_met_by(signed):
        seen = f", seen by {', '.join(it.key.name for it in signed.cosignatures)}" if there else ""
        yield Finding(
            check="log",
            verdict=Verdict.PASSED,
            code=Code.OK,
            detail=f"entry {read.index} of {signed.size} in the log {policy.key.name}{seen}",
        )
    elif required:
        yield _unknown(
            Code.LOG_MISSING,
            f"{there} of {policy.quorum} required witnesses have seen it in the log",
        )


def _quoted(claim: Claim, policy: LogPolicy) -> SignedCheckpoint | None:
    """Return the checkpoint that the record quotes, if it is this log's."""
    if not isinstance(claim.quoted, str):
        return None
    try:
        return policy.open(claim.quoted.encode())
    except (EvidenceInvalid, UnicodeEncodeError):
        return None  # of another log, or of none: it says nothing


def _in_order(claim: Claim, signed: SignedCheckpoint, max_skew: timedelta) -> Iterator[Finding]:
    """Say so when a witness saw the file in the log before a token was made that is in it."""
    if not claim.tokens_inside:
        return
    token = max(claim.tokens_inside)
    for cosignature in signed.cosignatures:
        if token - cosignature.time > max_skew:
            yield Finding(
                check="time",
                verdict=Verdict.INDETERMINATE,
                code=Code.TIME,
                detail=f"{cosignature.key.name} saw it in the log at {instant(cosignature.time)}, "
                f"before the token that is in it was made ({instant(token)})",
            )
            return


def _unknown(code: Code, detail: str) -> Finding:
    return Finding(check="log", verdict=Verdict.INDETERMINATE, code=code, detail=detail)
