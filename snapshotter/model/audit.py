"""
Define the values of an audit of a whole store: its findings, its scope and its report.

A finding of an audit is about an object of the store, and not about a part of one bundle (that is
`finding.py`). It has a code, a severity and a hint about what to do. The codes do not change
(docs/reference/audit.md): new ones are added, none gets another meaning.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from types import MappingProxyType

from snapshotter.model.finding import Verdict


class Severity(enum.StrEnum):
    """How severe a finding is."""

    FAILED = "failed"  # evidence of alteration, or a rule that was broken
    INDETERMINATE = "indeterminate"  # could not be established: says nothing either way
    NOTE = "note"  # worth knowing; takes nothing away


class AuditCode(enum.StrEnum):
    """What was found, in the order in which a person reads it."""

    FORKED = "forked"
    ROLLED_BACK = "rolled-back"
    LOG_BROKEN = "log-broken"
    DELETED = "deleted"
    ALTERED = "altered"
    REPLACED = "replaced"
    UNLOGGED = "unlogged"
    BACKDATED = "backdated"
    CUSTODY_BROKEN = "custody-broken"
    UNLOCKED = "unlocked"
    INVALID = "invalid"
    INTERNAL = "internal"
    WITHHELD = "withheld"
    UNREADABLE = "unreadable"
    UNPROVEN = "unproven"
    NO_LOG = "no-log"
    UNTRUSTED_LOG = "untrusted-log"
    UNWITNESSED = "unwitnessed"
    STALE = "stale"
    OLDER_TRUST = "older-trust"
    RENEWAL_GONE = "renewal-gone"
    RENEWAL_DUE = "renewal-due"
    PROOF_BROKEN = "proof-broken"
    RETURNED = "returned"
    UNRECORDED = "unrecorded"
    ERASED_BY_ORDER = "erased-by-order"
    GAP = "gap"
    TAKEDOWN = "takedown"
    WAITING = "waiting"
    LOGGED_AGAIN = "logged-again"
    SURPLUS = "surplus"
    UNREAD = "unread"
    UNENFORCED = "unenforced"
    MIRROR = "mirror"
    EVENTS_FORKED = "events-forked"


# What to do, for the person who reads the finding.
HINTS: Mapping[AuditCode, str] = MappingProxyType(
    {
        AuditCode.FORKED: "keep both signed checkpoints: together they prove that the log told "
        "two stories; ask its witnesses which they saw",
        AuditCode.ROLLED_BACK: "keep the remembered checkpoint; look for the newer log in a copy "
        "of the store",
        AuditCode.LOG_BROKEN: "compare `log/` with a copy of the store; snapshotter log check "
        "says more",
        AuditCode.DELETED: "put it back from a copy: snapshotter store repair --from COPY",
        AuditCode.ALTERED: "keep what is there as it is, and fetch the original: snapshotter "
        "store repair --from COPY",
        AuditCode.REPLACED: "keep both: find out who wrote the second one; the log says which "
        "was first",
        AuditCode.UNLOGGED: "if you know where it comes from: snapshotter log sync; it was not "
        "logged when it should have been",
        AuditCode.BACKDATED: "ask whoever made it for the clock's state; only its token says when",
        AuditCode.CUSTODY_BROKEN: "compare it with a copy of the store; the events up to the last "
        "one in the log are known",
        AuditCode.UNLOCKED: "set the retention again, and find out who could lift it",
        AuditCode.INVALID: "snapshotter verify says what does not hold; no byte was changed",
        AuditCode.INTERNAL: "this is a bug of ours: please report it; the bundle is not judged",
        AuditCode.WITHHELD: "ask the keeper of the store for this object, and look for it in a "
        "copy: a store that hides a deletion answers in this way",
        AuditCode.UNREADABLE: "check rights and disk, then audit again: nothing is known of it",
        AuditCode.UNPROVEN: "snapshotter verify says what is missing, with a trust file that "
        "names key and authorities",
        AuditCode.NO_LOG: "without a log nobody can see a deletion: audit the store that this is "
        "a copy of, or begin one with snapshotter log sync",
        AuditCode.UNTRUSTED_LOG: "ask the owner of the trust file to name the log: snapshotter "
        "trust set-log trust.json VERIFIER-KEY (snapshotter log show prints the key on the "
        "machine of the log); then audit again with --trust trust.json --root-key KEY-ID",
        AuditCode.UNWITNESSED: "ask the witnesses for their cosignatures: snapshotter log witness",
        AuditCode.STALE: "ask the store's keeper for the newest checkpoint, or ask a witness",
        AuditCode.OLDER_TRUST: "ask for the newest trust file: an older one may hide a revocation",
        AuditCode.RENEWAL_GONE: "restore it from a copy, or make it again: snapshotter renew; a "
        "writer that died leaves the same trace as a deletion",
        AuditCode.RENEWAL_DUE: "snapshotter renew, before the certificates end",
        AuditCode.PROOF_BROKEN: "snapshotter log sync writes proofs anew; the log itself was "
        "looked at, and decides",
        AuditCode.RETURNED: "it was erased by order, and is there again: erase it, or find out "
        "who put it back",
        AuditCode.UNRECORDED: "snapshotter custody show; whoever runs the store knows when it "
        "was stored",
        AuditCode.ERASED_BY_ORDER: "the tombstone says who ordered it and why",
        AuditCode.GAP: "nothing was captured then, and that is said: docs/reference/schedules.md; "
        "snapshotter schedule history",
        AuditCode.TAKEDOWN: "what was concluded from captures in this store; snapshotter verify "
        "ID comes to it again",
        AuditCode.WAITING: "the next audit looks again",
        AuditCode.LOGGED_AGAIN: "nothing: the log says the same thing twice",
        AuditCode.SURPLUS: "find out who wrote it; it is no part of any bundle",
        AuditCode.UNREAD: "audit without --sample and --since to read everything",
        AuditCode.EVENTS_FORKED: "verify both: two machines with different captures concluded "
        "apart, or somebody with the events' key told two stories; each names its captures",
        AuditCode.MIRROR: "audit the store that this one is a copy of as well, or copy anew: "
        "snapshotter store replicate",
        AuditCode.UNENFORCED: "for retention that a deletion runs into, use a bucket with Object "
        "Lock",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditFinding:
    """One finding of an audit."""

    code: AuditCode
    severity: Severity
    key: str  # of the object, "log/checkpoint" for the log itself, "" for the store
    detail: str  # one plain sentence
    retry: bool = False  # whether another try may mend it

    @property
    def hint(self) -> str:
        """What to do about it."""
        return HINTS[self.code]


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingCount:
    """How many findings have one code."""

    code: AuditCode
    severity: Severity
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeHead:
    """A tree of the log: its size and root."""

    size: int  # entries
    root: str  # 64 lowercase hex digits


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSeen:
    """The log as its server presented it to this audit."""

    origin: str
    head: TreeHead
    signed: bool  # by the key that the trust file names
    witnesses: tuple[str, ...]  # of the trust file, whose cosignature is good
    quorum: int  # as many are needed
    witnessed_at: datetime | None  # the newest of their cosignatures
    remembered: TreeHead | None  # what an earlier audit saw


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditScope:
    """How much of the store was checked."""

    bundles: int  # in the store
    read: int  # verified, all their bytes
    unchanged: int  # of these: the same bytes as verified before, under the same trust
    resumed: int  # of these: read before an interruption
    sample: int | None  # so many were drawn; None: all
    seed: str  # by which they were drawn
    since: date | None  # only bundles of this day and later were read


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditReport:
    """The result of an audit: its scope and all findings."""

    store: str  # as a person names it
    started_at: datetime
    ended_at: datetime
    trust: str  # against what it was judged, in words
    software: str
    log: LogSeen | None
    scope: AuditScope
    counts: tuple[FindingCount, ...]  # every kind that was found, worst first
    examples: tuple[AuditFinding, ...]  # the first few of each kind
    retry: bool = False  # all that could not be established may be mended by another try

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of all findings. Notes do not count."""
        found = {count.severity for count in self.counts if count.count}
        if Severity.FAILED in found:
            return Verdict.FAILED
        return Verdict.INDETERMINATE if Severity.INDETERMINATE in found else Verdict.PASSED
