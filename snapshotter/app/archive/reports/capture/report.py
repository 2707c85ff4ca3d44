"""
Make the report about one capture, which a lawyer can print, sign and file.

`make_file_report` and `make_stored_report` verify a bundle at a given time and return its report
(docs/spec/report.md). A bundle that FAILED gets a report as well, which says so first and calls
no value verified.
"""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Final

from snapshotter.app.archive import capture_page
from snapshotter.app.archive.assessment import BundleFiles
from snapshotter.app.archive.capture_page import CaptureSource, read_material
from snapshotter.app.archive.reports.capture.evidence import Evidence, ReadToken, trust_words
from snapshotter.app.archive.reports.capture.groups import groups
from snapshotter.app.archive.reports.capture.statements import LIMITS, statements
from snapshotter.errors import EvidenceInvalid, SnapshotterError, UsageMistake
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import custody_sidecars, names
from snapshotter.formats.proofs import rfc3161
from snapshotter.model import sentences
from snapshotter.model.annotation_state import CaptureState as CaptureAnnotations
from snapshotter.model.annotations import Mark
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.capture import Outcome
from snapshotter.model.capture_report import CaptureReport, ShownPicture
from snapshotter.model.finding import Verdict
from snapshotter.ports import ReadableStore
from snapshotter.report.capture_page import CaptureMaterial
from snapshotter.report.local_time import LocalTime
from snapshotter.report.missing_parts import missing_parts
from snapshotter.report.picture_copies import PictureCopy, PieceShape
from snapshotter.report.states import OPEN, StateLabel, page_label
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.sidecars import Sidecars
from snapshotter.verify.trust import Trust

MAX_TEXT: Final = 20_000  # characters of the page's text that the report has
# A piece of the picture fits a sheet of A4 and of Letter, with a line about it below.
SHAPE: Final = PieceShape(per_mille=1_280, overlap=80)
_MAX_JSON: Final = 16 << 20
_MAX_POLICY: Final = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeReport:
    """A report, and the picture that its page shows."""

    report: CaptureReport
    picture: PictureCopy | None
    page: StateLabel  # the answer to "Is the page there?"


def make_file_report(
    name: str,
    file: Path,
    stream: BinaryIO,
    trust: Trust,
    *,
    now: datetime,
    local: LocalTime,
    allow_redacted: bool = False,
) -> MadeReport:
    """
    Verify a bundle that is a file, with the sidecars in its folder, and return its report.

    Args:
        name: The file as it was given.
        stream: The file, seekable; left open.
        now: The time of the verification.
        allow_redacted: Whether the file may be a redacted copy; else such a copy FAILED.

    Raises:
        NotEvidence: The file is no bundle, and no damaged bundle.
        OSError, SnapshotterError: The file cannot be read.
    """
    source = capture_page.verify_file(
        name, file, stream, trust, now=now, allow_redacted=allow_redacted
    )
    return make_report(source, trust, local)


def make_stored_report(
    bundle_id: str,
    store: ReadableStore,
    trust: Trust,
    *,
    now: datetime,
    local: LocalTime,
    annotations: CaptureAnnotations | None = None,
    case: str = "",
    shape: PieceShape = SHAPE,
) -> MadeReport:
    """
    Verify a copy of a stored bundle with its sidecars, and return its report.

    Args:
        now: The time of the verification.
        annotations: Only the mark for graphic pictures and the number in the case are used.
        case: The report states the number of the capture in this case; "": in none.
        shape: Of the pieces of the picture.

    Raises:
        UsageMistake: The capture is not in the case.
        OSError, SnapshotterError: The store does not have the bundle, or cannot be read.
    """
    exhibit = ""
    if case:
        number = annotations.cases.get(case) if annotations is not None else None
        if number is None:
            raise UsageMistake(
                tr(
                    "the capture {bundle_id} is not in the case {case}",
                    bundle_id=bundle_id,
                    case=case,
                ),
                hint=tr(
                    "put the capture into the case:\n  snapshotter case add {case} {bundle_id}",
                    case=case,
                    bundle_id=bundle_id,
                ),
            )
        exhibit = tr("{case}, Exhibit {number}", case=case, number=number)
    with capture_page.verified_copy(
        bundle_id, store, trust, now=now, annotations=annotations, others_of=lambda url: ((), ())
    ) as source:
        return make_report(source, trust, local, exhibit, shape=shape)


def make_report(
    source: CaptureSource,
    trust: Trust,
    local: LocalTime,
    exhibit: str = "",
    *,
    shape: PieceShape = SHAPE,
) -> MadeReport:
    """
    Return the report about a bundle that was verified.

    Args:
        trust: By which it was verified.
        exhibit: The number that the report states, with its case; "" for none.
        shape: Of the pieces of the picture.
    """
    material = read_material(source, shape=shape)
    evidence = replace(_evidence(source, material, trust), exhibit=exhibit)
    record, report = material.record, source.report
    made = groups(evidence, local)
    capture = sentences.CaptureState.of_record(record)
    said = statements(evidence, made, local)
    missing = [part for part in missing_parts(record, capture) if not part.is_warning]
    text = _excerpt(material.text)
    return MadeReport(
        report=CaptureReport(
            bundle_id=evidence.bundle_id,
            title=evidence.record.text("/what/title"),
            language=evidence.record.text("/content/document_language"),
            verdict=report.verdict,
            sentences=said.sentences,
            statements=said.statements,
            missing=tuple(
                " ".join(filter(None, (part.words, sentences.as_sentence(part.detail.rstrip(".")))))
                for part in missing
            ),
            picture=_picture(material, evidence),
            text=text,
            text_total=material.text_length,
            groups=made,
            findings=report.findings,
            verified_at=source.now.replace(microsecond=0),
            software=material.software,
            trust=trust_words(evidence),
            zone=local.name(report.captured_at or source.now),
            commands=material.without,
            limits=LIMITS,
            unread=(*material.unread, *evidence.unread),
        ),
        picture=material.picture,
        page=_page_label(material, capture.outcome if record else None),
    )


