"""
Connections as servers should not make them: what is odd about each is in the record by name.

Real TLS, and HTTP by other people's framing; the record is read as a reader reads it.
"""

import gzip
import json
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hyperframe.frame import DataFrame, GoAwayFrame, PushPromiseFrame, RstStreamFrame, SettingsFrame

from snapshotter.capture.record.recorder import Recorder, Recording, RecordingRules
from snapshotter.formats.http.events import Direction
from snapshotter.formats.http.http2 import PREFACE
from snapshotter.model.request import Limits
from tests import tls, wires
from tests.e2e.recording import Item, items
from tests.fakes.world import FixedClock, SeededIds
from tests.unit.formats.http.test_http2 import OK, Peer, data, request

C, S = Direction.CLIENT, Direction.SERVER
Talk = list[tuple[Direction, bytes]]
GET = b"GET /page HTTP/1.1\r\nHost: shop.example.test\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Recorded:
    recording: Recording
    items: list[Item]

    def of(self, kind: str, tail: str = "") -> Item:
        (found,) = [
            record
            for record in self.items
            if record.kind == kind and record.fields["WARC-Target-URI"].endswith(tail)
        ]
        return found

    @property
    def connection(self) -> dict[str, Any]:
        (file,) = [
            artifact.file
            for artifact in self.recording.artifacts
            if artifact.path == "capture/network.json"
        ]
        (connection,) = json.loads(file.read_bytes())["connections"]
        found: dict[str, Any] = connection
        return found


Record = Callable[..., Recorded]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tls.Authority:
    return tls.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def record(tmp_path: Path, authority: tls.Authority) -> Record:
    """Record one connection over which this was said; `say_goodbye=False`: without close_notify."""

    def recorded(talk: Talk, *, alpn: str = "http/1.1", say_goodbye: bool = True) -> Recorded:
        server = tls.server_context(authority.server(), version=ssl.TLSVersion.TLSv1_3)
        server.set_alpn_protocols([alpn])
        client = tls.client_context(authority.root_pem, tmp_path / "client.log")
        recording = tls.recorded(server, client, talk=talk)
        spool = tmp_path / "spool"
        spool.mkdir()
        carried = wires.Carried(spool)
        chunks = recording.chunks
        if not say_goodbye:
            last = max(at for at, (side, _) in enumerate(chunks) if side is S)
            chunks = [chunk for at, chunk in enumerate(chunks) if at != last]
        carried.add(chunks, recording.keys)
        made = Recorder(
            spool=spool,
            clock=FixedClock(),
            ids=SeededIds(),
            network=carried.wire,
            rules=RecordingRules(
                limits=Limits(),
                software="snapshotter/test",
                redact_headers=frozenset({"cookie"}),
            ),
        ).finish_now(final_url="https://a.com/", title="")
        return Recorded(made, items(made))

    return recorded


def h2(*answers: Callable[[Peer], Iterable[bytes]], paths: tuple[str, ...] = ("/a",)) -> Talk:
    """Requests on streams 1, 3 …, and then what a server says, each with its own frames."""
    client, server = Peer(C), Peer(S)
    heads = [
        client.headers(2 * at + 1, request(path), "END_STREAM") for at, path in enumerate(paths)
    ]
    return [
        client.frames(PREFACE, SettingsFrame(0), *heads),
        server.frames(SettingsFrame(0), *(frame for answer in answers for frame in answer(server))),
    ]


