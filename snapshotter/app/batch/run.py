"""
Capture the rows of a batch in this process, and recover what an interrupted run left.

`capture_all` captures the rows, one after the other, in the order that their hosts allow. `recover`
is called before it. The table states, for each moment of a crash, what the crash leaves, and what
the next run does:

    before the journal has the bundle's id    no bundle: the row is captured
    after that, and before the seal           no bundle: the row is captured
    after the seal, and before storing        a bundle in the spool: it is stored for this row
    after storing, without a journal line     a bundle in the store: it is found by its id
    after the line with the result            the row is done

The bundle of a row is completed beside the visit of the next row, so a crash may leave two rows
that have begun. A row that fails does not stop the others. After three consecutive failures the
run ends, because the rows are then probably not the cause.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Protocol

from snapshotter.app.archive import bundles
from snapshotter.app.batch.journal import DEFERRED, RowResult
from snapshotter.app.batch.plan import BatchRow
from snapshotter.app.batch.state import DONE, FAILED, INCOMPLETE, BatchState
from snapshotter.app.pipeline import safekeeping
from snapshotter.app.pipeline.host_pacing import AllHostsWaiting, VisitQueue, VisitTurn
from snapshotter.app.pipeline.run import CaptureDependencies, CaptureResult, VisitedPage
from snapshotter.app.pipeline.series import CaptureSeries
from snapshotter.app.pipeline.store_bundle import location
from snapshotter.app.upkeep.log_sync import sync_log
from snapshotter.errors import (
    EvidenceInvalid,
    ServiceUnavailable,
    SnapshotterError,
    StoreFull,
    bug,
)
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import instant
from snapshotter.formats.digest import digest
from snapshotter.model.conclusion import exit_code
from snapshotter.model.job import SealedResult
from snapshotter.model.request import Decision
from snapshotter.policy import retention
from snapshotter.policy.addresses import strip_parameters
from snapshotter.policy.host_responses import response_of
from snapshotter.ports import Progress
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MAX_FAILURES = 3  # failures that end the run
_TITLE = 1_000  # characters of a title that are kept in a table
_LONGEST_NAP_S = 30.0  # the machine may have been asleep meanwhile
_LONG_S = 20.0  # of waiting, after which a prewarmed browser is ended


class BatchObserver(Protocol):
    """The display of a running batch."""

    def row_started(self, entry: BatchRow) -> Progress:
        """Show that the capture of a row begins; return the callback for its progress."""

    def ended(self, entry: BatchRow, result: RowResult, done: CaptureResult | None) -> None:
        """Show that a row ended or was deferred. `done` is its capture, if it was made just now."""

    def waiting(self, until: datetime, why: str) -> None:
        """Show that no host may be visited until then."""

    def message(self, sentence: str) -> None:
        """Show a message."""


Decide = Callable[[str, str], Decision]  # a policy's name, and the page's address


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The result of a run."""

    interrupted: bool = False
    stopped: SnapshotterError | None = None  # why nothing more was begun


class _RecordingLease:
    """The `Lease` of a single process, which records what it begins."""

    def __init__(self, state: BatchState, entry: BatchRow, labels: Sequence[str]) -> None:
        self._state = state
        self._entry = entry
        self._labels = labels

    def began(self, bundle_id: str) -> None:
        """Record the id, before the page is requested."""
        self._state.record_start(self._entry, bundle_id, self._labels)

    def visited(self) -> None:
        """Do nothing: `CaptureSeries` decides what comes next."""

    def may_store(self, sealed: SealedResult) -> None:
        """Allow it: the lock of the journal excludes other processes."""

    def wait(self, error: ServiceUnavailable | StoreFull) -> None:
        """Raise the error: the bundle is kept, and the next run stores it."""
        raise error

    def stored(self) -> None:
        """Do nothing: the result of the row is recorded as a whole."""


def recover(
    state: BatchState, dependencies: CaptureDependencies, decide: Decide, observer: BatchObserver
) -> None:
    """
    Record the results of captures that earlier runs made and could not record.

    Call it after `safekeeping.rescue_spooled`.

    Raises:
        ServiceUnavailable: The store does not answer.
        SnapshotterError: A sealed bundle cannot be stored; it stays where it is.
    """
    for entry in state.plan.rows_to_capture:
        known = state.known(entry)
        failed = known.result is not None and known.result.status == FAILED
        if known.is_running_here or failed:
            # The last bundle; or of a failed row any bundle, which a full disk may have left.
            ids = known.bundle_ids[-1:] if known.is_running_here else known.bundle_ids[::-1]
            found = (
                _found(
                    bundle_id,
                    entry,
                    dependencies,
                    decide(entry.policy, entry.url),
                    observer,
                    stored=known.is_running_here,
                )
                for bundle_id in ids
            )
            result = next(filter(None, found), None)
            if result is not None:
                state.note(entry, result)
                observer.ended(entry, result, None)


