"""
List the captures that need a review by a person, worst first.

The reasons are read from the captures (unverified, as the catalog has them) and from the captures
of the same page before. An accepted or rejected capture does not need a review any more; one
that needs work stays in the list.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from enum import IntEnum
from typing import Final

from snapshotter.app.archive.observations import ObservationSource, observations, read_annotations
from snapshotter.app.archive.quarantined import FindHidden, none_hidden
from snapshotter.assess.possible_removals import PossibleRemoval, possible_removals
from snapshotter.model.annotation_state import AnnotationState, CaptureState, Decision
from snapshotter.model.annotations import ReviewDecision
from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.model.takedown import Observation
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


class ReviewReason(IntEnum):
    """Why a capture needs a review; the lowest is the worst. `--json` prints the names."""

    POSSIBLE_REMOVAL = 1
    REMOVED = 2
    UNKNOWN_NOTICE = 3
    FAILED = 4
    WALL = 5
    PARTIAL = 6
    UNDECIDED = 7
    CHANGED = 8
    NEEDS_WORK = 9

    @property
    def code(self) -> str:
        """The name in JSON."""
        return self.name.lower().replace("_", "-")


# In words; `REMOVED` is described by what the capture shows.
REASON_WORDS: Final[Mapping[ReviewReason, str]] = {
    ReviewReason.POSSIBLE_REMOVAL: tr("possible removal"),
    ReviewReason.UNKNOWN_NOTICE: tr("a notice that no take-down rule matches"),
    ReviewReason.FAILED: tr("no page, or an error"),
    ReviewReason.WALL: tr("a wall or a log-in page"),
    ReviewReason.PARTIAL: tr("missing content, or no main text"),
    ReviewReason.UNDECIDED: tr("no take-down rule matches the page"),
    ReviewReason.CHANGED: tr("the text changed"),
    ReviewReason.NEEDS_WORK: tr("needs work"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewItem:
    """A capture in the list."""

    observation: Observation
    reasons: tuple[ReviewReason, ...]  # the worst first
    decision: Decision | None  # the newest one
    removal: PossibleRemoval | None  # None: the capture is no possible removal


def with_decision(item: ReviewItem, capture: CaptureState) -> ReviewItem:
    """Return an item of a list without decisions, with the newest decision about its capture."""
    decision, reasons = capture.review, item.reasons
    if decision is not None and decision.name == ReviewDecision.NEEDS_WORK:
        reasons = (*reasons, ReviewReason.NEEDS_WORK)
    return replace(item, decision=decision, reasons=reasons)


def items_to_review(
    source: ObservationSource, *, decided: bool = False, hidden: FindHidden = none_hidden
) -> tuple[ReviewItem, ...]:
    """
    Return the captures of a store that need a review, after bringing the catalog up to date.

    Args:
        decided: Also return captures that were accepted or rejected.
        hidden: Finds captures in quarantine by their notices.

    Raises:
        ServiceUnavailable: The store did not answer.
    """
    seen = observations(source)
    return review_list(
        seen,
        read_annotations(source),
        decided=decided,
        hidden=hidden(observation.bundle_id for observation in seen),
    )


def possible_removals_of(
    source: ObservationSource,
    urls: Iterable[str],
    *,
    hidden: FindHidden = none_hidden,
    sync: bool = True,
) -> dict[str, PossibleRemoval]:
    """
    Return the possible removals among the captures of some pages, by the id of the bundle.

    Args:
        urls: Addresses of the pages; captures under other addresses of a page are included.
        hidden: Finds captures in quarantine by their notices.
        sync: Bring the index up to date before.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The index cannot be used.
    """
    if sync:
        source.sync()
    found: dict[str, PossibleRemoval] = {}
    for identity in sorted({source.identity(url) for url in urls}):
        seen = observations(source, identity=identity, sync=False)
        in_quarantine = hidden(observation.bundle_id for observation in seen)
        found |= possible_removals(seen, hidden=in_quarantine)
    return found


def review_list(
    seen: Iterable[Observation],
    state: AnnotationState,
    *,
    decided: bool = False,
    hidden: Iterable[str] = (),
) -> tuple[ReviewItem, ...]:
    """
    Return the captures that need a review, the most urgent first, and of equal ones the newest.

    Args:
        seen: All captures of the store.
        decided: Also return captures that were accepted or rejected.
        hidden: The ids of captures that are in quarantine by their notices.
    """
    items = []
    given = tuple(seen)
    in_quarantine = state.quarantined.union(hidden)
    suspected = possible_removals(given, hidden=in_quarantine)
    before: dict[tuple[str, str, bool], Observation] = {}
    ordered = sorted(given, key=lambda found: (found.at, found.began_at, found.bundle_id))
    for observation in ordered:
        # A full capture scrolls and expands text, so its text differs from that of a light check.
        page = (observation.identity, observation.vantage, observation.light)
        removal = suspected.get(observation.bundle_id)
        reasons = _reasons(observation, before.get(page))
        if removal is not None:
            reasons = [reason for reason in reasons if reason is not ReviewReason.CHANGED]
            reasons.append(ReviewReason.POSSIBLE_REMOVAL)
        if observation.main_sha256 and observation.availability is Availability.AVAILABLE:
            before[page] = observation
        if observation.bundle_id in in_quarantine:
            continue
        capture = state.capture(observation.bundle_id)
        decision = capture.review
        if decision is not None and decision.name == ReviewDecision.NEEDS_WORK:
            reasons.append(ReviewReason.NEEDS_WORK)
        elif decision is not None and not decided:
            continue
        if reasons:
            items.append(
                ReviewItem(
                    observation=observation,
                    reasons=tuple(sorted(reasons)),
                    decision=decision,
                    removal=removal,
                )
            )
    items.reverse()
    return tuple(sorted(items, key=lambda item: item.reasons[0]))


def _reasons(observation: Observation, before: Observation | None) -> list[ReviewReason]:
    reasons = []
    if observation.availability is Availability.UNAVAILABLE:
        reasons.append(ReviewReason.REMOVED)
    if observation.undecided is Undecided.UNKNOWN_NOTICE:
        reasons.append(ReviewReason.UNKNOWN_NOTICE)
    if observation.content is Content.ERROR and observation.availability is (
        Availability.INCONCLUSIVE
    ):
        reasons.append(ReviewReason.FAILED)
    if observation.content is Content.WALL:
        reasons.append(ReviewReason.WALL)
    if observation.content in (Content.PARTIAL, Content.SHELL, Content.BLANK):
        reasons.append(ReviewReason.PARTIAL)
    if observation.undecided is Undecided.UNKNOWN and not reasons:
        reasons.append(ReviewReason.UNDECIDED)
    if (
        before is not None
        and observation.main_sha256
        and observation.main_sha256 != before.main_sha256
        and observation.availability is Availability.AVAILABLE
    ):
        reasons.append(ReviewReason.CHANGED)
    return reasons
