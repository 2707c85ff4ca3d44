"""
A campaign report: the captures of many pages gathered, verified, and what follows from them.

    (1) the catalog follows the store
    (2) of each page all captures until the end of the period, and the controls of those that
        say that it is gone
    (3) each bundle is verified; one that FAILED plays no part, and the report says so
    (4) the numbers, by `assess/campaign.py`
    (5) the signed events and gaps that lie in the store
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from snapshotter.app import gaps
from snapshotter.app.bundle_verification import verified
from snapshotter.app.observations import Observatory, observations, unassessed
from snapshotter.assess import campaign as campaigns
from snapshotter.errors import SnapshotterError
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
from snapshotter.model.finding import Report, Verdict
from snapshotter.model.request import Monitoring
from snapshotter.model.takedown import Observation
from snapshotter.verify.audit.beside import counts
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
    until = min(scope.until or now, now)
    desk.place.sync()  # (1)
    desk.place.catalog.sync_events(desk.place.store)
    judge = _Judge(desk, verify=verify)
    pages = _pages(desk, scope.urls, until, judge)  # (2), (3)
    captured = [it.captures[0].at for it in pages if it.captures]
    since = scope.since or min(captured, default=until).replace(microsecond=0)
    if since >= until:
        raise SnapshotterError(
            "the period ends before it begins, or nothing was captured yet",
            hint="give --from and --to, as in --from 2026-05-27 --to 2026-06-27",
        )
    campaign = Campaign(
        report_id=desk.new_id(now),
        made_at=now,
        title=scope.title,
        scope=scope.words,
        since=since,
        until=until,
        pages=tuple(pages),
        gaps=tuple(gaps_of(desk, scope.schedule, since, until)),
        left_out=tuple(judge.left_out),
        verified=verify,
        certain=True,
    )
    found = campaigns.findings(campaign)  # (4)
    campaign = replace(campaign, recorded=tuple(_recorded(desk, found)))  # (5)
    return CampaignReport(campaign=campaign, findings=found)


class _Judge:
    """Verifies bundles, each once."""

    def __init__(self, desk: CampaignDesk, *, verify: bool) -> None:
        self._desk = desk
        self._verify = verify
        self._known: dict[str, Observation | None] = {}
        self.left_out: list[LeftOut] = []

    def good(self, them: Iterable[Observation]) -> tuple[Observation, ...]:
        """Return those whose bundles hold, with the times that were verified."""
        return tuple(it for one in them if (it := self._judged(one)) is not None)

    def _judged(self, it: Observation) -> Observation | None:
        if not self._verify:
            return it
        if it.bundle_id not in self._known:
            place = self._desk.place
            report = verified(place.store, it.bundle_id, self._desk.trust, now=self._desk.now())
            why = _why_not(it, report)
            if why:
                self.left_out.append(LeftOut(bundle_id=it.bundle_id, why=why))
            self._known[it.bundle_id] = (
                None if why or report is None else replace(it, proven_at=report.proven_time)
            )
            if len(self._known) % 100 == 0:
                self._desk.told(f"verified {len(self._known)} bundles")
        return self._known[it.bundle_id]


def _why_not(it: Observation, report: Report | None) -> str:
    """Return why a capture plays no part; "" if it does."""
    if report is None:
        return "its bundle is not there any more"
    if report.sha256 != it.sha256:
        return "its bundle is another than was catalogued"
    if report.verdict is Verdict.FAILED:
        codes = {one.code.value for one in report.findings if one.verdict is Verdict.FAILED}
        return f"its bundle FAILED: {' '.join(sorted(codes))}"
    return ""


def _pages(
    desk: CampaignDesk, urls: Sequence[str], until: datetime, judge: _Judge
) -> list[WatchedPage]:
    pages: dict[str, WatchedPage] = {}
    for url in urls:
        identity = desk.place.identity(url)
        if identity in pages:
            continue
        judge.left_out += [
            LeftOut(bundle_id=it.bundle_id, why=it.problem)
            for it in unassessed(desk.place, identity=identity)
        ]
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
        bad = [one.bundle_id for one in judge.left_out]
        control = desk.place.catalog.control(it, identity, without=bad)
        while control is not None and not judge.good([control]):
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
