"""
Compress the PNG pictures of a finished capture again, without loss, where the policy asks for it.

A browser encodes a screenshot as fast as it can: every row is predicted from the row above, and
compressed with the lowest effort. Text compresses far better without a prediction, and photographs
with the best prediction for each row. So a picture is read in pieces. A sample of each piece shows
which of the two is smaller, and libdeflate compresses the piece. A piece is a few megabytes of
pixels, so memory does not grow with the picture.

Nothing but the compressed rows changes: all other chunks of the file are copied byte for byte, and
kind and depth of the pixels stay. The new file is then decoded and compared with the old one. If a
pixel differs, if the new file is not smaller, or if anything fails, the old file stays. The note of
the artifact states what was done. See docs/adr/0078-compress-pictures-again.md.
"""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from blake3 import blake3

from snapshotter.capture.pictures import deflate_blocks
from snapshotter.errors import SnapshotterError
from snapshotter.formats.digest import DigestingWriter
from snapshotter.formats.page.png import SIGNATURE, PngHeader, PngRows
from snapshotter.model.capture import Artifact, Capture
from snapshotter.model.digests import Digests
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

# Levels of libdeflate (1 to 12). Above 6 the next gain comes at 10, and above 10 each further
# per cent costs twice the time.
_LEVELS: Final[Mapping[str, int]] = {"fast": 6, "small": 10}
_PIECE: Final = 4 << 20  # bytes of pixels, at least, that are compressed at once
_SAMPLE: Final = 32  # rows of each band that decide how its piece is predicted
_SAMPLE_LEVEL: Final = 4
_ZLIB_LEVEL: Final = 9  # of zlib, where blocks cannot be moved
_FOLDER: Final = ".compressed"  # in the spool
_ZLIB_HEADER_BITS: Final = 16


class _NotSmaller(Exception):
    """The new file would not be smaller than the old one."""


class _Stopped(Exception):
    """The person wants the capture to end soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """What became of one picture."""

    note: str
    file: Path | None = None  # the smaller file; None: the old one stays
    digests: Digests | None = None


@contextlib.contextmanager
def recompressing(
    capture: Capture, level: str, *, spool: Path, stopped: Callable[[], bool]
) -> Iterator[Callable[[Capture], Capture]]:
    """
    Compress the pictures of a capture again, in a thread, while the block runs.

    Args:
        level: "fast" or "small".
        stopped: Returns whether to stop soon. Pictures that are not finished stay as they are.

    Yields:
        A function that waits for the thread, puts the smaller files in the place of the old ones,
        and returns the capture with their digests. Call it once nothing reads the old files.
    """
    left = False
    names = {file.path for picture in capture.pictures for file in picture.files}
    folder = spool / _FOLDER
    with ThreadPoolExecutor(1, thread_name_prefix="recompression") as thread:
        waiting = {
            artifact.path: thread.submit(
                _try, artifact, level, folder / str(number), lambda: left or stopped()
            )
            for number, artifact in enumerate(capture.artifacts)
            if artifact.path in names and artifact.media_type == "image/png"
        }

        def finish(capture: Capture) -> Capture:
            made = {path: future.result() for path, future in waiting.items()}
            return replace(
                capture,
                artifacts=tuple(
                    _exchanged(artifact, made[artifact.path]) if artifact.path in made else artifact
                    for artifact in capture.artifacts
                ),
            )

        try:
            yield finish
        finally:
            left = True


def compress_again(
    source: BinaryIO, out: DigestingWriter, level: int, *, limit: int, stopped: Callable[[], bool]
) -> bytes:
    """
    Write a PNG picture with the same pixels and better compressed rows.

    Args:
        source: The picture, seekable.
        level: Of libdeflate.
        limit: Bytes of compressed rows that are too many.
        stopped: Called before each piece.

    Returns:
        The BLAKE3 digest of the decoded pixels that were compressed.

    Raises:
        SnapshotterError: It is no picture of ours, or it is damaged.
    """
    before, after = _chunks_around_rows(source)
    source.seek(0)
    rows = PngRows(source)
    pixels, adler, written = blake3(), zlib.adler32(b""), 0
    out.write(SIGNATURE)
    for chunk in before:
        out.write(chunk)
    above, head = b"", deflate_blocks.HEADER
    for bands in _pieces(rows):
        if stopped():
            raise _Stopped
        raw = b"".join(band.tobytes() for band in bands)
        pixels.update(raw)
        filtered = _filtered(rows.header, bands, raw, above)
        adler = zlib.adler32(filtered, adler)
        data = head + _movable(filtered, level)
        written += len(data)
        if written > limit:
            raise _NotSmaller
        out.write(_chunk(b"IDAT", data))
        above, head = raw[-rows.header.row_bytes :], b""
    out.write(_chunk(b"IDAT", deflate_blocks.END + struct.pack(">I", adler)))
    for chunk in after:
        out.write(chunk)
    return pixels.digest()


def pixel_digest(source: BinaryIO) -> bytes:
    """
    Return the BLAKE3 digest of the decoded pixels of a PNG picture, from its top to its bottom.

    Raises:
        SnapshotterError: It is damaged.
    """
    source.seek(0)
    pixels = blake3()
    for band in PngRows(source).bands():
        pixels.update(band.tobytes())
    return pixels.digest()


def _try(artifact: Artifact, level: str, target: Path, stopped: Callable[[], bool]) -> _Result:
    """Compress one picture again. Whatever fails is a fact about this picture, not an error."""
    try:
        digests = _smaller_file(artifact, _LEVELS[level], target, stopped)
    except _NotSmaller:
        return _Result(note="not compressed again: the result would not be smaller")
    except _Stopped:
        return _Result(note="not compressed again: the capture had to end soon")
    except Exception as error:  # noqa: BLE001 - the picture is evidence without it
        reason = str(error) if isinstance(error, SnapshotterError) else type(error).__name__
        return _Result(note=f"not compressed again: {reason}")
    return _Result(
        note=f"compressed again without loss (recompress = {level}), before: "
        f"{artifact.digests.length} bytes; the pixels of both files were compared and are the same",
        file=target,
        digests=digests,
    )


def _smaller_file(
    artifact: Artifact, level: int, target: Path, stopped: Callable[[], bool]
) -> Digests:
    length = artifact.digests.length
    target.parent.mkdir(exist_ok=True)
    with artifact.file.open("rb") as source, target.open("x+b") as stream:
        out = DigestingWriter(stream, limit=2 * length + (1 << 20))
        pixels = compress_again(source, out, level, limit=length, stopped=stopped)
        stream.flush()
        if out.tell() >= length:
            raise _NotSmaller
        # The check reads the finished file: checksums of all chunks, and the decoded pixels.
        if _chunks_around_rows(source) != _chunks_around_rows(stream):
            raise SnapshotterError(tr("the new file has other chunks than the old one"))
        if pixel_digest(stream) != pixels:
            raise SnapshotterError(tr("the pixels of the new file are not those of the old one"))
        return out.digests()


def _exchanged(artifact: Artifact, result: _Result) -> Artifact:
    """Return an artifact with its smaller file, if there is one, and what to say of it."""
    note = f"{artifact.note}; {result.note}" if artifact.note else result.note
    if result.file is None or result.digests is None:
        return replace(artifact, note=note)
    os.replace(result.file, artifact.file)
    return replace(artifact, digests=result.digests, note=note)


def _pieces(rows: PngRows) -> Iterator[list[Any]]:
    """Yield the bands of a picture, as many at once as a piece has."""
    piece: list[Any] = []
    size = 0
    for band in rows.bands():
        piece.append(band)
        size += band.height * rows.header.row_bytes
        if size >= _PIECE:
            yield piece
            piece, size = [], 0
    if piece:
        yield piece


def _filtered(header: PngHeader, bands: list[Any], raw: bytes, above: bytes) -> bytes:
    """
    Return the rows of a piece with filter bytes, without prediction or with the best of each row.

    Args:
        above: The last row of the piece before; b"" for the first piece.
    """
    sample = [_middle(band) for band in bands]
    plain = b"".join(_unpredicted(header, rows.tobytes()) for rows in sample)
    predicted = b"".join(_predicted(rows) for rows in sample)
    if len(_deflated(plain, _SAMPLE_LEVEL)) <= len(_deflated(predicted, _SAMPLE_LEVEL)):
        return _unpredicted(header, raw)
    from PIL import Image

    first = above or bytes(header.row_bytes)  # of zeros, as a decoder has it (§9.2)
    rows = 1 + len(raw) // header.row_bytes
    image = Image.frombytes(bands[0].mode, (header.width, rows), first + raw)
    return _predicted(image)[header.row_bytes + 1 :]


def _middle(band: Any) -> Any:
    top = max(0, (band.height - _SAMPLE) // 2)
    return band.crop((0, top, band.width, min(band.height, top + _SAMPLE)))


def _unpredicted(header: PngHeader, raw: bytes) -> bytes:
    row = header.row_bytes
    return b"".join(b"\0" + raw[at : at + row] for at in range(0, len(raw), row))


def _predicted(image: Any) -> bytes:
    """Return an image's rows, each with the filter that Pillow chooses (PNG §12.7)."""
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=0)
    data = b"".join(body for name, body in _chunks(out) if name == b"IDAT")
    return zlib.decompress(data)


