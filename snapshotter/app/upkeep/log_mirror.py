"""
Copy the log of a store into a replica, and find the files of a log that are damaged.

    build the source's tree from all of its entries; its root must be the signed one
      ─ check that it extends the tree that the replica shows ─ write the mirror mark
      ─ write the files and read each back ─ write the checkpoint: the replica now shows
        the larger tree

With its copy of the log the replica can be audited. The copy has a mark (`log/mirror`) in place of
the writers' lock, so nobody appends to it: two stores that both continued one log would sign two
histories. A crash leaves files that no checkpoint names yet; the next run finds them and continues.
"""

from collections.abc import Callable, Iterator

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs import log_state, merkle, note, tiles
from snapshotter.formats.proofs.note import LogPolicy, SignedCheckpoint
from snapshotter.formats.proofs.tiles import WIDTH, Tile, TileTree
from snapshotter.ports import CompareAndSwapStore, TaggedContent
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.log import LogReader

_STEP = 4 * WIDTH  # entries that are held at once


class ForeignTargetLog(SnapshotterError):
    """The target has a log of its own, which is not overwritten. This is no fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorResult:
    """The result of mirroring a log."""

    begin: int  # entries that the target showed before
    size: int  # and that it shows now, or would

    @property
    def lag(self) -> int:
        """The number of entries that the target lacked."""
        return self.size - self.begin


def mirror(
    reader: LogReader,
    target: CompareAndSwapStore,
    *,
    source_place: str,
    dry_run: bool = False,
    signed: SignedCheckpoint | None = None,
) -> MirrorResult | None:
    """
    Copy the log of `reader` to a target; return None if neither has one.

    Args:
        source_place: The name of the source in receipts.
        dry_run: Compare, and write nothing.
        signed: The checkpoint to copy up to; None: the published one.

    Raises:
        ForeignTargetLog: The target has a log of its own.
        EvidenceInvalid: The two logs contradict each other, or the source's contradicts its
            checkpoint.
        ServiceUnavailable, SnapshotterError: A store failed.
    """
    there = _read(target, log_state.CHECKPOINT)
    shown = _opened(there) if there else None
    if signed is None:
        try:
            signed = reader.checkpoint()
        except FileNotFoundError:
            if shown is None:
                return None
            raise EvidenceInvalid(tr("the source has no log, but the copy has one")) from None
    origin = signed.checkpoint.origin
    _refuse_written(target, origin, shown)
    begin = shown.size if shown else 0
    if begin > signed.size:
        raise EvidenceInvalid(
            tr(
                "the log of the copy has {begin} entries, but the log of the source has {size}. "
                "The log of the source was replaced by an older log",
                begin=begin,
                size=signed.size,
            )
        )
    _check(reader, signed, begin, shown)
    if dry_run:
        return MirrorResult(begin=begin, size=signed.size)
    # A mark that is there already may name another place: the source was moved.
    target.swap(log_state.MIRROR, log_state.encode_mirror(origin, source_place), "")
    _copy(reader, target, begin, signed)
    _publish(target, signed, there)
    return MirrorResult(begin=begin, size=signed.size)


def damaged_files(
    reader: LogReader, target: CompareAndSwapStore, policy: LogPolicy
) -> Iterator[tuple[str, bytes, str]]:
    """
    Yield the files of a log that are missing or damaged, with the bytes from another store.

    Each is a key, the right bytes, and "missing" or "damaged". Nothing is written. The right
    bytes follow from the source's entries, which must lead to the target's own checkpoint.

    Raises:
        EvidenceInvalid: The target's checkpoint is not this log's, or the source's entries do
            not lead to it, or are fewer.
    """
    there = _read(target, log_state.CHECKPOINT)
    if there is None:
        return
    signed = policy.open(there.data)
    known = reader.checkpoint()
    if known.checkpoint.origin != signed.checkpoint.origin or known.size < signed.size:
        raise EvidenceInvalid(tr("the log of the source does not have all entries of this log"))
    _check(reader, signed, 0, None)
    for tile, data in _files(reader, 0, signed.size, _nothing):
        key = log_state.key(tile.path)
        try:
            if target.read(key, tiles.MAX_FILE).data != data:
                yield key, data, "damaged"
        except FileNotFoundError:
            yield key, data, "missing"


def _nothing(path: str) -> bytes:
    raise FileNotFoundError(path)


def _files(
    reader: LogReader, begin: int, size: int, stands: Callable[[str], bytes]
) -> Iterator[tuple[Tile, bytes]]:
    """
    Compute from its entries the files of a tree that a smaller tree lacks.

    Args:
        stands: Returns a file of the smaller tree, or one yielded before, by its path.
    """
    kept: dict[str, bytes] = {}  # the right edge of the tree that is worked out so far

    def fetch(path: str) -> bytes:
        return kept[path] if path in kept else stands(path)

    at = begin
    while at < size:
        # To the end of an entry bundle: so that its partial files are of the last tree alone.
        end = min((at // WIDTH) * WIDTH + _STEP, size)
        files = tiles.extend(TileTree(at, fetch), list(_entries(reader, at, end)))
        yield from ((tile, data) for tile, data in files.items() if _stays(tile, size))
        kept = {
            tile.path: files[tile] if tile in files else kept[tile.path]
            for tile in tiles.right_edge(end)
            if tile in files or tile.path in kept
        }
        at = end


def _refuse_written(
    target: CompareAndSwapStore, origin: str, shown: SignedCheckpoint | None
) -> None:
    """Raise an error if the target's log has writers, or is another log."""
    lock = _read(target, log_state.LOCK)
    if lock is not None or (shown is not None and shown.checkpoint.origin != origin):
        name = shown.checkpoint.origin if shown else ""
        if name == origin:
            raise EvidenceInvalid(
                tr(
                    "both stores have written to the log {origin}. If two stores add entries to "
                    "the same log, the log has two different histories",
                    origin=origin,
                )
            )
        raise ForeignTargetLog(
            tr(
                "the log was not copied: the target already has another log{value}",
                value=f", {name}" if name else "",
            )
        )


