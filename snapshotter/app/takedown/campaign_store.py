"""
Compare a campaign report with the store that has its captures.

These are steps (5) and (6) of `campaign_verification.py`: the store has no other capture of the
pages in the period, and the signed events and gaps that the report names are in it.
"""

import contextlib
import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from snapshotter.app.archive import stored_gaps
from snapshotter.app.archive.observations import ObservationSource, is_of_its_host, observations
from snapshotter.app.archive.quarantined import hidden_reasons
from snapshotter.app.takedown.bundle_finder import FindBundle
from snapshotter.app.takedown.campaign_captures import NAMED_AT_MOST
from snapshotter.app.takedown.campaign_numbers import number_findings
from snapshotter.app.takedown.campaign_report import (
    campaign_event_ids,
    gap_reference,
    misplaced_captures,
)
from snapshotter.app.takedown.rederivation import Rederivation, mismatch
from snapshotter.assess import campaign as campaigns
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements import gap as gap_records
from snapshotter.formats.statements import takedown
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.model.campaign import Campaign, CampaignReport, GapRef, TakedownRef, WatchedPage
from snapshotter.model.finding import Code, Finding, Verdict
from snapshotter.model.takedown import Observation
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.verify.audit.sidecar_facts import key_counts
from snapshotter.verify.trust import Trust

_MAX_RECORD: Final = 2 << 20  # bytes of an event or a gap


def has_captures_of(campaign: Campaign, source: ObservationSource) -> bool:
    """Return whether a store has a capture of the report; without one it shows nothing."""
    source.sync()
    return any(
        source.index.row(observation.bundle_id) is not None
        for page in campaign.pages
        for observation in page.captures
    )


class StoredCaptures:
    """The captures of a store, each of which is verified once."""

    def __init__(self, source: ObservationSource, find: FindBundle, by: Rederivation) -> None:
        self.source = source
        self.established: dict[str, VerifiedFacts] = {}
        self._find = find
        self._by = by
        self._holds: dict[str, bool] = {}

    def holds(self, bundle_id: str) -> bool:
        """Return whether a bundle is present, is not FAILED, and shows what the index states."""
        if bundle_id not in self._holds:
            row = self.source.index.row(bundle_id)
            with self._find(bundle_id) as here:
                facts = here.report.established if here is not None else None
                self._holds[bundle_id] = (
                    here is not None and here.report.verdict is not Verdict.FAILED
                )
                if facts is not None:
                    self.established[bundle_id] = replace(facts, members={})
                said = row.observation if row is not None else None
                if here is not None and facts is not None and said is not None:
                    self._holds[bundle_id] &= not mismatch(self._by, said, facts, here.stream)
        return self._holds[bundle_id]

    def is_control(self, bundle_id: str) -> bool:
        """Return whether a bundle holds and its page is on the host that was requested."""
        return self.holds(bundle_id) and (
            bundle_id not in self.established or is_of_its_host(self.established[bundle_id])
        )


def left_out_findings(
    report: CampaignReport, stored: StoredCaptures, trust: Trust
) -> Iterator[Finding]:
    """Yield a finding if the store has captures of the pages that the report does not have."""
    campaign = report.campaign
    hidden = _named_and_hidden(campaign, stored, trust)
    if hidden:
        yield Finding.indeterminate(
            tr("left out"),
            Code.LEFT_OUT,
            tr(
                "captures that the report leaves out because they are in quarantine: {count}: "
                "{named}{more}. What they show is not in the numbers",
                count=len(hidden),
                named=", ".join(hidden[:NAMED_AT_MOST]),
                more=" …" if len(hidden) > NAMED_AT_MOST else "",
            ),
        )
    disregarded = set(hidden) | {
        left_out.bundle_id
        for left_out in campaign.left_out
        if left_out.bundle_id not in hidden and not stored.holds(left_out.bundle_id)
    }
    disregarded |= _misplaced_bundles(campaign, stored, disregarded, trust)
    whole, there = _with_more(campaign, stored, disregarded)
    if not there:
        yield Finding.passed(
            tr("left out"),
            tr("the store has no other captures of these pages before the end of the period"),
        )
        return
    named = ", ".join(there[:NAMED_AT_MOST])
    yield Finding.failed(
        tr("left out"),
        Code.LEFT_OUT,
        tr(
            "the store has captures that the report does not have: {named}{value}. These "
            "captures were left out of the report, or were stored later",
            named=named,
            value=" …" if len(there) > NAMED_AT_MOST else "",
        ),
    )
    made = campaigns.compute_findings(whole)
    for finding in number_findings(report.findings, made):
        yield replace(
            finding,
            check="left out",
            detail=f"{finding.detail}. The value was computed with these captures",
        )


