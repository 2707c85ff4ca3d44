"""A picture that Chromium has no frame for yet is asked for again, and not for ever."""

import asyncio
import base64
import time
from pathlib import Path
from typing import Any, cast

import pytest
from playwright.async_api import CDPSession
from playwright.async_api import Error as PlaywrightError
from typing_extensions import override

from snapshotter.app.machine import SystemClock
from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout, PageLost
from snapshotter.capture.pictures import screenshot_command as shutters
from snapshotter.capture.pictures.screenshot_command import ScreenshotCommand
from snapshotter.errors import SnapshotterError

# What Playwright raised when this was met, to the letter.
REFUSED = "CDPSession.send: Protocol error (Page.captureScreenshot): Unable to capture screenshot"
PICTURE = b"\x89PNG, and what it shows"


class Browser:
    """
    Stands for a browser with nothing to draw with: none can be put into that state at will.

    Each answer is a picture's bytes, an error, or None for none at all.
    """

    def __init__(self, *answers: bytes | Exception | None) -> None:
        self._answers = iter(answers)
        self.asked: list[dict[str, Any]] = []
        self.told: list[str] = []
        self.guard = CallGuard(SystemClock(), time.monotonic() + 60)
        self.shutter = ScreenshotCommand(
            cast("CDPSession", self), self.guard, self.told.append, results=Path("/nowhere")
        )

    async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
        assert method == "Page.captureScreenshot"
        self.asked.append(parameters)
        answer = next(self._answers)
        if answer is None:
            await asyncio.Event().wait()
        if isinstance(answer, Exception):
            raise answer
        return {"data": base64.b64encode(answer or b"").decode()}

    def take(self, limit_s: float = 30) -> bytes:
        return asyncio.run(self.shutter.take("a picture", limit_s, optimizeForSpeed=True))


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutters, "_WAITS_S", (0.0, 0.0, 0.0))


def test_a_picture_that_is_given_later_is_the_picture_and_each_refusal_is_told() -> None:
    browser = Browser(PlaywrightError(REFUSED), PlaywrightError(REFUSED), PICTURE)

    assert browser.take() == PICTURE
    assert [asked.pop("decodedIntoFile").isdigit() for asked in browser.asked] == [True, True, True]
    assert browser.asked == 3 * [{"format": "png", "optimizeForSpeed": True}]
    assert browser.told == [REFUSED, REFUSED]


def test_a_browser_that_goes_on_refusing_is_believed_in_the_end() -> None:
    browser = Browser(*(PlaywrightError(REFUSED) for _ in range(9)))

    with pytest.raises(PlaywrightError, match="Unable to capture screenshot"):
        browser.take()
    assert len(browser.asked) == 4
    assert len(browser.told) == 3  # how often it was asked again


def test_what_no_waiting_mends_is_asked_once() -> None:
    browser = Browser(PlaywrightError("Cannot take screenshot with 0 width."), PICTURE)

    with pytest.raises(PlaywrightError, match="0 width"):
        browser.take()
    assert len(browser.asked) == 1
    assert browser.told == []


def test_all_askings_together_have_the_time_of_one() -> None:
    with pytest.raises(CallTimeout, match=r"a picture took longer than 0\.05 s"):
        Browser(PlaywrightError(REFUSED), None).take(limit_s=0.05)


def test_a_page_that_goes_while_its_picture_is_waited_for_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutters, "_WAITS_S", (60.0,))
    browser = Browser(PlaywrightError(REFUSED), PICTURE)
    browser.shutter = ScreenshotCommand(
        cast("CDPSession", browser),
        browser.guard,
        lambda _: browser.guard.lose("renderer-crashed", "it crashed"),
        results=Path("/nowhere"),
    )

    with pytest.raises(PageLost, match="it crashed"):
        browser.take()
    assert len(browser.asked) == 1


def test_an_answer_that_is_no_picture_is_an_error_of_ours() -> None:
    class Odd(Browser):
        @override
        async def send(self, method: str, parameters: dict[str, Any]) -> dict[str, Any]:
            return {"data": "no base64!"}

    with pytest.raises(SnapshotterError, match="not valid base64"):
        Odd().take()
