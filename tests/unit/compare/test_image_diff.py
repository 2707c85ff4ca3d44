"""Pictures of two captures: where they do not look the same, and what lies under it."""

import io
import random
from dataclasses import replace

import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from snapshotter.compare import image_diff
from snapshotter.compare.picture_regions import UnderlyingBlock, UnderlyingPage
from snapshotter.compare.picture_rows import PictureSource
from snapshotter.model.comparison import ComparisonState, PictureComparison
from snapshotter.model.page import Box
from snapshotter.model.reading import Region
from tests.unit.compare.pages import Line, page, picture, shot

MAIN, TEASER = Region.MAIN, Region.TEASER
LINES: list[Line] = [(MAIN, f"{n} of 40 accounts") for n in range(1, 21)] + [(TEASER, "tea")] * 3


def underlying_page(lines: list[Line]) -> UnderlyingPage:
    return UnderlyingPage(
        blocks=tuple(
            UnderlyingBlock(box=block.box, selector=block.selector, text=block.text, region=region)
            for block, (region, _) in zip(page(lines).blocks, lines, strict=True)
            if block.box is not None
        )
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 2), (7, 1), (31, 17)])
def test_the_neighbours_of_a_pixel_are_searched_as_by_a_rank_filter(size: tuple[int, int]) -> None:
    noise = random.Random(7).randbytes(3 * size[0] * size[1])  # noqa: S311  no secret
    image = Image.frombytes("RGB", size, noise)
    highest, lowest = image_diff._highest_around(image), image_diff._lowest_around(image)

    assert highest.tobytes() == image.filter(ImageFilter.MaxFilter(3)).tobytes()
    assert lowest.tobytes() == image.filter(ImageFilter.MinFilter(3)).tobytes()
    twice = image_diff._highest_around(highest)
    assert twice.tobytes() == image.filter(ImageFilter.MaxFilter(5)).tobytes()


def compared(before: list[Line], after: list[Line]) -> PictureComparison:
    return image_diff.compare(
        "whole page",
        picture(before),
        picture(after),
        (underlying_page(before), underlying_page(after)),
    )


def test_the_same_picture_has_no_region() -> None:
    found = compared(LINES, LINES)

    assert found.state is ComparisonState.UNCHANGED
    assert found.main is ComparisonState.UNCHANGED
    assert found.regions == ()
    assert found.before == found.after == (200, 40 * len(LINES))


def test_one_changed_figure_is_one_small_region_over_its_block() -> None:
    after = [*LINES]
    after[7] = (MAIN, "8 of 41 accounts")

    found = compared(LINES, after)

    (region,) = found.regions
    assert region.before == region.after
    assert region.after is not None
    assert 280 < region.after.top < 320
    assert region.after.width < 20
    assert region.selectors == ("html > body > p:nth-child(8)",)
    assert region.excerpt == "8 of 41 accounts"
    assert found.main is ComparisonState.CHANGED


def test_a_change_beside_the_main_region_leaves_its_looks_unchanged() -> None:
    found = compared(LINES, [*LINES[:-1], (TEASER, "another teaser")])

    assert found.state is ComparisonState.CHANGED
    assert found.main is ComparisonState.UNCHANGED
    assert [region.regions for region in found.regions] == [(TEASER,)]


def test_what_was_put_in_is_one_region_and_all_below_it_is_the_same() -> None:
    after: list[Line] = [*LINES[:5], (MAIN, "a new paragraph"), *LINES[5:]]

    found = compared(LINES, after)

    (region,) = found.regions
    assert region.before is None
    assert region.after is not None
    assert 200 <= region.after.top < 240
    assert found.before == (200, 40 * len(LINES))
    assert found.after == (200, 40 * len(LINES) + 40)


def test_what_is_gone_is_a_region_of_the_earlier_picture_alone() -> None:
    (region,) = compared(LINES, [*LINES[:5], *LINES[6:]]).regions

    assert region.after is None
    assert region.before is not None


@pytest.mark.parametrize("eighths", [1, 2])
def test_a_text_that_is_smoothed_at_another_fraction_of_a_pixel_is_no_change(eighths: int) -> None:
    found = image_diff.compare(
        "p", shot(smoothed("accounts 40", 0)), shot(smoothed("accounts 40", eighths))
    )

    assert found.state is ComparisonState.UNCHANGED