def _found(
    bundle_id: str,
    entry: BatchRow,
    dependencies: CaptureDependencies,
    decision: Decision,
    observer: BatchObserver,
    *,
    stored: bool,
) -> RowResult | None:
    """Return the result of a row whose bundle exists; an unstored bundle is stored first."""
    file = dependencies.unstored_dir / f"{bundle_id}{store_keys.SUFFIX}"
    waiting = file.exists()
    if not waiting and not stored:
        return None
    if waiting:
        now = dependencies.clock.now()
        kept = retention.retention_for_decision(decision, now)
        safekeeping.add_bundle(
            file, dependencies.store, dependencies.trust, now=now, retention=kept
        )
        observer.message(
            tr(
                "the bundle {bundle_id} was sealed by an earlier run. It is now stored",
                bundle_id=bundle_id,
            )
        )
    result = _stored(bundle_id, entry, dependencies, decision, observer)
    if waiting and result is not None:
        _log(bundle_id, dependencies, observer)
        with contextlib.suppress(OSError):  # left there, it can be added again
            file.unlink()
    return result


def _log(bundle_id: str, dependencies: CaptureDependencies, observer: BatchObserver) -> None:
    if dependencies.logbook is None:
        return
    try:
        for _ in sync_log(
            dependencies.logbook, dependencies.trust, dependencies.clock, only=(bundle_id,)
        ):
            pass
    except SnapshotterError as error:
        observer.message(
            tr(
                "the bundle {bundle_id} is not in the log yet: {error}\n  Add the bundle to "
                "the log:\n  snapshotter log sync",
                bundle_id=bundle_id,
                error=error,
            )
        )


def _stored(
    bundle_id: str,
    entry: BatchRow,
    dependencies: CaptureDependencies,
    decision: Decision,
    observer: BatchObserver,
) -> RowResult | None:
    """Return the result of a row from its bundle, if the store has it."""
    key = store_keys.bundle_key(bundle_id)
    try:
        length = dependencies.store.head(key).length
        with dependencies.store.open(key) as stream:
            record = bundles.read_record(stream)
            shown = bundles.read_shown(stream)
            stream.seek(0)
            sha256 = digest(stream, limit=length).sha256
    except FileNotFoundError:
        return None
    except EvidenceInvalid as error:
        observer.message(
            tr(
                "the bundle {bundle_id} cannot be read, so its page is captured again: {error}",
                bundle_id=bundle_id,
                error=error,
            )
        )
        return None
    what = record.get("what", {})
    visited, _ = strip_parameters(entry.url, decision.strip_params)
    if what.get("requested_url") != visited:
        return None
    met = record.get("court_minimum", {}).get("met") is True
    code = exit_code(met, required=decision.require_court_minimum)
    return RowResult(
        status=INCOMPLETE if code else DONE,
        outcome=str(record.get("outcome", {}).get("state", "")),
        verdict=shown.words if shown is not None else "",
        bundle_id=bundle_id,
        sha256=sha256,
        time=str(record.get("when", {}).get("started_at", "")),
        location=location(dependencies.store, key),
        title=str(what.get("title") or "")[:_TITLE],
        exit_code=code,
        http_status=status if type(status := what.get("http_status")) is int else None,
        final_url=str(what.get("final_url", "")),
    )


def row_result(done: CaptureResult, decision: Decision) -> RowResult:
    """Return the result of a row from its capture."""
    captured = done.capture
    code = exit_code(captured.court_minimum.met, required=decision.require_court_minimum)
    return RowResult(
        status=INCOMPLETE if code else DONE,
        outcome=captured.outcome.value,
        verdict=done.shown.words if done.shown is not None else "",
        bundle_id=done.bundle.id,
        sha256=done.bundle.digests.sha256,
        time=instant(captured.started_at),
        location=done.location,
        title=captured.title[:_TITLE],
        error="; ".join(f"{reason.code}: {reason.detail}" for reason in captured.reasons)
        if code
        else "",
        exit_code=code,
        http_status=captured.response.status if captured.response else None,
        final_url=captured.final_url,
    )


def capture_all(
    state: BatchState,
    entries: tuple[BatchRow, ...],
    series: CaptureSeries,
    line: VisitQueue,
    decide: Decide,
    observer: BatchObserver,
    *,
    pause: Callable[[float], None],
    labels: Sequence[str] = (),
) -> RunResult:
    """
    Capture rows, in the order that their hosts allow; return the result of the run.

    Args:
        line: The queue of the addresses of `entries`.
        decide: Returns the decision of a policy for a page; it was called for each policy before.
        pause: Sleeps for so many seconds; KeyboardInterrupt passes through.
        labels: Of all captures, besides the tags of their rows.
    """
    run = _Run(state, entries, series, line, decide, observer, labels)
    stop = series.stop
    try:
        try:
            while not stop.wanted and run.stopped is None:
                turn = line.next()
                if turn is None or isinstance(turn, AllHostsWaiting):
                    if series.settle_behind():  # its page may be visited again
                        continue
                    if turn is None:
                        break
                    run.wait(turn, pause)
                    continue
                run.one(turn)
                stop.release()
            series.settle_behind()
        except KeyboardInterrupt:
            if not series.is_behind:
                raise
            series.settle_behind()  # the signal ended the page under way
            stop.release()
            return RunResult(interrupted=True)
    except KeyboardInterrupt as error:
        for note in getattr(error, "__notes__", ()):
            observer.message(note)
        return RunResult(interrupted=True)
    stop.release()
    if stop.wanted:
        return RunResult(interrupted=True)
    return RunResult(stopped=run.stopped)


