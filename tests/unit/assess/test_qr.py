"""QR codes are read from the pictures, with their place on the page, and never followed."""

import hashlib
import io

import pytest
from PIL import Image

from snapshotter.assess import qr
from snapshotter.assess.qr import QrReadings, Shot, read_codes
from snapshotter.model.page import Box
from snapshotter.site.pictures import SHORT_LINK, qr_code


def code() -> Image.Image:
    return Image.open(io.BytesIO(qr_code())).convert("RGB")


def picture(height: int, *at: tuple[int, int], scale: int = 1, width: int = 900) -> bytes:
    image = Image.new("RGB", (width, height), "white")
    code_image = code().resize((198 * scale, 198 * scale))
    for place in at:
        image.paste(code_image, place)
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def shot(png: bytes, top: int = 0, scale: int = 1, path: str = "capture/page.png") -> Shot:
    return Shot(path=path, stream=io.BytesIO(png), left_px=0, top_px=top, scale=scale)


def test_a_code_has_its_text_its_place_and_its_pictures_hash() -> None:
    png = picture(1000, (300, 500))

    (found,) = read_codes([shot(png)]).codes

    assert found.text == SHORT_LINK
    assert found.image_sha256 == hashlib.sha256(png).hexdigest()
    assert found.picture == "capture/page.png"
    assert abs(found.box.left - 324) < 8
    assert abs(found.box.top - 524) < 8
    assert abs(found.box.width - 150) < 12


def test_places_are_css_pixels_of_the_page() -> None:
    png = picture(1000, (300, 400), scale=2)

    (found,) = read_codes([shot(png, top=4000, scale=2)]).codes

    assert abs(found.box.left - 174) < 8
    assert abs(found.box.top - 4224) < 8


@pytest.mark.parametrize("top", [1100, 1900, 2000, 2040, 4000])
def test_a_code_across_two_strips_is_found_once(top: int) -> None:
    found = read_codes([shot(picture(4300, (10, top)))]).codes

    assert [qr_code.text for qr_code in found] == [SHORT_LINK]
    assert abs(found[0].box.top - top - 24) < 8


def test_the_same_code_at_two_places_is_two() -> None:
    found = read_codes([shot(picture(900, (600, 20), (10, 600)))]).codes

    assert [qr_code.box.top < 300 for qr_code in found] == [True, False]


def test_the_same_place_in_two_pictures_is_one_code() -> None:
    first, whole = picture(600, (10, 20)), picture(900, (10, 20))

    found = read_codes([shot(whole), shot(first, path="capture/viewport.png")]).codes

    assert [qr_code.picture for qr_code in found] == ["capture/page.png"]


def test_pixels_are_looked_at_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qr, "MAX_PIXELS", 900 * 1000)
    high, low = picture(3000, (10, 100)), picture(3000, (10, 2500))

    assert len(read_codes([shot(high)]).codes) == 1
    assert read_codes([shot(low)]) == QrReadings(
        left_out="capture/page.png: rows below row 1000 were not searched"
    )
    assert len(read_codes([shot(high), shot(high, top=3000)]).codes) == 1


def test_a_bound_that_leaves_less_than_a_row_of_the_next_picture_costs_no_code(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seen on pages of 60,000 to 77,000 px, which are photographed in two files."""
    monkeypatch.setattr(qr, "MAX_PIXELS", 900 * 1000 + 899)
    first, second = picture(1000, (10, 100)), picture(500, (10, 100))

    found = read_codes([shot(first), shot(second, top=1000, path="capture/screenshot-2.png")])

    assert [qr_code.text for qr_code in found.codes] == [SHORT_LINK]
    assert found.left_out == "capture/screenshot-2.png: rows below row 0 were not searched"


@pytest.mark.parametrize("above", [150, 100, 3000])
def test_a_code_across_two_files_of_one_page_is_found_once(above: int) -> None:
    """The border passes through the code; the place is that on the page."""
    whole = Image.open(io.BytesIO(picture(above + 3000, (10, above - 80))))
    files = []
    for top, below in ((0, above), (above, above + 3000)):
        stream = io.BytesIO()
        whole.crop((0, top, 900, below)).save(stream, "PNG")
        files.append(shot(stream.getvalue(), top=top, path=f"capture/at-{top}.png"))

    (found,) = read_codes(files).codes

    assert found.picture == "capture/at-0.png"
    assert abs(found.box.top - (above - 80 + 24)) < 8


def test_pictures_that_do_not_continue_each_other_are_not_joined() -> None:
    whole = Image.open(io.BytesIO(picture(600, (10, 220))))
    files = []
    for top, below, at in ((0, 300, 0), (300, 600, 900)):
        stream = io.BytesIO()
        whole.crop((0, top, 900, below)).save(stream, "PNG")
        files.append(shot(stream.getvalue(), top=at))

    assert read_codes(files) == QrReadings()


def test_a_strip_that_breaks_the_search_costs_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    search, calls = qr._in_strip, []

    def breaks_once(strip: object) -> object:
        calls.append(strip)
        if len(calls) == 1:
            raise ValueError("Neither width nor height")
        return search(strip)

    monkeypatch.setattr(qr, "_in_strip", breaks_once)

    found = read_codes([shot(picture(4300, (10, 3000)))])

    assert [qr_code.text for qr_code in found.codes] == [SHORT_LINK]
    assert (
        found.left_out
        == "capture/page.png: a part of the picture could not be searched: ValueError"
    )


@pytest.mark.parametrize(
    "png",
    [b"", b"GIF89a", picture(300)[:200], picture(300).replace(b"IDAT", b"IDAX"), b"\x89PNG" * 99],
    ids=["empty", "another-kind", "cut-off", "without-data", "nonsense"],
)
def test_what_is_no_picture_has_no_codes(png: bytes) -> None:
    assert read_codes([shot(png)]).codes == ()


def test_a_box_is_a_box_of_the_model() -> None:
    (found,) = read_codes([shot(picture(400, (10, 20)))]).codes

    assert isinstance(found.box, Box)
