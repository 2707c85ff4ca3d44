"""
Find a quotation in a capture: where it is, and the picture of it.

A quotation is found whatever its spaces, quotation marks and dashes look like. Each place gets a
selector of the Web Annotation Data Model (W3C), by which other software finds it again. Nothing is
verified.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Final

from snapshotter import durable
from snapshotter.app.archive import bundles
from snapshotter.app.archive.assessment import BundleFiles, read_assessment
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.page import layout
from snapshotter.formats.page.png import BAND, PngRows
from snapshotter.index.tokens import Normalised, inside_words
from snapshotter.model.assessment import Assessment
from snapshotter.model.page import Block, Box
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

PAGE_TEXT: Final = "capture/page.txt"
NOT_ESTABLISHED: Final = "not-established"
_TEXT_BYTES = 16 << 20
_AROUND = 32  # characters before and after a quotation in its selector
_CONTEXT = 80  # CSS pixels around the block in a picture
# The margin that is added around the picture, and the bars in it that mark a block (beside it, and
# above and below it), in CSS pixels.
_MARGIN, _BAR, _THIN_BAR = 12, 6, 2
_MARGIN_COLOUR, _BAR_COLOUR = (226, 226, 226), (196, 0, 60)
_MAX_PLACES = 100
_MAX_PIXELS = 60_000_000  # of a picture
_QUOTES = dict.fromkeys(map(ord, "'\"「」『』《》〈〉"), '"')


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotationPlace:
    """One place of a quotation."""

    exact: str  # as the page has it
    prefix: str  # what is before it, and after it
    suffix: str
    region: str  # a value of `Region`, or `NOT_ESTABLISHED`: of the block in which it begins
    is_hidden: bool  # the page did not show it
    position: tuple[int, int] | None  # in `capture/page.txt`, in characters; None: not known
    selectors: tuple[str, ...]  # of its blocks, in order; () without a layout
    boxes: tuple[Box, ...]  # of its blocks, as far as these take space

    @property
    def box(self) -> Box | None:
        """The box around its blocks."""
        return _around(self.boxes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotation:
    """The places of a quotation in one capture, visible ones first."""

    bundle_id: str
    url: str  # of the document
    captured_at: str
    places: tuple[QuotationPlace, ...]
    missing: tuple[str, ...]  # sentences: what could not be established, and why


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotationPicture:
    """A part of a picture of the bundle, in a margin with bars that mark the blocks."""

    file: Path
    source: str  # path of the picture in the bundle
    area_px: tuple[int, int, int, int]  # left, top, right, bottom: pixels of the picture
    margin_px: int  # added on each side of the area
    # The blocks that are marked, in pixels of the written picture: left, top, right, bottom.
    marks_px: tuple[tuple[int, int, int, int], ...]
    masked: int  # boxes that were painted over
    is_whole: bool  # False: the picture of the bundle has only a part of the block


def find_quotation(stream: BinaryIO, text: str) -> Quotation:
    """
    Return the places of a quotation in the bundle in `stream`.

    Raises:
        EvidenceInvalid: Not a bundle, or a file that is needed is invalid.
        SnapshotterError: The quotation has no letter.
    """
    wanted = _wanted(text)
    files = BundleFiles(stream)
    record = bundles.read_record(stream)
    page_text = _member(files, PAGE_TEXT, _TEXT_BYTES).decode("utf-8", "replace")
    kept = _member(files, layout.PATH, layout.MAX_BYTES)
    blocks, missing = list[Block](), list[str]()
    if kept:
        found = layout.parse(kept)
        blocks = list(found.blocks)
        if not found.whole:
            missing.append(tr("the layout of the page has only the beginning of the text"))
    else:
        missing.append(
            tr(
                "the bundle has no layout, so that the region of the quotation and its place in "
                "the pictures are not known"
            )
        )
    assessment = read_assessment(files)
    regions = _regions(assessment)
    in_text = list(islice(_find(page_text, wanted), _MAX_PLACES))
    visible = list(islice(_places(blocks, wanted, regions, is_hidden=False), _MAX_PLACES))
    if _MAX_PLACES in (len(in_text), len(visible)):
        missing.append(
            tr("the quotation has {count} places or more; others are left out", count=_MAX_PLACES)
        )
    if visible and len(visible) == len(in_text):
        visible = [
            _with_position(place, page_text, *where)
            for place, where in zip(visible, in_text, strict=True)
        ]
    elif visible:
        missing.append(
            tr(
                "places of the quotation in {path}: {count}. Places of the quotation in the "
                "layout: {placed}. The numbers differ, so the offsets are not known",
                path=PAGE_TEXT,
                count=len(in_text),
                placed=len(visible),
            )
        )
    elif in_text:
        main = assessment.readings.main_text if assessment is not None else ""
        region = "main" if main and any(_find(main, wanted)) else NOT_ESTABLISHED
        visible = [
            _with_position(_unplaced(region), page_text, start, end) for start, end in in_text
        ]
    hidden = islice(_places(blocks, wanted, regions, is_hidden=True), _MAX_PLACES)
    what, when = record.get("what"), record.get("when")
    return Quotation(
        bundle_id=_text(record, "bundle_id"),
        url=_text(what, "final_url"),
        captured_at=_text(when, "started_at"),
        places=(*visible, *hidden),
        missing=tuple(missing),
    )


def write_picture(stream: BinaryIO, place: QuotationPlace, file: Path) -> QuotationPicture:
    """
    Write the part of the bundle's picture that shows a place, with what is around it.

    The layout has the boxes of blocks and not of words: the whole blocks are shown and marked. The
    marks are bars in a margin that is added, so that they cover nothing of the page. Boxes that
    the record names as showing identifiers of the capturing person are painted over.

    Raises:
        EvidenceInvalid: The record's list of pictures is invalid, or the picture is damaged.
        SnapshotterError: No picture shows the place, or the file exists or cannot be written.
    """
    box = place.box
    if box is None or place.is_hidden:
        raise SnapshotterError(
            tr("the place of the quotation in the pictures is not known"),
            hint=tr("show the capture instead:\n  snapshotter open BUNDLE-ID"),
        )
    record = bundles.read_record(stream)
    try:
        chosen = max(
            (_Shot.of(picture, entry) for picture, entry in _pictures(record)),
            key=lambda shot: shot.visible(box),
            default=None,
        )
        masks = [_box(entry) for entry in record["content"].get("shown_in_pictures") or ()]
    except (KeyError, TypeError, AttributeError) as error:
        raise EvidenceInvalid(
            tr("the capture record has no valid list of pictures: {error}", error=error)
        ) from error
    if chosen is None or not chosen.visible(box):
        raise SnapshotterError(
            tr("no picture of the bundle shows the place of the quotation"),
            hint=tr("capture the page with a full-page picture"),
        )
    area = chosen.area(box)
    image = _cropped(BundleFiles(stream), chosen.path, area)
    masked = 0
    for mask in masks:
        left, top, right, bottom = chosen.pixels(mask, 2)
        inside = (
            max(0, left - area[0]),
            max(0, top - area[1]),
            min(image.width, right - area[0]),
            min(image.height, bottom - area[1]),
        )
        if inside[0] < inside[2] and inside[1] < inside[3]:
            image.paste((0, 0, 0), inside)
            masked += 1
    margin = _MARGIN * chosen.scale
    marks = tuple(
        mark
        for mark in (_inside(chosen.pixels(one, 0), area, margin) for one in place.boxes)
        if mark[0] < mark[2] and mark[1] < mark[3]
    )
    try:
        with durable.growing(file, over=False) as out:
            _with_marks(image, marks, chosen.scale).save(
                out, "PNG", pnginfo=_description(record, chosen.path, area, margin)
            )
    except FileExistsError as error:
        raise SnapshotterError(
            tr("{file} exists already", file=file), hint=tr("name another file")
        ) from error
    except OSError as error:
        raise SnapshotterError(f"{file}: {error.strerror or error}") from error
    return QuotationPicture(
        file=file,
        source=chosen.path,
        area_px=area,
        margin_px=margin,
        marks_px=marks,
        masked=masked,
        is_whole=chosen.visible(box) == box.width * box.height,
    )


def _loose(text: Normalised) -> tuple[str, list[int]]:
    """Return a text without spaces and with one kind of quotation mark, and the place of each."""
    kept = [(at, character) for at, character in enumerate(text.text) if character != " "]
    letters = "".join(character for _, character in kept).translate(_QUOTES)
    return letters, [at for at, _ in kept]


def text_places(text: str, quotation: str) -> tuple[tuple[int, int], ...]:
    """
    Return where a text has a quotation: characters from and to, at most 100 places.

    Raises:
        SnapshotterError: The quotation has no letter.
    """
    return tuple(islice(_find(text, _wanted(quotation)), _MAX_PLACES))


def _wanted(quotation: str) -> str:
    """Return the letters of a quotation. Raises SnapshotterError if there are none."""
    wanted = _loose(Normalised(quotation))[0].strip('"')
    if not any(character.isalnum() for character in wanted):
        raise SnapshotterError(
            tr("the quotation contains no letter and no digit"),
            hint=tr("give the words of the quotation"),
        )
    return wanted


def _find(shown: str, wanted: str) -> Iterator[tuple[int, int]]:
    """Yield where a text as shown has the wanted letters, as whole words."""
    text = Normalised(shown)
    letters, at = _loose(text)
    inside = inside_words(text.text)
    found = letters.find(wanted)
    while found >= 0:
        start, end = at[found], at[found + len(wanted) - 1] + 1
        if not inside[start] and not inside[end]:
            yield text.shown_range(start, end)
            found = letters.find(wanted, found + len(wanted))
        else:
            found = letters.find(wanted, found + 1)


def _places(
    blocks: Sequence[Block], wanted: str, regions: Mapping[str, str], *, is_hidden: bool
) -> Iterator[QuotationPlace]:
    """Yield the places in the blocks of a page, which may be in several blocks."""
    chosen = [block for block in blocks if block.hidden is is_hidden]
    shown = "\n".join(block.text for block in chosen)
    ends, at = list[int](), 0
    for block in chosen:
        at += len(block.text) + 1
        ends.append(at)
    for start, end in _find(shown, wanted):
        within = [
            block
            for block, stop in zip(chosen, ends, strict=True)
            if start < stop and stop - len(block.text) - 1 < end
        ]
        yield QuotationPlace(
            exact=shown[start:end],
            prefix=shown[max(0, start - _AROUND) : start],
            suffix=shown[end : end + _AROUND],
            region=regions.get(within[0].selector, NOT_ESTABLISHED),
            is_hidden=is_hidden,
            position=None,
            selectors=tuple(block.selector for block in within),
            boxes=tuple(block.box for block in within if block.box is not None),
        )


def _with_position(place: QuotationPlace, text: str, start: int, end: int) -> QuotationPlace:
    """Return a place with its position in the text of the page, and its words from there."""
    return replace(
        place,
        exact=text[start:end],
        prefix=text[max(0, start - _AROUND) : start],
        suffix=text[end : end + _AROUND],
        position=(start, end),
    )


def _unplaced(region: str) -> QuotationPlace:
    return QuotationPlace(
        exact="",
        prefix="",
        suffix="",
        region=region,
        is_hidden=False,
        position=None,
        selectors=(),
        boxes=(),
    )


def _around(boxes: Sequence[Box]) -> Box | None:
    if not boxes:
        return None
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right = max(box.left + box.width for box in boxes)
    bottom = max(box.top + box.height for box in boxes)
    return Box(left=left, top=top, width=right - left, height=bottom - top)


def _regions(assessment: Assessment | None) -> dict[str, str]:
    if assessment is None:
        return {}
    return {block.selector: block.region.value for block in assessment.readings.regions}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shot:
    """One file of a picture of the page in its default window."""

    path: str
    scale: int  # pixels a CSS pixel
    left: int  # CSS pixels of the page
    top: int
    width_px: int  # of the file
    height_px: int

    @classmethod
    def of(cls, picture: Mapping[str, Any], file: Mapping[str, Any]) -> "_Shot":
        return cls(
            path=file["path"],
            scale=picture["scale"],
            left=picture["left_px"],
            top=file["top_px"],
            width_px=file["width"],
            height_px=file["height"],
        )

    def visible(self, box: Box) -> int:
        """Return how much of a box the file shows, in square CSS pixels."""
        left, top, right, bottom = self.pixels(box, 0)
        width = min(self.width_px, right) - max(0, left)
        height = min(self.height_px, bottom) - max(0, top)
        return max(0, width) * max(0, height) // (self.scale * self.scale)

    def pixels(self, box: Box, pad: int) -> tuple[int, int, int, int]:
        """Return a box with `pad` CSS pixels around it in pixels of the file, maybe beyond it."""
        return (
            (box.left - pad - self.left) * self.scale,
            (box.top - pad - self.top) * self.scale,
            (box.left + box.width + pad - self.left) * self.scale,
            (box.top + box.height + pad - self.top) * self.scale,
        )

    def area(self, box: Box) -> tuple[int, int, int, int]:
        """Return the area of the file around a box."""
        left, top, right, bottom = self.pixels(box, _CONTEXT)
        return max(0, left), max(0, top), min(self.width_px, right), min(self.height_px, bottom)


def _pictures(record: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Yield the files of pictures in the layout of the text, those of the whole page first."""
    pictures = record["content"]["pictures"]
    for kind in ("page", "viewport"):
        for picture in pictures:
            is_default = picture["viewport"] == "default" and not picture["subject"]
            if picture["kind"] == kind and is_default:
                for file in picture["files"]:
                    yield picture, file


