"""List the policies and the cases that a form offers."""

from collections.abc import Sequence
from pathlib import PurePath

from snapshotter.app.archive.lookup.index_service import IndexService
from snapshotter.app.settings import Settings
from snapshotter.policy.policy_selection import AUTO, policy_matches
from snapshotter.translation import tr


def policy_choices(settings: Settings) -> list[tuple[str, str]]:
    """Return value and name of each policy that can be chosen."""
    default = settings.policy
    first = (
        ("", tr("Selected by the address"))
        if default in ("", AUTO)
        else ("", tr("{name} (the setting)", name=PurePath(default).name))
    )
    names = [found.name for found in policy_matches(settings.policies_dir)]
    return [first, *((name, name) for name in names)]


def open_cases(index: IndexService) -> list[str]:
    """Return the names of the cases that captures can be added to, as of the last update."""
    if index.state is None:
        return []
    cases = index.state.annotations.cases
    return sorted(name for name, case in cases.items() if case.closed is None)


def case_choices(names: Sequence[str]) -> list[tuple[str, str]]:
    """Return value and name of each case that can be chosen, and of none."""
    return [("", tr("No case")), *((name, name) for name in names)]
