"""A batch without a browser: small real captures, a real store, a real journal."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from typing_extensions import override

from snapshotter.app import keeping
from snapshotter.app.batch import opening, run
from snapshotter.app.batch.book import Book
from snapshotter.app.batch.journal import Came
from snapshotter.app.batch.plan import Entry
from snapshotter.app.interruption import Interruption
from snapshotter.app.pace import Line, MemoryVisits
from snapshotter.app.pipeline import Result, World
from snapshotter.app.series import Series
from snapshotter.model.capture import Capture, MainResponse
from snapshotter.model.request import CaptureRequest, Decision
from snapshotter.policy import identity, politeness_file
from snapshotter.ports import Progress
from snapshotter.seal.signer import FileSigner
from tests import bundles
from tests.bundles import RealClock
from tests.fakes.capturer import FakeCapturer
from tests.fakes.world import FixedClock
from tests.unit.app.test_pipeline import world

RULES = identity.shipped_rules()


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
        self, request: CaptureRequest, decision: Decision, spool: Path, progress: Progress
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

    def begins(self, entry: Entry) -> Progress:
        return lambda stage, detail: None

    def ended(self, entry: Entry, came: Came, done: Result | None) -> None:
        self.over.append((entry.row.number, came.status))

    def waits(self, until: datetime, why: str) -> None:
        self.waited.append(why)

    def says(self, sentence: str) -> None:
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

    def world(self, capturer: FakeCapturer) -> World:
        """Return a real world but for the browser."""
        return replace(world(self.folder, signer=self.key), capturer=capturer)

    def run(
        self,
        capturer: FakeCapturer,
        *,
        limit: int = 0,
        decide: Callable[[str, str], Decision] | None = None,
        change: Callable[[World], World] = lambda here: here,
        then: Callable[[Book, run.Ended], None] = lambda book, ended: None,
        **wanted: object,
    ) -> Silent:
        """Run the batch as the command does; its exit code and more is with `then`."""
        asked = opening.Wanted(
            data=self.table.read_bytes(), name=str(self.table), **wanted,  # type: ignore[arg-type]  # as the tests say
        )  # fmt: skip
        decide = decide or (lambda name, _: replace(bundles.decision(), policy_name=name or "own"))
        here = change(self.world(capturer))
        watcher = Silent()
        with opening.opened(
            asked, lambda name: _ignore(decide(name, "")), RULES,
            store=here.store.url, clock=self.clock, ids=here.ids, tell=self.told.append,
        ) as book:  # fmt: skip
            keeping.rescue(here)
            run.recover(book, here, decide, watcher)
            entries = book.to_do(retry_failed=asked.retry_failed)
            entries = entries[:limit] if limit else entries
            visits = MemoryVisits(politeness_file.load(), self.clock, lambda: 0.5)
            with Series(here, self.stop) as series:
                ended = run.capture_all(
                    book, entries, series,
                    Line(visits, self.clock, [it.url for it in entries]), decide, watcher,
                    pause=lambda seconds: self.clock.advance(timedelta(seconds=seconds)),
                )  # fmt: skip
            book.write()
            then(book, ended)
        return watcher

    def bundles(self) -> list[str]:
        """Return the ids of the bundles in the store."""
        return sorted(it.stem for it in (self.folder / "store").rglob("*.wacz"))


def _ignore(value: object) -> None:
    """Drop what a call returned that was made for its errors."""


def die() -> None:
    """End the process as kill -9 does: nothing is cleaned up."""
    os._exit(9)
