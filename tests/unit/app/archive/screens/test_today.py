"""The report that a server keeps about today is the one that `report day` makes."""

from collections.abc import Iterator
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from snapshotter.app.archive.organising import cases
from snapshotter.app.archive.screens import today
from snapshotter.app.archive.screens.day_report import Period, make_day_report
from snapshotter.app.archive.screens.today import PageReports, TodayService, report_of_period
from snapshotter.errors import ServiceUnavailable
from snapshotter.model.annotations import ReviewDecision
from snapshotter.model.job import CaptureJob, JobState, JobStatus
from snapshotter.report.day import DayEntry, DayReport
from tests import observed
from tests.archived import Archive

_WAIT_S = 60.0
_DAY_MIN = 24 * 60


@pytest.fixture
def archive(tmp_path: Path) -> Iterator[Archive]:
    made = Archive(tmp_path)
    yield made
    made.service.stop()


def _period() -> Period:
    since = observed.at(0).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return Period(since=since, until=since + timedelta(days=1))


def _minute(of_day: float) -> float:
    """Return the minute of a store that is so many minutes after the begin of the period."""
    return (_period().since - observed.at(0)).total_seconds() / 60 + of_day


def _fill(archive: Archive) -> dict[str, str]:
    """Store pages that vanish, change, come back, and one that is not captured on the day."""
    put, minute = archive.put, _minute
    quarantined = put(minute(50), url=f"{observed.OTHER}&x=1")
    archive.add_notice(quarantined)
    return {
        "before": put(minute(-300)),
        "gone": put(minute(10), observed.gone()),
        "still gone": put(minute(20), observed.gone()),
        "back": put(minute(30)),
        "other": put(minute(-200), url=observed.OTHER),
        "changed": put(minute(40), observed.available(main="other words"), url=observed.OTHER),
        "not of the day": put(minute(-100), url="https://example.org/old"),
        "the day after": put(minute(_DAY_MIN + 5), observed.gone(), url=observed.OTHER),
        "wall": put(minute(60), observed.wall(), url="https://example.org/wall"),
    }


def _ended(name: str, minute: float) -> JobStatus:
    at = observed.at(_minute(minute))
    job = CaptureJob(id=name, url="https://example.org/down", enqueued_at=at)
    return JobStatus(job=job, state=JobState.DEAD, ended_at=at, error="no answer")


def test_it_says_what_the_report_about_the_whole_store_says(archive: Archive) -> None:
    made = _fill(archive)
    archive.add_gap(_minute(5), "front-pages")
    jobs, period, now = [_ended("job-1", 70)], _period(), observed.at(_minute(100))

    with archive.view() as view:
        archive.service.update()  # the notice is read: it was asked for
        found = report_of_period(view, period, jobs=jobs, now=now)
    with archive.source() as source:
        whole = make_day_report(source, period, jobs=jobs, now=now)

    assert [entry.bundle_id for entry in found.vanished] == [made["gone"]]
    assert [entry.bundle_id for entry in found.changed] == [made["changed"]]
    assert found.missed_visits == 2
    assert len(found.failed) == 1
    hidden = {row.bundle_id for row in whole.captured} - {row.bundle_id for row in found.captured}
    assert len(hidden) == found.quarantined == 1  # `report day` knows records, and no notices
    for name in DayReport.__slots__:
        left, right = getattr(found, name), getattr(whole, name)
        if isinstance(right, tuple) and right and isinstance(right[0], DayEntry):
            left = sorted(left, key=lambda entry: entry.at)
            right = sorted(
                (entry for entry in right if entry.bundle_id not in hidden),
                key=lambda entry: entry.at,
            )
            assert left == right, name


def _service(archive: Archive, jobs: list[JobStatus] | None = None) -> TodayService:
    return TodayService(archive.service, lambda: jobs or [], clock=archive.clock, zone=UTC)


