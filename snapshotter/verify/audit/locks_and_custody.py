"""
Check that objects are still locked as required, and that custody chains are unaltered.

The required locks come from several sources: the policy in the bundle's signed record, holds
that were placed, the store's answers when the object was put (receipts, in the custody chain
and on the machine that wrote), and the chain's heads in the log. Anybody who can write to the
store can forge the sources that are in it. So those alone make an audit INDETERMINATE; they
make it FAILED only if a head in the log covers them or a trusted key signed them.
"""

import contextlib
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import timedelta
from typing import Any

from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, receipts, store_keys
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.formats.proofs import leaf
from snapshotter.model.audit import AuditCode, Severity
from snapshotter.model.bundle import Retention
from snapshotter.model.custody import KeptReceipts, Receipt
from snapshotter.ports import Receipts
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit.bundle_reader import lock_of, retention_of
from snapshotter.verify.audit.object_reader import ObjectReader, ObjectUnreadable, custody_of
from snapshotter.verify.audit.replica_custody import ReplicaReceipts
from snapshotter.verify.audit.rules import AuditRules
from snapshotter.verify.audit.second_look import SecondLook
from snapshotter.verify.audit.sidecar_facts import BundleFacts
from snapshotter.verify.audit.workspace import AuditDatabase, ListedObject

_FAILED, _UNCLEAR, _NOTE = Severity.FAILED, Severity.INDETERMINATE, Severity.NOTE

