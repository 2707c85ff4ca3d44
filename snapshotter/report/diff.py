"""
Write the comparison of two captures as one HTML file, with the changes in words and the pictures,
and summarise it in a few lines, which the command line prints too.
"""

from collections.abc import Mapping
from typing import Any

from snapshotter.model import page_names, sentences
from snapshotter.model.comparison import (
    BlockChange,
    BlockKind,
    ComparedCapture,
    Comparison,
    ComparisonState,
    ListChange,
    Op,
    PictureComparison,
    PictureRegion,
    Trend,
    ValueChange,
    VerdictSummary,
)
from snapshotter.model.page import Box
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.picture_copies import PictureCopy
from snapshotter.report.states import StateLabel
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TEMPLATE, _STYLES, _SCRIPT = "diff.html.j2", ("base.css", "diff.css"), "diff.js"

_KINDS: Mapping[BlockKind, str] = {
    BlockKind.ADDED: tr("Added"),
    BlockKind.REMOVED: tr("Removed"),
    BlockKind.CHANGED: tr("Changed"),
    BlockKind.MOVED: tr("Moved, with the same words"),
}
_TRENDS: Mapping[Trend, str] = {
    Trend.SAME: "the same",
    Trend.ROSE: "rose",
    Trend.FELL: "fell",
    Trend.UNKNOWN: tr("not known, because the readings overlap"),
    Trend.APPEARED: tr("only in the later capture"),
    Trend.DISAPPEARED: tr("only in the earlier capture"),
}
_PROOF: Mapping[str, str] = {
    "passed": tr("the proof is intact"),
    "failed": tr("the proof is not intact"),
    "indeterminate": tr("it is not established whether the proof is intact"),
}
_MARKS: Mapping[ComparisonState, str] = {
    ComparisonState.UNCHANGED: "=",
    ComparisonState.CHANGED: "≠",
    ComparisonState.UNKNOWN: "?",
}
_TONES: Mapping[ComparisonState, str] = {
    ComparisonState.UNCHANGED: "good",
    ComparisonState.CHANGED: "warn",
    ComparisonState.UNKNOWN: "open",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the summary."""

    name: str
    state: ComparisonState
    detail: str = ""  # in our own words

    @property
    def mark(self) -> str:
        return _MARKS[self.state]

    @property
    def label(self) -> StateLabel:
        return StateLabel(
            words=_capital(self.state.value), shape=self.mark, tone=_TONES[self.state]
        )


def page(
    found: Comparison,
    copies: Mapping[str, tuple[PictureCopy | None, PictureCopy | None]],
    local: LocalTime,
    *,
    main_only: bool = True,
) -> bytes:
    """
    Return the page.

    Args:
        copies: Of the pictures, by what they show: of the earlier and of the later capture.
        main_only: How the switch stands when the page is opened; where nothing is known of
            the main region it stands at all of the page.
    """
    return html.render(
        _TEMPLATE,
        _STYLES,
        _SCRIPT,
        end=html.print_margins(tr("snapshotter · comparison of two captures"), ""),
        **page_values(found, copies, main_only=main_only),
        when=local.show,
        zone_sentence=local.sentence(found.after.captured_at),
    )


def page_values(
    found: Comparison,
    copies: Mapping[str, tuple[Any, Any]],
    *,
    main_only: bool = True,
) -> dict[str, Any]:
    """Return what the template of a comparison needs; arguments as for `page`."""
    return {
        "found": found,
        "kinds": _KINDS,
        "capital": _capital,
        "lines": summary_lines(found),
        "main": [change for change in found.text.changes if change.in_main],
        "main_only": main_only and found.text.main is not ComparisonState.UNKNOWN,
        "is_known": page_names.is_known,
        "name": lambda name: _capital(page_names.value_name(name)),
        "others": [change for change in found.text.changes if not change.in_main],
        "ops": Op,
        "pictures": [
            {"found": picture, "before": pair[0], "after": pair[1], "id": f"picture-{number}"}
            for number, picture in enumerate(found.pictures, 1)
            if (pair := copies.get(picture.picture, (None, None))) != (None, None)
        ],
        "place": _place,
        "region": _region,
        "sides": (("Earlier", found.before), ("Later", found.after)),
        "standing": describe_verdict,
        "trends": _TRENDS,
        "verified": describe_verification,
    }


def summary_lines(found: Comparison) -> list[Line]:
    """Return what is the same and what is not, the main region first."""
    text = found.text
    lines = [
        Line(
            name="main text",
            state=text.main,
            detail=_counted(text.main, text.changes, True) or text.detail,
        ),
        Line(
            name="other text",
            state=text.elsewhere,
            detail=_counted(text.elsewhere, text.changes, False),
        ),
    ]
    if text.hidden is not ComparisonState.UNCHANGED:
        lines.append(Line(name="hidden text", state=text.hidden))
    lines.append(Line(name="page", state=found.standing, detail=_verdicts(found)))
    lines += [
        Line(name=picture.picture, state=picture.state, detail=_pictured(picture))
        for picture in found.pictures
    ]
    if found.counts:
        moved = [
            change for change in found.counts if change.trend not in (Trend.SAME, Trend.UNKNOWN)
        ]
        unsure = any(change.trend is Trend.UNKNOWN for change in found.counts)
        state = (
            ComparisonState.CHANGED
            if moved
            else ComparisonState.UNKNOWN
            if unsure
            else ComparisonState.UNCHANGED
        )
        lines.append(
            Line(
                name="counts",
                state=state,
                detail=", ".join(
                    f"{page_names.value_name(change.unit)} {_TRENDS[change.trend]}"
                    for change in moved
                ),
            )
        )
    said = (
        ""
        if found.metadata_state is not ComparisonState.UNKNOWN
        else tr("neither page has metadata")
    )
    lines.append(
        Line(name="metadata", state=found.metadata_state, detail=said or _listed(found.metadata))
    )
    lines.append(Line(name="server answer", state=_of(found.answer), detail=_listed(found.answer)))
    lines.append(
        Line(name=tr("links in main text"), state=found.links.state, detail=_sizes(found.links))
    )
    if found.qr_codes.state is not ComparisonState.UNKNOWN and (
        found.qr_codes.kept or found.qr_codes.state is ComparisonState.CHANGED
    ):
        lines.append(
            Line(name="QR codes", state=found.qr_codes.state, detail=_sizes(found.qr_codes))
        )
    return lines


def describe_verification(side: ComparedCapture) -> str:
    """Return what the verification of a bundle gave, in words."""
    codes = f" ({' '.join(side.codes)})" if side.codes else ""
    return f"{side.verification.upper()}: {_PROOF[side.verification]}{codes}"


def describe_verdict(of: VerdictSummary | None) -> str:
    """Return a verdict in a few words."""
    if of is None:
        return "no verdict"
    state = sentences.PAGE_STATES[of.availability]
    if of.cause is not None:
        state = f"{state} ({sentences.CAUSE_NAMES[of.cause]})"
    rule = tr(", by the rule {rule}", rule=of.rule) if of.rule else ""
    return tr(
        "{state}; the page shows {content_names}{rule}",
        state=state,
        content_names=sentences.CONTENT_NAMES[of.content],
        rule=rule,
    )


def _verdicts(found: Comparison) -> str:
    before, after = describe_verdict(found.before.standing), describe_verdict(found.after.standing)
    return before if before == after else f"{before} → {after}"


def _counted(state: ComparisonState, changes: tuple[BlockChange, ...], in_main: bool) -> str:
    if state is not ComparisonState.CHANGED:
        return ""
    shown = [change for change in changes if change.in_main is in_main]
    words = [
        f"{number} {kind.value}"
        for kind in BlockKind
        if (number := sum(change.kind is kind for change in shown))
    ]
    return f"blocks: {', '.join(words)}" if words else ""


def _pictured(picture: PictureComparison) -> str:
    if picture.state is not ComparisonState.CHANGED:
        return picture.detail
    count = len(picture.regions)
    words = [tr("regions that differ: {count}", count=count)]
    if picture.main is ComparisonState.UNCHANGED:
        words.append(tr("none of these regions is in the main region"))
    if picture.masked:
        words.append(
            tr(
                "masked places, which are not counted as differences: {masked}",
                masked=picture.masked,
            )
        )
    if picture.detail:
        words.append(picture.detail)
    return "; ".join(words)


def _of(values: tuple[ValueChange, ...]) -> ComparisonState:
    return ComparisonState.CHANGED if values else ComparisonState.UNCHANGED


def _listed(values: tuple[ValueChange, ...]) -> str:
    return ", ".join(page_names.value_name(change.name) for change in values)


def _sizes(of: ListChange) -> str:
    if of.state is ComparisonState.UNKNOWN:
        return tr("not compared, because one of the two captures does not contain these values")
    if of.state is ComparisonState.UNCHANGED:
        return ""
    return f"{len(of.added)} added, {len(of.removed)} removed"


def _place(change: BlockChange) -> str:
    """Return where a block stands, in words."""
    words = []
    for place in dict.fromkeys((change.before, change.after)):
        if place is None:
            continue
        name = page_names.region_name(place.region)
        words.append(tr("{name}, hidden", name=name) if place.hidden else name)
    return " → ".join(dict.fromkeys(words))


def _region(region: PictureRegion) -> str:
    """Return what a region of a picture is, in words."""
    names = dict.fromkeys(page_names.region_name(part) for part in region.regions)
    words = ", ".join(names) or page_names.UNKNOWN_REGION
    if region.before is None:
        words = tr("{words}, only in the later picture", words=words)
    elif region.after is None:
        words = tr("{words}, only in the earlier picture", words=words)
    return f"{_capital(words)} ({_box(region.after or region.before)})"


def _capital(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}"


def _box(box: Box | None) -> str:
    if box is None:
        return "nowhere"
    return f"{box.width} × {box.height} pixels at {box.left}, {box.top}"
