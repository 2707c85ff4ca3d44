"""One answer out of a network record, found by the record's index."""

import gzip
import hashlib
import io
from datetime import UTC, datetime

import pytest

from snapshotter.app.archive.network_record import digest_bodies, read_body
from snapshotter.formats.bundle import cdxj, warc

AT = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)
URL = "http://example.test/a?q=章"
PAGE = "<!doctype html><p>一篇文章".encode() * 50


class Recorded:
    """A network record of answers, written as captures write theirs."""

    def __init__(self) -> None:
        self.warc = io.BytesIO()
        self._writer = warc.Writer(self.warc)
        self._entries: list[cdxj.Entry] = []

    def add(self, head: bytes, body: bytes, *, connection: str, url: str = URL) -> None:
        number = len(self._entries)
        written = self._writer.write_block(
            warc.Record(
                kind="response", id=f"urn:uuid:{number}", at=AT, url=url, head=head,
                fields=(("Snapshotter-Connection", connection),),
            ),
            body,
        )  # fmt: skip
        self._entries.append(
            cdxj.Entry(
                url=url, at=AT, media_type="text/html", status=200, digest="sha256:0",
                offset=written.offset, length=written.length,
            )
        )  # fmt: skip

    @property
    def index(self) -> bytes:
        return cdxj.encode(self._entries)

    def body(self, connection: str, *, url: str = URL, most: int = 1 << 20) -> bytes:
        return read_body(
            self.warc, io.BytesIO(self.index), url=url, connection=connection, most=most
        )

    def digests(self, *urls: str, total: int = 1 << 20) -> dict[str, str]:
        return digest_bodies(self.warc, io.BytesIO(self.index), urls, most=1 << 20, total=total)


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(data), data)


OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%s\r\n"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (OK % b"", PAGE),
        (OK % b"Transfer-Encoding: chunked\r\n", chunked(PAGE)),
        (OK % b"content-encoding: gzip\r\n", gzip.compress(PAGE, mtime=0)),
        (
            OK % b"Transfer-Encoding: Chunked\r\nContent-Encoding: gzip\r\n",
            chunked(gzip.compress(PAGE, mtime=0)),
        ),
        (b"HTTP/1.0 200 OK\nServer: old\n\n", PAGE),
    ],
)
def test_a_body_comes_without_framing_and_codings(head: bytes, body: bytes) -> None:
    record = Recorded()
    record.add(OK % b"", b"another page", connection="0/0", url="http://example.test/b")
    record.add(head, body, connection="1/0")

    assert record.body("1/0") == PAGE
    assert record.body("1/0", most=10) == PAGE[:10]


def test_of_several_answers_of_one_address_it_is_that_of_the_connection() -> None:
    record = Recorded()
    for connection in ("1/0", "1/2", "2/0"):
        record.add(OK % b"", connection.encode(), connection=connection)

    assert record.body("1/2") == b"1/2"
    assert record.body("") == b"2/0"
    assert record.body("3/0") == b""
    assert record.body("1/2", url="http://example.test/b") == b""


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no line\n",
        b'key 20261127000000 {"url":"http://example.test/a?q=\xe7\xab\xa0"}\n',
        b'key 20261127000000 {"length":"x","offset":"0","url":"http://example.test/a?q=\xe7\xab\xa0"}\n',
        b'key 20261127000000 {"length":"99","offset":"-7","url":"http://example.test/a?q=\xe7\xab\xa0"}\n',
    ],
)
def test_an_index_that_leads_nowhere_gives_nothing(line: bytes) -> None:
    found = read_body(io.BytesIO(b"no gzip"), io.BytesIO(line), url=URL, connection="1/0", most=99)

    assert found == b""


OTHER, UNKNOWN = "http://example.test/b.png", "http://example.test/c.png"


def test_bodies_of_several_addresses_are_digested_at_once() -> None:
    record = Recorded()
    record.add(OK % b"", b"an older answer", connection="1")
    record.add(OK % b"Content-Encoding: gzip\r\n", gzip.compress(PAGE, mtime=0), connection="2")
    record.add(b"HTTP/1.1 304 Not Modified\r\n\r\n", b"", connection="3")  # the body is still PAGE
    record.add(OK % b"", b"a picture", connection="4", url=OTHER)

    found = record.digests(URL, OTHER, UNKNOWN)

    assert found == {
        URL: hashlib.sha256(PAGE).hexdigest(),
        OTHER: hashlib.sha256(b"a picture").hexdigest(),
    }


def test_no_more_than_the_limit_is_decoded() -> None:
    record = Recorded()
    record.add(OK % b"", b"a picture", connection="1", url=OTHER)
    record.add(OK % b"Content-Encoding: gzip\r\n", gzip.compress(bytes(900_000)), connection="2")

    assert list(record.digests(OTHER, URL, total=100_000)) == [OTHER]
    assert list(record.digests(OTHER, URL)) == [OTHER, URL]


def test_an_index_of_junk_has_no_digests() -> None:
    index = io.BytesIO(b"junk\n\xff \xff {\nkey 2026 {}\nkey 2026 " + b"[" * 5000 + b"\n")

    assert digest_bodies(io.BytesIO(), index, [URL], most=9, total=9) == {}