def _named_and_hidden(campaign: Campaign, stored: StoredCaptures, trust: Trust) -> list[str]:
    """Return the captures that the report leaves out and that the store has in quarantine."""
    return sorted(
        hidden_reasons(
            [left_out.bundle_id for left_out in campaign.left_out],
            store=stored.source.store,
            is_trusted=partial(key_counts, trust),
            index=stored.source.index,
        )
    )


def _misplaced_bundles(
    campaign: Campaign, stored: StoredCaptures, disregarded: Collection[str], trust: Trust
) -> set[str]:
    """Return the captures left out because of their proven place in the order of an event."""
    said = {left_out.bundle_id for left_out in campaign.left_out} - set(disregarded)
    found: set[str] = set()
    while said - found:
        whole, _ = _with_more(campaign, stored, {*disregarded, *found})
        for page in whole.pages:
            for observation in (*page.captures, *page.controls):
                stored.holds(observation.bundle_id)
        more = said.intersection(
            misplaced_captures(whole, stored.established, max_skew=trust.max_skew)
        ).difference(found)
        if not more:
            break
        found |= more
    return found


def _with_more(
    campaign: Campaign, stored: StoredCaptures, without: Collection[str]
) -> tuple[Campaign, list[str]]:
    """Return a campaign with the further captures that the store has, and their ids."""
    there: list[str] = []
    pages = []
    for page in campaign.pages:
        known = {observation.bundle_id for observation in page.captures}
        more = [
            observation
            for observation in observations(
                stored.source, identity=page.identity, until=campaign.until, sync=False
            )
            if observation.bundle_id not in known and observation.bundle_id not in without
        ]
        there += [observation.bundle_id for observation in more]
        captures = tuple(
            sorted(
                (*page.captures, *more),
                key=lambda observation: (observation.at, observation.bundle_id),
            )
        )
        page = replace(page, captures=captures)
        controls = tuple(_controls(page, campaign, stored, without))
        there += [observation.bundle_id for observation in controls]
        pages.append(replace(page, controls=(*page.controls, *controls)))
    return replace(campaign, pages=tuple(pages)), list(dict.fromkeys(there))


def _controls(
    page: WatchedPage, campaign: Campaign, stored: StoredCaptures, without: Collection[str]
) -> Iterator[Observation]:
    """
    Yield controls that the report does not have.

    A removal is not confirmed without a control, so leaving one out makes the numbers smaller.
    """
    known = {observation.bundle_id for observation in page.controls}
    bad = [name for name in without if name not in known]
    for observation in page.captures:
        if observation.cause is None and not observation.accounts:
            continue
        found = stored.source.index.control(observation, page.identity, without=bad)
        while not (found is None or found.bundle_id in known or stored.is_control(found.bundle_id)):
            bad.append(found.bundle_id)
            found = stored.source.index.control(observation, page.identity, without=bad)
        if found is not None and found.at < campaign.until and found.bundle_id not in known:
            known.add(found.bundle_id)
            yield found


