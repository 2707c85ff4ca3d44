"""
Accept a schedule that a person describes in a form of the console.

Each mistake is named with its field. Nothing is added if there is one.
"""

from pathlib import Path
from typing import Final

from snapshotter.app.monitoring.form_mistakes import FormMistake, noting, read_addresses
from snapshotter.app.monitoring.remote_requests import (
    ReadAnnotations,
    RequestedSchedule,
    add_schedule,
    checked_labels,
    checked_policy,
)
from snapshotter.app.policies.visit_plan import VisitOptions
from snapshotter.jobs.schedules.cron import Cron, zone
from snapshotter.jobs.schedules.schedules import Schedule, Schedules, check_name
from snapshotter.policy.quiet_hours import parse_quiet
from snapshotter.policy.times import parse_moment
from snapshotter.ports import IdSource
from snapshotter.value_class import dataclass

CRON: Final = "cron"  # the choice of the times of a cron expression
CURVE: Final = "curve:"  # begins the choice of a curve
MOST: Final = 1_000  # addresses of one form


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleForm:
    """What a person wrote into the form for a schedule."""

    addresses: str = ""  # one in each line
    often: str = "1d"  # an interval, `CURVE` with the name of a curve, or `CRON`
    cron: str = ""
    zone: str = ""
    quiet: str = ""  # "22:00-06:00", several between commas
    end: str = ""  # the last day, YYYY-MM-DD
    name: str = ""
    policy: str = ""
    case: str = ""
    tags: str = ""  # between commas


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleResult:
    """The schedule that was added, or the mistakes in the form."""

    schedule: Schedule | None = None
    mistakes: tuple[FormMistake, ...] = ()


def add_from_form(
    schedules: Schedules,
    given: ScheduleForm,
    *,
    data_dir: Path,
    policies_dir: Path | None,
    default_policy: str,
    ids: IdSource,
    annotations: ReadAnnotations,
) -> ScheduleResult:
    """
    Add the schedule of a form, or return the mistakes in the form.

    Args:
        data_dir, default_policy, ids, annotations: As for `add_schedule`.

    Raises:
        ServiceUnavailable: The database does not answer.
    """
    mistakes: list[FormMistake] = []
    urls = read_addresses(given.addresses, mistakes, most=MOST)
    _check_times(given, mistakes)
    name, case, tags = given.name.strip(), given.case.strip(), _divided(given.tags)
    if name:
        with noting(mistakes, "name"):
            check_name(name)
    with noting(mistakes, "policy"):
        checked_policy(given.policy, policies_dir)
    with noting(mistakes, "tags"):
        checked_labels(tags, (), annotations)
    with noting(mistakes, "case"):
        checked_labels((), (case,) if case else (), annotations)
    if mistakes:
        return ScheduleResult(mistakes=tuple(mistakes))
    wanted = RequestedSchedule(
        urls=tuple(urls),
        name=name,
        options=_options(given),
        policy=given.policy,
        tags=tags,
        cases=(case,) if case else (),
    )
    made: Schedule | None = None
    with noting(mistakes, "name" if name else "often"):
        made = add_schedule(
            schedules,
            wanted,
            data_dir=data_dir,
            policies_dir=policies_dir,
            default_policy=default_policy,
            ids=ids,
            annotations=annotations,
        )
    return ScheduleResult(schedule=made, mistakes=tuple(mistakes))


def _options(given: ScheduleForm) -> VisitOptions:
    often = given.often
    return VisitOptions(
        cron=given.cron.strip() if often == CRON else "",
        every="" if often == CRON or often.startswith(CURVE) else often,
        curve=often.removeprefix(CURVE) if often.startswith(CURVE) else "",
        zone=given.zone.strip(),
        quiet=_divided(given.quiet),
        end=given.end.strip(),
    )


def _check_times(given: ScheduleForm, mistakes: list[FormMistake]) -> None:
    """Note which of the fields about times are invalid, each by itself."""
    name = given.zone.strip() or "UTC"
    here = zone("UTC")
    with noting(mistakes, "zone"):
        here = zone(name)
    if given.often == CRON:
        with noting(mistakes, "cron"):
            Cron(given.cron.strip(), here.key)
    with noting(mistakes, "quiet"):
        for hours in _divided(given.quiet):
            parse_quiet(hours)
    if end := given.end.strip():
        with noting(mistakes, "end"):
            parse_moment(end, here, is_end=True)


def _divided(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))
