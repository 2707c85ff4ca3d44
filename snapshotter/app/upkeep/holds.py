"""
Place, lift and list legal holds; a bundle can have several, each with its own name.

    place    store the signed record ─ set the store's flag on every object of the bundle
    lift     store the signed record ─ clear the flag if no hold is left ─ check again

A crash between two steps leaves the bundle held, and the same command completes the work:
placing an existing hold again adds no second one, and lifting a lifted hold again clears a
flag that no hold needs.
"""

from collections.abc import Callable, Iterator
from itertools import groupby

from snapshotter.app import store_records
from snapshotter.app.archive import bundles
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.signatures.signed_statement import MAX_BYTES
from snapshotter.formats.statements import holds
from snapshotter.formats.statements.holds import LIFT, PLACE, HoldAction, HoldRecord, Holds
from snapshotter.model.custody import POLICY_ASSIGNMENT
from snapshotter.ports import Clock, ReadableStore, Signer
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TRIES = 20  # each is lost to somebody who placed or lifted another hold

IsTrusted = Callable[[str], bool]  # whether a key of this id may lift a hold


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldService:
    """The store, key and trust that placing and lifting holds needs."""

    store: CustodialStore
    signer: Signer
    is_trusted: IsTrusted
    clock: Clock
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldChange:
    """The result of placing or lifting a hold."""

    bundle_id: str
    changed: bool  # False: it was so already
    holds: Holds
    enforced: bool  # the store itself refuses deletions; False: our own commands do


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldBundle:
    """One bundle that is held, or whose hold records are damaged."""

    bundle_id: str
    holds: Holds


def place(
    service: HoldService, bundle_id: str, *, name: str, matter: str, reason: str
) -> HoldChange:
    """
    Place a hold on a bundle.

    Raises:
        SnapshotterError: No such bundle, or another hold of that name is open.
        ValueError: An invalid name, or a text that is too long.
    """
    key = bundles.find_bundle_key(service.store, bundle_id)
    for _ in range(_TRIES):
        before = read(service.store, bundle_id, service.is_trusted)
        there = next((hold for hold in before.open if hold.name == name), None)
        if there is not None and (there.matter, there.reason) != (matter, reason):
            raise SnapshotterError(
                tr(
                    "{bundle_id} already has a legal hold with the name {name}, for {matter}",
                    bundle_id=bundle_id,
                    name=name,
                    matter=there.matter or "no matter",
                ),
                hint=tr("give the new hold another name. Holds are independent of each other"),
            )
        if there is not None or _put(service, key, before, PLACE, name, matter, reason):
            enforced = _set_flags(service.store, key, on=True)
            bundles.find_bundle_key(service.store, bundle_id)  # nobody erased it meanwhile
            return HoldChange(
                bundle_id=bundle_id,
                changed=there is None,
                holds=read(service.store, bundle_id, service.is_trusted),
                enforced=enforced,
            )
    raise _busy(bundle_id)


def lift(service: HoldService, bundle_id: str, *, name: str, reason: str) -> HoldChange:
    """
    Lift one hold of a bundle; the others stay.

    Raises:
        SnapshotterError: No such bundle, or it never had a hold of that name.
    """
    key = bundles.find_bundle_key(service.store, bundle_id)
    for _ in range(_TRIES):
        before = read(service.store, bundle_id, service.is_trusted)
        there = next((hold for hold in before.open if hold.name == name), None)
        if there is None and name not in {hold.name for hold in before.records}:
            names = ", ".join(hold.name for hold in before.open) or "none"
            raise SnapshotterError(
                tr(
                    "{bundle_id} has no legal hold with the name {name}",
                    bundle_id=bundle_id,
                    name=name,
                ),
                hint=tr("its holds: {names}", names=names),
            )
        matter = there.matter if there else ""
        if there is None or _put(service, key, before, LIFT, name, matter, reason):
            after, enforced = _release(service, bundle_id, key)
            return HoldChange(
                bundle_id=bundle_id, changed=there is not None, holds=after, enforced=enforced
            )
    raise _busy(bundle_id)


