"""
Move the blocks of zlib streams into another stream without compressing them again.

A deflate stream (RFC 1951) is a sequence of blocks. A block can move to another stream unchanged if
it keeps its place within a byte and refers to no bytes that are not there. So large pictures are
joined without compressing them again, which would be two thirds of the work. A stream has to be
inflated all the same, to find its blocks and to check its checksum.

Only zlib itself reports where blocks end (`Z_BLOCK`), and Python's `zlib` does not pass that on. So
the library is called directly where it can be loaded and a trial has shown that it works as its
manual says. Elsewhere no boundary is reported, and the caller compresses again: the result has the
same content.
"""

import sys
import zlib
from collections.abc import Iterator
from functools import cache
from typing import Any

from snapshotter.value_class import dataclass

WINDOW = 32_768  # bytes that a block may refer back to (RFC 1951 §2)
HEADER = b"\x78\x01"  # of a zlib stream (RFC 1950 §2.2): deflate, window of 32 KiB, no dictionary
END = b"\x03\x00"  # a last block without content (RFC 1951 §3.2.6), and the rest of its byte

# A block without content that has the fixed code (RFC 1951 §3.2.6), first bit lowest.
_EVEN, _EVEN_BITS = 0b0000000_01_0, 10
# One that brings its own code (§3.2.7), as values and their bits: its length is odd.
_ODD_FIELDS = (
    (0, 1), (2, 2),  # not the last; dynamic
    (0, 5), (0, 5), (14, 4),  # HLIT, HDIST, HCLEN: 257, 1 and 18 lengths follow
    (0, 6), (1, 3), (0, 42), (1, 3),  # of the code for lengths, 18 and 1 have one bit
    (0, 1), (1, 1), (127, 7), (1, 1), (106, 7), (0, 1), (0, 1),  # 1, 138 and 117 times 0, 1, 1
    (1, 1),  # the end: symbol 256
)  # fmt: skip

_BUFFER = 1 << 20  # bytes inflated at a time
_PLAIN_BUFFER = 1 << 16  # likewise without blocks: who reads these often stops at the first rows
_Z_OK, _Z_STREAM_END, _Z_BLOCK = 0, 1, 5
_BITS, _LAST, _BOUNDARY = 7, 64, 128  # of `data_type`, as inflate() leaves it behind


@dataclass(frozen=True, slots=True)
class InflatedPiece:
    """Bytes that came out of a stream."""

    data: bytes
    boundary: int  # bit of the stream at which a block ended behind `data`; -1: none did
    last: bool  # that block was the stream's last


def inflate(stream: bytes, *, blocks: bool = True) -> Iterator[InflatedPiece]:
    """
    Yield the content of a whole zlib stream, in pieces of at most a megabyte.

    Args:
        blocks: Report where blocks end, if this system can.

    Raises:
        zlib.error: It is broken, cut off, or fails its Adler-32.
    """
    library = _library() if blocks else None
    return _inflate_plainly(stream) if library is None else _inflate_blocks(library, stream)


