"""
Custody of a bundle in the store that this one is a copy of (docs/spec/custody.md, "Replicas").

A bundle's chain goes on in the store and in its copy, apart from each other. A replica
carries what went on in the first one under `custody/`; the log, which is the first one's,
names heads of it. Nobody has to be believed: each event names the digest of the one before,
so what leads from the copy's own chain to a head that was logged is what was there.
"""

import contextlib
from collections import defaultdict
from collections.abc import Collection

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats import custody_sidecars, layout
from snapshotter.ports import ObjectStore
from snapshotter.verify.audit.asking import require_answer

_MOST = 5_000  # sidecars of one bundle that are read


def heads(store: ObjectStore, bundle_id: str, known: Collection[str]) -> frozenset[str]:
    """
    Return the heads of all chains carried here that go on from one that is known.

    Args:
        known: Heads of the bundle's own chain, inside it and beside it.

    Raises:
        ServiceUnavailable: The store does not answer.
    """
    places: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for count, found in enumerate(store.list(layout.carried_prefix(bundle_id))):
        with contextlib.suppress(ValueError):  # not of ours
            _, place, kind = layout.parse_carried_key(found.key)
            number = custody_sidecars.number_of(kind)
            if number is not None and count < _MOST:
                places[place].append((number, found.key))
    result: set[str] = set()
    for numbered in places.values():
        result |= _heads(store, [key for _, key in sorted(numbered)], known)
    return frozenset(result)


def _heads(store: ObjectStore, keys: list[str], known: Collection[str]) -> set[str]:
    """Return the heads of one chain, up to where it does not hold any more."""
    parts: list[bytes] = []
    try:
        for key in keys:
            with store.open(key) as stream:
                parts.append(stream.read(custody_sidecars.MAX_BYTES + 1))
    except FileNotFoundError:
        pass  # gone since the listing: what came before it is there
    except SnapshotterError as error:
        require_answer(store, error)
    found: set[str] = set()
    before: Collection[str] = known
    for data in parts:
        try:
            follows = custody_sidecars.first_previous(data) in before
        except EvidenceInvalid:
            return found
        chain = custody_sidecars.check(None, [(1, data)])
        if not follows or chain.problems:
            return found
        found |= {it.head for it in chain.events}
        before = (chain.events[-1].head,)  # from now on one behind the other
    return found
