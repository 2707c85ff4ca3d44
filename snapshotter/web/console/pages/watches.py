"""Show watch lists with their polls and pages, and add, pause, resume and remove them."""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.monitoring.cadence import interval_words
from snapshotter.app.monitoring.form_mistakes import FormMistake
from snapshotter.app.monitoring.watch_form import WatchForm, watch_from_form
from snapshotter.app.monitoring.watch_summary import ItemWithJob, items_with_jobs, watch_summary
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.app.wiring import watches as wiring_watches
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.model.sentences import capitalized
from snapshotter.model.watch import Existing, ItemState, ListState, Poll, WatchStatus
from snapshotter.report.states import StateLabel, job_result_label, page_label
from snapshotter.translation import tr
from snapshotter.web.console.choices import case_choices, open_cases, policy_choices
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.monitor_forms import INTERVALS, MonitorForms, errors_of
from snapshotter.web.console.templating import respond
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import NotFound
from snapshotter.web.withheld_content import shown_items

PATH: Final = "/watches"
_POLLS: Final = 50
_ITEMS: Final = 100
_PAUSED: Final = StateLabel(words=tr("Paused"), shape="‖", tone="warn")
_ENDED: Final = StateLabel(words=tr("Ended"), shape="–", tone="open")
_GAP: Final = StateLabel(words=tr("Not polled"), shape="┆", tone="warn")
_LIST_STATES: Final = {
    ListState.NEW: (tr("Not polled yet"), "○", "open"),
    ListState.OK: (tr("Read"), "●", "good"),
    ListState.EMPTY: (tr("The list is empty"), "▲", "warn"),
    ListState.SHRUNK: (tr("The list has less than half of its pages"), "▲", "warn"),
    ListState.MOVED: (tr("The list has moved to another host"), "▲", "warn"),
    ListState.NOT_A_LIST: (tr("No longer a list"), "✕", "bad"),
    ListState.THROTTLED: (tr("The host asks for fewer visits"), "▲", "warn"),
    ListState.FORBIDDEN: (tr("The host refuses the request"), "✕", "bad"),
    ListState.GONE: (tr("The list no longer exists"), "✕", "bad"),
    ListState.UNREACHABLE: (tr("No answer"), "✕", "bad"),
    ListState.REFUSED: (tr("Refused by the rules of this installation"), "✕", "bad"),
    ListState.TOO_LARGE: (tr("Too large"), "✕", "bad"),
}
_ITEM_STATES: Final = {
    ItemState.WAITING: (tr("Waiting"), "○", "open"),
    ItemState.QUEUED: (tr("In the queue"), "○", "open"),
    ItemState.SKIPPED: (tr("Not wanted"), "–", "open"),
    ItemState.SAME: (tr("The same page as another address"), "=", "open"),
}


def _list(request: Request) -> Response:
    return _page(request, WatchForm())


def _page(
    request: Request,
    given: WatchForm,
    mistakes: Sequence[FormMistake] = (),
    *,
    status_code: int = 200,
) -> Response:
    context = context_of(request)
    services = context.services
    cases = open_cases(services.index)
    return respond(
        request,
        "watches.html.j2",
        status_code=status_code,
        case_options=case_choices(cases),
        cases=cases,
        error_links=[(mistake.field, mistake.sentence) for mistake in mistakes],
        errors=errors_of(mistakes),
        existing=[
            (Existing.CAPTURE.value, tr("Capture these pages, at most 100")),
            (Existing.SKIP.value, tr("Capture only pages that are added later")),
        ],
        given=given,
        has_worker=services.has_worker(),
        often=INTERVALS,
        policies=policy_choices(context.settings),
        rows=[_row(status) for status in Watches(services.database).statuses()],
    )


def _add(request: Request, form: Form) -> Response:
    context = context_of(request)
    given = WatchForm(**{name: form.text(name) for name in WatchForm.__dataclass_fields__})
    result = watch_from_form(
        Watches(context.services.database),
        given,
        policies_dir=context.settings.policies_dir,
        annotations=lambda: _annotations(context),
        plan=wiring_watches.plan,
    )
    if result.status is None:
        return _page(request, given, result.mistakes, status_code=422)
    return RedirectResponse(watch_path(result.status.watch.name), 303)


def _show(request: Request) -> Response:
    return _watch_page(request)


def _watch_page(
    request: Request, *, reason: str = "", error: str = "", status_code: int = 200
) -> Response:
    context, (watches, status) = context_of(request), _found(request)
    services, name = context.services, status.watch.name
    queue = wiring_queue.queue(context.settings, services.database)
    summary = watch_summary(watches, queue, name, polls=_POLLS)
    return respond(
        request,
        "watch.html.j2",
        status_code=status_code,
        error=error,
        has_worker=services.has_worker(),
        items=[
            _item(found)
            for found in shown_items(
                context, list(items_with_jobs(watches, queue, name, state=None, newest=_ITEMS))
            )
        ],
        label=_label(status),
        often=_often(status),
        path=watch_path(name),
        polls=[_poll(poll) for poll in summary.polls],
        reason=reason,
        status=status,
        summary=summary,
        watch=status.watch,
    )


def watch_path(name: str) -> str:
    """Return the path of the page of a watch list."""
    return f"{PATH}/{quote(name, safe='')}"


def _found(request: Request) -> tuple[Watches, WatchStatus]:
    watches = Watches(context_of(request).services.database)
    name = request.path_params["name"]
    status = watches.find(name)
    if status is None:
        raise NotFound(tr("the watch list {name} does not exist", name=name[:100]))
    return watches, status


def _annotations(context: WebContext) -> AnnotationState:
    with context.services.index.reading() as view:
        return view.state.annotations


def _label(status: WatchStatus) -> StateLabel:
    if status.ended:
        return _ENDED
    return _PAUSED if status.paused else _state(status.state)


def _state(state: ListState) -> StateLabel:
    words, shape, tone = _LIST_STATES[state]
    return StateLabel(words=words, shape=shape, tone=tone)


def _often(status: WatchStatus) -> str:
    return capitalized(interval_words(status.watch.every))


def _row(status: WatchStatus) -> dict[str, Any]:
    return {
        "label": _label(status),
        "often": _often(status),
        "status": status,
        "url": watch_path(status.watch.name),
    }


def _poll(poll: Poll) -> dict[str, Any]:
    return {"label": _GAP if poll.state is None else _state(poll.state), "poll": poll}


def _item(found: ItemWithJob) -> dict[str, Any]:
    item, job = found.item, found.job
    if job is not None and job.bundle_id:
        label = page_label(job.shown, None)
    elif job is not None:
        label = job_result_label(job)
    else:
        words, shape, tone = _ITEM_STATES[item.state]
        label = StateLabel(words=words, shape=shape, tone=tone)
    bundle_id = job.bundle_id if job is not None else ""
    return {
        "capture_url": f"/captures/{bundle_id}" if bundle_id else "",
        "item": item,
        "label": label,
    }


_FORMS: Final = MonitorForms(
    path=PATH,
    heading=tr("Watch lists"),
    what=tr("watch list"),
    after_removal=tr(
        "The list is not polled any more, and its pages are forgotten. Captures stay. A signed "
        "record states when the list was removed."
    ),
    path_of=watch_path,
    open=lambda request: Watches(context_of(request).services.database),
    show=_watch_page,
)

routes = (
    Route(PATH, _list),
    Route(PATH, form_endpoint(_add), methods=["POST"]),
    Route(f"{PATH}/{{name}}", _show),
    *_FORMS.routes(),
)
