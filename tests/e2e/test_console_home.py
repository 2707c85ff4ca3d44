"""The console in a browser: the first log-in, the home page, and a capture from its box."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.console import RunningConsole, problems_of, running_console, signed_in
from tests.e2e.product import Installation
from tests.tools import any_chromium

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-home")]


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    return Installation(tmp_path_factory.mktemp("console") / "home")


@pytest.fixture(scope="module")
def console(installation: Installation) -> Iterator[RunningConsole]:
    with running_console(installation) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=any_chromium(), args=["--disable-background-networking"]
        )
        yield started
        started.close()


def test_the_first_log_in_needs_the_link_and_nothing_else(
    browser: Browser, console: RunningConsole
) -> None:
    context = browser.new_context()
    page = context.new_page()
    refused = page.goto(console.url("/"))
    assert refused is not None
    assert refused.status == 401
    assert "snapshotter serve" in page.inner_text("main")

    page.goto(console.first_link)
    page.wait_for_url(console.url("/"))

    assert page.get_by_role("navigation", name="Pages").is_visible()
    page.get_by_role("button", name="Log out", exact=True).click()
    assert "not logged in" in page.inner_text("h1")
    context.close()


def test_the_home_page_is_accessible_in_both_themes_and_on_a_phone(
    browser: Browser, console: RunningConsole
) -> None:
    assert problems_of(browser, console, ["/", "/no-such-page"]) == []


def test_the_keys_lead_to_pages_and_can_be_switched_off(
    browser: Browser, console: RunningConsole
) -> None:
    with signed_in(browser, console) as page:
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.id") == "find"
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("?")
        dialog = page.get_by_role("dialog", name="Keys")
        assert dialog.is_visible()
        page.get_by_label("Use these keys in this browser").uncheck()
        page.get_by_role("button", name="Close").click()

        page.keyboard.press("/")

        assert page.evaluate("document.activeElement.id") != "find"
        assert not dialog.is_visible()
