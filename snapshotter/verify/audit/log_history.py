"""
Check that the log is one history, and the same one that earlier audits and others saw.

The store is not trusted. The tree is built again from the log's entries, each tile is compared with
the stored one, and the root with the signed checkpoint. This yields the root of every smaller tree,
so that any checkpoint from elsewhere (remembered by an earlier audit, in a proof beside a bundle,
in a capture record, from a witness) is compared with one look-up. That shows as much as a
consistency proof does (RFC 6962 section 2.1.2). The cosignatures of witnesses and the lock of the
log's writers are checked as well.
"""

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.proofs import leaf as leaves
from snapshotter.formats.proofs import log_state, merkle, note, tiles
from snapshotter.formats.proofs.note import LogPolicy, SignedCheckpoint
from snapshotter.formats.proofs.tiles import ENTRIES, WIDTH, Tile
from snapshotter.model.audit import AuditCode, AuditFinding, LogSeen, Severity, TreeHead
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit.object_reader import ObjectAbsent, ObjectReader, ObjectUnreadable
from snapshotter.verify.audit.second_look import SecondLook
from snapshotter.verify.audit.workspace import AuditDatabase, StoredLogEntry

PREFIX = f"{log_state.FOLDER}/"
CHECKPOINT = log_state.CHECKPOINT
_CHUNK_ENTRIES = WIDTH * 16  # written to the workspace in one go

AddFinding = Callable[[AuditFinding], None]
LogProgress = Callable[[int, int], None]  # so many entries done, of so many


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCheckpoint:
    """A checkpoint from elsewhere, to be compared with the history."""

    where: str  # the key of the object that holds it, or a file's name
    what: str  # in words: "the proof beside it"
    origin: str
    head: TreeHead
    signed: bool  # the log's own signature over it was verified
    witnesses: tuple[str, ...] = ()  # whose cosignature over it is good
    is_of_here: bool = False  # the auditor says that this very store had that log


