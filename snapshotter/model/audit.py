"""
Define the values of an audit of a whole store: its findings, its scope and its report.

A finding of an audit is about an object of the store, and not about a part of one bundle (that is
`finding.py`). It has a code, a severity and a hint about what to do. The codes do not change
(docs/reference/audit.md): new ones are added, none gets another meaning.
"""

import enum
from collections.abc import Mapping
from datetime import date, datetime
from types import MappingProxyType

from snapshotter.model.finding import Verdict
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


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
    QUARANTINED = "quarantined"
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
        AuditCode.FORKED: tr(
            "keep both signed checkpoints, which together prove that the log has two "
            "histories; ask the witnesses which checkpoint they saw"
        ),
        AuditCode.ROLLED_BACK: tr(
            "keep the checkpoint that the earlier audit saw, and look for the newer log in a "
            "copy of the store"
        ),
        AuditCode.LOG_BROKEN: tr(
            "compare the folder log/ with a copy of the store. This command checks all files of "
            "the log:\n  snapshotter log check"
        ),
        AuditCode.DELETED: tr(
            "restore the bundle from a copy of the store:\n  snapshotter store repair --from COPY"
        ),
        AuditCode.ALTERED: tr(
            "do not delete the altered object, and restore the original object from a copy of "
            "the store:\n  snapshotter store repair --from COPY"
        ),
        AuditCode.REPLACED: tr(
            "keep both bundles, and find out who wrote the second bundle; the log shows which "
            "bundle was first"
        ),
        AuditCode.UNLOGGED: tr(
            "find out where the object comes from. If the object belongs to the store, this "
            "command adds the object to the log:\n  snapshotter log sync"
        ),
        AuditCode.BACKDATED: tr(
            "ask the person who captured the page whether the clock of the capturing machine was "
            "right; only a timestamp token proves the time"
        ),
        AuditCode.CUSTODY_BROKEN: tr(
            "compare the custody chain with a copy of the store; the log proves the events up to "
            "the last logged event"
        ),
        AuditCode.UNLOCKED: tr(
            "set the lock of the object again, and find out who removed the lock"
        ),
        AuditCode.INVALID: tr(
            "the bytes of the bundle match the log; verify the bundle to see which check "
            "failed:\n  snapshotter verify ID"
        ),
        AuditCode.INTERNAL: tr("report this error of the software; the bundle was not verified"),
        AuditCode.WITHHELD: tr(
            "ask the operator of the store for this object, and look for the object in a copy of "
            "the store: a store that hides a deletion also stops returning the object"
        ),
        AuditCode.UNREADABLE: tr(
            "check the permissions and the disk of the store, and run the audit again; the "
            "object was not verified"
        ),
        AuditCode.UNPROVEN: tr(
            "verify the bundle with a trust file that contains the key and the timestamp "
            "authorities of the bundle:\n  snapshotter verify --trust FILE --root-key KEY-ID ID"
        ),
        AuditCode.NO_LOG: tr(
            "if this store is a copy, audit the source store. Otherwise begin a log, because a "
            "deletion cannot be detected without a log:\n  snapshotter log sync"
        ),
        AuditCode.UNTRUSTED_LOG: tr(
            "ask the owner of the trust file to add the log. The first command shows the key of "
            "the log, the second command adds this key to the trust file:\n  snapshotter log show"
            "\n  snapshotter trust set-log trust.json VERIFIER-KEY"
        ),
        AuditCode.UNWITNESSED: tr(
            "ask the witnesses for their cosignatures:\n  snapshotter log witness"
        ),
        AuditCode.STALE: tr(
            "ask the operator of the store, or a witness, for the newest checkpoint"
        ),
        AuditCode.OLDER_TRUST: tr(
            "ask the owner of the trust file for the newest version, because an older version "
            "can hide a revocation"
        ),
        AuditCode.RENEWAL_GONE: tr(
            "restore the renewal from a copy of the store, or make the renewal again. The cause "
            "can be a deletion or an interrupted command:\n  snapshotter renew"
        ),
        AuditCode.RENEWAL_DUE: tr(
            "renew the proof of time before the certificates expire:\n  snapshotter renew"
        ),
        AuditCode.PROOF_BROKEN: tr(
            "write the log proofs of the bundles again:\n  snapshotter log sync"
        ),
        AuditCode.RETURNED: tr(
            "the bundle was erased by order: erase the bundle again, or find out who restored "
            "the bundle"
        ),
        AuditCode.UNRECORDED: tr(
            "ask the operator of the store when the bundle was stored, and compare the answer "
            "with the custody events:\n  snapshotter custody show ID"
        ),
        AuditCode.ERASED_BY_ORDER: tr(
            "read the tombstone, which states who ordered the erasure and why"
        ),
        AuditCode.QUARANTINED: tr(
            "the notice states who put the capture into quarantine and why; ask this person for "
            "access to the store that has the capture"
        ),
        AuditCode.GAP: tr(
            "the record documents that no capture was made in this time; this command lists the "
            "visits:\n  snapshotter schedule history"
        ),
        AuditCode.TAKEDOWN: tr("verify the event with its captures:\n  snapshotter verify ID"),
        AuditCode.WAITING: tr("run the audit again later"),
        AuditCode.LOGGED_AGAIN: tr("nothing needs to be done: the log has the same entry twice"),
        AuditCode.SURPLUS: tr("find out who wrote the object, which is not part of any bundle"),
        AuditCode.UNREAD: tr(
            "to read all bundles, run the audit without the options --sample and --since"
        ),
        AuditCode.EVENTS_FORKED: tr(
            "verify both events. Possible causes: two machines had different captures, or "
            "somebody with the event key signed two histories:\n  snapshotter verify ID"
        ),
        AuditCode.MIRROR: tr(
            "audit the source store as well, or copy the source store again:\n  snapshotter store "
            "replicate"
        ),
        AuditCode.UNENFORCED: tr(
            "use a bucket with Object Lock for a retention that prevents deletion"
        ),
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
