"""
Make a campaign report: numbers about the removals among many pages, from verified captures.

    (1) the index is brought up to date with the store
    (2) for each page, all captures until the end of the period are read, and the controls of those
        that show a removal
    (3) each bundle is verified, and its verdict is derived again by its rules. The report leaves
        out, and names, a bundle that FAILED, that shows something else, or that is proven to be
        newer than it claims. A page that led to another host is no control. A bundle in
        quarantine is left out and named, too.
    (4) the numbers are computed by `assess/campaign.py`
    (5) the signed events and gaps of the store are added
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import BinaryIO

from snapshotter.app.archive import stored_gaps
from snapshotter.app.archive.bundle_verification import unusable_reason, verify_stored_bundle
from snapshotter.app.archive.observations import (
    ObservationSource,
    is_of_its_host,
    observations,
    unassessed_bundles,
)
from snapshotter.app.archive.quarantined import FindHidden, none_hidden
from snapshotter.assess import campaign as campaigns
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.statements.gap import GapRecord
from snapshotter.model.campaign import (
    Campaign,
    CampaignFindings,
    CampaignReport,
    ExcludedCapture,
    GapRef,
    TakedownRef,
    WatchedPage,
)
from snapshotter.model.finding import Report
from snapshotter.model.request import Monitoring
from snapshotter.model.takedown import Observation
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_order
from snapshotter.verify.audit.sidecar_facts import key_counts
from snapshotter.verify.takedown import captures_by_role
from snapshotter.verify.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignService:
    """What is needed to make a report."""

    source: ObservationSource
    trust: Trust
    monitoring: Callable[[str], Monitoring]  # the rules for an address, by its policy
    own_keys: frozenset[str]  # keys whose gaps and events count without a trust file
    now: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    progress: Callable[[str], None] = lambda text: None
    hidden: FindHidden = none_hidden
    # Returns why a bundle does not show, by its own rules, what the index states; "" if it does.
    mismatch: Callable[[Observation, VerifiedFacts, BinaryIO], str] = lambda said, facts, stream: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The pages and the period of a report."""

    urls: tuple[str, ...]
    words: str  # describes where the pages come from: "a list of 45"
    title: str = ""
    schedule: str = ""  # only gaps of this schedule count; "": gaps of all
    since: datetime | None = None  # None: the first capture of any of the pages
    until: datetime | None = None  # None: now


def make(service: CampaignService, scope: Scope, *, verify: bool = True) -> CampaignReport:
    """
    Return the report of a campaign, unsigned.

    Args:
        verify: Verify each bundle that a number depends on. Without it the report states that
            nobody verified them.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: An address or the period is invalid.
    """
    now = service.now().replace(microsecond=0)
    service.source.sync()  # (1)
    service.source.index.sync_events(service.source.store)
    judge = _Judge(service, verify=verify)
    campaign = _campaign(service, scope, judge, now)  # (2), (3)
    while wrong := misplaced_captures(campaign, judge.established, max_skew=service.trust.max_skew):
        judge.left_out |= wrong
        campaign = _campaign(service, scope, judge, now)
    found = campaigns.compute_findings(campaign)  # (4)
    campaign = replace(campaign, recorded=tuple(_recorded(service, found)))  # (5)
    return CampaignReport(campaign=campaign, findings=found)


def _campaign(service: CampaignService, scope: Scope, judge: "_Judge", now: datetime) -> Campaign:
    until = min(scope.until or now, now)
    pages = _pages(service, scope.urls, until, judge)
    captured = [page.captures[0].at for page in pages if page.captures]
    since = scope.since or min(captured, default=until).replace(microsecond=0)
    if since >= until:
        raise SnapshotterError(
            tr(
                "the end of the period is not after its beginning, or no capture was made before "
                "the end of the period"
            ),
            hint=tr(
                "give the period with --from and --to, for example --from 2026-05-27 --to "
                "2026-06-27"
            ),
        )
    return Campaign(
        report_id=service.new_id(now),
        made_at=now,
        title=scope.title,
        scope=scope.words,
        since=since,
        until=until,
        pages=tuple(pages),
        gaps=tuple(gaps_in_period(service, scope.schedule, since, until)),
        left_out=tuple(_left_out(pages, judge)),
        verified=judge.verifies,
        certain=True,
    )


class _Judge:
    """Verifies each bundle once."""

    def __init__(self, service: CampaignService, *, verify: bool) -> None:
        self._service = service
        self.verifies = verify
        self._known: dict[str, Observation | None] = {}
        self.left_out: dict[str, str] = {}  # why a capture is left out, by bundle id
        self.no_control: dict[str, str] = {}  # why a capture is no control, by bundle id
        self.established: dict[str, VerifiedFacts] = {}

    def good(self, them: Iterable[Observation]) -> tuple[Observation, ...]:
        """Return the captures that are not in quarantine and whose bundles hold."""
        given = tuple(them)
        self.left_out |= self._service.hidden([observation.bundle_id for observation in given])
        found = (
            self._judged(observation)
            for observation in given
            if observation.bundle_id not in self.left_out
        )
        return tuple(observation for observation in found if observation is not None)

    def good_control(self, observation: Observation) -> tuple[Observation, ...]:
        """Return a control if its bundle holds and its page did not lead to another host."""
        found = self.good([observation])
        facts = self.established.get(observation.bundle_id)
        if found and facts is not None and not is_of_its_host(facts):
            self.no_control[observation.bundle_id] = tr(
                "the capture was made as a control, but was redirected to another host"
            )
            return ()
        return found

    def _judged(self, observation: Observation) -> Observation | None:
        if not self.verifies:
            return observation
        if observation.bundle_id not in self._known:
            source = self._service.source
            report = verify_stored_bundle(
                source.store, observation.bundle_id, self._service.trust, now=self._service.now()
            )
            why = _why_not(observation, report) or self._unlike(observation, report)
            if why:
                self.left_out[observation.bundle_id] = why
            self._known[observation.bundle_id] = (
                None
                if why or report is None
                else replace(observation, proven_at=report.proven_time)
            )
            if report is not None and report.established is not None:
                self.established[observation.bundle_id] = replace(report.established, members={})
            if len(self._known) % 100 == 0:
                self._service.progress(f"bundles verified: {len(self._known)}")
        return self._known[observation.bundle_id]

    def _unlike(self, observation: Observation, report: Report | None) -> str:
        if report is None or report.established is None:
            return ""
        with self._service.source.store.open(
            store_keys.bundle_key(observation.bundle_id)
        ) as stream:
            return self._service.mismatch(observation, report.established, stream)


