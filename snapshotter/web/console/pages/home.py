"""Show what happened today and what happens now, and accept captures."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.archive.screens.capture_list import CaptureCard, CaptureFilters, list_captures
from snapshotter.app.archive.screens.today import Today
from snapshotter.app.monitoring.activity import Activity, activity, next_visits
from snapshotter.app.monitoring.capture_box import ORIGIN, BoxInput, enqueue_box
from snapshotter.app.monitoring.form_mistakes import FormMistake
from snapshotter.app.wiring import queue as wiring_queue
from snapshotter.formats.bundle import store_keys
from snapshotter.jobs.schedules.schedules import Schedules
from snapshotter.jobs.workers.capture_stages import capture_stages
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.report.day import day_numbers
from snapshotter.report.local_time import LocalTime
from snapshotter.report.states import POSSIBLE_REMOVAL
from snapshotter.translation import tr
from snapshotter.web.console.choices import case_choices, open_cases, policy_choices
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.monitor_forms import errors_of
from snapshotter.web.console.now_list import BUSY_MS, IDLE_MS, NowRow, now_rows, rows_json, spoken
from snapshotter.web.console.pages.captures import gallery_item
from snapshotter.web.console.pages.day import day_url
from snapshotter.web.console.templating import respond
from snapshotter.web.context import WebContext, context_of

_RECENT: Final = 8  # captures in the gallery
_REQUESTED: Final = 5  # jobs of the box in the list of now
_LISTED: Final = timedelta(days=1)  # for which a job that has ended is listed
_VISITS: Final = 5  # schedules with the next visits
_FIRST_REPORT_S: Final = 0.1  # for which the first report of a day is waited for
_SELDOM: Final = ("reappeared", "partial")  # numbers that are left out if they are 0
_REVIEW: Final = "/review"
_LABELS: Final = {"possible_removals": POSSIBLE_REMOVAL}


def _home(request: Request) -> Response:
    context = context_of(request)
    given = BoxInput(key=context.services.ids.random_bytes(16).hex())
    again = request.query_params.get("again", "")
    return _page(request, _filled(context, given, again) if store_keys.is_id(again) else given)


def _filled(context: WebContext, given: BoxInput, bundle_id: str) -> BoxInput:
    """
    Return the box with the address and the policy of a capture, which a link names by its id.

    No link can name an address: whoever makes links could choose what is captured here.
    """
    if context.services.index.state is None:
        return given
    with context.services.index.reading() as view:
        found = view.source.index.requested(bundle_id)
        is_hidden = bool(view.hidden_reasons([bundle_id]))
    if found is None or is_hidden:
        return given
    url, policy = found
    names = {name for name, _ in policy_choices(context.settings)}
    return replace(given, addresses=url, policy=policy if policy in names else "")


def _page(
    request: Request,
    given: BoxInput,
    mistakes: Sequence[FormMistake] = (),
    *,
    status_code: int = 200,
) -> Response:
    context = context_of(request)
    services, local = context.services, LocalTime()
    state = services.index.state
    cards: tuple[CaptureCard, ...] = ()
    total, waiting = 0, None
    if state is not None:
        with services.index.reading() as view:
            found = list_captures(view, CaptureFilters(), limit=_RECENT)
            cards, total = found.cards, found.total or 0
            waiting = services.review.count(view)
    now = _activity(context)
    today = services.today.latest(wait_s=_FIRST_REPORT_S)
    day = services.clock.now()
    cases = open_cases(services.index)
    return respond(
        request,
        "home.html.j2",
        status_code=status_code,
        activity=now,
        cards=[gallery_item(card) for card in cards],
        case_options=case_choices(cases),
        cases=cases,
        day=day.astimezone(local.zone),
        day_url=day_url(day, local),
        error_links=[(mistake.field, mistake.sentence) for mistake in mistakes],
        errors=errors_of(mistakes),
        given=given,
        has_worker=services.has_worker(),
        worker_problem=context.worker.problem,
        index_problem=services.index.problem,
        is_indexed=state is not None,
        local_day=local.day(day),
        mistakes=mistakes,
        numbers=_numbers(today, local, waiting),
        policies=policy_choices(context.settings),
        queued=_number(request.query_params.get("queued", "")),
        rows=_rows(context, now),
        today=today,
        today_problem=services.today.problem,
        total=total,
        visits=next_visits(Schedules(services.database), limit=_VISITS),
    )


def _capture(request: Request, form: Form) -> Response:
    context = context_of(request)
    services = context.services
    given = BoxInput(
        addresses=form.text("addresses"),
        policy=form.text("policy"),
        case=form.text("case"),
        tags=form.text("tags"),
        key=form.text("key")[:64],
    )

    def annotations() -> AnnotationState:
        with services.index.reading() as view:
            return view.state.annotations

    result = enqueue_box(
        wiring_queue.queue(context.settings, services.database),
        given,
        requested_by=services.person.name,
        now=services.clock.now(),
        policies_dir=context.settings.policies_dir,
        annotations=annotations,
    )
    if result.mistakes:
        return _page(request, given, result.mistakes, status_code=422)
    return RedirectResponse(f"/?queued={len(result.jobs)}#now", 303)


def _live(request: Request) -> Response:
    """Return what the script of the page shows anew."""
    context = context_of(request)
    now = _activity(context)
    rows = _rows(context, now)
    return JSONResponse(
        {
            "every_ms": BUSY_MS if now.running or now.waiting else IDLE_MS,
            "lists": {"now": rows_json(rows)},
            "parts": {"newer": _newer(request), "waiting": str(now.waiting)},
            "spoken": spoken(rows),
        }
    )


def _newer(request: Request) -> str:
    """Return the words of the link to captures that the page does not show yet; "" for none."""
    services = context_of(request).services
    if services.index.state is None:
        return ""
    with services.index.reading() as view:
        count = view.source.index.count() - _number(request.query_params.get("total", ""))
    if count < 1:
        return ""
    return tr("Show 1 new capture") if count == 1 else tr("Show {count} new captures", count=count)


def _activity(context: WebContext) -> Activity:
    database = context.services.database
    return activity(wiring_queue.queue(context.settings, database), capture_stages(database))


def _rows(context: WebContext, now: Activity) -> list[NowRow]:
    queue = wiring_queue.queue(context.settings, context.services.database)
    requested = [
        status
        for status in queue.page(origin=ORIGIN, limit=_REQUESTED).jobs
        if status.ended_at is None or now.now - status.ended_at < _LISTED
    ]
    return now_rows(now.running, requested, now.now)


def _numbers(
    today: Today | None, local: LocalTime, waiting: int | None
) -> list[tuple[str, str, int, str, Any]]:
    """
    Return address, name, count, detail and label of each number of today.

    Args:
        waiting: Captures of the whole store that need a review; None if that is not known yet.
    """
    if today is None:
        return []
    url = day_url(today.report.since, local)
    found: list[tuple[str, str, int, str, Any]] = []
    for key, name, count, detail in day_numbers(today.report):
        if key == "review" and waiting is not None:
            of_today = tr("of today: {count}", count=count) if count else ""
            # The two numbers are not of the same moment: captures of today may be newer.
            found.append((_REVIEW, name, max(waiting, count), of_today, None))
        elif count or key not in _SELDOM:
            found.append((f"{url}#{key}", name, count, detail, _LABELS.get(key)))
    return found


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


routes = (
    Route("/", _home),
    Route("/", form_endpoint(_capture), methods=["POST"]),
    Route("/live/home", _live),
)
