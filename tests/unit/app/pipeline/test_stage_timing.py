"""Where the time of a capture went: what is measured, what overlaps, from when times count."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from snapshotter.app.pipeline.stage_timing import (
    STAGES,
    Span,
    Timer,
    Timings,
    picture_ms,
    stage_ms,
    timings,
)
from snapshotter.model.capture import Capture, PictureTiming, Step, StepState
from tests import bundles
from tests.fakes.world import START, FixedClock


def _quiet(stage: str, detail: str) -> None:
    """Nobody watches."""


def _step(name: str, *, at_ms: int, took_ms: int) -> Step:
    at = START + timedelta(milliseconds=at_ms)
    return Step(name=name, state=StepState.OK, started_at=at, duration_ms=took_ms)


def _picture(name: str, step: str, *, at_ms: int, took_ms: int) -> PictureTiming:
    at = START + timedelta(milliseconds=at_ms)
    return PictureTiming(name=name, step=step, began_at=at, duration_ms=took_ms)


def _captured(tmp_path: Path) -> Capture:
    """100 ms of preparation, steps until 1,200 ms; 20 ms of these belong to no step."""
    return replace(
        bundles.capture(tmp_path, at=START),
        steps=(
            _step("launch", at_ms=100, took_ms=400),
            _step("navigate", at_ms=500, took_ms=300),
            _step("viewport", at_ms=820, took_ms=80),
            _step("screenshot", at_ms=900, took_ms=200),
            _step("mhtml", at_ms=900, took_ms=50),
            _step("record", at_ms=1_100, took_ms=100),
        ),
        picture_timings=(
            _picture("first-look", "", at_ms=750, took_ms=55),
            _picture("capture/viewport.png", "viewport", at_ms=820, took_ms=79),
            _picture("capture/screenshot.png", "screenshot", at_ms=905, took_ms=190),
        ),
    )


def _run(clock: FixedClock, *, process_began: float | None = None) -> Timer:
    """Measure the capture of `_captured`, and what comes after it."""
    timer = Timer(clock, _quiet, process_began)

    def wait(milliseconds: int) -> None:
        clock.advance(timedelta(milliseconds=milliseconds))

    wait(100)
    timer("launch", "")
    wait(1_100)
    timer("record", "")
    wait(30)  # the record ended at 1,200 ms, the processes of the browser at 1,230 ms
    timer.captured()
    for stage, detail, took in (
        ("assess", "", 40),
        ("seal", "", 10),
        ("timestamp", "one", 300),
        ("seal", "container", 5),
        ("store", "verify", 20),
        ("store", "file:///store", 60),
        ("append", "", 70),
    ):
        timer(stage, detail)
        wait(took)
    timer.stop()
    return timer


def _spans(found: Timings, name: str) -> list[Span]:
    return [span for span in found.spans if span.name == name]


def test_each_step_of_a_capture_has_its_begin_and_its_duration(
    tmp_path: Path, clock: FixedClock
) -> None:
    found = timings(_captured(tmp_path), _run(clock))

    steps = [
        (span.name, span.begin_ms, span.duration_ms)
        for span in found.spans
        if span.name != "picture"
    ]
    assert steps == [
        ("prepare", 0, 100),
        ("launch", 100, 400),
        ("navigate", 500, 300),
        ("viewport", 820, 80),
        ("screenshot", 900, 200),
        ("mhtml", 900, 50),
        ("record", 1_100, 100),
        ("cleanup", 1_200, 30),
        ("assess", 1_230, 40),
        ("seal", 1_270, 10),
        ("timestamp", 1_280, 300),
        ("seal", 1_580, 5),
        ("verify", 1_585, 20),
        ("store", 1_605, 60),
        ("log", 1_665, 70),
    ]
    assert found.elapsed_ms == 1_735


def test_each_picture_names_its_file_and_the_step_that_took_it(
    tmp_path: Path, clock: FixedClock
) -> None:
    captured = _captured(tmp_path)
    found = timings(captured, _run(clock))

    assert [
        (span.detail, span.part_of, span.begin_ms, span.duration_ms)
        for span in _spans(found, "picture")
    ] == [
        ("first-look", "", 750, 55),
        ("capture/viewport.png", "viewport", 820, 79),
        ("capture/screenshot.png", "screenshot", 905, 190),
    ]
    assert picture_ms(captured) == (55, 79, 190)


def test_durations_that_overlap_are_named_on_both_sides(tmp_path: Path, clock: FixedClock) -> None:
    found = timings(_captured(tmp_path), _run(clock))

    overlaps = {
        f"{span.name} {span.detail}".strip(): span.overlaps for span in found.spans if span.overlaps
    }
    assert overlaps == {
        "navigate": ("picture",),
        "picture first-look": ("navigate",),
        "screenshot": ("mhtml",),
        "mhtml": ("screenshot",),
    }


def test_time_in_which_nothing_was_measured_is_stated(tmp_path: Path, clock: FixedClock) -> None:
    # The first look ends at 805 ms, and the next step begins at 820 ms.
    assert timings(_captured(tmp_path), _run(clock)).outside_ms == 15


def test_the_first_capture_of_a_command_counts_from_the_start_of_the_process(
    tmp_path: Path, clock: FixedClock
) -> None:
    found = timings(_captured(tmp_path), _run(clock, process_began=clock.monotonic() - 0.59))

    assert found.spans[0] == Span(name="start", begin_ms=0, duration_ms=590)
    assert [span.begin_ms for span in _spans(found, "prepare")] == [590]
    assert [span.begin_ms for span in _spans(found, "navigate")] == [1_090]
    assert found.elapsed_ms == 590 + 1_735
    assert found.outside_ms == 15


def test_the_stages_of_logs_and_metrics_come_from_the_same_measurements(
    tmp_path: Path, clock: FixedClock
) -> None:
    timer = _run(clock, process_began=clock.monotonic() - 0.59)
    stages = stage_ms(_captured(tmp_path), timer, more=["log"])

    assert stages == {
        **dict.fromkeys(STAGES, 0),
        "prepare": 100,
        "launch": 400,
        "navigate": 300,
        "screenshot": 280,
        "mhtml": 50,
        "record": 100,
        "cleanup": 30,
        "assess": 40,
        "seal": 15,
        "timestamp": 300,
        "verify": 20,
        "store": 80,
        "log": 70,
        "total": 1_735,  # the start of the process is not a part of the capture
    }
