"""
Check the annotation chain of a store: signatures, order, texts, and the captures that it names.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import timedelta
from itertools import pairwise

from snapshotter.app.archive import bundles
from snapshotter.app.archive.annotations import (
    RECORDS,
    AnnotationChain,
    ChainEnd,
    read_chain,
    read_record,
    store_name,
)
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import store_keys
from snapshotter.formats.digest import digest_bytes
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.finding import Verdict
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_MAX_SKEW = timedelta(hours=1)  # of the clocks of two writers


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFinding:
    """One result of the check of a chain."""

    code: str
    verdict: Verdict
    subject: str  # a record, an object, a key or a capture
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainReport:
    """The result of the check of a chain."""

    verdict: Verdict
    records: int
    keys: Mapping[str, int]  # records by id of the key that signed them
    end: ChainEnd
    findings: tuple[ChainFinding, ...]  # all that is not as it must be


def check(
    store: ReadableStore,
    *,
    is_trusted: Callable[[str], bool],
    seen: ChainEnd | None,
    bundles: Iterable[str] | None = None,
    against: ReadableStore | None = None,
) -> ChainReport:
    """
    Check the signatures, the chain and the texts of all annotations of a store.

    Args:
        is_trusted: Whether the key of an id belongs to somebody who may annotate.
        seen: The end of the chain that this machine saw last; None if it saw none.
        bundles: The captures that the store has; None to leave out whether captures exist.
        against: Another copy of the store, whose records must be the same.
    """
    chain = read_chain(store)
    findings = [_failed("chain", "", problem) for problem in chain.problems]
    findings += [_failed("contradiction", "", problem) for problem in chain.state().problems]
    if seen is not None:
        findings += _compare_with_seen(store, chain, seen)
    if against is not None:
        findings += _compare_with_copy(chain, read_chain(against, texts=False), against.url)
    findings += _check_store_names(store, chain)
    findings += _check_times(chain)
    findings += _check_texts(store, chain)
    counts = Counter(record.key_id for record in chain.records)
    findings += [
        ChainFinding(
            code="unknown-key",
            verdict=Verdict.INDETERMINATE,
            subject=key_id,
            detail=tr(
                "this key is not trusted on this machine. Records that the key signed: {count}",
                count=count,
            ),
        )
        for key_id, count in counts.items()
        if not is_trusted(key_id)
    ]
    if bundles is not None:
        findings += _check_captures(store, chain.state(), frozenset(bundles), is_trusted)
    worst = [finding.verdict for finding in findings]
    verdict = Verdict.PASSED
    if Verdict.FAILED in worst:
        verdict = Verdict.FAILED
    elif worst or not chain.number:  # no record at all: nothing was shown
        verdict = Verdict.INDETERMINATE
    return ChainReport(
        verdict=verdict,
        records=len(chain.records),
        keys=dict(counts),
        end=ChainEnd(number=chain.number, sha256=chain.sha256),
        findings=tuple(findings),
    )


def _compare_with_seen(
    store: ReadableStore, chain: AnnotationChain, seen: ChainEnd
) -> list[ChainFinding]:
    """Find what was removed or replaced at the end of a chain since this machine saw it."""
    if chain.number < seen.number:
        detail = tr(
            "the records {first} to {last} were removed: this machine has seen them",
            first=chain.number + 1,
            last=seen.number,
        )
        return [_failed("removed", f"record {seen.number}", detail)]
    data = read_record(store, store_keys.annotation_key(seen.number)) if seen.number else b""
    if seen.number and digest_bytes(data or b"").sha256 != seen.sha256:
        detail = tr("the record was replaced since this machine saw it")
        return [_failed("replaced", f"record {seen.number}", detail)]
    return []


def _compare_with_copy(
    chain: AnnotationChain, other: AnnotationChain, url: str
) -> Iterator[ChainFinding]:
    """Yield how the records of another copy of the store differ."""
    here, there = (
        {record.number: record.sha256 for record in found.records} for found in (chain, other)
    )
    both = here.keys() & there.keys()
    if different := sorted(number for number in both if here[number] != there[number]):
        detail = tr(
            "from this record on, {url} has other annotations, because both stores were annotated. "
            "The last record of this store is {last}. The last record of {url} is {other}",
            url=url,
            last=chain.number,
            other=other.number,
        )
        yield _failed("divergent", f"record {different[0]}", detail)
    elif missing := sorted(there.keys() - here.keys()):
        detail = tr(
            "{url} has records that this store does not have. The records were not copied yet, "
            "were made in {url}, or were removed from this store",
            url=url,
        )
        yield _open("lagging", f"record {missing[0]}", detail)
    elif surplus := sorted(here.keys() - there.keys()):
        detail = tr(
            "{url} does not have this record. The record was not copied yet, was made in this "
            "store although this store is a copy, or was removed from {url}",
            url=url,
        )
        yield _open("surplus", f"record {surplus[0]}", detail)


def _check_times(chain: AnnotationChain) -> Iterator[ChainFinding]:
    """Yield the records whose times do not follow the order of the chain."""
    for before, record in pairwise(chain.records):
        if record.at < before.at - _MAX_SKEW:
            detail = tr(
                "the record states {at}, but the record before it states {before}: the clock of a "
                "machine was wrong, or a false time was recorded. The order of the records is "
                "established",
                at=canonical_json.instant(record.at),
                before=canonical_json.instant(before.at),
            )
            yield _open("time", f"record {record.number}", detail)


def _check_store_names(store: ReadableStore, chain: AnnotationChain) -> Iterator[ChainFinding]:
    """Yield the names of other stores that records have."""
    named = Counter(record.store for record in chain.records if record.store)
    if not named:
        return
    own = store_name(store)
    for name, count in named.items():
        if name != own:
            detail = tr(
                "{count} records were made in a store whose log is {name}, but the log of this "
                "store is {own}: the records were copied from another store, or the log of this "
                "store was replaced",
                count=count,
                name=name,
                own=own or tr("(no log)"),
            )
            yield _open("other-store", name, detail)


def _check_texts(store: ReadableStore, chain: AnnotationChain) -> list[ChainFinding]:
    findings = []
    erased = chain.state().erased
    owners = {record.text: record for record in chain.records if record.text}
    stored: set[str] = set()
    for found in store.list(f"{store_keys.ANNOTATIONS}/"):
        try:
            if found.key.startswith(RECORDS):
                store_keys.parse_annotation_key(found.key)
                continue
            commitment = store_keys.parse_annotation_text_key(found.key)
        except ValueError:
            detail = tr("the object is not an annotation")
            findings.append(_open("foreign", found.key, detail))
            continue
        stored.add(commitment)
        record = owners.get(commitment)
        if record is None:
            detail = tr(
                "no record belongs to this text: a command was interrupted, or still runs. To "
                "delete the text, use --note {digest} of snapshotter erase",
                digest=commitment.removeprefix("sha256:"),
            )
            findings.append(_open("text-without-record", found.key, detail))
        elif record.number in erased:
            detail = tr("the text was erased by order, but the store still has it")
            findings.append(_failed("text-not-erased", f"record {record.number}", detail))
        elif commitment not in chain.texts:
            detail = tr("the text was changed: it does not belong to its record")
            findings.append(_failed("text-damaged", f"record {record.number}", detail))
    for commitment, record in owners.items():
        if commitment not in stored and record.number not in erased:
            detail = tr("the text is missing, and no record states that it was erased")
            findings.append(_failed("text-missing", f"record {record.number}", detail))
    return findings


def _check_captures(
    store: ReadableStore,
    state: AnnotationState,
    bundle_ids: frozenset[str],
    is_trusted: Callable[[str], bool],
) -> list[ChainFinding]:
    findings = []
    hidden = state.quarantined
    for case in state.cases.values():
        for bundle_id, number in case.captures.items():
            if bundle_id in bundle_ids:
                continue
            erased = bundles.read_tombstone(store, bundle_id)
            if erased is not None and is_trusted(erased.key_id):
                detail = tr(
                    "exhibit {number} of the case {case} was erased by the order {order}",
                    number=number,
                    case=case.name,
                    order=erased.order,
                )
                findings.append(_open("capture-erased", bundle_id, detail))
            elif bundle_id in hidden:
                detail = tr(
                    "exhibit {number} of the case {case} is in quarantine, and not in this store",
                    number=number,
                    case=case.name,
                )
                findings.append(_open("capture-quarantined", bundle_id, detail))
            else:
                detail = tr(
                    "exhibit {number} of the case {case} is missing in the store",
                    number=number,
                    case=case.name,
                )
                findings.append(_failed("capture-missing", bundle_id, detail))
    return [*findings, *_check_others(store, state, bundle_ids)]


def _check_others(
    store: ReadableStore, state: AnnotationState, bundle_ids: frozenset[str]
) -> Iterator[ChainFinding]:
    """
    Yield a finding if records name captures in no case that the store does not have.

    A record of a store without a log does not name its store: records that were copied from another
    one name its captures.
    """
    exhibits = {bundle_id for case in state.cases.values() for bundle_id in case.captures}
    unknown = [
        bundle_id
        for bundle_id in sorted(state.captures.keys() - bundle_ids - exhibits - state.quarantined)
        if bundles.read_tombstone(store, bundle_id) is None
    ]
    if unknown:
        detail = tr(
            "records name {count} captures that the store does not have: the captures were "
            "deleted, or the records belong to another store",
            count=len(unknown),
        )
        yield _open("capture-unknown", unknown[0], detail)


def _failed(code: str, subject: str, detail: str) -> ChainFinding:
    return ChainFinding(code=code, verdict=Verdict.FAILED, subject=subject, detail=detail)


def _open(code: str, subject: str, detail: str) -> ChainFinding:
    return ChainFinding(code=code, verdict=Verdict.INDETERMINATE, subject=subject, detail=detail)
