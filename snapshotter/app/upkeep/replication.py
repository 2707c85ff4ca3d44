"""
Copy a store to another one: bundles, sidecars, retention and holds, records, and the log.

    read the log's entries first: what they name is stored by now
    for each bundle of either store, in the order of ids
      erased in either         copy nothing; report what is left in the other
      in quarantine            copy only the notices, and the custody chain
      missing in the target    read, verify (also the id), write, read back
      present in the target    compare, never overwrite; a difference is a divergence
      sidecars                 copy each one that belongs to this very bundle
      custody                  copy the events that the source added since the first copy
      retention and holds      at least those of the source
    copy the records: gaps, take-down events, audit reports, annotations
    copy what was logged in the meantime
    copy the log last, so that it names nothing that the target lacks (docs/adr/0054)

A crash leaves whole objects only; the same command copies the rest. Each store has its own
custody chain: the target's begins with a copy of the source's, and continues separately.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from pathlib import Path

from snapshotter.app import store_records
from snapshotter.app.archive import quarantined
from snapshotter.app.spool import scratch_directory
from snapshotter.app.upkeep import holds, log_mirror, sidecar_checks
from snapshotter.app.upkeep.log_contents import LogContents, read_log
from snapshotter.app.upkeep.object_copy import (
    BundleObjects,
    StorePair,
    fetch_object,
    list_bundle_objects,
    object_sha256,
    pair_listings,
    put,
    sidecar_reader,
    unexpired,
)
from snapshotter.app.upkeep.record_copies import RecordCopier
from snapshotter.app.upkeep.sidecar_checks import VerifiedBundleFile
from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    PolicyRefused,
    ServiceUnavailable,
    SnapshotterError,
)
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.proofs import leaf
from snapshotter.formats.proofs.note import SignedCheckpoint
from snapshotter.formats.statements import tombstone
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.custody import REPLICATION
from snapshotter.ports import CompareAndSwapStore, ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.log import LogReader

# Called with the state of one object: "copied", "present", "lagging" (not copied), "divergent",
# "damaged", "erased", "quarantined", "surplus" (only in the target), "unlocked", "passed-over", and
# for the log "apart" (the target has a log of its own); then a bundle id, the key of a record, or
# "log"; then a detail.
ReplicationProgress = Callable[[str, str, str], None]

LOG = "log"  # the name of the log in `ReplicationProgress`


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicationService(StorePair):
    """The stores, logs and trust that a replication needs."""

    source_place: str  # the name of the source in receipts
    source_log: LogReader
    target_log: CompareAndSwapStore
    # Returns the ids of the captures that annotations of the source put into quarantine.
    quarantined: Callable[[], frozenset[str]]


@dataclass(slots=True, kw_only=True)
class ReplicationResult:
    """The counts of a replication."""

    copied: int = 0  # bundles
    objects: int = 0  # bundles and sidecars
    bytes: int = 0
    present: int = 0  # bundles that the target had already
    erased: int = 0  # bundles that are erased by order, and not copied
    quarantined: int = 0  # bundles in quarantine, of which only the notices are copied
    lagging: list[str] = field(default_factory=list)  # bundles that the target still lacks
    records: int = 0  # gaps, take-down events, reports, custody of the source: objects copied
    entries: int | None = None  # in the target's copy of the log; None: it has no copy
    log_lag: int = 0  # entries that the target's copy of the log lacks
    problems: int = 0  # divergent, damaged, unlocked, surplus, left over after an erasure

    @property
    def is_complete(self) -> bool:
        """Whether the target has everything that the source has, without a problem."""
        return not self.problems and not self.lagging and not self.log_lag


def replicate(
    service: ReplicationService,
    progress: ReplicationProgress,
    *,
    only: Collection[str] = (),
    dry_run: bool = False,
    deep: bool = False,
) -> ReplicationResult:
    """
    Copy what the target lacks; a bundle that cannot be copied stops no other.

    Args:
        progress: Called for each bundle, and again for each problem with it.
        only: Bundle ids, and then neither records nor the log; empty: everything.
        dry_run: Report what is missing and what differs, and write nothing.
        deep: Compare existing objects by their bytes, and not by length and the digests that
            the stores state.

    Raises:
        ServiceUnavailable: A store does not answer; what was copied is complete.
    """
    logged = LogContents() if only else _logged(service, progress)
    replication = _Replication(
        service, progress, logged or LogContents(), dry_run=dry_run, deep=deep
    )
    for here, there in pair_listings(
        list_bundle_objects(service.source), list_bundle_objects(service.target), BundleObjects.name
    ):
        bundle_id = (here or there or BundleObjects(bundle_id="")).bundle_id
        if not only or bundle_id in only:
            replication.bundle(bundle_id, here or BundleObjects(bundle_id=bundle_id), there)
    if not only:
        replication.records()
        if logged is None:
            replication.done.problems += 1  # reported: an invalid log is not copied
        else:
            replication.log(logged.size)
    return replication.done


def _logged(service: ReplicationService, progress: ReplicationProgress) -> LogContents | None:
    """Return what the source's log names now; None if the log is invalid."""
    try:
        if service.source_log.policy is None:  # no key to check it by: only its size is used
            return LogContents(size=service.source_log.checkpoint().size)
        return read_log(service.source, service.source_log.policy)
    except FileNotFoundError:
        return LogContents()
    except EvidenceInvalid as error:
        progress("damaged", LOG, f"not copied: {error}")
        return None


