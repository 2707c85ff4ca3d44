"""
Read the log of a store, prove that entries are in it, and check it as a whole.

`snapshotter log show`, `log prove` and `log check` use this module, as do replication, renewal and
repair. No signing key is needed. `check_log` finds whether the log is consistent and continues the
checkpoints that were seen before. Whether store and log agree is checked by the audit
(`verify/audit`).
"""

import errno
from collections.abc import Callable, Iterable, Iterator, Sequence

from snapshotter.errors import (
    EvidenceInvalid,
    EvidenceUnverifiable,
    ServiceUnavailable,
    SnapshotterError,
)
from snapshotter.formats.proofs import leaf as leaves
from snapshotter.formats.proofs import log_state, merkle, note, tiles
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import LogPolicy, SignedCheckpoint
from snapshotter.formats.proofs.tiles import ENTRIES, WIDTH, Tile, TileTree
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.ports import NotAnObject, ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_STEP = 16 * WIDTH  # entries between two reports of progress

LogProgress = Callable[[int, int], None]  # so many entries done, of so many


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One entry of a log."""

    index: int
    leaf: Leaf | None  # None: not a valid leaf
    data: bytes


class LogReader:
    """
    The published log of a store.

    Args:
        policy: The keys that must have signed the log; None: what is read is not verified.
    """

    def __init__(self, store: ReadableStore, policy: LogPolicy | None) -> None:
        self._store = store
        self._policy = policy
        self._missing: set[str] = set()  # keys that the store does not have

    @property
    def policy(self) -> LogPolicy | None:
        """The keys that must have signed the log."""
        return self._policy

    def note(self) -> bytes:
        """Return the published checkpoint, the whole note. Raises FileNotFoundError."""
        return self._read(log_state.CHECKPOINT, note.MAX_BYTES + 1)

    def checkpoint(self) -> SignedCheckpoint:
        """
        Return the published checkpoint, verified if there is a policy.

        Raises:
            FileNotFoundError: The store has no log.
            EvidenceInvalid: It is not a checkpoint, or not of that log.
        """
        data = self.note()
        if self._policy is not None:
            return self._policy.open(data)
        parsed = note.parse(data)
        return SignedCheckpoint(checkpoint=note.parse_checkpoint(parsed.text), note=parsed)

    def tree(self, size: int) -> TileTree:
        """Return the tree of the first entries, unverified."""
        return TileTree(size, self.fetch)

    def fetch(self, path: str) -> bytes:
        """Return a file of the log by its path. Raises FileNotFoundError."""
        return self._read(log_state.key(path), tiles.MAX_FILE)

    def _read(self, key: str, limit: int) -> bytes:
        try:
            with self._store.open(key) as stream:
                return stream.read(limit)
        except FileNotFoundError:
            self._missing.add(key)
            raise
        except NotAnObject as error:
            self._missing.add(key)
            raise FileNotFoundError(errno.ENOENT, error.message, key) from error

    def take_missing(self) -> frozenset[str]:
        """Return the keys that were found missing since the last call."""
        missing, self._missing = frozenset(self._missing), set()
        return missing

    def is_listed(self, keys: Iterable[str]) -> bool:
        """Return whether a listing shows any of these keys."""
        return any(found.key == key for key in keys for found in self._store.list(key))

    def entries(self, begin: int, end: int) -> Iterator[LogEntry]:
        """Yield the entries of a range, one file in memory. Raises EvidenceInvalid."""
        for index, data in enumerate(self.tree(end).entries(begin, end), start=begin):
            yield LogEntry(index=index, leaf=_leaf(data), data=data)

    def find(self, kind: str, name: str, signed: SignedCheckpoint) -> LogEntry | None:
        """Return the first entry of that kind and name, or None."""
        for entry in self.entries(0, signed.size):
            if entry.leaf and (entry.leaf.kind, entry.leaf.name) == (kind, name):
                return entry
        return None

    def prove(self, entry: LogEntry, signed: SignedCheckpoint) -> bytes:
        """
        Return the proof (C2SP tlog-proof) that an entry is in a tree.

        Raises:
            EvidenceInvalid: The tiles do not lead from it to the root.
        """
        hashes = merkle.inclusion_proof(entry.index, signed.size, self.tree(signed.size).node)
        leaf_hash = merkle.leaf_hash(entry.data)
        merkle.check_inclusion(leaf_hash, entry.index, signed.size, hashes, signed.root)
        return TlogProof(index=entry.index, hashes=hashes, checkpoint=signed.note.encode()).encode()


def check_log(
    reader: LogReader,
    *,
    pause: Callable[[], None],
    seen: Sequence[tuple[str, bytes]] = (),
    step: LogProgress = lambda _, __: None,
) -> Iterator[Finding]:
    """
    Yield the findings about a log: its head, its witnesses, its files and its earlier checkpoints.

    Every file is computed again from the entries; memory does not grow with the log.

    A missing file is FAILED if it is still missing after a pause and no listing shows it. A file
    that cannot be read is INDETERMINATE.

    Args:
        pause: Waits until writes to a store are visible everywhere.
        seen: Earlier checkpoints of this log, each with a name.

    Raises:
        FileNotFoundError: The store has no log, and no earlier checkpoint is known.
        ServiceUnavailable: The store does not answer.
    """
    try:
        try:
            signed = reader.checkpoint()
        except FileNotFoundError:
            if not seen:
                raise
            pause()
            signed = reader.checkpoint()
    except EvidenceInvalid as error:
        yield _found("checkpoint", Verdict.FAILED, str(error))
        return
    except ServiceUnavailable:
        raise
    except (SnapshotterError, OSError) as error:
        if isinstance(error, FileNotFoundError):
            if not seen:
                raise
            if reader.is_listed([log_state.CHECKPOINT]):
                words = tr("the store lists the checkpoint, but the checkpoint cannot be read")
                yield _found("checkpoint", Verdict.INDETERMINATE, words, Code.LOG)
                return
            gone = tr(
                "the log no longer exists in the store, but {seen} is a checkpoint of the log",
                seen=seen[0][0],
            )
            yield _found("checkpoint", Verdict.FAILED, gone)
            return
        yield _found(
            "checkpoint",
            Verdict.INDETERMINATE,
            tr("the checkpoint cannot be read: {error}", error=error),
            Code.LOG,
        )
        return
    if reader.policy is None:
        yield _found(
            "checkpoint",
            Verdict.INDETERMINATE,
            tr(
                "the signature of the checkpoint of {origin} was not checked, because no "
                "verifier key was given",
                origin=signed.checkpoint.origin,
            ),
            Code.KEY_UNKNOWN,
        )
    else:
        yield _found(
            "checkpoint",
            Verdict.PASSED,
            tr(
                "the checkpoint is signed by {name}; entries: {size}",
                name=reader.policy.key.name,
                size=signed.size,
            ),
        )
        yield from _witnesses(reader.policy, signed)
    roots = dict.fromkeys(size for size in (_size_of(data) for _, data in seen) if size is not None)
    strangers = 0
    problem = ""
    try:
        strangers = _rebuilt(reader, signed, roots, step, pause)
    except EvidenceInvalid as error:
        problem = str(error)
        yield _found("tree", Verdict.FAILED, problem)
    except ServiceUnavailable:
        raise
    except (SnapshotterError, OSError) as error:
        problem = tr("a file of the log cannot be read: {error}", error=error)
        yield _found("tree", Verdict.INDETERMINATE, problem, Code.LOG)
    else:
        yield _found(
            "tree",
            Verdict.PASSED,
            tr(
                "the content of every file of the log matches the entries of the log; entries: "
                "{size}",
                size=signed.size,
            ),
        )
    if strangers:
        yield _found(
            "leaves",
            Verdict.FAILED,
            tr("log entries that do not have the required form: {strangers}", strangers=strangers),
        )
    for name, data in seen:
        yield _continues(reader, signed, name, data, roots, readable=not problem)


def _witnesses(policy: LogPolicy, signed: SignedCheckpoint) -> Iterator[Finding]:
    names = ", ".join(cosignature.key.name for cosignature in signed.cosignatures) or "nobody"
    if not policy.is_met_by(signed):
        yield _found(
            "witnesses",
            Verdict.INDETERMINATE,
            tr(
                "witnesses that have seen the checkpoint: {count}, required: {quorum} ({names})",
                count=len(signed.cosignatures),
                quorum=policy.quorum,
                names=names,
            ),
            Code.LOG_MISSING,
        )
    elif policy.witnesses:
        yield _found(
            "witnesses",
            Verdict.PASSED,
            tr("the required witnesses have seen the checkpoint: {names}", names=names),
        )


def _rebuilt(
    reader: LogReader,
    signed: SignedCheckpoint,
    roots: dict[int, bytes | None],
    step: LogProgress,
    pause: Callable[[], None],
) -> int:
    """Rebuild the log; if files were missing, again after a pause. See `_rebuild`."""
    reader.take_missing()
    try:
        return _rebuild(reader, signed, roots, step)
    except EvidenceInvalid:
        if not reader.take_missing():
            raise
    pause()
    try:
        return _rebuild(reader, signed, roots, step)
    except EvidenceInvalid as error:
        if reader.is_listed(reader.take_missing()):
            raise EvidenceUnverifiable(
                tr(
                    "the store lists a file of the log, but the file could not be read: {error}",
                    error=error,
                )
            ) from error
        raise


def _rebuild(
    reader: LogReader, signed: SignedCheckpoint, roots: dict[int, bytes | None], step: LogProgress
) -> int:
    """
    Compute every file from the entries, and fill in the roots of the requested trees.

    Returns:
        How many entries are not valid leaves.

    Raises:
        EvidenceInvalid: A file or the root is missing or differs.
    """
    size, strangers = signed.size, 0
    frontier = merkle.Frontier()
    levels: list[list[bytes]] = [[]]
    if 0 in roots:
        roots[0] = merkle.EMPTY_ROOT
    for entry in reader.entries(0, size):
        strangers += entry.leaf is None
        leaf_hash = merkle.leaf_hash(entry.data)
        frontier.append(leaf_hash)
        if frontier.size in roots:
            roots[frontier.size] = frontier.root
        _push(reader, levels, leaf_hash, frontier.size)
        if frontier.size % _STEP == 0:
            step(frontier.size, size)
    for tile in tiles.right_edge(size):
        if tile.level != ENTRIES:
            _compare(reader, tile, levels[tile.level], size)
    if frontier.root != signed.root:
        raise EvidenceInvalid(
            tr("the root hash of the log entries differs from the signed root hash")
        )
    step(size, size)
    return strangers


def _push(reader: LogReader, levels: list[list[bytes]], value: bytes, size: int) -> None:
    """Add a hash to its level, and compare each tile that becomes whole."""
    for level in range(tiles.MAX_LEVEL):
        if level == len(levels):
            levels.append([])
        levels[level].append(value)
        if len(levels[level]) < WIDTH:
            return
        index = (size >> (tiles.HEIGHT * (level + 1))) - 1
        _compare(reader, Tile(level=level, index=index), levels[level], size)
        value = tiles.whole_subtree(levels[level])
        levels[level] = []


def _compare(reader: LogReader, tile: Tile, hashes: Sequence[bytes], size: int) -> None:
    # If a partial tile is missing, the reader uses the beginning of the whole tile.
    served = TileTree(size, reader.fetch).hashes(tile.level, tile.index)
    if served[: len(hashes)] != tuple(hashes):
        raise EvidenceInvalid(
            tr("the file {path} does not contain the hashes of the entries", path=tile.path)
        )


def _continues(
    reader: LogReader,
    signed: SignedCheckpoint,
    name: str,
    data: bytes,
    roots: dict[int, bytes | None],
    *,
    readable: bool,
) -> Finding:
    """Return the finding whether the log continues an earlier checkpoint."""
    try:
        known = note.parse_checkpoint(note.parse(data).text)
        if reader.policy is not None:
            known = reader.policy.open(data).checkpoint
    except EvidenceInvalid as error:
        return _found("history", Verdict.INDETERMINATE, f"{name}: {error}", Code.LOG)
    if known.origin != signed.checkpoint.origin:
        return _found(
            "history",
            Verdict.FAILED,
            tr("{name} belongs to another log, {origin}", name=name, origin=known.origin),
        )
    if known.size > signed.size:
        return _found(
            "history",
            Verdict.FAILED,
            tr(
                "{name} has {size} entries, but the log has {size2}: entries were removed "
                "from the log",
                name=name,
                size=known.size,
                size2=signed.size,
            ),
        )
    if not readable:
        return _found(
            "history",
            Verdict.INDETERMINATE,
            tr(
                "{name} cannot be compared with the log, "
                "because the check of the log files did not pass",
                name=name,
            ),
            Code.LOG,
        )
    if roots.get(known.size) != known.root:
        return _found(
            "history",
            Verdict.FAILED,
            tr(
                "the first {size} entries of the log are not the {size} entries of {name}: the "
                "log has two histories",
                name=name,
                size=known.size,
            ),
        )
    return _found(
        "history",
        Verdict.PASSED,
        tr("the log contains all {size} entries of {name} unchanged", name=name, size=known.size),
    )


def _size_of(data: bytes) -> int | None:
    try:
        return note.parse_checkpoint(note.parse(data).text).size
    except EvidenceInvalid:
        return None


def _leaf(data: bytes) -> Leaf | None:
    try:
        return leaves.parse(data)
    except EvidenceInvalid:
        return None


def _found(check: str, verdict: Verdict, detail: str, code: Code | None = None) -> Finding:
    given = code or (Code.OK if verdict is Verdict.PASSED else Code.LOG)
    return Finding(check=check, verdict=verdict, code=given, detail=detail)
