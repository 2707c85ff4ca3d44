"""
Make a proof pack: one HTML file with captures from the store and what follows from them.

Each capture is verified first, and the finished pack as well. If the result is FAILED, no pack is
written. The file appears complete or not at all (docs/spec/proof-pack.md).
"""

import base64
import hashlib
import io
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from snapshotter import durable
from snapshotter.app.archive import bundle_facts, bundles, quarantined
from snapshotter.app.archive.assessment import AssessorOf, BundleFiles, read_assessment, rederive
from snapshotter.app.archive.observations import observe
from snapshotter.app.archive.verified_tokens import verified_tokens
from snapshotter.app.spool import scratch_directory
from snapshotter.app.takedown import pack_picture
from snapshotter.app.takedown.kept_comparisons import KeptComparisons
from snapshotter.app.takedown.pack_picture import PackedCapture
from snapshotter.errors import EvidenceInvalid, SnapshotterError, is_disk_full
from snapshotter.formats import canonical_json
from snapshotter.formats.bundle import names
from snapshotter.formats.page import assessment as assessments
from snapshotter.formats.printable import cut
from snapshotter.formats.statements import pack
from snapshotter.formats.statements.pack import BUNDLE_TYPE, PackManifest
from snapshotter.model import sentences
from snapshotter.model.assessment import Availability
from snapshotter.model.finding import Report, Verdict
from snapshotter.model.order import UnprovenOrder
from snapshotter.model.proof import ENDS, Part, Role
from snapshotter.model.reading import Readings, Region
from snapshotter.model.takedown import ACCOUNT_KINDS, Observation, Takedown, TakedownKind
from snapshotter.policy.page_identity import PageIdentityRules
from snapshotter.ports import Clock, ObjectStore, ShowMessage, Signer
from snapshotter.report import pack as pages
from snapshotter.report import statement
from snapshotter.report.statement import Exhibit, Statement
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify import capture_order
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.proof_pack import JudgeEvent, PackReport, verify_pack
from snapshotter.verify.trust import Trust

MAIL_BYTES = 25_000_000  # what most mail servers still take, in decimal megabytes as they count

_LEFT_OUT = {
    Role.CONFIRMATION: "confirmations", Role.CONTROL: "controls", Role.VANTAGE: "vantages",
}  # fmt: skip
_TEXT = "capture/page.txt"
_MAX_TEXT = 1 << 20  # bytes
_TELLING = 12  # characters: a shorter line is a button or a name
_EXCERPT = 300  # characters
# The media type of a sidecar, by the end of its name. Custody sidecars are not handed out.
_BESIDE = {
    ".tsr": "application/timestamp-reply",
    ".tlog-proof": "text/plain",
    ".txt": "text/plain",
}

