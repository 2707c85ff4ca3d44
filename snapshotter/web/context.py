"""Define what all pages use: the settings, the rules of serving, the services and the sessions."""

from starlette.requests import Request

from snapshotter.app.settings import Settings
from snapshotter.app.wiring.web import WebServices
from snapshotter.value_class import dataclass
from snapshotter.web.console.displays import Displays
from snapshotter.web.security.sessions import Sessions
from snapshotter.web.worker_child import WorkerStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class ServeRules:
    """Under which names the console is reached. They come from the settings, never a request."""

    origin: str  # scheme, host and port, as "http://127.0.0.1:8765"; links to the console begin so
    hosts: frozenset[str]  # values of the header Host that are answered, lower case
    development: bool = False  # pages for developers exist

    @property
    def origins(self) -> frozenset[str]:
        """The origins whose pages may send forms."""
        scheme = self.origin.partition("://")[0]
        return frozenset({self.origin, *(f"{scheme}://{host}" for host in self.hosts)})


@dataclass(frozen=True, slots=True, kw_only=True)
class WebContext:
    """What the application is made with."""

    settings: Settings
    rules: ServeRules
    services: WebServices
    sessions: Sessions
    displays: Displays
    worker: WorkerStatus  # of the worker that the server runs


def context_of(request: Request) -> WebContext:
    """Return the context of the application that handles a request."""
    context = request.app.state.context
    if not isinstance(context, WebContext):
        raise TypeError("the application has no context")
    return context
