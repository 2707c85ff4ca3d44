"""
Take-down events on their way into the store: concluded, signed, stored, logged, told.

    (1) the catalog follows the store
    (2) for each page that a capture says is gone: what follows from its captures
    (3) each bundle that an event rests on is verified, and its rules are run again; one that
        FAILED, is by a stranger or shows something else plays no part
    (4) the record, signed by a key that signed none of them; its id is made of its captures
    (5) its leaf in the log
    (6) who wants to know is told

After a crash between two of these the same again completes what is missing: an event that is
stored is found there, and (5) and (6) are done for all of which this machine does not know
that they were. An event never changes: the next one is concluded from where the last ended.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from snapshotter import durable
from snapshotter.app import bundles, pending, records
from snapshotter.app.bundle_verification import verified, why_unusable
from snapshotter.app.observations import Observatory, is_of_its_host, observations
from snapshotter.assess.events import (
    BURST,
    Conclusion,
    Lack,
    Missing,
    account_of,
    conclude,
    conclude_account,
    ends_with,
    parts,
    state_of,
)
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import layout, takedown
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.hosts import host_of
from snapshotter.formats.leaf import TAKEDOWN, Leaf
from snapshotter.model.established import Established
from snapshotter.model.event import MAX_TEXT, UNKNOWN, About, Event, EventKind
from snapshotter.model.finding import Code, Report
from snapshotter.model.takedown import ConfirmRules, Observation, Takedown, TakedownKind
from snapshotter.policy import identity as identities
from snapshotter.policy.picking import AUTO
from snapshotter.ports import Signer
from snapshotter.report.words import minute, moment
from snapshotter.store.events import KeptEvent
from snapshotter.verify import order as orders
from snapshotter.verify.audit.beside import counts
from snapshotter.verify.takedown import parts_of
from snapshotter.verify.trust import Trust

_WAIT_S: Final = 60.0  # for another process on this machine that concludes events of the store
_TELL_WITHIN: Final = timedelta(days=7)  # what was concluded longer ago is no news any more
_KINDS: Final = {
    TakedownKind.REMOVED: EventKind.TAKEDOWN_CONFIRMED,
    TakedownKind.REINSTATED: EventKind.TAKEDOWN_REINSTATED,
    TakedownKind.ACCOUNT_CHANGED: EventKind.ACCOUNT_CHANGED,
    TakedownKind.ACCOUNT_RESTORED: EventKind.ACCOUNT_CHANGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownDesk:
    """What is needed to conclude events and to record them."""

    place: Observatory
    trust: Callable[[], Trust]  # by which bundles are verified, and events believed
    signer: Callable[[], Signer]  # opened for the first event
    own_keys: frozenset[str]  # ids of keys of this user, whose events count without a trust file
    confirm: Callable[[str], ConfirmRules]  # by the policy of an address
    now: Callable[[], datetime]
    lock_dir: Path  # of this store, on this machine
    # Why a bundle does not show, by its own rules, what the catalog says of it; "" if it does.
    unlike: Callable[[Observation, Established, BinaryIO], str] = lambda said, facts, stream: ""
    quick: bool = False  # look into the newest days of the store alone
    burst: timedelta = BURST  # removals of one account within this belong together
    # Adds leaves to the log; whether they may be in it already. None where nothing is logged.
    log: Callable[[Sequence[Leaf], bool], object] | None = None
    notify: Callable[[Sequence[Event]], None] | None = None  # durable when it returns
    tell: Callable[[str], None] = lambda text: None  # of what could not be told
    # What rules match of the jobs for which bundles were made, as far as the queue knows them.
    jobs: Callable[[Sequence[str]], Mapping[str, About]] = lambda bundle_ids: {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event that is in the store."""

    event: Takedown
    key: str
    sha256: str  # of its record
    is_new: bool  # this call put it there


@dataclass(frozen=True, slots=True, kw_only=True)
class Passed:
    """A capture that plays no part, and why."""

    observation: Observation
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """What was concluded about one page, or one account."""

    subject: str  # the identity of the page, or the account
    conclusion: Conclusion  # what is known now, behind the events
    recorded: tuple[Recorded, ...]
    passed: tuple[Passed, ...] = ()


