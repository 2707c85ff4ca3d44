"""
Poll the watch lists that are due, and hand their new pages to the queue or to a schedule.

A crash at any step is safe because of the order. The pages are first stored as waiting; then their
jobs are put into the queue, with ids that are made from the pages; then the pages are marked as
handed over. After a crash in between, the next poll hands over the same jobs.
"""

import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import field, replace
from datetime import UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from snapshotter.egress.fetch import FetchedResponse
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.jobs.database import reading, writing
from snapshotter.jobs.queue.admission import Admission, AttemptResult
from snapshotter.jobs.schedules.gap_records import gap_event
from snapshotter.jobs.watches import items
from snapshotter.jobs.watches.items import IdentifiedPage, NewItems
from snapshotter.jobs.watches.list_reader import Fetcher, ListReader, NotRendered, site_of
from snapshotter.jobs.watches.watches import PollClaim, PollResult, Watches, about_watch
from snapshotter.model.gap import Gap, GapEvent
from snapshotter.model.job import NORMAL, CaptureJob, JobStatus
from snapshotter.model.notification import NotificationEvent, NotificationKind
from snapshotter.model.watch import Existing, ListState, Watch, WatchStatus
from snapshotter.policy.page_identity import (
    PageIdentity,
    PageIdentityRules,
    page_identity,
    wechat_identity_from_page,
)
from snapshotter.ports import IdSource, JobObserver, JobQueue
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_FRESH: Final = 50  # priority of a page that has just appeared
_AT_ONCE: Final = 8  # lists that are polled at once
_TURN: Final = timedelta(minutes=1)
_RESOLVED_AT_ONCE: Final = 200
_RECORD_AGAIN: Final = timedelta(minutes=5)  # pause after records of gaps could not be stored
_UNKNOWN_JOB: Final = timedelta(days=7)  # a schedule puts a page's job into the queue so late
_AGAIN: Final = timedelta(seconds=30)  # pause after a poll that ended by an error of ours
_RENDERED: Final = timedelta(seconds=5)  # between two looks for the capture of a list's page
_GATE_S: Final = 30.0  # pause for a host that is refused without a time
_BLIPS: Final = 3  # failures in a row before a notification about an unreachable server


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Other parts of the program that a poller uses."""

    admission: Admission = field(default_factory=Admission)
    observer: JobObserver = field(default_factory=JobObserver)
    # Returns the HTML of a job's captured page; "" if it is not available.
    document: Callable[[JobStatus], str] = lambda _: ""
    # Adds pages to a schedule instead of one capture each; returns the jobs of their first
    # visits, in the same order.
    follow: Callable[[Watch, Sequence[str]], Sequence[str]] | None = None
    # Signs and stores all given records of gaps, or raises; a repeated call does nothing.
    record: Callable[[Sequence[Gap]], None] | None = None


class Poller:
    """
    Polls watch lists. Several pollers may work at once, in several processes.

    Args:
        fetch: Fetches documents.
        rules: Decide which addresses are the same page.
        ids: Makes the tokens of claims and the ids of records.
    """

    def __init__(
        self,
        watches: Watches,
        queue: JobQueue,
        *,
        fetch: Fetcher,
        rules: PageIdentityRules,
        ids: IdSource,
        hooks: Hooks | None = None,
    ) -> None:
        self._watches = watches
        self._queue = queue
        self._reader = ListReader(fetch, rules, clock=watches.clock)
        self._rules = rules
        self._ids = ids
        self._hooks = hooks or Hooks()
        self._record_at = datetime.min.replace(tzinfo=UTC)  # earliest next attempt to record

    def turn(self) -> None:
        """
        Poll every list that is due, several at once.

        It returns when none is left, or after a minute: with too many lists there is always one
        that is due, and the other steps must be executed too.

        Raises:
            SnapshotterError: The first error that is not an error of a list, after all polls.
        """
        self.resolve_identities()
        ends = self._watches.clock() + _TURN
        failed: list[BaseException] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="poll") as pool:
            under_way: set[Future[None]] = set()
            while True:
                room = _AT_ONCE - len(under_way)
                if room and not failed:
                    claims = self._watches.claim_due(self._token(), room, until=ends)
                    under_way |= {pool.submit(self._due, claim) for claim in claims}
                if not under_way:
                    break
                done, under_way = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
                failed += [error for future in done if (error := future.exception()) is not None]
        if failed:
            raise failed[0]
        self._record_gaps()

    def check(self, name: str) -> WatchStatus:
        """
        Poll one list now, due or not, and return its status.

        Raises:
            SnapshotterError: There is no watch list of that name.
            ServiceUnavailable: It is being polled at this moment.
        """
        claim = self._watches.claim(name, self._token())
        if claim.watch.is_asked:
            self._not_before(claim)  # the visit counts, but the person does not wait
        return self._poll_or_give_back(claim) or self._watches.status(name)

    def look(self, watch: Watch) -> tuple[PollResult, tuple[IdentifiedPage, ...]]:
        """Read a list that is not watched yet, as a poll would. Nothing is written."""
        at = self._watches.clock()
        claim = PollClaim(
            status=WatchStatus(watch=watch, state=ListState.NEW),
            token="",
            at=at,
            kind=watch.kind,
            opened=False,
            read_state=ListState.OK,
            parts=(),
        )
        return self._reader.look(claim)

    def resolve_identities(self) -> None:
        """Record the identities that finished captures showed of their pages."""
        with reading(self._watches.engine) as connection:
            if not items.any_unresolved(connection, self._watches.now(connection)):
                return  # without a lock
        with writing(self._watches.engine) as connection:
            at = self._watches.now(connection)
            opened = items.claim_unresolved(connection, at, _RESOLVED_AT_ONCE)
        for item in opened:
            status = self._queue.get(item.job_id)
            if status is not None and not status.state.over:
                continue
            if status is None and at < item.first_seen + _UNKNOWN_JOB:
                continue  # its schedule puts it into the queue when it is due
            found = self._identity_of(item.final, status) if status is not None else None
            with writing(self._watches.engine) as connection:
                trusted = _is_trusted(item.key, status)
                items.record_identity(connection, item, found, is_trusted=trusted)

    def _record_gaps(self) -> None:
        at = self._watches.clock()
        if self._hooks.record is None or at < self._record_at:
            return
        owed = self._watches.owed_gaps(self._ids.bundle_id)
        if not owed:
            return
        # A key that cannot be opened is reported every five minutes and not in each turn.
        self._record_at = at + _RECORD_AGAIN
        self._hooks.record(owed)
        self._watches.recorded(owed)
        self._record_at = at
        for gap in owed:
            if gap.event is GapEvent.MISSED:
                self._hooks.observer.tell(gap_event(gap, self._watches.about(gap)))

    def _identity_of(self, is_final: bool, status: JobStatus) -> PageIdentity | None:
        if status.final_url:
            try:
                found = page_identity(status.final_url, self._rules)
            except ValueError:
                found = None
            # A site's own number identifies the page. Any other address after redirects is a
            # further identity only if it had a page, and is not the front page or a wall.
            if found is not None and found.final and (_is_number(found) or is_final):
                was_there = status.http_status == 200 and _is_inner(found)
                return found if _is_number(found) or was_there else None
        if is_final or not status.bundle_id:
            return None
        return wechat_identity_from_page(self._hooks.document(status))

    def _token(self) -> str:
        return self._ids.random_bytes(16).hex()

    def _due(self, claim: PollClaim) -> None:
        if claim.watch.is_asked:
            until = self._not_before(claim)
            if until is not None:
                self._watches.postpone(claim, until)
                return
        self._poll_or_give_back(claim)

    def _not_before(self, claim: PollClaim) -> datetime | None:
        """Return when the list's host may be visited; None for now, which counts as a visit."""
        admission, job = self._hooks.admission, _visit(claim)
        with writing(self._watches.engine) as connection:
            at = self._watches.now(connection)
            rest = admission.admit(connection, job, admission.host(job.url), at, 0, 0)
        if rest is None:
            return None
        return rest.until or at + timedelta(seconds=_GATE_S)

    def _poll_or_give_back(self, claim: PollClaim) -> WatchStatus | None:
        try:
            return self._poll(claim)
        except SnapshotterError:
            # Give the claim back, so that the next poller does not wait until it expires.
            with contextlib.suppress(ServiceUnavailable):
                self._watches.postpone(claim, self._watches.clock() + _AGAIN)
            raise

    def _poll(self, claim: PollClaim) -> WatchStatus | None:
        """Poll a list; None if its capture is not ready yet, or the claim was lost."""
        rendered = self._rendered(claim) if claim.watch.render else None
        if claim.watch.render and rendered is None:
            self._watches.postpone(claim, claim.at + _RENDERED)
            return None
        look, found = self._reader.look(claim, rendered)
        if claim.watch.is_asked:
            self._tell_gate(claim, look)
        taken = NewItems()
        if look.state.was_read:
            with writing(self._watches.engine) as connection:
                if not self._watches.holds(connection, claim):
                    return None  # another poller has the claim and does all this
                taken = items.add_items(
                    connection,
                    claim.watch,
                    found,
                    self._watches.now(connection),
                    first=not claim.opened,
                )
                if look.complete:
                    self._watches.opened(connection, claim, look.kind)
        notes = look.notes
        try:
            queued = self._hand_over(claim.watch)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:  # the curve does not exist any more, or has ended
            to = _handed_to(claim.watch)
            queued = 0
            notes = (
                *notes,
                tr(
                    "the new pages cannot be added to the {to}: {value}", to=to, value=error.message
                ),
            )
        notes = (*notes, *_notes(claim, taken, queued))
        result = replace(look, new=taken.new, queued=queued, notes=notes)
        status = self._watches.settle(claim, result)
        if status is not None:
            self._tell(claim, status)
        return status

    def _rendered(self, claim: PollClaim) -> FetchedResponse | NotRendered | None:
        """Return a list's document from the capture of this poll; None: not ready yet."""
        watch = claim.watch
        name = items.job_id(watch, f"list {claim.status.polls}")
        status = self._queue.get(name)
        if status is None:
            self._queue.put(
                [
                    CaptureJob(
                        id=name,
                        url=watch.source,
                        enqueued_at=claim.at,
                        policy=watch.policy,
                        origin=watch.origin,
                        priority=_FRESH,
                        tags=watch.tags,
                    )
                ]
            )
            return None
        if not status.state.over:
            return None
        if not status.bundle_id:
            # The next poll makes another job.
            return NotRendered(
                tr(
                    "the page of the list could not be captured: {error}",
                    error=status.error or status.state,
                )
            )
        return FetchedResponse(
            status=status.http_status or 0,
            url=status.final_url or watch.source,
            body=self._hooks.document(status).encode("utf-8", "replace"),
            headers={"content-type": "text/html; charset=utf-8"},
        )

    def _hand_over(self, watch: Watch) -> int:
        """Hand the waiting pages to the queue or to a schedule; return how many."""
        with reading(self._watches.engine) as connection:
            waiting = items.waiting_items(connection, watch.name, watch.poll_limit)
            at = self._watches.now(connection)
        if not waiting:
            return 0
        jobs: Sequence[str] = [item.job_id for item in waiting]
        if watch.then and self._hooks.follow is not None:
            jobs = self._hooks.follow(watch, [item.url for item in waiting])
        else:
            self._queue.put(
                [
                    CaptureJob(
                        id=item.job_id,
                        url=item.url,
                        enqueued_at=at,
                        policy=watch.policy,
                        origin=watch.origin,
                        priority=NORMAL if item.backlog else _FRESH,
                        tags=watch.tags,
                    )
                    for item in waiting
                ]
            )
        with writing(self._watches.engine) as connection:
            items.mark_handed_over(
                connection,
                [(item.number, job) for item, job in zip(waiting, jobs, strict=True)],
                self._watches.now(connection),
            )
        return len(waiting)

    # Reports

    def _tell_gate(self, claim: PollClaim, look: PollResult) -> None:
        admission, job = self._hooks.admission, _visit(claim)
        with writing(self._watches.engine) as connection:
            met = AttemptResult(
                at=self._watches.now(connection),
                started_at=claim.at,
                revisits=0,
                http_status=look.http_status,
                retry_after=look.asked,
                date=look.date,
                final_url=look.final_url,
                outcome="complete" if look.state.was_read else "failed",
                error="" if look.state.was_read else look.detail,
            )
            admission.attempt_ended(connection, job, admission.host(job.url), met)

    def _tell(self, claim: PollClaim, status: WatchStatus) -> None:
        """Notify once of each trouble; of an unreachable server after several failures."""
        blips = {ListState.UNREACHABLE, ListState.THROTTLED}
        is_new = status.state is not claim.status.state
        if status.state in blips:
            is_new = status.failures == _BLIPS
        if not status.state.is_trouble or not is_new:
            return
        self._hooks.observer.tell(trouble_event(status, status.since or claim.at))


