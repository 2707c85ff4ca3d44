"""
A campaign report: the captures of many pages gathered, verified, and what follows from them.

    (1) the catalog follows the store
    (2) of each page all captures until the end of the period, and the controls of those that
        say that it is gone
    (3) each bundle is verified, and its rules are run again; one that FAILED, that shows something
        else, or is proven to be from after one that it claims to be older than, plays no part, and
        the report says so; nor is a page that led to another host a control
    (4) the numbers, by `assess/campaign.py`
    (5) the signed events and gaps that lie in the store
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import BinaryIO

from snapshotter.app import gaps
from snapshotter.app.bundle_verification import verified, why_unusable
from snapshotter.app.observations import (
    Observatory,
    is_of_its_host,
    observations,
    unassessed,
)
from snapshotter.assess import campaign as campaigns
from snapshotter.errors import SnapshotterError
from snapshotter.formats import layout
from snapshotter.formats.gap import GapRecord
from snapshotter.model.campaign import (
    Campaign,
    CampaignReport,
    EventRef,
    Findings,
    GapRef,
    LeftOut,
    WatchedPage,
)
from snapshotter.model.established import Established
from snapshotter.model.finding import Report
from snapshotter.model.request import Monitoring
from snapshotter.model.takedown import Observation
from snapshotter.verify import order as orders
from snapshotter.verify.audit.beside import counts
from snapshotter.verify.takedown import parts_of
from snapshotter.verify.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignDesk:
    """What is needed to make a report."""

    place: Observatory
    trust: Trust
    monitoring: Callable[[str], Monitoring]  # by the policy of an address
    own_keys: frozenset[str]  # whose gaps and events count without a trust file
    now: Callable[[], datetime]
    new_id: Callable[[datetime], str]
    told: Callable[[str], None] = lambda text: None
    # Why a bundle does not show, by its own rules, what the catalog says of it; "" if it does.
    unlike: Callable[[Observation, Established, BinaryIO], str] = lambda said, facts, stream: ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which pages, and since when until when."""

    urls: tuple[str, ...]
    words: str  # where they come from: "a list of 45"
    title: str = ""
    schedule: str = ""  # whose gaps alone count; "": those of all
    since: datetime | None = None  # None: when the first of them was captured first
    until: datetime | None = None  # None: now


def make(desk: CampaignDesk, scope: Scope, *, verify: bool = True) -> CampaignReport:
    """
    Return the report of a campaign, not signed.

    Args:
        verify: Verify each bundle that a number rests on. Without it the report says that
            nobody did.

    Raises:
        ServiceUnavailable: The store did not answer.
        SnapshotterError: An address is none, or the period is none.
    """
    now = desk.now().replace(microsecond=0)
    desk.place.sync()  # (1)
    desk.place.catalog.sync_events(desk.place.store)
    judge = _Judge(desk, verify=verify)
    campaign = _campaign(desk, scope, judge, now)  # (2), (3)
    while wrong := misplaced(campaign, judge.established, max_skew=desk.trust.max_skew):
        judge.left_out |= wrong
        campaign = _campaign(desk, scope, judge, now)
    found = campaigns.findings(campaign)  # (4)
    campaign = replace(campaign, recorded=tuple(_recorded(desk, found)))  # (5)
    return CampaignReport(campaign=campaign, findings=found)


def _campaign(desk: CampaignDesk, scope: Scope, judge: "_Judge", now: datetime) -> Campaign:
    until = min(scope.until or now, now)
    pages = _pages(desk, scope.urls, until, judge)
    captured = [it.captures[0].at for it in pages if it.captures]
    since = scope.since or min(captured, default=until).replace(microsecond=0)
    if since >= until:
        raise SnapshotterError(
            "the period ends before it begins, or nothing was captured yet",
            hint="give --from and --to, as in --from 2026-05-27 --to 2026-06-27",
        )
    return Campaign(
        report_id=desk.new_id(now),
        made_at=now,
        title=scope.title,
        scope=scope.words,
        since=since,
        until=until,
        pages=tuple(pages),
        gaps=tuple(gaps_of(desk, scope.schedule, since, until)),
        left_out=tuple(_left_out(pages, judge)),
        verified=judge.verifies,
        certain=True,
    )


class _Judge:
    """Verifies bundles, each once."""

    def __init__(self, desk: CampaignDesk, *, verify: bool) -> None:
        self._desk = desk
        self.verifies = verify
        self._known: dict[str, Observation | None] = {}
        self.left_out: dict[str, str] = {}  # why a capture plays no part, by the id of its bundle
        self.no_control: dict[str, str] = {}  # and why it is no control
        self.established: dict[str, Established] = {}

    def good(self, them: Iterable[Observation]) -> tuple[Observation, ...]:
        """Return those whose bundles hold, with the times that were verified."""
        found = (self._judged(one) for one in them if one.bundle_id not in self.left_out)
        return tuple(it for it in found if it is not None)

    def good_control(self, it: Observation) -> tuple[Observation, ...]:
        """Return a control, if its bundle holds and it is one."""
        found = self.good([it])
        facts = self.established.get(it.bundle_id)
        if found and facts is not None and not is_of_its_host(facts):
            self.no_control[it.bundle_id] = "as a control it led to another host"
            return ()
        return found

    def _judged(self, it: Observation) -> Observation | None:
        if not self.verifies:
            return it
        if it.bundle_id not in self._known:
            place = self._desk.place
            report = verified(place.store, it.bundle_id, self._desk.trust, now=self._desk.now())
            why = _why_not(it, report) or self._unlike(it, report)
            if why:
                self.left_out[it.bundle_id] = why
            self._known[it.bundle_id] = (
                None if why or report is None else replace(it, proven_at=report.proven_time)
            )
            if report is not None and report.established is not None:
                self.established[it.bundle_id] = replace(report.established, members={})
            if len(self._known) % 100 == 0:
                self._desk.told(f"verified {len(self._known)} bundles")
        return self._known[it.bundle_id]

    def _unlike(self, it: Observation, report: Report | None) -> str:
        if report is None or report.established is None:
            return ""
        with self._desk.place.store.open(layout.bundle_key(it.bundle_id)) as stream:
            return self._desk.unlike(it, report.established, stream)


