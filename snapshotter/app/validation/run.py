"""
Run a self-test: capture pages whose content is known, alter copies, and ask both verifiers.

    (1) each page of the table of truths is captured, sealed and stored by the code of `capture`
    (2) values are read from the sealed bundle, and compared with the table
    (3) both verifiers judge each bundle, which must be PASSED
    (4) copies of one bundle are altered, and both verifiers must refuse each copy with its codes

Nothing here decides by itself what is right: the tables do, and they were written before.
"""

import hashlib
import json
import os
import struct
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec

import snapshotter
from snapshotter.app.demo import DemoEnvironment
from snapshotter.app.trust import files as trust_files
from snapshotter.app.validation.alterations import ALTERATIONS, Alteration, Source, unpack
from snapshotter.app.validation.installation import package_sha256
from snapshotter.app.validation.second_verifier import NAME, SecondVerifier, VerifierResult
from snapshotter.app.validation.truths import TRUTHS, Truth
from snapshotter.compare import word_diff
from snapshotter.compare.sequences import StepBudget
from snapshotter.errors import SnapshotterError
from snapshotter.formats.bundle import names
from snapshotter.model.comparison import Op
from snapshotter.model.finding import Verdict
from snapshotter.model.known_limits import KNOWN_LIMITS
from snapshotter.model.validation import (
    SOFTWARE_NAME,
    CheckGroup,
    KeyOrigin,
    ValidationCase,
    ValidationCheck,
    ValidationMachine,
    ValidationProgram,
    ValidationReport,
    case_verdict,
    counts,
)
from snapshotter.seal.signer import FileSigner
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.bundle_on_disk import verify_on_disk
from snapshotter.verify.trust import Requirements, Trust, TrustDocument, load_trust

OWN_VERIFIER: Final = "snapshotter verify"
VERIFIERS: Final = (OWN_VERIFIER, NAME)
_TRUST_FILE: Final = "trust.json"
_TRUST_DAYS: Final = 2
_ASSESSMENT, _TEXT = "capture/assessment.json", "capture/page.txt"
_PICTURE: Final = "capture/screenshot.png"
_STEPS: Final = 5_000_000  # of a comparison of words
_PNG: Final = b"\x89PNG\r\n\x1a\n"
CaseDone = Callable[[int, int, ValidationCase], None]

