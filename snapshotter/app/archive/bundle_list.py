"""Select bundles of a store for a list, the newest first, by what the bundles state."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from snapshotter.app.archive import quarantined
from snapshotter.app.archive.bundles import ListedBundle, list_bundles, listed_bundle
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.formats.bundle import store_keys
from snapshotter.model.assessment import Availability, Content
from snapshotter.model.takedown import Observation
from snapshotter.ports import ReadableStore
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive.observations import ObservationSource

# What a verdict can be selected by: the availability of a page, or what the page shows.
VERDICTS: Final = (
    *(availability.value for availability in Availability),
    *(content.value for content in Content),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFilter:
    """What the bundles of a list have in common; an empty field selects all."""

    since: date | None = None  # days in UTC; both are included
    until: date | None = None
    host: str = ""  # of the requested or the final address, perhaps with a port
    verdicts: frozenset[str] = frozenset()  # of `VERDICTS`: one of them fits

    def __post_init__(self) -> None:
        if unknown := self.verdicts - set(VERDICTS):
            raise ValueError(f"not a verdict: {', '.join(sorted(unknown))}")

    @property
    def is_empty(self) -> bool:
        """Whether all bundles are selected."""
        return self == BundleFilter()

    def fits(self, entry: ListedBundle) -> bool:
        """
        Return whether a bundle fits host and verdicts.

        A bundle that was erased or cannot be read fits neither.
        """
        if self.verdicts and (
            entry.shown is None
            or not self.verdicts & {entry.shown.availability.value, entry.shown.content.value}
        ):
            return False
        return not self.host or self.host.lower() in hosts(entry)


def select_observations(
    found: Sequence[Observation], wanted: BundleFilter
) -> tuple[Observation, ...]:
    """Return the captures of a page that fit, the newest first."""
    return tuple(
        observation
        for observation in reversed(found)
        if (wanted.since is None or observation.at.date() >= wanted.since)
        and (wanted.until is None or observation.at.date() <= wanted.until)
        and (
            not wanted.verdicts
            or wanted.verdicts & {observation.availability.value, observation.content.value}
        )
        and (not wanted.host or wanted.host.lower() in _hosts_of([observation.url]))
    )


def select(
    store: ReadableStore,
    wanted: BundleFilter,
    *,
    is_trusted: IsTrusted,
    left_out: Callable[[str], None],
) -> Iterator[ListedBundle]:
    """
    Yield the bundles of a store that fit, the newest first, reading each as it comes.

    Args:
        is_trusted: Whether a key of this id may end a quarantine.
        left_out: Called with the id of each bundle that is left out because of its quarantine.
    """
    for entry in list_bundles(store, since=wanted.since, until=wanted.until):
        if quarantined.is_hidden(store, entry.bundle_id, is_trusted, kinds=entry.kinds):
            left_out(entry.bundle_id)
        elif wanted.fits(entry):
            yield entry


def select_indexed(
    source: "ObservationSource",
    wanted: BundleFilter,
    *,
    now: datetime,
    is_trusted: IsTrusted,
    left_out: Callable[[str], None],
) -> Iterator[ListedBundle]:
    """
    Yield the same bundles as `select`, found by host and verdict in the index.

    Args:
        now: Bundles of days until then are looked for in the store.
        is_trusted, left_out: As for `select`.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The index cannot be used.
    """
    source.sync(until=now)
    for bundle_id in source.index.candidates(host=wanted.host, verdicts=wanted.verdicts):
        day = store_keys.bundle_time(bundle_id).date()
        if wanted.since is not None and day < wanted.since:
            return
        if wanted.until is not None and day > wanted.until:
            continue
        entry = listed_bundle(source.store, bundle_id)
        if entry is None or not wanted.fits(entry):
            continue
        if quarantined.is_hidden(source.store, bundle_id, is_trusted, kinds=entry.kinds):
            left_out(bundle_id)
        else:
            yield entry


def hosts(entry: ListedBundle) -> tuple[str, ...]:
    """
    Return the hosts of a bundle's addresses, the final one first, without and with their ports.

    Empty for a bundle that was erased or cannot be read.
    """
    what = entry.record.get("what", {})
    return _hosts_of([what.get("final_url") or "", what.get("requested_url") or ""])


def _hosts_of(urls: Iterable[str]) -> tuple[str, ...]:
    found: list[str] = []
    for url in urls:
        try:
            parts = urlsplit(url)
            host, port = parts.hostname or "", parts.port
        except ValueError:
            continue  # a stranger may have written it
        found += [host] if host else []
        found += [f"{host}:{port}"] if host and port is not None else []
    return tuple(dict.fromkeys(found))
