"""
Find one answer in a bundle's network record, and take its body out.

The index leads to it (`indexes/index.cdx`): of a record of hundreds of megabytes only that
answer is read. Whatever was written there by a stranger gives a body or none.
"""

import contextlib
import io
import json
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from snapshotter.formats.http import content_coding
from snapshotter.formats.http.chunked import remove_chunking

WARC: Final = "archive/data.warc.gz"
INDEX: Final = "indexes/index.cdx"

_HEADS: Final = 512 << 10  # bytes of the heads of one record
_CODED: Final = 16 << 20  # bytes of a body that still has its codings
_INDEX_LINE: Final = 128 << 10  # bytes
_SAME: Final = 50  # answers of one address that are looked at
_GZIP: Final = 16 + zlib.MAX_WBITS
_BLANK: Final = re.compile(rb"\r?\n\r?\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordLocation:
    """Where the index says that an answer is."""

    offset: int
    length: int


def read_body(warc: BinaryIO, index: BinaryIO, *, url: str, connection: str, most: int) -> bytes:
    """
    Return the first bytes of an answer's body, its framing and codings undone; b"" for none.

    Args:
        url: As the record has it.
        connection: Where it was: the record's `Snapshotter-Connection`; "" for the last one.
        most: Bytes that are returned, at most.
    """
    found = b""
    for location in sorted(_places(index, url), key=lambda location: location.offset):
        warc.seek(location.offset)
        record = _opened(warc.read(min(location.length, _HEADS + _CODED)))
        fields, _, block = record.partition(b"\r\n\r\n")
        said = _headers(fields)
        if connection and said.get(b"snapshotter-connection") != connection.encode():
            continue
        with contextlib.suppress(ValueError):  # no number: then it is as long as it is
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
    """Return what an HTTP message holds."""
    blank = _BLANK.search(block)
    if blank is None:
        return b""
    said, body = _headers(block[: blank.start()]), block[blank.end() :]
    if b"chunked" in said.get(b"transfer-encoding", b"").lower():
        body = b"".join(remove_chunking(io.BytesIO(body)))
    coding = said.get(b"content-encoding", b"").decode("latin-1")
    return content_coding.decode_content(body, coding, most) or b""


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Return fields by their lowercase names, the last of each; the first line is none."""
    pairs = (line.partition(b":") for line in head.splitlines()[1:])
    return {name.strip().lower(): value.strip() for name, colon, value in pairs if colon}
