"""
Show for which pages a take-down is not concluded yet, and what is missing for it.

The captures in the index are judged by the same rules as a conclusion. Nothing is verified, signed
or recorded: a conclusion verifies each bundle before an event is recorded (`events.derive`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from snapshotter.app.archive.lookup.index_service import ArchiveView, IndexService
from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.screens.capture_list import cards_of
from snapshotter.app.archive.screens.latest_value import LatestValue
from snapshotter.app.takedown.events import describe_missing
from snapshotter.assess.takedown_events import PagePresence, capture_order_key, conclude
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_WAIT_S: Final = 1.0  # for an outlook that is being made
_LONG_HOURS: Final = 24  # of an interval, from which on it is called long
_MOST_PAGES: Final = 200  # that are judged for one list

Confirm = Callable[[str], ConfirmRules]  # the rules for an address, by its policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PageOutlook:
    """One page that a capture shows as removed, and for which an event is not recorded."""

    identity: str
    url: str
    is_ready: bool  # an event can be concluded now
    missing: tuple[str, ...]  # phrases: what an event still needs
    last_seen: Observation | None
    first_gone: Observation | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """The pages for which a take-down is possible, those that are ready first."""

    pages: tuple[PageOutlook, ...]
    left: int  # pages with a removal that were not judged, because there are too many


class TakedownOutlook:
    """
    The outlook of one store. It is made again only when the index has other captures or events.

    Used from several threads.
    """

    def __init__(self, index: IndexService, confirm: Confirm) -> None:
        self._index, self._confirm = index, confirm
        self._is_trusted: Callable[[str], bool] = lambda key_id: False
        self._latest = LatestValue(self._made, "take-downs")

    def latest(self, view: ArchiveView, is_trusted: Callable[[str], bool]) -> Outlook | None:
        """
        Return the outlook; the one before while a new one is made; None while the first is made.

        Args:
            is_trusted: Whether an event that a key signed counts.

        Raises:
            SnapshotterError: The index cannot be used, or a policy is invalid.
        """
        self._is_trusted = is_trusted
        return self._latest.latest(store_version(view, is_trusted), wait_s=_WAIT_S)

    def is_current(self, view: ArchiveView, is_trusted: Callable[[str], bool]) -> bool:
        """Whether the outlook is of the captures and events that the index has."""
        return self._latest.is_of(store_version(view, is_trusted))

    def _made(self, before: Outlook | None) -> Outlook:
        with self._index.reading() as view:
            return _made(view, self._confirm, self._is_trusted)


def store_version(view: ArchiveView, is_trusted: Callable[[str], bool]) -> tuple[object, ...]:
    """Return a value that differs when the captures, events or quarantines of a store differ."""
    index = view.source.index
    newest = cards_of(view, None, limit=1).cards
    return (
        index.count(),
        newest[0].bundle_id if newest else "",
        tuple((stored.key, is_trusted(stored.key_id)) for stored in index.events()),
        view.state.quarantined,
    )


def _made(view: ArchiveView, confirm: Confirm, is_trusted: Callable[[str], bool]) -> Outlook:
    found = view.source.index.pages_in_doubt()
    pages = [
        page
        for identity in found[:_MOST_PAGES]
        if (page := _page(view, identity, confirm, is_trusted)) is not None
    ]
    pages.sort(key=lambda page: (not page.is_ready, page.identity))
    return Outlook(pages=tuple(pages), left=max(len(found) - _MOST_PAGES, 0))


def _page(
    view: ArchiveView, identity: str, confirm: Confirm, is_trusted: Callable[[str], bool]
) -> PageOutlook | None:
    """Return the outlook of a page; None if its events state all that its captures show."""
    captures = observations(view.source, identity=identity, sync=False)
    if not captures:
        return None
    before = _last_event(view, identity, is_trusted)
    found = conclude(
        identity,
        [*captures, *_controls(view, captures, before)],
        confirm(captures[-1].url),
        before=before,
    )
    hidden = _hidden(view, captures)
    is_ready = bool(found.events) and not hidden
    if not is_ready and found.standing is not PagePresence.DOUBTED and not found.events:
        return None
    missing = tuple(map(describe_missing, found.missing))
    if hidden:
        missing = (*missing, tr("captures that are in quarantine: {ids}", ids=", ".join(hidden)))
    return PageOutlook(
        identity=identity,
        url=captures[-1].url,
        is_ready=is_ready,
        missing=missing,
        last_seen=_shown(view, _end(found.events, earlier=True) or found.last_seen),
        first_gone=_shown(view, _end(found.events, earlier=False) or found.first_gone),
    )


def _last_event(
    view: ArchiveView, identity: str, is_trusted: Callable[[str], bool]
) -> Takedown | None:
    events = [
        stored.event
        for stored in view.source.index.events(identity=identity)
        if stored.event is not None
        and stored.event.kind is not TakedownKind.CHANGED
        and is_trusted(stored.key_id)
    ]
    return events[-1] if events else None


def _controls(
    view: ArchiveView, captures: Iterable[Observation], before: Takedown | None
) -> list[Observation]:
    """Return other pages of the host that were available after captures of a removal."""
    found: dict[str, Observation] = {}
    for capture in captures:
        if (before is not None and capture.at <= before.at) or capture.cause is None:
            continue
        control = view.source.index.control(capture, capture.identity)
        if control is not None:
            found[control.bundle_id] = control
    return sorted(found.values(), key=capture_order_key)


def _hidden(view: ArchiveView, captures: Sequence[Observation]) -> list[str]:
    ids = [capture.bundle_id for capture in captures]
    kinds = view.source.index.sidecar_kinds(ids)
    return [
        bundle_id for bundle_id in ids if view.is_quarantined(bundle_id, kinds.get(bundle_id, ()))
    ]


def _shown(view: ArchiveView, capture: Observation | None) -> Observation | None:
    return None if capture is None or _hidden(view, [capture]) else capture


def _end(events: Sequence[Takedown], *, earlier: bool) -> Observation | None:
    if not events:
        return None
    return events[0].last_seen if earlier else events[0].first_gone


def weak_ends(ends: Iterable[Observation]) -> Iterator[str]:
    """Yield what the two captures of an event lack themselves, as sentences."""
    captures = tuple(ends)
    if any(capture.proven_at is None for capture in captures):
        yield tr(
            "A timestamp token for each capture. Without a token, only the clock of the "
            "capturing machine states when a capture was made."
        )
    if any(capture.light for capture in captures):
        yield tr("A full capture. A light check has no whole picture of the page.")


def improvements(event: Takedown) -> tuple[str, ...]:
    """Return what would make the proof of an event stronger, as sentences."""
    found = [*weak_ends(event.ends)]
    if event.kind is TakedownKind.CHANGED:
        if not event.confirmations:
            found.append(tr("A later capture that shows the same change."))
        if not event.controls:
            found.append(
                tr(
                    "A control: a capture of another page of the host that is available between "
                    "the change and the capture that confirms it."
                )
            )
        return tuple(found)
    if not event.vantages:
        found.append(
            tr(
                "A capture with the same result from another vantage. It would show that the "
                "removal is not limited to this way through the network."
            )
        )
    if not event.controls:
        found.append(
            tr(
                "A control: a capture of another page of the host that is available between the "
                "captures of the removal."
            )
        )
    begin, end = event.bracket
    hours = (end - begin).total_seconds() / 3600
    if hours > _LONG_HOURS:
        found.append(
            tr(
                "More frequent captures. The interval of this event is {hours} hours long. A "
                "schedule makes the next interval shorter.",
                hours=round(hours),
            )
        )
    return tuple(found)
