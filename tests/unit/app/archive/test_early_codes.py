"""Codes are searched in the rows of a picture while it is made, and count only for that picture."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from snapshotter.app.archive.early_codes import EarlyCodes, RowsOfFile
from snapshotter.assess import qr
from snapshotter.capture.pictures.png_stitching import PngStitcher
from snapshotter.formats.digest import DigestingWriter
from snapshotter.formats.page.png import BAND, PngRows
from snapshotter.model.capture import Artifact
from snapshotter.site.pictures import SHORT_LINK, qr_code
from tests.unit.app.archive.test_assessment import SCREENSHOT, whole_page

_HEIGHT, _TILE = 2600, 900  # pixels; a strip of the search has 2048


def tiles(left: int) -> list[bytes]:
    """Return the tiles of a page with a code across the border of two of them."""
    page = Image.new("RGB", (600, _HEIGHT), "white")
    page.paste(Image.open(io.BytesIO(qr_code())).convert("RGB"), (left, 2 * _TILE - 100))
    made = []
    for top in range(0, _HEIGHT, _TILE):
        stream = io.BytesIO()
        page.crop((0, top, 600, min(top + _TILE, _HEIGHT))).save(stream, "PNG")
        made.append(stream.getvalue())
    return made


def join(rows: RowsOfFile, parts: list[bytes], file: Path) -> Artifact:
    """Join the parts into a file, as a capture does it."""
    with file.open("xb") as stream:
        stitcher = PngStitcher(io.BytesIO(), rows=rows)
        for part in parts:
            stitcher.add(part)
        out = DigestingWriter(stream, limit=1 << 30)
        stitcher.finish(out)
    rows.end(out.digests().sha256)
    return Artifact(
        path=SCREENSHOT, media_type="image/png", file=file, digests=out.digests(),
        step="screenshot", made_at=datetime(2026, 11, 30, tzinfo=UTC),
    )  # fmt: skip


def found(codes: EarlyCodes) -> qr.QrReadings:
    """Wait for the codes of the pictures that were taken last."""
    assert codes.search is not None
    return codes.search.result()


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Note the height of each picture that is decoded from its file."""
    heights: list[int] = []
    search = qr._search_file

    def noting(rows: PngRows, most: int) -> qr.SearchedPicture:
        heights.append(rows.header.height)
        return search(rows, most)

    monkeypatch.setattr(qr, "_search_file", noting)
    return heights


def test_the_codes_of_a_picture_are_known_without_decoding_its_file(
    tmp_path: Path, decoded: list[int]
) -> None:
    codes = EarlyCodes()
    made = join(codes.file(), tiles(30), tmp_path / "screenshot.png")
    codes.taken((whole_page(),), (made,))

    (code,) = found(codes).codes

    assert (code.text, code.image_sha256) == (SHORT_LINK, made.digests.sha256)
    assert abs(code.box.top - (2 * _TILE - 100 + 24)) < 8
    assert decoded == []


def given_up(rows: RowsOfFile) -> None:
    rows.give_up()


def broken(rows: RowsOfFile) -> None:
    rows.add(tiles(30)[0][:33], b"\x09" * 1801 * BAND)  # there is no such filter


@pytest.mark.parametrize("spoil", [given_up, broken])
def test_a_file_is_searched_whose_rows_were_not_read_to_the_end(
    tmp_path: Path, decoded: list[int], spoil: Callable[[RowsOfFile], None]
) -> None:
    codes = EarlyCodes()
    rows = codes.file()
    spoil(rows)
    made = join(rows, tiles(30), tmp_path / "screenshot.png")
    codes.taken((whole_page(),), (made,))

    assert [code.text for code in found(codes).codes] == [SHORT_LINK]
    assert decoded == [_HEIGHT]


def test_the_codes_of_another_take_do_not_count(tmp_path: Path, decoded: list[int]) -> None:
    codes = EarlyCodes()
    join(codes.file(), tiles(300), tmp_path / "first.png")
    final = join(EarlyCodes().file(), tiles(30), tmp_path / "final.png")
    codes.taken((whole_page(),), (final,))

    (code,) = found(codes).codes

    assert abs(code.box.left - 54) < 8
    assert decoded == [_HEIGHT]


def test_rows_beyond_the_limit_of_a_search_are_not_read(
    tmp_path: Path, decoded: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = EarlyCodes()
    join(codes.file(), tiles(300), tmp_path / "first.png")
    codes.taken((whole_page(),), ())
    assert found(codes).codes == ()  # the rows of the first file are read by now
    monkeypatch.setattr(qr, "MAX_PIXELS", 600 * _HEIGHT)
    made = join(codes.file(), tiles(30), tmp_path / "second.png")
    codes.taken((whole_page(),), (made,))

    assert len(found(codes).codes) == 1
    assert decoded == [_HEIGHT]
