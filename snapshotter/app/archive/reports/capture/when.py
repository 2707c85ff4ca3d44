"""Return the fields about the times of a capture, and how they are proven."""

from collections.abc import Iterator
from datetime import UTC, datetime

from snapshotter.app.archive.reports.capture.evidence import TRUST, Evidence, instant
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Kind,
    Row,
    Source,
    Table,
)
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr


def when_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `when`."""
    record, report = of.record, of.report
    for key, term in (
        ("started_at", tr("Capture began")),
        ("navigation_started_at", tr("Navigation began")),
        ("navigation_ended_at", tr("Navigation ended")),
        ("ended_at", tr("Capture ended")),
    ):
        yield record.field(key, term, f"/when/{key}", Kind.INSTANT)
    yield record.field("sealed_at", tr("Seal began"), "/sealed_at", Kind.INSTANT,
                       note=tr("The clock of the capturing machine gives these times.")
                       )  # fmt: skip
    yield record.field("timezone", tr("Time zone given to the page"), "/when/timezone")
    yield record.field("locale", tr("Language given to the page"), "/how/settings/locale")
    yield record.field("clock_source", tr("Source of the clock's state"), "/when/clock/source")
    yield record.field("clock_synchronised", tr("Clock was synchronised"),
                       "/when/clock/synchronised", Kind.FLAG)  # fmt: skip
    yield record.field("clock_offset_ms", tr("Offset of the clock"), "/when/clock/offset_ms",
                       Kind.MILLISECONDS)  # fmt: skip
    yield record.field("clock_max_error_ms", tr("Largest error of the clock"),
                       "/when/clock/max_error_ms", Kind.MILLISECONDS)  # fmt: skip
    yield record.field("clock_leap", tr("Leap second status"), "/when/clock/leap")
    yield record.field("http_date", tr("Date header of the server"), "/when/http_date",
                       note=tr("The server states this time. The header is no proof of time.")
                       )  # fmt: skip
    yield record.table(
        "clock_checks", tr("Other times that the server and the page stated"), "/when/clock_checks",
        (
            (Column(key="source", term=tr("Source")), "source"),
            (Column(key="name", term=tr("Name")), "name"),
            (Column(key="value", term=tr("Stated")), "value"),
            (Column(key="ours", term=tr("Clock of the capturing machine"), kind=Kind.INSTANT),
             "ours"),
            (Column(key="skew_ms", term=tr("Difference"), kind=Kind.MILLISECONDS), "skew_ms"),
            (Column(key="within_bound", term=tr("Within the limit of the policy"),
                    kind=Kind.FLAG), "within_bound"),
        ),
        empty=tr("No other time was recorded."),
    )  # fmt: skip
    yield _tokens(of)
    proven = report.proven_time if report.verdict is not Verdict.FAILED else None
    tokens = names.token(1, 1)
    yield of.found("proven_time", tr("Time by which the bundle existed"), instant(proven), tokens,
                   kind=Kind.INSTANT)  # fmt: skip
    yield of.found("authorities", tr("Timestamp authorities that confirm the time"),
                   report.authorities if proven is not None else None, TRUST,
                   kind=Kind.LINES)  # fmt: skip
    ended = parsed_instant(record.text("/when/ended_at"))
    delay = int((proven - ended).total_seconds() * 1000) if proven and ended else None
    yield of.found("token_delay_ms", tr("Time between the end of the capture and the proven time"),
                   delay, tokens, kind=Kind.MILLISECONDS, basis=of.stated,
                   note=tr("The end of the capture is a time of the capturing machine, in whole "
                           "seconds."))  # fmt: skip
    yield of.found("qualified", tr("Qualified under eIDAS"), None, TRUST,
                   note=tr("The software reads no list of qualified timestamp authorities. "
                           "Therefore this document does not state whether an authority is "
                           "qualified."))  # fmt: skip


def _tokens(of: Evidence) -> Table:
    columns = (
        Column(key="file", term=tr("File")),
        Column(key="authority", term=tr("Authority")),
        Column(key="time", term=tr("Time"), kind=Kind.INSTANT),
        Column(key="accuracy_ms", term=tr("Accuracy"), kind=Kind.MILLISECONDS),
        Column(key="policy_oid", term=tr("Policy"), under="authority"),
        Column(key="serial", term=tr("Serial number"), under="authority"),
        Column(key="signer", term=tr("Certificate of the signer"), under="authority"),
        Column(key="signature", term=tr("Over the signature")),
    )
    rows = []
    for read in of.tokens:
        is_good = read.slot is not None and of.checked is Basis.VERIFIED
        file = read.file if read.file.startswith("seal/") else f"{of.bundle_file}.{read.file}"
        rows.append(
            Row(
                values=(
                    file,
                    read.authority if is_good else tr("not by a trusted authority"),
                    instant(read.token.time),
                    read.token.accuracy_ms,
                    read.token.policy_oid,
                    str(read.token.serial),
                    read.token.signer_subject,
                    f"sig-{read.slot:02}" if read.slot is not None else None,
                ),
                basis=Basis.VERIFIED if is_good else Basis.UNVERIFIED,
                source=Source(file=file),
            )
        )
    return Table(
        key="tokens",
        term=tr("Timestamp tokens (RFC 3161)"),
        columns=columns,
        rows=tuple(rows),
        total=len(rows),
        source=Source(file="seal"),
        empty=tr("The bundle has no timestamp token."),
        note=tr(
            "A token proves that the signature, and with it the bundle, existed at this time. An "
            "authority that states no accuracy has an empty cell."
        ),
    )


def parsed_instant(text: str) -> datetime | None:
    """Return an instant of a record; None for a text that is none."""
    try:
        return canonical_json.parse_instant(text).astimezone(UTC) if text else None
    except EvidenceInvalid:
        return None
