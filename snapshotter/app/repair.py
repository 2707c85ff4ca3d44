"""
Put back what is missing or damaged in a store, from another one: bundles, what stands beside
them, the records (gaps, take-down events, reports of audits) that the log names, and the log.

Only bytes that are known to belong there: by a receipt of this machine or by the log;
where there is neither, by what the store itself still says of this very bundle (its
custody chain, the seal that is left of a damaged file), and then only what is signed by a
key that is trusted. Whatever the source has besides, stays there: a repair takes in no
stranger.

    what belongs there ─ is it there, and is it that? ─ the source's bytes: are they that?
      ─ note what goes there ─ the damaged one aside ─ write, read back ─ its lock

A crash leaves the object missing and known, and the same command again goes on.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from snapshotter.app import bundles, genuine, holds, mirror
from snapshotter.app.copying import Group, fetch, groups, paired, put, sibling_in
from snapshotter.app.genuine import Sibling, Subject
from snapshotter.app.graves import Graves
from snapshotter.app.record_copies import RecordCopies, RecordDesk, key_of
from snapshotter.app.spool import scratch
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    ServiceUnavailable,
    SnapshotterError,
)
from snapshotter.formats import custody_sidecars, layout, names, tombstone
from snapshotter.model.bundle import Retention
from snapshotter.model.custody import RECOVERY, Receipt
from snapshotter.model.finding import Code
from snapshotter.ports import Clock, ObjectStore, SwapStore
from snapshotter.store import custodian
from snapshotter.store.custodian import CustodialStore
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.log import LogReader
from snapshotter.verify.trust import Trust

# "repaired", "missing", "damaged" (neither could be put back), "refused" (the source has
# something else), "erased", "unclear"; and what of the bundle: "" is the bundle itself.
# For a record of its own its key stands in the place of the id.
Told = Callable[[str, str, str, str], None]  # state, bundle id, kind, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairDesk:
    """What is needed to repair a store from another one."""

    target: CustodialStore
    source: ObjectStore
    source_name: str
    trust: Trust
    graves: Graves
    clock: Clock
    spool_dir: Path  # where what is put back is before it is
    logged: Mapping[str, str] = field(default_factory=dict)  # bundle id: SHA-256 in the log
    erased: Collection[str] = ()  # bundle ids with a tombstone in the log
    source_log: LogReader | None = None  # None: no log is known that it could be held against
    target_log: SwapStore | None = None
    # Gaps, take-down events and reports in the log: SHA-256, by kind of leaf and name.
    records: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Repaired:
    """What came of a repair, counted."""

    bundles: int = 0  # that were looked at
    repaired: int = 0  # objects
    left: int = 0  # objects that are still missing, damaged, or of which nothing is known
    erased: int = 0  # bundles that stay as they are, by order


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known to belong to one bundle, by kind."""

    sure: Mapping[str, frozenset[str]]  # SHA-256, by this machine's receipts or the log
    told: Mapping[str, frozenset[str]]  # by the store's own custody chain
    locks: Mapping[str, Retention]  # the last retention of each, by receipts


def repair(
    desk: RepairDesk, told: Told, *, only: Collection[str] = (), dry_run: bool = False
) -> Repaired:
    """
    Look at every bundle of the target, and put back what is missing or damaged.

    One object or receipt that can not be dealt with holds up no other.

    Args:
        only: Bundle ids; empty: all.
        dry_run: Say what would be done, and write nothing.

    Raises:
        ServiceUnavailable: A store does not answer; what was repaired is whole.
    """
    this = _Repair(desk, told, dry_run=dry_run)
    known = (Group(bundle_id=it) for it in _known_ids(desk))
    for there, expected in paired(groups(desk.target), known, Group.name):
        bundle_id = (there or expected or Group(bundle_id="")).bundle_id
        if not only or bundle_id in only:
            this.bundle(there or Group(bundle_id=bundle_id))
    if not only:
        this.log()
        this.records()
    return this.done


