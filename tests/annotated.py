"""Annotations as tests make them: a service on a store, and captures that need not exist."""

from snapshotter.app.archive.annotations import AnnotationService, ChainEnd
from snapshotter.model.annotations import AnnotationAuthor
from snapshotter.ports import ObjectStore, Signer
from tests.bundles import new_signer
from tests.fakes.world import FixedClock, SeededIds

ONE, TWO, THREE = (f"20261124t16064{number}z-k3v4q2m7xw4c5b6d" for number in range(3))


def service_on(
    store: ObjectStore,
    *,
    signer: Signer | None = None,
    name: str = "A. Example",
    seed: str = "0",
    ends: list[ChainEnd] | None = None,
) -> AnnotationService:
    """Return a service with a key of its own; `ends` gets what it remembers."""
    key = signer or new_signer()
    return AnnotationService(
        store=store,
        signer=lambda: key,
        author=AnnotationAuthor(name=name, role="reviewer"),
        clock=FixedClock(),
        ids=SeededIds(seed),
        remember=(ends if ends is not None else []).append,
    )