def derive(desk: TakedownDesk, urls: Sequence[str] = ()) -> tuple[Derived, ...]:
    """
    Conclude what follows from the captures in the store, and record each new event.

    Args:
        urls: The pages to look at, with their accounts; all of which a capture says that
            they are gone if none is named.

    Raises:
        ServiceUnavailable: Store, log or key did not answer. The same again goes on.
        SnapshotterError: They refuse, `urls` has something that is no address, or another
            process is at it for a minute.
    """
    with pending.locked(desk.lock_dir, wait_s=_WAIT_S) as is_mine:
        if not is_mine:
            raise ServiceUnavailable(
                "another process concludes events of this store", hint="try again"
            )
        return _derive(desk, urls)


def _derive(desk: TakedownDesk, urls: Sequence[str]) -> tuple[Derived, ...]:
    place, catalog = desk.place, desk.place.catalog
    place.sync(until=desk.now() if desk.quick else None)  # (1)
    catalog.sync_events(place.store)
    pages = tuple(dict.fromkeys(map(place.identity, urls))) if urls else catalog.doubtful()
    work = _Work(desk)
    done = [work.page(it) for it in pages]
    accounts = {it.account for page in pages for it in work.of_page(page) if it.account}
    done += [work.account(it) for it in sorted(accounts)]
    work.settle()
    return tuple(done)