def _cropped(files: BundleFiles, path: str, area: tuple[int, int, int, int]) -> Any:
    """Return a part of a picture of the bundle, as an image of Pillow."""
    from PIL import Image

    left, top, right, bottom = area
    if (right - left) * (bottom - top) > _MAX_PIXELS:
        raise SnapshotterError(tr("the block of the quotation is too large for a picture"))
    stream = files.open(path)
    if stream is None:
        raise EvidenceInvalid(tr("the bundle has no {name}", name=path))
    with stream:
        rows = PngRows(stream)
        if right > rows.header.width or bottom > rows.header.height:
            raise EvidenceInvalid(
                tr("{path} has another size than the capture record states", path=path)
            )
        image = Image.new("RGB", (right - left, bottom - top))
        for number, band in enumerate(rows.bands()):
            begin = number * BAND
            if begin >= bottom:
                break
            if begin + band.height > top:
                part = band.crop(
                    (left, max(0, top - begin), right, min(band.height, bottom - begin))
                )
                image.paste(part.convert("RGB"), (0, max(0, begin - top)))
    return image


def _inside(
    box: tuple[int, int, int, int], area: tuple[int, int, int, int], margin: int
) -> tuple[int, int, int, int]:
    """Return the part of a box that an area has, in pixels of the picture with its margin."""
    left, top, right, bottom = box
    return (
        max(left, area[0]) - area[0] + margin,
        max(top, area[1]) - area[1] + margin,
        min(right, area[2]) - area[0] + margin,
        min(bottom, area[3]) - area[1] + margin,
    )


