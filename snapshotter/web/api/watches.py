"""Add, pause, resume and remove watch lists, and show their polls and pages."""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Response

from snapshotter.app.json_objects.watches import item_json, watch_summary_json
from snapshotter.app.monitoring.remote_requests import add_watch
from snapshotter.app.monitoring.watch_summary import items_with_jobs, watch_summary
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring import watches as wiring_watches
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.watch import ItemState, WatchStatus
from snapshotter.translation import tr
from snapshotter.web.api.conditional import IfMatch, IfNoneMatch, answer_etag, require_match
from snapshotter.web.api.dependencies import Actor, Context, Limit, read_annotations
from snapshotter.web.api.machine_paths import shown_watch
from snapshotter.web.api.models import watches as models
from snapshotter.web.api.models.schedules import PauseRequest
from snapshotter.web.api.models.watches import WatchName
from snapshotter.web.api.problem import not_found
from snapshotter.web.withheld_content import shown_items

router = APIRouter(tags=["watches"])
_POLLS: Final = 20  # that are shown


@router.get("/watches")
def list_watches(context: Context) -> models.WatchList:
    """List the watch lists, and the state of each."""
    return models.WatchList.model_validate(
        {
            "watches": [shown_watch(context, status) for status in _watches(context).statuses()],
            "worker": context.services.has_worker(),
        }
    )


@router.post("/watches", status_code=201)
def create_watch(
    context: Context, person: Actor, response: Response, wanted: models.WatchRequest
) -> models.Watch:
    """
    Watch a list for new pages: a feed, a sitemap, a CSV file, or the links of a page.

    A worker polls the list. A page that is in the list under several addresses is captured once.
    """
    status = add_watch(
        _watches(context),
        {
            "name": wanted.name,
            "source": wanted.source,
            "kind": wanted.kind,
            "select": wanted.select,
            "match": tuple(wanted.match),
            "exclude": tuple(wanted.exclude),
            "column": wanted.column,
            "existing": wanted.existing,
            "existing_limit": wanted.existing_limit,
            "policy": wanted.policy,
            "render": wanted.render,
            "then": wanted.then,
            "tags": tuple(wanted.tags),
            "cases": tuple(wanted.cases),
        },
        every=wanted.every,
        end=wanted.end,
        policies_dir=context.settings.policies_dir,
        annotations=lambda: read_annotations(context),
        plan=wiring_watches.plan,
    )
    response.headers["location"] = f"/api/v1/watches/{status.watch.name}"
    answer_etag(response, shown_watch(context, status))
    return models.Watch.model_validate(shown_watch(context, status))


@router.get("/watches/{name}", responses={304: {"description": "The client has this state."}})
def show_watch(
    context: Context, response: Response, name: WatchName, if_none_match: IfNoneMatch = None
) -> models.WatchDetails:
    """Show a watch list, its last polls and gaps, and how many captures are in each state."""
    watches = _watches(context)
    answer_etag(response, shown_watch(context, _find(watches, name)), if_none_match)
    queue = wiring_queue.queue(context.settings, context.services.database)
    summary = watch_summary(watches, queue, name, polls=_POLLS)
    return models.WatchDetails.model_validate(
        {**watch_summary_json(summary), **shown_watch(context, summary.status)}
    )


@router.get("/watches/{name}/items")
def list_items(
    context: Context,
    name: WatchName,
    state: Annotated[ItemState | None, Query(description="Only pages in this state.")] = None,
    limit: Limit = 50,
) -> models.WatchItems:
    """List the pages that a watch list found, the newest first, with the state of each."""
    watches = _watches(context)
    _find(watches, name)
    queue = wiring_queue.queue(context.settings, context.services.database)
    found = items_with_jobs(watches, queue, name, state=state, newest=limit)
    shown = shown_items(context, list(found))
    return models.WatchItems.model_validate({"items": [item_json(item) for item in shown]})


@router.post("/watches/{name}/pause")
def pause_watch(
    context: Context,
    person: Actor,
    response: Response,
    name: WatchName,
    wanted: PauseRequest,
    if_match: IfMatch = None,
) -> models.Watch:
    """Pause a watch list: the list is not polled until it is resumed."""
    watches = _matching(context, name, if_match)
    return _answer(context, watches.pause(name, by=person.name, reason=wanted.reason), response)


@router.post("/watches/{name}/resume")
def resume_watch(
    context: Context, person: Actor, response: Response, name: WatchName, if_match: IfMatch = None
) -> models.Watch:
    """Resume a paused watch list: the list is polled again from now on."""
    watches = _matching(context, name, if_match)
    return _answer(context, watches.resume(name, by=person.name), response)


@router.delete("/watches/{name}")
def remove_watch(
    context: Context, person: Actor, name: WatchName, if_match: IfMatch = None
) -> models.RemovedWatch:
    """Remove a watch list and what it knows of its pages. Jobs and bundles stay."""
    forgotten = _matching(context, name, if_match).remove(name, by=person.name)
    return models.RemovedWatch(forgotten=forgotten, name=name)


def _watches(context: Context) -> Watches:
    return Watches(context.services.database)


def _find(watches: Watches, name: str) -> WatchStatus:
    found = watches.find(name)
    if found is None:
        raise not_found(tr("the watch list {name} does not exist", name=name))
    return found


def _matching(context: Context, name: str, if_match: str | None) -> Watches:
    """Return the watch lists, if the client knows the state of this one."""
    watches = _watches(context)
    what = tr("the watch list {name}", name=name)
    require_match(if_match, shown_watch(context, _find(watches, name)), what)
    return watches


def _answer(context: Context, status: WatchStatus, response: Response) -> models.Watch:
    answer_etag(response, shown_watch(context, status))
    return models.Watch.model_validate(shown_watch(context, status))
