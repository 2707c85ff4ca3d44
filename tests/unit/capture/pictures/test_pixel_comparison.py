"""Two pictures are compared pixel by pixel, in bands, whatever their filters and sizes."""

import random
import zlib
from pathlib import Path

import pytest
from PIL import Image

from snapshotter.capture.pictures.pixel_comparison import compare, read_png_size
from snapshotter.errors import SnapshotterError
from snapshotter.model.replay import PictureDifference, ReplayVerdict
from tests.unit.capture.pictures.test_png_stitching import png

WIDTH, HEIGHT = 61, 600  # three bands
NOISE = random.Random(7)  # noqa: S311  the same each time


def rows(pixel_bytes: int = 3, height: int = HEIGHT) -> list[bytes]:
    return [NOISE.randbytes(WIDTH * pixel_bytes) for _ in range(height)]


def filters(height: int = HEIGHT) -> list[int]:
    return [NOISE.randrange(5) for _ in range(height)]


def written(path: Path, lines: list[bytes], pixel_bytes: int = 3) -> Path:
    path.write_bytes(png(lines, filters(len(lines)), pixel_bytes))
    return path


def test_the_same_pixels_under_other_filters_do_not_differ(tmp_path: Path) -> None:
    lines = rows()

    found = compare(written(tmp_path / "a.png", lines), written(tmp_path / "b.png", lines))

    assert found.differing == 0
    assert found.pixels == WIDTH * HEIGHT
    assert found.first == found.second == (WIDTH, HEIGHT) == read_png_size(tmp_path / "a.png")


@pytest.mark.parametrize("pixel_bytes", [3, 4])
def test_each_pixel_that_differs_in_one_channel_by_one_is_counted_once(
    tmp_path: Path, pixel_bytes: int
) -> None:
    lines = rows(pixel_bytes)
    other = [bytearray(line) for line in lines]
    # First and last row of a band, the rows around its edge, and the last row of all.
    for row in (0, 255, 256, 511, 512, HEIGHT - 1):
        other[row][row % len(other[row])] ^= 1
    other[300][0] ^= 1
    other[300][1] ^= 1  # the same pixel

    found = compare(
        written(tmp_path / "a.png", lines, pixel_bytes),
        written(tmp_path / "b.png", [bytes(line) for line in other], pixel_bytes),
    )

    assert found.differing == 7


def test_what_only_one_picture_has_differs(tmp_path: Path) -> None:
    lines = rows()
    taller = [*lines, *rows(height=20)]

    found = compare(written(tmp_path / "a.png", lines), written(tmp_path / "b.png", taller))

    assert (found.first, found.second) == ((WIDTH, HEIGHT), (WIDTH, HEIGHT + 20))
    assert found.differing == 20 * WIDTH
    assert found.pixels == WIDTH * (HEIGHT + 20)


def test_pictures_of_other_widths_and_modes_are_compared_where_both_are(tmp_path: Path) -> None:
    Image.new("RGB", (40, 30), (1, 2, 3)).save(tmp_path / "a.png")
    Image.new("RGBA", (50, 20), (1, 2, 3, 255)).save(tmp_path / "b.png")

    found = compare(tmp_path / "a.png", tmp_path / "b.png")

    assert found.pixels == 50 * 30
    assert found.differing == 50 * 30 - 40 * 20


def test_it_counts_what_pillow_counts_on_whole_images(tmp_path: Path) -> None:
    lines = rows()
    other = [line if NOISE.random() < 0.5 else NOISE.randbytes(len(line)) for line in lines]
    a, b = written(tmp_path / "a.png", lines), written(tmp_path / "b.png", other)

    with Image.open(a) as one, Image.open(b) as two:
        expected = sum(
            p != q for p, q in zip(_pixels(one.tobytes()), _pixels(two.tobytes()), strict=True)
        )

    assert compare(a, b).differing == expected


def _pixels(data: bytes) -> list[bytes]:
    return [data[at : at + 3] for at in range(0, len(data), 3)]


@pytest.mark.parametrize("cut", [20, 40, 5000, -40])
def test_a_picture_that_breaks_off_is_an_error_and_no_difference(tmp_path: Path, cut: int) -> None:
    whole = written(tmp_path / "a.png", rows())
    (tmp_path / "b.png").write_bytes(whole.read_bytes()[:cut])

    with pytest.raises(SnapshotterError):
        compare(whole, tmp_path / "b.png")


def test_a_picture_with_other_bytes_in_it_is_an_error(tmp_path: Path) -> None:
    whole = written(tmp_path / "a.png", rows())
    data = bytearray(whole.read_bytes())
    data[60] ^= 0xFF
    (tmp_path / "b.png").write_bytes(data)

    with pytest.raises(SnapshotterError):
        compare(tmp_path / "b.png", whole)


def test_a_bomb_is_not_inflated_beyond_the_rows_that_its_head_promises(tmp_path: Path) -> None:
    lines = [bytes(WIDTH * 3)] * 10
    bomb = png(lines, [0] * 10, 3)
    at = bomb.index(b"IDAT") - 4
    data = zlib.compress(b"\0" * (64 << 20), 9)
    chunk = len(data).to_bytes(4, "big") + b"IDAT" + data + bytes(4)
    (tmp_path / "b.png").write_bytes(bomb[:at] + chunk)

    found = compare(tmp_path / "b.png", written(tmp_path / "a.png", lines))

    assert found.differing == 0


def test_a_share_is_never_rounded_down_to_none() -> None:
    picture = PictureDifference(
        path="capture/screenshot.png",
        captured_px=(1440, 100_000),
        replayed_px=(1440, 100_000),
        pixels=144_000_000,
        differing=1,
    )

    assert picture.percent == 0.0001


def test_a_verdict_has_no_truth_value() -> None:
    with pytest.raises(TypeError):
        bool(ReplayVerdict.DIFFERS)
