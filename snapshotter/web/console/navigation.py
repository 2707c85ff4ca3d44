"""List the sections of the console, in the order of the navigation."""

from typing import Final

from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """An entry of the navigation."""

    path: str
    name: str
    key: str  # after "g", a key that leads there


# A page that lands adds its entry here, in this order: Home, Captures, Take-downs, Cases, Review,
# Schedules, Queue, Policies, Audit, Settings. Their keys: h c t e r s q p a i.
NAVIGATION: Final = (
    Section(path="/", name=tr("Home"), key="h"),
    Section(path="/captures", name=tr("Captures"), key="c"),
    Section(path="/takedowns", name=tr("Take-downs"), key="t"),
    Section(path="/cases", name=tr("Cases"), key="e"),
    Section(path="/review", name=tr("Review"), key="r"),
    Section(path="/queue", name=tr("Queue"), key="q"),
    Section(path="/settings", name=tr("Settings"), key="i"),
)


def section_of(path: str) -> str:
    """Return the path of the section that a page belongs to; "" for none."""
    found = [
        section.path
        for section in NAVIGATION
        if path == section.path or (section.path != "/" and path.startswith(f"{section.path}/"))
    ]
    return found[0] if found else ""
