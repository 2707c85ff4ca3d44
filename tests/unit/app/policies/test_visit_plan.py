"""When to visit, out of options and a policy: options win, and the policy says the rest."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from snapshotter.app.policies.visit_plan import VisitOptions, plan_from_options
from snapshotter.errors import SnapshotterError
from snapshotter.policy.curve import Season

CAMPAIGN = """
name = "campaign"
[schedule]
every = "6h"
zone = "Asia/Shanghai"
start = "2027-05-27"
end = "2027-06-27"
jitter_percent = 7
seasons = [{ from = "05-27", to = "06-10", factor = 0.5 }]
quiet_hours = ["02:00-07:00"]
"""


@pytest.fixture
def campaign(tmp_path: Path) -> str:
    path = tmp_path / "campaign.toml"
    path.write_text(CAMPAIGN)
    return str(path)


def test_a_schedule_is_all_that_its_policy_says(campaign: str) -> None:
    plan = plan_from_options(VisitOptions(policy=campaign))

    assert (plan.every, plan.zone, plan.jitter) == (timedelta(hours=6), "Asia/Shanghai", 0.07)
    assert plan.start == datetime(2027, 5, 26, 16, tzinfo=UTC)  # a day of the policy's zone
    assert plan.end == datetime(2027, 6, 27, 16, tzinfo=UTC)  # the last day is whole
    assert plan.seasons == (Season(begins=(5, 27), ends=(6, 10), factor=0.5),)
    assert [str(hours) for hours in plan.quiet] == ["02:00-07:00"]


def test_what_options_say_stands_before_the_policy(campaign: str) -> None:
    plan = plan_from_options(
        VisitOptions(
            policy=campaign, curve="curve-news", zone="UTC", start="2027-06-01",
            jitter="1", seasons=("01-01:01-02:0.25",), quiet=("12:00-13:00",),
        )
    )  # fmt: skip

    assert plan.curve is not None
    assert (plan.every, plan.curve.name, plan.zone, plan.jitter) == (
        None,
        "curve-news",
        "UTC",
        0.01,
    )
    assert plan.start == datetime(2027, 6, 1, tzinfo=UTC)
    assert plan.end == datetime(2027, 6, 28, tzinfo=UTC)
    assert [season.factor for season in plan.seasons] == [0.25]
    assert [str(hours) for hours in plan.quiet] == ["12:00-13:00"]


def test_a_time_of_day_has_no_seasons_of_a_policy(campaign: str) -> None:
    plan = plan_from_options(VisitOptions(policy=campaign, cron="0 9 * * *"))

    assert (plan.cron, plan.seasons, plan.jitter) == ("0 9 * * *", (), 0)


def test_a_policy_may_name_a_time_of_day(tmp_path: Path) -> None:
    path = tmp_path / "daily.toml"
    path.write_text('name = "daily"\n[schedule]\ncron = "0 7 * * *"\n')

    assert plan_from_options(VisitOptions(policy=str(path))).cron == "0 7 * * *"


@pytest.mark.parametrize(
    "line",
    [
        'every = "6h"\ncron = "@daily"',
        'every = "5s"',
        'quiet_hours = ["at night"]',
        'zone = "Mars/Olympus"',
        'start = "next week"',
        'seasons = [{ from = "05-27", to = "13-01", factor = 0.5 }]',
        'seasons = [{ from = "05-27", to = "06-01", factor = 2 }]',
    ],
)
def test_a_schedule_that_nobody_could_keep_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(f'name = "x"\n[schedule]\n{line}\n')

    with pytest.raises(SnapshotterError, match="schedule"):
        plan_from_options(VisitOptions(policy=str(path)))


WECHAT, WEIBO = "https://mp.weixin.qq.com/s/a", "https://weibo.com/1/2"


def test_where_the_address_decides_the_schedule_is_that_of_its_policy() -> None:
    plan = plan_from_options(VisitOptions(policy="auto", urls=(WECHAT, f"{WECHAT}b")))

    assert plan.curve is not None
    assert (plan.curve.name, plan.zone) == ("curve-wechat", "Asia/Shanghai")


def test_pages_with_several_schedules_have_to_be_told_when() -> None:
    with pytest.raises(SnapshotterError, match="wechat-article, weibo-post"):
        plan_from_options(VisitOptions(policy="auto", urls=(WECHAT, WEIBO)))

    plan = plan_from_options(VisitOptions(policy="auto", urls=(WECHAT, WEIBO), every="6h"))

    assert (plan.every, plan.zone) == (timedelta(hours=6), "UTC")
