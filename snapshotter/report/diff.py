"""
Two captures as one HTML file: what changed in words, and the pictures over and beside each other.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from snapshotter.model.comparison import (
    BlockChange,
    BlockKind,
    Comparison,
    ListChange,
    Op,
    PictureComparison,
    PictureRegion,
    Side,
    Standing,
    State,
    Trend,
    ValueChange,
)
from snapshotter.model.page import Box
from snapshotter.report import html
from snapshotter.report.copies import Copy

_TEMPLATE, _STYLE, _SCRIPT = "diff.html.j2", "diff.css", "diff.js"

_KINDS: Mapping[BlockKind, str] = {
    BlockKind.ADDED: "added",
    BlockKind.REMOVED: "removed",
    BlockKind.CHANGED: "changed",
    BlockKind.MOVED: "moved, the same words",
}
_TRENDS: Mapping[Trend, str] = {
    Trend.SAME: "the same",
    Trend.ROSE: "rose",
    Trend.FELL: "fell",
    Trend.UNKNOWN: "can not be told: the readings overlap",
    Trend.APPEARED: "only the later one shows it",
    Trend.DISAPPEARED: "only the earlier one shows it",
}
_NAMES: Mapping[str, str] = {
    "title": "title",
    "http_status": "HTTP status",
    "final_url": "final address",
}
_MARKS: Mapping[State, str] = {State.UNCHANGED: "=", State.CHANGED: "≠", State.UNKNOWN: "?"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of the summary."""

    name: str
    state: State
    detail: str = ""  # in our own words

    @property
    def mark(self) -> str:
        return _MARKS[self.state]


def page(
    found: Comparison,
    copies: Mapping[str, tuple[Copy | None, Copy | None]],
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
        _STYLE,
        _SCRIPT,
        found=found,
        kinds=_KINDS,
        lines=summary(found),
        main=[it for it in found.text.changes if it.in_main],
        main_only=main_only and found.text.main is not State.UNKNOWN,
        names=_NAMES,
        others=[it for it in found.text.changes if not it.in_main],
        ops=Op,
        pictures=[
            {"found": it, "before": pair[0], "after": pair[1], "id": f"picture-{number}"}
            for number, it in enumerate(found.pictures, 1)
            if (pair := copies.get(it.picture, (None, None))) != (None, None)
        ],
        place=_place,
        region=_region,
        sides=(("Earlier", found.before), ("Later", found.after)),
        standing=standing,
        trends=_TRENDS,
        verified=verified,
    )


def summary(found: Comparison) -> list[Line]:
    """Return what is the same and what is not, the main region first."""
    text = found.text
    lines = [
        Line(
            name="main",
            state=text.main,
            detail=_counted(text.main, text.changes, True) or text.detail,
        ),
        Line(
            name="around it",
            state=text.elsewhere,
            detail=_counted(text.elsewhere, text.changes, False),
        ),
    ]
    if text.hidden is not State.UNCHANGED:
        lines.append(Line(name="hidden text", state=text.hidden))
    lines.append(Line(name="verdict", state=found.standing, detail=_verdicts(found)))
    lines += [Line(name=it.picture, state=it.state, detail=_pictured(it)) for it in found.pictures]
    if found.counts:
        moved = [it for it in found.counts if it.trend not in (Trend.SAME, Trend.UNKNOWN)]
        unsure = any(it.trend is Trend.UNKNOWN for it in found.counts)
        state = State.CHANGED if moved else State.UNKNOWN if unsure else State.UNCHANGED
        lines.append(
            Line(
                name="counts",
                state=state,
                detail=", ".join(f"{it.unit} {it.trend}" for it in moved),
            )
        )
    said = "" if found.metadata_state is not State.UNKNOWN else "neither says anything of itself"
    lines.append(
        Line(name="metadata", state=found.metadata_state, detail=said or _listed(found.metadata))
    )
    lines.append(Line(name="answer", state=_of(found.answer), detail=_listed(found.answer)))
    lines.append(Line(name="links of main", state=found.links.state, detail=_sizes(found.links)))
    if found.qr_codes.state is not State.UNKNOWN and (
        found.qr_codes.kept or found.qr_codes.state is State.CHANGED
    ):
        lines.append(
            Line(name="QR codes", state=found.qr_codes.state, detail=_sizes(found.qr_codes))
        )
    return lines


def verified(side: Side) -> str:
    """Return what the verification of a bundle gave, in words."""
    codes = f" ({' '.join(side.codes)})" if side.codes else ""
    return f"{side.verification.upper()}{codes}"


def standing(of: Standing | None) -> str:
    """Return a verdict in a few words."""
    if of is None:
        return "no verdict"
    why = of.cause or of.undecided
    words = f"{of.availability.value}{f' ({why.value})' if why else ''}"
    return f"{words}, shows {of.content.value}{f', by rule {of.rule}' if of.rule else ''}"


def _verdicts(found: Comparison) -> str:
    before, after = standing(found.before.standing), standing(found.after.standing)
    return before if before == after else f"{before} → {after}"


def _counted(state: State, changes: tuple[BlockChange, ...], in_main: bool) -> str:
    if state is not State.CHANGED:
        return ""
    shown = [it for it in changes if it.in_main is in_main]
    words = [
        f"{number} {kind.value}"
        for kind in BlockKind
        if (number := sum(it.kind is kind for it in shown))
    ]
    return f"blocks: {', '.join(words)}" if words else ""


def _pictured(it: PictureComparison) -> str:
    if it.state is not State.CHANGED:
        return it.detail
    count = len(it.regions)
    words = [f"{count} region{'s look' if count != 1 else ' looks'} different"]
    if it.main is State.UNCHANGED:
        words.append("none in the main region")
    if it.masked:
        words.append(f"{it.masked} masked places not counted")
    if it.detail:
        words.append(it.detail)
    return "; ".join(words)


def _of(values: tuple[ValueChange, ...]) -> State:
    return State.CHANGED if values else State.UNCHANGED


def _listed(values: tuple[ValueChange, ...]) -> str:
    return ", ".join(_NAMES.get(it.name, it.name) for it in values)


def _sizes(of: ListChange) -> str:
    if of.state is State.UNKNOWN:
        return "not read in both"
    if of.state is State.UNCHANGED:
        return ""
    return f"{len(of.added)} added, {len(of.removed)} removed"


def _place(change: BlockChange) -> str:
    """Return where a block stands, in words."""
    words = []
    for it in dict.fromkeys((change.before, change.after)):
        if it is None:
            continue
        region = it.region.value if it.region else "nobody says what part"
        words.append(f"{region}{', hidden' if it.hidden else ''}")
    return " → ".join(dict.fromkeys(words))


def _region(it: PictureRegion) -> str:
    """Return what a region of a picture is, in words."""
    box, only = it.after or it.before, ""
    if it.before is None or it.after is None:
        only = f", only in the {'later' if it.before is None else 'earlier'} picture"
    regions = ", ".join(r.value for r in it.regions) or "nothing that is known"
    return f"{_box(box)}{only}: over {regions}"


def _box(box: Box | None) -> str:
    if box is None:
        return "nowhere"
    return f"{box.width} × {box.height} pixels at {box.left}, {box.top}"
