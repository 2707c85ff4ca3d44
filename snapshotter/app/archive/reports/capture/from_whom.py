"""Return the fields about what the server sent."""

from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.app.archive.reports.capture.evidence import NETWORK, Evidence, instant
from snapshotter.app.archive.reports.capture.record_fields import (
    MAX_ROWS,
    RecordFields,
    as_kind,
    that_fit,
)
from snapshotter.formats.bundle import names
from snapshotter.model.capture_report import (
    Column,
    Field,
    Kind,
    Row,
    Source,
    Table,
    Value,
)
from snapshotter.translation import tr


def from_whom_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `from_whom`."""
    record = of.record
    for key, term, pointer, kind in (
        ("url", tr("Address of the document"), "/from_whom/url", Kind.ADDRESS),
        ("status", tr("Status"), "/from_whom/status", Kind.CODE),
        ("status_text", tr("Text of the status"), "/from_whom/status_text", Kind.TEXT),
        ("protocol", tr("Protocol"), "/from_whom/protocol", Kind.TEXT),
        ("remote_ip", tr("Address of the server"), "/from_whom/remote_ip", Kind.TEXT),
        ("remote_port", tr("Port of the server"), "/from_whom/remote_port", Kind.CODE),
        ("tls_protocol", tr("TLS version"), "/from_whom/tls/protocol", Kind.TEXT),
        ("tls_cipher", tr("TLS cipher"), "/from_whom/tls/cipher", Kind.TEXT),
        ("tls_group", tr("Key exchange"), "/from_whom/tls/key_exchange_group", Kind.TEXT),
        ("tls_signature", tr("Signature algorithm of the server"),
         "/from_whom/tls/signature_algorithm", Kind.TEXT),
        ("tls_transparency", tr("Certificate transparency"),
         "/from_whom/tls/certificate_transparency", Kind.TEXT),
    ):  # fmt: skip
        yield record.field(key, term, pointer, kind)
    signed = [
        finding.detail
        for finding in of.report.findings
        if finding.check.strip() == "server-signature"
    ]
    yield of.found("server_signature", tr("What the server signed"), tuple(signed),
                   names.SERVER_SIGNATURES, kind=Kind.LINES)  # fmt: skip
    yield record.table(
        "certificates", tr("Certificates, beginning with the certificate of the server"),
        "/from_whom/tls/chain",
        (
            (Column(key="sha256", term="SHA-256", kind=Kind.DIGEST), "sha256"),
            (Column(key="subject", term=tr("Subject")), "subject"),
            (Column(key="issuer", term=tr("Issuer"), under="subject"), "issuer"),
            (Column(key="serial", term=tr("Serial number"), under="subject"), "serial"),
            (Column(key="not_before", term=tr("Valid from"), kind=Kind.INSTANT), "not_before"),
            (Column(key="not_after", term=tr("Valid until"), kind=Kind.INSTANT, under="not_before"),
             "not_after"),
        ),
        empty=tr("The connection had no certificates, because it was not encrypted."),
    )  # fmt: skip
    headers = record.at("/from_whom/headers")
    pairs = [
        (number, pair)
        for number, pair in enumerate(headers if isinstance(headers, list) else ())
        if isinstance(pair, list) and len(pair) == 2
    ]
    yield Table(
        key="headers",
        term=tr("Headers of the answer"),
        columns=(Column(key="name", term=tr("Name")), Column(key="value", term=tr("Value"))),
        rows=that_fit(
            Row(
                values=(as_kind(pair[0], Kind.TEXT), as_kind(pair[1], Kind.TEXT)),
                basis=of.stated,
                source=Source(file=record.file, pointer=f"/from_whom/headers/{number}"),
            )
            for number, pair in pairs[:MAX_ROWS]
        ),
        total=len(pairs),
        source=Source(file=record.file, pointer="/from_whom/headers"),
        empty=tr("The record has no answer of the server."),
        note=tr("Values of secret headers were replaced before the files were written."),
    )
    network = RecordFields(root=of.network, basis=of.stated, file=NETWORK)
    yield network.table(
        "connections", tr("Connections and name resolution"), "/connections",
        (
            (Column(key="host", term=tr("Host")), "host"),
            (Column(key="port", term=tr("Port"), kind=Kind.CODE, under="host"), "port"),
            (Column(key="answers", term=tr("DNS answers"), kind=Kind.LINES), "answers"),
            (Column(key="asked_at", term=tr("Resolved"), kind=Kind.INSTANT, under="answers"),
             "asked_at"),
            (Column(key="address", term=tr("Connected to")), "address"),
            (Column(key="via", term=tr("Path"), under="address"), "via"),
            (Column(key="tls", term="TLS", under="address"), _tls),
            (Column(key="bytes_received", term=tr("Received"), kind=Kind.BYTES),
             "bytes_received"),
            (Column(key="problem", term=tr("Problem"), under="address"), _problem),
        ),
        empty=tr("The record has no connection."),
        note=tr("The resolver of the capturing machine gave the DNS answers."),
    )  # fmt: skip
    yield _requests(of)


def _tls(item: Mapping[str, Any]) -> Value:
    found = item.get("tls")
    if not isinstance(found, Mapping):
        return None
    return ", ".join(str(found.get(name, "")) for name in ("version", "cipher"))


def _problem(item: Mapping[str, Any]) -> Value:
    texts = (as_kind(item.get(name), Kind.TEXT) for name in ("refusal", "error"))
    return next((text for text in texts if text), None)


def _requests(of: Evidence) -> Table:
    rows = that_fit(
        Row(
            values=(instant(row.at), row.status, row.media_type, row.url, row.length),
            basis=of.stated,
            source=Source(file="indexes/index.cdx"),
        )
        for row in of.material.requests
        if not row.error
    )
    failed = sum(1 for row in of.material.requests if row.error)
    return Table(
        key="requests",
        term=tr("Requests that were answered"),
        columns=(
            Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
            Column(key="status", term=tr("Status"), kind=Kind.CODE),
            Column(key="media_type", term=tr("Type"), under="status"),
            Column(key="url", term=tr("Address"), kind=Kind.ADDRESS),
            Column(key="length", term=tr("Stored"), kind=Kind.BYTES),
        ),
        rows=rows,
        total=of.material.request_count - failed,
        source=Source(file="indexes/index.cdx"),
        empty=tr("No request was answered."),
    )
