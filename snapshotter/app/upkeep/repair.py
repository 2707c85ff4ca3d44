"""
Restore missing or damaged objects of a store from another store.

Repairs bundles, their sidecars, the records that the log names (gaps, take-down events, audit
reports), and the log. Only bytes that are known to belong to the store are restored: their
digest is in a receipt of this machine or in the log. Without either, the store's own custody
chain or the intact seal of a damaged file must name them, and a trusted key must have signed
them. Anything else in the source is not copied.

    find what belongs in the store ─ check what is there ─ check the source's bytes
      ─ record the digest of what will be written ─ set the damaged object aside
      ─ write, read back ─ lock

A crash leaves the object missing and its digest recorded; the same command continues.
"""

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import field
from itertools import groupby
from pathlib import Path

from snapshotter.app.archive import bundles, quarantined
from snapshotter.app.spool import scratch_directory
from snapshotter.app.upkeep import holds, log_mirror, sidecar_checks
from snapshotter.app.upkeep.object_copy import (
    BundleObjects,
    StorePair,
    fetch_object,
    list_bundle_objects,
    pair_listings,
    put,
    sidecar_reader,
    unexpired,
)
from snapshotter.app.upkeep.record_copies import RecordCopier, record_key
from snapshotter.app.upkeep.sidecar_checks import ReadSidecar, VerifiedBundleFile
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    ServiceUnavailable,
    SnapshotterError,
)
from snapshotter.formats.bundle import custody_sidecars, names
from snapshotter.formats.statements import tombstone
from snapshotter.model.bundle import Retention
from snapshotter.model.custody import RECOVERY, Receipt
from snapshotter.model.finding import Code
from snapshotter.ports import CompareAndSwapStore
from snapshotter.store import custodial_store
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.log import LogReader

