"""A batch without a browser: small real captures, a real store, a real journal."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from typing_extensions import override

from snapshotter.app.batch import open_batch, run
from snapshotter.app.batch.journal import RowResult
from snapshotter.app.batch.plan import BatchRow
from snapshotter.app.batch.state import BatchState
from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import safekeeping
from snapshotter.app.pipeline.host_pacing import InMemoryVisitTracker, VisitQueue
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult
from snapshotter.app.pipeline.series import CaptureSeries
from snapshotter.model.capture import Capture, MainResponse
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy import page_identity, politeness_file
from snapshotter.ports import PictureReader, Progress
from snapshotter.seal.signer import FileSigner
from tests import bundles
from tests.bundles import RealClock
from tests.fakes.capturer import FakeCapturer
from tests.fakes.world import FixedClock
from tests.unit.app.pipeline.test_run import world

RULES = page_identity.shipped_identity_rules()


class Pages(FakeCapturer):
    """
    Pages that answer as they are told.

    Args:
        statuses: HTTP statuses by URL, one for each visit; 200 for what is not named.
        trouble: Called with the URL before each capture.
    """

    def __init__(
        self,
        *,
        statuses: Mapping[str, Sequence[int]] | None = None,
        trouble: Callable[[str], None] | None = None,
        hook: Callable[[Path], None] | None = None,
    ) -> None:
        super().__init__(RealClock(), hook=hook)
        self._statuses = {url: list(them) for url, them in (statuses or {}).items()}
        self._trouble = trouble
        self.visited: list[str] = []
        self.policies: list[str] = []

    @override
    def capture(
        self,
        request: CaptureRequest,
        decision: Decision,
        spool: Path,
        progress: Progress,
        *,
        free_later: bool = False,
        picture_reader: Callable[[], PictureReader] | None = None,
    ) -> Capture:
        self.visited.append(request.url)
        self.policies.append(decision.policy_name)
        if self._trouble is not None:
            self._trouble(request.url)
        made = super().capture(request, decision, spool, progress)
        left = self._statuses.get(request.url, [])
        status = left.pop(0) if left else 200
        assert isinstance(made.response, MainResponse)
        return replace(
            made,
            requested_url=request.url,
            final_url=request.url,
            title=f"=page {request.url[-1]}",
            response=replace(made.response, url=request.url, status=status),
        )


class Silent:
    """A `run.Watcher` that remembers."""

    def __init__(self) -> None:
        self.over: list[tuple[int, str]] = []
        self.said: list[str] = []
        self.waited: list[str] = []

    def row_started(self, entry: BatchRow) -> Progress:
        return lambda stage, detail: None

    def ended(self, entry: BatchRow, came: RowResult, done: CaptureResult | None) -> None:
        self.over.append((entry.row.number, came.status))

    def waiting(self, until: datetime, why: str) -> None:
        self.waited.append(why)

    def message(self, sentence: str) -> None:
        self.said.append(sentence)


@dataclass
class Bench:
    """A folder with a table, a store and whatever a batch leaves there."""

    folder: Path
    key: FileSigner = field(default_factory=bundles.new_signer)
    told: list[str] = field(default_factory=list)
    clock: FixedClock = field(default_factory=FixedClock)
    stop: Interruption = field(default_factory=Interruption)

    @property
    def table(self) -> Path:
        return self.folder / "urls.csv"

    @property
    def done(self) -> Path:
        return self.folder / "urls.done.csv"

    @property
    def journal(self) -> Path:
        return self.folder / "urls.done.csv.journal"

    def world(self, capturer: FakeCapturer) -> CaptureDependencies:
        """Return a real world but for the browser."""
        return replace(world(self.folder, signer=self.key), capturer=capturer)

    def run(
        self,
        capturer: FakeCapturer,
        *,
        limit: int = 0,
        decide: Callable[[str, str], Decision] | None = None,
        change: Callable[[CaptureDependencies], CaptureDependencies] = lambda here: here,
        then: Callable[[BatchState, run.RunResult], None] = lambda book, ended: None,
        **wanted: object,
    ) -> Silent:
        """Run the batch as the command does; its exit code and more is with `then`."""
        rows_to_capture = open_batch.BatchRequest(
            data=self.table.read_bytes(), name=str(self.table), **wanted,  # type: ignore[arg-type]  # as the tests say
        )  # fmt: skip
        decide = decide or (lambda name, _: replace(bundles.decision(), policy_name=name or "own"))
        here = change(self.world(capturer))
        watcher = Silent()
        with open_batch.open_batch(
            rows_to_capture, lambda name: _ignore(decide(name, "")), RULES,
            store=here.store.url, clock=self.clock, ids=here.ids, show_message=self.told.append,
        ) as book:  # fmt: skip
            safekeeping.rescue_spooled(here)
            run.recover(book, here, decide, watcher)
            entries = book.pending_rows(retry_failed=rows_to_capture.retry_failed)
            entries = entries[:limit] if limit else entries
            visits = InMemoryVisitTracker(politeness_file.load(), self.clock, lambda: 0.5)
            with CaptureSeries(here, self.stop) as series:
                ended = run.capture_all(
                    book,
                    entries,
                    series,
                    VisitQueue(visits, self.clock, [entry.url for entry in entries]),
                    decide,
                    watcher,
                    pause=lambda seconds: self.clock.advance(timedelta(seconds=seconds)),
                )
            book.write()
            then(book, ended)
        return watcher

    def bundles(self) -> list[str]:
        """Return the ids of the bundles in the store."""
        return sorted(path.stem for path in (self.folder / "store").rglob("*.wacz"))


def _ignore(value: object) -> None:
    """Drop what a call returned that was made for its errors."""


def die() -> None:
    """End the process as kill -9 does: nothing is cleaned up."""
    os._exit(9)
