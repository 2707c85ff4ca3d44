"""How often a page is looked at while it comes to rest."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from snapshotter.capture.behaviours import settling
from snapshotter.capture.behaviours.settling import seconds_until_next_check
from snapshotter.capture.page.pending_callbacks import AnnouncedWork, PageActivity
from snapshotter.capture.page_context import SettlingTime
from snapshotter.model.capture import SettleEnd
from tests.fakes.world import FixedClock


@pytest.mark.parametrize(
    ("quiet_in", "look_in", "check_in"),
    [
        (None, 0.0, 0.05),  # something is under way
        (0.4, -0.2, 0.05),
        (0.02, 0.0, 0.02),  # quiet is noticed as soon as it is there
        (0.0001, 0.0, 0.001),
        (0.0, 0.0, 0.05),  # quiet, and images are waited for: no storm of questions to the page
        (-3.0, -3.0, 0.05),
        (-3.0, 0.7, 0.05),  # a page is observed
        (-3.0, 0.02, 0.02),  # and has been observed for long enough
        (0.04, 0.03, 0.03),
    ],
)
def test_the_next_check_is_when_something_can_have_changed(
    quiet_in: float | None, look_in: float, check_in: float
) -> None:
    assert seconds_until_next_check(quiet_in, look_in) == check_in


def context(clock: FixedClock, look: Callable[[], Awaitable[PageActivity]]) -> Any:
    """Return a page without requests, of whose trace a look shows this."""

    async def busy_since() -> float:
        return 0.0

    observer = SimpleNamespace(
        changed_at=0.0,
        silent_channels=(),
        channels=0,
        polls=0,
        busy_since=busy_since,
        note_intervals=lambda sent: None,
    )
    return SimpleNamespace(
        clock=clock,
        trace=SimpleNamespace(look=look),
        recorder=SimpleNamespace(observer=observer),
        decision=SimpleNamespace(quiet_s=0.25),
        document=SimpleNamespace(expected_at=None, scripts_stopped=False),
        worlds=SimpleNamespace(scheduled=()),
    )


def ended(seen: Sequence[PageActivity], every_s: float) -> float:
    """Return after how many seconds a page counts as observed of which the browser shows this."""
    clock = FixedClock()
    begin, left = clock.monotonic(), list(seen)

    async def look() -> PageActivity:
        return left.pop(0) if left[1:] else left[0]

    page_context = context(clock, look)
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


def test_what_runs_on_is_observed_for_a_second_after_it_was_waited_for() -> None:
    """An interval that shows something the eighth time, on a page that loaded long before."""
    now = FixedClock().monotonic()
    runs = AnnouncedWork(kind="interval", count=1, longest_ms=150, due_at=now)
    other = AnnouncedWork(kind="interval", count=2, longest_ms=150, due_at=now)
    timer = AnnouncedWork(kind="timer", count=1, longest_ms=400, due_at=now)
    runs_on = PageActivity(unshown=(runs,), ticked_at=now - 0.3)
    waited = PageActivity(waits=(runs,))

    # From its third tick, whenever that is looked at.
    assert ended([waited, waited, runs_on], every_s=0.05) == pytest.approx(0.7, abs=0.06)
    assert ended([runs_on], every_s=0.05) == pytest.approx(0.7, abs=0.06)
    # What ended meanwhile has its effect from now on.
    for before in (PageActivity(waits=(other,)), PageActivity(waits=(timer,), unshown=(runs,))):
        assert ended([before, runs_on], every_s=0.05) >= 1.1


@pytest.mark.parametrize(
    ("nothing_done", "late_s", "looks"),
    [(True, 0.1, 1), (False, 0.1, 2), (True, 0.3, 2)],
)
def test_a_look_counts_again_where_nothing_was_done_since_and_it_is_fresh(
    nothing_done: bool, late_s: float, looks: int
) -> None:
    clock, looked = FixedClock(), []

    async def look() -> PageActivity:
        looked.append(clock.monotonic())
        return PageActivity()

    async def settle() -> None:
        page_context, progress = context(clock, look), settling._Progress()
        assert await settling._how(page_context, progress) is SettleEnd.NOTHING_PENDING
        clock.sleep(late_s)
        await settling._how(page_context, progress, nothing_done=nothing_done)

    asyncio.run(settle())
    assert len(looked) == looks


def test_a_first_look_is_no_change_of_a_document_that_our_scripts_entered_before() -> None:
    entered, other = SettlingTime(), SettlingTime()
    entered.begin(1)
    entered.note_mutations(0, 5.0)
    entered.note_mutations(0, 6.0)
    assert entered.changed_at == 5.0
    entered.note_mutations(1, 7.0)
    assert entered.changed_at == 7.0

    entered.begin(2)  # of another document, nobody knows
    entered.note_mutations(1, 8.0)
    other.note_mutations(0, 8.0)
    assert entered.changed_at == other.changed_at == 8.0


@pytest.mark.parametrize(
    ("kinds", "begun_s", "changed_s", "rests_in", "animations", "may"),
    [
        ({"interval": 300}, 0.5, 0.4, 0.0, 0, True),
        ({}, 0.5, 0.4, 0.0, 0, False),  # nothing is left: it is finished, and not observed
        ({"interval": 300}, 0.5, 0.1, 0.0, 0, False),  # a ticker
        ({"interval": 300}, 0.5, 0.8, 0.0, 0, False),  # finished before anything is taken
        ({"interval": 300}, 0.5, 1.8, 0.4, 0, True),  # it did not change, and had its third tick
        ({"interval": 300}, 0.5, 1.8, 0.2, 0, False),
        ({"interval": 300}, 0.5, 0.4, 0.0, 1, False),  # that has to be stopped first
        ({"interval": 300, "animation": 0}, 0.5, 0.4, 0.0, 0, False),  # no paint is a change then
        ({"interval": 300}, 0.3, 0.4, 0.0, 0, False),  # it has perhaps not run at the bottom
        ({"interval": 2000, "worker": 0}, 0.9, 0.4, 0.0, 0, False),
        ({"interval": 2000}, 1.0, 0.4, 0.0, 0, True),
        ({"worker": 0}, 0.2, 0.3, 0.0, 0, False),
    ],
)
def test_the_time_of_an_observation_is_used_where_the_page_stands_still(
    kinds: dict[str, int],
    begun_s: float,
    changed_s: float,
    rests_in: float,
    animations: int,
    may: bool,
) -> None:
    clock = FixedClock()
    now = clock.monotonic()

    async def look() -> PageActivity:
        return PageActivity()

    unshown = tuple(
        AnnouncedWork(kind=kind, count=1, longest_ms=delay_ms, due_at=now)
        for kind, delay_ms in kinds.items()
    )
    progress = settling._Progress(
        changed_at=now - changed_s,
        rests_at=now + rests_in,
        animations=animations,
        activity=PageActivity(unshown=unshown),
    )

    assert settling._may_be_used(context(clock, look), progress, now - begun_s) == may
    timer = AnnouncedWork(kind="timer", count=1, longest_ms=700, due_at=now)
    progress.activity = PageActivity(waits=(timer,), unshown=unshown)
    assert not settling._may_be_used(context(clock, look), progress, now - begun_s)
