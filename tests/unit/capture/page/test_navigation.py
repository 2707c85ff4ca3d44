"""What the browser's events call for costs no traceback when the page or its driver goes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from snapshotter.capture.browser.call_guard import PageLost
from snapshotter.capture.page.navigation import Navigation

_GONE = Exception("Connection closed while reading from the driver")  # as Playwright raises it


def navigation(error: Exception) -> Any:
    """Return one whose browser answers every order with this error."""
    page_navigation: Any = Navigation.__new__(Navigation)
    page_navigation.said = []

    async def send(*_: object) -> None:
        raise error

    page_navigation._page_context = page_navigation._session = SimpleNamespace(send=send)
    page_navigation._answered = set()
    page_navigation._first_request = "first"
    page_navigation._document = SimpleNamespace(frame="main", kept=False)
    page_navigation._builder = SimpleNamespace(
        log=lambda event, detail: page_navigation.said.append((event, detail))
    )
    return page_navigation


@pytest.mark.parametrize(
    "error", [_GONE, PageLost("browser-lost", "the browser ended unexpectedly")]
)
def test_a_listener_of_a_page_that_is_lost_raises_nothing_and_says_why(error: Exception) -> None:
    page_navigation = navigation(error)

    asyncio.run(page_navigation._on_paused({"requestId": "1", "responseStatusCode": 200}))

    ((event, detail),) = page_navigation.said
    assert event == "hold-page"
    assert "the action had no effect: " in detail
