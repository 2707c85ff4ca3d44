"""An index of captures whose texts a test gives, without a store and without bundles."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from snapshotter.formats.bundle import store_keys
from snapshotter.index.query import parse
from snapshotter.index.search import FoundPage, search
from snapshotter.index.store_index import Index
from snapshotter.index.values import (
    BundleFacts,
    BundleSummary,
    IndexSyncResult,
    JobFacts,
    Passage,
    PassageRegion,
    VerdictSource,
)
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.bundle import StoredObject
from snapshotter.model.takedown import Observation

FIRST = datetime(2026, 11, 24, 16, tzinfo=UTC)


def bundle_id(number: int) -> str:
    """Return the id of a capture; greater numbers are later."""
    return f"{FIRST + timedelta(minutes=number):%Y%m%dt%H%M%Sz}-k3v4q2m7xw4c5b6d"


class _Listing:
    """The listing of a store."""

    def __init__(self, keys: Sequence[str]) -> None:
        self._keys = keys

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ReadableStore.list`."""
        for key in self._keys:
            if key.startswith(prefix):
                yield StoredObject(key=key, length=1, sha256="")


class Library:
    """
    An index, and what is put into it.

    Args:
        index: Empty; the caller closes it.
    """

    def __init__(self, index: Index) -> None:
        self.index = index
        self.state = AnnotationState()
        self.hidden = set[str]()
        self._bundles: dict[str, BundleSummary] = {}
        self._jobs: dict[str, JobFacts] = {}

    def add(
        self,
        text: str = "",
        *,
        observation: Observation | None = None,
        facts: BundleFacts | None = None,
        job: JobFacts | None = None,
        regions: Mapping[str, str] | None = None,
    ) -> str:
        """Add a capture with a main text, and texts of other regions; return its id."""
        number = len(self._bundles)
        made = bundle_id(number)
        texts = {"main": text, **(regions or {})}
        began = FIRST + timedelta(minutes=number)
        self._bundles[made] = BundleSummary(
            verdict_source=VerdictSource.ASSESSED if observation else VerdictSource.UNASSESSED,
            observation=replace(observation, bundle_id=made, began_at=began, at=began)
            if observation
            else None,
            asked="" if observation else f"//example.org/{number}",
            url="" if observation else f"https://example.org/{number}",
            facts=facts or BundleFacts(title=f"Title {number}"),
            passages=tuple(
                Passage(region=PassageRegion(region), text=shown)
                for region, shown in texts.items()
                if shown
            ),
        )
        if job is not None:
            self._jobs[made] = job
        return made

    def remove(self, *ids: str) -> None:
        """Remove captures, as if the store no longer listed them."""
        for one in ids:
            del self._bundles[one]

    def sync(self) -> IndexSyncResult:
        """Bring the index up to date."""
        keys = sorted(map(store_keys.bundle_key, self._bundles))
        return self.index.sync(_Listing(keys), self._read, jobs=self._jobs_of)  # type: ignore[arg-type]  # a store is only listed

    def search(self, query: str, *, limit: int = 1000, before: str = "") -> FoundPage:
        """Search; "" finds all captures."""
        return search(
            self.index.database,
            parse(query) if query else None,
            state=self.state,
            identities=lambda value: (value,),
            is_hidden=lambda one, kinds: one in self.hidden,
            limit=limit,
            before=before,
        )

    def found(self, query: str) -> list[str]:
        """Return the ids of all results, the oldest first."""
        return [found.bundle_id for found in self.search(query).captures][::-1]

    def _read(self, key: str, _: tuple[str, ...]) -> BundleSummary:
        return self._bundles[store_keys.parse_bundle_key(key).bundle_id]

    def _jobs_of(self, ids: Sequence[str]) -> Mapping[str, JobFacts]:
        return {one: self._jobs[one] for one in ids if one in self._jobs}
