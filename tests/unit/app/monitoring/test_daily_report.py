"""The report about the day before: due at a local time, sent once, and made up once."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from snapshotter.app.archive.screens.day_report import Period, day_report
from snapshotter.app.monitoring.daily_report import DailyReport, day_to_report
from snapshotter.errors import ServiceUnavailable, SnapshotterError
from snapshotter.model.annotation_state import AnnotationState
from snapshotter.report.day import DayReport
from tests.fakes.world import FixedClock
from tests.unit.app.monitoring.test_notification_delivery import House
from tests.unit.notify.parts import WEBHOOK, load

SHANGHAI = ZoneInfo("Asia/Shanghai")
AT = time(7, 15)


class Desk:
    """Workers that share an outbox, and what they sent."""

    def __init__(self, folder: Path, rules: str = WEBHOOK) -> None:
        self.house = House(folder, rules)
        self.house.clock = FixedClock(datetime(2026, 11, 28, 0, 0, tzinfo=SHANGHAI))
        self.house.service = self.house.another(self.house.outbox, "2")
        self.made: list[Period] = []
        self.fails = False

    def worker(self) -> DailyReport:
        service = self.house.another(self.house.outbox, "1")
        return DailyReport(
            service, at=AT, store="press", make=self.make, clock=self.house.clock, zone=SHANGHAI
        )

    def make(self, period: Period) -> DayReport:
        if self.fails:
            raise ServiceUnavailable("the store did not answer")
        self.made.append(period)
        state = AnnotationState()
        return day_report(
            (), (), state, gaps=(), jobs=(), store="press", period=period, now=period.until
        )

    def until(self, day: int, clock: time) -> None:
        now = self.house.clock.now()
        there = datetime.combine(date(2026, 11, day), clock, SHANGHAI)
        self.house.clock.advance(there - now)

    def sent(self) -> list[str]:
        """Return the summaries that arrived."""
        self.house.service.round()
        return [
            event["summary"] for told in self.house.post.said for event in told["data"]["events"]
        ]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.house.outbox.close()


def test_several_workers_send_one_report_at_the_hour_and_wait_for_no_group(desk: Desk) -> None:
    workers = [desk.worker(), desk.worker()]
    desk.until(28, time(7, 15))

    for worker in workers:
        worker.turn()

    assert [summary.partition(".")[0] for summary in desk.sent()] == ["Friday, 27 Nov 2026"]
    desk.until(29, time(7, 14))
    for worker in (*workers, desk.worker()):  # one of them was started again
        worker.turn()
    assert len(desk.sent()) == 1
    desk.until(29, time(7, 15))
    for worker in workers:
        worker.turn()
    assert [summary.partition(",")[0] for summary in desk.sent()] == ["Friday", "Saturday"]
    assert len(desk.made) == 2


def test_only_the_last_report_of_missed_hours_is_made_up(desk: Desk) -> None:
    desk.until(28, time(8))
    desk.worker().turn()

    desk.until(30, time(6, 0))  # no worker ran on the 29th
    desk.worker().turn()
    desk.worker().turn()

    assert [summary.partition(",")[0] for summary in desk.sent()] == ["Friday", "Saturday"]


def test_a_store_that_did_not_answer_is_asked_again(desk: Desk) -> None:
    worker = desk.worker()
    desk.until(28, time(8))
    desk.fails = True
    with pytest.raises(ServiceUnavailable):
        worker.turn()

    desk.fails = False
    worker.turn()

    assert len(desk.sent()) == 1


def test_a_report_that_no_rule_sends_is_made_once_a_day(tmp_path: Path) -> None:
    desk = Desk(tmp_path, WEBHOOK + '[[rule]]\nkinds = ["capture.*"]\nchannels = ["desk"]\n')
    worker = desk.worker()

    worker.turn()
    worker.turn()

    assert (len(desk.made), desk.sent()) == (1, [])
    desk.house.outbox.close()


def test_a_day_of_a_change_of_clocks_is_whole() -> None:
    berlin = ZoneInfo("Europe/Berlin")

    spring = Period.of_day(date(2026, 3, 29), berlin)

    assert spring.until - spring.since == timedelta(hours=23)
    # 02:30 does not exist on this day: the report is due at 03:30, an hour after 01:30.
    at = time(2, 30)
    assert day_to_report(datetime(2026, 3, 29, 1, 29, tzinfo=UTC), at, berlin) == date(2026, 3, 27)
    assert day_to_report(datetime(2026, 3, 29, 1, 30, tzinfo=UTC), at, berlin) == date(2026, 3, 28)


@pytest.mark.parametrize("wrong", ["7:15", "24:00", "07:60", "noon"])
def test_a_time_of_day_that_is_none_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(SnapshotterError, match="report_day_at"):
        load(tmp_path, f'report_day_at = "{wrong}"\n{WEBHOOK}')


def test_a_time_of_day_is_read(tmp_path: Path) -> None:
    assert load(tmp_path, f'report_day_at = "07:15"\n{WEBHOOK}').report_day_at == AT
    assert load(tmp_path, WEBHOOK).report_day_at is None
