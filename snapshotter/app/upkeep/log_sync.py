"""
Find stored bundles, custody chains and records that are not in the log, and log them.

This is the use case of `snapshotter log sync`. Only bundles and records that are signed by a
trusted key are logged, unless a person names a bundle: whoever can write to the store must
not get their objects into the log.
"""

import contextlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice

from snapshotter.app.archive import bundles, stored_gaps
from snapshotter.app.upkeep.log_entries import StoreLog, UnloggedBundle, custody_head
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import custody_sidecars, names, store_keys
from snapshotter.formats.proofs import leaf as leaves
from snapshotter.formats.proofs.leaf import Leaf
from snapshotter.index import stored_events
from snapshotter.model.finding import Code, Verdict
from snapshotter.ports import Clock, ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.log import LogReader
from snapshotter.verify.trust import COMPROMISED, Trust

_BATCH = 256  # leaves that are appended at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSyncResult:
    """One bundle, custody chain or record that a sync has logged or passed over."""

    bundle_id: str  # or the id of a gap or an event
    index: int | None  # None: it was passed over, or this is a dry run
    kind: str = leaves.BUNDLE  # or `CUSTODY`: the head of its custody chain; `GAP`; `TAKEDOWN`
    added: bool = False  # the log did not have it before
    detail: str = ""  # why it was passed over


def sync_log(
    log: StoreLog, trust: Trust, clock: Clock, *, only: Sequence[str] = (), dry_run: bool = False
) -> Iterator[LogSyncResult]:
    """
    Log the bundles without a log proof, then grown custody chains, gaps and take-down events.

    A named bundle is logged whoever signed it, unless its verification FAILED.

    Args:
        trust: Keys whose bundles and records are logged.
        only: Bundle ids, and then neither gaps nor events; empty: the whole store.
        dry_run: Change nothing; yield what would be logged.

    Raises:
        SnapshotterError: Store or log failed; what was yielded before is logged.
    """
    if not dry_run:
        log.writer.settle()
    batch: list[UnloggedBundle] = []
    for bundle_id in only or _without_proof(log.store):
        found = _check_bundle(log.store, bundle_id, trust, clock, named=bool(only))
        if isinstance(found, LogSyncResult):
            yield found
            continue
        batch.append(found)
        if len(batch) == _BATCH:
            yield from _log_bundles(log, batch, dry_run=dry_run)
            batch.clear()
    yield from _log_bundles(log, batch, dry_run=dry_run)
    reader = LogReader(log.store, None)  # a dry run opens no log for writing
    try:
        size = reader.checkpoint().size
    except FileNotFoundError:
        return
    known = frozenset(
        entry.leaf
        for entry in reader.entries(0, size)
        if entry.leaf and entry.leaf.kind in (leaves.CUSTODY, leaves.GAP, leaves.TAKEDOWN)
    )
    yield from _log_custody(log, only or _with_custody(log.store), known, size, dry_run=dry_run)
    if not only:
        yield from _log_records(log, trust, known, size, dry_run=dry_run)


def _log_bundles(
    log: StoreLog, batch: Sequence[UnloggedBundle], *, dry_run: bool
) -> Iterator[LogSyncResult]:
    if not batch:
        return
    if dry_run:
        yield from (LogSyncResult(bundle_id=bundle.bundle_id, index=None) for bundle in batch)
        return
    before = log.writer.settle()
    size = before.size if before else 0
    done = log.log_all(batch, 0)
    for bundle, index in zip(batch, done.indexes, strict=False):  # then come custody heads
        yield LogSyncResult(bundle_id=bundle.bundle_id, index=index, added=index >= size)


def _log_custody(
    log: StoreLog,
    bundle_ids: Iterable[str],
    known: Collection[Leaf],
    size: int,
    *,
    dry_run: bool,
) -> Iterator[LogSyncResult]:
    """Log the heads of custody chains that are not among the first `size` entries."""
    hashes = {leaf.sha256 for leaf in known if leaf.kind == leaves.CUSTODY}
    heads = (custody_head(log.store, bundle_id) for bundle_id in bundle_ids)
    unlogged = (head for head in heads if head is not None and head.sha256 not in hashes)
    if dry_run:
        for head in unlogged:
            yield LogSyncResult(bundle_id=head.name, index=None, kind=leaves.CUSTODY)
        return
    while batch := tuple(islice(unlogged, _BATCH)):
        done = log.append(batch, seen=size)
        for head, index in zip(batch, done.indexes, strict=True):
            yield LogSyncResult(bundle_id=head.name, index=index, kind=leaves.CUSTODY, added=True)


