"""
Decode the pictures of one capture, and encode previews: the program of the preview process.

    python -I -m snapshotter.app.archive.confined.preview_main thumbnail SCALE DESCRIPTOR…

The process gets the PNG files of a picture as open descriptors, and writes the previews to standard
output: a line of JSON, and the bytes that the line describes. A picture may be made to take over
the program that decodes it. Therefore, before the first byte is read, the process gives up the
right to open a file or a socket and to start a process, and limits its time and memory. It has no
environment and holds no key. Who started it kills it when it takes too long.
"""

import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Final

from snapshotter.errors import SnapshotterError
from snapshotter.report.picture_copies import make_picture_copy, picture_bytes
from snapshotter.report.thumbnails import make_thumbnails
from snapshotter.translation import tr

THUMBNAIL: Final = "thumbnail"
PICTURE: Final = "picture"
UNREADABLE: Final = 3  # the exit code for a picture that cannot be read
_MEMORY: Final = 2 << 30  # bytes of the address space
_PROCESSOR_S: Final = {THUMBNAIL: 10, PICTURE: 60}
_NOBODY: Final = 65_534  # the user without rights, where this process is root
_NO_NEW_PRIVILEGES: Final = 38  # of prctl(2)


def main(arguments: Sequence[str]) -> int:
    """Make the previews of one picture; return the exit code."""
    kind, scale = arguments[0], int(arguments[1])
    streams = [os.fdopen(int(number), "rb") for number in arguments[2:]]
    _load_codecs()
    confine(processor_s=_PROCESSOR_S[kind])
    try:
        described, data = _MAKE[kind]([_opener(stream) for stream in streams], scale)
    except (SnapshotterError, OSError, ValueError, MemoryError):
        return UNREADABLE  # a capture may hold anything under that name; the caller says so
    out = sys.stdout.buffer
    out.write(json.dumps(described).encode() + b"\n")
    out.write(data)
    out.flush()
    return 0


def confine(*, processor_s: int, memory: int = _MEMORY) -> None:
    """
    Give up the rights that a decoder does not need; open files stay open.

    Args:
        processor_s: Seconds of processor time, after which the kernel ends the process.
        memory: Bytes of the address space at most.
    """
    import resource

    with suppress(OSError):
        os.nice(10)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(_NOBODY)
        os.setuid(_NOBODY)
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    limits = {
        resource.RLIMIT_CPU: processor_s,
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,  # a pipe is no file
        resource.RLIMIT_NPROC: 0,
        resource.RLIMIT_NOFILE: 0,  # no further file, and no socket
    }
    for limit, most in limits.items():
        with suppress(ValueError, OSError):  # macOS has no limit of the address space
            resource.setrlimit(limit, (most, most))


def _load_codecs() -> None:
    """Use each codec once, because nothing can be loaded later."""
    from PIL import Image

    image = Image.new("RGB", (8, 8)).resize((4, 4))
    for name in ("WEBP", "JPEG", "PNG"):
        image.save(io.BytesIO(), name)
    Image.frombytes("RGB", (1, 1), zlib.compress(bytes(4)), "zip", "RGB", 0)


def _opener(stream: BinaryIO) -> Callable[[], BinaryIO]:
    return lambda: stream


def _thumbnails(
    files: Sequence[Callable[[], BinaryIO]], scale: int
) -> tuple[dict[str, Any], bytes]:
    made = make_thumbnails(files)
    sizes = {"clear": len(made.clear), "blurred": len(made.blurred)}
    return sizes, made.clear + made.blurred


def _picture(files: Sequence[Callable[[], BinaryIO]], scale: int) -> tuple[dict[str, Any], bytes]:
    copy = make_picture_copy(files, scale, fast=True)
    if copy is None:
        raise SnapshotterError(tr("the picture cannot be read"))
    pieces = [picture_bytes(piece) for piece in copy.pieces]
    described = {
        "width": copy.width,
        "height": copy.height,
        "cut": copy.cut,
        "narrowed": copy.narrowed,
        "pieces": [
            {
                "top": piece.top,
                "width": piece.width,
                "height": piece.height,
                "length": len(data),
            }
            for piece, data in zip(copy.pieces, pieces, strict=True)
        ],
    }
    return described, b"".join(pieces)


_MAKE: Final = {THUMBNAIL: _thumbnails, PICTURE: _picture}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
