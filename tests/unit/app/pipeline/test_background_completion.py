"""
A bundle that is completed beside the next visit: in order, one behind, and never lost.

Real captures but for the browser, a real store, real threads and real signals.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest
from typing_extensions import override

from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import safekeeping, series, url_run
from snapshotter.app.pipeline.anchored_clock import AnchoredClock
from snapshotter.app.pipeline.host_pacing import HostBusy, RateLimiter
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
from snapshotter.app.pipeline.series import CaptureSeries
from snapshotter.app.upkeep.log_entries import StoreLog
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.model.bundle import Retention, StoredObject
from snapshotter.model.capture import Capture
from snapshotter.ports import Content, Progress
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, logs
from tests.bundles import RealClock
from tests.fakes.capturer import FakeCapturer
from tests.fakes.world import FixedClock
from tests.unit.app.batch.batches import Pages
from tests.unit.app.pipeline.test_run import world

URLS = tuple(f"https://{host}.example/" for host in "abc")
LIMIT_S = 30.0
ROOT = Path(__file__).resolve().parents[4]


class Store(DirectoryStore):
    """Notes who stores, in what order; `before` is called with the number of the bundle."""

    def __init__(self, root: Path, before: Callable[[int], None] = lambda number: None) -> None:
        super().__init__(root)
        self.threads: list[str] = []
        self.keys: list[str] = []
        self._before = before

    @override
    def put_new(
        self, key: str, source: Content, sha256: str, *, retention: Retention | None = None
    ) -> StoredObject:
        if not key.endswith(store_keys.SUFFIX):
            return super().put_new(key, source, sha256, retention=retention)
        self.threads.append(threading.current_thread().name)
        self.keys.append(key)
        self._before(len(self.keys))
        return super().put_new(key, source, sha256, retention=retention)


class Observer:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.results: list[CaptureResult] = []
        self.beside: list[tuple[int, str]] = []

    def started(self, number: int) -> None:
        self.seen.append(("started", number))

    def waiting(self, sentence: str) -> None:
        self.seen.append(("waiting", sentence))

    def steps(self) -> AbstractContextManager[Progress]:
        return nullcontext(lambda stage, detail: None)

    def completing(self, number: int) -> Progress:
        return lambda stage, detail: self.beside.append((number, stage))

    def captured(self, number: int, result: CaptureResult, warnings: Sequence[str]) -> None:
        self.seen.append(("captured", number))
        self.results.append(result)

    def failed(self, number: int, error: SnapshotterError) -> None:
        self.seen.append(("failed", number, error.exit_code))

    def interrupted(self, left: int) -> None:
        self.seen.append(("interrupted", left))

    @property
    def ends(self) -> list[tuple[Any, ...]]:
        return [event for event in self.seen if event[0] != "started"]


def capture(
    here: CaptureDependencies,
    observer: Observer,
    *,
    urls: Sequence[str] = URLS,
    pace: object = None,
    stop: Interruption | None = None,
) -> int:
    decisions = dict.fromkeys(range(len(urls)), bundles.decision())
    with CaptureSeries(here, stop or Interruption()) as captures:
        return url_run.capture_each(
            urls, decisions, {}, captures, cast(RateLimiter, pace), observer, raise_errors=False
        )


def stored(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "store").rglob("*.wacz"))


def waited_for(event: threading.Event) -> None:
    assert event.wait(LIMIT_S)


def test_a_bundle_is_stored_beside_the_next_visit_and_before_the_next_bundle(
    tmp_path: Path,
) -> None:
    second = threading.Event()
    visits: list[str] = []
    at_store: list[list[str]] = []

    def visited(url: str) -> None:
        visits.append(url)
        if len(visits) == 2:
            second.set()

    def store(number: int) -> None:
        if number == 1:
            waited_for(second)
        at_store.append(list(visits))

    here = replace(
        world(tmp_path), store=Store(tmp_path / "store", store), capturer=Pages(trouble=visited)
    )
    observer = Observer()

    assert capture(here, observer) == 0

    assert at_store[0] == list(URLS[:2])
    assert observer.ends == [("captured", number) for number in range(3)]
    assert observer.seen[:3] == [("started", 0), ("started", 1), ("captured", 0)]
    ids = [result.bundle.id for result in observer.results]
    assert here.store.keys == [store_keys.bundle_key(name) for name in ids]  # type: ignore[attr-defined]
    assert here.store.threads == ["completion", "completion", "MainThread"]  # type: ignore[attr-defined]
    assert {number for number, _ in observer.beside} == {0, 1}
    assert list(here.spool_dir.iterdir()) == []


def test_a_single_page_needs_no_thread(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    observer = Observer()

    capture(replace(world(tmp_path), store=store), observer, urls=URLS[:1])

    assert store.threads == ["MainThread"]
    assert observer.beside == []


def test_where_replays_are_checked_each_bundle_is_complete_before_the_next_visit(
    tmp_path: Path,
) -> None:
    class Unchecked:
        def check(self, *_: object) -> None:
            return None

    store = Store(tmp_path / "store")
    here = replace(world(tmp_path), store=store, replayer=Unchecked())  # type: ignore[arg-type]

    capture(here, observer := Observer(), urls=URLS[:2])

    assert store.threads == ["MainThread"] * 2
    assert observer.seen == [("started", 0), ("captured", 0), ("started", 1), ("captured", 1)]


def test_entries_of_the_log_are_in_the_order_of_the_captures(tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path / "store")
    log = StoreLog(store, lambda: logs.writer(store), tmp_path / "owed")
    log.writer.create()
    here = replace(world(tmp_path), store=store, logbook=log)
    observer = Observer()

    assert capture(here, observer) == 0

    ids = [result.bundle.id for result in observer.results]
    assert [leaf.name for leaf in logs.read_whole(store)] == ids
    assert [result.logged.index for result in observer.results if result.logged] == [0, 1, 2]


def test_the_error_of_one_bundle_is_that_of_its_page_and_holds_up_no_other(
    tmp_path: Path,
) -> None:
    def refuse(number: int) -> None:
        if number == 1:
            raise ServiceUnavailable("the store is away")

    here = replace(world(tmp_path), store=Store(tmp_path / "store", refuse))

    observer = Observer()

    assert capture(here, observer) == 30

    assert observer.ends == [("failed", 0, 30), ("captured", 1), ("captured", 2)]
    assert len(list(here.unstored_dir.glob("*.wacz"))) == 1
    assert len(stored(tmp_path)) == 2


def test_a_visit_that_fails_is_told_after_the_page_before(tmp_path: Path) -> None:
    def refuse(url: str) -> None:
        if url == URLS[1]:
            raise SnapshotterError("no page")

    here = replace(world(tmp_path), capturer=Pages(trouble=refuse))

    observer = Observer()

    assert capture(here, observer) == 1

    assert observer.ends == [("captured", 0), ("failed", 1, 1), ("captured", 2)]


def test_an_error_that_ends_the_command_leaves_no_bundle_behind(tmp_path: Path) -> None:
    ended = threading.Event()

    class Closed(Observer):
        @override
        def started(self, number: int) -> None:
            if number == 1:
                ended.set()
                raise BrokenPipeError

    def store(number: int) -> None:
        waited_for(ended)
        threading.Event().wait(0.2)  # a command that does not wait would be over

    here = replace(world(tmp_path), store=Store(tmp_path / "store", store))
    with pytest.raises(BrokenPipeError):
        capture(here, Closed())

    assert len(stored(tmp_path)) == 1
    assert list(here.spool_dir.iterdir()) == []


def test_a_page_that_was_captured_when_the_output_closes_leaves_no_litter(tmp_path: Path) -> None:
    class Closed(Observer):
        @override
        def captured(self, *_: Any) -> None:
            raise BrokenPipeError

    here = world(tmp_path)
    with pytest.raises(BrokenPipeError) as caught:  # which keeps what the garbage collector frees
        capture(here, Closed())

    assert len(stored(tmp_path)) == 1
    assert list(here.spool_dir.iterdir()) == [], caught


# Signals ---------------------------------------------------------------------------------


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


class SecondPage(Pages):
    """Pages of which the second one is waited for."""

    def __init__(self, stop: Interruption) -> None:
        super().__init__(trouble=self._visited)
        self._stop = stop
        self._begun = threading.Event()

    def _visited(self, url: str) -> None:
        if url == URLS[1]:
            self._begun.set()

    def wait_until_captured(self) -> None:
        waited_for(self._begun)
        while not self._stop._held:
            threading.Event().wait(0.01)


def test_ctrl_c_ends_the_page_under_way_and_completes_the_bundle_behind(tmp_path: Path) -> None:
    storing, wanted = threading.Event(), threading.Event()

    def visited(url: str) -> None:
        if url == URLS[1]:
            waited_for(storing)
            interrupt()
            threading.Event().wait(LIMIT_S)  # the signal ends it

    def store(number: int) -> None:
        storing.set()
        waited_for(wanted)

    class Pages2(Pages):
        @override
        def discard(self, spool: Path) -> None:
            super().discard(spool)
            if stop.wanted:
                wanted.set()

    stop, observer = Interruption(), Observer()
    here = replace(
        world(tmp_path),
        store=Store(tmp_path / "store", store),
        capturer=Pages2(trouble=visited),
    )
    with stop.handle_signals():
        assert capture(here, observer, stop=stop) == 130

    assert observer.ends == [("captured", 0), ("interrupted", 2)]
    assert stored(tmp_path) == [observer.results[0].bundle.id]
    assert list(here.spool_dir.iterdir()) == []


def test_ctrl_c_while_the_bundle_behind_is_waited_for_completes_both(tmp_path: Path) -> None:
    stop, observer = Interruption(), Observer()
    pages = SecondPage(stop)

    def store(number: int) -> None:
        if number == 1:
            pages.wait_until_captured()
            interrupt()

    here = replace(world(tmp_path), store=Store(tmp_path / "store", store), capturer=pages)
    with stop.handle_signals():
        assert capture(here, observer, stop=stop) == 130

    assert observer.ends == [("captured", 0), ("captured", 1), ("interrupted", 1)]
    assert len(stored(tmp_path)) == 2


def test_a_second_ctrl_c_keeps_the_bundle_behind_and_seals_the_captured_page(
    tmp_path: Path,
) -> None:
    stop, over = Interruption(), threading.Event()
    pages = SecondPage(stop)

    def store(number: int) -> None:
        if number == 1:
            pages.wait_until_captured()
            interrupt()
            while not stop.wanted:
                threading.Event().wait(0.01)
            interrupt()
            over.wait(LIMIT_S)  # it hangs
            raise ServiceUnavailable("a store that nobody waits for")

    here = replace(world(tmp_path), store=Store(tmp_path / "store", store), capturer=pages)
    observer = Observer()
    try:
        with stop.handle_signals(), pytest.raises(KeyboardInterrupt) as caught:
            capture(here, observer, stop=stop)

        (kept,) = here.unstored_dir.glob("*.wacz")
        assert str(kept) in caught.value.__notes__[0]
        assert observer.ends == [("captured", 1)]
        assert stored(tmp_path) == [observer.results[0].bundle.id]
        assert list(here.spool_dir.iterdir()) == []
    finally:
        over.set()


def test_a_third_ctrl_c_tells_where_both_bundles_are(tmp_path: Path) -> None:
    stop, over = Interruption(), threading.Event()
    pages = SecondPage(stop)

    def store(number: int) -> None:
        if number == 1:
            pages.wait_until_captured()
            interrupt()
            while not stop.wanted:
                threading.Event().wait(0.01)
        interrupt()
        over.wait(LIMIT_S)  # it hangs for both
        raise ServiceUnavailable("a store that nobody waits for")

    here = replace(world(tmp_path), store=Store(tmp_path / "store", store), capturer=pages)
    try:
        with stop.handle_signals(), pytest.raises(KeyboardInterrupt) as caught:
            capture(here, Observer(), stop=stop)

        kept = [*here.unstored_dir.glob("*.wacz")]
        told = "\n".join(caught.value.__notes__)
        assert len(kept) == 2
        assert [str(bundle) for bundle in kept if str(bundle) not in told] == []
    finally:
        over.set()


def test_a_second_ctrl_c_does_not_interrupt_what_seals(tmp_path: Path) -> None:
    stop = Interruption()
    pages = SecondPage(stop)

    class Twice(Observer):
        @override
        def completing(self, number: int) -> Progress:
            def step(stage: str, detail: str) -> None:
                if number == 0 and stage == "seal" and not stop.wanted:
                    pages.wait_until_captured()
                    interrupt()
                    while not stop.wanted:
                        threading.Event().wait(0.01)
                    interrupt()

            return step

    observer = Twice()
    with stop.handle_signals():
        assert capture(replace(world(tmp_path), capturer=pages), observer, stop=stop) == 130

    assert observer.ends == [("captured", 0), ("captured", 1), ("interrupted", 1)]


# Pacing ----------------------------------------------------------------------------------


class Pace:
    """Allows each visit; `trouble` is raised when a visit ends."""

    def __init__(self, trouble: SnapshotterError | None = None) -> None:
        self.events: list[tuple[str, int]] = []
        self.store: Store | None = None
        self._trouble = trouble

    def wait(self, url: str, show_message: Callable[[str], None]) -> str:
        if url == URLS[2]:
            show_message("waiting 9 s")
        return url

    def done(self, visit: str, answer: object) -> None:
        assert self.store is not None
        self.events.append((visit, len(self.store.keys) if answer else -1))
        if self._trouble is not None:
            raise self._trouble


def paced(folder: Path, pace: Pace) -> CaptureDependencies:
    pace.store = Store(folder / "store")
    return replace(world(folder), store=pace.store, capturer=Pages())


def test_a_visit_ends_with_its_page_and_a_wait_shows_the_result_before(tmp_path: Path) -> None:
    pace, observer = Pace(), Observer()

    assert capture(paced(tmp_path, pace), observer, pace=pace) == 0

    assert [url for url, _ in pace.events] == list(URLS)
    assert pace.events[0] == (URLS[0], 0), "no bundle was stored when the first visit ended"
    assert observer.ends == [
        *(("captured", 0), ("captured", 1), ("waiting", "waiting 9 s"), ("captured", 2)),
    ]


def test_a_visit_that_can_not_be_recorded_costs_no_bundle(tmp_path: Path) -> None:
    pace, observer = Pace(HostBusy("the database is away")), Observer()

    assert capture(paced(tmp_path, pace), observer, pace=pace) == 30

    assert observer.ends[0] == ("failed", 0, 30)
    assert len(stored(tmp_path)) == 3


# Times and crashes -----------------------------------------------------------------------


def test_the_clock_of_a_capture_keeps_its_anchor(tmp_path: Path) -> None:
    system = FixedClock()
    shared = AnchoredClock(system)
    kept = shared.with_this_anchor()
    before = kept.now()

    system.set_wall_clock(before - timedelta(hours=1))
    shared.anchor()
    system.sleep(2)

    assert kept.now() == before + timedelta(seconds=2)
    assert shared.now() < before


def test_a_kill_while_one_bundle_is_stored_and_a_page_is_captured_loses_no_bundle(
    tmp_path: Path,
) -> None:
    program = (
        f"from pathlib import Path; from {__name__} import die_in_the_second_visit; "
        f"die_in_the_second_visit(Path({str(tmp_path)!r}))"
    )
    killed = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert killed.returncode == 9, killed.stderr

    here = world(tmp_path)
    assert stored(tmp_path) == []
    (kept,) = safekeeping.rescue_spooled(here)
    assert bundles.unpack(kept.read_bytes())
    assert list(here.spool_dir.iterdir()) == []


def die_in_the_second_visit(folder: Path) -> None:
    """Capture, and end as kill -9 does: for a process of its own."""
    storing = threading.Event()

    def visited(url: str) -> None:
        if url == URLS[1]:
            waited_for(storing)
            os._exit(9)

    def store(number: int) -> None:
        storing.set()
        threading.Event().wait(LIMIT_S)

    here = replace(
        world(folder), store=Store(folder / "store", store), capturer=Pages(trouble=visited)
    )
    capture(here, Observer())
    sys.exit("the second page was not visited")


@pytest.mark.parametrize(("processors", "first"), [(2, "settle"), (1, "record")])
def test_the_next_browser_starts_while_the_page_settles_if_a_processor_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int, first: str
) -> None:
    class Settling(FakeCapturer):
        """Settles for as long as it takes to see whether a browser starts meanwhile."""

        @override
        def capture(self, *arguments: Any, free_later: bool = False, **more: Any) -> Capture:
            request, decision, spool, progress = arguments
            for step in ("scroll", "settle"):
                progress(step, "")
                began.append((step, self._preparing()))
            made = super().capture(request, decision, spool, progress, free_later=free_later)
            began.append(("record", self._preparing()))
            return made

        def _preparing(self) -> bool:
            return any(thread.name == "prewarm" for thread in started)

    began: list[tuple[str, bool]] = []
    started: list[threading.Thread] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    monkeypatch.setattr(series, "usable_core_count", lambda: processors)
    here = replace(world(tmp_path), capturer=Settling(RealClock()))

    capture(here, Observer(), urls=URLS[:2])

    assert next(step for step, is_there in began if is_there) == first
