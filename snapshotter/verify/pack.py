"""
Verify a proof pack: is the file as it was made, by whom, and does each capture in it hold?

The checks stand in the order of docs/spec/proof-pack.md, "Verification": form and
signature of the manifest, every byte of the file, the key, the captures, the event. The
file is read in blocks, nothing is unpacked to disk, and nothing in it is an anchor. The
page that a pack shows is never interpreted: it is bytes that were signed.
"""

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import leaf, names, pack, takedown, tlog_proof
from snapshotter.formats import renewal as renewals
from snapshotter.formats.leaf import Leaf
from snapshotter.formats.pack import Manifest, Pack, PackInvalid
from snapshotter.model.finding import Code, Finding, Report, Verdict, overall
from snapshotter.model.proof import ENDS, Part, Role
from snapshotter.model.takedown import Observation, Takedown
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.renewal import RenewalFiles
from snapshotter.verify.trust import COMPROMISED, Trust


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReport:
    """One capture of a pack, and what its own verification found."""

    part: Part
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """All findings about one pack: about the file, and about each capture in it."""

    findings: tuple[Finding, ...]  # about the file
    captures: tuple[CaptureReport, ...] = ()
    manifest: Manifest | None = None  # None: none could be read
    key_id: str = ""  # who signed it
    length: int = 0  # bytes
    trust: str = ""  # against what it was judged, in words

    @property
    def verdict(self) -> Verdict:
        return overall(
            [*self.findings, *(it for one in self.captures for it in one.report.findings)]
        )


def verify_pack(stream: BinaryIO, trust: Trust, *, now: datetime) -> PackReport:
    """
    Return all findings about the pack in `stream`.

    Never raises for what is in the pack.

    Args:
        stream: Binary and seekable; read from its start, left open.
        now: The verifier's clock.

    Raises:
        OSError: As the stream does while it is read, or when it changes meanwhile.
    """
    length = stream.seek(0, io.SEEK_END)
    try:
        found = pack.read(stream)
    except PackInvalid as error:
        finding = _failed("manifest", error.code, str(error))
        return PackReport(findings=(finding,), length=length, trust=trust.source)
    findings = [_passed("manifest", "it is in its one form, and its signature holds")]
    altered = [_failed("parts", Code.HASH, it.detail) for it in pack.altered(stream, found)]
    findings += altered or [_passed("parts", _as_made(found))]
    captures: list[CaptureReport] = []
    if not altered:  # what follows would judge bytes that nobody vouches for
        findings += _key(found, trust)
        for part in found.manifest.captures:
            report = _capture(stream, found, part, trust, now)
            captures.append(CaptureReport(part=part, report=report))
            findings += _same(found, part, report)
        findings += _event(stream, found, trust, captures)
    return PackReport(
        findings=tuple(findings),
        captures=tuple(captures),
        manifest=found.manifest,
        key_id=found.key_id,
        length=length,
        trust=trust.source,
    )


def _as_made(found: Pack) -> str:
    return f"every byte of the page and of its {len(found.manifest.parts)} parts is as it was made"


# Who signed it. A pack has no token: what its time rests on are those of its captures.


def _key(found: Pack, trust: Trust) -> Iterator[Finding]:
    yield _signer("key", "the pack", found.key_id, trust)


def _signer(check: str, what: str, key_id: str, trust: Trust) -> Finding:
    key = trust.key(key_id)
    if key is None:
        detail = f"{what} is signed by a key that is not known here: {key_id}"
        return _unclear(check, Code.KEY_UNKNOWN, detail)
    if key.revoked_reason == COMPROMISED:
        detail = f"{what} is signed by a key of {key.owner} that somebody else may have had"
        return _failed(check, Code.KEY_REVOKED, detail)
    return _passed(check, f"{what} is signed by the key of {key.owner}")


# The captures, each by the verifier of bundles, with what stands beside it in the pack.


def _capture(stream: BinaryIO, found: Pack, part: Part, trust: Trust, now: datetime) -> Report:
    beside = {
        it.name.removeprefix(f"{part.name}."): pack.read_part(stream, found, it, limit=it.length)
        for it in found.manifest.beside(part)
        if it.length <= _MAX_BESIDE
    }
    late = (names.late_token(number) for number in range(1, names.MAX_LATE_TOKENS + 1))
    with pack.open_part(stream, found, part) as opened:
        return verify_bundle(
            opened,
            trust,
            now=now,
            late_tokens=[beside[name] for name in late if name in beside],
            log_proof=beside.get(names.LOG_PROOF),
            renewals=_renewals(beside),
        )


_MAX_BESIDE = max(MAX_SIDECAR_BYTES, tlog_proof.MAX_BYTES, renewals.MAX_BYTES)


def _renewals(beside: dict[str, bytes]) -> list[RenewalFiles]:
    found: list[RenewalFiles] = []
    for number in range(1, names.MAX_RENEWALS + 1):
        text, token = names.renewal(number)
        if text in beside and token in beside:
            found.append(RenewalFiles(number=number, text=beside[text], token=beside[token]))
    return found


