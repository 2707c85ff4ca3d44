"""
The torture page, asked for in every way a page can, against the record of it: over http, over
https with HTTP/1.1 and with HTTP/2. What the server saw and sent is the truth.
"""

import gzip
import json
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from snapshotter.capture.record import wire_reader
from snapshotter.capture.record.recorder import Recorder, Recording
from snapshotter.capture.record.wire_reader import ReadConnection, read
from snapshotter.formats.tls import server_signature
from tests.e2e.recording import SECRET, Item, items, record, verb
from tests.servers.site import Site
from tests.servers.torture import Mode, Torture

pytestmark = [pytest.mark.e2e, pytest.mark.long, pytest.mark.xdist_group("torture")]

MODES: tuple[Mode, ...] = ("http", "https", "h2")


def network_of(recording: Recording) -> dict[str, Any]:
    """Return `capture/network.json`."""
    (file,) = [a.file for a in recording.artifacts if a.path == "capture/network.json"]
    found: dict[str, Any] = json.loads(file.read_bytes())
    return found


@dataclass(frozen=True, slots=True)
class Visit:
    """The page, recorded."""

    torture: Torture
    recording: Recording
    items: list[Item]

    def network(self) -> dict[str, Any]:
        return network_of(self.recording)

    def connections(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.network()["connections"]
        return found


@pytest.fixture(scope="module", params=MODES)
def visit(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Visit:
    with Torture(request.param) as torture:

        async def act(page: Page, recorder: Recorder) -> None:
            await page.goto(torture.url, timeout=60_000)
            for _ in range(600):
                if not torture.missing():
                    break
                await page.wait_for_timeout(50)
            torture.wait_all(1)
            await page.wait_for_timeout(500)

        folder = tmp_path_factory.mktemp("torture")
        recording = record(folder, torture.url, act=act, spki=torture.spki)
    return Visit(torture, recording, items(recording))


def test_an_exchange_that_our_reader_loses_is_missed_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a fault of ours would lose it: the browser's account is there to notice."""

    def losing(*arguments: Any, **more: Any) -> ReadConnection:
        carried = read(*arguments, **more)
        kept = tuple(
            exchange
            for exchange in carried.exchanges
            if not exchange.url.endswith("/image/eager.png")
        )
        return replace(carried, exchanges=kept)

    monkeypatch.setattr(wire_reader, "read", losing)
    with Site() as site:
        recording = record(tmp_path, site.url("/"))
        lost = site.url("/image/eager.png")
        assert "/image/eager.png" in site.paths()

    (missed,) = [
        value
        for value in network_of(recording)["cross_check"]["differences"]
        if value["kind"] == "not-carried"
    ]
    assert (missed["url"], missed["method"], missed["told_status"]) == (lost, "GET", 200)
    assert (
        "answers that the browser received but the network data do not contain: 1"
        in recording.missing_parts
    )
    (told,) = [
        record for record in items(recording) if record.fields.get("WARC-Target-URI") == lost
    ]
    assert told.kind == "metadata"
    assert b"the recorded network data do not contain this request" in told.block


def test_every_request_that_the_server_saw_is_in_the_record_and_no_other(visit: Visit) -> None:
    seen = Counter((request.method, request.url) for request in visit.torture.requests)
    recorded = Counter(
        (verb(record), record.fields["WARC-Target-URI"])
        for record in visit.items
        if record.kind == "request"
    )

    assert recorded == seen
    assert visit.recording.counts.total == len(visit.torture.requests)


def test_every_answer_is_in_the_record_octet_for_octet(visit: Visit) -> None:
    sent = Counter(
        (request.url, request.status, bytes(request.sent))
        for request in visit.torture.requests
        if request.status and not request.path.startswith("/ws")  # whose frames are not its body
    )
    recorded = Counter(
        (record.fields["WARC-Target-URI"], int(record.status_line.split(" ")[1]), record.body)
        for record in visit.items
        if record.kind == "response" and "/ws" not in record.fields["WARC-Target-URI"]
    )

    assert recorded == sent


def test_every_request_body_is_in_the_record_octet_for_octet(visit: Visit) -> None:
    sent = Counter(
        (request.url, request.body)
        for request in visit.torture.requests
        if not request.path.startswith("/ws")
    )
    recorded = Counter(
        (record.fields["WARC-Target-URI"], record.body)
        for record in visit.items
        if record.kind == "request" and "/ws" not in record.fields["WARC-Target-URI"]
    )

    assert recorded == sent


def test_what_is_cut_off_says_so_and_nothing_else_is_missing(visit: Visit) -> None:
    cut = {
        record.fields["WARC-Target-URI"].rpartition("/")[2]: record.fields["WARC-Truncated"]
        for record in visit.items
        if record.kind == "response" and "WARC-Truncated" in record.fields
    }

    assert cut.pop("truncated") == "disconnect"
    assert cut.pop("slow") == "disconnect"
    whole = {request.path.strip("/") for request in visit.torture.requests if request.finished}
    assert not [name for name in cut if name in whole and name not in ("film.wav", "tone.wav")]
    assert [part for part in visit.recording.missing_parts if "cut off" not in part] == []


def test_what_the_browser_told_is_counted_against_the_wire_and_each_difference_named(
    visit: Visit,
) -> None:
    check = visit.network()["cross_check"]
    by_kind: dict[str, list[str]] = {}
    for difference in check["differences"]:
        by_kind.setdefault(difference["kind"], []).append(difference["url"].rpartition("/")[2])

    assert check["carried"] == len(visit.torture.requests)
    assert len(check["differences"]) == check["difference_count"]
    assert check["carried"] - check["paired"] == len(by_kind.pop("not-told"))
    assert by_kind.pop("status") == ["etag"]  # 200, as the browser goes on from a 304
    of_workers = by_kind.pop("answer-not-told", [])
    assert not [name for name in of_workers if name.startswith(("gzip", "large", "style"))]
    assert by_kind == {}
    assert {"from-shared-worker"} <= {
        difference["url"].rpartition("/")[2]
        for difference in check["differences"]
        if difference["kind"] == "not-told"
    }
    # What only the browser told of never left it, or was told to have failed.
    assert check["told"] - check["paired"] <= visit.recording.counts.failed


@pytest.mark.parametrize("visit", [mode for mode in MODES if mode != "h2"], indirect=True)
def test_heads_over_http_1_are_as_they_were_sent(visit: Visit) -> None:
    wire = b"".join(
        data for connection in visit.torture.connections for _, data in connection.pieces
    )

    heads = [record.block.partition(b"\r\n\r\n")[0] for record in visit.items if record.status_line]

    assert len(heads) > 100
    assert not [head for head in heads if head + b"\r\n\r\n" not in wire]


@pytest.mark.parametrize("visit", ["h2"], indirect=True)
def test_headers_over_http_2_are_as_they_were_sent(visit: Visit) -> None:
    for seen in visit.torture.requests:
        alike = [
            record
            for record in visit.items
            if record.kind == "response" and record.fields["WARC-Target-URI"] == seen.url
        ]
        fields = "".join(f"{name.lower()}: {value}\r\n" for name, value in seen.sent_headers)
        expected = f"HTTP/1.1 {seen.status} \r\n{fields}\r\n".encode()
        assert not seen.status or any(record.block.startswith(expected) for record in alike)


def test_protocols_and_informational_answers_are_told(visit: Visit) -> None:
    h2 = visit.torture.mode == "h2"
    archive = gzip.decompress(visit.recording.artifacts[0].file.read_bytes())

    assert (b"WARC-Protocol: h2\r\n" in archive) is h2
    assert (b"WARC-Protocol: http/1.1\r\n" in archive) is not h2
    assert (b"WARC-Protocol: tls/1.3\r\n" in archive) is (visit.torture.mode != "http")
    protocols = {
        connection["tls"]["alpn"] if connection["tls"] else ""
        for connection in visit.connections()
        if connection["exchanges"]
    }
    assert protocols == {{"http": "", "https": "http/1.1", "h2": "h2"}[visit.torture.mode]}
    (early,) = [record for record in visit.items if record.block.startswith(b"HTTP/1.1 103 ")]
    assert early.kind == "metadata"
    assert b"link: </style.css>" in early.block.lower()


def test_frames_of_websockets_are_in_the_record(visit: Visit) -> None:
    found = [
        record for record in visit.items if record.fields.get("Content-Type", "").endswith("frames")
    ]

    assert len(found) == 2
    for own_record in found:
        lines = [json.loads(line) for line in own_record.body.splitlines()]
        for who in ("client", "server"):
            first = next(line for line in lines if line["from"] == who)
            text = first.get("message", first).get("text") or ""
            assert ("hello " * 30).startswith(text)
            assert [line["opcode"] for line in lines if line["from"] == who][-1] == 8


def test_circumstances_stand_beside_what_came_from_the_wire(visit: Visit) -> None:
    kinds = {
        record.fields["WARC-Target-URI"].rpartition("/")[2]: record.fields["WARC-Resource-Type"]
        for record in visit.items
        if record.kind == "request"
    }

    assert kinds["style.css"] == "stylesheet"
    assert kinds["font.woff2"] == "font"
    assert kinds["gate.png"] == "image"
    assert kinds["xhr"] == "xhr"
    assert kinds["ws"] == "websocket"
    assert kinds["from-shared-worker"] == "other"  # the browser does not tell of it


def test_connections_are_listed_and_servers_have_signed(visit: Visit) -> None:
    connections = visit.connections()

    assert sum(connection["exchanges"] for connection in connections) == len(visit.torture.requests)
    assert not any(connection["unreadable"] for connection in connections)
    tls = [a.file for a in visit.recording.artifacts if a.path == "capture/tls.json"]
    if visit.torture.mode == "http":
        assert not tls
        return
    signatures = server_signature.parse(tls[0].read_bytes())
    assert all(server_signature.check(session) == "" for session in signatures.sessions)
    assert all(session.chain == visit.torture.chain_der for session in signatures.sessions)
    named = {session.connection for session in signatures.sessions}
    named |= {resumed.connection for session in signatures.sessions for resumed in session.resumed}
    assert named == {connection["number"] for connection in connections if connection["tls"]}
    assert visit.recording.response is not None
    assert visit.recording.response.tls is not None
    assert len(visit.recording.response.tls.chain) == len(visit.torture.chain_der)


@pytest.mark.parametrize("mode", MODES)
def test_no_secret_of_any_version_of_http_is_in_any_file(mode: Mode, tmp_path: Path) -> None:
    with Torture(mode, pending=False) as torture:

        async def act(page: Page, recorder: Recorder) -> None:
            cookies = [{"name": "s", "value": SECRET, "url": origin} for origin in torture.origins]
            await page.context.add_cookies(cookies)  # type: ignore[arg-type]
            await page.goto(torture.url, timeout=60_000)
            script = (
                "fetch('/xhr', {headers: {authorization: 'Bearer ' + '%s'}}).then(r => r.text())"
            )
            await page.evaluate(script % SECRET)

        recording = record(tmp_path, torture.url, act=act, spki=torture.spki)
        sent = [
            name.lower()
            for request in torture.requests
            for name, value in request.headers
            if SECRET in value
        ]

    assert sent.count("authorization") == 1
    assert sent.count("cookie") > 50
    websockets = [request for request in torture.requests if request.path.startswith("/ws")]
    assert all(SECRET in str(request.headers) for request in websockets)
    counts = {redaction.name: redaction.count for redaction in recording.redactions}
    assert counts == {"authorization": 1, "cookie": sent.count("cookie")}
    for file in tmp_path.rglob("*"):
        if file.is_file():
            data = file.read_bytes()
            assert SECRET.encode() not in data
            assert file.suffix != ".gz" or SECRET.encode() not in gzip.decompress(data)


def test_connections_that_can_not_be_decrypted_are_named_with_host_and_reason(
    tmp_path: Path,
) -> None:
    with Torture("https", pending=False) as torture:

        async def act(page: Page, recorder: Recorder) -> None:
            await page.goto(torture.url, timeout=60_000)
            (tmp_path / "keys.log").write_bytes(b"")  # as if the browser had written none

        recording = record(tmp_path, torture.url, act=act, spki=torture.spki)

    port = torture.origins[0].rpartition(":")[2]
    named = [
        missing_part
        for missing_part in recording.missing_parts
        if f"connections to 127.0.0.1:{port} (" in missing_part
    ]
    assert named
    assert "key log" in named[0]
    answers = "answers that the browser received but the network data do not contain: "
    (count,) = [
        missing_part.removeprefix(answers)
        for missing_part in recording.missing_parts
        if answers in missing_part
    ]
    assert int(count) > 50
    assert not recording.main_body_recorded
    assert recording.response is not None  # by the browser's word
    assert (recording.response.status, recording.response.tls) == (200, None)
    assert not [record for record in items(recording) if record.kind in ("request", "response")]
