"""
Find what is around one capture in a store: captures of the same page, and pages with the same text.

The index answers as it is, and nothing is verified. Captures in quarantine are left out.
"""

from typing import Final

from snapshotter.app.archive.known_copies import known_copies
from snapshotter.app.archive.lookup.index_service import ArchiveView
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.app.archive.screens.address_history import neighbours
from snapshotter.assess.possible_removals import possible_removals
from snapshotter.model.copies import Copy
from snapshotter.model.takedown import Observation
from snapshotter.value_class import dataclass

_BEFORE: Final = 20  # captures that are looked at for the last one that shows the page
_AROUND: Final = 4  # captures that a strip shows on each side


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What is around a capture."""

    identity: str  # of its page; "" if the bundle does not name its page
    earlier: str  # id of the capture before; "" if there is none
    later: str
    strip: tuple[Observation, ...]  # the captures around it and itself, in the order of time
    # The last capture that showed the page, if this one is a possible removal.
    lost_since: Observation | None
    copies: tuple[Copy, ...]  # captures of other pages with nearly the same text


def surroundings(view: ArchiveView, bundle_id: str, *, is_trusted: IsTrusted) -> Surroundings:
    """
    Return what is around a capture.

    Args:
        is_trusted: Whether a key of this id may end a quarantine.

    Raises:
        SnapshotterError: The index cannot be used.
    """
    index = view.source.index
    beside = neighbours(view, bundle_id)
    before = [*reversed(_visible(view, bundle_id, later=False, limit=_BEFORE)), bundle_id]
    after = _visible(view, bundle_id, later=True, limit=_AROUND)
    rows = [index.row(other) for other in (*before, *after)]
    seen = [row.observation for row in rows if row is not None and row.observation is not None]
    earlier = [one for one in seen if one.bundle_id in before]
    removal = possible_removals(earlier).get(bundle_id)
    shown = {*before[-_AROUND - 1 :], *after}
    return Surroundings(
        identity=beside.identity,
        earlier=beside.earlier,
        later=beside.later,
        strip=tuple(one for one in seen if one.bundle_id in shown),
        lost_since=removal.last_seen if removal is not None else None,
        copies=known_copies(
            view.source.store,
            index,
            bundle_id,
            is_trusted=is_trusted,
            quarantined_ids=view.state.quarantined,
        ),
    )


def _visible(view: ArchiveView, bundle_id: str, *, later: bool, limit: int) -> list[str]:
    """Return the captures on one side, the nearest first."""
    found = view.source.index.beside(bundle_id, later=later, limit=limit)
    return [other for other, kinds in found if not view.is_quarantined(other, kinds)]
