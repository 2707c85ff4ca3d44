"""
What is written to the log: bundles as they are stored, and whatever else proves itself by it.

A bundle is stored before it is logged, so a crash or a silent store leaves a bundle
that is not in the log yet. It is remembered in a small file outside the store, added
with the next one, and found by `snapshotter log sync` in any case: a reminder saves
looking, the store is the truth. Nothing here costs a capture.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from snapshotter.app import private_files, store_records
from snapshotter.app.archive import bundles, stored_gaps
from snapshotter.app.interruption import Interruption
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, names, store_keys
from snapshotter.formats.proofs import leaf as leaves
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import SignedCheckpoint
from snapshotter.model.bundle import Bundle
from snapshotter.model.finding import Code, Verdict
from snapshotter.ports import Clock, ObjectStore, Progress
from snapshotter.seal.log_writer import AppendResult, LogWriter
from snapshotter.store import custodial_store, stored_events
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.log import LogReader
from snapshotter.verify.trust import COMPROMISED, Trust

_CHUNK = 1 << 20  # bytes per read
_AT_ONCE = 256  # bundles that a sweep adds as one batch
_MOST_OWED = 64  # reminders that are settled beside one capture


@dataclass(frozen=True, slots=True, kw_only=True)
class LogResult:
    """What became of a bundle in the log."""

    index: int | None  # None: it is owed
    size: int = 0  # entries of the tree that its proof is for
    witnesses: tuple[str, ...] = ()  # who has seen that tree, by name
    detail: str = ""  # why it is owed
    remedy: str = ""  # what to do about that, where it does not pass by itself
    unrecorded_reason: str = ""  # why no reminder of it could be written before it was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class UnloggedBundle:
    """A bundle that is in the store and perhaps not in the log."""

    bundle_id: str
    sha256: str  # of the whole file
    seen: int  # it is not among so many entries of the log

    @property
    def leaf(self) -> Leaf:
        """What it is in the log."""
        return bundle_leaf(self.bundle_id, self.sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSyncResult:
    """One bundle that a sweep has dealt with."""

    bundle_id: str  # or a gap's, or an event's
    index: int | None  # None: it was passed over, or waits
    kind: str = leaves.BUNDLE  # or `CUSTODY`: the head of its custody chain; `GAP`; `TAKEDOWN`
    added: bool = False  # it was not in the log before
    detail: str = ""  # why it was passed over


class CheckpointFile:
    """The newest checkpoint that this machine has seen of one store's log (`seal.log.Memory`)."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> bytes:
        """Return the signed note; nothing if there is none. Raises SnapshotterError."""
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise SnapshotterError(f"{self._file} can not be read: {error.strerror}") from error

    def save(self, checkpoint: bytes) -> None:
        """Keep it durably. Raises SnapshotterError."""
        private_files.write_private(self._file, checkpoint)

    def forget(self) -> None:
        """Remember nothing any more."""
        self._file.unlink(missing_ok=True)


