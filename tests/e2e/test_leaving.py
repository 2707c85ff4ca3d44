"""A page that navigates to where no page is: the record is about the last document reached."""

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from PIL import Image

from snapshotter.capture.page.navigation import Navigation
from snapshotter.model.capture import Capture, Outcome, Reason
from tests.e2e.capturing import Engine, codes, read
from tests.servers.leaving import FORBIDDEN, GREEN, WORDS, Site

pytestmark = pytest.mark.e2e


@pytest.fixture
def capture(tmp_path: Path) -> Engine:
    return Engine(tmp_path)


def shows_the_article(capture: Capture) -> bool:
    (found,) = [
        artifact for artifact in capture.artifacts if artifact.path == "capture/screenshot.png"
    ]
    with Image.open(found.file) as image:
        green = image.convert("RGB").getpixel((700, 500)) == GREEN
    return green and all(
        WORDS in read(capture, f"capture/{name}") for name in ("page.txt", "dom.html")
    )


@pytest.mark.parametrize(
    ("path", "to", "cause"),
    [
        (
            "/leaves/at-once",
            FORBIDDEN,
            "forbidden-address: connections to 10.0.0.1 are not allowed: the address belongs to "
            "a private network",
        ),
        ("/leaves/by-frame", FORBIDDEN, "forbidden-address: connections to 10.0.0.1"),
        ("/leaves/by-refresh", "/leaves/reset", "connection-lost: "),
    ],
)
def test_a_navigation_that_fails_leaves_the_document_and_is_named(
    path: str, to: str, cause: str, capture: Engine
) -> None:
    with Site() as site:
        url, wanted = site.url(path), to if to == FORBIDDEN else site.url(to)
        captured = capture(url)

    assert (captured.final_url, captured.title, captured.outcome) == (
        url,
        "the article",
        Outcome.PARTIAL,
    )
    assert captured.response is not None
    assert (captured.response.url, captured.response.status) == (url, 200)
    assert codes(captured) == ["destination-missing", "resources-missing"]
    assert (
        f"navigated to {wanted}, but no page was received from this address ({cause}"
        in captured.reasons[0].detail
    )
    assert {failed.url for failed in captured.failed_requests} == {
        wanted
    }  # the browser may try twice
    assert cause.partition(":")[0] in captured.failed_requests[0].error
    assert shows_the_article(captured)
    refused = [reason.detail for reason in captured.warnings if reason.code == "navigation-refused"]
    assert ["weixin://dl/business" in words for words in refused] == [True] * (
        path == "/leaves/at-once"
    )


def test_a_page_that_navigates_at_once_is_kept_however_late_the_events_are_handled(
    capture: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    handle = Navigation._run_for_event

    async def handle_late(self: Navigation, work: Awaitable[None]) -> None:
        await asyncio.sleep(0.3)  # the page would be gone by then if the browser went on
        await handle(self, work)

    monkeypatch.setattr(Navigation, "_run_for_event", handle_late)
    with Site() as site:
        captured = capture(url := site.url("/leaves/by-refresh"))

    assert codes(captured) == ["destination-missing", "resources-missing"]
    assert captured.reasons[0].detail.endswith("the capture shows the previous document")
    assert captured.redirects == ()
    assert captured.final_url == url
    assert shows_the_article(captured)


def test_a_failed_navigation_is_named_too_if_the_browser_shows_its_error_page(
    capture: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if no request could be paused: the document is loaded again, and then it is kept."""
    release = Navigation.release

    async def watch_nothing(self: Navigation) -> None:
        if self._has_returned:
            await release(self)

    monkeypatch.setattr(Navigation, "_watch_from_the_start", watch_nothing)
    monkeypatch.setattr(Navigation, "release", watch_nothing)
    with Site() as site:
        captured = capture(url := site.url("/leaves/by-refresh"))
        wanted = site.url("/leaves/reset")

    assert (captured.final_url, captured.outcome) == (url, Outcome.PARTIAL)
    assert codes(captured) == ["destination-missing", "resources-missing"]
    detail = captured.reasons[0].detail
    assert f"navigated to {wanted}, but no page was received from this address" in detail
    assert "(connection-lost: " in detail
    assert detail.endswith("the previous document was loaded again without scripts")
    assert shows_the_article(captured)


def test_a_page_that_replaces_itself_by_nothing_is_shown_as_it_came(capture: Engine) -> None:
    with Site() as site:
        captured = capture(url := site.url("/leaves/to-nothing"))

    assert (captured.final_url, captured.title, codes(captured)) == (
        url,
        "the article",
        ["page-navigated"],
    )
    assert [redirect.kind for redirect in captured.redirects] == ["reload"]
    assert shows_the_article(captured)


def test_a_document_that_a_page_makes_is_shown_under_the_address_that_made_it(
    capture: Engine,
) -> None:
    with Site() as site:
        captured = capture(url := site.url("/leaves/to-its-own"))

    assert (captured.final_url, captured.outcome) == (url, Outcome.COMPLETE)
    assert read(captured, "capture/page.txt").strip() == "made here"
    assert "document-made-by-page" in [warning.code for warning in captured.warnings]


def test_an_answer_that_breaks_off_before_its_body_ends_the_capture_soon(capture: Engine) -> None:
    with Site() as site:
        captured = capture(site.url("/broken/first-chunk"))

    words = (
        "the answer ended before the browser could show any content: "
        "net::ERR_INVALID_CHUNKED_ENCODING"
    )
    assert (captured.outcome, captured.reasons) == (
        Outcome.FAILED,
        (Reason(code="bad-response", detail=words),),
    )
    assert [step.name for step in captured.steps] == ["launch", "navigate", "record", "close"]
    assert (
        "bodies that are cut off: 1" in captured.missing_parts
    )  # and in the network record as it came
