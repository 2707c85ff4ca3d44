"""
Compute the numbers of a campaign report again, and compare them with those that it states.

These are steps (2) and (4) of `campaign_verification.py`.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from snapshotter.assess import campaign as campaigns
from snapshotter.formats import typed
from snapshotter.formats.canonical_json import instant
from snapshotter.model.campaign import Campaign, CampaignFindings, CampaignReport, Number
from snapshotter.model.finding import Code, Finding
from snapshotter.model.takedown import widen
from snapshotter.translation import tr


def number_findings(said: CampaignFindings, made: CampaignFindings) -> Iterator[Finding]:
    """Yield a finding for each number of a report that differs from the computed one."""
    first, second = _numbers_by_name(said.numbers), _numbers_by_name(made.numbers)
    for name in dict.fromkeys((*first, *second)):
        one, other = first.get(name), second.get(name)
        if one == other:
            continue
        if one is not None and other is not None and one.value == other.value:
            detail = tr(
                "{name}: the value {value} is correct, but the report names the wrong "
                "captures for this value",
                name=name,
                value=one.value,
            )
        else:
            detail = tr(
                "{name}: the report states {value}, but the computed value is {value2}",
                name=name,
                value=one.value if one else "no value",
                value2=other.value if other else 0,
            )
        yield Finding.failed("numbers", Code.NUMBER, detail)
    for row, again in zip(said.rows, made.rows, strict=False):
        if row != again:
            names = ", ".join(_differing_fields(row, again))
            yield Finding.failed("pages", Code.NUMBER, f"{row.url or row.identity}: {names}")
    for name in ("accounts", "survivors", "survival", "median_life", "median_removed_after"):
        if getattr(said, name) != getattr(made, name):
            words = name.replace("_", " ")
            yield Finding.failed(
                "numbers",
                Code.NUMBER,
                tr("{words}: the computed value differs from the report", words=words),
            )
    if said.crossings != made.crossings:
        yield Finding.failed(
            "numbers", Code.NUMBER, tr("crossings: the computed values differ from the report")
        )


def computed_findings(campaign: Campaign, said: CampaignFindings) -> CampaignFindings:
    """Compute the findings of a campaign; by the older rule for intervals if only that one fits."""
    made = campaigns.compute_findings(campaign)
    if made != said:
        older = campaigns.compute_findings(campaign, bracket=campaigns.bracket_by_start)
        if older == said:
            return older
    return made


def older_interval_notes(report: CampaignReport) -> Iterator[str]:
    """Yield the removals that a report dates by the older rule: by the capture that began first."""
    events = {event.event_id: event for event in campaigns.concluded_events(report.campaign)}
    for row in report.findings.rows:
        for removal in row.removals:
            event = events.get(removal.event_id)
            if event is not None and (removal.began, removal.ended) != event.bracket:
                begin, end = map(instant, widen(event.bracket))
                yield tr(
                    "the two captures of the event {event_id} overlap in time, and the "
                    "report states the time of the event by an older rule. By the "
                    "current rule, the event happened between {begin} and {end}",
                    event_id=removal.event_id,
                    begin=begin,
                    end=end,
                )


def _differing_fields(one: Any, other: Any) -> list[str]:
    first, second = typed.write(one), typed.write(other)
    return sorted(
        field_name
        for field_name in {*first, *second}
        if first.get(field_name) != second.get(field_name)
    )


def _numbers_by_name(numbers: Iterable[Number]) -> Mapping[str, Number]:
    return {number.name: number for number in numbers}
