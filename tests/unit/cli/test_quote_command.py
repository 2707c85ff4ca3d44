"""`snapshotter quote`, as a person types it."""

import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from snapshotter.model.page import Page
from snapshotter.store.filesystem import DirectoryStore
from tests import bundles, observed, site_bundles
from tests.unit.cli.shell import Shell

AT = datetime(2026, 5, 27, 8, tzinfo=UTC)
TEXT = "He wrote: “It’s over – \x1b[31mwe lost”.\nThe words twice. The words twice."


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Shell:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SNAPSHOTTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    paragraphs = "".join(f"<p>{line}</p>" for line in TEXT.replace("\x1b", "").splitlines())
    page = Page(
        requested_url="https://news.example.org/a",
        final_url="https://news.example.org/a",
        captured_at=AT,
        timezone="UTC",
        locale="en",
        status=200,
        html=f"<html><body><main>{paragraphs}</main></body></html>",
        text=TEXT,
    )
    made = site_bundles.seal(tmp_path / "spool", page, AT, signer=bundles.new_signer())
    observed.put(DirectoryStore(tmp_path / "captures"), made)
    return Shell(capsys)


def test_a_quotation_is_printed_with_its_place_and_its_picture(
    shell: Shell, tmp_path: Path
) -> None:
    assert shell.run("quote", "latest", "it's over", "--picture", "quote.png") == 0
    first, words, block, picture, marked = shell.out.splitlines()
    assert first == "1  main, characters 11 to 20 of capture/page.txt"
    assert words.startswith("   …He wrote: “ [It’s over] – ")
    assert block == "   html > body > main:nth-child(1) > p:nth-child(1)"
    assert picture == "picture: quote.png, a part of capture/screenshot.png"
    assert marked.startswith(
        "the bundle has no positions of words, so bars in the margin mark the whole block"
    )
    assert all(letter == "\n" or unicodedata.category(letter) != "Cc" for letter in shell.out)
    with Image.open(tmp_path / "quote.png") as image:
        assert image.size == (424, 84)


def test_json_has_a_target_of_the_web_annotation_data_model(shell: Shell) -> None:
    assert shell.run("quote", "latest", "the words twice", "--json") == 0
    first, second = shell.object["places"]
    assert first["target"] == {
        "selector": [
            {
                "exact": "The words twice",
                "prefix": TEXT[TEXT.index("The") - 32 : TEXT.index("The")],
                "suffix": ". The words twice.",
                "type": "TextQuoteSelector",
            },
            {
                "end": TEXT.index("The") + 15,
                "start": TEXT.index("The"),
                "type": "TextPositionSelector",
            },
        ],
        "source": "https://news.example.org/a",
    }
    assert second["box"] == {"height": 30, "left": 0, "top": 30, "width": 400}


def test_what_is_not_there_ends_with_1_and_a_place_that_is_not_with_2(shell: Shell) -> None:
    assert shell.run("quote", "latest", "never said") == 1
    assert "was not found in the text of the capture" in shell.err
    assert shell.run("quote", "latest", "it's over", "--picture", "a.png", "--place", "2") == 2
    assert not Path("a.png").exists()