# Of a bundle, by its id, the heads of its chain and its branches: what is carried here.
ReadReplicaReceipts = Callable[[str, Collection[str], Collection[str]], ReplicaReceipts]
AddFinding = Callable[[AuditCode, Severity, str, str], None]  # code, severity, key, sentence


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One reason to keep an object."""

    retention: Retention | None  # None: a legal hold
    why: str
    sure: bool  # nobody but its owner can have made it up


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreReceipts:
    """The receipts of this machine, with the name that they give to the audited store."""

    receipts: Receipts | None = None  # None: this machine does not write to the store
    store_name: str = ""  # "": not known


class LockAndCustodyJudge:
    """
    Add findings about locks that are gone and about custody chains that were altered.

    Args:
        carried: Finds the custody events of another store that a replica carries.
    """

    def __init__(
        self,
        objects: ObjectReader,
        workspace: AuditDatabase,
        rules: AuditRules,
        say: AddFinding,
        *,
        carried: ReadReplicaReceipts,
        receipts: StoreReceipts,
    ) -> None:
        self._objects = objects
        self._second_look = SecondLook(objects, workspace)
        self._workspace = workspace
        self._rules = rules
        self._say = say
        self._carried = carried
        self._receipts = receipts.receipts
        self._store_name = receipts.store_name
        self._unenforced = 0
        self._split = 0  # bundles whose chain goes on in another store, says the log
        self._enforced = 0  # bundles that a server keeps from being deleted

    def bundle(self, listed: ListedObject, facts: BundleFacts, lock: Any) -> None:
        """Check the custody chain and the lock of a bundle that was read."""
        covered, moved = self._custody(listed, facts)
        kept = self._own(listed.bundle)
        self._own_receipts(listed, facts, kept)
        if isinstance(lock, dict):
            wanted = [*self._by_policy(facts), *self._by_holds(facts)]
            wanted += self._by_receipts(_in_chain(facts, covered), listed.key)
            wanted += self._by_receipts([(receipt, True) for receipt in moved], listed.key)
            wanted += self._by_receipts([(receipt, True) for receipt in kept.receipts], listed.key)
            self._lock(listed, wanted, lock, facts)
            self._beside(listed, facts, covered, kept, lock)
        if facts["holds"]["problems"]:
            self._say(
                AuditCode.CUSTODY_BROKEN,
                _UNCLEAR,
                listed.key,
                tr(
                    "a record of a legal hold is not valid: {facts}",
                    facts=facts["holds"]["problems"][0],
                ),
            )

    def missing(self, report_missing: Callable[[str, str, str], None]) -> None:
        """
        Find bundles with receipts of this machine that neither the store nor the log has.

        Args:
            report_missing: Called with the id, key and digest of each missing bundle.
        """
        try:
            self._missing(report_missing)
        except SnapshotterError as error:
            if isinstance(error, ServiceUnavailable):
                raise
            words = tr("the receipts of this machine cannot be read: {error}", error=error)
            self._say(AuditCode.UNRECORDED, _UNCLEAR, "", words)

    def _missing(self, report_missing: Callable[[str, str, str], None]) -> None:
        if self._receipts is None:
            return
        for bundle_id in self._receipts.bundle_ids():
            try:
                key = store_keys.bundle_key(bundle_id)
            except ValueError:
                continue  # a file that is none of ours
            if self._workspace.has_object(key) or self._workspace.entries(leaf.BUNDLE, bundle_id):
                continue  # it is there, or the log has told of it
            for receipt in self._own(bundle_id).receipts:
                if receipt.key == key and receipt.store == self._store_name:
                    report_missing(bundle_id, key, receipt.sha256)
                    break

    def unenforced(self) -> None:
        """Add one finding for all locks that are recorded and not enforced."""
        if self._unenforced:
            self._say(
                AuditCode.UNENFORCED,
                _NOTE,
                "",
                tr(
                    "bundles with a lock that this store records but does not enforce: "
                    "{unenforced}; the owner of this store can delete these bundles",
                    unenforced=self._unenforced,
                ),
            )

    def copied(self) -> None:
        """Add one finding for custody of another store, if nothing marks this store as a copy."""
        if self._split:
            self._say(
                AuditCode.MIRROR,
                _NOTE,
                "",
                tr(
                    "bundles whose custody events are stored in the form that a replica uses for "
                    "the custody events of its source store: {split}; the log of this store is "
                    "not marked as a copy",
                    split=self._split,
                ),
            )

    # Custody.

    def _custody(self, listed: ListedObject, facts: BundleFacts) -> tuple[int, list[Receipt]]:
        """
        Check the custody chain of a bundle.

        Returns:
            The number of its events that a head in the log covers, and the receipts in custody
            events that are carried here: a store that was lost and copied back gave those too.
        """
        custody = facts["custody"]
        places = {head: place for place, head in enumerate(custody["heads"])}
        covered, is_split, is_whole = 0, False, True
        elsewhere: ReplicaReceipts | None = None
        is_unread = any(custody_sidecars.number_of(name) is not None for name in facts["unread"])
        for entry in self._workspace.entries(leaf.CUSTODY, listed.bundle):
            place = places.get(entry.sha256)
            if place is not None:
                covered = max(covered, place + 1)
            elif not facts["altered"] and not is_unread:  # else what it links is not known
                if elsewhere is None:
                    try:
                        elsewhere = self._carried(listed.bundle, places, custody["branches"])
                    except ObjectUnreadable as error:
                        is_unread = True
                        self._objects.unreadable(
                            store_keys.carried_prefix(listed.bundle),
                            str(error),
                            retry=error.retry,
                            name=custody_of(listed.key),
                        )
                        continue
                if entry.sha256 in elsewhere:
                    is_split = True
                    continue  # of the chain in the store that this one is a copy of
                is_whole = False
                numbers = {
                    number
                    for sidecar in self._workspace.sidecars(listed.bundle)
                    if (number := custody_sidecars.number_of(sidecar.kind)) is not None
                }
                self._second_look.suspect_custody(
                    listed.key,
                    tr(
                        "entry {number} of the log lists a custody event that is missing from "
                        "the custody chain of the bundle: custody events were removed or replaced",
                        number=entry.number,
                    ),
                    numbers,
                )
        if custody["problems"] and not is_unread:
            more = custody["problems_count"] - 1
            self._say(
                AuditCode.CUSTODY_BROKEN,
                _UNCLEAR,
                listed.key,
                tr(
                    "the custody chain of the bundle is broken: {custody}",
                    custody=custody["problems"][0],
                )
                + (f"; further problems: {more}" if more else ""),
            )
        self._split += is_split
        if is_whole and not (is_unread or facts["altered"]) and (covered or is_split):
            self._objects.mark_read(custody_of(listed.key))
        return covered, [receipt for receipt in (elsewhere or {}).values() if receipt is not None]

    def _own(self, bundle_id: str) -> KeptReceipts:
        if self._receipts is None:
            return KeptReceipts()
        try:
            return self._receipts.of(bundle_id)
        except SnapshotterError as error:  # one bad file hides no other finding
            return KeptReceipts(problems=(error.message,))

    def _own_receipts(self, listed: ListedObject, facts: BundleFacts, kept: KeptReceipts) -> None:
        """Compare the receipts of this machine with the store."""
        for problem in kept.problems[:1]:
            self._say(
                AuditCode.UNRECORDED,
                _UNCLEAR,
                listed.key,
                tr(
                    "lines that cannot be read in the receipts of the bundle on this machine: "
                    "{count}; first problem: {problem}",
                    count=len(kept.problems),
                    problem=problem,
                ),
            )
        here = [receipt for receipt in kept.receipts if receipt.store == self._store_name]
        if any(receipt.key == listed.key and receipt.sha256 != facts["sha256"] for receipt in here):
            code = AuditCode.ALTERED if facts["altered"] else AuditCode.REPLACED
            self._say(
                code,
                _FAILED,
                listed.key,
                tr(
                    "the SHA-256 of the bundle differs from the SHA-256 in a receipt on this "
                    "machine"
                ),
            )
        for key in sorted({receipt.key for receipt in here} - {listed.key}):
            if not self._workspace.has_object(key):
                words = tr("a receipt on this machine shows that the store received the bundle")
                self._second_look.suspect(AuditCode.DELETED, key, words)

    # Locks.

    def _by_policy(self, facts: BundleFacts) -> Iterator[_Wanted]:
        """Yield the lock that the record requires in the store of its capture, not in copies."""
        if facts["sealed_at"] and facts["retain_days"] > 0:
            try:
                until = parse_instant(facts["sealed_at"]) + timedelta(days=facts["retain_days"])
            except OverflowError:
                return  # sealed at the end of all calendars, says its record; that was told
            yield _Wanted(
                Retention(until=until, mode=facts["mode"]),
                tr("according to the policy in the capture record of the bundle,"),
                False,
            )

    def _by_holds(self, facts: BundleFacts) -> Iterator[_Wanted]:
        for hold in facts["holds"]["open"]:
            yield _Wanted(
                None, tr("according to the legal hold {hold},", hold=hold["name"]), hold["trusted"]
            )

    def _by_receipts(self, given: Iterable[tuple[Receipt, bool]], key: str) -> Iterator[_Wanted]:
        """Yield the strictest retention in the store's receipts, and the last state of a hold."""
        here = [
            (receipt, sure)
            for receipt, sure in given
            if receipt.store == self._store_name and receipt.key == key
        ]
        kept = [
            (receipt.retention, sure) for receipt, sure in here if receipt.retention is not None
        ]
        if kept:
            retention, sure = max(kept, key=lambda pair: pair[0].until)
            yield _Wanted(retention, tr("according to a receipt of this store,"), sure)
        if here and here[-1][0].legal_hold:
            yield _Wanted(None, tr("according to a receipt of a legal hold,"), here[-1][1])

    def _beside(
        self,
        listed: ListedObject,
        facts: BundleFacts,
        covered: int,
        kept: KeptReceipts,
        lock: BundleFacts,
    ) -> None:
        """Check the locks of the sidecars, which must be those of the bundle."""
        self._enforced += bool(lock.get("enforced") and (lock["hold"] or lock["until"]))
        for kind, state in lock.get("beside", {}).items():
            key = store_keys.sidecar_key(listed.key, kind)
            wanted = [*self._by_receipts(_in_chain(facts, covered), key)]
            wanted += self._by_receipts([(receipt, True) for receipt in kept.receipts], key)
            retention = retention_of(lock)
            if retention is not None:
                wanted.append(
                    _Wanted(
                        retention, tr("because the bundle of this sidecar has a retention,"), False
                    )
                )
            if lock["hold"]:
                wanted.append(
                    _Wanted(
                        None, tr("because the bundle of this sidecar is under a legal hold,"), False
                    )
                )
            beside = ListedObject(key=key, length=0, bundle=listed.bundle, kind=kind)
            self._lock(beside, wanted, state, facts)

    def records(self, keys: Iterable[str]) -> None:
        """
        Add one finding for records and log files that are under no lock.

        Args:
            keys: Keys of records, and of log files that never change.
        """
        if not self._enforced:
            return  # nothing is locked here: of each bundle that has to be, it was told
        bare, of, first, unknown = 0, 0, "", 0
        for key in keys:
            with contextlib.suppress(FileNotFoundError):  # told of, or gone since the listing
                state = lock_of(self._objects.store, key, self._rules.now)
                if "unknown" in state:
                    unknown += 1
                    continue
                kept = retention_of(state)
                of += 1
                if not state.get("hold") and (kept is None or kept.until <= self._rules.now):
                    bare += 1
                    first = first or key
        if unknown:
            words = tr(
                "records and log files for which the store does not report a lock state: {unknown}",
                unknown=unknown,
            )
            self._say(AuditCode.UNLOCKED, _NOTE, "", words)
        if bare:
            self._say(
                AuditCode.UNLOCKED,
                _NOTE,
                "",
                tr(
                    "records and log files without a lock: {bare} of {of}, for example {first}. "
                    "Bundles of this store have locks. A default retention of the bucket also "
                    "locks records and log files",
                    bare=bare,
                    of=of,
                    first=first,
                ),
            )

    def _lock(
        self, listed: ListedObject, wanted: list[_Wanted], lock: BundleFacts, facts: BundleFacts
    ) -> None:
        there = retention_of(lock)
        now = self._rules.now
        open_ = [
            reason for reason in wanted if reason.retention is None or reason.retention.until > now
        ]
        open_.sort(key=lambda reason: not reason.sure)
        if open_ and "unknown" not in lock:
            self._objects.mark_read(f"{listed.key}#lock")
        lacking = False
        for reason in open_:
            if lacking and not reason.sure:
                break  # told, by a better reason
            if reason.retention is None:
                asked, holds = (
                    tr("{why} the object must be under a legal hold", why=reason.why),
                    bool(lock.get("hold")),
                )
            else:
                until = f"{instant(reason.retention.until)} ({reason.retention.mode})"
                asked = tr(
                    "{why} the object must be kept until {until}", why=reason.why, until=until
                )
                holds = there is not None and there.covers(reason.retention)
            if "unknown" in lock:
                sentence = tr(
                    "it is not established whether the object is locked: {lock}",
                    lock=lock["unknown"],
                )
                self._unknown(listed.key, f"{asked}; {sentence}", lock)
                lacking = True
            elif not holds:
                lacking = True
                words = tr(
                    "{asked}, but the object is protected by: {lock}",
                    asked=asked,
                    lock=lock["words"],
                )
                if reason.sure and not facts["unread"]:
                    self._second_look.suspect_unlisted(
                        AuditCode.UNLOCKED, listed.key, words, listed.bundle
                    )
                else:  # what cannot be read may say that a hold was lifted
                    self._say(AuditCode.UNLOCKED, _UNCLEAR, listed.key, words)
        if open_ and not lacking and not lock["enforced"]:
            self._unenforced += 1

    def _unknown(self, key: str, detail: str, lock: BundleFacts) -> None:
        """Add a finding for a lock that the store does not show."""
        self._objects.unreadable(
            key,
            detail,
            retry=lock.get("retry", False),
            name=f"{key}#lock",
            code=AuditCode.UNLOCKED,
        )


def _in_chain(facts: BundleFacts, covered: int) -> Iterator[tuple[Receipt, bool]]:
    """Yield the receipts of a custody chain, and whether a head in the log covers each."""
    for listed in facts["custody"]["receipts"]:
        fields = {name: value for name, value in listed.items() if name != "place"}
        yield receipts.from_json(fields), listed["place"] < covered
