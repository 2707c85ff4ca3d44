"""
Derive take-down events from captures, sign and store them, log them, and notify people.

    (1) the index is brought up to date with the store
    (2) for each named page, or else for each page that a capture shows as removed, and for the
        accounts of these pages, events are concluded from the captures
    (3) each bundle of an event is verified, and its verdict is derived again by its rules. A
        bundle that FAILED, shows something else or has an untrusted key is left out.
    (4) the record is signed by a key that signed none of the captures; its id follows from them
    (5) its leaf is added to the log
    (6) people are notified

After a crash between two steps, a further run completes what is missing: a stored event is found
in the store, and (5) and (6) are done for each event that this machine has not recorded as done.
An event never changes: the next one is concluded from the end of the last one. `export_event`
copies an event with its bundles into a directory.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, Final

from snapshotter import durable
from snapshotter.app import private_files, store_records
from snapshotter.app.archive import bundles
from snapshotter.app.archive.bundle_verification import unusable_reason, verify_stored_bundle
from snapshotter.app.archive.observations import ObservationSource, is_of_its_host, observations
from snapshotter.app.archive.quarantined import FindHidden, none_hidden
from snapshotter.app.takedown.rederivation import Rederivation
from snapshotter.assess.takedown_events import (
    BURST,
    Conclusion,
    MissingEvidence,
    MissingKind,
    account_of,
    account_state_in,
    captures_of_event,
    conclude,
    conclude_account,
    last_capture_of_event,
)
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.hosts import host_of
from snapshotter.formats.proofs.leaf import TAKEDOWN, Leaf
from snapshotter.formats.statements import takedown
from snapshotter.index.stored_events import StoredEvent
from snapshotter.model.finding import Code, Report
from snapshotter.model.notification import (
    MAX_TEXT,
    UNKNOWN,
    NotificationEvent,
    NotificationKind,
    NotificationScope,
)
from snapshotter.model.takedown import (
    ACCOUNT_KINDS,
    ConfirmRules,
    Observation,
    Takedown,
    TakedownKind,
    widen,
)
from snapshotter.model.verified_facts import VerifiedFacts
from snapshotter.policy import page_identity
from snapshotter.policy.policy_selection import AUTO
from snapshotter.ports import Signer
from snapshotter.report.wording import format_minute, format_second
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_order
from snapshotter.verify.audit.sidecar_facts import key_counts
from snapshotter.verify.takedown import captures_by_role
from snapshotter.verify.trust import Trust

_WAIT_S: Final = 60.0  # for another process on this machine that concludes events of the store
_TELL_WITHIN: Final = timedelta(days=7)  # older events are not sent as news
_KINDS: Final = {
    TakedownKind.REMOVED: NotificationKind.TAKEDOWN_CONFIRMED,
    TakedownKind.REINSTATED: NotificationKind.TAKEDOWN_REINSTATED,
    TakedownKind.ACCOUNT_CHANGED: NotificationKind.ACCOUNT_CHANGED,
    TakedownKind.ACCOUNT_RESTORED: NotificationKind.ACCOUNT_CHANGED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TakedownService:
    """What is needed to conclude and to record events."""

    source: ObservationSource
    trust: Callable[[], Trust]  # for bundles and for events
    signer: Callable[[], Signer]  # opened for the first event
    own_keys: frozenset[str]  # ids of keys of this user, whose events count without a trust file
    confirm: Callable[[str], ConfirmRules]  # the rules for an address, by its policy
    now: Callable[[], datetime]
    lock_dir: Path  # of this store, on this machine
    hidden: FindHidden = none_hidden
    # Returns why a bundle does not show, by its own rules, what the index states; "" if it does.
    mismatch: Callable[[Observation, VerifiedFacts, BinaryIO], str] = lambda said, facts, stream: ""
    # Derives again what captures show; None: no change of a page can be concluded.
    by: Rederivation | None = None
    quick: bool = False  # read only the newest days of the store
    burst: timedelta = BURST  # removals of one account within this belong together
    # Adds leaves to the log; the flag states whether they may be in it already. None: no log.
    log: Callable[[Sequence[Leaf], bool], object] | None = None
    notify: Callable[[Sequence[NotificationEvent]], None] | None = None  # durable when it returns
    show_message: Callable[[str], None] = lambda text: None  # shows failed notifications
    # Returns what notification rules match of the jobs of bundles, as far as the queue has them.
    jobs: Callable[[Sequence[str]], Mapping[str, NotificationScope]] = lambda bundle_ids: {}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedEvent:
    """An event that is in the store."""

    event: Takedown
    key: str
    sha256: str  # of its record
    is_new: bool  # this call put it there


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedCapture:
    """A capture that was left out, and why."""

    observation: Observation
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivation:
    """What was concluded about one page, or one account."""

    subject: str  # the identity of the page, or the account
    conclusion: Conclusion  # what is known now, after the last event
    recorded: tuple[RecordedEvent, ...]
    passed: tuple[SkippedCapture, ...] = ()


def derive(service: TakedownService, urls: Sequence[str] = ()) -> tuple[Derivation, ...]:
    """
    Conclude what follows from the captures in the store, and record each new event.

    Args:
        urls: The pages to look at, with their accounts. Empty: all pages that a capture shows as
            removed.

    Raises:
        ServiceUnavailable: Store, log or key did not answer. A further run continues.
        SnapshotterError: Store, log or key refuses, `urls` has an invalid address, or another
            process has been concluding events for a minute.
    """
    with _locked(service):
        return _derive(service, urls)


def record(service: TakedownService, event: Takedown) -> RecordedEvent:
    """
    Sign, store and log an event of a change, which was derived by `change_events.py`.

    Raises:
        As `derive`.
    """
    with _locked(service):
        work = _Work(service)
        recorded = work.put(event)
        work.settle()
        return recorded


@contextmanager
def _locked(service: TakedownService) -> Iterator[None]:
    """Keep other processes of this machine from recording events of the store."""
    with private_files.lock_directory(service.lock_dir, wait_s=_WAIT_S) as is_mine:
        if not is_mine:
            raise ServiceUnavailable(
                tr("another process is deriving events of this store"),
                hint=tr("wait a minute, and give the same command again"),
            )
        yield


def _derive(service: TakedownService, urls: Sequence[str]) -> tuple[Derivation, ...]:
    source, index = service.source, service.source.index
    source.sync(until=service.now() if service.quick else None)  # (1)
    index.sync_events(source.store)
    pages = tuple(dict.fromkeys(map(source.identity, urls))) if urls else index.pages_in_doubt()
    work = _Work(service)
    done = [work.page(page) for page in pages]
    accounts = {
        observation.account
        for page in pages
        for observation in work.of_page(page)
        if observation.account
    }
    done += [work.account(account) for account in sorted(accounts)]
    work.settle()
    return tuple(done)


class _Work:
    """One call of `derive`; keeps what it has read and verified until it ends."""

    def __init__(self, service: TakedownService) -> None:
        self._service = service
        self._index = service.source.index
        self._trust = service.trust()
        self._signer: Signer | None = None
        self._fresh: set[str] = set()  # keys of records that this call stored
        self._reports: dict[str, Report | None] = {}
        self._shown: dict[str, str] = {}
        self._hidden: dict[str, str] = {}  # why captures are in quarantine, or ""
        self._pages: dict[str, tuple[Observation, ...]] = {}

    def of_page(self, identity: str) -> tuple[Observation, ...]:
        if identity not in self._pages:
            found = observations(self._service.source, identity=identity, sync=False)
            # An account that one capture of a page names applies to all captures of it.
            accounts = {observation.account for observation in found if observation.account}
            if len(accounts) == 1:
                (account,) = accounts
                found = tuple(replace(observation, account=account) for observation in found)
            self._pages[identity] = found
        return self._pages[identity]

    def page(self, identity: str) -> Derivation:
        return self._subject(identity, self.of_page(identity), conclude)

    def account(self, account: str) -> Derivation:
        pages = self._index.identities(account=account)
        found = [
            observation
            for page in pages
            for observation in self.of_page(page)
            if observation.account == account
        ]
        return self._subject(account, found, conclude_account)

    def _subject(
        self, subject: str, captures: Sequence[Observation], rule: Callable[..., Conclusion]
    ) -> Derivation:
        """Conclude (2), without the bundles that do not verify (3), and record (4)."""
        chain = self._chain(subject)
        url = captures[-1].url if captures else ""
        confirm = self._service.confirm(url) if url else ConfirmRules()
        before = chain[-1].event if chain else None
        last = chain[-1].sha256 if chain else ""
        skipped: dict[str, SkippedCapture] = {}
        hidden = [
            SkippedCapture(observation=observation, why=why)
            for observation in captures
            if (why := self._hidden_reason(observation, captures))
        ]
        while True:
            left = [observation for observation in captures if observation.bundle_id not in skipped]
            every = [*left, *self._controls_for(left, before, skipped)]
            found = rule(subject, every, confirm, before=before)
            # A capture in quarantine still counts against a removal, because no event may hide
            # what it shows. So no event is recorded that such a capture is a part of, and none
            # that follows such an event.
            usable = list(takewhile(self._is_shown, found.events))
            bad = [left_out for event in usable for left_out in self._bad(event)]
            if not bad:
                break
            skipped |= {left_out.observation.bundle_id: left_out for left_out in bad}
        recorded = []
        for event in usable:
            made = self._record(event, last)
            recorded.append(made)
            last = made.sha256
        return Derivation(
            subject=subject,
            conclusion=found,
            recorded=tuple(recorded),
            passed=(*skipped.values(), *hidden),
        )

    def _hidden_reason(self, observation: Observation, beside: Sequence[Observation] = ()) -> str:
        """
        Return why a capture is in quarantine; "" if it is not.

        Args:
            beside: Captures that are looked up with it.
        """
        if observation.bundle_id not in self._hidden:
            wanted = [other.bundle_id for other in (observation, *beside)]
            found = self._service.hidden(wanted)
            self._hidden |= {bundle_id: found.get(bundle_id, "") for bundle_id in wanted}
        return self._hidden[observation.bundle_id]

    def _is_shown(self, event: Takedown) -> bool:
        """Return whether no capture of an event is in quarantine."""
        captures = captures_of_event(event)
        return not any(self._hidden_reason(observation, captures) for observation in captures)

    def _chain(self, subject: str) -> list[StoredEvent]:
        """Return the events of a page or an account whose keys are trusted, the newest last."""
        return [
            kept_event
            for kept_event in self._index.events(identity=subject)
            if kept_event.event is not None
            and kept_event.event.kind is not TakedownKind.CHANGED  # says nothing of a removal
            and self._is_believed(kept_event.key_id)
        ]

    def _is_believed(self, key_id: str) -> bool:
        """Return whether a key is trusted or this user's own, so that its events count."""
        is_own = self._signer is not None and key_id == self._signer.key_id
        return is_own or key_id in self._service.own_keys or key_counts(self._trust, key_id)

    def _controls_for(
        self,
        captures: Iterable[Observation],
        before: Takedown | None,
        skipped: dict[str, SkippedCapture],
    ) -> list[Observation]:
        """Return other pages of the host that were available after each capture of a removal."""
        found: dict[str, Observation] = {}
        for observation in captures:
            if before is not None and observation.at <= before.at:
                continue
            if observation.cause is None and not observation.accounts:
                continue
            bad = list(skipped)
            control = self._index.control(observation, observation.identity, without=bad)
            while control is not None and self._hidden_reason(control):
                bad.append(control.bundle_id)
                control = self._index.control(observation, observation.identity, without=bad)
            if control is not None:
                found[control.bundle_id] = control
        known = {observation.bundle_id for observation in captures}
        return [observation for observation in found.values() if observation.bundle_id not in known]

    def _bad(self, event: Takedown) -> list[SkippedCapture]:
        """Return the captures of an event that must not be used for it."""
        found = []
        for observation in captures_of_event(event):
            if why := self._why_not(observation, is_control=observation in event.controls):
                found.append(SkippedCapture(observation=observation, why=why))
        return found or self._misplaced(event)

    def _why_not(self, observation: Observation, *, is_control: bool = False) -> str:
        """Return why a signed event must not use a capture; "" if it may."""
        if observation.key_id == self._opened().key_id:
            return tr("the key that signs events also signed this bundle")
        if why := self._hidden_reason(observation):
            return why
        report = self._report(observation)
        if report is None:
            return tr("the bundle can no longer be read")
        if why := unusable_reason(report, observation.sha256):
            return why
        if any(finding.code is Code.KEY_UNKNOWN for finding in report.findings):
            return tr(
                "the bundle is signed by the key {key_id}, which is not trusted",
                key_id=observation.key_id,
            )
        if report.established is None:
            return tr("the capture record of the bundle is invalid")
        if is_control and not is_of_its_host(report.established):
            return tr("the capture was made as a control, but was redirected to another host")
        return self._unlike(observation, report.established)

    def _misplaced(self, event: Takedown) -> list[SkippedCapture]:
        """Return the captures that are proven to be newer than they claim."""
        placed = []
        for part in captures_by_role(event):
            report = self._report(part.observation)
            if report is not None and report.established is not None:
                placed.append(capture_order.CaptureInRole(role=part.role, found=report.established))
        order = capture_order.judge(placed, max_skew=self._trust.max_skew)
        made = {observation.bundle_id: observation for observation in captures_of_event(event)}
        why = dict(
            zip(order.misplaced, (finding.detail for finding in order.findings), strict=True)
        )
        return [
            SkippedCapture(observation=made[bundle_id], why=detail)
            for bundle_id, detail in why.items()
        ]

    def _unlike(self, observation: Observation, facts: VerifiedFacts) -> str:
        if observation.bundle_id not in self._shown:
            with self._service.source.store.open(
                store_keys.bundle_key(observation.bundle_id)
            ) as stream:
                self._shown[observation.bundle_id] = self._service.mismatch(
                    observation, facts, stream
                )
        return self._shown[observation.bundle_id]

    def _report(self, observation: Observation) -> Report | None:
        if observation.bundle_id not in self._reports:
            self._reports[observation.bundle_id] = verify_stored_bundle(
                self._service.source.store,
                observation.bundle_id,
                self._trust,
                now=self._service.now(),
            )
        return self._reports[observation.bundle_id]

    def _opened(self) -> Signer:
        if self._signer is None:
            self._signer = self._service.signer()
        return self._signer

    def _record(self, event: Takedown, previous: str) -> RecordedEvent:
        event = replace(event, identified_by=self._identified_by(event))
        event = replace(self._proven(event), previous=previous, articles=self._articles(event))
        return self.put(event)

    def put(self, event: Takedown) -> RecordedEvent:
        """Sign an event and store its record; one that is stored already counts."""
        store, signer = self._service.source.store, self._opened()
        key = store_keys.takedown_key(event.event_id)
        try:
            data = takedown.encode(event, signer)
        except ValueError as error:
            raise SnapshotterError(
                tr("the event {key} cannot be recorded: {error}", key=key, error=error)
            ) from error
        is_new = store_records.put(store, key, data)
        if is_new:
            self._fresh.add(key)
        else:  # another process was faster: its record counts
            data = store_records.read(store, key, limit=takedown.MAX_BYTES) or b""
            self._require_same(key, data, event)
        self._index.sync_events(store)
        return RecordedEvent(event=event, key=key, sha256=digest_bytes(data).sha256, is_new=is_new)

    def _require_same(self, key: str, data: bytes, event: Takedown) -> None:
        """Check that a stored record is of this event and signed by a key that counts."""
        problem = tr("the record belongs to another event")
        try:
            there, key_id = takedown.parse(data)
            if not self._is_believed(key_id):
                problem = tr(
                    "the record is signed by the key {key_id}, which is not trusted", key_id=key_id
                )
            elif there.event_id == event.event_id:
                return
        except EvidenceInvalid as error:
            problem = str(error)
        raise SnapshotterError(
            tr(
                "{key} in {url} is not the record of this event: {problem}",
                key=key,
                url=self._service.source.store.url,
                problem=problem,
            ),
            hint=tr("check which users have write access to this store, then remove the object"),
        )

    def settle(self) -> None:
        """Log the events (5) and notify people (6), unless this machine recorded it as done."""
        service = self._service
        owed = [
            (kept_event, kept_event.event)
            for kept_event in self._index.events(pending=True)
            if kept_event.event is not None and self._is_believed(kept_event.key_id)
        ]
        leaves = [
            Leaf(kind=TAKEDOWN, name=event.event_id, sha256=kept_event.sha256)
            for kept_event, event in owed
            if not kept_event.logged
        ]
        if service.log is not None and leaves:
            service.log(leaves, any(kept_event.key not in self._fresh for kept_event, _ in owed))
        for kept_event, _ in owed:
            self._index.settled(kept_event.key, logged=True)
        news = [
            event
            for kept_event, event in owed
            if not kept_event.told
            and event.kind in _KINDS  # a change is concluded for the person who asks
            and service.now() - event.at <= _TELL_WITHIN
        ]
        if service.notify is not None and news:
            try:
                service.notify([takedown_notification(event, self._about(event)) for event in news])
            except SnapshotterError as error:  # it takes nothing from the events: the next call
                service.show_message(
                    tr(
                        "WARNING: the notifications about new events are not sent yet: {value}",
                        value=error.message,
                    )
                )
                return
        for kept_event, _ in owed:
            self._index.settled(kept_event.key, told=True)

    def _about(self, event: Takedown) -> tuple[NotificationScope, ...]:
        """Return what notification rules match of the captures of an event, without other pages."""
        captures = [
            observation
            for observation in captures_of_event(event)
            if observation not in event.controls
        ]
        of_jobs = self._service.jobs([observation.bundle_id for observation in captures])
        found = [
            subject
            for observation in captures
            for subject in self._of_capture(observation, of_jobs)
        ]
        return tuple(dict.fromkeys(found))

    def _of_capture(
        self, observation: Observation, of_jobs: Mapping[str, NotificationScope]
    ) -> Iterator[NotificationScope]:
        """
        Yield what notification rules match of a capture, by its record and by its job.

        The record names the policy that was applied; a job may name none.
        """
        job = of_jobs.get(observation.bundle_id, UNKNOWN)
        report = self._report(observation)
        recorded = report.record["how"]["policy"]["name"] if report and report.record else None
        yield replace(job, policy=None if recorded is None else str(recorded)[:MAX_TEXT])
        if job.policy and job.policy != AUTO:
            yield job

    def _proven(self, event: Takedown) -> Takedown:
        """Return the event with verified times only."""

        def proven(observation: Observation) -> Observation:
            report = self._report(observation)
            return replace(observation, proven_at=report.proven_time if report else None)

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

        For an account, a capture that names it is added if the address of the page does not. A
        capture that must not be used is left out, because the index did not verify it.
        """
        named = [
            self._index.names(observation.bundle_id) for observation in captures_of_event(event)
        ]
        shown = {asked for asked, stated in named if stated}
        found = []
        for asked in sorted({asked for asked, _ in named} - shown):
            identity = self._index.resolved(asked)
            by = self._index.shown_by(asked, identity) if identity != asked else None
            if by is not None and not self._why_not(by):
                found.append(by)
        of_account = event.kind in ACCOUNT_KINDS
        if of_account and not any(
            page_identity.account_of_identity(observation.identity)
            or self._index.names_account(observation.bundle_id)
            for observation in captures_of_event(event)
            if observation.account == event.identity
        ):
            by = self._index.of_account(event.first_gone.identity, event.identity)
            if by is not None and not self._why_not(by):
                found.append(by)
        return tuple(found)

    def _articles(self, event: Takedown) -> tuple[str, ...]:
        """Return the removals of an account's articles shortly before a change of the account."""
        if event.kind is not TakedownKind.ACCOUNT_CHANGED:
            return ()
        near = [
            kept_event.event
            for kept_event in self._index.events()
            if kept_event.event is not None
            and kept_event.event.kind is TakedownKind.REMOVED
            and account_of(kept_event.event) == event.identity
            and event.at - self._service.burst <= kept_event.event.at <= event.at
            and self._is_believed(kept_event.key_id)
        ]
        return tuple(event.event_id for event in near[: takedown.MAX_ARTICLES])


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedEvent:
    """The files of an event that were written, and its captures that are in quarantine."""

    files: tuple[Path, ...]  # the event first
    left_out: Mapping[str, str]  # why each bundle was left out, by its id


