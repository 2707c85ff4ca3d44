"""Add, pause, resume, run and remove schedules, and show their visits and gaps."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from snapshotter.app.json_objects.schedules import entry_json, visits_json
from snapshotter.app.monitoring.remote_requests import RequestedSchedule, add_schedule
from snapshotter.app.monitoring.schedule_history import schedule_history
from snapshotter.app.policies.visit_plan import VisitOptions
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.jobs.schedules.schedules import Schedule, Schedules
from snapshotter.translation import tr
from snapshotter.web.api.conditional import IfMatch, IfNoneMatch, answer_etag, require_match
from snapshotter.web.api.dependencies import (
    Actor,
    Context,
    Limit,
    read_annotations,
    reading_archive,
)
from snapshotter.web.api.machine_paths import shown_schedule
from snapshotter.web.api.models import schedules as models
from snapshotter.web.api.models.schedules import ScheduleName
from snapshotter.web.api.problem import not_found

router = APIRouter(tags=["schedules"])
_VISITS: Final = 10  # next visits that are shown


@router.get("/schedules")
def list_schedules(context: Context) -> models.ScheduleList:
    """List the schedules, and the next visit of each."""
    return models.ScheduleList.model_validate(
        {
            "schedules": [shown_schedule(context, entry) for entry in _schedules(context).all()],
            "worker": context.services.has_worker(),
        }
    )


@router.post("/schedules", status_code=201)
def create_schedule(
    context: Context, person: Actor, response: Response, wanted: models.ScheduleRequest
) -> models.ScheduleDetails:
    """
    Add a schedule. With `every` and `curve`, the first visit is due now.

    A worker makes the visits. While no worker runs, visits are missed and recorded.
    """
    services, settings = context.services, context.settings
    entry = add_schedule(
        _schedules(context),
        RequestedSchedule(
            urls=tuple(wanted.urls),
            name=wanted.name,
            options=VisitOptions(
                cron=wanted.cron,
                every=wanted.every,
                curve=wanted.curve,
                zone=wanted.zone,
                start=wanted.start,
                end=wanted.end,
                jitter=wanted.jitter,
                seasons=tuple(wanted.seasons),
                quiet=tuple(wanted.quiet_hours),
                catch_up=wanted.catch_up,
                max_late=wanted.max_late,
            ),
            policy=wanted.policy,
            priority=wanted.priority,
            tags=tuple(wanted.tags),
            cases=tuple(wanted.cases),
        ),
        data_dir=settings.data_dir,
        policies_dir=settings.policies_dir,
        default_policy=settings.policy,
        ids=services.ids,
        annotations=lambda: read_annotations(context),
    )
    response.headers["location"] = f"/api/v1/schedules/{entry.name}"
    answer_etag(response, shown_schedule(context, entry))
    return _details(context, _schedules(context), entry)


@router.get("/schedules/{name}", responses={304: {"description": "The client has this state."}})
def show_schedule(
    context: Context, response: Response, name: ScheduleName, if_none_match: IfNoneMatch = None
) -> models.ScheduleDetails:
    """Show a schedule and its next visits, including jitter."""
    schedules = _schedules(context)
    entry = _find(schedules, name)
    answer_etag(response, shown_schedule(context, entry), if_none_match)
    return _details(context, schedules, entry)


@router.post("/schedules/{name}/pause")
def pause_schedule(
    context: Context,
    person: Actor,
    response: Response,
    name: ScheduleName,
    wanted: models.PauseRequest,
    if_match: IfMatch = None,
) -> models.ChangedSchedule:
    """
    Pause a schedule: no visit is due until it is resumed.

    A signed record states when, why, and by whom the schedule was paused.
    """
    schedules = _matching(context, name, if_match)
    changed = schedules.pause(name, by=person.name, reason=wanted.reason)
    return _changed(context, schedules, name, changed, response)


@router.post("/schedules/{name}/resume")
def resume_schedule(
    context: Context,
    person: Actor,
    response: Response,
    name: ScheduleName,
    if_match: IfMatch = None,
) -> models.ChangedSchedule:
    """Resume a paused schedule. Visits that were due during the pause are not made later."""
    schedules = _matching(context, name, if_match)
    changed = schedules.resume(name, by=person.name)
    return _changed(context, schedules, name, changed, response)


@router.post("/schedules/{name}/run", status_code=202)
def run_schedule(context: Context, person: Actor, name: ScheduleName) -> models.StartedVisits:
    """Add an extra visit now to all addresses of a schedule. The plan does not change."""
    schedules = _schedules(context)
    _find(schedules, name)
    return models.StartedVisits(jobs=schedules.run_now(name), name=name)


@router.delete("/schedules/{name}")
def remove_schedule(
    context: Context, person: Actor, name: ScheduleName, if_match: IfMatch = None
) -> models.RemovedSchedule:
    """
    Remove a schedule permanently.

    Bundles are not changed, and the history remains. A signed record of the removal is made.
    """
    _matching(context, name, if_match).remove(name, by=person.name)
    return models.RemovedSchedule(changed=True, name=name, state="removed")


@router.get("/schedules/{name}/history")
def show_history(
    context: Context,
    name: ScheduleName,
    gaps: Annotated[bool, Query(description="Only gaps and pauses.")] = False,
    limit: Limit = 50,
) -> models.History:
    """Show the visits with their outcomes and verdicts, and the gaps, also of a removed one."""
    schedules = _schedules(context)
    if not schedules.has_existed(name):
        raise not_found(tr("the schedule {name} does not exist", name=name))
    queue = wiring_queue.queue(context.settings, context.services.database)
    with reading_archive(context) as view:
        found = schedule_history(
            schedules,
            queue,
            view.source,
            name,
            newest=limit,
            gaps_only=gaps,
            hidden=view.hidden_reasons,
        )
    return models.History.model_validate(
        {
            "entries": [
                {"schedule": name, **entry_json(item.entry, item.removal, item.shown)}
                for item in found
            ]
        }
    )


def _schedules(context: Context) -> Schedules:
    return Schedules(context.services.database)


def _find(schedules: Schedules, name: str) -> Schedule:
    found = schedules.find(name)
    if found is None:
        raise not_found(tr("the schedule {name} does not exist", name=name))
    return found


def _matching(context: Context, name: str, if_match: str | None) -> Schedules:
    """Return the schedules, if the client knows the state of this one."""
    schedules = _schedules(context)
    what = tr("the schedule {name}", name=name)
    require_match(if_match, shown_schedule(context, _find(schedules, name)), what)
    return schedules


def _details(context: Context, schedules: Schedules, entry: Schedule) -> models.ScheduleDetails:
    visits = schedules.upcoming(entry.name, _VISITS) if entry.state == "active" else []
    return models.ScheduleDetails.model_validate(
        {**shown_schedule(context, entry), "next": visits_json(visits)}
    )


def _changed(
    context: Context, schedules: Schedules, name: str, changed: bool, response: Response
) -> models.ChangedSchedule:
    value = shown_schedule(context, _find(schedules, name))
    answer_etag(response, value)
    return models.ChangedSchedule.model_validate({**value, "changed": changed})