def trouble_event(status: WatchStatus, since: datetime) -> NotificationEvent:
    """Return the notification event for a list that is in trouble."""
    watch = status.watch
    return NotificationEvent(
        id=f"watch/{watch.name}/{status.state}/{since:%Y%m%dT%H%M%SZ}",
        kind=NotificationKind.WATCH_TROUBLE,
        at=since,
        subject=f"watch {watch.name}",
        summary=tr(
            "the state of the watch list {name} is {state}",
            name=watch.name,
            state=status.state,
        ),
        about=(about_watch(watch),),
        reasons=(str(status.state),),
        url="" if watch.is_file else watch.source,
        host=site_of(watch.source),
        detail=status.detail[:500],
    )


def _notes(claim: PollClaim, taken: NewItems, queued: int) -> tuple[str, ...]:
    notes = []
    if not claim.opened and taken.skipped:
        if claim.watch.existing is Existing.SKIP:
            notes.append(
                tr(
                    "pages that were in the list at the first poll, and are not captured: "
                    "{skipped}",
                    skipped=taken.skipped,
                )
            )
        else:
            notes.append(
                tr(
                    "of {new} pages in the list at the first poll, the first {new2} are "
                    "captured, and {skipped} are not",
                    new=taken.new,
                    new2=taken.new - taken.skipped,
                    skipped=taken.skipped,
                )
            )
    if taken.dropped:
        notes.append(
            tr(
                "pages that are not captured, because the number of pages that a watch list can "
                "remember is limited: {dropped}",
                dropped=taken.dropped,
            )
        )
    if queued == claim.watch.poll_limit:
        notes.append(
            tr(
                "a poll adds at most {queued} pages to the {handed_to}. The next poll adds "
                "more pages",
                queued=queued,
                handed_to=_handed_to(claim.watch),
            )
        )
    return tuple(notes)