def export_event(
    source: ObservationSource,
    found: StoredEvent,
    directory: Path,
    *,
    hidden: FindHidden = none_hidden,
) -> ExportedEvent:
    """
    Copy an event with its bundles and the events before it into a directory; the event first.

    Captures in quarantine are left out and returned with their reasons.

    Raises:
        SnapshotterError: A bundle is not in the store any more, or a file of that name differs.
    """
    if found.event is None:
        raise SnapshotterError(
            tr("{key} is not a valid event: {problem}", key=found.key, problem=found.problem)
        )
    chain = {
        kept_event.sha256: kept_event
        for kept_event in source.index.events(identity=found.event.identity)
    }
    written: list[Path] = []
    event: StoredEvent | None = found
    try:
        directory.mkdir(parents=True, exist_ok=True)
        while event is not None and event.event is not None:
            path = directory / f"{event.event.event_id}.json"
            if path.exists() and path.read_bytes() != event.data:
                raise SnapshotterError(
                    tr("{path} exists already, and its content is different", path=path),
                    hint=tr("export to another folder"),
                )
            durable.write(path, event.data)
            written.append(path)
            event = chain.pop(event.event.previous, None)
    except OSError as error:
        raise SnapshotterError(f"{directory}: {error.strerror or error}") from error
    wanted = [part.bundle_id for part in captures_of_event(found.event)]
    left_out = hidden(wanted)
    for bundle_id in wanted:
        if bundle_id not in left_out:
            written += bundles.export(source.store, bundle_id, directory)
    return ExportedEvent(files=tuple(dict.fromkeys(written)), left_out=left_out)