NOT_TESTED: Final = (
    tr("Pages of the Internet, real platforms, log-ins, and pages in other languages."),
    tr("TLS connections and what servers sign in them: the fixture site has no TLS."),
    tr("Timestamp authorities on the Internet: the authority of the test is on this machine."),
    tr("Whether the clock of this machine is right."),
    tr("Logs, witnesses, custody sidecars, renewals, replicas, buckets and key services."),
    tr("Whether the colours and shapes in a picture are right: only its size is compared."),
    tr("Take-down events, proof packs, campaign reports and redacted copies."),
    tr("Alterations beyond the listed ones: the tamper suite of the source code has hundreds."),
    tr("Faults that both verifiers have in common, such as a fault of their specification."),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Captured:
    """A page of the table, captured."""

    truth: Truth
    file: Path | None  # the stored bundle; None: the capture did not succeed
    members: Mapping[str, bytes]
    record: Mapping[str, Any]
    problem: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verifiers:
    """Both verifiers with one trust file."""

    trust: Trust
    second: SecondVerifier
    now: Callable[[], Any]

    def own(self, file: Path) -> VerifierResult:
        """Return the result of our own verifier, as `snapshotter verify` has it."""
        with file.open("rb") as stream:
            report = verify_on_disk(stream, file, self.trust, now=self.now(), allow_redacted=True)
        return VerifierResult(
            verdict=report.verdict,
            codes=tuple(report.codes(Verdict.FAILED, Verdict.INDETERMINATE)),
        )


def run(
    environment: DemoEnvironment,
    *,
    key_origin: KeyOrigin,
    case_done: CaseDone = lambda number, total, case: None,
    truths: Sequence[Truth] = TRUTHS,
    alterations: Sequence[Alteration] = ALTERATIONS,
) -> ValidationReport:
    """
    Run all cases, and return the report, which is not signed yet.

    Args:
        environment: The fixture site with a store and keys of its own.
        case_done: Gets each case when it is done, with its number and the number of all.
        truths, alterations: The tables; others only in tests.

    Raises:
        ServiceUnavailable: The trust file of the test cannot be made.
    """
    now = environment.capture_dependencies.clock.now
    started_at = now().replace(microsecond=0)
    verifiers = _make_verifiers(environment)
    total = len(truths) + len(alterations)
    cases: list[ValidationCase] = []

    def done(case: ValidationCase) -> None:
        cases.append(case)
        case_done(len(cases), total, case)

    captured: dict[str, _Captured] = {}
    # The second verifier judges a bundle while the next page is captured.
    with ThreadPoolExecutor(max_workers=1) as pool:
        pending: list[tuple[_Captured, Future[Mapping[Path, VerifierResult]] | None]] = []
        for truth in truths:
            found = captured[truth.name] = _capture(environment, truth)
            judged = pool.submit(verifiers.second.verify, [found.file]) if found.file else None
            pending.append((found, judged))
            while pending and (len(pending) > 1 or truth is truths[-1]):
                earlier, result = pending.pop(0)
                done(_page_case(environment, verifiers, earlier, result, captured))
    for case in _altered_cases(environment, verifiers, captured, alterations):
        done(case)
    ended_at = max(now().replace(microsecond=0), started_at)
    record = next((found.record for found in captured.values() if found.record), {})
    return ValidationReport(
        report_id=environment.capture_dependencies.ids.bundle_id(started_at),
        started_at=started_at,
        ended_at=ended_at,
        programs=_programs(record, verifiers),
        machine=_machine(record),
        key_origin=key_origin,
        cases=tuple(cases),
        counts=counts(cases),
        not_tested=NOT_TESTED,
        verdict=case_verdict(cases),
        notes=_notes(environment),
        known_limits=KNOWN_LIMITS,
    )


def _notes(environment: DemoEnvironment) -> tuple[str, ...]:
    if environment.has_authority:
        return ()
    return (tr("The program openssl was not found, so no verifier could judge a bundle."),)


# --- pages ----------------------------------------------------------------------------------------


def _capture(environment: DemoEnvironment, truth: Truth) -> _Captured:
    began = time.monotonic()
    environment.site.show(truth.path, truth.state)
    file: Path | None = None
    members: Mapping[str, bytes] = {}
    record: Mapping[str, Any] = {}
    problem = ""
    try:
        file = Path(environment.capture(f"/{truth.path}").location)
        members = unpack(file.read_bytes())
        record = json.loads(members[names.CAPTURE_RECORD])
    except SnapshotterError as error:
        problem = str(error)
    return _Captured(
        truth=truth,
        file=file,
        members=members,
        record=record,
        problem=problem,
        duration_ms=round((time.monotonic() - began) * 1000),
    )


def _page_case(
    environment: DemoEnvironment,
    verifiers: _Verifiers,
    found: _Captured,
    judged: Future[Mapping[Path, VerifierResult]] | None,
    captured: Mapping[str, _Captured],
) -> ValidationCase:
    problems = [found.problem] if found.problem else []
    results: dict[str, VerifierResult | None] = dict.fromkeys(VERIFIERS)
    if found.file is not None and judged is not None and environment.has_authority:
        results[OWN_VERIFIER] = verifiers.own(found.file)
        try:
            results[NAME] = judged.result().get(found.file)
        except SnapshotterError as error:
            problems.append(str(error))
    checks = list(_content_checks(found, captured))
    checks += [
        ValidationCheck(
            group=CheckGroup.INTACT,
            name="verdict",
            verifier=verifier,
            expected=Verdict.PASSED.name,
            found=_verdict_and_codes(result) if result is not None else None,
        )
        for verifier, result in results.items()
    ]
    return ValidationCase(
        name=found.truth.name,
        about=found.truth.about,
        checks=tuple(checks),
        sha256=_sha256(found.file),
        problem="; ".join(problems),
        duration_ms=found.duration_ms,
    )


def _verdict_and_codes(result: VerifierResult) -> str:
    """Return a verdict; of one that is not PASSED, with the codes, so that a reader sees why."""
    return " ".join((result.verdict.name, *result.codes))


def _content_checks(
    found: _Captured, captured: Mapping[str, _Captured]
) -> Iterable[ValidationCheck]:
    truth, record = found.truth, found.record
    is_read = bool(record)
    assessed = json.loads(found.members.get(_ASSESSMENT, b"{}")).get("takedown", {})
    text = _normalised(found.members.get(_TEXT, b"").decode("utf-8", "replace"))

    def content(name: str, expected: object, value: Callable[[], object]) -> ValidationCheck:
        try:
            seen = str(value()) if is_read else None
        except (KeyError, TypeError):
            seen = "absent"  # a field that the record lacks is a wrong value
        return ValidationCheck(
            group=CheckGroup.CONTENT, name=name, expected=str(expected), found=seen
        )

    if truth.availability is not None:
        yield ValidationCheck(
            group=CheckGroup.AVAILABILITY,
            name="availability",
            expected=truth.availability.value,
            found=str(assessed.get("availability", "none")) if is_read else None,
        )
    yield content("title", truth.title, lambda: record["what"]["title"])
    yield content("HTTP status", truth.status, lambda: record["what"]["http_status"])
    yield content("outcome", truth.outcome.value, lambda: record["outcome"]["state"])
    yield content(
        "reasons of the outcome",
        _listed(truth.reasons),
        lambda: _listed(sorted(reason["code"] for reason in record["outcome"]["reasons"])),
    )
    yield content(
        "missing images", truth.missing_images, lambda: record["content"]["images"]["failed"]
    )
    if truth.notice is not None:
        yield content("notice", truth.notice, lambda: assessed.get("notice", ""))
    for words in truth.present:
        yield content(f"text contains: {words}", "yes", partial(_has, text, words))
    for words in truth.absent:
        yield content(f"text contains: {words}", "no", partial(_has, text, words))
    if truth.picture is not None:
        yield content(
            "size of the picture",
            _size(truth.picture),
            lambda: _size(_png_size(found.members.get(_PICTURE, b""))),
        )
    if truth.differs_from:
        earlier = captured.get(truth.differs_from)
        check = content(
            f"words that differ from {truth.differs_from}",
            " → ".join(truth.words),
            lambda: _difference(earlier, text) if earlier is not None else "",
        )
        yield check if earlier is not None and earlier.record else replace(check, found=None)


def _difference(earlier: _Captured, text: str) -> str:
    before = _normalised(earlier.members.get(_TEXT, b"").decode("utf-8", "replace"))
    found = word_diff.compare(before, text, StepBudget(_STEPS))
    return " → ".join(
        " ".join(piece.text.strip() for piece in found.pieces if piece.op is op)
        for op in (Op.REMOVED, Op.ADDED)
    )


def _has(text: str, words: str) -> str:
    return "yes" if _normalised(words) in text else "no"


def _normalised(text: str) -> str:
    return " ".join(text.split())


def _listed(codes: Iterable[str]) -> str:
    return " ".join(codes) or "none"


def _size(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"


def _png_size(data: bytes) -> tuple[int, int]:
    """Return width and height by the header of a PNG (ISO/IEC 15948, 11.2.2); 0 for another."""
    if not data.startswith(_PNG) or len(data) < 24:
        return (0, 0)
    width, height = struct.unpack(">II", data[16:24])
    return (width, height)


# --- altered copies -------------------------------------------------------------------------------


def _altered_cases(
    environment: DemoEnvironment,
    verifiers: _Verifiers,
    captured: Mapping[str, _Captured],
    alterations: Sequence[Alteration],
) -> Iterable[ValidationCase]:
    # The smallest bundles: the second verifier computes BLAKE3 in Python.
    stored = sorted(
        (found.file for found in captured.values() if found.file is not None),
        key=lambda file: file.stat().st_size,
    )
    problem = ""
    if len(stored) < 2:
        problem = tr("fewer than two pages could be captured, so no copy could be altered")
    elif not environment.has_authority:
        problem = tr("the program openssl was not found")
    copies: dict[str, Path] = {}
    second: Mapping[Path, VerifierResult] = {}
    if not problem:
        source = Source(
            data=stored[0].read_bytes(),
            other=stored[1].read_bytes(),
            signer=environment.capture_dependencies.signer,
            stranger=FileSigner(ec.generate_private_key(ec.SECP384R1())),
        )
        folder = environment.folder / "altered"
        folder.mkdir()
        for number, alteration in enumerate(alterations):
            copies[alteration.name] = folder / f"copy-{number:02}.wacz"
            copies[alteration.name].write_bytes(alteration.make(source))
        try:
            second = verifiers.second.verify(list(copies.values()))
        except SnapshotterError as error:
            problem = str(error)
    for alteration in alterations:
        began = time.monotonic()
        file = copies.get(alteration.name)
        results: dict[str, VerifierResult | None] = dict.fromkeys(VERIFIERS)
        if file is not None:
            results = {OWN_VERIFIER: verifiers.own(file), NAME: second.get(file)}
        yield ValidationCase(
            name=alteration.name,
            about=alteration.about,
            checks=tuple(
                check
                for verifier, result in results.items()
                for check in _refusal_checks(alteration, verifier, result)
            ),
            sha256=_sha256(file),
            problem=problem,
            duration_ms=round((time.monotonic() - began) * 1000),
        )


def _refusal_checks(
    alteration: Alteration, verifier: str, result: VerifierResult | None
) -> Iterable[ValidationCheck]:
    yield ValidationCheck(
        group=CheckGroup.ALTERED,
        name="verdict",
        verifier=verifier,
        expected=alteration.verdict.name,
        found=result.verdict.name if result is not None else None,
    )
    yield ValidationCheck(
        group=CheckGroup.REASON,
        name="codes",
        verifier=verifier,
        expected=_listed(alteration.codes),
        found=_listed(result.codes) if result is not None else None,
    )


# --- verifiers, programs and machine --------------------------------------------------------------


def _make_verifiers(environment: DemoEnvironment) -> _Verifiers:
    """Make a trust file for the keys of the test, as a recipient would get one."""
    now = environment.capture_dependencies.clock.now
    known = environment.trust()
    root = FileSigner(ec.generate_private_key(ec.SECP384R1()))
    document = TrustDocument.new(
        root.public_key,
        expires=now().replace(microsecond=0) + timedelta(days=_TRUST_DAYS),
        require=Requirements(timestamps=1),
    )
    for key in known.keys:
        document = document.with_key(key)
    for anchor in known.authorities:
        document = document.with_authority(anchor)
    file = environment.folder / _TRUST_FILE
    trust_files.save(file, document, root)
    signature = file.with_name(f"{file.name}.sig").read_bytes()
    return _Verifiers(
        trust=load_trust(file.read_bytes(), signature, pinned_root=root.key_id, now=now()),
        second=SecondVerifier(trust_file=file, root_key_id=root.key_id),
        now=now,
    )


def _sha256(file: Path | None) -> str:
    """Return the SHA-256 of a file; "" for none."""
    return hashlib.sha256(file.read_bytes()).hexdigest() if file is not None else ""


def _programs(record: Mapping[str, Any], verifiers: _Verifiers) -> tuple[ValidationProgram, ...]:
    environment = record.get("how", {}).get("environment", {})
    return (
        ValidationProgram(
            name=SOFTWARE_NAME, version=snapshotter.SOFTWARE, sha256=package_sha256()
        ),
        ValidationProgram(name=NAME, version="", sha256=verifiers.second.sha256),
        ValidationProgram(
            name="browser",
            version=environment.get("browser_product", ""),
            sha256=environment.get("browser_sha256", ""),
        ),
        ValidationProgram(name="Playwright", version=environment.get("playwright", "")),
        ValidationProgram(name="Python", version=environment.get("python", "")),
        ValidationProgram(name="fonts", version="", sha256=environment.get("fonts_sha256", "")),
    )


def _machine(record: Mapping[str, Any]) -> ValidationMachine:
    environment = record.get("how", {}).get("environment", {})
    clock = record.get("when", {}).get("clock", {})
    synchronised = {True: "synchronised", False: "not synchronised"}.get(
        clock.get("synchronised"), "not known"
    )
    return ValidationMachine(
        os=environment.get("os", ""),
        kernel=environment.get("kernel", ""),
        architecture=environment.get("architecture", ""),
        processors=os.cpu_count() or 0,
        clock=tr(
            "{source}, {synchronised}", source=clock.get("source", ""), synchronised=synchronised
        ),
    )
