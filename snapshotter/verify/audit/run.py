"""
Run one audit of one store, and return its report.

The steps have this order (docs/reference/audit.md):

    (1) the checkpoint: signature, witnesses; compared with the remembered one
    (2) the tree: built again from its entries, every tile compared
    (3) the store's listing
    (4) the log against the store: what is missing
    (5) every requested bundle, with all of its sidecars
    (6) the log again, for captures made meanwhile; then each bundle against it
    (7) the store against the log: what was added; reports, gap records, take-down events
    (8) a pause, and a second look at all that may be missing; then the objects that earlier
        audits could not read

An audit that is interrupted in (5) continues there the next time. It writes only into the
workspace, which is not in the store.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import field, replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.canonical_json import instant, parse_instant
from snapshotter.formats.proofs import log_state, note, tiles
from snapshotter.model.audit import (
    AuditCode,
    AuditFinding,
    AuditReport,
    AuditScope,
    Severity,
    TreeHead,
)
from snapshotter.model.bundle import StoredObject
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit import bundle_reader, replica_custody
from snapshotter.verify.audit import unreadable_objects as unread
from snapshotter.verify.audit.bundle_reader import ReaderSetup, ReadResult, ReadTask
from snapshotter.verify.audit.locks_and_custody import LockAndCustodyJudge, StoreReceipts
from snapshotter.verify.audit.log_comparison import LogComparison
from snapshotter.verify.audit.log_history import (
    CHECKPOINT,
    FoundCheckpoint,
    LogHistory,
    judge_entries,
)
from snapshotter.verify.audit.object_reader import ObjectReader
from snapshotter.verify.audit.process_pool import PoolProcessDied, ProcessPool
from snapshotter.verify.audit.record_checks import (
    GAP_RECORDS,
    TAKEDOWN_RECORDS,
    RecordJudge,
    RecordType,
)
from snapshotter.verify.audit.remembered_checkpoint import RememberedCheckpoint
from snapshotter.verify.audit.rules import AuditRules
from snapshotter.verify.audit.sidecar_facts import BundleFacts, is_known, shortened, sort_key
from snapshotter.verify.audit.unreadable_objects import UnreadableObject
from snapshotter.verify.audit.workspace import AuditDatabase, ListedObject, encodable
from snapshotter.verify.trust import Trust

EXAMPLES = 20  # findings of each kind that a report names

_RESUME = timedelta(hours=24)  # an audit that was interrupted longer ago begins anew
_COMMIT = 200  # bundles whose reading is lost at most when the machine dies
_MOST_BESIDE = 5_000  # objects beside one bundle that are read
_FEW = 40  # bundles for which other processes are not worth their start

# Called with what is being done, how much of it is done, and of how much.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRequest:
    """The scope and the time limits of an audit."""

    sample: int | None = None  # bundles to draw; None: all
    seed: str = ""  # by which they are drawn; "": a new one
    since: date | None = None  # only bundles of this day and later, UTC
    grace: timedelta = timedelta(hours=1)
    stale_after: timedelta = timedelta(days=7)
    renewal_within: timedelta = timedelta(days=180)
    jobs: int = 1  # processes
    restart: bool = False  # do not go on with an interrupted audit
    checkpoints: tuple[tuple[str, bytes], ...] = ()  # from elsewhere: a name, and the note

    @property
    def is_whole(self) -> bool:
        """Whether the audit covers all bundles."""
        return self.sample is None and self.since is None


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlierAudits:
    """The state that earlier audits have left. The default: this is the first audit."""

    remembered: RememberedCheckpoint | None = None  # of this store's log
    unread: Mapping[str, UnreadableObject] = field(default_factory=dict)  # by name
    # Returns what was seen of a log, by its origin, in another store.
    elsewhere: Callable[[str], RememberedCheckpoint | None] = lambda origin: None


class StoreAudit:
    """
    One audit of one store; its findings can be read until it is closed.

    Args:
        open_store: Opens the store, here and in other processes; it is pickled.
        workspace: A file for what does not fit into memory; kept between audits.
        now: Returns the time, UTC.
        pause: Waits until a store shows recent writes everywhere.
        receipts: The receipts of this machine, if it writes to the store.
    """

    def __init__(
        self,
        open_store: Callable[[], ReadableStore],
        trust: Trust,
        *,
        workspace: Path,
        software: str,
        now: Callable[[], datetime],
        pause: Callable[[], None],
        earlier: EarlierAudits | None = None,
        receipts: StoreReceipts | None = None,
    ) -> None:
        earlier = earlier or EarlierAudits()
        self._open_store = open_store
        self._store = open_store()
        self._trust = trust
        self._software = software
        self._now = now
        self._remembered = earlier.remembered
        self._elsewhere = earlier.elsewhere
        self._receipts = receipts or StoreReceipts()
        self._workspace = AuditDatabase(workspace)
        self._run = secrets.token_hex(8)
        self._objects = ObjectReader(self._store, self._workspace, pause, self._run)
        self._history = LogHistory(self._objects, trust.log, self._workspace, self._add_finding)
        self._remember: RememberedCheckpoint | None = None
        self._unread_before = dict(earlier.unread)
        self._unread: tuple[UnreadableObject, ...] = ()
        self._is_stuck = False  # something unclear was told that another try does not mend

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._workspace.close()

    @property
    def to_remember(self) -> RememberedCheckpoint | None:
        """The checkpoint to remember; None if the audit found none to rely on."""
        return self._remember

    @property
    def unread(self) -> tuple[UnreadableObject, ...]:
        """The objects that could not be read, for the next audit."""
        return self._unread

    def findings(self, *, at_most: int | None = None) -> Iterator[AuditFinding]:
        """Yield all findings, the worst kinds first; of each kind the first `at_most`."""
        for kind in self._workspace.counts():
            yield from self._workspace.findings(kind, at_most=at_most)

    def run(self, wanted: AuditRequest, progress: Progress) -> AuditReport:
        """
        Run the whole audit, and return its report.

        Raises:
            ServiceUnavailable: The store does not answer. What was read is kept.
            SnapshotterError: The store or the workspace cannot be used.
        """
        started = self._now()
        wanted, run, resumed_from = self._begin(wanted, started)
        rules = AuditRules(
            now=started,
            skew=self._trust.max_skew,
            grace=wanted.grace,
            renewal_within=wanted.renewal_within,
        )
        judge = LogComparison(
            self._objects,
            self._workspace,
            self._history,
            rules,
            self._trust,
            remembered=self._remembered.head.size if self._remembered else 0,
            add_finding=self._add_finding,
        )
        guard = LockAndCustodyJudge(
            self._objects,
            self._workspace,
            rules,
            self._say,
            carried=partial(replica_custody.replica_events, self._store),
            receipts=self._receipts,
        )
        # Steps 1 and 2.
        self._history.advance(
            lambda done, of: progress("log", done, of),
            least=self._remembered.head.size if self._remembered else 0,
        )
        self._history.judge_witnesses(
            now=started, skew=self._trust.max_skew, stale_after=wanted.stale_after
        )
        known = self._history.size
        self._history.judge_mirror()
        self._memories(wanted)
        # Step 3.
        self._workspace.add_objects(self._listed(judge, progress), seed=wanted.seed)
        # Step 4.
        for key in judge.gone():  # not listed, and there: what stands beside it may be, too
            hidden = [_of_key(key), *map(_of_object, self._objects.list(f"{key}."))]
            self._workspace.add_objects(hidden, seed=wanted.seed)
        # Step 5.
        scope = self._read(judge, wanted, run, started, progress)
        # Step 6.
        self._history.advance(lambda done, of: progress("log", done, of))
        self._history.read_lock()
        judge.judge_missing_since(known)
        self._judge(judge, guard, run, progress)
        # Step 7.
        judge.unlogged()
        judge.judge_surplus_sidecars()
        judge.reports()
        for records in (GAP_RECORDS, TAKEDOWN_RECORDS):
            self._record_judge(records, rules).run()
        judge.trust_file()
        guard.missing(judge.judge_missing_by_receipt)
        guard.unenforced()
        if not self._history.is_mirror():
            guard.copied()
        guard.records(self._unlocked_keys())
        for finding in judge_entries(self._workspace):
            self._add_finding(finding)
        self._history.judge_lock()
        if self._remembered is None:  # else that it is gone was told for certain
            self._history.judge_orphan()
        # Step 8.
        judge.settle(lambda done: progress("reading again", done, 0))
        self._unreadables(started, run, is_whole=wanted.is_whole)
        if next(self._workspace.unread(), None) is None:  # else it may only not be shown
            self._workspace.forget_gone()
        self._workspace.put_note("run", "")  # it is complete: nothing to go on with
        return self._report(started, scope, resumed_from)

    def _unlocked_keys(self) -> Iterator[str]:
        """Yield the keys of records and of log files that never change."""
        for prefix in (store_keys.GAPS, store_keys.TAKEDOWNS, store_keys.AUDITS):
            yield from (stored.key for stored in self._objects.list(f"{prefix}/"))
        for index in range(self._history.size // tiles.WIDTH):
            yield log_state.key(tiles.Tile(level=tiles.ENTRIES, index=index).path)

    def _record_judge(self, records: RecordType, rules: AuditRules) -> RecordJudge:
        return RecordJudge(
            records,
            self._objects,
            self._workspace,
            rules,
            self._trust,
            is_logged=self._history.head is not None and not self._history.is_unreadable,
            add_finding=self._add_finding,
        )

    def _add_finding(self, finding: AuditFinding) -> None:
        if finding.severity is Severity.INDETERMINATE and not finding.retry:
            self._is_stuck = True
        self._workspace.add_finding(finding)

    def _say(self, code: AuditCode, severity: Severity, key: str, detail: str) -> None:
        self._add_finding(AuditFinding(code=code, severity=severity, key=key, detail=detail))

    # Beginning, or going on.

    def _begin(
        self, wanted: AuditRequest, now: datetime
    ) -> tuple[AuditRequest, str, datetime | None]:
        """Return the request with its seed, the name of this run, and the time of its beginning."""
        basis = bundle_reader.verdict_basis(self._trust)
        asked = f"{basis} {wanted.sample} {wanted.since}"
        self._workspace.begin()
        run, begun, seed, before = (self._workspace.note("run").split("|", 3) + [""] * 4)[:4]
        if (
            run
            and before == asked
            and wanted.seed in ("", seed)
            and not wanted.restart
            and timedelta(0) <= now - parse_instant(begun) <= _RESUME
        ):
            return replace(wanted, seed=seed), run, parse_instant(begun)
        wanted = replace(wanted, seed=wanted.seed or secrets.token_hex(8))
        run = secrets.token_hex(8)
        self._workspace.put_note("run", f"{run}|{instant(now)}|{wanted.seed}|{asked}")
        return wanted, run, None

    # What was seen before, here and elsewhere.

    def _memories(self, wanted: AuditRequest) -> None:
        remembered = self._remembered
        if self._history.head is None:
            if not self._history.is_unreadable:
                self._no_log()
        elif remembered is not None and remembered.origin != self._history.origin:
            self._say(
                AuditCode.FORKED,
                Severity.FAILED,
                CHECKPOINT,
                tr(
                    "another log replaced the log {origin!r}, which had {size} entries at "
                    "{instant}",
                    origin=remembered.origin[:100],
                    size=remembered.head.size,
                    instant=instant(remembered.at),
                ),
            )
        elif remembered is not None:
            self._history.judge(
                FoundCheckpoint(
                    where=CHECKPOINT,
                    what=tr(
                        "the checkpoint that an earlier audit saw at {instant}",
                        instant=instant(remembered.at),
                    ),
                    origin=remembered.origin,
                    head=remembered.head,
                    signed=True,  # we saw it: here our own word is enough
                )
            )
        for name, data in wanted.checkpoints:
            self._given(name, data)
        other = self._elsewhere(self._history.origin) if self._history.origin else None
        if other is not None and self._history.head is not None:
            self._other_store(other, self._history.head)

    def _no_log(self) -> None:
        if self._remembered is not None:
            self._say(
                AuditCode.ROLLED_BACK,
                Severity.FAILED,
                CHECKPOINT,
                tr(
                    "the log of this store no longer exists; an earlier audit found {size} "
                    "entries in the log at {instant}",
                    size=self._remembered.head.size,
                    instant=instant(self._remembered.at),
                ),
            )
        else:
            self._say(
                AuditCode.NO_LOG,
                Severity.INDETERMINATE,
                "",
                tr(
                    "the store has no log that can be read, so it is not established whether "
                    "bundles were deleted or added later"
                ),
            )

    def _given(self, name: str, data: bytes) -> None:
        """Compare a given checkpoint with the log."""
        log = self._trust.log
        try:
            checkpoint = note.parse_checkpoint(note.parse(data).text)
            opened = note.open_checkpoint(data, log.key, log.witnesses) if log is not None else None
        except EvidenceInvalid as error:
            self._say(
                AuditCode.PROOF_BROKEN,
                Severity.INDETERMINATE,
                name,
                tr("the given checkpoint is not valid: {error}", error=error),
            )
            return
        self._history.judge(
            FoundCheckpoint(
                where=name,
                what=tr("the given checkpoint"),
                origin=checkpoint.origin,
                head=TreeHead(size=checkpoint.size, root=checkpoint.root.hex()),
                signed=opened is not None,
                witnesses=tuple(cosignature.key.name for cosignature in opened.cosignatures)
                if opened
                else (),
                is_of_here=True,
            )
        )

    def _other_store(self, other: RememberedCheckpoint, head: TreeHead) -> None:
        """Compare the log with what was seen of it in another store, which may be ahead."""
        if other.head.size > head.size:
            self._say(
                AuditCode.STALE,
                Severity.INDETERMINATE,
                CHECKPOINT,
                tr(
                    "this log had {size} entries in the store {store} at {instant}, but has "
                    "{size2} entries in this store: this audit does not include the later entries",
                    size=other.head.size,
                    store=other.store,
                    instant=instant(other.at),
                    size2=head.size,
                ),
            )
            return
        self._history.judge(
            FoundCheckpoint(
                where=CHECKPOINT,
                what=tr(
                    "the checkpoint that was seen in {store} at {instant}",
                    store=other.store,
                    instant=instant(other.at),
                ),
                origin=other.origin,
                head=other.head,
                signed=True,
            )
        )

    # The store.

    def _listed(self, judge: LogComparison, progress: Progress) -> Iterator[ListedObject]:
        for count, found in enumerate(self._objects.list(f"{store_keys.BUNDLES}/"), start=1):
            if count % 1000 == 0:
                progress("listing", count, 0)
            listed = _of_object(found)
            if not listed.bundle or (listed.kind and not is_known(listed.kind)):
                judge.judge_unknown_object(listed)
            yield listed

    def _read(
        self,
        judge: LogComparison,
        wanted: AuditRequest,
        run: str,
        now: datetime,
        progress: Progress,
    ) -> AuditScope:
        since = f"{store_keys.BUNDLES}/{wanted.since:%Y/%m/%d}/" if wanted.since else ""
        there = self._workspace.bundles()
        total = self._workspace.count_to_read(since=since, sample=wanted.sample)
        counts = {"read": 0, "unchanged": 0, "resumed": 0}
        assignment = ReaderSetup(
            open_store=self._open_store,
            trust=self._trust,
            now=now,
            basis=bundle_reader.verdict_basis(self._trust),
        )
        jobs = 1 if total < _FEW else wanted.jobs
        with ExitStack() as stack:
            stack.callback(self._workspace.commit)  # also when it is interrupted
            workers = stack.enter_context(
                ProcessPool[ReadTask, ReadResult](bundle_reader.prepare, assignment, count=jobs)
            )
            tasks = self._tasks(since, wanted.sample, run, counts)
            for task, answer in workers.answers(tasks):
                self._keep(judge, task, answer, run, counts)
                done = counts["read"] + counts["resumed"]
                progress("bundles", done, total)
                if done % _COMMIT == 0:
                    self._workspace.commit()
        if total < there:
            self._say(
                AuditCode.UNREAD,
                Severity.NOTE,
                "",
                tr(
                    "bundles that were not read: {there} of {there2}; this audit was limited to "
                    "a sample or a period",
                    there=there - total,
                    there2=there,
                ),
            )
        return AuditScope(
            bundles=there,
            read=counts["read"] + counts["resumed"],
            unchanged=counts["unchanged"],
            resumed=counts["resumed"],
            sample=wanted.sample,
            seed=wanted.seed if wanted.sample is not None else "",
            since=wanted.since,
        )

    def _tasks(
        self, since: str, sample: int | None, run: str, counts: dict[str, int]
    ) -> Iterator[ReadTask]:
        for listed in self._workspace.to_read(since=since, sample=sample):
            before = self._workspace.result(listed.key)
            if before is not None and before[0] == run:
                counts["resumed"] += 1
                continue
            beside = [
                sidecar
                for sidecar in self._workspace.sidecars(listed.bundle)
                if is_known(sidecar.kind)
            ]
            beside.sort(key=lambda sidecar: sort_key(sidecar.kind))
            yield ReadTask(
                key=listed.key,
                bundle_id=listed.bundle,
                sidecars=tuple(beside[:_MOST_BESIDE]),
                unread=len(beside[_MOST_BESIDE:]),
                known=before[1] if before is not None else "",
            )

    def _keep(
        self,
        judge: LogComparison,
        task: ReadTask,
        answer: ReadResult | PoolProcessDied,
        run: str,
        counts: dict[str, int],
    ) -> None:
        if isinstance(answer, PoolProcessDied):
            answer = ReadResult(fingerprint="", facts=None, broke=str(answer))
        counts["read"] += 1
        if answer.broke:
            self._say(AuditCode.INTERNAL, Severity.FAILED, task.key, answer.broke)
        elif answer.gone:
            judge.judge_missing_after_listing(_of_key(task.key), answer.gone)
        elif answer.unreadable:
            self._objects.unreadable(task.key, answer.unreadable, retry=answer.retry)
        else:
            for listed, (words, retry) in zip(answer.unread, answer.why, strict=True):
                self._objects.unreadable(listed.key, words, retry=retry)
            counts["unchanged"] += answer.facts is None
            if answer.facts is not None and answer.unread:
                self._keep_what_was_read(task.key, answer.facts)
            self._workspace.keep_result(
                task.key, run, answer.fingerprint, answer.facts, answer.lock
            )

    def _keep_what_was_read(self, key: str, facts: BundleFacts) -> None:
        """Keep the sidecars that an earlier audit read and this one cannot in a bundle's facts."""
        before = self._workspace.facts(key)
        if before is not None:
            read = set(before[1].get("beside", ())) & set(facts["unread"])
            facts["beside"] = sorted(read.union(facts["beside"]))

    def _judge(
        self, judge: LogComparison, guard: LockAndCustodyJudge, run: str, progress: Progress
    ) -> None:
        for count, (listed, facts, lock) in enumerate(self._workspace.results(run), start=1):
            try:
                judge.bundle(listed, facts)
                guard.bundle(listed, facts, lock)
            except SnapshotterError:
                raise
            except Exception as error:  # noqa: BLE001  one that breaks us hides no other
                broke = tr(
                    "the comparison of the bundle with the log ended with an error of this "
                    "software: {name}: {error}",
                    name=type(error).__name__,
                    error=error,
                )
                self._say(AuditCode.INTERNAL, Severity.FAILED, listed.key, shortened(broke))
            if count % 1000 == 0:
                progress("judging", count, 0)

    # The end.

    def _unreadables(self, now: datetime, run: str, *, is_whole: bool) -> None:
        """
        Add findings for everything that could not be read, and since when.

        Args:
            is_whole: The audit covers all bundles. A store that answers for samples and never
                for a whole audit counts as silent.
        """
        answered = {unread.PART, unread.STORE} if is_whole else {unread.PART}
        remembered = self._unread_before
        found: dict[str, UnreadableObject] = {}
        for unread_file in self._workspace.unread():
            after = unread.update_unreadable(
                remembered.get(unread_file.name),
                unread_file.name,
                now,
                was_read=self._was_read(unread_file.name),
            )
            found[unread_file.name] = after
            withheld = after.is_lasting and after.was_read
            words = unread_file.detail
            if after.audits > 1:
                words += (
                    f" (audits since {instant(after.since)} that could not read the object: "
                    f"{after.audits})"
                )
            self._add_finding(
                AuditFinding(
                    code=AuditCode.WITHHELD if withheld else unread_file.code,
                    severity=Severity.INDETERMINATE,
                    key=unread_file.key,
                    detail=words,
                    retry=unread_file.retry and not after.is_lasting,
                )
            )
        kept = (unreadable for unreadable in remembered.values() if unreadable.name not in found)
        self._unread = (
            *found.values(),
            *(
                unreadable
                for unreadable in kept
                if unreadable.name not in answered and not self._read_now(unreadable.name, run)
            ),
        )

    def _was_read(self, name: str) -> bool:
        """Whether an audit is known to have read an object."""
        return bool(self._reads(name)) or (name == CHECKPOINT and self._remembered is not None)

    def _read_now(self, name: str, run: str) -> bool:
        return bool(self._reads(name) & {self._run, run})

    def _reads(self, name: str) -> set[str]:
        """Return the last audits that read an object, alone or as part of a bundle."""
        found = {self._workspace.read_in(name)}
        with suppress(ValueError):  # no bundle, nor beside one
            key = store_keys.parse_bundle_key(name)
            kept = self._workspace.facts(store_keys.bundle_key(key.bundle_id))
            if kept is not None and (not key.kind or key.kind in kept[1].get("beside", ())):
                found.add(kept[0])
        return found - {""}

    def _report(
        self, started: datetime, scope: AuditScope, resumed_from: datetime | None
    ) -> AuditReport:
        counts = self._workspace.counts()
        seen = self._history.seen(remembered=self._remembered.head if self._remembered else None)
        lost = {AuditCode.FORKED, AuditCode.ROLLED_BACK, AuditCode.LOG_BROKEN}
        doubted = any(count.code in lost and count.severity is Severity.FAILED for count in counts)
        if seen is not None and self._history.is_whole and not doubted:
            self._remember = RememberedCheckpoint(
                store=encodable(self._store.url),
                at=started,
                origin=seen.origin,
                head=seen.head,
                signed=seen.signed,
                checkpoint=self._history.note.decode("utf-8"),
            )
        return AuditReport(
            store=encodable(self._store.url),
            started_at=resumed_from or started,
            ended_at=max(self._now(), started),
            trust=self._trust.source,
            software=self._software,
            log=seen,
            scope=scope,
            counts=counts,
            retry=not self._is_stuck
            and any(count.severity is Severity.INDETERMINATE for count in counts),
            examples=tuple(self.findings(at_most=EXAMPLES)),
        )


def _of_object(found: StoredObject) -> ListedObject:
    try:
        key = store_keys.parse_bundle_key(found.key)
    except ValueError:
        return ListedObject(key=found.key, length=found.length, bundle="", kind="")
    return ListedObject(key=found.key, length=found.length, bundle=key.bundle_id, kind=key.kind)


def _of_key(key: str) -> ListedObject:
    return ListedObject(
        key=key, length=0, bundle=store_keys.parse_bundle_key(key).bundle_id, kind=""
    )
