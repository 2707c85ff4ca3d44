"""
Verify a proof pack: is the file as it was made, by whom, and does each capture in it hold?

The checks stand in the order of docs/spec/proof-pack.md, "Verification": form and
signature of the manifest, every byte of the file, the key, the captures, the event. The
file is read in blocks, nothing is unpacked to disk, and nothing in it is an anchor. The
page that a pack shows is never interpreted: it is bytes that were signed.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from snapshotter.formats import names, pack, tlog_proof
from snapshotter.formats import renewal as renewals
from snapshotter.formats.pack import Manifest, Pack, PackInvalid
from snapshotter.model.finding import Code, Finding, Report, Verdict, overall
from snapshotter.model.proof import Part
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
    key = trust.key(found.key_id)
    if key is None:
        detail = f"the pack is signed by a key that is not known here: {found.key_id}"
        yield _unclear("key", Code.KEY_UNKNOWN, detail)
    elif key.revoked_reason == COMPROMISED:
        detail = f"the pack is signed by a key of {key.owner} that somebody else may have had"
        yield _failed("key", Code.KEY_REVOKED, detail)
    else:
        yield _passed("key", f"it was signed by the key of {key.owner}")


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


def _passed(check: str, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.PASSED, code=Code.OK, detail=detail)


def _failed(check: str, code: Code, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.FAILED, code=code, detail=detail)


def _unclear(check: str, code: Code, detail: str) -> Finding:
    return Finding(check=check, verdict=Verdict.INDETERMINATE, code=code, detail=detail)
