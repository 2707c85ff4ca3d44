"""
The torture server asks Chromium for everything, over each version of HTTP, and our splitters
read from the wire what the server saw.
"""

import http.client
import ssl
from dataclasses import dataclass

import pytest
from playwright.sync_api import sync_playwright

from snapshotter.formats.http.events import EndReason
from snapshotter.formats.http.http1 import Http1Connection
from snapshotter.formats.http.http2 import Http2Connection
from snapshotter.formats.http.websocket import FrameReader, Opcode, inflate
from tests.servers.torture import Mode, Seen, Torture
from tests.tools import any_chromium
from tests.unit.formats.wire_events import C, S, Told, told

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("torture")]

MODES: tuple[Mode, ...] = ("http", "https", "h2")
RESULTS = {  # what the page says of some steps, whichever version of HTTP
    "redirect with a body": "this is redirected",
    "preflight": "put across",
    "gzip": "gzip " * 500,
    "brotli": "br " * 500,
    "deflate": "deflate " * 500,
    "chunked with trailers": "5000",
    "truncated by the server": "cut",
    "stream aborted by the page": "24",
    "fetch cancelled before any answer": "AbortError",
    "worker": "this is from-worker and imported",
    "module worker": "this is from-module-worker and dependency",
    "shared worker": "this is from-shared-worker",
    "no-cors": "opaque",
    "304": "tagged,tagged",
    "large body": "3000000",
    "form": "thank you,thank you, too",
    "media with ranges": "2",
    "WebSocket": "180,70000,1000,180,70000,1000",
    "EventSource": "one,two",
    "module scripts": "part,data,dynamic",
}


@dataclass(frozen=True, slots=True)
class Visit:
    """One visit of Chromium's, over."""

    torture: Torture
    title: str
    wires: tuple[Told, ...]  # what our splitters make of each connection

    def told(self, seen: Seen) -> Told:
        return self.wires[seen.connection]


@pytest.fixture(scope="module", params=MODES)
def visit(request: pytest.FixtureRequest) -> Visit:
    with Torture(request.param) as torture:
        arguments = [f"--ignore-certificate-errors-spki-list={torture.spki}"]
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=any_chromium(), args=arguments)
            page = browser.new_page()
            page.goto(torture.url, timeout=60_000)
            title = page.title()
            torture.wait_all(30)
            browser.close()
    wires = tuple(
        told(
            Http2Connection() if wire.protocol == "HTTP/2" else Http1Connection(),
            wire.pieces,
        )
        for wire in torture.connections
    )
    return Visit(torture, title, wires)


def test_the_page_has_reported_before_its_load_event(visit: Visit) -> None:
    assert visit.title == "torture: done"
    assert {name: visit.torture.results[name] for name in RESULTS} == RESULTS
    assert not [name for name, said in visit.torture.results.items() if said.startswith("failed")]


def test_each_mode_speaks_the_protocol_it_is_named_for(visit: Visit) -> None:
    protocol = "HTTP/2" if visit.torture.mode == "h2" else "HTTP/1.1"

    assert {seen.protocol for seen in visit.torture.requests} == {protocol}
    assert len(visit.torture.kinds) > 32


def test_every_request_the_server_saw_is_read_from_the_wire(visit: Visit) -> None:
    for seen in visit.torture.requests:
        head = visit.told(seen).head(seen.stream, C)
        assert (head.method.decode(), head.target.decode()) == (seen.method, seen.path)
        assert head.headers == tuple((n.encode(), v.encode()) for n, v in seen.headers)
        assert visit.told(seen).body(seen.stream, C) == seen.body

    read = sum(bool(wire.heads(n, C)) for wire in visit.wires for n in range(400))
    assert read == len(visit.torture.requests)


def test_every_answer_is_read_as_it_was_sent(visit: Visit) -> None:
    for seen in visit.torture.requests:
        wire = visit.told(seen)
        (end,) = wire.ends(seen.stream, S)
        if not seen.status:
            assert not wire.heads(seen.stream, S)
            assert end.how in (EndReason.CUT, EndReason.RESET)
            continue
        head = wire.head(seen.stream, S)
        assert head.status == seen.status
        assert wire.body(seen.stream, S) == seen.sent, seen.path
        whole = seen.finished and seen.path != "/truncated"
        assert (end.how in (EndReason.COMPLETE, EndReason.CLOSED)) is whole, seen.path


def test_nothing_on_the_wire_is_left_over(visit: Visit) -> None:
    assert not [trouble for wire in visit.wires for trouble in wire.troubles]
    if visit.torture.mode != "h2":
        for recorded, wire in zip(visit.torture.connections, visit.wires, strict=True):
            for direction in (C, S):
                sent = b"".join(data for side, data in recorded.pieces if side is direction)
                assert wire.sent(direction) == sent


def test_websockets_are_read_message_by_message(visit: Visit) -> None:
    for path, compressed in (("/ws", False), ("/ws-deflate", True)):
        (seen,) = [seen for seen in visit.torture.requests if seen.path == path]
        (switched,) = [s for s in visit.told(seen).switched if s.stream == seen.stream]
        assert switched.protocol == b"websocket"
        for sent in (seen.body, bytes(seen.sent)):
            frames = FrameReader().feed(sent)
            assert not any(frame.problem for frame in frames)
            data = [frame for frame in frames if frame.opcode < Opcode.CLOSE]
            text = b"".join(f.payload for f in data[: 1 + [f.fin for f in data].index(True)])
            assert data[0].rsv1 is compressed
            assert (inflate(text) if compressed else text) == b"hello " * 30
            assert frames[-1].opcode == Opcode.CLOSE
            assert frames[-1].payload == (1000).to_bytes(2, "big") + b"enough"


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_authority_is_all_that_a_client_has_to_trust(newest: ssl.TLSVersion) -> None:
    with Torture("https", newest_tls=newest, host="localhost") as torture:
        trust = ssl.create_default_context(cadata=torture.ca_pem.decode())
        port = int(torture.origins[0].rpartition(":")[2])
        client = http.client.HTTPSConnection("localhost", port, timeout=10, context=trust)
        client.request("GET", "/gzip")
        answer = client.getresponse()

        assert answer.read() == torture.answers["/gzip"].body == torture.requests[0].sent
        assert torture.requests[0].url == f"{torture.origins[0]}/gzip"
        client.close()
