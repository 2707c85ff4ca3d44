"""
Store a sealed bundle, and write reminders of the timestamp tokens that it is still owed.

`store_with_lease` does it while the lease of the capture allows it, in an order in which a crash
loses no reminder:

    (1) write the reminders; a reminder of a bundle that was never stored is harmless
    (2) store the bundle; if custody is kept, also the custody events of its signatures and tokens
"""

from pathlib import Path
from typing import Protocol

from snapshotter.app.upkeep import owed_tokens
from snapshotter.errors import ServiceUnavailable, StoreFull
from snapshotter.formats.bundle import names, store_keys
from snapshotter.model.bundle import Bundle, StoredObject, TokenState
from snapshotter.model.custody import INGESTION, SIGNATURE, CustodyEvent
from snapshotter.model.job import SealedResult
from snapshotter.model.request import Decision
from snapshotter.policy import retention
from snapshotter.ports import Clock, CustodyStore, Lease, ObjectStore


class StorageTarget(Protocol):
    """Where bundles are stored, and where reminders of owed tokens go."""

    @property
    def store(self) -> ObjectStore:
        """The store of bundles."""

    @property
    def custody(self) -> CustodyStore | None:
        """The same store, which writes custody events; None if no custody is kept."""

    @property
    def pending_dir(self) -> Path:
        """The folder of reminders of owed tokens."""


class UncontestedLease:
    """The lease of a capture that no other process makes (`ports.Lease`)."""

    def began(self, bundle_id: str) -> None:
        """Do nothing."""
        return

    def visited(self) -> None:
        """Do nothing."""
        return

    def may_store(self, sealed: SealedResult) -> None:
        """Allow it always."""
        return

    def wait(self, error: ServiceUnavailable | StoreFull) -> None:
        """Raise the error: a person decides whether to try again."""
        raise error

    def stored(self) -> None:
        """Do nothing."""
        return


def location(store: ObjectStore, key: str) -> str:
    """Return the place of an object, as a person would open it."""
    return f"{store.url.rstrip('/')}/{key}"


def store_with_lease(
    right: Lease,
    bundle: Bundle,
    decision: Decision,
    target: StorageTarget,
    clock: Clock,
    sealed: SealedResult,
) -> StoredObject:
    """
    Store a bundle while the lease allows it.

    Raises:
        JobSuperseded: Another process has the job now.
        ServiceUnavailable: The store did not answer, and the lease does not wait for it.
        StoreFull: The store has no room, and the lease does not wait for it.
        SnapshotterError: The store refused, or a reminder could not be written.
    """
    while True:
        right.may_store(sealed)
        try:
            stored = _store(bundle, decision, target, clock)
        except (ServiceUnavailable, StoreFull) as error:
            right.wait(error)
            continue
        right.stored()
        return stored


def _store(bundle: Bundle, decision: Decision, target: StorageTarget, clock: Clock) -> StoredObject:
    retain = retention.retention_for_decision(decision, clock.now())
    key = store_keys.bundle_key(bundle.id)
    for slot, signed in enumerate(bundle.signatures, start=1):
        from snapshotter.seal import sealer

        owing = sealer.owed_authorities(signed.tokens)
        if not owing:
            continue
        # Before the bundle: a reminder of a bundle that was never stored is harmless, a bundle
        # without a reminder would not get its token.
        owed_tokens.save_reminder(
            target.pending_dir,
            owed_tokens.PendingToken(
                bundle_id=bundle.id,
                store=target.store.url,
                key=key,
                signature=signed.signature,
                authorities=owing,
                slot=slot,
            ),
        )
    sha256 = bundle.digests.sha256
    if target.custody is None:
        return target.store.put_new(key, bundle.file, sha256, retention=retain)
    before = _seal_events(bundle, target.custody)
    return target.custody.put_for_event(
        INGESTION, "", key, bundle.file, sha256, retention=retain, before=before
    )


def _seal_events(bundle: Bundle, store: CustodyStore) -> tuple[CustodyEvent, ...]:
    """Return the custody events after the chain in the bundle was closed: signatures and tokens."""
    events: list[CustodyEvent] = []
    for slot, signed in enumerate(bundle.signatures, start=1):
        events.append(
            store.event(
                SIGNATURE, names.signature(slot), f"by key {signed.key_id}", at=bundle.sealed_at
            )
        )
        granted = [result for result in signed.tokens if result.state is TokenState.GRANTED]
        events += [
            store.event(
                SIGNATURE,
                names.token(slot, number),
                f"timestamp by {token.authority}",
                at=token.time,
            )
            for number, token in enumerate(granted, start=1)
        ]
    return tuple(events)
