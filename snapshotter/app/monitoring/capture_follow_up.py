"""
Follow up each capture of a watched page: derive take-down events, report other changes, enqueue the
further captures that the page needs, and write proof packs.

After a capture of a watched page has ended:

    (1) Conclude events from all captures of the page (`takedown.events.derive`), and notify of
        other changes: a count over a threshold, a changed text, a renamed account, an unknown
        notice (`change_alerts`).
    (2) If a light check found another verdict or main text, enqueue a full capture.
    (3) If the page may be gone, enqueue what the event still needs: a control page, a later
        capture, a capture by another vantage.
    (4) If the page is gone, enqueue later visits, since it may come back.
    (5) If the policy wants a proof pack of an event, write it.
    (6) For a page that is captured regularly and not watched by its policy, notify only of the
        first sign of a removal.

The id of each job is made of the capture that it follows, and the queue accepts an id once. So
all steps may run again, after a crash or in another worker, and no job is enqueued twice. This
module keeps no state: store, queue and the folder of packs hold all of it.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from snapshotter.app.archive.observations import observations
from snapshotter.app.monitoring.change_alerts import change_alerts, removal_alerts
from snapshotter.app.takedown.events import Derivation, TakedownService, derive
from snapshotter.assess.takedown_events import MissingEvidence, MissingKind, PagePresence
from snapshotter.errors import ServiceUnavailable, SnapshotterError, bug
from snapshotter.jobs.follow_ups import ORIGIN
from snapshotter.model.assessment import Availability, Undecided
from snapshotter.model.job import CaptureJob, JobStatus
from snapshotter.model.notification import NotificationScope
from snapshotter.model.request import Monitoring
from snapshotter.model.takedown import Observation, TakedownKind
from snapshotter.ports import JobQueue
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_TRIES: Final = 6  # attempts at one kind of follow-up of one possible removal
_MOST_CONTROLS: Final = 60  # attempts at a control page, over all later visits of the page
_PROVE_WITHIN: Final = timedelta(days=7)  # the pack of an older event is left to a person
_PROVEN: Final = frozenset({TakedownKind.REMOVED, TakedownKind.REINSTATED})
_A_MOMENT: Final = timedelta(seconds=1)  # after the earliest time at which a capture counts
_WHOLE: Final = "-whole"
# The id of a follow-up names the bundle that first showed the possible removal.
_FOLLOW_UP_ID: Final = re.compile(
    r"monitor-(?P<began>[0-9a-z-]{1,64})-(?:confirm|control|vantage)-\d+"
)


class FollowUpJobs(Protocol):
    """The captures that have ended (`jobs.follow_ups.JobsToFollowUp`)."""

    def not_followed_up(self) -> Sequence[JobStatus]:
        """Return the jobs that were not followed up, the oldest first."""

    def mark(self, jobs: Sequence[JobStatus]) -> None:
        """Record that these jobs were followed up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDependencies:
    """What the monitor needs."""

    ended: FollowUpJobs
    queue: JobQueue
    rules: Callable[[str, str], Monitoring]  # by the name of a policy and a URL
    service: Callable[[], AbstractContextManager[TakedownService]]
    proofs: Path  # the folder of proof packs
    # Writes the pack of an event, whole or not at all; True: with a PDF if possible.
    prove: Callable[[TakedownService, str, Path, bool], None]
    show_message: Callable[[str], None]
    now: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class _FollowUp:
    """One kind of capture that a possible removal needs, in one or more attempts."""

    kind: str  # "control", "confirm" or "vantage": part of the job's id
    url: Callable[[int], str]  # by the number of the attempt
    earliest: datetime | None = None
    vantage: str = ""
    attempts: int = _TRIES


