"""Copies of screenshots for pages: how they are encoded, and where they end."""

import io

import pytest
from PIL import Image

from snapshotter.report import picture_copies
from snapshotter.report.picture_copies import make_picture_copy


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
