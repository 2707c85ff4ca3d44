"""
Tell a server what happened today in a store, without reading the whole store for each request.

The report about a day needs every capture of the pages that were captured on that day, and of no
other page. They are read page by page, from the index alone. A server keeps the last report, and
computes the next one beside the requests: who asks gets at once what is known, with its time.
"""

import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, tzinfo
from operator import attrgetter
from typing import Any, Final

from snapshotter.app.archive.lookup.index_service import ArchiveView, IndexService
from snapshotter.app.archive.observations import observations
from snapshotter.app.archive.screens.day_report import Period, day_report
from snapshotter.errors import SnapshotterError
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.index.values import CaptureRow
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.job import JobStatus
from snapshotter.model.takedown import Observation
from snapshotter.ports import Clock
from snapshotter.report.day import DayReport
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

ReadJobs = Callable[[], Iterable[JobStatus]]

_LONGEST_S: Final = 30.0  # after which a report is computed again in any case: jobs may have failed
_REST: Final = 10  # times as long as a computation took, until the next one
_MOMENT_S: Final = 0.1  # for which a page waits for newer numbers, if the last ones took no longer
# Captures of the pages, by `DayReport`; each is in the order of time.
_LISTS: Final = (
    "captured",
    "vanished",
    "possible_removals",
    "reappeared",
    "changed",
    "partial",
    "failed",
    "review",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Today:
    """The report about the present day."""

    report: DayReport
    computed_at: datetime


class TodayService:
    """
    Keeps the report about the present day. Safe to use from several threads.

    Args:
        jobs: Reads the jobs that ended without a bundle.
        zone: Whose day it is; None for the zone of this machine.
    """

    def __init__(
        self,
        index: IndexService,
        jobs: ReadJobs,
        *,
        clock: Clock,
        zone: tzinfo | None = None,
    ) -> None:
        self._index, self._jobs, self._clock, self._zone = index, jobs, clock, zone
        self._lock = threading.Lock()
        self._latest: Today | None = None
        self._pages = PageReports()
        self._problem = ""
        self._content: tuple[object, ...] = ()  # of the store, when the last one was computed
        self._computing: threading.Thread | None = None
        self._began_s = self._computed_s = self._took_s = 0.0

    @property
    def problem(self) -> str:
        """Why the last computation failed, as a sentence; "" if it did not."""
        return self._problem

    def latest(self, *, wait_s: float = 0.0) -> Today | None:
        """
        Return the last report, and have a new one computed if the store has changed.

        Args:
            wait_s: How long to wait for the first report of a day. Later reports are waited for
                a moment, and only in a store whose reports are quick.

        Returns:
            None if no report about this day is computed yet.
        """
        with self._lock:
            now_s = self._clock.monotonic()
            rests = now_s - self._began_s < self._took_s * _REST and self._known() is not None
            is_running = self._computing is not None and self._computing.is_alive()
            if not is_running and not rests and self._index.state is not None:
                self._began_s = now_s
                self._computing = threading.Thread(target=self._run, name="today", daemon=True)
                self._computing.start()
            computing = self._computing
        if computing is not None and wait_s:
            if self._known() is None:
                computing.join(wait_s)
            elif self._took_s <= _MOMENT_S:
                # Else a person who comes back after an hour reads the numbers of that hour.
                computing.join(min(wait_s, _MOMENT_S))
        return self._known()

    def compute(self) -> Today:
        """
        Compute the report now.

        Raises:
            ServiceUnavailable: The index is not ready, or a database does not answer.
            SnapshotterError: The index cannot be used.
        """
        now = self._clock.now()
        period = Period.of_day(now.astimezone(self._zone).date(), self._zone)
        with self._index.reading() as view:
            report = report_of_period(view, period, jobs=self._jobs(), now=now, pages=self._pages)
        self._latest = Today(report=report, computed_at=now)
        return self._latest

    def _known(self) -> Today | None:
        """Return the last report if it is about the present day."""
        found = self._latest
        now = self._clock.now()
        if found is None or not found.report.since <= now < found.report.until:
            return None
        return found

    def _run(self) -> None:
        try:
            content = self._content_now()
            age_s = self._clock.monotonic() - self._computed_s
            if content != self._content or age_s > _LONGEST_S or self._known() is None:
                self.compute()
                self._content, self._computed_s = content, self._clock.monotonic()
                self._took_s = self._computed_s - self._began_s
            self._problem = ""
        except SnapshotterError as error:
            self._problem = str(error)  # the page shows it, with the report before
        except Exception as error:  # noqa: BLE001  a page would wait for its report for ever
            traceback.print_exception(error)
            self._problem = tr(
                "the report about today could not be made because of a bug in snapshotter: {error}",
                error=error,
            )

    def _content_now(self) -> tuple[object, ...]:
        """Return what changes with the captures, annotations and gap records of the store."""
        with self._index.reading() as view:
            state = view.state
            return view.source.index.count(), id(state.annotations), len(state.gaps)


@dataclass(slots=True, kw_only=True)
class _PageReport:
    """The report about one page in a period, and what it was made of."""

    rows: tuple[str, ...]  # ids of the captures of the period
    seen: tuple[str, ...]  # ids of all captures of the page
    recorded: tuple[object, ...]  # what people recorded about them
    report: DayReport


class PageReports:
    """
    The reports about the pages of a period, of which the next report needs most again.

    A page is read again if it was captured, or if a person recorded something about a capture of
    it. If captures of other days came or went, all pages are read again.
    """

    def __init__(self) -> None:
        self._period: Period | None = None
        self._others = 0  # captures of the store outside of the period
        self._identities = dict[str, str]()
        self._pages = dict[str, _PageReport]()

    def begin(self, period: Period, others: int) -> None:
        """Begin a report; forget what does not belong to it."""
        if (period, others) != (self._period, self._others):
            self._period, self._others = period, others
            self._identities, self._pages = {}, {}

    def identity(self, view: ArchiveView, bundle_id: str) -> str:
        """Return the identity of the page of a capture; "" if nothing is known of its page."""
        if bundle_id not in self._identities:
            row = view.source.index.row(bundle_id)
            seen = row.observation if row is not None else None
            self._identities[bundle_id] = seen.identity if seen is not None else ""
        return self._identities[bundle_id]

    def report(
        self,
        view: ArchiveView,
        period: Period,
        identity: str,
        rows: Sequence[CaptureRow],
        now: datetime,
    ) -> DayReport:
        """Return the report about one page; "" for captures of which no page is known."""
        state, ids = view.state.annotations, tuple(row.bundle_id for row in rows)
        known = self._pages.get(identity)
        if known is not None and (known.rows, known.recorded) == (
            ids,
            _recorded(state, known.seen),
        ):
            return known.report
        seen = observations(view.source, identity=identity, sync=False) if identity else ()
        visible = _visible(view, [found.bundle_id for found in seen])
        shown = [found for found in seen if found.bundle_id in visible]
        made = _PageReport(
            rows=ids,
            seen=tuple(found.bundle_id for found in seen),
            recorded=_recorded(state, [found.bundle_id for found in seen]),
            report=_report(view, period, rows, shown, now=now),
        )
        self._pages[identity] = made
        return made.report


def report_of_period(
    view: ArchiveView,
    period: Period,
    *,
    jobs: Iterable[JobStatus],
    now: datetime,
    pages: PageReports | None = None,
) -> DayReport:
    """
    Return the report about a period; entries that need a review are in the order of time.

    `review_in_all` has the captures to be reviewed of the pages that were captured in the period.

    Args:
        jobs: As for `day_report`.
        pages: What is known from the report before, if it is made again and again.

    Raises:
        SnapshotterError: The index cannot be used.
    """
    index = view.source.index
    rows = index.captures(since=period.since, until=period.until)
    visible = _visible(view, [row.bundle_id for row in rows])
    shown = [row for row in rows if row.bundle_id in visible]
    known = PageReports() if pages is None else pages
    known.begin(period, index.count() - len(rows))
    by_page: dict[str, list[CaptureRow]] = {}
    for row in shown:
        by_page.setdefault(known.identity(view, row.bundle_id), []).append(row)
    parts = [_report(view, period, (), (), gaps=view.state.gaps, jobs=jobs, now=now)]
    parts += [
        known.report(view, period, identity, its_rows, now)
        for identity, its_rows in by_page.items()
    ]
    joined: dict[str, Any] = {
        name: tuple(
            sorted((entry for part in parts for entry in getattr(part, name)), key=attrgetter("at"))
        )
        for name in _LISTS
    }
    return replace(
        parts[0],
        **joined,
        complete=sum(part.complete for part in parts),
        review_in_all=sum(part.review_in_all for part in parts),
        quarantined=len(rows) - len(shown) + sum(part.quarantined for part in parts),
    )


def _report(
    view: ArchiveView,
    period: Period,
    rows: Sequence[CaptureRow],
    seen: Sequence[Observation],
    *,
    gaps: Iterable[GapRecord] = (),
    jobs: Iterable[JobStatus] = (),
    now: datetime,
) -> DayReport:
    return day_report(
        rows,
        seen,
        view.state.annotations,
        gaps=gaps,
        jobs=jobs,
        store=view.source.store.url,
        period=period,
        now=now,
    )


def _recorded(state: AnnotationState, bundle_ids: Iterable[str]) -> tuple[object, ...]:
    """Return what the report about a page takes from annotations of its captures."""
    return tuple(
        (bundle_id, found.review, found.quarantine)
        for bundle_id in bundle_ids
        if (found := state.captures.get(bundle_id)) is not None
    )


def _visible(view: ArchiveView, bundle_ids: Sequence[str]) -> set[str]:
    """Return the captures that no notice beside them puts into quarantine."""
    kinds = view.source.index.sidecar_kinds(bundle_ids)
    return {
        bundle_id
        for bundle_id in bundle_ids
        if not view.is_hidden(bundle_id, kinds.get(bundle_id, ()))
    }
