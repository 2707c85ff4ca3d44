"""QR codes are read from the pictures, with their place on the page, and never followed."""

import hashlib
import io

import pytest
from PIL import Image

from snapshotter.assess import qr
from snapshotter.assess.qr import Shot, read_codes
from snapshotter.model.page import Box
from snapshotter.site.pictures import SHORT_LINK, qr_code


def code() -> Image.Image:
    return Image.open(io.BytesIO(qr_code())).convert("RGB")


def picture(height: int, *at: tuple[int, int], scale: int = 1, width: int = 900) -> bytes:
    image = Image.new("RGB", (width, height), "white")
    one = code().resize((198 * scale, 198 * scale))
    for place in at:
        image.paste(one, place)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def shot(png: bytes, top: int = 0, scale: int = 1, path: str = "capture/page.png") -> Shot:
    return Shot(path=path, stream=io.BytesIO(png), left_px=0, top_px=top, scale=scale)


def test_a_code_has_its_text_its_place_and_its_pictures_hash() -> None:
    png = picture(1000, (300, 500))

    (found,) = read_codes([shot(png)])

    assert found.text == SHORT_LINK
    assert found.image_sha256 == hashlib.sha256(png).hexdigest()
    assert found.picture == "capture/page.png"
    assert abs(found.box.left - 324) < 8
    assert abs(found.box.top - 524) < 8
    assert abs(found.box.width - 150) < 12


def test_places_are_css_pixels_of_the_page() -> None:
    png = picture(1000, (300, 400), scale=2)

    (found,) = read_codes([shot(png, top=4000, scale=2)])

    assert abs(found.box.left - 174) < 8
    assert abs(found.box.top - 4224) < 8


@pytest.mark.parametrize("top", [1100, 1900, 2000, 2040, 4000])
def test_a_code_across_two_strips_is_found_once(top: int) -> None:
    found = read_codes([shot(picture(4300, (10, top)))])

    assert [it.text for it in found] == [SHORT_LINK]
    assert abs(found[0].box.top - top - 24) < 8


def test_the_same_code_at_two_places_is_two() -> None:
    found = read_codes([shot(picture(900, (600, 20), (10, 600)))])

    assert [it.box.top < 300 for it in found] == [True, False]


def test_the_same_place_in_two_pictures_is_one_code() -> None:
    first, whole = picture(600, (10, 20)), picture(900, (10, 20))

    found = read_codes([shot(whole), shot(first, path="capture/viewport.png")])

    assert [it.picture for it in found] == ["capture/page.png"]


def test_pixels_are_looked_at_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr, "MAX_PIXELS", 900 * 1000)
    high, low = picture(3000, (10, 100)), picture(3000, (10, 2500))

    assert len(read_codes([shot(high)])) == 1
    assert read_codes([shot(low)]) == ()
    assert len(read_codes([shot(high), shot(high, top=3000)])) == 1


@pytest.mark.parametrize(
    "png",
    [b"", b"GIF89a", picture(300)[:200], picture(300).replace(b"IDAT", b"IDAX"), b"\x89PNG" * 99],
    ids=["empty", "another-kind", "cut-off", "without-data", "nonsense"],
)
def test_what_is_no_picture_has_no_codes(png: bytes) -> None:
    assert read_codes([shot(png)]) == ()


def test_a_box_is_a_box_of_the_model() -> None:
    (found,) = read_codes([shot(picture(400, (10, 20)))])

    assert isinstance(found.box, Box)
