"""
Extract the facts in the sidecars of a bundle, for an audit.

The facts include the checkpoints in log proofs, in renewals and in the capture record. Anybody who
can write to a store can add junk to it. So an unreadable sidecar is reported, and a readable one is
compared with something signed: a proof with the log's history, a custody chain with the heads in
the log, a hold with its key.
"""

import contextlib
import functools
import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import custody_sidecars, names, receipts
from snapshotter.formats.printable import cut
from snapshotter.formats.proofs import merkle, note, renewal, rfc3161, tlog_proof
from snapshotter.formats.proofs.leaf import BUNDLE, Leaf
from snapshotter.formats.proofs.note import LogPolicy
from snapshotter.formats.statements import holds, quarantine, tombstone
from snapshotter.model.audit import AuditCode, Severity
from snapshotter.model.finding import Report
from snapshotter.translation import tr
from snapshotter.verify.audit import replica_custody
from snapshotter.verify.trust import COMPROMISED, Trust

PROOF = "tlog-proof"
RECORD_CLAIM = "the checkpoint in the capture record"

_MAX_DETAIL = 300  # characters of one sentence
_MAX_HEADS = 20_000  # events of one chain that are looked at
_MAX_RECEIPTS = 2_000

_KINDS = frozenset(
    {
        *(PROOF, tombstone.KIND),
        *map(names.late_token, range(1, names.MAX_LATE_TOKENS + 1)),
        *(kind for number in range(1, names.MAX_RENEWALS + 1) for kind in names.renewal(number)),
    }
)

BundleFacts = dict[str, Any]


def shortened(text: str) -> str:
    """Return a sentence, shortened to the length of a finding."""
    return cut(text, _MAX_DETAIL)


def is_known(kind: str) -> bool:
    """Whether sidecars of this kind are read."""
    return (
        kind in _KINDS
        or custody_sidecars.number_of(kind) is not None
        or holds.sequence_of(kind) is not None
        or quarantine.sequence_of(kind) is not None
    )


def sort_key(kind: str) -> tuple[int, int]:
    """Return the sort key of a kind: numbered kinds are in the order of their numbers."""
    number = custody_sidecars.number_of(kind)
    return (0, 0) if number is None else (1, number)


def sidecar_facts(
    beside: Mapping[str, bytes], bundle_id: str, sha256: str, report: Report, trust: Trust
) -> BundleFacts:
    """Return the facts of all sidecars of a bundle."""
    problems: list[list[str]] = []
    claims = list(_record_claims(report, trust.log))
    if PROOF in beside:
        claims += _proof_claims(beside[PROOF], bundle_id, sha256, trust.log, problems)
    for kind, data in beside.items():
        if kind.startswith("late-"):
            _check_late_token(kind, data, problems)
        if kind.startswith("renewal-") and kind.endswith(".txt"):
            claims += _renewal_claims(kind, data, trust.log)
    for renewed in report.renewals:
        if renewed.problem:
            words = tr(
                "renewal {number} is not valid: {problem}",
                number=renewed.number,
                problem=renewed.problem,
            )
            problems.append(_problem(AuditCode.SURPLUS, Severity.NOTE, words))
    return {
        "claims": claims,
        "custody": _custody(beside, report),
        "holds": _holds(beside, bundle_id, trust),
        "renewals": sorted(_renewal_digests(beside)),
        "problems": problems,
        "tombstone": judge_tombstone(beside.get(tombstone.KIND), bundle_id, trust),
    }


def _problem(code: AuditCode, severity: Severity, detail: str) -> list[str]:
    return [code.value, severity.value, shortened(detail)]


# Checkpoints: the one that the record names, and the one of the proof.


def _record_claims(report: Report, log: LogPolicy | None) -> Iterator[BundleFacts]:
    text = report.record.get("log_checkpoint")
    if isinstance(text, str):
        with contextlib.suppress(EvidenceInvalid):  # nothing that was signed by any log
            yield _claim(RECORD_CLAIM, text.encode("utf-8"), log)


def _proof_claims(
    data: bytes, bundle_id: str, sha256: str, log: LogPolicy | None, problems: list[list[str]]
) -> Iterator[BundleFacts]:
    try:
        proof = tlog_proof.parse(data)
        claim = _claim(tr("the log proof beside the bundle"), proof.checkpoint, log)
        yield claim
        entry = Leaf(kind=BUNDLE, name=bundle_id, sha256=sha256)
        merkle.check_inclusion(
            entry.hash(), proof.index, claim["size"], proof.hashes, bytes.fromhex(claim["root"])
        )
        if log is not None and not claim["signed"]:
            raise EvidenceInvalid(
                tr(
                    "the checkpoint in the log proof is not signed with the key of the log {name}",
                    name=log.key.name,
                )
            )
    except EvidenceInvalid as error:
        problems.append(
            _problem(
                AuditCode.PROOF_BROKEN,
                Severity.INDETERMINATE,
                tr("the log proof of the bundle is not valid: {error}", error=error),
            )
        )


