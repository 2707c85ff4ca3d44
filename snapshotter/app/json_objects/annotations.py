"""Return annotations, cases and captures that need a review as JSON objects."""

from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import instant_json

if TYPE_CHECKING:
    from snapshotter.app.archive.annotation_checks import ChainReport
    from snapshotter.app.archive.organising.case_view import CaseExhibit, CaseView
    from snapshotter.app.archive.organising.review_list import ReviewItem
    from snapshotter.model.annotation_state import CaptureState, CaseState, Decision, Note
    from snapshotter.model.annotations import Annotation


def annotation_json(record: "Annotation") -> dict[str, Any]:
    """Return a record as `--json` prints it."""
    from snapshotter.formats.canonical_json import instant

    return {
        "at": instant(record.at),
        "author": record.author.name or None,
        "bundle_ids": list(record.bundles),
        "case": record.case or None,
        "exhibits": list(record.exhibits),
        "kind": record.kind.value,
        "name": record.name or None,
        "number": record.number,
        "role": record.author.role or None,
    }


def decision_json(decision: "Decision | None") -> dict[str, Any] | None:
    """Return a decision as `--json` prints it."""
    if decision is None:
        return None
    from snapshotter.formats.canonical_json import instant

    return {
        "at": instant(decision.at),
        "author": decision.author or None,
        "decision": decision.name or None,
        "number": decision.number,
        "reason": decision.reason,
        "role": decision.role or None,
    }


def note_json(note: "Note") -> dict[str, Any]:
    """Return a note as `--json` prints it."""
    from snapshotter.formats.canonical_json import instant

    return {
        "at": instant(note.at),
        "author": note.author or None,
        "erased": note.erased,
        "number": note.number,
        "role": note.role or None,
        "text": note.text,
    }


def capture_annotations_json(bundle_id: str, state: "CaptureState") -> dict[str, Any]:
    """Return what people recorded about a capture."""
    return {
        "bundle_id": bundle_id,
        "cases": dict(state.cases),
        "marks": {name: decision_json(decision) for name, decision in state.marks.items()},
        "notes": [note_json(note) for note in state.notes],
        "quarantine": decision_json(state.quarantine),
        "review": decision_json(state.review),
        "tags": list(state.tags),
    }


def case_json(entry: "CaseState") -> dict[str, Any]:
    return {
        "author": entry.author or None,
        "captures": len(entry.captures),
        "closed": decision_json(entry.closed),
        "created_at": instant_json(entry.created_at),
        "last_exhibit": entry.last_exhibit,
        "name": entry.name,
        "number": entry.number,
        "title": entry.title,
    }


def case_view_json(view: "CaseView") -> dict[str, Any]:
    return {
        **case_json(view.case),
        "exhibits": [_exhibit_json(exhibit) for exhibit in view.exhibits],
        "notes": [note_json(note) for note in view.case.notes],
        "reasons": [decision_json(reason) for reason in view.case.reasons],
        "quarantined": [
            {"bundle_id": left_out.bundle_id, **(decision_json(left_out.decision) or {})}
            for left_out in view.quarantined
        ],
    }


def _exhibit_json(exhibit: "CaseExhibit") -> dict[str, Any]:
    return {
        "bundle_id": exhibit.bundle_id,
        "captured_at": instant_json(exhibit.captured_at),
        "exhibit": exhibit.number,
        "marks": list(exhibit.capture.marks),
        "notes": [note_json(note) for note in exhibit.capture.notes],
        "problem": exhibit.problem or None,
        "requested_url": exhibit.url or None,
        "review": decision_json(exhibit.capture.review),
        "tags": list(exhibit.capture.tags),
        "title": exhibit.title or None,
    }


def chain_report_json(report: "ChainReport") -> dict[str, Any]:
    return {
        "findings": [
            {
                "code": finding.code,
                "detail": finding.detail,
                "subject": finding.subject or None,
                "verdict": finding.verdict.value,
            }
            for finding in report.findings
        ],
        "keys": dict(report.keys),
        "last": {"number": report.end.number, "sha256": report.end.sha256},
        "records": report.records,
        "verdict": report.verdict.value,
    }


def review_item_json(item: "ReviewItem") -> dict[str, Any]:
    observation, removal = item.observation, item.removal
    seen = removal.shown_last if removal is not None else None
    return {
        "bundle_id": observation.bundle_id,
        "captured_at": instant_json(observation.began_at),
        "last_seen": seen.bundle_id if seen is not None else None,
        "reasons": [reason.code for reason in item.reasons],
        "requested_url": observation.url,
        "review": decision_json(item.decision),
        "suspicion": removal.suspicion.value if removal is not None else None,
    }
