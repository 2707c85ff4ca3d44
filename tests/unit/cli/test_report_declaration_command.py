"""`snapshotter report declaration`: which files it writes, about what, and what it refuses."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path

import pytest

from tests import bundles
from tests.bundles import RealClock
from tests.unit.cli.bundle_shell import BundleShell

NO_PDF = "--format", "html", "--format", "json"


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    return BundleShell(tmp_path, monkeypatch, capsys)


def test_a_stored_capture_gets_a_draft_and_a_list_of_its_blanks(home: BundleShell) -> None:
    assert home.run("report", "declaration", *NO_PDF, "-o", "out/here", "latest") == 0, home.err

    page, twin = (Path("out/here") / f"declaration-{home.id}.{kind}" for kind in ("html", "json"))
    assert f"draft: {page}" in home.out
    found = json.loads(twin.read_bytes())
    assert f"blanks to fill: {len(found['blanks'])}. The last section" in home.out
    assert [bundle["bundle_id"] for bundle in found["bundles"]] == [home.id]
    assert hashlib.sha256(home.bytes).hexdigest() == found["bundles"][0]["sha256"]
    # The operator of the settings is in no signed file, so nobody answers for the name.
    assert "the archive" not in page.read_text()


def test_one_draft_is_about_several_captures(home: BundleShell) -> None:
    clock = RealClock(timedelta(hours=-1))
    other = bundles.seal(home.folder / "more", signer=bundles.new_signer(), clock=clock)
    common = ("report", "declaration", "--json", "--format", "json")

    assert home.run(*common, home.id, str(home.file)) == 2
    assert f"the capture {home.id} is named twice" in home.err
    assert home.run(*common, home.id, str(other.file)) == 0, home.err

    result = home.object
    assert result["bundle_ids"] == [home.id, other.id]
    numbers = [blank["number"] for blank in result["blanks"]]
    assert numbers == list(range(1, len(numbers) + 1))
    assert result["files"] == {"json": f"declaration-{home.id}-and-1-more.json"}
    data = Path(result["files"]["json"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == result["declaration_sha256"]


def test_a_draft_about_a_redacted_copy_states_what_is_withheld(home: BundleShell) -> None:
    assert home.run("export", "--redact", "title,addresses", "-o", "red", home.id) == 0, home.err
    (copy,) = Path("red").glob("*.redacted.wacz")

    assert home.run("report", "declaration", "--json", *NO_PDF, copy) == 0, home.err

    assert "salts" in {blank["key"] for blank in home.object["blanks"]}
    found = json.loads(Path(home.object["files"]["json"]).read_bytes())
    items = [item for section in found["sections"] for item in section["items"]]
    said = {item["key"]: item for item in items if "text" in item}
    assert said["bundle"]["text"].startswith("The document is about a redacted copy of a bundle.")
    assert said["bundle"]["value"] == hashlib.sha256(copy.read_bytes()).hexdigest()
    assert list(said["captured"]["value"]) == ["committed"]
    withheld = next(
        item for item in items if item.get("path") == f"{home.id}/redactions.withheld_values"
    )
    assert "/what/title" in withheld["field"]["value"]
    assert bundles.URL not in Path(home.object["files"]["html"]).read_text()


def test_the_custody_chain_names_the_digest_of_the_draft(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_RECORD_ACCESS", "true")

    assert home.run("report", "declaration", "--json", "--format", "json", home.id) == 0, home.err

    digest = home.object["declaration_sha256"]
    assert home.run("custody", "show", "--json", home.id) == 0
    assert f"declaration draft, SHA-256 of its JSON file {digest}" in home.out


def test_what_gets_no_draft(home: BundleShell) -> None:
    members = bundles.unpack(home.bytes)
    Path("altered.wacz").write_bytes(
        bundles.pack({**members, "capture/dom.html": b"<title>Another</title>"})
    )
    Path("notes.txt").write_text("notes")

    assert home.run("report", "declaration", "altered.wacz") == 10
    assert "the verification of altered.wacz FAILED" in home.err
    assert "snapshotter report capture altered.wacz" in home.err
    assert home.run("report", "declaration", home.id, "notes.txt") == 2
    assert home.run("quarantine", "--reason", "a court order", home.id) == 0, home.err
    assert home.run("report", "declaration", home.id) == 20
    assert list(Path().glob("declaration*")) == []


def test_without_a_browser_the_other_files_are_written(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNAPSHOTTER_BROWSER_PATH", str(home.folder / "no-browser"))

    assert home.run("report", "declaration", home.id) == 30, home.err

    assert {path.suffix for path in Path().glob("declaration*")} == {".html", ".json"}