def _check(
    reader: LogReader, signed: SignedCheckpoint, begin: int, shown: SignedCheckpoint | None
) -> None:
    """Build the source's tree from its entries, and compare both checkpoints with it."""
    tree = merkle.Frontier()
    for data in _entries(reader, 0, signed.size):
        if shown is not None and tree.size == begin:
            _require_root(tree.root, shown.root, begin)
        tree.append(merkle.leaf_hash(data))
    if shown is not None and tree.size == begin:
        _require_root(tree.root, shown.root, begin)
    if tree.root != signed.root:
        raise EvidenceInvalid(
            tr("the entries of the log of the source do not match the checkpoint of this log")
        )


def _require_root(root: bytes, wanted: bytes, size: int) -> None:
    if root != wanted:
        raise EvidenceInvalid(
            tr(
                "the first {size} entries of the two logs differ. Keep both checkpoints, because "
                "they prove the difference",
                size=size,
            )
        )


def _copy(
    reader: LogReader, target: CompareAndSwapStore, begin: int, signed: SignedCheckpoint
) -> None:
    """Write the files that only the larger tree has, and read each back."""

    def stands(path: str) -> bytes:
        return target.read(log_state.key(path), tiles.MAX_FILE).data

    for tile, data in _files(reader, begin, signed.size, stands):
        _write(target, tile, data)
    if signed.size and TileTree(signed.size, stands).root() != signed.root:
        raise EvidenceInvalid(tr("the log of the source changed during the copy"))


def _stays(tile: Tile, size: int) -> bool:
    """Whether a file of a smaller tree is also a file of the largest."""
    return tiles.tile_at(tile.level, tile.index, size) == tile


def _write(target: CompareAndSwapStore, tile: Tile, data: bytes) -> None:
    key = log_state.key(tile.path)
    if not target.swap(key, data, "") or target.read(key, tiles.MAX_FILE).data != data:
        raise EvidenceInvalid(
            tr("the content of {key} in the copy differs from the content in the source", key=key)
        )


def _publish(
    target: CompareAndSwapStore, signed: SignedCheckpoint, there: TaggedContent | None
) -> None:
    """Write the checkpoint, unless the target shows at least as large a tree already."""
    wanted = signed.note
    while True:
        if there is not None:
            shown = _opened(there)
            if shown.size > signed.size:
                return
            if shown.size == signed.size:  # with what more witnesses have said since
                wanted = note.with_signatures(shown.note, signed.note.signatures)
                if wanted == shown.note or len(wanted.signatures) > log_state.MAX_SIGNATURES:
                    return
        if target.swap(log_state.CHECKPOINT, wanted.encode(), there.tag if there else ""):
            return
        there = _read(target, log_state.CHECKPOINT)


def _entries(reader: LogReader, begin: int, end: int) -> Iterator[bytes]:
    return (entry.data for entry in reader.entries(begin, end))


def _opened(there: TaggedContent) -> SignedCheckpoint:
    parsed = note.parse(there.data)
    return SignedCheckpoint(checkpoint=note.parse_checkpoint(parsed.text), note=parsed)


def _read(store: CompareAndSwapStore, key: str) -> TaggedContent | None:
    try:
        return store.read(key, log_state.MAX_LOCK)
    except FileNotFoundError:
        return None
