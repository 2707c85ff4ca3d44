"""The contract of `ports.SwapStore`, the same for a directory and for buckets."""

import os
import random
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from snapshotter.errors import SnapshotterError
from tests.apart import APART
from tests.contract.stores import Place, Store, file_of, place_of, shut

pytestmark = pytest.mark.xdist_group("seaweedfs")

KEY = "log/lock"
LIMIT = 1 << 16
WRITERS = 4
ROUNDS = 6
_LIMIT_S = 120


@pytest.fixture(params=["directory", "plain", "locked"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


def test_what_is_not_there_can_not_be_read(store: Store) -> None:
    with pytest.raises(FileNotFoundError):
        store.read(KEY, LIMIT)


def test_an_object_is_made_once_and_replaced_by_who_has_seen_it(store: Store) -> None:
    assert store.swap(KEY, b"one", "")
    first = store.read(KEY, LIMIT)
    assert first.data == b"one"
    assert not store.swap(KEY, b"other", "")

    assert store.swap(KEY, b"two", first.tag)
    assert store.read(KEY, LIMIT).data == b"two"
    assert not store.swap(KEY, b"three", first.tag)
    assert store.read(KEY, LIMIT).data == b"two"


def test_the_same_swap_again_succeeds(store: Store) -> None:
    # As after an answer that was lost on the way.
    assert store.swap(KEY, b"one", "")
    tag = store.read(KEY, LIMIT).tag
    assert store.swap(KEY, b"one", "")
    assert store.swap(KEY, b"two", tag)
    assert store.swap(KEY, b"two", tag)

    assert store.read(KEY, LIMIT).data == b"two"


def test_what_is_gone_is_not_replaced(store: Store) -> None:
    assert store.swap(KEY, b"one", "")
    tag = store.read(KEY, LIMIT).tag
    store.discard(KEY)

    assert not store.swap(KEY, b"two", tag)
    with pytest.raises(FileNotFoundError):
        store.read(KEY, LIMIT)


def test_what_is_discarded_is_gone_and_may_be_gone_before(store: Store) -> None:
    store.discard(KEY)
    store.swap(KEY, b"one", "")
    store.swap(f"{KEY}-other", b"one", "")
    store.discard(KEY)
    store.discard(KEY)

    with pytest.raises(FileNotFoundError):
        store.read(KEY, LIMIT)
    assert store.read(f"{KEY}-other", LIMIT).data == b"one"


def test_an_object_longer_than_the_limit_is_not_read(store: Store) -> None:
    store.swap(KEY, bytes(11), "")

    assert store.read(KEY, 11).data == bytes(11)
    with pytest.raises(SnapshotterError, match="longer than 10 bytes"):
        store.read(KEY, 10)


def test_both_ports_see_the_same_objects(store: Store, tmp_path: Path) -> None:
    source, sha256 = file_of(b"put", tmp_path)
    store.put_new("log/put", source, sha256)
    store.swap("log/swapped", b"swapped", "")

    assert store.read("log/put", LIMIT).data == b"put"
    with store.open("log/swapped") as stream:
        assert stream.read() == b"swapped"
    assert [stored.key for stored in store.list("log/")] == ["log/put", "log/swapped"]


@pytest.mark.parametrize("key", ["../x", "/x", "a//b", ".swap", ""])
def test_what_is_no_key_is_refused(store: Store, key: str) -> None:
    for call in (
        lambda: store.read(key, LIMIT),
        lambda: store.swap(key, b"", ""),
        lambda: store.discard(key),
    ):
        with pytest.raises(ValueError, match="key"):
            call()


def test_of_many_writers_each_adds_its_line_once(place: Place, store: Store) -> None:
    barrier = APART.Barrier(WRITERS)
    writers = [
        APART.Process(target=_add_lines, args=(place, number, barrier)) for number in range(WRITERS)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(_LIMIT_S)

    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    lines = store.read(KEY, LIMIT).data.decode().split()
    expected = [f"{writer}-{line}" for writer in range(WRITERS) for line in range(ROUNDS)]
    assert sorted(lines) == sorted(expected)


def _add_lines(place: Place, number: int, barrier: Barrier) -> None:
    store = place.open()
    barrier.wait(_LIMIT_S)
    for line in range(ROUNDS):
        while True:
            try:
                there = store.read(KEY, LIMIT)
                data, tag = there.data, there.tag
            except FileNotFoundError:
                data, tag = b"", ""
            if store.swap(KEY, data + f"{number}-{line}\n".encode(), tag):
                break
    shut(store)


# What a compare and replace in a directory does, one after the other.
_STEPS = ("open", "write", "fchmod", "fsync", "link", "rename", "unlink", "close")


def test_a_writer_killed_at_any_step_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    place = Place(root=str(tmp_path / "store"))
    store = place.open()
    store.swap(KEY, b"0", "")
    chance = random.Random(7)  # noqa: S311  the same each time
    killed = 0
    for number in range(1, 13):
        before = store.read(KEY, LIMIT).data
        writer = APART.Process(
            target=_swap_and_die, args=(place, str(number).encode(), chance.randrange(24))
        )
        writer.start()
        writer.join(_LIMIT_S)
        killed += writer.exitcode == -signal.SIGKILL
        assert writer.exitcode in (0, -signal.SIGKILL)
        after = store.read(KEY, LIMIT)
        assert after.data in (before, str(number).encode())
        # Nothing is stuck: the next one goes on from what is there.
        assert store.swap(KEY, f"after {number}".encode(), after.tag)

    assert killed > 3
    assert [stored.key for stored in store.list()] == [KEY]
    assert not list((tmp_path / "store" / ".incoming").iterdir())


def _swap_and_die(place: Place, data: bytes, step: int) -> None:
    store = place.open()
    tag = store.read(KEY, LIMIT).tag
    left = [step]

    def mortal(call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            left[0] -= 1
            return call(*args, **kwargs)

        return wrapped

    for name in _STEPS:
        setattr(os, name, mortal(getattr(os, name)))
    store.swap(KEY, data, tag)