def rebase_blocks(
    stream: bytes, start: int, last_header: int, end: int
) -> Iterator[bytes | bytearray]:
    """
    Yield blocks of a stream so that they can follow a whole byte of another, and end in one.

    They keep their place within a byte, because a stored block is padded to the next one (RFC 1951
    §3.2.4): blocks without content fill what is missing in front.

    Args:
        start: Bit at which the first one begins.
        last_header: Bit at which the last one begins.
        end: Bit behind the last one.
    """
    first = start // 8
    body = bytearray(memoryview(stream)[first : (end + 7) // 8])
    # (1) The last block is no longer the last of its stream: its first bit says so (§3.2.3).
    body[last_header // 8 - first] &= ~(1 << last_header % 8) & 0xFF
    # (2) In front: bits that are another block's give way to blocks without content.
    filler, length = _filler(start % 8)
    before = filler.to_bytes((length + 7) // 8, "little")
    if start % 8:
        body[0] = body[0] >> start % 8 << start % 8 | before[-1]
        before = before[:-1]
    # (3) Behind: a stored block without content, three zero bits and then LEN and NLEN at
    # a byte's beginning, fills the last byte. What the stream has there is its checksum.
    if end % 8:
        body[-1] &= (1 << end % 8) - 1
    if not 0 < end % 8 <= 5:
        body.append(0)
    yield before
    yield body
    yield b"\x00\x00\xff\xff"


def _filler(bits: int) -> tuple[int, int]:
    """Return blocks without content, and their length: `bits` more than whole bytes."""
    value, length = 0, 0
    if bits % 2:
        for field, width in _ODD_FIELDS:
            value |= field << length
            length += width
    while length % 8 != bits:
        value |= _EVEN << length
        length += _EVEN_BITS
    return value, length


@cache
def _z_stream() -> Any:
    """Return the class of the structure that zlib works on."""
    import ctypes

    class ZStream(ctypes.Structure):
        """`z_stream` of zlib.h, the same since version 1.0."""

        _fields_ = (
            ("next_in", ctypes.c_char_p),
            ("avail_in", ctypes.c_uint),
            ("total_in", ctypes.c_ulong),
            ("next_out", ctypes.c_void_p),
            ("avail_out", ctypes.c_uint),
            ("total_out", ctypes.c_ulong),
            ("msg", ctypes.c_char_p),
            ("state", ctypes.c_void_p),
            ("zalloc", ctypes.c_void_p),
            ("zfree", ctypes.c_void_p),
            ("opaque", ctypes.c_void_p),
            ("data_type", ctypes.c_int),
            ("adler", ctypes.c_ulong),
            ("reserved", ctypes.c_ulong),
        )

    return ZStream


def _inflate_plainly(stream: bytes) -> Iterator[InflatedPiece]:
    inflater = zlib.decompressobj()
    rest = stream
    while rest and not inflater.eof:
        yield InflatedPiece(inflater.decompress(rest, _PLAIN_BUFFER), -1, last=False)
        rest = inflater.unconsumed_tail
    while not inflater.eof and (data := inflater.decompress(b"", _PLAIN_BUFFER)):
        yield InflatedPiece(data, -1, last=False)
    if not inflater.eof:
        raise zlib.error("a stream is cut off")


def _inflate_blocks(library: Any, stream: bytes) -> Iterator[InflatedPiece]:
    import ctypes

    state = _z_stream()()
    size = ctypes.sizeof(_z_stream())
    if library.inflateInit_(ctypes.byref(state), library.zlibVersion(), size) != _Z_OK:
        raise zlib.error("zlib could not be set up")
    try:
        # Addresses and no casts: a cast is a cycle, which holds a buffer until it is collected.
        state.next_in = stream
        state.avail_in = len(stream)
        out = ctypes.create_string_buffer(_BUFFER)
        while True:
            state.next_out = ctypes.addressof(out)
            state.avail_out = _BUFFER
            result = library.inflate(ctypes.byref(state), _Z_BLOCK)
            if result not in (_Z_OK, _Z_STREAM_END):  # Z_BUF_ERROR: nothing is left to read
                reason = (state.msg or b"it is cut off").decode("ascii", "replace")
                raise zlib.error(f"a stream is broken: {reason}")
            data = ctypes.string_at(out, _BUFFER - state.avail_out)
            kind = state.data_type
            ended = result == _Z_OK and kind & _BOUNDARY
            boundary = (len(stream) - state.avail_in) * 8 - (kind & _BITS) if ended else -1
            yield InflatedPiece(data, boundary, last=bool(kind & _LAST))
            if result == _Z_STREAM_END:
                return
    finally:
        library.inflateEnd(ctypes.byref(state))


@cache
def _library() -> Any:
    """Return the system's zlib if it passes a trial; None otherwise."""
    import ctypes

    name = "/usr/lib/libz.dylib" if sys.platform == "darwin" else "libz.so.1"
    try:
        library: Any = ctypes.CDLL(name)
        library.zlibVersion.restype = ctypes.c_char_p
        library.inflateInit_.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int)
        library.inflate.argtypes = (ctypes.c_void_p, ctypes.c_int)
        library.inflateEnd.argtypes = (ctypes.c_void_p,)
        if not library.zlibVersion().startswith(b"1."):
            return None
    except (OSError, AttributeError):
        return None
    return library if _passes(library) else None


def _passes(library: Any) -> bool:
    """
    Return whether blocks that this library reports can be moved, tried on a stream of several.
    """
    content = b"".join(number.to_bytes(3, "big") for number in range(20_000))
    stream = zlib.compress(content, 1)
    try:
        pieces = list(_inflate_blocks(library, stream))
        bits = [piece.boundary for piece in pieces if piece.boundary >= 0]
        moved = b"".join(rebase_blocks(stream, bits[0], bits[-2], bits[-1])) + END
        return zlib.decompress(moved, -15) == content == b"".join(piece.data for piece in pieces)
    except (zlib.error, IndexError, OverflowError):
        return False
