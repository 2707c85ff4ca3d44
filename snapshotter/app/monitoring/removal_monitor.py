"""
Watch pages for removals: what follows from each capture, and what is captured next.

    a capture of a watched page has ended
      (1) events are concluded from all captures of the page (`takedowns.derive`), and what else
          is new is told: a count over a threshold, another text, an unknown notice
          (`change_alerts`)
      (2) verdict or main text changed, and only a light check saw it:  a whole capture, now
      (3) the page is doubted:   what the event still lacks: a control, a look later, another way
      (4) the page is gone:      visits later, for it may come back
      (5) an event has no proof pack, and the policy wants one:   it is written

Each job that follows has an id made of what it follows from, and the queue takes an id once:
so all of this may be done again, after a crash or by another worker, and nothing is done twice.
Nothing is kept here: the store knows what was seen, the queue what was asked for, and the
folder of packs which were written.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from snapshotter.app.archive.observations import observations
from snapshotter.app.monitoring.change_alerts import change_alerts
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

_TRIES: Final = 6  # of one kind of follow-up for one doubt
_MOST_TRIES: Final = 60  # of controls, with those that later visits of the page ask for
_PROVE_WITHIN: Final = timedelta(days=7)  # of an older event a person makes the pack
_PROVEN: Final = frozenset({TakedownKind.REMOVED, TakedownKind.REINSTATED})
_A_MOMENT: Final = timedelta(seconds=1)  # behind the earliest that a look would do at
_WHOLE: Final = "-whole"
# Follow-ups of a doubt name the bundle with which it began.
_OF_DOUBT: Final = re.compile(r"monitor-(?P<began>[0-9a-z-]{1,64})-(?:confirm|control|vantage)-\d+")


class FollowUpJobs(Protocol):
    """Where captures that have ended come from (`jobs.monitor.EndedJobs`)."""

    def not_followed_up(self) -> Sequence[JobStatus]:
        """Return those that were not followed up, the oldest first."""

    def mark(self, jobs: Sequence[JobStatus]) -> None:
        """Note that these were."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorDependencies:
    """What watching pages needs."""

    ended: FollowUpJobs
    queue: JobQueue
    rules: Callable[[str, str], Monitoring]  # of a policy by its name, for an address
    service: Callable[[], AbstractContextManager[TakedownService]]
    proofs: Path  # where packs are
    # Writes that of an event, whole or not at all; True: with a PDF, if that can be.
    prove: Callable[[TakedownService, str, Path, bool], None]
    show_message: Callable[[str], None]
    now: Callable[[], datetime]


