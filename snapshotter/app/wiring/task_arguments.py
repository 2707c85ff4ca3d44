"""Check the arguments of tasks that a form or a program sent as text."""

from collections.abc import Callable, Iterable
from datetime import date, tzinfo
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from snapshotter.app.tasks.context import TaskContext
from snapshotter.app.wiring import documents
from snapshotter.errors import UsageMistake
from snapshotter.translation import tr

if TYPE_CHECKING:
    from snapshotter.app.archive.reports.case.material import CaseSearch


def verifying(task: TaskContext) -> Callable[[int, int], None]:
    """Return a function that reports how many exhibits are verified."""
    return lambda position, total: task.step(tr("verify the exhibits"), position, total)


def selected_ids(bundle_ids: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids, each once. Raises UsageMistake: there is none."""
    if not bundle_ids:
        raise UsageMistake(tr("no capture is selected"))
    return tuple(dict.fromkeys(bundle_ids))


def parsed_searches(texts: Iterable[str]) -> "list[CaseSearch]":
    """Return the searches of a case report. Raises UsageMistake: one is invalid."""
    from snapshotter.app.archive.reports.case.material import CaseSearch
    from snapshotter.index.query import InvalidQuery, parse

    try:
        return [CaseSearch(words=text, query=parse(text)) for text in texts if text.strip()]
    except InvalidQuery as error:
        raise UsageMistake(str(error), hint=error.hint) from error


def known_groups(included: tuple[str, ...]) -> list[str]:
    """Return groups of what people wrote. Raises UsageMistake: one is unknown."""
    from snapshotter.app.archive.organising.case_export_plan import GROUPS

    return _of(included, GROUPS)


def known_formats(formats: Iterable[str]) -> list[str]:
    """Return formats of documents. Raises UsageMistake: one is unknown."""
    return _of(formats, documents.FORMATS)


def known_paper(paper: str) -> str:
    """Return a paper size. Raises UsageMistake: it is unknown."""
    return _of([paper], ("A4", "Letter"))[0]


def _of(given: Iterable[str], valid: tuple[str, ...]) -> list[str]:
    """Return values that must be among the valid ones."""
    values = list(given)
    for value in values:
        if value not in valid:
            raise UsageMistake(
                tr("{value!r} is unknown; valid: {valid}", value=value, valid=", ".join(valid))
            )
    return values


def known_zone(name: str) -> tzinfo | None:
    """Return a time zone; None for that of the machine. Raises UsageMistake: it is unknown."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UsageMistake(
            tr("{name!r} is not a time zone; valid: Europe/Berlin", name=name)
        ) from error


def known_date(text: str) -> date | None:
    """Return a date; None for "". Raises UsageMistake: it is no date."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError as error:
        raise UsageMistake(tr("{text!r} is not a date; valid: 2026-11-30", text=text)) from error