def takedown_notification(event: Takedown, about: Sequence[NotificationScope]) -> NotificationEvent:
    """
    Return what to tell of an event.

    All of one account have one subject: a message lists them as one, with how many there are.

    Args:
        about: What rules match of its captures.
    """
    account = account_of(event)
    subject = digest_bytes((account or event.identity).encode()).sha256[:32]
    begin, end = widen(event.bracket, timedelta(minutes=1))
    kind = _KINDS[event.kind]
    if event.kind is TakedownKind.REMOVED and account_state_in(last_capture_of_event(event)):
        kind = NotificationKind.ACCOUNT_CHANGED  # the page was removed with its account
    words = _SUMMARIES[event.kind].format(state=event.state)
    return NotificationEvent(
        id=f"{kind}/{event.event_id}",
        kind=kind,
        at=event.at,
        subject=subject,
        summary=f"{words} between {format_minute(begin)} and {format_minute(end)}",
        about=tuple(about),
        reasons=tuple(cause.value for cause in event.causes),
        bundle_id=event.first_gone.bundle_id,
        url=event.url,
        host=host_of(event.url)[:MAX_TEXT],
        detail=event.first_gone.notice[:MAX_TEXT],
    )


_SUMMARIES: Final = {
    TakedownKind.REMOVED: "a page was taken down",
    TakedownKind.REINSTATED: "a page that was taken down became available again",
    TakedownKind.ACCOUNT_CHANGED: "the state of an account changed to {state}",
    TakedownKind.ACCOUNT_RESTORED: "the state of an account changed back to what it was before",
}


