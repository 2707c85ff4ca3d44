"""Run audits of the store, follow them, and show the reports that the store has."""

import re
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.tasks import requests
from snapshotter.app.tasks.kinds import AuditArguments
from snapshotter.app.upkeep.audit_reports import StoredReport, open_report, stored_reports
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.finding import Verdict
from snapshotter.model.task import Task
from snapshotter.report.states import OPEN, StateLabel, verdict_label
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.pages.tasks import task_label
from snapshotter.web.console.task_requests import new_key, request_task, task_path
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of
from snapshotter.web.files import download_response

PATH: Final = "/audit"
_TASKS: Final = 20
_REPORTS: Final = 20
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ALL, _SAMPLE, _SINCE = "all", "sample", "since"


def _list(request: Request) -> Response:
    return _page(request, {"scope": _ALL})


def _page(
    request: Request,
    given: dict[str, str],
    errors: dict[str, str] | None = None,
    *,
    status_code: int = 200,
) -> Response:
    services = context_of(request).services
    found = requests.newest(services.tasks, limit=_TASKS, kind="audit")
    reports, problem = list[StoredReport](), ""
    try:
        reports += stored_reports(services.store, newest=_REPORTS)
    except ServiceUnavailable as error:  # the form and the tasks need only the database
        problem = error.message
    return respond(
        request,
        "audit.html.j2",
        status_code=status_code,
        audits=[_row(task) for task in found],
        errors=errors or {},
        given=given,
        has_worker=services.has_worker(),
        key=new_key(request),
        problem=problem,
        reports=[{"label": _report_label(report), "report": report} for report in reports],
    )


def _run(request: Request, form: Form) -> Response:
    given = {name: form.text(name).strip() for name in ("scope", "count", "day")}
    errors: dict[str, str] = {}
    count, day = given["count"], given["day"]
    if given["scope"] == _SAMPLE and not (
        count.isascii() and count.isdigit() and 1 <= len(count) <= 7 and int(count)
    ):
        errors["count"] = tr("Enter the number of bundles as digits.")
    if given["scope"] == _SINCE and not _DAY.fullmatch(day):
        errors["day"] = tr("Enter a day, such as 2026-11-30.")
    if errors:
        return _page(request, given, errors, status_code=422)
    arguments = AuditArguments(
        sample=int(count) if given["scope"] == _SAMPLE else 0,
        since=day if given["scope"] == _SINCE else "",
    )
    return request_task(request, arguments, form, back=PATH)


def _report(request: Request) -> Response:
    return _download(request, signature=False)


def _signature(request: Request) -> Response:
    return _download(request, signature=True)


def _download(request: Request, *, signature: bool) -> Response:
    store = context_of(request).services.store
    name = request.path_params["report_id"]
    return download_response(request, open_report(store, name, signature=signature))


def _row(task: Task) -> dict[str, Any]:
    value = task.result.value if task.result is not None else {}
    verdict = value.get("verdict")
    return {
        "findings": value.get("findings_count"),
        "label": _label(verdict) if task.result is not None else task_label(task.state),
        "scope": _scope(task),
        "task": task,
        "url": task_path(task.id, PATH),
    }


def _scope(task: Task) -> str:
    """Return which bundles an audit reads, or has read, in words."""
    scope = task.result.value.get("scope") if task.result is not None else None
    if isinstance(scope, dict):  # the arguments of a task that is done are removed
        return tr(
            "{read} of {bundles} bundles", read=scope.get("read"), bundles=scope.get("bundles")
        )
    if sample := task.arguments.get("sample"):
        return tr("{count} bundles, selected at random", count=sample)
    if since := task.arguments.get("since"):
        return tr("bundles since {day}", day=since)
    return tr("all bundles") if task.arguments else "–"


def _report_label(report: StoredReport) -> StateLabel:
    if report.verdict is None:
        return StateLabel(words=tr("Cannot be read"), shape="✕", tone="bad")
    return verdict_label(report.verdict)


def _label(verdict: object) -> StateLabel:
    return verdict_label(Verdict(verdict)) if verdict in {one.value for one in Verdict} else OPEN


routes = (
    Route(PATH, _list),
    Route(PATH, form_endpoint(_run), methods=["POST"]),
    Route(f"{PATH}/reports/{{report_id}}", _report),
    Route(f"{PATH}/reports/{{report_id}}/signature", _signature),
)
