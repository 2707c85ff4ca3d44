"""
Rebuild the lock of a log if it was lost, or differs from the published log.

See docs/spec/log.md, "When the lock is lost". Without its lock nobody can write to a log: the
lock names the newest committed tree, and continuing from an older one would sign two
histories. So everything that may have been committed is searched, and the new lock names it:

    check that every known checkpoint (published, this machine's, in the lock) is of one tree
      ─ check that the entries lead to the largest of them
      ─ find a batch staged after it, and files of it that are in place already
      ─ write the lock, by creating it or by replacing the one that was read: one writer wins

A batch that was staged and never committed is included, since its leaves are of stored
objects. It is copied first, because the writer that staged it may still run and remove it.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs import log_state, merkle, note, tiles
from snapshotter.formats.proofs.log_state import Batch, Lock
from snapshotter.formats.proofs.note import ED25519, Checkpoint, LogPolicy, Note, VerifierKey
from snapshotter.formats.proofs.tiles import WIDTH, TileTree
from snapshotter.ports import CompareAndSwapStore, IdSource, LogSigner, ReadableStore, TaggedContent
from snapshotter.seal.log_writer import CheckpointMemory, LogDamaged
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MOST_STAGED = 100  # batches that are looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class LockRepair:
    """The content of a new lock."""

    size: int  # entries of the tree
    published: int  # entries that were published before
    batch: str = ""  # the staged batch that was taken, "" for none
    was_mirror: bool = False
    is_needed: bool = True  # False: the log was as it should be, and nothing was done


class LogRepair:
    """
    Rebuild the lock of a log.

    Args:
        listing: The same store, to list its objects.
        memory: The newest checkpoint that this machine has seen; None: none is kept.
    """

    def __init__(
        self,
        store: CompareAndSwapStore,
        listing: ReadableStore,
        signer: LogSigner,
        *,
        ids: IdSource,
        memory: CheckpointMemory | None = None,
    ) -> None:
        self._store = store
        self._listing = listing
        self._signer = signer
        self._ids = ids
        self._memory = memory
        self._key = VerifierKey(name=signer.name, kind=ED25519, public_key=signer.public_key)
        self._policy = LogPolicy(key=self._key)
        self._staged: dict[str, Batch] = {}  # by the name that the new lock gives

    def run(self, *, batch: str = "", take_over: bool = False, dry_run: bool = False) -> LockRepair:
        """
        Rebuild the lock if it is missing or wrong; the next writer finishes the rest.

        Args:
            batch: The staged batch to use, if there are several.
            take_over: Turn the copy of another store's log into a log.
            dry_run: Report what would be done, and write nothing.

        Raises:
            LogDamaged: Two histories were signed, entries are missing, or it is unclear what was
                committed. Nothing was written.
            ServiceUnavailable, SnapshotterError: The store failed.
        """
        try:
            while True:
                held, shown = self._read(log_state.LOCK), self._read(log_state.CHECKPOINT)
                try:
                    found, lock = self._found(held, shown, batch=batch, take_over=take_over)
                except EvidenceInvalid:
                    if self._read(log_state.CHECKPOINT) == shown:
                        raise
                    continue
                # A writer removes its batch once that is published: where we did not see the one
                # any more and the other not yet, what was committed would be missed.
                if self._read(log_state.CHECKPOINT) != shown:
                    continue
                if lock is None or dry_run:
                    return found
                if lock.staging in self._staged:
                    self._store.swap(lock.staging_key, self._staged[lock.staging].encode(), "")
                if self._store.swap(log_state.LOCK, lock.encode(), held.tag if held else ""):
                    break
                # Another repair was quicker, and writers may have gone on from there.
        except EvidenceInvalid as error:
            raise LogDamaged(
                tr(
                    "the log in {url} cannot be repaired: {value}",
                    url=self._store.url,
                    value=error.message,
                ),
                hint=tr("restore the folder log/ from a replica or a backup"),
            ) from error
        if found.was_mirror:
            with contextlib.suppress(SnapshotterError):  # with a lock the mark says nothing more
                self._store.discard(log_state.MIRROR)
        return found

    def _found(
        self,
        held: TaggedContent | None,
        shown: TaggedContent | None,
        *,
        batch: str,
        take_over: bool,
    ) -> tuple[LockRepair, Lock | None]:
        """Return what the lock must name, after comparing all known checkpoints with the tree."""
        published = self._policy.open(shown.data).checkpoint if shown else None
        shows = published.size if published else 0
        locked = self._locked(held)
        if locked is not None and locked.size >= shows:
            # Also where a writer died behind its commit: the next one finishes that, or tells.
            return LockRepair(size=locked.size, published=shows, is_needed=False), None
        is_mirror = held is None and self._read(log_state.MIRROR) is not None
        if is_mirror and not take_over:
            raise EvidenceInvalid(
                tr(
                    "the log is a copy of the log of another store; if the other store is lost "
                    "permanently, the option --take-over continues the log in this store"
                )
            )
        known = [
            checkpoint
            for checkpoint in (published, self._remembered(), locked)
            if checkpoint is not None
        ]
        if not known:
            raise EvidenceInvalid(tr("no checkpoint of the log was found"))
        base = max(known, key=lambda checkpoint: checkpoint.size)
        self._require_one_history(base.size, known)
        taken = self._taken(base.size, batch)
        if taken is not None:
            base = Checkpoint(origin=self._key.name, size=taken.size, root=taken.root)
        lock = Lock(
            staging=log_state.staging_name(base.size, base.root, self._ids.random_bytes(8)),
            checkpoint=self._signed(base),
        )
        if taken is not None:
            # A copy: the writer that staged it may be alive, and remove its own.
            self._staged[lock.staging] = taken.batch
        return (
            LockRepair(
                size=base.size,
                published=shows,
                batch=taken.name if taken else "",
                was_mirror=is_mirror,
            ),
            lock,
        )

    def _locked(self, held: TaggedContent | None) -> Checkpoint | None:
        """Return the content of the lock; None if it is missing, or not of this log."""
        if held is None:
            return None
        try:
            return self._policy.open(log_state.parse_lock(held.data).checkpoint).checkpoint
        except EvidenceInvalid:
            return None

    def _remembered(self) -> Checkpoint | None:
        data = self._memory.load() if self._memory else b""
        return self._policy.open(data).checkpoint if data else None

    def _require_one_history(self, size: int, known: Sequence[Checkpoint]) -> None:
        """Build the tree from all of its entries, and compare every checkpoint with it."""
        roots: dict[int, bytes] = {}
        for checkpoint in known:
            if roots.setdefault(checkpoint.size, checkpoint.root) != checkpoint.root:
                raise EvidenceInvalid(
                    tr(
                        "two signed checkpoints of {size} entries have different root hashes",
                        size=checkpoint.size,
                    )
                )
        tree = merkle.Frontier()
        self._require_root(roots, tree)
        for data in self._tree(size).entries():
            tree.append(merkle.leaf_hash(data))
            self._require_root(roots, tree)
        if size and self._tree(size).root() != roots[size]:
            raise EvidenceInvalid(tr("the files of the log do not match the entries of the log"))

    def _require_root(self, roots: Mapping[int, bytes], tree: merkle.Frontier) -> None:
        if roots.get(tree.size, tree.root) != tree.root:
            raise EvidenceInvalid(
                tr(
                    "the root hash of the first {size} entries differs from the signed root hash",
                    size=tree.size,
                )
            )

    def _taken(self, size: int, wanted: str) -> "_Candidate | None":
        """Return the batch that was, or may have been, committed after a tree of `size`."""
        later = self._later(size)
        found = list(self._candidates(size))
        begun = [candidate for candidate in found if candidate.is_begun(later)]
        if later and not begun:
            raise EvidenceInvalid(
                tr(
                    "the file {later} belongs to a log of more than {size} entries, but no "
                    "checkpoint of more than {size} entries exists: the checkpoint was replaced "
                    "by an older checkpoint",
                    later=later[0],
                    size=size,
                )
            )
        trees = {candidate.root: candidate for candidate in begun or found}  # of one tree, any
        if wanted:
            named = [candidate for candidate in found if candidate.name == wanted]
            if not named or named[0].root not in trees:
                raise EvidenceInvalid(
                    tr("the batch {wanted} cannot have been committed", wanted=wanted)
                )
            return named[0]
        if len(trees) > 1:
            names = " ".join(sorted(candidate.name for candidate in trees.values()))
            raise EvidenceInvalid(
                tr(
                    "several batches are staged, and it is not established which batch was "
                    "committed. Select a batch with the option --batch, if possible a batch that "
                    "a witness has seen. Staged batches: {names}",
                    names=names,
                )
            )
        return next(iter(trees.values()), None)

    def _later(self, size: int) -> list[str]:
        """Return the paths of existing files that no tree of up to `size` entries has."""
        result = []
        for found in self._listing.list(f"{log_state.FOLDER}/tile/"):
            path = found.key.removeprefix(f"{log_state.FOLDER}/")
            try:
                tile = tiles.parse_path(path)
            except ValueError:
                continue  # none of a log: an audit tells of it
            if tile.index * WIDTH + tile.width > size >> (tiles.HEIGHT * max(tile.level, 0)):
                result.append(path)
        return result

    def _candidates(self, size: int) -> Iterator["_Candidate"]:
        """Yield the valid staged batches that extend a tree of `size`."""
        prefix = f"{log_state.STAGING}/"
        for count, found in enumerate(self._listing.list(prefix)):
            if count == _MOST_STAGED:
                raise EvidenceInvalid(
                    tr("more than {most_staged} batches are staged", most_staged=_MOST_STAGED)
                )
            name = found.key.removeprefix(prefix)
            there = self._read(found.key, log_state.MAX_BATCH)
            if there is None:
                continue
            with contextlib.suppress(EvidenceInvalid, ValueError):  # junk, or of another tree
                after = int(name.partition("-")[0])
                batch = log_state.parse_batch(there.data, after)
                if batch.begin == size:
                    yield self._candidate(name, after, batch)

    def _candidate(self, name: str, size: int, batch: Batch) -> "_Candidate":
        """Return a batch after computing it again from its entries. Raises EvidenceInvalid."""
        new = {tile.path: data for tile, data in batch.files.items()}
        entries = list(self._tree(size, new).entries(batch.begin, size))
        if tiles.extend(self._tree(batch.begin), entries) != batch.files:
            raise EvidenceInvalid(tr("the files of a staged batch do not follow from its entries"))
        root = self._tree(size, new).root()
        in_place = frozenset(
            tile.path
            for tile, data in batch.files.items()
            if (there := self._read(log_state.key(tile.path), tiles.MAX_FILE)) is not None
            and there.data == data
        )
        return _Candidate(name=name, size=size, root=root, batch=batch, in_place=in_place)

    def _signed(self, checkpoint: Checkpoint) -> bytes:
        line = note.signature(self._key, self._signer.sign(checkpoint.text.encode()))
        return Note(text=checkpoint.text, signatures=(line,)).encode()

    def _tree(self, size: int, new: Mapping[str, bytes] | None = None) -> TileTree:
        def fetch(path: str) -> bytes:
            if new and path in new:
                return new[path]
            return self._store.read(log_state.key(path), tiles.MAX_FILE).data

        return TileTree(size, fetch)

    def _read(self, key: str, limit: int = log_state.MAX_LOCK) -> TaggedContent | None:
        try:
            return self._store.read(key, limit)
        except FileNotFoundError:
            return None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A staged batch that extends the known tree."""

    name: str
    size: int
    root: bytes
    batch: Batch
    in_place: frozenset[str]  # paths of its files that stand where they belong

    def is_begun(self, later: Sequence[str]) -> bool:
        """Whether the later files in place are all of this batch: then it was committed."""
        return bool(later) and set(later) <= self.in_place