@dataclass(slots=True, kw_only=True)
class _Visit:
    """The visit of a row."""

    turn: VisitTurn
    entry: BatchRow
    decision: Decision
    revisit_at: datetime | None = None  # the host throttled us
    trouble: SnapshotterError | None = None  # the visit could not be recorded


@dataclass(slots=True)
class _Run:
    state: BatchState
    entries: tuple[BatchRow, ...]
    series: CaptureSeries
    line: VisitQueue
    decide: Decide
    observer: BatchObserver
    labels: Sequence[str]
    failures: int = 0  # one after the other
    stopped: SnapshotterError | None = None
    left: int = field(init=False)

    def __post_init__(self) -> None:
        self.left = len(self.entries)

    def wait(self, held: AllHostsWaiting, pause: Callable[[float], None]) -> None:
        """Wait until a host is free, or for a while at most."""
        now = self.state.now()
        until = held.until or now + timedelta(seconds=1)
        left_s = (until - now).total_seconds()
        if left_s > _LONG_S:
            self.series.rest()
        if self.state.output.due:
            self.state.write()
        self.observer.waiting(until, f"{held.key}: {held.why}")
        pause(min(max(left_s, 0.01), _LONGEST_NAP_S))

    def one(self, turn: VisitTurn) -> None:
        """Capture one row; its bundle may be completed later, beside the next visit."""
        entry = self.entries[turn.number]
        self.left -= 1
        visit = _Visit(turn=turn, entry=entry, decision=self.decide(entry.policy, entry.url))
        steps = self.observer.row_started(entry)
        self.series.capture_next(
            visit=partial(self._visit, visit, steps),
            complete=lambda visited: self.series.complete(visited, steps),
            settle=partial(self._settle, visit),
            beside=partial(self._beside, visit),
        )
        if visit.trouble is not None:
            self.line.done(turn, None)

    def _visit(self, visit: _Visit, steps: Progress) -> VisitedPage:
        """Visit the page of a row, and report the response to the queue of its host."""
        entry = visit.entry
        try:
            visited = self.series.visit(
                entry.url, visit.decision, steps,
                following=self.left > 0, lease=_RecordingLease(self.state, entry, self.labels),
            )  # fmt: skip
        except BaseException:  # also Ctrl-C: the turn of the host is given back
            self.line.done(visit.turn, None)
            raise
        try:
            visit.revisit_at = self.line.done(
                visit.turn, response_of(visited.capture), revisits=self.state.known(entry).deferred
            )
        except SnapshotterError as error:  # raised when the bundle is stored
            visit.trouble = error
        except BaseException:
            visited.drop()
            raise
        return visited

    def _beside(self, visit: _Visit) -> Progress | None:
        """Return the display of a bundle that is completed beside the next visit, if one may be."""
        may_be = self.left > 0 and self.stopped is None and visit.trouble is None
        return _silent if may_be else None

    def _settle(self, visit: _Visit, obtain: Callable[[], CaptureResult]) -> None:
        """Obtain the capture of a row and record its result, or its error."""
        entry, at = visit.entry, visit.revisit_at
        try:
            done = obtain()
            if visit.trouble is not None:
                raise visit.trouble
            result = row_result(done, visit.decision)
            if at is not None:
                self.line.again(visit.turn.number, entry.url, at)
                self.left += 1
                result = replace(
                    result,
                    status=DEFERRED,
                    error="the host reported too many requests",
                    hint=f"the page is visited again after {instant(at)}",
                )
            self.failures = 0
        except SnapshotterError as error:
            self._failed(entry, error)
        except (BrokenPipeError, ModuleNotFoundError):
            raise  # not caused by this row
        except Exception as error:  # noqa: BLE001 - shown, and the other rows are captured
            self._failed(entry, bug(error), counts=False)
        else:
            for warning in self.series.warnings(done):
                self.observer.message(warning)
            self.state.note(entry, result)
            self.observer.ended(entry, result, done)

    def _failed(self, entry: BatchRow, error: SnapshotterError, *, counts: bool = True) -> None:
        result = RowResult(
            status=FAILED, error=error.message, hint=error.hint, exit_code=error.exit_code
        )
        self.state.note(entry, result)
        self.observer.ended(entry, result, None)
        self.failures = self.failures + 1 if counts else 0
        if self.failures >= _MAX_FAILURES:
            self.stopped = error


def _silent(_stage: str, _detail: str) -> None:
    """Show nothing of a bundle that is completed beside the next visit."""
