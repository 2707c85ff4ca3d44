"""Show the custody and the verification of the exhibits of a case."""

from collections.abc import Iterator
from typing import Final

from snapshotter.app.archive.reports.capture.evidence import VERIFICATION
from snapshotter.app.archive.reports.case.material import CaseMaterial, field_of
from snapshotter.model.capture_report import (
    Column,
    Field,
    Kind,
    Source,
    Table,
)
from snapshotter.translation import tr

CUSTODY_INTRO: Final = tr(
    "Events after the seal, from the custody chains beside the bundles. A chain begins inside the "
    "bundle, with the events of the capture. Each row has all events of an exhibit with the same "
    "type, result and person. The chains have each event with its details and digests, and the "
    "names as the settings had them. This report names people by number, role or pseudonym, the "
    "same person always in the same way."
)


def custody_items(of: CaseMaterial) -> Iterator[Field | Table]:
    """Yield the custody events after the seals, and the problems of the chains."""
    yield Table(
        key="events",
        term=tr("Events"),
        columns=(
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="at", term=tr("First time"), kind=Kind.INSTANT),
            Column(key="event", term=tr("Event")),
            Column(key="outcome", term=tr("Result")),
            Column(key="by", term=tr("By")),
            Column(key="bundle_id", term=tr("Bundle"), under="exhibit"),
            Column(key="count", term=tr("Number"), kind=Kind.NUMBER),
            Column(key="last_at", term=tr("Last time"), kind=Kind.INSTANT),
        ),
        rows=tuple(of.custody),
        total=of.custody_total,
        source=Source(file="custody"),
        empty=tr("No custody event after a seal could be read."),
    )
    yield field_of(
        "problems", tr("Problems of the chains"), tuple(of.custody_problems), "custody",
        kind=Kind.LINES,
    )  # fmt: skip


def checks_table(of: CaseMaterial) -> Table:
    """Return the result of the verification of each exhibit."""
    return Table(
        key="exhibits",
        term=tr("Result of each exhibit"),
        columns=(
            Column(key="exhibit", term=tr("Exhibit")),
            Column(key="verdict", term=tr("Result")),
            Column(key="passed", term=tr("Passed"), kind=Kind.NUMBER),
            Column(key="others", term=tr("Checks that did not pass"), kind=Kind.LINES),
            Column(key="bundle_id", term=tr("Bundle"), under="exhibit"),
            Column(key="at", term=tr("Verified at"), kind=Kind.INSTANT),
        ),
        rows=tuple(of.checks),
        total=len(of.checks),
        source=Source(file=VERIFICATION),
        empty=tr("No exhibit was verified."),
    )