def _why_not(observation: Observation, report: Report | None) -> str:
    """Return why a capture is left out of the report; "" if it counts."""
    if report is None:
        return tr("the bundle is no longer in the store")
    return unusable_reason(report, observation.sha256)


def misplaced_captures(
    campaign: Campaign, established: Mapping[str, VerifiedFacts], *, max_skew: timedelta
) -> dict[str, str]:
    """Return the captures that are proven to be newer than they claim, each with the proof."""
    found: dict[str, str] = {}
    for event in campaigns.concluded_events(campaign):
        placed = [
            capture_order.CaptureInRole(role=part.role, found=facts)
            for part in captures_by_role(event)
            if (facts := established.get(part.observation.bundle_id)) is not None
        ]
        order = capture_order.judge(placed, max_skew=max_skew)
        for bundle_id, finding in zip(order.misplaced, order.findings, strict=True):
            found.setdefault(bundle_id, finding.detail)
    return found


def _left_out(pages: Iterable[WatchedPage], judge: _Judge) -> Iterable[ExcludedCapture]:
    counted = {observation.bundle_id for page in pages for observation in page.captures}
    for bundle_id, why in {**judge.no_control, **judge.left_out}.items():
        if bundle_id not in counted:
            yield ExcludedCapture(bundle_id=bundle_id, why=why)


def _pages(
    service: CampaignService, urls: Sequence[str], until: datetime, judge: _Judge
) -> list[WatchedPage]:
    pages: dict[str, WatchedPage] = {}
    for url in urls:
        identity = service.source.identity(url)
        if identity in pages:
            continue
        for row in unassessed_bundles(service.source, identity=identity):
            judge.left_out.setdefault(row.bundle_id, row.problem)
        captures = judge.good(
            observations(service.source, identity=identity, until=until, sync=False)
        )
        monitoring = service.monitoring(url)
        pages[identity] = WatchedPage(
            identity=identity,
            url=url,
            captures=captures,
            controls=judge.good(_controls(service, identity, captures, until, judge)),
            confirm=monitoring.confirm,
            thresholds=monitoring.thresholds,
        )
    if not pages:
        raise SnapshotterError(
            tr("the command names no page"),
            hint=tr("name a file with --urls FILE that has one address in each line"),
        )
    return list(pages.values())


def _controls(
    service: CampaignService,
    identity: str,
    captures: Sequence[Observation],
    until: datetime,
    judge: _Judge,
) -> list[Observation]:
    """Return other pages of the host that were available after each capture of a removal."""
    found: dict[str, Observation] = {}
    for observation in captures:
        if observation.cause is None and not observation.accounts:
            continue
        bad = [*judge.left_out, *judge.no_control]
        control = service.source.index.control(observation, identity, without=bad)
        while control is not None and not judge.good_control(control):
            bad.append(control.bundle_id)
            control = service.source.index.control(observation, identity, without=bad)
        if control is not None and control.at < until:
            found[control.bundle_id] = control
    return list(found.values())


def gaps_in_period(
    service: CampaignService, schedule: str, since: datetime, until: datetime
) -> Iterable[GapRef]:
    """Yield the signed gaps of the store that fall into a period, the oldest first."""
    found = []
    for kept in stored_gaps.stored_gaps(service.source.store):
        record = kept.record
        if record is None or (schedule and record.schedule != schedule):
            continue
        if not (key_counts(service.trust, record.key_id) or record.key_id in service.own_keys):
            continue
        if record.since >= until or (record.until or record.at) <= since:
            continue
        found.append(gap_reference(record, kept.sha256))
    return sorted(found, key=lambda gap: (gap.since, gap.gap_id))


def gap_reference(record: GapRecord, sha256: str) -> GapRef:
    """Return the reference of a report to a gap record."""
    return GapRef(
        gap_id=record.gap_id,
        sha256=sha256,
        schedule=record.schedule,
        event=record.event,
        reason=record.reason,
        since=record.since,
        until=record.until,
        visits=record.visits if record.is_gap else 0,
    )


def _recorded(service: CampaignService, found: CampaignFindings) -> Iterable[TakedownRef]:
    """Yield references to the signed events of the store that the report contains."""
    for event_id in campaign_event_ids(found):
        for kept in service.source.index.events(event_id=event_id):
            believed = key_counts(service.trust, kept.key_id) or kept.key_id in service.own_keys
            if kept.event is not None and believed:
                yield TakedownRef(event_id=event_id, sha256=kept.sha256)
                break


def campaign_event_ids(found: CampaignFindings) -> tuple[str, ...]:
    """Return the ids of all events in a report, in the order of its rows."""
    return tuple(
        dict.fromkeys(
            [
                *(removal.event_id for row in found.rows for removal in row.removals),
                *(bundle_id for row in found.rows for bundle_id in row.reinstated),
                *(event_id for row in found.accounts for event_id in row.events),
            ]
        )
    )
