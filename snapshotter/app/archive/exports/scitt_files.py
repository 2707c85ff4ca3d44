"""
Sign a statement and a COSE receipt about an exported bundle, and write both beside its copy.

The receipt confirms only what the log has signed before: the root in the checkpoint of a proof
that verifies with the same key. docs/spec/scitt.md specifies both files.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from snapshotter import durable
from snapshotter.errors import EvidenceInvalid, SnapshotterError
from snapshotter.formats.proofs import scitt, tlog_proof
from snapshotter.formats.proofs.leaf import BUNDLE, Leaf
from snapshotter.formats.proofs.note import ED25519, LogPolicy, SignedCheckpoint, VerifierKey
from snapshotter.formats.proofs.tlog_proof import TlogProof
from snapshotter.formats.signatures.keys import to_p1363
from snapshotter.model.finding import Verdict
from snapshotter.ports import LogSigner, ReadableStore, Signer
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.files import first_bytes
from snapshotter.verify.log import LogEntry, LogReader
from snapshotter.verify.trust import Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class ScittSigners:
    """The two keys that sign."""

    statement: Signer
    receipt: LogSigner  # the key of the log in the store


def write(
    store: ReadableStore,
    bundle_id: str,
    files: Sequence[Path],
    signers: ScittSigners,
    *,
    trust: Trust,
    now: datetime,
) -> tuple[Path, Path]:
    """
    Write `<id>.scitt` and `<id>.receipt` beside a copy of a bundle; return both paths.

    Files with these names are replaced.

    Args:
        store: Holds the log, for a newer proof.
        files: The copies of the bundle and of its sidecars, the bundle first.
        trust: Judges the bundle.

    Raises:
        EvidenceInvalid: The verification of the bundle is FAILED, or its log proof is not valid.
        ServiceUnavailable: The holder of the signing key did not answer.
        SnapshotterError: The bundle has no log proof, or a file cannot be written.
    """
    bundle = files[0]
    with bundle.open("rb") as stream:
        report = verify_on_disk(stream, bundle, trust, now=now)
    if report.verdict is Verdict.FAILED or not report.sha256:
        raise EvidenceInvalid(
            tr(
                "no statement about {bundle_id} was signed, because the verdict about the bundle "
                "is {verdict}: {codes}",
                bundle_id=bundle_id,
                verdict=report.verdict.name,
                codes=" ".join(report.codes(report.verdict)),
            ),
            hint=tr("show all checks:\n  snapshotter verify {bundle_id}", bundle_id=bundle_id),
        )
    leaf = Leaf(kind=BUNDLE, name=bundle_id, sha256=report.sha256)
    log = signers.receipt
    key = VerifierKey(name=log.name, kind=ED25519, public_key=log.public_key)
    proof, signed = _proof(store, bundle, leaf, key)
    statement = scitt.statement(leaf, signers.statement.key_id)
    receipt = scitt.receipt(leaf, key, proof, signed.size, signed.root)
    signature = to_p1363(signers.statement.sign(statement.message), signers.statement.public_key)
    written = (
        (bundle.with_name(f"{bundle_id}{scitt.STATEMENT_SUFFIX}"), statement.sign(signature)),
        (
            bundle.with_name(f"{bundle_id}{scitt.RECEIPT_SUFFIX}"),
            receipt.sign(log.sign(receipt.message)),
        ),
    )
    for path, data in written:
        try:
            durable.write(path, data)
        except OSError as error:
            raise SnapshotterError(f"{path}: {error.strerror or error}") from error
    return written[0][0], written[1][0]


def _proof(
    store: ReadableStore, bundle: Path, leaf: Leaf, key: VerifierKey
) -> tuple[TlogProof, SignedCheckpoint]:
    """Return the proof beside the bundle, or a newer one if that tree has no other entry."""
    beside = bundle.with_name(f"{bundle.name}.tlog-proof")
    if not beside.is_file():
        raise SnapshotterError(
            tr("{bundle_id} has no log proof", bundle_id=leaf.name),
            hint=tr("add the bundle to the log, and export again:\n  snapshotter log sync"),
        )
    try:
        proof, signed = tlog_proof.check(
            first_bytes(beside, tlog_proof.MAX_BYTES + 1), leaf.encode(), key
        )
        if not proof.hashes:
            reader = LogReader(store, LogPolicy(key=key))
            signed = reader.checkpoint()
            entry = LogEntry(index=proof.index, leaf=leaf, data=leaf.encode())
            proof = tlog_proof.parse(reader.prove(entry, signed))
    except FileNotFoundError as error:
        raise SnapshotterError(
            tr("the store has no log, or a file of the log is missing"),
            hint=tr("check the log:\n  snapshotter log check"),
        ) from error
    except EvidenceInvalid as error:
        raise EvidenceInvalid(
            tr(
                "no receipt for {bundle_id} was signed, because its log proof is not valid: "
                "{error}",
                bundle_id=leaf.name,
                error=error,
            ),
            hint=tr("check the log:\n  snapshotter log check"),
        ) from error
    if not proof.hashes:
        raise SnapshotterError(
            tr(
                "the log has only one entry, and a COSE receipt needs a log with two or more "
                "entries"
            ),
            hint=tr(
                "capture another page, or add the custody events of the bundle to the log. Then "
                "export again:\n  snapshotter log sync"
            ),
        )
    return proof, signed
