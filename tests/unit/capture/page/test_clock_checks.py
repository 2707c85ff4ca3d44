"""What others say about the time is compared with our clock, and never believed."""

from datetime import UTC, datetime, timedelta

import pytest

from snapshotter.capture.page import clock_checks
from snapshotter.model.capture import ClockCheck, MainResponse

BEGAN = datetime(2026, 1, 2, 12, 0, 0, tzinfo=UTC)
ENDED = BEGAN + timedelta(seconds=2)


def _response(date: str, *headers: tuple[str, str]) -> MainResponse:
    return MainResponse(
        url="http://example.test/", status=200, status_text="OK", protocol="http/1.1",
        headers=headers, remote_ip="", remote_port=0, date_header=date, tls=None,
    )  # fmt: skip


def _checks(response: MainResponse) -> tuple[ClockCheck, ...]:
    return clock_checks.check_clock(response, (), began=BEGAN, ended=ENDED, bound_s=300)


@pytest.mark.parametrize(
    ("date", "skew_ms", "within"),
    [
        ("Fri, 02 Jan 2026 12:00:01 GMT", 0, True),
        ("Fri, 02 Jan 2026 11:59:59 GMT", 0, True),
        ("Fri, 02 Jan 2026 12:01:02 GMT", 60_000, True),
        ("Fri, 02 Jan 2026 13:00:02 GMT", 3_600_000, False),
        ("Fri, 02 Jan 2026 11:00:00 GMT", -3_600_000, False),
    ],
)
def test_a_servers_date_is_as_far_off_as_it_is(date: str, skew_ms: int, within: bool) -> None:
    (check,) = _checks(_response(date))

    assert (check.value, check.skew_ms, check.within_bound) == (date, skew_ms, within)


def test_an_answer_from_a_cache_is_as_old_as_its_age_says() -> None:
    (check,) = _checks(_response("Fri, 02 Jan 2026 11:00:01 GMT", ("Age", "3600")))

    assert (check.skew_ms, check.value) == (0, "Fri, 02 Jan 2026 11:00:01 GMT (Age: 3600)")


@pytest.mark.parametrize("date", ["", "yesterday", "Fri, 99 Jan 2026 12:00:01 GMT", "0"])
def test_a_date_that_is_none_is_not_compared(date: str) -> None:
    assert _checks(_response(date)) == ()


@pytest.mark.parametrize(
    ("document", "name"),
    [
        ("<script>var svr_time = 1767355200;</script>", "svr_time"),
        ('{"serverTime":"1767355200000"}', "serverTime"),
        ('<meta name="server-time" content="2026-01-02T12:00:00Z">', "server-time"),
        ('<meta http-equiv="date" content="Fri, 02 Jan 2026 12:00:00 GMT">', "date"),
    ],
)
def test_a_time_of_its_server_is_found_in_a_page(document: str, name: str) -> None:
    ((found, _, when),) = clock_checks.find_page_times(document)

    assert (found, when) == (name, BEGAN)


def test_other_numbers_of_a_page_are_no_times() -> None:
    assert (
        clock_checks.find_page_times("var ct = 1767355200; id=1767355200; observertime: 1767355200")
        == ()
    )


def test_a_page_without_end_of_its_tags_is_looked_through_all_the_same() -> None:
    assert clock_checks.find_page_times("<meta name=server_time " * 100_000) == ()
