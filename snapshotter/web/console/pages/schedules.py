"""Show schedules with their visits and gaps, and add, pause, resume and remove them."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.monitoring.cadence import cadence_words
from snapshotter.app.monitoring.form_mistakes import FormMistake
from snapshotter.app.monitoring.schedule_form import CRON, CURVE, ScheduleForm, add_from_form
from snapshotter.app.monitoring.schedule_history import schedule_history
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.schedules.gap_records import REASON_TEXT
from snapshotter.jobs.schedules.history import HistoryEntry
from snapshotter.jobs.schedules.schedules import Schedule, Schedules
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.assessment import AssessmentSummary
from snapshotter.model.capture import Outcome
from snapshotter.model.gap import GapEvent, GapReason
from snapshotter.model.job import JobState
from snapshotter.policy.files import curves
from snapshotter.report.states import StateLabel, capture_label, job_label, page_label
from snapshotter.translation import tr
from snapshotter.web.console.choices import case_choices, open_cases, policy_choices
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.monitor_forms import INTERVALS, MonitorForms, errors_of
from snapshotter.web.console.templating import respond
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound

PATH: Final = "/schedules"
_VISITS: Final = 5  # next visits of a schedule
_ENTRIES: Final = 100  # of the history of a schedule
_MISSED: Final = 20  # gaps of all schedules
_RECENT: Final = timedelta(days=14)  # in which missed visits are listed
_ADDRESSES: Final = 200  # of a schedule
_STATES: Final = {
    "active": StateLabel(words=tr("Active"), shape="●", tone="good"),
    "paused": StateLabel(words=tr("Paused"), shape="‖", tone="warn"),
    "ended": StateLabel(words=tr("Ended"), shape="–", tone="open"),
}
_MISSED_LABEL: Final = StateLabel(words=tr("Missed"), shape="┆", tone="warn")
_EVENTS: Final = {
    GapEvent.PAUSED.value: tr("Paused"),
    GapEvent.RESUMED.value: tr("Resumed"),
    GapEvent.REMOVED.value: tr("Removed"),
}


def _list(request: Request) -> Response:
    return _page(request, ScheduleForm())


def _page(
    request: Request,
    given: ScheduleForm,
    mistakes: Sequence[FormMistake] = (),
    *,
    status_code: int = 200,
) -> Response:
    context = context_of(request)
    services, schedules = context.services, Schedules(context.services.database)
    queue = wiring_queue.queue(context.settings, services.database)
    last = schedules.last_visits(look=queue.get)
    jobs = queue.some([entry.job_id for entry in last.values()])
    shown = {status.job.id: status.shown for status in jobs}
    cases = open_cases(services.index)
    return respond(
        request,
        "schedules.html.j2",
        status_code=status_code,
        case_options=case_choices(cases),
        cases=cases,
        cron=CRON,
        error_links=[(mistake.field, mistake.sentence) for mistake in mistakes],
        errors=errors_of(mistakes),
        given=given,
        has_worker=services.has_worker(),
        missed=[
            {"name": name, "url": schedule_path(name), **_gap(entry)}
            for name, entry in schedules.missed(since=queue.now() - _RECENT, newest=_MISSED)
        ],
        often=_often_choices(),
        policies=policy_choices(context.settings),
        rows=[_row(entry, last.get(entry.name), shown) for entry in schedules.all()],
    )


def _add(request: Request, form: Form) -> Response:
    context = context_of(request)
    services, settings = context.services, context.settings
    given = ScheduleForm(**{name: form.text(name) for name in ScheduleForm.__dataclass_fields__})
    result = add_from_form(
        Schedules(services.database),
        given,
        data_dir=settings.data_dir,
        policies_dir=settings.policies_dir,
        default_policy=settings.policy,
        ids=services.ids,
        annotations=lambda: _annotations(context),
    )
    if result.schedule is None:
        return _page(request, given, result.mistakes, status_code=422)
    return RedirectResponse(schedule_path(result.schedule.name), 303)


def _show(request: Request) -> Response:
    return _schedule_page(request)


def _schedule_page(
    request: Request, *, reason: str = "", error: str = "", status_code: int = 200
) -> Response:
    context, (schedules, entry) = context_of(request), _found(request)
    services = context.services
    queue = wiring_queue.queue(context.settings, services.database)
    with services.index.reading() as view:
        found = schedule_history(
            schedules, queue, view.source, entry.name, newest=_ENTRIES, hidden=view.hidden_reasons
        )
    targets = []
    for target in schedules.targets(entry.name):
        targets.append(target)
        if len(targets) == _ADDRESSES:
            break
    return respond(
        request,
        "schedule.html.j2",
        status_code=status_code,
        addresses=targets,
        entry=entry,
        error=error,
        has_worker=services.has_worker(),
        history=[_history_row(item.entry, item.shown, item.removal is not None) for item in found],
        label=_label(entry),
        path=schedule_path(entry.name),
        reason=reason,
        visits=schedules.upcoming(entry.name, _VISITS) if entry.state == "active" else [],
        words=cadence_words(entry.plan),
    )


def _run(request: Request, _: Form) -> Response:
    schedules, entry = _found(request)
    schedules.run_now(entry.name)
    return RedirectResponse(f"{schedule_path(entry.name)}#history", 303)


def schedule_path(name: str) -> str:
    """Return the path of the page of a schedule."""
    return f"{PATH}/{quote(name, safe='')}"


def _found(request: Request) -> tuple[Schedules, Schedule]:
    schedules = Schedules(context_of(request).services.database)
    name = request.path_params["name"]
    entry = schedules.find(name)
    if entry is None:
        raise NotFound(tr("the schedule {name} does not exist", name=name[:100]))
    return schedules, entry


def _annotations(context: WebContext) -> AnnotationState:
    with context.services.index.reading() as view:
        return view.state.annotations


def _label(entry: Schedule) -> StateLabel:
    return _STATES["ended" if entry.has_ended else entry.state]


def _row(
    entry: Schedule, last: HistoryEntry | None, shown: dict[str, AssessmentSummary | None]
) -> dict[str, Any]:
    return {
        "entry": entry,
        "label": _label(entry),
        "last": None if last is None else _visit(last, shown.get(last.job_id)),
        "url": schedule_path(entry.name),
        "words": cadence_words(entry.plan),
    }


def _history_row(
    entry: HistoryEntry, shown: AssessmentSummary | None, is_suspicious: bool
) -> dict[str, Any]:
    if entry.kind == "visit":
        return {"is_suspicious": is_suspicious, **_visit(entry, shown)}
    if entry.kind == GapEvent.MISSED:
        return _gap(entry)
    return {
        "kind": "note",
        "at": entry.at,
        "by": entry.by,
        "detail": entry.detail,
        "gap_id": entry.gap_id,
        # Rows with times are the visits that fell into a pause.
        "words": _skipped(len(entry.slots)) if entry.slots else _EVENTS.get(entry.kind, entry.kind),
    }


def _skipped(count: int) -> str:
    return (
        tr("1 visit was not made because of the pause")
        if count == 1
        else tr("{count} visits were not made because of the pause", count=count)
    )


def _visit(entry: HistoryEntry, shown: AssessmentSummary | None) -> dict[str, Any]:
    """Return a visit with the answers to: is the page there, is the capture whole?"""
    outcome = Outcome(entry.outcome) if entry.outcome in set(Outcome) else None
    label = page_label(shown, outcome) if entry.bundle_id else _state_of(entry.state)
    return {
        "kind": "visit",
        "at": entry.at,
        "capture": capture_label(outcome) if entry.bundle_id else None,
        "capture_url": f"/captures/{entry.bundle_id}" if entry.bundle_id else "",
        "detail": entry.detail,
        "label": label,
        "url": entry.url,
    }


def _state_of(state: str) -> StateLabel:
    """Return the state of a visit without a capture: planned, or the state of its job."""
    if state in set(JobState):
        return job_label(JobState(state))
    if state == "planned" or state == "queued":
        return job_label(JobState.WAITING)
    return StateLabel(words=tr("Not established"), shape="○", tone="open")


def _gap(entry: HistoryEntry) -> dict[str, Any]:
    try:
        reason = REASON_TEXT[GapReason(entry.reason)]
    except ValueError:  # of a later release
        reason = entry.reason
    return {
        "kind": "missed",
        "at": entry.at,
        "count": len(entry.slots),
        "gap_id": entry.gap_id,
        "label": _MISSED_LABEL,
        "page": entry.url,
        "reason": reason,
        "until": entry.until if entry.until != entry.at else None,
    }


def _often_choices() -> list[tuple[str, str]]:
    """Return value and name of each way to say when visits are due."""
    return [
        *INTERVALS,
        *(
            (f"{CURVE}{name}", tr("Often at first, then seldom ({name})", name=name))
            for name in sorted(curves(None))
        ),
        (CRON, tr("At fixed times (cron expression)")),
    ]


_FORMS: Final = MonitorForms(
    path=PATH,
    heading=tr("Schedules"),
    what=tr("schedule"),
    after_removal=tr(
        "Visits of this schedule end. Its captures and its history stay. A signed record states "
        "when the schedule was removed."
    ),
    path_of=schedule_path,
    open=lambda request: Schedules(context_of(request).services.database),
    show=_schedule_page,
)

routes = (
    Route(PATH, _list),
    Route(PATH, form_endpoint(_add), methods=["POST"]),
    Route(f"{PATH}/{{name}}", _show),
    Route(f"{PATH}/{{name}}/run", form_endpoint(_run), methods=["POST"]),
    *_FORMS.routes(),
)
