"""
Make the documents that are handed over: reports, exported cases, and copies of bundles.

The commands and the tasks of the console call these functions. Each records in the custody chain of
a capture that it was exported, if the settings ask for it.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Final

from snapshotter.app.settings import Settings
from snapshotter.model.custody import EXPORTING
from snapshotter.ports import ObjectStore, ShowMessage
from snapshotter.value_class import dataclass

if TYPE_CHECKING:
    from snapshotter.app.archive.exports.case_export import ExportedCase
    from snapshotter.app.archive.exports.evidence_folder import EvidenceFolder
    from snapshotter.app.archive.exports.masked_pictures import MaskingResult
    from snapshotter.app.archive.exports.redacted_copy import RedactedCopy
    from snapshotter.app.archive.organising.case_export_plan import ExportPlan, PlannedExhibit
    from snapshotter.app.archive.organising.case_view import CaseView
    from snapshotter.app.archive.reports.capture.report import MadeReport
    from snapshotter.app.archive.reports.case.material import CaseSearch, VerifiedExhibit
    from snapshotter.model.annotation_state import AnnotationState
    from snapshotter.model.case_report import CaseReport
    from snapshotter.report.local_time import LocalTime

PrintPage = Callable[[bytes, datetime], bytes]  # (HTML, time in the PDF) → PDF


FORMATS: Final = ("html", "json", "pdf")
_BUNDLE: Final = "bundle with its sidecars"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredReport:
    """The report about a stored bundle."""

    made: "MadeReport"
    bundle_id: str
    store: ObjectStore

    def note(self, settings: Settings, detail: str, *, show_message: ShowMessage) -> None:
        """Record in the custody chain of the bundle that a document was made, if settings ask."""
        note_export(
            settings, self.store, [self.bundle_id], show_message=show_message, detail=detail
        )


def stored_report(
    settings: Settings,
    store: ObjectStore,
    bundle_id: str,
    *,
    now: datetime,
    local: "LocalTime",
    case: str = "",
    show_message: ShowMessage,
) -> StoredReport:
    """
    Verify a stored bundle, and return its report.

    Args:
        case: The report states the number of the capture in this case; "": in none.

    Raises:
        PolicyRefused: The capture is in quarantine.
    """
    from snapshotter.app.archive import quarantined
    from snapshotter.app.archive.reports.capture.report import make_stored_report
    from snapshotter.app.wiring import annotations as wiring_annotations
    from snapshotter.app.wiring import trust as wiring_trust

    quarantined.require_visible(store, bundle_id, wiring_trust.trusted_keys(settings))
    annotations = wiring_annotations.read_state(settings, show_message=show_message)
    made = make_stored_report(
        bundle_id,
        store,
        wiring_trust.trust(settings, by_bundle=True),
        now=now,
        local=local,
        annotations=annotations.capture(bundle_id),
        case=case,
    )
    return StoredReport(made=made, bundle_id=bundle_id, store=store)


def print_page(settings: Settings, page: bytes, *, paper: str, at: datetime) -> bytes:
    """Return a page as PDF, which the browser that captures prints."""
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.wiring.printing import printer

    with scratch_directory(settings.spool_dir, "report") as scratch:
        return printer(settings, paper=paper)(page.decode(), scratch / "page", at)


def document_files(
    settings: Settings,
    formats: Iterable[str],
    *,
    data: bytes,
    page: bytes,
    paper: str,
    at: datetime,
) -> Iterator[tuple[str, bytes]]:
    """
    Yield a document in its formats: pairs of format and content.

    Args:
        formats: Of `FORMATS`; none for all.
        data, page: The document as JSON and HTML. The browser that captures prints the HTML.
        at: The time in the PDF.
    """
    wanted = frozenset(formats) or frozenset(FORMATS)
    for kind in FORMATS:  # the PDF last: it needs a browser, which may fail
        if kind in wanted:
            made = {"json": data, "html": page}.get(kind)
            yield kind, made or print_page(settings, page, paper=paper, at=at)


def page_printer(settings: Settings, paper: str) -> PrintPage:
    """Return a function that prints pages on this paper."""
    return lambda page, at: print_page(settings, page, paper=paper, at=at)


def verified_case_report(
    settings: Settings,
    name: str,
    *,
    now: datetime,
    local: "LocalTime",
    searches: "Sequence[CaseSearch]" = (),
    included: Iterable[str],
    state: "AnnotationState | None" = None,
    verified: "Mapping[str, VerifiedExhibit] | None" = None,
    show_message: ShowMessage,
    show_progress: Callable[[int, int], None],
) -> "CaseReport":
    """
    Verify the exhibits of a case, and return the report about the case.

    Args:
        searches: Whose hits the report shows.
        included: Of `case_export_plan.GROUPS`: what people wrote that the report contains.
        state: The annotations, if the caller has read them.
        verified: Exhibits by id that the caller has just verified, with the trust of the settings.
        show_progress: Called with the position of each exhibit that is verified, and the number of
            all.
    """
    from snapshotter.app.archive.annotations import read_indexed_chain
    from snapshotter.app.archive.observations import read_annotations
    from snapshotter.app.archive.reports.case.material import CaseReportService, People
    from snapshotter.app.archive.reports.case.report import make_case_report
    from snapshotter.app.wiring import index as wiring_index
    from snapshotter.app.wiring import trust as wiring_trust

    with wiring_index.observation_source(settings, show_message=show_message) as source:
        service = CaseReportService(
            source=source,
            trust=wiring_trust.trust(settings, by_bundle=True),
            is_trusted=wiring_trust.trusted_keys(settings),
            find_hidden=wiring_index.hidden_finder(settings, source),
            show_progress=show_progress,
        )
        read = read_annotations(source)
        records = read_indexed_chain(source.store, source.index).records
        return make_case_report(
            service,
            name,
            state if state is not None else read,
            People(records, [settings.pseudonym]),
            now=now,
            local=local,
            searches=searches,
            included=included,
            verified=verified or {},
        )


def case_report_files(
    report: "CaseReport", local: "LocalTime", print_pdf: PrintPage | None
) -> list[tuple[str, bytes]]:
    """Return the report about a case as files: HTML, JSON, and PDF if there is a printer."""
    from snapshotter.app.archive.organising.case_export_plan import case_report_stem
    from snapshotter.report import case_report as reports

    data, stem = reports.encode(report), case_report_stem(report.case)
    page = reports.page(report, local, digest=hashlib.sha256(data).hexdigest())
    files = [(f"{stem}.html", page), (f"{stem}.json", data)]
    if print_pdf is not None:
        files.append((f"{stem}.pdf", print_pdf(page, report.verified_at)))
    return files


def export_case(
    settings: Settings,
    store: ObjectStore,
    plan: "ExportPlan",
    view: "CaseView",
    target: Path,
    *,
    state: "AnnotationState",
    most_bytes: int | None,
    paper: str,
    zone: tzinfo | None,
    now: Callable[[], datetime],
    show_message: ShowMessage,
    show_exhibit: "Callable[[PlannedExhibit, int], None]",
    show_progress: Callable[[int, int], None],
) -> "ExportedCase":
    """
    Write the archive of a case. The settings must name a trust file.

    Args:
        most_bytes: Of one part of the archive; None: the archive is not split.
        show_exhibit: Called with each exhibit and how many are written before it.
        show_progress: As of `verified_case_report`.
    """
    from snapshotter.app.archive.exports import case_export
    from snapshotter.app.archive.reports.case.exhibits import condense
    from snapshotter.app.spool import scratch_directory
    from snapshotter.app.wiring import trust as wiring_trust
    from snapshotter.report.local_time import LocalTime

    if settings.trust_file is None:
        raise RuntimeError("the caller checks that there is a trust file")
    local = LocalTime(zone=zone)
    print_pdf = page_printer(settings, paper) if plan.has_pdf else None

    verified: dict[str, VerifiedExhibit] = {}

    def keep_report(made: "MadeReport") -> None:
        if plan.has_case_report:
            verified[made.report.bundle_id] = condense(made)

    def report_case() -> list[tuple[str, bytes]]:
        report = verified_case_report(
            settings,
            plan.case,
            now=now(),
            local=local,
            included=[found.group for found in plan.writings if found.is_included],
            state=state,
            verified=verified,
            show_message=show_message,
            show_progress=show_progress,
        )
        return case_report_files(report, local, print_pdf)

    def record_export(digest: str) -> None:
        note_export(
            settings,
            store,
            [exhibit.bundle_id for exhibit in plan.stored],
            show_message=show_message,
            detail=f"in the archive of a case, SHA-256 of its {case_export.SUMS} {digest}",
        )

    return case_export.write_export(
        store,
        plan,
        view,
        target,
        trust_file=case_export.TrustFile(
            path=settings.trust_file,
            root_key_id=settings.trust_root_key,
            trust=wiring_trust.trust(settings),
        ),
        scratch=lambda: scratch_directory(settings.spool_dir, "case"),
        now=now,
        local=local,
        print_pdf=print_pdf,
        show_progress=show_exhibit,
        report_case=report_case if plan.has_case_report else None,
        keep_report=keep_report,
        record_export=record_export,
        paper=paper,
        most_bytes=most_bytes,
    )


def export_masked(
    settings: Settings,
    store: ObjectStore,
    bundle_id: str,
    output: Path,
    *,
    show_message: ShowMessage,
) -> "MaskingResult":
    """Write copies of the pictures of a bundle in which the redacted text is covered."""
    from snapshotter.app.archive import bundles
    from snapshotter.app.archive.exports import masked_pictures
    from snapshotter.app.spool import scratch_directory

    with scratch_directory(settings.spool_dir, "masked") as folder:
        bundle = bundles.export(store, bundle_id, folder / "copy")[0]
        note_export(
            settings, store, [bundle_id], show_message=show_message, detail="masked pictures"
        )
        return masked_pictures.write(bundle, output)


def export_redacted(
    settings: Settings,
    store: ObjectStore,
    bundle_id: str,
    output: Path,
    *,
    fields: Sequence[str],
    keep: Sequence[str],
    show_message: ShowMessage,
) -> "RedactedCopy":
    """
    Write a copy of a bundle without some values.

    Args:
        fields: Groups of values, or JSON pointers into the record.
        keep: Files of the page that the copy contains.

    Raises:
        PolicyRefused: The bundle cannot be redacted, or a kept file has a withheld value.
    """
    from snapshotter.app.archive import bundles
    from snapshotter.app.archive.exports import redacted_copy
    from snapshotter.app.spool import scratch_directory

    with scratch_directory(settings.spool_dir, "redact") as folder:
        bundle, *sidecars = bundles.export(store, bundle_id, folder / "copy")
        late = sorted(file for file in sidecars if ".late-" in file.name)
        with bundle.open("rb") as stream:
            made = redacted_copy.write(
                stream,
                output,
                fields=fields,
                keep=keep,
                late_tokens=[file.read_bytes() for file in late],
            )
    note_redacted_copy(settings, store, bundle_id, made.file, show_message=show_message)
    return made


def export_evidence(
    settings: Settings,
    store: ObjectStore,
    bundle_id: str,
    output: Path,
    *,
    now: datetime,
    show_message: ShowMessage,
) -> "EvidenceFolder":
    """
    Write a folder with a bundle and all that is needed to verify the bundle offline.

    The settings must name a trust file.
    """
    from snapshotter.app.archive.exports import evidence_folder
    from snapshotter.app.wiring import annotations as wiring_annotations
    from snapshotter.app.wiring import trust as wiring_trust

    if settings.trust_file is None:
        raise RuntimeError("the caller checks that there is a trust file")
    annotations = wiring_annotations.read_state(settings, show_message=show_message)
    made = evidence_folder.write(
        store,
        bundle_id,
        output,
        trust_file=settings.trust_file,
        root_key_id=settings.trust_root_key,
        trust=wiring_trust.trust(settings),
        now=now,
        annotations=annotations.capture(bundle_id),
    )
    note_export(
        settings,
        store,
        [bundle_id],
        show_message=show_message,
        detail="bundle with its sidecars, report and verifier",
    )
    return made


def note_redacted_copy(
    settings: Settings,
    store: ObjectStore,
    bundle_id: str,
    copy: Path,
    *,
    show_message: ShowMessage,
) -> None:
    """Record in the custody chain of a capture which redacted copy of it was exported."""
    from snapshotter.app.archive.exports import evidence_folder

    digest = evidence_folder.sha256_of(copy)
    note_export(
        settings,
        store,
        [bundle_id],
        show_message=show_message,
        detail=f"redacted copy, SHA-256 {digest}",
    )


def note_export(
    settings: Settings,
    store: ObjectStore,
    bundle_ids: Iterable[str],
    *,
    show_message: ShowMessage,
    detail: str = _BUNDLE,
) -> None:
    """
    Record in the custody chains of captures that they were exported, if the settings ask.

    Args:
        detail: What left the store. Everybody who gets the bundle can read it: no name of a case.
    """
    from snapshotter.app.wiring import store as wiring_store

    for bundle_id in bundle_ids:
        wiring_store.note_access(
            settings, store, bundle_id, EXPORTING, show_message=show_message, detail=detail
        )
