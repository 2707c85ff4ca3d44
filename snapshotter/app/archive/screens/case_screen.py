"""
Show a case on a screen: its exhibits with what the index states, in the order of their numbers.

The store is not read and nothing is verified, so that a page of the console is made in milliseconds
(`case_view` reads each bundle, for documents). What is left out because of quarantine is named.
"""

from typing import Final

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.organising.case_export_plan import removed_numbers
from snapshotter.app.archive.screens.capture_list import MOST, CaptureCard, cards_of
from snapshotter.assess.takedown_events import captures_of_event
from snapshotter.index.query import Filter, Query
from snapshotter.model.annotation_state import CaseState, Decision
from snapshotter.model.takedown import Takedown
from snapshotter.value_class import dataclass

MOST_EXHIBITS: Final = 1_000  # that a screen shows; the documents about a case have all


@dataclass(frozen=True, slots=True, kw_only=True)
class ScreenExhibit:
    """One capture of a case."""

    number: int
    bundle_id: str
    card: CaptureCard | None  # None: the index does not have the capture


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenExhibit:
    """One capture of a case that is in quarantine."""

    number: int
    bundle_id: str
    decision: Decision | None  # None: only a notice beside the bundle states it


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseScreen:
    """A case as a screen shows it."""

    case: CaseState
    exhibits: tuple[ScreenExhibit, ...]  # by number, the first `MOST_EXHIBITS`
    left_out: tuple[HiddenExhibit, ...]
    more: int  # exhibits that are not shown
    removed: tuple[int, ...]  # numbers whose captures were removed from the case
    events: tuple[Takedown, ...]  # that rest on an exhibit, in the order of their intervals

    @property
    def by_time(self) -> tuple[ScreenExhibit, ...]:
        """The exhibits that the index has, in the order of their captures."""
        known = [
            (exhibit.card.at, exhibit.number, exhibit)
            for exhibit in self.exhibits
            if exhibit.card is not None
        ]
        return tuple(exhibit for _, _, exhibit in sorted(known, key=lambda found: found[:2]))


def case_screen(view: ArchiveView, name: str) -> CaseScreen:
    """
    Return a case as a screen shows it.

    Raises:
        SnapshotterError: The case does not exist, or the index cannot be used.
    """
    case = cases.find_case(view.state.annotations, name)
    numbered = sorted(case.captures.items(), key=lambda entry: entry[1])
    index = view.source.index
    kinds = index.sidecar_kinds([bundle_id for bundle_id, _ in numbered])
    hidden = {
        bundle_id
        for bundle_id, _ in numbered
        if view.is_quarantined(bundle_id, kinds.get(bundle_id, ()))
    }
    shown = [(bundle_id, number) for bundle_id, number in numbered if bundle_id not in hidden]
    cards = _cards(view, name, len(shown))
    ids = {bundle_id for bundle_id, _ in shown}
    events = [
        stored.event
        for stored in index.events()
        if stored.event is not None
        and any(capture.bundle_id in ids for capture in captures_of_event(stored.event))
    ]
    return CaseScreen(
        case=case,
        exhibits=tuple(
            ScreenExhibit(number=number, bundle_id=bundle_id, card=cards.get(bundle_id))
            for bundle_id, number in shown[:MOST_EXHIBITS]
        ),
        left_out=tuple(
            HiddenExhibit(
                number=number,
                bundle_id=bundle_id,
                decision=view.state.annotations.capture(bundle_id).quarantine,
            )
            for bundle_id, number in numbered
            if bundle_id in hidden
        ),
        more=max(len(shown) - MOST_EXHIBITS, 0),
        removed=removed_numbers(case),
        events=tuple(sorted(events, key=lambda event: event.bracket)),
    )


def _cards(view: ArchiveView, name: str, count: int) -> dict[str, CaptureCard]:
    """Return the captures of a case as the index has them, by id."""
    query = Query(root=Filter(name="case", value=name, position=0))
    cards: dict[str, CaptureCard] = {}
    before = ""
    while len(cards) < min(count, MOST_EXHIBITS):
        found = cards_of(view, query, limit=MOST, before=before)
        # The filter also finds the words of titles of other cases.
        cards |= {card.bundle_id: card for card in found.cards if name in card.cases}
        before = found.next
        if not before:
            break
    return cards