def _deflated(rows: bytes, level: int) -> bytes:
    """Return a whole zlib stream."""
    import deflate

    return bytes(deflate.zlib_compress(rows, level))


def _movable(rows: bytes, level: int) -> bytes:
    """Return blocks of deflate that can follow others, end in a whole byte and are not the last."""
    stream = _deflated(rows, level)
    last_header, end = _ZLIB_HEADER_BITS, -1
    for piece in deflate_blocks.inflate(stream):
        if piece.last and piece.boundary >= 0:
            end = piece.boundary
        elif piece.boundary >= 0:
            last_header = piece.boundary
    if end < 0:  # this system does not report where blocks end
        anew = zlib.compressobj(_ZLIB_LEVEL, zlib.DEFLATED, -15)
        return anew.compress(rows) + anew.flush(zlib.Z_FULL_FLUSH)
    return b"".join(deflate_blocks.rebase_blocks(stream, _ZLIB_HEADER_BITS, last_header, end))


def _chunks_around_rows(stream: BinaryIO) -> tuple[list[bytes], list[bytes]]:
    """Return all chunks before and behind the rows of a PNG file, whole."""
    before: list[bytes] = []
    after: list[bytes] = []
    is_behind = False
    for name, body in _chunks(stream):
        if name == b"IDAT":
            is_behind = True
        else:
            (after if is_behind else before).append(_chunk(name, body))
    return before, after


def _chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """
    Yield name and body of each chunk of a PNG file.

    Raises:
        SnapshotterError: It is cut off, or the checksum of a chunk is wrong.
    """
    stream.seek(len(SIGNATURE))
    while head := stream.read(8):
        if len(head) < 8:
            raise SnapshotterError(tr("the picture is cut off"))
        length, name = struct.unpack(">I4s", head)
        body = stream.read(length)
        if stream.read(4) != struct.pack(">I", zlib.crc32(body, zlib.crc32(name))):
            raise SnapshotterError(tr("the checksum of a chunk of the picture is wrong"))
        yield name, body


def _chunk(name: bytes, body: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(body, zlib.crc32(name)))
    return struct.pack(">I", len(body)) + name + body + checksum
