"""Show the report about a day, with links to its captures."""

from datetime import date, datetime, timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.archive.screens.day_report import Period
from snapshotter.app.archive.screens.today import report_of_period
from snapshotter.app.wiring.day_report import jobs_without_bundle
from snapshotter.report import day as day_report
from snapshotter.report.local_time import LocalTime
from snapshotter.translation import tr
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of
from snapshotter.web.errors import NotFound

_FIRST: Final = date(2000, 1, 1)  # no capture is older


def day_url(at: datetime, local: LocalTime) -> str:
    """Return the address of the report about the local day of an instant."""
    return f"/day/{at.astimezone(local.zone):%Y-%m-%d}"


def _day(request: Request) -> Response:
    context = context_of(request)
    services, local = context.services, LocalTime()
    now = services.clock.now()
    today = now.astimezone(local.zone).date()
    wanted = _date(request.path_params["date"], today)
    period = Period.of_day(wanted, local.zone)
    known = services.today.latest() if wanted == today else None
    if known is not None:
        report = known.report
    else:
        with services.index.reading() as view:
            report = report_of_period(
                view, period, jobs=jobs_without_bundle(context.settings), now=now
            )
    return respond(
        request,
        "day_page.html.j2",
        **day_report.page_values(report, local, lambda bundle_id: f"/captures/{bundle_id}"),
        day_after=f"/day/{wanted + timedelta(days=1)}" if wanted < today else "",
        day_before=f"/day/{wanted - timedelta(days=1)}" if wanted > _FIRST else "",
        is_today=wanted == today,
    )


def _date(text: str, today: date) -> date:
    """Return the day that an address names. Raises NotFound: it is none, or in the future."""
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise NotFound(tr("the address names no day")) from error
    if not _FIRST <= found <= today:
        raise NotFound(tr("no report exists about {day}", day=found.isoformat()))
    return found


routes = (Route("/day/{date}", _day),)
