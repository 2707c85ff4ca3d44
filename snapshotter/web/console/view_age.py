"""Tell how old the view of the store is that a page shows."""

from datetime import datetime

from starlette.requests import Request

from snapshotter.app.archive.lookup.index_service import OLD_AFTER
from snapshotter.value_class import dataclass
from snapshotter.web.context import context_of


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewAge:
    """A view that is old enough to be said."""

    at: datetime  # UTC: the view shows the store of this time
    problem: str  # why it is not newer; "": it is being brought up to date


def view_age(request: Request) -> ViewAge | None:
    """Return the age of the view of the store; None if it is current."""
    services = context_of(request).services
    state = services.index.state
    if state is None or state.age(services.clock.now()) <= OLD_AFTER:
        return None
    return ViewAge(at=state.synced_at, problem=services.index.problem)
