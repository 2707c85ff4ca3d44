"""
Read and write what the writers of a log share in the store: its lock, and its staged batches.

    snapshotter-log-lock/1
    staging 12-5ce7…4639-9f3a60b1c2d4e5f6

    <the checkpoint of the newest committed tree, signed by the log>

A batch is committed when the lock names it, and finished when its files are in their places.
Between these two moments it is one object, and any writer can finish it from that object
(docs/spec/log.md, "Writing"). The mark of a log that is a copy (`log/mirror`) is written here too.
"""

import re
from collections.abc import Mapping

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import merkle, note, tiles
from snapshotter.formats.proofs.tiles import Tile
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

FOLDER = "log"
CHECKPOINT = f"{FOLDER}/checkpoint"
LOCK = f"{FOLDER}/lock"
STAGING = f"{FOLDER}/staging"
MIRROR = f"{FOLDER}/mirror"  # where a log is a copy: nobody writes to it

MAX_LOCK = note.MAX_BYTES + 256  # bytes
MAX_BATCH = 64 << 20  # bytes of a staged batch
MAX_SIGNATURES = 16  # that a published checkpoint keeps; every reader takes as many

_LOCK_FORMAT = "snapshotter-log-lock/1"
_MIRROR_FORMAT = "snapshotter-log-mirror/1"
_BATCH_FORMAT = "snapshotter-log-staging/1"
_NAME = re.compile(r"(0|[1-9][0-9]{0,15})-[0-9a-f]{64}-[0-9a-f]{16}")
_HEAD = re.compile(rb"([^ \n]{1,80}) (0|[1-9][0-9]{0,8})\n")
_FROM = re.compile(rb"from (0|[1-9][0-9]{0,15})\n")


def key(path: str) -> str:
    """Return where a file of the log lives in the store, by its path in the log."""
    return f"{FOLDER}/{path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """The newest committed state of a log. Raises ValueError for a name that no batch has."""

    staging: str  # the name of the batch below `log/staging/`
    checkpoint: bytes  # the signed note

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.staging):
            raise ValueError("not the name of a batch")

    @property
    def staging_key(self) -> str:
        """Where the batch is, or was."""
        return f"{STAGING}/{self.staging}"

    def encode(self) -> bytes:
        """Return the lock's bytes."""
        return f"{_LOCK_FORMAT}\nstaging {self.staging}\n\n".encode("ascii") + self.checkpoint


def parse_lock(data: bytes) -> Lock:
    """
    Return a lock; its checkpoint is not verified.

    Raises:
        EvidenceInvalid: Anything but what `Lock.encode` writes.
    """
    head, separator, checkpoint = data.partition(b"\n\n")
    lines = head.split(b"\n")
    if len(data) <= MAX_LOCK and separator and len(lines) == 2:
        try:
            name = lines[1].decode("ascii").removeprefix("staging ")
            lock = Lock(staging=name, checkpoint=checkpoint)
        except ValueError as error:
            raise EvidenceInvalid(
                tr("the file is not the lock file of a log: {error}", error=error)
            ) from error
        if lock.encode() == data:
            return lock
    raise EvidenceInvalid(tr("the file is not the lock file of a log"))


def encode_mirror(origin: str, source: str) -> bytes:
    """
    Return the mark of a log that is a copy of another store's.

    Args:
        origin: Of the log.
        source: The store that is copied, as receipts name it.
    """
    return f"{_MIRROR_FORMAT}\norigin {origin}\nsource {source}\n".encode()


def staging_name(size: int, root: bytes, nonce: bytes) -> str:
    """Return the name of a batch that leads to this tree; `nonce` has 8 random bytes."""
    return f"{size}-{root.hex()}-{nonce.hex()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """All new files of a tree, and how large the tree was before."""

    begin: int
    files: Mapping[Tile, bytes]

    def encode(self) -> bytes:
        """Return the batch as one object."""
        parts = [f"{_BATCH_FORMAT}\nfrom {self.begin}\n".encode("ascii")]
        for tile in sorted(self.files, key=_order):
            data = self.files[tile]
            parts += (f"{tile.path} {len(data)}\n".encode("ascii"), data)
        return b"".join(parts)


def parse_batch(data: bytes, size: int) -> Batch:
    """
    Return a batch that leads to a tree of `size` entries; its hashes are not compared.

    Raises:
        EvidenceInvalid: Anything but what `Batch.encode` writes, or for another tree.
    """
    start = f"{_BATCH_FORMAT}\n".encode("ascii")
    match = _FROM.match(data, len(start))
    if len(data) > MAX_BATCH or not data.startswith(start) or match is None:
        raise EvidenceInvalid(tr("the file is not a batch of log entries"))
    begin, at = int(match[1]), match.end()
    if not begin < size <= merkle.MAX_SIZE:
        raise EvidenceInvalid(
            tr("the batch of log entries belongs to a log with another number of entries")
        )
    files: dict[Tile, bytes] = {}
    for tile in tiles.tiles_between(begin, size):
        head = _HEAD.match(data, at)
        if head is None or head[1] != tile.path.encode("ascii"):
            raise EvidenceInvalid(
                tr("the batch of log entries does not contain the file {path}", path=tile.path)
            )
        at = head.end() + int(head[2])
        files[tile] = data[head.end() : at]
        if len(files[tile]) != int(head[2]):
            raise EvidenceInvalid(tr("the batch of log entries is cut off"))
    batch = Batch(begin=begin, files=files)
    if at != len(data) or batch.encode() != data:
        raise EvidenceInvalid(
            tr("the batch of log entries contains data that does not belong to a file of the batch")
        )
    return batch


def _order(tile: Tile) -> tuple[int, int]:
    return tile.level, tile.index