class StoreLog:
    """
    The log of one store, as the rest of the program uses it.

    Args:
        store: Where bundles are, and where proofs go.
        open_writer: Opens the log, and begins it where there is none; called once, at first use.
        owed_dir: Reminders of bundles that are not logged yet.
    """

    def __init__(
        self, store: ObjectStore, open_writer: Callable[[], LogWriter], owed_dir: Path
    ) -> None:
        self._store = store
        self._open_writer = open_writer
        self._owed_dir = owed_dir
        self._writer: LogWriter | None = None

    @property
    def writer(self) -> LogWriter:
        """The log, opened. Raises as opening it does."""
        if self._writer is None:
            self._writer = self._open_writer()
        return self._writer

    def newest(self) -> SignedCheckpoint | None:
        """Return the published checkpoint; None when there is none. Raises SnapshotterError."""
        return self.writer.published()

    def append(self, added: Sequence[Leaf], *, seen: int | None = 0) -> AppendResult:
        """
        Add leaves of any kind; those that are there already are found and not added again.

        Args:
            seen: As `LogWriter.append` has it; 0 searches the whole log, None nothing.

        Raises:
            SnapshotterError: As `LogWriter.append` does.
        """
        return self.writer.append(added, seen=seen)

    def remember(self, bundle_id: str, sha256: str, seen: int) -> None:
        """Note, before it is stored, that a bundle has to be logged. Raises SnapshotterError."""
        content: dict[str, object] = {
            "bundle_id": bundle_id,
            "seen": seen,
            "sha256": sha256,
            "store": self._store.url,
        }
        private_files.write_private(
            self._owed_dir / f"{bundle_id}.json", canonical_json.dumps(content)
        )

    def log(self, bundle_id: str, sha256: str, seen: int) -> LogResult:
        """
        Log a bundle that is stored, and others of this store that are owed; write their proofs.

        Args:
            seen: It is not among so many entries of the log.

        Raises:
            SnapshotterError: It is still owed.
        """
        mine = UnloggedBundle(bundle_id=bundle_id, sha256=sha256, seen=seen)
        rest = [
            owed for owed in self._owed() if owed.bundle_id != bundle_id and self._is_stored(owed)
        ]
        wanted = [mine, *rest[:_MOST_OWED]]
        done = self._settle(wanted, min(owed.seen for owed in wanted))
        return LogResult(
            index=done.indexes[0],
            size=done.signed.size,
            witnesses=tuple(cosignature.key.name for cosignature in done.signed.cosignatures),
        )

    def settle_owed(self) -> None:
        """
        Log the bundles of this store that are remembered as not logged, some at a time.

        Raises:
            SnapshotterError: They are still owed.
        """
        owed = [entry for entry in self._owed() if self._is_stored(entry)][:_MOST_OWED]
        if owed:
            self._settle(owed, min(entry.seen for entry in owed))

    def owed_count(self) -> int:
        """Return how many bundles of this store are remembered as not logged."""
        return sum(1 for _ in self._owed())

    def sync(
        self, trust: Trust, clock: Clock, *, only: Sequence[str] = (), dry_run: bool = False
    ) -> Iterator[LogSyncResult]:
        """
        Find the bundles of the store that have no log proof; log them, and write proofs.

        A bundle that is not one of ours is passed over: whoever can write to the store
        must not get what they put there into our log. One that is named is logged
        whoever signed it, unless it is not as it was sealed.

        Args:
            trust: Whose bundles are ours.
            only: Ids of bundles; empty: all of the store.
            dry_run: Change nothing, and say what would be done.

        Raises:
            SnapshotterError: As the store and the log do; what was yielded is done.
        """
        if not dry_run:
            self.writer.settle()
        batch: list[UnloggedBundle] = []
        for bundle_id in only or self._without_proof():
            found = self._looked_at(bundle_id, trust, clock, named=bool(only))
            if isinstance(found, LogSyncResult):
                yield found
                continue
            batch.append(found)
            if len(batch) == _AT_ONCE:
                yield from self._synced(batch, dry_run=dry_run)
                batch.clear()
        yield from self._synced(batch, dry_run=dry_run)
        yield from self._custody_synced(only, dry_run=dry_run)
        if not only:
            yield from self._records_synced(trust, dry_run=dry_run)

    def _records_synced(self, trust: Trust, *, dry_run: bool) -> Iterator[LogSyncResult]:
        """Log the gaps and the take-down events that are not in the log, and that count."""
        reader = LogReader(self._store, None)
        try:
            signed = reader.checkpoint()
        except FileNotFoundError:
            return
        known = {
            (entry.leaf.kind, entry.leaf.name)
            for entry in reader.entries(0, signed.size)
            if entry.leaf and entry.leaf.kind in (leaves.GAP, leaves.TAKEDOWN)
        }
        for leaf, key_id in self._records():
            if (leaf.kind, leaf.name) in known:
                continue
            key = trust.key(key_id)
            if key is None or key.revoked_reason == COMPROMISED:
                detail = "signed by a key that is not ours"
                yield LogSyncResult(bundle_id=leaf.name, index=None, kind=leaf.kind, detail=detail)
                continue
            index = None
            if not dry_run:
                index = self.append((leaf,), seen=signed.size).indexes[0]
            yield LogSyncResult(bundle_id=leaf.name, index=index, kind=leaf.kind, added=not dry_run)

    def _records(self) -> Iterator[tuple[Leaf, str]]:
        """Yield the leaf of each record that holds, and the key; an audit tells of the others."""
        for gap in stored_gaps.stored_gaps(self._store):
            if gap.record is not None:
                leaf = Leaf(kind=leaves.GAP, name=gap.record.gap_id, sha256=gap.sha256)
                yield leaf, gap.record.key_id
        for event in stored_events.stored_events(self._store):
            if event.event is not None:
                name = event.event.event_id
                yield Leaf(kind=leaves.TAKEDOWN, name=name, sha256=event.sha256), event.key_id

    def _custody_synced(self, only: Sequence[str], *, dry_run: bool) -> Iterator[LogSyncResult]:
        """Log the heads of custody chains that are not in the log."""
        reader = LogReader(self._store, None)  # a dry run opens no log
        try:
            signed = reader.checkpoint()
        except FileNotFoundError:
            return
        known = {
            entry.leaf.sha256
            for entry in reader.entries(0, signed.size)
            if entry.leaf and entry.leaf.kind == leaves.CUSTODY
        }
        batch: list[Leaf] = []
        for bundle_id in only or self._with_custody():
            head = self._custody_head(bundle_id)
            if head is None or head.sha256 in known:
                continue
            if dry_run:
                yield LogSyncResult(bundle_id=bundle_id, index=None, kind=leaves.CUSTODY)
                continue
            batch.append(head)
            if len(batch) == _AT_ONCE:
                yield from self._heads_added(batch, signed.size)
                batch.clear()
        if batch:
            yield from self._heads_added(batch, signed.size)

    def _heads_added(self, heads: Sequence[Leaf], seen: int) -> Iterator[LogSyncResult]:
        done = self.append(heads, seen=seen)
        for head, index in zip(heads, done.indexes, strict=True):
            yield LogSyncResult(bundle_id=head.name, index=index, kind=leaves.CUSTODY, added=True)

    def _with_custody(self) -> Iterator[str]:
        """Yield the ids of bundles with custody sidecars, in order."""
        last = ""
        for found in self._store.list(f"{store_keys.BUNDLES}/"):
            try:
                key = store_keys.parse_bundle_key(found.key)
            except ValueError:
                continue  # not ours
            if key.bundle_id != last and custody_sidecars.number_of(key.kind) is not None:
                last = key.bundle_id
                yield last

    def _custody_head(self, bundle_id: str) -> Leaf | None:
        """Return the head of a custody chain as a leaf; None where there is none that holds."""
        try:
            chain = custodial_store.read_chain(self._store, bundle_id)
        except (SnapshotterError, OSError):
            return None  # an audit says what is wrong with it
        if chain.problems or not chain.head.number:
            return None
        return Leaf(kind=leaves.CUSTODY, name=bundle_id, sha256=chain.head.previous)

    def _synced(self, batch: Sequence[UnloggedBundle], *, dry_run: bool) -> Iterator[LogSyncResult]:
        if not batch:
            return
        if dry_run:
            yield from (
                LogSyncResult(bundle_id=owed.bundle_id, index=None, detail="") for owed in batch
            )
            return
        before = self.writer.settle()
        size = before.size if before else 0
        done = self._settle(batch, 0)
        for owed, index in zip(batch, done.indexes, strict=False):  # behind them stand heads
            yield LogSyncResult(bundle_id=owed.bundle_id, index=index, added=index >= size)

    def _settle(self, owed: Sequence[UnloggedBundle], seen: int) -> AppendResult:
        """Log bundles with the heads of their custody, write their proofs, and forget them."""
        heads = [
            head for entry in owed if (head := self._custody_head(entry.bundle_id)) is not None
        ]
        done = self.append([*(entry.leaf for entry in owed), *heads], seen=seen)
        for entry, index in zip(
            owed, done.indexes, strict=False
        ):  # heads have no proof of their own
            self._put_proof(entry.bundle_id, self.writer.prove(index, entry.leaf, done.signed))
            (self._owed_dir / f"{entry.bundle_id}.json").unlink(missing_ok=True)
        return done

    def _put_proof(self, bundle_id: str, proof: bytes) -> None:
        key = store_keys.sidecar_key(store_keys.bundle_key(bundle_id), names.LOG_PROOF)
        # One that is there is of an earlier try, of the same leaf in a smaller tree.
        store_records.put(self._store, key, proof)

    def _looked_at(
        self, bundle_id: str, trust: Trust, clock: Clock, *, named: bool
    ) -> UnloggedBundle | LogSyncResult:
        try:
            key = bundles.find_bundle_key(self._store, bundle_id)
            with self._store.open(key) as stream:
                report = verify_bundle(
                    stream,
                    trust,
                    now=clock.now(),
                    late_tokens=bundles.read_late_tokens(self._store, key),
                )
        except (EvidenceInvalid, FileNotFoundError) as error:
            return LogSyncResult(bundle_id=bundle_id, index=None, detail=str(error))
        failed = next(
            (finding for finding in report.findings if finding.verdict is Verdict.FAILED), None
        )
        if failed is not None:
            return LogSyncResult(
                bundle_id=bundle_id, index=None, detail=f"FAILED: {failed.code} {failed.detail}"
            )
        if report.bundle_id != bundle_id:
            return LogSyncResult(
                bundle_id=bundle_id, index=None, detail="it has another bundle's name"
            )
        stranger = any(finding.code is Code.KEY_UNKNOWN for finding in report.findings)
        if stranger and not named:
            return LogSyncResult(
                bundle_id=bundle_id,
                index=None,
                detail="signed by a key that is not ours; snapshotter log sync BUNDLE-ID logs it",
            )
        return UnloggedBundle(bundle_id=bundle_id, sha256=report.sha256, seen=0)

    def _without_proof(self) -> Iterator[str]:
        """Yield the ids of bundles that have no log proof beside them, in order."""
        waiting = ""
        for found in self._store.list(f"{store_keys.BUNDLES}/"):
            try:
                key = store_keys.parse_bundle_key(found.key)
            except ValueError:
                continue  # not ours
            if waiting and key.bundle_id != waiting:
                yield waiting
                waiting = ""
            if not key.kind:
                waiting = key.bundle_id
            elif key.kind == names.LOG_PROOF and key.bundle_id == waiting:
                waiting = ""
        if waiting:
            yield waiting

    def _owed(self) -> Iterator[UnloggedBundle]:
        for path in sorted(self._owed_dir.glob("*.json")):
            try:
                content = json.loads(path.read_bytes())
                if content["store"] != self._store.url:
                    continue
                owed = UnloggedBundle(
                    bundle_id=content["bundle_id"],
                    sha256=content["sha256"],
                    seen=int(content["seen"]),
                )
                _ = owed.leaf  # raises ValueError for what no bundle has
            except FileNotFoundError:
                continue  # another process was faster
            except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
                raise SnapshotterError(
                    f"the reminder {path} can not be read: {error}",
                    hint="delete it; snapshotter log sync finds the bundle without it",
                ) from error
            yield owed

    def _is_stored(self, owed: UnloggedBundle) -> bool:
        """Whether a remembered bundle has come; the reminder is written before it."""
        try:
            with self._store.open(store_keys.bundle_key(owed.bundle_id)) as stream:
                digest = hashlib.sha256()
                while chunk := stream.read(_CHUNK):
                    digest.update(chunk)
        except FileNotFoundError:
            return False
        return digest.hexdigest() == owed.sha256


