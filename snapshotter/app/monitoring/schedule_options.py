"""What people say about when to visit, made into a plan; and who records what was missed."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from snapshotter.app import machine, private_files
from snapshotter.app.urls import check_url, numbered_urls
from snapshotter.errors import SnapshotterError
from snapshotter.jobs.schedules.cron import zone as zone_of
from snapshotter.jobs.schedules.plan import DEFAULT_LATE, CatchUp, Plan, with_defaults
from snapshotter.jobs.schedules.schedules import default_name
from snapshotter.policy import load as policies
from snapshotter.policy.curve import Curve, Season, parse_season
from snapshotter.policy.files import curves as curves_of
from snapshotter.policy.files import read_limited, shipped_directory
from snapshotter.policy.host_rules import Politeness
from snapshotter.policy.picking import AUTO, known_policies, pick
from snapshotter.policy.quiet_hours import parse_quiet
from snapshotter.policy.tables import ScheduleTable
from snapshotter.policy.times import parse_duration, parse_moment, parse_percent

_SECRET = "schedule-names.secret"  # noqa: S105  the name of a file in the data directory
_SEASON = re.compile(r"([^:]+):([^:]+):([0-9.]+)")


def default_schedule_name(urls: Sequence[str], plan: Plan, data_dir: Path) -> str:
    """
    Return a name for a schedule that was given none, which tells nothing of its pages.

    Raises:
        SnapshotterError: The secret that it is made with can not be kept.
    """
    path = data_dir / _SECRET
    with contextlib.suppress(FileExistsError):
        private_files.write_private(path, machine.RandomIds().random_bytes(32), is_new=True)
    return default_name(urls, plan, read_limited(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitOptions:
    """When to visit, as options and a policy say it; empty where nothing was said."""

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
    urls: tuple[str, ...] = ()  # that are visited, where the address decides which policy


def plan_from_options(wish: VisitOptions) -> Plan:
    """
    Return the plan that is meant.

    Raises:
        SnapshotterError: Something in it is mistyped, or does not go together; it says what.
    """
    table = _table(wish)
    cron, every, curve, jitter = wish.cron, wish.every, wish.curve, _jitter(wish.jitter)
    if not (cron or every or curve):
        cron, every, curve = table.cron, table.every, table.curve
    if not (cron or every or curve):
        raise SnapshotterError(
            "a schedule has to say when",
            hint='--cron "0 9 * * mon-fri", --every 6h, or --curve curve-news; or a --policy whose '
            "schedule says so",
        )
    if wish.policy and jitter is None and not (cron or wish.every):
        jitter = table.jitter_percent / 100
    zone_name = wish.zone or table.zone
    zone, start, end = zone_of(zone_name), wish.start or table.start, wish.end or table.end
    try:
        seasons = tuple(_season(season) for season in wish.seasons)
        if not seasons and not cron:
            seasons = tuple(season.season() for season in table.seasons)
        plan = Plan(
            cron=cron,
            every=parse_duration(every) if every else None,
            curve=_curve(curve, wish.curves) if curve else None,
            zone=zone_name,
            start=parse_moment(start, zone, is_end=False) if start else None,
            end=parse_moment(end, zone, is_end=True) if end else None,
            seasons=seasons,
            quiet=tuple(map(parse_quiet, wish.quiet or table.quiet_hours)),
            catch_up=CatchUp(wish.catch_up),
            max_late=DEFAULT_LATE if wish.catch_up == CatchUp.SKIP else None,
        )
        return with_defaults(
            plan, jitter=jitter, max_late=parse_duration(wish.max_late) if wish.max_late else None
        )
    except ValueError as error:
        raise SnapshotterError(str(error), hint="snapshotter schedule add --help") from error


def _table(wish: VisitOptions) -> ScheduleTable:
    """Return what the policy of a wish says about when to visit."""
    if wish.policy != AUTO:
        if not wish.policy:
            return ScheduleTable()
        return policies.load(wish.policy, wish.policies_dir).schedule
    found = known_policies(wish.policies_dir)
    names = {pick(url, found).winner.name for url in wish.urls}
    tables = [
        policy_file.policy.schedule for policy_file in found if policy_file.policy.name in names
    ]
    same = all(schedule == tables[0] for schedule in tables)
    if not same and not (wish.cron or wish.every or wish.curve):
        raise SnapshotterError(
            f"these pages have policies with different schedules: {', '.join(sorted(names))}",
            hint="say when with --curve, --every or --cron; or add them as several schedules",
        )
    return tables[0] if tables and same else ScheduleTable()


def named_policy(name_or_path: str, directory: Path | None = None) -> str:
    """
    Return a policy as jobs name it: a worker may run in another folder than whoever adds one.

    Args:
        directory: Of the user's own policies.

    Raises:
        SnapshotterError: There is none, or it can not be read.
    """
    if not name_or_path or name_or_path == AUTO:
        return name_or_path
    policies.load(name_or_path, directory)
    found = policies.find(name_or_path, directory)
    return name_or_path if found.parent == shipped_directory() else str(found.absolute())


def collect_urls(given: Sequence[str], data: bytes = b"") -> list[str]:
    """
    Return the addresses of arguments and of a list, each once, in their order.

    Raises:
        SnapshotterError: One of them can not be captured; it says which line.
    """
    found = list(map(check_url, given))
    for number, url in numbered_urls(data):
        try:
            found.append(check_url(url))
        except SnapshotterError as error:
            raise SnapshotterError(f"line {number}: {error.message}", hint=error.hint) from error
    return list(dict.fromkeys(found))


def budget_warnings(
    plan: Plan, urls: Sequence[str], since: datetime, rules: Politeness
) -> Iterator[str]:
    """
    Yield a sentence for each host that is asked less often than a schedule wants.

    By its first day, which is the fullest one of a curve.
    """
    first = plan.first(since, "")
    if first is None:
        return
    a_day, slot = 0, first
    while slot.nominal < first.nominal + timedelta(days=1):
        a_day += 1
        following = plan.after(slot.nominal, since, "")
        if following is None:
            break
        slot = following
    for key, count in Counter(map(rules.key, urls)).items():
        budget = rules.rules(key).budget(urgent=False)
        if budget is not None and count * a_day > budget:
            yield (
                f"{key}: this asks for {count * a_day} visits on the first day, and its rules allow"
                f" {budget} in 24 hours: the others would be gaps (over-budget). Fewer addresses, "
                "a slower schedule, or a politeness_file that allows more"
            )


def _curve(name: str, file: Path | None) -> Curve:
    curves = curves_of(file)
    if name not in curves:
        raise SnapshotterError(
            f"there is no curve {name}",
            hint=f"one of {', '.join(sorted(curves))}; your own in a file: --curves FILE",
        )
    return curves[name]


def _jitter(text: str) -> float | None:
    if not text:
        return None
    try:
        return parse_percent(text)
    except ValueError as error:
        raise SnapshotterError(
            f"not a jitter: {text!r}", hint="a share of the time to the next visit: 15%, or 0"
        ) from error


def _season(text: str) -> Season:
    match = _SEASON.fullmatch(text)
    if match is None:
        raise ValueError(f"not a season: {text!r}; write 05-27:06-10:0.5, the last of it a factor")
    try:
        factor = float(match[3])
    except ValueError as error:
        raise ValueError(f"not the factor of a season: {match[3]!r}") from error
    return parse_season(match[1], match[2], round(factor, 2))
