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
    also: tuple[str, ...] = ()  # further paths whose pages belong to it


# A page that lands adds its entry here, in this order: Home, Captures, Take-downs, Cases, Review,
# Schedules, Queue, Policies, Audit, Settings. Their keys: h c t e r s q p a i.
NAVIGATION: Final = (
    Section(path="/", name=tr("Home"), key="h"),
    Section(path="/captures", name=tr("Captures"), key="c"),
    Section(path="/takedowns", name=tr("Take-downs"), key="t"),
    Section(path="/cases", name=tr("Cases"), key="e"),
    Section(path="/review", name=tr("Review"), key="r"),
    Section(path="/schedules", name=tr("Schedules"), key="s", also=("/watches",)),
    Section(path="/queue", name=tr("Queue"), key="q", also=("/tasks",)),
    Section(path="/policies", name=tr("Policies"), key="p"),
    Section(path="/audit", name=tr("Audit"), key="a"),
    Section(path="/settings", name=tr("Settings"), key="i"),
)


def section_of(path: str) -> str:
    """Return the path of the section that a page belongs to; "" for none."""
    for section in NAVIGATION:
        if path == section.path:
            return section.path
        above = [f"{beginning}/" for beginning in (section.path, *section.also)]
        if path in section.also or (section.path != "/" and path.startswith(tuple(above))):
            return section.path
    return ""
