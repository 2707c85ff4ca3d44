"""
Define the result of a replay check: whether a replayed bundle shows the page that was captured.
"""

import enum
import math
from typing import NoReturn

from snapshotter.value_class import dataclass


class ReplayVerdict(enum.Enum):
    """Whether a bundle replays as the page that was captured."""

    REPLAYS = "replays"  # each picture that was compared has the same pixels
    DIFFERS = "differs"  # a picture has other pixels or another size
    UNCHECKED = "unchecked"  # it could not be compared: says nothing either way

    def __bool__(self) -> NoReturn:
        raise TypeError("a verdict is not a truth value: compare with `is ReplayVerdict.REPLAYS`")


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureDifference:
    """The difference between one picture of the bundle and the picture of its replay."""

    path: str  # in the bundle
    captured_px: tuple[int, int]  # width, height, device pixels
    replayed_px: tuple[int, int] | None  # None: the replay gave no such picture
    pixels: int  # of the smallest rectangle that holds both
    differing: int  # of these; what only one picture has differs

    @property
    def percent(self) -> float:
        """
        The share of differing pixels in percent, rounded up at four decimals: 0 means none at all.
        """
        return math.ceil(self.differing * 1_000_000 / self.pixels) / 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedRequest:
    """A request that the page made during the replay and that the bundle does not answer."""

    method: str  # "" where only the browser told of it
    url: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The result of replaying one bundle."""

    verdict: ReplayVerdict
    detail: str  # for a person; what was not compared, and why
    pictures: tuple[PictureDifference, ...] = ()
    missed: tuple[MissedRequest, ...] = ()  # at most 100
    missed_count: int = 0


def unchecked(why: str) -> Replay:
    """Return the result of a replay that could not be checked."""
    return Replay(verdict=ReplayVerdict.UNCHECKED, detail=why)
