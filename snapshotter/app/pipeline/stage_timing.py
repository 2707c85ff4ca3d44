"""
Measure how long each stage of a capture took.

`stage_ms` returns the duration of each promised stage, for `capture --json`, logs and metrics.
`timings` returns from the same measurements when each step and each picture began and ended, for
`capture --timings`. Steps of a capture may run at the same time, so their durations may add up to
more than the elapsed time.

The stages begin with the preparation of the capture and end with the storing of the bundle. Some
captures have more: the compression of the pictures, the logging and the replay of the bundle.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from snapshotter.model.capture import Capture
from snapshotter.ports import Clock, Progress
from snapshotter.value_class import dataclass

# The stages that `capture --json` reports, in the order in which they come.
STAGES = (
    "prepare",
    "launch",
    "navigate",
    "settle",
    "screenshot",
    "mhtml",
    "dom",
    "text",
    "record",
    "cleanup",
    "assess",
    "seal",
    "timestamp",
    "verify",  # a part of "store"
    "store",
)
# A capture has finer steps than the promised stages; each counts into one of them.
_STAGE_OF_STEP: Mapping[str, str] = {
    "scroll": "settle",
    "judge": "settle",
    "reload": "settle",
    "viewport": "screenshot",
}
# The stages that the timer measures, and what each is called. The verification of a new bundle is a
# part of the stage "store", and a step of its own.
_TIMED: Final[Mapping[str, str]] = {
    "assess": "assess",
    "compress": "compress",
    "seal": "seal",
    "timestamp": "timestamp",
    "verify": "verify",
    "cleanup": "cleanup",
    "store": "store",
    "append": "log",
    "replay": "replay",
}
_PICTURE: Final = "picture"
_APART_MS: Final = 1  # times are rounded to 1 ms: steps that share no more do not overlap


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When one step of a capture, or one picture, began and how long it took."""

    name: str  # the step; "picture" for one picture
    begin_ms: int  # since the origin of `Timings`
    duration_ms: int
    detail: str = ""  # of a picture: the path of its file, or "first-look"
    part_of: str = ""  # of a picture: the step that took it; "" if none did
    overlaps: tuple[str, ...] = ()  # names of other spans that ran at the same time

    @property
    def end_ms(self) -> int:
        """The end, since the origin of `Timings`."""
        return self.begin_ms + self.duration_ms


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """
    Where the time of a capture went.

    The origin of all times is the start of the process for the first capture of a command, and the
    begin of the capture for each further one.
    """

    elapsed_ms: int  # from the origin to the end of the last step
    outside_ms: int  # of that, the time in which no step ran and no picture was taken
    spans: tuple[Span, ...]  # by their begin


def stage_ms(capture: Capture, timer: "Timer", *, more: Sequence[str]) -> dict[str, int]:
    """
    Return the milliseconds of each of `STAGES`, of further stages, and "total".

    Args:
        more: Stages that only some captures have: "compress", "log", "replay".
    """
    result = dict.fromkeys(STAGES, 0)
    for step in capture.steps:
        stage = _STAGE_OF_STEP.get(step.name, step.name)
        if stage in result:
            result[stage] += step.duration_ms
    for stage in ("prepare", "assess", "seal", "timestamp", "verify", *more):
        result[stage] = timer.ms("append" if stage == "log" else stage)
    result["store"] = timer.ms("verify") + timer.ms("store")
    result["cleanup"] = timer.ms("cleanup") + sum(
        span.duration_ms for span in _cleanup(capture, timer)
    )
    result["total"] = timer.total_ms
    return result


def timings(capture: Capture, timer: "Timer") -> Timings:
    """Return when each step and each picture of a capture began and how long it took."""
    steps = [
        *timer.spans(),
        *_cleanup(capture, timer),
        *(
            Span(
                name=step.name,
                begin_ms=timer.since_origin_ms(step.started_at),
                duration_ms=step.duration_ms,
            )
            for step in capture.steps
        ),
    ]
    pictures = [
        Span(
            name=_PICTURE,
            detail=picture.name,
            part_of=picture.step,
            begin_ms=timer.since_origin_ms(picture.began_at),
            duration_ms=picture.duration_ms,
        )
        for picture in capture.picture_timings
    ]
    # A picture always runs within its step, so only the other pictures are compared.
    spans = [
        *_with_overlaps([*steps, *(picture for picture in pictures if not picture.part_of)]),
        *(picture for picture in pictures if picture.part_of),
    ]
    elapsed = timer.since_origin_ms(None)
    return Timings(
        elapsed_ms=elapsed,
        outside_ms=max(0, elapsed - _covered_ms(spans)),
        spans=tuple(sorted(spans, key=lambda span: (span.begin_ms, span.name == _PICTURE))),
    )


