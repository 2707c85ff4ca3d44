"""Frames around changed places: every word stays readable, and every frame can be seen."""

import random

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFont

from snapshotter.model.page import Box
from snapshotter.report.frames import MARK, draw_frames, joined

INK = (20, 20, 20)
Colour = tuple[int, int, int]


def lines_of_text(ground: Colour = (255, 255, 255), ink: Colour = INK) -> Image.Image:
    """Return a picture full of words, without a free place as wide as a frame is thick."""
    picture = Image.new("RGB", (400, 200), ground)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    for line in range(13):
        draw.text((4, 15 * line), "mwgyj confirmed that " * 5, fill=ink, font=font)
    return picture


def drawn(picture: Image.Image, *boxes: Box) -> Image.Image:
    framed = picture.copy()
    draw_frames(framed, boxes)
    return framed


def has_ink(picture: Image.Image, ink: Colour) -> Image.Image:
    """Return 255 for each pixel that is nearly the colour of the letters."""
    difference = ImageChops.difference(picture, Image.new("RGB", picture.size, ink))
    red, green, blue = (channel.point([255] * 60 + [0] * 196) for channel in difference.split())
    return ImageChops.darker(ImageChops.darker(red, green), blue)


def count(picture: Image.Image, colour: Colour) -> int:
    found = {shade: number for number, shade in picture.getcolors(1 << 20) or []}
    return found.get(colour, 0)


@pytest.mark.parametrize(
    ("ground", "ink"), [((255, 255, 255), INK), ((10, 10, 40), (240, 240, 240))]
)
@pytest.mark.parametrize("box", [Box(left=90, top=60, width=60, height=15),
                                 Box(left=0, top=0, width=400, height=30),
                                 Box(left=380, top=190, width=200, height=200)])  # fmt: skip
def test_no_letter_of_a_dense_text_is_covered(ground: Colour, ink: Colour, box: Box) -> None:
    picture = lines_of_text(ground, ink)
    framed = drawn(picture, box)

    assert has_ink(framed, ink).tobytes() == has_ink(picture, ink).tobytes()
    assert count(framed, MARK) > 30


def test_a_frame_lies_in_the_free_space_around_its_place() -> None:
    picture = Image.new("RGB", (200, 100), "white")
    framed = drawn(picture, Box(left=50, top=40, width=60, height=20))

    assert ImageChops.difference(picture, framed).getbbox() == (45, 35, 116, 66)
    assert framed.crop((48, 38, 112, 62)).getcolors() == [(64 * 24, (255, 255, 255))]


def test_a_frame_on_a_red_page_has_another_colour() -> None:
    framed = drawn(
        Image.new("RGB", (200, 100), "#b3261e"), Box(left=50, top=40, width=60, height=20)
    )

    assert count(framed, (255, 255, 255)) > 300


def test_a_photograph_can_be_seen_through_its_frame() -> None:
    noise = random.Random(5)  # noqa: S311  the same each time
    picture = Image.frombytes("RGB", (200, 100), noise.randbytes(60_000))
    framed = drawn(picture, Box(left=50, top=40, width=60, height=20))

    changed = ImageChops.difference(picture, framed)
    assert changed.getbbox() == (45, 35, 116, 66)
    assert count(framed, MARK) < 10


def test_places_near_each_other_have_one_frame() -> None:
    near = Box(left=10, top=10, width=20, height=10), Box(left=36, top=12, width=20, height=10)
    far = Box(left=10, top=80, width=20, height=10)

    assert joined([*near, far]) == [Box(left=10, top=10, width=46, height=12), far]
    assert joined([near[0], far, near[1]]) == [far, Box(left=10, top=10, width=46, height=12)]


@pytest.mark.parametrize("box", [Box(left=300, top=0, width=9, height=9),
                                 Box(left=0, top=500, width=9, height=9),
                                 Box(left=40, top=40, width=0, height=0)])  # fmt: skip
def test_a_place_that_is_not_in_the_picture_has_no_frame(box: Box) -> None:
    picture = Image.new("RGB", (200, 100), "white")

    assert drawn(picture, box).tobytes() == picture.tobytes()
