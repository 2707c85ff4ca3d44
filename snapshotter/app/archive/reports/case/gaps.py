"""Show when no captures of the pages of a case were made."""

from collections.abc import Mapping
from typing import Final

from snapshotter.app.archive.reports.capture.evidence import instant
from snapshotter.app.archive.reports.case.material import GAPS, CaseMaterial
from snapshotter.app.archive.stored_gaps import stored_gaps
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Kind,
    Row,
    Source,
    Table,
)
from snapshotter.model.gap import GapEvent
from snapshotter.translation import tr

_GAP_EVENTS: Final[Mapping[str, str]] = {
    GapEvent.MISSED: tr("visits not made"),
    GapEvent.PAUSED: tr("schedule paused"),
    GapEvent.RESUMED: tr("schedule resumed"),
    GapEvent.REMOVED: tr("schedule removed"),
}
GAPS_INTRO: Final = tr(
    "Visits that were due and not made, and pauses, by the signed records of the schedules that "
    "captured these pages. Where no visit was made, nothing is known about the page."
)


def gaps_table(of: CaseMaterial) -> Table:
    """Return the gap records of the schedules that made captures of the pages."""
    schedules = _schedules(of)
    begin = min(
        (capture.began_at for capture in of.captures),
        default=of.now,
    )
    rows, unread = list[Row](), 0
    for stored in stored_gaps(of.service.source.store) if schedules else ():
        gap = stored.record
        unread += gap is None
        if gap is None or gap.schedule not in schedules or gap.at > of.now:
            continue
        if (gap.until or gap.at) < begin:
            continue
        trusted = of.service.is_trusted(gap.key_id)
        rows.append(
            Row(
                values=(
                    instant(gap.since), instant(gap.until), gap.schedule,
                    _GAP_EVENTS.get(gap.event, gap.event), gap.visits, gap.reason,
                    of.people.label(gap.by), gap.gap_id,
                    tr("key {key_id}, trusted on this machine", key_id=gap.key_id)
                    if trusted
                    else tr("key {key_id}, not trusted on this machine", key_id=gap.key_id),
                ),
                basis=Basis.STATED if trusted else Basis.UNVERIFIED,
                source=Source(file=stored.key),
            )
        )  # fmt: skip
    rows.sort(key=lambda row: str(row.values[0]))
    return Table(
        key="gaps",
        term=tr("Gap records"),
        columns=(
            Column(key="since", term=tr("From"), kind=Kind.INSTANT),
            Column(key="until", term=tr("To"), kind=Kind.INSTANT),
            Column(key="schedule", term=tr("Schedule")),
            Column(key="event", term=tr("What happened")),
            Column(key="visits", term=tr("Visits"), kind=Kind.NUMBER),
            Column(key="reason", term=tr("Reason"), under="event"),
            Column(key="by", term=tr("By"), under="event"),
            Column(key="gap_id", term=tr("Record"), under="event"),
            Column(key="signed_by", term=tr("Signature"), under="event"),
        ),
        rows=tuple(rows),
        total=len(rows),
        source=Source(file=GAPS),
        empty=tr(
            "The store has no gap record of the schedules {names} in this time.",
            names=", ".join(sorted(schedules)),
        )
        if schedules
        else tr("The queue of this machine knows no schedule that made these captures."),
        note=tr("Objects in this folder that are no valid gap records: {count}.", count=unread)
        if unread
        else "",
    )


def _schedules(of: CaseMaterial) -> set[str]:
    """Return the schedules that made captures of the pages, as the queue of this machine knows."""
    jobs = of.service.source.jobs
    ids = [capture.bundle_id for capture in of.captures]
    if jobs is None or not ids:
        return set()
    return {facts.schedule for facts in jobs(ids).values() if facts.schedule}