def _page_label(material: CaptureMaterial, outcome: Outcome | None) -> StateLabel:
    if material.report.verdict is Verdict.FAILED:
        return OPEN
    assessed = material.assessment
    return page_label(AssessmentSummary.of(assessed) if assessed is not None else None, outcome)


def _excerpt(text: str) -> str:
    """Return the beginning of a text, which ends at a word if the text has words."""
    if len(text) <= MAX_TEXT:
        return text
    begin = text[:MAX_TEXT]
    at = max(begin.rfind(" "), begin.rfind("\n"))
    return begin[:at] if at > MAX_TEXT // 2 else begin


def _picture(material: CaptureMaterial, evidence: Evidence) -> ShownPicture | None:
    if material.picture is None:
        return None
    marks = material.annotations.marks if material.annotations is not None else ()
    return ShownPicture(
        path=material.picture_path,
        sha256=evidence.digests.get(material.picture_path, ""),
        width=material.picture.width,
        height=material.picture.height,
        is_whole_page="screenshot" in material.picture_path,
        is_cut=material.picture.cut,
        is_narrowed=material.picture.narrowed,
        is_graphic=Mark.GRAPHIC in marks,
    )


# --- what is read from the bundle beyond the page about it --------------------------------------


def _evidence(source: CaptureSource, material: CaptureMaterial, trust: Trust) -> Evidence:
    unread = list[str]()
    part = partial(capture_page.read_part, unread)
    files = None
    with contextlib.suppress(SnapshotterError):  # `material.unread` names it
        files = BundleFiles(source.stream, source.report.established)
    return Evidence(
        material=material,
        report=source.report,
        trust=trust,
        network=part(tr("connections"), partial(_json, files, "capture/network.json")),
        assessment=part(tr("assessment"), partial(_json, files, "capture/assessment.json")),
        policy=part(tr("policy"), partial(_policy, files)) or "",
        chain=part(tr("custody chain"), partial(_chain, files, source.sidecars)) or (),
        tokens=part(
            tr("timestamp tokens"),
            lambda: tuple(_tokens(files, source.sidecars, trust)),
        )
        or (),
        unread=tuple(found for found in unread if found not in material.unread),
    )


def _json(files: BundleFiles | None, path: str) -> Any:
    data = _bytes(files, path, _MAX_JSON)
    return canonical_json.loads(data) if data else None


def _policy(files: BundleFiles | None) -> str:
    return _bytes(files, "capture/policy.toml", _MAX_POLICY).decode("utf-8", "replace")


def _bytes(files: BundleFiles | None, path: str, limit: int) -> bytes:
    stream = files.open(path) if files is not None else None
    if stream is None:
        return b""
    with stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise EvidenceInvalid(tr("{path} is too long to be shown", path=path))
    return data


def _chain(
    files: BundleFiles | None, sidecars: Sidecars
) -> tuple[custody_sidecars.ChainedEvent, ...]:
    inside = _bytes(files, names.CUSTODY, custody_sidecars.MAX_BYTES) or None
    return custody_sidecars.check(inside, sidecars.custody).events


def _tokens(files: BundleFiles | None, sidecars: Sidecars, trust: Trust) -> Iterator[ReadToken]:
    """Yield the timestamp tokens of a bundle, those after the seal last."""
    if files is None:
        return
    signatures = {
        slot: data
        for slot in range(1, names.MAX_SIGNATURES + 1)
        if (data := _bytes(files, names.signature(slot), rfc3161.MAX_RESPONSE_BYTES))
    }
    inside = (
        (names.token(slot, number), (slot,))
        for slot in signatures
        for number in range(1, names.MAX_TOKENS + 1)
    )
    for file, slots in inside:
        data = _bytes(files, file, rfc3161.MAX_RESPONSE_BYTES)
        if data:
            yield from _token(file, data, slots, signatures, trust)
    for number, data in enumerate(sidecars.late_tokens, start=1):
        yield from _token(names.late_token(number), data, tuple(signatures), signatures, trust)


def _token(
    file: str,
    data: bytes,
    slots: Sequence[int],
    signatures: Mapping[int, bytes],
    trust: Trust,
) -> Iterator[ReadToken]:
    for slot in slots:
        for anchor in trust.authorities:
            try:
                token = rfc3161.check_response(data, signatures[slot], anchor)
            except rfc3161.TokenInvalid:
                continue  # of another authority, or over another signature
            yield ReadToken(file=file, slot=slot, authority=anchor.name, token=token)
            return
    try:
        yield ReadToken(file=file, slot=None, authority="", token=rfc3161.read_token(data))
    except rfc3161.TokenInvalid:
        return  # the checks of the report name it
