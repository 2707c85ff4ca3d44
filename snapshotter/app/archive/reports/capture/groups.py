"""Put the fields and tables of a report about a capture together (docs/spec/report.md)."""

from dataclasses import replace

from snapshotter.app.archive.reports.capture.content import content_items
from snapshotter.app.archive.reports.capture.custody import custody_items, redaction_items
from snapshotter.app.archive.reports.capture.evidence import Evidence
from snapshotter.app.archive.reports.capture.from_whom import from_whom_items
from snapshotter.app.archive.reports.capture.how import how_items
from snapshotter.app.archive.reports.capture.integrity import integrity_items
from snapshotter.app.archive.reports.capture.what import what_items
from snapshotter.app.archive.reports.capture.when import when_items
from snapshotter.app.archive.reports.capture.who import who_items
from snapshotter.model.capture_report import (
    Field,
    Group,
    Kind,
    Presence,
    Table,
)
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr


def groups(of: Evidence, local: LocalTime) -> tuple[Group, ...]:
    """Return all fields and tables of the report."""
    made = (
        Group(key="what", term=tr("What was captured"), items=tuple(what_items(of))),
        Group(key="when", term=tr("When"), items=tuple(when_items(of))),
        Group(
            key="who", term=tr("Who made the capture, and from where"), items=tuple(who_items(of))
        ),
        Group(key="how", term=tr("How the page was captured"), items=tuple(how_items(of))),
        Group(key="from_whom", term=tr("What the server sent"), items=tuple(from_whom_items(of))),
        Group(key="content", term=tr("What the capture contains"), items=tuple(content_items(of))),
        Group(key="integrity", term=tr("Integrity"), items=tuple(integrity_items(of))),
        Group(key="custody", term=tr("Custody"), items=tuple(custody_items(of))),
        Group(key="redactions", term=tr("Redactions"), items=tuple(redaction_items(of))),
        Group(
            key="limits",
            term=tr("What the report does not prove"),
            items=(of.record.field("record", tr("The record states"), "/limits", Kind.LINES),),
        ),
    )
    return tuple(
        replace(group, items=tuple(_unless_withheld(of, item) for item in group.items))
        for group in made
    )


def _unless_withheld(of: Evidence, item: Field | Table) -> Field | Table:
    """Return an item as it is, or as withheld if its file is."""
    if item.source.file not in of.withheld_files:
        return item
    note = tr("The file {file} is withheld.", file=item.source.file)
    if isinstance(item, Table):
        return item if item.rows else replace(item, empty=note)
    if item.presence is not Presence.ABSENT:
        return item
    return replace(item, presence=Presence.WITHHELD, note=note)
