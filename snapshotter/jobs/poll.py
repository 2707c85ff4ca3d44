"""
Poll a list: fetch it, read it, hand over the pages that are new.

The order is what makes it safe to end at any step. First the pages are written down as
waiting; then the queue takes their jobs, whose ids are made from the pages; then they are
written down as handed over. Whoever comes after an end in the middle finds them waiting,
and hands over the same jobs.

Nothing of a list is trusted: its bytes are read by readers with bounds (`formats.lists`),
and it can name no more pages than a watch remembers.
"""

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from snapshotter.egress.fetch import Fetched, FetchFailed
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.link_lists import matching
from snapshotter.formats.listing import Listed, Listing, NotAList
from snapshotter.formats.lists import read_list
from snapshotter.jobs import items
from snapshotter.jobs.database import reading, writing
from snapshotter.jobs.gate import Gate, Met, OpenGate
from snapshotter.jobs.items import Found, Taken
from snapshotter.jobs.sweep import event_of
from snapshotter.jobs.watch import Claim, Look, Part, WatchBook
from snapshotter.model.event import Event, EventKind
from snapshotter.model.gap import Gap, GapEvent
from snapshotter.model.job import NORMAL, CaptureJob, JobStatus
from snapshotter.model.watch import Existing, ListState, Watch, WatchStatus
from snapshotter.policy.identity import Identity, IdentityRules, identity, wechat_page
from snapshotter.policy.politeness import parse_retry_after
from snapshotter.ports import IdSource, JobObserver, JobQueue

MAX_BYTES: Final = 16 << 20  # of a list as it comes
FETCH_S: Final = 30.0  # for one document
_FRESH: Final = 50  # priority of a page that has just appeared
_CHILDREN: Final = 10  # sitemaps of an index that one poll reads
_CHILDREN_TIME: Final = timedelta(minutes=2)  # after which none is begun
_CHILDREN_KNOWN: Final = 5_000
_AT_ONCE: Final = 8  # lists
_TURN: Final = timedelta(minutes=1)
_LEARNT_AT_ONCE: Final = 200
_RECORD_AGAIN: Final = timedelta(minutes=5)  # after records of gaps could not be stored
_UNKNOWN_JOB: Final = timedelta(days=7)  # a page's job may take so long to be in the queue
_AGAIN: Final = timedelta(seconds=30)  # after a poll that something of ours ended
_RENDERED: Final = timedelta(seconds=5)  # until it is looked again whether a capture is there
_GATE_S: Final = 30.0  # until a host is asked for again that did not say when
_BLIPS: Final = 3  # failures in a row before a server that does not answer is told of
_FEW: Final = 6  # a shorter list may halve from one day to the next
_STATUS: Final = {
    401: ListState.FORBIDDEN,
    403: ListState.FORBIDDEN,
    404: ListState.GONE,
    410: ListState.GONE,
    414: ListState.THROTTLED,  # of some platforms: "too frequent", with a status of their choice
    418: ListState.THROTTLED,
    420: ListState.THROTTLED,
    429: ListState.THROTTLED,
    451: ListState.FORBIDDEN,
}
_WORDS: Final = {"refused": ListState.REFUSED, "too-large": ListState.TOO_LARGE}


class Fetcher(Protocol):
    """What gets a document of a list. Its way out is vetted like a page's."""

    def __call__(self, watch: Watch, url: str, known: Mapping[str, Mapping[str, str]]) -> Fetched:
        """
        Return what the server answers.

        Args:
            known: By address, headers that make its request conditional.

        Raises:
            FetchFailed: No answer, or none within the limits.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a poller tells, asks and hands on to others."""

    gate: Gate = field(default_factory=OpenGate)
    observer: JobObserver = field(default_factory=JobObserver)
    # The document of a job's capture, as its page stood in the end; "" where it can not be had.
    document: Callable[[JobStatus], str] = lambda _: ""
    # Takes pages over for good, instead of one capture each: returns the jobs of their first
    # visits, in the same order.
    follow: Callable[[Watch, Sequence[str]], Sequence[str]] | None = None
    # Signs and stores records of gaps, all of them or it raises; the same again does nothing.
    record: Callable[[Sequence[Gap]], None] | None = None


