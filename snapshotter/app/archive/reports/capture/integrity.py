"""Return the fields about the signatures, the log and the store of a bundle."""

from collections.abc import Iterator, Mapping
from typing import Any

from snapshotter.app.archive.reports.capture.evidence import (
    TRUST,
    VERIFICATION,
    Evidence,
    custody_position,
    custody_source,
    has_owners,
    instant,
    trust_words,
)
from snapshotter.app.archive.reports.capture.who import key_ids
from snapshotter.formats.bundle import names
from snapshotter.model import sentences
from snapshotter.model.capture_report import (
    Basis,
    Column,
    Field,
    Kind,
    Source,
    Table,
    Value,
)
from snapshotter.model.custody import REPLICATION
from snapshotter.model.finding import Verdict
from snapshotter.model.sentences import ProofState
from snapshotter.translation import tr


def integrity_items(of: Evidence) -> Iterator[Field | Table]:
    """Yield the fields of the group `integrity`."""
    record, known = of.record, of.report.established
    yield of.found("manifest_sha256", tr("SHA-256 of the signed list of files"),
                   of.manifest_sha256, names.MANIFEST_SHA256,
                   kind=Kind.DIGEST)  # fmt: skip
    is_judged = known is not None or (of.is_redacted and of.is_sound)
    good = known.good_signers if known is not None else _good_keys(of)
    yield record.table(
        "signatures", tr("Signatures"), "/signers",
        (
            (Column(key="slot", term=tr("Signature")), "slot"),
            (Column(key="key_id", term=tr("Key id"), kind=Kind.DIGEST), "key_id"),
            (Column(key="algorithm", term=tr("Algorithm"), under="slot"), "algorithm"),
            (Column(key="owner", term=tr("Owner named in the trust file")),
             lambda item: _owner(of, item)),
            (Column(key="trusted", term=tr("Trusted at the proven time"), kind=Kind.FLAG),
             lambda item: item.get("key_id") in good if is_judged else None),
        ),
        empty=tr("The record names no signer."),
        basis=lambda item: of.checked,
    )  # fmt: skip
    yield of.found("key_statement", tr("Source of the trusted keys"), trust_words(of), TRUST,
                   basis=Basis.VERIFIED)  # fmt: skip
    yield of.found("trust_sha256", tr("SHA-256 of the trust file"), of.trust.sha256, TRUST,
                   kind=Kind.DIGEST, basis=Basis.VERIFIED)  # fmt: skip
    proof = f"{of.bundle_file}.{names.LOG_PROOF}"
    yield of.found("log_index", tr("Entry in the log"),
                   known.log_index if known is not None else None, proof,
                   kind=Kind.NUMBER)  # fmt: skip
    yield of.found("log_origin", tr("Log"), known.log_origin if known is not None else None,
                   proof)  # fmt: skip
    yield of.found("logged_by", tr("Time by which a witness saw the entry"),
                   instant(known.logged_by) if known is not None else None, proof,
                   kind=Kind.INSTANT)  # fmt: skip
    log = tuple(f.detail for f in of.report.findings if f.check.strip() == "log")
    yield of.found("log_checks", tr("Checks of the log"), log, VERIFICATION, pointer="/checks",
                   kind=Kind.LINES)  # fmt: skip
    stored = [event for event in of.chain if event.event.receipt is not None]
    last = stored[-1] if stored else None
    receipt = last.event.receipt if last is not None else None
    source = (
        custody_source(of, last, custody_position(of, last), "receipt")
        if last is not None
        else Source(file=f"{of.bundle_file}.custody-0001.jsonl")
    )
    for key, term, value, kind in (
        ("store", tr("Store"), receipt.store if receipt else None, Kind.TEXT),
        ("stored_at", tr("Last receipt of the store"),
         instant(receipt.at) if receipt else None, Kind.INSTANT),
        ("retain_until", tr("Deletion locked until"),
         instant(receipt.retain_until) if receipt else None, Kind.INSTANT),
        ("legal_hold", tr("Legal hold of the store"),
         receipt.legal_hold if receipt else None, Kind.FLAG),
    ):  # fmt: skip
        yield of.found(key, term, value, source.file, pointer=source.pointer, kind=kind,
                       basis=Basis.UNVERIFIED)  # fmt: skip
    copies = sum(event.event.event == REPLICATION for event in of.chain)
    yield of.found("replicas", tr("Replications in the custody chain"), copies,
                   f"{of.bundle_file}.custody-0001.jsonl", kind=Kind.NUMBER,
                   basis=Basis.UNVERIFIED)  # fmt: skip
    holds = tuple(
        event.event.detail
        for event in of.chain
        if event.event.object.rpartition(".wacz.")[2].startswith("hold-")
    )
    yield of.found("holds", tr("Legal holds in the custody chain"), holds,
                   f"{of.bundle_file}.custody-0001.jsonl", kind=Kind.LINES,
                   basis=Basis.UNVERIFIED)  # fmt: skip
    yield record.field("requires_signatures", tr("Signatures that the record requires"),
                       "/requires/signatures", Kind.NUMBER)  # fmt: skip
    yield record.field("requires_timestamps", tr("Tokens that the record requires"),
                       "/requires/timestamps", Kind.NUMBER)  # fmt: skip
    proof_state = ProofState.of(of.report)
    yield of.found("proof", tr("Is the proof intact?"), sentences.proof_sentence(proof_state),
                   VERIFICATION, pointer="/verdict", basis=Basis.VERIFIED)  # fmt: skip


def _good_keys(of: Evidence) -> tuple[str, ...]:
    """Return the keys of a redacted copy, if the check of the keys passed."""
    keys = [found.verdict for found in of.report.findings if found.check.strip() == "key"]
    is_good = of.is_sound and keys and all(verdict is Verdict.PASSED for verdict in keys)
    return key_ids(of) if is_good else ()


def _owner(of: Evidence, item: Mapping[str, Any]) -> Value:
    key_id = item.get("key_id")
    key = of.trust.key(key_id) if isinstance(key_id, str) and has_owners(of) else None
    return key.owner if key is not None else None