class _Work:
    """One call of `derive`: what was read and verified is kept for its length."""

    def __init__(self, desk: TakedownDesk) -> None:
        self._desk = desk
        self._catalog = desk.place.catalog
        self._trust = desk.trust()
        self._signer: Signer | None = None
        self._fresh: set[str] = set()  # keys of records that this call stored
        self._reports: dict[str, Report | None] = {}
        self._shown: dict[str, str] = {}
        self._pages: dict[str, tuple[Observation, ...]] = {}

    def of_page(self, identity: str) -> tuple[Observation, ...]:
        if identity not in self._pages:
            found = observations(self._desk.place, identity=identity, sync=False)
            # An account that one capture names is that of the page in all of them.
            accounts = {it.account for it in found if it.account}
            if len(accounts) == 1:
                (account,) = accounts
                found = tuple(replace(it, account=account) for it in found)
            self._pages[identity] = found
        return self._pages[identity]

    def page(self, identity: str) -> Derived:
        return self._subject(identity, self.of_page(identity), conclude)

    def account(self, account: str) -> Derived:
        pages = self._catalog.identities(account=account)
        found = [it for page in pages for it in self.of_page(page) if it.account == account]
        return self._subject(account, found, conclude_account)

    def _subject(
        self, subject: str, mine: Sequence[Observation], rule: Callable[..., Conclusion]
    ) -> Derived:
        """Conclude (2), without the bundles that do not verify (3), and record (4)."""
        chain = self._chain(subject)
        url = mine[-1].url if mine else ""
        confirm = self._desk.confirm(url) if url else ConfirmRules()
        before = chain[-1].event if chain else None
        last = chain[-1].sha256 if chain else ""
        passed: dict[str, Passed] = {}
        while True:
            left = [it for it in mine if it.bundle_id not in passed]
            every = [*left, *self._controls_for(left, before, passed)]
            found = rule(subject, every, confirm, before=before)
            bad = [it for event in found.events for it in self._bad(event)]
            if not bad:
                break
            passed |= {it.observation.bundle_id: it for it in bad}
        recorded = []
        for event in found.events:
            made = self._record(event, last)
            recorded.append(made)
            last = made.sha256
        return Derived(
            subject=subject,
            conclusion=found,
            recorded=tuple(recorded),
            passed=tuple(passed.values()),
        )

    def _chain(self, subject: str) -> list[KeptEvent]:
        """Return the events of a page or an account whose keys are trusted, the newest last."""
        return [
            it
            for it in self._catalog.events(identity=subject)
            if it.event is not None and self._is_believed(it.key_id)
        ]

    def _is_believed(self, key_id: str) -> bool:
        """Whether events by a key are those of this store: a trusted one, or this user's own."""
        mine = self._signer is not None and key_id == self._signer.key_id
        return mine or key_id in self._desk.own_keys or counts(self._trust, key_id)

    def _controls_for(
        self, mine: Iterable[Observation], before: Takedown | None, passed: dict[str, Passed]
    ) -> list[Observation]:
        """Return the pages that were there after each capture that says that something is not."""
        found: dict[str, Observation] = {}
        for it in mine:
            if before is not None and it.at <= before.at:
                continue
            if it.cause is None and not it.accounts:
                continue
            control = self._catalog.control(it, it.identity, without=passed)
            if control is not None:
                found[control.bundle_id] = control
        known = {it.bundle_id for it in mine}
        return [it for it in found.values() if it.bundle_id not in known]

    def _bad(self, event: Takedown) -> list[Passed]:
        """Return the captures of an event that it can not rest on."""
        found = []
        for it in parts(event):
            if why := self._why_not(it, is_control=it in event.controls):
                found.append(Passed(observation=it, why=why))
        return found or self._misplaced(event)

    def _why_not(self, it: Observation, *, is_control: bool = False) -> str:
        """Return why nothing that is signed can rest on a capture; "" if it can."""
        if it.key_id == self._opened().key_id:
            return "it is signed by the key that signs events"
        report = self._report(it)
        if report is None:
            return "its bundle can not be read any more"
        if why := why_unusable(report, it.sha256):
            return why
        if any(one.code is Code.KEY_UNKNOWN for one in report.findings):
            return f"it is signed by the key {it.key_id}, which is not trusted"
        if report.established is None:
            return "its record is not a valid capture record"
        if is_control and not is_of_its_host(report.established):
            return "as a control it led to another host"
        return self._unlike(it, report.established)

    def _misplaced(self, event: Takedown) -> list[Passed]:
        """Return the captures that are proven to be from after one that they claim to be before."""
        placed = []
        for it in parts_of(event):
            report = self._report(it.observation)
            if report is not None and report.established is not None:
                placed.append(orders.Placed(role=it.role, found=report.established))
        order = orders.judge(placed, max_skew=self._trust.max_skew)
        made = {it.bundle_id: it for it in parts(event)}
        why = dict(zip(order.misplaced, (it.detail for it in order.findings), strict=True))
        return [Passed(observation=made[it], why=detail) for it, detail in why.items()]

    def _unlike(self, it: Observation, facts: Established) -> str:
        if it.bundle_id not in self._shown:
            with self._desk.place.store.open(layout.bundle_key(it.bundle_id)) as stream:
                self._shown[it.bundle_id] = self._desk.unlike(it, facts, stream)
        return self._shown[it.bundle_id]

    def _report(self, it: Observation) -> Report | None:
        if it.bundle_id not in self._reports:
            self._reports[it.bundle_id] = verified(
                self._desk.place.store, it.bundle_id, self._trust, now=self._desk.now()
            )
        return self._reports[it.bundle_id]

    def _opened(self) -> Signer:
        if self._signer is None:
            self._signer = self._desk.signer()
        return self._signer

    def _record(self, event: Takedown, previous: str) -> Recorded:
        store, signer = self._desk.place.store, self._opened()
        event = replace(event, identified_by=self._identified_by(event))
        event = replace(self._proven(event), previous=previous, articles=self._articles(event))
        key = layout.takedown_key(event.event_id)
        try:
            data = takedown.encode(event, signer)
        except ValueError as error:
            raise SnapshotterError(f"{key} can not be recorded: {error}") from error
        is_new = records.put(store, key, data)
        if is_new:
            self._fresh.add(key)
        else:  # another was quicker: its record counts
            data = records.read(store, key, limit=takedown.MAX_BYTES) or b""
            self._require_same(key, data, event)
        self._catalog.sync_events(store)
        return Recorded(event=event, key=key, sha256=digest_bytes(data).sha256, is_new=is_new)

    def _require_same(self, key: str, data: bytes, event: Takedown) -> None:
        """See that what stands there is the record of this event, by somebody who counts."""
        problem = "it is of another event"
        try:
            there, key_id = takedown.parse(data)
            if not self._is_believed(key_id):
                problem = f"it is signed by the key {key_id}, which is not trusted"
            elif there.event_id == event.event_id:
                return
        except EvidenceInvalid as error:
            problem = str(error)
        raise SnapshotterError(
            f"{key} in {self._desk.place.store.url} is not the record of that event: {problem}",
            hint="look who may write to this store, then remove it",
        )

    def settle(self) -> None:
        """Log (5) and tell (6) what this machine does not know to be logged and told."""
        desk = self._desk
        owed = [
            (it, it.event)
            for it in self._catalog.events(pending=True)
            if it.event is not None and self._is_believed(it.key_id)
        ]
        leaves = [
            Leaf(kind=TAKEDOWN, name=event.event_id, sha256=it.sha256)
            for it, event in owed
            if not it.logged
        ]
        if desk.log is not None and leaves:
            desk.log(leaves, any(it.key not in self._fresh for it, _ in owed))
        for it, _ in owed:
            self._catalog.settled(it.key, logged=True)
        news = [
            event for it, event in owed if not it.told and desk.now() - event.at <= _TELL_WITHIN
        ]
        if desk.notify is not None and news:
            try:
                desk.notify([event_of(it, self._about(it)) for it in news])
            except SnapshotterError as error:  # it takes nothing from the events: the next call
                desk.tell(f"WARNING: nobody was told yet: {error.message}")
                return
        for it, _ in owed:
            self._catalog.settled(it.key, told=True)

    def _about(self, event: Takedown) -> tuple[About, ...]:
        """Return what rules match of the captures of an event, other pages left out."""
        captures = [it for it in parts(event) if it not in event.controls]
        of_jobs = self._desk.jobs([it.bundle_id for it in captures])
        found = [it for one in captures for it in self._of_capture(one, of_jobs)]
        return tuple(dict.fromkeys(found))

    def _of_capture(self, it: Observation, of_jobs: Mapping[str, About]) -> Iterator[About]:
        """
        Yield what rules match of a capture: as its record says, and as its job says.

        The record names the policy that held. A job may leave it to the worker or the address.
        """
        job = of_jobs.get(it.bundle_id, UNKNOWN)
        report = self._report(it)
        recorded = report.record["how"]["policy"]["name"] if report and report.record else None
        yield replace(job, policy=None if recorded is None else str(recorded)[:MAX_TEXT])
        if job.policy and job.policy != AUTO:
            yield job

    def _proven(self, event: Takedown) -> Takedown:
        """Return the event with the times that were verified, and no others."""

        def proven(it: Observation) -> Observation:
            report = self._report(it)
            return replace(it, proven_at=report.proven_time if report else None)

        def each(them: tuple[Observation, ...]) -> tuple[Observation, ...]:
            return tuple(map(proven, them))

        return replace(
            event,
            last_seen=proven(event.last_seen),
            first_gone=proven(event.first_gone),
            confirmations=each(event.confirmations),
            controls=each(event.controls),
            vantages=each(event.vantages),
            identified_by=each(event.identified_by),
        )

    def _identified_by(self, event: Takedown) -> tuple[Observation, ...]:
        """
        Return captures that show which page an address leads to, if the event's own do not.

        Of an account also one that names it, where the address of the page does not. A capture
        that nothing can rest on is left out: the catalog has its own word alone.
        """
        named = [self._catalog.names(it.bundle_id) for it in parts(event)]
        shown = {asked for asked, stated in named if stated}
        found = []
        for asked in sorted({asked for asked, _ in named} - shown):
            identity = self._catalog.resolved(asked)
            by = self._catalog.shown_by(asked, identity) if identity != asked else None
            if by is not None and not self._why_not(by):
                found.append(by)
        of_account = event.kind in (TakedownKind.ACCOUNT_CHANGED, TakedownKind.ACCOUNT_RESTORED)
        if of_account and not any(
            identities.account_of(it.identity) or self._catalog.names_account(it.bundle_id)
            for it in parts(event)
            if it.account == event.identity
        ):
            by = self._catalog.of_account(event.first_gone.identity, event.identity)
            if by is not None and not self._why_not(by):
                found.append(by)
        return tuple(found)

    def _articles(self, event: Takedown) -> tuple[str, ...]:
        """Return the removals of an account's articles shortly before a change of the account."""
        if event.kind is not TakedownKind.ACCOUNT_CHANGED:
            return ()
        near = [
            it.event
            for it in self._catalog.events()
            if it.event is not None
            and it.event.kind is TakedownKind.REMOVED
            and account_of(it.event) == event.identity
            and event.at - self._desk.burst <= it.event.at <= event.at
            and self._is_believed(it.key_id)
        ]
        return tuple(it.event_id for it in near[: takedown.MAX_ARTICLES])


