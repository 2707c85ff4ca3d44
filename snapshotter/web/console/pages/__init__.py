"""
All pages of the console.

A module has `routes`, which are added here. The entry of the navigation is in `navigation.py`.
"""

from collections.abc import Sequence

from starlette.routing import BaseRoute

from snapshotter.web.console.pages import (
    addresses,
    audit,
    capture,
    captures,
    cases,
    compare,
    day,
    home,
    login,
    policies,
    previews,
    queue,
    review,
    schedules,
    selected,
    settings,
    styleguide,
    takedowns,
    task_list,
    tasks,
    watches,
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
        *compare.routes,
        *previews.routes,
        *takedowns.routes,
        *cases.routes,
        *capture.routes,
        *review.routes,
        *schedules.routes,
        *watches.routes,
        *policies.routes,
        *audit.routes,
        *task_list.routes,
        *tasks.routes,
        *queue.routes,
        *settings.routes,
        *styleguide.routes,
    )
