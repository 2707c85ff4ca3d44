"""
Erase a bundle by order, and leave a signed tombstone that shows the erasure.

    (1) check that no hold and no retention keeps any version of any of its objects
    (2) store the signed tombstone
    (3) append its leaf to the log
    (4) check again for holds
    (5) delete every object of the bundle, in every version; tombstone and custody chain stay
    (6) add the event to the custody chain
    (7) delete what this machine has of the bundle: salts, reminders, files that were not stored

A crash after (2) leaves an unfinished erasure: the tombstone is visible to every reader,
nothing restores the bundle, and the same command completes the erasure.
"""

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path

from snapshotter.app.archive import bundles
from snapshotter.app.upkeep import holds
from snapshotter.app.upkeep.object_copy import object_sha256
from snapshotter.app.upkeep.tombstones import Tombstones
from snapshotter.errors import PolicyRefused, SnapshotterError
from snapshotter.formats.bundle import custody_sidecars, store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.leaf import TOMBSTONE, Leaf
from snapshotter.formats.statements import tombstone
from snapshotter.formats.statements.tombstone import Tombstone
from snapshotter.model.custody import DELETION, POLICY_ASSIGNMENT
from snapshotter.ports import Clock, ReadableStore, RetentionStore, Signer
from snapshotter.store import custodial_store
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ErasureService:
    """The store, keys and tombstones that an erasure needs."""

    store: CustodialStore
    signer: Signer
    tombstones: Tombstones
    clock: Clock
    by: str
    # Adds a leaf to the log if it is not there; None where the store has no log.
    log: Callable[[Leaf], object] | None
    # Where this machine has something of a bundle besides.
    private: Callable[[str], Iterable[Path]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erased:
    """The result of an erasure."""

    tombstone: Tombstone
    objects: int  # that were removed by this call
    versions: int  # of them, with delete markers
    logged: bool


def refuse_if_kept(service: ErasureService, bundle_id: str) -> None:
    """
    Return if a bundle may be erased.

    Raises:
        PolicyRefused: A version of one of its objects is under hold or retention.
        SnapshotterError: That cannot be established.
    """
    key = store_keys.bundle_key(bundle_id)
    found = holds.read(service.store, bundle_id, service.tombstones.is_trusted)
    if found.held:
        names = ", ".join(hold.name for hold in found.open) or found.problems[0]
        raise PolicyRefused(
            tr("{bundle_id} is under legal hold: {names}", bundle_id=bundle_id, names=names),
            hint=tr(
                "a bundle under legal hold cannot be erased before all its holds are lifted. "
                "List its holds:\n  snapshotter hold list {bundle_id}",
                bundle_id=bundle_id,
            ),
        )
    now = service.clock.now()
    for name in _keys_to_delete(service.store, key):
        for version in service.store.versions(name):
            if version.marker:
                continue
            with contextlib.suppress(FileNotFoundError):
                state = service.store.lock_state(name, version.version)
                if state.holds(now):
                    raise PolicyRefused(
                        tr("{name} is under {in_words}", name=name, in_words=state.in_words(now)),
                        hint=tr(
                            "objects under retention or legal hold cannot be erased. Wait "
                            "until the retention ends, or lift the hold"
                        ),
                    )


def check_erasable(service: ErasureService, bundle_id: str) -> None:
    """
    Return if a bundle exists, or its erasure was begun, and it may be erased.

    Raises what `refuse_if_kept` raises, and SnapshotterError: no such bundle.
    """
    _keys(bundle_id)
    if service.tombstones.of(service.store, bundle_id) is None:
        bundles.find_bundle_key(service.store, bundle_id)
    refuse_if_kept(service, bundle_id)


def erase(service: ErasureService, bundle_id: str, *, reason: str, order: str) -> Erased:
    """
    Erase a bundle, or continue an erasure that was begun.

    Raises:
        PolicyRefused: It is under hold or retention.
        ValueError: No reason or no order, or one that is too long.
        SnapshotterError: No such bundle, or the store refuses.
    """
    key, stone_key = _keys(bundle_id)
    stone = service.tombstones.of(service.store, bundle_id)
    refuse_if_kept(service, bundle_id)  # (1)
    if stone is None or not _is_there(service.store, stone_key):
        if stone is None:
            bundles.find_bundle_key(service.store, bundle_id)
        _put_tombstone(service, bundle_id, stone, reason=reason, order=order)  # (2)
        stone = service.tombstones.of(service.store, bundle_id)
        if stone is None:
            raise SnapshotterError(
                tr("{stone_key} was written, but cannot be read", stone_key=stone_key)
            )
    with service.store.open(stone_key) as stream:
        sha256 = digest_bytes(stream.read()).sha256
    if service.log is not None:  # (3)
        service.log(Leaf(kind=TOMBSTONE, name=bundle_id, sha256=sha256))
    try:
        refuse_if_kept(service, bundle_id)  # (4)
    except PolicyRefused as error:
        raise PolicyRefused(
            tr(
                "{value}. The retention or hold was set after the erasure began. Nothing was "
                "deleted",
                value=error.message,
            ),
            hint=tr(
                "to continue the erasure, give the same command again later. {hint}",
                hint=error.hint,
            ),
        ) from error
    objects = versions = 0
    for name in _keys_to_delete(service.store, key):  # (5)
        count = service.store.remove(name, now=service.clock.now())
        objects, versions = objects + (count > 0), versions + count
    if versions or not _is_told(service.store, bundle_id):  # (6)
        service.store.note(bundle_id, DELETION, detail=f"{objects} objects, {versions} versions")
    for file in service.private(bundle_id):  # (7)
        file.unlink(missing_ok=True)
    return Erased(
        tombstone=stone, objects=objects, versions=versions, logged=service.log is not None
    )


def _keys(bundle_id: str) -> tuple[str, str]:
    try:
        key = store_keys.bundle_key(bundle_id)
    except ValueError as error:
        raise SnapshotterError(
            tr("{bundle_id} is not the id of a bundle", bundle_id=bundle_id)
        ) from error
    return key, store_keys.sidecar_key(key, tombstone.KIND)


def _put_tombstone(
    service: ErasureService, bundle_id: str, known: Tombstone | None, *, reason: str, order: str
) -> None:
    key, stone_key = _keys(bundle_id)
    sha256, length = "", 0
    with contextlib.suppress(FileNotFoundError):
        sha256, length = object_sha256(service.store, key), service.store.head(key).length
    chain = custodial_store.read_chain(service.store, bundle_id)
    made = Tombstone(
        bundle_id=bundle_id,
        sha256=sha256,
        length=length,
        # Of an erasure that this machine knows of and the store forgot: as it was ordered.
        reason=known.reason if known else reason,
        order=known.order if known else order,
        by=service.by,
        at=service.clock.now(),
        custody_head=chain.head.previous if chain.events else "",
    )
    data = tombstone.encode(made, service.signer)
    # Another process that carries out the same order may have been quicker.
    with contextlib.suppress(FileExistsError):
        service.store.put_for_event(
            POLICY_ASSIGNMENT, "an erasure was ordered", stone_key, data, digest_bytes(data).sha256
        )


def _keys_to_delete(store: RetentionStore, key: str) -> list[str]:
    """Return the keys to delete, the bundle last; not the tombstone, its proofs or the chain."""
    found = [name for name in store.remains(key) if name == key or name.startswith(f"{key}.")]
    kinds = {name: name.removeprefix(key).removeprefix(".") for name in found}
    gone = [name for name, kind in kinds.items() if not _stays(kind)]
    return sorted(gone, key=lambda name: (name == key, name))


def _stays(kind: str) -> bool:
    if kind == tombstone.KIND or kind.startswith(f"{tombstone.KIND}."):
        return True
    return custody_sidecars.number_of(kind) is not None


def _is_there(store: ReadableStore, key: str) -> bool:
    try:
        store.head(key)
    except FileNotFoundError:
        return False
    return True


def _is_told(store: ReadableStore, bundle_id: str) -> bool:
    return any(
        link.event.event == DELETION for link in custodial_store.read_chain(store, bundle_id).events
    )