def _handed_to(watch: Watch) -> str:
    return "schedule" if watch.then else "queue"


def _visit(claim: PollClaim) -> CaptureJob:
    """Return the poll as a job, so that politeness counts a visit of the list's host."""
    return CaptureJob(
        id=f"poll.{claim.watch.name}.{claim.at:%Y%m%dt%H%M%Sz}",
        url=claim.watch.source,
        enqueued_at=claim.at,
        policy=claim.watch.policy,
        origin=claim.watch.origin,
        tags=claim.watch.tags,
    )


def _is_inner(found: PageIdentity) -> bool:
    return urlsplit(f"http:{found.key}").path not in ("", "/")


def _is_trusted(key: str, status: JobStatus | None) -> bool:
    """
    Whether the address after redirects may be an identity of the page: not on another host.

    Otherwise somebody could list an address that redirects to a page that does not exist yet,
    and that page would never be captured. Short links and numbers of a known site are trusted.
    """
    if status is None or not status.final_url or not key.startswith("//"):
        return True
    ours, theirs = (urlsplit(url).hostname or "" for url in (f"http:{key}", status.final_url))
    return ours.removeprefix("www.") == theirs.removeprefix("www.")


def _is_number(found: PageIdentity) -> bool:
    return not found.key.startswith("//")
