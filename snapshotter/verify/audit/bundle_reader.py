"""
Read and verify one bundle of a store with its sidecars, and return the facts for an audit.

Many processes run this code at once, each for another bundle. The facts are a JSON object with
what was read, found and locked. The process that has the log compares them with it
(`log_comparison.py`). Facts are kept from one audit to the next under a fingerprint of all bytes
that they came from, of the trust and of this program: for unchanged objects only digests are
computed, and no signature is verified again.
"""

import contextlib
import enum
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import snapshotter
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.formats.bundle import container
from snapshotter.formats.canonical_json import dumps, instant, parse_instant
from snapshotter.model.audit import AuditCode, Severity
from snapshotter.model.bundle import LOCK_MODES, Retention
from snapshotter.model.finding import Code, Finding, Report, Verdict
from snapshotter.ports import ReadableStore
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.audit.object_reader import (
    ObjectAbsent,
    ObjectUnreadable,
    opened,
    require_store_answer,
    unreadable_error,
)
from snapshotter.verify.audit.sidecar_facts import BundleFacts, shortened, sidecar_facts
from snapshotter.verify.audit.workspace import ListedObject
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.sidecars import sidecars_in
from snapshotter.verify.trust import Trust

_CHUNK = 1 << 20  # bytes
_MAX_SIDECAR = (1 << 18) + 1  # bytes of one that are read: more than any may have
_MAX_BESIDE = 64 << 20  # bytes of all that stands beside one bundle
_MAX_DAYS = 36_500  # of a retention; more overflows calendars
_FACTS = 4  # of what facts there are; what was kept with another number is read again
_MAX_TOLD = 12  # findings of one bundle
# What a key's history and a clock decide, and no byte of the file: the bundle is whole.
_NOT_ALTERED = frozenset({"KEY_REVOKED", "KEY_PERIOD", "TIME", "LOG"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadTask:
    """One bundle to read."""

    key: str
    bundle_id: str
    sidecars: tuple[ListedObject, ...]  # of kinds that are looked at
    unread: int = 0  # more of these, of which there are too many
    known: str = ""  # the fingerprint of an earlier reading


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadResult:
    """The result of reading one bundle."""

    fingerprint: str  # "" when it has to be read again the next time
    facts: BundleFacts | None  # None: all is as the fingerprint says
    lock: BundleFacts | None = None  # what keeps it from being deleted; None: it was not found out
    unreadable: str = ""  # why nothing is known of it
    retry: bool = False  # whether another try may help then
    gone: str = ""  # what the store said, that it has no such bundle
    unread: tuple[ListedObject, ...] = ()  # of what stands beside it
    why: tuple[tuple[str, bool], ...] = ()  # of each of these: why, and whether a retry may help
    broke: str = ""  # what broke in our own program


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderSetup:
    """The setup of a process that reads bundles."""

    open_store: Callable[[], ReadableStore]
    trust: Trust
    now: datetime
    basis: str  # what the facts depend on besides the bytes: see `verdict_basis`


def verdict_basis(trust: Trust) -> str:
    """Return a digest of everything that a verdict depends on, except the bytes that are read."""
    return _digest_of(
        {"facts": _FACTS, "program": snapshotter.__version__, "trust": _print_of(trust)}
    )


def prepare(assignment: ReaderSetup) -> Callable[[ReadTask], ReadResult]:
    """Open the store, and return a function that reads its bundles."""
    return partial(read, assignment.open_store(), assignment)


def read(store: ReadableStore, assignment: ReaderSetup, task: ReadTask) -> ReadResult:
    """
    Return the facts of one bundle with its sidecars.

    Raises:
        ServiceUnavailable: The store as a whole does not answer.
    """
    try:
        return _read(store, assignment, task)
    except ObjectAbsent as answer:
        return ReadResult(fingerprint="", facts=None, gone=shortened(str(answer)))
    except (SnapshotterError, OSError) as error:
        words = unreadable_error(store, error)
        return ReadResult(
            fingerprint="", facts=None, unreadable=shortened(str(words)), retry=words.retry
        )
    except Exception as error:  # noqa: BLE001  one bundle that breaks us is a finding, not the end
        return ReadResult(
            fingerprint="", facts=None, broke=shortened(f"{type(error).__name__}: {error}")
        )


def _read(store: ReadableStore, assignment: ReaderSetup, task: ReadTask) -> ReadResult:
    beside, failures, too_many = _beside(store, task.sidecars)
    unread = tuple(sidecar for sidecar in task.sidecars if sidecar.kind in failures)
    why = tuple((str(failures[sidecar.kind]), failures[sidecar.kind].retry) for sidecar in unread)
    rest = _digest_of(
        {
            "basis": assignment.basis,
            "beside": {kind: hashlib.sha256(data).hexdigest() for kind, data in beside.items()},
        }
    )
    with opened(store, task.key) as stream:
        if task.known and not unread:
            if task.known == f"{sha256_of(stream, limit=container.MAX_BYTES)}.{rest}":
                return ReadResult(
                    fingerprint=task.known, facts=None, lock=_locks(store, task, assignment.now)
                )
            stream.seek(0)
        report = verify_bundle(
            stream,
            assignment.trust,
            now=assignment.now,
            sidecars=sidecars_in(beside),
        )
        # The verifier stops at what is no container, before it has a digest.
        sha256 = report.sha256 or sha256_of(stream, limit=container.MAX_BYTES)
    facts = {
        **_of_report(report),
        **sidecar_facts(beside, task.bundle_id, sha256, report, assignment.trust),
        "beside": sorted(beside),
        "sha256": sha256,
        "unread": {kind: error.retry for kind, error in failures.items()},
    }
    too_many += task.unread
    if too_many:
        words = tr(
            "the number or the total size of the sidecars exceeds a limit of the audit; sidecars "
            "that were not read: {too_many}",
            too_many=too_many,
        )
        facts["problems"].append([AuditCode.UNRECORDED, Severity.INDETERMINATE, words])
    return ReadResult(
        fingerprint="" if unread or _is_of_the_moment(report) else f"{sha256}.{rest}",
        facts=facts,
        lock=_locks(store, task, assignment.now),
        unread=unread,
        why=why,
    )


def _locks(store: ReadableStore, task: ReadTask, now: datetime) -> BundleFacts:
    """
    Return the lock of a bundle, and under `beside` the sidecars whose locks are weaker.

    Sidecars get the bundle's lock. Theirs are read only if a server enforces the bundle's:
    elsewhere a lock is only recorded.
    """
    try:
        lock = lock_of(store, task.key, now)
    except FileNotFoundError as error:
        return {"unknown": shortened(str(error))}
    kept = retention_of(lock)
    if "unknown" in lock or not lock["enforced"]:
        return lock
    if not lock["hold"] and (kept is None or kept.until <= now):
        return lock
    lock["beside"] = {}
    for listed in task.sidecars:
        with contextlib.suppress(FileNotFoundError):  # gone since the listing
            state = lock_of(store, listed.key, now)
            less = "unknown" in state or not state["enforced"] or state["hold"] < lock["hold"]
            if kept is not None and kept.until > now and not less:
                mine = retention_of(state)
                less = mine is None or not mine.covers(kept)
            if less:
                lock["beside"][listed.kind] = state
    return lock


def retention_of(lock: BundleFacts) -> Retention | None:
    """Return the retention in a lock's facts; None if there is none."""
    if not lock.get("until"):
        return None
    return Retention(until=parse_instant(lock["until"]), mode=lock["mode"])


def lock_of(store: ReadableStore, key: str, now: datetime) -> BundleFacts:
    """Return the facts of an object's lock, or why it cannot be read."""
    try:
        state = store.lock_state(key)
    except FileNotFoundError:
        raise
    except ServiceUnavailable as error:
        require_store_answer(store, error)
        return {"unknown": shortened(str(error)), "retry": True}
    except (SnapshotterError, OSError) as error:
        return {"unknown": shortened(str(error))}
    kept = state.retention
    return {
        "enforced": state.enforced,
        "hold": state.legal_hold,
        "mode": kept.mode if kept else "",
        "until": instant(kept.until) if kept else "",
        "words": state.in_words(now),
    }


def _of_report(report: Report) -> BundleFacts:
    failed = [finding for finding in report.findings if finding.verdict is Verdict.FAILED]
    unclear = [finding for finding in report.findings if finding.verdict is Verdict.INDETERMINATE]
    how = report.record.get("how")
    settings = how.get("settings") if isinstance(how, dict) else None
    policy = settings if isinstance(settings, dict) else {}
    days, mode = policy.get("retain_days"), policy.get("retain_mode")
    return {
        "altered": any(finding.code.value not in _NOT_ALTERED for finding in failed),
        "bundle_id": report.bundle_id,
        "captured_at": instant(report.captured_at) if report.captured_at else "",
        "failed": _told(failed),
        "mode": mode if mode in LOCK_MODES else LOCK_MODES[0],
        "proven_until": instant(report.proven_until) if report.proven_until else "",
        "retain_days": min(max(days, 0), _MAX_DAYS) if type(days) is int else 0,
        "sealed_at": str(report.record.get("sealed_at", "")),
        "unclear": _told(unclear),
        "verdict": report.verdict.value,
    }


def _is_of_the_moment(report: Report) -> bool:
    """Whether the verdict may depend on the clock: a token from the future is valid later."""
    return any(renewal.problem for renewal in report.renewals) or any(
        finding.code is Code.TIME and finding.verdict is not Verdict.PASSED
        for finding in report.findings
    )


def _told(findings: list[Finding]) -> list[str]:
    sentences = [
        shortened(f"{finding.code.value}: {finding.detail}") for finding in findings[:_MAX_TOLD]
    ]
    if len(findings) > _MAX_TOLD:
        sentences.append(f"further findings: {len(findings) - _MAX_TOLD}")
    return sentences


# Bytes.


def _beside(
    store: ReadableStore, sidecars: Sequence[ListedObject]
) -> tuple[dict[str, bytes], dict[str, ObjectUnreadable], int]:
    """
    Return the sidecars of a bundle, those that cannot be read, and the number left out.

    An unreadable sidecar hides neither the bundle nor the others.
    """
    found: dict[str, bytes] = {}
    failures: dict[str, ObjectUnreadable] = {}
    left = _MAX_BESIDE
    for number, listed in enumerate(sidecars):
        if left <= 0:
            return found, failures, len(sidecars) - number
        try:
            with opened(store, listed.key) as stream:
                found[listed.kind] = stream.read(min(_MAX_SIDECAR, left))
            left -= len(found[listed.kind])
        except ObjectAbsent as answer:  # gone since the listing: the next audit lists it no more
            failures[listed.kind] = ObjectUnreadable(
                tr(
                    "the store lists the object, but the object could not be read: {answer}",
                    answer=answer,
                ),
                retry=True,
            )
        except (SnapshotterError, OSError) as error:
            failures[listed.kind] = unreadable_error(store, error)
    return found, failures, 0


def sha256_of(stream: BinaryIO, *, limit: int) -> str:
    """
    Return the SHA-256 (hex) of a whole stream; zeros if it has more than `limit` bytes.

    A sparse file of exabytes costs nothing to make. An object above the limit is never the
    logged one, whatever its digest.
    """
    if stream.seek(0, os.SEEK_END) > limit:
        return "0" * 64
    stream.seek(0)
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


# Fingerprints.


def _digest_of(value: Any) -> str:
    return hashlib.sha256(dumps(value)).hexdigest()


def _print_of(value: Any) -> Any:
    """Return `value` as JSON that is the same on every run, for whatever trust is made of."""
    if isinstance(value, enum.Enum):
        return str(value.value)
    if value is None or isinstance(value, str | int):
        return str(value)  # numbers too: serial numbers are longer than those of JSON
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return str(value)
    if isinstance(value, ec.EllipticCurvePublicKey):
        return value.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()
    if isinstance(value, x509.Certificate):
        return value.public_bytes(Encoding.DER).hex()
    if isinstance(value, frozenset | set):
        return sorted((_print_of(element) for element in value), key=str)
    if isinstance(value, list | tuple):
        return [_print_of(element) for element in value]
    if isinstance(value, Mapping):
        return {str(key): _print_of(element) for key, element in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _print_of(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"a trust that holds {type(value).__name__} has no fingerprint")