def record_findings(
    report: CampaignReport, store: ReadableStore, trust: Trust, in_period: Sequence[GapRecord]
) -> Iterator[Finding]:
    """
    Check the records of events and gaps that a report names.

    Args:
        in_period: The gaps of the store that fall into its period.
    """
    campaign = report.campaign
    named = {gap.gap_id for gap in campaign.gaps}
    schedules = {gap.schedule for gap in campaign.gaps}
    for record in in_period:
        # Gaps of other schedules may have been left out by request.
        if record.gap_id not in named and record.schedule in schedules:
            detail = tr(
                "the gap {gap_id} of the schedule {schedule} is in the period, but the "
                "report does not list this gap",
                gap_id=record.gap_id,
                schedule=record.schedule,
            )
            yield Finding.failed("records", Code.LEFT_OUT, detail)
    for gap in campaign.gaps:
        if gap.since >= campaign.until or (gap.until or campaign.made_at) <= campaign.since:
            detail = tr("the gap {gap_id} is not in the period of the report", gap_id=gap.gap_id)
            yield Finding.failed("records", Code.NUMBER, detail)
    wanted: list[tuple[str, str, str, Callable[[bytes], str | None]]] = [
        *(
            (
                "event",
                store_keys.takedown_key(event.event_id),
                event.sha256,
                partial(_event_key, event),
            )
            for event in campaign.recorded
        ),
        *(
            ("gap", store_keys.gap_key(gap.gap_id), gap.sha256, partial(_gap_key, gap))
            for gap in campaign.gaps
        ),
    ]
    its_events = set(campaign_event_ids(report.findings))
    for ref in campaign.recorded:
        if ref.event_id not in its_events:
            detail = tr(
                "the event {event_id} does not follow from the captures of the report",
                event_id=ref.event_id,
            )
            yield Finding.failed("records", Code.NUMBER, detail)
    good = 0
    for what, key, sha256, key_of in wanted:
        data = b""
        with contextlib.suppress(FileNotFoundError), store.open(key) as stream:
            data = stream.read(_MAX_RECORD)
        if not data:
            yield Finding.indeterminate(
                "records",
                Code.BUNDLE_MISSING,
                tr("the {what} {key} is not in the store", what=what, key=key),
            )
        elif hashlib.sha256(data).hexdigest() != sha256:
            yield Finding.failed(
                "records",
                Code.BUNDLE_OTHER,
                tr(
                    "the digest of the {what} {key} in the store differs from the digest in the "
                    "report",
                    what=what,
                    key=key,
                ),
            )
        elif (key_id := key_of(data)) is None:
            detail = tr(
                "the report differs from the record of the {what} {key}", what=what, key=key
            )
            yield Finding.failed("records", Code.NUMBER, detail)
        elif not key_counts(trust, key_id):
            detail = tr(
                "the {what} {key} is signed by the key {key_id}, which is not trusted",
                what=what,
                key=key,
                key_id=key_id,
            )
            yield Finding.indeterminate("records", Code.KEY_UNKNOWN, detail)
        else:
            good += 1
    if good and good == len(wanted):
        yield Finding.passed(
            "records", tr("signed events and gaps that match the report: {good}", good=good)
        )


def other_gap_notes(campaign: Campaign, in_period: Sequence[GapRecord]) -> Iterator[str]:
    """Yield a note on schedules with gaps in the period of which the report names no gap."""
    named = {gap.schedule for gap in campaign.gaps}
    others = sorted({record.schedule for record in in_period} - named)
    if others:
        yield (
            tr("schedules that have signed gaps in the period, but no gap in the report: ")
            + ", ".join(others)
        )


def gaps_of_period(campaign: Campaign, store: ReadableStore, trust: Trust) -> Iterator[GapRecord]:
    for kept in stored_gaps.stored_gaps(store):
        record = kept.record
        if record is None or record.at > campaign.made_at:
            continue
        if not key_counts(trust, record.key_id):
            continue  # anybody who can write to the store may have put it there
        if record.since < campaign.until and (record.until or record.at) > campaign.since:
            yield record


def _event_key(said: TakedownRef, data: bytes) -> str | None:
    """Return the key that signed the record of an event; None for the record of another event."""
    try:
        event, key_id = takedown.parse(data)
    except EvidenceInvalid:
        return None
    return key_id if event.event_id == said.event_id else None


def _gap_key(said: GapRef, data: bytes) -> str | None:
    """Return the key that signed the record of a gap; None if the record states something else."""
    try:
        record = gap_records.parse(data, said.gap_id)
    except EvidenceInvalid:
        return None
    return record.key_id if gap_reference(record, said.sha256) == said else None
