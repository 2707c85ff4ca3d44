"""Return the counts of a page in all its captures, and the thresholds that they crossed."""

from collections.abc import Callable, Mapping, Sequence

from snapshotter.app.archive.observations import ObservationSource, observations
from snapshotter.app.archive.quarantined import FindHidden, none_hidden
from snapshotter.assess.thresholds import CountReading, crossings, series
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.reading import Crossing
from snapshotter.model.request import Threshold
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

ThresholdsOf = Callable[[str], Sequence[Threshold]]  # of an address, by its policy


@dataclass(frozen=True, slots=True, kw_only=True)
class PageCounts:
    """The counts of one page."""

    identity: str
    url: str  # by which it was captured last; "" if it never was
    captures: int  # that show the page at all, without those in quarantine
    left_out: Mapping[str, str]  # why captures are in quarantine, by their ids
    readings: dict[str, tuple[CountReading, ...]]  # by unit, in the order of the captures
    crossings: tuple[Crossing, ...]


def page_counts(
    source: ObservationSource,
    wanted: str,
    thresholds_of: ThresholdsOf,
    *,
    hidden: FindHidden = none_hidden,
) -> PageCounts:
    """
    Return the counts of a page. Call `ObservationSource.sync` first.

    Captures in quarantine are left out, and named with their reasons.

    Args:
        wanted: An address, an identity as `--json` prints it, or the id of one of its bundles.

    Raises:
        SnapshotterError: `wanted` is none of these, or the store has no such capture.
    """
    identity = _identity(source, wanted)
    found = observations(source, identity=identity, sync=False)
    if not found:
        raise SnapshotterError(
            tr(
                "the store {url} has no capture of {wanted} with a verdict",
                url=source.store.url,
                wanted=wanted,
            ),
            hint=tr(
                "capture the page first, or list the captures of the store:\n  snapshotter "
                "list --json"
            ),
        )
    left_out = hidden([observation.bundle_id for observation in found])
    shown = [observation for observation in found if observation.bundle_id not in left_out]
    readings, url = series(shown), found[-1].url
    return PageCounts(
        identity=identity,
        url=url,
        captures=len(shown),
        left_out=left_out,
        readings=readings,
        crossings=crossings(readings, thresholds_of(url)),
    )


def _identity(source: ObservationSource, wanted: str) -> str:
    try:
        store_keys.bundle_time(wanted)
    except ValueError:
        return source.named_identity(wanted)
    row = source.index.row(wanted)
    if row is None or row.observation is None:
        raise SnapshotterError(
            tr(
                "the store {url} has no verdict for the bundle {wanted}",
                url=source.store.url,
                wanted=wanted,
            ),
            hint=tr("list the captures:\n  snapshotter list"),
        )
    return source.index.resolved(row.observation.identity)