@pytest.mark.parametrize("figures", ["56", "68", "89", "08", "35"])
def test_another_figure_in_small_print_is_a_change(figures: str) -> None:
    one, other = (shot(smoothed(f"accounts {figure}", 0, size=12)) for figure in figures)

    assert image_diff.compare("p", one, other).state is ComparisonState.CHANGED


def smoothed(text: str, eighths: int, size: int = 14) -> Image.Image:
    """Return a text drawn eight times as large and made small, so many eighths to the right."""
    large = Image.new("RGB", (120 * 8, 30 * 8), "white")
    font = ImageFont.load_default(size * 8)
    ImageDraw.Draw(large).text((40 + eighths, 40), text, fill="black", font=font)
    return large.reduce(8)


def test_a_tall_page_in_several_files_is_one_picture() -> None:
    whole = Image.open(picture(LINES).files[0]()).convert("RGB")
    parts = shot(whole.crop((0, 0, 200, 333)), whole.crop((0, 333, 200, whole.height)))
    after = [*LINES]
    after[20] = (TEASER, "coffee")

    assert image_diff.compare("p", parts, picture(LINES)).state is ComparisonState.UNCHANGED
    assert len(image_diff.compare("p", parts, picture(after)).regions) == 1


def test_boxes_are_css_pixels_whatever_the_scale() -> None:
    after = [*LINES]
    after[7] = (MAIN, "other words")

    found = image_diff.compare("p", picture(LINES, scale=2), picture(after, scale=2))

    assert found.before == (200, 40 * len(LINES))
    (region,) = found.regions
    assert region.after is not None
    assert 280 <= region.after.top < 320


def test_pictures_of_two_scales_are_not_compared() -> None:
    found = image_diff.compare("p", picture(LINES), picture(LINES, scale=2))

    assert found.state is ComparisonState.UNKNOWN
    assert found.detail == "the pictures have different scales: 1 and 2 pixels to a CSS pixel"


def test_a_wider_picture_says_where_it_is_wider() -> None:
    found = image_diff.compare("p", picture(LINES), picture(LINES, size=(240, 0)))

    (region,) = found.regions
    assert region.before is None
    assert region.after == Box(left=200, top=0, width=40, height=40 * len(LINES))


def test_what_lies_under_a_mask_is_counted_and_no_region() -> None:
    after = [*LINES]
    after[3], after[7] = (MAIN, "another time"), (MAIN, "8 of 41 accounts")
    masked = UnderlyingPage(masked=(Box(left=0, top=120, width=200, height=40),))

    found = image_diff.compare("p", picture(LINES), picture(after), (masked, masked))

    assert len(found.regions) == 1
    assert found.masked == 1


def test_a_difference_in_masks_alone_is_none() -> None:
    after = [*LINES]
    after[3] = (MAIN, "another time")
    masked = UnderlyingPage(masked=(Box(left=0, top=120, width=200, height=40),))

    found = image_diff.compare("p", picture(LINES), picture(after), (masked, UnderlyingPage()))

    assert found.state is ComparisonState.UNCHANGED
    assert found.masked == 1


def test_a_picture_in_the_article_lies_in_the_main_region_without_a_block_of_its_own() -> None:
    before, after = picture(LINES), picture(LINES)
    photo = Image.open(after.files[0]()).convert("RGB")
    photo.paste((200, 0, 0), (150, 100, 190, 118))
    underlying_pages = tuple(
        UnderlyingPage(
            blocks=tuple(replace(block, box=replace(block.box, height=20)) for block in its.blocks)
        )
        for its in (underlying_page(LINES), underlying_page(LINES))
    )
    blocks = tuple(
        replace(block, box=replace(block.box, width=200 if n == 1 else 120))
        for n, block in enumerate(underlying_pages[0].blocks)
    )
    under = UnderlyingPage(blocks=blocks)

    found = image_diff.compare("p", before, shot(photo), (under, under))

    assert [region.regions for region in found.regions] == [(MAIN,)]
    assert found.regions[0].selectors == ()


