"""
Render the pages of the console.

The templates use the macros and the filters of the reports, so a state has the same words, shape
and colour everywhere. A text from a captured page is shown only by the filter `foreign` or by a
macro that isolates it.
"""

from functools import cache
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, meta
from starlette.requests import Request
from starlette.responses import Response

import snapshotter
from snapshotter.model.sentences import capitalized
from snapshotter.report import html
from snapshotter.report.local_time import LocalTime
from snapshotter.web.console.navigation import NAVIGATION, section_of
from snapshotter.web.console.static_files import static_path
from snapshotter.web.context import context_of


def respond(
    request: Request,
    template: str,
    *,
    status_code: int = 200,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response:
    """
    Return a page as the response to a request of a person who is logged in.

    Args:
        template: Of `web/console/templates`; it extends `layout.html.j2`.
        values: For the template.
    """
    return Response(
        render_page(request, template, **values),
        status_code,
        headers=headers,
        media_type="text/html",
    )


def render_page(request: Request, template: str, **values: Any) -> str:
    """Return the HTML of a page with the navigation."""
    known = {
        "navigation": NAVIGATION,
        "path": request.url.path,
        "person": request.state.person,
        "section": section_of(request.url.path),
        "zone_sentence": LocalTime().sentence(context_of(request).services.clock.now()),
    }
    return _render(template, **(known | values))


def render_bare_page(template: str, **values: Any) -> str:
    """Return the HTML of a page without the navigation, for people who are not logged in."""
    return _render(
        template, navigation=(), section="", path="", zone_sentence="", person=None, **values
    )


def load_templates() -> None:
    """
    Load all templates, which are not read again.

    A server keeps its code when another version is installed under it, so it keeps its templates.
    """
    environment = _environment()
    loader = environment.loader
    if loader is None:
        raise RuntimeError("the templates have no loader")
    waiting, seen = _own_loader().list_templates(), set[str]()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            environment.get_template(name)
            parsed = environment.parse(loader.get_source(environment, name)[0])
            waiting += filter(None, meta.find_referenced_templates(parsed))  # None: not a constant


def _render(template: str, **values: Any) -> str:
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    found = html.environment()
    found.auto_reload = False
    found.loader = ChoiceLoader([_own_loader(), *_loaders(found)])
    found.filters["hint_parts"] = hint_parts
    found.filters["sentence"] = sentence
    found.globals = {
        **found.globals,
        "static": static_path,
        "version": snapshotter.__version__,
        "when": LocalTime().show,
    }
    return found


def sentence(message: str) -> str:
    """Return the message of an error, which has no capital and no full stop, as a sentence."""
    end = "" if message.endswith((".", ":", "?")) else "."
    return f"{capitalized(message)}{end}"


def hint_parts(hint: str) -> list[tuple[bool, str]]:
    """Return the parts of a hint, each with whether it is a command, which stands on its line."""
    parts: list[tuple[bool, str]] = []
    for line in hint.splitlines():
        is_command = line.startswith("  ")
        if is_command:
            parts.append((True, line.strip()))
        elif line.strip():
            parts.append((False, line.strip()))
    return parts


def _own_loader() -> PackageLoader:
    return PackageLoader("snapshotter.web.console")


def _loaders(environment: Environment) -> list[Any]:
    return [environment.loader] if environment.loader is not None else []
