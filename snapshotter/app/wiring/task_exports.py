"""
Do the tasks that hand something over: archives of cases, exports of captures, and the trust file.

These functions run in a task process, which may open keys and start the browser.
"""

import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapshotter.app import machine
from snapshotter.app.settings import Settings
from snapshotter.app.tasks import kinds
from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.wiring import documents
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring.task_arguments import (
    known_groups,
    known_zone,
    selected_ids,
    verifying,
)
from snapshotter.model.task import TaskResult
from snapshotter.ports import ObjectStore, ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.exports.case_export import ExportedCase
    from snapshotter.app.archive.organising.case_export_plan import PlannedExhibit

_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same files give the same archive


class ExportTasks:
    """What does the tasks that hand something over, for one installation."""

    def __init__(self, settings: Settings, show_message: ShowMessage) -> None:
        self._settings = settings
        self._show_message = show_message
        self._clock = machine.SystemClock()

    def export_case(self, arguments: kinds.CaseExportArguments, task: TaskContext) -> TaskResult:
        """Write the archive of a case."""
        from snapshotter.app.archive.exports.growing_archive import ArchiveNotContinued
        from snapshotter.app.archive.organising import case_export_plan
        from snapshotter.app.archive.organising.case_view import case_view
        from snapshotter.app.wiring import annotations as wiring_annotations
        from snapshotter.app.wiring import own_trust_file
        from snapshotter.app.wiring import trust as wiring_trust

        task.step(tr("plan the archive"))
        settings = own_trust_file.archive_settings(self._settings)
        store = wiring_store.store(settings)
        state = wiring_annotations.read_state(settings, show_message=self._show_message)
        view = case_view(store, state, arguments.case)
        plan = case_export_plan.plan_export(
            store,
            view,
            wiring_trust.trusted_keys(settings),
            included=known_groups(arguments.included),
            has_pdf=arguments.pdf,
            has_load_files=arguments.load_files,
            has_case_report=arguments.case_report,
        )

        def show_exhibit(exhibit: "PlannedExhibit", before: int) -> None:
            task.step(tr("write the exhibits"), before, len(plan.exhibits))

        def export(folder: Path) -> "ExportedCase":
            return documents.export_case(
                settings, store, plan, view, folder / f"{plan.case}.zip",
                state=state, most_bytes=arguments.part_bytes or None, paper=arguments.paper,
                zone=known_zone(arguments.zone), now=self._clock.now,
                show_message=self._show_message, show_exhibit=show_exhibit,
                show_progress=verifying(task),
            )  # fmt: skip

        try:
            made = export(task.continue_folder())
        except ArchiveNotContinued:  # the case, its settings or the files changed in between
            made = export(task.make_folder())
        return task.result(
            {
                **case_export_plan.plan_json(plan),
                "bundle_ids": [exhibit.bundle_id for exhibit in plan.exhibits],
                "continued": made.continued,
                "exhibits": list(made.exhibits),
                "root_key": settings.trust_root_key,
            },
            made.files,
        )

    def export(self, arguments: kinds.ExportArguments, task: TaskContext) -> TaskResult:
        """Export captures as one ZIP archive."""
        from snapshotter.app.archive import quarantined
        from snapshotter.app.wiring import own_trust_file
        from snapshotter.app.wiring import trust as wiring_trust

        settings = self._settings
        if arguments.form is kinds.ExportForm.EVIDENCE:
            settings = own_trust_file.archive_settings(settings)
        store = wiring_store.store(settings)
        is_trusted = wiring_trust.trusted_keys(settings)
        bundle_ids = selected_ids(arguments.bundle_ids)
        for bundle_id in bundle_ids:  # nothing is written of a list in which one is in quarantine
            quarantined.require_visible(store, bundle_id, is_trusted)
        folder = task.make_folder()
        content = folder / "content"
        content.mkdir()
        exported = []
        for number, bundle_id in enumerate(bundle_ids):
            task.step(tr("copy the captures"), number, len(bundle_ids))
            exported.append(
                {
                    "bundle_id": bundle_id,
                    **self._export(settings, arguments, store, bundle_id, content),
                }
            )
        task.step(tr("write the archive"))
        name = bundle_ids[0] if len(bundle_ids) == 1 else f"{len(bundle_ids)}-captures"
        archive = folder / f"{arguments.form.value}-{name}.zip"
        _zip(content, archive)
        shutil.rmtree(content)
        return task.result(
            {
                "bundle_ids": list(bundle_ids),
                "captures": exported,
                "form": arguments.form.value,
            },
            [archive],
        )

    def make_trust_file(self, arguments: kinds.TrustFileArguments, task: TaskContext) -> TaskResult:
        """Make the trust file of this installation, which archives contain."""
        from snapshotter.app.wiring import own_trust_file

        task.step(tr("sign the trust file"))
        document = own_trust_file.make_own_trust_file(self._settings, owner=arguments.owner.strip())
        file, folder = own_trust_file.own_trust_file(self._settings), task.make_folder()
        copies = [
            Path(shutil.copyfile(part, folder / part.name))
            for part in (file, file.with_name(f"{file.name}.sig"))
        ]
        return task.result(
            {
                "keys": [key.key_id for key in document.keys],
                "root_key": document.root_key_id,
                "version": document.version,
            },
            copies,
        )

    def _export(
        self,
        settings: Settings,
        arguments: kinds.ExportArguments,
        store: ObjectStore,
        bundle_id: str,
        content: Path,
    ) -> dict[str, Any]:
        """Write what an export has of one capture into a folder; return what to state about it."""
        from snapshotter.app.archive import bundles
        from snapshotter.model.finding import Verdict

        show_message = self._show_message
        match arguments.form:
            case kinds.ExportForm.EVIDENCE:
                evidence = documents.export_evidence(
                    settings, store, bundle_id, content / bundle_id, now=self._clock.now(),
                    show_message=show_message,
                )  # fmt: skip
                report = evidence.report
                codes = report.codes(Verdict.FAILED, Verdict.INDETERMINATE)
                return {
                    "codes": list(codes),
                    "root_key": evidence.root_key_id,
                    "verdict": report.verdict.value,
                }
            case kinds.ExportForm.MASKED:
                masked = documents.export_masked(
                    settings, store, bundle_id, content, show_message=show_message
                )
                return {"boxes": masked.boxes, "left_out": list(masked.left_out)}
            case kinds.ExportForm.REDACTED:
                redacted = documents.export_redacted(
                    settings, store, bundle_id, content, fields=arguments.fields,
                    keep=arguments.keep, show_message=show_message,
                )  # fmt: skip
                return {"fields": list(redacted.fields), "files": list(redacted.files)}
        files = bundles.export(store, bundle_id, content)
        documents.note_export(settings, store, [bundle_id], show_message=show_message)
        return {"files": [file.name for file in files]}


def _zip(folder: Path, target: Path) -> None:
    """Write the files of a folder into an archive, uncompressed: bundles are compressed already."""
    with zipfile.ZipFile(target, "x", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(str(path.relative_to(folder)), _ZIP_DATE)
            entry.external_attr = 0o644 << 16
            with path.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
                shutil.copyfileobj(source, out, 1 << 20)
