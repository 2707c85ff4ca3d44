"""
Write the report about one day, or another period: as text, as an HTML page, and as a mail's words.

The values come from `app/archive/screens/day_report.py`. This module decides nothing.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from snapshotter.formats.canonical_json import instant
from snapshotter.formats.printable import printable
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.report.states import StateLabel
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

MAX_LISTED: Final = 200  # entries of one part on the page
_SHORT_ID: Final = 8  # characters at the end of an id that name it in a list
_MAX_NAMED: Final = 10  # ids in a mail


@dataclass(frozen=True, slots=True, kw_only=True)
class DayEntry:
    """One capture, or one job without a capture."""

    at: datetime
    bundle_id: str = ""  # "" for a job that made no bundle
    url: str
    title: str = ""
    label: StateLabel
    detail: str = ""
    before: str = ""  # id of the capture to compare with
    before_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissedEntry:
    """Visits of a schedule that were due and not made, by a signed record of the store."""

    since: datetime
    until: datetime | None
    schedule: str
    reason: str
    visits: int
    gap_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DayReport:
    """What happened in a period. Entries are in the order of time."""

    store: str
    since: datetime
    until: datetime  # excluded
    made_at: datetime
    software: str
    captured: tuple[DayEntry, ...]  # all captures
    complete: int
    vanished: tuple[DayEntry, ...]
    possible_removals: tuple[DayEntry, ...]
    reappeared: tuple[DayEntry, ...]
    changed: tuple[DayEntry, ...]
    partial: tuple[DayEntry, ...]
    failed: tuple[DayEntry, ...]
    missed: tuple[MissedEntry, ...]
    review: tuple[DayEntry, ...]  # captures of the period that need a review
    review_in_all: int  # of the whole store
    quarantined: int  # captures of the period that are left out

    @property
    def missed_visits(self) -> int:
        """How many visits were missed."""
        return sum(entry.visits for entry in self.missed)


def page(of: DayReport, local: LocalTime) -> bytes:
    """Return the report as an HTML page."""
    return html.render(
        "day.html.j2",
        ("base.css", "day.css"),
        "",
        end=html.print_margins(
            tr("snapshotter · report about {heading}", heading=heading(of, local)), ""
        ),
        **page_values(of, local),
    )


def page_values(
    of: DayReport, local: LocalTime, capture_url: Callable[[str], str] | None = None
) -> dict[str, Any]:
    """
    Return the values that `day_parts.html.j2` shows.

    Args:
        capture_url: Returns the address of a capture on a server; None in a file.
    """
    return {
        "capture_url": capture_url,
        "clock": lambda at: _clock(of, at, local),
        "heading": heading(of, local),
        "max_listed": MAX_LISTED,
        "numbers": [(f"#{key}", *shown, None) for key, *shown in day_numbers(of)],
        "of": of,
        "parts": [part for part in _parts(of) if part[2]],
        "summary": summary(of),
        "when": local.show,
        "zone_sentence": local.sentence(of.since),
    }


def lines(of: DayReport, local: LocalTime, store_option: str = "") -> Iterator[str]:
    """
    Yield the report as text.

    Args:
        store_option: What follows a command so that it reads the store of the report.
    """
    yield tr("{heading}, store {store}", heading=heading(of, local), store=of.store)
    yield ""
    for _, name, count, detail in day_numbers(of):
        yield f"{count:>6}  {name}{f' ({detail})' if detail else ''}"
    for _, name, entries, _ in _parts(of):
        if entries:
            yield ""
            yield printable(name)
            for entry in entries:
                where = entry.bundle_id[-_SHORT_ID:] or tr("no bundle")
                title = f"  {entry.title}" if entry.title else ""
                yield (
                    f"  {_clock(of, entry.at, local)}  {where:<{_SHORT_ID}}  {entry.label.words}  "
                    f"{entry.url}{title}"
                )
                if entry.detail:
                    yield f"      {entry.detail}"
                if entry.before:
                    yield f"      snapshotter diff {entry.before} {entry.bundle_id}{store_option}"
    if of.missed:
        yield ""
        yield tr("Missed visits")
        for gap in of.missed:
            yield f"  {_clock(of, gap.since, local)}  {describe_gap(gap)}  {gap.gap_id}"
    if of.quarantined:
        yield ""
        yield tr("in quarantine and not shown: {count}", count=of.quarantined)


def as_json(of: DayReport) -> dict[str, Any]:
    """Return the object that `report day --json` prints (docs/reference/json.md)."""
    found: dict[str, Any] = {
        key: [_entry_json(entry) for entry in entries] for key, _, entries, _ in _parts(of)
    }
    return found | {
        "captured": [_entry_json(entry) for entry in of.captured],
        "complete": of.complete,
        "missed": [
            {
                "gap_id": gap.gap_id,
                "reason": gap.reason,
                "schedule": gap.schedule,
                "since": instant(gap.since),
                "until": instant(gap.until) if gap.until else None,
                "visits": gap.visits,
            }
            for gap in of.missed
        ],
        "quarantined": of.quarantined,
        "review_in_all": of.review_in_all,
        "since": instant(of.since),
        "store": of.store,
        "until": instant(of.until),
    }


def summary(of: DayReport) -> str:
    """Return the report in one paragraph that names no page."""
    said = [tr("Captures: {count}.", count=len(of.captured))]
    said += [
        tr("{name}: {count}.", name=name, count=count)
        for key, name, count, _ in day_numbers(of)
        if count and key != "captured"
    ]
    if len(said) == 1:
        said.append(tr("No removal, change, failure or missed visit was found."))
    return " ".join(said)


def mail_summary(of: DayReport, local: LocalTime) -> str:
    """Return the words of the digest mail: the day, numbers and ids, and no address."""
    about = f"{heading(of, local)}. {summary(of)}"
    named = list(
        dict.fromkeys(
            entry.bundle_id for entry in (*of.vanished, *of.possible_removals) if entry.bundle_id
        )
    )
    if not named:
        return about
    return tr(
        "{about} Look at the removals and possible removals: snapshotter open {ids}",
        about=about,
        ids=" ".join(named[:_MAX_NAMED]),
    )


def heading(of: DayReport, local: LocalTime) -> str:
    """Return the period: a day of local time, or two instants."""
    began, ended = of.since.astimezone(local.zone), of.until.astimezone(local.zone)
    is_day = not (began.hour or began.minute or began.second) and (
        (began + timedelta(days=1)).date() == ended.date() and ended.time() == began.time()
    )
    if is_day:
        return f"{began:%A}, {local.day(of.since)}"
    return tr(
        "{began} to {ended}",
        began=local.show(of.since, False).local,
        ended=local.show(of.until, False).local,
    )


def describe_gap(gap: MissedEntry) -> str:
    """Return what was missed, as a clause."""
    return tr(
        "{visits} of {schedule}: {reason}",
        visits=tr("1 visit") if gap.visits == 1 else tr("{count} visits", count=gap.visits),
        schedule=gap.schedule,
        reason=gap.reason,
    )


def day_numbers(of: DayReport) -> list[tuple[str, str, int, str]]:
    """Return key, name, number and detail of each number, in the order of their weight."""
    captured = tr(
        "complete {complete}, partial {partial}, failed {failed}",
        complete=of.complete,
        partial=len(of.partial),
        failed=sum(1 for entry in of.failed if entry.bundle_id),
    )
    review = (
        tr("in the whole store {count}", count=of.review_in_all)
        if of.review_in_all > len(of.review)
        else ""
    )
    numbers = {
        "vanished": (len(of.vanished), ""),
        "possible_removals": (len(of.possible_removals), ""),
        "review": (len(of.review), review),
        "changed": (len(of.changed), ""),
        "reappeared": (len(of.reappeared), ""),
        "failed": (len(of.failed), ""),
        "partial": (len(of.partial), ""),
        "missed": (of.missed_visits, ""),
        "captured": (len(of.captured), captured if of.captured else ""),
    }
    return [(key, _NAMES[key], *values) for key, values in numbers.items()]


_NAMES: Final[Mapping[str, str]] = {
    "vanished": tr("Pages that vanished"),
    "possible_removals": tr("Possible removals"),
    "review": tr("Captures that need a review"),
    "changed": tr("Pages that changed"),
    "reappeared": tr("Pages that are available again"),
    "failed": tr("Failed captures"),
    "partial": tr("Partial captures"),
    "missed": tr("Missed visits"),
    "captured": tr("Captures"),
}
_ABOUT: Final[Mapping[str, str]] = {
    "vanished": tr("The page was available before, and was not available in this capture."),
    "possible_removals": tr(
        "An earlier capture shows the text of the page. This capture shows only a few other words, "
        "a notice that no take-down rule matches, or no main text. A person must decide "
        "whether the page was removed."
    ),
    "review": tr("The most urgent captures come first. To decide: snapshotter review --accept ID"),
    "changed": tr("The main text differs from the main text of the previous capture."),
    "reappeared": tr("The page was not available before, and is available again."),
    "failed": tr("No page was captured, or the bundle cannot be read."),
    "partial": tr(
        "Parts of the capture are missing. To show the missing parts: snapshotter open ID"
    ),
}


def _parts(of: DayReport) -> list[tuple[str, str, tuple[DayEntry, ...], str]]:
    """Return key, name, entries and explanation of each part with entries."""
    return [
        (key, _NAMES[key], entries, about)
        for key, about in _ABOUT.items()
        if isinstance(entries := getattr(of, key), tuple)
    ]


def _entry_json(entry: DayEntry) -> dict[str, Any]:
    return {
        "at": instant(entry.at),
        "before": entry.before or None,
        "bundle_id": entry.bundle_id or None,
        "detail": entry.detail,
        "requested_url": entry.url,
        "state": entry.label.words,
        "title": entry.title or None,
    }


def _clock(of: DayReport, at: datetime, local: LocalTime) -> str:
    """Return the time of day, with the date if the period is longer than a day."""
    there = at.astimezone(local.zone)
    is_short = of.until - of.since <= timedelta(hours=25)
    return f"{there:%H:%M}" if is_short else f"{there:%Y-%m-%d %H:%M}"
