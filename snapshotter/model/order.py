"""
Define the note that a capture's place in the order of captures is not proven.

Then it rests on the clock of the capturing machine alone.
"""

from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenOrder:
    """A capture whose place in an order rests on the capturing machine's word alone."""

    role: str  # of the earlier capture: "last seen", "first gone" …
    against: str  # of the later one; "" where nothing proves when the capture of `role` existed
    detail: str  # one plain sentence
