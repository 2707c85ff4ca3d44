"""`snapshotter show` says what was read off a page."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from snapshotter.assess.readings import read_page
from snapshotter.cli.main import main
from snapshotter.model.page import Box, Page
from snapshotter.model.reading import QrCode
from snapshotter.model.request import ReadingRules
from snapshotter.policy.site_readings import shipped_sites
from snapshotter.site.catalogue import render
from snapshotter.site.wechat import after_script
from tests import bundles, observed
from tests.observed import ARTICLE, at


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    shown = Page(
        requested_url=ARTICLE,
        final_url=ARTICLE,
        captured_at=datetime(2026, 1, 8, 1, 51, 38, tzinfo=UTC),
        timezone="UTC",  # the page's date was written by a browser in Shanghai: a conflict
        locale="zh-CN",
        html=after_script(render("wx/article").text),
    )
    code = QrCode(
        text="http://t.cn/\x1b[2Jx",
        box=Box(left=1, top=2, width=3, height=4),
        picture="capture/screenshot.png",
        image_sha256="0" * 64,
    )
    readings = replace(
        read_page(shown, ReadingRules(sites=shipped_sites().sites)), qr_codes=(code,)
    )
    assessed = replace(observed.available(), readings=readings)
    return observed.seal(tmp_path / "spool", at(0), assessed, signer=bundles.new_signer()).file


def test_what_was_read_is_said_in_words(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "--all", str(bundle)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(
        "The page was available. The capture is complete. The proof was not verified: "
    )
    assert "page: available" in lines
    assert "  stated         title: 河边的旧书市又开张了  (text of the page, meta element)" in lines
    assert "  stated         account: 河岸旧书  (text of the page)" in lines
    assert any(
        line.startswith(
            "  stated         published: 2026-01-02T09:39:33Z  (script of the page; WARNING: "
            "the page contains different values of published"
        )
        for line in lines
    )
    assert '  count          reads 3,797 ("3797", script of the page)' in lines
    assert (
        '  date           published: "2026-01-02 17:39" is 2026-01-02 17:39:00 UTC to'
        " 2026-01-02 17:40:00 UTC  (text of the page, absolute date, in the time zone UTC)"
    ) in lines
    (code,) = (line for line in lines if line.startswith("  QR code"))
    assert "\x1b" not in code
    assert "addresses in QR codes are not opened" in code
    (main_text,) = (line for line in lines if line.startswith("  main text"))
    assert "characters, found by the selectors of the policy: 入冬以后" in main_text


def test_the_same_is_beside_the_record_as_json(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["show", "--json", str(bundle)]) == 0

    shown = json.loads(capsys.readouterr().out)
    assert shown["what"]["requested_url"] == ARTICLE
    assert shown["assessment"]["readings"]["conflicts"] == ["published"]
