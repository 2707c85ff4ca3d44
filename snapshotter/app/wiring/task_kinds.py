"""
Do each kind of tasks: build what its use case needs, call it, and return the result as JSON.

These functions run in a task process, which may open keys and start the browser.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snapshotter.app import machine
from snapshotter.app.settings import Settings
from snapshotter.app.tasks import annotate, kinds
from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.tasks.runner import DoTask
from snapshotter.app.wiring import documents
from snapshotter.app.wiring import store as wiring_store
from snapshotter.app.wiring.task_arguments import (
    known_date,
    known_formats,
    known_groups,
    known_paper,
    known_zone,
    parsed_searches,
    selected_ids,
    verifying,
)
from snapshotter.app.wiring.task_exports import ExportTasks
from snapshotter.errors import UsageMistake
from snapshotter.model.task import TaskResult
from snapshotter.ports import ShowMessage
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.annotations import AnnotationService
    from snapshotter.app.upkeep.quarantine import QuarantineService
    from snapshotter.ports import Signer

_PAUSE_S = 5.0  # before an audit looks again for objects that seem to be gone
_MOST_FINDINGS = 500  # of an audit, in the result of its task; the signed report has all kinds


class TaskKinds:
    """What does the tasks of each kind, for one installation."""

    def __init__(self, settings: Settings, show_message: ShowMessage) -> None:
        self._settings = settings
        self._show_message = show_message
        self._clock = machine.SystemClock()
        # Kept for all tasks of this process: the key is opened and the chain is read once.
        self._annotations = cache(self._open_annotations)

    def by_arguments(self) -> dict[type[Any], DoTask]:
        """Return what does the tasks, by the class of their arguments."""
        exports = ExportTasks(self._settings, self._show_message)
        return {
            kinds.AnnotateArguments: self.annotate,
            kinds.VerifyArguments: self.verify,
            kinds.ConcludeArguments: self.conclude,
            kinds.ProofArguments: self.prove,
            kinds.ReportArguments: self.report,
            kinds.CaseReportArguments: self.report_case,
            kinds.CaseExportArguments: exports.export_case,
            kinds.ExportArguments: exports.export,
            kinds.AuditArguments: self.audit,
            kinds.TrustFileArguments: exports.make_trust_file,
        }

    def annotate(self, arguments: kinds.AnnotateArguments, task: TaskContext) -> TaskResult:
        """Record something about captures or a case."""
        services = annotate.AnnotateServices(
            annotations=self._annotations, quarantine=self._open_quarantine
        )
        return annotate.annotate(services, arguments, task)

    def verify(self, arguments: kinds.VerifyArguments, task: TaskContext) -> TaskResult:
        """Verify a capture or an event, with the trust file or the keys of the settings."""
        import snapshotter
        from snapshotter.app.verification import verify_stored
        from snapshotter.app.wiring import trust as wiring_trust
        from snapshotter.app.wiring import verification
        from snapshotter.formats.canonical_json import instant

        task.step(tr("verify the proof"))
        service = verification.verification_service(
            self._settings,
            wiring_trust.trust(self._settings, by_bundle=True),
            given=(),
            show_message=self._show_message,
        )
        at = self._clock.now()
        found = verify_stored(service, arguments.object_id)
        if found.stored is not None:
            store, report = found.stored
            verification.note_fixity_check(
                self._settings, store, arguments.object_id, report, show_message=self._show_message
            )
        parts = [part["bundle_id"] for part in found.json.get("parts", ())]
        return task.result(
            {
                "bundle_ids": [arguments.object_id] if found.stored is not None else parts,
                "lines": found.lines,
                "object_id": arguments.object_id,
                "software": snapshotter.SOFTWARE,
                "verdict": found.verdict.value,
                "verification": found.json,
                "verified_at": instant(at),
            }
        )

    def conclude(self, arguments: kinds.ConcludeArguments, task: TaskContext) -> TaskResult:
        """Conclude take-downs from captures, and record each new event."""
        from snapshotter.app.json_objects.takedowns import derivation_json
        from snapshotter.app.takedown import events
        from snapshotter.app.wiring import takedown as wiring_takedown

        task.step(tr("conclude take-downs from the captures"))
        with wiring_takedown.takedown_service(
            self._settings, ask=None, show_message=self._show_message
        ) as service:
            done = events.derive(service, arguments.urls)
        return task.result({"derivations": [derivation_json(derived) for derived in done]})

    def prove(self, arguments: kinds.ProofArguments, task: TaskContext) -> TaskResult:
        """Make a proof pack."""
        from snapshotter.app.takedown import proof_case, proof_pack
        from snapshotter.app.wiring import proof as wiring_proof
        from snapshotter.app.wiring import takedown as wiring_takedown
        from snapshotter.model.finding import Verdict
        from snapshotter.verify import report as reports

        wanted = [*filter(None, (arguments.event_id, arguments.url)), *arguments.bundle_ids]
        if not wanted or (len(wanted) > 1 and len(wanted) != len(arguments.bundle_ids)):
            raise UsageMistake(tr("a proof needs an event, an address, or the ids of two captures"))
        if len(arguments.bundle_ids) == 1:
            raise UsageMistake(tr("a proof without an event needs the ids of two captures"))
        task.step(tr("find the captures"))
        with wiring_takedown.takedown_service(
            self._settings, ask=None, show_message=self._show_message
        ) as service:
            found = proof_case.find(
                service,
                wanted,
                wiring_proof.event_log_proof(self._settings),
                self._show_message,
                allowed=self._settings.allow_networks,
            )
        task.step(tr("verify the captures and write the proof pack"))
        name = found.event.event_id if found.event else found.captures[1][1]
        made = proof_pack.make(
            wiring_proof.proof_service(self._settings, ask=None, show_message=self._show_message),
            found,
            task.make_folder() / f"proof-{name}.html",
            without=frozenset(arguments.without),
        )
        wiring_proof.note_export(self._settings, made, self._show_message)
        return task.result(
            {
                "bundle_ids": [bundle_id for _, bundle_id in found.captures],
                "event_id": made.manifest.event_id,
                "findings": [
                    reports.finding_json(finding)
                    for finding in made.report.findings
                    if finding.verdict is not Verdict.PASSED
                ],
                "key_id": made.report.key_id,
                "lacks": list(made.manifest.lacks),
                "verdict": made.report.verdict.value,
            },
            [made.file],
        )

    def report(self, arguments: kinds.ReportArguments, task: TaskContext) -> TaskResult:
        """Make the reports about captures."""
        from snapshotter.report import capture_report as reports
        from snapshotter.report.local_time import LocalTime

        local = LocalTime(zone=known_zone(arguments.zone))
        store, folder = wiring_store.store(self._settings), task.make_folder()
        bundle_ids = selected_ids(arguments.bundle_ids)
        made_reports = []
        for number, bundle_id in enumerate(bundle_ids):
            task.step(tr("verify, and write the report"), number, len(bundle_ids))
            stored = documents.stored_report(
                self._settings, store, bundle_id, now=self._clock.now(), local=local,
                case=arguments.case, show_message=self._show_message,
            )  # fmt: skip
            report = stored.made.report
            data = reports.encode(report)
            digest = hashlib.sha256(data).hexdigest()
            self._write(
                folder / f"report-{bundle_id}", arguments.formats, arguments.paper, data,
                reports.page(report, stored.made.picture, local, digest=digest),
                report.verified_at,
            )  # fmt: skip
            stored.note(
                self._settings,
                f"capture report, SHA-256 of report.json {digest}",
                show_message=self._show_message,
            )
            made_reports.append(
                {
                    "bundle_id": bundle_id,
                    "headline": " ".join(report.sentences),
                    "report_sha256": digest,
                    "verdict": report.verdict.value,
                }
            )
        return task.result(
            {"bundle_ids": list(bundle_ids), "reports": made_reports}, sorted(folder.iterdir())
        )

    def report_case(self, arguments: kinds.CaseReportArguments, task: TaskContext) -> TaskResult:
        """Make the report about all exhibits of a case."""
        from snapshotter.app.archive.organising.case_export_plan import case_report_stem
        from snapshotter.report import case_report as reports
        from snapshotter.report.local_time import LocalTime

        local = LocalTime(zone=known_zone(arguments.zone))
        report = documents.verified_case_report(
            self._settings, arguments.case, now=self._clock.now(), local=local,
            searches=parsed_searches(arguments.searches), included=known_groups(arguments.included),
            show_message=self._show_message, show_progress=verifying(task),
        )  # fmt: skip
        data = reports.encode(report)
        digest = hashlib.sha256(data).hexdigest()
        task.step(tr("write the report"))
        folder = task.make_folder()
        self._write(
            folder / case_report_stem(report.case), arguments.formats, arguments.paper, data,
            reports.page(report, local, digest=digest), report.verified_at,
        )  # fmt: skip
        shown = [exhibit.bundle_id for exhibit in report.exhibits if exhibit.verdict is not None]
        documents.note_export(
            self._settings,
            wiring_store.store(self._settings),
            shown,
            show_message=self._show_message,
            detail=f"case report, SHA-256 of its JSON file {digest}",
        )
        return task.result(
            {
                "alarms": list(report.alarms),
                "bundle_ids": shown,
                "case": report.case,
                "exhibits": len(report.exhibits),
                "report_sha256": digest,
                "verdict": report.verdict.value,
            },
            sorted(folder.iterdir()),
        )

    def audit(self, arguments: kinds.AuditArguments, task: TaskContext) -> TaskResult:
        """Audit the store; the report is signed, stored, logged, and its findings are notified."""
        from snapshotter.app.monitoring import notification_events
        from snapshotter.app.upkeep import audit as auditing
        from snapshotter.app.wiring import log as wiring_log
        from snapshotter.app.wiring import notifications as wiring_notifications
        from snapshotter.app.wiring import upkeep as wiring_upkeep
        from snapshotter.verify.audit import report as reports
        from snapshotter.verify.audit.run import AuditRequest

        published = wiring_log.checkpoint_memory(self._settings).load()
        request = AuditRequest(
            sample=arguments.sample or None,
            since=known_date(arguments.since),
            restart=arguments.restart,
            checkpoints=((tr("the checkpoint that this machine published"), published),)
            * bool(published),
        )
        service = replace(
            wiring_upkeep.audit_service(
                self._settings, state_dir=None, pause_s=_PAUSE_S, ask=None,
                show_message=self._show_message,
            ),
            signer=self._report_signer(),
        )  # fmt: skip
        store_name, findings = service.receipts.store_name, list[dict[str, Any]]()

        def progress(stage: str, done: int, of: int) -> None:
            task.step(stage, done, of)

        try:
            done = auditing.audit(
                service,
                request,
                progress,
                each=lambda finding: findings.append(reports.finding_json(finding)),
            )
        except auditing.StoreWithheld:
            alarm = notification_events.withheld_event(0, "", store_name, self._clock.now())
            wiring_notifications.notify_once(self._settings, alarm, show_message=self._show_message)
            raise
        for event in notification_events.audit_events(
            done.report, done.report_id, store_name, self._clock.now()
        ):
            wiring_notifications.notify_once(self._settings, event, show_message=self._show_message)
        return task.result(
            {
                **reports.report_json(done.report),
                "exit_code": reports.exit_code(done.report),
                "findings": findings[:_MOST_FINDINGS],
                "findings_count": len(findings),
                "lines": list(reports.lines(done.report)),
                "problem": done.problem.message if done.problem is not None else None,
                "report_id": done.report_id or None,
                "report_key": done.report_key or None,
            }
        )

    def _open_annotations(self) -> "AnnotationService":
        from snapshotter.app.wiring import annotations as wiring_annotations

        return wiring_annotations.annotation_service(
            self._settings, ask=None, show_message=self._show_message
        )

    def _open_quarantine(self) -> "QuarantineService":
        from snapshotter.app.wiring import upkeep as wiring_upkeep

        return wiring_upkeep.quarantine_service(
            self._settings, ask=None, show_message=self._show_message
        )

    def _report_signer(self) -> "Signer | None":
        """Return the key that signs reports of audits; None if there is none: none is made."""
        from snapshotter.app.wiring import keys as wiring_keys

        if not wiring_keys.signing_keys(self._settings):
            return None
        return wiring_keys.signer(self._settings, ask=None, show_message=self._show_message)

    def _write(
        self, path: Path, formats: Iterable[str], paper: str, data: bytes, page: bytes, at: Any
    ) -> None:
        """Write a document as files whose names begin with `path`."""
        for kind, content in documents.document_files(
            self._settings,
            known_formats(formats),
            data=data,
            page=page,
            paper=known_paper(paper),
            at=at,
        ):
            path.with_name(f"{path.name}.{kind}").write_bytes(content)