# Called with the state of one object: "repaired", "missing", "damaged" (neither could be restored),
# "refused" (the source has other bytes), "erased", "unclear"; then the bundle id, or the key of
# a record; then the kind of sidecar, "" for the bundle itself; then a detail.
RepairProgress = Callable[[str, str, str, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairService(StorePair):
    """The stores, logs and trust that a repair needs."""

    logged: Mapping[str, str] = field(default_factory=dict)  # bundle id: SHA-256 in the log
    erased: Collection[str] = ()  # bundle ids with a tombstone in the log
    source_log: LogReader | None = None  # None: the log is not repaired
    target_log: CompareAndSwapStore | None = None
    # Gaps, take-down events and reports in the log: SHA-256, by kind of leaf and name.
    records: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class RepairResult:
    """The counts of a repair."""

    bundles: int = 0  # that were checked
    repaired: int = 0  # objects
    left: int = 0  # objects that are still missing, damaged or unclear
    erased: int = 0  # bundles that stay erased, by order


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """The digests of the objects that belong to one bundle, by kind."""

    sure: Mapping[str, frozenset[str]]  # SHA-256, by this machine's receipts or the log
    in_chain: Mapping[str, frozenset[str]]  # SHA-256, by the store's own custody chain
    locks: Mapping[str, Retention]  # the last retention of each, by receipts


def repair(
    service: RepairService,
    progress: RepairProgress,
    *,
    only: Collection[str] = (),
    dry_run: bool = False,
) -> RepairResult:
    """
    Check every bundle of the target, and restore what is missing or damaged.

    An object or receipt that cannot be handled stops no other.

    Args:
        only: Bundle ids, and then neither records nor the log; empty: everything.
        dry_run: Report what would be done, and write nothing.

    Raises:
        ServiceUnavailable: A store does not answer; what was repaired is complete.
    """
    run = _Repair(service, progress, dry_run=dry_run)
    known = (BundleObjects(bundle_id=bundle_id) for bundle_id in _known_ids(service))
    for there, expected in pair_listings(
        list_bundle_objects(service.target), known, BundleObjects.name
    ):
        bundle_id = (there or expected or BundleObjects(bundle_id="")).bundle_id
        if not only or bundle_id in only:
            run.bundle(there or BundleObjects(bundle_id=bundle_id))
    if not only:
        run.log()
        run.records()
    return run.done


def _known_ids(service: RepairService) -> Iterator[str]:
    merged = heapq.merge(service.target.receipts.bundle_ids(), sorted(service.logged))
    return (bundle_id for bundle_id, _ in groupby(merged))


class _Repair:
    def __init__(self, service: RepairService, progress: RepairProgress, *, dry_run: bool) -> None:
        self._service = service
        self._progress = progress
        self._dry_run = dry_run
        self.done = RepairResult()

    def bundle(self, there: BundleObjects) -> None:
        """Check and repair one bundle and its sidecars."""
        self.done.bundles += 1
        try:
            if there.bundle_id in self._service.erased or self._service.tombstones.listed(
                self._service.target, there.bundle_id, there.objects
            ):
                self.done.erased += 1
                return
            if "" not in there.objects and self._is_quarantined(there.bundle_id):
                return  # a copy has only the notices of a bundle in quarantine
            if not self._dry_run:
                self._service.target.complete(there.bundle_id)
            known = self._known(there)
            with scratch_directory(self._service.spool_dir, "repair") as folder:
                subject = self._restored_bundle(there, known, folder)
                if subject is not None:
                    self._sidecars(there, known, subject, folder)
        except ServiceUnavailable:
            raise
        except (SnapshotterError, OSError) as error:
            self._left("unclear", there.bundle_id, "", str(error))

    def _is_quarantined(self, bundle_id: str) -> bool:
        """Whether either store has a notice of quarantine that is in force."""
        service = self._service
        return any(
            quarantined.read_quarantine(store, bundle_id, service.tombstones.is_trusted).is_hidden
            for store in (service.target, service.source)
        )

    def log(self) -> None:
        """Check and repair each published file of the log."""
        service = self._service
        if (
            service.source_log is None
            or service.target_log is None
            or service.source_log.policy is None
        ):
            return
        try:
            wrong = log_mirror.damaged_files(
                service.source_log, service.target_log, service.source_log.policy
            )
            for key, data, state in wrong:
                if self._dry_run:
                    self._left(state, key, "", tr("the source has an intact copy"))
                    continue
                if state == "damaged":
                    service.target.set_aside(key)
                if not service.target_log.swap(key, data, ""):
                    self._left(
                        state, key, "", tr("another process wrote a different object meanwhile")
                    )
                    continue
                self.done.repaired += 1
                self._progress("repaired", key, "", tr("the file was {state}", state=state))
        except FileNotFoundError:
            return  # the source has no log
        except ServiceUnavailable:
            raise
        except (SnapshotterError, OSError) as error:
            self._progress(
                "unclear", "log/checkpoint", "", tr("the log was not checked: {error}", error=error)
            )

    def records(self) -> None:
        """Check and repair each record that the log names."""
        service = self._service
        copies = RecordCopier(
            service,
            service.records,
            lambda state, key, detail: self._progress(state, key, "", detail),
            dry_run=self._dry_run,
        )
        for name, sha256 in service.records.items():
            try:
                key = record_key(*name)
            except ValueError:
                continue  # an invalid name: an audit reports it
            try:
                state, detail = copies.repair(name, sha256, key)
            except ServiceUnavailable:
                raise
            except (SnapshotterError, OSError) as error:
                state, detail = "unclear", str(error)
            if state == "repaired":
                self.done.repaired += 1
                self._progress(state, key, "", detail)
            elif state:
                self._left(state, key, "", detail)

    def _known(self, there: BundleObjects) -> _Known:
        service = self._service
        kept = service.target.receipts.of(there.bundle_id)
        for problem in kept.problems:
            self._progress(
                "unclear",
                there.bundle_id,
                "",
                tr("a receipt cannot be read: {problem}", problem=problem),
            )
        receipts = [
            receipt for receipt in kept.receipts if receipt.store == service.target.receipts_name
        ]
        sure = _digests(receipts, there.key)
        if there.bundle_id in service.logged:
            # The log takes precedence over a receipt: it has witnesses.
            sure[""] = frozenset({service.logged[there.bundle_id]})
        numbers = [custody_sidecars.number_of(kind) for kind in there.objects]
        chain = custodial_store.read_chain(
            service.target, there.bundle_id, [number for number in numbers if number]
        )
        in_chain = [link.event.receipt for link in chain.events if link.event.receipt]
        locks = {
            receipt.key.removeprefix(f"{there.key}.")
            if receipt.key != there.key
            else "": receipt.retention
            for receipt in receipts
            if receipt.retention is not None
        }
        return _Known(sure=sure, in_chain=_digests(in_chain, there.key, first=True), locks=locks)

    def _restored_bundle(
        self, there: BundleObjects, known: _Known, folder: Path
    ) -> VerifiedBundleFile | None:
        """Return the intact or restored bundle; None if it could not be restored."""
        service, file = self._service, folder / "bundle"
        state = "missing"
        if "" in there.objects:
            try:
                sha256 = fetch_object(service.target, there.key, file)
                if known.sure.get("", frozenset({sha256})) == frozenset({sha256}):
                    return self._subject(file, there)
                state = "damaged"
            except FileNotFoundError:
                state = "missing"
            except EvidenceInvalid:
                state = "damaged"
        elif not known.sure.get("") and not known.in_chain.get(""):
            return None  # nothing shows that it was ever stored here
        damaged = file if state == "damaged" else None
        candidate = folder / "candidate"
        if not self._fetch(there, "", state, candidate):
            return None
        try:
            subject = self._accepted(there, known, candidate, damaged)
        except EvidenceInvalid as error:
            self._left(
                "refused",
                there.bundle_id,
                "",
                tr(
                    "the object is {state}, and the copy in the source is not used: {error}",
                    state=state,
                    error=error,
                ),
            )
            return None
        self._put(there, "", state, candidate, subject.sha256, known)
        return subject

    def _subject(self, file: Path, there: BundleObjects) -> VerifiedBundleFile:
        service = self._service
        return sidecar_checks.verify_bundle_file(
            file, there.bundle_id, service.trust, service.clock.now()
        )

    def _accepted(
        self, there: BundleObjects, known: _Known, candidate: Path, damaged: Path | None
    ) -> VerifiedBundleFile:
        """
        Return the source's bundle if it is the one that belongs here.

        Raises:
            EvidenceInvalid: It is another one, or that cannot be established.
        """
        sha256 = sidecar_checks.file_sha256(candidate)
        sure = known.sure.get("")
        if sure and sha256 not in sure:
            raise EvidenceInvalid(
                tr(
                    "the bytes of the copy differ from the bytes that were "
                    "stored or logged for this store"
                )
            )
        subject = self._subject(candidate, there)
        if sure:
            return subject
        if sha256 not in known.in_chain.get("", frozenset()) and not (
            damaged is not None and _same_seal(candidate, damaged)
        ):
            raise EvidenceInvalid(
                tr(
                    "no receipt, log entry or damaged file shows that this bundle was stored in "
                    "this store"
                )
            )
        with candidate.open("rb") as stream:
            report = verify_bundle(stream, self._service.trust, now=self._service.clock.now())
        if any(finding.code is Code.KEY_UNKNOWN for finding in report.findings):
            raise EvidenceInvalid(
                tr(
                    "no receipt and no log entry is about this bundle, and no trusted key signed "
                    "the bundle"
                )
            )
        return subject

    def _sidecars(
        self, there: BundleObjects, known: _Known, subject: VerifiedBundleFile, folder: Path
    ) -> None:
        """Restore known sidecars that are missing, and sidecars that are damaged."""
        kinds = dict.fromkeys(
            (
                *known.sure,
                *known.in_chain,
                *(stored for stored in there.objects if sidecar_checks.is_copied(stored)),
            )
        )
        for kind in sorted(filter(None, kinds)):
            if kind == tombstone.KIND or not sidecar_checks.is_copied(kind):
                continue
            try:
                self._sidecar(there, kind, known, subject, folder)
            except ServiceUnavailable:
                raise
            except (SnapshotterError, OSError) as error:
                self._left("unclear", there.bundle_id, kind, str(error))

    def _sidecar(
        self,
        there: BundleObjects,
        kind: str,
        known: _Known,
        subject: VerifiedBundleFile,
        folder: Path,
    ) -> None:
        file = folder / "sidecar"
        sure = known.sure.get(kind, frozenset())
        state = "missing"
        try:
            sha256 = fetch_object(self._service.target, there.key_of(kind), file)
        except FileNotFoundError:
            if not sure and not known.in_chain.get(kind):
                return
        except EvidenceInvalid:
            state = "damaged"
        else:
            if sure:
                if sha256 in sure:
                    return
            elif _is_about(kind, file, subject, sidecar_reader(self._service.target, there.key)):
                return
            state = "damaged"
        if not self._fetch(there, kind, state, file):
            return
        sha256 = sidecar_checks.file_sha256(file)
        wanted = sure or (
            known.in_chain.get(kind, frozenset()) if state == "missing" else frozenset()
        )
        try:
            if wanted and sha256 not in wanted:
                raise EvidenceInvalid(
                    tr("the bytes of the copy differ from the bytes that were stored in this store")
                )
            if not sure and custody_sidecars.number_of(kind) is not None:
                raise EvidenceInvalid(tr("a custody event without a receipt cannot be checked"))
            sidecar_checks.check_sidecar(
                kind, file, subject, sidecar_reader(self._service.source, there.key)
            )
        except EvidenceInvalid as error:
            self._left(
                "refused",
                there.bundle_id,
                kind,
                tr(
                    "the object is {state}, and the copy in the source is not used: {error}",
                    state=state,
                    error=error,
                ),
            )
            return
        self._put(there, kind, state, file, sha256, known)

    def _fetch(self, there: BundleObjects, kind: str, state: str, file: Path) -> bool:
        """Fetch the source's object to a file; return whether that succeeded."""
        service, key = self._service, there.key_of(kind)
        try:
            if service.tombstones.of(service.source, there.bundle_id) is not None:
                self.done.erased += 1
                self._progress(
                    "erased",
                    there.bundle_id,
                    kind,
                    tr("erased by order, as recorded in the source"),
                )
                return False
            fetch_object(service.source, key, file)
        except FileNotFoundError:
            self._left(
                state, there.bundle_id, kind, tr("the source does not have the object either")
            )
            return False
        except EvidenceUnverifiable as error:
            self._left("unclear", there.bundle_id, kind, str(error))
            return False
        except EvidenceInvalid as error:
            self._left(
                state,
                there.bundle_id,
                kind,
                tr("the object in the source is damaged as well: {error}", error=error),
            )
            return False
        return True

    def _put(
        self, there: BundleObjects, kind: str, state: str, file: Path, sha256: str, known: _Known
    ) -> None:
        service, key = self._service, there.key_of(kind)
        if self._dry_run:
            self._left(state, there.bundle_id, kind, tr("the source has an intact copy"))
            return
        if sha256 not in known.sure.get(kind, frozenset()):
            service.target.record_digest(key, sha256, file.stat().st_size)
        if state == "damaged":
            service.target.set_aside(key)
        retention = unexpired(known.locks.get(kind), service.clock.now())
        detail = f"{state}; from {service.source_name}"
        unlocked = put(service.target, RECOVERY, detail, key, file, sha256, retention)
        if holds.read(service.target, there.bundle_id, service.tombstones.is_trusted).held:
            service.target.set_legal_hold(key, on=True)
        self.done.repaired += 1
        self._progress(
            "repaired", there.bundle_id, kind, f"the object was {state}; {unlocked}".rstrip("; ")
        )

    def _left(self, state: str, bundle_id: str, kind: str, detail: str) -> None:
        self.done.left += 1
        self._progress(state, bundle_id, kind, detail)


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
    """Whether a damaged file still has the first signature of the candidate."""
    name = names.signature(1)
    try:
        with candidate.open("rb") as one, damaged.open("rb") as other:
            return bundles.read_member(one, name, limit=MAX_SIDECAR_BYTES) == bundles.read_member(
                other, name, limit=MAX_SIDECAR_BYTES
            )
    except (EvidenceInvalid, OSError):
        return False


def _is_about(kind: str, file: Path, subject: VerifiedBundleFile, sibling: ReadSidecar) -> bool:
    try:
        sidecar_checks.check_sidecar(kind, file, subject, sibling)
    except EvidenceInvalid:
        return False
    return True
