"""Show what this installation is made of, without any secret value, and make its trust file."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from snapshotter.app.tasks.kinds import TrustFileArguments
from snapshotter.app.wiring.installation import installation
from snapshotter.app.wiring.own_trust_file import archive_trust
from snapshotter.translation import tr
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.task_requests import new_key, own_path, request_task
from snapshotter.web.console.templating import respond
from snapshotter.web.context import context_of

_TRUST_FILE: Final = "/settings/trust-file"
_MOST_OWNER: Final = 200  # characters, as of a trust file


def _settings(request: Request) -> Response:
    return _page(request)


def _page(request: Request, *, owner: str = "", error: str = "", back: str = "") -> Response:
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
        status_code=422 if error else 200,
        archive_trust=archive_trust(context.settings),
        back=back or "/settings#trust-file",
        errors=[("owner", error)] if error else [],
        is_own_trust_file=context.settings.trust_file is None,
        key=new_key(request),
        owner=owner or services.person.name,
        bundles=bundles,
        index_problem=services.index.problem,
        it=installation(context.settings, services.database),
        origin=context.rules.origin,
        record_access=context.settings.record_access,
        synced_at=state.synced_at if state is not None else None,
    )


def _make_trust_file(request: Request, form: Form) -> Response:
    owner, back = form.text("owner").strip(), own_path(form.text("back"))
    if not owner or len(owner) > _MOST_OWNER or not owner.isprintable():
        why = tr("the name of the owner must have 1 to {most} characters", most=_MOST_OWNER)
        return _page(request, owner=owner, error=why, back=back)
    arguments = TrustFileArguments(owner=owner)
    return request_task(request, arguments, form, back=back or "/settings#trust-file")


routes = (
    Route("/settings", _settings),
    Route(_TRUST_FILE, form_endpoint(_make_trust_file), methods=["POST"]),
)
