"""The HTTP archive of a bundle has the form of HAR 1.2, and masks what the record masks."""

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from snapshotter.app.archive.exports.http_archive import make_http_archive
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import warc
from tests import bundles
from tests.bundles import RealClock

AT = datetime(2026, 11, 24, 16, 39, 49, 29_729, tzinfo=UTC)
TIMES = "2026-11-24T16:39:49.029729Z 2026-11-24T16:39:49.061022Z 2026-11-24T16:39:49.061310Z"
MASKED = f"redacted:sha256:{'9e' * 32}"

# HAR 1.2, http://www.softwareishard.com/blog/har-12-spec/: the fields of each object. A field with
# "?" may be missing; a list has one element that describes all.
NAMED = {"name": str, "value": str, "comment?": str}
ENTRY = {
    "pageref?": str,
    "startedDateTime": str,
    "time": float,
    "request": {
        "method": str, "url": str, "httpVersion": str, "cookies": [NAMED], "headers": [NAMED],
        "queryString": [NAMED], "headersSize": int, "bodySize": int, "comment?": str,
    },
    "response": {
        "status": int, "statusText": str, "httpVersion": str, "cookies": [NAMED],
        "headers": [NAMED],
        "content": {"size": int, "mimeType": str, "comment?": str},
        "redirectURL": str, "headersSize": int, "bodySize": int, "comment?": str,
    },
    "cache": {},
    "timings": {
        "blocked?": float, "dns?": float, "connect?": float, "send": float, "wait": float,
        "receive": float, "ssl?": float, "comment?": str,
    },
    "serverIPAddress?": str, "connection?": str, "comment?": str,
}  # fmt: skip
HAR = {
    "log": {
        "version": str,
        "creator": {"name": str, "version": str, "comment?": str},
        "pages?": [
            {
                "startedDateTime": str, "id": str, "title": str,
                "pageTimings": {"onContentLoad?": float, "onLoad?": float, "comment?": str},
            }
        ],
        "entries": [ENTRY],
        "comment?": str,
    }
}  # fmt: skip


def check(value: Any, form: Any, place: str = "") -> None:
    """Fail if a value does not have a form; names with "_" are free (HAR 1.2, custom fields)."""
    if isinstance(form, dict):
        assert isinstance(value, dict), place
        fields = {name.rstrip("?"): of for name, of in form.items()}
        needed = {name for name in form if not name.endswith("?")}
        assert needed <= set(value), (place, needed - set(value))
        for name, inner in value.items():
            assert name in fields or name.startswith("_"), f"{place}.{name}"
            if name in fields:
                check(inner, fields[name], f"{place}.{name}")
    elif isinstance(form, list):
        assert isinstance(value, list), place
        for number, inner in enumerate(value):
            check(inner, form[0], f"{place}[{number}]")
    else:
        kinds = (int, float) if form is float else (form,)
        assert isinstance(value, kinds), place
        assert not isinstance(value, bool), place


def network_record() -> bytes:
    sink = io.BytesIO()
    writer = warc.Writer(sink)

    def add(kind: str, number: int, head: bytes, body: bytes, *more: tuple[str, str]) -> None:
        url = "https://example.org/a?x=1&y=" if number < 4 else "https://ads.example/"
        writer.write_block(
            warc.Record(
                kind=kind, id=warc.record_id(bytes([number]) * 16), url=url,
                at=AT + timedelta(seconds=number), head=head,
                fields=(("WARC-IP-Address", "203.0.113.7"), ("WARC-Protocol", "h2"),
                        ("WARC-Protocol", "tls/1.3"), *more),
                content_type="application/warc-fields" if kind == "metadata" else "",
            ),
            body,
        )  # fmt: skip

    def other(number: int) -> tuple[str, str]:
        return ("WARC-Concurrent-To", f"<{warc.record_id(bytes([number]) * 16)}>")

    add(
        "response", 1,
        f"HTTP/1.1 302 Found\r\nLocation: /b\r\nSet-Cookie: {MASKED}\r\n\r\n".encode(), b"moved",
        ("Snapshotter-Times", TIMES),
    )  # fmt: skip
    add("request", 2, f"GET /a HTTP/1.1\r\nCookie: {MASKED}\r\n\r\n".encode(), b"", other(1))
    add("metadata", 5, b"", b"outcome: answered\r\n", other(1))
    add(
        "request",
        3,
        b"POST /a HTTP/1.1\r\n\r\n",
        b"body",
        ("Snapshotter-Times", f"{TIMES[:27]} - -"),
    )
    add("metadata", 6, b"", b"outcome: failed\r\nerror: net::ERR_ABORTED\r\n", other(3))
    add("metadata", 4, b"", b"outcome: blocked\r\nmethod: GET\r\nblockedReason: inspector\r\n")
    return sink.getvalue()


def sealed(tmp_path: Path, record: bytes) -> Path:
    contents = {**bundles.CONTENTS, "archive/data.warc.gz": record}
    return bundles.seal(
        tmp_path, signer=bundles.new_signer(), clock=RealClock(), contents=contents
    ).file


def test_an_http_archive_has_the_form_of_har(tmp_path: Path) -> None:
    with sealed(tmp_path, network_record()).open("rb") as stream:
        made = make_http_archive("ID", stream)

    har = json.loads(made)
    check(har, HAR)
    answered, unanswered, unsent = har["log"]["entries"]
    assert answered["request"]["method"] == "GET"
    assert answered["request"]["headers"] == [{"name": "Cookie", "value": MASKED}]
    assert answered["request"]["queryString"] == [
        {"name": "x", "value": "1"}, {"name": "y", "value": ""},
    ]  # fmt: skip
    assert answered["request"]["cookies"] == answered["response"]["cookies"] == []
    assert (answered["response"]["status"], answered["response"]["redirectURL"]) == (302, "/b")
    assert answered["response"]["content"]["size"] == answered["response"]["bodySize"] == 5
    assert (answered["response"]["httpVersion"], answered["serverIPAddress"]) == (
        "h2", "203.0.113.7",
    )  # fmt: skip
    assert (answered["timings"]["wait"], answered["timings"]["receive"]) == (31.293, 0.288)
    assert answered["time"] == 31.581
    assert "_error" not in answered
    assert (unanswered["request"]["method"], unanswered["request"]["bodySize"]) == ("POST", 4)
    assert (unanswered["response"]["status"], unanswered["_error"]) == (
        0, "failed net::ERR_ABORTED",
    )  # fmt: skip
    assert (unsent["request"]["url"], unsent["_error"]) == (
        "https://ads.example/", "blocked inspector",
    )  # fmt: skip


def test_a_network_record_that_is_none_is_named(tmp_path: Path) -> None:
    with (
        sealed(tmp_path, b"not a record").open("rb") as stream,
        pytest.raises(EvidenceInvalid, match="the network record cannot be read"),
    ):
        make_http_archive("ID", stream)
