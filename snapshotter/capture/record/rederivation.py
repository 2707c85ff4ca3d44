"""
Derive the network record again from the streams of a capture, and compare it with the bundle's.

Whoever can open the streams of a bundle (`encrypted_streams.py`) need not trust its network record.
Each connection is read again with the keys, as the recorder read it. The result is compared with
the WARC: every request and response, heads and bodies, WebSocket frames, and the handshakes of
`capture/tls.json`.

A record holds values of secret headers as commitments with salts of their own. So for such values
only position and length are compared; whoever has the salts can compare the values.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from snapshotter.capture.record.archive_writer import FRAMES_TYPE
from snapshotter.capture.record.encrypted_streams import RecordedStreams
from snapshotter.capture.record.http_heads import RecordedHead
from snapshotter.capture.record.read_budget import ReadBudget
from snapshotter.capture.record.scratch import BodyStore, StoredBody
from snapshotter.capture.record.tls_facts import mismatched_finished_sides
from snapshotter.capture.record.wire_reader import TRAILERS, ReadConnection, WireExchange, read
from snapshotter.capture.redaction.redactor import Redactor
from snapshotter.egress import tee
from snapshotter.formats.tls import server_signature
from snapshotter.formats.tls.handshake import Finished
from snapshotter.formats.tls.key_log import KeyLog
from snapshotter.ports import IdSource
from snapshotter.value_class import dataclass

_CPU_S: Final = (
    600.0  # the reader has time; what a capture had no time for is listed as missing there
)
_CHUNK: Final = 1 << 16
_NAMED: Final = 200  # differences that are named; the rest are counted
_COMMITMENT: Final = re.compile(rb"redacted:sha256:[0-9a-f]{64}")
_OF_A_CONNECTION: Final = frozenset({"request", "response", "revisit", "resource"})
_ANSWER_TYPE: Final = "application/http; msgtype=response"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDifference:
    """One difference between the record and the streams."""

    place: str  # as Snapshotter-Connection: "3/0", or "3" of a whole connection
    url: str
    what: str  # one sentence without a full stop


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordComparison:
    """The result of a comparison of a record with its streams."""

    connections: int  # with streams
    exchanges: int  # in the streams
    records: int  # of the WARC that were compared
    handshakes: int  # of capture/tls.json that were compared
    finished: int  # connections both of whose sides finished the handshake that they had
    differences: tuple[RecordDifference, ...]
    difference_count: int


def compare(
    streams: RecordedStreams,
    warc: Path,
    *,
    redact_headers: frozenset[str],
    signatures: server_signature.ServerSignatures | None,
    scratch: Path,
    ids: IdSource,
) -> RecordComparison:
    """
    Compare a network record with the streams that it has to be made of.

    Args:
        warc: `archive/data.warc.gz`.
        redact_headers: Lowercase names of the headers whose values are secret, by the policy.
        signatures: `capture/tls.json`; None if the bundle has none.
        scratch: A directory that is made here, and removed at the end.

    Raises:
        ValueError: The WARC cannot be read.
    """
    bodies = BodyStore(scratch)
    try:
        carried = _read(streams, Redactor(names=redact_headers, ids=ids), bodies)
        archive = _ArchiveComparison(carried)
        with warc.open("rb") as stream:
            differences = [*_unfinished(carried), *archive.differences(stream)]
        sessions = signatures.sessions if signatures is not None else ()
        for session in sessions:
            differences += _of_handshake(session, carried)
        return RecordComparison(
            connections=len(carried),
            exchanges=sum(len(connection.exchanges) for connection in carried.values()),
            records=archive.records,
            handshakes=len(sessions),
            finished=sum(_holds(connection) for connection in carried.values()),
            differences=tuple(differences[:_NAMED]),
            difference_count=len(differences),
        )
    except (ArchiveLoadFailed, zlib.error, EOFError) as error:
        raise ValueError(f"the WARC is invalid: {error}") from error
    finally:
        bodies.remove()


def _read(
    streams: RecordedStreams, redactor: Redactor, bodies: BodyStore
) -> dict[int, ReadConnection]:
    """Read every connection that carried anything, by its number."""
    keys, budget = KeyLog.parse(streams.key_log), ReadBudget(cpu_s=_CPU_S)
    carried = {}
    for connection in streams.connections:
        file = streams.tee_file(connection.number)
        if file is not None:
            carried[connection.number] = read(
                connection,
                tee.read(file),
                keys=keys,
                scratch=bodies,
                redactor=redactor,
                budget=budget,
            )
    return carried


class _ArchiveComparison:
    """Compares the records of a WARC, one by one, with the content of the connections."""

    def __init__(self, carried: dict[int, ReadConnection]) -> None:
        self._exchanges = {
            f"{number}/{exchange.stream}": exchange
            for number, connection in carried.items()
            for exchange in connection.exchanges
        }
        self._seen: Counter[tuple[str, str]] = Counter()  # by place and part
        self.records = 0

    def differences(self, stream: BinaryIO) -> Iterator[RecordDifference]:
        """Yield the differences, and then what the record lacks."""
        for record in ArchiveIterator(stream, no_record_parse=True):
            place = record.rec_headers.get_header("Snapshotter-Connection") or ""
            url = str(record.rec_headers.get_header("WARC-Target-URI"))
            if not place:
                if record.rec_type in _OF_A_CONNECTION:
                    what = f"a {record.rec_type} record does not state its connection"
                    yield RecordDifference(place="", url=url, what=what)
                continue  # the others speak about a record, or about what passed on no connection
            self.records += 1
            exchange = self._exchanges.get(place)
            if exchange is None:
                yield RecordDifference(
                    place=place, url=url, what="the streams do not contain this record"
                )
            else:
                if exchange.url != url:
                    what = (
                        f"the address of this request in the streams is different: {exchange.url}"
                    )
                    yield RecordDifference(place=place, url=url, what=what)
                for what in self._compared(record, place, exchange):
                    yield RecordDifference(place=place, url=url, what=what)
        for place, recorded in self._exchanges.items():
            for part, count in (
                ("request", 1),
                ("response", int(recorded.response is not None)),
                ("frames", int(recorded.frames is not None)),
                ("interim", len(recorded.interim)),
            ):
                if (seen := self._seen[place, part]) != count:
                    what = f"{part} records: {seen} in the network record, {count} in the streams"
                    yield RecordDifference(place=place, url=recorded.url, what=what)

    def _compared(self, record: Any, place: str, exchange: WireExchange) -> Iterator[str]:
        """Yield how one record differs from the streams."""
        kind, media_type = record.rec_type, record.rec_headers.get_header("Content-Type")
        if kind == "metadata" and media_type == FRAMES_TYPE:
            kind = "frames"
        elif kind == "metadata" and media_type == _ANSWER_TYPE:
            kind = "interim"
        number = self._seen[place, kind]
        self._seen[place, kind] += 1
        block: BinaryIO = record.raw_stream
        if kind == "request":
            yield from _head(block, exchange.request, kind)
            yield from _body(block, exchange.sent, kind, tail=_tail(exchange))
        elif kind == "response" and exchange.response is not None:
            yield from _head(block, exchange.response, kind)
            yield from _body(block, exchange.received, kind, tail=_tail(exchange))
        elif kind == "frames" and exchange.frames is not None:
            yield from _body(block, exchange.frames, kind, tail=0)
        elif kind == "interim" and number < len(exchange.interim):
            yield from _head(block, exchange.interim[number], "informational answer")
        # Surplus parts are reported when all of the record was read.


def _head(block: BinaryIO, head: RecordedHead, kind: str) -> Iterator[str]:
    there = _exactly(block, len(head.data))
    if _masked(there) != _masked(head.data):
        yield f"the head of the {kind} in the network record differs from the head in the streams"


def _body(block: BinaryIO, body: StoredBody, kind: str, *, tail: int) -> Iterator[str]:
    """
    Compare the rest of a block with a body.

    Args:
        tail: So many bytes at the end may hold commitments in place of secrets.
    """
    exact = max(0, body.length - tail)
    with body.open() as made:
        while exact:
            chunk = made.read(min(exact, _CHUNK))
            exact -= len(chunk)
            if _exactly(block, len(chunk)) != chunk:
                yield (
                    f"the body of the {kind} in the network record differs from the body in the "
                    "streams"
                )
                return
        rest = made.read()
    there = _exactly(block, len(rest) + 1)
    if _masked(there) != _masked(rest):
        yield f"the body of the {kind} in the network record differs from the body in the streams"


def _tail(exchange: WireExchange) -> int:
    return TRAILERS if any(head.secrets for _, head in exchange.trailers) else 0


def _masked(data: bytes) -> bytes:
    return _COMMITMENT.sub(b"redacted", data)


def _exactly(stream: BinaryIO, count: int) -> bytes:
    """Return the next bytes, up to `count`; a stream may give few at a time."""
    parts = []
    while count and (chunk := stream.read(count)):
        parts.append(chunk)
        count -= len(chunk)
    return b"".join(parts)


def _holds(carried: ReadConnection) -> bool:
    handshake = carried.handshake
    return (
        handshake is not None
        and handshake.client_finished is handshake.server_finished is Finished.HOLDS
    )


def _unfinished(carried: dict[int, ReadConnection]) -> Iterator[RecordDifference]:
    """Yield the handshakes whose Finished does not match the streams."""
    for number, connection in carried.items():
        for side in mismatched_finished_sides(connection.handshake):
            yield RecordDifference(
                place=str(number),
                url="",
                what=f"the Finished message of the {side.value} does not match the handshake in "
                "the streams",
            )


def _of_handshake(
    session: server_signature.SignedSession, carried: dict[int, ReadConnection]
) -> Iterator[RecordDifference]:
    """Compare what a server signed, as `capture/tls.json` has it, with the streams."""
    connection = carried.get(session.connection)
    said = (
        connection.handshake.messages
        if connection is not None and connection.handshake is not None
        else ()
    )
    if said != session.messages:
        yield RecordDifference(
            place=str(session.connection),
            url="",
            what="the handshake in capture/tls.json differs from the handshake in the streams",
        )
