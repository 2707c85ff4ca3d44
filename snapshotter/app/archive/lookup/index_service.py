"""
Keep the index of a store up to date in the background of a process that shows the store.

Who shows the store reads the index and never waits for the store. A thread brings the index up to
date every few seconds, and at once when it is woken. What an index alone does not say is read by
the same thread and kept in memory: annotations, gap records, and which captures are in quarantine.
"""

import contextlib
import logging
import threading
import traceback
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from snapshotter.app.archive import quarantined
from snapshotter.app.archive.observations import ObservationSource, read_annotations
from snapshotter.app.archive.quarantined import IsTrusted
from snapshotter.app.archive.stored_gaps import StoredGap, read_stored_gap
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.index.copies import IsHidden
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.ports import Clock, ReadableStore, ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Opens the store with its index, for any thread, one at a time.
OpenSource = Callable[[], AbstractContextManager[ObservationSource]]

OLD_AFTER: Final = timedelta(minutes=1)  # an older view of the store says how old it is
_IDLE_SHARE: Final = 10  # the thread rests so many times as long as it worked
_LONGEST_S: Final = 30.0  # for which the thread rests at most
_MOST_OPEN: Final = 16  # readers that are kept open
_OPEN_S: Final = 60.0  # a reader is kept open: another process may replace a damaged index
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreState:
    """What is known of a store beside its index."""

    annotations: AnnotationState
    annotation_problems: tuple[str, ...]
    quarantined: frozenset[str]  # ids of the captures that annotations put into quarantine
    gaps: tuple[GapRecord, ...]  # the newest first; trust in their keys is not checked
    synced_at: datetime  # when the last complete update began

    def age(self, now: datetime) -> timedelta:
        """Return how old the view of the store is."""
        return max(now - self.synced_at, timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveView:
    """A store as of the last update. Used from one thread, and for one request."""

    source: ObservationSource  # its index is not brought up to date by who reads
    state: StoreState
    is_hidden: IsHidden  # whether a capture with these kinds of sidecars is in quarantine

    def is_quarantined(self, bundle_id: str, kinds: Sequence[str]) -> bool:
        """Whether a capture is in quarantine, by a record or by a notice beside it."""
        return bundle_id in self.state.quarantined or self.is_hidden(bundle_id, kinds)

    def hidden_reasons(self, bundle_ids: Iterable[str]) -> dict[str, str]:
        """
        Return why captures are in quarantine, by the ids of those that are: a `FindHidden`.

        The store is not read; the records and notices state the reasons.
        """
        wanted = list(dict.fromkeys(bundle_ids))
        kinds = self.source.index.sidecar_kinds(wanted)
        return {
            bundle_id: tr("in quarantine")
            for bundle_id in wanted
            if self.is_quarantined(bundle_id, kinds.get(bundle_id, ()))
        }


class IndexNotReady(ServiceUnavailable):
    """
    No view of the store exists yet: the index is made for the first time.

    Args:
        read: Captures that were read for the index so far.
    """

    def __init__(self, read: int) -> None:
        super().__init__(
            tr("the index of the store is not up to date yet"),
            hint=tr("try again in a few seconds"),
        )
        self.read = read


class IndexService:
    """
    See the module. `start` and `stop` are called once each, `update` only without `start`.

    Args:
        open_source: Opens a source. The thread opens one for each update, so that a database
            which was restarted or made again does not matter.
        is_trusted: Returns whose keys may end a quarantine.
        show_problem: Shows why an update failed, once for each reason.
        every_s: Seconds between two updates; longer if an update takes long.

    Attributes:
        on_update: Called by the thread with each new view of the store. Set before `start`.
    """

    def __init__(
        self,
        open_source: OpenSource,
        *,
        clock: Clock,
        is_trusted: Callable[[], IsTrusted],
        show_problem: ShowMessage = lambda message: None,
        every_s: float = 3.0,
    ) -> None:
        self._open_source = open_source
        self._clock = clock
        self._is_trusted = is_trusted
        self._show_problem = show_problem
        self._every_s = every_s
        self.on_update: Callable[[ArchiveView], None] = lambda view: None
        self._state: StoreState | None = None
        self._problem = ""
        self._read = 0
        self._changed = threading.Condition()
        self._begun = 0  # updates
        self._ended = 0  # the number of the last update that is complete or failed
        self._completed = 0  # the number of the last update that is complete
        self._woken = threading.Event()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._pool = _Readers(open_source, clock)
        self._notices = _Notices()
        self._gaps = dict[str, StoredGap]()
        self._noted_at: datetime | None = None
        self._annotation_keys: frozenset[str] | None = None

    @property
    def state(self) -> StoreState | None:
        """
        The state of the last complete update, or of the index that an earlier process left.

        None while the index is made for the first time.
        """
        return self._state

    @property
    def problem(self) -> str:
        """Why the last update failed, as a sentence; "" if it is complete."""
        return self._problem

    def start(self) -> None:
        """Begin to update the index in a thread."""
        self._thread = threading.Thread(target=self._run, name="index", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread after the update that is under way, and close all readers."""
        self._stopped.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join()
        self._pool.close()

    def wake(self) -> None:
        """Let the thread update the index at once, because the store has changed."""
        self._woken.set()

    def wait_for_first_update(self, timeout_s: float) -> None:
        """Return when the first update is complete or failed, at the latest after a time."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended > 0, timeout_s)

    def wait_for_update(self, timeout_s: float) -> bool:
        """
        Wake the thread, and return whether an update that begins now is complete in time.

        Returns False at once if the update fails (`problem`).
        """
        with self._changed:
            wanted = self._begun + 1
            self.wake()
            self._changed.wait_for(lambda: self._ended >= wanted, timeout_s)
            return self._completed >= wanted

    @contextlib.contextmanager
    def reading(self) -> Iterator[ArchiveView]:
        """
        Yield the store as of the last update, for one thread.

        Raises:
            IndexNotReady: The index is made for the first time.
            ServiceUnavailable: The first update failed, or the database does not answer.
            SnapshotterError: The index cannot be used.
        """
        state = self._state
        if state is None and self._problem:
            raise ServiceUnavailable(self._problem, hint=tr("try again in a few seconds"))
        if state is None:
            raise IndexNotReady(self._read)
        with self._pool.reader() as source:
            yield ArchiveView(source=source, state=state, is_hidden=self._is_hidden)

    def update(self) -> StoreState:
        """
        Bring the index up to date, and return the state.

        Raises:
            ServiceUnavailable: The store or the database does not answer.
            SnapshotterError: The store or the index cannot be used.
        """
        now = self._clock.now()
        with self._changed:
            self._begun += 1
            number = self._begun
        with self._open_source() as source:
            self._count_reading(source).sync(until=now)
            source.index.sync_events(source.store)
            annotations, problems = self._read_annotations(source)
            self._notices.read(source.store, self._is_trusted())
            state = StoreState(
                annotations=annotations,
                annotation_problems=problems,
                quarantined=annotations.quarantined,
                gaps=self._read_gaps(source.store),
                synced_at=now,
            )
            self._state, self._problem = state, ""
            self._note_complete(source, now)
            with self._changed:
                self._completed = self._ended = number
                self._changed.notify_all()
            # Nobody waits for this, and it may take long.
            self.on_update(ArchiveView(source=source, state=state, is_hidden=self._is_hidden))
        return state

    def _show_known(self) -> None:
        """
        Show the store as the index of an earlier process has it, until the first update.

        Annotations are read as they are now. Notices of quarantine that were not read hide their
        captures.
        """
        with self._open_source() as source:
            at = source.index.completed_at()
            if at is None:
                return  # the index was never complete, and is made now
            annotations, problems = self._read_annotations(source)
            self._state = StoreState(
                annotations=annotations,
                annotation_problems=problems,
                quarantined=annotations.quarantined,
                gaps=self._read_gaps(source.store),
                synced_at=at,
            )
            self._noted_at = at

    def _count_reading(self, source: ObservationSource) -> ObservationSource:
        """Return the source, with a count of the captures that are read for its index."""

        def progress(count: int) -> None:
            self._read = count
            source.progress(count)

        return replace(source, progress=progress)

    def _note_complete(self, source: ObservationSource, at: datetime) -> None:
        """Note in the index when an update was complete, at most once in a while."""
        if self._noted_at is None or at - self._noted_at >= OLD_AFTER:
            source.index.note_complete(at)
            self._noted_at = at

    def _run(self) -> None:
        try:
            self._show_known()
        except SnapshotterError as error:
            # The update that follows reads the same, and names what stays wrong.
            _log.info("the index of an earlier process cannot be shown: %s", error)
        except Exception as error:  # noqa: BLE001  without the thread, no page is ever shown
            traceback.print_exception(error)
        while not self._stopped.is_set():
            began = self._clock.monotonic()
            self._woken.clear()
            try:
                self.update()
            except SnapshotterError as error:
                self._note_failure(str(error))
            except Exception as error:  # noqa: BLE001  without the thread, pages grow old for ever
                traceback.print_exception(error)
                self._note_failure(
                    tr(
                        "the index could not be updated because of a bug in snapshotter: {error}",
                        error=error,
                    )
                )
            worked = self._clock.monotonic() - began
            self._woken.wait(max(self._every_s, min(worked * _IDLE_SHARE, _LONGEST_S)))

    def _note_failure(self, problem: str) -> None:
        if problem != self._problem:
            self._show_problem(problem)
        with self._changed:
            self._problem = problem
            self._ended = self._begun
            self._changed.notify_all()

    def _is_hidden(self, bundle_id: str, kinds: Sequence[str]) -> bool:
        notices = tuple(kind for kind in kinds if quarantined.is_notice(kind))
        if not notices:
            return False
        known = self._notices.is_hidden(bundle_id, notices)
        if known is None:  # hidden until the thread has read the notice
            self.wake()
        return known is not False

    def _read_annotations(
        self, source: ObservationSource
    ) -> tuple[AnnotationState, tuple[str, ...]]:
        """Return the annotations and what is wrong with them; read only if the store has others."""
        keys = frozenset(found.key for found in source.store.list(f"{store_keys.ANNOTATIONS}/"))
        before = self._state
        if before is not None and keys == self._annotation_keys:
            return before.annotations, before.annotation_problems
        state = read_annotations(source)
        self._annotation_keys = keys
        return state, tuple(source.annotation_problems)

    def _read_gaps(self, store: ReadableStore) -> tuple[GapRecord, ...]:
        """Return the gap records; each is read once, because nobody may change it."""
        listed = [found.key for found in store.list(f"{store_keys.GAPS}/", reverse=True)]
        self._gaps = {
            key: self._gaps[key] if key in self._gaps else read_stored_gap(store, key)
            for key in listed
        }
        return tuple(gap.record for gap in self._gaps.values() if gap.record is not None)


class _Readers:
    """Sources that are open, each used by one thread at a time."""

    def __init__(self, open_source: OpenSource, clock: Clock) -> None:
        self._open_source = open_source
        self._clock = clock
        self._lock = threading.Lock()
        self._idle = deque[tuple[ExitStack, ObservationSource, float]]()
        self._is_closed = False

    @contextlib.contextmanager
    def reader(self) -> Iterator[ObservationSource]:
        """Yield a source. It is closed after an error, and otherwise kept open for others."""
        stack, source, opened_s = self._take()
        try:
            yield source
        except BaseException as error:  # the connection may be broken
            stack.close()
            if isinstance(error, ServiceUnavailable):  # and then all of a server that restarted
                self._close_idle()
            raise
        if not self._keep(stack, source, opened_s):
            stack.close()

    def close(self) -> None:
        """Close what nobody uses; what is in use is closed by its user."""
        with self._lock:
            self._is_closed = True
        self._close_idle()

    def _close_idle(self) -> None:
        with self._lock:
            idle = list(self._idle)
            self._idle.clear()
        for stack, _, _ in idle:
            stack.close()

    def _take(self) -> tuple[ExitStack, ObservationSource, float]:
        now = self._clock.monotonic()
        while True:
            with self._lock:
                found = self._idle.pop() if self._idle else None
            if found is None:
                stack = ExitStack()
                return stack, stack.enter_context(self._open_source()), now
            if now - found[2] < _OPEN_S and found[1].index.is_alive():
                return found
            found[0].close()

    def _keep(self, stack: ExitStack, source: ObservationSource, opened_s: float) -> bool:
        with self._lock:
            if self._is_closed or len(self._idle) >= _MOST_OPEN:
                return False
            self._idle.append((stack, source, opened_s))
            return True


class _Notices:
    """
    Which captures with notices of quarantine are hidden.

    A capture is known by its id and the kinds of its notices, of which a release adds one.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: Mapping[tuple[str, tuple[str, ...]], bool] = {}
        self._asked = set[tuple[str, tuple[str, ...]]]()

    def is_hidden(self, bundle_id: str, notices: tuple[str, ...]) -> bool | None:
        """Return whether a capture is in quarantine; None if its notices were not read yet."""
        with self._lock:
            self._asked.add((bundle_id, notices))
            return self._known.get((bundle_id, notices))

    def read(self, store: ReadableStore, is_trusted: IsTrusted) -> None:
        """Read the notices of all captures that were asked for; trust may have changed."""
        with self._lock:
            asked = sorted(self._asked)
        known = {
            (bundle_id, notices): quarantined.is_hidden(store, bundle_id, is_trusted, kinds=notices)
            for bundle_id, notices in asked
        }
        with self._lock:
            self._known = known
