"""Pictures become smaller without loss, and one that cannot stays as it is."""

import io
import random
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from snapshotter.capture.pictures import deflate_blocks, recompression
from snapshotter.capture.pictures.recompression import recompressing
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.capture import Artifact, Capture, Picture, PictureFile, PictureKind
from tests import bundles

_AT = datetime(2026, 11, 24, 12, tzinfo=UTC)
_SRGB = b"\0"  # rendering intent: perceptual
NAME = "capture/screenshot.png"


@cache
def page(mode: str = "RGB", size: tuple[int, int] = (700, 1500)) -> Image.Image:
    """Return a picture with text above and a photograph below, as a news page has."""
    source = random.Random(7)  # noqa: S311 - pixels, no secrets
    width, height = size
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    for top in range(0, height // 2, 12):
        words = "".join(source.choice("abcdefgh ijkl") for _ in range(90))
        draw.text((8, top), words, fill="black")
    noise = Image.frombytes(
        "RGB", (width // 8, height // 16), source.randbytes(width // 8 * (height // 16) * 3)
    )
    photo = noise.resize((width, height - height // 2)).filter(ImageFilter.GaussianBlur(2))
    image.paste(photo, (0, height // 2))
    return image.convert(mode)


def as_browser(image: Image.Image) -> bytes:
    """Encode a picture as Chromium does in a hurry: each row by Up, the lowest effort, and sRGB."""
    above = Image.new(image.mode, image.size, 0 if image.mode == "RGB" else (0, 0, 0, 0))
    above.paste(image, (0, 1))
    row = image.width * len(image.getbands())
    raw = ImageChops.subtract_modulo(image, above).tobytes()
    rows = [b"\2" + raw[at : at + row] for at in range(0, len(raw), row)]
    colour = {"RGB": 2, "RGBA": 6}[image.mode]
    header = struct.pack(">IIBBBBB", image.width, image.height, 8, colour, 0, 0, 0)
    packed = zlib.compress(b"".join(rows), 1)
    return b"".join(
        (
            b"\x89PNG\r\n\x1a\n",
            chunk(b"IHDR", header),
            chunk(b"sRGB", _SRGB),
            chunk(b"IDAT", packed[:1000]),
            chunk(b"IDAT", packed[1000:]),
            chunk(b"IEND", b""),
        )
    )


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def pixels(data: bytes) -> tuple[str, tuple[int, int], bytes]:
    image = Image.open(io.BytesIO(data))
    return image.mode, image.size, image.tobytes()


def captured(spool: Path, data: bytes, *, path: str = NAME) -> Capture:
    """Return a capture with one picture, whose file has these bytes."""
    file = spool / path
    file.parent.mkdir(parents=True)
    file.write_bytes(data)
    artifact = Artifact(
        path=path,
        media_type="image/png",
        file=file,
        digests=digest_bytes(data),
        step="screenshot",
        made_at=_AT,
        note="CSS pixels 0 to 1500 from the top",
    )
    picture = Picture(
        kind=PictureKind.PAGE, subject="", viewport="default", viewport_px=(700, 900), scale=1,
        mobile=False, left_px=0, top_px=0, width_px=700, height_px=1500, captured_width_px=700,
        captured_height_px=1500, heights_px=(1500,), overlap_px=0, truncated_at=None, reason=None,
        files=(
            PictureFile(path=NAME, top_px=0, bottom_px=1500, width=700, height=1500, tiles=()),
        ),
    )  # fmt: skip
    made = bundles.capture(spool / "other", at=_AT)
    return replace(made, artifacts=(artifact,), pictures=(picture,))


def after(
    spool: Path, data: bytes, level: str, *, stopped: Callable[[], bool] = lambda: False
) -> tuple[Artifact, bytes]:
    """Return the artifact of a picture, and the bytes of its file, after the compression."""
    made = captured(spool, data)
    with recompressing(made, level, spool=spool, stopped=stopped) as finish:
        made = finish(made)
    (artifact,) = made.artifacts
    kept = artifact.file.read_bytes()
    assert artifact.digests == digest_bytes(kept)
    return artifact, kept


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("level", ["fast", "small"])
def test_a_picture_becomes_smaller_and_keeps_its_pixels(
    tmp_path: Path, level: str, mode: str
) -> None:
    before = as_browser(page(mode))

    artifact, kept = after(tmp_path, before, level)

    assert len(kept) < 0.8 * len(before)
    assert pixels(kept) == pixels(before)
    assert kept[:33] == before[:33]  # size, depth and kind of the pixels
    assert chunk(b"sRGB", _SRGB) in kept  # what the colours mean
    assert artifact.made_at == _AT
    assert artifact.note.startswith(
        "CSS pixels 0 to 1500 from the top; compressed again without loss"
    )
    assert f"recompress = {level}), before: {len(before)} bytes" in artifact.note


def test_more_time_makes_a_smaller_picture(tmp_path: Path) -> None:
    before = as_browser(page())

    fast, small = (after(tmp_path / level, before, level)[1] for level in ("fast", "small"))

    assert len(small) < len(fast)


def test_text_is_stored_without_prediction_and_a_photograph_with_it(tmp_path: Path) -> None:
    image = page(size=(700, 5000))

    _, kept = after(tmp_path, as_browser(image), "fast")

    data, at, rows = b"", 8, 1 + 700 * 3
    while at < len(kept):
        length = int.from_bytes(kept[at : at + 4], "big")
        if kept[at + 4 : at + 8] == b"IDAT":
            data += kept[at + 8 : at + 8 + length]
        at += 12 + length
    filters = zlib.decompress(data)[::rows]
    assert set(filters[:2000]) == {0}
    assert set(filters[-900:]) & {1, 2, 3, 4}


def test_a_system_whose_zlib_does_not_report_blocks_compresses_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deflate_blocks, "_library", lambda: None)
    before = as_browser(page())

    _, kept = after(tmp_path, before, "fast")

    assert len(kept) < 0.9 * len(before)
    assert pixels(kept) == pixels(before)


@pytest.mark.parametrize("level", ["fast", "small"])
def test_a_picture_that_cannot_become_smaller_stays(tmp_path: Path, level: str) -> None:
    _, before = after(tmp_path / "first", as_browser(page()), "small")

    artifact, kept = after(tmp_path / "second", before, level)

    assert kept == before
    assert artifact.note.endswith("; not compressed again: the result would not be smaller")


def _other_pixels(filtered: Callable[..., bytes]) -> Callable[..., bytes]:
    def wrong(*arguments: Any) -> bytes:
        data = bytearray(filtered(*arguments))
        data[-1] ^= 1  # one sample of one pixel
        return bytes(data)

    return wrong


def test_a_picture_whose_pixels_would_change_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recompression, "_filtered", _other_pixels(recompression._filtered))
    before = as_browser(page())

    artifact, kept = after(tmp_path, before, "fast")

    assert kept == before
    assert "the pixels of the new file are not those of the old one" in artifact.note


def test_a_picture_stays_if_a_file_with_other_chunks_would_replace_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recompression.compress_again

    def with_a_comment(source: Any, out: Any, *arguments: Any, **options: Any) -> bytes:
        result = whole(source, out, *arguments, **options)
        out.write(chunk(b"tEXt", b"Comment\0no"))
        return result

    monkeypatch.setattr(recompression, "compress_again", with_a_comment)
    before = as_browser(page())

    artifact, kept = after(tmp_path, before, "fast")

    assert kept == before
    assert "the new file has other chunks than the old one" in artifact.note


@pytest.mark.parametrize("cut", [20, 5_000, -20])
def test_a_damaged_picture_stays(tmp_path: Path, cut: int) -> None:
    before = as_browser(page())[:cut]

    artifact, kept = after(tmp_path, before, "fast")

    assert kept == before
    assert "; not compressed again: " in artifact.note


def test_a_capture_that_must_end_soon_keeps_its_pictures(tmp_path: Path) -> None:
    before = as_browser(page())

    artifact, kept = after(tmp_path, before, "small", stopped=lambda: True)

    assert kept == before
    assert artifact.note.endswith("; not compressed again: the capture had to end soon")


def test_an_image_that_a_server_sent_is_never_touched(tmp_path: Path) -> None:
    before = as_browser(page())
    made = captured(tmp_path, before, path="capture/target.png")

    with recompressing(made, "fast", spool=tmp_path, stopped=lambda: False) as finish:
        after_all = finish(made)

    assert after_all == made
    assert (tmp_path / "capture/target.png").read_bytes() == before


def test_an_error_of_the_capture_does_not_wait_for_the_compression(tmp_path: Path) -> None:
    before = as_browser(page(size=(700, 5000)))
    made = captured(tmp_path, before)

    with (
        pytest.raises(ZeroDivisionError),
        recompressing(made, "small", spool=tmp_path, stopped=lambda: False),
    ):
        raise ZeroDivisionError

    assert (tmp_path / NAME).read_bytes() == before
    assert not (tmp_path / ".compressed/0").read_bytes().endswith(chunk(b"IEND", b""))
