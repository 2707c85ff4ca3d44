"""Return single values of JSON objects: instants, durations and verdicts."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from snapshotter.model.assessment import AssessmentSummary


def verdict_json(shown: "AssessmentSummary | None") -> dict[str, Any] | None:
    """Return what a capture shows as `--json` prints it (docs/reference/json.md)."""
    if shown is None:
        return None
    from snapshotter.formats.canonical_json import plain

    fields: dict[str, Any] = plain(shown)
    del fields["main_sha256"]
    return fields


def instant_json(at: datetime | None) -> str | None:
    """Return an instant as JSON output has it; null where there is none."""
    from snapshotter.formats.canonical_json import instant

    return instant(at) if at is not None else None


def milliseconds(duration: timedelta) -> int:
    """Return a duration as JSON output has it."""
    return duration // timedelta(milliseconds=1)
