"""
Append entries to the log of a store, finish interrupted appends, and prove entries.

Many writers may run at once, and no database is needed:

    read log/lock ─ finish the batch that it names, if that is not published ─ grow the tree
      ─ stage all new files as one object ─ swap log/lock: THE COMMIT
      ─ files ─ witnesses ─ publish log/checkpoint, only ever for a larger tree

The order is defined in docs/spec/log.md, "Writing". A comment at each step states what a
crash leaves behind. The next writer runs `_finish` on it, the same code that the first
writer would have run.

The store is not trusted: it can be rolled back to an older valid state, and a log that
continued from there would sign two histories. So this machine remembers the last published
checkpoint, and refuses a store that shows less.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.proofs import log_state, merkle, note, tiles
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.log_state import Batch, Lock
from snapshotter.formats.proofs.note import (
    COSIGNATURE_V1,
    ED25519,
    Checkpoint,
    LogPolicy,
    Note,
    NoteSignature,
    SignedCheckpoint,
    VerifierKey,
)
from snapshotter.formats.proofs.tiles import TileTree
from snapshotter.ports import (
    Clock,
    CompareAndSwapStore,
    IdSource,
    LogSigner,
    TaggedContent,
    Witness,
)
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_BATCH = 1024  # leaves that are committed at once
WITNESS_S = 10.0  # for all witnesses together
_PATIENCE_S = 60.0  # for other writers that are quicker, again and again
_FIRST_PAUSE_S = 0.005
_LONGEST_PAUSE_S = 0.5


class LogDamaged(SnapshotterError):
    """The log in the store is damaged or another one; nothing was signed or written."""


class CheckpointMemory(Protocol):
    """The newest checkpoint that this machine has published or seen. Trusted."""

    def load(self) -> bytes:
        """Return the signed note; b"" if there is none. Raises SnapshotterError."""

    def save(self, checkpoint: bytes) -> None:
        """Write the checkpoint durably. Raises SnapshotterError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendResult:
    """The indexes of leaves in the log."""

    indexes: tuple[int, ...]  # of each leaf, in the order in which they were given
    added: int  # how many of them were not there before
    signed: SignedCheckpoint  # published; its tree holds all of them


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The committed and published tree."""

    tag: str  # of the lock; empty when there is none
    signed: SignedCheckpoint | None  # None: there is no log yet

    @property
    def size(self) -> int:
        return self.signed.size if self.signed else 0

    @property
    def root(self) -> bytes:
        return self.signed.root if self.signed else merkle.EMPTY_ROOT


class LogWriter:
    """
    A writer of the log in a store; any number of writers may run, in any processes.

    One thread at a time may use an instance; `published` may be called beside it. It keeps the
    right edge of the tree between calls, which saves most reads.

    Args:
        signer: The log's key; its name is the origin.
        witnesses: Asked to cosign each checkpoint. If one fails, only its cosignature is missing.
        memory: The newest checkpoint that this machine has seen; None: none is kept.
        show_message: Called with a sentence about a failure that is not fatal.
    """

    def __init__(
        self,
        store: CompareAndSwapStore,
        signer: LogSigner,
        *,
        clock: Clock,
        ids: IdSource,
        witnesses: Sequence[Witness] = (),
        memory: CheckpointMemory | None = None,
        show_message: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._signer = signer
        self._clock = clock
        self._ids = ids
        self._witnesses = tuple(witnesses)
        self._memory = memory
        self._show_message = show_message or (lambda _: None)
        self._key = VerifierKey(name=signer.name, kind=ED25519, public_key=signer.public_key)
        self._policy = LogPolicy(
            key=self._key,
            witnesses=tuple(
                VerifierKey(name=witness.name, kind=COSIGNATURE_V1, public_key=witness.public_key)
                for witness in witnesses
            ),
        )
        self._edge: Mapping[str, bytes] = {}  # partial files of the tree last seen, by path
        self._believed: tuple[int, bytes] | None = None  # size and root that fit our memory

    @property
    def policy(self) -> LogPolicy:
        """This log's key and the witnesses that are asked."""
        return self._policy

    def append(self, leaves: Sequence[Leaf], *, seen: int | None = None) -> AppendResult:
        """
        Append the leaves that the log lacks; return the indexes of all of them.

        Durable and published when this returns. After an error it is unknown whether they
        were appended; repeating the call is safe with `seen`.

        Args:
            seen: None of the leaves is among the first `seen` entries. The later entries are
                searched, so that no leaf is appended twice. None: all leaves are new.

        Raises:
            LogDamaged: The store has another log, or a part of this one.
            ServiceUnavailable: The store did not answer, or other writers always came first.
            SnapshotterError: The store refused.
        """
        entries = list(dict.fromkeys(leaf.encode() for leaf in leaves))
        places: dict[bytes, int] = {}
        looked, added = seen, 0
        end, pause = self._clock.monotonic() + _PATIENCE_S, _FIRST_PAUSE_S
        while True:
            state = self._state()
            if looked is not None and looked < state.size:
                places |= self._find(set(entries) - set(places), looked, state.size)
            looked = state.size
            wanted = [entry for entry in entries if entry not in places][:MAX_BATCH]
            if not wanted:
                break
            if self._grow(state, wanted):
                places |= {digest: state.size + number for number, digest in enumerate(wanted)}
                looked, added = state.size + len(wanted), added + len(wanted)
                pause = _FIRST_PAUSE_S
                continue
            # Another writer was quicker; ours may be among what it has added.
            if self._clock.monotonic() > end:
                raise ServiceUnavailable(
                    tr(
                        "nothing was written to the log in {url}: other writers changed the log "
                        "during every attempt",
                        url=self._store.url,
                    ),
                    hint=tr(
                        "try again later; this command adds the missing entries:\n  "
                        "snapshotter log sync"
                    ),
                )
            time.sleep(pause * (0.5 + self._ids.random_bytes(1)[0] / 256))
            pause = min(pause * 2, _LONGEST_PAUSE_S)
        if state.signed is None:
            raise ValueError("the log does not exist, and no entry was to be added")
        return AppendResult(
            indexes=tuple(places[leaf.encode()] for leaf in leaves),
            added=added,
            signed=state.signed,
        )

    def create(self) -> SignedCheckpoint:
        """
        Begin an empty log if there is none; return the published checkpoint.

        Raises what `append` raises; LogDamaged also if there is another log.
        """
        while True:
            state = self._state()
            if state.signed is not None:
                return state.signed
            empty = self._sign(Checkpoint(origin=self._key.name, size=0, root=merkle.EMPTY_ROOT))
            name = log_state.staging_name(0, merkle.EMPTY_ROOT, self._ids.random_bytes(8))
            lock = Lock(staging=name, checkpoint=empty.note.encode())
            # The commit; what is missing after a crash is made by whoever comes next.
            self._store.swap(log_state.LOCK, lock.encode(), "")

    def published(self) -> SignedCheckpoint | None:
        """
        Return the published checkpoint; None if there is no log yet.

        Raises:
            LogDamaged: The checkpoint is not of this log.
            ServiceUnavailable, SnapshotterError: The store failed.
        """
        with self._damage_translated():
            there = self._read(log_state.CHECKPOINT)
            return self._open(there.data) if there else None

    def settle(self) -> SignedCheckpoint | None:
        """
        Finish an unfinished batch of another writer; return the published checkpoint.

        None: there is no log yet. Raises what `append` raises.
        """
        return self._state().signed

    def prove(self, index: int, leaf: Leaf, signed: SignedCheckpoint) -> bytes:
        """
        Return the proof (C2SP tlog-proof) that a leaf is in a published tree.

        Raises:
            LogDamaged: The tiles do not lead from the leaf to the root.
        """
        with self._damage_translated():
            tree = self._tree(signed.size)
            hashes = merkle.inclusion_proof(index, signed.size, tree.node)
            merkle.check_inclusion(leaf.hash(), index, signed.size, hashes, signed.root)
        from snapshotter.formats.proofs.tlog_proof import TlogProof

        return TlogProof(index=index, hashes=hashes, checkpoint=signed.note.encode()).encode()

    def _state(self) -> _State:
        """Read the state of the log, and finish a batch that is committed and not published."""
        with self._damage_translated():
            while True:
                held, shown = self._read(log_state.LOCK), self._read(log_state.CHECKPOINT)
                if held is None:
                    if shown is not None and self._read(log_state.LOCK) is not None:
                        continue  # it was made just now
                    if shown is not None and self._read(log_state.MIRROR) is not None:
                        raise EvidenceInvalid(tr("the log is a copy of the log of another store"))
                    self._refuse_less(None if shown is None else self._open(shown.data))
                    if shown is not None:
                        raise EvidenceInvalid(tr("the log has a checkpoint, but no lock file"))
                    return _State(tag="", signed=None)
                lock = log_state.parse_lock(held.data)
                committed = self._open(lock.checkpoint)
                published = self._open(shown.data) if shown else None
                if published is None or published.size < committed.size:
                    if not self._finish(lock, committed, None, published):
                        continue
                    published = self._open_published()
                if (published.size, published.root) != (committed.size, committed.root):
                    there = self._read(log_state.LOCK)
                    if there is None or there.tag != held.tag:
                        continue  # others went on between our reads
                    raise EvidenceInvalid(
                        tr(
                            "the lock file of the log states {size} entries, but the published "
                            "checkpoint states {size2} entries or another root hash",
                            size=committed.size,
                            size2=published.size,
                        )
                    )
                self._refuse_less(published)
                return _State(tag=held.tag, signed=published)

    def _grow(self, state: _State, entries: Sequence[bytes]) -> bool:
        """Commit and publish these entries; return False if another writer came first."""
        with self._damage_translated():
            before = self._tree(state.size)
            if before.root() != state.root:
                raise EvidenceInvalid(
                    tr(
                        "the files of the log do not match the signed root hash of {size} entries",
                        size=state.size,
                    )
                )
            batch = Batch(begin=state.size, files=tiles.extend(before, entries))
            size = state.size + len(entries)
            root = self._tree(size, batch).root()
            signed = self._sign(Checkpoint(origin=self._key.name, size=size, root=root))
        # (1) All new files in one object that nothing names. A crash from here to (2)
        # leaves it there, and nobody needs it.
        name = log_state.staging_name(size, root, self._ids.random_bytes(8))
        lock = Lock(staging=name, checkpoint=signed.note.encode())
        self._store.swap(lock.staging_key, batch.encode(), "")
        # (2) The commit. A crash after it leaves a batch that the next writer finishes.
        if not self._store.swap(log_state.LOCK, lock.encode(), state.tag):
            self._discard(lock.staging_key)
            return False
        with self._damage_translated():
            self._finish(lock, signed, batch, state.signed)
        return True

    def _finish(
        self,
        lock: Lock,
        committed: SignedCheckpoint,
        batch: Batch | None,
        published: SignedCheckpoint | None,
    ) -> bool:
        """
        Write and publish a committed batch; return False if others continued meanwhile.

        Args:
            batch: The staged batch; None: it is read from the store.
            published: The checkpoint before, which witnesses may have seen.
        """
        if batch is None:
            staged = self._read(lock.staging_key, log_state.MAX_BATCH)
            if staged is not None:
                batch = log_state.parse_batch(staged.data, committed.size)
            elif self._read_lock_name() != lock.staging:
                return False
            # Else: its files are in place, and it was published; or this log is damaged,
            # which the root shows.
        tree = self._tree(committed.size, batch)
        if tree.root() != committed.root:
            raise EvidenceInvalid(
                tr(
                    "the batch that extends the log to {size} entries is not complete",
                    size=committed.size,
                )
            )
        # (3) The files. A crash among them leaves the rest for the next writer.
        if batch is not None:
            for tile in batch.files:
                if not self._store.swap(log_state.key(tile.path), batch.files[tile], ""):
                    raise EvidenceInvalid(
                        tr("the file {path} of the log has unexpected content", path=tile.path)
                    )
        # (4) The witnesses. They have seen it before anybody else does, or never.
        cosigned = self._cosigned(committed, tree, published)
        # (5) The tree, for everybody. A crash after this leaves nothing to do.
        self._publish(cosigned)
        self._keep_edge(committed.size, batch)
        self._discard(lock.staging_key)
        return True

    def _publish(self, mine: SignedCheckpoint) -> None:
        """Publish a checkpoint, unless a larger tree is published already."""
        while True:
            there = self._read(log_state.CHECKPOINT)
            wanted = mine.note
            if there is not None:
                shown = self._open(there.data)
                if shown.size > mine.size:
                    return
                if shown.size == mine.size:
                    if shown.root != mine.root:
                        raise EvidenceInvalid(
                            tr(
                                "two signed checkpoints of {size} entries have different root "
                                "hashes",
                                size=mine.size,
                            )
                        )
                    wanted = self._with_cosignatures(shown.note, mine.note.signatures)
                    if wanted == shown.note:
                        return
            if self._store.swap(log_state.CHECKPOINT, wanted.encode(), there.tag if there else ""):
                return

    def _with_cosignatures(self, before: Note, more: Sequence[NoteSignature]) -> Note:
        """Return the note with new signatures as far as there is room; the log's own line first."""
        merged = note.with_signatures(before, more)
        known = [(key.name, key.id) for key in (self._key, *self._policy.witnesses)]
        ordered = sorted(
            merged.signatures, key=lambda signature: (signature.name, signature.id) not in known
        )
        return replace(merged, signatures=tuple(ordered[: log_state.MAX_SIGNATURES]))

    def _cosigned(
        self, committed: SignedCheckpoint, tree: TileTree, published: SignedCheckpoint | None
    ) -> SignedCheckpoint:
        """Return the checkpoint with the cosignature of each witness that answered in time."""
        if not self._witnesses:
            return committed
        seen = (
            {cosignature.key.public_key for cosignature in published.cosignatures}
            if published
            else set()
        )
        answers: dict[int, bytes] = {}
        silent: dict[int, str] = {}
        # One thread each, so that one that hangs holds up no other; tiles are read by one.
        reading = threading.Lock()

        def prove(old: int) -> Sequence[bytes]:
            with reading:
                try:
                    return merkle.consistency_proof(old, committed.size, tree.node)
                except EvidenceInvalid as error:
                    raise SnapshotterError(
                        tr("no log proof could be made: {error}", error=error)
                    ) from error

        def ask(number: int, witness: Witness) -> None:
            known = published.size if published and witness.public_key in seen else 0
            try:
                answers[number] = witness.cosign(
                    committed.note.encode(), committed.size, known, prove
                )
            except SnapshotterError as error:
                silent[number] = error.message

        threads = [
            threading.Thread(target=ask, args=pair, daemon=True, name=f"witness-{pair[0]}")
            for pair in enumerate(self._witnesses)
        ]
        for thread in threads:
            thread.start()
        end = self._clock.monotonic() + WITNESS_S
        for thread in threads:
            thread.join(max(0.0, end - self._clock.monotonic()))
        lines: list[NoteSignature] = []
        for number, witness in enumerate(self._witnesses):
            if number in answers:
                lines += note.parse_signature_lines(answers[number].decode())
            else:
                why = silent.get(number, f"did not answer within {WITNESS_S:.0f} s")
                self._show_message(
                    tr(
                        "the witness {name} has not cosigned the log: {why}",
                        name=witness.name,
                        why=why,
                    )
                )
        return self._open(note.with_signatures(committed.note, lines).encode())

    def _refuse_less(self, shown: SignedCheckpoint | None) -> None:
        """Refuse a store that shows less than this machine has seen."""
        if shown is not None and self._believed == (shown.size, shown.root):
            return
        remembered = self._memory.load() if self._memory else b""
        if remembered:
            known = self._open(remembered)
            if shown is None or shown.size < known.size:
                raise EvidenceInvalid(
                    tr(
                        "the log was replaced by an older state; entries in the log: {size}; "
                        "entries that this machine has seen in the log: {size2}",
                        size=shown.size if shown else 0,
                        size2=known.size,
                    )
                )
            proof = merkle.consistency_proof(known.size, shown.size, self._tree(shown.size).node)
            merkle.check_consistency(known.size, shown.size, proof, known.root, shown.root)
        if shown is None:
            return
        if self._memory and shown.note.encode() != remembered:
            self._memory.save(shown.note.encode())
        self._believed = (shown.size, shown.root)

    def _find(self, entries: set[bytes], begin: int, end: int) -> dict[bytes, int]:
        """Return the indexes of these entries in a range of the published log."""
        found: dict[bytes, int] = {}
        with self._damage_translated():
            for index, entry in enumerate(self._tree(end).entries(begin, end), start=begin):
                if entry in entries:
                    found.setdefault(entry, index)
        return found

    def _sign(self, checkpoint: Checkpoint) -> SignedCheckpoint:
        line = note.signature(self._key, self._signer.sign(checkpoint.text.encode()))
        return self._open(Note(text=checkpoint.text, signatures=(line,)).encode())

    def _open(self, data: bytes) -> SignedCheckpoint:
        return self._policy.open(data)

    def _open_published(self) -> SignedCheckpoint:
        there = self._read(log_state.CHECKPOINT)
        if there is None:
            raise EvidenceInvalid(tr("the checkpoint of the log no longer exists"))
        return self._open(there.data)

    def _read_lock_name(self) -> str:
        there = self._read(log_state.LOCK)
        return log_state.parse_lock(there.data).staging if there else ""

    def _read(self, key: str, limit: int = log_state.MAX_LOCK) -> TaggedContent | None:
        try:
            return self._store.read(key, limit)
        except FileNotFoundError:
            return None

    def _tree(self, size: int, batch: Batch | None = None) -> TileTree:
        """Return a tree that reads its files from a batch, then from kept files, then the store."""
        new = {tile.path: data for tile, data in batch.files.items()} if batch else {}

        def fetch(path: str) -> bytes:
            for kept in (new, self._edge):
                if path in kept:
                    return kept[path]
            return self._store.read(log_state.key(path), tiles.MAX_FILE).data

        return TileTree(size, fetch)

    def _keep_edge(self, size: int, batch: Batch | None) -> None:
        """Keep the partial files of the tree, with which the next batch begins."""
        if batch is None:
            return
        known = dict(self._edge) | {tile.path: data for tile, data in batch.files.items()}
        self._edge = {
            tile.path: known[tile.path] for tile in tiles.right_edge(size) if tile.path in known
        }

    def _discard(self, key: str) -> None:
        # Who may not delete leaves a batch that nobody needs: that is nothing to tell of.
        with contextlib.suppress(SnapshotterError):
            self._store.discard(key)

    @contextlib.contextmanager
    def _damage_translated(self) -> Iterator[None]:
        """Translate EvidenceInvalid into LogDamaged."""
        try:
            yield
        except EvidenceInvalid as error:
            raise LogDamaged(
                tr(
                    "no entry was added to the log in {url}: {value}",
                    url=self._store.url,
                    value=error.message,
                ),
                hint=tr(
                    "if the store was restored from a backup, restore the whole store with all "
                    "later changes. This command checks the log:\n  snapshotter log check"
                ),
            ) from error
