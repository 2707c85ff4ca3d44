"""
Keep the list of captures that need a look ready for screens.

What a capture shows does not change, so the list is made again only when the index has other
captures. Decisions and quarantine are applied to it for each request.
"""

import threading
from typing import Final

from snapshotter.app.archive.capture_list import cards_of
from snapshotter.app.archive.index_service import ArchiveView
from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.review_list import (
    ReviewItem,
    ReviewReason,
    review_list,
    with_decision,
)
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import ReviewDecision

_NOBODY: Final = AnnotationState()


class ReviewQueue:
    """The captures of one store that need a look. Used from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[int, str] | None = None  # how many captures the index has; the newest
        self._items: tuple[ReviewItem, ...] = ()

    def items(self, view: ArchiveView, *, decided: bool = False) -> tuple[ReviewItem, ...]:
        """
        Return the captures that need a look, the worst first, and of equal ones the newest.

        Args:
            decided: Also captures that were accepted or rejected.

        Raises:
            SnapshotterError: The index cannot be used.
        """
        state, index = view.state.annotations, view.source.index
        known = self._all(view)
        items = [with_decision(item, state.capture(item.observation.bundle_id)) for item in known]
        items += self._of_people(view, {item.observation.bundle_id for item in known})
        wanted = [item for item in items if decided or not _is_settled(item)]
        kinds = index.sidecar_kinds([item.observation.bundle_id for item in wanted])
        shown = [
            item
            for item in wanted
            if not view.is_quarantined(
                item.observation.bundle_id, kinds.get(item.observation.bundle_id, ())
            )
        ]
        return tuple(sorted(shown, key=lambda item: item.reasons[0]))

    def _of_people(self, view: ArchiveView, known: set[str]) -> list[ReviewItem]:
        """Return the captures that only a person found to need work."""
        items = []
        for bundle_id, capture in view.state.annotations.captures.items():
            decision = capture.review
            if bundle_id in known or decision is None:
                continue
            if decision.name != ReviewDecision.NEEDS_WORK:
                continue
            row = view.source.index.row(bundle_id)
            if row is not None and row.observation is not None:
                items.append(
                    ReviewItem(
                        observation=row.observation,
                        reasons=(ReviewReason.NEEDS_WORK,),
                        decision=decision,
                        removal=None,
                    )
                )
        return items

    def _all(self, view: ArchiveView) -> tuple[ReviewItem, ...]:
        newest = cards_of(view, None, limit=1).cards
        known = (view.source.index.count(), newest[0].bundle_id if newest else "")
        with self._lock:
            if known != self._known:
                self._items = review_list(observations(view.source, sync=False), _NOBODY)
                self._known = known
            return self._items


def _is_settled(item: ReviewItem) -> bool:
    """Whether a person accepted or rejected the capture."""
    return item.decision is not None and item.decision.name != ReviewDecision.NEEDS_WORK
