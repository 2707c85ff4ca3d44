"""Copies of screenshots for pages: how they are encoded, and where they end."""

import base64
import io
from dataclasses import replace

import pytest
from PIL import Image, ImageChops

from snapshotter.report import picture_copies
from snapshotter.report.picture_copies import PieceShape, make_picture_copy


def _png(width: int, height: int) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((width, height), 90).convert("RGB").save(out, "PNG")
    return out.getvalue()


def test_a_fast_copy_is_jpeg_and_joins_edge_to_edge() -> None:
    data = _png(9, 2_048 + 100)

    copy = make_picture_copy([lambda: io.BytesIO(data)], 1, fast=True)

    assert copy is not None
    assert [(piece.top, piece.height) for piece in copy.pieces] == [(0, 2_048), (2_048, 100)]
    assert all(piece.url.startswith("data:image/jpeg;base64,") for piece in copy.pieces)
    assert not copy.cut


def test_a_copy_ends_where_it_would_be_too_long_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_copies, "_MAX_BYTES", 1)
    data = _png(9, 2_048 * 2 + 100)

    copy = make_picture_copy([lambda: io.BytesIO(data)], 1, fast=True)

    assert copy is not None
    assert (len(copy.pieces), copy.cut) == (1, True)


def test_pieces_for_paper_repeat_the_end_of_the_piece_before() -> None:
    data = _png(40, 100)
    shape = PieceShape(per_mille=1_000, overlap=10)

    copy = make_picture_copy([lambda: io.BytesIO(data)], 1, fast=True, shape=shape)

    assert copy is not None
    assert [(piece.top, piece.height) for piece in copy.pieces] == [(0, 40), (30, 40), (60, 40)]
    assert (copy.height, copy.overlap, copy.cut) == (100, 10, False)
    first, second = (_rows(piece.url) for piece in copy.pieces[:2])
    difference = ImageChops.difference(first.crop((0, 30, 40, 40)), second.crop((0, 0, 40, 10)))
    assert max(difference.tobytes()) < 60  # JPEG rounds each piece


def test_pieces_of_two_device_pixels_are_measured_in_css_pixels() -> None:
    data = _png(80, 150)
    shape = PieceShape(per_mille=1_000, overlap=10)

    copy = make_picture_copy([lambda: io.BytesIO(data)], 2, fast=True, shape=shape)

    assert copy is not None
    assert [(piece.top, piece.height) for piece in copy.pieces] == [(0, 40), (30, 40), (60, 15)]


def test_a_copy_of_a_wide_picture_states_that_its_right_part_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_copies, "MAX_WIDTH", 20)

    narrow = make_picture_copy([lambda: io.BytesIO(_png(20, 30))], 1, fast=True)
    wide = make_picture_copy([lambda: io.BytesIO(_png(21, 30))], 1, fast=True)

    assert narrow is not None
    assert wide is not None
    assert (narrow.width, narrow.narrowed) == (20, False)
    assert (wide.width, wide.narrowed) == (20, True)


def _rows(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_the_memory_for_a_piece_does_not_grow_with_the_scale_that_a_record_states(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(picture_copies, "_MAX_PIXELS", 80 * 60)
    data = _png(80, 150)
    shape = PieceShape(per_mille=1_000, overlap=10)

    copy = make_picture_copy([lambda: io.BytesIO(data)], 2, fast=True, shape=shape)

    assert copy is not None
    assert [(piece.top, piece.height) for piece in copy.pieces][:2] == [(0, 30), (20, 30)]
    for scale in (4, 1_000, 10**9):
        assert make_picture_copy([lambda: io.BytesIO(data)], scale, shape=shape) is None


def test_of_a_picture_whose_top_is_shown_only_the_first_piece_is_made() -> None:
    data = _png(40, 100)
    shape = PieceShape(per_mille=1_000, overlap=10)

    whole, top = (
        make_picture_copy([lambda: io.BytesIO(data)], 1, fast=True, shape=this)
        for this in (shape, replace(shape, only_first=True))
    )

    assert whole is not None
    assert top is not None
    assert (top.pieces, top.cut) == (whole.pieces[:1], True)
