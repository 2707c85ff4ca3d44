"""The console in a browser: the first log-in, the home page, and a capture from its box."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from tests.console import (
    RunningConsole,
    problems,
    problems_of,
    quiet_browser,
    running_console,
    signed_in,
)
from tests.e2e.product import Installation, trusting
from tests.servers.authority import TestAuthority
from tests.servers.site import Site

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-home")]


@pytest.fixture(scope="module")
def installation(
    tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority
) -> Installation:
    made = Installation(tmp_path_factory.mktemp("console") / "home")
    made.configure(trusting(authority), operator="A. Example")
    return made


@pytest.fixture(scope="module")
def console(installation: Installation) -> Iterator[RunningConsole]:
    with running_console(installation) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_browser() as started:
        yield started


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


def test_a_page_is_captured_from_the_box_and_followed_by_steps(
    browser: Browser, console: RunningConsole, fixture_site: Site
) -> None:
    with signed_in(browser, console) as page:
        page.get_by_label("Addresses").fill(f"{fixture_site.url('/')}\nftp://example.org")
        page.get_by_role("button", name="Capture", exact=True).click()
        # Nothing is lost, and the summary leads to the field.
        page.get_by_role("link", name="Line 2").click()
        expect(page.get_by_label("Addresses")).to_be_focused()
        page.get_by_label("Addresses").fill(fixture_site.url("/"))
        page.get_by_label("Tags").fill("harbour")
        page.get_by_role("button", name="Capture", exact=True).click()

        expect(page.get_by_role("heading", name="1 capture is requested")).to_be_visible()
        # The page is never loaded again: its script shows the end.
        link = page.locator("[data-list=now] li").first.get_by_role("link")
        expect(link).to_have_text("Show the capture", timeout=60_000)
        assert "Capture: Complete." in page.locator("[data-list=now] li").first.inner_text()
        assert page.locator("[data-spoken]").inner_text() != ""
        path = link.get_attribute("href") or ""
        page.goto(console.url("/queue"))
        expect(page.locator(f"a[href='{path}']")).to_have_count(1)

    with signed_in(browser, console, java_script_enabled=False) as page:
        page.goto(console.url("/"))
        expect(page.locator(f"[data-list=now] a[href='{path}']")).to_have_count(1)
        page.get_by_label("Addresses").fill(fixture_site.url("/never"))
        page.get_by_role("button", name="Capture", exact=True).click()
        expect(page.get_by_role("heading", name="1 capture is requested")).to_be_visible()
        expect(page.get_by_role("link", name="Refresh")).to_be_visible()
        page.get_by_role("link", name="Queue", exact=True).first.click()
        page.locator("td.select input").first.check()
        page.get_by_role("button", name="Cancel").click()

        expect(page.get_by_role("main")).to_contain_text("1 job was cancelled.")


def test_the_box_reaches_no_network_that_is_not_allowed(
    browser: Browser, console: RunningConsole, installation: Installation
) -> None:
    with signed_in(browser, console, java_script_enabled=False) as page:
        page.get_by_label("Addresses").fill("http://169.254.169.254/latest/meta-data/")
        page.get_by_role("button", name="Capture", exact=True).click()
        expect(page.get_by_role("heading", name="1 capture is requested")).to_be_visible()

    job = installation.run("queue", "list", "--json", "--newest", "1").object
    deadline = time.monotonic() + 120
    while job["ended_at"] is None and time.monotonic() < deadline:
        time.sleep(0.5)
        job = installation.run("queue", "show", "--json", job["job_id"]).object
    assert job["outcome"] == "failed", job
    assert job["http_status"] is None


def test_the_pages_are_accessible_in_both_themes_and_on_a_phone(
    browser: Browser, console: RunningConsole, installation: Installation, fixture_site: Site
) -> None:
    queued = installation.run("capture", "--enqueue", "--json", fixture_site.url("/"))
    job = queued.object["job_id"]
    paths = ["/", "/queue", f"/queue/{job}", "/settings", "/no-such-page"]

    assert problems_of(browser, console, paths) == []


def test_a_capture_is_requested_with_the_keyboard_alone(
    browser: Browser, console: RunningConsole
) -> None:
    with signed_in(browser, console) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Go to the content"
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "addresses"
        page.keyboard.type("not an address")
        for _ in range(3):
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Capture"
        page.keyboard.press("Enter")

        expect(page.get_by_role("alert")).to_be_focused()
        assert problems(page) == []


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
