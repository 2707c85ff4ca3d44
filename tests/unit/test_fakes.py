"""The fakes keep the contracts of the ports that they stand for."""

from datetime import timedelta

from snapshotter.ports import Clock, IdSource
from tests.fakes.world import START, FixedClock, SeededIds


def test_the_clock_stands_still_until_the_test_moves_it(clock: FixedClock) -> None:
    port: Clock = clock

    assert port.now() == port.now() == START
    clock.advance(timedelta(seconds=2))
    assert port.now() - START == timedelta(seconds=2)


def test_stepping_the_wall_clock_leaves_the_monotonic_one_alone(clock: FixedClock) -> None:
    before = clock.monotonic()

    clock.set_wall_clock(START - timedelta(hours=1))

    assert clock.now() < START
    assert clock.monotonic() == before


def test_identifiers_sort_by_time_never_repeat_and_are_the_same_on_every_run() -> None:
    first: IdSource = SeededIds()
    again: IdSource = SeededIds()

    made = [first.bundle_id(START + timedelta(microseconds=n)) for n in range(20)]

    assert made == sorted(set(made))
    assert made == [again.bundle_id(START + timedelta(microseconds=n)) for n in range(20)]
    assert all(
        len(name) <= 64 and set(name) <= set("0123456789abcdefghijklmnopqrstuvwxyz-")
        for name in made
    )
    assert first.random_bytes(32) != first.random_bytes(32)
    assert len(first.random_bytes(7)) == 7