class _Replication:
    def __init__(
        self,
        service: ReplicationService,
        progress: ReplicationProgress,
        logged: LogContents,
        *,
        dry_run: bool,
        deep: bool,
    ) -> None:
        self._service = service
        self._progress = progress
        self._logged = logged
        self._records = RecordCopier(service, logged.records, self._report_record, dry_run=dry_run)
        self._dry_run = dry_run
        self._deep = deep
        self._annotated = service.quarantined()
        self.done = ReplicationResult()

    def bundle(self, bundle_id: str, here: BundleObjects, there: BundleObjects | None) -> None:
        """Copy one bundle with its sidecars, locks and custody events."""
        try:
            if self._is_erased(bundle_id, here, there):
                return
            if "" not in here.objects:
                if there is not None and "" in there.objects:
                    self._wrong("surplus", bundle_id, tr("the source does not have the bundle"))
                elif here.objects:
                    self._wrong(
                        "passed-over",
                        bundle_id,
                        tr("the source has sidecars of the bundle, but not the bundle"),
                    )
                return
            with scratch_directory(self._service.spool_dir, "replica") as folder:
                if self._is_quarantined(bundle_id, here):
                    self._copy_notices(here, there, folder)
                else:
                    self._copy(here, there, folder)
        except ServiceUnavailable:
            raise
        except FileNotFoundError:
            self._lags(bundle_id, tr("the bundle was removed during the copy"))
        except EvidenceInvalid as error:
            self._lags(bundle_id, "")
            self._wrong("damaged", bundle_id, f"not copied: {error}")
        except (SnapshotterError, OSError) as error:
            self._lags(bundle_id, f"not copied: {error}")

    def records(self) -> None:
        """Copy the records beside the bundles."""
        self._records.run()
        self._count_records()

    def _count_records(self) -> None:
        self.done.records = self._records.copied
        self.done.bytes += self._records.bytes
        self._records.bytes = 0

    def _report_record(self, state: str, key: str, detail: str) -> None:
        if state == "lagging":
            self._lags(key, detail)
        elif state == "copied":
            self._progress(state, key, detail)
        else:
            self._wrong(state, key, detail)

    def log(self, known: int) -> None:
        """
        Copy the log, after the objects that were logged since the replication began.

        Args:
            known: The number of entries when the replication began.
        """
        service = self._service
        try:
            signed = self._newest()
            if signed is not None and signed.size > known and not self._dry_run:
                self._copy_logged_since(known, signed)
            done = log_mirror.mirror(
                service.source_log,
                service.target_log,
                source_place=service.source_place,
                dry_run=self._dry_run,
                signed=signed,
            )
        except log_mirror.ForeignTargetLog as error:
            self._progress("apart", LOG, error.message)
        except ServiceUnavailable:
            raise
        except EvidenceInvalid as error:
            self._wrong("divergent", LOG, str(error))
        except (SnapshotterError, OSError) as error:
            self._wrong("lagging", LOG, f"not copied: {error}")
        else:
            if done is None:
                self._without_log()
                return
            if self._dry_run:
                self.done.log_lag = done.lag
                self.done.entries = done.begin or None
                if done.lag:
                    self._progress(
                        "lagging",
                        LOG,
                        tr("entries to copy: {lag} of {size}", lag=done.lag, size=done.size),
                    )
                return
            self.done.entries = done.size
            state = "copied" if done.lag else "present"
            self._progress(
                state, LOG, tr("entries copied: {lag} of {size}", lag=done.lag, size=done.size)
            )

    def _without_log(self) -> None:
        """Report a source that has parts of a log and no checkpoint."""
        try:
            part = next(iter(self._service.source.list("log/tile/")), None)
        except ServiceUnavailable:
            raise
        except (SnapshotterError, OSError) as error:
            self._wrong("lagging", LOG, f"not copied: {error}")
            return
        if part is not None:
            words = "not copied: the source has parts of a log, but no checkpoint"
            self._wrong("damaged", LOG, words)

    def _newest(self) -> SignedCheckpoint | None:
        try:
            return self._service.source_log.checkpoint()
        except FileNotFoundError:
            return None

    def _copy_logged_since(self, known: int, signed: SignedCheckpoint) -> None:
        """Copy what was logged during the replication."""
        ids: dict[str, None] = {}
        has_records = False
        for entry in self._service.source_log.entries(known, signed.size):
            kind = entry.leaf.kind if entry.leaf else ""
            kinds = (leaf.BUNDLE, leaf.CUSTODY, leaf.TOMBSTONE, leaf.QUARANTINE)
            if entry.leaf and kind in kinds and store_keys.is_id(entry.leaf.name):
                ids[entry.leaf.name] = None
            has_records = has_records or kind in (leaf.GAP, leaf.TAKEDOWN, leaf.REPORT)
        present = self.done.present
        for bundle_id in ids:
            here, there = self._group(self._service.source, bundle_id), None
            if here.objects:
                there = self._group(self._service.target, bundle_id)
                self.bundle(bundle_id, here, there if there.objects else None)
        self.done.present = present  # those were counted
        if has_records:
            self.records()

    def _group(self, store: ReadableStore, bundle_id: str) -> BundleObjects:
        empty = BundleObjects(bundle_id=bundle_id)
        return next(list_bundle_objects(store, empty.key), empty)

    def _copy_later_custody(self, here: BundleObjects, copies: Mapping[str, StoredObject]) -> None:
        """
        Copy the custody events that the source added since the bundle was copied.

        Both chains begin alike, and each event contains the digest of the one before: if one
        sidecar is the same in both, all before it are.
        """
        numbered = {custody_sidecars.number_of(kind): kind for kind in here.objects}
        numbers = sorted((number for number in numbered if number is not None), reverse=True)
        service, limit = self._service, custody_sidecars.MAX_BYTES
        there: frozenset[str] | None = None
        found: list[tuple[str, bytes]] = []
        for number in numbers:
            kind = numbered[number]
            data = store_records.read(service.source, here.key_of(kind), limit=limit)
            if data is None:
                continue  # gone since it was listed
            if kind in copies and data == store_records.read(
                service.target, here.key_of(kind), limit=limit
            ):
                break
            if there is None:
                prefix = store_keys.carried_prefix(here.bundle_id)
                there = frozenset(stored.key for stored in service.target.list(prefix))
            key = store_keys.carried_key(here.bundle_id, service.source_place, kind)
            if key in there:
                break  # and so are those before it: they are written in their order
            found.append((kind, data))
        for kind, data in reversed(found):
            try:
                self._records.copy_custody_sidecar(here.bundle_id, kind, service.source_place, data)
            except FileExistsError:
                self._wrong(
                    "divergent",
                    here.bundle_id,
                    tr(
                        "the content of the custody sidecar {kind} in the copy differs from "
                        "the source",
                        kind=kind,
                    ),
                )
        self._count_records()

    def _is_erased(self, bundle_id: str, here: BundleObjects, there: BundleObjects | None) -> bool:
        service, copies = self._service, there.objects if there else {}
        try:
            found = service.tombstones.listed(service.source, bundle_id, here.objects)
            found = found or service.tombstones.listed(service.target, bundle_id, copies)
        except EvidenceUnverifiable as error:
            self._wrong("passed-over", bundle_id, str(error))
            return True
        if found is None:
            return False
        self.done.erased += 1
        for store, objects in ((service.source, here.objects), (service.target, copies)):
            if "" in objects:
                self._wrong(
                    "erased",
                    bundle_id,
                    tr(
                        "erased by order ({order}), but still in {url}. Erase the bundle "
                        "there:\n  snapshotter erase --store {url} {bundle_id}",
                        order=found.order,
                        url=store.url,
                        bundle_id=bundle_id,
                    ),
                )
        if "" not in copies and tombstone.KIND not in copies and tombstone.KIND in here.objects:
            self._copy_tombstone(here)
        return True

    def _is_quarantined(self, bundle_id: str, here: BundleObjects) -> bool:
        service = self._service
        # An annotation alone counts too: its command was interrupted.
        return bundle_id in self._annotated or quarantined.is_hidden(
            service.source, bundle_id, service.tombstones.is_trusted, kinds=here.objects
        )

    def _copy_notices(self, here: BundleObjects, there: BundleObjects | None, folder: Path) -> None:
        """
        Copy the notices of a bundle in quarantine, and its custody chain before them.

        A copy of the bundle that the target has from earlier stays.
        """
        self.done.quarantined += 1
        copies = there.objects if there else {}
        detail = tr("in quarantine: only the notices are copied")
        if "" in copies:
            detail = tr("in quarantine: the earlier copy stays, and is not shown")
        self._progress("quarantined", here.bundle_id, detail)
        if self._dry_run:
            return
        self._service.target.complete(here.bundle_id)
        file = folder / "bundle"
        fetch_object(self._service.source, here.key, file)
        subject = sidecar_checks.verify_bundle_file(
            file, here.bundle_id, self._service.trust, self._service.clock.now()
        )
        kinds = [kind for kind in here.objects if kind and kind not in copies]
        chain = [kind for kind in kinds if custody_sidecars.number_of(kind) is not None]
        if not copies:  # else the target's own part of the chain has begun
            self._sidecars(here, chain, subject, None, folder / "sidecar")
        notices = [kind for kind in kinds if quarantined.is_notice(kind)]
        self._sidecars(here, notices, subject, None, folder / "sidecar")
        if copies:
            self._copy_later_custody(here, copies)

    def _copy_tombstone(self, here: BundleObjects) -> None:
        if self._dry_run:
            return
        key = here.key_of(tombstone.KIND)
        with scratch_directory(self._service.spool_dir, "replica") as folder:
            file = folder / "tombstone"
            sha256 = fetch_object(self._service.source, key, file)
            put(self._service.target, REPLICATION, self._from, key, file, sha256, None)
            self.done.objects += 1

    def _copy(self, here: BundleObjects, there: BundleObjects | None, folder: Path) -> None:
        copies = there.objects if there else {}
        if not self._dry_run:
            self._service.target.complete(here.bundle_id)
        file = folder / "bundle"
        retention = unexpired(
            self._service.source.head(here.key).retention, self._service.clock.now()
        )
        missing = "" not in copies
        others = [
            kind for kind in here.objects
            if kind and kind not in copies and self._is_copied(kind, copies)
        ]  # fmt: skip
        subject: VerifiedBundleFile | None = None
        if missing or others:
            fetch_object(self._service.source, here.key, file)
            subject = sidecar_checks.verify_bundle_file(
                file, here.bundle_id, self._service.trust, self._service.clock.now()
            )
        if not missing and not self._is_same(here, "", subject):
            self._wrong(
                "divergent", here.bundle_id, tr("the copy has a different file under this id")
            )
            return
        if self._dry_run:
            if missing:
                self._lags(here.bundle_id, "")
            else:
                self.done.present += 1
                self._progress(
                    "present", here.bundle_id, tr("sidecars to copy: {count}", count=len(others))
                )
            return
        if subject is None:
            self.done.present += 1
            self._progress("present", here.bundle_id, "")
        elif missing:
            # The chain first: the target's own part begins with the event of this copy.
            chain = [kind for kind in others if custody_sidecars.number_of(kind) is not None]
            self._sidecars(here, chain, subject, retention, folder / "sidecar")
            others = [kind for kind in others if kind not in chain]
            self._put(here, "", file, subject.sha256, retention)
            self.done.copied += 1
            self._progress("copied", here.bundle_id, "")
        else:
            self.done.present += 1
            self._progress("present", here.bundle_id, f"sidecars copied: {len(others)}")
        if subject is not None:
            self._sidecars(here, others, subject, retention, folder / "sidecar")
        self._compare_sidecars(here, copies)
        # Otherwise the whole chain was copied just now; a chain may be there without its bundle.
        if not missing or any(custody_sidecars.number_of(kind) is not None for kind in copies):
            self._copy_later_custody(here, copies)
        self._extend_locks(here, retention)

    def _is_copied(self, kind: str, copies: Mapping[str, StoredObject]) -> bool:
        """Whether a sidecar is copied; a custody chain only before its bundle is."""
        if kind == tombstone.KIND:
            return False
        return custody_sidecars.number_of(kind) is None or "" not in copies

    def _sidecars(
        self,
        here: BundleObjects,
        kinds: list[str],
        subject: VerifiedBundleFile,
        retention: Retention | None,
        file: Path,
    ) -> None:
        for kind in kinds:
            try:
                sha256 = fetch_object(self._service.source, here.key_of(kind), file)
                sidecar_checks.check_sidecar(
                    kind, file, subject, sidecar_reader(self._service.source, here.key)
                )
                self._put(here, kind, file, sha256, retention)
            except FileNotFoundError:
                continue  # gone since it was listed
            except FileExistsError:
                if custody_sidecars.number_of(kind) is None:
                    self._wrong(
                        "divergent",
                        here.bundle_id,
                        tr(
                            "the content of the sidecar {kind} in the copy differs from the source",
                            kind=kind,
                        ),
                    )
            except EvidenceInvalid as error:
                self._wrong("passed-over", here.bundle_id, f"{kind}: {error}")

    def _compare_sidecars(self, here: BundleObjects, copies: Mapping[str, StoredObject]) -> None:
        for kind in here.objects:
            compared = kind and kind in copies and custody_sidecars.number_of(kind) is None
            if compared and not self._is_same(here, kind, None):
                self._wrong(
                    "divergent", here.bundle_id, tr("the copy has a different {kind}", kind=kind)
                )

    def _put(
        self, here: BundleObjects, kind: str, file: Path, sha256: str, retention: Retention | None
    ) -> None:
        unlocked = put(
            self._service.target,
            REPLICATION,
            self._from,
            here.key_of(kind),
            file,
            sha256,
            retention,
        )
        self.done.objects += 1
        self.done.bytes += file.stat().st_size
        if unlocked:
            self._wrong("unlocked", here.bundle_id, unlocked)

    def _extend_locks(self, here: BundleObjects, retention: Retention | None) -> None:
        """Extend retention and holds of the target to those of the source."""
        target = self._service.target
        there = target.head(here.key)
        if retention is not None and not (there.retention and there.retention.covers(retention)):
            try:
                target.retain(here.key, retention)
            except PolicyRefused:
                pass  # the target keeps it longer already
            except ServiceUnavailable:
                raise
            except SnapshotterError as error:
                self._wrong("unlocked", here.bundle_id, str(error))
                return
        held = self._is_held(here)
        if held and not there.legal_hold:
            target.set_legal_hold(here.key, on=True)
            for sidecar in holds.list_sidecars(target, here.key):
                target.set_legal_hold(sidecar, on=True)
        if retention is None and not held:
            return
        # A recorded lock is as good as a recorded one, and less than an enforced one.
        if self._service.source.lock_state(here.key).enforced and not (
            target.lock_state(here.key).enforced
        ):
            self._wrong(
                "unlocked",
                here.bundle_id,
                tr(
                    "the source enforces the lock of the bundle, but the copy does not "
                    "enforce a lock"
                ),
            )

    def _is_held(self, here: BundleObjects) -> bool:
        if self._service.source.head(here.key).legal_hold:
            return True
        if not any(holds.is_hold_record(kind) for kind in here.objects):
            return False
        return holds.read(
            self._service.target, here.bundle_id, self._service.tombstones.is_trusted
        ).held

    def _is_same(self, here: BundleObjects, kind: str, subject: VerifiedBundleFile | None) -> bool:
        key, service = here.key_of(kind), self._service
        one, other = service.source.head(key), service.target.head(key)
        if one.length != other.length:
            return False
        if self._deep:
            mine = subject.sha256 if subject and not kind else object_sha256(service.source, key)
            return mine == object_sha256(service.target, key)
        return one.sha256 == other.sha256 or not (one.sha256 and other.sha256)

    @property
    def _from(self) -> str:
        return f"from {self._service.source_name}"

    def _lags(self, bundle_id: str, detail: str) -> None:
        self.done.lagging.append(bundle_id)
        self._progress("lagging", bundle_id, detail)

    def _wrong(self, state: str, bundle_id: str, detail: str) -> None:
        self.done.problems += 1
        self._progress(state, bundle_id, detail)
