"""
Keep verified views of captures in memory, for a process that shows many captures.

A view is made by a verification of a copy of the bundle, and states when. It is never taken for
newer than it is: it is made again if the bundle or its sidecars differ, after some minutes, and
when a person wants so. Nothing is kept on a disk, so that no file can state a verification that
this process did not make.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeoutError
from datetime import datetime, timedelta
from typing import Final

from snapshotter.app.archive.confined.confined_verification import ConfinedVerifier
from snapshotter.app.archive.exports.downloads import existing_key
from snapshotter.formats.bundle import custody_sidecars
from snapshotter.model.bundle import StoredObject
from snapshotter.ports import Clock, ReadableStore
from snapshotter.report.capture_page import CaptureMaterial
from snapshotter.value_class import dataclass
from snapshotter.verify.trust import Trust

OLD_AFTER: Final = timedelta(minutes=10)
_MOST: Final = 48  # views, each of at most about a megabyte
_THREADS: Final = 2  # verifications at the same time


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureView:
    """A capture as a verification showed it."""

    material: CaptureMaterial  # without picture, annotations and other captures
    state: "_State"

    @property
    def verified_at(self) -> datetime:
        """When the verification began."""
        return self.material.made_at

    @property
    def file_digests(self) -> Mapping[str, str]:
        """
        SHA-256 of the files that were verified, by path.

        Of an altered bundle, those that its record states.
        """
        established = self.material.report.established
        if established is not None:
            return {path: digests.sha256 for path, digests in established.members.items()}
        return {row.path: row.sha256 for row in self.material.files}


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """What a store states about a bundle without reading it."""

    length: int
    sha256: str
    version: str
    kinds: frozenset[str]  # of its sidecars. Each look adds to the custody chain: it does not count


class CaptureViews:
    """
    Verifies bundles of a store, in threads of its own. Used from several threads.

    Who shows a view has to check first that the capture is not in quarantine.

    Args:
        verifier: Verifies each bundle in a process without rights.
        trust: Returns by what bundles are judged.
    """

    def __init__(
        self,
        store: ReadableStore,
        verifier: ConfinedVerifier,
        *,
        trust: Callable[[], Trust],
        clock: Clock,
        most: int = _MOST,
    ) -> None:
        self._store = store
        self._verifier = verifier
        self._trust = trust
        self._clock = clock
        self._most = most
        self._lock = threading.Lock()
        self._views: OrderedDict[str, CaptureView] = OrderedDict()
        self._begun: dict[str, Future[CaptureView]] = {}
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="verify")

    def close(self) -> None:
        """Begin no further verification. What is under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def view(
        self, bundle_id: str, kinds: Sequence[str], *, is_new: bool = False, wait_s: float
    ) -> CaptureView | None:
        """
        Return the view of a capture; None if its verification takes longer, and goes on.

        Args:
            kinds: Of its sidecars.
            is_new: Verify now, whatever is known.

        Raises:
            OSError, SnapshotterError: The store does not have the bundle, or does not answer.
        """
        try:
            return self.begin(bundle_id, kinds, is_new=is_new).result(wait_s)
        except FutureTimeoutError:
            return None

    def begin(
        self, bundle_id: str, kinds: Sequence[str], *, is_new: bool = False
    ) -> Future[CaptureView]:
        """
        Begin a verification, unless one is under way or the last one is recent; as `view`.

        Raises:
            OSError, SnapshotterError: The store does not have the bundle, or does not answer.
        """
        state = self._state(bundle_id, kinds)
        with self._lock:
            begun = self._begun.get(bundle_id)
            known = self._views.get(bundle_id)
            # A person who had the bundle verified now waits for this result.
            is_known = known is not None and begun is None and self._is_current(known, state)
            if known is not None and is_known and not is_new:
                self._views.move_to_end(bundle_id)
                done: Future[CaptureView] = Future()
                done.set_result(known)
                return done
            is_begun = begun is None
            if begun is None:
                begun = self._threads.submit(self._make, bundle_id, state)
                self._begun[bundle_id] = begun
        if is_begun:  # without the lock, because a verification that failed already calls at once
            begun.add_done_callback(lambda _: self._end(bundle_id))
        return begun

    def _is_current(self, view: CaptureView, state: _State) -> bool:
        age = self._clock.now() - view.verified_at
        return view.state == state and timedelta() <= age <= OLD_AFTER

    def _make(self, bundle_id: str, state: _State) -> CaptureView:
        material = self._verifier.verify(
            bundle_id, self._store, self._trust(), now=self._clock.now()
        )
        view = CaptureView(material=material, state=state)
        with self._lock:
            self._views[bundle_id] = view
            self._views.move_to_end(bundle_id)
            while len(self._views) > self._most:
                self._views.popitem(last=False)
        return view

    def _end(self, bundle_id: str) -> None:
        with self._lock:
            self._begun.pop(bundle_id, None)

    def _state(self, bundle_id: str, kinds: Sequence[str]) -> _State:
        found: StoredObject = self._store.head(existing_key(self._store, bundle_id))
        return _State(
            length=found.length,
            sha256=found.sha256,
            version=found.version,
            kinds=frozenset(kind for kind in kinds if custody_sidecars.number_of(kind) is None),
        )
