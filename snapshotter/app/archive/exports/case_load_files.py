"""
Make the load files of an exported case, by which e-discovery software imports its exhibits.

    harbour.dat                  one line for each exhibit, with the paths of its files
    harbour.opt                  one line for each picture of a page
    text/HARBOUR-0001.txt        the text of the page, as the bundle has it
    images/HARBOUR-0001.jpg, …   the picture of the page in pieces that fit a sheet, reduced

The number of a document is the name of the case with the exhibit number.
"""

import base64
from collections.abc import Iterable, Mapping
from typing import Any, Final

from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.capture_page import CaptureSource
from snapshotter.app.archive.reports.capture.report import MadeReport
from snapshotter.formats.bundle import container
from snapshotter.formats.load_files import LoadPages, encode_dat, encode_opt

_TEXT: Final = "capture/page.txt"
_FIELDS: Final = (
    "BEGDOC",
    "ENDDOC",
    "PAGECOUNT",
    "EXHIBIT",
    "BUNDLEID",
    "URL",
    "TITLE",
    "DATECAPTURED",
    "TIMECAPTUREDUTC",
    "VERDICT",
    "SUMMARY",
    "SHA256",
    "NATIVEPATH",
    "TEXTPATH",
    "REPORTPATH",
    "PROBLEM",
)


def exhibit_files(
    case: str, number: int, source: CaptureSource, made: MadeReport
) -> list[tuple[str, bytes]]:
    """
    Return the text and the pictures of an exhibit, with their names in the archive.

    There are none if the verification did not establish what the bundle contains, and no pictures
    if a person marked the capture as graphic.
    """
    verified, shown = source.report.established, made.report.picture
    if verified is None:
        return []
    name, files = _document(case, number), []
    stream = BundleFiles(source.stream, verified).open(_TEXT)
    if stream is not None:
        with stream:
            files.append((f"text/{name}.txt", stream.read(container.MAX_BYTES)))
    if made.picture is not None and shown is not None and not shown.is_graphic:
        for at, piece in enumerate(made.picture.pieces, start=1):
            data = base64.b64decode(piece.url.partition(",")[2])
            files.append((f"images/{name if at == 1 else f'{name}-{at:03}'}.jpg", data))
    return files


def load_files(case: str, exhibits: Iterable[Mapping[str, Any]]) -> dict[str, bytes]:
    """
    Return the load files by name.

    Args:
        exhibits: As in exhibits.json, with `text` and `images`.
    """
    rows, documents = [], []
    for unit in exhibits:
        name = _document(case, unit["exhibit"])
        paths = unit["images"] or []
        keys = [path.rpartition("/")[2].removesuffix(".jpg") for path in paths]
        day, _, clock = (unit["captured_at"] or "").rstrip("Z").partition("T")
        rows.append(
            [
                name,
                keys[-1] if keys else name,
                str(len(keys)),
                str(unit["exhibit"]),
                unit["bundle_id"],
                unit["requested_url"] or "",
                unit["title"] or "",
                day.replace("-", ""),
                clock,
                unit["verdict"] or "",
                unit["summary"] or "",
                unit["bundle_sha256"] or "",
                _path(unit["bundle"]),
                _path(unit["text"]),
                _path(unit["report"]),
                unit["problem"] or "",
            ]
        )
        documents.append(LoadPages(keys=tuple(keys), paths=tuple(paths)))
    return {
        f"{case}.dat": encode_dat(_FIELDS, rows),
        f"{case}.opt": encode_opt(case.upper(), documents),
    }


def _document(case: str, number: int) -> str:
    return f"{case.upper()}-{number:04}"


def _path(name: str | None) -> str:
    return (name or "").replace("/", "\\")
