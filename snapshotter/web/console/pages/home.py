"""Show what the store contains."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of


def _home(request: Request) -> Response:
    context = context_of(request)
    index = context.services.index
    bundles = 0
    if index.state is not None:
        with index.reading() as view:
            bundles = sum(view.source.index.counts().bundles.values())
    return respond(
        request,
        "home.html.j2",
        bundles=bundles,
        store=context.services.store.url,
        indexed_at=index.state.synced_at if index.state is not None else None,
    )


routes = (Route("/", _home),)
