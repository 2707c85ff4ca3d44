"""
Build what annotating a store needs: the annotation key, and the author as the settings name the
person.
"""

from collections.abc import Callable, Mapping
from functools import cache

from snapshotter.app import commitment_salts
from snapshotter.app.archive import annotations
from snapshotter.app.archive.annotations import AnnotationService
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import salts_dir
from snapshotter.app.wiring import chain_end
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import SnapshotterError
from snapshotter.formats.statements import annotation
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import AnnotationAuthor
from snapshotter.model.capture import Disclosure
from snapshotter.ports import ShowMessage, Signer
from snapshotter.translation import tr


def annotation_service(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> AnnotationService:
    """Return what is needed to annotate captures of the configured store."""
    signers: list[Signer] = []

    def signer() -> Signer:
        if not signers:
            signers.append(
                wiring_keys.annotation_signer(settings, ask=ask, show_message=show_message)
            )
        return signers[0]

    return AnnotationService(
        store=wiring_store.store_for_evidence(settings, locked=False, show_message=show_message),
        signer=signer,
        author=author(settings),
        clock=SystemClock(),
        ids=RandomIds(),
        remember=lambda end: chain_end.remember_end(settings, end),
        known=lambda: _indexed(settings)[1],
        seen=lambda: chain_end.seen_end(settings),
    )


def read_state(settings: Settings, *, show_message: ShowMessage) -> AnnotationState:
    """
    Return the cases, tags, notes, marks and decisions of the configured store.

    Only objects that the index of the store does not have are read and checked.

    Args:
        show_message: Shows that records are missing, were replaced or contradict each other.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The store cannot be used.
    """
    chain, _ = _indexed(settings)
    state = chain.state()
    if problems := annotations.chain_problems(chain, state, seen=chain_end.seen_end(settings)):
        show_message(annotations.describe_problems(problems))
    return state


def read_quarantined(settings: Settings) -> frozenset[str]:
    """Return the ids of the captures that the annotations of the store put into quarantine."""
    return _indexed(settings)[0].state().quarantined


def _indexed(settings: Settings) -> tuple[annotations.AnnotationChain, Mapping[str, bytes]]:
    """Return the chain, and the objects of the index after it was brought up to date."""
    from snapshotter.app.wiring import index as wiring_index

    store = wiring_store.store(settings)
    try:
        with wiring_index.index(settings) as index:
            return annotations.read_indexed_chain(store, index), index.annotation_objects()
    except SnapshotterError:
        # The store has everything that an index has. An error of the store itself comes again.
        return annotations.read_chain(store), {}


def opener(
    settings: Settings, *, ask: Callable[[], bytes] | None, show_message: ShowMessage
) -> Callable[[], AnnotationService]:
    """Return a function that returns the service, which is built once, on first use."""
    return cache(lambda: annotation_service(settings, ask=ask, show_message=show_message))


def author(settings: Settings) -> AnnotationAuthor:
    """
    Return the author of this user's annotations.

    The operator is named, or a pseudonym with a commitment to the operator's name. The salt of the
    commitment is kept beside the salts of captures.

    Raises:
        SnapshotterError: The salt cannot be read or written.
    """
    if not settings.pseudonym:
        return AnnotationAuthor(name=settings.operator, role=settings.role)
    if not settings.operator:
        raise SnapshotterError(
            tr("the setting pseudonym needs the setting operator, which is not set"),
            hint=tr("set operator to the name of the person. Annotations do not contain this name"),
        )
    salt = RandomIds().random_bytes(annotation.SALT_BYTES)
    (kept,) = commitment_salts.write_salts_once(
        salts_dir(settings),
        f"pseudonym-{settings.pseudonym}",
        (
            Disclosure(
                commitment=annotation.author_commitment(settings.operator, salt),
                place="annotations",
                name="author",
                salt=salt.hex(),
            ),
        ),
    )
    # The salt of the first use stays. With another operator it opens another commitment.
    commitment = annotation.author_commitment(settings.operator, bytes.fromhex(kept.salt))
    return AnnotationAuthor(name=settings.pseudonym, commitment=commitment, role=settings.role)
