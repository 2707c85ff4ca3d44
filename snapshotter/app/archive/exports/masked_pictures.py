"""
Write copies of a capture's pictures, for publication, with redacted text painted over.

The bundle stays as it was sealed. A list beside the copies names the painted boxes and the digests
of the originals. Whoever has both a copy and its original can check that no other pixel was
changed. A picture is copied only if it shows the page with the layout in which its text was read.
In other pictures the place of a text is not known, and the list names them as left out.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from snapshotter import durable
from snapshotter.app.archive import bundles
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import container
from snapshotter.formats.page.png import PngRows
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

LIST = "masked.json"
_KINDS = frozenset({"viewport", "page"})
_PICTURE_BYTES = 1 << 30
_PAD = 2  # CSS pixels around a box: letters extend beyond their block


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskingResult:
    """The pictures that were written and those that were left out."""

    files: tuple[Path, ...]
    left_out: tuple[str, ...]  # paths in the bundle of pictures that were not copied
    boxes: int  # painted, in all files


def write(bundle: Path, folder: Path) -> MaskingResult:
    """
    Write masked copies of a bundle's pictures into a folder, and a list of what was done.

    Raises:
        EvidenceInvalid: Not a bundle, or its capture record is invalid.
        SnapshotterError: There is nothing to mask, or a file cannot be written.
    """
    with bundle.open("rb") as stream:
        record = bundles.read_record(stream)
        content = record.get("content")
        boxes = content.get("shown_in_pictures") if isinstance(content, dict) else None
        if not boxes:
            raise SnapshotterError(
                tr(
                    "the capture record of {name} lists no identifiers that are visible only in "
                    "its pictures",
                    name=bundle.name,
                ),
                hint=tr(
                    "docs/howto/stay-unnamed.md explains when a capture record lists such "
                    "identifiers"
                ),
            )
        folder.mkdir(parents=True, exist_ok=True)
        listed: list[dict[str, Any]] = []
        files: list[Path] = []
        try:
            shown = dict(_placed(record))
        except (KeyError, TypeError) as error:
            raise EvidenceInvalid(
                tr("the capture record has no valid list of pictures: {error}", error=error)
            ) from error
        for member in container.read_directory(stream):
            if member.name not in shown:
                continue
            try:
                made = _masked(stream, member, shown[member.name], boxes, folder, bundle.stem)
            except (KeyError, TypeError) as error:  # the record may be a stranger's
                raise EvidenceInvalid(
                    tr(
                        "the positions of the identifiers in the pictures are invalid in the "
                        "capture record: {error}",
                        error=error,
                    )
                ) from error
            listed.append(made)
            files.append(folder / made["file"])
        left_out = tuple(
            sorted(
                member.name
                for member in container.read_directory(stream)
                if _is_left_out(member, shown)
            )
        )
    listing = folder / f"{bundle.stem}.{LIST}"
    _write_new(
        listing,
        json.dumps(
            {"bundle": bundle.stem, "left_out": left_out, "pictures": listed}, indent=1
        ).encode()
        + b"\n",
    )
    return MaskingResult(
        files=(*files, listing),
        left_out=left_out,
        boxes=sum(len(entry["boxes_px"]) for entry in listed),
    )


def _placed(record: Mapping[str, Any]) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """Yield the pictures in the layout of the text: path, scale, left, top (CSS pixels)."""
    for picture in record["content"]["pictures"]:
        is_default = picture["viewport"] == "default" and not picture["subject"]
        if picture["kind"] in _KINDS and is_default:
            for file in picture["files"]:
                yield file["path"], (picture["scale"], picture["left_px"], file["top_px"])


def _is_left_out(member: container.Member, shown: Mapping[str, object]) -> bool:
    is_picture = member.name.startswith("capture/") and member.name.endswith((".png", ".pdf"))
    return is_picture and member.name not in shown


def _masked(
    stream: BinaryIO,
    member: container.Member,
    placement: tuple[int, int, int],
    boxes: list[dict[str, Any]],
    folder: Path,
    stem: str,
) -> dict[str, Any]:
    """Write one copy; return its entry in the list."""
    if member.length > _PICTURE_BYTES:
        raise EvidenceInvalid(
            tr(
                "{name} is longer than {picture_bytes} bytes",
                name=member.name,
                picture_bytes=_PICTURE_BYTES,
            )
        )
    with bundles.open_member(stream, member) as part:
        picture = PngRows(part).whole().convert("RGB")
    digest = hashlib.sha256()
    stream.seek(member.data_offset)
    for chunk in container.chunks(stream, member.length):
        digest.update(chunk)
    scale, left, top = placement
    painted: list[list[int]] = []
    for box in boxes:
        area = (
            max(0, (box["left"] - left - _PAD) * scale),
            max(0, (box["top"] - top - _PAD) * scale),
            min(picture.width, (box["left"] + box["width"] - left + _PAD) * scale),
            min(picture.height, (box["top"] + box["height"] - top + _PAD) * scale),
        )
        if area[0] < area[2] and area[1] < area[3]:
            picture.paste((0, 0, 0), area)
            painted.append(list(area))
    target = folder / f"{stem}-{Path(member.name).stem}-masked.png"
    try:
        with durable.growing(target, over=False) as out:
            picture.save(out, "PNG")
    except OSError as error:
        raise _not_written(target, error) from error
    return {
        "boxes_px": painted,  # left, top, right, bottom: pixels of the file
        "file": target.name,
        "of": member.name,
        "of_sha256": digest.hexdigest(),
        "sha256": hashlib.sha256(target.read_bytes()).hexdigest(),
    }


def _write_new(path: Path, data: bytes) -> None:
    try:
        durable.write(path, data, over=False)
    except OSError as error:
        raise _not_written(path, error) from error


def _not_written(path: Path, error: OSError) -> SnapshotterError:
    if isinstance(error, FileExistsError):
        return SnapshotterError(
            tr("{path} exists already", path=path), hint=tr("export the pictures to another folder")
        )
    return SnapshotterError(f"{path}: {error.strerror or error}")