def read(store: ReadableStore, bundle_id: str, is_trusted: IsTrusted) -> Holds:
    """Return the holds of a bundle, from its hold records."""
    key = store_keys.bundle_key(bundle_id)
    records: list[tuple[int, bytes]] = []
    for found in store.list(f"{key}.hold-"):
        sequence = holds.sequence_of(found.key.removeprefix(f"{key}."))
        if sequence is not None:
            records.append((sequence, _record(store, found.key)))
    return holds.read(bundle_id, records, is_trusted)


def held_bundles(store: ReadableStore, is_trusted: IsTrusted) -> Iterator[HeldBundle]:
    """Yield all bundles of a store that are held, oldest first, from one listing."""

    def bundle_of(key: str) -> str:
        try:
            return store_keys.parse_bundle_key(key).bundle_id
        except ValueError:
            return ""

    keys = (found.key for found in store.list(f"{store_keys.BUNDLES}/"))
    for bundle_id, group in groupby(keys, key=bundle_of):
        if not bundle_id:
            continue
        kinds = [store_keys.parse_bundle_key(key).kind for key in group]
        if any(holds.sequence_of(kind) for kind in kinds):
            found = read(store, bundle_id, is_trusted)
            if found.held:
                yield HeldBundle(bundle_id=bundle_id, holds=found)


def is_hold_record(kind: str) -> bool:
    """Whether a sidecar of this kind is the record of a hold."""
    return holds.sequence_of(kind) is not None


def _record(store: ReadableStore, key: str) -> bytes:
    # A record that is gone since it was listed is no record, which counts as a hold.
    return store_records.read(store, key, limit=MAX_BYTES) or b""


def _put(
    service: HoldService, key: str, before: Holds, action: str, name: str, matter: str, reason: str
) -> bool:
    """Write the next record; return whether its number was still free."""
    data = holds.encode(
        HoldAction(
            action=action,
            name=name,
            matter=matter,
            reason=reason,
            by=service.by,
            at=service.clock.now(),
        ),
        bundle_id=store_keys.parse_bundle_key(key).bundle_id,
        after=before,
        signer=service.signer,
    )
    # Neither name nor matter: the custody chain outlives an erasure.
    detail = "a hold was placed" if action == PLACE else "a hold was lifted"
    record = store_keys.sidecar_key(key, holds.kind(before.sequence + 1))
    try:
        service.store.put_for_event(
            POLICY_ASSIGNMENT, detail, record, data, digest_bytes(data).sha256
        )
    except FileExistsError:
        return False
    return True


def _release(service: HoldService, bundle_id: str, key: str) -> tuple[Holds, bool]:
    """Clear the store's flag if no hold is left."""
    after = read(service.store, bundle_id, service.is_trusted)
    if after.held:
        return after, service.store.lock_state(key).enforced
    enforced = _set_flags(service.store, key, on=False)
    # Whoever placed a hold meanwhile wrote the record first and set the flag then; ours
    # may have taken it off again.
    after = read(service.store, bundle_id, service.is_trusted)
    if after.held:
        enforced = _set_flags(service.store, key, on=True)
    return after, enforced


def _set_flags(store: CustodialStore, key: str, *, on: bool) -> bool:
    """Set the store's flag on all objects of a bundle; return whether the store enforces it."""
    enforced = True
    for name in (key, *list_sidecars(store, key)):
        try:
            state = store.set_legal_hold(name, on)
        except FileNotFoundError:
            continue  # hidden by a delete marker, or gone: the record counts all the same
        enforced = enforced and state.enforced
    return enforced


def list_sidecars(store: ReadableStore, key: str) -> list[str]:
    """Return the keys of all sidecars of the bundle at `key`, in order."""
    return [found.key for found in store.list(f"{key}.")]


def describe_hold(record: HoldRecord) -> str:
    """Return a hold as a sentence for a person."""
    matter = f" for {record.matter}" if record.matter else ""
    return f"{record.name}{matter}, placed {record.at:%Y-%m-%d} by {record.by}: {record.reason}"


def _busy(bundle_id: str) -> ServiceUnavailable:
    return ServiceUnavailable(
        tr("other processes keep placing and lifting holds on {bundle_id}", bundle_id=bundle_id),
        hint=tr("give the same command again"),
    )
