"""
Find which custody events that a replica carries from its original store are authentic.

The custody chain of a bundle continues separately in the store and in its replica
(docs/spec/custody.md, "Replicas"). A replica has the events of the original under `custody/`, and
the log, which is the original's, names their heads. No statement has to be trusted: each event
contains the digest of the one before, so the events from the replica's own chain to a logged head
are authentic. The first carried event has to follow an event of the replica's own chain after which
that chain records a copy (`replication` or `recovery`). Otherwise events of a store could be hidden
by moving them to the place for events of another store.
"""

import contextlib
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import islice

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.bundle.custody_sidecars import ChainedEvent
from snapshotter.model.custody import RECOVERY, REPLICATION, Receipt
from snapshotter.ports import ReadableStore
from snapshotter.verify.audit.object_reader import ObjectAbsent, read, unreadable_error

_MOST = 5_000  # sidecars of one bundle that are read
_COPYING = frozenset({REPLICATION, RECOVERY})  # what a copy's own chain begins with

# By the head of each event that is carried: the receipt in it, if there is one.
ReplicaReceipts = Mapping[str, Receipt | None]


def copy_heads(events: Sequence[ChainedEvent], first: str = "") -> frozenset[str]:
    """
    Return the heads after which a chain continues with the copy of its bundle here.

    Args:
        first: The predecessor that the first event names, if that event is not here.
    """
    heads = (first, *(link.head for link in events))
    return frozenset(
        before
        for before, link in zip(heads, events, strict=False)
        if before and link.event.event in _COPYING
    )


def replica_events(
    store: ReadableStore, bundle_id: str, own: Collection[str], known: Collection[str]
) -> ReplicaReceipts:
    """
    Return the events of all carried chains that continue from a known head.

    Args:
        own: Heads of the bundle's own chain, inside and beside the bundle.
        known: Those from which a carried chain may continue: `copy_heads`.

    Raises:
        ObjectUnreadable: A carried event cannot be read.
        ServiceUnavailable: The store does not answer.
    """
    places: dict[str, list[tuple[int, str]]] = defaultdict(list)
    try:
        listed = [
            stored.key for stored in islice(store.list(store_keys.carried_prefix(bundle_id)), _MOST)
        ]
    except (SnapshotterError, OSError) as error:
        raise unreadable_error(store, error) from error
    for key in listed:
        with contextlib.suppress(ValueError):  # not of ours
            _, place, kind = store_keys.parse_carried_key(key)
            number = custody_sidecars.number_of(kind)
            if number is not None:
                places[place].append((number, key))
    result: dict[str, Receipt | None] = {}
    for numbered in places.values():
        result |= _events(store, [key for _, key in sorted(numbered)], own, known)
    return result


def _events(
    store: ReadableStore, keys: list[str], own: Collection[str], known: Collection[str]
) -> ReplicaReceipts:
    """Return the events of one chain up to its first invalid link."""
    parts: list[bytes] = []
    try:
        for key in keys:
            parts.append(read(store, key, custody_sidecars.MAX_BYTES))
    except ObjectAbsent:
        pass  # gone since the listing, which is asked for again: what came before it is there
    found: dict[str, Receipt | None] = {}
    before = known
    for data in parts:
        try:
            follows = custody_sidecars.first_previous(data) in before
        except EvidenceInvalid:
            return found
        chain = custody_sidecars.check(None, [(1, data)])
        last = chain.events[-1].head if chain.events else ""
        if last in own:
            continue  # the two are one chain until here
        if not follows or chain.problems:
            return found
        found |= {link.head: link.event.receipt for link in chain.events}
        before = (last,)  # from now on one behind the other
    return found