class LogHistory:
    """
    The log of one store, built again from its entries.

    Args:
        trusted: The key and witnesses of the log; None: unknown.
        add_finding: Called with each finding.
    """

    def __init__(
        self,
        objects: ObjectReader,
        trusted: LogPolicy | None,
        workspace: AuditDatabase,
        add_finding: AddFinding,
    ) -> None:
        self._objects = objects
        self._second_look = SecondLook(objects, workspace)
        self._trusted = trusted
        self._workspace = workspace
        self._add_finding = add_finding
        self._tree = merkle.Frontier()
        self._levels: list[list[bytes]] = [[]]  # the tiles that are not whole yet, by level
        self._checkpoint: bytes = b""  # the whole note, as it was served last
        self._seen: _Served | None = None
        self._lock: SignedCheckpoint | None = None
        self._orphan: tuple[int, str, str] | None = None  # size, key, sentence of the largest
        self.is_whole = False  # every entry is known, and the root is the signed one
        self.is_unreadable = False  # the checkpoint or entries could not be read: told
        self._is_absent = False  # there is no checkpoint, and that was confirmed
        self._nameless = False  # of some entries the hash alone is known
        self._broken: set[str] = set()  # tiles that were told of

    @property
    def is_read(self) -> bool:
        """Whether all entries are known."""
        return self.is_whole and not self._nameless

    @property
    def size(self) -> int:
        """The number of known entries."""
        return self._tree.size

    @property
    def note(self) -> bytes:
        """The signed checkpoint as stored; b"" if there is none."""
        return self._checkpoint

    @property
    def head(self) -> TreeHead | None:
        """The tree head of the stored checkpoint; None if there is no readable one."""
        return self._seen.head if self._seen else None

    @property
    def origin(self) -> str:
        """The origin in the stored checkpoint."""
        return self._seen.origin if self._seen else ""

    def seen(self, *, remembered: TreeHead | None) -> LogSeen | None:
        """Return the stored tree head for the report; None if there is no log."""
        if self._seen is None:
            return None
        signed = self._seen.signed
        cosigned = signed.cosignatures if signed else ()
        return LogSeen(
            origin=self._seen.origin,
            head=self._seen.head,
            signed=signed is not None,
            witnesses=tuple(cosignature.key.name for cosignature in cosigned),
            quorum=self._trusted.quorum if self._trusted else 0,
            witnessed_at=max((cosignature.time for cosignature in cosigned), default=None),
            remembered=remembered,
        )

    def advance(self, step: LogProgress, *, least: int = 0) -> None:
        """
        Read the newest checkpoint and the new entries up to it.

        Called at the beginning and at the end of an audit, because captures continue while it
        runs. An invalid log becomes a finding and not an error.

        Args:
            least: The number of entries that an earlier audit saw. A store may lag: a smaller
                checkpoint is read again after a pause before it counts.

        Raises:
            ServiceUnavailable: The store does not answer.
        """
        before = self._seen
        least = max(least, before.head.size if before else 0)
        try:
            served = self._read_checkpoint()
            if served is not None and served.head.size < least:
                self._objects.pause()
                served = self._read_checkpoint()
        except ObjectUnreadable as error:
            words = tr("the checkpoint of the log cannot be read: {error}", error=error)
            self._objects.unreadable(CHECKPOINT, words, retry=error.retry)
            self.is_unreadable = True
            return  # what was read before stays
        if served is None:
            self.is_whole = False
            return
        if before is not None:
            if served.head == before.head:
                return
            if served.head.size < before.head.size or served.origin != before.origin:
                self._failed(
                    AuditCode.ROLLED_BACK,
                    tr(
                        "during this audit the checkpoint of the log was replaced by an older "
                        "checkpoint or by the checkpoint of another log; entries before: {size}, "
                        "entries now: {size2}",
                        size=before.head.size,
                        size2=served.head.size,
                    ),
                )
                return
        self._seen = served
        self._grow(served.head, step)

    def judge_witnesses(self, *, now: datetime, skew: timedelta, stale_after: timedelta) -> None:
        """Add findings if too few witnesses cosigned this tree, or too long ago."""
        if self._trusted is None or self._seen is None or self._seen.signed is None:
            return
        cosigned = [
            cosignature
            for cosignature in self._seen.signed.cosignatures
            if cosignature.time <= now + skew
        ]
        needed = self._trusted.quorum
        if len(cosigned) < needed:
            self._unclear(
                AuditCode.UNWITNESSED,
                tr(
                    "{count} of {needed} required witnesses have cosigned the checkpoint of "
                    "{size} entries: the store may give other readers a different log",
                    count=len(cosigned),
                    needed=needed,
                    size=self._seen.head.size,
                ),
            )
        newest = max((cosignature.time for cosignature in cosigned), default=None)
        if newest is not None and now - newest > stale_after:
            self._unclear(
                AuditCode.STALE,
                tr(
                    "the newest cosignature of a witness was made at {instant}: the store may "
                    "withhold later entries of the log",
                    instant=instant(newest),
                ),
            )

    def judge(self, claim: FoundCheckpoint) -> None:
        """
        Compare a checkpoint from elsewhere with this history, and add findings.

        A checkpoint that the log did not verifiably sign can only make the audit
        INDETERMINATE.
        """
        add = self._failed_at if claim.signed else self._unclear_at
        vouched = f" (witnessed by {', '.join(claim.witnesses)})" if claim.witnesses else ""
        said = tr(
            "{what} states that the log has {size} entries{vouched}",
            what=claim.what,
            size=claim.head.size,
            vouched=vouched,
        )
        if self._seen is None and self.is_unreadable:
            return  # told: whether there is such a tree is not known
        if self._seen is None:
            if claim.signed and claim.is_of_here:
                add(
                    AuditCode.ROLLED_BACK,
                    claim.where,
                    tr("{said}, but this store has no log", said=said),
                )
            elif claim.signed and (self._orphan is None or self._orphan[0] < claim.head.size):
                self._orphan = claim.head.size, claim.where, said
        elif claim.origin != self._seen.origin:
            self._unclear_at(
                AuditCode.UNTRUSTED_LOG,
                claim.where,
                tr(
                    "{what} belongs to the log {origin!r}, but the log of this store is "
                    "{origin2!r}",
                    what=claim.what,
                    origin=claim.origin[:100],
                    origin2=self._seen.origin[:100],
                ),
            )
        elif claim.head.size > self._seen.head.size:
            add(
                AuditCode.ROLLED_BACK,
                claim.where,
                tr(
                    "{said}, but the log has {size} entries: entries were removed",
                    said=said,
                    size=self._seen.head.size,
                ),
            )
        else:
            root = self._root_at(claim.head.size)
            if root is not None and root != claim.head.root:
                add(
                    AuditCode.FORKED,
                    claim.where,
                    tr(
                        "{said}, but the root hash differs from the root hash of this log at the "
                        "same number of entries: the log has two histories",
                        said=said,
                    ),
                )

    def judge_orphan(self) -> None:
        """
        Add one finding for proofs of a log that the store lacks.

        INDETERMINATE: a copy of bundles alone has their proofs and never had a log.
        """
        if self._seen is None and self._orphan is not None and not self.is_unreadable:
            _, where, said = self._orphan
            self._unclear_at(
                AuditCode.ROLLED_BACK, where, tr("{said}, but this store has no log", said=said)
            )

    def judge_mirror(self) -> None:
        """Add a note if the log is a copy, which lacks later entries of the original."""
        if self._seen is not None and self.is_mirror():
            self._add_finding(
                AuditFinding(
                    code=AuditCode.MIRROR,
                    severity=Severity.NOTE,
                    key=log_state.MIRROR,
                    detail=tr(
                        "the log is a copy of the log {origin!r} with {size} entries: the "
                        "original log can have later entries, which this audit does not include",
                        origin=self._seen.origin[:100],
                        size=self._seen.head.size,
                    ),
                )
            )

    def is_mirror(self) -> bool:
        """Whether the log is marked as a copy of another store's."""
        return self._optional(log_state.MIRROR, 0) is not None

    def read_lock(self) -> None:
        """Read what the log's writers have committed; `judge_lock` compares it with the log."""
        self._lock = None
        data = self._optional(log_state.LOCK, log_state.MAX_LOCK)
        if self._trusted is None or data is None:
            return
        try:
            self._lock = self._trusted.open(log_state.parse_lock(data).checkpoint)
        except EvidenceInvalid:
            return  # junk says nothing: a lock is for writers, and they refuse it

    def _optional(self, key: str, limit: int) -> bytes | None:
        """Return an optional file of the log; None if it does not exist or is unreadable."""
        try:
            return self._objects.read(key, limit)
        except ObjectAbsent:
            return None
        except ObjectUnreadable as error:
            self._objects.unreadable(key, str(error), retry=error.retry)
            return None

    def judge_lock(self) -> None:
        """
        Add findings about differences between the writers' lock and what is published.

        The lock was read some time before: a running writer has published by now.
        """
        if self._lock is None or self._seen is None or self._seen.signed is None:
            return
        size, root = self._lock.size, self._lock.root.hex()
        known = self._root_at(size)
        if size < self._seen.head.size:
            self._unclear_at(
                AuditCode.ROLLED_BACK,
                log_state.LOCK,
                tr(
                    "the lock file of the log states {size} entries, but the checkpoint states "
                    "{size2} entries",
                    size=size,
                    size2=self._seen.head.size,
                ),
            )
        if known is not None and known != root:
            self._failed_at(
                AuditCode.FORKED,
                log_state.LOCK,
                tr(
                    "the lock file of the log states another root hash for the first {size} "
                    "entries than the log has: the log has two histories",
                    size=size,
                ),
            )
        elif size > self._seen.head.size and not self._is_published(size):
            self._unclear_at(
                AuditCode.STALE,
                log_state.LOCK,
                tr(
                    "the lock file of the log states {size} entries, but the checkpoint states "
                    "{size2} entries: a command that writes to the log was interrupted, or the "
                    "checkpoint was replaced by an older checkpoint",
                    size=size,
                    size2=self._seen.head.size,
                ),
            )

    def _is_published(self, size: int) -> bool:
        """Whether so many entries are published now; True if that cannot be read."""
        try:
            read = note.parse(self._objects.read(CHECKPOINT, note.MAX_BYTES))
            return note.parse_checkpoint(read.text).size >= size
        except (ObjectAbsent, EvidenceInvalid):
            return False
        except ObjectUnreadable as error:
            self._objects.unreadable(CHECKPOINT, str(error), retry=error.retry)
            return True

    def _root_at(self, size: int) -> str | None:
        """Return the root of an older tree; None if the entries do not lead to the head."""
        if self._seen is not None and size == self._seen.head.size:
            return self._seen.head.root
        return self._workspace.root_at(size) if self.is_whole else None

    # The checkpoint.

    def _read_checkpoint(self) -> "_Served | None":
        data = self._objects.read_again(CHECKPOINT, note.MAX_BYTES, is_known=self._is_absent)
        self._is_absent = data is None
        if data is None:
            if self._seen is not None:
                self._failed(AuditCode.ROLLED_BACK, tr("the log was removed during this audit"))
            elif self.is_mirror():
                self._unclear(
                    AuditCode.NO_LOG,
                    tr(
                        "the store contains an incomplete copy of a log; complete the copy with "
                        "the command: snapshotter store replicate"
                    ),
                )
            elif self._workspace.is_unread(log_state.MIRROR):
                return None  # told: whether this is a copy that is not finished is not known
            elif next(self._objects.list(PREFIX), None) is not None:
                self._failed(
                    AuditCode.LOG_BROKEN,
                    tr("files of a log exist, but the checkpoint of the log does not exist"),
                )
            return None
        self._checkpoint = data
        try:
            read = note.parse(data)
            checkpoint = note.parse_checkpoint(read.text)
        except EvidenceInvalid as error:
            self._failed(
                AuditCode.LOG_BROKEN, tr("the checkpoint cannot be read: {error}", error=error)
            )
            return None
        head = TreeHead(size=checkpoint.size, root=checkpoint.root.hex())
        return _Served(checkpoint.origin, head, self._signed(data, checkpoint.origin))

    def _signed(self, data: bytes, origin: str) -> SignedCheckpoint | None:
        if self._trusted is None:
            self._unclear(
                AuditCode.UNTRUSTED_LOG,
                tr(
                    "no trust file contains the key of the log {origin!r}: the owner of the "
                    "store could have forged the log",
                    origin=origin[:100],
                ),
            )
            return None
        if origin != self._trusted.key.name:
            self._unclear(
                AuditCode.UNTRUSTED_LOG,
                tr(
                    "the log of this store is {origin!r}, but the trust file contains the key of "
                    "the log {name!r}",
                    origin=origin[:100],
                    name=self._trusted.key.name,
                ),
            )
            return None
        try:
            return note.open_checkpoint(data, self._trusted.key, self._trusted.witnesses)
        except EvidenceInvalid as error:
            self._failed(
                AuditCode.LOG_BROKEN, tr("the checkpoint is not valid: {error}", error=error)
            )
            return None

    # The tree.

    def _grow(self, head: TreeHead, step: LogProgress) -> None:
        """Add the entries up to `head`, and compare all tiles."""
        self.is_whole = False
        pending: list[StoredLogEntry] = []
        for index in range(self._tree.size // WIDTH, -(-head.size // WIDTH)):
            tile = tiles.tile_at(ENTRIES, index, head.size)
            known = self._tree.size - index * WIDTH  # of this bundle, from an earlier call
            found = self._entries(tile)
            if found is None:
                self._workspace.add_entries(pending)
                return  # told; what comes behind hangs in the air
            for data, leaf_hash in found[known:]:
                pending.append(self._take(data, leaf_hash))
            if len(pending) >= _CHUNK_ENTRIES:
                self._workspace.add_entries(pending)
                pending.clear()
                step(self._tree.size, head.size)
        self._workspace.add_entries(pending)
        step(self._tree.size, head.size)
        # The right edge: tiles that are not whole yet.
        for level, hashes in enumerate(self._levels):
            if hashes:
                index = head.size >> (tiles.HEIGHT * (level + 1))
                self._compare(Tile(level=level, index=index, width=len(hashes)), hashes)
        if self._tree.root.hex() != head.root:
            self._failed(
                AuditCode.LOG_BROKEN,
                tr(
                    "the root hash of the {size} entries of the log differs from the root hash "
                    "in the checkpoint: an entry was changed, added or removed",
                    size=head.size,
                ),
            )
            return
        self.is_whole = True

    def _take(self, data: bytes | None, leaf_hash: bytes) -> StoredLogEntry:
        number = self._tree.size
        self._tree.append(leaf_hash)
        self._push(0, leaf_hash, number)
        kind, name, sha256 = "", "", ""
        if data is None:
            self._nameless = True
        else:
            try:
                entry = leaves.parse(data)
                kind, name, sha256 = entry.kind, entry.name, entry.sha256
            except EvidenceInvalid:
                self._failed(
                    AuditCode.LOG_BROKEN,
                    tr(
                        "entry {number} of the log does not have the required form",
                        number=number,
                    ),
                )
        return StoredLogEntry(
            number=number, kind=kind, name=name, sha256=sha256, root=self._tree.root
        )

    def _push(self, level: int, value: bytes, number: int) -> None:
        """Add a hash to the tile of its level; compare the tile when it is full."""
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(value)
        if len(hashes) == WIDTH:
            index = number >> (tiles.HEIGHT * (level + 1))
            self._compare(Tile(level=level, index=index), hashes)
            self._push(level + 1, tiles.whole_subtree(hashes), number)
            hashes.clear()

    def _entries(self, tile: Tile) -> list[tuple[bytes | None, bytes]] | None:
        """Return the entries of an entry tile with their hashes; None if they are unreadable."""
        try:
            data = self._fetch(tile)
            return [
                (entry, merkle.leaf_hash(entry)) for entry in tiles.parse_entries(data, tile.width)
            ]
        except (ObjectAbsent, ObjectUnreadable, EvidenceInvalid) as error:
            self._broken_tile(tile, error)
            self.is_unreadable = self.is_unreadable or isinstance(error, ObjectUnreadable)
        # The hashes alone let the tree go on: whether they are right, the root shows.
        hashes = Tile(level=0, index=tile.index, width=tile.width)
        try:
            return [
                (None, digest) for digest in tiles.parse_hashes(self._fetch(hashes), tile.width)
            ]
        except (ObjectAbsent, ObjectUnreadable, EvidenceInvalid) as error:
            self._broken_tile(hashes, error)
            return None

    def _compare(self, tile: Tile, hashes: Iterable[bytes]) -> None:
        try:
            if self._fetch(tile) == b"".join(hashes):
                return
            self._broken_tile(
                tile,
                EvidenceInvalid(
                    tr("the hashes in the file differ from the hashes of the entries of the log")
                ),
            )
        except (ObjectAbsent, ObjectUnreadable, EvidenceInvalid) as error:
            self._broken_tile(tile, error)

    def _fetch(self, tile: Tile) -> bytes:
        """Return a file of the log; cut from the full tile if the partial one is gone."""
        limit = tiles.MAX_FILE if tile.level == ENTRIES else WIDTH * merkle.HASH_BYTES
        try:
            data = self._read(tile.path, limit)
        except ObjectAbsent:
            if not tile.is_partial:
                raise
        else:
            self._objects.mark_read(_name(tile))
            return data
        whole = self._read(Tile(level=tile.level, index=tile.index).path, limit)
        if tile.level == ENTRIES:
            return tiles.encode_entries(tiles.parse_entries(whole, WIDTH)[: tile.width])
        return b"".join(tiles.parse_hashes(whole, WIDTH)[: tile.width])

    def _read(self, path: str, limit: int) -> bytes:
        data = self._objects.read(PREFIX + path, limit)
        if len(data) > limit:
            raise EvidenceInvalid(tr("the file is longer than {limit} bytes", limit=limit))
        return data

    def _broken_tile(
        self, tile: Tile, error: ObjectAbsent | ObjectUnreadable | EvidenceInvalid
    ) -> None:
        if tile.path in self._broken:
            return
        self._broken.add(tile.path)
        key = PREFIX + tile.path
        if isinstance(error, ObjectUnreadable):
            words = tr("a file of the log cannot be read: {error}", error=error)
            self._objects.unreadable(key, words, retry=error.retry, name=_name(tile))
        elif isinstance(error, ObjectAbsent):
            whole = Tile(level=tile.level, index=tile.index)
            keys = [key, *([PREFIX + whole.path] * tile.is_partial)]
            words = tr("a file of the log is missing")
            self._second_look.suspect(AuditCode.LOG_BROKEN, key, words, keys=keys, name=_name(tile))
        else:
            self._failed_at(
                AuditCode.LOG_BROKEN,
                key,
                tr("a file of the log is not valid: {error}", error=error),
            )

    def _failed(self, code: AuditCode, detail: str) -> None:
        self._failed_at(code, CHECKPOINT, detail)

    def _unclear(self, code: AuditCode, detail: str) -> None:
        self._unclear_at(code, CHECKPOINT, detail)

    def _failed_at(self, code: AuditCode, key: str, detail: str) -> None:
        self._add_finding(AuditFinding(code=code, severity=Severity.FAILED, key=key, detail=detail))

    def _unclear_at(self, code: AuditCode, key: str, detail: str) -> None:
        self._add_finding(
            AuditFinding(code=code, severity=Severity.INDETERMINATE, key=key, detail=detail)
        )


def _name(tile: Tile) -> str:
    """Return the name of a tile that is the same in all audits; its key changes as it grows."""
    return PREFIX + Tile(level=tile.level, index=tile.index).path


@dataclass(frozen=True, slots=True)
class _Served:
    origin: str
    head: TreeHead
    signed: SignedCheckpoint | None


def judge_entries(workspace: AuditDatabase) -> Iterator[AuditFinding]:
    """Yield findings about contradicting entries: one name with two digests."""
    for name, count, digests in workspace.bundles_logged_twice():
        said = tr("the log lists the bundle {name} {count} times", name=name, count=count)
        if digests > 1:
            yield AuditFinding(
                code=AuditCode.REPLACED,
                severity=Severity.FAILED,
                key=name,
                detail=tr("{said}, with {digests} different digests", said=said, digests=digests),
            )
        else:
            yield AuditFinding(
                code=AuditCode.LOGGED_AGAIN,
                severity=Severity.NOTE,
                key=name,
                detail=tr("{said}, each time with the same digest", said=said),
            )
