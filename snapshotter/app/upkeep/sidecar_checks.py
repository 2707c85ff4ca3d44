"""
Check that a bundle or a sidecar belongs where it is stored, before it is copied.

Anybody who can write to the other store may have put an object there. A bundle is copied if
its verification did not end in FAILED and it has the id under which it is stored. A sidecar
is copied if it is about that very bundle: a token over one of its signatures, a log proof
of its leaf, a renewal of it, a hold or a notice of quarantine of its id, or a custody chain
that begins where the chain inside the bundle ends.
"""

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from snapshotter.app.archive import bundles
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.bundle import custody, custody_sidecars, names
from snapshotter.formats.bundle.custody_sidecars import ChainHead
from snapshotter.formats.digest import digest
from snapshotter.formats.proofs import leaf, merkle, note, renewal, tlog_proof
from snapshotter.formats.proofs.rfc3161 import TokenInvalid, check_subject
from snapshotter.formats.statements import holds, quarantine
from snapshotter.model.finding import Verdict
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.renewal import check_log_entry, timestamped_message
from snapshotter.verify.trust import Trust

# Returns the bytes of a sidecar of the bundle by its kind; None for none.
ReadSidecar = Callable[[str], bytes | None]

_RENEWAL = re.compile(r"(renewal-(?!00)[0-9]{2})\.(txt|tsr)")
_LATE_TOKEN = re.compile(r"late-0[1-9]\.tsr")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBundleFile:
    """A verified bundle, with the facts that its sidecars are checked against."""

    bundle_id: str
    sha256: str
    signatures: tuple[bytes, ...]
    custody: ChainHead  # the end of the chain inside the bundle
    file: Path  # temporary


def verify_bundle_file(
    file: Path, bundle_id: str, trust: Trust, now: datetime
) -> VerifiedBundleFile:
    """
    Verify the bundle in a file and return it.

    Raises:
        EvidenceInvalid: The verification FAILED, or the bundle has another id.
    """
    with file.open("rb") as stream:
        report = verify_bundle(stream, trust, now=now)
        if report.verdict is Verdict.FAILED:
            failed = next(
                finding for finding in report.findings if finding.verdict is Verdict.FAILED
            )
            raise EvidenceInvalid(
                tr(
                    "the verification of the bundle failed: {code} {detail}",
                    code=failed.code,
                    detail=failed.detail,
                )
            )
        if report.bundle_id != bundle_id:
            raise EvidenceInvalid(
                tr("the file contains another bundle, {bundle_id}", bundle_id=report.bundle_id)
            )
        return VerifiedBundleFile(
            bundle_id=bundle_id,
            sha256=report.sha256,
            signatures=bundles.read_signatures(stream),
            file=file,
            custody=custody_sidecars.head_inside(
                bundles.read_member(stream, names.CUSTODY, limit=custody.MAX_BYTES)
            ),
        )


def check_sidecar(kind: str, file: Path, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    """
    Return if the sidecar of this kind in `file` is about this bundle.

    Args:
        sibling: Returns another sidecar of the bundle by its kind, or None; a renewal has two.

    Raises:
        EvidenceInvalid: It is not, or its kind is unknown.
    """
    for matches, test in _CHECKS:
        if matches(kind):
            test(kind, _bytes(file), subject, sibling)
            return
    raise EvidenceInvalid(tr("this version of snapshotter does not support this kind of sidecar"))


def is_copied(kind: str) -> bool:
    """Whether sidecars of this kind are copied with their bundle."""
    return any(matches(kind) for matches, _ in _CHECKS)


def file_sha256(file: Path) -> str:
    """Return the SHA-256 of a file, hex."""
    with file.open("rb") as stream:
        return digest(stream, limit=file.stat().st_size).sha256


def _bytes(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(custody_sidecars.MAX_BYTES + 1)  # the longest of them


def _token(kind: str, data: bytes, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    if len(data) > MAX_SIDECAR_BYTES:
        raise EvidenceInvalid(
            tr(
                "the token is larger than the limit of {max_sidecar_bytes} bytes",
                max_sidecar_bytes=MAX_SIDECAR_BYTES,
            )
        )
    problem: TokenInvalid | None = None
    for signature in subject.signatures:
        try:
            check_subject(data, signature)
        except TokenInvalid as error:
            problem = error
        else:
            return
    raise EvidenceInvalid(
        tr("the token confirms no signature of this bundle: {problem}", problem=problem)
    )


def _proof(kind: str, data: bytes, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    """Check that the proof is of the bundle's leaf; the verifier checks the log's key."""
    proof = tlog_proof.parse(data)
    checkpoint = note.parse_checkpoint(note.parse(proof.checkpoint).text)
    entry = leaf.Leaf(kind=leaf.BUNDLE, name=subject.bundle_id, sha256=subject.sha256)
    merkle.check_inclusion(
        entry.hash(), proof.index, checkpoint.size, proof.hashes, checkpoint.root
    )


def _hold(kind: str, data: bytes, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    holds.check(data, subject.bundle_id, holds.sequence_of(kind) or 0)


def _notice(kind: str, data: bytes, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    quarantine.check(data, subject.bundle_id, quarantine.sequence_of(kind) or 0)


def _renewal(kind: str, data: bytes, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    match = _RENEWAL.fullmatch(kind)
    if match is None:
        raise EvidenceInvalid(tr("the sidecar is not a renewal"))
    text = data if match[2] == "txt" else sibling(f"{match[1]}.txt")
    if text is None:
        raise EvidenceInvalid(
            tr("the text of the renewal is missing, so its token cannot be checked")
        )
    if text.startswith(tlog_proof.FORMAT.encode()):
        _proof(kind, text, subject, sibling)
    else:
        bare, logged = renewal.split(text)
        said = renewal.parse(bare)
        if logged is not None:
            check_log_entry(logged, renewal.leaf_of(bare, subject.bundle_id))
        if said.bundle_id != subject.bundle_id or said.sha512 != _sha512(subject.file):
            raise EvidenceInvalid(tr("the renewal belongs to another bundle"))
    if match[2] == "tsr":
        try:
            check_subject(data, timestamped_message(text))
        except TokenInvalid as error:
            raise EvidenceInvalid(
                tr("the token does not confirm the text of the renewal: {error}", error=error)
            ) from error


def _sha512(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha512").hexdigest()


def _custody(kind: str, data: bytes, subject: VerifiedBundleFile, sibling: ReadSidecar) -> None:
    if not custody_sidecars.is_readable(data):
        raise EvidenceInvalid(tr("the file does not consist of custody events"))
    if custody_sidecars.number_of(kind) == 1:
        begun = custody_sidecars.first_previous(data)
        if begun != subject.custody.previous:
            raise EvidenceInvalid(
                tr("the chain of custody events does not continue the chain inside the bundle")
            )


_CHECKS: tuple[
    tuple[Callable[[str], object], Callable[[str, bytes, VerifiedBundleFile, ReadSidecar], None]],
    ...,
] = (
    (_LATE_TOKEN.fullmatch, _token),
    (names.LOG_PROOF.__eq__, _proof),
    (_RENEWAL.fullmatch, _renewal),
    (holds.sequence_of, _hold),
    (quarantine.sequence_of, _notice),
    (custody_sidecars.number_of, _custody),
)
