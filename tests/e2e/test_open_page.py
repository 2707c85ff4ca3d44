"""The page about a capture in a browser: it runs nothing, loads nothing, and fits a phone."""

from dataclasses import replace
from datetime import UTC
from pathlib import Path

import pytest
from playwright.sync_api import ViewportSize, sync_playwright

from snapshotter.capture.browser.binary import choose_browser
from snapshotter.report.capture_page import RequestRow, page
from snapshotter.report.local_time import LocalTime
from tests.unit.report.test_capture_page import HOSTILE, MATERIAL, RECORD

pytestmark = [pytest.mark.e2e]

_LIMIT_MS = 30_000
_PHONE: ViewportSize = {"width": 360, "height": 780}


def test_a_hostile_capture_runs_and_loads_nothing_and_fits_a_phone(tmp_path: Path) -> None:
    address = f"http://127.0.0.1:9/{'a' * 2_000}?<img src=http://127.0.0.1:9/x onerror=alert(1)>"
    record = RECORD | {"what": {"title": HOSTILE + "x" * 60_000, "final_url": address}}
    file = tmp_path / "page.html"
    file.write_bytes(
        page(
            replace(
                MATERIAL, record=record, text=f"{HOSTILE}\n{'word' * 5_000}", text_length=1,
                report=replace(MATERIAL.report, requested_url=address),
                requests=tuple(RequestRow(url=address, status=200) for _ in range(20)),
            ),
            LocalTime(zone=UTC),
        )
    )  # fmt: skip
    requested: list[str] = []
    said: list[str] = []
    binary, _ = choose_browser("shell", None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=binary.path)
        tab = browser.new_page(viewport=_PHONE)
        tab.on("request", lambda request: requested.append(request.url))
        tab.on("console", lambda message: said.append(message.text))
        tab.on("dialog", lambda dialog: said.append(dialog.message))
        tab.goto(file.as_uri(), timeout=_LIMIT_MS)
        links = tab.locator("a").evaluate_all("(found) => found.map((it) => it.protocol)")
        width = tab.evaluate("document.documentElement.scrollWidth")
        by_itself = [url for url in requested if not url.startswith(("file:", "data:"))]
        blocked = tab.evaluate(
            "() => { const it = document.createElement('img'); it.src = 'http://127.0.0.1:9/p';"
            " document.body.append(it); return new Promise((done) => { it.onerror = () => done(1);"
            " it.onload = () => done(0); }); }"
        )
        browser.close()

    assert by_itself == []
    assert [text for text in said if "127.0.0.1:9/p" not in text] == []
    assert blocked == 1
    assert any("Content Security Policy" in text for text in said)  # of the picture that we tried
    assert set(links) == {"file:"}
    assert width == _PHONE["width"]
