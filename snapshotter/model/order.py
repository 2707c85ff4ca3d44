"""What is proven of the order of captures: which came before which, and by whose clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnprovenOrder:
    """A capture whose place in an order is the word of the capturing machine alone."""

    role: str  # of the earlier capture: "last seen", "first gone" …
    against: str  # of the later one; "" where nothing proves when the capture of `role` existed
    detail: str  # one plain sentence
