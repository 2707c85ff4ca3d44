"""WARC records: readable by warcio, digests right, bytes as they were given."""

import gzip
import hashlib
import io
from datetime import datetime

import pytest
from warcio.archiveiterator import ArchiveIterator

from snapshotter.formats.bundle import warc
from tests.fakes.world import START

HEAD = b"HTTP/1.1 200 OK\r\nX-Twice: 1\r\nx-twice:  2\r\nX-Name: caf\xe9\r\n\r\n"
DENSE = hashlib.shake_128(b"what can not be compressed").digest(1_000_000)
ID = "urn:uuid:00000000-0000-4000-8000-000000000000"


def record(kind: str = "response", **more: object) -> warc.Record:
    values: dict[str, object] = {
        "kind": kind,
        "id": ID,
        "at": START,
        "url": "http://a.com/",
        "head": HEAD,
    } | more
    return warc.Record(**values)  # type: ignore[arg-type]


def test_an_http_head_is_written_byte_for_byte() -> None:
    sink = io.BytesIO()

    warc.Writer(sink).write_block(record(), b"body")

    assert HEAD + b"body\r\n\r\n" in gzip.decompress(sink.getvalue())


def test_digests_are_sha256_of_block_and_payload_and_warcio_finds_them_right() -> None:
    sink = io.BytesIO()
    written = warc.Writer(sink).write_block(record(), b"body")

    sink.seek(0)
    (read,) = list(_read(sink))
    assert read[0]["WARC-Block-Digest"] == "sha256:" + hashlib.sha256(HEAD + b"body").hexdigest()
    assert read[0]["WARC-Payload-Digest"] == "sha256:" + hashlib.sha256(b"body").hexdigest()
    assert written.payload_digest == read[0]["WARC-Payload-Digest"]
    assert read[1] is True


def test_warcio_finds_a_changed_body_wrong() -> None:
    sink = io.BytesIO()
    warc.Writer(sink).write_block(record(), b"body")
    changed = gzip.compress(gzip.decompress(sink.getvalue()).replace(b"body", b"bodY"))

    assert [good for _, good in _read(io.BytesIO(changed))] == [False]


def test_each_record_is_one_gzip_member_at_its_offset() -> None:
    sink = io.BytesIO()
    writer = warc.Writer(sink)

    places = [writer.write_block(record(), body) for body in (b"one", b"", b"three" * 1000)]

    for place, body in zip(places, (b"one", b"", b"three" * 1000), strict=True):
        member = sink.getvalue()[place.offset : place.offset + place.length]
        assert gzip.decompress(member).endswith(HEAD + body + b"\r\n\r\n")
    assert places[-1].offset + places[-1].length == len(sink.getvalue())


@pytest.mark.parametrize(
    ("body", "most"),
    [
        (DENSE, 1_001_000),  # stored: compressed before
        (b"text " * 200_000, 5_000),
        (b"text " * 2_000_000, 100_000),
        (DENSE[:1_000], 2_000),
        (b"text " * 4_000 + DENSE, 1_025_000),  # a picture that begins with words: stored, too
    ],
)
def test_a_payload_is_compressed_as_hard_as_it_is_worth_and_reads_the_same(
    body: bytes, most: int
) -> None:
    sink = io.BytesIO()

    warc.Writer(sink).write_block(record(), body)

    assert body in gzip.decompress(sink.getvalue())
    assert len(sink.getvalue()) <= most


def test_a_block_of_fields_has_no_http_head() -> None:
    sink = io.BytesIO()

    warc.Writer(sink).write_block(
        record("metadata", head=b""), warc.fields((("error", "net::ERR\r\nFAKE: x"),))
    )

    text = gzip.decompress(sink.getvalue())
    assert b"Content-Type: application/warc-fields\r\n" in text
    assert b"\r\n\r\nerror: net::ERR FAKE: x\r\n\r\n\r\n" in text
    assert [good for _, good in _read(io.BytesIO(sink.getvalue()))] == [True]


def test_a_field_with_a_line_break_is_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        warc.Writer(io.BytesIO()).write_block(record(url="http://a/\r\nWARC-Type: x"), b"")


def test_a_date_has_microseconds_and_needs_a_zone() -> None:
    assert warc.date(START) == "2026-01-15T12:30:45.678901Z"
    with pytest.raises(ValueError, match="time zone"):
        warc.date(datetime(2026, 1, 1))  # noqa: DTZ001 - the fault under test


def test_a_record_id_is_a_version_4_uuid() -> None:
    assert warc.record_id(bytes(16)) == ID
    assert warc.record_id(b"\xff" * 16) == "urn:uuid:ffffffff-ffff-4fff-bfff-ffffffffffff"
    with pytest.raises(ValueError, match="16 bytes"):
        warc.record_id(b"")


def _read(stream: io.BytesIO) -> list[tuple[dict[str, str], bool | None]]:
    found = []
    for item in ArchiveIterator(stream, check_digests=True):
        item.content_stream().read()
        found.append((dict(item.rec_headers.headers), item.digest_checker.passed))
    return found
