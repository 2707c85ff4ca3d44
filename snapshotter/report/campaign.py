"""
Write a campaign report as one HTML file: its numbers, the survival curve of the pages, and each
page with its bundles.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from snapshotter.model import sentences
from snapshotter.model.campaign import (
    OWN_WORD,
    Campaign,
    CampaignFindings,
    CampaignReport,
    Fate,
    Number,
    PageRow,
    Removal,
    Span,
    Survival,
)
from snapshotter.model.takedown import Observation, widen
from snapshotter.report import html
from snapshotter.report.wording import format_second
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TEMPLATE, _STYLES = "campaign.html.j2", ("base.css", "campaign.css")

# Numbers that are told also where they are 0.
ALWAYS = frozenset({"watched", "removed", "reinstated", "fate.available", "captures", "gaps"})

_WORDS: Mapping[str, str] = {
    "watched": "pages watched",
    "removed": tr("pages removed in the period"),
    "reinstated": tr("removed pages that became available again"),
    "captures": tr("captures in the period"),
    "accounts": "known accounts",
    "accounts.all-gone": tr("accounts of which all pages are removed"),
    "captures.few-words": tr("captures that contain only a few words instead of a page"),
    "crossings": tr("counts that reached a threshold"),
    "gaps": tr("gaps in the schedules"),
    "gaps.visits": tr("visits that were due but not made"),
    "fate.available": tr("at the end: available"),
    "fate.gone": tr("at the end: removed, confirmed in the period"),
    "fate.gone-before": tr("at the end: removed before the period"),
    "fate.unconfirmed": tr("at the end: not available, not confirmed as removed"),
    "fate.never-seen": tr("not available in any capture"),
    "fate.inconclusive": tr("not established, because of walls or errors"),
    "fate.owner-setting": tr("not shown because of a setting of the owner"),
    "fate.uncaptured": "never captured",
}
_PREFIXES: Mapping[str, str] = {
    "removed.cause.": tr("removed, stated cause: "),
    "captures.wall.": tr("captures of a wall: "),
    "captures.": tr("captures that show: "),
    "accounts.state.": tr("accounts whose state became: "),
}
_FATES: Mapping[Fate, str] = {
    Fate.AVAILABLE: "available",
    Fate.GONE: "removed",
    Fate.GONE_BEFORE: tr("removed before the period"),
    Fate.UNCONFIRMED: tr("not available, not confirmed as removed"),
    Fate.NEVER_SEEN: tr("not available in any capture"),
    Fate.INCONCLUSIVE: "not established",
    Fate.OWNER_SETTING: tr("not shown because of a setting of the owner"),
    Fate.UNCAPTURED: "never captured",
}
_WIDTH, _HEIGHT = 720, 260  # of the curve, in units of its own
_LISTED = 200  # bundles named under a number; the others are named under their pages


@dataclass(frozen=True, slots=True, kw_only=True)
class _Band:
    """One step of the curve, between its two edges."""

    left: int
    width: int
    top: int
    height: int


def page(report: CampaignReport, *, weak: Collection[str] = ()) -> bytes:
    """
    Return the page.

    Args:
        weak: Ids of events of which nothing that is proven bears out the order of the captures.
    """
    campaign, found = report.campaign, report.findings
    return html.render(
        _TEMPLATE,
        _STYLES,
        "",
        end=html.print_margins(tr("snapshotter · report about a campaign"), ""),
        bands=_bands(found),
        campaign=campaign,
        causes=sentences.CAUSE_NAMES,
        curve=[(_length(survival.after_ms), survival) for survival in found.survival],
        fate=describe_fate,
        found=found,
        height=_HEIGHT,
        listed=_LISTED,
        numbers=[number for number in found.numbers if number.value or number.name in ALWAYS],
        of=_rests_on,
        own_word=OWN_WORD,
        page_state=describe_page,
        page_captures={
            number: [
                observation
                for observation in page.captures
                if campaign.since <= observation.at < campaign.until
            ]
            for number, page in enumerate(campaign.pages)
        },
        period=format_period(campaign),
        removed_between=format_removal,
        rows=list(enumerate(found.rows)),
        span=format_span,
        utc=_utc,
        weak=frozenset(weak),
        width=_WIDTH,
        words=describe_number,
    )


def describe_number(name: str) -> str:
    """Return what a number is of."""
    if name in _WORDS:
        return _WORDS[name]
    for prefix, said in _PREFIXES.items():
        if name.startswith(prefix):
            return said + name.removeprefix(prefix).replace("_", " ")
    return name


def describe_fate(row: PageRow) -> str:
    """Return what became of a page."""
    said = _FATES[row.fate]
    return (
        tr("{said} again after a removal", said=said)
        if row.reinstated and row.removals and (row.fate is Fate.AVAILABLE)
        else said
    )


def describe_cause(of: Removal) -> str:
    """Return the stated cause of a removal: by a notice, by data or by a status."""
    return sentences.CAUSE_NAMES[of.cause] if of.cause is not None else "not stated"


def describe_page(capture: Observation) -> str:
    """Return the state of the page in a capture, with its reason."""
    state = sentences.PAGE_STATES[capture.availability]
    if capture.cause is not None:
        return f"{state} ({sentences.CAUSE_NAMES[capture.cause]})"
    if capture.undecided is not None:
        return f"{state} ({sentences.UNDECIDED_CLAUSES[capture.undecided]})"
    return state


def format_removal(removal: Removal) -> str:
    """Return the interval of a removal in whole seconds."""
    began, ended = widen((removal.began, removal.ended))
    return f"{_utc(began)} and {_utc(ended)}"


def format_period(campaign: Campaign) -> str:
    """Return the period in words."""
    return f"{_utc(campaign.since)} to {_utc(campaign.until)}"


def format_span(of: Span | None) -> str:
    """Return a length of time that is not known exactly."""
    if of is None:
        return "not known"
    least = _length(of.at_least_ms)
    if of.at_most_ms is None:
        return tr(
            "at least {least}. More than half of the pages may still be available", least=least
        )
    # Rounded outwards: what is not known is never told more exactly than it is.
    return f"between {least} and {_length(of.at_most_ms, up=True)}"


def _length(ms: int, *, up: bool = False) -> str:
    """Return a length by its two largest units, rounded down, or up."""
    unit = 3_600_000 if ms >= 86_400_000 else 60_000 if ms >= 3_600_000 else 1_000
    total = timedelta(milliseconds=(ms + (unit - 1 if up else 0)) // unit * unit)
    days, rest = total.days, total.seconds
    hours, minutes, seconds = rest // 3600, rest % 3600 // 60, rest % 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds} s" if minutes else f"{seconds} s"


def _utc(at: datetime | None) -> str:
    return format_second(at) if at is not None else "never"


def _rests_on(number: Number, rows: Sequence[PageRow]) -> str:
    """Return what a number rests on, in short: "pages 1–40, 43; bundles: 120; events: 41"."""
    said = []
    if number.pages:
        every = len(number.pages) == len(rows)
        said.append("all pages" if every else f"pages {_runs(number.pages)}")
    said += [
        f"{what}: {len(them)}"
        for them, what in ((number.bundles, "bundles"), (number.events, "events"))
        if them
    ]
    return "; ".join(said)


def _runs(numbers: Sequence[int]) -> str:
    """Return numbers counted from 1, those behind each other as one run."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a + 1}" if a == b else f"{a + 1}–{b + 1}" for a, b in runs)


def _bands(found: CampaignFindings) -> list[_Band]:
    """Return the curve: of each step the stretch between its two edges."""
    if not found.survival or found.survivors < 1:
        return []
    end = max(1, found.survival[-1].after_ms)
    bands = []
    following: Sequence[Survival | None] = [*found.survival[1:], None]
    for step, behind in zip(found.survival, following, strict=True):
        left = step.after_ms * _WIDTH // end
        right = behind.after_ms * _WIDTH // end if behind else _WIDTH
        top = _HEIGHT - step.at_most * _HEIGHT // found.survivors
        bottom = _HEIGHT - step.at_least * _HEIGHT // found.survivors
        if right > left:
            bands.append(_Band(left=left, width=right - left, top=top, height=max(2, bottom - top)))
    return bands
