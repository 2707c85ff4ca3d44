"""
Make the application: the middleware in the order in which a request passes, and all routes.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

import snapshotter
from snapshotter.web import files
from snapshotter.web.api.application import PREFIX, create_api
from snapshotter.web.console import static_files
from snapshotter.web.console.pages import page_routes
from snapshotter.web.console.templating import load_templates
from snapshotter.web.context import WebContext, context_of
from snapshotter.web.errors import HANDLERS
from snapshotter.web.security.access import SignedInOnly, cookie_name
from snapshotter.web.security.cross_origin import CrossOriginProtection
from snapshotter.web.security.headers import SecurityHeaders
from snapshotter.web.security.hosts import AllowedHosts
from snapshotter.web.security.limits import RequestLimits

_FIRST_UPDATE_S: Final = 3.0  # for which the server waits before it answers the first request
THREADS: Final = 24  # requests that read the store or a database at the same time


def create_app(context: WebContext) -> Starlette:
    """Return the application with the console, its static files and the API."""

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = THREADS
        index = context.services.index
        index.start()
        try:
            await anyio.to_thread.run_sync(index.wait_for_first_update, _FIRST_UPDATE_S)
            yield
        finally:
            await anyio.to_thread.run_sync(index.stop)
            await anyio.to_thread.run_sync(context.services.previews.stop)
            await anyio.to_thread.run_sync(context.services.comparisons.stop)

    load_templates()
    app = Starlette(
        routes=[
            Route("/health", _health),
            Mount(PREFIX, create_api(context)),
            *static_files.routes,
            *files.routes,
            *page_routes(),
        ],
        middleware=[
            Middleware(SecurityHeaders),
            Middleware(AllowedHosts, hosts=context.rules.hosts),
            Middleware(CrossOriginProtection, origins=context.rules.origins),
            Middleware(RequestLimits),
            Middleware(
                SignedInOnly,
                sessions=context.sessions,
                cookie=cookie_name(context.rules.origin),
                person=context.services.person,
            ),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False  # such a redirect is made of the Host header
    app.state.context = context
    return app


def _health(request: Request) -> Response:
    """Answer whether the console can work. Nothing private: this needs no session."""
    services = context_of(request).services
    checks = services.check_health()
    is_healthy = all(checks.values())
    return JSONResponse(
        {
            "checks": checks,
            "status": "ok" if is_healthy else "unavailable",
            "version": snapshotter.__version__,
        },
        200 if is_healthy else 503,
    )
