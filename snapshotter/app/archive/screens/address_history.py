"""
Tell the history of one page: its captures with verdicts, planned visits that were not made, and
take-down events, newest first.

All addresses of the page are included, as far as captures show them. Nothing is verified, and the
store is not read. A gap record names no address that others can read, so the gaps of a page are
those of the schedules that captured it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.screens.capture_list import CaptureCard, cards_of
from snapshotter.assess.possible_removals import PossibleRemoval, possible_removals
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.index.query import Filter, Query
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model import sentences
from snapshotter.model.assessment import Availability
from snapshotter.model.takedown import Observation, Takedown
from snapshotter.report.states import POSSIBLE_REMOVAL, StateLabel
from snapshotter.value_class import dataclass

MOST: Final = 200  # captures of one page of a history
_NEAREST: Final = 20  # captures beside one, of which the first that is not in quarantine is named


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryCapture:
    """One capture of the page."""

    at: datetime  # UTC: when the capture began
    card: CaptureCard
    verdict: StateLabel
    removal: PossibleRemoval | None  # None: the capture is no possible removal
    # Whether the main text differs from the last capture of the same kind that showed the page;
    # None: there is none, or one of the two did not show the page.
    is_changed: bool | None
    vantage: str  # the way through the network; "" if the bundle has no verdict
    is_light: bool  # a light check: no full picture
    earlier: str  # id of the capture before, to compare with; "" for the first


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryGap:
    """A time in which planned visits were not made, or in which somebody stopped them."""

    at: datetime  # when it began
    record: GapRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEvent:
    """A signed take-down event about the page or its account."""

    at: datetime  # the end of the capture by which it was concluded
    event: Takedown
    title: str  # a sentence
    key_id: str  # who signed it; trust in the key is not checked


@dataclass(frozen=True, slots=True, kw_only=True)
class AddressHistory:
    """The history of one page, or a part of it."""

    identity: str
    account: str  # identity of the account behind the page; "" if it is not known
    urls: tuple[str, ...]  # under which the captures of this part asked for the page
    title: str  # of the newest capture with a title
    captures: tuple[HistoryCapture, ...]  # newest first
    entries: tuple[HistoryCapture | HistoryGap | HistoryEvent, ...]  # all, newest first
    problems: tuple[str, ...]  # of events that cannot be read
    next: str  # the cursor of the part before this one; "" at the beginning of the history


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The captures of the same page around one capture."""

    identity: str  # "" if the bundle does not name its page
    earlier: str  # id; "" if there is none
    later: str


def address_history(
    view: ArchiveView, page: str, *, limit: int = MOST, before: str = ""
) -> AddressHistory:
    """
    Return the history of a page, or the part before a cursor.

    Args:
        page: An address of the page, or its identity.
        limit: Most captures to return, 1 to `MOST`.
        before: `AddressHistory.next` of the part after this one; "" for the newest part.

    Raises:
        SnapshotterError: `page` begins as an address and is none, or the index cannot be used.
    """
    index = view.source.index
    identity = view.source.named_identity(page)
    query = Query(root=Filter(name="identity", value=identity, position=0))
    # One more than shown, because the oldest one is compared with the one before it.
    found = cards_of(view, query, limit=limit, before=before)
    oldest = found.cards[-1] if found.cards else None
    older = cards_of(view, query, limit=1, before=oldest.bundle_id).cards if oldest else ()
    cards = (*found.cards, *older)
    seen = _observations(view, identity, cards)
    captures = _captures(cards, seen)[: len(found.cards)]
    account = next((one.account for one in reversed(seen) if one.account), "")
    stored = [
        *index.events(identity=identity),
        *(index.events(identity=account) if account else ()),
    ]
    begin = captures[-1].at if captures and found.next else None
    end = _end_of_part(view, before)
    other: list[HistoryCapture | HistoryGap | HistoryEvent] = [
        *captures,
        *_gaps(view, index.schedules_of(identity)),
        *_events(stored),
    ]
    return AddressHistory(
        identity=identity,
        account=account,
        urls=tuple(dict.fromkeys(card.url for card in found.cards)),
        title=next((card.title for card in found.cards if card.title), ""),
        captures=captures,
        entries=tuple(
            sorted(
                (
                    entry
                    for entry in other
                    if (begin is None or entry.at >= begin) and (end is None or entry.at < end)
                ),
                key=lambda entry: entry.at,
                reverse=True,
            )
        ),
        problems=tuple(found.problem for found in stored if found.problem),
        next=found.next,
    )


