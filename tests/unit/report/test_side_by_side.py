"""The picture of both ends: what is outlined, what can not be shown, and the same bytes."""

import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops

from snapshotter.model.page import Box
from snapshotter.report import side_by_side
from snapshotter.report.side_by_side import WIDTH, Panel, render, shows_same_box

LATIN = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"


def png(color: str, width: int = 1280, height: int = 800) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), color).save(out, "PNG", compress_level=1)
    return out.getvalue()


LEFT = Panel(heading="It is there", lines=("2026", "id"), png=png("#ff0000"))
RIGHT = Panel(heading="It is gone", lines=("2026", "id"), png=png("#0000ff"))


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=["PNG"])


def at(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    found = picture.getpixel((x, y))
    assert isinstance(found, tuple)
    return found


def test_both_pictures_stand_beside_each_other() -> None:
    picture = opened(render(LEFT, RIGHT))
    middle = picture.height - 100

    assert picture.width == 2 * WIDTH + 3 * 16
    assert at(picture, 16 + WIDTH // 2, middle) == (255, 0, 0)
    assert at(picture, 32 + WIDTH + WIDTH // 2, middle) == (0, 0, 255)


def test_the_notice_is_outlined_where_it_is() -> None:
    box = Box(left=400, top=200, width=300, height=100)
    plain, marked = (
        opened(render(LEFT, replace(RIGHT, boxes=outlines))).convert("RGB")
        for outlines in ((), (box,))
    )
    top = plain.height - 16 - 400
    left = 32 + WIDTH

    assert ImageChops.difference(plain, marked).getbbox() == (
        *(left + 200 - 5, top + 100 - 5),
        *(left + 350 + 5 + 1, top + 150 + 5 + 1),
    )


def test_a_place_in_the_picture_of_the_whole_page_holds_for_a_first_view_that_shows_it() -> None:
    """A box is known in one of them: what moved in between is not outlined somewhere else."""
    page = Image.new("RGB", (1280, 3000), "#ffffff")
    page.paste((200, 0, 0), (400, 200, 700, 300))
    box = Box(left=400, top=200, width=300, height=100)

    def encoded(picture: Image.Image) -> bytes:
        out = io.BytesIO()
        picture.save(out, "PNG")
        return out.getvalue()

    first, moved = page.crop((0, 0, 1280, 800)), page.crop((0, 20, 1280, 820))
    assert shows_same_box(encoded(first), encoded(page), box)
    assert not shows_same_box(encoded(moved), encoded(page), box)
    assert not shows_same_box(encoded(first), encoded(page), replace(box, top=900))
    assert not shows_same_box(encoded(first), b"", box)
    assert not shows_same_box(b"junk", encoded(page), box)


def test_the_same_is_the_same_bytes() -> None:
    assert render(LEFT, RIGHT) == render(LEFT, RIGHT)
    assert render(LEFT, RIGHT) != render(RIGHT, LEFT)


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", png("#fff")[:60], b"GIF89a" + bytes(20), png("#fff", 7000, 6000)],
    ids=["none", "junk", "cut", "another format", "too many pixels"],
)
def test_what_is_no_picture_is_told_as_such(data: bytes) -> None:
    picture = opened(render(replace(LEFT, png=data), RIGHT))

    assert at(picture, 16 + WIDTH // 2, picture.height - 100) == (0xEE, 0xF0, 0xF4)


def test_a_very_tall_view_is_cut_which_is_said_and_a_box_below_it_is_not_drawn() -> None:
    tall = replace(RIGHT, png=png("#00ff00", 320, 9000))
    below = replace(tall, boxes=(Box(left=10, top=8000, width=100, height=50),))

    picture, short = (opened(render(LEFT, panel)) for panel in (tall, RIGHT))
    assert picture.height < 1000
    told, none = (
        {at(image, 32 + WIDTH + 5, y) for y in range(image.height - 60, image.height - 16)}
        for image in (picture, short)
    )
    mark = (0xB3, 0x26, 0x1E)  # of the line below what is shown
    assert (mark in told, mark in none) == (True, False)
    assert render(LEFT, tall) == render(LEFT, below)


def test_a_phones_view_is_shown_whole_and_its_notice_outlined() -> None:
    box = Box(left=414, top=2000, width=414, height=150)
    phone = Panel(heading="It is gone", png=png("#00ff00", 1242, 2688), boxes=(box,))

    picture = opened(render(LEFT, phone))

    factor = side_by_side.MAX_HEIGHT / 2688
    x = 32 + WIDTH + round((414 + 207) * factor)
    column = [at(picture, x, y) for y in range(picture.height)]
    marked = [y for y, color in enumerate(column) if color == (0xB3, 0x26, 0x1E)]
    top = picture.height - 16 - side_by_side.MAX_HEIGHT
    assert marked[0] == top + round(2000 * factor) - 5
    assert marked[-1] == top + round(2150 * factor) + 5


def test_words_that_no_font_here_draws_are_left_to_the_statement() -> None:
    """No row of empty boxes in the place of somebody's words."""
    chinese, other = (
        render(LEFT, replace(RIGHT, lines=(line,)), fonts=(LATIN,))
        for line in ("该内容已被发布者删除", side_by_side._UNDRAWN)
    )

    assert chinese == other


def test_without_any_font_there_is_a_picture_all_the_same() -> None:
    picture = opened(render(LEFT, replace(RIGHT, heading="x" * 500), fonts=("/nowhere.ttf",)))

    assert picture.width == 2 * WIDTH + 3 * 16