def bundle_leaf(bundle_id: str, sha256: str) -> Leaf:
    """Return what a bundle is in the log."""
    return Leaf(kind=leaves.BUNDLE, name=bundle_id, sha256=sha256)


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotedCheckpoint:
    """What is known of the log when a capture begins."""

    text: str = ""  # the newest checkpoint, the whole note
    size: int = 0
    problem: str = ""  # why the log can not be used
    remedy: str = ""  # what to do about that, where it does not pass by itself


def quoted_checkpoint(logbook: StoreLog | None) -> QuotedCheckpoint:
    """Return what a capture that begins now quotes; a log that can not be read costs no capture."""
    if logbook is None:
        return QuotedCheckpoint()
    try:
        newest = logbook.newest()
    except SnapshotterError as error:  # told with the result: it costs no capture
        return QuotedCheckpoint(problem=error.message, remedy=_remedy(error))
    except Exception as error:  # noqa: BLE001  nor does a bug in the log
        return QuotedCheckpoint(problem=f"{type(error).__name__}: {error}")
    if newest is None:
        return QuotedCheckpoint()
    return QuotedCheckpoint(text=newest.note.encode().decode(), size=newest.size)


def _remedy(error: SnapshotterError) -> str:
    """Return what to do about an error; nothing where the next capture may do without it."""
    return "" if isinstance(error, ServiceUnavailable) else error.hint


