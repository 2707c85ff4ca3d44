"""
Show which pages may have been removed although no rule matches, and what a proof still needs.

A person decides about such a page. What the two captures show differently can be proven: the event
of the change is derived from both bundles when a proof is made (`change_events.conclude`). Nothing
is verified, signed or recorded here.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from snapshotter.app.archive.lookup.index_service import ArchiveView, IndexService
from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.screens.latest_value import LatestValue
from snapshotter.app.takedown.outlook import store_version, weak_ends
from snapshotter.assess.change_events import USUAL, control_problem
from snapshotter.assess.possible_removals import PossibleRemoval, Suspicion, possible_removals
from snapshotter.assess.takedown_events import capture_order_key
from snapshotter.model.assessment import Availability
from snapshotter.model.takedown import Observation, Takedown, TakedownKind
from snapshotter.policy.page_identity import host_and_port
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_WAIT_S: Final = 1.0  # for a list that is being made
_CONTROLS: Final = 5  # captures in quarantine that are passed over in the search for a control
_MINUTES: Final = int(USUAL.after.total_seconds()) // 60

# What a capture shows in the place of the page.
SUSPICIONS: Final[Mapping[Suspicion, str]] = {
    Suspicion.FEW_WORDS: tr("A later capture shows a few other words in the place of the text."),
    Suspicion.UNKNOWN_NOTICE: tr(
        "A later capture shows a notice, and no take-down rule matches its words."
    ),
    Suspicion.NO_TEXT: tr("A later capture shows the layout of the page without its main text."),
}

IsTrusted = Callable[[str], bool]  # whether an event that a key signed counts


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspectedPage:
    """A page that captures of one vantage show, and then do not show any more."""

    identity: str
    url: str
    suspicion: Suspicion
    last_seen: Observation | None  # the last capture that shows the page; None: in quarantine
    first_without: Observation  # the first capture that does not show it
    later: tuple[Observation, ...]  # further captures that do not show it
    shown_again: Observation | None  # the first capture after them that shows it
    confirmation: Observation | None  # a later capture with the same main text as the first
    control: Observation | None  # another page of the host that was available in between
    event: Takedown | None  # the recorded change between these captures
    missing: tuple[str, ...]  # sentences: what a proof of the change needs, or would strengthen it

    @property
    def captures(self) -> tuple[Observation, ...]:
        """All captures that are named, in the order of time."""
        named = (self.last_seen, self.first_without, *self.later, self.confirmation, self.control)
        found = {capture.bundle_id: capture for capture in named if capture is not None}
        return tuple(sorted(found.values(), key=capture_order_key))


class SuspectedPages:
    """
    The suspected pages of one store, for a list. Used from several threads.

    The list is made again only when other captures are in doubt, or the store has other ones.
    """

    def __init__(self, index: IndexService) -> None:
        self._index = index
        self._wanted: tuple[tuple[str, ...], IsTrusted] = ((), lambda key_id: False)
        self._latest = LatestValue(self._made, "suspected-pages")

    def latest(
        self, view: ArchiveView, bundle_ids: Sequence[str], is_trusted: IsTrusted
    ) -> tuple[SuspectedPage, ...] | None:
        """
        Return the pages of captures, in their order; None while the first list is made.

        Args:
            bundle_ids: Of captures that are possible removals.

        Raises:
            SnapshotterError: The index cannot be used.
        """
        wanted = tuple(bundle_ids)
        self._wanted = wanted, is_trusted
        version = (wanted, store_version(view, is_trusted))
        found = self._latest.latest(version, wait_s=_WAIT_S)
        return None if found is None else _shown(view, found)

    def _made(self, before: tuple[SuspectedPage, ...] | None) -> tuple[SuspectedPage, ...]:
        wanted, is_trusted = self._wanted
        with self._index.reading() as view:
            rows = [view.source.index.row(bundle_id) for bundle_id in wanted]
            identities = dict.fromkeys(
                row.observation.identity
                for row in rows
                if row is not None and row.observation is not None
            )
            pages = (suspected_pages(view, identity, is_trusted) for identity in identities)
            return tuple(
                page
                for found in pages
                for page in found
                if not {capture.bundle_id for capture in page.captures}.isdisjoint(wanted)
            )


def suspected_page(
    view: ArchiveView, bundle_id: str, is_trusted: IsTrusted
) -> SuspectedPage | None:
    """Return the page of which a capture is a possible removal; None if the capture is none."""
    row = view.source.index.row(bundle_id)
    if row is None or row.observation is None:
        return None
    for page in suspected_pages(view, row.observation.identity, is_trusted):
        if bundle_id in {capture.bundle_id for capture in (page.first_without, *page.later)}:
            return page
    return None


def suspected_pages(view: ArchiveView, identity: str, is_trusted: IsTrusted) -> list[SuspectedPage]:
    """Return what captures of a page suspect, for each vantage the latest; [] for nothing."""
    seen = sorted(observations(view.source, identity=identity, sync=False), key=capture_order_key)
    hidden = _hidden(view, seen)
    runs: dict[str, list[PossibleRemoval]] = {}
    for removal in possible_removals(seen, hidden=hidden).values():
        run = runs.setdefault(removal.capture.vantage, [])
        if run and run[0].last_seen.bundle_id != removal.last_seen.bundle_id:
            run.clear()  # the page was shown in between
        run.append(removal)
    return [_page(view, seen, hidden, run, is_trusted) for run in runs.values()]


def _page(
    view: ArchiveView,
    seen: Sequence[Observation],
    hidden: Collection[str],
    run: Sequence[PossibleRemoval],
    is_trusted: IsTrusted,
) -> SuspectedPage:
    without = [removal.capture for removal in run]
    full = [capture for capture in without if not capture.light]
    first = (full or without)[0]  # a light check proves no change
    last_seen = _last_seen(seen, run[0], first)
    later = [
        capture for capture in without if capture_order_key(capture) > capture_order_key(first)
    ]
    confirmation = _confirmation(first, later)
    control = _control(view, first, confirmation)
    shown_again = next(
        (
            capture
            for capture in seen
            if capture_order_key(capture) > capture_order_key(without[-1])
            and _shows(capture, first.vantage)
            and capture.bundle_id not in hidden
        ),
        None,
    )
    is_shown = last_seen.bundle_id not in hidden
    return SuspectedPage(
        identity=first.identity,
        url=first.url,
        suspicion=run[0].suspicion,
        last_seen=last_seen if is_shown else None,
        first_without=first,
        later=tuple(later),
        shown_again=shown_again,
        confirmation=confirmation,
        control=control,
        event=_event(view, first.identity, without, is_trusted),
        missing=tuple(_missing(last_seen if is_shown else None, first, confirmation, control)),
    )


def _last_seen(
    seen: Iterable[Observation], removal: PossibleRemoval, first: Observation
) -> Observation:
    """Return the last full capture that shows the page; a light check if there is no other."""
    full = [
        capture
        for capture in seen
        if _shows(capture, first.vantage)
        and not capture.light
        and capture_order_key(capture) < capture_order_key(first)
    ]
    return full[-1] if full else removal.last_seen


def _shows(capture: Observation, vantage: str) -> bool:
    return (
        capture.vantage == vantage
        and capture.availability is Availability.AVAILABLE
        and not capture.ambiguous
    )


def _confirmation(first: Observation, later: Iterable[Observation]) -> Observation | None:
    """Return the capture that would confirm the change, one that is long enough after it first."""
    fitting = [
        capture
        for capture in later
        if not capture.light
        and capture.began_at >= first.at
        and capture.main_sha256 == first.main_sha256
    ]
    apart = (capture for capture in fitting if capture.at - first.at >= USUAL.after)
    return next(apart, None) or (fitting[-1] if fitting else None)


def _control(
    view: ArchiveView, first: Observation, confirmation: Observation | None
) -> Observation | None:
    """Return the control; without a confirmation, one that a later confirmation can use."""
    passed: list[str] = []
    for _ in range(_CONTROLS):
        found = view.source.index.control(first, first.identity, without=passed)
        if found is None or control_problem(found, first, confirmation or found):
            return None
        if not _hidden(view, [found]):
            return found
        passed.append(found.bundle_id)
    return None


def _event(
    view: ArchiveView, identity: str, without: Iterable[Observation], is_trusted: IsTrusted
) -> Takedown | None:
    """Return the newest recorded change that leads to one of these captures."""
    ids = {capture.bundle_id for capture in without}
    found = [
        stored.event
        for stored in view.source.index.events(identity=identity)
        if stored.event is not None
        and stored.event.kind is TakedownKind.CHANGED
        and stored.event.first_gone.bundle_id in ids
        and is_trusted(stored.key_id)
    ]
    return found[-1] if found else None


def _missing(
    last_seen: Observation | None,
    first: Observation,
    confirmation: Observation | None,
    control: Observation | None,
) -> Iterable[str]:
    host = host_and_port(first.url)
    if last_seen is None:
        yield tr(
            "The last capture that shows the page. It is in quarantine, and nothing can be proven "
            "with it until it is released."
        )
    yield from weak_ends(capture for capture in (last_seen, first) if capture is not None)
    if confirmation is None or confirmation.at - first.at < USUAL.after:
        yield tr(
            "A confirmation: a later capture that shows the same, made at least {minutes} minutes "
            "after the first capture without the page.",
            minutes=_MINUTES,
        )
    if control is None:
        yield tr(
            "A control: a capture of another page of {host} that is available, made between the "
            "first capture without the page and the confirmation.",
            host=host,
        )


def _hidden(view: ArchiveView, captures: Iterable[Observation]) -> set[str]:
    return set(view.hidden_reasons(capture.bundle_id for capture in captures))


def _shown(view: ArchiveView, pages: Iterable[SuspectedPage]) -> tuple[SuspectedPage, ...]:
    """Return pages of a list without captures that were put into quarantine since it was made."""
    given = tuple(pages)
    hidden = _hidden(view, [capture for page in given for capture in page.captures])
    if not hidden:
        return given

    def visible(capture: Observation | None) -> Observation | None:
        return None if capture is None or capture.bundle_id in hidden else capture

    return tuple(
        replace(
            page,
            last_seen=visible(page.last_seen),
            later=tuple(one for one in page.later if one.bundle_id not in hidden),
            confirmation=visible(page.confirmation),
            control=visible(page.control),
        )
        for page in given
        if page.first_without.bundle_id not in hidden
    )
