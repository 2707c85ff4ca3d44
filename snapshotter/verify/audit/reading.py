"""
Read one bundle of a store with all that stands beside it; done in many processes at once.

What comes back is facts, in words that fit into a database: whether they fit the log is
for the process that has the log (`judging.py`). Facts are kept from one audit to the next
under a fingerprint of all bytes that they came from, of the trust and of this program,
so that what has not changed costs its digests and no signature.
"""

import contextlib
import enum
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, BinaryIO

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import snapshotter
from snapshotter.errors import EvidenceInvalid, ServiceUnavailable, SnapshotterError
from snapshotter.formats import names, note, rfc3161, tlog_proof
from snapshotter.formats.canonical_json import dumps, instant
from snapshotter.formats.leaf import BUNDLE, Leaf
from snapshotter.formats.note import LogPolicy
from snapshotter.model.audit import AuditCode, Severity
from snapshotter.model.bundle import LOCK_MODES
from snapshotter.model.finding import Finding, Report, Verdict
from snapshotter.ports import ObjectStore
from snapshotter.verify.audit.workspace import Listed
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.trust import Trust

PROOF = "tlog-proof"
RECORD_CLAIM = "the checkpoint in its record"

_CHUNK = 1 << 20  # bytes
_MAX_SIDECAR = 8 << 20  # bytes of one that are read
_MAX_DETAIL = 300  # characters of one sentence
_MAX_DAYS = 36_500  # of a retention; more overflows calendars
_MAX_TOLD = 12  # findings of one bundle
# What a key's history and a clock decide, and no byte of the file: the bundle is whole.
_NOT_ALTERED = frozenset({"KEY_REVOKED", "KEY_PERIOD", "TIME", "LOG"})

Facts = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One bundle to read."""

    key: str
    bundle_id: str
    sidecars: tuple[Listed, ...]
    known: str = ""  # the fingerprint of an earlier reading


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What reading one bundle gave."""

    fingerprint: str  # "" when it could not be read to its end
    facts: Facts | None  # None: all is as the fingerprint says
    lock: Facts | None = None  # what keeps it from being deleted; None: it was not found out
    unreadable: str = ""  # why nothing is known of it
    broke: str = ""  # what broke in our own program


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What a process that reads bundles has to know."""

    open_store: Callable[[], ObjectStore]
    trust: Trust
    now: datetime
    basis: str  # what a reading rests on besides bytes: `basis_of` the trust


def basis_of(trust: Trust) -> str:
    """Return a digest of all that a verdict rests on, besides the bytes that are read."""
    return _digest_of({"program": snapshotter.__version__, "trust": _print_of(trust)})


def prepare(assignment: Assignment) -> Callable[[Task], Reading]:
    """Open the store, and return what reads bundles of it."""
    return partial(read, assignment.open_store(), assignment)


def read(store: ObjectStore, assignment: Assignment, task: Task) -> Reading:
    """
    Return what there is to know of one bundle.

    Raises:
        ServiceUnavailable: The store as a whole does not answer.
    """
    try:
        return _read(store, assignment, task)
    except ServiceUnavailable as error:
        # One object that a server can not give must not end the audit of all others:
        # whoever could break one would hide the rest.
        _require_answer(store)
        return Reading(fingerprint="", facts=None, unreadable=_short(str(error)))
    except (SnapshotterError, OSError) as error:
        return Reading(fingerprint="", facts=None, unreadable=_short(str(error)))
    except Exception as error:  # noqa: BLE001  one bundle that breaks us is a finding, not the end
        return Reading(fingerprint="", facts=None, broke=_short(f"{type(error).__name__}: {error}"))


def _read(store: ObjectStore, assignment: Assignment, task: Task) -> Reading:
    beside = {it.kind: _sidecar(store, it) for it in task.sidecars}
    rest = _digest_of(
        {
            "basis": assignment.basis,
            "beside": {kind: hashlib.sha256(data).hexdigest() for kind, data in beside.items()},
        }
    )
    with store.open(task.key) as stream:
        if task.known:
            if task.known == f"{_sha256(stream)}.{rest}":
                return Reading(
                    fingerprint=task.known, facts=None, lock=_lock(store, task.key, assignment.now)
                )
            stream.seek(0)
        report = verify_bundle(
            stream,
            assignment.trust,
            now=assignment.now,
            late_tokens=[
                beside[kind]
                for number in range(1, names.MAX_LATE_TOKENS + 1)
                if (kind := names.late_token(number)) in beside
            ],
        )
        # The verifier stops at what is no container, before it has a digest.
        stream.seek(0)
        sha256 = report.sha256 or _sha256(stream)
    facts = {
        **_of_report(report),
        "sha256": sha256,
        "claims": [*_record_claims(report, assignment.trust.log)],
        "problems": [],
    }
    for kind, data in beside.items():
        if kind.startswith("late-"):
            _of_late_token(kind, data, facts)
    if PROOF in beside:
        _of_proof(beside[PROOF], task, assignment.trust.log, facts)
    return Reading(
        fingerprint=f"{sha256}.{rest}",
        facts=facts,
        lock=_lock(store, task.key, assignment.now),
    )


def _lock(store: ObjectStore, key: str, now: datetime) -> Facts:
    """Return what the store says of an object's lock, or why that can not be known."""
    try:
        state = store.lock_state(key)
    except ServiceUnavailable:
        raise
    except (SnapshotterError, OSError) as error:
        return {"unknown": _short(str(error))}
    kept = state.retention
    return {
        "enforced": state.enforced,
        "hold": state.legal_hold,
        "mode": kept.mode if kept else "",
        "until": instant(kept.until) if kept else "",
        "words": state.in_words(now),
    }


