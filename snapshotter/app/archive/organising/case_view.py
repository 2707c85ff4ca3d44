"""
Show a case: its exhibits with what the captures state, and what is left out because of quarantine.

Nothing is verified. What is left out is always counted and named with its reason, so that nothing
that exculpates can vanish in silence.
"""

from datetime import datetime
from typing import Any

from snapshotter.app.archive import bundles
from snapshotter.app.archive.organising import cases
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import store_keys
from snapshotter.model.annotation_state import AnnotationState, CaptureState, CaseState, Decision
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_record


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseExhibit:
    """One capture of a case."""

    number: int
    bundle_id: str
    captured_at: datetime | None  # None: the bundle cannot be read
    url: str
    title: str
    problem: str  # why the bundle cannot be read; ""
    capture: CaptureState


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A capture that is left out because it is in quarantine."""

    bundle_id: str
    exhibit: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseView:
    """A case as people see it."""

    case: CaseState
    exhibits: tuple[CaseExhibit, ...]  # in the order of their numbers
    quarantined: tuple[LeftOut, ...]


def case_view(store: ReadableStore, state: AnnotationState, name: str) -> CaseView:
    """Return a case with its exhibits. Raises SnapshotterError: the case does not exist."""
    case = cases.find_case(state, name)
    exhibits, left_out = [], []
    for bundle_id, number in sorted(case.captures.items(), key=lambda item: item[1]):
        capture = state.capture(bundle_id)
        if capture.quarantine is not None:
            left_out.append(
                LeftOut(bundle_id=bundle_id, exhibit=number, decision=capture.quarantine)
            )
        else:
            exhibits.append(_exhibit(store, bundle_id, number, capture))
    return CaseView(case=case, exhibits=tuple(exhibits), quarantined=tuple(left_out))


def case_contents(view: CaseView) -> dict[str, Any]:
    """Return what an export of a case contains and what it leaves out, as JSON."""
    return {
        "case": view.case.name,
        "exhibits": [
            {"bundle_id": exhibit.bundle_id, "exhibit": exhibit.number} for exhibit in view.exhibits
        ],
        "left_out": [
            {
                "at": canonical_json.instant(left_out.decision.at),
                "author": left_out.decision.author or None,
                "bundle_id": left_out.bundle_id,
                "exhibit": left_out.exhibit,
                "reason": left_out.decision.reason,
            }
            for left_out in view.quarantined
        ],
        "left_out_count": len(view.quarantined),
        "title": view.case.title,
    }


def _exhibit(
    store: ReadableStore, bundle_id: str, number: int, capture: CaptureState
) -> CaseExhibit:
    url = title = problem = ""
    at = None
    try:
        with store.open(store_keys.bundle_key(bundle_id)) as stream:
            record = bundles.read_record(stream)
        url = capture_record.text(record, "what", "requested_url")
        title = capture_record.text(record, "what", "title")
        at = canonical_json.parse_instant(capture_record.text(record, "when", "started_at"))
    except FileNotFoundError:
        erased = bundles.read_tombstone(store, bundle_id)
        problem = (
            tr("the capture was erased by the order {order}", order=erased.order)
            if erased is not None
            else tr("the capture is missing in the store")
        )
    except (EvidenceInvalid, OSError, ValueError) as error:
        problem = tr("the capture cannot be read: {error}", error=error)
    return CaseExhibit(
        number=number,
        bundle_id=bundle_id,
        captured_at=at,
        url=url,
        title=title,
        problem=problem,
        capture=capture,
    )
