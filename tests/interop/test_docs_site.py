"""The documentation site: it is built from docs/, and a reader needs neither server nor network."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.tools import ROOT, python_tool

pytestmark = [pytest.mark.interop, pytest.mark.xdist_group("docs-site")]

LIMIT_MS = 60_000
_REQUESTED = re.compile(r"<(?:script|img|iframe|link)\b[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*")


def build(site: Path, script: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, script, site], capture_output=True, text=True, timeout=300, check=False
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    python_tool("zensical")
    folder = tmp_path_factory.mktemp("docs") / "site"
    done = build(folder, ROOT / "scripts" / "build_docs.py")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def page(browser: Browser, site: Path) -> Iterator[Page]:
    """The start page of the site as it was opened from a disk, with the network switched off."""
    context = browser.new_context(offline=True)
    context.set_default_timeout(LIMIT_MS)
    opened = context.new_page()
    opened.goto((site / "index.html").as_uri())
    yield opened
    context.close()


def test_every_page_of_the_documentation_is_in_the_site(site: Path) -> None:
    docs = ROOT / "docs"
    names = {
        page.relative_to(docs).with_suffix(".html").as_posix().replace("README", "index")
        for page in docs.rglob("*.md")
    }

    built = {page.relative_to(site).as_posix() for page in site.rglob("*.html")}
    assert len(names) > 100
    assert {*names, "changelog.html", "contributing.html"} - built == set()


def test_no_page_loads_anything_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))

    assert len(pages) > 100
    for page in pages:
        assert _REQUESTED.findall(page.read_text(encoding="utf-8")) == [], page


def test_a_page_that_was_opened_from_a_disk_can_be_searched(page: Page, site: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.keyboard.press("/")
    page.keyboard.type("proof pack", delay=20)
    page.get_by_text(re.compile(r"^\d+ results$")).wait_for()
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "index.html" not in url)

    assert "proof pack" in page.locator("article").inner_text().lower()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (
            "prove post deleted",
            "explanation/questions.html#can-i-prove-that-a-page-or-post-was-deleted",
        ),
        (
            "mail page removed",
            "explanation/questions.html#how-do-i-get-a-mail-when-a-page-is-removed",
        ),
        ("large bundles", "explanation/questions.html#how-large-is-a-bundle"),  # a plural
        ("capture partial", "explanation/questions.html#what-does-a-partial-capture-mean"),
    ],
)
def test_the_first_result_answers_the_words_of_a_user(page: Page, query: str, answer: str) -> None:
    found, anchor = answer.split("#")
    words = query.replace(" ", "+")

    page.keyboard.press("/")
    page.keyboard.type(query, delay=20)
    first = page.locator("a[href*='?h=']").first
    # Results of the first letters come before the results of the whole query.
    link = re.compile(rf"{re.escape(found)}\?h={re.escape(words)}#{anchor}$")
    expect(first).to_have_attribute("href", link, timeout=LIMIT_MS)
    first.click()
    page.wait_for_url(lambda url: url.endswith(f"#{anchor}"))

    assert found in page.url


def test_pages_for_developers_are_not_searched(site: Path) -> None:
    items = json.loads((site / "search.json").read_text(encoding="utf-8"))["items"]
    pages = {item["location"].partition("#")[0] for item in items}

    assert {"explanation/questions.html", "howto/s3.html"} <= pages
    assert [page for page in pages if page.startswith("adr/0")] == []
    assert pages.isdisjoint({"performance.html", "contributing.html", "changelog.html"})


def test_a_link_that_leads_nowhere_stops_the_build(tmp_path: Path) -> None:
    python_tool("zensical")
    copy = tmp_path / "repository"
    for name in ("docs", "scripts"):
        shutil.copytree(ROOT / name, copy / name)
    for name in ("CHANGELOG.md", "CONTRIBUTING.md"):
        shutil.copy(ROOT / name, copy)
    (copy / ".venv-tools").symlink_to(ROOT / ".venv-tools")
    with (copy / "docs" / "README.md").open("a", encoding="utf-8") as start:
        start.write("\n[A page](howto/that-nobody-wrote.md)\n")

    done = build(tmp_path / "site", copy / "scripts" / "build_docs.py")

    assert done.returncode == 1
    assert "that-nobody-wrote" in re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    assert not (tmp_path / "site").exists()
