"""What tests of the log share: writers with fixed keys, and a reader that believes nothing."""

import hashlib
import secrets
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from snapshotter.formats.proofs import leaf, log_state, merkle, note, tiles
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.proofs.note import COSIGNATURE_V1, ED25519, SignedCheckpoint, VerifierKey
from snapshotter.ports import CompareAndSwapStore
from snapshotter.seal.log_key import FileLogSigner
from snapshotter.seal.log_writer import LogWriter
from tests.bundles import RealClock

_LOG = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
_WITNESS = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
LOG_KEY = VerifierKey(
    name="log.example/tests", kind=ED25519, public_key=_LOG.public_key().public_bytes_raw()
)
WITNESS_KEY = VerifierKey(
    name="witness.example/w1",
    kind=COSIGNATURE_V1,
    public_key=_WITNESS.public_key().public_bytes_raw(),
)
LOG_SIGNER = FileLogSigner(_LOG, LOG_KEY)
WITNESS_SIGNER = FileLogSigner(_WITNESS, WITNESS_KEY)


class RandomIds:
    def bundle_id(self, at: datetime) -> str:
        raise NotImplementedError

    def random_bytes(self, count: int) -> bytes:
        return secrets.token_bytes(count)


def writer(store: CompareAndSwapStore, **more: object) -> LogWriter:
    """Return a writer with the fixed key."""
    return LogWriter(store, LOG_SIGNER, clock=RealClock(), ids=RandomIds(), **more)  # type: ignore[arg-type]


def some_leaf(name: object) -> Leaf:
    """Return a leaf that is told apart by its name."""
    return Leaf(kind="test", name=str(name), sha256=hashlib.sha256(str(name).encode()).hexdigest())


def read_whole(store: CompareAndSwapStore, key: VerifierKey = LOG_KEY) -> list[Leaf]:
    """
    Return all leaves of the published log, after working out every file of it again.

    Raises:
        AssertionError: Anything at all is not as it has to be.
    """
    signed = published(store, key)
    fetch = _fetch(store)
    tree = tiles.TileTree(signed.size, fetch)
    entries = list(tree.entries())
    leaves = [merkle.leaf_hash(entry) for entry in entries]
    assert merkle.root(leaves) == signed.root
    for tile in tiles.tiles_between(0, signed.size):
        begin = tile.index * tiles.WIDTH
        if tile.level == tiles.ENTRIES:
            expected = tiles.encode_entries(entries[begin : begin + tile.width])
        else:
            count = tiles.WIDTH**tile.level
            expected = b"".join(
                merkle.root(leaves[at * count : (at + 1) * count])
                for at in range(begin, begin + tile.width)
            )
        assert fetch(tile.path) == expected, tile.path
    return [leaf.parse(entry) for entry in entries]


def published(store: CompareAndSwapStore, key: VerifierKey = LOG_KEY) -> SignedCheckpoint:
    """Return the published checkpoint."""
    data = store.read(log_state.CHECKPOINT, log_state.MAX_LOCK).data
    return note.open_checkpoint(data, key, [WITNESS_KEY])


def _fetch(store: CompareAndSwapStore) -> tiles.Fetch:
    return lambda path: store.read(log_state.key(path), tiles.MAX_FILE).data