def _log_records(
    log: StoreLog, trust: Trust, known: Collection[Leaf], size: int, *, dry_run: bool
) -> Iterator[LogSyncResult]:
    """Log the gaps and take-down events that are not among the first `size` entries."""
    names_of_known = {(leaf.kind, leaf.name) for leaf in known}
    for leaf, key_id in _records(log.store):
        if (leaf.kind, leaf.name) in names_of_known:
            continue
        key = trust.key(key_id)
        if key is None or key.revoked_reason == COMPROMISED:
            detail = tr("the record is signed by a key that is not trusted")
            yield LogSyncResult(bundle_id=leaf.name, index=None, kind=leaf.kind, detail=detail)
            continue
        index = None if dry_run else log.append((leaf,), seen=size).indexes[0]
        yield LogSyncResult(bundle_id=leaf.name, index=index, kind=leaf.kind, added=not dry_run)


def _records(store: ReadableStore) -> Iterator[tuple[Leaf, str]]:
    """Yield the leaf and the key id of each valid record; an audit reports the others."""
    for gap in stored_gaps.stored_gaps(store):
        if gap.record is not None:
            leaf = Leaf(kind=leaves.GAP, name=gap.record.gap_id, sha256=gap.sha256)
            yield leaf, gap.record.key_id
    for event in stored_events.stored_events(store):
        if event.event is not None:
            name = event.event.event_id
            yield Leaf(kind=leaves.TAKEDOWN, name=name, sha256=event.sha256), event.key_id


def _keys_of_bundles(store: ReadableStore) -> Iterator[store_keys.BundleKey]:
    for found in store.list(f"{store_keys.BUNDLES}/"):
        with contextlib.suppress(ValueError):  # not a bundle's key
            yield store_keys.parse_bundle_key(found.key)


def _with_custody(store: ReadableStore) -> Iterator[str]:
    """Yield the ids of bundles with custody sidecars, in order."""
    last = ""
    for key in _keys_of_bundles(store):
        if key.bundle_id != last and custody_sidecars.number_of(key.kind) is not None:
            last = key.bundle_id
            yield last


def _without_proof(store: ReadableStore) -> Iterator[str]:
    """Yield the ids of bundles that have no log proof beside them, in order."""
    waiting = ""
    for key in _keys_of_bundles(store):
        if waiting and key.bundle_id != waiting:
            yield waiting
            waiting = ""
        if not key.kind:
            waiting = key.bundle_id
        elif key.kind == names.LOG_PROOF and key.bundle_id == waiting:
            waiting = ""
    if waiting:
        yield waiting


def _check_bundle(
    store: ReadableStore, bundle_id: str, trust: Trust, clock: Clock, *, named: bool
) -> UnloggedBundle | LogSyncResult:
    """Verify a bundle; return it to be logged, or a result that says why it is passed over."""

    def passed_over(detail: str) -> LogSyncResult:
        return LogSyncResult(bundle_id=bundle_id, index=None, detail=detail)

    try:
        key = bundles.find_bundle_key(store, bundle_id)
        with store.open(key) as stream:
            report = verify_bundle(
                stream,
                trust,
                now=clock.now(),
                sidecars=bundles.read_sidecars(store, key, "late-"),
            )
    except (EvidenceInvalid, FileNotFoundError) as error:
        return passed_over(str(error))
    failed = next(
        (finding for finding in report.findings if finding.verdict is Verdict.FAILED), None
    )
    if failed is not None:
        return passed_over(f"FAILED: {failed.code} {failed.detail}")
    if report.bundle_id != bundle_id:
        return passed_over(tr("the bundle is stored under the id of another bundle"))
    if not named and any(finding.code is Code.KEY_UNKNOWN for finding in report.findings):
        return passed_over(
            tr(
                "the bundle is signed by a key that is not trusted. To add the bundle to the "
                "log, give its id to the command “snapshotter log sync”"
            )
        )
    return UnloggedBundle(bundle_id=bundle_id, sha256=report.sha256, seen=0)