# --- what is missing ------------------------------------------------------------------------


def describe_missing(missing: MissingEvidence) -> str:
    """Return one thing that is missing for an event, to stand behind "it needs"."""
    after = f" after {format_second(missing.after)}" if missing.after is not None else ""
    match missing.lack:
        case MissingKind.SEEN:
            return tr("an earlier capture from this vantage that shows the page")
        case MissingKind.AGREEING:
            many = tr("one more capture with the same result")
            if missing.count == 1:
                return f"{many}, made{after}" if after else many
            many = tr("{count} more captures with the same result", count=missing.count)
            return (
                tr("{many}, of which the last is made{after}", many=many, after=after)
                if after
                else many
            )
        case MissingKind.TIME:
            return tr(
                "one more capture with the same result{after}: the captures with this "
                "result are too close together in time",
                after=after,
            )
        case MissingKind.CONTROL:
            return tr(
                "a control capture of another page of {host} that is available, "
                "made{after} and before the last capture with the same result",
                host=missing.host,
                after=after,
            )
        case MissingKind.VANTAGE if missing.seen is not None:
            other = missing.seen
            return tr(
                "a capture with the same result from the vantage {vantage}, where the "
                "page was available at {second} ({bundle_id}): a difference between two "
                "vantages is not a removal",
                vantage=other.vantage,
                second=format_second(other.at),
                bundle_id=other.bundle_id,
            )
        case MissingKind.VANTAGE:
            return tr(
                "a capture from the second vantage that the policy names, because the "
                "page may be missing for this vantage only"
            )
