"""
Compute the Merkle trees of a log, and make and check inclusion and consistency proofs.

The hashes are those of RFC 6962 section 2.1, with SHA-256. A tree over n entries is identified by
n and its root. An inclusion proof shows that an entry is in a tree; a consistency proof shows that
a later tree extends it. Making a proof needs only the hashes of whole subtrees. The caller
supplies them (`formats/proofs/tiles.py` reads them from tiles), so no tree is held in memory.
Checking a proof needs only the proof.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence

from snapshotter.errors import EvidenceInvalid
from snapshotter.translation import tr

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
MAX_PROOF = 63  # hashes; a tree of 2^63 entries needs no more
MAX_SIZE = (1 << 53) - 1  # entries; beyond that a number is no integer in JSON

# The hash of the whole subtree over the entries [index << level, (index + 1) << level).
NodeReader = Callable[[int, int], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of a node with these two below it."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class Frontier:
    """
    A tree that grows by one leaf after another, in the memory of its right edge.

    Args:
        hashes: Of the whole subtrees that the first `size` entries fall into, the
            largest first; none for an empty tree.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        self._size = size
        self._hashes = list(hashes)
        if len(self._hashes) != size.bit_count():
            raise ValueError("a tree has one whole subtree for each bit of its size")

    @property
    def size(self) -> int:
        """How many leaves were taken."""
        return self._size

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self._hashes:
            return EMPTY_ROOT
        result = self._hashes[-1]
        for left in reversed(self._hashes[:-1]):
            result = node_hash(left, result)
        return result

    def append(self, leaf: bytes) -> None:
        """Take the hash of the next leaf."""
        complete = leaf
        rest = self._size
        while rest & 1:
            complete = node_hash(self._hashes.pop(), complete)
            rest >>= 1
        self._hashes.append(complete)
        self._size += 1


def root(leaf_hashes: Iterable[bytes]) -> bytes:
    """Return the root over leaves with these hashes."""
    tree = Frontier()
    for leaf in leaf_hashes:
        tree.append(leaf)
    return tree.root


def frontier(size: int, node: NodeReader) -> Frontier:
    """Return the right edge of the tree over the first `size` entries."""
    hashes, begin = [], 0
    for level in range(size.bit_length() - 1, -1, -1):
        if size >> level & 1:
            hashes.append(node(level, begin >> level))
            begin += 1 << level
    return Frontier(size, hashes)


def inclusion_proof(index: int, size: int, node: NodeReader) -> tuple[bytes, ...]:
    """
    Return the audit path for entry `index` of a tree of `size` entries (RFC 6962 §2.1.1).

    Raises:
        ValueError: There is no such entry.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} entries has no entry {index}")
    path, begin, end = [], 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(begin, middle, node))
            begin = middle
    return tuple(reversed(path))


def consistency_proof(old: int, new: int, node: NodeReader) -> tuple[bytes, ...]:
    """
    Return the proof that the tree of `new` entries extends that of `old` (RFC 6962 §2.1.2).

    It is empty for an empty tree, and for one and the same.

    Raises:
        ValueError: The old tree is the larger.
    """
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {new} entries does not extend a tree of {old} entries")
    if old in (0, new):
        return ()
    path, begin, end = [], 0, new
    old_is_whole = True  # so far every step went left: the old root is known to the reader
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_range_hash(middle, end, node))
            end = middle
        else:
            path.append(_range_hash(begin, middle, node))
            begin, old_is_whole = middle, False
    if not old_is_whole:
        path.append(_range_hash(begin, end, node))
    return tuple(reversed(path))


def check_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], tree_root: bytes
) -> None:
    """
    Return if the leaf of this hash is entry `index` of the tree (RFC 9162 §2.1.3.2).

    Raises:
        EvidenceInvalid: The proof does not show it.
    """
    if not 0 <= index < size <= MAX_SIZE:
        raise EvidenceInvalid(
            tr("a log of {size} entries has no entry {index}", size=size, index=index)
        )
    _check_hashes([leaf, tree_root, *proof])
    position, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise EvidenceInvalid(tr("the inclusion proof has too many hashes"))
        if position & 1 or position == last:
            result = node_hash(sibling, result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise EvidenceInvalid(tr("the inclusion proof has too few hashes"))
    if result != tree_root:
        raise EvidenceInvalid(
            tr("the inclusion proof results in another root hash than the checkpoint")
        )


def check_consistency(
    old: int, new: int, proof: Sequence[bytes], old_root: bytes, new_root: bytes
) -> None:
    """
    Return if the tree of `new` entries extends that of `old` (RFC 9162 §2.1.4.2).

    Every tree extends the empty one, and that takes no proof.

    Raises:
        EvidenceInvalid: The proof does not show it, or a root cannot be right.
    """
    if not 0 <= old <= new <= MAX_SIZE:
        raise EvidenceInvalid(
            tr("a log of {new} entries cannot extend a log of {old} entries", new=new, old=old)
        )
    _check_hashes([old_root, new_root, *proof])
    for size, tree_root in ((old, old_root), (new, new_root)):
        if size == 0 and tree_root != EMPTY_ROOT:
            raise EvidenceInvalid(tr("the stated root hash is not the root hash of an empty log"))
    if old in (0, new):
        if proof:
            raise EvidenceInvalid(
                tr(
                    "the consistency proof is not empty, although the old log is empty or both "
                    "logs have the same number of entries"
                )
            )
        if old == new and old_root != new_root:
            raise EvidenceInvalid(
                tr("two checkpoints with the same number of entries have different root hashes")
            )
        return
    # An old tree that is one whole subtree begins the proof itself, and is left out of it.
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        raise EvidenceInvalid(tr("the consistency proof has too few hashes"))
    position, last = old - 1, new - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old_result = new_result = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise EvidenceInvalid(tr("the consistency proof has too many hashes"))
        if position & 1 or position == last:
            old_result = node_hash(sibling, old_result)
            new_result = node_hash(sibling, new_result)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new_result = node_hash(new_result, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise EvidenceInvalid(tr("a consistency proof is too short"))
    if old_result != old_root:
        raise EvidenceInvalid(tr("the consistency proof does not match the old root hash"))
    if new_result != new_root:
        raise EvidenceInvalid(tr("the consistency proof does not match the new root hash"))


def _split(count: int) -> int:
    """Return the largest power of two below `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _range_hash(begin: int, end: int, node: NodeReader) -> bytes:
    """Return the hash over [begin, end), a range that splitting a tree has led to."""
    count = end - begin
    if count & (count - 1) == 0:
        level = count.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _split(count)
    return node_hash(_range_hash(begin, middle, node), _range_hash(middle, end, node))


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if len(hashes) > MAX_PROOF + 2 or any(len(digest) != HASH_BYTES for digest in hashes):
        raise EvidenceInvalid(
            tr("the proof has too many hashes, or contains a value that is not a hash")
        )