def export(place: Observatory, found: KeptEvent, directory: Path) -> tuple[Path, ...]:
    """
    Copy an event with its bundles and the events before it into a directory; the event first.

    Raises:
        SnapshotterError: A bundle is not in the store any more, or a file of that name differs.
    """
    if found.event is None:
        raise SnapshotterError(f"{found.key} is no event: {found.problem}")
    chain = {it.sha256: it for it in place.catalog.events(identity=found.event.identity)}
    written: list[Path] = []
    it: KeptEvent | None = found
    try:
        directory.mkdir(parents=True, exist_ok=True)
        while it is not None and it.event is not None:
            path = directory / f"{it.event.event_id}.json"
            if path.exists() and path.read_bytes() != it.data:
                raise SnapshotterError(
                    f"{path} is there already, and is another file", hint="export elsewhere"
                )
            durable.write(path, it.data)
            written.append(path)
            it = chain.pop(it.event.previous, None)
    except OSError as error:
        raise SnapshotterError(f"{directory}: {error.strerror or error}") from error
    for part in parts(found.event):
        written += bundles.export(place.store, part.bundle_id, directory)
    return tuple(dict.fromkeys(written))


def event_of(it: Takedown, about: Sequence[About]) -> Event:
    """
    Return what to tell of an event.

    All of one account have one subject: a message lists them as one, with how many there are.

    Args:
        about: What rules match of its captures.
    """
    account = account_of(it)
    subject = digest_bytes((account or it.identity).encode()).sha256[:32]
    begin, end = it.bracket
    kind = _KINDS[it.kind]
    if it.kind is TakedownKind.REMOVED and state_of(ends_with(it)):
        kind = EventKind.ACCOUNT_CHANGED  # the page went with its account
    words = _SUMMARIES[it.kind].format(state=it.state)
    return Event(
        id=f"{kind}/{it.event_id}",
        kind=kind,
        at=it.at,
        subject=subject,
        summary=f"{words} between {minute(begin)} and {minute(end)}",
        about=tuple(about),
        reasons=tuple(cause.value for cause in it.causes),
        bundle_id=it.first_gone.bundle_id,
        url=it.url,
        host=host_of(it.url)[:MAX_TEXT],
        detail=it.first_gone.notice[:MAX_TEXT],
    )


