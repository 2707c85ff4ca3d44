"""
Verify a proof pack: whether the file is unchanged, who made it, and whether its captures verify.

The file is compared with its signed manifest, and each capture is verified as a bundle.

The checks have the order of docs/spec/proof-pack.md, "Verification": form and signature of the
manifest, every byte of the file, the key, the captures, the event. The file is read in blocks,
nothing is unpacked to disk, and nothing in the file is trusted. The page that a pack shows is not
interpreted, only compared with what was signed.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from functools import partial
from typing import BinaryIO

from snapshotter.errors import EvidenceInvalid
from snapshotter.formats.proofs import renewal as renewals
from snapshotter.formats.proofs import tlog_proof
from snapshotter.formats.proofs.leaf import TAKEDOWN, Leaf
from snapshotter.formats.statements import pack, takedown
from snapshotter.formats.statements.pack import Pack, PackInvalid, PackManifest
from snapshotter.model.finding import Code, Finding, Report, Verdict, overall
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.proof import OWN_WORD, Part, Role
from snapshotter.model.takedown import Observation, Takedown
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_order
from snapshotter.verify.bundle import verify_bundle
from snapshotter.verify.files import MAX_SIDECAR_BYTES
from snapshotter.verify.report_excerpt import report_excerpt
from snapshotter.verify.sidecars import sidecars_in
from snapshotter.verify.takedown import (
    EventReport,
    find_and_check_captures,
    not_derived_findings,
    read_event_record,
)
from snapshotter.verify.trust import Trust, judge_key


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureReport:
    """A capture of a pack, and the report of its own verification."""

    part: Part
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class PackReport:
    """All findings about one pack: about the file and about each capture."""

    findings: tuple[Finding, ...]  # about the file
    captures: tuple[CaptureReport, ...] = ()
    manifest: PackManifest | None = None  # None: it could not be read
    key_id: str = ""  # who signed it
    length: int = 0  # bytes
    trust: str = ""  # describes the trust file by which it was judged
    event: EventReport | None = None  # None: the pack has none, or it was not judged
    own_word: tuple[str, ...] = OWN_WORD  # fields and parts that only the signer states
    weak: tuple[UnprovenOrder, ...] = ()  # captures whose place in the order is not proven

    @property
    def verdict(self) -> Verdict:
        """The worst of its findings."""
        every = [*self.findings, *(self.event.findings if self.event else ())]
        return overall(
            [*every, *(finding for capture in self.captures for finding in capture.report.findings)]
        )


# Opens and verifies a capture of a pack: gives its report and its bytes.
LendCapture = Callable[[], AbstractContextManager[tuple[Report, BinaryIO]]]

# Judges the record of an event by the captures of its pack, given by the ids of their bundles. It
# opens each at most once and keeps none, because two hundred of them may not fit into memory.
JudgeEvent = Callable[[bytes, Mapping[str, LendCapture]], EventReport]


def verify_pack(
    stream: BinaryIO, trust: Trust, *, now: datetime, judge: JudgeEvent | None = None
) -> PackReport:
    """
    Return all findings about the pack in `stream`.

    Never raises for the content of the pack.

    Args:
        stream: Binary and seekable; read from its start, left open.
        now: The verifier's clock.
        judge: Judges the event by rules (`app/takedown/pack_verification.py`). Without it the
            record and the captures are judged, and an event is INDETERMINATE at best.

    Raises:
        OSError: The stream cannot be read, or changes meanwhile.
    """
    length = stream.seek(0, io.SEEK_END)
    try:
        found = pack.read(stream)
    except PackInvalid as error:
        finding = Finding.failed("manifest", error.code, str(error))
        return PackReport(findings=(finding,), length=length, trust=trust.source)
    findings = [
        Finding.passed(
            "manifest",
            tr(
                "the manifest of the pack has the required form, and the "
                "signature of the pack is valid"
            ),
        )
    ]
    altered = [
        Finding.failed("parts", Code.HASH, change.detail)
        for change in pack.find_alterations(stream, found)
    ]
    findings += altered or [Finding.passed("parts", _as_made(found))]
    captures: list[CaptureReport] = []
    event: EventReport | None = None
    order = capture_order.OrderFindings()
    if not altered:  # otherwise the rest would judge bytes that no signature covers
        findings.append(_key(found, trust))
        read = _Captures(stream, found, trust, now)
        event, more = _event(stream, found, trust, judge or partial(_by_record, trust), read)
        for part in found.manifest.captures:
            report = read.report(part)
            captures.append(CaptureReport(part=part, report=report))
            findings += _same(found, part, report)
        findings += _signed_apart(found, captures)
        findings += more
        findings += _lacks(found.manifest, event.event if event else None)
        if event is None:  # the roles of its captures still state an order
            order = _order(captures, trust)
            findings += order.findings
    return PackReport(
        findings=tuple(findings),
        captures=tuple(captures),
        manifest=found.manifest,
        key_id=found.key_id,
        length=length,
        trust=trust.source,
        event=event,
        weak=event.weak if event is not None else order.weak,
    )


def _as_made(found: Pack) -> str:
    return tr(
        "the page and the parts of the pack have not changed since the pack was signed; parts: "
        "{count}",
        count=len(found.manifest.parts),
    )


# The key. A pack has no token; its time is based on the tokens of its captures.


def _key(found: Pack, trust: Trust) -> Finding:
    key = trust.key(found.key_id)
    if key is None:
        detail = tr(
            "the key that signed the pack is not one of the keys that you trust: {key_id}",
            key_id=found.key_id,
        )
        return Finding.indeterminate("key", Code.KEY_UNKNOWN, detail)
    verdict, code, detail = judge_key(key, None)
    return Finding(check="key", verdict=verdict, code=code, detail=detail)


def _signed_apart(found: Pack, captures: Sequence[CaptureReport]) -> Iterator[Finding]:
    """Yield FAILED if one key signed the pack and captures: a stolen key must not make both."""
    both = [
        pack.describe(capture.part, found.manifest.parts)
        for capture in captures
        if found.key_id
        in {str(signer.get("key_id")) for signer in capture.report.record.get("signers", ())}
    ]
    if both:
        detail = tr(
            "the key that signed the pack also signed captures in the pack: {both}",
            both=", ".join(both),
        )
        yield Finding.failed("key", Code.EVENT_KEY, detail)


# The captures, each verified as a bundle with its sidecars in the pack.


class _Captures:
    """The captures of a pack, each verified when it is first needed."""

    def __init__(self, stream: BinaryIO, found: Pack, trust: Trust, now: datetime) -> None:
        self._stream, self._found, self._trust, self._now = stream, found, trust, now
        self._reports: dict[str, Report] = {}

    def report(self, part: Part) -> Report:
        """Return an excerpt of the report about a capture."""
        if part.name not in self._reports:
            with self.lent(part):
                pass
        return self._reports[part.name]

    @contextmanager
    def lent(self, part: Part) -> Iterator[tuple[Report, BinaryIO]]:
        """Open and verify a capture; give its whole report and its bytes."""
        beside = {
            sidecar.name.removeprefix(f"{part.name}."): pack.read_part(
                self._stream, self._found, sidecar, limit=sidecar.length
            )
            for sidecar in self._found.manifest.beside(part)
            if sidecar.length <= _MAX_BESIDE
        }
        with pack.open_part(self._stream, self._found, part) as opened:
            report = verify_bundle(opened, self._trust, now=self._now, sidecars=sidecars_in(beside))
            self._reports[part.name] = report_excerpt(report)
            yield report, opened


_MAX_BESIDE = max(MAX_SIDECAR_BYTES, tlog_proof.MAX_BYTES, renewals.MAX_BYTES)


def _same(found: Pack, part: Part, report: Report) -> Iterator[Finding]:
    """Yield the finding about a capture: whether it is the one that the pack names, and holds."""
    what = pack.describe(part, found.manifest.parts)
    if report.sha256 and report.sha256 != part.sha256:
        yield Finding.failed(
            "captures", Code.HASH, tr("{what} changed while it was read", what=what)
        )
    elif report.bundle_id and f"{report.bundle_id}.wacz" != part.name:
        detail = tr(
            "{what} contains another capture, {bundle_id}", what=what, bundle_id=report.bundle_id
        )
        yield Finding.failed("captures", Code.FORMAT, detail)
    elif report.verdict is Verdict.PASSED:
        yield Finding.passed(
            "captures", tr("{what} has not changed since it was sealed", what=what)
        )
    elif report.verdict is Verdict.INDETERMINATE:
        detail = tr(
            "no check of {what} failed, but the verification of this capture found results that "
            "are not established",
            what=what,
        )
        yield Finding.indeterminate("captures", _worst(report, Verdict.INDETERMINATE), detail)
    else:
        codes = ", ".join(report.codes(Verdict.FAILED))
        yield Finding.failed(
            "captures",
            _worst(report, Verdict.FAILED),
            tr("{what} failed its verification: {codes}", what=what, codes=codes),
        )


def _worst(report: Report, verdict: Verdict) -> Code:
    return next(finding.code for finding in report.findings if finding.verdict is verdict)


def _order(captures: Sequence[CaptureReport], trust: Trust) -> capture_order.OrderFindings:
    placed = [
        capture_order.CaptureInRole(
            role=capture_order.ROLES.get(capture.part.role, ""), found=capture.report.established
        )
        for capture in captures
        if capture.report.established is not None
    ]
    return capture_order.judge(placed, max_skew=trust.max_skew)


# The event: its record, and whether the captures in the pack are those on which it is based.


def _event(
    stream: BinaryIO, found: Pack, trust: Trust, judge: JudgeEvent, captures: _Captures
) -> tuple[EventReport | None, list[Finding]]:
    manifest = found.manifest
    records = manifest.of_role(Role.EVENT)
    if not records:
        if not manifest.event_id:
            return None, []
        return None, [
            Finding.failed(
                "event",
                Code.MISSING,
                tr("the event {event_id} is missing", event_id=manifest.event_id),
            )
        ]
    packed = {
        part.name.removesuffix(".wacz"): partial(captures.lent, part) for part in manifest.captures
    }
    try:
        data = pack.read_part(stream, found, records[0], limit=takedown.MAX_BYTES)
    except PackInvalid as error:
        return None, [Finding.failed("event", error.code, str(error))]
    report = judge(data, packed)
    if report.event is None:
        return report, []
    findings = [*_captures_of(report.event, manifest)]
    if report.event.event_id != manifest.event_id:
        detail = tr(
            "the record in the pack belongs to another event, {event_id}",
            event_id=report.event.event_id,
        )
        findings.append(Finding.failed("event", Code.EVENT, detail))
    leaf = Leaf(kind=TAKEDOWN, name=report.event.event_id, sha256=records[0].sha256)
    findings += _logged(stream, found, trust, leaf)
    return report, findings


def _by_record(trust: Trust, data: bytes, packed: Mapping[str, LendCapture]) -> EventReport:
    """Judge an event without rules; its conclusion is INDETERMINATE at best."""

    def verified(bundle_id: str) -> Report | None:
        if bundle_id not in packed:
            return None
        with packed[bundle_id]() as (report, _):
            return report_excerpt(report)

    found = read_event_record(data, trust)
    if found.event is None:
        return found
    return find_and_check_captures(found, verified, trust).with_more(not_derived_findings(), ())


def _captures_of(event: Takedown, manifest: PackManifest) -> Iterator[Finding]:
    """Yield the captures of the pack whose role the event does not give them."""
    wanted: dict[str, set[Role]] = {}
    for role, observations in _roles_of(event):
        for observation in observations:
            wanted.setdefault(f"{observation.bundle_id}.wacz", set()).add(role)
    wrong = [part for part in manifest.captures if part.role not in wanted.get(part.name, set())]
    for part in wrong:
        what = pack.describe(part, manifest.parts)
        yield Finding.failed(
            "event",
            Code.EVENT,
            tr("the event does not list {what} in the role that the pack states", what=what),
        )
    if not wrong:
        yield Finding.passed(
            "event", tr("the captures in the pack are the captures that the event names")
        )


def _roles_of(event: Takedown) -> Iterator[tuple[Role, Sequence[Observation]]]:
    yield Role.LAST_SEEN, (event.last_seen,)
    yield Role.FIRST_GONE, (event.first_gone,)
    yield Role.CONFIRMATION, event.confirmations
    yield Role.CONTROL, event.controls
    yield Role.VANTAGE, event.vantages
    yield Role.IDENTITY, event.identified_by


def _lacks(manifest: PackManifest, event: Takedown | None) -> Iterator[Finding]:
    """Yield what the manifest lists as left out although it is present or not part of the event."""
    here = {part.role for part in manifest.parts}
    wrong = [role.value for role in (Role.PICTURE, Role.PDF) if role in here]
    names = {part.name for part in manifest.captures}
    known = (
        {f"{observation.bundle_id}.wacz" for observation in (event.last_seen, event.first_gone)}
        if event
        else set()
    )
    for role, word in _LEFT_OUT.items():
        if event is None:
            wrong += [word] if role in here else []
            continue
        its = {
            f"{observation.bundle_id}.wacz" for observation in dict(_roles_of(event))[role]
        } - known
        known |= its  # if a capture has several roles, the first counts
        wrong += [word] if its <= names else []
    for word in wrong:
        if word in manifest.lacks:
            yield Finding.failed(
                "manifest",
                Code.MANIFEST,
                tr(
                    "the manifest lists {word} as left out, but the pack contains {word}",
                    word=word,
                ),
            )


_LEFT_OUT = {
    Role.CONFIRMATION: "confirmations", Role.CONTROL: "controls", Role.VANTAGE: "vantages",
}  # fmt: skip


def _logged(stream: BinaryIO, found: Pack, trust: Trust, entry: Leaf) -> Iterator[Finding]:
    """Yield the finding of the event's log proof; one that does not hold is INDETERMINATE."""
    proofs = found.manifest.of_role(Role.EVENT_PROOF)
    if trust.log is None or not proofs:
        return
    try:
        data = pack.read_part(stream, found, proofs[0], limit=tlog_proof.MAX_BYTES)
        checkpoint = tlog_proof.checkpoint_in(data)
        policy = trust.log.of_log(checkpoint)
        if checkpoint and checkpoint.partition(b"\n")[0] != policy.key.name.encode():
            detail = tr("the log proof of the event is from a log that you do not trust")
            yield Finding.indeterminate("event", Code.LOG, detail)
            return
        read, _ = tlog_proof.check(data, entry.encode(), policy.key, policy.witnesses)
    except EvidenceInvalid as error:
        yield Finding.indeterminate(
            "event", Code.LOG, tr("the log proof of the event is not valid: {error}", error=error)
        )
        return
    yield Finding.passed(
        "event",
        tr("the log contains the event as the entry with the index {index}", index=read.index),
    )
