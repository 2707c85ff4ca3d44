"""
Export a case as one archive: bundles, reports, trust file, verifiers, and lists of all exhibits.

    README.txt                           what is inside, what is withheld, how to check everything
    exhibits.csv, exhibits.json          the exhibits with their numbers, and what was left out
    annotations.json                     notes, reviews, tags and title, if the user named them
    bundles/<id>.wacz, …                 the bundles and their sidecars, as stored
    case-report-harbour.html, …          the report about the case
    reports/exhibit-0001.html, …         a report about each exhibit
    trust.json, trust.json.sig           the trust file, and for-information/ its keys as files
    verify_minimal.py, snapshotter-….whl the two verifiers
    harbour.dat, harbour.opt, text/, …   load files for e-discovery software, on request
    parts.csv                            the other parts, if the archive was split
    SHA256SUMS                           the digests of the files of all parts

What people wrote about captures may be privileged, so nothing of it is in the archive unless the
user names it. Captures in quarantine are counted and named, and never in the archive.
"""

import contextlib
import csv
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from snapshotter.app.archive import bundles, capture_page
from snapshotter.app.archive.exports import case_export_readme, case_load_files, evidence_folder
from snapshotter.app.archive.exports.growing_archive import Content, GrowingArchive
from snapshotter.app.archive.exports.verifier_wheel import make_wheel
from snapshotter.app.archive.organising.case_export_plan import (
    ExportPlan,
    PlannedExhibit,
    plan_json,
)
from snapshotter.app.archive.organising.case_view import CaseView
from snapshotter.app.archive.reports.capture.report import MadeReport, make_report
from snapshotter.errors import EvidenceInvalid
from snapshotter.formats import canonical_json
from snapshotter.formats.canonical_json import JsonValue
from snapshotter.formats.digest import digest_bytes
from snapshotter.formats.lists.tables import safe_cell
from snapshotter.model.annotation_state import Decision, Note
from snapshotter.ports import ReadableStore
from snapshotter.report import capture_report as reports
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.verify.file_kind import NotEvidence
from snapshotter.verify.trust import Trust

