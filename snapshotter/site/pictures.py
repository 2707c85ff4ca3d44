"""
Draw the pictures of the fixture site when they are requested, the same each time.

The PNG encoder here is only a few lines long (ISO/IEC 15948: palette, one byte for each pixel, no
filter), so the site needs only the standard library.
"""

import struct
import zlib
from collections.abc import Sequence
from functools import cache

SHORT_LINK = "http://t.cn/A6fixture"  # what the QR code says: an address of ours, three hops long
# The modules of that code (ISO/IEC 18004, version 2, level M), a row a number, the leftmost
# module in the highest bit.
_QR = (
    0x1FC327F, 0x1057E41, 0x174755D, 0x174B55D, 0x175625D, 0x1046F41, 0x1FD557F, 0x0008E00,
    0x154CB12, 0x063BDC1, 0x09EED47, 0x0D13952, 0x0B659CB, 0x0B879E9, 0x165F197, 0x0A81DCA,
    0x13FE5F8, 0x001211F, 0x1FC4B53, 0x1046318, 0x17511F3, 0x1743894, 0x1753539, 0x104DE5A,
    0x1FDE7A3,
)  # fmt: skip
_QUIET = 4  # modules around the code
PLACEHOLDER_PX = 140


def png(rows: Sequence[bytes], palette: Sequence[tuple[int, int, int]]) -> bytes:
    """Return a picture of rows of palette indices."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    head = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 3, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    colours = b"".join(bytes(colour) for colour in palette)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*parts)
        for parts in ((b"IHDR", head), (b"PLTE", colours), (b"IDAT", body), (b"IEND", b""))
    )


@cache
def scene(number: int, width: int = 640, height: int = 360) -> bytes:
    """Return a landscape: sky, sun, two hills, water; another one for each number."""
    sky = [(120 + number * 7 % 80 + step, 160 + step, 225 + step // 2) for step in range(0, 30, 2)]
    hill, far, water, sun = (70, 110 + number * 5 % 60, 80), (110, 140, 130), (60, 95, 140), (
        250, 225, 120,
    )  # fmt: skip
    palette = [*sky, far, hill, water, sun]
    horizon, peak = height * 2 // 3, width * (number % 7 + 1) // 8
    centre = (width - peak, height // 4)
    rows = []
    for y in range(height):
        row = bytearray(bytes([min(y * len(sky) // horizon, len(sky) - 1)]) * width)
        if y >= horizon:
            row = bytearray(bytes([len(palette) - 2]) * width)
        else:
            half = max(0, (y - height // 3) * 3)
            row[max(0, peak - half) : peak + half] = bytes([len(sky)]) * len(
                row[max(0, peak - half) : peak + half]
            )
            slope = max(0, (y - height // 2) * 4)
            row[:slope] = bytes([len(sky) + 1]) * len(row[:slope])
            reach = 24 * 24 - (y - centre[1]) ** 2
            if reach > 0:
                wide = int(reach**0.5)
                row[centre[0] - wide : centre[0] + wide] = bytes([len(palette) - 1]) * (2 * wide)
        rows.append(bytes(row))
    return png(rows, palette)


@cache
def qr_code(scale: int = 6) -> bytes:
    """Return the code of `SHORT_LINK`, with its quiet zone."""
    size = len(_QR)
    blank = bytes((size + 2 * _QUIET) * scale)
    rows = [blank] * (_QUIET * scale)
    for modules in _QR:
        bits = bytes(modules >> (size - 1 - x) & 1 for x in range(size))
        row = bytes(_QUIET * scale) + b"".join(bytes([bit]) * scale for bit in bits)
        rows += [row + bytes(_QUIET * scale)] * scale
    return png([*rows, *[blank] * (_QUIET * scale)], ((255, 255, 255), (0, 0, 0)))


@cache
def placeholder() -> bytes:
    """Return what the image host gives to those who come from elsewhere: 140 pixels of grey."""
    return scene_of_nothing(PLACEHOLDER_PX)


def scene_of_nothing(side: int) -> bytes:
    """Return a grey square with a cross."""
    rows = [bytes(1 if x in (y, side - 1 - y) else 0 for x in range(side)) for y in range(side)]
    return png(rows, ((238, 238, 238), (190, 190, 190)))