class Monitor:
    """What a worker does about captures of watched pages, again and again."""

    def __init__(self, dependencies: MonitorDependencies) -> None:
        self._dependencies = dependencies

    def turn(self) -> int:
        """
        Follow up what has ended; return how many jobs were handed over.

        Raises:
            ServiceUnavailable: Store, queue, log or key did not answer. The next turn goes on.
        """
        handed_over = 0
        while found := self._dependencies.ended.not_followed_up():
            watched = [
                (status, rules) for status in found if (rules := self._rules(status)) is not None
            ]
            if watched:
                with self._dependencies.service() as service:
                    for status, rules in watched:
                        handed_over += self._safely(service, status, rules)
                    # Last: it takes a while, and no capture has to wait for it.
                    for status, rules in watched:
                        if rules.proof:
                            self._prove(service, status, pdf=rules.proof_pdf)  # (5)
            self._dependencies.ended.mark(found)
        return handed_over

    def _rules(self, status: JobStatus) -> Monitoring | None:
        """Return by what a page is watched; None where it is not."""
        try:
            found = self._dependencies.rules(status.job.policy, status.job.url)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:
            self._dependencies.show_message(f"{status.job.url} is not followed up: {error}")
            return None
        return found if found.light else None

    def _safely(self, service: TakedownService, status: JobStatus, rules: Monitoring) -> int:
        try:
            return self._follow(service, status, rules)
        except ServiceUnavailable:
            raise
        except Exception as error:  # noqa: BLE001 - told, and it holds up no other page
            words = f"{type(error).__name__}: {error}"
            self._dependencies.show_message(f"a bug: {status.job.url} is not followed up: {words}")
            return 0

    def _follow(self, service: TakedownService, status: JobStatus, rules: Monitoring) -> int:
        url = self._page_of(service, status)
        try:
            # By the policy under which the page is watched, whatever this process captures by.
            pages = derive(replace(service, confirm=lambda _: rules.confirm), (url,))  # (1)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:  # what stands in its way is told, and holds up no other
            self._dependencies.show_message(f"{url} is not followed up: {error}")
            return 0
        for derived in pages:
            for recorded in derived.recorded:
                if recorded.is_new:
                    event = recorded.event
                    self._dependencies.show_message(
                        f"{event.kind.value}: {event.url} (event {event.event_id})"
                    )
        page = pages[0]
        seen = observations(service.source, identity=page.subject, sync=False)
        news = change_alerts(
            seen, status.bundle_id, rules.thresholds, NotificationScope.of(status.job)
        )  # (1)
        if news and service.notify is not None:
            service.notify(news)
        jobs = [
            *self._whole(status, seen),  # (2)
            *self._of_doubt(service, url, page, status, rules),  # (3)
            *self._behind_a_removal(service, url, page, status, rules),  # (4)
        ]
        return sum(self._dependencies.queue.put(jobs)) if jobs else 0

    def _prove(self, service: TakedownService, status: JobStatus, *, pdf: bool) -> None:
        """Write the packs that a page's latest events lack. A failure is told, and ends nothing."""
        try:
            lacking = self._unproven(service, status)
        except Exception as error:  # noqa: BLE001 - told: events stand without their packs
            self._dependencies.show_message(
                f"{status.job.url} has no proof pack yet: {_in_words(error)}"
            )
            return
        for event_id, target in lacking:
            try:
                self._dependencies.prove(service, event_id, target, pdf)
            except Exception as error:  # noqa: BLE001 - as above
                self._dependencies.show_message(
                    f"the event {event_id} has no proof pack yet: {_in_words(error)}\n"
                    f"  snapshotter proof {event_id} makes it"
                )
            else:
                self._dependencies.show_message(f"proof pack of the event {event_id}: {target}")

    def _unproven(self, service: TakedownService, status: JobStatus) -> list[tuple[str, Path]]:
        """Return the latest events of a page that have no pack, and where it has to be."""
        page = service.source.identity(self._page_of(service, status))
        oldest = self._dependencies.now() - _PROVE_WITHIN
        wanted = [
            (
                kept_event.event.event_id,
                self._dependencies.proofs / f"{kept_event.event.event_id}.html",
            )
            for kept_event in service.source.catalog.events(identity=page)
            if kept_event.event is not None
            and kept_event.event.kind in _PROVEN
            and kept_event.event.at >= oldest
        ]
        return [(event_id, target) for event_id, target in wanted if not target.exists()]

    def _page_of(self, service: TakedownService, status: JobStatus) -> str:
        """Return the address that a capture is about: a control's is that of the doubt."""
        of_doubt = _OF_DOUBT.fullmatch(status.job.id)
        if of_doubt is None:
            return status.job.url
        service.source.sync()
        row = service.source.catalog.row(of_doubt["began"])
        known = row.observation if row is not None else None
        return known.url if known is not None else status.job.url

    def _whole(self, status: JobStatus, seen: Sequence[Observation]) -> Iterator[CaptureJob]:
        """Yield a whole capture of a page that a light check found changed."""
        this = next(
            (observation for observation in seen if observation.bundle_id == status.bundle_id), None
        )
        if this is None or not this.light or not _says_something(this):
            return
        earlier = [
            observation
            for observation in seen
            if observation.at < this.at
            and observation.vantage == this.vantage
            and _says_something(observation)
        ]
        # A whole capture scrolls and opens what is hidden: it has another text of the same page.
        checks = [observation for observation in earlier if observation.light]
        is_other = not earlier or _verdicts_differ(earlier[-1], this)
        if is_other or (checks and _texts_differ(checks[-1], this)):
            yield self._job(status, f"{status.job.id}{_WHOLE}"[-120:], light=False)

    def _of_doubt(
        self,
        service: TakedownService,
        url: str,
        page: Derivation,
        status: JobStatus,
        rules: Monitoring,
    ) -> Iterator[CaptureJob]:
        """Yield what a removal still needs to be certain."""
        first = page.conclusion.first_gone
        if page.conclusion.standing is not PagePresence.DOUBTED or first is None:
            return
        wanted = {missing.lack: missing for missing in page.conclusion.missing}
        if (control := wanted.get(MissingKind.CONTROL)) is not None:
            pick = self._controls(service, first, page.subject, control, rules)
            # A host that is in trouble may be so for longer than all tries take. So each visit
            # of the page itself may ask for one more.
            most = _TRIES if _OF_DOUBT.fullmatch(status.job.id) else _MOST_TRIES
            yield from self._next(
                status, first, "control", url=None, pick=pick, apart=rules.confirm.after, most=most
            )
        if (more := wanted.get(MissingKind.TIME) or wanted.get(MissingKind.AGREEING)) is not None:
            ripe = (more.after or first.at) + _A_MOMENT
            yield from self._next(
                status, first, "confirm", url=url, at=ripe, apart=rules.confirm.after
            )
        if rules.second_vantage:
            often = _TRIES if MissingKind.VANTAGE in wanted else 1
            yield from self._next(
                status, first, "vantage", url=url, vantage=rules.second_vantage, most=often,
                apart=rules.confirm.after,
            )  # fmt: skip

    def _controls(
        self,
        service: TakedownService,
        first: Observation,
        subject: str,
        missing: MissingEvidence,
        rules: Monitoring,
    ) -> Callable[[int], str]:
        """
        Return what gives the control page of each try.

        Another page of the host that was there when it was last seen; where it is not, or there
        is none, the page that the policy names, or the host's front page.
        """
        parts = urlsplit(first.url)
        named = rules.control_url
        if urlsplit(named).netloc != parts.netloc:
            named = f"{parts.scheme}://{parts.netloc}/"
        other = service.source.catalog.alive(missing.host, first.vantage, without=subject)

        def pick(number: int) -> str:
            return other.url if other is not None and number % 2 else named

        return pick

    def _next(
        self,
        status: JobStatus,
        first: Observation,
        kind: str,
        *,
        url: str | None,
        pick: Callable[[int], str] | None = None,
        at: datetime | None = None,
        apart: timedelta = timedelta(),
        vantage: str = "",
        most: int = _TRIES,
    ) -> Iterator[CaptureJob]:
        """Yield the next try of a follow-up, unless one is under way or all were made."""
        now = self._dependencies.now()
        for number in range(1, most + 1):
            job_id = f"monitor-{first.bundle_id}-{kind}-{number}"
            known = self._dependencies.queue.get(job_id)
            if known is None:
                due = max(at, now) if at is not None else None
                if number > 1 and (at is None or at < now):
                    due = now + apart * (number > 2)  # the second time at once, then at a pace
                target = pick(number) if pick is not None else url
                if target is not None:
                    yield self._job(
                        status, job_id, url=target, light=True, not_before=due, vantage=vantage
                    )
                return
            if not known.state.over:
                return

    def _behind_a_removal(
        self,
        service: TakedownService,
        url: str,
        page: Derivation,
        status: JobStatus,
        rules: Monitoring,
    ) -> Iterator[CaptureJob]:
        """Yield the visits of a page that is gone, as long as they lie ahead."""
        if page.conclusion.standing is not PagePresence.GONE:
            return
        events = [
            kept_event.event
            for kept_event in service.source.catalog.events(identity=page.subject)
            if kept_event.event
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


def _in_words(error: Exception) -> str:
    if isinstance(error, SnapshotterError):
        return error.message
    return f"a bug: {bug(error).message}"


def _says_something(observation: Observation) -> bool:
    """Whether a capture says anything of its page; a wall and an error do not."""
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
