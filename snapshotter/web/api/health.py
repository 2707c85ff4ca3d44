"""Show whether the server can work."""

from fastapi import APIRouter, Response

import snapshotter
from snapshotter.web.api.dependencies import Context
from snapshotter.web.api.models.common import Health

router = APIRouter(tags=["health"])


@router.get("/health", responses={503: {"model": Health}})
def show_health(context: Context, response: Response) -> Health:
    """Show whether the store and the database answer, and whether a worker runs."""
    checks = dict(context.services.check_health())
    is_healthy = all(checks.values())
    response.status_code = 200 if is_healthy else 503
    return Health(
        checks=checks,
        status="ok" if is_healthy else "unavailable",
        version=snapshotter.__version__,
        worker=checks.get("database", False) and context.services.has_worker(),
    )