def neighbours(view: ArchiveView, bundle_id: str) -> Neighbours:
    """
    Return the captures of the same page before and after one; without those in quarantine.

    Raises:
        ValueError: It is no bundle's id.
        SnapshotterError: The index cannot be used.
    """
    index = view.source.index
    asked, stated = index.names(bundle_id)
    if not asked:
        return Neighbours(identity="", earlier="", later="")
    earlier, later = (
        next(
            (
                other
                for other, kinds in index.beside(bundle_id, later=is_later, limit=_NEAREST)
                if not view.is_quarantined(other, kinds)
            ),
            "",
        )
        for is_later in (False, True)
    )
    return Neighbours(identity=stated or index.resolved(asked), earlier=earlier, later=later)


def _end_of_part(view: ArchiveView, before: str) -> datetime | None:
    """Return when the part of a history ends: at the capture of its cursor; None: at no time."""
    row = view.source.index.row(before) if before else None
    return row.observation.began_at if row is not None and row.observation is not None else None


def _observations(
    view: ArchiveView, identity: str, cards: Sequence[CaptureCard]
) -> tuple[Observation, ...]:
    """Return the observations of these captures, in the order in which they ended."""
    if not cards:
        return ()
    wanted = {card.bundle_id for card in cards}
    rows = view.source.index.rows(identity=identity, since=min(card.at for card in cards))
    return tuple(
        row.observation for row in rows if row.bundle_id in wanted and row.observation is not None
    )


def _captures(
    cards: Sequence[CaptureCard], seen: Sequence[Observation]
) -> tuple[HistoryCapture, ...]:
    """Return the captures of cards, newest first, with what their observations say together."""
    suspected = possible_removals(seen)
    by_id = {observation.bundle_id: observation for observation in seen}
    changed = _changes(seen)
    return tuple(
        HistoryCapture(
            at=card.at,
            card=card,
            verdict=POSSIBLE_REMOVAL if card.bundle_id in suspected else card.page,
            removal=suspected.get(card.bundle_id),
            is_changed=changed.get(card.bundle_id),
            vantage=by_id[card.bundle_id].vantage if card.bundle_id in by_id else "",
            is_light=card.bundle_id in by_id and by_id[card.bundle_id].light,
            earlier=cards[number + 1].bundle_id if number + 1 < len(cards) else "",
        )
        for number, card in enumerate(cards)
    )


def _changes(seen: Sequence[Observation]) -> dict[str, bool]:
    """Return whether the main text changed, by id of each capture that has one to compare with."""
    changed: dict[str, bool] = {}
    before: dict[tuple[str, bool], str] = {}
    for this in seen:
        if this.availability is not Availability.AVAILABLE or not this.main_sha256:
            continue
        # A full capture scrolls and expands text, so its text differs from that of a light check.
        way = (this.vantage, this.light)
        if way in before:
            changed[this.bundle_id] = before[way] != this.main_sha256
        before[way] = this.main_sha256
    return changed


def _gaps(view: ArchiveView, schedules: frozenset[str]) -> list[HistoryGap]:
    return [
        HistoryGap(at=gap.since, record=gap) for gap in view.state.gaps if gap.schedule in schedules
    ]


def _events(stored: Sequence[StoredEvent]) -> list[HistoryEvent]:
    return [
        HistoryEvent(
            at=found.event.at,
            event=found.event,
            title=sentences.TITLES[found.event.kind],
            key_id=found.key_id,
        )
        for found in stored
        if found.event is not None
    ]
