"""What the browser's news of requests and sockets says of what is still to come."""

import asyncio
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

import pytest
from playwright.async_api import Error as PlaywrightError

from snapshotter.capture.record.observer import RequestObserver
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.model.request import Limits
from tests.fakes.world import FixedClock, SeededIds

_SESSION: Any = object()  # of which nothing is asked here
_ADDRESS = "https://a.example/graphql"


class Browser:
    """Tells an observer what a browser would; each request has an id of its own."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        redactor = Redactor(names=frozenset(), ids=SeededIds())
        self.observer = RequestObserver(clock=self.clock, limits=Limits(), redactor=redactor)
        self._count = 0

    def tell(self, event: str, **params: Any) -> None:
        self.observer._on_event(_SESSION, f"Network.{event}", params)

    def ask(self, posted: str = "", kind: str = "Fetch", url: str = _ADDRESS) -> str:
        self._count += 1
        name, request = f"{self._count}.1", {"url": url, "method": "POST", "postData": posted}
        self.tell("requestWillBeSent", requestId=name, request=request, wallTime=0.0, type=kind)
        return name

    def answer(self, name: str, length: int) -> None:
        """Answer with so many bytes, which the page does not read: nobody hears of their end."""
        headers = {"Content-Length": str(length), "Date": str(self.clock.monotonic())}
        answer = {"status": 200, "headers": headers}
        self.tell("responseReceived", requestId=name, type="Fetch", response=answer)
        self.tell("dataReceived", requestId=name, dataLength=length, encodedDataLength=length)

    def end(self, name: str) -> None:
        self.tell("loadingFinished", requestId=name)


@pytest.fixture
def browser() -> Browser:
    return Browser()


def test_questions_to_one_address_are_no_poll_as_long_as_they_differ(browser: Browser) -> None:
    for number in range(6):
        browser.end(browser.ask(f"query of part {number}"))
        browser.clock.sleep(1.0)
    browser.ask("query of the last part")

    assert (browser.observer.awaited, browser.observer.polls) == (1, 0)


@pytest.mark.parametrize(("every_s", "is_poll"), [(0.4, False), (0.9, True)])
def test_the_same_question_is_a_poll_when_it_has_gone_on_for_three_seconds(
    every_s: float, is_poll: bool, browser: Browser
) -> None:
    for number in range(4):
        browser.end(browser.ask(f"since 179595964{number}000"))
        browser.clock.sleep(every_s)
    browser.ask("since 1795959648000")

    assert (browser.observer.awaited, browser.observer.polls) == (not is_poll, is_poll)


def test_a_question_that_is_asked_without_a_pause_is_a_poll_before_that(browser: Browser) -> None:
    for _ in range(30):
        browser.end(browser.ask())
    browser.ask()

    assert (browser.observer.awaited, browser.observer.polls) == (0, 1)


def test_what_a_window_requested_that_is_gone_before_it_is_followed_is_not_awaited(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("snapshotter.capture.record.observer._GRACE_S", 0.01)

    async def new_cdp_session(page: object) -> None:
        raise PlaywrightError("Target page, context or browser has been closed")

    request: Any = Mock(
        url="https://a.example/popup",
        method="GET",
        timing={"startTime": 0},
        resource_type="document",
    )
    context: Any = SimpleNamespace(new_cdp_session=new_cdp_session)
    nothing: Any = None

    async def open_and_close() -> int:
        observer = browser.observer
        await observer._begin_from_playwright(request)
        under_way = observer.awaited
        await observer._follow_popup(context, nothing)
        return under_way

    assert asyncio.run(open_and_close()) == 1
    assert browser.observer.awaited == 0


def polled(browser: Browser, count: int, lengths: tuple[int, ...] = (5,)) -> list[str]:
    """Ask the same so many times, each 300 ms; return the ids. The last length is repeated."""
    asked = []
    for number in range(count):
        asked.append(browser.ask())
        browser.answer(asked[-1], lengths[min(number, len(lengths) - 1)])
        browser.clock.sleep(0.3)
    return asked


def test_what_an_interval_asks_is_a_poll_after_three_equal_answers(browser: Browser) -> None:
    begin = browser.clock.monotonic()
    asked = polled(browser, 5)
    assert browser.observer.may_be_polling
    assert browser.observer.changed_at == pytest.approx(begin + 1.2)  # at the fifth request

    browser.observer.note_intervals(asked)
    browser.observer.note_intervals(asked)  # as each look at the trace does

    assert not browser.observer.may_be_polling
    assert browser.observer.changed_at == pytest.approx(begin + 0.6)  # at the third request
    browser.ask()
    assert (browser.observer.awaited, browser.observer.polls) == (0, 1)
    assert browser.observer.changed_at == pytest.approx(begin + 0.6)


@pytest.mark.parametrize(
    ("ticks", "lengths"),
    [
        (0, (5,)),  # each is asked when the one before has its answer: the last may bring content
        (2, (5,)),
        (4, (5, 5, 6)),  # an answer that differs begins anew
        (4, (5, 6, 5)),
    ],
)
def test_a_question_that_no_interval_repeats_or_whose_answers_differ_is_waited_for(
    ticks: int, lengths: tuple[int, ...], browser: Browser
) -> None:
    begin = browser.clock.monotonic()
    browser.observer.note_intervals(polled(browser, 4, lengths)[:ticks])
    browser.ask()

    assert (browser.observer.awaited, browser.observer.polls) == (1, 0)
    assert browser.observer.changed_at == pytest.approx(begin + 1.2)


def test_the_answer_of_a_poll_that_differs_is_a_change(browser: Browser) -> None:
    browser.observer.note_intervals(polled(browser, 3))
    name = browser.ask()
    begin = browser.observer.changed_at
    assert browser.observer.polls == 1

    browser.answer(name, 6)

    assert browser.observer.changed_at == browser.clock.monotonic() > begin
    browser.ask()
    assert (browser.observer.awaited, browser.observer.polls) == (1, 0)


def test_whether_an_interval_repeats_a_question_is_not_looked_for_without_end(
    browser: Browser,
) -> None:
    polled(browser, 6)
    assert browser.observer.may_be_polling
    polled(browser, 1)
    assert not browser.observer.may_be_polling


def test_a_socket_whose_page_asked_for_more_is_waited_for_until_it_answers(
    browser: Browser,
) -> None:
    browser.tell("webSocketCreated", requestId="5", url="wss://a.example/")
    browser.tell("webSocketFrameReceived", requestId="5")  # a welcome
    assert not browser.observer.silent_channels

    browser.clock.sleep(1.0)
    browser.tell("webSocketFrameSent", requestId="5")
    assert [*browser.observer.silent_channels] == [("socket", browser.clock.monotonic())]

    browser.tell("webSocketFrameReceived", requestId="5")
    for _ in range(5):  # what is sent again and again needs no answer
        browser.tell("webSocketFrameSent", requestId="5")
        browser.tell("webSocketFrameReceived", requestId="5")
    browser.tell("webSocketFrameSent", requestId="5")
    assert not browser.observer.silent_channels


def test_an_event_stream_that_ended_without_a_message_is_waited_for(browser: Browser) -> None:
    answer = {"status": 200, "headers": {}}
    first = browser.ask(kind="EventSource")
    browser.tell("responseReceived", requestId=first, type="EventSource", response=answer)
    browser.end(first)
    assert [kind for kind, _ in browser.observer.silent_channels] == ["event-stream"]

    second = browser.ask(kind="EventSource")
    browser.tell("responseReceived", requestId=second, type="EventSource", response=answer)
    browser.tell("eventSourceMessageReceived", requestId=second)
    assert not browser.observer.silent_channels
