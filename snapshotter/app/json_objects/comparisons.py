"""Return the comparison of two captures as a JSON object."""

from typing import TYPE_CHECKING, Any

from snapshotter.model.comparison import ComparisonState

if TYPE_CHECKING:
    from snapshotter.model.comparison import Comparison


def differs(found: "Comparison", *, main_only: bool) -> bool:
    from snapshotter.report.diff import summary_lines

    lines = summary_lines(found)
    return any(
        line.state is not ComparisonState.UNCHANGED for line in (lines[:1] if main_only else lines)
    )


def comparison_json(found: "Comparison", *, main_only: bool) -> dict[str, Any]:
    from snapshotter.formats.canonical_json import plain

    value: dict[str, Any] = plain(found)
    value["differs"] = differs(found, main_only=main_only)
    if main_only:
        changes = zip(value["text"]["changes"], found.text.changes, strict=True)
        value["text"]["changes"] = [shown for shown, change in changes if change.in_main]
    return value
