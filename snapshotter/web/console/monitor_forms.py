"""Answer the forms that the pages of schedules and of watch lists have in common."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from snapshotter.app.monitoring.form_mistakes import FormMistake
from snapshotter.translation import tr
from snapshotter.value_class import dataclass
from snapshotter.web.console.forms import Form, form_endpoint
from snapshotter.web.console.templating import respond
from snapshotter.web.errors import NotFound

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


def _pause_error(reason: str) -> str:
    """Return what is wrong with the reason for a pause; "" if it is valid."""
    if not reason:
        return tr("Enter the reason for the pause.")
    if len(reason) > _MAX_REASON:
        return tr("The reason has at most {most} characters.", most=_MAX_REASON)
    return ""


class Monitors(Protocol):
    """The schedules or the watch lists of a database."""

    def find(self, name: str, /) -> object | None:
        """Return one of them; None if it does not exist."""

    def pause(self, name: str, /, *, by: str, reason: str) -> object:
        """Pause one of them."""

    def resume(self, name: str, /, *, by: str) -> object:
        """Resume one of them."""

    def remove(self, name: str, /, *, by: str) -> object:
        """Remove one of them for ever."""


class ShowMonitor(Protocol):
    """Returns the page of a schedule or a watch list."""

    def __call__(
        self, request: Request, *, reason: str = "", error: str = "", status_code: int = 200
    ) -> Response:
        """Show the page, with a reason for a pause that was refused, and why it was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorForms:
    """The forms that pause, resume and remove a schedule or a watch list, by its name."""

    path: str  # of the list
    heading: str  # of the list: "Schedules"
    what: str  # "schedule"
    after_removal: str  # sentences: what stays
    path_of: Callable[[str], str]  # of one of them, by its name
    open: Callable[[Request], Monitors]
    show: ShowMonitor

    def routes(self) -> tuple[Route, ...]:
        """Return the routes of these forms."""
        own = f"{self.path}/{{name}}"
        return (
            Route(f"{own}/pause", form_endpoint(self._pause), methods=["POST"]),
            Route(f"{own}/resume", form_endpoint(self._resume), methods=["POST"]),
            Route(f"{own}/remove", self._ask_removal),
            Route(f"{own}/remove", form_endpoint(self._remove), methods=["POST"]),
        )

    def _pause(self, request: Request, form: Form) -> Response:
        monitors, name = self._found(request)
        reason = form.text("reason").strip()
        if error := _pause_error(reason):
            return self.show(request, reason=reason, error=error, status_code=422)
        monitors.pause(name, by=request.state.person.name, reason=reason)
        return RedirectResponse(self.path_of(name), 303)

    def _resume(self, request: Request, _: Form) -> Response:
        monitors, name = self._found(request)
        monitors.resume(name, by=request.state.person.name)
        return RedirectResponse(self.path_of(name), 303)

    def _ask_removal(self, request: Request) -> Response:
        return self._removal_page(request, self._found(request)[1])

    def _remove(self, request: Request, form: Form) -> Response:
        monitors, name = self._found(request)
        if form.text("name").strip() != name:
            return self._removal_page(request, name, is_wrong=True)
        monitors.remove(name, by=request.state.person.name)
        return RedirectResponse(self.path, 303)

    def _removal_page(self, request: Request, name: str, *, is_wrong: bool = False) -> Response:
        """Return the page that asks for the name of what is removed for ever."""
        error = tr("Enter the name {name} to remove the {what}.", name=name, what=self.what)
        return respond(
            request,
            "remove_monitor.html.j2",
            status_code=422 if is_wrong else 200,
            above=[(self.path, self.heading), (self.path_of(name), name)],
            error=error if is_wrong else "",
            name=name,
            path=self.path_of(name),
            sentence=self.after_removal,
            what=self.what,
        )

    def _found(self, request: Request) -> tuple[Monitors, str]:
        """Return the name of the address. Raises NotFound: nothing has this name."""
        monitors, name = self.open(request), request.path_params["name"]
        if monitors.find(name) is None:
            raise NotFound(tr("the {what} {name} does not exist", what=self.what, name=name[:100]))
        return monitors, name
