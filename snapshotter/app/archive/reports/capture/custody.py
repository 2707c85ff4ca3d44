"""Return the fields about the custody of a bundle, and about redactions."""

from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.app.archive.reports.capture.evidence import (
    VERIFICATION,
    Evidence,
    custody_positions,
    custody_source,
    instant,
)
from snapshotter.app.archive.reports.capture.record_fields import MAX_ROWS
from snapshotter.formats.bundle import names
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Kind,
    Row,
    Source,
    Table,
    Value,
)
from snapshotter.translation import tr

_FIRST = 50  # events of a long chain that are always shown


def custody_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `custody`."""
    columns = (
        Column(key="sequence", term=tr("Number"), kind=Kind.NUMBER),
        Column(key="at", term=tr("Time"), kind=Kind.INSTANT),
        Column(key="event", term=tr("Event")),
        Column(key="object", term=tr("Object"), kind=Kind.ADDRESS, under="event"),
        Column(key="outcome", term=tr("Result")),
        Column(key="detail", term=tr("Details"), under="event"),
        Column(key="by", term=tr("By")),
        Column(key="agent", term=tr("Software"), under="by"),
    )
    positions = list(custody_positions(of))
    shown = positions
    if len(positions) > MAX_ROWS:  # how the bundle was made, and the newest hand-overs
        shown = [*positions[:_FIRST], *positions[_FIRST - MAX_ROWS :]]
    rows = tuple(
        Row(
            values=(
                link.sequence, instant(link.event.at), link.event.event, link.event.object,
                link.event.outcome, link.event.detail, link.event.by, link.event.agent,
            ),
            basis=of.stated if not link.number else Basis.UNVERIFIED,
            source=custody_source(of, link, position),
        )
        for position, link in shown
    )  # fmt: skip
    yield Table(
        key="events",
        term=tr("Events"),
        columns=columns,
        rows=rows,
        total=len(positions),
        source=Source(file=names.CUSTODY),
        empty=tr("No custody event could be read."),
        note=tr(
            "The bundle contains the events up to the seal, and the signature of the bundle covers "
            "these events. Later events are in files beside the bundle. Each event names the "
            "digest of the event before it."
        ),
    )
    yield of.found("problems", tr("Problems of the chain"), of.material.custody_problems,
                   names.CUSTODY, kind=Kind.LINES)  # fmt: skip


def redaction_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `redactions`."""
    withheld = of.report.withheld
    if withheld is not None:
        for key, term, names_of in (
            ("withheld_values", tr("Values that this copy withholds"), withheld.fields),
            ("withheld_files", tr("Files that this copy withholds"), withheld.files),
        ):
            yield of.found(key, term, names_of, VERIFICATION, kind=Kind.LINES)
    yield of.record.table(
        "values", tr("Values that were replaced before the files were written"), "/redactions",
        (
            (Column(key="place", term=tr("Place")), "place"),
            (Column(key="name", term=tr("Name")), "name"),
            (Column(key="count", term=tr("Number"), kind=Kind.NUMBER), "count"),
            (Column(key="reason", term=tr("Reason")), _reason),
            (Column(key="commitments", term=tr("Commitments"), kind=Kind.LINES), "commitments"),
        ),
        empty=tr("No value was replaced."),
        note=tr(
            "A commitment is the SHA-256 of the value and a secret salt. The holder of the salt "
            "can show later which value was replaced."
        ),
    )  # fmt: skip
    for key, term in (
        ("redact_headers", tr("Headers that the policy replaces")),
        ("redact_url_params", tr("Parameters of addresses that the policy replaces")),
        ("redact_viewer_fields", tr("Fields about the viewer that the policy replaces")),
        ("strip_params", tr("Parameters that the policy removes from the requested address")),
    ):
        yield of.record.field(key, term, f"/how/settings/{key}", Kind.LINES)
    yield of.record.field("redact_identity",
                          tr("Setting for files that contain a name of the capturing person"),
                          "/how/settings/redact_identity")  # fmt: skip


def _reason(item: Mapping[str, Any]) -> Value:
    place = item.get("place")
    reasons = {
        "request-header": tr("a secret of the browser"),
        "response-header": tr("a secret of the browser"),
        "url-parameter": tr("named by the policy"),
        "requested-url": tr("named by the policy"),
        "viewer-field": tr("identifies the viewer"),
        "own-name": tr("identifies the capturing person"),
    }
    return reasons.get(place) if isinstance(place, str) else None
