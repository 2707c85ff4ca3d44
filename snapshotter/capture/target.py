"""
The address itself as a file, when it is not a page: PDF, image, JSON, text, archive.

Such a target is evidence by its bytes. They stand in the network record like any
body, and once more as `capture/target.<ext>`, so that a reader opens them
without WARC tools. What the browser does show of one (an image, text) is
photographed besides.
"""

import asyncio
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from playwright.async_api import Download

from snapshotter.capture.guard import Guard
from snapshotter.capture.recorder import MainBody
from snapshotter.capture.spool import Spool
from snapshotter.ports import Clock

_STEP = "record"
_LOOK_S = 0.02  # between two looks at a file that grows
_CANCEL_S = 2.0

_PAGES = frozenset({"text/html", "application/xhtml+xml"})
_UNKNOWN = "application/octet-stream"
# Never from the address or a header: a name of a server's choosing has no place in a bundle.
_EXTENSIONS = {
    "application/atom+xml": "xml",
    "application/epub+zip": "epub",
    "application/gzip": "gz",
    "application/javascript": "js",
    "application/json": "json",
    "application/ld+json": "json",
    "application/msword": "doc",
    "application/pdf": "pdf",
    "application/rss+xml": "xml",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/x-tar": "tar",
    "application/xhtml+xml": "xhtml",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/mpeg": "mp3",
    "image/avif": "avif",
    "image/gif": "gif",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/webp": "webp",
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html",
    "text/javascript": "js",
    "text/markdown": "md",
    "text/plain": "txt",
    "text/xml": "xml",
    "video/mp4": "mp4",
    "video/webm": "webm",
}
# What is still on a body is told by its name, as programs know it.
_CODINGS = {"br": "br", "deflate": "zz", "gzip": "gz", "x-gzip": "gz"}


def is_page(media_type: str) -> bool:
    """Whether a browser renders documents of this media type; without one it looks for itself."""
    return media_type in _PAGES or not media_type


def path_of(body: MainBody) -> str:
    """Return the name that the file has in a bundle."""
    extension = _EXTENSIONS.get(body.media_type, "bin")
    codings = [coding.strip().lower() for coding in body.coding.split(",") if coding.strip()]
    return ".".join(["capture/target", extension, *(_CODINGS.get(it, "coded") for it in codings)])


def keep(body: MainBody, spool: Spool) -> None:
    """
    Write the body as an artifact, byte for byte.

    Raises:
        SnapshotterError: It is larger than an artifact may be.
    """
    notes = ["the body of the answer"]
    notes += [f"with its content coding ({body.coding}) as sent"] if body.coding else []
    notes += [f"cut off ({body.truncated})"] if body.truncated else []
    notes += [] if body.media_type else ["the server named no media type"]
    media_type = body.media_type if "/" in body.media_type else _UNKNOWN
    with (
        body.file.open("rb") as source,
        spool.create(path_of(body), media_type, step=_STEP, note=", ".join(notes)) as out,
    ):
        shutil.copyfileobj(source, out, 1 << 20)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What came of a target that the browser saves."""

    length: int  # bytes
    truncated: str  # as WARC-Truncated says it; "" when it is whole


async def save(
    download: Download, file: Path, guard: Guard, *, folder: Path, most: int, end: float,
    clock: Clock,
) -> Saved:  # fmt: skip
    """
    Let the browser save the target into `file`, as far as limits allow.

    Args:
        folder: Where the browser writes what it saves.
        most: Bytes to keep.
        end: On the clock's monotonic scale; what came by then is kept.
    """
    ended = asyncio.ensure_future(download.failure())
    cause = ""
    try:
        while not ended.done():
            # A second name for the file while it grows: when a download fails or is
            # cancelled, the browser takes the first one away, and with it what came.
            _link(folder, file)
            if _size(file) > most:
                cause = "length"
            elif clock.monotonic() >= end:
                cause = "time"
            if cause:
                await guard.call("cancelling the download", download.cancel(), _CANCEL_S)
                break
            await guard.pause(_LOOK_S)
        else:
            cause = "disconnect" if ended.result() else ""
    finally:
        ended.cancel()
    _link(folder, file)
    file.touch()
    if _size(file) > most:
        os.truncate(file, most)
        cause = "length"
    return Saved(length=_size(file), truncated=cause)


def _link(folder: Path, file: Path) -> None:
    """Give the one file of a folder another name, unless it has that already."""
    if file.exists():
        return
    for found in folder.iterdir():
        try:
            file.hardlink_to(found)
        except OSError:  # it was renamed or removed this moment: next time, or never
            continue
        return


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
