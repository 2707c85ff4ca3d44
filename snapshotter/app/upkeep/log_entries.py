"""
Append a store's bundles and records to its log, and write log proofs beside the bundles.

A bundle is stored before it is logged, so a crash or an unreachable store can leave it unlogged.
A reminder, a small file outside the store, names it. When the next bundle is logged, up to 64
bundles with reminders are logged with it. `log_sync` finds unlogged bundles without a reminder too.
`CheckpointFile` holds the newest checkpoint that this machine has seen.
"""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from snapshotter.app import private_files, store_records
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names, store_keys
from snapshotter.formats.proofs import leaf as leaves
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import SignedCheckpoint
from snapshotter.ports import ObjectStore, ReadableStore
from snapshotter.seal.log_writer import AppendResult, LogWriter
from snapshotter.store import custodial_store
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MAX_REMINDED = 64  # bundles with a reminder that are logged at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LogResult:
    """The entry of a bundle in the log, or why it has none yet."""

    index: int | None  # None: the bundle is not logged yet
    size: int = 0  # entries of the tree that its proof is for
    witnesses: tuple[str, ...] = ()  # names of the witnesses that cosigned that tree
    detail: str = ""  # why it is not logged
    remedy: str = ""  # what to do about that; "" where the next capture may succeed without it
    unrecorded_reason: str = ""  # why no reminder could be written before it was stored


@dataclass(frozen=True, slots=True, kw_only=True)
class UnloggedBundle:
    """A stored bundle that may not be in the log."""

    bundle_id: str
    sha256: str  # of the whole file
    seen: int  # it is not among the first `seen` entries of the log

    @property
    def leaf(self) -> Leaf:
        """The bundle's leaf in the log."""
        return bundle_leaf(self.bundle_id, self.sha256)


