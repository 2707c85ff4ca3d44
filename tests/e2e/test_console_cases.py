"""
The console in a browser: from captures to an exported case, from an alert to a proof pack, and a
review with keys. Each change is done by the worker that the console runs.
"""

import re
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from snapshotter.seal.signer import KeyDirectory
from snapshotter.site.state import SiteState, removed
from snapshotter.store.filesystem import DirectoryStore
from tests import observed
from tests.console import RunningConsole, problems_of, quiet_browser, running_console, signed_in
from tests.e2e.product import Installation
from tests.observed import at
from tests.unit.app.takedown.test_event_verification import ARTICLE, OTHER

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("console-cases")]
STATE = SiteState().change("wx/article", at(40), removed("wx-01"))
_MS = 60_000  # for a task to be done, on a busy machine


@dataclass(frozen=True, slots=True)
class Home:
    """A user with captures of a page that was removed."""

    installation: Installation
    console: RunningConsole
    ids: list[str]

    def url(self, path: str) -> str:
        return self.console.url(path)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    installation = Installation(tmp_path_factory.mktemp("cases") / "home")
    installation.configure()
    signer, _ = KeyDirectory(installation.data / "keys").ensure()
    ids = []
    for minute, url in ((30, ARTICLE), (60, ARTICLE), (65, OTHER), (70, ARTICLE)):
        made = observed.shoot(installation.home / "made", at(minute), STATE, url, signer=signer)
        observed.put(DirectoryStore(installation.store), made)
        ids.append(made.id)
    installation.configure(operator="A. Example", role="editor")
    with running_console(installation) as console:
        yield Home(installation, console, ids)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with quiet_browser() as started:
        yield started


def downloaded(page: Page, name: str) -> Path:
    """Download the file of a link, and return its path."""
    with page.expect_download() as found:
        page.get_by_role("link", name=re.compile(name)).click()
    return Path(found.value.path())


def make_trust_file(page: Page, *, with_scripts: bool = True) -> None:
    """Make the trust file from the preview of an archive, unless another test has made it."""
    made = page.get_by_role("button", name="Make archive")
    make = page.get_by_role("button", name="Make trust file")
    expect(made.or_(make)).to_be_visible()
    preview = page.url
    if make.is_visible():
        make.click()
        end = time.monotonic() + _MS / 1_000
        while not with_scripts and not made.is_visible():
            assert time.monotonic() < end
            page.wait_for_timeout(500)
            page.goto(preview)
        made.wait_for(timeout=_MS)


def test_selected_captures_become_an_archive_of_a_case(browser: Browser, home: Home) -> None:
    with signed_in(browser, home.console) as page:
        page.goto(home.url("/cases"))
        page.get_by_label("Name").fill("harbour")
        page.get_by_label("Title (optional)").fill("The harbour wall")
        page.get_by_role("button", name="Create case").click()
        page.wait_for_url("**/cases/harbour", timeout=_MS)

        page.goto(home.url("/captures"))
        page.get_by_role("button", name="Select all on this page").click()
        page.locator("summary", has_text="Case").click()
        page.get_by_role("button", name="Add to the case").click()
        page.wait_for_url("**/captures", timeout=_MS)
        page.goto(home.url("/cases/harbour"))
        expect(page.get_by_text("4 exhibits")).to_be_visible()
        page.get_by_label("New note about the case").fill("seen at the quay")
        page.get_by_role("button", name="Add note").click()
        page.wait_for_url("**/cases/harbour#notes", timeout=_MS)
        expect(page.get_by_text("seen at the quay")).to_be_visible()

        archive = page.get_by_role("form", name="Archive")
        archive.get_by_label("Title of the case (1)").check()
        archive.get_by_role("button", name="Preview").click()
        expect(page.get_by_text("Notes: 1")).to_be_visible()
        make_trust_file(page)
        page.get_by_role("button", name="Make archive").click(timeout=_MS)
        page.get_by_text("Files are kept").wait_for(timeout=_MS)
        task = page.url.removeprefix(home.console.origin)
        names = zipfile.ZipFile(downloaded(page, "harbour.zip")).namelist()

    assert sorted(name for name in names if name.endswith(".wacz")) == [
        f"bundles/{bundle_id}.wacz" for bundle_id in sorted(home.ids)
    ]
    assert home.installation.run("case", "check", "--json").code == 0
    paths = ["/cases", "/cases/harbour", "/cases/harbour/export", "/review", task]
    assert problems_of(browser, home.console, paths) == []


