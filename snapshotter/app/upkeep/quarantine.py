"""
Put captures into quarantine, and release them.

    quarantine   store the signed notice ─ remove its pages on this machine ─ log its digest
                 ─ add an annotation
    release      the same, with a notice that ends the quarantine

The notice hides the capture at once. A crash between two steps leaves the capture hidden, or
released, and the same command completes the work. The evidence is never changed.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from snapshotter.app.archive import annotations, bundles, quarantined
from snapshotter.app.archive.annotations import AnnotationService
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.app.upkeep.object_copy import object_sha256
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.proofs.leaf import QUARANTINE as QUARANTINE_LEAF
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.formats.statements import quarantine
from snapshotter.formats.statements.quarantine import QUARANTINE, RELEASE, Quarantine
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import AnnotationKind, NewAnnotation
from snapshotter.model.custody import POLICY_ASSIGNMENT
from snapshotter.ports import Clock, Signer
from snapshotter.store.custodial_store import CustodialStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TRIES = 20  # each is lost to somebody who wrote another notice of the same bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineService:
    """What putting into quarantine needs."""

    store: CustodialStore
    signer: Signer  # of the notices
    is_trusted: IsTrusted
    annotations: AnnotationService
    log: Callable[[Sequence[Leaf]], object] | None  # None: the store has no log
    clock: Clock
    by: str
    pages: Callable[[str], Iterable[Path]]  # the pages of a capture on this machine


@dataclass(frozen=True, slots=True, kw_only=True)
class QuarantineChange:
    """The result for one capture."""

    bundle_id: str
    changed: bool  # False: it was so already
    logged: bool


def put_into_quarantine(
    service: QuarantineService, bundle_id: str, *, reason: str
) -> QuarantineChange:
    """
    Put a capture into quarantine.

    Raises:
        SnapshotterError: No such capture, or the store is a replica.
        ValueError: The reason is empty or too long.
    """
    return _change(service, bundle_id, QUARANTINE, reason)


def release(service: QuarantineService, bundle_id: str, *, reason: str) -> QuarantineChange:
    """Release a capture from quarantine. Raises as `put_into_quarantine` does."""
    return _change(service, bundle_id, RELEASE, reason)


def _change(
    service: QuarantineService, bundle_id: str, action: str, reason: str
) -> QuarantineChange:
    if not reason.strip():
        raise ValueError(tr("the reason is missing: give --reason"))
    annotations.require_source(service.store)  # before the notice is stored
    key = bundles.find_bundle_key(service.store, bundle_id)
    begins = action == QUARANTINE
    changed = False
    for _ in range(_TRIES):
        before = quarantined.read_quarantine(service.store, bundle_id, service.is_trusted)
        if before.active is not None if begins else not before.is_hidden:
            break
        if changed:
            raise SnapshotterError(
                tr(
                    "the quarantine of {bundle_id} was not ended, because the trust file calls the "
                    "signing key compromised",
                    bundle_id=bundle_id,
                ),
                hint=tr("give the same command with another signing key"),
            )
        changed = _put(service, key, before, action, reason)
    else:
        raise ServiceUnavailable(
            tr("other processes keep changing the quarantine of {bundle_id}", bundle_id=bundle_id),
            hint=tr("give the same command again"),
        )
    for page in service.pages(bundle_id) if begins else ():
        page.unlink(missing_ok=True)
    if service.log is not None and before.notices:
        # The entry is found if it is in the log already.
        digest = before.notices[-1].notice_sha256
        service.log([Leaf(kind=QUARANTINE_LEAF, name=bundle_id, sha256=digest)])
    _annotate(service, bundle_id, begins=begins, reason=reason)
    return QuarantineChange(bundle_id=bundle_id, changed=changed, logged=service.log is not None)


def _put(
    service: QuarantineService, key: str, before: Quarantine, action: str, reason: str
) -> bool:
    """Write the next notice; return whether its number was still free."""
    bundle_id = store_keys.parse_bundle_key(key).bundle_id
    data = quarantine.encode(
        quarantine.QuarantineAction(
            action=action,
            sha256=object_sha256(service.store, key),
            reason=reason,
            by=service.by,
            at=service.clock.now(),
        ),
        bundle_id=bundle_id,
        after=before,
        signer=service.signer,
    )
    detail = "put into quarantine" if action == QUARANTINE else "released from quarantine"
    notice = store_keys.sidecar_key(key, quarantine.kind(before.sequence + 1))
    try:
        service.store.put_for_event(
            POLICY_ASSIGNMENT, detail, notice, data, digest_bytes(data).sha256
        )
    except FileExistsError:
        return False
    return True


def _annotate(service: QuarantineService, bundle_id: str, *, begins: bool, reason: str) -> None:
    def decide(state: AnnotationState) -> NewAnnotation | None:
        if (state.capture(bundle_id).quarantine is not None) is begins:
            return None
        kind = AnnotationKind.QUARANTINED if begins else AnnotationKind.RELEASED
        return NewAnnotation(kind=kind, bundles=(bundle_id,))

    annotations.append(service.annotations, decide, text=reason)
