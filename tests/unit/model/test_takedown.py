"""The interval of a take-down, as outputs print it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from snapshotter.model.takedown import widen

AT = datetime(2026, 5, 27, 9, 0, 0, tzinfo=UTC)
MS, SECOND, MINUTE = timedelta(milliseconds=1), timedelta(seconds=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("interval", "unit", "printed"),
    [
        ((AT, AT + SECOND), {}, (AT, AT + SECOND)),
        ((AT + MS, AT + SECOND + MS), {}, (AT, AT + 2 * SECOND)),
        ((AT + 999 * MS, AT + 999 * MS), {}, (AT, AT + SECOND)),
        ((AT + SECOND, AT + MINUTE + MS), {"unit": MINUTE}, (AT, AT + 2 * MINUTE)),
        ((AT, AT + MINUTE), {"unit": MINUTE}, (AT, AT + MINUTE)),
    ],
)
def test_a_printed_interval_contains_the_sealed_one_and_nothing_more(
    interval: tuple[datetime, datetime],
    unit: dict[str, Any],
    printed: tuple[datetime, datetime],
) -> None:
    assert widen(interval, **unit) == printed