class Monitor:
    """Follows up captures of watched pages; a worker calls it repeatedly."""

    def __init__(self, dependencies: MonitorDependencies) -> None:
        self._dependencies = dependencies

    def turn(self) -> int:
        """
        Follow up the captures that have ended; return how many jobs were enqueued.

        Raises:
            ServiceUnavailable: Store, queue, log or key did not answer. The next turn continues.
        """
        enqueued = 0
        while found := self._dependencies.ended.not_followed_up():
            watched: list[tuple[JobStatus, Monitoring]] = []
            others: list[JobStatus] = []
            for status in found:
                rules = self._rules(status)
                if rules is None:
                    others.append(status)
                else:
                    watched.append((status, rules))
            if others:
                self._alert(others)  # (6)
            if watched:
                with self._dependencies.service() as service:
                    for status, rules in watched:
                        enqueued += self._safely(service, status, rules)
                    # Last, so that no capture waits for it.
                    for status, rules in watched:
                        if rules.proof:
                            self._prove(service, status, pdf=rules.proof_pdf)  # (5)
            self._dependencies.ended.mark(found)
        return enqueued

    def _alert(self, jobs: Sequence[JobStatus]) -> None:
        """Notify of the first sign of a removal; show failures, since no evidence depends on it."""
        try:
            with self._dependencies.service() as service:
                service.source.sync(until=self._dependencies.now())
                for status in jobs:
                    page = service.source.identity(status.job.url)
                    seen = observations(service.source, identity=page, sync=False)
                    hidden = service.hidden(observation.bundle_id for observation in seen)
                    about = NotificationScope.of(status.job)
                    news = removal_alerts(seen, status.bundle_id, about, hidden=hidden)
                    if news and service.notify is not None:
                        service.notify(news)
        except ServiceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - shown, and these captures are not tried again
            self._dependencies.show_message(
                tr(
                    "the check for possible removals of pages failed: {describe_error}",
                    describe_error=_describe_error(error),
                )
            )

    def _rules(self, status: JobStatus) -> Monitoring | None:
        """Return the rules by which a page is watched; None if it is not watched."""
        try:
            found = self._dependencies.rules(status.job.policy, status.job.url)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:
            self._dependencies.show_message(
                tr(
                    "follow-up captures of {url} are not planned: {error}",
                    url=status.job.url,
                    error=error,
                )
            )
            return None
        return found if found.light else None

    def _safely(self, service: TakedownService, status: JobStatus, rules: Monitoring) -> int:
        try:
            return self._follow(service, status, rules)
        except ServiceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - shown, and other pages are followed up
            words = f"{type(error).__name__}: {error}"
            self._dependencies.show_message(
                tr(
                    "follow-up captures of {url} are not planned, because of a bug: {words}",
                    url=status.job.url,
                    words=words,
                )
            )
            return 0

    def _follow(self, service: TakedownService, status: JobStatus, rules: Monitoring) -> int:
        url = self._page_of(service, status)
        try:
            # The policy of the watched page applies, not the policy of this process.
            pages = derive(replace(service, confirm=lambda _: rules.confirm), (url,))  # (1)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:  # shown, and other pages are followed up
            self._dependencies.show_message(
                tr("follow-up captures of {url} are not planned: {error}", url=url, error=error)
            )
            return 0
        for derived in pages:
            for recorded in derived.recorded:
                if recorded.is_new:
                    event = recorded.event
                    self._dependencies.show_message(
                        tr(
                            "new take-down event, {value}: {url} (event {event_id})",
                            value=event.kind.value,
                            url=event.url,
                            event_id=event.event_id,
                        )
                    )
        page = pages[0]
        seen = observations(service.source, identity=page.subject, sync=False)
        about = NotificationScope.of(status.job)
        hidden = service.hidden(observation.bundle_id for observation in seen)
        news = (
            *removal_alerts(seen, status.bundle_id, about, hidden=hidden),
            *change_alerts(seen, status.bundle_id, rules.thresholds, about),
        )  # (1)
        if news and service.notify is not None:
            service.notify(news)
        jobs = [
            *self._full_capture(status, seen),  # (2)
            *self._missing_evidence(service, url, page, status, rules),  # (3)
            *self._visits_after_removal(service, url, page, status, rules),  # (4)
        ]
        return sum(self._dependencies.queue.put(jobs)) if jobs else 0

    def _prove(self, service: TakedownService, status: JobStatus, *, pdf: bool) -> None:
        """Write the missing packs of a page's latest events; show failures, and raise none."""
        try:
            lacking = self._unproven(service, status)
        except Exception as error:  # noqa: BLE001 - shown: an event is valid without its pack
            self._dependencies.show_message(
                tr(
                    "the proof pack for {url} could not be made: {describe_error}",
                    url=status.job.url,
                    describe_error=_describe_error(error),
                )
            )
            return
        for event_id, target in lacking:
            try:
                self._dependencies.prove(service, event_id, target, pdf)
            except Exception as error:  # noqa: BLE001 - as above
                self._dependencies.show_message(
                    tr(
                        "the proof pack of the event {event_id} could not be made: "
                        "{describe_error}\n  To make the proof pack:\n  snapshotter proof "
                        "{event_id}",
                        event_id=event_id,
                        describe_error=_describe_error(error),
                    )
                )
            else:
                self._dependencies.show_message(
                    tr(
                        "the proof pack of the event {event_id} was written to {target}",
                        event_id=event_id,
                        target=target,
                    )
                )

    def _unproven(self, service: TakedownService, status: JobStatus) -> list[tuple[str, Path]]:
        """Return the latest events of a page without a pack, and the file that each pack gets."""
        page = service.source.identity(self._page_of(service, status))
        oldest = self._dependencies.now() - _PROVE_WITHIN
        wanted = [
            (
                kept_event.event.event_id,
                self._dependencies.proofs / f"{kept_event.event.event_id}.html",
            )
            for kept_event in service.source.index.events(identity=page)
            if kept_event.event is not None
            and kept_event.event.kind in _PROVEN
            and kept_event.event.at >= oldest
        ]
        return [(event_id, target) for event_id, target in wanted if not target.exists()]

    def _page_of(self, service: TakedownService, status: JobStatus) -> str:
        """Return the watched URL that a capture is for; a control page is captured for another."""
        follow_up = _FOLLOW_UP_ID.fullmatch(status.job.id)
        if follow_up is None:
            return status.job.url
        service.source.sync()
        row = service.source.index.row(follow_up["began"])
        known = row.observation if row is not None else None
        return known.url if known is not None else status.job.url

    def _full_capture(self, status: JobStatus, seen: Sequence[Observation]) -> Iterator[CaptureJob]:
        """Yield a full capture of a page that a light check found changed."""
        this = next(
            (observation for observation in seen if observation.bundle_id == status.bundle_id), None
        )
        if this is None or not this.light or not _is_conclusive(this):
            return
        earlier = [
            observation
            for observation in seen
            if observation.at < this.at
            and observation.vantage == this.vantage
            and _is_conclusive(observation)
        ]
        # A full capture scrolls and expands hidden text, so its text differs from that of a check.
        checks = [observation for observation in earlier if observation.light]
        is_other = not earlier or _verdicts_differ(earlier[-1], this)
        if is_other or (checks and _texts_differ(checks[-1], this)):
            yield self._job(status, f"{status.job.id}{_WHOLE}"[-120:], light=False)

    def _missing_evidence(
        self,
        service: TakedownService,
        url: str,
        page: Derivation,
        status: JobStatus,
        rules: Monitoring,
    ) -> Iterator[CaptureJob]:
        """Yield the captures that a possible removal still needs to become an event."""
        first = page.conclusion.first_gone
        if page.conclusion.standing is not PagePresence.DOUBTED or first is None:
            return
        wanted = {missing.lack: missing for missing in page.conclusion.missing}
        follow_ups: list[_FollowUp] = []
        if (control := wanted.get(MissingKind.CONTROL)) is not None:
            # A host may be in trouble for longer than all attempts take. So each visit of the
            # page itself may add one.
            visits_page = _FOLLOW_UP_ID.fullmatch(status.job.id) is None
            follow_ups.append(
                _FollowUp(
                    kind="control",
                    url=self._control_urls(service, first, page.subject, control, rules),
                    attempts=_MOST_CONTROLS if visits_page else _TRIES,
                )
            )
        if (more := wanted.get(MissingKind.TIME) or wanted.get(MissingKind.AGREEING)) is not None:
            earliest = (more.after or first.at) + _A_MOMENT
            follow_ups.append(_FollowUp(kind="confirm", url=lambda _: url, earliest=earliest))
        if rules.second_vantage:
            follow_ups.append(
                _FollowUp(
                    kind="vantage",
                    url=lambda _: url,
                    vantage=rules.second_vantage,
                    attempts=_TRIES if MissingKind.VANTAGE in wanted else 1,
                )
            )
        for follow_up in follow_ups:
            yield from self._next_attempt(status, first, follow_up, apart=rules.confirm.after)

    def _control_urls(
        self,
        service: TakedownService,
        first: Observation,
        subject: str,
        missing: MissingEvidence,
        rules: Monitoring,
    ) -> Callable[[int], str]:
        """
        Return a function from the number of an attempt to the URL of its control page.

        Odd attempts visit another page of the host that was available when it was last captured.
        Other attempts, or all if there is no such page, visit the control page that the policy
        names, or the front page of the host.
        """
        parts = urlsplit(first.url)
        named = rules.control_url
        if urlsplit(named).netloc != parts.netloc:
            named = f"{parts.scheme}://{parts.netloc}/"
        other = service.source.index.alive(missing.host, first.vantage, without=subject)

        def pick(number: int) -> str:
            return other.url if other is not None and number % 2 else named

        return pick

    def _next_attempt(
        self, status: JobStatus, first: Observation, follow_up: "_FollowUp", *, apart: timedelta
    ) -> Iterator[CaptureJob]:
        """Yield the next attempt at a follow-up, unless one is under way or all were made."""
        now, at = self._dependencies.now(), follow_up.earliest
        for number in range(1, follow_up.attempts + 1):
            job_id = f"monitor-{first.bundle_id}-{follow_up.kind}-{number}"
            known = self._dependencies.queue.get(job_id)
            if known is None:
                due = max(at, now) if at is not None else None
                if number > 1 and (at is None or at < now):
                    due = now + apart * (number > 2)  # the second at once, later ones at a pace
                yield self._job(
                    status, job_id, url=follow_up.url(number), light=True, not_before=due,
                    vantage=follow_up.vantage,
                )  # fmt: skip
                return
            if not known.state.over:
                return

    def _visits_after_removal(
        self,
        service: TakedownService,
        url: str,
        page: Derivation,
        status: JobStatus,
        rules: Monitoring,
    ) -> Iterator[CaptureJob]:
        """Yield the later visits of a page that is gone, as far as they are in the future."""
        if page.conclusion.standing is not PagePresence.GONE:
            return
        events = [
            kept_event.event
            for kept_event in service.source.index.events(identity=page.subject)
            if kept_event.event and kept_event.event.kind in _PROVEN
        ]
        if not events or events[-1].kind is not TakedownKind.REMOVED:
            return
        event, now = events[-1], self._dependencies.now()
        for number, offset in enumerate(rules.after_gone, start=1):
            if (due := event.at + offset) > now:
                job_id = f"monitor-{event.event_id}-gone-{number:02}"
                yield self._job(status, job_id, url=url, light=True, not_before=due)

    def _job(
        self,
        status: JobStatus,
        job_id: str,
        *,
        light: bool,
        url: str = "",
        not_before: datetime | None = None,
        vantage: str = "",
    ) -> CaptureJob:
        of = status.job
        origin = of.origin if of.origin.startswith(ORIGIN) else f"{ORIGIN}{of.origin}"
        return replace(
            of,
            id=job_id,
            url=url or of.url,
            enqueued_at=self._dependencies.now(),
            origin=origin[:200],
            light=light,
            not_before=not_before,
            not_after=None,
            vantage=vantage or of.vantage,
        )


def _describe_error(error: Exception) -> str:
    if isinstance(error, SnapshotterError):
        return error.message
    return f"a bug: {bug(error).message}"


def _is_conclusive(observation: Observation) -> bool:
    """Whether a capture shows anything about its page; a wall and an error do not."""
    undecided = observation.availability is Availability.INCONCLUSIVE
    return not undecided or observation.undecided is Undecided.UNKNOWN_NOTICE


def _verdicts_differ(before: Observation, now: Observation) -> bool:
    was, is_now = (
        (observation.availability, observation.cause, observation.undecided)
        for observation in (before, now)
    )
    return was != is_now


def _texts_differ(before: Observation, now: Observation) -> bool:
    return (
        len({observation.main_sha256 for observation in (before, now) if observation.main_sha256})
        > 1
    )
