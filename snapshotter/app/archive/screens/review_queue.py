"""
Keep the list of captures that need a review ready for screens.

What a capture shows does not change, so only the pages of new captures are judged again. The list
has ids and reasons only; decisions and quarantine are applied for each request, and what is shown
of a capture is read when it is shown.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from snapshotter.app.archive.lookup.index_service import ArchiveView, IndexService
from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.organising.review_list import (
    ReviewItem,
    ReviewReason,
    review_list,
    with_decision,
)
from snapshotter.app.archive.screens.capture_list import cards_of
from snapshotter.app.archive.screens.latest_value import LatestValue
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.annotations import ReviewDecision
from snapshotter.model.takedown import Observation
from snapshotter.value_class import dataclass

_NOBODY: Final = AnnotationState()
_WAIT_S: Final = 0.5  # for a list that is being made
_NEW: Final = 500  # more new captures than this: the whole list is made again
_REST_S: Final = 0.0005  # between two pages, for the threads that answer requests

_Entry = tuple[str, tuple[ReviewReason, ...]]  # id of a capture, and why it needs a review


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEntry:
    """A capture in the list."""

    bundle_id: str
    reasons: tuple[ReviewReason, ...]  # the worst first


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What the captures of an index show, without decisions."""

    count: int  # captures of the index
    newest: str  # the id of the newest one
    pages: dict[str, tuple[_Entry, ...]]  # by identity
    ordered: tuple[_Entry, ...]  # the worst first, and of equal ones the newest


class ReviewQueue:
    """The captures of one store that need a review. Used from several threads."""

    def __init__(self, index: IndexService) -> None:
        self._index = index
        self._list = LatestValue(self._made, "review-list")

    def entries(
        self, view: ArchiveView, *, decided: bool = False
    ) -> tuple[ReviewEntry, ...] | None:
        """
        Return the captures that need a review, the most urgent first, and of equal ones the newest.

        Captures of the last seconds can be missing.

        Args:
            decided: Include captures that were accepted or rejected.

        Returns:
            None while the list is made for the first time.

        Raises:
            SnapshotterError: The index cannot be used.
        """
        known = self._list.latest(_version(view), wait_s=_WAIT_S)
        if known is None:
            return None
        settled, unfinished = _decisions(view.state.annotations)
        if decided:
            settled = set()
        hidden = view.state.quarantined
        found = [
            ReviewEntry(
                bundle_id=bundle_id,
                reasons=(*reasons, ReviewReason.NEEDS_WORK) if bundle_id in unfinished else reasons,
            )
            for bundle_id, reasons in known.ordered
            if bundle_id not in settled and bundle_id not in hidden
        ]
        # That only a person found wanting; it is the mildest reason.
        listed = {bundle_id for bundle_id, _ in known.ordered}
        found += [
            ReviewEntry(bundle_id=bundle_id, reasons=(ReviewReason.NEEDS_WORK,))
            for bundle_id in sorted(unfinished, reverse=True)
            if bundle_id not in listed and bundle_id not in hidden
        ]
        return tuple(found)

    def count(self, view: ArchiveView) -> int | None:
        """
        Return how many captures need a review, without waiting; None if that is not known yet.

        Raises:
            SnapshotterError: The index cannot be used.
        """
        known = self._list.latest(_version(view), wait_s=0.0)
        if known is None:
            return None
        settled, unfinished = _decisions(view.state.annotations)
        # Those that only a person found wanting are not in the list of what captures show.
        wanted = {bundle_id for bundle_id, _ in known.ordered} - settled
        return len((wanted | set(unfinished)) - view.state.quarantined)

    def is_current(self, view: ArchiveView) -> bool:
        """Whether the list is of the captures that the index has."""
        return self._list.is_of(_version(view))

    def _made(self, before: _Known | None) -> _Known:
        with self._index.reading() as view:
            new = _new_ids(view, before) if before is not None else None
            if before is None or new is None:
                return _judged(view, {}, view.source.index.identities())
            identities = {
                row.observation.identity
                for bundle_id in new
                if (row := view.source.index.row(bundle_id)) is not None
                and row.observation is not None
            }
            return _judged(view, before.pages, sorted(identities))


def _decisions(state: AnnotationState) -> tuple[set[str], list[str]]:
    """Return the captures that were accepted or rejected, and those that need work."""
    settled, unfinished = set[str](), list[str]()
    for bundle_id, capture in state.captures.items():
        if capture.review is None:
            continue
        if capture.review.name == ReviewDecision.NEEDS_WORK:
            unfinished.append(bundle_id)
        else:
            settled.add(bundle_id)
    return settled, unfinished


def observation_of(view: ArchiveView, entry: ReviewEntry) -> Observation | None:
    """Return what a capture of the list shows; None if the index lost it."""
    row = view.source.index.row(entry.bundle_id)
    return row.observation if row is not None else None


def item_of(view: ArchiveView, entry: ReviewEntry) -> ReviewItem | None:
    """
    Return a capture of the list with its decision, and with the capture before a removal.

    Returns:
        None if the index lost the capture, or if it is in quarantine by a notice beside it.
    """
    observation = observation_of(view, entry)
    if observation is None or _is_hidden(view, entry.bundle_id):
        return None
    capture = view.state.annotations.capture(entry.bundle_id)
    seen = observations(view.source, identity=observation.identity, sync=False)
    for item in review_list(seen, _NOBODY):
        if item.observation.bundle_id != entry.bundle_id:
            continue
        removal = item.removal
        if removal is not None and _is_hidden(view, removal.last_seen.bundle_id):
            removal = replace(removal, is_hidden=True)
        return with_decision(replace(item, removal=removal), capture)
    return ReviewItem(
        observation=observation, reasons=entry.reasons, decision=capture.review, removal=None
    )


def _is_hidden(view: ArchiveView, bundle_id: str) -> bool:
    kinds = view.source.index.sidecar_kinds([bundle_id]).get(bundle_id, ())
    return view.is_quarantined(bundle_id, kinds)


def _version(view: ArchiveView) -> tuple[int, str]:
    newest = cards_of(view, None, limit=1).cards
    return view.source.index.count(), newest[0].bundle_id if newest else ""


def _new_ids(view: ArchiveView, before: _Known) -> list[str] | None:
    """Return the ids of captures that came since; None if others changed, or there are many."""
    new: list[str] = []
    cursor = ""
    while len(new) <= _NEW:
        found = cards_of(view, None, limit=50, before=cursor)
        fresh = [card.bundle_id for card in found.cards if card.bundle_id > before.newest]
        new += fresh
        cursor = found.next
        if len(fresh) < len(found.cards) or not cursor:
            break
    # A capture that is older than the newest one, or one that is gone.
    return new if view.source.index.count() == before.count + len(new) else None


def _judged(
    view: ArchiveView, pages: dict[str, tuple[_Entry, ...]], identities: Sequence[str]
) -> _Known:
    """Return what is known after these pages are judged again."""
    count, newest = _version(view)
    judged = dict(pages)
    for identity in identities:
        seen = observations(view.source, identity=identity, sync=False)
        # One page can be known by several addresses, and is listed once.
        name = seen[-1].identity if seen else identity
        judged[name] = tuple(
            (item.observation.bundle_id, item.reasons) for item in review_list(seen, _NOBODY)
        )
        time.sleep(_REST_S)
    every = {entry[0]: entry for entries in judged.values() for entry in entries}
    newest_first = sorted(every.values(), key=lambda entry: entry[0], reverse=True)
    ordered = sorted(newest_first, key=lambda entry: entry[1][0])
    return _Known(count=count, newest=newest, pages=judged, ordered=tuple(ordered))