def test_a_review_needs_keys_only_and_loses_nothing_that_was_written(
    browser: Browser, home: Home
) -> None:
    with signed_in(browser, home.console) as page:
        page.keyboard.press("g")
        page.keyboard.press("r")
        page.wait_for_url("**/review")
        expect(page.get_by_text("Capture 1 of 2")).to_be_visible()
        page.keyboard.press("r")  # a rejection without a reason is refused
        expect(page.get_by_role("alert")).to_be_focused()
        page.get_by_label("Reason").fill("the wrong")
        page.goto(home.url("/"))
        page.goto(home.url("/review"))
        expect(page.get_by_label("Reason")).to_have_value("the wrong")

        page.get_by_label("Reason").press("End")
        page.get_by_label("Reason").press_sequentially(" page, a")  # "a" accepts nothing here
        expect(page.get_by_text("Capture 1 of 2")).to_be_visible()
        page.evaluate("document.activeElement.blur()")
        page.keyboard.press("w")
        page.wait_for_url("**/review?at=1", timeout=_MS)
        page.keyboard.press("n")
        page.wait_for_url("**/review?at=0")
        expect(page.get_by_text("needs work, ", exact=False).first).to_be_visible()
        page.keyboard.press("a")
        page.get_by_text("Capture 1 of 1").wait_for(timeout=_MS)

    found = home.installation.run("review", "--all", "--json").objects
    decisions = [item["review"] for item in found if item["review"]]
    assert [decision["decision"] for decision in decisions] == ["accepted"]
    assert [decision["author"] for decision in decisions] == ["A. Example"]


def test_an_alert_becomes_a_proof_pack_that_another_program_verifies(
    browser: Browser, home: Home, tmp_path: Path
) -> None:
    with signed_in(browser, home.console) as page:
        page.goto(home.url("/takedowns"))
        expect(page.get_by_text("The take-down can be concluded.")).to_be_visible()
        page.get_by_role("button", name="Conclude the take-down of").click()
        page.get_by_role("link", name="Show the event").click(timeout=_MS)
        expect(page.get_by_text("What would strengthen the evidence")).to_be_visible()
        event = page.url.removeprefix(home.console.origin)
        page.get_by_role("button", name="Make proof pack").click()
        page.get_by_text("Files are kept").wait_for(timeout=_MS)
        pack = tmp_path / "proof.html"
        pack.write_bytes(downloaded(page, r"proof-.*\.html").read_bytes())
        page.get_by_role("link", name="Show the event").click()
        expect(page.get_by_role("link", name=re.compile("proof-"))).to_be_visible()

    verified = home.installation.run("verify", "--json", str(pack)).object
    assert verified["verdict"] == "indeterminate"  # these captures have no timestamp tokens
    assert verified["kind"] == "pack"
    assert problems_of(browser, home.console, ["/takedowns", event]) == []


def test_cases_and_reviews_work_without_scripts(browser: Browser, home: Home) -> None:
    with signed_in(browser, home.console, java_script_enabled=False) as page:
        page.goto(home.url("/cases"))
        page.get_by_label("Name").fill("plain")
        page.get_by_role("button", name="Create case").click()
        page.wait_for_url("**/cases/plain", timeout=_MS)
        page.get_by_label("Captures", exact=True).fill(home.ids[0][-16:])
        page.get_by_role("button", name="Add to the case").click()
        page.wait_for_url("**/cases/plain", timeout=_MS)
        expect(page.get_by_text("1 exhibit")).to_be_visible()

        page.goto(home.url("/cases/plain/export"))
        make_trust_file(page, with_scripts=False)
        page.get_by_role("button", name="Make archive").click()
        page.get_by_text("Files are kept").wait_for(timeout=_MS)
        assert zipfile.ZipFile(downloaded(page, "plain.zip")).testzip() is None
