"""
Find between which two captures a count of a page crossed a threshold.

A count may be an interval. It is below a threshold only if its upper bound is, and at or above
the threshold only if its lower bound is. A count in between is neither, and is never rounded.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime

from snapshotter.model.reading import Count, Crossing
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import Observation
from snapshotter.value_class import dataclass

# What a law calls viewed, a platform may call read.
_COVERS = {"views": ("views", "reads")}


@dataclass(frozen=True, slots=True, kw_only=True)
class CountReading:
    """One count in one capture."""

    bundle_id: str
    at: datetime
    count: Count


def series(observations: Iterable[Observation]) -> dict[str, tuple[CountReading, ...]]:
    """
    Return the counts of one page by unit, in the order of the captures.

    Of several counts of the same unit in one capture the first is taken, which is the best founded.
    """
    found: dict[str, list[CountReading]] = {}
    for observation in sorted(
        observations, key=lambda observation: (observation.at, observation.bundle_id)
    ):
        seen: set[str] = set()
        for count in observation.counts:
            if count.unit not in seen:
                seen.add(count.unit)
                reading = CountReading(
                    bundle_id=observation.bundle_id, at=observation.at, count=count
                )
                found.setdefault(count.unit, []).append(reading)
    return {unit: tuple(readings) for unit, readings in found.items()}


def crossings(
    readings: dict[str, tuple[CountReading, ...]], thresholds: Sequence[Threshold]
) -> tuple[Crossing, ...]:
    """
    Return each time that a count of one page crossed a threshold, in the order of time.

    A count that falls below a threshold and rises again crosses it twice.
    """
    found = [
        crossing
        for threshold in thresholds
        for unit in _COVERS.get(threshold.unit, (threshold.unit,))
        for crossing in _of_one(readings.get(unit, ()), threshold, unit)
    ]
    return tuple(
        sorted(found, key=lambda crossing: (crossing.reached_at, crossing.unit, crossing.threshold))
    )


def _of_one(
    readings: Iterable[CountReading], threshold: Threshold, unit: str
) -> Iterator[Crossing]:
    below: CountReading | None = None
    between: CountReading | None = None  # the first since then that may be either
    is_over = False
    for reading in readings:
        count = reading.count
        if count.lower >= threshold.at:
            if not is_over:
                yield _crossing(threshold, unit, below, reading, certain=True)
            is_over, between = True, None
        elif count.upper is not None and count.upper < threshold.at:
            if between is not None:
                # It may have been over for a while: that stays open.
                yield _crossing(threshold, unit, below, between, certain=False)
            below, between, is_over = reading, None, False
        elif not is_over and between is None:
            between = reading
    if between is not None:
        yield _crossing(threshold, unit, below, between, certain=False)


def _crossing(
    threshold: Threshold,
    unit: str,
    below: CountReading | None,
    reached: CountReading,
    *,
    certain: bool,
) -> Crossing:
    return Crossing(
        unit=unit,
        threshold=threshold.at,
        source=threshold.source,
        certain=certain,
        below=below.bundle_id if below else "",
        below_at=below.at if below else None,
        below_raw=below.count.raw if below else "",
        reached=reached.bundle_id,
        reached_at=reached.at,
        reached_raw=reached.count.raw,
    )
