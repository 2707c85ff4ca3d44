"""A quotation is found in its place, however it is typed, and its picture shows it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from snapshotter.app.archive.quotation import (
    NOT_ESTABLISHED,
    Quotation,
    find_quotation,
    write_picture,
)
from snapshotter.errors import SnapshotterError
from snapshotter.model.capturer_identity import ExposedBox
from snapshotter.model.page import Page
from tests import bundles, observed, site_bundles
from tests.cases import in_one_test
from tests.fakes.world import FixedClock

AT = datetime(2026, 5, 27, 8, tzinfo=UTC)
ARTICLE = (
    "He said: “It’s over\u00a0– we lost”, and left.",
    "据称“谣言 已经\u200b传开”，官方否认。",
    "The same words twice. The same words twice.",
    *("A paragraph that makes the article long enough to be the main text of the page.",) * 4,
)
HTML = (
    "<html><body><main><article>"
    + "".join(f"<p>{line}</p>" for line in ARTICLE)
    + "<p style='display:none'>A hidden sentence of the author.</p></article></main>"
    "<aside class='related-posts'><a href='/x'>Teaser of another story</a></aside>"
    "</body></html>"
)
TEXT = "\n".join([*ARTICLE, "Teaser of another story"])


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    page = Page(
        requested_url="https://news.example.org/a",
        final_url="https://news.example.org/a",
        captured_at=AT,
        timezone="UTC",
        locale="en",
        status=200,
        html=HTML,
        text=TEXT,
    )
    folder = tmp_path_factory.mktemp("bundle")
    return site_bundles.seal(folder, page, AT, signer=bundles.new_signer()).file


@pytest.fixture
def find(bundle: Path) -> Callable[[str], Quotation]:
    def find(text: str) -> Quotation:
        with bundle.open("rb") as stream:
            return find_quotation(stream, text)

    return find


@in_one_test(
    ("typed", "exact"),
    [
        ("It's over - we lost", "It’s over\u00a0– we lost"),
        ("“it’s   over – we lost”", "It’s over\u00a0– we lost"),
        ("IT'S OVER-WE LOST", "It’s over\u00a0– we lost"),
        ("谣言已经传开", "谣言 已经\u200b传开"),
        ("「谣言 已经 传开」", "谣言 已经\u200b传开"),
        ("传开”，官方", "传开”，官方"),
        # over two paragraphs
        ("and left. 据称", "and left.\n据称"),
    ],
)
def test_a_quotation_is_found_whatever_its_marks_and_spaces_look_like(
    find: Callable[[str], Quotation], typed: str, exact: str
) -> None:
    (place,) = find(typed).places

    assert place.exact == exact
    assert place.position is not None
    start, end = place.position
    assert TEXT[start:end] == exact
    assert place.prefix == TEXT[max(0, start - 32) : start]
    assert place.suffix == TEXT[end : end + 32]


def test_each_place_has_its_region(find: Callable[[str], Quotation]) -> None:
    (main,) = find("It's over").places
    (teaser,) = find("teaser of another story").places
    (hidden,) = find("a hidden sentence").places

    assert (main.region, main.is_hidden) == ("main", False)
    assert (teaser.region, teaser.is_hidden) == ("teaser", False)
    assert hidden.is_hidden
    assert hidden.position is None
    assert main.selectors == (
        "html > body > main:nth-child(1) > article:nth-child(1) > p:nth-child(1)",
    )
    assert len(find("the same words twice").places) == 2


@in_one_test("typed", ["it's ove", "ost", "never said", "spoken words"])
def test_parts_of_words_and_other_words_are_not_found(
    find: Callable[[str], Quotation], typed: str
) -> None:
    assert find(typed).places == ()


def test_a_quotation_without_letters_is_refused(find: Callable[[str], Quotation]) -> None:
    with pytest.raises(SnapshotterError, match="no letter"):
        find("“…”")


def test_the_picture_is_the_marked_block_with_its_context_and_no_pixel_is_changed(
    bundle: Path, find: Callable[[str], Quotation], tmp_path: Path
) -> None:
    (place,) = find("官方否认").places
    with bundle.open("rb") as stream:
        made = write_picture(stream, place, tmp_path / "quote.png")
        with pytest.raises(SnapshotterError, match="exists already"):
            write_picture(stream, place, tmp_path / "quote.png")

    # The second block of 30 pixels, with 80 around it, in a picture of 400 pixels.
    assert made.area_px == (0, 0, 400, 140)
    assert (made.source, made.masked, made.is_whole) == ("capture/screenshot.png", 0, True)
    with bundle.open("rb") as stream:
        part = site_bundles_picture(stream)
    assert (made.margin_px, made.marks_px) == (12, ((12, 42, 412, 72),))
    with Image.open(tmp_path / "quote.png") as image:
        assert image.size == (424, 164)
        assert image.crop((12, 12, 412, 152)).tobytes() == part.crop(made.area_px).tobytes()
        # Bars in the margin, beside the block and nowhere else.
        beside = [image.getpixel((6, top)) == (196, 0, 60) for top in range(164)]
        assert [top for top, is_bar in enumerate(beside) if is_bar] == list(range(42, 72))
        assert image.getpixel((417, 60)) == image.getpixel((200, 6)) == (196, 0, 60)
        assert "Bars in the margin mark the blocks" in image.info["Description"]


def test_a_quotation_over_two_blocks_has_two_marks(
    bundle: Path, find: Callable[[str], Quotation], tmp_path: Path
) -> None:
    (place,) = find("and left. 据称").places
    with bundle.open("rb") as stream:
        made = write_picture(stream, place, tmp_path / "quote.png")

    assert made.marks_px == ((12, 12, 412, 42), (12, 42, 412, 72))


def site_bundles_picture(stream: object) -> Image.Image:
    from snapshotter.app.archive.assessment import BundleFiles

    opened = BundleFiles(stream).open("capture/screenshot.png")  # type: ignore[arg-type]
    assert opened is not None
    return Image.open(opened).convert("RGB")


def test_a_hidden_place_has_no_picture(
    bundle: Path, find: Callable[[str], Quotation], tmp_path: Path
) -> None:
    (place,) = find("a hidden sentence").places
    with (
        bundle.open("rb") as stream,
        pytest.raises(SnapshotterError, match="in the pictures is not known"),
    ):
        write_picture(stream, place, tmp_path / "quote.png")


def test_identifiers_of_the_capturing_person_are_painted_over(tmp_path: Path) -> None:
    page = Page(
        requested_url="https://news.example.org/a", final_url="https://news.example.org/a",
        captured_at=AT, timezone="UTC", locale="en", status=200, html=HTML, text=TEXT,
    )  # fmt: skip
    exposed = (ExposedBox(left=10, top=40, width=30, height=10, names=("handle",)),)
    sealed = site_bundles.seal(
        tmp_path, page, AT, signer=bundles.new_signer(), shown_in_pictures=exposed
    )
    with sealed.file.open("rb") as stream:
        (place,) = find_quotation(stream, "官方否认").places
        made = write_picture(stream, place, tmp_path / "quote.png")

    assert made.masked == 1
    with Image.open(tmp_path / "quote.png") as image:
        black = image.crop((20, 50, 54, 64))
        assert not any(black.tobytes())


def test_a_bundle_without_a_layout_says_what_is_missing(tmp_path: Path) -> None:
    contents = {**bundles.CONTENTS, "capture/page.txt": TEXT.encode()}
    made = replace(bundles.capture(tmp_path, at=AT, contents=contents))
    sealed = observed.sealed(
        made, bundles.decision(), tmp_path, bundles.new_signer(), (), FixedClock(AT)
    )
    with sealed.file.open("rb") as stream:
        found = find_quotation(stream, "it's over")

    (place,) = found.places
    assert (place.region, place.box, place.exact) == (NOT_ESTABLISHED, None, "It’s over")
    assert any("no layout" in sentence for sentence in found.missing)