def _why_not(it: Observation, report: Report | None) -> str:
    """Return why a capture plays no part; "" if it does."""
    if report is None:
        return "its bundle is not there any more"
    return why_unusable(report, it.sha256)


def misplaced(
    campaign: Campaign, established: Mapping[str, Established], *, max_skew: timedelta
) -> dict[str, str]:
    """Return captures that came after one that they claim to be older than, and what proves it."""
    found: dict[str, str] = {}
    for event in campaigns.concluded(campaign):
        placed = [
            orders.Placed(role=it.role, found=facts)
            for it in parts_of(event)
            if (facts := established.get(it.observation.bundle_id)) is not None
        ]
        order = orders.judge(placed, max_skew=max_skew)
        for bundle_id, it in zip(order.misplaced, order.findings, strict=True):
            found.setdefault(bundle_id, it.detail)
    return found


def _left_out(pages: Iterable[WatchedPage], judge: _Judge) -> Iterable[LeftOut]:
    counted = {it.bundle_id for page in pages for it in page.captures}
    for bundle_id, why in {**judge.no_control, **judge.left_out}.items():
        if bundle_id not in counted:
            yield LeftOut(bundle_id=bundle_id, why=why)


def _pages(
    desk: CampaignDesk, urls: Sequence[str], until: datetime, judge: _Judge
) -> list[WatchedPage]:
    pages: dict[str, WatchedPage] = {}
    for url in urls:
        identity = desk.place.identity(url)
        if identity in pages:
            continue
        for it in unassessed(desk.place, identity=identity):
            judge.left_out.setdefault(it.bundle_id, it.problem)
        mine = judge.good(observations(desk.place, identity=identity, until=until, sync=False))
        monitoring = desk.monitoring(url)
        pages[identity] = WatchedPage(
            identity=identity,
            url=url,
            captures=mine,
            controls=judge.good(_controls(desk, identity, mine, until, judge)),
            confirm=monitoring.confirm,
            thresholds=monitoring.thresholds,
        )
    if not pages:
        raise SnapshotterError("no page was named", hint="--urls FILE, with an address a line")
    return list(pages.values())


def _controls(
    desk: CampaignDesk,
    identity: str,
    mine: Sequence[Observation],
    until: datetime,
    judge: _Judge,
) -> list[Observation]:
    """Return pages that were there after each capture that says that this one is not."""
    found: dict[str, Observation] = {}
    for it in mine:
        if it.cause is None and not it.accounts:
            continue
        bad = [*judge.left_out, *judge.no_control]
        control = desk.place.catalog.control(it, identity, without=bad)
        while control is not None and not judge.good_control(control):
            bad.append(control.bundle_id)
            control = desk.place.catalog.control(it, identity, without=bad)
        if control is not None and control.at < until:
            found[control.bundle_id] = control
    return list(found.values())


def gaps_of(
    desk: CampaignDesk, schedule: str, since: datetime, until: datetime
) -> Iterable[GapRef]:
    """Yield the signed gaps of the store that fall into a period, the oldest first."""
    found = []
    for it in gaps.kept(desk.place.store):
        record = it.record
        if record is None or (schedule and record.schedule != schedule):
            continue
        if not (counts(desk.trust, record.key_id) or record.key_id in desk.own_keys):
            continue
        if record.since >= until or (record.until or record.at) <= since:
            continue
        found.append(gap_ref(record, it.sha256))
    return sorted(found, key=lambda it: (it.since, it.gap_id))


def gap_ref(record: GapRecord, sha256: str) -> GapRef:
    """Return what a report says of a gap, by its record and the digest of that."""
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


def _recorded(desk: CampaignDesk, found: Findings) -> Iterable[EventRef]:
    """Yield the events of the report that lie signed in the store."""
    for event_id in event_ids(found):
        for kept in desk.place.catalog.events(event_id=event_id):
            believed = counts(desk.trust, kept.key_id) or kept.key_id in desk.own_keys
            if kept.event is not None and believed:
                yield EventRef(event_id=event_id, sha256=kept.sha256)
                break


def event_ids(found: Findings) -> tuple[str, ...]:
    """Return the ids of all events in a report, in the order of its rows."""
    return tuple(
        dict.fromkeys(
            [
                *(it.event_id for row in found.rows for it in row.removals),
                *(it for row in found.rows for it in row.reinstated),
                *(it for row in found.accounts for it in row.events),
            ]
        )
    )
