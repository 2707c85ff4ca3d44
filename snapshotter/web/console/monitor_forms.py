"""Answer the forms that the pages of schedules and of watch lists have in common."""

from collections.abc import Sequence
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from snapshotter.app.monitoring.form_mistakes import FormMistake
from snapshotter.translation import tr
from snapshotter.web.console.templating import respond

INTERVALS: Final = (
    ("15m", tr("Every 15 minutes")),
    ("1h", tr("Every hour")),
    ("6h", tr("Every 6 hours")),
    ("1d", tr("Every day")),
    ("1w", tr("Every week")),
)
_MAX_REASON: Final = 500  # characters


def errors_of(mistakes: Sequence[FormMistake]) -> dict[str, list[str]]:
    """Return the sentences about mistakes by their fields."""
    errors: dict[str, list[str]] = {}
    for mistake in mistakes:
        errors.setdefault(mistake.field, []).append(mistake.sentence)
    return errors


def pause_error(reason: str) -> str:
    """Return what is wrong with the reason for a pause; "" if it is valid."""
    if not reason:
        return tr("Enter the reason for the pause.")
    if len(reason) > _MAX_REASON:
        return tr("The reason has at most {most} characters.", most=_MAX_REASON)
    return ""


def removal_page(
    request: Request,
    *,
    what: str,
    name: str,
    path: str,
    above: Sequence[tuple[str, str]],
    sentence: str,
    is_wrong: bool,
) -> Response:
    """
    Return the page that asks for the name of what is removed for ever.

    Args:
        what: The kind of the object: "schedule".
        above: Address and name of each page above.
        is_wrong: Another name was entered.
    """
    error = tr("Enter the name {name} to remove the {what}.", name=name, what=what)
    return respond(
        request,
        "remove_monitor.html.j2",
        status_code=422 if is_wrong else 200,
        above=list(above),
        error=error if is_wrong else "",
        name=name,
        path=path,
        sentence=sentence,
        what=what,
    )
