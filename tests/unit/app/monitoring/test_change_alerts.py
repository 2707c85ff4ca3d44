"""What one more capture of a watched page tells beside a removal."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from snapshotter.app.monitoring.change_alerts import change_alerts, removal_alerts
from snapshotter.model.assessment import Availability, Content, Undecided
from snapshotter.model.notification import NotificationKind, NotificationScope
from snapshotter.model.reading import Count, Source
from snapshotter.model.request import Threshold
from snapshotter.model.takedown import Observation

T0 = datetime(2026, 5, 27, 14, 5, tzinfo=UTC)
ABOUT = NotificationScope(policy="high-risk-source", origin="schedule:weibo", tags=("press",))
LIMIT = Threshold(unit="reposts", at=500, source="an interpretation")


def seen(number: int, reposts: int = 0, *, upper: int | None = -1, main: str = "a") -> Observation:
    at = T0 + timedelta(minutes=15 * number)
    count = Count(
        unit="reposts",
        raw=f"{reposts} of them",
        lower=reposts,
        upper=reposts if upper == -1 else upper,
        exact=upper == -1,
        source=Source.JSON,
    )
    return Observation(
        bundle_id=f"b{number}",
        sha256="0" * 64,
        identity="weibo:1",
        url="https://weibo.com/1/A",
        at=at,
        began_at=at,
        content=Content.CONTENT,
        availability=Availability.AVAILABLE,
        counts=(count,),
        main_sha256=main,
    )


def gone(number: int, undecided: Undecided, notice: str) -> Observation:
    return replace(
        seen(number, main=""),
        availability=Availability.INCONCLUSIVE,
        undecided=undecided,
        notice=notice,
    )


def test_a_count_that_goes_over_is_told_with_the_capture_that_shows_it_and_once() -> None:
    made = [seen(1, 120), seen(2, 480), seen(3, 512), seen(4, 600)]

    assert (
        change_alerts(made, "b2", [LIMIT], ABOUT) == change_alerts(made, "b4", [LIMIT], ABOUT) == ()
    )
    (event,) = change_alerts(made, "b3", [LIMIT], ABOUT)
    assert event.kind is NotificationKind.COUNT_CROSSED
    assert event.id == "count.crossed/b3/reposts-500"
    assert event.summary == (
        "the number of reposts reached 500 between 2026-05-27 14:35 UTC and 2026-05-27 14:50 UTC"
    )
    assert event.detail == 'before: "480 of them"; now: "512 of them"; source: an interpretation'
    assert (event.bundle_id, event.host) == ("b3", "weibo.com")
    assert "weibo" not in event.subject + event.summary
    assert change_alerts(made, "b3", [LIMIT], ABOUT) == (event,)


def test_a_count_that_may_have_gone_over_is_told_as_that() -> None:
    (event,) = change_alerts([seen(1, 480), seen(2, 490, upper=509)], "b2", [LIMIT], ABOUT)

    assert "possibly reached 500" in event.summary


def test_a_count_that_was_over_from_the_first_on_is_told() -> None:
    (event,) = change_alerts([seen(1, 600)], "b1", [LIMIT], ABOUT)

    assert event.summary == "the number of reposts was 500 or more at 2026-05-27 14:20 UTC"


def test_another_main_text_is_told_once_and_by_the_same_way_alone() -> None:
    other = replace(seen(3, main="b"), vantage="tor")
    made = [seen(1), seen(2, main="b"), other, seen(4, main="b")]

    (event,) = change_alerts(made, "b2", [], ABOUT)
    assert (event.kind, event.detail) == (
        NotificationKind.PAGE_CHANGED,
        "last capture before the change: b1",
    )
    assert event.summary.endswith("between 2026-05-27 14:20 UTC and 2026-05-27 14:35 UTC")
    for bundle in ("b1", "b3", "b4"):
        assert change_alerts(made, bundle, [], ABOUT) == ()


def test_what_a_whole_capture_opens_is_no_other_text() -> None:
    def light(number: int, main: str) -> Observation:
        return replace(seen(number, main=main), light=True)

    made = [seen(1, main="all"), light(2, "a"), light(3, "b"), seen(4, main="all of b")]

    assert [len(change_alerts(made, f"b{number}", [], ABOUT)) for number in (1, 2, 3, 4)] == [
        0,
        0,
        1,
        0,
    ]


def test_a_page_that_is_gone_has_no_other_text() -> None:
    made = [seen(1), gone(2, Undecided.WALL, ""), seen(3)]

    assert change_alerts(made, "b2", [], ABOUT) == change_alerts(made, "b3", [], ABOUT) == ()


def test_an_unknown_notice_is_told_when_it_comes() -> None:
    made = [
        seen(1), gone(2, Undecided.UNKNOWN_NOTICE, "此内容在休息"),
        gone(3, Undecided.UNKNOWN_NOTICE, "此内容在休息"),
        gone(4, Undecided.UNKNOWN_NOTICE, "又一句"),
    ]  # fmt: skip

    (event,) = change_alerts(made, "b2", [], ABOUT)
    assert (event.kind, event.detail) == (NotificationKind.NOTICE_UNKNOWN, "此内容在休息")
    assert change_alerts(made, "b3", [], ABOUT) == ()
    assert len(change_alerts(made, "b4", [], ABOUT)) == 1


@pytest.mark.parametrize("bundle", ["", "b9"])
def test_a_capture_that_is_not_there_tells_nothing(bundle: str) -> None:
    assert change_alerts([seen(1, 600)], bundle, [LIMIT], ABOUT) == ()


def named(number: int, name: str, account: str = "wechat:MzA=") -> Observation:
    return replace(seen(number), account=account, account_name=name)


def test_an_account_that_is_called_something_else_is_renamed() -> None:
    made = [named(1, "Old"), seen(2), named(3, "New"), named(4, "New")]

    (event,) = change_alerts(made, "b3", [], ABOUT)

    assert event.kind is NotificationKind.ACCOUNT_RENAMED
    assert event.summary == (
        "an account was renamed between 2026-05-27 14:20 UTC and 2026-05-27 14:50 UTC"
    )
    assert event.detail == 'before: "Old"; now: "New"; last capture before the change: b1'
    assert "wechat" not in event.subject + event.summary + event.id
    assert change_alerts(made, "b4", [], ABOUT) == ()


def test_two_pages_of_one_account_tell_its_new_name_once() -> None:
    other = [
        replace(observation, identity="other") for observation in (named(5, "Old"), named(6, "New"))
    ]

    (event,) = change_alerts([named(1, "Old"), named(2, "New")], "b2", [], ABOUT)
    (two,) = change_alerts(other, "b6", [], ABOUT)

    assert (event.id, event.subject) == (two.id, two.subject)
    (back,) = change_alerts([named(1, "New"), named(2, "Old")], "b2", [], ABOUT)
    assert back.id != event.id


@pytest.mark.parametrize(
    "after",
    [
        named(2, "Old"),
        named(2, ""),  # a state stands in its place, or nothing
        named(2, "New", account="wechat:MzB="),  # another account: nobody was renamed
        named(2, "New", account=""),
    ],
)
def test_what_is_no_other_name_of_the_same_account_tells_nothing(after: Observation) -> None:
    assert change_alerts([named(1, "Old"), after], "b2", [], ABOUT) == ()


def removed(number: int, **more: Any) -> Observation:
    given = {"availability": Availability.UNAVAILABLE, "main_sha256": "", "notice": "gone"}
    return replace(seen(number), **(given | more))


def few_words(number: int) -> Observation:
    return replace(seen(number, main="b"), ambiguous=True)


@pytest.mark.parametrize("sign", [removed, few_words])
def test_the_first_sign_of_a_removal_is_told_once_and_with_the_next_command(
    sign: Callable[[int], Observation],
) -> None:
    made = [seen(1), seen(2), sign(3), sign(4), seen(5), sign(6)]

    told = {
        observation.bundle_id: removal_alerts(made, observation.bundle_id, ABOUT)
        for observation in made
    }

    assert [bundle_id for bundle_id, events in told.items() if events] == ["b3", "b6"]
    (event,) = told["b3"]
    assert event.kind is NotificationKind.TAKEDOWN_SUSPECTED
    assert event.summary == (
        "a page was available at 2026-05-27 14:35 UTC, and was possibly removed before "
        "2026-05-27 14:50 UTC. This is not confirmed yet. See the picture of the page as it was "
        "(snapshotter open b2). Compare the captures: snapshotter diff b2 b3"
    )
    (event,) = removal_alerts(made, "b3", ABOUT, hidden=["b2"])
    assert "b2" not in event.summary
    assert event.summary.endswith("The last capture that shows the page is in quarantine")
    assert removal_alerts(made, "b3", ABOUT, hidden=["b3"]) == ()
    assert event.url == "https://weibo.com/1/A"
    assert "weibo" not in event.subject + event.summary + event.id


def test_what_was_never_available_on_the_same_way_is_no_sign() -> None:
    quiet = [
        [removed(3)],
        [removed(2), removed(3)],
        [replace(seen(2), vantage="tor"), removed(3)],
        [gone(2, Undecided.ERROR, ""), removed(3)],
    ]

    assert [removal_alerts(made, "b3", ABOUT) for made in quiet] == [()] * len(quiet)
