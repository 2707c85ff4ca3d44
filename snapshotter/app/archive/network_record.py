"""
Read bodies of responses from a bundle's network record.

The index (`indexes/index.cdx`) gives its position, so that only this response is read from a record
of hundreds of megabytes. The record may be a stranger's: if it has no valid response there, the
body is empty.
"""

import contextlib
import hashlib
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator
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
_REVALIDATED: Final = 3  # last responses of one address that are looked at: 304 has no body
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
        said, block = _record(warc, location)
        if connection and said.get(b"snapshotter-connection") != connection.encode():
            continue
        found = _body(block, most)
        if connection:
            break
    return found


def digest_bodies(
    warc: BinaryIO, index: BinaryIO, urls: Collection[str], *, most: int, total: int
) -> dict[str, str]:
    """
    Return the SHA-256 of the last body that the record has of each address; none without a body.

    The index is read once, because a stranger's may have millions of lines.

    Args:
        most: The most bytes of one body.
        total: The most bytes that are read and decoded in all. Further addresses have no digest.
    """
    places: dict[str, list[RecordLocation]] = {}
    wanted = frozenset(urls)
    while line := index.readline(_INDEX_LINE):
        with contextlib.suppress(ValueError, IndexError, KeyError, TypeError, RecursionError):
            facts = json.loads(line.split(b" ", 2)[2])
            if facts["url"] in wanted:
                places.setdefault(facts["url"], []).append(
                    RecordLocation(
                        offset=abs(int(facts["offset"])), length=abs(int(facts["length"]))
                    )
                )
    found: dict[str, str] = {}
    for url in dict.fromkeys(urls):
        there = sorted(places.get(url, ()), key=lambda location: -location.offset)
        for location in there[:_REVALIDATED]:
            _, block = _record(warc, location)
            body = _body(block, most)
            total -= len(block) + len(body)
            if total < 0:
                return found
            if body:
                found[url] = hashlib.sha256(body).hexdigest()
                break
    return found


def _record(warc: BinaryIO, location: RecordLocation) -> tuple[dict[bytes, bytes], bytes]:
    """Return the fields of a WARC record, and its block: an HTTP message."""
    warc.seek(location.offset)
    record = _opened(warc.read(min(location.length, _HEADS + _CODED)))
    fields, _, block = record.partition(b"\r\n\r\n")
    said = _headers(fields)
    with contextlib.suppress(ValueError):  # not a number: the whole block counts
        block = block[: int(said.get(b"content-length", b""))]
    return said, block


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
