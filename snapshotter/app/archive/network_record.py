"""
Read the body of one response from a bundle's network record.

The index (`indexes/index.cdx`) gives its position, so that only this response is read from a record
of hundreds of megabytes. The record may be a stranger's: if it has no valid response there, the
body is empty.
"""

import contextlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO, Final

from snapshotter.formats.http import content_coding
from snapshotter.formats.http.chunked import remove_chunking
from snapshotter.value_class import dataclass

WARC: Final = "archive/data.warc.gz"
INDEX: Final = "indexes/index.cdx"

_HEADS: Final = 512 << 10  # bytes of the heads of one record
_CODED: Final = 16 << 20  # bytes of a body that still has its codings
_INDEX_LINE: Final = 128 << 10  # bytes
_SAME: Final = 50  # responses of one address that are read
_GZIP: Final = 16 + zlib.MAX_WBITS
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLocation:
    """The position of a response, by the index."""

    offset: int
    length: int


def read_body(warc: BinaryIO, index: BinaryIO, *, url: str, connection: str, most: int) -> bytes:
    """
    Return the first bytes of a response body, without framing and codings; b"" for none.

    Args:
        url: The address, as the network record has it.
        connection: The record's `Snapshotter-Connection`; "" for the last response.
        most: The most bytes to return.
    """
    found = b""
    for location in sorted(_places(index, url), key=lambda location: location.offset):
        warc.seek(location.offset)
        record = _opened(warc.read(min(location.length, _HEADS + _CODED)))
        fields, _, block = record.partition(b"\r\n\r\n")
        said = _headers(fields)
        if connection and said.get(b"snapshotter-connection") != connection.encode():
            continue
        with contextlib.suppress(ValueError):  # not a number: the whole block counts
            block = block[: int(said.get(b"content-length", b""))]
        found = _body(block, most)
        if connection:
            break
    return found


def _places(index: BinaryIO, url: str) -> Iterator[RecordLocation]:
    left = _SAME
    wanted = url.encode("utf-8", "replace")
    while left and (line := index.readline(_INDEX_LINE)):
        if wanted not in line:
            continue
        try:
            facts = json.loads(line.split(b" ", 2)[2])
            if facts["url"] == url:
                left -= 1
                yield RecordLocation(
                    offset=abs(int(facts["offset"])), length=abs(int(facts["length"]))
                )
        except (ValueError, IndexError, KeyError, TypeError):
            continue


def _opened(member: bytes) -> bytes:
    try:
        return zlib.decompressobj(_GZIP).decompress(member, _HEADS + _CODED)
    except zlib.error:
        return b""


def _body(block: bytes, most: int) -> bytes:
    """Return the body of an HTTP message."""
    blank = _BLANK.search(block)
    if blank is None:
        return b""
    said, body = _headers(block[: blank.start()]), block[blank.end() :]
    if b"chunked" in said.get(b"transfer-encoding", b"").lower():
        body = b"".join(remove_chunking(io.BytesIO(body)))
    coding = said.get(b"content-encoding", b"").decode("latin-1")
    return content_coding.decode_content(body, coding, most) or b""


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Return the header fields below the first line, by lowercase name, the last of each."""
    pairs = (line.partition(b":") for line in head.splitlines()[1:])
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
