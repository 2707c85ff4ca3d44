"""Return bundles, and captures that a search found, as JSON objects."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from snapshotter.app.json_objects.values import verdict_json

if TYPE_CHECKING:
    from snapshotter.app.archive.bundle_overview import BundleOverview
    from snapshotter.app.archive.bundles import ListedBundle
    from snapshotter.index.search import FoundCapture, Hit
    from snapshotter.model.copies import Copy

_EXCERPT = 400  # characters of a passage around its first hit


def bundle_json(entry: "ListedBundle", *, held: bool) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import instant

    record, erased = entry.record, entry.erased
    what = record.get("what", {})
    return {
        "bundle_id": entry.bundle_id,
        "bytes": entry.object.length,
        "captured_at": record.get("when", {}).get("started_at"),
        "erased": {"at": instant(erased.at), "by": erased.by, "order": erased.order}
        if erased
        else None,
        "final_url": what.get("final_url"),
        "held": held,
        "http_status": what.get("http_status"),
        "key": entry.object.key,
        "outcome": record.get("outcome", {}).get("state"),
        "problem": entry.problem or None,
        "requested_url": what.get("requested_url"),
        "title": what.get("title"),
        "verdict": verdict_json(entry.shown),
    }


def overview_json(overview: "BundleOverview", copies: Sequence["Copy"]) -> dict[str, Any]:
    """
    Return what a bundle contains: its record, its assessment and its state.

    Args:
        copies: Captures of other pages with nearly the same text.
    """
    from snapshotter.formats.canonical_json import plain
    from snapshotter.model.assessment import AssessmentSummary

    assessment = overview.assessment
    shown = AssessmentSummary.of(assessment) if assessment is not None else None
    return {
        **overview.record,
        "also_published_at": copies_json(copies),
        "assessment": plain(assessment),
        "quarantine": overview.quarantine or None,
        "verdict": verdict_json(shown),
    }


def copies_json(copies: Sequence["Copy"]) -> list[dict[str, str]]:
    """Return captures of other pages with nearly the same text as JSON output has them."""
    return [{"bundle_id": copy.bundle_id, "requested_url": copy.url} for copy in copies]


def left_out_json(left_out: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the captures that are left out because of their quarantine, as JSON."""
    return [{"bundle_id": bundle_id, "why": why} for bundle_id, why in left_out.items()]


def found_json(capture: "FoundCapture") -> dict[str, Any]:
    """Return a result as JSON output has it."""
    return {
        "also_published_at": copies_json(capture.copies),
        "bundle_id": capture.bundle_id,
        "captured_at": f"{capture.began_at:%Y-%m-%dT%H:%M:%SZ}",
        "captured_at_local": capture.began_at.astimezone().isoformat(timespec="seconds"),
        "cases": dict(capture.annotations.cases),
        "final_url": capture.final_url,
        "hits": [_hit_json(hit) for hit in capture.hits],
        "http_status": capture.http_status,
        "outcome": capture.outcome or None,
        "problem": capture.problem or None,
        "requested_url": capture.url,
        "tags": list(tags_of(capture)),
        "text_whole": capture.is_text_whole,
        "title": capture.title,
        "verdict": verdict_json(capture.shown),
    }


def tags_of(capture: "FoundCapture") -> tuple[str, ...]:
    """Return the tags that people gave a capture, and those of the job that made it."""
    return tuple(dict.fromkeys([*capture.annotations.tags, *capture.job_tags]))


def _hit_json(hit: "Hit") -> dict[str, Any]:
    from snapshotter.app.archive.lookup.search import excerpt

    shown = excerpt(hit, _EXCERPT)
    return {
        "marks": [list(mark) for mark in shown.marks],
        "region": hit.region.value,
        "text": shown.text,
    }