FORMAT: Final = "snapshotter-case-export/1"
README: Final = "README.txt"
SUMS: Final = "SHA256SUMS"
_COLUMNS: Final = (
    "exhibit",
    "bundle_id",
    "captured_at",
    "requested_url",
    "title",
    "verdict",
    "summary",
    "verified_at",
    "bundle",
    "bundle_bytes",
    "bundle_sha256",
    "report",
    "problem",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustFile:
    """The trust file that goes into the archive."""

    path: Path
    root_key_id: str
    trust: Trust  # its content


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedCase:
    """An archive that was written."""

    files: tuple[Path, ...]  # all parts; the last one has the README
    exhibits: tuple[Mapping[str, Any], ...]  # as in exhibits.json
    continued: int  # exhibits that an interrupted export had written
    repeated: int  # exhibits of an interrupted export that were damaged


# --- writing ------------------------------------------------------------------------------------


def write_export(
    store: ReadableStore,
    plan: ExportPlan,
    view: CaseView,
    target: Path,
    *,
    trust_file: TrustFile,
    scratch: Callable[[], contextlib.AbstractContextManager[Path]],
    now: Callable[[], datetime],
    local: LocalTime,
    print_pdf: Callable[[bytes, datetime], bytes] | None,
    show_progress: Callable[[PlannedExhibit, int], None],
    report_case: Callable[[], Sequence[tuple[str, bytes]]] | None = None,
    keep_report: Callable[[MadeReport], None] = lambda made: None,
    record_export: Callable[[str], None],
    paper: str = "",
    most_bytes: int | None = None,
) -> ExportedCase:
    """
    Write the archive, or continue an interrupted one.

    Args:
        scratch: Makes an empty folder that is removed afterwards.
        print_pdf: Prints a report; None: the archive has no PDF.
        show_progress: Called before each exhibit with the number of those before it.
        report_case: Returns the files of the report about the case; called once, after the last
            exhibit. None: the archive has no such report.
        keep_report: Called with the report about each exhibit that this run verified.
        record_export: Called with the SHA-256 of SHA256SUMS before the archive has its name.
        paper: Of the PDF.
        most_bytes: Size of a part; None: one archive.

    Raises:
        SnapshotterError: A file cannot be written, or the store cannot be read.
    """
    wheel = make_wheel()
    identity: dict[str, JsonValue] = {
        **plan_json(plan),
        "bytes": most_bytes,
        "format": FORMAT,
        "load_files": plan.has_load_files,
        "options": [paper if plan.has_pdf else "", str(local.zone or ""), wheel[0]],
        "root_key": trust_file.root_key_id,
        "trust": trust_file.trust.sha256,
    }
    # A custody event that was added in the meantime does not make it another export.
    identity["exhibits"] = [[found.number, found.bundle_id] for found in plan.exhibits]
    states = {exhibit.bundle_id: exhibit for exhibit in view.exhibits}
    # A note, a mark or a decision does: exhibits that are written already would not have it.
    last = [view.case.last, *(states[found.bundle_id].capture.last for found in plan.exhibits)]
    identity["records"] = [record.number if record is not None else 0 for record in last]
    with GrowingArchive(target, plan=identity, most_bytes=most_bytes) as archive:
        continued = len(archive.units)
        for before, exhibit in enumerate(plan.exhibits):
            if before < continued:
                continue
            show_progress(exhibit, before)
            with scratch() as folder:
                facts, files = _exhibit(
                    store,
                    exhibit,
                    states[exhibit.bundle_id],
                    folder,
                    case=plan.case,
                    trust=trust_file.trust,
                    now=now(),
                    local=local,
                    print_pdf=print_pdf,
                    has_load_files=plan.has_load_files,
                    keep_report=keep_report,
                )
                archive.add(facts, files)
        case_report = dict(report_case()) if report_case is not None else {}
        with scratch() as folder:
            archive.finish(
                lambda: _documents(
                    archive, plan, view, trust_file, folder, wheel, case_report, now()
                ),
                before_name=lambda written: record_export(
                    next(file.sha256 for file in written if file.name == SUMS)
                ),
            )
        parts = [target.with_name(part.name) for part in archive.parts]
        return ExportedCase(
            files=(*parts, target),
            exhibits=tuple(archive.units),
            continued=continued,
            repeated=archive.repeated,
        )


def _exhibit(
    store: ReadableStore,
    exhibit: PlannedExhibit,
    state: Any,
    folder: Path,
    *,
    case: str,
    trust: Trust,
    now: datetime,
    local: LocalTime,
    print_pdf: Callable[[bytes, datetime], bytes] | None,
    has_load_files: bool,
    keep_report: Callable[[MadeReport], None],
) -> tuple[dict[str, JsonValue], list[tuple[str, Content]]]:
    """Return what exhibits.json states about an exhibit, and the files of the exhibit."""
    facts: dict[str, JsonValue] = dict.fromkeys(_COLUMNS)
    if has_load_files:
        facts |= {"images": None, "text": None}
    facts |= {
        "bundle_id": exhibit.bundle_id,
        "captured_at": canonical_json.instant(state.captured_at) if state.captured_at else None,
        "exhibit": exhibit.number,
        "problem": exhibit.problem or None,
        "requested_url": state.url or None,
        "title": state.title or None,
    }
    if not exhibit.bytes:
        return facts, []
    try:
        copied = bundles.export(store, exhibit.bundle_id, folder, is_scratch=True)
    except EvidenceInvalid as error:
        return {**facts, "problem": str(error)}, []
    bundle = copied[0]
    files: list[tuple[str, Content]] = [(f"bundles/{path.name}", path) for path in copied]
    facts["bundle"], facts["bundle_bytes"] = f"bundles/{bundle.name}", bundle.stat().st_size
    facts["bundle_sha256"] = evidence_folder.sha256_of(bundle)
    with bundle.open("rb") as stream:
        try:
            source = capture_page.verify_file(exhibit.bundle_id, bundle, stream, trust, now=now)
        except NotEvidence as error:
            return {**facts, "problem": str(error), "verdict": "failed"}, files
        made = make_report(
            replace(source, annotations=state.capture),
            trust,
            local,
            tr("{case}, Exhibit {number}", case=case, number=exhibit.number),
        )
        if has_load_files:
            loaded = case_load_files.exhibit_files(case, exhibit.number, source, made)
            names = [name for name, _ in loaded]
            facts["text"] = next((name for name in names if name.startswith("text/")), None)
            facts["images"] = [name for name in names if name.startswith("images/")]
            files += loaded
    report = made.report
    data = reports.encode(report)
    digest = _sha256(data)
    page = reports.page(report, made.picture, local, digest=digest)
    stem = f"reports/exhibit-{exhibit.number:04}"
    files += [(f"{stem}.html", page), (f"{stem}.json", data)]
    if print_pdf is not None:
        files.append((f"{stem}.pdf", print_pdf(page, report.verified_at)))
    facts |= {
        "report": f"{stem}.html",
        "summary": " ".join(report.sentences),
        "verdict": report.verdict.value,
        "verified_at": canonical_json.instant(report.verified_at),
    }
    if report.bundle_id not in (exhibit.bundle_id, ""):
        facts["problem"] = tr(
            "the store has another bundle, {found_id}, under this id", found_id=report.bundle_id
        )
        facts["verdict"] = "failed"
    else:
        keep_report(made)
    return facts, files


def _documents(
    archive: GrowingArchive,
    plan: ExportPlan,
    view: CaseView,
    trust_file: TrustFile,
    folder: Path,
    wheel: tuple[str, bytes],
    case_report: Mapping[str, bytes],
    now: datetime,
) -> list[tuple[str, Content]]:
    """Return the files that are about the whole archive."""
    made = folder / str(len(archive.parts))  # once more if a part was completed meanwhile
    made.mkdir()
    evidence_folder.write_trust(made, trust_file.path, trust_file.root_key_id, trust_file.trust)
    found: dict[str, Content] = {
        path.relative_to(made).as_posix(): path for path in made.rglob("*") if path.is_file()
    }
    found[evidence_folder.VERIFIER] = evidence_folder.verifier_path().read_bytes()
    found[wheel[0]] = wheel[1]
    found |= case_report
    listed = {**plan_json(plan), "exhibits": archive.units, "format": FORMAT}
    found["exhibits.json"] = canonical_json.dumps(listed) + b"\n"
    found["exhibits.csv"] = _csv(
        _COLUMNS, ([unit[column] for column in _COLUMNS] for unit in archive.units)
    )
    if any(writings.is_included for writings in plan.writings):
        found["annotations.json"] = canonical_json.dumps(_annotations(plan, view)) + b"\n"
    if plan.has_load_files:
        found |= case_load_files.load_files(plan.case, archive.units)
    if archive.parts:
        found["parts.csv"] = _csv(
            ("part", "bytes", "sha256"),
            ([part.name, part.bytes, part.sha256] for part in archive.parts),
        )
    found[README] = case_export_readme.readme(
        plan,
        exhibits=archive.units,
        archive=archive.target.name,
        parts=[part.name for part in archive.parts],
        root_key_id=trust_file.root_key_id,
        wheel=wheel[0],
        now=now,
    ).encode()
    digests = {file.name: file.sha256 for file in archive.files}
    for name, content in found.items():
        digests[name] = (
            _sha256(content) if isinstance(content, bytes) else evidence_folder.sha256_of(content)
        )
    found[SUMS] = "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()
    return list(found.items())


def _sha256(data: bytes) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    return digest_bytes(data).sha256


def _csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Return a table as CSV (RFC 4180, UTF-8); no cell is a formula for a spreadsheet."""
    made = io.StringIO(newline="")
    writer = csv.writer(made)
    writer.writerow(columns)
    for row in rows:
        writer.writerow(["" if cell is None else safe_cell(str(cell)) for cell in row])
    return made.getvalue().encode("utf-8", "backslashreplace")


# --- what people wrote --------------------------------------------------------------------------


def _annotations(plan: ExportPlan, view: CaseView) -> dict[str, JsonValue]:
    """Return the groups that the user named, about the case and about exported exhibits."""
    named = {found.group for found in plan.writings if found.is_included}
    case, found = view.case, dict[str, JsonValue]()
    if "title" in named:
        found["title"] = case.title
    if "notes" in named:
        found["notes"] = [_note(note) for note in case.notes]
    if "reviews" in named:
        closed = [case.closed] if case.closed is not None else []
        found["reasons"] = [_decision(reason) for reason in case.reasons]
        found["closed"] = [_decision(reason) for reason in closed]
    exported = {exhibit.bundle_id for exhibit in plan.exhibits}
    found["exhibits"] = [
        {"bundle_id": exhibit.bundle_id, "exhibit": exhibit.number, **dict(_about(exhibit, named))}
        for exhibit in view.exhibits
        if exhibit.bundle_id in exported
    ]
    return {"case": case.name, "format": FORMAT, **found}


def _about(exhibit: Any, named: set[str]) -> Iterator[tuple[str, JsonValue]]:
    capture = exhibit.capture
    if "notes" in named:
        yield "notes", [_note(note) for note in capture.notes]
    if "tags" in named:
        yield "tags", list(capture.tags)
    if "reviews" in named:
        yield "review", _decision(capture.review) if capture.review is not None else None
        yield "marks", [_decision(mark) for mark in capture.marks.values()]


def _note(note: Note) -> dict[str, JsonValue]:
    return {
        "at": canonical_json.instant(note.at),
        "author": note.author or None,
        "erased": note.erased,
        "role": note.role or None,
        "text": note.text,
    }


def _decision(decision: Decision) -> dict[str, JsonValue]:
    return {
        "at": canonical_json.instant(decision.at),
        "author": decision.author or None,
        "decision": decision.name or None,
        "reason": decision.reason,
        "role": decision.role or None,
    }
