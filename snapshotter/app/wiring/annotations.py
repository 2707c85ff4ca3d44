"""
Build what annotating a store needs: the annotation key, the author as the settings name the person,
and this machine's memory of the end of the chain.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from snapshotter.app import commitment_salts, private_files
from snapshotter.app.archive import annotations
from snapshotter.app.archive.annotations import AnnotationService, ChainEnd
from snapshotter.app.machine import RandomIds, SystemClock
from snapshotter.app.settings import Settings
from snapshotter.app.store_location import receipts_store_name, salts_dir
from snapshotter.app.wiring import keys as wiring_keys
from snapshotter.app.wiring import store as wiring_store
from snapshotter.errors import SnapshotterError
from snapshotter.formats import canonical_json
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
        remember=lambda end: remember_end(settings, end),
        known=lambda: _indexed(settings)[1],
        seen=lambda: seen_end(settings),
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
    if problems := (*chain.problems, *state.problems):
        show_message(
            tr(
                "WARNING: the annotations of this store are damaged or were changed, so that "
                "something may be hidden or wrong: {problem}. Check the annotations:\n  "
                "snapshotter case check",
                problem=problems[0],
            )
        )
    return state


def _indexed(settings: Settings) -> tuple[annotations.AnnotationChain, Mapping[str, bytes]]:
    """Return the chain, and the objects of the index after it was brought up to date."""
    from snapshotter.app.wiring import index as wiring_index

    store = wiring_store.store(settings)
    try:
        opened = wiring_index.index(settings)
    except SnapshotterError:  # the store has everything that an index has
        return annotations.read_chain(store), {}
    with opened as index:
        return annotations.read_indexed_chain(store, index), index.annotation_objects()


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


def seen_end(settings: Settings) -> ChainEnd | None:
    """
    Return the end of the chain that this machine saw last; None if it saw none.

    Raises:
        SnapshotterError: The file cannot be read.
    """
    file = _end_file(settings)
    try:
        value = json.loads(file.read_bytes())
        return ChainEnd(number=int(value["number"]), sha256=str(value["sha256"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SnapshotterError(
            tr("{file} cannot be read: {error}", file=file, error=error),
            hint=tr(
                "the file holds the last annotation that this machine saw. Restore the file from a "
                "backup, or remove it and check the annotations again:\n  snapshotter case check"
            ),
        ) from error


def remember_end(settings: Settings, end: ChainEnd) -> None:
    """Keep the end of the chain on this machine; never an earlier end than before."""
    seen = seen_end(settings)
    if seen is None or end.number > seen.number:
        data = canonical_json.dumps({"number": end.number, "sha256": end.sha256}) + b"\n"
        private_files.write_private(_end_file(settings), data)


def _end_file(settings: Settings) -> Path:
    return settings.data_dir / "annotations" / f"{receipts_store_name(settings)}.json"