def test_single_pixels_are_counted_and_not_listed() -> None:
    white = Image.new("RGB", (100, 100), "white")
    other = white.copy()
    other.putpixel((50, 50), (0, 0, 0))

    found = image_diff.compare("p", shot(white), shot(other))

    assert found.regions == ()
    assert found.specks == 1


def test_a_picture_that_is_broken_gives_no_verdict() -> None:
    whole = picture(LINES).files[0]().read()
    broken = PictureSource(files=(lambda: io.BytesIO(whole[: len(whole) // 2]),))

    found = image_diff.compare("p", picture(LINES), broken)

    assert found.state is ComparisonState.UNKNOWN
    assert found.detail == "the picture lacks rows at its end"


def test_noise_is_one_region_and_as_large_as_it_is() -> None:
    noise = random.Random(3)  # noqa: S311  the same each time
    one, other = (Image.frombytes("RGB", (300, 700), noise.randbytes(630_000)) for _ in "ab")

    found = image_diff.compare("p", shot(one), shot(other))

    (region,) = found.regions
    assert region.before == Box(left=0, top=0, width=300, height=700)
    assert region.pixels > 200_000


def in_two_columns(
    main: list[str], stories: list[str], header: str = ""
) -> tuple[PictureSource, UnderlyingPage]:
    """Return a page with a header over both columns: the main text, and stories to its right."""
    image = Image.new("RGB", (400, 200), "white")
    draw, font, blocks = ImageDraw.Draw(image), ImageFont.load_default(14), []
    columns = [(0, 400, Region.OTHER, [header]), (0, 200, MAIN, main), (240, 400, TEASER, stories)]
    for left, right, region, texts in columns:
        for number, text in enumerate(texts):
            top = 0 if region is Region.OTHER else 30 + 20 * number
            draw.text((left, top), text, fill="black", font=font)
            box = Box(left=left, top=top, width=right - left, height=20)
            selector = f"html > body > {region} > p:nth-child({number + 1})"
            blocks.append(UnderlyingBlock(box=box, selector=selector, text=text, region=region))
    return shot(image), UnderlyingPage(blocks=tuple(blocks))


MAIN_TEXTS = ["The ferry leaves at ten.", "", "", "", "Tickets are sold on board.", "The end."]


def test_a_story_that_is_gone_beside_the_main_text_is_no_change_of_the_main_text() -> None:
    stories = ["Rowers win", "A choir sings", "Paper kites", "Bread"]

    (one, under), (other, its) = (
        in_two_columns(MAIN_TEXTS, some) for some in (stories, stories[1:])
    )
    found = image_diff.compare("p", one, other, (under, its))

    assert found.state is ComparisonState.CHANGED
    assert found.main is ComparisonState.UNCHANGED
    (region,) = found.regions
    assert (region.before is not None, region.after, region.regions) == (True, None, (TEASER,))


def test_a_line_that_was_put_into_the_main_text_is_found_beside_a_side_column_that_stays() -> None:
    stories = ["Rowers win", "A choir sings", "Paper kites", "Bread"]
    longer = [MAIN_TEXTS[0], "Nobody knew.", *MAIN_TEXTS[1:]]

    (one, under), (other, its) = (in_two_columns(main, stories) for main in (MAIN_TEXTS, longer))
    found = image_diff.compare("p", one, other, (under, its))

    (region,) = found.regions
    assert found.main is ComparisonState.CHANGED
    assert (region.before, region.excerpt) == (None, "Nobody knew.")


def test_what_changed_across_both_columns_is_one_region() -> None:
    """The header lies over the edges at which the columns are compared apart."""
    stories = ["Rowers win", "A choir sings", "Paper kites", "Bread"]
    headers = "x" * 30, "o" * 30

    (one, under), (other, its) = (
        in_two_columns(MAIN_TEXTS, some, header)
        for some, header in zip((stories, stories[1:]), headers, strict=True)
    )
    found = image_diff.compare("p", one, other, (under, its))

    top = [region for region in found.regions if region.before and region.before.top < 20]
    assert len(top) == 1
    assert top[0].before is not None
    assert top[0].before.width > 200
