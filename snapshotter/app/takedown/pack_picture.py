"""Draw the picture of a proof pack: both ends side by side, with what is to be seen framed."""

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

from snapshotter.app.archive import bundles
from snapshotter.app.archive.assessment import AssessorOf
from snapshotter.app.archive.comparison import NamedBundle
from snapshotter.app.takedown import changed_places
from snapshotter.app.takedown.change_derivation import ShownCapture, compare_ends
from snapshotter.app.takedown.kept_comparisons import KeptComparisons
from snapshotter.errors import EvidenceInvalid
from snapshotter.model.assessment import Availability
from snapshotter.model.change import METHOD
from snapshotter.model.finding import Report
from snapshotter.model.page import Box
from snapshotter.model.takedown import TakedownKind
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.report import side_by_side, statement, wording
from snapshotter.report.side_by_side import Panel
from snapshotter.report.statement import Exhibit, Statement
from snapshotter.value_class import dataclass

_PICTURE = "capture/viewport.png"
_WHOLE_PAGE = "capture/screenshot.png"  # most boxes are in the pixels of this picture
_MAX_PICTURE = 32 << 20  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedCapture:
    """One end of a case: a verified bundle on disk, and what it shows."""

    exhibit: Exhibit
    bundle: Path
    report: Report


def draw(
    said: Statement,
    ends: Sequence[PackedCapture],
    assessor_of: AssessorOf | None,
    rules: PageIdentityRules,
    comparisons: KeptComparisons[Any] | None = None,
) -> tuple[bytes, bool]:
    """
    Return the picture as PNG, and whether it shows the changed places of a change.

    Args:
        ends: Both ends, as `said` has them first.
        assessor_of: Derives again what a capture shows; None: changed places are not looked for.
        comparisons: Results that are used again.
    """
    by_id = {capture.exhibit.observation.bundle_id: capture for capture in ends}
    first, second = (_panel(by_id[exhibit.observation.bundle_id]) for exhibit in said.in_order)
    panels = first, second
    if said.kind is TakedownKind.CHANGED:
        panels = _before_and_after(said, panels)
        if assessor_of is not None:
            panels = _with_changed_places(panels, said, ends, assessor_of, rules, comparisons)
    is_marked = said.kind is TakedownKind.CHANGED and any(panel.boxes for panel in panels)
    return side_by_side.render(*panels), is_marked


def _before_and_after(said: Statement, panels: tuple[Panel, Panel]) -> tuple[Panel, Panel]:
    times = [
        wording.format_period(exhibit.observation.began_at, exhibit.observation.at)
        for exhibit in said.in_order
    ]
    return (
        replace(panels[0], heading=f"Before: {times[0]}"),
        replace(panels[1], heading=f"After: {times[1]}"),
    )


def _with_changed_places(
    panels: tuple[Panel, Panel],
    said: Statement,
    ends: Sequence[PackedCapture],
    assessor_of: AssessorOf,
    rules: PageIdentityRules,
    comparisons: KeptComparisons[Any] | None,
) -> tuple[Panel, Panel]:
    """Return both halves with the places that changed, where the comparison finds them again."""
    with contextlib.ExitStack() as opened:
        before, after = (
            ShownCapture(
                given=NamedBundle(
                    name=capture.bundle.name,
                    stream=opened.enter_context(capture.bundle.open("rb")),
                    report=capture.report,
                ),
                observation=capture.exhibit.observation,
                assessment=capture.exhibit.assessment,
            )
            for capture in ends
            if capture.exhibit.assessment is not None
        )
        change = said.event.change if said.event is not None else None
        method = min(METHOD, change.method) if change is not None else METHOD
        found = compare_ends(before, after, assessor_of, rules, method, kept=comparisons)
        return changed_places.panels(panels, found)


def _panel(capture: PackedCapture) -> Panel:
    exhibit = capture.exhibit
    with capture.bundle.open("rb") as stream:
        there = bundles.read_member_names(stream)
        png = read_member(stream, there, _PICTURE, _MAX_PICTURE)
        box, picture = _box(exhibit)
        if box is not None and picture == _WHOLE_PAGE:
            page = read_member(stream, there, _WHOLE_PAGE, _MAX_PICTURE)
            box = box if side_by_side.shows_same_box(png, page, box) else None
    seen = exhibit.observation
    heading = "Available" if seen.availability is Availability.AVAILABLE else "Not available"
    local = wording.format_local_period(seen.began_at, seen.at, exhibit.timezone)
    lines = [local, statement.one_line(seen.url), seen.bundle_id]
    if answer := statement.describe_answer(exhibit):
        lines.append(answer)
    if seen.notice:
        lines.append(statement.one_line(seen.notice))
    return Panel(
        heading=f"{heading}: {wording.format_period(seen.began_at, seen.at)}",
        lines=[line for line in lines if line],
        png=png,
        boxes=(box,) if box is not None else (),
    )


def _box(exhibit: Exhibit) -> tuple[Box | None, str]:
    """
    Return the box of the notice, in pixels, and its picture; None if it is not known.

    For an available page it is the text about the account of the page.

    The picture of the whole page begins at the same point as the first view. Whether something
    moved between the two pictures can be seen by comparing them.
    """
    if exhibit.assessment is None:
        return None, ""
    scale: Any = exhibit.record["how"]["settings"].get("scale", 1)
    if not isinstance(scale, int):
        return None, ""
    said = exhibit.assessment.takedown
    is_there = said.availability is Availability.AVAILABLE
    for found in [account.evidence for account in said.accounts] if is_there else said.evidence:
        box = found.box
        if box is not None and found.picture in ("", _PICTURE, _WHOLE_PAGE):
            sides = (box.left, box.top, box.width, box.height)
            left, top, width, height = (side * scale for side in sides)
            return Box(left=left, top=top, width=width, height=height), found.picture
    return None, ""


def read_member(stream: BinaryIO, there: Sequence[str], name: str, limit: int) -> bytes:
    """Return a member of a bundle; empty bytes if it is missing or too long."""
    if name not in there:
        return b""
    with contextlib.suppress(EvidenceInvalid):
        return bundles.read_member(stream, name, limit=limit)
    return b""
