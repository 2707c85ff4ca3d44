"""
Verify a campaign report: compute each of its numbers again.

    (1) the record: its form, signature and key
    (2) the numbers, from the captures as the record states them (`campaign_numbers.py`)
    (3) each capture: its bundle is present, has the digest that the record names, and verifies by
        itself; what it shows is derived again by the rules in it (`campaign_captures.py`), and it
        is of the stated page and account (`campaign_pages.py`)
    (4) the numbers, from what (3) found
    (5) the store: it has no other capture of these pages in the period (`campaign_store.py`)
    (6) the signed events and gaps that the report names

A finding names each number that differs. A missing bundle does not speak against the report:
what depends on it is INDETERMINATE.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from snapshotter.app.archive.observations import ObservationSource
from snapshotter.app.takedown.bundle_finder import FindBundle
from snapshotter.app.takedown.campaign_captures import (
    NAMED_AT_MOST,
    CaptureChecks,
    check_captures,
    format_names,
)
from snapshotter.app.takedown.campaign_numbers import (
    computed_findings,
    number_findings,
    older_interval_notes,
)
from snapshotter.app.takedown.campaign_pages import PageChecks
from snapshotter.app.takedown.campaign_store import (
    StoredCaptures,
    gaps_of_period,
    has_captures_of,
    left_out_findings,
    other_gap_notes,
    record_findings,
)
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.assess import campaign as campaigns
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.canonical_json import instant, plain
from snapshotter.formats.printable import printable
from snapshotter.formats.statements import campaign as records
from snapshotter.model import sentences
from snapshotter.model.campaign import OWN_WORD, Campaign, CampaignReport
from snapshotter.model.finding import Code, Finding, Verdict, overall
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.takedown import ConfirmRules
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_order
from snapshotter.verify import report as reports
from snapshotter.verify.takedown import NOT_CONFIRMED, captures_by_role, key_finding
from snapshotter.verify.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignVerification:
    """All findings about one report."""

    findings: tuple[Finding, ...]
    report: CampaignReport | None = None  # None: it is not a valid record
    key_id: str = ""
    sha256: str = ""
    trust: str = ""
    notes: tuple[str, ...] = ()  # further statements, which decide nothing
    own_word: tuple[str, ...] = OWN_WORD  # fields that only the signer states
    # By the id of an event, its captures whose place in the order is not proven.
    weak: Mapping[str, tuple[UnprovenOrder, ...]] = field(default_factory=dict)
    checked: int = 0  # bundles whose verdict was derived again

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        return overall(self.findings)


def verify_campaign(
    data: bytes,
    trust: Trust,
    find: FindBundle,
    by: Rederivation,
    *,
    source: ObservationSource | None = None,
    show_message: ShowMessage = lambda text: None,
) -> CampaignVerification:
    """
    Return all findings about a report. Never raises for the content of the report or its bundles.

    Args:
        data: The record.
        find: Finds the bundles that the report names.
        source: The store with which the report is compared; None: steps (5) and (6) are left out.
        show_message: Shows the progress.

    Raises:
        OSError, SnapshotterError: A bundle exists and cannot be read.
    """
    sha256 = hashlib.sha256(data).hexdigest()
    try:  # (1)
        report, key_id = records.parse(data)
    except EvidenceInvalid as error:
        detail = tr("the file is not a valid campaign report: {value}", value=error.message)
        failed = Finding.failed("report", Code.EVENT, detail)
        return CampaignVerification(findings=(failed,), sha256=sha256, trust=trust.source)
    del data  # tens of megabytes
    campaign = report.campaign
    findings = [
        Finding.passed(
            "report",
            tr(
                "campaign report on {count} pages, {period}",
                count=len(campaign.pages),
                period=_period(campaign),
            ),
        ),
        key_finding("report key", key_id, trust),
    ]
    if not campaign.verified:
        findings.append(
            Finding.indeterminate(
                "bundles",
                Code.BUNDLE_OPEN,
                tr("the bundles were not verified when the report was made"),
            )
        )
    if campaign.until > campaign.made_at:
        detail = tr(
            "the period of the report ends after the report was made ({instant})",
            instant=instant(campaign.made_at),
        )
        findings.append(Finding.failed("report", Code.NUMBER, detail))
    if late := _after_the_period(campaign):
        detail = tr(
            "the report names captures that ended after its period: {names}",
            names=format_names(late),
        )
        findings.append(Finding.failed("report", Code.NUMBER, detail))
    findings += _lax_rules_findings(campaign)
    own = number_findings(report.findings, computed_findings(campaign, report.findings))  # (2)
    findings += list(own) or [
        Finding.passed("numbers", tr("each number follows from the captures that the report names"))
    ]
    found = check_captures(campaign, find, by, key_id, show_message)  # (3)
    has_store = source is not None and has_captures_of(campaign, source)
    pages = PageChecks(found, by, source if has_store else None)
    for page in campaign.pages:
        found.findings += pages.findings(page)
    findings += found.findings
    again = _as_bundles_show(campaign, found)
    findings += _derived_number_findings(report, again, found)  # (4)
    order = _order(again, found, trust)
    findings += order.findings
    notes = [f"{format_names(names)}: {what}" for what, names in found.notes.items()]
    notes += older_interval_notes(report)
    if source is not None and has_store:
        findings += left_out_findings(report, StoredCaptures(source, find, by), trust)  # (5)
        in_period = tuple(gaps_of_period(campaign, source.store, trust))
        findings += record_findings(report, source.store, trust, in_period)  # (6)
        notes += other_gap_notes(campaign, in_period)
    else:
        detail = (
            "no store with these captures was given, so it is not established whether captures "
            "were left out of the report"
        )
        findings.append(Finding.indeterminate(tr("left out"), Code.BUNDLE_OPEN, detail))
    return CampaignVerification(
        findings=tuple(findings),
        report=report,
        key_id=key_id,
        sha256=sha256,
        trust=trust.source,
        notes=tuple(notes),
        own_word=(
            *OWN_WORD,
            *(f"{name} of {format_names(names)}" for name, names in found.unconfirmed.items()),
        ),
        weak=order.weak,
        checked=len(found.derived),
    )


def _after_the_period(campaign: Campaign) -> list[str]:
    return [
        observation.bundle_id
        for page in campaign.pages
        for observation in (*page.captures, *page.controls)
        if observation.at > campaign.until
    ]


def _lax_rules_findings(campaign: Campaign) -> Iterator[Finding]:
    """State for how many pages the signer confirmed a removal by weaker rules than the usual."""
    usual = ConfirmRules()
    lax = [
        page
        for page in campaign.pages
        if page.confirm.times < usual.times
        or page.confirm.after < usual.after
        or not page.confirm.control
    ]
    if lax:
        yield Finding.passed(
            "numbers",
            tr(
                "for {count} of {count2} pages, a removal needed less confirmation than usual. "
                "The usual rule requires {times} captures that agree, at least {after:.0f} s "
                "apart, and between them a capture of another page of the host",
                count=len(lax),
                count2=len(campaign.pages),
                times=usual.times,
                after=usual.after.total_seconds(),
            ),
        )


def _as_bundles_show(campaign: Campaign, found: CaptureChecks) -> Campaign:
    """Return the campaign with the captures as their bundles show them, without missing ones."""
    pages = []
    for page in campaign.pages:
        captures, controls = (
            tuple(
                found.derived[observation.bundle_id]
                for observation in them
                if observation.bundle_id in found.derived
            )
            for them in (page.captures, page.controls)
        )
        pages.append(replace(page, captures=captures, controls=controls))
    return replace(campaign, pages=tuple(pages))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Order:
    """What is proven about the order of captures, by event."""

    findings: tuple[Finding, ...]
    weak: Mapping[str, tuple[UnprovenOrder, ...]]


def _order(again: Campaign, found: CaptureChecks, trust: Trust) -> _Order:
    """Compare the order of the captures of each event with their proven times."""
    findings: list[Finding] = []
    weak: dict[str, tuple[UnprovenOrder, ...]] = {}
    for event in campaigns.concluded_events(again):
        placed = [
            capture_order.CaptureInRole(role=part.role, found=established)
            for part in captures_by_role(event)
            if (established := found.established.get(part.observation.bundle_id)) is not None
        ]
        judged = capture_order.judge(placed, max_skew=trust.max_skew)
        findings += [
            replace(finding, detail=f"event {event.event_id}: {finding.detail}")
            for finding in judged.findings
        ]
        if judged.weak:
            weak[event.event_id] = judged.weak
    return _Order(findings=tuple(findings), weak=weak)


def _derived_number_findings(
    report: CampaignReport, again: Campaign, found: CaptureChecks
) -> Iterator[Finding]:
    """Compare the numbers of the report with those that follow from the bundles."""
    made = computed_findings(again, report.findings)
    different = list(number_findings(report.findings, made))
    if not different:
        detail = tr(
            "each number was computed again from the bundles, with the rules in the bundles"
        )
        yield Finding.passed("bundles", detail)
        return
    for finding in different:
        if found.missing:  # a missing bundle speaks neither for a number nor against it
            words = tr(
                "{detail}. Bundles that were not found, and were not counted: {count}",
                detail=finding.detail,
                count=len(found.missing),
            )
            yield Finding.indeterminate("again", Code.NUMBER, words)
        else:
            yield Finding.failed(
                "again",
                Code.NUMBER,
                tr("{detail}. The value was computed from the bundles", detail=finding.detail),
            )


def _period(campaign: Campaign) -> str:
    return f"{instant(campaign.since)} to {instant(campaign.until)}"


def lines(found: CampaignVerification) -> list[str]:
    """Return the findings for a person: the headline, each check, and the notes."""
    report = found.report
    rows = [
        ("report", report.campaign.report_id if report else "no report could be read"),
        ("SHA-256", found.sha256),
        ("signed by", f"key {found.key_id}" if found.key_id else "no key could be read"),
        ("judged with", found.trust),
    ]
    result = [printable(headline(found)), ""]
    result += reports.group_lines(f"proof: {sentences.proof_words(_proof_state(found))}", rows)
    result += reports.check_lines(
        replace(finding, check=f"{finding.check:<10}") for finding in found.findings
    )
    result += [f"note {printable(line)}" for line in (*found.notes, *_weak_lines(found))]
    result += reports.advice_lines(found.findings)
    if report is not None:
        result.append(f"note {NOT_CONFIRMED}: {printable(', '.join(found.own_word))}")
    return result


def headline(found: CampaignVerification) -> str:
    """Return the main number of the report, and whether the proof is intact."""
    report = found.report
    proof = sentences.proof_sentence(_proof_state(found))
    if found.verdict is Verdict.FAILED or report is None:
        return f"{proof} {reports.DO_NOT_RELY}"
    if found.verdict is Verdict.PASSED:
        proof = tr(
            "The proof is intact; each number follows from the bundles (bundles checked: "
            "{checked}).",
            checked=found.checked,
        )
    numbers = {number.name: number.value for number in report.findings.numbers}
    removed = tr(
        "Pages removed: {numbers} of {numbers2}.",
        numbers=numbers.get("removed", 0),
        numbers2=numbers.get("watched", 0),
    )
    return " ".join(filter(None, (removed, proof, reports.open_sentence(found.verdict))))


def _proof_state(found: CampaignVerification) -> sentences.ProofState:
    return sentences.ProofState.of_findings(found.verdict, found.findings, authorities=1)


def _weak_lines(found: CampaignVerification) -> Iterator[str]:
    """Yield the events in which the order of captures is not proven, with a reason for each."""
    for event_id, weak in list(found.weak.items())[:NAMED_AT_MOST]:
        yield f"event {event_id}: {weak[0].detail}"
    if len(found.weak) > NAMED_AT_MOST:
        more = len(found.weak) - NAMED_AT_MOST
        yield tr(
            "more events for which the order of the captures is not proven: {more}. The "
            "option --json lists all these events",
            more=more,
        )


def as_json(found: CampaignVerification) -> dict[str, Any]:
    """Return the findings as the object that `verify --json` prints (docs/reference/json.md)."""
    report = found.report
    return {
        "checked": found.checked,
        "findings": [reports.finding_json(finding) for finding in found.findings],
        "headline": headline(found),
        "key_id": found.key_id,
        "kind": "campaign",
        "made_at": instant(report.campaign.made_at) if report else None,
        "notes": list(found.notes),
        "numbers": {number.name: number.value for number in report.findings.numbers}
        if report
        else {},
        "own_word": list(found.own_word),
        "report_id": report.campaign.report_id if report else "",
        "sha256": found.sha256,
        "trust": found.trust,
        "verdict": found.verdict.value,
        "weak": {event_id: plain(them) for event_id, them in found.weak.items()},
    }