class Poller:
    """
    Polls lists of a `WatchBook`. Any number may, in as many processes.

    Args:
        fetch: Gets documents.
        rules: Which addresses mean one page.
        ids: Where the names of claims come from.
    """

    def __init__(
        self,
        book: WatchBook,
        queue: JobQueue,
        *,
        fetch: Fetcher,
        rules: IdentityRules,
        ids: IdSource,
        hooks: Hooks | None = None,
    ) -> None:
        self._book = book
        self._queue = queue
        self._fetch = fetch
        self._rules = rules
        self._ids = ids
        self._hooks = hooks or Hooks()
        self._record_at = datetime.min.replace(tzinfo=UTC)  # not before, after a failure

    def turn(self) -> None:
        """
        Poll every list whose turn it is, several at once.

        It returns when none is left, or after a minute: with more lists than can be polled at
        their pace there always is one, and the other things here have their turn as well.

        Raises:
            SnapshotterError: The first error that was not a list's own, when all others are done.
        """
        self.learn()
        ends = self._book.clock() + _TURN
        failed: list[BaseException] = []
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="poll") as pool:
            under_way: set[Future[None]] = set()
            while True:
                room = _AT_ONCE - len(under_way)
                if room and not failed:
                    claims = self._book.claim_due(self._token(), room, until=ends)
                    under_way |= {pool.submit(self._due, it) for it in claims}
                if not under_way:
                    break
                done, under_way = wait(under_way, timeout=1.0, return_when=FIRST_COMPLETED)
                failed += [error for it in done if (error := it.exception()) is not None]
        if failed:
            raise failed[0]
        self._record_gaps()

    def check(self, name: str) -> WatchStatus:
        """
        Poll one list now, whether it is its turn or not, and return how it stands.

        Raises:
            SnapshotterError: There is none of that name.
            ServiceUnavailable: Somebody else polls it at this moment.
        """
        claim = self._book.claim(name, self._token())
        if claim.watch.is_asked:
            self._not_before(claim)  # a person asks, and does not wait: it counts all the same
        return self._poll_or_give_back(claim) or self._book.status(name)

    def look(self, watch: Watch) -> tuple[Look, tuple[Found, ...]]:
        """Return what a poll of a list that is not watched yet would meet; nothing is written."""
        at = self._book.clock()
        claim = Claim(
            status=WatchStatus(watch=watch, state=ListState.NEW),
            token="",
            at=at,
            kind=watch.kind,
            opened=False,
            read_state=ListState.OK,
            parts=(),
        )
        return self._look(claim)

    def learn(self) -> None:
        """See which captures are over, and what they showed of their pages' identities."""
        with reading(self._book.engine) as connection:
            if not items.any_to_learn(connection, self._book.now(connection)):
                return  # nothing is locked for it
        with writing(self._book.engine) as connection:
            at = self._book.now(connection)
            opened = items.to_learn(connection, at, _LEARNT_AT_ONCE)
        for item in opened:
            status = self._queue.get(item.job_id)
            if status is not None and not status.state.over:
                continue
            if status is None and at < item.first_seen + _UNKNOWN_JOB:
                continue  # its schedule hands it over when it is due
            found = self._learnt(item.final, status) if status is not None else None
            with writing(self._book.engine) as connection:
                items.learnt(connection, item, found)

    def _record_gaps(self) -> None:
        at = self._book.clock()
        if self._hooks.record is None or at < self._record_at:
            return
        owed = self._book.owed_gaps(self._ids.bundle_id)
        if not owed:
            return
        # A key that can not be opened is told of now and then, and not with each turn.
        self._record_at = at + _RECORD_AGAIN
        self._hooks.record(owed)
        self._book.recorded(owed)
        self._record_at = at
        for gap in owed:
            if gap.event is GapEvent.MISSED:
                self._hooks.observer.tell(event_of(gap))

    def _learnt(self, is_final: bool, status: JobStatus) -> Identity | None:
        if status.final_url:
            try:
                found = identity(status.final_url, self._rules)
            except ValueError:
                found = None
            # A site's own number settles it. Any other address that a page led to is one more
            # name of it, if a page was there, and not the front page or a wall.
            if found is not None and found.final and (_is_number(found) or is_final):
                was_there = status.http_status == 200 and _is_inner(found)
                return found if _is_number(found) or was_there else None
        if is_final or not status.bundle_id:
            return None
        return wechat_page(self._hooks.document(status))

    def _token(self) -> str:
        return self._ids.random_bytes(16).hex()

    def _due(self, claim: Claim) -> None:
        if claim.watch.is_asked:
            until = self._not_before(claim)
            if until is not None:
                self._book.postpone(claim, until)
                return
        self._poll_or_give_back(claim)

    def _not_before(self, claim: Claim) -> datetime | None:
        """Return when the list's host may be asked; None for now, which counts as a visit."""
        gate, job = self._hooks.gate, _visit(claim)
        with writing(self._book.engine) as connection:
            at = self._book.now(connection)
            rest = gate.may_start(connection, job, gate.host(job.url), at, 0, 0)
        if rest is None:
            return None
        return rest.until or at + timedelta(seconds=_GATE_S)

    def _poll_or_give_back(self, claim: Claim) -> WatchStatus | None:
        try:
            return self._poll(claim)
        except SnapshotterError:
            # Whoever comes next goes on where this ended, and need not wait for the claim's end.
            with contextlib.suppress(ServiceUnavailable):
                self._book.postpone(claim, self._book.clock() + _AGAIN)
            raise

    def _poll(self, claim: Claim) -> WatchStatus | None:
        """Poll a list; None if nothing came of it yet, or the claim was lost meanwhile."""
        rendered = self._rendered(claim) if claim.watch.render else None
        if claim.watch.render and rendered is None:
            self._book.postpone(claim, claim.at + _RENDERED)
            return None
        look, found = self._look(claim, rendered)
        if claim.watch.is_asked:
            self._tell_gate(claim, look)
        taken = Taken()
        if look.state.was_read:
            with writing(self._book.engine) as connection:
                if not self._book.holds(connection, claim):
                    return None  # another has it by now, and does all this
                taken = items.take_in(
                    connection,
                    claim.watch,
                    found,
                    self._book.now(connection),
                    first=not claim.opened,
                )
                if look.complete:
                    self._book.opened(connection, claim, look.kind)
        notes = look.notes
        try:
            queued = self._hand_over(claim.watch)
        except ServiceUnavailable:
            raise
        except SnapshotterError as error:  # there is no such curve any more, or no time left
            queued, notes = 0, (*notes, f"its pages can not be handed over: {error.message}")
        notes = (*notes, *_notes(claim, taken, queued))
        status = self._book.settle(claim, replace(look, new=taken.new, queued=queued, notes=notes))
        if status is not None:
            self._tell(claim, status)
        return status

    def _rendered(self, claim: Claim) -> "Fetched | _Nothing | None":
        """Return a list as the capture of it that belongs to this poll shows it; None: not yet."""
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
            # The next poll is another job.
            return _Nothing(f"its page could not be captured: {status.error or status.state}")
        return Fetched(
            status=status.http_status or 0,
            url=status.final_url or watch.source,
            body=self._hooks.document(status).encode("utf-8", "replace"),
            headers={"content-type": "text/html; charset=utf-8"},
        )

    def _hand_over(self, watch: Watch) -> int:
        """Let the queue, or a schedule, take the pages that wait; return how many."""
        with reading(self._book.engine) as connection:
            waiting = items.waiting(connection, watch.name, watch.poll_limit)
            at = self._book.now(connection)
        if not waiting:
            return 0
        jobs: Sequence[str] = [it.job_id for it in waiting]
        if watch.then and self._hooks.follow is not None:
            jobs = self._hooks.follow(watch, [it.url for it in waiting])
        else:
            self._queue.put(
                [
                    CaptureJob(
                        id=it.job_id,
                        url=it.url,
                        enqueued_at=at,
                        policy=watch.policy,
                        origin=watch.origin,
                        priority=NORMAL if it.backlog else _FRESH,
                        tags=watch.tags,
                    )
                    for it in waiting
                ]
            )
        with writing(self._book.engine) as connection:
            items.handed_over(
                connection,
                [(it.number, job) for it, job in zip(waiting, jobs, strict=True)],
                self._book.now(connection),
            )
        return len(waiting)

    # Looking at a list.

    def _look(
        self, claim: Claim, rendered: "Fetched | _Nothing | None" = None
    ) -> tuple[Look, tuple[Found, ...]]:
        """Return what a list says now; errors of a list are states of it."""
        watch = claim.watch
        if isinstance(rendered, _Nothing):
            return Look(state=ListState.UNREACHABLE, detail=rendered.why), ()
        top = claim.parts[0] if claim.parts else Part(url=watch.source)
        try:
            read = self._read(claim, top, answer=rendered)
        except _Failed as error:
            return error.look, ()
        children: tuple[Part, ...] = claim.parts[1:]
        listings = [read.listing] if read.listing is not None else []
        notes: list[str] = []
        complete = True
        if read.listing is not None and read.listing.kind == "sitemap-index":
            children, listings = _children(read.listing, claim.parts[1:], read.part.url), []
            read = replace(read, part=replace(read.part, listed=0))
            if len(children) > _CHILDREN_KNOWN:
                notes.append(f"only {_CHILDREN_KNOWN} of its {len(children)} sitemaps are read")
                children = children[:_CHILDREN_KNOWN]
        if children:
            rest = self._read_children(claim, children)
            children = rest.parts
            listings += rest.listings
            notes += rest.notes()
            if rest.failures and not any(it.sha256 for it in children):
                detail = f"none of its sitemaps can be read: {rest.failures[0]}"
                return _look(ListState.UNREACHABLE, detail, read), ()
            # While some were never read, what they name is the backlog, and not news.
            complete = rest.unread <= len(rest.failures)
        parts = (read.part, *children)
        found = tuple(self._found(watch, (it for one in listings for it in one.items)))
        dropped = sum(it.dropped for it in listings)
        listed = sum(it.listed for it in parts)
        if listings and not children:
            listed = len(found)  # what patterns leave out is not in this list
            parts = (replace(read.part, listed=listed),)
        if dropped:
            notes.append(f"{dropped} entries have no address that can be captured")
        if any(it.truncated for it in listings):
            notes.append("it is longer than a list may be: the rest is not read")
        state, detail = self._judged(claim, read, listed, bool(listings), dropped)
        title = listings[0].title if listings else ""
        look = _look(state, detail, read, listed, title, parts, tuple(notes))
        return replace(look, complete=complete), found

    def _judged(
        self, claim: Claim, read: "_Read", listed: int, is_new: bool, dropped: int
    ) -> tuple[ListState, str]:
        """Return the state of a list that could be read, and a sentence about it."""
        watch, before = claim.watch, claim.status
        moved = not watch.is_file and _host(read.answered) != _host(watch.source)
        of_another = (ListState.MOVED, f"{_host(read.answered)} answers in its place")
        if not is_new and claim.opened:  # the same as when it was last read, and judged then
            if claim.read_state in (ListState.OK, ListState.MOVED):
                return of_another if moved else (ListState.OK, "")
            return claim.read_state, before.detail if before.state is claim.read_state else ""
        if listed == 0:
            why = "what it names does not fit --match, --exclude or --select"
            return ListState.EMPTY, why if read.raw or dropped else "it names no page"
        if moved:
            return of_another
        if claim.opened and before.listed >= _FEW and listed * 2 < before.listed:
            return ListState.SHRUNK, f"it names {listed} pages, and named {before.listed} before"
        return ListState.OK, ""

    def _read(
        self, claim: Claim, part: Part, *, kind: str = "", answer: Fetched | None = None
    ) -> "_Read":
        """Return one document of a list. Raises _Failed with the state that it puts it into."""
        watch = claim.watch
        if answer is None:
            answer = self._file(watch) if watch.is_file else self._answer(watch, part)
        fresh = replace(
            part,
            answered=answer.url,
            etag=answer.headers.get("etag", ""),
            modified=answer.headers.get("last-modified", ""),
            read_at=claim.at,
        )
        read = _Read(part=fresh, listing=None, answered=answer.url, status=answer.status)
        if answer.status == 304 and part.sha256:
            kept = replace(part, read_at=claim.at)
            return replace(read, part=kept, answered=part.answered)
        if answer.status == 0:
            detail = "its page was captured, and no answer came"
            raise _Failed(Look(state=ListState.UNREACHABLE, detail=detail))
        if watch.render and not answer.body:
            detail = "the capture of its page has no document that can be read here"
            raise _Failed(Look(state=ListState.UNREACHABLE, detail=detail))
        if answer.status != 200:
            raise _Failed(_failed(answer, claim.at))
        sha256 = hashlib.sha256(answer.body).hexdigest()
        if sha256 == part.sha256:
            return replace(read, part=fresh)
        try:
            listing = read_list(
                answer.body,
                answer.url,
                answer.headers.get("content-type", ""),
                kind=kind or ("html" if watch.render else claim.kind),
                select=watch.select,
                column=watch.column,
            )
            if listing.kind == "html" and not watch.select and not watch.match:
                raise NotAList(
                    "the list is a page: say which of its links are items, with --match or --select"
                )
        except NotAList as error:
            detail = f"{error.message}; {error.hint}" if error.hint else error.message
            raise _Failed(_look(ListState.NOT_A_LIST, detail, read)) from error
        except SnapshotterError as error:  # a selector that is none
            raise _Failed(_look(ListState.NOT_A_LIST, error.message, read)) from error
        raw = len(listing.items)
        part = replace(fresh, sha256=sha256, listed=raw)
        return replace(read, part=part, listing=listing, raw=raw)

    def _answer(self, watch: Watch, part: Part) -> Fetched:
        asked: dict[str, str] = {}
        if part.sha256:
            asked |= {"If-None-Match": part.etag} if part.etag else {}
            asked |= {"If-Modified-Since": part.modified} if part.modified else {}
        try:
            return self._fetch(watch, part.url, {part.answered: asked} if asked else {})
        except FetchFailed as error:
            state = _WORDS.get(error.word, ListState.UNREACHABLE)
            raise _Failed(Look(state=state, detail=error.message)) from error

    def _file(self, watch: Watch) -> Fetched:
        try:
            with Path(watch.source).open("rb") as stream:
                data = stream.read(MAX_BYTES + 1)
        except OSError as error:
            detail = f"{watch.source}: {error.strerror}, on the machine that polls it"
            raise _Failed(Look(state=ListState.UNREACHABLE, detail=detail)) from error
        if len(data) > MAX_BYTES:
            detail = f"more than {MAX_BYTES} bytes"
            raise _Failed(Look(state=ListState.TOO_LARGE, detail=detail))
        kind = "text/csv" if watch.source.lower().endswith((".csv", ".txt", ".tsv")) else ""
        return Fetched(
            status=200, url=Path(watch.source).as_uri(), body=data, headers={"content-type": kind}
        )

    def _read_children(self, claim: Claim, children: tuple[Part, ...]) -> "_Children":
        """Read the sitemaps of an index that may have changed, those longest unread first."""
        listings: list[Listing] = []
        failures: list[str] = []
        parts = {it.url: it for it in children}
        never = datetime.min.replace(tzinfo=UTC)
        # One with a time has another when it changes; one without is asked in its turn.
        asked = sorted(
            (it for it in children if not it.sha256 or not it.stamp),
            key=lambda it: it.read_at or never,
        )
        for part in asked[:_CHILDREN]:
            if self._book.clock() > claim.at + _CHILDREN_TIME:
                break  # each of them may take its whole time
            try:
                read = self._read(claim, part, kind="sitemap")
            except _Failed as error:
                failures.append(f"{part.url}: {error.look.detail}")
                parts[part.url] = replace(part, read_at=claim.at)
                continue
            parts[part.url] = read.part
            if read.listing is not None and read.listing.kind == "sitemap":
                listings.append(read.listing)
        unread = sum(not it.sha256 for it in parts.values())
        return _Children(tuple(parts.values()), tuple(listings), tuple(failures), unread)

    def _found(self, watch: Watch, listed: Iterable[Listed]) -> Iterator[Found]:
        fits, unfit = matching(watch.match).match, matching(watch.exclude).match
        for it in listed:
            if fits(it.url) and not (watch.exclude and unfit(it.url)):
                try:
                    yield Found(it, identity(it.url, self._rules))
                except ValueError:  # what a browser would refuse as well
                    continue

    # Telling others.

    def _tell_gate(self, claim: Claim, look: Look) -> None:
        gate, job = self._hooks.gate, _visit(claim)
        with writing(self._book.engine) as connection:
            met = Met(
                at=self._book.now(connection),
                started_at=claim.at,
                revisits=0,
                http_status=look.http_status,
                retry_after=look.asked,
                date=look.date,
                final_url=look.final_url,
                outcome="complete" if look.state.was_read else "failed",
                error="" if look.state.was_read else look.detail,
            )
            gate.finished(connection, job, gate.host(job.url), met)

    def _tell(self, claim: Claim, status: WatchStatus) -> None:
        """Tell of trouble once; of a server that does not answer, when it goes on."""
        blips = {ListState.UNREACHABLE, ListState.THROTTLED}
        is_new = status.state is not claim.status.state
        if status.state in blips:
            is_new = status.failures == _BLIPS
        if not status.state.is_trouble or not is_new:
            return
        name, since = status.watch.name, status.since or claim.at
        self._hooks.observer.tell(
            Event(
                id=f"watch/{name}/{status.state}/{since:%Y%m%dT%H%M%SZ}",
                kind=EventKind.WATCH_TROUBLE,
                at=since,
                subject=f"watch {name}",
                summary=f"the list of watch {name} is {status.state}",
                reasons=(str(status.state),),
                origin=status.watch.origin,
                policy=status.watch.policy,
                tags=status.watch.tags,
                url="" if status.watch.is_file else status.watch.source,
                host=_host(status.watch.source),
                detail=status.detail[:500],
            )
        )