def _with_marks(image: Any, marks: Sequence[tuple[int, int, int, int]], scale: int) -> Any:
    """Return a picture in a margin, with bars beside, above and below each mark."""
    from PIL import Image

    margin = _MARGIN * scale
    made = Image.new("RGB", (image.width + 2 * margin, image.height + 2 * margin), _MARGIN_COLOUR)
    made.paste(image, (margin, margin))
    near, far = ((margin + sign * _BAR * scale) // 2 for sign in (-1, 1))
    above, below = ((margin + sign * _THIN_BAR * scale) // 2 for sign in (-1, 1))
    for left, top, right, bottom in marks:
        for bar in (
            (near, top, far, bottom),
            (made.width - far, top, made.width - near, bottom),
            (left, above, right, below),
            (left, made.height - below, right, made.height - above),
        ):
            made.paste(_BAR_COLOUR, bar)
    return made


def _description(
    record: Mapping[str, Any], path: str, area: tuple[int, int, int, int], margin: int
) -> Any:
    """Return the description in the file of the picture: from where its pixels are."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt(
        "Description",
        tr(
            "Pixels {area} (left, top, right, bottom) of {path} in the bundle {bundle_id}. A "
            "margin of {margin} pixels was added. Bars in the margin mark the blocks of a "
            "quotation.",
            area=", ".join(map(str, area)),
            path=path,
            bundle_id=_text(record, "bundle_id"),
            margin=margin,
        ),
    )
    return info


def _box(entry: Mapping[str, Any]) -> Box:
    return Box(left=entry["left"], top=entry["top"], width=entry["width"], height=entry["height"])


def _member(files: BundleFiles, path: str, most: int) -> bytes:
    """Return a file of the bundle; nothing if it does not exist."""
    stream = files.open(path)
    if stream is None:
        return b""
    with stream:
        data = stream.read(most + 1)
    if len(data) > most:
        raise EvidenceInvalid(tr("{name} is longer than {limit} bytes", name=path, limit=most))
    return data


def _text(value: object, name: str) -> str:
    found = value.get(name) if isinstance(value, Mapping) else None
    return found if isinstance(found, str) else ""
