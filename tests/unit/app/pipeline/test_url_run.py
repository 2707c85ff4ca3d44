"""The URLs of one command, with a series that captures nothing."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from snapshotter.app import url_lists
from snapshotter.app.interruption import Interruption
from snapshotter.app.pipeline import url_run
from snapshotter.app.pipeline.host_pacing import RateLimiter
from snapshotter.app.pipeline.run import CaptureResult
from snapshotter.app.pipeline.series import CaptureSeries
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.request import Decision
from snapshotter.ports import Progress

URLS = ["https://a.example/", "https://b.example/", "https://c.example/"]


def decision(*, required: bool = True) -> Decision:
    return cast(Decision, SimpleNamespace(require_court_minimum=required))


def result(*, met: bool = True) -> CaptureResult:
    capture = SimpleNamespace(
        court_minimum=SimpleNamespace(met=met), response=None, ended_at=None, final_url=""
    )
    return cast(CaptureResult, SimpleNamespace(capture=capture))


class Series:
    """Answers each capture with the next of `results`, or raises it."""

    def __init__(self, *results: CaptureResult | BaseException) -> None:
        self.stop = Interruption()
        self.following: list[bool] = []
        self._results: Iterator[CaptureResult | BaseException] = iter(results)

    may_complete_beside = is_behind = False

    def settle_behind(self) -> bool:
        return False

    def visit(self, url: str, decision: Decision, steps: Progress, *, following: bool) -> Any:
        self.following.append(following)
        found = next(self._results)
        if isinstance(found, BaseException):
            raise found
        return found

    def complete(self, visited: Any, steps: Progress) -> Any:
        return visited

    def warnings(self, done: CaptureResult) -> tuple[str, ...]:
        return ()


class Pace:
    def __init__(self) -> None:
        self.calls: list[object] = []

    def wait(self, url: str, show_message: object) -> str:
        self.calls.append(url)
        return url

    def done(self, visit: str, response: object) -> None:
        self.calls.append("done")


class Observer:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []
        self.steps_beside: list[tuple[int, str]] = []

    def started(self, number: int) -> None:
        pass

    def waiting(self, sentence: str) -> None:
        pass

    def steps(self) -> AbstractContextManager[Progress]:
        return nullcontext(lambda stage, detail: None)

    def completing(self, number: int) -> Progress:
        return lambda stage, detail: self.steps_beside.append((number, stage))

    def captured(self, number: int, result: CaptureResult, warnings: Sequence[str]) -> None:
        self.seen.append(("captured", number))

    def failed(self, number: int, error: SnapshotterError) -> None:
        self.seen.append(("failed", number, error.exit_code))

    def interrupted(self, left: int) -> None:
        self.seen.append(("interrupted", left))


def run(
    series: Series,
    observer: Observer,
    *,
    urls: Sequence[str] = URLS,
    pace: Pace | None = None,
    raise_errors: bool = False,
) -> int:
    refused = url_lists.refused_urls(urls)
    return url_run.capture_each(
        urls,
        dict.fromkeys(range(len(urls)), decision()),
        refused,
        cast(CaptureSeries, series),
        cast(RateLimiter, pace or Pace()),
        observer,
        raise_errors=raise_errors,
    )


def test_a_url_that_fails_holds_up_no_other_and_decides_the_exit_code() -> None:
    series = Series(result(), ServiceUnavailable("no answer"), result(met=False))
    observer, pace = Observer(), Pace()

    assert run(series, observer, pace=pace) == 30

    assert observer.seen == [("captured", 0), ("failed", 1, 30), ("captured", 2)]
    assert series.following == [True, True, False]
    assert pace.calls == [URLS[0], "done", URLS[1], "done", URLS[2], "done"]


def test_a_bundle_without_the_court_minimum_ends_in_3() -> None:
    assert run(Series(result(met=False), result(), result()), Observer()) == 3


def test_a_refused_url_and_a_bug_are_failures_of_their_urls() -> None:
    series, observer = Series(result(), ZeroDivisionError("?")), Observer()

    assert run(series, observer, urls=["ftp://a.example/", URLS[0], URLS[1]]) == 1

    assert observer.seen == [("failed", 0, 1), ("captured", 1), ("failed", 2, 1)]


def test_a_single_url_raises_its_error_and_waits_for_no_host() -> None:
    pace = Pace()
    with pytest.raises(ServiceUnavailable):
        run(
            Series(ServiceUnavailable("no answer")), Observer(),
            urls=URLS[:1], pace=pace, raise_errors=True,
        )  # fmt: skip
    assert pace.calls == []


def test_a_closed_output_ends_the_run() -> None:
    with pytest.raises(BrokenPipeError):
        run(Series(BrokenPipeError()), Observer())