def _of_report(report: Report) -> Facts:
    failed = [it for it in report.findings if it.verdict is Verdict.FAILED]
    unclear = [it for it in report.findings if it.verdict is Verdict.INDETERMINATE]
    settings = report.record.get("settings")
    policy = settings if isinstance(settings, dict) else {}
    days, mode = policy.get("retain_days"), policy.get("retain_mode")
    return {
        "altered": any(it.code.value not in _NOT_ALTERED for it in failed),
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


def _told(findings: list[Finding]) -> list[str]:
    told = [_short(f"{it.code.value}: {it.detail}") for it in findings[:_MAX_TOLD]]
    if len(findings) > _MAX_TOLD:
        told.append(f"and {len(findings) - _MAX_TOLD} more")
    return told


# Checkpoints that turn up with a bundle: the one its record names, the one of its proof.


def _record_claims(report: Report, log: LogPolicy | None) -> Iterator[Facts]:
    text = report.record.get("log_checkpoint")
    if isinstance(text, str):
        with contextlib.suppress(EvidenceInvalid):  # nothing that was signed by any log
            yield _claim(RECORD_CLAIM, text.encode("utf-8"), log)


def _of_proof(data: bytes, task: Task, log: LogPolicy | None, facts: Facts) -> None:
    """Add what the proof beside a bundle claims, and what is wrong with it by itself."""
    problems = facts["problems"]
    try:
        proof = tlog_proof.parse(data)
        claim = _claim("the proof beside it", proof.checkpoint, log)
    except EvidenceInvalid as error:
        problems.append(
            [AuditCode.PROOF_BROKEN, Severity.INDETERMINATE, _short(f"its log proof: {error}")]
        )
        return
    facts["claims"].append(claim)
    facts["proof"] = {"index": proof.index, "size": claim["size"]}
    if log is None:
        return
    try:
        tlog_proof.check(data, _leaf(task.bundle_id, facts["sha256"]), log.key)
    except EvidenceInvalid as error:
        problems.append(
            [AuditCode.PROOF_BROKEN, Severity.INDETERMINATE, _short(f"its log proof: {error}")]
        )


def _of_late_token(kind: str, data: bytes, facts: Facts) -> None:
    """Say when what calls itself a late token is none. What it proves, the verifier says."""
    try:
        rfc3161.read_token(data)
    except EvidenceInvalid as error:
        facts["problems"].append([AuditCode.SURPLUS, Severity.NOTE, _short(f"{kind}: {error}")])


def _leaf(bundle_id: str, sha256: str) -> bytes:
    return Leaf(kind=BUNDLE, name=bundle_id, sha256=sha256).encode()


def _claim(what: str, data: bytes, log: LogPolicy | None) -> Facts:
    """Return what a signed checkpoint says. Raises EvidenceInvalid: it is none."""
    checkpoint = note.parse_checkpoint(note.parse(data).text)
    signed, witnesses = False, list[str]()
    if log is not None:
        with contextlib.suppress(EvidenceInvalid):
            opened = note.open_checkpoint(data, log.key, log.witnesses)
            signed, witnesses = True, [it.key.name for it in opened.cosignatures]
    return {
        "origin": checkpoint.origin,
        "root": checkpoint.root.hex(),
        "signed": signed,
        "size": checkpoint.size,
        "what": what,
        "witnesses": witnesses,
    }


# Bytes.


def _sidecar(store: ObjectStore, listed: Listed) -> bytes:
    try:
        with store.open(listed.key) as stream:
            return stream.read(_MAX_SIDECAR)
    except FileNotFoundError:
        return b""  # gone since the listing; the next audit lists it no more


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _require_answer(store: ObjectStore) -> None:
    next(iter(store.list("log/")), None)


def _short(text: str) -> str:
    return text if len(text) <= _MAX_DETAIL else f"{text[: _MAX_DETAIL - 1]}…"


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
        return sorted((_print_of(it) for it in value), key=str)
    if isinstance(value, list | tuple):
        return [_print_of(it) for it in value]
    if isinstance(value, Mapping):
        return {str(key): _print_of(it) for key, it in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {it.name: _print_of(getattr(value, it.name)) for it in fields(value)}
    raise TypeError(f"a trust that holds {type(value).__name__} has no fingerprint")
