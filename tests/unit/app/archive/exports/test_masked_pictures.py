"""Copies of pictures for publication: boxes are black, all else is as it was, and it is said."""

import hashlib
import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image

from snapshotter.app.archive.exports import masked_pictures
from snapshotter.errors import SnapshotterError
from snapshotter.model.capture import Picture, PictureFile, PictureKind
from snapshotter.model.capturer_identity import ExposedBox
from tests import bundles, observed
from tests.fakes.world import FixedClock

AT = datetime(2026, 1, 8, tzinfo=UTC)
SCREEN, PHONE = "capture/screenshot.png", "capture/screenshot-phone.png"
BOXES = (
    ExposedBox(left=10, top=20, width=30, height=10, names=("handle",)),
    ExposedBox(left=0, top=990, width=30, height=10, names=("email",)),  # below what was captured
)


def png(size: tuple[int, int]) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (200, 100, 50)).save(out, "PNG")
    return out.getvalue()


def picture(path: str, viewport: str, top: int = 0) -> Picture:
    return Picture(
        kind=PictureKind.PAGE,
        subject="",
        viewport=viewport,
        viewport_px=(100, 80),
        scale=2,
        mobile=False,
        left_px=0,
        top_px=0,
        width_px=100,
        height_px=80,
        captured_width_px=100,
        captured_height_px=80,
        heights_px=(80,),
        overlap_px=0,
        truncated_at=None,
        reason=None,
        files=(
            PictureFile(
                path=path,
                top_px=top,
                bottom_px=top + 80,
                width=200,
                height=160,
                tiles=(),
            ),
        ),
    )


def sealed(folder: Path, boxes: tuple[ExposedBox, ...], top: int = 0) -> Path:
    contents = {**bundles.CONTENTS, SCREEN: png((200, 160)), PHONE: png((200, 160))}
    made = bundles.capture(folder, at=AT, contents=contents)
    made = replace(
        made,
        shown_in_pictures=boxes,
        pictures=(picture(SCREEN, "default", top), picture(PHONE, "phone")),
    )
    signer = bundles.new_signer()
    return observed.sealed(made, bundles.decision(), folder, signer, (), FixedClock(AT)).file


def test_boxes_are_painted_over_in_a_copy_and_nothing_else_is(tmp_path: Path) -> None:
    bundle = sealed(tmp_path, BOXES, top=5)
    before = bundle.read_bytes()

    made = masked_pictures.write(bundle, tmp_path / "out")

    copy, listing = made.files
    assert bundle.read_bytes() == before
    assert (made.boxes, made.left_out) == (1, (PHONE,))
    image = Image.open(copy)
    black = [
        (x, y) for x in range(200) for y in range(160) if image.getpixel((x, y)) != (200, 100, 50)
    ]
    assert {image.getpixel(point) for point in black} == {(0, 0, 0)}
    # 10 … 40 by 20 … 30 CSS pixels of the page, two more around it, at twice the scale, 5 down.
    assert (min(black), max(black)) == ((16, 26), (83, 53))
    assert len(black) == 68 * 28
    (told,) = json.loads(listing.read_text())["pictures"]
    assert told == {
        "boxes_px": [[16, 26, 84, 54]],
        "file": copy.name,
        "of": SCREEN,
        "of_sha256": hashlib.sha256(png((200, 160))).hexdigest(),
        "sha256": hashlib.sha256(copy.read_bytes()).hexdigest(),
    }


def test_a_bundle_that_names_no_boxes_has_nothing_to_mask(tmp_path: Path) -> None:
    bundle = sealed(tmp_path, ())

    why = "lists no identifiers that are visible only in its pictures"
    with pytest.raises(SnapshotterError, match=why):
        masked_pictures.write(bundle, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_copy_is_not_written_over_another(tmp_path: Path) -> None:
    bundle = sealed(tmp_path, BOXES)
    masked_pictures.write(bundle, tmp_path / "out")

    with pytest.raises(SnapshotterError, match="exists already"):
        masked_pictures.write(bundle, tmp_path / "out")
