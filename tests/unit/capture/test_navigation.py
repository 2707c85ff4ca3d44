"""What the browser's events call for costs no traceback when the page or its driver goes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from snapshotter.capture.guard import Guard, PageLost
from snapshotter.capture.navigation import Navigation
from tests.fakes.world import FixedClock

_GONE = Exception("Connection closed while reading from the driver")  # as Playwright raises it


def navigation(error: Exception) -> Any:
    """Return one whose browser answers every order with this error."""
    it: Any = Navigation.__new__(Navigation)
    it.said = []

    async def send(*_: object) -> None:
        raise error

    it._session = SimpleNamespace(send=send)
    clock = FixedClock()
    it._guard = Guard(clock, clock.monotonic() + 60.0)
    it._limits = SimpleNamespace(step_s=5.0)
    it._answered = set()
    it._document = SimpleNamespace(frame="main", kept=False)
    it._ledger = SimpleNamespace(log=lambda event, detail: it.said.append((event, detail)))
    return it


@pytest.mark.parametrize("error", [_GONE, PageLost("browser-lost", "the browser went away")])
def test_a_listener_of_a_page_that_is_lost_raises_nothing_and_says_why(error: Exception) -> None:
    it = navigation(error)

    asyncio.run(it._on_first_request(None))
    asyncio.run(it._on_paused({"requestId": "1", "responseStatusCode": 200}))

    assert [event for event, _ in it.said] == ["hold-page", "hold-page"]
    assert all("without effect: " in detail for _, detail in it.said)