def _same(found: Pack, part: Part, report: Report) -> Iterator[Finding]:
    """Say where a capture is not the one that the pack names."""
    what = pack.describe(part, found.manifest.parts)
    if report.sha256 and report.sha256 != part.sha256:
        yield _failed("captures", Code.HASH, f"{what} changed while it was read")
    elif report.bundle_id and f"{report.bundle_id}.wacz" != part.name:
        detail = f"{what} is in truth the capture {report.bundle_id}"
        yield _failed("captures", Code.FORMAT, detail)
    elif report.verdict is Verdict.PASSED:
        yield _passed("captures", f"{what} is as it was sealed")
    elif report.verdict is Verdict.INDETERMINATE:
        codes = ", ".join(_codes(report, Verdict.INDETERMINATE))
        detail = f"{what} is intact, and not everything about it could be established: {codes}"
        yield _unclear("captures", _worst(report, Verdict.INDETERMINATE), detail)
    else:
        codes = ", ".join(_codes(report, Verdict.FAILED))
        yield _failed("captures", _worst(report, Verdict.FAILED), f"{what} does not hold: {codes}")


def _codes(report: Report, verdict: Verdict) -> list[str]:
    return sorted({it.code.value for it in report.findings if it.verdict is verdict})


def _worst(report: Report, verdict: Verdict) -> Code:
    return next(it.code for it in report.findings if it.verdict is verdict)


# The event: by whom, and that the captures in the pack are those that it rests on.


def _event(
    stream: BinaryIO, found: Pack, trust: Trust, captures: Sequence[CaptureReport]
) -> Iterator[Finding]:
    manifest = found.manifest
    records = manifest.of_role(Role.EVENT)
    if not records:
        if manifest.event_id:
            yield _failed("event", Code.MISSING, f"the event {manifest.event_id} is missing")
        return
    try:
        data = pack.read_part(stream, found, records[0], limit=takedown.MAX_BYTES)
        event, key_id = takedown.parse(data)
    except EvidenceInvalid as error:
        yield _failed("event", Code.FORMAT, f"the event's record is none: {error}")
        return
    if event.event_id != manifest.event_id:
        yield _failed("event", Code.FORMAT, f"its record is of the event {event.event_id}")
        return
    yield _signer("event", "the event", key_id, trust)
    if any(key_id in _signers(it.report) for it in captures):
        detail = "the event is signed by a key that signed one of its captures"
        yield _failed("event", Code.KEY_MISMATCH, detail)
    yield from _rests_on(event, manifest)
    yield from _logged(stream, found, trust, Leaf(
        kind=leaf.TAKEDOWN, name=event.event_id, sha256=records[0].sha256,
    ))  # fmt: skip


def _signers(report: Report) -> set[str]:
    return {it["key_id"] for it in report.record.get("signers", ())}


def _rests_on(event: Takedown, manifest: Manifest) -> Iterator[Finding]:
    """Say whether the captures of the event are in the pack, each in its part."""
    there = {(it.role, it.name): it.sha256 for it in manifest.captures}
    absent: list[str] = []
    for role, observations in _parts_of(event):
        for one in observations:
            sha256 = there.pop((role, f"{one.bundle_id}.wacz"), None)
            if sha256 is None and not any(it.sha256 == one.sha256 for it in manifest.captures):
                absent.append(f"{role} {one.bundle_id}")
            elif sha256 not in (None, one.sha256):
                detail = f"the capture {one.bundle_id} is not the one that the event rests on"
                yield _failed("event", Code.HASH, detail)
    ends = [it for it in absent if it.startswith((*ENDS,))]
    if ends:
        yield _failed("event", Code.MISSING, f"the event rests on other ends: {', '.join(ends)}")
    elif absent:
        detail = f"the event rests on captures that are not in the pack: {', '.join(absent)}"
        yield _unclear("event", Code.MISSING, detail)
    else:
        yield _passed("event", "all captures that the event rests on are in the pack")
    for role, name in there:
        yield _failed("event", Code.UNLISTED, f"the event does not rest on {name}, a {role}")


def _parts_of(event: Takedown) -> Iterator[tuple[Role, Sequence[Observation]]]:
    yield Role.LAST_SEEN, (event.last_seen,)
    yield Role.FIRST_GONE, (event.first_gone,)
    yield Role.CONFIRMATION, event.confirmations
    yield Role.CONTROL, event.controls
    yield Role.VANTAGE, event.vantages
    yield Role.IDENTITY, event.identified_by


def _logged(stream: BinaryIO, found: Pack, trust: Trust, entry: Leaf) -> Iterator[Finding]:
    """Say what the log proof shows; one that does not hold says nothing against the event."""
    proofs = found.manifest.of_role(Role.EVENT_PROOF)
    if trust.log is None or not proofs:
        return
    try:
        data = pack.read_part(stream, found, proofs[0], limit=tlog_proof.MAX_BYTES)
        read, _ = tlog_proof.check(data, entry.encode(), trust.log.key, trust.log.witnesses)
    except EvidenceInvalid as error:
        yield _unclear("event", Code.LOG, f"the event's log proof does not hold: {error}")
        return
    yield _passed("event", f"the event is entry {read.index} of the log")


def _passed(check: str, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.PASSED, code=Code.OK, detail=detail)


def _failed(check: str, code: Code, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.FAILED, code=code, detail=detail)


def _unclear(check: str, code: Code, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.INDETERMINATE, code=code, detail=detail)
