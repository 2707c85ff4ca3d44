"""A value that is computed in a thread: the one before is returned meanwhile, and errors come."""

import threading

import pytest

from snapshotter.app.archive.screens.latest_value import LatestValue
from snapshotter.errors import SnapshotterError


def test_the_value_before_is_returned_while_a_new_one_is_computed() -> None:
    may_end = threading.Event()
    may_end.set()

    def make(before: int | None) -> int:
        assert may_end.wait(60)
        return (before or 0) + 1

    value = LatestValue(make, "test")
    assert value.latest("a", wait_s=60) == 1
    assert value.latest("a", wait_s=60) == 1
    may_end.clear()
    assert value.latest("b", wait_s=0) == 1
    assert not value.is_of("b")
    may_end.set()
    assert value.latest("b", wait_s=60) == 2
    assert value.is_of("b")


def test_an_error_is_raised_without_a_value_and_the_next_one_tries_again() -> None:
    errors = [SnapshotterError("the index cannot be used")]

    def make(before: int | None) -> int:
        if errors:
            raise errors.pop()
        return 7

    value = LatestValue(make, "test")
    with pytest.raises(SnapshotterError, match="cannot be used"):
        value.latest("a", wait_s=60)

    assert value.latest("a", wait_s=60) == 7
