"""How often a page is looked at while it comes to rest."""

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from snapshotter.capture.behaviours import settling
from snapshotter.capture.behaviours.settling import seconds_until_next_check
from snapshotter.capture.page.pending_callbacks import AnnouncedWork, PageActivity
from snapshotter.model.capture import SettleEnd
from tests.fakes.world import FixedClock


@pytest.mark.parametrize(
    ("quiet_in", "look_in"),
    [
        (None, 0.05),  # something is under way
        (0.4, 0.05),
        (0.02, 0.02),  # quiet is noticed as soon as it is there
        (0.0001, 0.001),
        (0.0, 0.05),  # quiet, and images are waited for: no storm of questions to the page
        (-3.0, 0.05),
    ],
)
def test_the_next_look_is_when_something_can_have_changed(
    quiet_in: float | None, look_in: float
) -> None:
    assert seconds_until_next_check(quiet_in) == look_in


def ended(seen: Sequence[PageActivity], every_s: float) -> float:
    """Return after how many seconds a page counts as observed of which the browser shows this."""
    clock = FixedClock()
    begin, left = clock.monotonic(), list(seen)

    async def look() -> PageActivity:
        return left.pop(0) if left[1:] else left[0]

    async def busy_since() -> float:
        return 0.0

    observer = SimpleNamespace(
        changed_at=0.0, silent_channels=(), channels=0, polls=0, busy_since=busy_since
    )
    page_context: Any = SimpleNamespace(
        clock=clock,
        trace=SimpleNamespace(look=look),
        recorder=SimpleNamespace(observer=observer),
        decision=SimpleNamespace(quiet_s=0.25),
        document=SimpleNamespace(expected_at=None, scripts_stopped=False),
        worlds=SimpleNamespace(scheduled=()),
    )
    progress = settling._Progress()
    while asyncio.run(settling._how(page_context, progress)) is not SettleEnd.OBSERVED:
        clock.sleep(every_s)
    return clock.monotonic() - begin


def test_a_page_that_is_observed_has_a_moment_after_what_it_had_announced() -> None:
    """The timer of a worker may free a lock that the page waits for: no trace shows that."""
    runs_on = AnnouncedWork(kind="worker", count=1, longest_ms=0, due_at=0.0)
    timer = AnnouncedWork(kind="timer", count=1, longest_ms=700, due_at=0.0)
    observed = PageActivity(unshown=(runs_on,))

    assert ended([observed], 0.05) == 0.0
    assert ended([PageActivity(waits=(timer,), unshown=(runs_on,)), observed], 0.05) > 0.3
