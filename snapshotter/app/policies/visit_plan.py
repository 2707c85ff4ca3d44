"""Make the visit plan of a schedule from options and from the schedule table of a policy."""

import re
from pathlib import Path

from snapshotter.errors import SnapshotterError, UsageMistake
from snapshotter.jobs.schedules.cron import zone as zone_of
from snapshotter.jobs.schedules.plan import DEFAULT_LATE, CatchUp, Plan, with_defaults
from snapshotter.policy import load as policies
from snapshotter.policy.curve import Curve, Season, parse_season
from snapshotter.policy.files import curves as curves_of
from snapshotter.policy.policy_selection import AUTO, known_policies, pick
from snapshotter.policy.quiet_hours import parse_quiet
from snapshotter.policy.tables import ScheduleTable
from snapshotter.policy.times import parse_duration, parse_moment, parse_percent
from snapshotter.translation import tr
from snapshotter.value_class import dataclass

_SEASON = re.compile(r"([^:]+):([^:]+):([0-9.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOptions:
    """When to visit, as options say it; empty where an option was not given."""

    cron: str = ""
    every: str = ""
    curve: str = ""
    curves: Path | None = None  # a file of curves, instead of the shipped ones
    zone: str = ""
    start: str = ""
    end: str = ""
    jitter: str = ""
    seasons: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()
    catch_up: str = CatchUp.SKIP
    max_late: str = ""
    policy: str = ""
    policies_dir: Path | None = None  # of the user's own
    urls: tuple[str, ...] = ()  # the pages to visit; their addresses decide if the policy is "auto"


def plan_from_options(options: VisitOptions) -> Plan:
    """
    Return the plan that the options describe; the policy's schedule table gives the rest.

    Raises:
        UsageMistake: An option is invalid or contradicts another one.
        SnapshotterError: The policy or the curve does not exist or cannot be read.
    """
    table = _table(options)
    cron, every, curve, jitter = options.cron, options.every, options.curve, _jitter(options.jitter)
    if not (cron or every or curve):
        cron, every, curve = table.cron, table.every, table.curve
    if not (cron or every or curve):
        raise UsageMistake(
            tr("the schedule does not state when visits are due"),
            hint=tr(
                'give --cron "0 9 * * mon-fri", --every 6h or --curve curve-news, or a '
                "--policy that has a schedule"
            ),
        )
    if options.policy and jitter is None and not (cron or options.every):
        jitter = table.jitter_percent / 100
    zone_name = options.zone or table.zone
    start, end = options.start or table.start, options.end or table.end
    found_curve = _curve(curve, options.curves) if curve else None
    try:
        zone = zone_of(zone_name)
        seasons = tuple(_season(season) for season in options.seasons)
        if not seasons and not cron:
            seasons = tuple(season.season() for season in table.seasons)
        plan = Plan(
            cron=cron,
            every=parse_duration(every) if every else None,
            curve=found_curve,
            zone=zone_name,
            start=parse_moment(start, zone, is_end=False) if start else None,
            end=parse_moment(end, zone, is_end=True) if end else None,
            seasons=seasons,
            quiet=tuple(map(parse_quiet, options.quiet or table.quiet_hours)),
            catch_up=CatchUp(options.catch_up),
            max_late=DEFAULT_LATE if options.catch_up == CatchUp.SKIP else None,
        )
        return with_defaults(
            plan,
            jitter=jitter,
            max_late=parse_duration(options.max_late) if options.max_late else None,
        )
    except SnapshotterError as error:
        raise UsageMistake(error.message, hint=error.hint) from error
    except ValueError as error:
        raise UsageMistake(
            str(error), hint=tr("show the options of schedules:\n  snapshotter schedule add --help")
        ) from error


def _table(options: VisitOptions) -> ScheduleTable:
    """Return the schedule table of the policy that the options name."""
    if options.policy != AUTO:
        if not options.policy:
            return ScheduleTable()
        return policies.load(options.policy, options.policies_dir).schedule
    found = known_policies(options.policies_dir)
    names = {pick(url, found).winner.name for url in options.urls}
    tables = [
        policy_file.policy.schedule for policy_file in found if policy_file.policy.name in names
    ]
    same = all(schedule == tables[0] for schedule in tables)
    if not same and not (options.cron or options.every or options.curve):
        raise SnapshotterError(
            tr(
                "the policies of these pages have different schedules: {names}",
                names=", ".join(sorted(names)),
            ),
            hint=tr(
                "give --curve, --every or --cron, or add a separate schedule for the pages "
                "of each policy"
            ),
        )
    return tables[0] if tables and same else ScheduleTable()


def _curve(name: str, file: Path | None) -> Curve:
    curves = curves_of(file)
    if name not in curves:
        raise SnapshotterError(
            tr("the curve {name} does not exist", name=name),
            hint=tr(
                "known curves: {curves}. To use a curve of your own, give --curves FILE",
                curves=", ".join(sorted(curves)),
            ),
        )
    return curves[name]


def _jitter(text: str) -> float | None:
    if not text:
        return None
    try:
        return parse_percent(text)
    except ValueError as error:
        raise UsageMistake(
            tr("{text!r} is not a valid jitter", text=text),
            hint=tr("give a share of the time to the next visit, for example 15%, or 0"),
        ) from error


def _season(text: str) -> Season:
    match = _SEASON.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is not a valid season. Write it as 05-27:06-10:0.5: "
            "first day, last day, factor"
        )
    try:
        factor = float(match[3])
    except ValueError as error:
        raise ValueError(f"{match[3]!r} is not a valid factor of a season") from error
    return parse_season(match[1], match[2], round(factor, 2))
