"""Show what this installation is made of, without any secret value."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.wiring.installation import installation
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of


def _settings(request: Request) -> Response:
    context = context_of(request)
    services = context.services
    state = services.index.state
    bundles = None
    if state is not None:
        with services.index.reading() as view:
            bundles = view.source.index.count()
    return respond(
        request,
        "settings.html.j2",
        bundles=bundles,
        index_problem=services.index.problem,
        it=installation(context.settings, services.database),
        origin=context.rules.origin,
        record_access=context.settings.record_access,
        synced_at=state.synced_at if state is not None else None,
    )


routes = (Route("/settings", _settings),)
