"""
Judge a bundle by the log proof beside it, and by the checkpoint that its record quotes.

See docs/spec/log.md, "Judging a bundle by it". Anybody may have put the proof there, so an invalid
proof does not count against the bundle. But what a log and its witnesses have signed can contradict
what the bundle states.
"""

from collections.abc import Collection, Iterator
from datetime import datetime, timedelta

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs import leaf, tlog_proof
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import LogPolicy, SignedCheckpoint
from snapshotter.model.finding import Code, Finding
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleClaim:
    """What a verified bundle states about itself that a log can contradict."""

    bundle_id: str
    sha256: str  # of the whole file
    started_at: datetime
    quoted: SignedCheckpoint | None  # by the record, as `read_quoted_checkpoint` returns it
    tokens_inside: Collection[datetime]  # times of the good tokens that are in the file


@dataclass(frozen=True, slots=True, kw_only=True)
class LogJudgement:
    """What the log shows about a bundle."""

    findings: tuple[Finding, ...] = ()  # none where nothing is required or shown
    # The earliest time at which a witness saw the bundle in the log; None unless a proof is good.
    logged_by: datetime | None = None
    index: int | None = None  # of its entry in the log; None unless a proof is good


def log_policy_for(
    quoted: object, proof: bytes | None, policy: LogPolicy | None
) -> LogPolicy | None:
    """
    Return the policy for the log of a bundle, of several trusted logs.

    It is the log that the signed record quotes, or else the log of the proof.
    """
    if policy is None or not policy.others:
        return policy
    if isinstance(quoted, str) and quoted:
        return policy.of_log(quoted.encode("utf-8", "surrogatepass"))
    return policy.of_log(tlog_proof.checkpoint_in(proof or b""))


def read_quoted_checkpoint(text: object, policy: LogPolicy | None) -> SignedCheckpoint | None:
    """Return the checkpoint that a record quotes; None if it is not of the trusted log."""
    if policy is None or not isinstance(text, str):
        return None
    try:
        return policy.open(text.encode())
    except (EvidenceInvalid, UnicodeEncodeError):
        return None  # of another log, or of none: it shows nothing


def judge(
    claim: BundleClaim,
    proof: bytes | None,
    policy: LogPolicy | None,
    *,
    required: bool,
    max_skew: timedelta,
) -> LogJudgement:
    """
    Return what the log shows about a bundle.

    Args:
        proof: The bytes of the sidecar; None if there is none.
        policy: The trusted log; None for none.
    """
    if policy is None:
        words = tr(
            "a log proof is required, but you trust no log. The owner of the trust file can add "
            "the log with the command: snapshotter trust set-log trust.json VERIFIER-KEY. This "
            "command prints VERIFIER-KEY: snapshotter log show"
        )
        missing = _unknown(Code.LOG_MISSING, words)
        return LogJudgement(findings=(missing,) if required else ())
    findings = [*_quoted_too_late(claim, max_skew)]
    if proof is None:
        if required:
            words = tr("a log proof is required, but no log proof is beside the bundle")
            findings.append(_unknown(Code.LOG_MISSING, words))
        return LogJudgement(findings=tuple(findings))
    entry = Leaf(kind=leaf.BUNDLE, name=claim.bundle_id, sha256=claim.sha256).encode()
    try:
        read, signed = tlog_proof.check(proof, entry, policy.key, policy.witnesses)
    except EvidenceInvalid as error:
        if required:
            words = tr("the log proof beside the bundle is not valid: {error}", error=error)
            findings.append(_unknown(Code.LOG, words))
        return LogJudgement(findings=tuple(findings))
    quoted = claim.quoted
    if quoted and read.index < quoted.size:
        two_histories = Finding.failed(
            "log",
            Code.LOG,
            tr(
                "the bundle is entry {index} of the log, but the record in the bundle quotes a "
                "checkpoint that already has {size} entries: the log has two histories",
                index=read.index,
                size=quoted.size,
            ),
        )
        return LogJudgement(findings=(*findings, two_histories))
    findings += _in_order(claim, signed, max_skew)
    there = len(signed.cosignatures)
    if not policy.is_met_by(signed):
        if required:
            words = tr(
                "witnesses that have seen the entry in the log: {there}, required: {quorum}",
                there=there,
                quorum=policy.quorum,
            )
            findings.append(_unknown(Code.LOG_MISSING, words))
        return LogJudgement(findings=tuple(findings))
    seen = (
        f", seen by {', '.join(cosignature.key.name for cosignature in signed.cosignatures)}"
        if there
        else ""
    )
    passed = Finding.passed(
        "log",
        tr(
            "the log {name} contains the bundle: entry with the index {index}, entries in the log: "
            "{size}{seen}",
            index=read.index,
            size=signed.size,
            name=policy.key.name,
            seen=seen,
        ),
    )
    first = min((cosignature.time for cosignature in signed.cosignatures), default=None)
    return LogJudgement(findings=(*findings, passed), logged_by=first, index=read.index)


def _quoted_too_late(claim: BundleClaim, max_skew: timedelta) -> Iterator[Finding]:
    """Yield FAILED for a capture that quotes a checkpoint from after its own beginning."""
    if claim.quoted is None or not claim.quoted.cosignatures:
        return
    latest = max(cosignature.latest for cosignature in claim.quoted.cosignatures)
    if latest - claim.started_at > max_skew:
        yield Finding.failed(
            "time",
            Code.TIME,
            tr(
                "the record quotes a log checkpoint that a witness saw at {instant}, but "
                "states that the capture began earlier, at {instant2}",
                instant=instant(latest),
                instant2=instant(claim.started_at),
            ),
        )


def _in_order(
    claim: BundleClaim, signed: SignedCheckpoint, max_skew: timedelta
) -> Iterator[Finding]:
    """Say so when a witness saw the file in the log before a token was made that is in it."""
    if not claim.tokens_inside:
        return
    token = max(claim.tokens_inside)
    for cosignature in signed.cosignatures:
        if token - cosignature.time > max_skew:
            yield Finding.indeterminate(
                "time",
                Code.TIME,
                tr(
                    "the witness {name} saw the bundle in the log at {instant}, before the "
                    "timestamp token in the bundle was made ({instant2})",
                    name=cosignature.key.name,
                    instant=instant(cosignature.time),
                    instant2=instant(token),
                ),
            )
            return


def _unknown(code: Code, detail: str) -> Finding:
    return Finding.indeterminate("log", code, detail)