def test_a_body_that_only_its_end_measures_is_said_to_be_open_to_a_cut(record: Record) -> None:
    talk: Talk = [(C, GET), (S, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nas far as it came")]

    cut = record(talk, say_goodbye=False)

    assert cut.of("response").body == b"as far as it came"
    assert (
        b"odd: server: only the end of the connection marks the end of this body"
        in cut.of("metadata").block
    )


def test_with_a_goodbye_it_is_whole(record: Record) -> None:
    talk: Talk = [(C, GET), (S, b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nas far as it came")]

    whole = record(talk)

    assert "WARC-Truncated" not in whole.of("response").fields
    assert [record.kind for record in whole.items] == ["warcinfo", "response", "request"]


def test_a_length_needs_no_goodbye(record: Record) -> None:
    whole = record([(C, GET), (S, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")],
                   say_goodbye=False)  # fmt: skip

    assert [record.kind for record in whole.items] == ["warcinfo", "response", "request"]


def test_a_request_that_waits_to_be_told_to_go_on(record: Record) -> None:
    head = (
        b"POST /x HTTP/1.1\r\nHost: shop.example.test\r\nExpect: 100-continue\r\n"
        b"Content-Length: 4\r\n\r\n"
    )
    talk: Talk = [
        (C, head),
        (S, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (C, b"body"),
        (S, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    ]

    found = record(talk)

    assert found.of("request").body == b"body"
    assert found.of("response").status_line.endswith("201 Created")
    assert found.of("metadata").block == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_compressed_body_in_chunks_that_breaks_off(record: Record) -> None:
    packed = gzip.compress(b"words " * 1000)[:30]
    answer = (
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"40\r\n" + packed
    )

    found = record([(C, GET), (S, answer)])

    response = found.of("response")
    assert response.body == b"40\r\n" + packed
    assert response.fields["WARC-Truncated"] == "disconnect"
    assert "bodies that are cut off: 1" in found.recording.missing_parts


def test_an_answer_that_is_reset_in_its_middle(record: Record) -> None:
    found = record(
        h2(lambda s: [s.headers(1, OK), data(1, b"half"), RstStreamFrame(1, 2).serialize()]),
        alpn="h2",
    )

    response = found.of("response")
    assert response.body == b"half"
    assert response.fields["WARC-Truncated"] == "disconnect"
    assert b"the server reset the stream (INTERNAL_ERROR)" in found.of("metadata").block


def test_a_push_that_nobody_asked_for_is_named(record: Record) -> None:
    def pushing(server: Peer) -> Iterable[bytes]:
        promise = PushPromiseFrame(1, 2, server.encoder.encode(list(request("/pushed"))))
        promise.flags.add("END_HEADERS")
        yield promise.serialize()
        yield server.headers(1, OK)
        yield data(1, b"asked for", "END_STREAM")
        yield server.headers(2, OK)
        yield data(2, b"pushed", "END_STREAM")

    found = record(h2(pushing), alpn="h2")

    assert found.of("response").body == b"asked for"
    assert any(
        "the server pushed" in note and "/pushed" in note for note in found.connection["unreadable"]
    )
    assert any("/pushed" in part for part in found.recording.missing_parts)


def test_a_request_that_a_server_would_not_look_at_any_more(record: Record) -> None:
    def leaving(server: Peer) -> Iterable[bytes]:
        yield server.headers(1, OK)
        yield GoAwayFrame(0, last_stream_id=1, error_code=11).serialize()
        yield data(1, b"the last", "END_STREAM")

    found = record(h2(leaving, paths=("/a", "/b")), alpn="h2")

    assert found.of("response").body == b"the last"
    assert found.of("request", "/b").block.startswith(b"GET /b")
    assert (
        b"the server did not process the request (GOAWAY: ENHANCE_YOUR_CALM)"
        in found.of("metadata", "/b").block
    )


def test_hints_and_trailers_over_http_2(record: Record) -> None:
    hints = [(":status", "103"), ("link", "</style.css>")]
    found = record(
        h2(
            lambda s: [
                s.headers(1, hints),
                s.headers(1, OK),
                data(1, b"body"),
                s.headers(1, [("x-sum", "5")], "END_STREAM"),
            ]
        ),
        alpn="h2",
    )

    assert found.of("response").body == b"body"
    first, second = (record.block for record in found.items if record.kind == "metadata")
    assert first == b"HTTP/1.1 103 \r\nlink: </style.css>\r\n\r\n"
    assert b"trailer: x-sum: 5" in second


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ([(":status", "200"), (":evil", "1")], b":evil"),
        ([(":status", "200"), (":status", "404")], b":status"),
    ],
)
def test_fields_that_no_head_in_text_can_hold_are_named(
    record: Record, fields: list[tuple[str, str]], what: bytes
) -> None:
    found = record(h2(lambda s: [s.headers(1, fields), data(1, b"body", "END_STREAM")]), alpn="h2")

    told = found.of("metadata").block
    assert b"pseudo-header fields that the recorded head cannot contain: 1" in told
    assert what in told


def test_padding_is_no_part_of_a_body(record: Record) -> None:
    padded = DataFrame(1, b"body", pad_length=200)
    padded.flags.add("PADDED")
    padded.flags.add("END_STREAM")

    found = record(h2(lambda s: [s.headers(1, OK), padded.serialize()]), alpn="h2")

    assert found.of("response").body == b"body"
    assert found.connection["unreadable"] == []