class CheckpointFile:
    """
    The newest checkpoint of a store's log that this machine has seen, in a file of its own.

    Implements `seal.log_writer.CheckpointMemory`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def load(self) -> bytes:
        """Return the signed note; b"" if there is none. Raises SnapshotterError."""
        try:
            return self._file.read_bytes()
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise SnapshotterError(
                tr("{file} cannot be read: {strerror}", file=self._file, strerror=error.strerror)
            ) from error

    def save(self, checkpoint: bytes) -> None:
        """Write the checkpoint durably. Raises SnapshotterError."""
        private_files.write_private(self._file, checkpoint)

    def forget(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)


class StoreLog:
    """
    The log of one store with the reminders of bundles that it lacks.

    Args:
        store: The store of the bundles; their log proofs are written to it.
        open_writer: Opens the log, or begins it where there is none; called once, at first use.
        owed_dir: Folder of the reminders.
    """

    def __init__(
        self, store: ObjectStore, open_writer: Callable[[], LogWriter], owed_dir: Path
    ) -> None:
        self.store = store
        self._open_writer = open_writer
        self._owed_dir = owed_dir
        self._writer: LogWriter | None = None
        self._opening = threading.Lock()  # `newest` may be called beside `log`

    @property
    def writer(self) -> LogWriter:
        """The writer of the log, opened at first use. Raises what `open_writer` raises."""
        with self._opening:
            if self._writer is None:
                self._writer = self._open_writer()
            return self._writer

    def newest(self) -> SignedCheckpoint | None:
        """Return the published checkpoint; None if there is none. Raises SnapshotterError."""
        return self.writer.published()

    def append(self, added: Sequence[Leaf], *, seen: int | None = 0) -> AppendResult:
        """
        Append the leaves that the log does not have; return the indexes of all of them.

        Args:
            seen: See `LogWriter.append`; 0 searches the whole log, None nothing.

        Raises:
            SnapshotterError: See `LogWriter.append`.
        """
        return self.writer.append(added, seen=seen)

    def remember(self, bundle_id: str, sha256: str, seen: int) -> None:
        """Write the reminder of a bundle before it is stored. Raises SnapshotterError."""
        content: dict[str, object] = {
            "bundle_id": bundle_id,
            "seen": seen,
            "sha256": sha256,
            "store": self.store.url,
        }
        private_files.write_private(
            self._owed_dir / f"{bundle_id}.json", canonical_json.dumps(content)
        )

    def log(self, bundle_id: str, sha256: str, seen: int) -> LogResult:
        """
        Log a stored bundle and up to 64 reminded ones; write their proofs.

        Args:
            seen: The bundle is not among the first `seen` entries of the log.

        Raises:
            SnapshotterError: The bundle is still not logged; its reminder stays.
        """
        this_bundle = UnloggedBundle(bundle_id=bundle_id, sha256=sha256, seen=seen)
        others = [
            owed for owed in self._owed() if owed.bundle_id != bundle_id and self._is_stored(owed)
        ]
        unlogged = [this_bundle, *others[:_MAX_REMINDED]]
        done = self.log_all(unlogged, min(bundle.seen for bundle in unlogged))
        return LogResult(
            index=done.indexes[0],
            size=done.signed.size,
            witnesses=tuple(cosignature.key.name for cosignature in done.signed.cosignatures),
        )

    def settle_owed(self) -> None:
        """
        Log up to 64 bundles of this store that have a reminder.

        Raises:
            SnapshotterError: They are still not logged; their reminders stay.
        """
        owed = [bundle for bundle in self._owed() if self._is_stored(bundle)][:_MAX_REMINDED]
        if owed:
            self.log_all(owed, min(bundle.seen for bundle in owed))

    def owed_count(self) -> int:
        """Return the number of reminders of this store's bundles."""
        return sum(1 for _ in self._owed())

    def log_all(self, unlogged: Sequence[UnloggedBundle], seen: int) -> AppendResult:
        """
        Log bundles with the heads of their custody chains, write proofs, remove reminders.

        Args:
            seen: None of the bundles is among the first `seen` entries of the log.

        Raises:
            SnapshotterError: See `LogWriter.append`; or a proof could not be stored.
        """
        heads = filter(None, (custody_head(self.store, bundle.bundle_id) for bundle in unlogged))
        done = self.append([*(bundle.leaf for bundle in unlogged), *heads], seen=seen)
        # The indexes of the heads come last: heads have no proof of their own.
        for bundle, index in zip(unlogged, done.indexes, strict=False):
            proof = self.writer.prove(index, bundle.leaf, done.signed)
            key = store_keys.sidecar_key(store_keys.bundle_key(bundle.bundle_id), names.LOG_PROOF)
            # A proof that is there is from an earlier try: of the same leaf in a smaller tree.
            store_records.put(self.store, key, proof)
            self._reminder(bundle.bundle_id).unlink(missing_ok=True)
        return done

    def _reminder(self, bundle_id: str) -> Path:
        return self._owed_dir / f"{bundle_id}.json"

    def _owed(self) -> Iterator[UnloggedBundle]:
        for path in sorted(self._owed_dir.glob("*.json")):
            try:
                content = json.loads(path.read_bytes())
                if content["store"] != self.store.url:
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
                    tr("the reminder {path} cannot be read: {error}", path=path, error=error),
                    hint=tr(
                        "delete the reminder. The following command finds the bundle without the "
                        "reminder:\n  snapshotter log sync"
                    ),
                ) from error
            yield owed

    def _is_stored(self, owed: UnloggedBundle) -> bool:
        """Whether the bundle of a reminder was stored: the reminder is written before it."""
        try:
            from snapshotter.app.upkeep.object_copy import object_sha256

            return object_sha256(self.store, store_keys.bundle_key(owed.bundle_id)) == owed.sha256
        except FileNotFoundError:
            return False


def bundle_leaf(bundle_id: str, sha256: str) -> Leaf:
    """Return the leaf of a bundle."""
    return Leaf(kind=leaves.BUNDLE, name=bundle_id, sha256=sha256)


def custody_head(store: ReadableStore, bundle_id: str) -> Leaf | None:
    """Return the head of a bundle's custody chain as a leaf; None without a valid chain."""
    try:
        chain = custodial_store.read_chain(store, bundle_id)
    except (SnapshotterError, OSError):
        return None  # an audit reports what is wrong with the chain
    if chain.problems or not chain.head.number:
        return None
    return Leaf(kind=leaves.CUSTODY, name=bundle_id, sha256=chain.head.previous)