def picture_ms(capture: Capture) -> tuple[int, ...]:
    """Return the milliseconds of each picture of a capture."""
    return tuple(picture.duration_ms for picture in capture.picture_timings)


class Timer:
    """
    Passes progress on, and measures each stage before and after the capture.

    Args:
        process_began: When this process began, on the clock's monotonic scale, if this is the first
            capture of a command; None if it is not, or if that is unknown.
    """

    def __init__(
        self, clock: Clock, progress: Progress, process_began: float | None = None
    ) -> None:
        self._clock = clock
        self._progress = progress
        self._began_at = clock.now()
        self._began = self._since = clock.monotonic()
        self._origin = self._began if process_began is None else min(process_began, self._began)
        self._stage = "prepare"
        self._segments: list[tuple[str, float, float]] = []  # stage, begin, end
        self._returned: float | None = None  # when the capture returned

    def __call__(self, stage: str, detail: str) -> None:
        self.begin("verify" if (stage, detail) == ("store", "verify") else stage)
        self._progress(stage, detail)

    def show_in(self, progress: Progress) -> None:
        """Pass further progress on to another display."""
        self._progress = progress

    def begin(self, stage: str) -> None:
        """Begin a stage that is too short to show."""
        self.stop()
        self._stage = stage

    def stop(self) -> None:
        """End the current stage."""
        now = self._clock.monotonic()
        self._segments.append((self._stage, self._since, now))
        self._since = now

    def captured(self) -> None:
        """Note that the capture has returned, with its browser ended."""
        self._returned = self._clock.monotonic()

    def ms(self, stage: str) -> int:
        """Return the milliseconds of a stage; 0 if there was none."""
        return round(
            sum(end - begin for name, begin, end in self._segments if name == stage) * 1000
        )

    @property
    def total_ms(self) -> int:
        """Milliseconds from the begin to the last stage that ended."""
        return round((self._since - self._began) * 1000)

    @property
    def returned_ms(self) -> int | None:
        """Milliseconds from the origin until the capture returned; None if it did not."""
        return None if self._returned is None else self._ms(self._returned)

    def since_origin_ms(self, at: datetime | None) -> int:
        """
        Return milliseconds since the origin of `Timings`.

        Args:
            at: By the clock of the capture; None for the end of the last stage.
        """
        if at is None:
            return self._ms(self._since)
        return self._ms(self._began + (at - self._began_at).total_seconds())

    def spans(self) -> Iterable[Span]:
        """Return the stages before and after the capture, whose own steps the capture measures."""
        if self._origin < self._began:
            yield self._span("start", self._origin, self._began)
        named = [
            (_TIMED[name], begin, end) for name, begin, end in self._segments if name in _TIMED
        ]
        first = [segment for segment in self._segments[:1] if segment[0] == "prepare"]
        for name, begin, end in (*first, *named):
            span = self._span(name, begin, end)
            if span.duration_ms or name != "cleanup":  # mostly nothing is left to wait for
                yield span

    def _span(self, name: str, begin: float, end: float) -> Span:
        return Span(
            name=name, begin_ms=self._ms(begin), duration_ms=self._ms(end) - self._ms(begin)
        )

    def _ms(self, monotonic: float) -> int:
        return round((monotonic - self._origin) * 1000)


def _cleanup(capture: Capture, timer: Timer) -> list[Span]:
    """Return the time between the last step of a capture and its return, as at most one span."""
    if timer.returned_ms is None or not capture.steps:
        return []
    ended = max(timer.since_origin_ms(step.started_at) + step.duration_ms for step in capture.steps)
    duration = timer.returned_ms - ended
    return [Span(name="cleanup", begin_ms=ended, duration_ms=duration)] if duration > 0 else []


def _with_overlaps(spans: Sequence[Span]) -> list[Span]:
    """Return spans, each with the names of those that ran at the same time."""

    def shared_ms(one: Span, other: Span) -> int:
        return min(one.end_ms, other.end_ms) - max(one.begin_ms, other.begin_ms)

    return [
        replace(
            span,
            overlaps=tuple(
                sorted(
                    {
                        other.name
                        for other in spans
                        if other is not span and shared_ms(span, other) > _APART_MS
                    }
                )
            ),
        )
        for span in spans
    ]


def _covered_ms(spans: Iterable[Span]) -> int:
    """Return the milliseconds in which at least one span ran."""
    covered, reached = 0, 0
    for span in sorted(spans, key=lambda span: span.begin_ms):
        covered += max(0, span.end_ms - max(reached, span.begin_ms))
        reached = max(reached, span.end_ms)
    return covered
