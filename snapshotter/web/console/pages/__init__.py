"""
All pages of the console.

A module has `routes`, which are added here. The entry of the navigation is in `navigation.py`.
"""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from snapshotter.web.console.pages import (
    addresses,
    capture,
    captures,
    cases,
    day,
    home,
    login,
    previews,
    queue,
    review,
    selected,
    settings,
    styleguide,
    takedowns,
    tasks,
)


def page_routes() -> Sequence[BaseRoute]:
    """Return the routes of all pages."""
    return (
        *login.routes,
        *home.routes,
        *day.routes,
        *selected.routes,
        *captures.routes,
        *addresses.routes,
        *previews.routes,
        *takedowns.routes,
        *cases.routes,
        *capture.routes,
        *review.routes,
        *tasks.routes,
        *queue.routes,
        *settings.routes,
        *styleguide.routes,
    )
