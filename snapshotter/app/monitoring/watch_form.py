"""
Accept a watch list that a person describes in a form of the console.

Each mistake is named with its field. Nothing is added if there is one.
"""

from collections.abc import Callable
from pathlib import Path

from snapshotter.app.monitoring.form_mistakes import FormMistake, noting
from snapshotter.app.monitoring.remote_requests import (
    ReadAnnotations,
    add_watch,
    checked_labels,
    checked_policy,
    checked_urls,
)
from snapshotter.formats.lists.html_links import matching
from snapshotter.formats.page.selectors import parse_selector
from snapshotter.jobs.watches.watches import Watches
from snapshotter.model.watch import NAME, Watch, WatchStatus
from snapshotter.policy.times import parse_duration
from snapshotter.translation import tr
from snapshotter.value_class import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchForm:
    """What a person wrote into the form for a watch list."""

    source: str = ""  # the address of the list
    name: str = ""
    often: str = "15m"
    match: str = ""  # patterns, one in each line
    exclude: str = ""
    select: str = ""  # a CSS selector
    existing: str = "capture"
    policy: str = ""
    case: str = ""
    tags: str = ""  # between commas


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchResult:
    """The watch list that was added, or the mistakes in the form."""

    status: WatchStatus | None = None
    mistakes: tuple[FormMistake, ...] = ()


def watch_from_form(
    watches: Watches,
    given: WatchForm,
    *,
    policies_dir: Path | None,
    annotations: ReadAnnotations,
    plan: Callable[[Watch], object],
) -> WatchResult:
    """
    Add the watch list of a form, or return the mistakes in the form.

    Args:
        annotations, plan: As for `add_watch`.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    mistakes: list[FormMistake] = []
    name, case = given.name.strip(), given.case.strip()
    cases = (case,) if case else ()
    tags = tuple(filter(None, map(str.strip, given.tags.split(","))))
    match, exclude = (
        tuple(filter(None, map(str.strip, text.splitlines())))
        for text in (given.match, given.exclude)
    )
    with noting(mistakes, "source"):
        checked_urls([given.source])
    with noting(mistakes, "name"):
        if not NAME.fullmatch(name):
            raise ValueError(tr("a name has 1 to 40 characters of a to z, 0 to 9 and dashes"))
    with noting(mistakes, "often"):
        parse_duration(given.often)
    with noting(mistakes, "match"):
        matching(match)
    with noting(mistakes, "exclude"):
        matching(exclude)
    if given.select.strip():
        with noting(mistakes, "select"):
            parse_selector(given.select.strip())
    with noting(mistakes, "policy"):
        checked_policy(given.policy, policies_dir)
    with noting(mistakes, "tags"):
        checked_labels(tags, (), annotations)
    with noting(mistakes, "case"):
        checked_labels((), cases, annotations)
    if mistakes:
        return WatchResult(mistakes=tuple(mistakes))
    made: WatchStatus | None = None
    with noting(mistakes, "name"):
        made = add_watch(
            watches,
            {
                "name": name,
                "source": given.source,
                "match": match,
                "exclude": exclude,
                "select": given.select.strip(),
                "existing": given.existing,
                "policy": given.policy,
                "tags": tags,
                "cases": cases,
            },
            every=given.often,
            policies_dir=policies_dir,
            annotations=annotations,
            plan=plan,
        )
    return WatchResult(status=made, mistakes=tuple(mistakes))
