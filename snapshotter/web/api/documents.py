"""
Request verifications, audits, conclusions, proof packs, reports and exports.

All of these need keys or hours. Each request is answered with a task, which has the result: values
in `result`, and files to download.
"""

from fastapi import APIRouter, Response

from snapshotter.app.monitoring.remote_requests import checked_urls
from snapshotter.app.tasks.kinds import (
    AuditArguments,
    CaseExportArguments,
    CaseReportArguments,
    ConcludeArguments,
    ExportArguments,
    ExportForm,
    ProofArguments,
    ReportArguments,
    TrustFileArguments,
    VerifyArguments,
)
from snapshotter.translation import tr
from snapshotter.web.api.annotations import find_case
from snapshotter.web.api.captures import require_bundle
from snapshotter.web.api.conditional import IdempotencyKey
from snapshotter.web.api.dependencies import Actor, Context, Limit, reading_archive
from snapshotter.web.api.models import documents as models
from snapshotter.web.api.models.annotations import CaseName
from snapshotter.web.api.models.tasks import Task, TaskList
from snapshotter.web.api.problem import Problem, not_found
from snapshotter.web.api.tasks import Cursor, submit, task_list

router = APIRouter()


@router.post("/verifications", status_code=202, tags=["verification"])
def verify(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.VerificationRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Verify a capture or a take-down event with all its captures."""
    with reading_archive(context) as view:
        if not view.source.index.events(event_id=wanted.object_id):
            require_bundle(context, wanted.object_id)
    arguments = VerifyArguments(object_id=wanted.object_id)
    return submit(context, person, response, arguments, idempotency_key)


@router.get("/audits", tags=["audit"])
def list_audits(context: Context, cursor: Cursor = "", limit: Limit = 50) -> TaskList:
    """List the audits that were requested at a server in the last 30 days."""
    return task_list(context, kind="audit", cursor=cursor, limit=limit)


@router.post("/audits", status_code=202, tags=["audit"])
def audit(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.AuditRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Audit the store: look for bundles that were deleted, replaced, backdated or damaged."""
    arguments = AuditArguments(sample=wanted.sample, since=wanted.since, restart=wanted.restart)
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/conclusions", status_code=202, tags=["events"])
def conclude(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.ConclusionRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Conclude take-downs from the captures of the store, and record each new event."""
    arguments = ConcludeArguments(urls=tuple(checked_urls(wanted.urls)))
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/proofs", status_code=202, tags=["documents"])
def make_proof(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.ProofRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Make a proof pack: one HTML file with the evidence of a take-down or a change."""
    if sum(map(bool, (wanted.event_id, wanted.url, wanted.bundle_ids))) != 1:
        raise Problem(
            "invalid-request",
            tr("a proof pack needs exactly one of event_id, url and bundle_ids"),
            exit_code=2,
        )
    for bundle_id in wanted.bundle_ids:
        require_bundle(context, bundle_id)
    if wanted.event_id:
        with reading_archive(context) as view:
            if not view.source.index.events(event_id=wanted.event_id):
                raise not_found(tr("the store has no take-down event {name}", name=wanted.event_id))
    arguments = ProofArguments(
        event_id=wanted.event_id,
        url=checked_urls([wanted.url])[0] if wanted.url else "",
        bundle_ids=tuple(wanted.bundle_ids),
        without=tuple(wanted.without),
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/reports", status_code=202, tags=["documents"])
def make_reports(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.ReportRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Make a report about each of some captures, as HTML, PDF and JSON."""
    for bundle_id in wanted.bundle_ids:
        require_bundle(context, bundle_id)
    if wanted.case:
        find_case(context, wanted.case)
    arguments = ReportArguments(
        bundle_ids=tuple(wanted.bundle_ids),
        case=wanted.case,
        formats=tuple(wanted.formats),
        paper=wanted.paper,
        zone=wanted.zone,
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/exports", status_code=202, tags=["documents"])
def export(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.ExportRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Export captures as one ZIP archive."""
    for bundle_id in wanted.bundle_ids:
        require_bundle(context, bundle_id)
    arguments = ExportArguments(
        bundle_ids=tuple(wanted.bundle_ids),
        form=ExportForm(wanted.form),
        fields=tuple(wanted.fields),
        keep=tuple(wanted.keep),
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/trust-file", status_code=202, tags=["documents"])
def make_trust_file(
    context: Context,
    person: Actor,
    response: Response,
    wanted: models.TrustFileRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """
    Make the trust file that archives contain, or bring it up to date.

    `result.root_key` is the fingerprint for readers of archives. Settings that name a trust file
    take precedence over this file.
    """
    arguments = TrustFileArguments(owner=wanted.owner)
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/cases/{name}/reports", status_code=202, tags=["documents"])
def make_case_report(
    context: Context,
    person: Actor,
    response: Response,
    name: CaseName,
    wanted: models.CaseReportRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Make the report about all exhibits of a case."""
    find_case(context, name)
    arguments = CaseReportArguments(
        case=name,
        included=tuple(wanted.included),
        searches=tuple(wanted.searches),
        formats=tuple(wanted.formats),
        paper=wanted.paper,
        zone=wanted.zone,
    )
    return submit(context, person, response, arguments, idempotency_key)


@router.post("/cases/{name}/exports", status_code=202, tags=["documents"])
def export_case(
    context: Context,
    person: Actor,
    response: Response,
    name: CaseName,
    wanted: models.CaseExportRequest,
    idempotency_key: IdempotencyKey = None,
) -> Task:
    """Make the archive of a case: bundles, reports, and both verifiers."""
    find_case(context, name)
    arguments = CaseExportArguments(
        case=name,
        included=tuple(wanted.included),
        pdf=wanted.pdf,
        load_files=wanted.load_files,
        case_report=wanted.case_report,
        part_bytes=wanted.part_bytes,
        paper=wanted.paper,
        zone=wanted.zone,
    )
    return submit(context, person, response, arguments, idempotency_key)
