"""
Derive an HTTP archive (HAR 1.2) from the network record of a bundle, for tools that read HAR.

The archive repeats what the record states (docs/spec/network-record.md) and nothing else, so a
value that the record masks stays masked. Bodies are not repeated: each entry names the digest of
its body in the record. Requests that got no answer, or were not sent, have the status 0 and an
`_error`. The archive is for reading, and nothing in it was verified.
"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any, BinaryIO, Final
from urllib.parse import parse_qsl, urlsplit

import snapshotter
from snapshotter.app.archive import bundles
from snapshotter.app.archive.network_record import WARC
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import container
from snapshotter.formats.digest import CHUNK
from snapshotter.translation import tr
from snapshotter.verify import capture_record

_MAX_RECORDS: Final = 200_000
_PAGE: Final = "page"
_FIELDS: Final = "application/warc-fields"
_MAX_FIELDS: Final = 1 << 20  # bytes of a metadata record
_MASKED: Final = tr("values that begin with redacted: were masked when the page was captured")


def make_http_archive(bundle_id: str, stream: BinaryIO) -> bytes:
    """
    Return the archive of a bundle as JSON.

    Args:
        stream: The bundle, seekable; left open.

    Raises:
        EvidenceInvalid: Not a bundle, or its network record cannot be read.
    """
    record = bundles.read_record(stream)
    members = {member.name: member for member in container.read_directory(stream)}
    if WARC not in members:
        raise EvidenceInvalid(tr("the bundle has no {name}", name=WARC))
    started = capture_record.text(record, "when", "started_at")
    with bundles.open_member(stream, members[WARC]) as warc:
        entries = sorted(_entries(warc), key=lambda entry: str(entry["startedDateTime"]))
    made = {
        "log": {
            "version": "1.2",
            "creator": {"name": "snapshotter", "version": snapshotter.__version__},
            "pages": [
                {
                    "id": _PAGE,
                    "pageTimings": {"onContentLoad": -1, "onLoad": -1},
                    "startedDateTime": started,
                    "title": capture_record.text(record, "what", "title"),
                }
            ],
            "entries": entries,
            "comment": tr(
                "derived from the bundle {bundle_id}. The evidence is the bundle. Bodies are in "
                "{name} of the bundle; {masked}",
                bundle_id=bundle_id,
                name=WARC,
                masked=_MASKED,
            ),
        }
    }
    return json.dumps(made, indent=1, ensure_ascii=True).encode() + b"\n"


def _entries(warc: BinaryIO) -> Iterator[dict[str, Any]]:
    """Yield an entry for each exchange of a network record, in no certain order."""
    from warcio.archiveiterator import ArchiveIterator
    from warcio.exceptions import ArchiveLoadFailed

    found: dict[str, dict[str, Any]] = {}  # by the id of the response, or of the lone request
    try:
        for number, record in enumerate(ArchiveIterator(warc)):
            if number >= _MAX_RECORDS:
                raise EvidenceInvalid(tr("the network record has too many records"))
            headers = record.rec_headers
            name, other = (
                headers.get_header("WARC-Record-ID"),
                headers.get_header("WARC-Concurrent-To"),
            )
            kind = record.rec_type
            if kind == "response" and record.http_headers is not None:
                entry = found[name] = _entry(headers)
                entry["response"] = _response(record)
            elif kind == "request" and record.http_headers is not None:
                entry = found.get(other) or found.setdefault(name, _entry(headers))
                entry["request"] = _request(record)
            elif kind == "metadata" and headers.get_header("Content-Type") == _FIELDS:
                fields = dict(_fields(record.raw_stream.read(_MAX_FIELDS)))
                if other is None:
                    entry = found[name] = _entry(headers)
                    entry["request"]["method"] = fields.get("method", "")
                    entry["_resourceType"] = fields.get("resourceType", "")
                elif other not in found or found[other]["response"]["status"]:
                    continue  # more about an answer
                found[other or name]["_error"] = " ".join(
                    fields[key]
                    for key in ("outcome", "error", "cause", "blockedReason", "status")
                    if fields.get(key)
                )
    except (ArchiveLoadFailed, ValueError, KeyError, EOFError, OSError) as error:
        raise EvidenceInvalid(tr("the network record cannot be read: {error}", error=error)) from (
            error
        )
    yield from found.values()


def _entry(headers: Any) -> dict[str, Any]:
    """Return an entry without request and answer."""
    url = headers.get_header("WARC-Target-URI") or ""
    times = [_instant(text) for text in (headers.get_header("Snapshotter-Times") or "").split()]
    begin, head, end = (*times, None, None, None)[:3]
    wait, receive = _milliseconds(begin, head), _milliseconds(head, end)
    entry: dict[str, Any] = {
        "pageref": _PAGE,
        "startedDateTime": headers.get_header("WARC-Date") or "",
        "time": round(wait + receive, 3),
        "request": {
            "method": "",
            "url": url,
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "queryString": _query(url),
            "headersSize": -1,
            "bodySize": -1,
        },
        "response": {
            "status": 0,
            "statusText": "",
            "httpVersion": "",
            "cookies": [],
            "headers": [],
            "content": {"size": 0, "mimeType": ""},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": -1,
        },
        "cache": {},
        "timings": {
            "blocked": -1,
            "dns": -1,
            "connect": -1,
            "send": 0,
            "wait": wait,
            "receive": receive,
            "ssl": -1,
        },
        "_resourceType": headers.get_header("WARC-Resource-Type") or "",
    }
    for key, field in (
        ("serverIPAddress", "WARC-IP-Address"),
        ("connection", "Snapshotter-Connection"),
        ("_initiator", "Snapshotter-Initiator"),
        ("_truncated", "WARC-Truncated"),
        ("_body", "Snapshotter-Body"),
    ):
        if headers.get_header(field):
            entry[key] = headers.get_header(field)
    return entry


def _request(record: Any) -> dict[str, Any]:
    url, head = record.rec_headers.get_header("WARC-Target-URI") or "", record.http_headers
    method = head.protocol if head.protocol else ""
    size = _length(record.raw_stream)
    return {
        "method": method,
        "url": url,
        "httpVersion": _version(record.rec_headers),
        "cookies": [],  # the headers have them, masked
        "headers": _headers(head),
        "queryString": _query(url),
        "headersSize": _head_size(record, size),
        "bodySize": size,
    }


def _response(record: Any) -> dict[str, Any]:
    head = record.http_headers
    code, _, phrase = head.statusline.partition(" ")
    size = _length(record.raw_stream)
    coded = head.get_header("Content-Encoding") or head.get_header("Transfer-Encoding")
    return {
        "status": int(code) if code.isascii() and code.isdecimal() else 0,
        "statusText": phrase,
        "httpVersion": _version(record.rec_headers),
        "cookies": [],
        "headers": _headers(head),
        "content": {
            "size": -1 if coded else size,
            "mimeType": head.get_header("Content-Type") or "",
            "comment": tr(
                "digest of the body in the network record: {digest}",
                digest=record.rec_headers.get_header("WARC-Payload-Digest") or "",
            ),
        },
        "redirectURL": head.get_header("Location") or "",
        "headersSize": _head_size(record, size),
        "bodySize": size,
    }


def _headers(head: Any) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in head.headers]


def _version(headers: Any) -> str:
    """Return the version of HTTP that was spoken, as browsers write it."""
    spoken = next((value for name, value in headers.headers if name == "WARC-Protocol"), "")
    return spoken.upper() if spoken.startswith("http/1") else spoken


def _query(url: str) -> list[dict[str, str]]:
    try:
        pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    except ValueError:
        return []
    return [{"name": name, "value": value} for name, value in pairs]


def _fields(block: bytes) -> Iterator[tuple[str, str]]:
    for line in block.decode("utf-8", "replace").splitlines():
        name, colon, value = line.partition(": ")
        if colon:
            yield name, value


def _length(stream: Any) -> int:
    length = 0
    while chunk := stream.read(CHUNK):
        length += len(chunk)
    return length


def _head_size(record: Any, body: int) -> int:
    block = int(record.rec_headers.get_header("Content-Length") or 0)
    return block - body if block >= body else -1


def _instant(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None  # "-": it did not happen


def _milliseconds(begin: datetime | None, end: datetime | None) -> float:
    if begin is None or end is None or end < begin:
        return 0
    return round((end - begin).total_seconds() * 1000, 3)