PrintPdf = Callable[[str, Path, datetime], bytes]  # HTML, a path to work beside, the date: PDF


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofCase:
    """The captures of a pack, and what was concluded from them."""

    captures: tuple[tuple[Role, str], ...]  # ids of bundles, both ends first
    kind: TakedownKind = TakedownKind.REMOVED
    event: Takedown | None = None  # None: nothing was
    record: bytes = b""  # of the event, signed
    record_proof: bytes = b""  # that it is in the log

    @classmethod
    def of(cls, event: Takedown, record: bytes, record_proof: bytes = b"") -> "ProofCase":
        """Return the case of an event that was concluded."""
        ends = (event.last_seen, event.first_gone)
        captures = [
            (role, observation.bundle_id) for role, observation in zip(ENDS, ends, strict=True)
        ]
        for role, others in (
            (Role.CONFIRMATION, event.confirmations),
            (Role.CONTROL, event.controls),
            (Role.VANTAGE, event.vantages),
            (Role.IDENTITY, event.identified_by),
        ):
            known = {bundle_id for _, bundle_id in captures}
            captures += [
                (role, observation.bundle_id)
                for observation in others
                if observation.bundle_id not in known
            ]
        return cls(
            captures=tuple(captures),
            kind=event.kind,
            event=event,
            record=record,
            record_proof=record_proof,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofService:
    """What is needed to make packs."""

    store: ObjectStore
    signer: Signer  # the event key: it signs no captures
    trust: Trust
    rules: PageIdentityRules
    clock: Clock
    software: str
    spool_dir: Path  # where copies of the captures are while a pack is made
    # Whether a key of this id may end a quarantine. A pack has no capture in quarantine.
    is_trusted: Callable[[str], bool] = lambda key_id: False
    printer: PrintPdf | None = None  # None: no PDF
    trust_files: tuple[tuple[str, bytes], ...] = ()  # (name, bytes), for information
    root_key_id: str = ""
    show_message: ShowMessage = lambda text: None
    judge: JudgeEvent | None = (
        None  # of the event, by rules; None: an event is INDETERMINATE at best
    )
    # Derives again what each capture shows, by its rules; None: its own assessment is used.
    assessor_of: AssessorOf | None = None
    comparisons: KeptComparisons[Any] | None = None  # that are used again


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenPack:
    """A pack that was written."""

    file: Path
    length: int  # bytes
    manifest: PackManifest
    statement: Statement
    report: PackReport  # by our own verifier


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A part of the pack, and where its bytes are."""

    part: Part
    data: bytes | Path

    def open(self) -> BinaryIO:
        return self.data.open("rb") if isinstance(self.data, Path) else io.BytesIO(self.data)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Capture:
    """A verified bundle on disk, and what it shows."""

    exhibit: Exhibit
    report: Report
    files: tuple[Path, ...]  # the bundle first, then what goes with it
    sha256: str
    length: int


def make(
    service: ProofService,
    case: ProofCase,
    target: Path,
    *,
    without: frozenset[str] = frozenset(),
    max_bytes: int | None = None,
) -> WrittenPack:
    """
    Write the pack of a case.

    Args:
        target: The file; one that is there is replaced.
        without: The parts to leave out, of "confirmations", "controls", "pdf" and "vantages". The
            statement still names them.
        max_bytes: The most that the file may have.

    Raises:
        EvidenceInvalid: A capture does not hold. No pack is made of it.
        PolicyRefused: A capture is in quarantine. No pack is made.
        SnapshotterError: No such bundle, no space, or the file would be larger than it may be.
    """
    target = Path(os.path.abspath(target))
    try:
        with scratch_directory(service.spool_dir, "pack") as folder, durable.growing(target) as out:
            return _make(service, case, target, folder, out, without, max_bytes)
    except OSError as error:
        hint = (
            tr("free space on the disk, or name another file with -o")
            if is_disk_full(error)
            else ""
        )
        raise SnapshotterError(f"{target}: {error.strerror or error}", hint=hint) from error


def _make(
    service: ProofService,
    case: ProofCase,
    target: Path,
    folder: Path,
    out: BinaryIO,
    without: frozenset[str],
    max_bytes: int | None,
) -> WrittenPack:
    now = service.clock.now().replace(microsecond=0)
    for _, bundle_id in case.captures:
        quarantined.require_visible(service.store, bundle_id, service.is_trusted)
    captures = [_capture(service, role, path, folder / path, now) for role, path in case.captures]
    _check(case, captures)
    service.show_message(tr("captures copied and verified: {count}", count=len(captures)))
    inside = [capture for capture in captures if _LEFT_OUT.get(capture.exhibit.role) not in without]
    files = [file for capture in inside for file in _bundle_files(capture)]
    files += _evidence_files(service, case, captures)
    size = sum(pack.block_length(file.part) for file in files)
    _refuse_size(size, max_bytes, captures)  # before time is spent on the rest
    lacks = {_LEFT_OUT[capture.exhibit.role] for capture in captures if capture not in inside}
    said = Statement(
        exhibits=tuple(
            replace(capture.exhibit, enclosed=capture in inside) for capture in captures
        ),
        event=case.event,
        kind=case.kind,
        made_at=now,
        software=service.software,
        key_id=service.signer.key_id,
        root_key_id=service.root_key_id,
        event_logged=bool(case.record_proof),
        weak=_weak(service, captures),
    )
    picture, is_marked = pack_picture.draw(
        said,
        [
            PackedCapture(exhibit=capture.exhibit, bundle=capture.files[0], report=capture.report)
            for capture in captures[:2]
        ],
        service.assessor_of,
        service.rules,
        service.comparisons,
    )
    said = replace(said, marked=is_marked)
    files.append(_file("side-by-side.png", Role.PICTURE, "image/png", picture))
    pdf = None
    if "pdf" not in without:
        on_paper = replace(said, lacks=tuple(sorted(lacks)))
        there = [file.part for file in files]
        listed = [(part, pack.describe(part, there)) for part in there]
        pdf = _pdf(service, statement.sheet(on_paper, listed, picture=_data_url(picture)), folder)
    if pdf is None:
        lacks.add("pdf")
    else:
        files.append(_file("statement.pdf", Role.PDF, "application/pdf", pdf))
    said = replace(said, lacks=tuple(sorted(lacks)))
    facts = canonical_json.dumps(statement.facts(said)) + b"\n"
    files.append(_file("statement.json", Role.FACTS, "application/json", facts))
    length, manifest = _write(service, said, files, out, max_bytes, captures)
    out.seek(0)
    report = verify_pack(out, service.trust, now=service.clock.now(), judge=service.judge)
    if report.verdict is Verdict.FAILED:
        raise EvidenceInvalid(
            tr(
                "the proof pack was deleted, because its verification failed: {why}",
                why=_why(report),
            ),
            hint=tr(
                "verify each capture of the event, to find out what is wrong:\n  snapshotter "
                "verify BUNDLE-ID"
            ),
        )
    return WrittenPack(file=target, length=length, manifest=manifest, statement=said, report=report)


def _write(
    service: ProofService,
    said: Statement,
    files: Sequence[_File],
    out: BinaryIO,
    max_bytes: int | None,
    captures: Sequence[_Capture],
) -> tuple[int, PackManifest]:
    parts = [file.part for file in files]
    if len(parts) > pack.MAX_PARTS:
        raise SnapshotterError(
            tr(
                "the pack would have {count} parts, but at most {max_parts} are possible",
                count=len(parts),
                max_parts=pack.MAX_PARTS,
            ),
            hint=tr("make a smaller pack with --without confirmations"),
        )
    page = pages.page(said, [(part, pack.describe(part, parts)) for part in parts])
    end = pages.end()
    manifest = PackManifest(
        event_id=said.event.event_id if said.event else "",
        made_at=said.made_at,
        software=service.software,
        lacks=said.lacks,
        page=pack.section_of(page),
        text_sha256=pages.shown_sha256(page, parts, end),
        parts=tuple(parts),
        end=pack.section_of(end),
    )
    length = pack.write(page, end, manifest, [file.open for file in files], service.signer, out)
    _refuse_size(length, max_bytes, captures)
    return length, manifest


def _refuse_size(length: int, most: int | None, captures: Sequence[_Capture]) -> None:
    if most is None or length <= most:
        return
    more = sorted(
        {
            _LEFT_OUT[capture.exhibit.role]
            for capture in captures
            if capture.exhibit.role in _LEFT_OUT
        }
    )
    options = " ".join(f"--without {option}" for option in more)
    raise SnapshotterError(
        tr(
            "the size of the pack would be {megabytes}, but at most {megabytes2} are allowed",
            megabytes=format_megabytes(length),
            megabytes2=format_megabytes(most),
        ),
        hint=tr("make a smaller pack with {options}", options=options)
        if more
        else tr(
            "the pack contains only the two captures that every pack needs, so the pack "
            "cannot be made smaller"
        ),
    )


def format_megabytes(length: int) -> str:
    """Return a length as mail programs count it."""
    return f"{length / 1_000_000:.1f} MB"


def _why(report: PackReport) -> str:
    findings = (*report.findings, *(report.event.findings if report.event else ()))
    return "; ".join(finding.detail for finding in findings if finding.verdict is Verdict.FAILED)


# --- captures -------------------------------------------------------------------------------


def _capture(
    service: ProofService, role: Role, bundle_id: str, folder: Path, now: datetime
) -> _Capture:
    """Copy a bundle out of the store, verify it, and read what it shows."""
    files = bundles.export(service.store, bundle_id, folder)
    bundle = files[0]
    with bundle.open("rb") as stream:
        report = verify_on_disk(stream, bundle, service.trust, now=now)
        if report.verdict is Verdict.FAILED:
            raise EvidenceInvalid(
                tr(
                    "the verdict about the capture {bundle_id} is FAILED, so no proof pack is made "
                    "from this capture",
                    bundle_id=bundle_id,
                ),
                hint=tr(
                    "show what is wrong with the capture:\n  snapshotter verify {bundle_id}",
                    bundle_id=bundle_id,
                ),
            )
        log_proof = bundle.with_name(f"{bundle.name}.{names.LOG_PROOF}")
        exhibit = _exhibit(service, role, stream, bundle, report, log_proof in files)
        exhibit = replace(exhibit, operator=_operator(bundle, files))
    return _Capture(
        exhibit=exhibit,
        report=report,
        files=tuple(file for file in files if file == bundle or _beside_type(file) is not None),
        sha256=report.sha256,
        length=report.length,
    )


def _operator(bundle: Path, files: Sequence[Path]) -> str:
    """Return the person or pseudonym that the custody chain names first; "" for none."""
    first = bundle.with_name(f"{bundle.name}.{bundle_facts.FIRST_CUSTODY}")
    return bundle_facts.operator_of(first.read_bytes()) if first in files else ""


def _weak(service: ProofService, captures: Sequence[_Capture]) -> tuple[UnprovenOrder, ...]:
    """Return the captures whose place in the order is not proven, by the maker's trust file."""
    placed = [
        capture_order.CaptureInRole(
            role=capture_order.ROLES.get(capture.exhibit.role, ""), found=capture.report.established
        )
        for capture in captures
        if capture.report.established is not None
    ]
    return capture_order.judge(placed, max_skew=service.trust.max_skew).weak


def _exhibit(
    service: ProofService,
    role: Role,
    stream: BinaryIO,
    bundle: Path,
    report: Report,
    has_proof: bool,
) -> Exhibit:
    facts = report.established
    problem = tr("the capture record is invalid")
    seen, assessed = None, None
    try:
        if facts is not None:
            files = BundleFiles(stream, facts)
            assessed = read_assessment(files)
            if assessed is not None and service.assessor_of is not None:
                assessed = rederive(files, service.assessor_of).assessment
            problem = tr("the capture was made by an earlier version, without a verdict")
        if facts is not None and assessed is not None:
            seen = observe(facts, assessed, proven_at=report.proven_time, rules=service.rules)
    except EvidenceInvalid as error:
        problem = error.message
    if seen is None or assessed is None:
        raise SnapshotterError(
            tr(
                "the capture {bundle_id} does not establish whether the page was available: "
                "{problem}",
                bundle_id=report.bundle_id,
                problem=problem,
            ),
            hint=tr("capture the page again with this version"),
        )
    there = bundles.read_member_names(stream)
    unclear = {
        finding.code.value
        for finding in report.findings
        if finding.verdict is Verdict.INDETERMINATE
    }
    in_log = {finding.verdict for finding in report.findings if finding.check == "log"}
    text = pack_picture.read_member(stream, there, _TEXT, _MAX_TEXT).decode("utf-8", "replace")
    return Exhibit(
        role=role,
        observation=seen,
        record=report.record,
        assessment=assessed,
        stamps=tuple(
            statement.CaptureToken(authority=stamp.anchor.name, at=stamp.token.time)
            for stamp in verified_tokens(bundle, service.trust)
            if stamp.slot == 1
        ),
        verdict=report.verdict,
        codes=tuple(sorted(unclear)),
        logged=has_proof and in_log == {Verdict.PASSED},
        excerpt=(
            _excerpt(text, assessed.readings) if seen.availability is Availability.AVAILABLE else ""
        ),
    )


def _excerpt(text: str, readings: Readings) -> str:
    """
    Return the headline and the beginning of the main text of a page.

    Short lines are left out. If no main text was found, the whole text is used.
    """
    headlines = {block.selector for block in readings.regions if block.region is Region.HEADLINE}
    titles = [
        " ".join(metadatum.value.split())
        for metadatum in readings.metadata
        if metadatum.name == "title" and metadatum.where in headlines
    ]
    lines = [" ".join(line.split()) for line in (readings.main_text or text).splitlines()]
    telling = [line for line in lines if len(line) >= _TELLING and line not in titles]
    return cut("\n".join([*titles[:1], *telling][:3]), _EXCERPT)


def _check(case: ProofCase, captures: Sequence[_Capture]) -> None:
    """Refuse a case whose pack would prove less than it appears to."""
    if case.kind is TakedownKind.CHANGED and case.event is None:
        raise ValueError("a pack of a change needs its event")
    if case.event is not None:
        named: dict[str, Observation] = {
            observation.bundle_id: observation
            for observation in (
                *(case.event.last_seen, case.event.first_gone, *case.event.confirmations),
                *(*case.event.controls, *case.event.vantages, *case.event.identified_by),
            )
        }
        for capture in captures:
            bundle_id = capture.exhibit.observation.bundle_id
            if named[bundle_id].sha256 != capture.sha256:
                raise EvidenceInvalid(
                    tr(
                        "the digest of the capture {bundle_id} in the store differs from the "
                        "digest that the event states",
                        bundle_id=bundle_id,
                    ),
                    hint=tr("audit the store to find out why:\n  snapshotter audit"),
                )
    seen, gone = (capture.exhibit.observation for capture in captures[:2])
    account = case.kind in ACCOUNT_KINDS
    if seen.identity != gone.identity and not account:
        raise SnapshotterError(
            tr(
                "{bundle_id} and {bundle_id2} are captures of two different pages: {url} and "
                "{url2}",
                bundle_id=seen.bundle_id,
                bundle_id2=gone.bundle_id,
                url=seen.url,
                url2=gone.url,
            ),
            hint=tr(
                "give the id of the last capture that shows the page, then the id of the "
                "first capture that does not show the page"
            ),
        )
    if case.kind is TakedownKind.CHANGED:
        return  # what the captures show follows from their comparison
    for shown, wanted in ((seen, Availability.AVAILABLE), (gone, Availability.UNAVAILABLE)):
        if shown.availability is not wanted and not account:
            raise SnapshotterError(
                tr(
                    "the capture {bundle_id} does not show that the page was {page_states}: "
                    "{observation}",
                    bundle_id=shown.bundle_id,
                    page_states=sentences.PAGE_STATES[wanted],
                    observation=sentences.describe_observation(shown),
                ),
                hint=tr(
                    "give the id of the last capture that shows the page, then the id of the "
                    "first capture that does not show the page"
                ),
            )


# --- parts ----------------------------------------------------------------------------------


def _bundle_files(capture: _Capture) -> Iterator[_File]:
    bundle, *beside = capture.files
    part = Part(
        name=bundle.name,
        role=capture.exhibit.role,
        media_type=BUNDLE_TYPE,
        length=capture.length,
        sha256=capture.sha256,
    )
    yield _File(part=part, data=bundle)
    for path in beside:
        made = _file(path.name, Role.BESIDE, str(_beside_type(path)), path.read_bytes())
        yield _File(part=replace(made.part, of=bundle.name), data=path)


def _beside_type(path: Path) -> str | None:
    return next((kind for end, kind in _BESIDE.items() if path.name.endswith(end)), None)


def _evidence_files(
    service: ProofService, case: ProofCase, captures: Sequence[_Capture]
) -> Iterator[_File]:
    """Yield the event, the key, the trust file and the rules."""
    if case.event is not None:
        name = f"{case.event.event_id}.json"
        yield _file(name, Role.EVENT, "application/json", case.record)
        if case.record_proof:
            proof = f"{name}.{names.LOG_PROOF}"
            yield _file(proof, Role.EVENT_PROOF, "text/plain", case.record_proof)
    yield _file("event-key.pem", Role.KEY, "application/x-pem-file", service.signer.public_key_pem)
    for name, data in service.trust_files:
        yield _file(name, Role.TRUST, "application/octet-stream", data)
    with captures[1].files[0].open("rb") as stream:
        for path in assessments.rules_in(bundles.read_member_names(stream)).values():
            data = bundles.read_member(stream, path, limit=assessments.MAX_RULES_BYTES)
            yield _file(path.rpartition("/")[2], Role.RULES, "application/toml", data)


def _file(name: str, role: Role, media_type: str, data: bytes) -> _File:
    part = Part(
        name=name,
        role=role,
        media_type=media_type,
        length=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    return _File(part=part, data=data)


def _pdf(service: ProofService, sheet: str, folder: Path) -> bytes | None:
    """Print the statement as PDF; a pack without it states that."""
    if service.printer is None:
        return None
    try:
        return service.printer(sheet, folder / "sheet", service.clock.now())
    except SnapshotterError as error:
        service.show_message(tr("the proof pack has no PDF: {value}", value=error.message))
        return None


def _data_url(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
