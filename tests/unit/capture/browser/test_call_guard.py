"""No call to the browser outlasts its limit, the page, or the capture."""

import asyncio
import gc
import time

import pytest
from playwright.async_api import Error as PlaywrightError

from snapshotter.app.machine import SystemClock
from snapshotter.capture.browser import call_guard as guards
from snapshotter.capture.browser.call_guard import CallGuard, CallTimeout, CaptureTimeout, PageLost


def guard(seconds: float = 60) -> CallGuard:
    return CallGuard(SystemClock(), time.monotonic() + seconds)


async def never() -> None:
    await asyncio.Event().wait()


def test_a_call_that_does_not_return_ends_at_its_limit() -> None:
    async def go() -> None:
        with pytest.raises(CallTimeout, match=r"a picture took longer than 0\.01 s"):
            await guard().call("a picture", never(), 0.01)

    asyncio.run(go())


def test_a_call_may_take_longer_while_all_answers_are_late() -> None:
    async def go() -> None:
        new_guard = guard()
        new_guard.allow_until(time.monotonic() + 30)
        assert await new_guard.call("the text", asyncio.sleep(0.05, "late"), 0.01) == "late"
        asyncio.get_running_loop().call_later(0.05, new_guard.allow_until, 0.0)
        with pytest.raises(CallTimeout, match=r"the text took longer than 0\.01 s"):
            await new_guard.call("the text", never(), 0.01)
        last = guard(0.05)
        last.allow_until(time.monotonic() + 30)
        with pytest.raises(CaptureTimeout):
            await last.call("the text", never(), 0.01)

    asyncio.run(go())


def test_a_page_that_goes_ends_the_call_that_waits_for_it_and_all_later_ones() -> None:
    async def go() -> None:
        new_guard = guard()
        asyncio.get_running_loop().call_later(
            0.01, new_guard.lose, "renderer-crashed", "it crashed"
        )
        asyncio.get_running_loop().call_later(0.02, new_guard.lose, "page-closed", "and closed")
        for _ in range(2):
            with pytest.raises(PageLost) as lost:
                await new_guard.call("anything", never(), 30)
            assert lost.value.code == "renderer-crashed"
        with pytest.raises(PageLost):
            await new_guard.pause(30)

    asyncio.run(go())


def test_no_call_lasts_beyond_the_deadline_of_the_capture() -> None:
    async def go() -> None:
        new_guard = guard(0.02)
        with pytest.raises(CaptureTimeout):
            await new_guard.call("anything", never(), 30)
        with pytest.raises(CaptureTimeout):
            await new_guard.call("anything", asyncio.sleep(0), 30)
        with pytest.raises(CaptureTimeout):
            await new_guard.pause(30)

    asyncio.run(go())


def test_a_call_that_failed_because_its_page_crashed_says_that_the_page_crashed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guards, "_CRASH_NEWS_S", 20)  # however busy the machine is

    async def go() -> None:
        new_guard = guard()

        async def fails() -> None:
            asyncio.get_running_loop().call_later(
                0.01, new_guard.lose, "renderer-crashed", "it crashed"
            )
            raise PlaywrightError("Page.evaluate: Target crashed")

        with pytest.raises(PageLost):
            await new_guard.call("anything", fails(), 30)

    asyncio.run(go())


def test_an_error_of_the_call_itself_comes_through() -> None:
    async def go() -> None:
        async def fails() -> None:
            raise PlaywrightError("no such node")

        with pytest.raises(PlaywrightError, match="no such node"):
            await guard().call("anything", fails(), 30)

    asyncio.run(go())


@pytest.mark.parametrize("turns", range(4))
def test_a_call_that_fails_as_its_caller_is_ended_leaves_no_error_behind(turns: int) -> None:
    """The page goes: its call fails, and whoever waits for it is cancelled, in either order."""

    async def go() -> list[object]:
        told: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        fails = asyncio.Event()

        async def work() -> None:
            await fails.wait()
            raise PlaywrightError("Target crashed")

        caller = asyncio.ensure_future(guard().call("a picture", work(), 30))
        for _ in range(3):
            await asyncio.sleep(0)  # it waits now
        fails.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.wait({caller})
        del caller
        gc.collect()  # what nobody asked about is told when it goes
        return told

    assert asyncio.run(go()) == []
