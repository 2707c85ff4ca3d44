"""A way out that has carried what a test says: real TLS in real tee files, and no network."""

import ssl
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from typing_extensions import override

from snapshotter.capture.browser.capture_network import CaptureNetwork
from snapshotter.egress.guard import EgressGuard
from snapshotter.egress.rules import EgressRules
from snapshotter.egress.tee import TeeWriter
from snapshotter.formats.http.events import Direction
from snapshotter.model.network import Connection
from tests import tls
from tests.fakes.world import START, FixedClock

C, S = Direction.CLIENT, Direction.SERVER
GET = b"GET /page HTTP/1.1\r\nHost: shop.example.test\r\nCookie: id=c4n4ry\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello"


def connection(**more: Any) -> Connection:
    """Return a connection that was made and ended; `more` are other values of its fields."""
    values: dict[str, Any] = {
        "number": 1,
        "purpose": "page",
        "kind": "tunnel",
        "host": tls.HOST,
        "port": 443,
        "answers": ("192.0.2.1",),
        "address": "192.0.2.1",
        "via": "direct",
        "server_name": "",
        "asked_at": START,
        "connected_at": START,
        "ended_at": START + timedelta(seconds=9),
        "bytes_sent": 1,
        "bytes_received": 1,
        "refusal": "",
        "error": "",
        "ended_by": "server",
    } | more
    return Connection(**values)


class _Guard(EgressGuard):
    """A guard that has done its work."""

    def __init__(self, tee: Path) -> None:
        super().__init__(EgressRules(total_bytes=1 << 20), clock=FixedClock(), tee=tee)
        self._files = tee
        self.carried: list[Connection] = []

    @override
    def connections(self) -> tuple[Connection, ...]:
        return tuple(self.carried)

    @override
    def tee_file(self, number: int) -> Path | None:
        return self._files / f"{number:05}.tee"


class Carried:
    """The network of a capture that is over, in `spool` as a capture leaves it."""

    def __init__(self, spool: Path) -> None:
        self.tee = spool / ".egress"
        self.tee.mkdir()
        self.guard = _Guard(self.tee)
        self.key_log = spool / "keys.log"
        self.key_log.touch()
        self.wire = CaptureNetwork(
            guard=self.guard, path="direct", key_log=self.key_log, tee_dir=self.tee
        )

    def add(self, chunks: Sequence[tls.Chunk], keys: bytes = b"", **more: Any) -> Connection:
        """Add a connection that carried these chunks, a millisecond apart."""
        added = connection(number=len(self.guard.carried) + 1)
        added = replace(added, **more)
        writer = TeeWriter(self.tee / f"{added.number:05}.tee")
        begin = round(START.timestamp() * 1_000_000)
        for at, (direction, data) in enumerate(chunks):
            writer.write(direction, begin + 1000 * at, data)
        writer.close()
        with self.key_log.open("ab") as log:
            log.write(keys)
        self.guard.carried.append(added)
        return added


def https(
    authority: tls.Authority,
    folder: Path,
    talk: Sequence[tls.Chunk] = ((C, GET), (S, OK)),
    *,
    version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
) -> tls.Recording:
    """Return a recorded connection over which HTTP/1.1 was spoken."""
    server = tls.server_context(authority.server(), version=version)
    server.set_alpn_protocols(["http/1.1"])
    folder.mkdir(parents=True, exist_ok=True)
    return tls.recorded(
        server, tls.client_context(authority.root_pem, folder / "keys.log"), talk=talk
    )


Change = Callable[[bytes], bytes]


def changed(recording: tls.Recording, number: int, change: Change) -> list[tls.Chunk]:
    """Return a recording's chunks, one of them changed."""
    chunks = list(recording.chunks)
    direction, data = chunks[number]
    chunks[number] = (direction, change(data))
    return chunks


def other_session_id(hello: bytes) -> bytes:
    """Change the session id in a record with a ClientHello: nothing that is read depends on it."""
    at = 5 + 4 + 2 + 32 + 1
    assert hello[at - 1] >= 1
    return hello[:at] + bytes([hello[at] ^ 1]) + hello[at + 1 :]
