"""Show what the store contains."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of


def _home(request: Request) -> Response:
    context = context_of(request)
    with context.services.open_source() as source:
        counts = source.index.counts()
        url = source.store.url
    return respond(
        request,
        "home.html.j2",
        bundles=sum(counts.bundles.values()),
        store=url,
        indexed_at=context.services.index_state().synced_at,
    )


routes = (Route("/", _home),)