def remember(bundle: Bundle, logbook: StoreLog | None, quoted: QuotedCheckpoint) -> str:
    """
    Note a bundle before it is stored, so that one that a crash leaves unlogged is known of.

    Returns:
        Why it could not be noted; "" if it was. The bundle is stored all the same: `log sync`
        finds it without a reminder.
    """
    if logbook is not None:
        try:
            logbook.remember(bundle.id, bundle.digests.sha256, quoted.size)
        except SnapshotterError as error:
            return error.message
    return ""


def log_bundle(
    bundle: Bundle,
    logbook: StoreLog | None,
    quoted: QuotedCheckpoint,
    progress: Progress,
    stop: Interruption,
    *,
    unrecorded_reason: str = "",
) -> LogResult | None:
    """
    Log the stored bundle and write the proof beside it; what can not be done is owed.

    It is stored: a signal ends this at once, and the rest as it does otherwise.

    Args:
        unremembered: What `remember` returned.
    """
    if logbook is None:
        return None
    done = _logged(bundle, logbook, quoted, progress, stop)
    return replace(done, unrecorded_reason=unrecorded_reason)


def _logged(
    bundle: Bundle,
    logbook: StoreLog,
    quoted: QuotedCheckpoint,
    progress: Progress,
    stop: Interruption,
) -> LogResult:
    if quoted.problem or stop.wanted:
        problem = quoted.problem or "interrupted"
        return LogResult(index=None, detail=problem, remedy=quoted.remedy)
    progress("append", "")
    try:
        stop.release()
        return logbook.log(bundle.id, bundle.digests.sha256, quoted.size)
    except SnapshotterError as error:
        return LogResult(index=None, detail=error.message, remedy=_remedy(error))
    except Exception as error:  # noqa: BLE001  it is stored: a bug in the log must not hide that
        return LogResult(index=None, detail=f"{type(error).__name__}: {error}")
    except KeyboardInterrupt:
        stop.wanted = True
        return LogResult(index=None, detail="interrupted")
    finally:
        stop.hold()
