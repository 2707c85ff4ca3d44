"""Count the exhibits of a case, and name those that did not pass."""

from collections.abc import Iterator
from typing import Final

from snapshotter.app.archive.reports.capture.evidence import ANNOTATIONS, VERIFICATION
from snapshotter.app.archive.reports.case.material import (
    EVENTS,
    GAPS,
    INDEX,
    CaseMaterial,
    field_of,
    is_shown,
    number_field,
)
from snapshotter.app.archive.reports.case.removals import CHANGE_EVENT
from snapshotter.model.assessment import Availability
from snapshotter.model.capture_report import (
    Basis,
    Field,
    Kind,
    Table,
)
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr


def find_alarms(of: CaseMaterial) -> Iterator[str]:
    """Yield what the report states before everything else."""
    for exhibit in of.exhibits:
        if exhibit.verdict is Verdict.FAILED:
            said = " ".join(exhibit.sentences) or exhibit.problem
            yield tr("Exhibit {number} FAILED: {said}", number=exhibit.number, said=said)
    for exhibit in of.exhibits:
        if exhibit.verdict is None:
            yield tr(
                "Exhibit {number} was not verified: {problem}.",
                number=exhibit.number,
                problem=exhibit.problem,
            )


def count_exhibits(
    of: CaseMaterial, timeline: Table, removals: Table, gaps: Table
) -> Iterator[Field]:
    """Yield the numbers of the report."""
    verdicts = [exhibit.verdict for exhibit in of.exhibits]
    yield number_field("exhibits", tr("Exhibits in this report"), len(of.exhibits), ANNOTATIONS)
    for verdict in Verdict:
        yield number_field(
            verdict.value,
            _VERDICTS[verdict],
            verdicts.count(verdict),
            VERIFICATION,
            basis=Basis.VERIFIED,
        )
    if None in verdicts:
        yield number_field(
            "not_verified", tr("Exhibits that were not verified"), verdicts.count(None),
            VERIFICATION,
        )  # fmt: skip
    began = sorted(filter(None, (exhibit.started_at for exhibit in of.exhibits)))
    if began:
        sound = Verdict.FAILED not in verdicts
        for key, term, value in (
            ("first_at", tr("First exhibit captured"), began[0]),
            ("last_at", tr("Last exhibit captured"), began[-1]),
        ):
            yield field_of(key, term, value, "capture/capture.json", kind=Kind.INSTANT,
                         pointer="/when/started_at",
                         basis=Basis.STATED if sound else Basis.UNVERIFIED)  # fmt: skip
    yield number_field("pages", tr("Pages"), len(of.identities), INDEX)
    yield number_field(
        "other_captures", tr("Other captures of these pages"), timeline.total - len(of.exhibits),
        INDEX,
    )  # fmt: skip
    gone = sum(
        capture.availability is Availability.UNAVAILABLE
        for capture in of.captures
        if is_shown(of, capture.bundle_id)
    )
    yield number_field("unavailable", tr("Captures that show that a page was not available"), gone,
                  INDEX)  # fmt: skip
    signed = sum(row.source.file != INDEX for row in removals.rows)
    changes = sum(row.values[0] == CHANGE_EVENT for row in removals.rows)
    yield number_field("events", tr("Signed take-down events"), signed - changes, EVENTS)
    yield number_field("change_events", tr("Signed change events"), changes, EVENTS)
    yield number_field("possible_removals", tr("Possible removals"), removals.total - signed, INDEX)
    yield number_field("gaps", tr("Gap records"), gaps.total, GAPS)
    yield number_field("quarantined", tr("Exhibits left out, in quarantine"), len(of.hidden),
                  ANNOTATIONS)  # fmt: skip


_VERDICTS: Final = {
    Verdict.PASSED: tr("Exhibits that PASSED the verification"),
    Verdict.FAILED: tr("Exhibits that FAILED the verification"),
    Verdict.INDETERMINATE: tr("Exhibits whose verification is INDETERMINATE"),
}