def test_nothing_is_known_before_the_index_is_ready(archive: Archive) -> None:
    service = _service(archive)

    assert service.latest(wait_s=_WAIT_S) is None
    with pytest.raises(ServiceUnavailable):
        service.compute()


def test_who_asks_gets_what_is_known_and_soon_what_is_new(archive: Archive) -> None:
    now = archive.clock.now()
    minute = (now - observed.at(0)).total_seconds() / 60
    archive.put(minute - 1)
    archive.service.update()
    service = _service(archive)
    first = service.latest(wait_s=_WAIT_S)
    assert first is not None
    archive.put(minute - 0.5, url=observed.OTHER)
    archive.service.update()

    archive.clock.advance(timedelta(seconds=1))
    known = service.latest()
    thread = service._computing
    assert thread is not None
    thread.join(_WAIT_S)

    assert known is not None
    assert len(known.report.captured) in (1, 2)  # the thread may have been quick
    new = service.latest()
    assert new is not None
    assert len(new.report.captured) == 2
    assert new.computed_at >= first.computed_at


def test_who_waits_gets_what_is_new_if_the_last_report_was_quick(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(today, "_MOMENT_S", _WAIT_S)  # so the test depends on no speed
    minute = (archive.clock.now() - observed.at(0)).total_seconds() / 60
    archive.put(minute - 1)
    archive.service.update()
    service = _service(archive)
    assert service.latest(wait_s=_WAIT_S) is not None
    archive.put(minute - 0.5, url=observed.OTHER)
    archive.service.update()
    archive.clock.advance(timedelta(seconds=1))

    found = service.latest(wait_s=_WAIT_S)

    assert found is not None
    assert len(found.report.captured) == 2


def test_the_report_of_yesterday_is_not_shown_as_today(archive: Archive) -> None:
    archive.service.update()
    service = _service(archive)
    assert service.latest(wait_s=_WAIT_S) is not None

    archive.clock.advance(timedelta(days=1))

    assert service._known() is None
    found = service.latest(wait_s=_WAIT_S)
    assert found is not None
    assert found.report.since > archive.clock.now() - timedelta(days=1)


def test_a_failure_is_named_and_the_last_report_stays(archive: Archive) -> None:
    archive.service.update()

    def no_queue() -> list[JobStatus]:
        raise ServiceUnavailable("the queue does not answer")

    service = TodayService(archive.service, no_queue, clock=archive.clock, zone=UTC)

    assert service.latest(wait_s=_WAIT_S) is None
    assert service.problem == "the queue does not answer"


def _made_again(archive: Archive, pages: PageReports) -> DayReport:
    """Return the report about the period, after bringing the index up to date."""
    with archive.view() as view:
        found = report_of_period(
            view, _period(), jobs=(), now=observed.at(_minute(500)), pages=pages
        )
    with archive.view() as view:
        fresh = report_of_period(view, _period(), jobs=(), now=observed.at(_minute(500)))
    assert found == fresh
    return found


def test_a_page_is_read_again_only_if_something_happened_to_it(archive: Archive) -> None:
    made, pages = _fill(archive), PageReports()
    first = _made_again(archive, pages)
    kept = dict(pages._pages)

    archive.put(_minute(90), observed.gone(), url=observed.OTHER)
    archive.put(_minute(91), observed.gone(), url="https://example.org/old")
    second = _made_again(archive, pages)
    again = {name for name, page in pages._pages.items() if kept.get(name) is not page}
    assert len(again) == 2
    assert len(second.vanished) == len(first.vanished) + 2

    cases.review(archive.annotations, ReviewDecision.ACCEPTED, [made["wall"]])
    third = _made_again(archive, pages)
    assert len(third.review) == len(second.review) - 1

    before = dict(pages._pages)
    archive.put(_minute(-3 * _DAY_MIN), observed.gone(), url="https://example.org/wall")
    with archive.source() as source:
        source.sync()  # of all days
    _made_again(archive, pages)
    assert all(page is not before[name] for name, page in pages._pages.items())
