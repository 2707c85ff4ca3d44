"""How often a schedule visits its pages is said in words."""

from datetime import UTC, datetime, timedelta

from snapshotter.app.monitoring.cadence import cadence_words
from snapshotter.jobs.schedules.plan import Plan
from snapshotter.policy.curve import Season
from snapshotter.policy.files import curves
from snapshotter.policy.quiet_hours import parse_quiet
from tests.cases import in_one_test

HOUR = timedelta(hours=1)
NIGHT = (parse_quiet("22:00-06:00"),)


@in_one_test(
    ("plan", "words"),
    [
        (Plan(every=HOUR), "Every hour"),
        (Plan(every=6 * HOUR), "Every 6 hours"),
        (Plan(every=timedelta(seconds=90)), "Every 90 seconds"),
        (Plan(every=timedelta(days=1)), "Every day"),
        (Plan(every=timedelta(days=14)), "Every 2 weeks"),
        (
            Plan(cron="0 9 * * mon-fri", zone="Europe/Berlin"),
            "At 09:00, Monday to Friday (Europe/Berlin)",
        ),
        (Plan(cron="30 8,20 * * *"), "Every day at 08:30 and 20:30"),
        (Plan(cron="5 7 * * 7"), "At 07:05, Sunday"),
        (Plan(cron="@daily"), "Every day at 00:00"),
        (Plan(cron="@hourly"), "Every hour at minute 0"),
        (Plan(cron="*/15 * * * 1-5"), "Every 15 minutes, Monday to Friday"),
        (Plan(cron="*/7 * * * *"), "At the times of the expression */7 * * * *"),
        (Plan(cron="0 9 1 * *"), "At the times of the expression 0 9 1 * *"),
        (Plan(cron="0 9-17 * * *"), "At the times of the expression 0 9-17 * * *"),
        (Plan(cron="0 9 * * mon,wed"), "At the times of the expression 0 9 * * mon,wed"),
        (
            Plan(every=HOUR, quiet=NIGHT, end=datetime(2027, 1, 1, tzinfo=UTC)),
            "Every hour, not from 22:00 to 06:00, until 31 Dec 2026",
        ),
        (
            Plan(
                every=HOUR,
                zone="Asia/Shanghai",
                quiet=(parse_quiet("00:00-05:00"),),
                start=datetime(2026, 12, 1, tzinfo=UTC),
                seasons=(Season(begins=(5, 27), ends=(6, 10), factor=0.5),),
            ),
            "Every hour, not from 00:00 to 05:00 (Asia/Shanghai), more often on some days of the "
            "year, from 1 Dec 2026",
        ),
        (
            Plan(curve=curves(None)["curve-news"]),
            "5 visits in the first 3 days, then every week until day 90 (curve-news)",
        ),
    ],
)  # fmt: skip
def test_a_plan_in_words(plan: Plan, words: str) -> None:
    assert cadence_words(plan) == words
