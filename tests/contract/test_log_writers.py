"""
Four writers append at once and are killed between any two steps: nothing is lost, nothing stuck.

    SNAPSHOTTER_SOAK_ROUNDS=100 pytest tests/contract/test_log_writers.py

Each writer is a process that adds leaves one after another, writes down each that was
reported as added, and dies by SIGKILL at some step of its own choosing: before or after
a call of the store, and on a directory at a system call within one. A new one takes its
place. At the end a last writer adds one leaf, and the whole log is worked out again.
"""

import os
import random
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from snapshotter.ports import CompareAndSwapStore, TaggedContent
from tests.apart import APART
from tests.contract.stores import Place, place_of, shut
from tests.logs import read_whole, some_leaf, writer

pytestmark = pytest.mark.xdist_group("seaweedfs")

WRITERS = 4
LIVES = 2  # of each writer in a round
LEAVES = 3  # that a writer adds before it ends by itself
ROUNDS = int(os.environ.get("SNAPSHOTTER_SOAK_ROUNDS", "1"))
_LIMIT_S = 240
# What a swap in a directory does: one of them is a writer's last.
_CALLS = ("open", "write", "fchmod", "fsync", "link", "rename", "unlink", "close")


@pytest.fixture(params=["directory", "plain", *(["locked"] if ROUNDS > 1 else [])])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return place_of(request.param, request, tmp_path)


@pytest.mark.timeout(60 + 120 * ROUNDS)
@pytest.mark.parametrize("seed", range(ROUNDS))
def test_nothing_is_lost_and_nothing_stuck(place: Place, tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311  the same each time
    (tmp_path / "reported").touch()
    killed = 0
    for life in range(LIVES):
        writers = [
            APART.Process(
                target=_live,
                args=(
                    place,
                    tmp_path / "reported",
                    f"{seed}-{life}-{number}",
                    _last_step(place, chance),
                ),
            )
            for number in range(WRITERS)
        ]
        for process in writers:
            process.start()
        for process in writers:
            process.join(_LIMIT_S)
            assert process.exitcode in (0, -signal.SIGKILL)
            killed += process.exitcode == -signal.SIGKILL
    assert killed >= LIVES
    store = place.open()
    writer(store).append([some_leaf("last")], seen=0)

    leaves = [leaf.name for leaf in read_whole(store)]
    reported = (tmp_path / "reported").read_text().split()
    assert set(reported) <= set(leaves), "a leaf that was reported as added is not in the log"
    assert len(set(leaves)) == len(leaves), "a leaf was added twice"
    assert leaves[-1] == "last"
    shut(store)


def _last_step(place: Place, chance: random.Random) -> int:
    """Return how many steps a writer has; a few have more than they need."""
    return chance.randrange(700 if place.root else 50)


def _live(place: Place, reported: Path, name: str, steps: int) -> None:
    store = place.open()
    left = [steps]

    def step() -> None:
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    if place.root:
        for call in _CALLS:
            setattr(os, call, _mortal(getattr(os, call), step))
    mine = writer(_Mortal(store, step))
    for number in range(LEAVES):
        done = mine.append([some_leaf(f"{name}-{number}")], seen=0)
        # One write, at the end of the file, of few bytes: the lines of several never mix.
        line = f"{name}-{number}\n".encode()
        with open(reported, "ab", buffering=0) as file:
            file.write(line)
        assert done.added <= 1
    shut(store)


def _mortal(call: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        step()
        return call(*args, **kwargs)

    return wrapped


class _Mortal:
    """A store before and after each of whose calls a step is taken."""

    def __init__(self, store: CompareAndSwapStore, step: Callable[[], None]) -> None:
        self._store = store
        self._step = step

    @property
    def url(self) -> str:
        return self._store.url

    def read(self, key: str, limit: int) -> TaggedContent:
        self._step()
        return self._store.read(key, limit)

    def swap(self, key: str, data: bytes, tag: str) -> bool:
        self._step()
        done = self._store.swap(key, data, tag)
        self._step()
        return done

    def discard(self, key: str) -> None:
        self._step()
        self._store.discard(key)
        self._step()
