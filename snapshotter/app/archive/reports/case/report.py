"""
Make the report about a case: its exhibits, verified one after the other, and what is around them.

`make_case_report` verifies each exhibit and keeps a few values of its capture report, a small
picture, and the results of the checks (docs/spec/case-report.md). Other captures of the same pages
come from the index, removals from signed events, gaps from signed records. What people wrote may be
privileged: nothing of it is in the report unless it is asked for by name. Captures in quarantine
are counted and named with their reasons.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import snapshotter
from snapshotter.app.archive.organising.case_view import case_view
from snapshotter.app.archive.reports.capture.statements import LIMITS
from snapshotter.app.archive.reports.case.checks import CUSTODY_INTRO, checks_table, custody_items
from snapshotter.app.archive.reports.case.exhibits import read_exhibits
from snapshotter.app.archive.reports.case.gaps import GAPS_INTRO, gaps_table
from snapshotter.app.archive.reports.case.material import (
    CaseMaterial,
    CaseReportService,
    CaseSearch,
    People,
    VerifiedExhibit,
)
from snapshotter.app.archive.reports.case.numbers import count_exhibits, find_alarms
from snapshotter.app.archive.reports.case.removals import REMOVALS_INTRO, removals_table
from snapshotter.app.archive.reports.case.searches import search_groups
from snapshotter.app.archive.reports.case.timeline import (
    TIMELINE_INTRO,
    read_captures,
    timeline_table,
)
from snapshotter.app.archive.reports.case.writings import left_out_items, writing_groups
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.capture_report import (
    Group,
)
from snapshotter.model.case_report import CaseReport
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr


def make_case_report(
    service: CaseReportService,
    name: str,
    state: AnnotationState,
    people: People,
    *,
    now: datetime,
    local: LocalTime,
    searches: Sequence[CaseSearch] = (),
    included: Iterable[str] = (),
    verified: Mapping[str, VerifiedExhibit] = MappingProxyType({}),
) -> CaseReport:
    """
    Verify the exhibits of a case, and return the report about them.

    Args:
        state: The annotations of the store.
        now: The time of the verification.
        included: Of `case_export_plan.GROUPS`: what people wrote that the report contains.
        verified: Exhibits by id that the caller has just verified with the same trust.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: The case does not exist, or the index cannot be used.
    """
    named = frozenset(included)
    store = service.source.store
    service.source.sync()
    service.source.index.sync_events(store)
    of = CaseMaterial(
        service=service,
        view=case_view(store, state, name),
        state=state,
        people=people,
        now=now,
        verified=verified,
    )
    read_exhibits(of, local)
    read_captures(of)
    removals, gaps = removals_table(of), gaps_table(of)
    timeline = timeline_table(of)
    groups = [
        Group(key="timeline", term=tr("Timeline"), intro=TIMELINE_INTRO, items=(timeline,)),
        Group(key="removals", term=tr("Removals"), intro=REMOVALS_INTRO, items=(removals,)),
        Group(key="gaps", term=tr("Gaps"), intro=GAPS_INTRO, items=(gaps,)),
        Group(
            key="custody", term=tr("Custody"), intro=CUSTODY_INTRO, items=tuple(custody_items(of))
        ),
        Group(key="verification", term=tr("Verification"), items=(checks_table(of),)),
        *search_groups(of, searches, named),
        *writing_groups(of, named),
        Group(key="left_out", term=tr("What is left out"), items=tuple(left_out_items(of, named))),
    ]
    return CaseReport(
        case=name,
        title=of.view.case.title if "title" in named else None,
        verified_at=now.replace(microsecond=0),
        software=f"snapshotter {snapshotter.__version__}",
        trust=_trust_words(of),
        zone=local.name(now),
        alarms=tuple(find_alarms(of)),
        numbers=tuple(count_exhibits(of, timeline, removals, gaps)),
        exhibits=tuple(of.exhibits),
        groups=tuple(groups),
        limits=LIMITS,
    )


def _trust_words(of: CaseMaterial) -> str:
    version = of.service.trust.version
    return (
        tr("the keys of this machine")
        if version is None
        else tr("version {version} of the trust file", version=version)
    )
