"""
Measure how long each stage of a capture took.

The stages begin with the start of the browser and end with the storing of the bundle. Some captures
have two more: the logging and the replay of the bundle.
"""

from collections.abc import Mapping, Sequence

from snapshotter.model.capture import Capture
from snapshotter.ports import Clock, Progress

# The stages that `capture --json` reports, in the order in which they come.
STAGES = (
    "launch",
    "navigate",
    "settle",
    "screenshot",
    "mhtml",
    "dom",
    "text",
    "record",
    "assess",
    "seal",
    "timestamp",
    "store",
)
# A capture has finer steps than the promised stages; each counts into one of them.
_STAGE_OF_STEP: Mapping[str, str] = {
    "scroll": "settle",
    "judge": "settle",
    "reload": "settle",
    "viewport": "screenshot",
}


def stage_ms(capture: Capture, timer: "Timer", *, more: Sequence[str]) -> dict[str, int]:
    """
    Return the milliseconds of each of `STAGES`, of further stages, and "total".

    Args:
        more: Stages that only some captures have: "log", "replay".
    """
    result = dict.fromkeys(STAGES, 0)
    for step in capture.steps:
        stage = _STAGE_OF_STEP.get(step.name, step.name)
        if stage in result:
            result[stage] += step.duration_ms
    for stage in ("assess", "seal", "timestamp", "store", *more):
        result[stage] = timer.ms("append" if stage == "log" else stage)
    result["total"] = timer.total_ms
    return result


class Timer:
    """Passes progress on, and measures each stage after the capture."""

    def __init__(self, clock: Clock, progress: Progress) -> None:
        self._clock = clock
        self._progress = progress
        self._began = self._since = clock.monotonic()
        self._stage = ""
        self._seconds: dict[str, float] = {}

    def __call__(self, stage: str, detail: str) -> None:
        self.stop()
        self._stage = stage
        self._progress(stage, detail)

    def stop(self) -> None:
        """End the current stage."""
        now = self._clock.monotonic()
        self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
        self._since = now

    def ms(self, stage: str) -> int:
        """Return the milliseconds of a stage; 0 if there was none."""
        return round(self._seconds.get(stage, 0.0) * 1000)

    @property
    def total_ms(self) -> int:
        """Milliseconds from the begin to the last stage that ended."""
        return round((self._since - self._began) * 1000)