@dataclass(frozen=True, slots=True)
class _Nothing:
    """There is no capture to read a list from, and none will come."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Read:
    """One document as it came."""

    part: Part
    listing: Listing | None  # None: the same as before
    answered: str
    status: int
    raw: int = 0  # items before patterns


@dataclass(frozen=True, slots=True)
class _Children:
    """The sitemaps of an index, after some of them were read."""

    parts: tuple[Part, ...]
    listings: tuple[Listing, ...]  # of those that were read and are not as before
    failures: tuple[str, ...]  # of those that could not be read now
    unread: int  # that never were, failures included

    def notes(self) -> tuple[str, ...]:
        """Return what there is to say."""
        notes = []
        if self.failures:
            notes.append(f"{len(self.failures)} sitemaps can not be read: {self.failures[0]}")
        if self.unread > len(self.failures):
            notes.append(f"{self.unread} of {len(self.parts)} sitemaps are read by the next polls")
        return tuple(notes)


class _Failed(Exception):
    """A document could not be read."""

    def __init__(self, look: Look) -> None:
        super().__init__(look.detail)
        self.look = look


def _look(
    state: ListState,
    detail: str,
    read: _Read,
    listed: int = 0,
    title: str = "",
    parts: tuple[Part, ...] = (),
    notes: tuple[str, ...] = (),
) -> Look:
    kind = read.listing.kind if read.listing is not None else ""
    return Look(
        state=state,
        detail=detail,
        http_status=None if read.answered.startswith("file:") else read.status,
        final_url=read.answered,
        title=title,
        kind="sitemap" if kind == "sitemap-index" else kind,
        listed=listed,
        parts=parts,
        notes=notes,
    )


def _failed(answer: Fetched, at: datetime) -> Look:
    asked, date = answer.headers.get("retry-after", ""), answer.headers.get("date", "")
    state = _STATUS.get(answer.status)
    if asked and answer.status in (403, 503):
        state = ListState.THROTTLED
    if state is None:
        state = ListState.UNREACHABLE if answer.status >= 500 else ListState.NOT_A_LIST
    return Look(
        state=state,
        detail=f"the server answers with HTTP status {answer.status}",
        http_status=answer.status,
        final_url=answer.url,
        retry_after=parse_retry_after(asked, said_at=date, ours=at),
        asked=asked,
        date=date,
    )


def _children(index: Listing, known: Sequence[Part], base: str) -> tuple[Part, ...]:
    """Return the sitemaps of an index; those of other hosts are not its own to name."""
    before = {it.url: it for it in known}
    parts = []
    for it in index.items:
        if _host(it.url) != _host(base):
            continue
        part = before.get(it.url, Part(url=it.url))
        if part.stamp != it.stamp:
            part = replace(part, stamp=it.stamp, sha256="", read_at=None)
        parts.append(part)
    # Newest first, where they say so: what is new is in these.
    return tuple(sorted(parts, key=lambda it: it.stamp, reverse=True))


def _notes(claim: Claim, taken: Taken, queued: int) -> tuple[str, ...]:
    notes = []
    if not claim.opened and taken.skipped:
        if claim.watch.existing is Existing.SKIP:
            notes.append(f"{taken.skipped} pages were there already, and are not captured")
        else:
            notes.append(
                f"of {taken.new} pages that were there already the first "
                f"{taken.new - taken.skipped} are captured, and {taken.skipped} are not"
            )
    if taken.dropped:
        notes.append(f"{taken.dropped} pages are beyond what one watch remembers: not captured")
    if queued == claim.watch.poll_limit:
        notes.append(f"a poll hands over {queued} pages at most: the next one goes on")
    return tuple(notes)


def _visit(claim: Claim) -> CaptureJob:
    """Return the poll as politeness counts it: a visit of the list's host."""
    return CaptureJob(
        id=f"poll.{claim.watch.name}.{claim.at:%Y%m%dt%H%M%Sz}",
        url=claim.watch.source,
        enqueued_at=claim.at,
        origin=claim.watch.origin,
    )


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def _is_inner(found: Identity) -> bool:
    return urlsplit(f"http:{found.key}").path not in ("", "/")


def _is_number(found: Identity) -> bool:
    return not found.key.startswith("//")