def _renewal_claims(kind: str, data: bytes, log: LogPolicy | None) -> Iterator[BundleFacts]:
    """Yield the checkpoints of renewals through the log; others have none."""
    with contextlib.suppress(EvidenceInvalid):
        proof = renewal.split(data)[1] or data
        yield _claim(
            tr("the log proof in the sidecar {kind}", kind=kind),
            tlog_proof.parse(proof).checkpoint,
            log,
        )


def _renewal_digests(beside: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the logged digest of each complete renewal; a text without a token is none."""
    for number in range(1, names.MAX_RENEWALS + 1):
        text, token = names.renewal(number)
        if text in beside and token in beside:
            yield hashlib.sha256(renewal.split(beside[text])[0]).hexdigest()


def _claim(what: str, data: bytes, log: LogPolicy | None) -> BundleFacts:
    """Return the facts of a signed checkpoint. Raises EvidenceInvalid."""
    return {"what": what, **_said(data, log)}


@functools.lru_cache(maxsize=256)  # bundles that were logged together have one checkpoint
def _said(data: bytes, log: LogPolicy | None) -> BundleFacts:
    checkpoint = note.parse_checkpoint(note.parse(data).text)
    signed, witnesses = False, list[str]()
    if log is not None:
        with contextlib.suppress(EvidenceInvalid):
            opened = log.open(data)
            signed, witnesses = True, [cosignature.key.name for cosignature in opened.cosignatures]
    return {
        "origin": checkpoint.origin,
        "root": checkpoint.root.hex(),
        "signed": signed,
        "size": checkpoint.size,
        "witnesses": witnesses,
    }


# Late tokens: what they prove, the verifier says; here, that they are tokens at all.


def _check_late_token(kind: str, data: bytes, problems: list[list[str]]) -> None:
    try:
        rfc3161.read_token(data)
    except EvidenceInvalid as error:
        problems.append(_problem(AuditCode.SURPLUS, Severity.NOTE, f"{kind}: {error}"))


# Custody: the chain, where each link of it ends, and what stores have answered.


def _custody(beside: Mapping[str, bytes], report: Report) -> BundleFacts:
    sidecars = [
        (number, data)
        for kind, data in beside.items()
        if (number := custody_sidecars.number_of(kind)) is not None
    ]
    chain = custody_sidecars.check(report.custody or None, sidecars)
    receipts_in_chain = [
        {"place": place, **receipts.as_json(link.event.receipt)}
        for place, link in enumerate(chain.events)
        if link.event.receipt is not None
    ]
    problems = list(chain.problems)
    if len(chain.events) > _MAX_HEADS or len(receipts_in_chain) > _MAX_RECEIPTS:
        problems.append(tr("the custody chain is longer than the limit of an audit"))
    return {
        "branches": sorted(replica_custody.copy_heads(chain.events[:_MAX_HEADS])),
        "heads": [link.head for link in chain.events[:_MAX_HEADS]],
        "problems": [shortened(problem) for problem in problems[:5]],
        "problems_count": len(problems),
        "receipts": receipts_in_chain[-_MAX_RECEIPTS:],
    }


# Holds and tombstones have no token: nothing shows that one is older than a compromise.


def key_counts(trust: Trust, key_id: str) -> bool:
    """Whether a key is trusted and not compromised."""
    key = trust.key(key_id)
    return key is not None and key.revoked_reason != COMPROMISED


# Holds: placed by whom, and not lifted by anybody who is trusted.


def _holds(beside: Mapping[str, bytes], bundle_id: str, trust: Trust) -> BundleFacts:
    records = [
        (number, data)
        for kind, data in beside.items()
        if (number := holds.sequence_of(kind)) is not None
    ]
    found = holds.read(bundle_id, records, functools.partial(key_counts, trust))
    return {
        "open": [
            {"name": hold.name, "trusted": key_counts(trust, hold.key_id)} for hold in found.open
        ],
        "problems": [shortened(problem) for problem in found.problems[:5]],
    }


# Tombstones.


def judge_tombstone(data: bytes | None, bundle_id: str, trust: Trust) -> BundleFacts | None:
    """Return the facts of a tombstone and whether its key is trusted; None without one."""
    if data is None:
        return None
    try:
        found = tombstone.parse(data, bundle_id)
    except EvidenceInvalid as error:
        return {"broken": shortened(str(error))}
    return {
        "at": found.at.isoformat(),
        "key_id": found.key_id,
        "order": shortened(found.order),
        "sha256": found.sha256,
        "trusted": key_counts(trust, found.key_id),
    }
