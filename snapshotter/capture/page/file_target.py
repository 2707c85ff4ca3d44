"""
Keep the file that an address returns instead of a page: a PDF, an image, JSON, text, an archive.

The bytes of such a file are the evidence. They are in the network record like any body. They are
kept once more as `capture/target.<ext>`, without content coding where it can be undone, so that a
reader opens them without WARC tools. If the browser shows the file (an image, text), it is
photographed as well. If the browser can only save it, the browser's download is limited in size and
time.
"""

import asyncio
import os
import shutil
import stat
import zlib
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from playwright.async_api import Download

from snapshotter.capture.browser.call_guard import CallGuard
from snapshotter.capture.record.recorder import MainBody
from snapshotter.capture.spool import Spool
from snapshotter.ports import Clock
from snapshotter.value_class import dataclass

_STEP = "record"
_LOOK_S = 0.02  # between two looks at a file that grows
_CANCEL_S = 2.0
_CHUNK = 1 << 20  # bytes
_GZIP = 16 + zlib.MAX_WBITS
# A body in Brotli is read and decoded in memory; a larger one is kept as sent.
_BROTLI_BYTES = 1 << 20
_BROTLI_OPENED_BYTES = 2 << 20

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
# A content coding that stays on a body becomes part of the file name, as programs expect.
_CODINGS = {"br": "br", "deflate": "zz", "gzip": "gz", "x-gzip": "gz"}


def is_page_media_type(media_type: str) -> bool:
    """Return whether a browser renders this media type as a page; without one it decides itself."""
    return media_type in _PAGES or not media_type


def artifact_path(body: MainBody) -> str:
    """Return the path that the file has in a bundle."""
    extension = _EXTENSIONS.get(body.media_type, "bin")
    codings = [coding.strip().lower() for coding in body.coding.split(",") if coding.strip()]
    return ".".join(
        ["capture/target", extension, *(_CODINGS.get(coding, "coded") for coding in codings)]
    )


def save_body(body: MainBody, spool: Spool, *, most: int) -> None:
    """
    Write the body as an artifact, byte for byte, without its content coding if that can be undone.

    Args:
        most: Bytes that it may have without its coding; one that opens to more is kept as sent.

    Raises:
        SnapshotterError: It is larger than an artifact may be.
    """
    body = _decoded(body, most)
    notes = ["the body of the answer"]
    notes += (
        [f"still in the content coding in which the server sent the body ({body.coding})"]
        if body.coding
        else []
    )
    notes += [f"cut off ({body.truncated})"] if body.truncated else []
    notes += [] if body.media_type else ["the server stated no media type"]
    media_type = body.media_type if "/" in body.media_type else _UNKNOWN
    with (
        body.file.open("rb") as source,
        spool.create(artifact_path(body), media_type, step=_STEP, note=", ".join(notes)) as out,
    ):
        shutil.copyfileobj(source, out, _CHUNK)


def _decoded(body: MainBody, most: int) -> MainBody:
    """Return the body without its coding, or as it is if that fails or gives too much."""
    coding = body.coding.strip().lower()
    file = body.file.with_name(f"{body.file.name}-decoded")
    try:
        with body.file.open("rb") as source, file.open("wb") as out:
            if coding in ("gzip", "x-gzip"):
                _inflate(source, out, most, is_cut=bool(body.truncated))
            elif coding == "br" and body.file.stat().st_size <= _BROTLI_BYTES:
                limit = min(most, _BROTLI_OPENED_BYTES)
                from snapshotter.formats.http import content_coding

                opened = content_coding.brotli_decoded(source.read(), limit=limit)
                if opened is None:
                    raise ValueError("no Brotli, or it opens to more than it may")
                out.write(opened)
            else:
                raise ValueError(f"not undone: {coding}")
    except (zlib.error, ValueError):
        file.unlink(missing_ok=True)
        return body
    file.replace(body.file)
    return replace(body, coding="")


def _inflate(source: BinaryIO, out: BinaryIO, most: int, *, is_cut: bool) -> None:
    """Undo gzip (RFC 1952), which may have several members one behind the other."""
    inflater, length = zlib.decompressobj(_GZIP), 0
    while data := source.read(_CHUNK):
        while data:
            if inflater.eof:
                inflater = zlib.decompressobj(_GZIP)
            part = inflater.decompress(data, _CHUNK)
            data = inflater.unconsumed_tail or inflater.unused_data
            length += len(part)
            if length > most:
                raise ValueError("it opens to more than it may")
            out.write(part)
    if not inflater.eof and not is_cut:
        raise ValueError("it ends too early")


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedDownload:
    """How much of a target the browser has saved."""

    length: int  # bytes
    truncated: str  # a word of WARC-Truncated; "" when it is whole


async def save_download(
    download: Download, file: Path, guard: CallGuard, *, folder: Path, most: int, end: float,
    clock: Clock,
) -> SavedDownload:  # fmt: skip
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
    return SavedDownload(length=_size(file), truncated=cause)


def _link(folder: Path, file: Path) -> None:
    """
    Give the one file of a folder another name, unless it has that already.

    A compromised browser writes to that folder: what is no file of its own, such as a link to one
    of ours, is not followed. Nobody but us can exchange the second name.
    """
    if os.path.lexists(file):
        return
    for found in folder.iterdir():
        try:
            os.link(found, file, follow_symlinks=False)
        except OSError:  # it was renamed or removed this moment: next time, or never
            continue
        if stat.S_ISREG(file.lstat().st_mode):
            return
        file.unlink()


def _size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0
