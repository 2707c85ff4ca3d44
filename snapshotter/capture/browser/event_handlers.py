"""
Give handlers of Playwright's events a signature that is known.

Playwright determines the signature of a handler anew for each event that the handler gets, to learn
how many arguments it takes. That takes longer than most handlers, and a page with 100 images causes
1,300 events.
"""

import inspect
from collections.abc import Callable
from typing import Any


def _example(value: object) -> None:
    """Take one argument, as each handler does."""


_ONE_ARGUMENT = inspect.signature(_example)


def with_known_signature(handler: Callable[[Any], object]) -> Callable[[Any], None]:
    """Return a function that calls a handler of one argument."""

    def handle(value: object) -> None:
        handler(value)

    handle.__signature__ = _ONE_ARGUMENT  # type: ignore[attr-defined] # as PEP 362 describes
    return handle