def _known_ids(desk: RepairDesk) -> Iterator[str]:
    merged = heapq.merge(desk.target.receipts.bundle_ids(), sorted(desk.logged))
    return (bundle_id for bundle_id, _ in groupby(merged))


class _Repair:
    def __init__(self, desk: RepairDesk, told: Told, *, dry_run: bool) -> None:
        self._desk = desk
        self._told = told
        self._dry_run = dry_run
        self.done = Repaired()

    def bundle(self, there: Group) -> None:
        """Look at one bundle and its sidecars."""
        self.done.bundles += 1
        try:
            if there.bundle_id in self._desk.erased or self._desk.graves.listed(
                self._desk.target, there.bundle_id, there.objects
            ):
                self.done.erased += 1
                return
            if not self._dry_run:
                self._desk.target.complete(there.bundle_id)
            known = self._known(there)
            with scratch(self._desk.spool_dir, "repair") as folder:
                subject = self._whole(there, known, folder)
                if subject is not None:
                    self._sidecars(there, known, subject, folder)
        except ServiceUnavailable:
            raise
        except (SnapshotterError, OSError) as error:
            self._left("unclear", there.bundle_id, "", str(error))

    def log(self) -> None:
        """Look at each file of the log, as far as it is published."""
        desk = self._desk
        if desk.source_log is None or desk.target_log is None or desk.source_log.policy is None:
            return
        try:
            wrong = mirror.damaged(desk.source_log, desk.target_log, desk.source_log.policy)
            for key, data, state in wrong:
                if self._dry_run:
                    self._left(state, key, "", "the source has it")
                    continue
                if state == "damaged":
                    desk.target.set_aside(key)
                if not desk.target_log.swap(key, data, ""):
                    self._left(state, key, "", "somebody put another one there meanwhile")
                    continue
                self.done.repaired += 1
                self._told("repaired", key, "", f"it was {state}")
        except FileNotFoundError:
            return  # the source has no log
        except ServiceUnavailable:
            raise
        except (SnapshotterError, OSError) as error:
            self._told("unclear", "log/checkpoint", "", f"the log was not looked at: {error}")

    def records(self) -> None:
        """Look at each record that the log names."""
        desk = self._desk
        copies = RecordCopies(
            RecordDesk(
                source=desk.source,
                source_name=desk.source_name,
                target=desk.target,
                trust=desk.trust,
                clock=desk.clock,
                logged=desk.records,
            ),
            lambda state, key, detail: self._told(state, key, "", detail),
            dry_run=self._dry_run,
        )
        for name, sha256 in desk.records.items():
            try:
                key = key_of(*name)
            except ValueError:
                continue  # of no day that there is: an audit tells of it
            try:
                state, detail = copies.repair(name, sha256, key)
            except ServiceUnavailable:
                raise
            except (SnapshotterError, OSError) as error:
                state, detail = "unclear", str(error)
            if state == "repaired":
                self.done.repaired += 1
                self._told(state, key, "", detail)
            elif state:
                self._left(state, key, "", detail)

    def _known(self, there: Group) -> _Known:
        desk = self._desk
        kept = desk.target.receipts.of(there.bundle_id)
        for problem in kept.problems:
            self._told("unclear", there.bundle_id, "", f"a receipt can not be read: {problem}")
        receipts = [it for it in kept.receipts if it.store == desk.target.place]
        sure = _digests(receipts, there.key)
        if there.bundle_id in desk.logged:
            # The log counts before a receipt: it has witnesses.
            sure[""] = frozenset({desk.logged[there.bundle_id]})
        numbers = [custody_sidecars.number_of(kind) for kind in there.objects]
        chain = custodian.chain(desk.target, there.bundle_id, [it for it in numbers if it])
        told = [it.event.receipt for it in chain.events if it.event.receipt]
        locks = {
            it.key.removeprefix(f"{there.key}.") if it.key != there.key else "": it.retention
            for it in receipts
            if it.retention is not None
        }
        return _Known(sure=sure, told=_digests(told, there.key, first=True), locks=locks)

    def _whole(self, there: Group, known: _Known, folder: Path) -> Subject | None:
        """Return the bundle, after putting it back where that was needed and could be done."""
        desk, file = self._desk, folder / "bundle"
        state = "missing"
        if "" in there.objects:
            try:
                sha256 = fetch(desk.target, there.key, file)
                if known.sure.get("", frozenset({sha256})) == frozenset({sha256}):
                    return self._subject(file, there)
                state = "damaged"
            except FileNotFoundError:
                state = "missing"
            except EvidenceInvalid:
                state = "damaged"
        elif not known.sure.get("") and not known.told.get(""):
            return None  # nothing says that it ever was here
        damaged = file if state == "damaged" else None
        candidate = folder / "candidate"
        if not self._take(there, "", state, candidate):
            return None
        try:
            subject = self._accepted(there, known, candidate, damaged)
        except EvidenceInvalid as error:
            self._left("refused", there.bundle_id, "", f"{state}, and the source's: {error}")
            return None
        self._put(there, "", state, candidate, subject.sha256, known)
        return subject

    def _subject(self, file: Path, there: Group) -> Subject:
        desk = self._desk
        return genuine.subject_of(file, there.bundle_id, desk.trust, desk.clock.now())

    def _accepted(
        self, there: Group, known: _Known, candidate: Path, damaged: Path | None
    ) -> Subject:
        """
        Return the bundle that the source offers, if it is the one that belongs here.

        Raises:
            EvidenceInvalid: It is not, or that can not be told.
        """
        sha256 = genuine.file_sha256(candidate)
        sure = known.sure.get("")
        if sure and sha256 not in sure:
            raise EvidenceInvalid("not the bytes that were stored or logged here")
        subject = self._subject(candidate, there)
        if sure:
            return subject
        if sha256 not in known.told.get("", frozenset()) and not (
            damaged is not None and _same_seal(candidate, damaged)
        ):
            raise EvidenceInvalid("nothing here says that it is the one that was stored")
        with candidate.open("rb") as stream:
            report = verify_bundle(stream, self._desk.trust, now=self._desk.clock.now())
        if any(it.code is Code.KEY_UNKNOWN for it in report.findings):
            raise EvidenceInvalid("no receipt or log names it, and nobody you trust signed it")
        return subject

    def _sidecars(self, there: Group, known: _Known, subject: Subject, folder: Path) -> None:
        """Put back what is known to stand beside the bundle, and what is damaged there."""
        kinds = dict.fromkeys(
            (*known.sure, *known.told, *(it for it in there.objects if genuine.is_copied(it)))
        )
        for kind in sorted(filter(None, kinds)):
            if kind == tombstone.KIND or not genuine.is_copied(kind):
                continue
            try:
                self._sidecar(there, kind, known, subject, folder)
            except ServiceUnavailable:
                raise
            except (SnapshotterError, OSError) as error:
                self._left("unclear", there.bundle_id, kind, str(error))

    def _sidecar(
        self, there: Group, kind: str, known: _Known, subject: Subject, folder: Path
    ) -> None:
        file = folder / "sidecar"
        sure = known.sure.get(kind, frozenset())
        state = "missing"
        try:
            sha256 = fetch(self._desk.target, layout.sidecar_key(there.key, kind), file)
        except FileNotFoundError:
            if not sure and not known.told.get(kind):
                return
        except EvidenceInvalid:
            state = "damaged"
        else:
            if sure:
                if sha256 in sure:
                    return
            elif _is_about(kind, file, subject, sibling_in(self._desk.target, there.key)):
                return
            state = "damaged"
        if not self._take(there, kind, state, file):
            return
        sha256 = genuine.file_sha256(file)
        wanted = sure or (known.told.get(kind, frozenset()) if state == "missing" else frozenset())
        try:
            if wanted and sha256 not in wanted:
                raise EvidenceInvalid("not the bytes that were stored here")
            if not sure and custody_sidecars.number_of(kind) is not None:
                raise EvidenceInvalid("without a receipt, a custody event is anybody's word")
            genuine.check(kind, file, subject, sibling_in(self._desk.source, there.key))
        except EvidenceInvalid as error:
            self._left("refused", there.bundle_id, kind, f"{state}, and the source's: {error}")
            return
        self._put(there, kind, state, file, sha256, known)

    def _take(self, there: Group, kind: str, state: str, file: Path) -> bool:
        """Fetch what the source has; say whether it has anything."""
        desk = self._desk
        key = layout.sidecar_key(there.key, kind) if kind else there.key
        try:
            if desk.graves.of(desk.source, there.bundle_id) is not None:
                self.done.erased += 1
                self._told("erased", there.bundle_id, kind, "by order, in the source")
                return False
            fetch(desk.source, key, file)
        except FileNotFoundError:
            self._left(state, there.bundle_id, kind, "and the source does not have it")
            return False
        except EvidenceUnverifiable as error:
            self._left("unclear", there.bundle_id, kind, str(error))
            return False
        except EvidenceInvalid as error:
            self._left(state, there.bundle_id, kind, f"and so it is in the source: {error}")
            return False
        return True

    def _put(
        self, there: Group, kind: str, state: str, file: Path, sha256: str, known: _Known
    ) -> None:
        desk = self._desk
        key = layout.sidecar_key(there.key, kind) if kind else there.key
        if self._dry_run:
            self._left(state, there.bundle_id, kind, "the source has it")
            return
        if sha256 not in known.sure.get(kind, frozenset()):
            desk.target.vouch(key, sha256, file.stat().st_size)
        if state == "damaged":
            desk.target.set_aside(key)
        retention = known.locks.get(kind)
        if retention is not None and retention.until <= desk.clock.now():
            retention = None
        detail = f"{state}; from {desk.source_name}"
        told = put(desk.target, RECOVERY, detail, key, file, sha256, retention)
        if holds.read(desk.target, there.bundle_id, desk.graves.is_trusted).held:
            desk.target.set_legal_hold(key, on=True)
        self.done.repaired += 1
        self._told("repaired", there.bundle_id, kind, f"it was {state}; {told}".rstrip("; "))

    def _left(self, state: str, bundle_id: str, kind: str, detail: str) -> None:
        self.done.left += 1
        self._told(state, bundle_id, kind, detail)


def _digests(
    receipts: Iterable[Receipt], key: str, *, first: bool = False
) -> dict[str, frozenset[str]]:
    """Return the digests of a bundle's objects by kind; only the first of each if `first`."""
    found: dict[str, frozenset[str]] = {}
    for receipt in receipts:
        kind = receipt.key.removeprefix(key).removeprefix(".")
        if receipt.key != key and not receipt.key.startswith(f"{key}."):
            continue
        if not (first and kind in found):
            found[kind] = found.get(kind, frozenset()) | {receipt.sha256}
    return found


def _same_seal(candidate: Path, damaged: Path) -> bool:
    """Whether a damaged file still has the first signature of the one that is offered."""
    name = names.signature(1)
    try:
        with candidate.open("rb") as one, damaged.open("rb") as other:
            return bundles.read_member(one, name, limit=MAX_SIDECAR_BYTES) == bundles.read_member(
                other, name, limit=MAX_SIDECAR_BYTES
            )
    except (EvidenceInvalid, OSError):
        return False


def _is_about(kind: str, file: Path, subject: Subject, sibling: Sibling) -> bool:
    try:
        genuine.check(kind, file, subject, sibling)
    except EvidenceInvalid:
        return False
    return True
