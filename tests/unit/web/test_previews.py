"""Pages show pictures that we have encoded, of captures that may be shown, and a word otherwise."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from snapshotter.app.archive.organising import cases
from snapshotter.model.annotations import Mark
from tests.archived import Archive
from tests.webclient import Console, console, console_settings

UNKNOWN = "20260101t000000z-k3v4q2m7xw4c5b6d"


def png() -> bytes:
    image = Image.new("RGB", (400, 2_500), "white")
    ImageDraw.Draw(image).text((20, 20), "A page", "black", font_size=60)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


ids: dict[str, str] = {}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    archive = Archive(tmp_path_factory.mktemp("archive"))
    ids["seen"] = archive.put(0, png=png())
    ids["graphic"] = archive.put(1, png=png())
    ids["hidden"] = archive.put(2, png=png())
    ids["none"] = archive.put(3)
    cases.set_mark(archive.annotations, Mark.GRAPHIC, [ids["graphic"]])
    archive.add_notice(ids["hidden"])
    with console(console_settings(archive.folder)) as found:
        yield found.log_in()


def darkest(data: bytes) -> int:
    found = Image.open(io.BytesIO(data)).convert("L").getextrema()[0]
    assert isinstance(found, int)
    return found


def test_a_thumbnail_is_webp_and_is_loaded_once(site: Console) -> None:
    answer = site.get(f"/captures/{ids['seen']}/thumbnail.webp")
    again = site.get(
        f"/captures/{ids['seen']}/thumbnail.webp", {"if-none-match": answer.headers["etag"]}
    )

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert Image.open(io.BytesIO(answer.content)).size == (320, 240)
    assert (again.status_code, again.content) == (304, b"")


def test_a_graphic_thumbnail_is_blurred_until_a_person_asks(site: Console) -> None:
    path = f"/captures/{ids['graphic']}/thumbnail.webp"

    assert darkest(site.get(path).content) > 100
    assert darkest(site.get(f"{path}?clear=1").content) < 60
    gallery = site.get("/captures?view=gallery").text
    assert f'<img class="thumbnail blurred" src="{path}"' in gallery
    assert (
        f'<details class="graphic"><summary><img class="thumbnail blurred" src="{path}"' in gallery
    )


def test_pieces_of_a_picture_follow_each_other(site: Console) -> None:
    pieces = [site.get(f"/captures/{ids['seen']}/picture/{number}") for number in range(3)]

    assert [piece.status_code for piece in pieces] == [200, 200, 404]
    assert pieces[0].headers["content-type"] == "image/jpeg"
    assert [Image.open(io.BytesIO(piece.content)).size for piece in pieces[:2]] == [
        (400, 2048),
        (400, 452),
    ]


def test_a_capture_without_a_picture_has_a_tile_with_a_word(site: Console) -> None:
    answer = site.get(f"/captures/{ids['none']}/thumbnail.webp")

    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert answer.headers["cache-control"] == "no-store"
    assert ">No preview</text>" in answer.text
    assert site.get(f"/captures/{ids['none']}/picture/0").status_code == 404


@pytest.mark.parametrize("rest", ["thumbnail.webp", "thumbnail.webp?clear=1", "picture/0"])
def test_no_preview_is_sent_of_what_may_not_be_shown(site: Console, rest: str) -> None:
    for bundle_id, status in (
        (ids["hidden"], 403),
        (UNKNOWN, 404),
        ("..%2f..%2fetc", 404),
        ("nothing", 404),
        ("20260230t000000z-k3v4q2m7xw4c5b6d", 404),  # no such day
    ):
        assert site.get(f"/captures/{bundle_id}/{rest}").status_code == status


@pytest.mark.parametrize("number", ["-1", "7", "9" * 5_000, "²", "0x0", "%00"])
def test_a_picture_has_only_the_pieces_that_it_has(site: Console, number: str) -> None:
    assert site.get(f"/captures/{ids['seen']}/picture/{number}").status_code == 404


def test_a_preview_needs_a_session(site: Console, tmp_path: Path) -> None:
    with console(console_settings(tmp_path)) as other:
        for rest in ("thumbnail.webp", "picture/0"):
            assert other.get(f"/captures/{ids['seen']}/{rest}").status_code == 401
