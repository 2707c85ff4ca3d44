"""When visits are due, on a simulated clock; and what becomes of those that were not made."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from snapshotter.jobs.schedules.plan import (
    MOST_DUE,
    MOST_MADE_UP,
    CatchUp,
    Pause,
    Plan,
    Slot,
    decide_due_visits,
    latest_start,
    with_defaults,
)
from snapshotter.policy.curve import parse_curves, parse_season
from snapshotter.policy.quiet_hours import parse_quiet

CURVES = parse_curves(
    (Path(__file__).resolve().parents[4] / "policies/schedules/curves.toml").read_text(), "curves"
)
SEEN = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def slots(plan: Plan, *, name: str = "watch", most: int = 10_000) -> list[Slot]:
    """Return the visits of a page that was first seen at SEEN."""
    found = [slot] if (slot := plan.first(SEEN, name)) else []
    while found and len(found) < most and (slot := plan.after(found[-1].nominal, SEEN, name)):
        found.append(slot)
    return found


def test_the_first_visit_of_a_pace_is_at_once_and_of_cron_when_it_comes() -> None:
    every = Plan(every=6 * HOUR)
    daily = Plan(cron="0 9 * * *", zone="Europe/Berlin")

    assert [slot.at - SEEN for slot in slots(every, most=3)] == [0 * HOUR, 6 * HOUR, 12 * HOUR]
    assert slots(daily, most=1)[0].at == datetime(2026, 3, 2, 8, tzinfo=UTC)


def test_a_pace_need_not_divide_the_hour() -> None:
    assert [slot.at - SEEN for slot in slots(Plan(every=45 * MINUTE), most=4)] == [
        0 * MINUTE, 45 * MINUTE, 90 * MINUTE, 135 * MINUTE,
    ]  # fmt: skip


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_curve_has_exactly_its_listed_times_and_is_not_moved_by_a_clock(
    name: str, zone: str
) -> None:
    plan = Plan(curve=CURVES[name], zone=zone)  # the Berlin clock is set on 29 March

    assert [slot.at - SEEN for slot in slots(plan)] == list(CURVES[name].offsets())


@pytest.mark.parametrize(
    "plan",
    [
        Plan(curve=CURVES["curve-wechat"], jitter=0.45),
        Plan(every=6 * HOUR, jitter=0.45, end=SEEN + 60 * DAY),
        Plan(cron="0 9,17 * * mon-fri", jitter=0.45, end=SEEN + 60 * DAY),
    ],
)
def test_jitter_keeps_the_order_and_its_bound_and_differs_by_name(plan: Plan) -> None:
    found, other = slots(plan), slots(plan, name="another")

    assert [slot.nominal for slot in found] == [slot.nominal for slot in other]
    assert sum(a.at != b.at for a, b in zip(found, other, strict=True)) >= len(found) - 1
    for before, here, after in zip(found, found[1:], found[2:], strict=False):
        room = min(here.nominal - before.nominal, after.nominal - here.nominal)
        assert before.at < here.at < after.at
        assert abs(here.at - here.nominal) <= 0.45 * room
    assert slots(plan) == found  # on every machine the same


def test_a_season_divides_a_pace_and_leaves_its_own_times() -> None:
    season = parse_season("03-03", "03-04", 0.25)
    plan = Plan(every=DAY, seasons=(season,), end=SEEN + 5 * DAY)

    found = [slot.at - SEEN for slot in slots(plan)]

    assert found == [
        0 * DAY, DAY, *(2 * DAY + part * DAY / 4 for part in range(8)), 4 * DAY,
    ]  # fmt: skip


def test_a_schedule_begins_and_ends() -> None:
    plan = Plan(every=DAY, start=SEEN + 10 * DAY, end=SEEN + 13 * DAY)

    assert [slot.at - SEEN for slot in slots(plan)] == [10 * DAY, 11 * DAY, 12 * DAY]


def due(plan: Plan, late: timedelta, pauses: tuple[Pause, ...] = ()) -> tuple[list[float], ...]:
    """Return which hours are run, missed and left, when nobody looked for so long after SEEN."""
    first = plan.first(SEEN, "watch")
    assert first is not None
    found = decide_due_visits(plan, first, SEEN, "watch", SEEN + late, pauses)
    return (
        [(slot.nominal - SEEN) / HOUR for slot in found.run],
        [(time - SEEN) / HOUR for time in found.missed],
        [] if found.following is None else [(found.following.nominal - SEEN) / HOUR],
    )


@pytest.mark.parametrize(
    ("catch_up", "max_late", "late", "run", "missed"),
    [
        (CatchUp.SKIP, HOUR, 0 * HOUR, [0], []),
        (CatchUp.SKIP, HOUR, HOUR, [0], []),
        (CatchUp.SKIP, HOUR, HOUR + MINUTE, [], [0]),
        (CatchUp.SKIP, HOUR, 12 * HOUR + 30 * MINUTE, [12], [0, 6]),
        (CatchUp.SKIP, HOUR, 14 * HOUR, [], [0, 6, 12]),
        (CatchUp.LATEST, None, 14 * HOUR, [12], [0, 6]),
        (CatchUp.LATEST, HOUR, 14 * HOUR, [], [0, 6, 12]),
        (CatchUp.ALL, None, 14 * HOUR, [0, 6, 12], []),
        (CatchUp.ALL, 8 * HOUR, 14 * HOUR, [6, 12], [0]),
    ],
)
def test_what_was_due_is_run_or_missed_and_never_forgotten(
    catch_up: CatchUp,
    max_late: timedelta | None,
    late: timedelta,
    run: list[float],
    missed: list[float],
) -> None:
    plan = Plan(every=6 * HOUR, catch_up=catch_up, max_late=max_late)

    assert due(plan, late) == (run, missed, [(late // (6 * HOUR) + 1) * 6])


def test_slots_in_a_pause_are_no_gap() -> None:
    pause = Pause(since=SEEN + 5 * HOUR, until=SEEN + 13 * HOUR)
    plan = Plan(every=6 * HOUR)
    first = plan.first(SEEN, "watch")
    assert first is not None

    found = decide_due_visits(plan, first, SEEN, "watch", SEEN + 18 * HOUR, (pause,))

    assert [slot.nominal - SEEN for slot in found.run] == [18 * HOUR]
    assert found.missed == (SEEN,)
    assert found.paused == ((pause, (SEEN + 6 * HOUR, SEEN + 12 * HOUR)),)


@pytest.mark.parametrize("catch_up", CatchUp)
def test_a_long_time_is_dealt_with_in_pieces_and_nothing_in_it_is_lost(catch_up: CatchUp) -> None:
    max_late = HOUR if catch_up is CatchUp.SKIP else None
    plan = Plan(every=MINUTE, catch_up=catch_up, max_late=max_late)
    slot, now = plan.first(SEEN, "watch"), SEEN + (2 * MOST_DUE + 500) * MINUTE
    run: list[datetime] = []
    missed: list[datetime] = []
    while slot is not None and slot.at <= now:
        found = decide_due_visits(plan, slot, SEEN, "watch", now)
        run += [slot.nominal for slot in found.run]
        missed += found.missed
        slot = found.following

    assert len(run) == (MOST_MADE_UP if catch_up is CatchUp.ALL else 1)
    assert sorted(run + missed) == [SEEN + number * MINUTE for number in range(2 * MOST_DUE + 501)]
    assert max(run) == now


def test_until_when_a_visit_has_to_begin() -> None:
    at, behind = (Slot(nominal=time, at=time) for time in (SEEN, SEEN + 6 * HOUR))
    skip = Plan(every=6 * HOUR, max_late=HOUR)
    latest = Plan(every=6 * HOUR, catch_up=CatchUp.LATEST, max_late=None)
    every = Plan(every=6 * HOUR, catch_up=CatchUp.ALL, max_late=None)

    assert latest_start(skip, at, behind) == SEEN + HOUR
    assert latest_start(latest, at, behind) == SEEN + 6 * HOUR  # a newer one is due then
    assert latest_start(latest, at, None) is None
    assert latest_start(every, at, behind) is None


@pytest.mark.parametrize(
    "plan",
    [
        Plan(cron="0 9 * * mon-fri", zone="Europe/Berlin", start=SEEN, end=SEEN + DAY),
        Plan(
            every=6 * HOUR, jitter=0.15, seasons=(parse_season("05-27", "06-10", 0.5),),
            catch_up=CatchUp.LATEST, max_late=None,
        ),
        Plan(curve=CURVES["curve-wechat"], zone="Asia/Shanghai", max_late=2 * DAY),
        Plan(every=HOUR, quiet=(parse_quiet("22:00-06:30"),), zone="Asia/Shanghai"),
    ],
)  # fmt: skip
def test_a_plan_is_kept_as_text_and_is_the_same_again(plan: Plan) -> None:
    assert Plan.from_json(plan.as_json()) == plan
    assert slots(Plan.from_json(plan.as_json()), most=50) == slots(plan, most=50)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "exactly one of"),
        ({"every": HOUR, "cron": "0 9 * * *"}, "exactly one of"),
        ({"every": 30 * timedelta(seconds=1)}, "at least 60 s"),
        ({"every": HOUR, "jitter": 0.5}, "0 to 45%"),
        ({"every": HOUR, "start": SEEN, "end": SEEN}, "must be after its start"),
        ({"every": HOUR, "max_late": timedelta(seconds=5)}, "at least 60 s"),
        ({"every": HOUR, "max_late": None}, "--max-late"),
        (
            {"every": HOUR, "quiet": (parse_quiet("00:00-23:59"), parse_quiet("23:59-00:00"))},
            "cover the whole day",
        ),
        ({"cron": "0 9 * * *", "seasons": (parse_season("05-27", "06-10", 0.5),)}, "season"),
    ],
)
def test_what_makes_no_plan_is_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Plan(**options)  # type: ignore[arg-type]


def test_in_quiet_hours_nothing_is_due_and_nothing_is_missed() -> None:
    """By the clock of the zone, over midnight; jitter included."""
    begins = datetime(2027, 5, 26, 16, 30, tzinfo=UTC)  # 00:30 in Shanghai, which is quiet
    night = (parse_quiet("22:00-06:00"),)
    plan = Plan(
        every=HOUR, zone="Asia/Shanghai", quiet=night, jitter=0.4, start=begins, end=begins + DAY
    )

    found = slots(plan)

    here = ZoneInfo("Asia/Shanghai")
    hours = [slot.at.astimezone(here).hour for slot in found]
    assert found[0].nominal == begins  # the first sight does not come again
    assert all(6 <= hour < 22 for hour in hours[1:])
    assert len(found) >= 15
    without = [slot.nominal for slot in slots(replace(plan, quiet=()))]
    assert [slot.nominal for slot in found if slot.nominal not in without] == []  # the others stay
    late = decide_due_visits(plan, found[0], SEEN, "watch", begins + 5 * HOUR)
    assert (late.missed, [slot.nominal for slot in late.run]) == ((begins,), [])


def test_quiet_hours_that_were_not_known_yet_are_none() -> None:
    text = Plan(every=HOUR).as_json()

    assert "quiet" not in text
    assert Plan.from_json(text).quiet == ()


def test_what_was_not_asked_for_depends_on_the_rule() -> None:
    cron = with_defaults(Plan(cron="0 9 * * *"), jitter=None, max_late=None)
    every = with_defaults(Plan(every=HOUR), jitter=None, max_late=2 * HOUR)
    latest = with_defaults(Plan(every=HOUR, catch_up=CatchUp.LATEST), jitter=0.0, max_late=None)

    assert (cron.jitter, cron.max_late) == (0.0, HOUR)
    assert (every.jitter, every.max_late) == (0.15, 2 * HOUR)
    assert (latest.jitter, latest.max_late) == (0.0, None)


def test_seasons_are_days_of_the_zone() -> None:
    shanghai = ZoneInfo("Asia/Shanghai")
    season = parse_season("06-04", "06-04", 0.5)
    begins = datetime(2026, 6, 3, 16, tzinfo=UTC)  # midnight of the 4th there
    assert begins.astimezone(shanghai).day == 4
    plan = Plan(every=DAY, seasons=(season,), zone="Asia/Shanghai", start=begins, end=begins + DAY)

    assert [slot.at - begins for slot in slots(plan)] == [0 * HOUR, 12 * HOUR]
