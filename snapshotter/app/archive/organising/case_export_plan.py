"""
Plan the export of a case: what the archive contains, what is withheld, and what is missing.

Nothing is written, and no bundle is verified.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from snapshotter.app.archive import quarantined
from snapshotter.app.archive.organising.case_view import CaseView
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import JsonValue
from snapshotter.model.annotation_state import CaptureState, CaseState
from snapshotter.ports import ReadableStore
from snapshotter.value_class import dataclass

GROUPS: Final = ("notes", "reviews", "tags", "title")  # of what people wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedExhibit:
    """A capture of the case that the archive is about."""

    number: int
    bundle_id: str
    bytes: int  # of the bundle and its sidecars; 0: the store has no bundle
    problem: str  # why the bundle is missing or cannot be read; ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A capture of the case that is left out because it is in quarantine."""

    number: int
    bundle_id: str
    reason: str | None  # None: missing or erased


@dataclass(frozen=True, slots=True, kw_only=True)
class Writings:
    """What people wrote about a case: a group that `--with` can name."""

    group: str
    count: int
    is_included: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportPlan:
    """What an archive of a case contains, and what is left out."""

    case: str
    exhibits: tuple[PlannedExhibit, ...]
    quarantined: tuple[Quarantined, ...]
    removed: tuple[int, ...]  # exhibit numbers whose captures were removed from the case
    writings: tuple[Writings, ...]
    has_pdf: bool
    has_load_files: bool
    has_case_report: bool

    @property
    def stored(self) -> tuple[PlannedExhibit, ...]:
        """The exhibits whose bundles the store has."""
        return tuple(exhibit for exhibit in self.exhibits if exhibit.bytes)


def plan_export(
    store: ReadableStore,
    view: CaseView,
    is_trusted: quarantined.IsTrusted,
    *,
    included: Iterable[str],
    has_pdf: bool,
    has_load_files: bool,
    has_case_report: bool,
) -> ExportPlan:
    """Return what an archive contains; nothing is written and no bundle is verified."""
    named = frozenset(included)
    exhibits: list[PlannedExhibit] = []
    hidden = [
        Quarantined(
            number=left_out.exhibit,
            bundle_id=left_out.bundle_id,
            reason=left_out.decision.reason,
        )
        for left_out in view.quarantined
    ]
    shown = []
    for exhibit in view.exhibits:
        key = store_keys.bundle_key(exhibit.bundle_id)
        listed = {found.key: found.length for found in store.list(key)}
        kinds = [name.removeprefix(f"{key}.") for name in listed]
        if quarantined.is_hidden(store, exhibit.bundle_id, is_trusted, kinds=kinds):
            notices = quarantined.read_quarantine(store, exhibit.bundle_id, is_trusted, kinds=kinds)
            reason = notices.active.reason if notices.active is not None else notices.problems[0]
            hidden.append(
                Quarantined(number=exhibit.number, bundle_id=exhibit.bundle_id, reason=reason)
            )
            continue
        shown.append(exhibit)
        exhibits.append(
            PlannedExhibit(
                number=exhibit.number,
                bundle_id=exhibit.bundle_id,
                bytes=sum(
                    length
                    for name, length in listed.items()
                    if name == key or name.startswith(f"{key}.")
                )
                if key in listed
                else 0,
                problem=exhibit.problem,
            )
        )
    case = view.case
    counts = count_writings(case, [exhibit.capture for exhibit in shown])
    return ExportPlan(
        case=case.name,
        exhibits=tuple(exhibits),
        quarantined=tuple(sorted(hidden, key=lambda found: found.number)),
        removed=removed_numbers(case),
        writings=tuple(
            Writings(group=group, count=counts[group], is_included=group in named)
            for group in GROUPS
        ),
        has_pdf=has_pdf,
        has_load_files=has_load_files,
        has_case_report=has_case_report,
    )


def case_report_stem(case: str) -> str:
    """Return the name of the files of the report about a case, without an ending."""
    return f"case-report-{case}"


def count_writings(case: CaseState, captures: Sequence[CaptureState]) -> dict[str, int]:
    """Return how much people wrote about a case and about these captures, by group."""
    decisions = sum((capture.review is not None) + len(capture.marks) for capture in captures)
    return {
        "notes": len(case.notes) + sum(len(capture.notes) for capture in captures),
        "reviews": decisions + len(case.reasons) + (case.closed is not None),
        "tags": sum(len(capture.tags) for capture in captures),
        "title": int(bool(case.title)),
    }


def removed_numbers(case: CaseState) -> tuple[int, ...]:
    """Return the exhibit numbers whose captures were removed from a case."""
    return tuple(sorted(set(case.numbers.values()) - set(case.captures.values())))


def plan_json(plan: ExportPlan) -> dict[str, JsonValue]:
    """Return the plan as JSON: what `--preview --json` prints and exhibits.json repeats."""
    return {
        "bytes": sum(exhibit.bytes for exhibit in plan.exhibits),
        "case": plan.case,
        "case_report": f"{case_report_stem(plan.case)}.html" if plan.has_case_report else None,
        "exhibits": [
            {
                "bundle_id": exhibit.bundle_id,
                "bytes": exhibit.bytes,
                "exhibit": exhibit.number,
                "problem": exhibit.problem or None,
            }
            for exhibit in plan.exhibits
        ],
        "included": [found.group for found in plan.writings if found.is_included],
        "quarantined": [
            {"bundle_id": found.bundle_id, "exhibit": found.number, "reason": found.reason}
            for found in plan.quarantined
        ],
        "removed": list(plan.removed),
        "withheld": {found.group: found.count for found in plan.writings if not found.is_included},
    }
