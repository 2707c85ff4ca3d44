"""What the assessment of a page needs is loaded while the page is observed."""

import asyncio
import threading
from collections.abc import Awaitable
from types import SimpleNamespace
from typing import Any

from snapshotter.capture.page.live_assessment import LiveAssessment
from snapshotter.model.capture import ImageCounts
from snapshotter.model.page import Page
from snapshotter.model.request import Decision
from tests.fakes.world import FixedClock


class Preparing:
    """An assessor that notes for which pages it prepares itself."""

    def __init__(self) -> None:
        self.pages: list[str] = []
        self.is_prepared = threading.Event()

    def prepare(self, page: Page) -> None:
        self.pages.append(page.text)
        self.is_prepared.set()


def assessment(assessor: Any, answer: object, log: list[str]) -> LiveAssessment:
    """Return the assessment of a page whose frame answers so."""

    async def call(what: str, awaited: Awaitable[Any], limit_s: float) -> Any:
        return await awaited

    async def ask_main(name: str, *arguments: object, limit_s: float) -> object:
        return answer

    loaded: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    loaded.set_result(assessor)
    nothing: Any = None
    context: Any = SimpleNamespace(
        clock=FixedClock(),
        guard=SimpleNamespace(call=call),
        worlds=SimpleNamespace(ask_main=ask_main),
        request=SimpleNamespace(url="https://a.com/"),
        decision=Decision(policy_name="test", policy_text=""),
        document=SimpleNamespace(status=200, headers={}),
        builder=SimpleNamespace(
            final_url="",
            navigation_ended_at=None,
            images=ImageCounts(),
            log=lambda step, detail: log.append(detail),
        ),
        spool=None,
    )
    return LiveAssessment(
        loaded, context, steps=nothing, navigation=nothing, reveal=nothing, camera=nothing
    )


def test_an_observed_page_is_prepared_for_once() -> None:
    assessor = Preparing()

    async def observe() -> None:
        live = assessment(assessor, {"html": "<p>", "text": "a text", "blocks": []}, [])
        await live.prepare()
        await live.prepare()

    asyncio.run(observe())
    assert assessor.is_prepared.wait(10)
    assert assessor.pages == ["a text"]


def test_a_page_that_gives_nonsense_is_prepared_for_when_it_is_judged() -> None:
    assessor, log = Preparing(), list[str]()

    async def observe() -> bool:
        live = assessment(assessor, {"html": "<p>", "text": "a text", "blocks": 5}, log)
        await live.prepare()
        return live._is_prepared

    assert not asyncio.run(observe())
    assert assessor.pages == []
    assert "invalid data" in log[0]
