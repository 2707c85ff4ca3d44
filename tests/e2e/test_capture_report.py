"""The capture report in a browser and on paper: it loads nothing, and prints the same bytes."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ViewportSize, sync_playwright

from snapshotter.app.machine import SystemClock
from snapshotter.capture.browser.binary import choose_browser
from snapshotter.capture.browser.html_to_pdf import print_pdf
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Group,
    Kind,
    Row,
    Source,
    Table,
)
from tests.unit.report.test_capture_report import REPORT, made

pytestmark = [pytest.mark.e2e]

_LIMIT_MS = 30_000
_PHONE: ViewportSize = {"width": 360, "height": 780}
_AT = datetime(2026, 11, 30, 9, 12, 44, tzinfo=UTC)

HEADS = (
    "Source", "Name", "Stated", "Clock of the capturing machine", "Difference",
    "Within the limit of the policy",
)  # fmt: skip
# A table whose heads fit the sheet only in several lines: the other times of a real report.
WIDE = Group(
    key="when", term="When",
    items=(
        Table(
            key="clock_checks", term="Other times", source=Source(file="capture/capture.json"),
            columns=tuple(Column(key=f"c{at}", term=head) for at, head in enumerate(HEADS)),
            rows=(
                Row(
                    values=("header", "Date", "Fri, 27 Nov 2026 14:05:12 GMT",
                            "2026-11-27T14:05:12Z", "3 ms", "yes"),
                    basis=Basis.STATED, source=Source(file="capture/capture.json"),
                ),
            ),
            total=1, empty="None.",
        ),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    binary, _ = choose_browser("shell", None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary.path)
        yield browser
        browser.close()


def test_a_report_about_hostile_content_loads_nothing_and_fits_a_phone(
    browser: Browser, tmp_path: Path
) -> None:
    file = tmp_path / "report.html"
    file.write_text(made())
    requested: list[str] = []
    said: list[str] = []
    tab = browser.new_page(viewport=_PHONE)
    tab.on("request", lambda request: requested.append(request.url))
    tab.on("console", lambda message: said.append(message.text))
    tab.on("dialog", lambda dialog: said.append(dialog.message))

    tab.goto(file.as_uri(), timeout=_LIMIT_MS)

    assert [url for url in requested if not url.startswith(("file:", "data:"))] == []
    assert said == []
    assert tab.evaluate("document.documentElement.scrollWidth") == _PHONE["width"]
    tab.close()


def test_no_line_of_a_list_and_no_section_of_a_policy_is_divided(
    browser: Browser, tmp_path: Path
) -> None:
    long = "--enable-features=" + ",".join(["CDPScreenshotNewSurface"] * 9)
    lines = (*("--short",) * 4, long, *("--short",) * 4)
    policy = "\n\n".join(
        ["[first]\na = 1"] * 3 + ["[long]" + "\nb = 2" * 12] + ["[last]\nc = 3"] * 3
    )
    blocks = tuple(
        Field(
            key=kind.value, term=kind.value, value=value, kind=kind, basis=Basis.STATED,
            source=Source(file="capture/capture.json"),
        )
        for kind, value in ((Kind.LINES, lines), (Kind.BLOCK, policy))
    )  # fmt: skip
    file = tmp_path / "report.html"
    group = Group(key="how", term="How", items=blocks)
    file.write_text(made(replace(REPORT, groups=(*REPORT.groups, group))))
    tab = browser.new_page(viewport={"width": 700, "height": 900})
    tab.emulate_media(media="print")

    tab.goto(file.as_uri(), timeout=_LIMIT_MS)
    # Two columns divide a policy as two sheets do.
    tab.evaluate("document.querySelectorAll('pre.parts').forEach(it => { it.style.columns = 2 })")

    # A box that is divided between two columns has one rectangle in each column.
    parts = tab.evaluate(
        "[...document.querySelectorAll('section[aria-labelledby=how] pre.parts > span')]"
        ".map(it => it.getClientRects().length)"
    )
    assert parts == [1] * (len(lines) + 7)
    texts = tab.locator("section[aria-labelledby=how] pre.parts").all_text_contents()
    assert texts == ["\n".join(lines), policy]
    tab.close()


@pytest.mark.parametrize(("paper", "width"), [("A4", 595), ("Letter", 612)])
def test_the_same_report_is_printed_as_the_same_bytes_with_tags_and_fonts(
    tmp_path: Path, paper: str, width: int
) -> None:
    page = made(replace(REPORT, groups=(*REPORT.groups, WIDE)))

    first, second = (
        print_pdf(page, tmp_path / f"{turn}", at=_AT, clock=SystemClock(), paper=paper)
        for turn in range(2)
    )

    assert first == second
    assert re.findall(rb"/(?:Creation|Mod)Date \(D:([0-9]{14})", first) == [b"20261130091244"] * 2
    boxes = {float(box) for box in re.findall(rb"/MediaBox \[0 0 ([0-9.]+) ", first)}
    assert {int(box) for box in boxes} == {width}
    for part in (b"/StructTreeRoot", b"/MarkInfo", b"/Outlines", b"/Lang (en)"):
        assert part in first, part
    assert b"Capture report" in first.replace(b"\x00", b"")  # the title, and the first bookmark
    # A table that is wider than the sheet makes Chromium print everything smaller.
    assert _largest_text_pt(first) == pytest.approx(1.728 * 12, abs=0.05)  # the h1 of base.css
    # Each font is in the file: as a program, or as drawings of its letters.
    fonts = len(re.findall(rb"/Type /FontDescriptor", first))
    embedded = len(re.findall(rb"/FontFile[23]? ", first))
    drawn = len(re.findall(rb"/Subtype /Type3", first))
    assert embedded > 2
    assert fonts <= embedded + drawn
    # Nothing of a stranger's works in it.
    for action in (b"/URI", b"/JavaScript", b"/JS ", b"/Launch", b"/EmbeddedFile", b"/SubmitForm"):
        assert action not in first, action


def _largest_text_pt(pdf: bytes) -> float:
    """Return the size of the largest letters of the first page, in points."""
    streams = re.findall(rb"/FlateDecode[^>]*>>\s*stream\r?\n(.*?)\r?\nendstream", pdf, re.DOTALL)
    drawn = (zlib.decompress(data) for data in streams if data[:1] == b"x")
    scales, sizes = [1.0], []  # of the page and its margins, each by its own scale
    for line in next(data for data in drawn if b" Tf" in data).splitlines():
        words = line.split()
        if line == b"q":
            scales.append(scales[-1])
        elif line == b"Q":
            scales.pop()
        elif words[-1:] == [b"cm"]:
            scales[-1] *= float(words[0])
        elif words[-1:] == [b"Tf"]:
            sizes.append(float(words[1]) * scales[-1])
    return max(sizes)