_SUMMARIES: Final = {
    TakedownKind.REMOVED: "a page is gone: it was taken down",
    TakedownKind.REINSTATED: "a page that was taken down is there again: it came back",
    TakedownKind.ACCOUNT_CHANGED: "an account has changed to {state}:",
    TakedownKind.ACCOUNT_RESTORED: "an account is as it was before:",
}


# --- what is missing ------------------------------------------------------------------------


def missing_in_words(missing: Missing) -> str:
    """Return one thing that is missing for an event, to stand behind "it needs"."""
    after = f" after {moment(missing.after)}" if missing.after is not None else ""
    match missing.lack:
        case Lack.SEEN:
            return "a capture by this way that shows it, from before"
        case Lack.AGREEING:
            many = "one more agreeing capture"
            if missing.count != 1:
                many = f"{missing.count} more agreeing captures"
            return f"{many}, the last one{after}" if after else many
        case Lack.TIME:
            return f"one more agreeing capture{after}: those that agree are too close"
        case Lack.CONTROL:
            return (
                f"a control: another page of {missing.host} that is there, captured{after} and "
                "before the last that agrees"
            )
        case Lack.VANTAGE if missing.seen is not None:
            other = missing.seen
            return (
                f"{other.vantage} to say so too: by {other.vantage} it was there at "
                f"{moment(other.at)} ({other.bundle_id}), and a difference between two ways is no "
                "removal"
            )
        case Lack.VANTAGE:
            return "a look by the other way that the policy names: this one alone may not show it"
