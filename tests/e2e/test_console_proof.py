"""
From the alert to the proof in a browser: a page answers 200 with a notice that no rule knows.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from snapshotter.site.edited_articles import CHINESE, EDITS
from snapshotter.site.server import FixtureSite
from tests.console import RunningConsole, problems_of, quiet_browser, running_console, signed_in
from tests.e2e.product import Installation, trusting
from tests.servers.authority import TestAuthority

# Four captures and one console, which take most of the time.
pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-proof")]
_MS = 120_000  # for a comparison or a task, on a busy machine


@dataclass(frozen=True, slots=True)
class Home:
    installation: Installation
    console: RunningConsole
    first_without: str  # the id of the first capture without the page

    def url(self, path: str) -> str:
        return self.console.url(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, authority: TestAuthority) -> Iterator[Home]:
    installation = Installation(tmp_path_factory.mktemp("console-proof"))
    installation.configure(trusting(authority), operator="A. Example")
    with FixtureSite() as site:
        page, other = (
            site.url(name, "127.0.0.1") for name in ("edited/article-zh", "edited/article")
        )
        installation.capture(page)
        site.show("edited/article-zh", EDITS["replaced"])
        printed = installation.capture(page, other).objects
        installation.capture(page)
    with running_console(installation) as console:
        yield Home(installation, console, Path(printed[0]["bundle"]["path"]).stem)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_browser() as started:
        yield started


def test_an_unknown_notice_leads_to_the_comparison_and_to_a_verified_proof(
    browser: Browser, home: Home, tmp_path: Path
) -> None:
    detail = f"/takedowns/possible/{home.first_without}"
    with signed_in(browser, home.console) as page:
        page.goto(home.url("/takedowns"))
        row = page.get_by_role("row").filter(has=page.locator(f"a[href='{detail}']"))
        row.get_by_role("rowheader").get_by_role("link").click()
        expect(page.get_by_role("heading", name="The page was possibly removed")).to_be_visible()
        # The captures of the test are seconds apart; the control is there.
        missing = page.get_by_role("region", name="Missing evidence")
        expect(missing.get_by_role("listitem")).to_have_count(1)
        expect(missing).to_contain_text("at least 10 minutes")

        page.get_by_role("link", name="Compare the two captures").click()
        expect(page.locator("main")).to_contain_text(CHINESE.notice, timeout=_MS)
        expect(page.locator("main")).to_contain_text(CHINESE.title)
        page.go_back()

        page.get_by_role("button", name="Prove the change").first.click()
        page.get_by_text("Files are kept").wait_for(timeout=_MS)
        expect(page.get_by_text("Passed").first).to_be_visible()
        with page.expect_download() as found:
            page.get_by_role("link", name=re.compile(r"proof-.*\.html")).click()
        pack = tmp_path / "proof.html"
        pack.write_bytes(Path(found.value.path()).read_bytes())
        page.get_by_role("link", name="Show the event").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("other content")
        expect(page.locator("main")).to_contain_text(CHINESE.notice)
        event = page.url.removeprefix(home.console.origin)

        page.goto(home.url(detail))
        expect(page.get_by_role("link", name="Show the event of the change")).to_be_visible()
        expect(page.get_by_role("link", name=re.compile("proof-")).first).to_be_visible()
        page.goto(home.url("/takedowns"))
        expect(row.get_by_role("link", name="Show the event")).to_have_attribute("href", event)

    verified = home.installation.run("verify", "--json", pack).object
    assert (verified["verdict"], verified["kind"]) == ("passed", "pack")
    assert problems_of(browser, home.console, [detail, "/takedowns"]) == []


def test_the_proof_is_requested_without_scripts(browser: Browser, home: Home) -> None:
    with signed_in(browser, home.console, java_script_enabled=False) as page:
        page.goto(home.url(f"/takedowns/possible/{home.first_without}"))
        page.get_by_role("link", name="Compare the two captures").click()
        page.get_by_role("button", name="Prove the change").click()
        page.wait_for_url(re.compile(r"/tasks/"))
        expect(page.get_by_role("heading", level=1)).to_have_text("Proof pack")
