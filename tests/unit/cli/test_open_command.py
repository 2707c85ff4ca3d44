"""`snapshotter open`: the page about a capture, where it is kept, and of what it is made."""

import webbrowser
from pathlib import Path

import pytest

from snapshotter.cli import desktop
from tests import bundles
from tests.unit.cli.bundle_shell import BundleShell


@pytest.fixture
def home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> BundleShell:
    monkeypatch.setattr(webbrowser, "open", lambda url: pytest.fail(f"a browser got {url}"))
    return BundleShell(tmp_path, monkeypatch, capsys)


def test_print_names_the_page_of_a_stored_capture_and_opens_nothing(home: BundleShell) -> None:
    assert home.run("open", "--print", home.id) == 0, home.err

    page = Path(home.out.strip())
    assert page.parent == home.folder / "data" / "pages"
    text = page.read_text()
    assert "A page</span></h1>" in text
    assert "Captures of this page: 1" in text
    assert "capture/dom.html" in text
    assert "openssl dgst" in text


def test_a_browser_opens_the_page_where_there_is_a_desktop(
    home: BundleShell, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def take(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(desktop, "has_desktop", lambda: True)
    monkeypatch.setattr(webbrowser, "open", take)

    assert home.run("open", home.id) == 0

    assert len(opened) == 1
    assert Path(opened[0].removeprefix("file://")).is_file()
    headline, page = home.out.splitlines()
    assert headline.startswith("It is not established whether the page was available")
    assert page == f"page: {opened[0].removeprefix('file://')}"


def test_without_a_browser_the_command_says_which_file_to_open(home: BundleShell) -> None:
    assert home.run("open", home.id) == 0

    assert "no browser was opened" in home.err
    assert home.out.splitlines()[1].removeprefix("page: ") in home.err


def test_json_states_the_verdict_that_the_page_shows(home: BundleShell) -> None:
    assert home.run("open", "--json", "-o", "page.html", home.file) == 0

    assert home.object["file"] == str(home.folder / "page.html")
    assert home.object["bundle_id"] == home.id
    assert home.object["verdict"] == "indeterminate"
    assert home.object["bytes"] == Path("page.html").stat().st_size
    assert not (home.folder / "data" / "pages").exists()


def test_an_altered_file_gets_a_page_that_says_so_first(home: BundleShell) -> None:
    members = bundles.unpack(home.bytes)
    Path("altered.wacz").write_bytes(
        bundles.pack({**members, "capture/dom.html": b"<title>Another</title>"})
    )

    assert home.run("open", "--print", "altered.wacz") == 0

    text = Path(home.out.strip()).read_text()
    assert text.index("Do not rely on this file") < text.index("<h1")
    assert "The proof is not intact" in home.err


def test_a_bundle_under_the_id_of_another_fails(home: BundleShell) -> None:
    other = f"{home.id[:-16]}{'a' * 16}"
    stored = home.folder / "captures" / home.key
    stored.with_name(f"{other}.wacz").write_bytes(home.bytes)

    assert home.run("open", "--json", other) == 0

    assert home.object["verdict"] == "failed"


def test_what_is_no_bundle_has_no_page(home: BundleShell) -> None:
    Path("notes.txt").write_text("notes")

    assert home.run("open", "notes.txt") == 2
    assert home.run("open", "20200101t000000z-abcdefghijklmnop") == 1
    assert not (home.folder / "data" / "pages").exists()


def test_a_member_with_a_strange_form_is_named_and_the_rest_is_shown(home: BundleShell) -> None:
    members = bundles.unpack(home.bytes)
    spoiled = {**members, "capture/network.json": b"[]", "capture/page.txt": b"\xff text"}
    Path("odd.wacz").write_bytes(bundles.pack(spoiled))

    assert home.run("open", "--print", "odd.wacz") == 0

    text = Path(home.out.strip()).read_text()
    assert "connections: the data does not have the required form" in text
    assert "\N{REPLACEMENT CHARACTER} text" in text


def test_an_erasure_removes_the_page(home: BundleShell) -> None:
    assert home.run("open", "--print", home.id) == 0
    page = Path(home.out.strip())

    erased = ("erase", "--yes", "--reason", "a test", "--order", "7/2026", home.id)
    assert home.run(*erased) == 0, home.err

    assert not page.exists()


def test_several_captures_are_opened_by_parts_of_their_ids_but_not_into_one_file(
    home: BundleShell,
) -> None:
    assert home.run("open", "--json", "latest", home.file, home.id[-6:]) == 0, home.err
    assert [made["bundle_id"] for made in home.objects] == [home.id] * 3

    assert home.run("open", "-o", "page.html", "latest", home.file) == 2
    assert not Path("page.html").exists()


def test_a_capture_in_quarantine_is_not_shown_and_its_page_goes(home: BundleShell) -> None:
    assert home.run("open", "--print", home.id) == 0
    page = Path(home.out.strip())
    assert home.run("quarantine", "--reason", "a court order", home.id) == 0, home.err

    assert home.run("open", home.id) == 20

    assert "is in quarantine: a court order" in home.err
    assert not page.exists()
